// Choices in plain words.

/** One of a few, as buttons side by side: [value, words] pairs. */
function segmented(label, choices, value, pick) {
  const name = freshId("choice");
  return h("fieldset", { class: "segmented" }, h("legend", {}, label),
    h("span", { class: "segments" }, ...choices.map(([own, words]) => h("label", {},
      h("input", { type: "radio", name, value: own, checked: own === value, onchange: () => pick(own) }),
      h("span", {}, words)))));
}

function menu(label, choices, value, pick) {
  return h("label", { class: "menu" }, h("span", {}, label),
    h("select", { "aria-label": `${label} year`, onchange: (event) => pick(event.target.value) },
      ...choices.map(([own, words]) => h("option", { value: own, selected: own === value }, words))));
}

const FAMILIARITY = [["favourites", "Favourites"], ["mix", "A mix"], ["lesser_known", "Lesser known"], ["hidden_gems", "Hidden gems"]];

/** What to recommend: genres, years, how well known; `changed` gets what the server takes. */
function recommendationControls(info, changed) {
  const values = { genres: [], first: "", last: "", familiarity: "mix" };
  const send = () => changed({
    genres: values.genres,
    years: values.first || values.last ? [Number(values.first || 0), Number(values.last || 9999)] : null,
    familiarity: values.familiarity,
  });
  const chips = info.genres.map((genre) => h("button", {
    type: "button", class: "chip chip-dot", "aria-pressed": "false", style: { "--hue": hueOf(genre) },
    onclick: (event) => {
      const on = !values.genres.includes(genre);
      values.genres = on ? [...values.genres, genre] : values.genres.filter((other) => other !== genre);
      event.currentTarget.setAttribute("aria-pressed", String(on));
      send();
    },
  }, genre));
  const decades = [];
  if (info.years) {
    for (let year = Math.floor(info.years[0] / 10) * 10; year <= info.years[1]; year += 10) decades.push(year);
  }
  // The end that was not touched gives way where the years would run backwards.
  const pickYear = (end, other, value) => {
    values[end] = value;
    if (values.first && values.last && Number(values.first) > Number(values.last)) {
      values[other] = "";
      ends[other].querySelector("select").value = "";
    }
    send();
  };
  const ends = {
    first: menu("From", [["", "any year"], ...decades.map((year) => [String(year), String(year)])], "", (value) => pickYear("first", "last", value)),
    last: menu("to", [["", "today"], ...decades.map((year) => [String(year + 9), String(year + 9)])], "", (value) => pickYear("last", "first", value)),
  };
  const years = decades.length > 1 && h("span", { class: "menus" }, ends.first, ends.last);
  return h("div", { class: "controls" },
    h("div", { class: "controls-row" },
      segmented("How well known", FAMILIARITY, "mix", (value) => { values.familiarity = value; send(); }), years),
    chips.length > 0 && h("div", { class: "chips", role: "group", "aria-label": "Genres, any where none is chosen" }, ...chips));
}

/** Controls stand open where there is room, and behind a line of words on a phone. */
function folded(words, controls, kind = "") {
  const isNarrow = matchMedia("(max-width: 640px)");
  const box = h("details", { class: "folded" }, h("summary", {}, words), h("div", { class: kind }, ...controls));
  const fit = () => { box.open = !isNarrow.matches; };
  isNarrow.addEventListener("change", fit);
  fit();
  return box;
}
