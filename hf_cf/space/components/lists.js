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

function linkToList() {
  const pairs = visitor.ratings.slice(0, MOST_IN_LINK).map(({ film, stars }) => [film.item, stars]);
  const bytes = new TextEncoder().encode(JSON.stringify(pairs));
  const text = btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  return `${location.href.split("#")[0]}#list=${text}`;
}

/** The list in the page's address as the CSV that the server reads; null where there is none. */
function listInAddress() {
  const found = /^#list=([\w-]{1,20000})$/.exec(location.hash);
  if (!found) return null;
  try {
    const bytes = Uint8Array.from(atob(found[1].replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
    const pairs = JSON.parse(new TextDecoder().decode(bytes)).slice(0, MOST_IN_LINK);
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

function shareList() {
  const link = h("input", { type: "text", readonly: true, value: linkToList(), "aria-label": "Link to your list" });
  const copy = h("button", { type: "button", class: "button button-strong", onclick: async () => {
    link.select();
    try { await navigator.clipboard.writeText(link.value); } catch { document.execCommand("copy"); }
    copy.textContent = "Copied";
  } }, "Copy link");
  dialog("A link to your list",
    h("p", {}, `Whoever opens it sees your ${words.rating}s and can take them over. The list is in the link itself; nothing is stored here.`,
      visitor.ratings.length > MOST_IN_LINK && ` It holds the latest ${MOST_IN_LINK}.`),
    h("div", { class: "dialog-line" }, link, copy));
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
async function offerList(text, title) {
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
      h("button", { type: "button", class: "button button-strong", onclick: () => take(true) }, visitor.ratings.length ? "Add to my list" : "Use this list"),
      visitor.ratings.length > 0 && h("button", { type: "button", class: "button", onclick: () => take(false) }, "Replace my list")));
}
