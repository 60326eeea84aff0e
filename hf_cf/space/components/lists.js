// Taking a list along: as a file, or as a link.

const MOST_BYTES = 2_000_000;
const MOST_IN_LINK = 300;

/** The visitor's ratings as CSV, with the column names of Letterboxd. */
function asCsv() {
  const cell = (value) => `"${String(value ?? "").replaceAll('"', '""')}"`;
  const lines = visitor.ratings.map(({ film, stars }) => [cell(displayTitle(film)), film.year ?? "", stars, cell(film.item)].join(","));
  return ["Name,Year,Rating,Item", ...lines].join("\r\n") + "\r\n";
}

function exportList() {
  const url = URL.createObjectURL(new Blob([asCsv()], { type: "text/csv" }));
  h("a", { href: url, download: "my-ratings.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** The visitor's list as [id, stars] pairs, as links carry it. */
const ownPairs = () => visitor.asRatings().slice(0, MOST_IN_LINK).map(({ item, rating }) => [item, rating]);

function packed(pairs) {
  const bytes = new TextEncoder().encode(JSON.stringify(pairs));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function unpacked(text) {
  const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes)).slice(0, MOST_IN_LINK);
}

function linkToList() {
  const pairs = visitor.ratings.slice(0, MOST_IN_LINK).map(({ film, stars }) => [film.item, stars]);
  return `${location.href.split("#")[0]}#list=${packed(pairs)}`;
}

/** A link to recommendations for several people, whose lists it carries. */
function linkToGroup(lists) {
  return `${location.href.split("#")[0]}#together=${lists.map(packed).join(".")}`;
}

/** The lists of a link for several people, as ratings that the server takes; null where it is none. */
function groupInAddress() {
  const found = /^#together=([\w.-]{1,60000})$/.exec(location.hash);
  if (!found) return null;
  const isRating = ([item, stars]) => ["string", "number"].includes(typeof item) && Number.isFinite(stars);
  return tried(() => found[1].split(".").slice(0, 8).map((text) => unpacked(text).filter(isRating))) ?? null;
}

/** The list in the page's address as the CSV that the server reads; null where there is none. */
function listInAddress() {
  const found = /^#list=([\w-]{1,20000})$/.exec(location.hash);
  if (!found) return null;
  try {
    const pairs = unpacked(found[1]);
    const cell = (value) => `"${String(value).replaceAll('"', '""')}"`;
    return ["Item,Rating", ...pairs.map(([item, stars]) => `${cell(item)},${Number(stars)}`)].join("\n");
  } catch {
    return "";
  }
}

function dialog(title, ...inside) {
  const id = freshId("dialog");
  const leave = () => { box.leave?.(); box.leave = null; box.remove(); };
  const close = () => { leave(); box.close(); };
  const box = h("dialog", { "aria-labelledby": id },
    h("div", { class: "dialog-head" }, h("h2", { id }, title),
      h("button", { type: "button", class: "quiet icon-button", "aria-label": "Close", onclick: () => close() }, icon(ICONS.close))),
    ...inside);
  box.addEventListener("close", leave);
  box.addEventListener("click", (event) => { if (event.target === box) close(); });
  frame().append(box);
  box.showModal();
  box.finish = close;
  return box;
}

/** A line with a link and what copies it. */
function linkLine(address, label) {
  const link = h("input", { type: "text", readonly: true, value: address, "aria-label": label });
  const copy = h("button", { type: "button", class: "button button-strong", onclick: async () => {
    link.select();
    try { await navigator.clipboard.writeText(link.value); } catch { document.execCommand("copy"); }
    copy.textContent = "Copied";
  } }, "Copy link");
  return h("div", { class: "dialog-line" }, link, copy);
}

function shareList() {
  dialog("A link to your list",
    h("p", {}, `Whoever opens it sees your ${words.rating}s and can take them over, or find something for the two of you. The list is in the link itself; nothing is stored here.`,
      visitor.ratings.length > MOST_IN_LINK && ` It holds the latest ${MOST_IN_LINK}.`),
    linkLine(linkToList(), "Link to your list"));
}

function shareGroup(lists) {
  dialog("A link for all of you",
    h("p", {}, `Whoever opens it sees what suits you all. Your ${words.rating}s are in the link itself; nothing is stored here.`),
    linkLine(linkToGroup(lists), "Link for all of you"));
}

async function importFile(file) {
  if (!file) return;
  if (file.size > MOST_BYTES) {
    return offerFailure(`The file has ${(file.size / 1e6).toFixed(1)} MB; lists of up to ${MOST_BYTES / 1e6} MB are read.`);
  }
  let text;
  try {
    // MyAnimeList packs its lists.
    text = /\.gz$/i.test(file.name) ? await new Response(file.stream().pipeThrough(new DecompressionStream("gzip"))).text() : await file.text();
  } catch {
    return offerFailure("It is no whole .gz file.");
  }
  await offerList(text, "From your file");
}

function offerFailure(message) {
  dialog("That file cannot be read", h("p", { role: "alert" }, message),
    h("p", { class: "hint" }, "A list is a CSV file with a line of column names: Name, Year and Rating, as Letterboxd exports them, or Item and Rating. MyAnimeList’s XML and Trakt’s JSON are read as well."));
}

/** How much a list holds, in words. */
function listSize(ratings, saved) {
  return [(ratings > 0 || !saved) && plural(ratings, words.rating), saved > 0 && `${saved} for later`].filter(Boolean).join(" and ");
}

/** Show what a list holds, and take it over if the visitor says so. */
async function offerList(text, title, together = null) {
  let read;
  try {
    read = await ask("read_list", { text });
  } catch (error) {
    return offerFailure(error.message);
  }
  const entries = read.films.map((film) => ({ film, stars: film.rating }));
  const take = (keepOwn) => { box.finish(); visitor.take(entries, keepOwn, read.saved); };
  const known = entries.length + read.saved.length > 0;
  const box = dialog(title,
    h("p", {}, known
      ? `${listSize(entries.length, read.saved.length)}, of ${words.plural} that are known here.`
      : `None of these ${words.plural} is known here.`),
    known && h("ul", { class: "film-list dialog-list", tabindex: 0, "aria-label": `${capital(words.plural)} found` },
      ...entries.slice(0, 200).map(({ film, stars }) => filmRow(film, starsShown(stars))),
      ...read.saved.slice(0, 200).map((film) => filmRow(film, h("span", { class: "hint" }, "for later")))),
    read.missing.length > 0 && h("details", {}, h("summary", {}, `${plural(read.n_missing, "line")} left out`),
      h("ul", { class: "plain-list" }, ...read.missing.map(({ name, why }) => h("li", {}, name, h("span", { class: "hint" }, `: ${why}`))))),
    known && h("div", { class: "dialog-line" },
      together && entries.length > 0 && h("button", { type: "button", class: "button", onclick: () => {
        box.finish();
        together(entries.map(({ film, stars }) => [film.item, stars]));
      } }, "For us two"),
      h("button", { type: "button", class: "button button-strong", onclick: () => take(true) }, visitor.ratings.length ? "Add to my list" : "Use this list"),
      visitor.ratings.length > 0 && h("button", { type: "button", class: "button", onclick: () => take(false) }, "Replace my list")));
}
