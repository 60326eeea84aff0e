// The page around the map: search, the map, and the film that was chosen.

pages.film_map = async (element) => {
  const place = h("div", { class: "map-page" }, h("div", { class: "placeholder placeholder-map", "aria-hidden": "true" }));
  const origin = h("span", {});
  const top = h("div", { class: "page-top" },
    h("div", { class: "page-head" }, h("h2", {}, "A map of taste"),
      h("p", { class: "subtitle" }, `${capital(words.plural)} that the same people like stand near each other`, origin)));
  const page = h("div", { class: "page" }, top, place);
  element.append(page);
  let films;
  let info;
  try {
    [films, info] = await Promise.all([ask("film_map", { n: 500 }), modelInfo()]);
  } catch (error) {
    place.replaceChildren(errorNotice(error, () => { element.replaceChildren(); pages.film_map(element); }));
    return;
  }
  origin.textContent = info.features.length ? `, found from ${words.rating}s and ${info.features.join(", ")}.`
    : `, found from ${words.rating}s alone. Nobody told the model what a genre is.`;
  const side = h("aside", { class: "map-side", "aria-label": `The chosen ${words.singular}` });
  const empty = () => side.replaceChildren(notice("empty", `Pick ${words.withArticle}.`, `Click a point to ${words.rate} the ${words.singular} and to see which are near. Click into the map, and the wheel zooms.`));
  const near = latest((film) => ask("similar", { item: film.item, n: 8 }));
  const show = async (film) => {
    const list = h("ul", { class: "film-list" }, placeholders(4, "row"));
    side.replaceChildren(poster(film, { link: true }), h("div", { class: "map-rate" }, h("span", { class: "hint" }, `Your ${words.rating}`), starsInput(film)),
      h("h3", {}, "Liked by the same people"), list);
    const found = await near(film);
    if (!found) return;
    if (found.error) return list.replaceWith(errorNotice(found.error));
    map.connect(found.answer.map((other) => other.item));
    list.replaceChildren(...found.answer.map((other) => h("li", {}, h("button", {
      type: "button", class: "found-choice", onclick: () => goTo(other),
    }, ...filmRow(other).childNodes))));
  };
  // What is chosen, on the map or beside it, is in the address; from there it is shown.
  const map = filmMap(films, (film) => choose(film));
  let chosen = null;
  const choose = (film) => {
    address.go("film_map", film.item);
    chosen = String(film.item);
    show(film);
  };
  const goTo = (film) => { if (!map.goTo(film)) choose(film); };
  element.open = async (id) => {
    if (id === null || id === chosen) return;
    chosen = id;
    const known = films.find((film) => String(film.item) === id);
    if (known) map.goTo(known);
    else await ask("film", { item: id }).then(show, (error) => side.replaceChildren(errorNotice(error)));
  };
  top.append(filmSearch({ label: `Find ${words.withArticle} on the map`, hint: `Find ${words.withArticle} on the map`, choose: goTo }));
  empty();
  place.replaceChildren(map, side);
  element.open(address.now.id);
};
