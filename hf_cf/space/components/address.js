// Where the visitor is, in the page's address: #/similar/50 is a tab and the id of an item.

const PLACES = { discover: "", known_users: "users", similar_films: "similar", film_map: "map", behind: "behind" };
const HUB = "https://huggingface.co";

const address = {
  /** The tab, and the id as text or null. */
  get now() {
    const [, name = "", id = ""] = /^#\/(\w*)(?:\/(.*))?$/.exec(location.hash) ?? [];
    const tab = Object.keys(PLACES).find((one) => PLACES[one] === name) ?? "discover";
    return { tab, id: (id && tried(() => decodeURIComponent(id))) || null };
  },
  of: (tab, id = null) => `#/${PLACES[tab]}${id === null ? "" : `/${encodeURIComponent(id)}`}`,
  /** Go to a tab; `replace` takes the place of where the visitor is, so that "back" leaves both. */
  go(tab, id = null, { replace = false } = {}) {
    const hash = address.of(tab, id);
    if (hash === location.hash) return;
    const place = location.pathname + location.search + hash;
    if (replace) history.replaceState(history.state, "", place);
    else {
      history.replaceState({ ...history.state, scroll: window.scrollY }, "");
      history.pushState({ list: history.state?.list }, "", place);
    }
    tellHub();
    if (!replace) _followers.forEach((run) => run(address.now, 0));
  },
  /** Call `run` with where the visitor is, after each step to somewhere else. */
  watch(run) { _followers.push(run); },
};
const _followers = [];

window.addEventListener("popstate", () => {
  tellHub();
  _followers.forEach((run) => run(address.now, history.state?.scroll ?? 0));
});

/** The Hub shows a Space in a frame, and takes over its address. */
function tellHub() {
  const outside = location.ancestorOrigins ? location.ancestorOrigins[0] : tried(() => new URL(document.referrer).origin);
  if (window.parent !== window && outside === HUB) window.parent.postMessage({ hash: location.hash }, HUB);
}

/** What follows links inside the page: an anchor that can be opened in a tab of its own as well. */
function linkTo(tab, id, attributes, ...inside) {
  return h("a", {
    ...attributes, href: location.pathname + location.search + address.of(tab, id),
    onclick: (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
      event.preventDefault();
      address.go(tab, id);
    },
  }, ...inside);
}
