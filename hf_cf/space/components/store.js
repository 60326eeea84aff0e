// The visitor's list, in this browser only: what they rated, what they want to hide, and the way
// back. `masthead.js` ties it to gr.BrowserState; the server is asked, and keeps nothing.

const EMPTY = { ratings: [], hidden: [] };
const MOST_RATINGS = 2000;
const _listeners = new Set();
const _past = [];
let _list = EMPTY;
let _unknown = new Set();
let _save = () => {};
let _server;
const _serverReady = new Promise((resolve) => { _server = resolve; });

/** Ask the Space; rejects with an error whose message a visitor may read. */
async function ask(method, values = {}) {
  const server = await _serverReady;
  let answer;
  try {
    answer = await server[method](values);
  } catch {
    throw new Error("The Space does not answer. It may be starting, or the connection is gone.");
  }
  if (!answer || typeof answer !== "object" || (!("answer" in answer) && !("error" in answer))) {
    throw new Error("The Space gave no answer that this page understands. Reload the page.");
  }
  if ("error" in answer) throw new Error(answer.error);
  return answer.answer;
}

const modelInfo = (() => {
  let info;
  return () => (info ??= ask("model_info").then((known) => {
    setScale(known.scale, known.rating_noise);
    return known;
  }).catch((error) => { info = undefined; throw error; }));
})();

const visitor = {
  /** Connect to the server's functions and to where the list is kept. */
  async connect(server, saved, save) {
    _save = save;
    _list = checked(saved);
    _server(server);
    tell();
    const items = [..._list.ratings, ..._list.hidden].map(({ film }) => film.item);
    if (!items.length) return;
    // A Space may have changed its model since the list was kept.
    _unknown = new Set(await ask("unknown_items", { items }));
    tell();
  },
  get ratings() { return _list.ratings; },
  get hidden() { return _list.hidden; },
  get canUndo() { return _past.length > 0; },
  ratingOf: (item) => _list.ratings.find((entry) => entry.film.item === item)?.stars ?? null,
  /** What the server takes as ratings: those of films that this model has. */
  asRatings: () => _list.ratings.filter(({ film }) => !_unknown.has(film.item))
    .map(({ film, stars }) => ({ item: film.item, rating: stars })),
  asExcluded: () => _list.hidden.map(({ film }) => film.item).filter((item) => !_unknown.has(item)),
  isUnknown: (film) => _unknown.has(film.item),

  /** Rate a film; null takes the rating back. */
  rate(film, stars) {
    if (visitor.ratingOf(film.item) === stars) return;
    if (stars === null) return visitor.remove(film);
    const others = _list.ratings.filter((entry) => entry.film.item !== film.item);
    const again = others.length < _list.ratings.length;
    if (!again && others.length >= MOST_RATINGS) return toast(`${MOST_RATINGS} ratings is as many as a list holds.`);
    const entry = { film: plainFilm(film), stars };
    change({
      // A rating that is changed stays where it stands.
      ratings: again
        ? _list.ratings.map((old) => (old.film.item === film.item ? entry : old))
        : [entry, ..._list.ratings],
      hidden: _list.hidden.filter((hidden) => hidden.film.item !== film.item),
    });
    toast(`${displayTitle(film)}: ${starsInWords(stars)}`, visitor.undo);
  },
  remove(film) {
    change({ ..._list, ratings: _list.ratings.filter((entry) => entry.film.item !== film.item) });
    toast(`${displayTitle(film)} is off your list.`, visitor.undo);
  },
  /** Leave a film out of what is recommended: `why` is "seen" or "no". */
  hide(film, why) {
    const others = _list.hidden.filter((entry) => entry.film.item !== film.item);
    change({ ..._list, hidden: [{ film: plainFilm(film), why }, ...others].slice(0, 1000) });
    toast(`${displayTitle(film)}: ${why === "seen" ? "seen" : "not shown again"}.`, visitor.undo);
  },
  show(film) {
    change({ ..._list, hidden: _list.hidden.filter((entry) => entry.film.item !== film.item) });
  },
  clear() {
    change(EMPTY);
    toast("Your list is empty.", visitor.undo);
  },
  /** Take over ratings from a file or a link; those replace what is rated differently. */
  take(entries, keepOwn) {
    const taken = new Set(entries.map(({ film }) => film.item));
    const own = keepOwn ? _list.ratings.filter(({ film }) => !taken.has(film.item)) : [];
    change({
      ratings: [...entries.map(({ film, stars }) => ({ film: plainFilm(film), stars })), ...own].slice(0, MOST_RATINGS),
      hidden: _list.hidden.filter(({ film }) => !taken.has(film.item)),
    });
    toast(`${plural(entries.length, "rating")} taken over.`, visitor.undo);
  },
  undo() {
    if (!_past.length) return;
    _list = _past.pop();
    _save(_list);
    tell();
  },
  /** Call `run` now and after each change, as long as `element` is on the page. */
  watch(element, run) {
    _listeners.add({ element, run });
    run();
  },
};

function change(list) {
  _past.push(_list);
  if (_past.length > 50) _past.shift();
  _list = list;
  _save(list);
  tell();
}

function tell() {
  for (const listener of _listeners) {
    if (listener.element.isConnected) listener.run();
    else _listeners.delete(listener);
  }
}

function plainFilm({ item, title, year, genres }) {
  return { item, title, year, genres };
}

/** What the browser kept, less whatever has not the shape that this page writes. */
function checked(saved) {
  const isFilm = (film) => film && ["string", "number"].includes(typeof film.item)
    && typeof film.title === "string" && Array.isArray(film.genres);
  const kept = (entries, isGood) => (Array.isArray(entries) ? entries : []).filter((entry) => isFilm(entry?.film) && isGood(entry));
  return {
    ratings: kept(saved?.ratings, (entry) => Number.isFinite(entry.stars)).slice(0, MOST_RATINGS),
    hidden: kept(saved?.hidden, (entry) => ["seen", "no"].includes(entry.why)).slice(0, 1000),
  };
}
