// Similar films: one film with what is known about it, and those that the same people like. Every
// card leads here; the film's id is in the page's address.

pages.similar_films = async (element) => {
  const result = h("div", { class: "similar-result", "aria-live": "polite" });
  const find = latest((id) => Promise.all([ask("film", { item: id }), modelInfo()]));
  let shown = null; // its id as text
  const show = async (id) => {
    if (id === shown) return;
    shown = id;
    result.replaceChildren(h("div", { class: "cards" }, placeholders(6, "card")));
    const found = await find(id);
    if (!found) return;
    if (found.error) {
      shown = null;
      return result.replaceChildren(errorNotice(found.error, () => show(id)));
    }
    result.replaceChildren(oneFilm(...found.answer));
  };
  // Where no film is named: their favourite, or the best known one.
  const open = async (id) => {
    if (id !== null) return show(id);
    const best = [...visitor.ratings].sort((a, b) => b.stars - a.stars).map(({ film }) => film).find((film) => !visitor.isUnknown(film));
    const film = best ?? (await ask("film_map", { n: 2 }))[0];
    if (!film || address.now.tab !== "similar_films" || address.now.id !== null) return;
    address.go("similar_films", film.item, { replace: true });
    show(String(film.item));
  };
  element.open = (id) => open(id).catch((error) => result.replaceChildren(errorNotice(error)));
  element.append(h("div", { class: "page" },
    h("div", { class: "page-top" },
      h("div", { class: "page-head" }, h("h2", {}, `${capital(words.plural)} like the one you pick`),
        h("p", { class: "subtitle" }, `Alike here means that the same people ${words.verb} and like them, whatever the genre says.`)),
      filmSearch({ label: `Search for ${words.withArticle}`, hint: `Which ${words.singular}?`, choose: (film) => address.go("similar_films", film.item) })),
    result));
  result.append(h("div", { class: "cards" }, placeholders(6, "card")));
  element.open(address.now.id);
};

function oneFilm(film, info) {
  const cards = h("div", { class: "cards" }, placeholders(6, "card"));
  const fill = async () => {
    try {
      const others = await ask("similar", { item: film.item, n: 12 });
      cards.replaceChildren(...others.map((other) => filmCard(other, { why: likeness(film, other) })));
    } catch (error) {
      cards.replaceChildren(errorNotice(error, fill));
    }
  };
  fill();
  return h("div", { class: "similar" },
    h("div", { class: "similar-film" }, poster(film),
      h("div", { class: "similar-rate" }, h("p", { class: "hint" }, `Your ${words.rating}`), starsInput(film)),
      h("div", { class: "similar-tools" }, saveButton(film), ...film.links.map(({ name, url }) => h("a", {
        class: "quiet", href: url, target: "_blank", rel: "noopener noreferrer" }, name, icon(ICONS.out))))),
    h("div", { class: "similar-facts" },
      h("div", { class: "panels" }, expected(film, info), ratedBy(film)),
      h("h3", {}, "Liked by the same people"), cards));
}

/** What the visitor may think of it, and which of their ratings say so. */
function expected(film, info) {
  const said = h("div", { class: "expected" }, placeholders(1, "row"));
  const find = latest((ratings) => Promise.all([
    info.feedback === "explicit" ? ask("predict", { items: [film.item], ratings, profile: visitor.asProfile(info.profile) }) : [{}],
    ask("explain", { item: film.item, ratings, n: 4 })]));
  const box = panel("For you", null, said);
  visitor.watch(box, async () => {
    const ratings = visitor.asRatings().filter(({ item }) => item !== film.item);
    if (!ratings.length) return said.replaceChildren(h("p", { class: "hint" }, `${capital(words.rate)} some that you know, and here stands what you may think of this one, and why.`));
    const found = await find(ratings);
    if (!found) return;
    if (found.error) return said.replaceChildren(errorNotice(found.error));
    const [[{ stars, std }], because] = found.answer;
    const lines = because.filter(({ effect }) => effect !== 0);
    const most = Math.max(...lines.map(({ effect }) => Math.abs(effect)));
    said.replaceChildren(...[
      typeof stars === "number" && ratingForm() !== "heart" && predictedStars({ stars, std }),
      lines.length > 0 && h("ul", { class: "effects" }, lines.map((reason) => h("li", { class: reason.effect > 0 ? "effect-up" : "effect-down" },
        h("span", { class: "bar", "aria-hidden": "true" }, h("i", { style: { width: `${(100 * Math.abs(reason.effect)) / most}%` } })),
        h("span", { class: "effect-words" }, reason.effect > 0 ? "for it: " : "against it: ", h("cite", {}, displayTitle(reason)), words.rate === "rate" && `, ${starsInWords(reason.rating)}`)))),
    ].filter(Boolean));
  });
  return box;
}

/** How people rated it: how many gave what. */
function ratedBy({ n_ratings: count, ratings }) {
  const many = plural(count, words.rating);
  if (!ratings) return panel(words.rate === "like" ? "Who likes it" : "How people rated it", null, h("p", { class: "hint" }, `The model learned from ${many} of it. Which they were, it does not tell.`));
  const all = ratings.reduce((sum, one) => sum + one.count, 0);
  const mean = ratings.reduce((sum, one) => sum + one.count * one.rating, 0) / Math.max(1, all);
  if (ratingForm() === "heart") return panel("Who likes it", null, h("p", { class: "hint" }, `${plural(all, "person", "people")} of those that the model learned from.`));
  return panel("How people rated it", all ? `${plural(all, "rating")}, ${mean.toFixed(1)} on average.` : "Nobody rated it yet.",
    all > 0 && barChart([...ratings].reverse().map((one) => ({
      name: starsInWords(one.rating), value: one.count, text: one.count.toLocaleString("en"),
    })), "How many gave what"));
}

/** Why two films are neighbours, and how near. */
function likeness(film, other) {
  const shared = other.genres.filter((genre) => film.genres.includes(genre));
  const share = Math.max(0, other.similarity);
  const near = share > 0.6 ? "Nearly the same audience" : share > 0.35 ? "Much the same audience" : "Partly the same audience";
  const words = shared.length ? `Both ${shared.slice(0, 2).join(" and ")}`
    : other.genres.length ? `Another genre: ${other.genres.slice(0, 2).join(", ")}` : "";
  const isNear = film.year && other.year && Math.abs(film.year - other.year) <= 3;
  return h("div", { class: "card-why" },
    h("p", { class: "likeness" }, h("span", { class: "bar", "aria-hidden": "true" }, h("i", { style: { width: `${Math.round(share * 100)}%` } })),
      h("span", {}, near)),
    (words || isNear) && h("p", {}, [words, isNear && (words ? "of the same years" : "Of the same years")].filter(Boolean).join(", ")));
}
