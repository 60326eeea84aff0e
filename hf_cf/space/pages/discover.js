// Rate & discover: what the visitor rated on one side, what follows from it on the other.

const PAGE_SIZE = 12;
const MOST_SHOWN = 96;
const LISTS = { film: "Letterboxd, IMDb and Trakt", show: "IMDb and Trakt", anime: "MyAnimeList", manga: "MyAnimeList", book: "Goodreads" };
const READ_AFTER = 500; // milliseconds after which a question is taken to be read

pages.discover = async (element) => {
  const you = h("section", { class: "you discover-panel", "aria-label": `Your ${words.rating}s` });
  const picks = h("section", { class: "picks", "aria-label": "Recommendations" });
  element.append(h("div", { class: "discover" }, you, picks));
  picks.append(h("div", { class: "cards" }, placeholders(6, "card")));
  you.append(rateHeading(), ...placeholders(1, "search"), h("div", { class: "deck" }, placeholders(1, "deck")));
  try {
    const info = await modelInfo();
    const deck = questionDeck(info);
    you.replaceChildren(...ratingPanel(deck, info));
    const others = await knownPairs(groupInAddress());
    const list = recommendations(picks, info, deck.avoid, others);
    picks.replaceChildren(...list.parts);
    const shared = listInAddress();
    if (shared !== null) {
      history.replaceState(history.state, "", location.href.split("#")[0]);
      offerList(shared, "Somebody shared a list with you", (pairs) => {
        history.pushState({ list: history.state?.list }, "", linkToGroup([pairs]));
        list.with([pairs]);
      });
    }
  } catch (error) {
    you.remove();
    picks.replaceChildren(errorNotice(error, () => location.reload()));
  }
};

/** Lists of other people without what this model does not have. */
async function knownPairs(lists) {
  if (!lists) return null;
  const unknown = new Set(await ask("unknown_items", { items: [...new Set(lists.flat().map(([item]) => item))] }));
  return lists.map((pairs) => [...new Map(pairs.filter(([item]) => !unknown.has(item)))]);
}

function rateHeading() {
  return h("h2", {}, words.rate === "like" ? "What do you like?" : "Rate what you know");
}

function ratingPanel(deck, info) {
  const search = filmSearch({
    label: `Search for ${words.withArticle} to ${words.rate}`, hint: `Search for ${words.withArticle} to ${words.rate}`, beside: (film) => starsInput(film),
  });
  return [
    rateHeading(), search, deck, info.profile.length > 0 && aboutYou(info.profile),
    h("div", { class: "list-home" }, yourList()),
  ].filter(Boolean);
}

/** What a visitor may say of themselves, where the model learned from such things. */
function aboutYou(features) {
  const said = visitor.asProfile(features) ?? {};
  const field = ({ name, kind, values }) => {
    const label = capital(name.replaceAll("_", " "));
    const input = kind === "number"
      ? h("input", { type: "number", min: values[0], max: values[1], inputmode: "decimal", value: said[name] })
      : h("select", {}, h("option", { value: "" }, "–"), values.map((value) => h("option", { value, selected: said[name] === value }, String(value))));
    input.addEventListener("change", () => {
      const isFit = input.value !== "" && (kind !== "number" || Number.isFinite(Number(input.value)));
      visitor.describe(name, !isFit ? null : kind === "number" ? Number(input.value) : input.value);
    });
    return h("label", { class: "menu" }, h("span", {}, label), input);
  };
  return h("details", { class: "about-you", open: Object.keys(said).length > 0 },
    h("summary", {}, "About you, if you like"),
    h("p", { class: "hint" }, `A first guess before you ${words.rate} anything; each ${words.rating} counts for more. It stays in this browser.`),
    h("div", { class: "about-fields" }, features.map(field)));
}

let _yourList = null;

/** What the visitor rated, hid and saved, and what can be done with it; it is on the page once. */
function yourList() {
  if (!_yourList?.isConnected) _yourList = h("div", { class: "your-list" });
  if (!_yourList.hasChildNodes()) queueMicrotask(() => _yourList.append(ratedList(), savedList(), listTools()));
  return _yourList;
}

/**
 * Films to rate, one at a time: those whose rating would tell most. The next one is there at
 * once; which come after it follows from the answer.
 */
