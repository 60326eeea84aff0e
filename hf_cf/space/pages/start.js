// The page as a whole: its head, its tabs, and the bar at the foot of a phone. It is there before
// gradio's own scripts have come, and needs none of them.

/** What each tab is called, and the part of it that a phone has room for. */
const tabNames = () => ({
  discover: [`${capital(words.rate)} & discover`, "Discover"],
  known_users: ["Known users", "Users"],
  similar_films: [`Similar ${words.plural}`, "Similar"],
  film_map: [`Map of ${words.plural}`, "Map"],
  behind: ["Behind the model", "Behind"],
});
const TITLE = document.title;

/** Fill the page in. `name` is that of the model's data; `failure` says why there is no model. */
pages.start = ({ name, failure, words: own }) => {
  Object.assign(words, own);
  const root = document.getElementById("hf-cf");
  followTheme();
  if (failure) return pages.failure(root, failure);
  visitor.connect(name);
  history.scrollRestoration = "manual";
  root.replaceChildren(connection.note, masthead(), storageNote(), ...tabs(), footBar());
};

/** The head of the page, which stands in the document, with what can be done there. */
function masthead() {
  const side = document.querySelector(".masthead-side");
  const count = h("span", { class: "masthead-count" });
  side.replaceChildren(count, h("button", {
    type: "button", class: "quiet icon-button", "aria-label": "Light or dark", title: "Light or dark",
    onclick: () => remember("theme", document.body.classList.toggle("dark") ? "dark" : "light"),
  }, icon(ICONS.theme)));
  visitor.watch(count, () => {
    count.textContent = visitor.ratings.length ? `${plural(visitor.ratings.length, words.rating)} in this browser` : "";
  });
  return side.closest("#hf-cf > div");
}

/** Light or dark as the visitor chose, or as their system has it; gradio sets it again later. */
function followTheme() {
  const wanted = () => remember("theme") ?? new URLSearchParams(location.search).get("__theme");
  const isDark = () => (wanted() ? wanted() === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  document.body.classList.toggle("dark", isDark());
  new MutationObserver(() => {
    if (remember("theme") && document.body.classList.contains("dark") !== isDark()) document.body.classList.toggle("dark", isDark());
  }).observe(document.body, { attributeFilter: ["class"] });
}

/** Say so where the browser keeps nothing, and how the list can be kept nevertheless. */
function storageNote() {
  const isFramed = window.parent !== window;
  const link = h("a", { target: "_blank", rel: "noopener" }, "Open in a tab");
  const note = h("p", { class: "banner", role: "note" }, isFramed
    ? ["This browser keeps nothing for a page inside another one: your list lasts as long as this page. ", link]
    : "This browser keeps nothing for this page: your list lasts as long as it is open. “Save as file” keeps it.");
  visitor.watch(note, () => {
    note.hidden = visitor.isKept;
    link.href = visitor.ratings.length ? linkToList() : location.href;
  });
  return note;
}

function tabs() {
  const TABS = tabNames();
  const names = Object.keys(TABS);
  const panels = Object.fromEntries(names.map((name) => [name, h("div", {
    id: name.replace("_", "-"), class: "tab-panel", role: "tabpanel", "aria-label": TABS[name][0], hidden: true,
  })]));
  const buttons = Object.fromEntries(names.map((name) => [name, h("button", {
    type: "button", role: "tab", "aria-label": TABS[name][0], "aria-controls": panels[name].id, onclick: () => address.go(name),
  }, h("span", { class: "tab-long" }, TABS[name][0]), h("span", { class: "tab-short" }, TABS[name][1]))]));
  const strip = h("div", { class: "tab-strip", role: "tablist", onkeydown: (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const at = names.indexOf(names.find((name) => buttons[name] === document.activeElement));
    buttons[names[(at + step + names.length) % names.length]].focus();
    event.preventDefault();
  } }, ...Object.values(buttons));
  const opened = new Set();
  const open = ({ tab, id }, scroll = null) => {
    for (const name of names) {
      panels[name].hidden = name !== tab;
      buttons[name].setAttribute("aria-selected", String(name === tab));
      buttons[name].tabIndex = name === tab ? 0 : -1;
    }
    document.title = tab === "discover" ? TITLE : `${TABS[tab][0]} · ${TITLE}`;
    // A page that is open already goes to the item; a new one looks at the address itself.
    if (opened.has(tab)) panels[tab].open?.(id);
    else {
      opened.add(tab);
      pages[tab](panels[tab]);
    }
    if (scroll !== null) window.scrollTo(0, scroll);
  };
  address.watch(open);
  queueMicrotask(() => open(address.now)); // when the panels are on the page
  return [strip, ...Object.values(panels)];
}

/** On a phone the list lies far below: a bar at the foot opens it. */
function footBar() {
  const count = h("span", {});
  const bar = h("div", { class: "foot-bar" }, h("button", { type: "button", class: "foot-bar-button", onclick: openList }, count, icon(ICONS.more)));
  visitor.watch(bar, () => {
    count.textContent = [plural(visitor.ratings.length, words.rating), visitor.saved.length && `${visitor.saved.length} saved`].filter(Boolean).join(" · ");
  });
  return bar;
}

function openList() {
  const list = yourList();
  const home = list.parentElement;
  const box = dialog("Your list", list);
  box.leave = () => home?.append(list);
}
