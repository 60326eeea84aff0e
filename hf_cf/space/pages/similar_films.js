// Similar films: pick one, see its neighbours and why.

pages.similar_films = async (element) => {
  const result = h("div", { class: "similar-result", "aria-live": "polite" });
  const find = latest((film) => ask("similar", { item: film.item, n: 12 }));
  const show = async (film) => {
    result.replaceChildren(h("div", { class: "cards" }, placeholders(6, "card")));
    const found = await find(film);
    if (!found) return;
    if (found.error) return result.replaceChildren(errorNotice(found.error, () => show(film)));
    result.replaceChildren(h("div", { class: "similar" },
      h("div", { class: "similar-film" }, poster(film), h("p", { class: "hint" }, "Your rating"), starsInput(film)),
      h("div", { class: "cards" }, found.answer.map((other) => filmCard(other, { why: likeness(film, other) })))));
  };
  element.append(h("div", { class: "page" },
    h("div", { class: "page-top" },
      h("div", { class: "page-head" }, h("h2", {}, "Films like the one you pick"),
        h("p", { class: "subtitle" }, "Alike here means that the same people watch and like them, whatever the genre says.")),
      filmSearch({ label: "Search for a film", hint: "Which film?", choose: show })),
    result));
  result.append(h("div", { class: "cards" }, placeholders(6, "card")));
  try {
    await modelInfo();
    const best = [...visitor.ratings].sort((a, b) => b.stars - a.stars)[0]?.film;
    const film = best && !visitor.isUnknown(best) ? best : (await ask("film_map", { n: 2 }))[0];
    if (film) show(film);
  } catch (error) {
    result.replaceChildren(errorNotice(error));
  }
};

/** Why two films are neighbours, and how near. */
function likeness(film, other) {
  const shared = other.genres.filter((genre) => film.genres.includes(genre));
  const share = Math.max(0, other.similarity);
  const near = share > 0.6 ? "Nearly the same audience" : share > 0.35 ? "Much the same audience" : "Partly the same audience";
  return h("div", { class: "card-why" },
    h("p", { class: "likeness" }, h("span", { class: "bar", "aria-hidden": "true" }, h("i", { style: { width: `${Math.round(share * 100)}%` } })),
      h("span", {}, near)),
    h("p", {}, shared.length ? `Both ${shared.slice(0, 2).join(" and ")}` : `Another genre: ${other.genres.slice(0, 2).join(", ") || "unknown"}`,
      film.year && other.year && Math.abs(film.year - other.year) <= 3 ? ", of the same years" : ""));
}