function questionDeck(info) {
  const deck = h("div", { class: "deck" }, placeholders(1, "deck"));
  const find = latest((excluded) => ask("next_questions", { ratings: visitor.asRatings(), n: 8, exclude: excluded, profile: visitor.asProfile(info.profile) }));
  let current = null;
  let shownAt = 0;
  let coming = [];
  let recommended; // the item that stands first in the list: one offer of it is enough

  const isAnswered = (film) => visitor.hasAnswered(film.item) || film.item === recommended;
  // A question that is being read stays, so that the answer goes to the item that was read.
  const isOpen = (film) => !isAnswered(film)
    || (!visitor.hasAnswered(film.item) && performance.now() - shownAt > READ_AFTER);
  const show = (film) => {
    const hadFocus = deck.contains(document.activeElement);
    current = film;
    shownAt = performance.now();
    deck.replaceChildren(
      h("p", { class: "deck-ask" }, words.rate === "like" ? "Do you like this one?" : `Have you ${words.done} this one?`),
      h("div", { class: "deck-film" }, poster(film)),
      h("div", { class: "deck-answers" }, starsInput(film),
        h("button", { type: "button", class: "button", onclick: () => visitor.pass(film) }, words.rate === "like" ? "Pass" : `Haven’t ${words.done} it`)));
    if (hadFocus) deck.querySelector(RATES).focus({ preventScroll: true });
  };
  const showNext = () => {
    const next = coming.find((film) => !isAnswered(film));
    if (next) show(next);
    return Boolean(next);
  };
  const refresh = async () => {
    if (recommended === undefined || (current && isOpen(current))) return;
    const isShown = showNext();
    const found = await find([...visitor.asPassed(), ...visitor.asExcluded()].slice(-1000));
    if (!found) return;
    if (!found.error) {
      coming = found.answer;
      if (isShown || showNext()) return;
    }
    current = null;
    deck.replaceChildren(found.error ? errorNotice(found.error, refresh)
      : notice("done", "No more questions.", `Search above for more ${words.plural} to ${words.rate}.`));
  };
  visitor.watch(deck, refresh);
  deck.avoid = (item) => { recommended = item; refresh(); };
  return deck;
}

function ratedList() {
  const count = h("span", { class: "count" });
  const list = h("ul", { class: "film-list" });
  const empty = h("p", { class: "hint" }, `Nothing yet. Three ${words.plural} make the recommendations yours; they stay in this browser.`);
  const undo = h("button", { type: "button", class: "quiet", onclick: visitor.undo }, icon(ICONS.undo), "Undo");
  const clear = h("button", { type: "button", class: "quiet", onclick: visitor.clear }, icon(ICONS.bin), "Clear");
  const hiddenList = h("ul", { class: "film-list" });
  const hiddenCount = h("summary");
  const hidden = h("details", { class: "hidden-films" }, hiddenCount, hiddenList);
  const box = h("div", { class: "rated" },
    h("div", { class: "rated-head" }, h("h3", {}, `Your ${words.rating}s `, count), h("span", {}, undo, clear)), empty, list, hidden);
  visitor.watch(box, () => {
    count.textContent = visitor.ratings.length || "";
    empty.hidden = visitor.ratings.length > 0;
    undo.disabled = !visitor.canUndo;
    clear.disabled = !visitor.ratings.length && !visitor.hidden.length;
    follow(list, visitor.ratings.map((entry) => entry.film), (film) => film.item, (film) => filmRow(film, starsInput(film),
      h("button", { type: "button", class: "quiet icon-button", "aria-label": `Remove ${displayTitle(film)}`, onclick: () => visitor.remove(film) }, icon(ICONS.close))),
    (line, film) => line.classList.toggle("film-unknown", visitor.isUnknown(film)));
    hidden.hidden = !visitor.hidden.length;
    hiddenCount.textContent = `Seen or not interested (${visitor.hidden.length})`;
    follow(hiddenList, visitor.hidden.map((entry) => entry.film), (film) => film.item, (film) => filmRow(film,
      h("button", { type: "button", class: "quiet", onclick: () => visitor.show(film) }, "Show again")));
  });
  return box;
}

/** What they want to see some day. */
function savedList() {
  const list = h("ul", { class: "film-list" });
  const box = h("div", { class: "saved" }, h("h3", {}, "Saved for later"), list);
  visitor.watch(box, () => {
    box.hidden = !visitor.saved.length;
    follow(list, visitor.saved, (film) => film.item, (film) => filmRow(film, h("button", {
      type: "button", class: "quiet icon-button", "aria-label": `No longer save ${displayTitle(film)}`, onclick: () => visitor.save(film, false),
    }, icon(ICONS.close))));
  });
  return box;
}

function listTools() {
  const file = h("input", { type: "file", accept: ".csv,.tsv,.txt,.xml,.json,.gz,text/csv", class: "sr-only", tabindex: -1, "aria-label": `File of ${words.rating}s`, onchange: () => {
    importFile(file.files[0]);
    file.value = "";
  } });
  const tool = (name, words, run) => h("button", { type: "button", class: "quiet", onclick: run }, icon(ICONS[name]), words);
  const save = tool("down", "Save as file", exportList);
  const share = tool("link", "Share a link", shareList);
  const box = h("div", { class: "list-tools" },
    tool("up", "Import a file", () => file.click()), save, share, file,
    h("p", { class: "hint" }, LISTS[words.singular] ? `Imports the lists of ${LISTS[words.singular]}, and any CSV.` : "Imports any CSV of titles."));
  visitor.watch(box, () => { save.disabled = share.disabled = !visitor.ratings.length; });
  return box;
}

/**
 * What follows from the list, with its filters; `came` hears of the item that stands first, or of
 * null where nothing came. `others` are lists of people with whom the visitor wants something
 * together: one of the other, to which the visitor's own is added, or those of all.
 */
