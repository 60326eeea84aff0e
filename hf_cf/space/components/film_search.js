// A search box for films: type, and what is found stands below it.

/**
 * `beside(film)` makes what stands beside each film that is found; with `choose` a film is a
 * button, and the search closes when one is chosen.
 */
function filmSearch({ label, hint, beside = null, choose = null }) {
  const list = h("ul", { class: "found", id: freshId("found") });
  const said = h("p", { class: "sr-only", role: "status", "aria-live": "polite" });
  const input = h("input", {
    type: "search", placeholder: hint, autocomplete: "off", spellcheck: "false",
    maxlength: 200, "aria-label": label, "aria-controls": list.id,
  });
  const box = h("div", { class: "search", role: "search" },
    h("div", { class: "search-box" }, icon(ICONS.search), input), said, h("div", { class: "found-box" }, list));
  const find = latest((text) => ask("search", { text, n: 8 }));
  let listed = null; // the text whose films are listed
  let wanted = null; // the text whose first film is to be taken: who types fast is ahead of the list
  const takeFirst = () => {
    if (wanted === null || wanted !== listed) return;
    wanted = null;
    if (choose) list.querySelector("button")?.click();
    else list.querySelector(RATES)?.focus();
  };

  const close = () => { listed = wanted = null; list.replaceChildren(); said.textContent = ""; box.classList.remove("search-open"); };
  const pick = (film) => { choose(film); input.value = ""; close(); };
  const row = (film) => {
    if (!choose) return filmRow(film, beside(film));
    const button = filmRow(film);
    return h("li", {}, h("button", { type: "button", class: "found-choice", onclick: () => pick(film) }, ...button.childNodes));
  };
  const search = async () => {
    const text = input.value.trim();
    if (!text) return close();
    box.classList.add("search-busy");
    const found = await find(text);
    if (!found) return;
    box.classList.remove("search-busy");
    if (!input.value.trim()) return close();
    box.classList.add("search-open");
    if (found.error) {
      list.replaceChildren(h("li", { class: "found-none" }, found.error.message));
      return;
    }
    const films = found.answer;
    listed = text;
    said.textContent = films.length ? `${plural(films.length, words.singular, words.plural)} found` : `No ${words.singular} found`;
    const focused = list.contains(document.activeElement) && document.activeElement;
    if (films.length) follow(list, films, (film) => film.item, row);
    else list.replaceChildren(h("li", { class: "found-none" }, `No ${words.singular} of that name here. Try a part of its title, initials, or a year.`));
    // Whoever is in the list already stays there when it changes.
    if (focused && !list.contains(document.activeElement)) {
      (focused.isConnected ? focused : list.querySelector(choose ? "button" : RATES) ?? input).focus();
    }
    takeFirst();
  };
  const searchSoon = later(search, 90);

  input.addEventListener("input", () => { wanted = null; });
  input.addEventListener("input", () => (input.value.trim() ? searchSoon() : close()));
  input.addEventListener("keydown", (event) => {
    const first = event.key === "ArrowDown" && list.querySelector(choose ? "button" : RATES);
    if (first) { event.preventDefault(); first.focus(); }
    else if (event.key === "Enter" && input.value.trim()) { event.preventDefault(); wanted = input.value.trim(); takeFirst(); }
  });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { input.value = ""; close(); input.focus(); }
    const choices = [...list.querySelectorAll("button")];
    const at = choices.indexOf(document.activeElement);
    if (at < 0 || !["ArrowDown", "ArrowUp"].includes(event.key)) return;
    event.preventDefault();
    (choices[at + (event.key === "ArrowDown" ? 1 : -1)] ?? input).focus();
  });
  // Whoever goes on elsewhere is done searching; what was typed stays for coming back.
  box.addEventListener("focusout", (event) => { if (!box.contains(event.relatedTarget)) setTimeout(() => box.contains(document.activeElement) || close(), 150); });
  input.addEventListener("focus", () => { if (input.value.trim()) searchSoon(); });
  return box;
}
