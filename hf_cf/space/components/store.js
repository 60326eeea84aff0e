// The visitor's list, in this browser only: what they rated, hid, saved for later and passed over.
// The server is asked, and keeps nothing.

const MOST_RATINGS = 2000;
const MOST_OTHERS = 1000;
const KINDS = ["rating", "hidden", "saved", "passed"];

/**
 * The list as one record for each kind and item: { kind, film, value, at, since }. `value` is null
 * for what was taken back; `at` is when it was changed, `since` when it was first put there. Two
 * tabs hold a copy each; of each record the later change counts, so that no change is lost.
 */
let _records = new Map();
let _views = null; // the records by kind, newest first, until the next change
const _listeners = new Set();
const _past = []; // of each change the records as they were before
let _unknown = new Set();
let _storage = storageOf("");
let _name = "";
let _profile = {}; // what they said of themselves

const keyOf = (kind, item) => `${kind} ${JSON.stringify(item)}`;

const visitor = {
  /** Read the list that this browser keeps under a name, and follow what other tabs do to it. */
  connect(name) {
    _storage = storageOf(name);
    _name = name;
    _profile = tried(() => JSON.parse(remember(`profile.${name}`))) ?? {};
    merge(_storage.read());
    _storage.watch((theirs) => { if (merge(theirs)) _storage.write(written()); });
    tell();
    checkUnknown();
  },
  /** Whether the list outlives the page. */
  get isKept() { return _storage.isKept(); },
  get ratings() { return view().rating.map(({ film, value }) => ({ film, stars: value })); },
  get hidden() { return view().hidden.map(({ film, value }) => ({ film, why: value })); },
  get saved() { return view().saved.map(({ film }) => film); },
  get canUndo() { return _past.length > 0; },
  ratingOf: (item) => _records.get(keyOf("rating", item))?.value ?? null,
  isSaved: (item) => Boolean(_records.get(keyOf("saved", item))?.value),
  /** Whether they have said something about it: then it is no question any more. */
  hasAnswered: (item) => KINDS.some((kind) => (_records.get(keyOf(kind, item))?.value ?? null) !== null),
  /** What the server takes as ratings: those of films that this model has. */
  asRatings: () => visitor.ratings.filter(({ film }) => !_unknown.has(film.item))
    .map(({ film, stars }) => ({ item: film.item, rating: stars })),
  /** What they said of themselves, as far as the model knows such things; null for nothing. */
  asProfile(known) {
    const said = Object.entries(_profile).filter(([name, value]) => known.some((one) => one.name === name
      && (one.kind === "number" ? Number.isFinite(value) : one.values.includes(value))));
    return said.length ? Object.fromEntries(said) : null;
  },
  /** Say something of oneself; null takes it back. */
  describe(name, value) {
    _profile = { ..._profile, [name]: value };
    if (value === null) delete _profile[name];
    remember(`profile.${_name}`, JSON.stringify(_profile));
    tell();
  },
  asExcluded: () => itemsOf("hidden"),
  /** What not to ask about again, the latest last. */
  asPassed: () => [...itemsOf("saved"), ...itemsOf("passed")].reverse(),
  isUnknown: (film) => _unknown.has(film.item),

  /** Rate a film; null takes the rating back. */
  rate(film, stars) {
    if (visitor.ratingOf(film.item) === stars) return;
    if (stars === null) return visitor.remove(film);
    if (visitor.ratingOf(film.item) === null && view().rating.length >= MOST_RATINGS) {
      return toast(`${MOST_RATINGS} ${words.rating}s is as many as a list holds.`);
    }
    change([["rating", film, stars], ["hidden", film, null], ["saved", film, null]]);
    toast(`${displayTitle(film)}: ${starsInWords(stars)}`, visitor.undo);
  },
  remove(film) {
    change([["rating", film, null]]);
    toast(`${displayTitle(film)} is off your list.`, visitor.undo);
  },
  /** Leave a film out of what is recommended: `why` is "seen" or "no". */
  hide(film, why) {
    change([["hidden", film, why], ["saved", film, null]]);
    toast(`${displayTitle(film)}: ${why === "seen" ? words.done : "not shown again"}.`, visitor.undo);
  },
  show(film) { change([["hidden", film, null]]); },
  /** Put a film on the list for later, or take it off. */
  save(film, isWanted) {
    change([["saved", film, isWanted ? true : null]]);
    toast(`${displayTitle(film)} is ${isWanted ? "saved for later" : "no longer saved"}.`, visitor.undo);
  },
  /** Remember that a question was passed. */
  pass(film) { change([["passed", film, true]]); },
  clear() {
    change(["rating", "hidden", "passed"].flatMap((kind) => view()[kind].map(({ film }) => [kind, film, null])));
    toast("Your list is empty.", visitor.undo);
  },
  /** Take over ratings from a file or a link, and what it saves for later; those replace what is rated differently. */
  take(entries, keepOwn, saved = []) {
    const taken = new Set(entries.map(({ film }) => film.item));
    const own = view().rating.filter(({ film }) => !taken.has(film.item));
    const room = MOST_RATINGS - (keepOwn ? own.length : 0);
    const given = entries.slice(0, Math.max(0, room));
    change([
      ...(keepOwn ? [] : own.map(({ film }) => ["rating", film, null])),
      ...given.flatMap(({ film, stars }) => [["rating", film, stars], ["hidden", film, null], ["saved", film, null]]),
      ...saved.filter((film) => visitor.ratingOf(film.item) === null || !keepOwn).map((film) => ["saved", film, true]),
    ]);
    toast(given.length < entries.length ? `${plural(given.length, words.rating)} taken over; a list holds ${MOST_RATINGS}.`
      : `${listSize(given.length, saved.length)} taken over.`, visitor.undo);
  },
  undo() {
    if (_past.length) apply(_past.pop());
  },
  /** Call `run` now and after each change, as long as `element` is on the page. */
  watch(element, run) {
    _listeners.add({ element, run });
    run();
  },
};

