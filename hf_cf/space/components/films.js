// How a film is named, coloured and shown.

// Hue and pattern of the genres; the more telling a genre, the earlier it stands.
const GENRES = {
  "film-noir": [285, "blinds"], western: [55, "sun"], musical: [340, "pair"], war: [120, "sun"],
  documentary: [190, "dots"], horror: [310, "slash"], animation: [165, "planet"], "sci-fi": [245, "planet"],
  fantasy: [300, "planet"], mystery: [275, "blinds"], children: [150, "dots"], "children's": [150, "dots"],
  imax: [230, "planet"], crime: [15, "blinds"], romance: [0, "pair"], thriller: [265, "slash"],
  adventure: [85, "sun"], action: [35, "slash"], comedy: [70, "dots"], drama: [220, "pair"],
};

/** A film's most telling genre. */
function mainGenre(film) {
  const rank = (genre) => {
    const at = Object.keys(GENRES).indexOf(genre.toLowerCase());
    return at < 0 ? Infinity : at;
  };
  return [...film.genres].sort((a, b) => rank(a) - rank(b))[0] ?? "";
}

/** The hue of a genre; names that are not in the table get one of their own. */
function hueOf(genre) {
  return GENRES[genre.toLowerCase()]?.[0] ?? numberOf(genre, 360);
}

/** A number below `limit` that is always the same for the same text. */
function numberOf(text, limit) {
  return [...String(text)].reduce((hash, letter) => (hash * 31 + letter.codePointAt(0)) % 9973, 7) % limit;
}