function recommendations(section, info, came, others = null) {
  const title = h("h2", {});
  const subtitle = h("p", { class: "subtitle" });
  const grid = h("div", { class: "cards" }, placeholders(6, "card"));
  const more = h("button", { type: "button", class: "button more", hidden: true, onclick: () => { wanted += PAGE_SIZE; refresh(); } }, "Show more");
  const said = h("p", { class: "sr-only", role: "status", "aria-live": "polite" });
  const find = latest((request) => ask(request.group ? "recommend_together" : "recommend", request));
  const together = h("div", { class: "together", hidden: true },
    h("button", { type: "button", class: "button", onclick: () => shareGroup(group()) }, icon(ICONS.link), "Share"),
    h("button", { type: "button", class: "quiet", onclick: () => {
      history.pushState({ list: history.state?.list }, "", location.href.split("#")[0]);
      setOthers(null);
    } }, "For me alone"));
  const group = () => [...(others.length === 1 && visitor.ratings.length ? [ownPairs()] : []), ...others];
  const setOthers = (lists) => {
    others = lists;
    wanted = PAGE_SIZE;
    refresh();
  };
  let wanted = PAGE_SIZE;
  let controls = {};

  const head = () => {
    const rated = visitor.ratings.length;
    together.hidden = others === null;
    if (others) {
      const people = group().length;
      title.textContent = people > 2 ? "For all of you" : "For you two";
      subtitle.textContent = people === 1 ? `So far from the other’s list alone. ${capital(words.rate)} a few that you know, and it is for both.`
        : "What suits the one whom it suits least comes first, so that nobody sits through something they would not like.";
      return;
    }
    const isDescribed = visitor.asProfile(info.profile) !== null;
    title.textContent = rated || isDescribed ? "For you" : "Loved by many";
    subtitle.textContent = rated === 0 && isDescribed ? `A first guess from what you said of yourself. ${capital(words.rate)} ${words.withArticle} or two, and it becomes better.`
      : rated === 0 ? `Where most people start. ${capital(words.rate)} ${words.withArticle} or two, and this becomes yours.`
      : rated < 3 ? `A first idea from ${plural(rated, words.rating)}. Three or more make it yours.`
        : `Chosen by what people with a taste like yours ${words.past} and liked, from ${plural(rated, words.rating)}.`;
  };
  const refresh = async () => {
    head();
    const slow = setTimeout(() => grid.classList.add("busy"), 200);
    const asked = { exclude: visitor.asExcluded(), n: wanted, ...controls };
    const found = await find(others ? { group: group().map((pairs) => pairs.map(([item, rating]) => ({ item, rating }))), ...asked }
      : { ratings: visitor.asRatings(), explain: true, profile: visitor.asProfile(info.profile), ...asked });
    clearTimeout(slow);
    if (!found) return;
    grid.classList.remove("busy");
    section.dataset.updates = Number(section.dataset.updates ?? 0) + 1;
    const at = [...grid.children].findIndex((card) => card.contains(document.activeElement));
    more.hidden = true;
    came(found.answer?.[0]?.item ?? null);
    if (found.error) {
      grid.replaceChildren(errorNotice(found.error, refresh));
      return;
    }
    const cards = found.answer;
    if (!cards.length) {
      grid.replaceChildren(controls.genres?.length || controls.years
        ? notice("empty", `No ${words.singular} fits all of that.`, "Allow more genres or years, and there will be some.")
        : notice("empty", `Nothing better than what you ${words.rated}.`, words.rate === "like" ? `Like more ${words.plural}, and the list follows.`
          : `No other ${words.singular} is expected to reach your usual rating. Rate more ${words.plural}, and the list follows.`));
      return;
    }
    // How sure a prediction is stands on cards from a few ratings on.
    const keyOf = (card) => `${card.item} ${visitor.ratings.length >= FEW} ${card.stars?.toFixed(1)} ${(card.because ?? []).map((reason) => `${reason.item}:${reason.rating}`)} ${card.everyone ?? ""}`;
    follow(grid, cards, keyOf, (card) => filmCard(card, { why: card.everyone ? forEach(card) : null }));
    more.hidden = cards.length < wanted || wanted >= MOST_SHOWN;
    said.textContent = `Recommendations: ${cards.slice(0, 3).map(displayTitle).join(", ")}`;
    // Who rated a card with the keyboard goes on at the card that took its place.
    if (at >= 0 && document.activeElement === document.body) {
      grid.children[Math.min(at, grid.children.length - 1)]?.querySelector(RATES)?.focus({ preventScroll: true });
    }
  };
  visitor.watch(grid, () => refresh());
  return { with: setOthers, parts: [
    h("div", { class: "picks-head" }, title, subtitle, together),
    folded("Filters", [recommendationControls(info, (changed) => { controls = changed; wanted = PAGE_SIZE; refresh(); })]),
    grid, more, said,
  ] };
}

/** What each of several people may think of a film. */
function forEach({ everyone }) {
  if (everyone.length < 2 || everyone.some((stars) => typeof stars !== "number")) return null;
  return h("p", { class: "card-why" }, "For each of you: ", everyone.map((stars) => stars.toFixed(1)).join(" and "));
}
