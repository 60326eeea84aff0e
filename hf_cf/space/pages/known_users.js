// Known users: what one of them rated, what was held out, and what they are recommended.

pages.known_users = async (element) => {
  element.append(h("div", {}, placeholders(3, "panel")));
  let users;
  let info;
  try {
    [users, info] = await Promise.all([ask("users", { n: 200 }), modelInfo()]);
  } catch (error) {
    element.replaceChildren(errorNotice(error, () => { element.replaceChildren(); pages.known_users(element); }));
    return;
  }
  if (!users.length) {
    element.replaceChildren(notice("empty", "This model came without its users.",
      `It serves visitors only: ${words.rate} a few ${words.plural}, and it works just as well for you.`));
    return;
  }
  const input = h("input", { type: "search", list: freshId("users"), placeholder: `such as ${users[0].user}`, maxlength: 100, "aria-label": "User" });
  const options = h("datalist", { id: input.getAttribute("list") }, users.slice(0, 100).map(({ user }) => h("option", { value: user })));
  const result = h("div", { class: "user-result", "aria-live": "polite" });
  const byName = new Map(users.map((one) => [String(one.user), one.user]));
  const load = latest((user) => Promise.all([
    info.has_history ? ask("user_history", { user, n: 1000 }) : null,
    info.has_held_out ? ask("user_held_out", { user, n: 1000 }) : [],
    ask("recommend_for_user", { user, n: 12, explain: true })]));

  const show = async (user) => {
    input.value = user;
    shown = String(user);
    result.replaceChildren(h("div", { class: "cards" }, placeholders(6, "card")));
    const found = await load(user);
    if (!found) return;
    if (found.error) return result.replaceChildren(errorNotice(found.error, () => show(user)));
    const [history, heldOut, cards] = found.answer;
    const watched = cards.filter((card) => heldOut.some((film) => film.item === card.item)).length;
    const given = new Map(heldOut.map((film) => [film.item, film.rating]));
    result.replaceChildren(h("div", { class: "discover" },
      h("section", { class: "you" }, ...userHistory(user, history), ...userHeldOut(heldOut)),
      h("section", { class: "picks" },
        h("div", { class: "picks-head" }, h("h2", {}, `What to ${words.verb} next`),
          h("p", { class: "subtitle" }, history ? `Chosen among the ${words.plural} of which the model knows no ${words.rating} by this person.`
            : `Some they may have ${words.done}: which, the model was not told.`,
          watched ? ` ${watched} of the ${cards.length} they have ${words.done}: see what was held out.` : "")),
        h("div", { class: "cards" }, cards.map((card) => filmCard(card, { forVisitor: false, given: given.get(card.item) }))))));
  };
  const typed = () => {
    const text = input.value.trim();
    if (text) address.go("known_users", text);
  };
  const anybody = () => address.go("known_users", users[Math.floor(Math.random() * users.length)].user);
  element.replaceChildren(h("div", { class: "page" },
    h("div", { class: "page-head" }, h("h2", {}, "People the model learned from"),
      h("p", { class: "subtitle" }, `${plural(info.n_users, "user")}, known by number only. Pick one to see ${info.has_history ? `their ${words.rating}s and ` : ""}what the model makes of them.`)),
    h("form", { class: "line", onsubmit: (event) => { event.preventDefault(); typed(); } },
      h("div", { class: "search-box" }, icon(ICONS.search), input), options,
      h("button", { type: "submit", class: "button button-strong" }, "Show"),
      h("button", { type: "button", class: "button", onclick: anybody }, "Somebody at random")),
    result));
  let shown = null;
  element.open = (id) => {
    const text = id ?? shown ?? String(users[Math.floor(users.length / 2)].user);
    if (text !== shown) show(byName.get(text) ?? (/^-?\d{1,15}$/.test(text) ? Number(text) : text));
  };
  element.open(address.now.id);
};

function userHistory(user, history) {
  if (!history) {
    return [h("div", { class: "picks-head" }, h("h2", {}, `User ${user}`)), notice("empty", `Their ${words.rating}s are not here.`,
      "The licence of the data does not allow passing them on. What they liked lives on in the model only.")];
  }
  const mean = history.reduce((sum, film) => sum + film.rating, 0) / Math.max(1, history.length);
  return [
    h("div", { class: "picks-head" }, h("h2", {}, `User ${user}`),
      h("p", { class: "subtitle" }, `${plural(history.length, words.rating)}${words.rate === "like" ? "" : `, ${mean.toFixed(1)}${ratingForm() === "stars" ? " stars" : ""} on average`}`)),
    h("ul", { class: "film-list long-list", tabindex: 0, "aria-label": `${capital(words.rating)}s` },
      history.map((film) => filmRow(film, words.rate === "rate" && starsShown(film.rating)))),
  ];
}

/** What they rated unknown to the model, which shows how near it comes. */
function userHeldOut(heldOut) {
  if (!heldOut.length) return [];
  const isPredicted = heldOut.every((film) => typeof film.stars === "number");
  const off = heldOut.reduce((sum, film) => sum + Math.abs(film.rating - film.stars), 0) / heldOut.length;
  return [
    h("div", { class: "picks-head" }, h("h2", {}, "Held out of the training"),
      h("p", { class: "subtitle" }, `${plural(heldOut.length, words.rating)} that the model has not seen.${isPredicted ? ` It is off by ${off.toFixed(1)}${ratingForm() === "stars" ? " stars" : ""} on average.` : ""}`)),
    h("ul", { class: "film-list long-list held-out", tabindex: 0, "aria-label": `${capital(words.rating)}s held out` },
      heldOut.map((film) => filmRow(film, isPredicted && h("span", { class: "held-out-stars" },
        starsShown(film.rating), h("span", { class: "film-row-facts" }, `predicted ${film.stars.toFixed(1)}`))))),
  ];
}