const YEAR = /\s*\((?:18|19|20)\d\d\)\s*$/;
const OTHER_TITLE = /(?<!\bor)\s+\([^()]*\)$/i;
const ARTICLE = /^(.*), (The|A|An|Les|La|Le|L'|Das|Der|Die|Il|El|Los|Las)$/;

/** A title as it is said: the article in front, without the year and the title abroad. */
function displayTitle(film) {
  const name = String(film.title).replace(YEAR, "").replace(OTHER_TITLE, "");
  const moved = name.replace(ARTICLE, (_, head, article) => `${article}${article.endsWith("'") ? "" : " "}${head}`);
  return moved || String(film.title);
}

/**
 * How sure a prediction is. Nobody rates the same film twice alike; what counts is how much the
 * expected error exceeds that noise, which shrinks as the visitor rates more.
 */
function sureness(std) {
  if (std === null || std === undefined || !_noise) return null;
  const excess = std / _noise;
  if (excess < 1.06) return { words: "Quite sure", level: 3 };
  if (excess < 1.12) return { words: "Fairly sure", level: 2 };
  return { words: "Tastes differ", level: 1 };
}

function likelyRange(stars, std) {
  return `most likely ${starsInWords(onScale(stars - std)).replace(/ (stars?|of \d+)$/, "")} to ${starsInWords(onScale(stars + std))}`;
}

const MOTIFS = [...new Set(Object.values(GENRES).map(([, motif]) => motif))];

/** The hue of a film: that of its genre, or where it has none one of its own. */
function hueOfFilm(film) {
  const genre = mainGenre(film);
  return genre ? hueOf(genre) : numberOf(`hue of ${film.title}`, 360);
}

/** The block of colour that stands where others have a poster; with `link` its title leads to the film. */
function poster(film, { link = false } = {}) {
  const genre = mainGenre(film).toLowerCase();
  const title = displayTitle(film);
  return h("div", {
    class: "poster", "data-motif": GENRES[genre]?.[1] ?? MOTIFS[numberOf(`motif of ${genre || film.title}`, MOTIFS.length)],
    style: { "--hue": hueOfFilm(film), "--x": `${58 + numberOf(film.title, 36)}%`, "--y": `${10 + numberOf(film.title, 71)}%` },
  },
    h("p", { class: "poster-facts" }, h("span", {}, film.creator ?? film.genres.slice(0, 2).join(" · ")), film.year && h("span", {}, String(film.year))),
    h("h3", { class: "poster-title", title }, link ? linkTo("similar_films", film.item, { class: "poster-link" }, title) : title));
}

/** One line of a list: colour, title, year, and what stands beside them. */
function filmRow(film, ...beside) {
  return h("li", { class: "film-row", style: { "--hue": hueOfFilm(film) } },
    h("span", { class: "film-row-name" },
      h("span", { class: "film-row-title", title: displayTitle(film) }, displayTitle(film)),
      h("span", { class: "film-row-facts" }, [film.creator, film.year, film.genres.slice(0, 2).join(", ")].filter(Boolean).join(" · "))),
    ...beside);
}

/** Why a film is recommended: those ratings of `who` that speak for it. */
function reasons(because, who) {
  const speaking = because.filter((reason) => reason.effect > 0).slice(0, 2);
  if (!speaking.length) return null;
  if (ratingForm() === "heart") {
    return h("p", { class: "card-why" }, `Because ${who} like `, speaking.map((reason, at) => [at ? " and " : "", h("cite", {}, displayTitle(reason))]).flat());
  }
  const parts = speaking.map((reason, at) => [
    at ? " and " : "", h("cite", {}, displayTitle(reason)), `${reason.rating <= _scale.min + 0.6 * (_scale.max - _scale.min) ? " only" : ""} ${starsInWords(reason.rating).replace(" ", "\u00a0")}`]);
  return h("p", { class: "card-why" }, `Because ${who} gave `, parts.flat());
}

/**
 * A recommendation. A visitor rates and hides it; to a known user it is only shown, with the
 * stars that they have `given` it unknown to the model.
 */
function filmCard(card, { forVisitor = true, why = null, given = null } = {}) {
  // How sure a prediction is says something once it is one for a person, and not the general view.
  const isPersonal = !forVisitor || visitor.ratings.length >= FEW;
  const facts = typeof card.stars !== "number" || ratingForm() === "heart" ? null : predictedStars(card, isPersonal);
  return h("article", { class: "card" }, poster(card, { link: true }),
    h("div", { class: "card-body" }, facts, why ?? reasons(card.because ?? [], forVisitor ? "you" : "they"),
      given !== null && h("p", { class: "card-given" }, ...(ratingForm() === "heart" ? ["Held out: they like it"] : ["Held out: they gave it ", starsShown(given)])),
      forVisitor && h("div", { class: "card-actions" }, starsInput(card),
        h("span", { class: "card-buttons" },
          h("button", { type: "button", class: "quiet", onclick: () => visitor.hide(card, "seen") }, `${capital(words.done)} it`),
          h("button", { type: "button", class: "quiet", onclick: () => visitor.hide(card, "no") }, "Not interested"),
          saveButton(card, true)))));
}

const FEW = 3; // ratings, from which on a list is a person's own

function predictedStars({ stars, std }, isPersonal = true) {
  const sure = isPersonal && sureness(std);
  return h("div", { class: "card-facts" },
    h("p", { class: "card-stars" }, icon(STAR), h("strong", {}, stars.toFixed(1)),
      h("span", { class: "sr-only" }, ` of ${_scale.max}${ratingForm() === "stars" ? " stars" : ""} predicted`)),
    sure && h("p", { class: "card-sure", title: likelyRange(stars, std) },
      h("span", { class: "sure-bars", "data-level": sure.level, "aria-hidden": "true" }, h("i"), h("i"), h("i")),
      sure.words, h("span", { class: "sr-only" }, `, ${likelyRange(stars, std)}`)));
}

/** Put a film on the list for later, or take it off; `isShort` shows the sign alone. */
function saveButton(film, isShort = false) {
  const words = h("span", { class: isShort ? "sr-only" : null });
  const button = h("button", { type: "button", class: `quiet save${isShort ? " icon-button" : ""}`,
    onclick: () => visitor.save(film, !visitor.isSaved(film.item)) }, icon(ICONS.bookmark), words);
  visitor.watch(button, () => {
    const isSaved = visitor.isSaved(film.item);
    button.setAttribute("aria-pressed", String(isSaved));
    words.textContent = isSaved && !isShort ? "Saved for later" : "Save for later";
    if (isShort) button.title = words.textContent;
  });
  return button;
}