function change(changes) {
  const before = apply(changes);
  _past.push(before);
  if (_past.length > 50) _past.shift();
}

/** Write [kind, film, value, since] down with the time; returns what undoes it. */
function apply(changes) {
  // Later than whatever is known, also where the clocks of two tabs or a copied list differ.
  const now = [..._records.values()].reduce((latest, { at }) => Math.max(latest, at + 1), Date.now());
  const before = [];
  changes.forEach(([kind, film, value, since], index) => {
    const key = keyOf(kind, film.item);
    const old = _records.get(key);
    if ((old?.value ?? null) === value) return;
    before.push([kind, film, old?.value ?? null, old?.since]);
    // A rating that is changed stays where it stands; of several new ones the first comes first.
    const isThere = old && old.value !== null;
    _records.set(key, { kind, film: plainFilm(film), value, at: now, since: since ?? (isThere ? old.since : now - index / 1000) });
  });
  limit();
  _storage.write(written());
  tell();
  return before;
}

/** Take over what others wrote; true where they lack something of this list. */
function merge(theirs) {
  const known = checked(theirs);
  let isNew = false;
  for (const [key, record] of known) {
    if (isLater(record, _records.get(key))) {
      _records.set(key, record);
      isNew = true;
    }
  }
  if (isNew) {
    limit();
    tell();
    checkUnknown();
  }
  return [..._records].some(([key, record]) => isLater(record, known.get(key)));
}

function isLater(one, other) {
  if (!other || one.at !== other.at) return !other || one.at > other.at;
  return JSON.stringify(one.value) > JSON.stringify(other.value); // any order, if it is the same everywhere
}

/** What was taken back long ago, and more than a list holds, is forgotten. */
function limit() {
  _views = null;
  const keep = (records, most) => records.sort((a, b) => b.at - a.at).slice(0, most);
  const all = [..._records.values()];
  const kept = [
    ...keep(all.filter(({ value }) => value === null), MOST_OTHERS),
    ...KINDS.flatMap((kind) => keep(all.filter((one) => one.kind === kind && one.value !== null), kind === "rating" ? MOST_RATINGS : MOST_OTHERS)),
  ];
  if (kept.length < all.length) _records = new Map(kept.map((one) => [keyOf(one.kind, one.film.item), one]));
}

function view() {
  if (_views) return _views;
  _views = Object.fromEntries(KINDS.map((kind) => [kind, []]));
  for (const record of _records.values()) if (record.value !== null) _views[record.kind].push(record);
  Object.values(_views).forEach((records) => records.sort((a, b) => b.since - a.since));
  return _views;
}

function itemsOf(kind) {
  return view()[kind].map(({ film }) => film.item).filter((item) => !_unknown.has(item));
}

/** A Space may have changed its model since the list was kept. */
const checkUnknown = later(async () => {
  const items = [...new Set([..._records.values()].filter(({ value }) => value !== null).map(({ film }) => film.item))];
  if (!items.length) return;
  _unknown = new Set(await ask("unknown_items", { items: items.slice(0, MOST_RATINGS + MOST_OTHERS) }));
  tell();
}, 0);

function tell() {
  for (const listener of _listeners) {
    if (listener.element.isConnected) listener.run();
    else _listeners.delete(listener);
  }
}

function plainFilm({ item, title, year, genres }) {
  return { item, title, year, genres };
}

function written() {
  return { records: [..._records.values()] };
}

/** Records by key of what somebody wrote, less whatever has not the shape that this page writes. */
function checked(saved) {
  const isFilm = (film) => film && ["string", "number"].includes(typeof film.item)
    && typeof film.title === "string" && Array.isArray(film.genres);
  const isValue = {
    rating: Number.isFinite, hidden: (value) => ["seen", "no"].includes(value),
    saved: (value) => value === true, passed: (value) => value === true,
  };
  const good = (one) => KINDS.includes(one?.kind) && isFilm(one.film) && Number.isFinite(one.at) && Number.isFinite(one.since)
    && (one.value === null || isValue[one.kind](one.value));
  const records = Array.isArray(saved?.records) ? saved.records : [];
  return new Map(records.filter(good).map((one) => [keyOf(one.kind, one.film.item), one]));
}
