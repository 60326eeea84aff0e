// Building the page. Text goes in as text nodes and attributes, never as HTML, so that a title
// or an imported file cannot bring markup. (gradio's own templates would not do: what comes out
// of {{handlebars}} is evaluated once more as a JavaScript template string.)

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element with attributes, listeners (`onclick: f`) and children. */
function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.entries(value).forEach((pair) => element.style.setProperty(...pair));
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/**
 * Make the children of a container follow a list, keeping the elements that stay: what has the
 * focus keeps it.
 */
function follow(container, entries, keyOf, make, update = () => {}) {
  const old = new Map([...container.children].map((child) => [child.dataset.key, child]));
  const wanted = entries.map((entry) => {
    const key = String(keyOf(entry));
    const element = old.get(key) ?? make(entry);
    element.dataset.key = key;
    update(element, entry);
    return element;
  });
  const kept = new Set(wanted);
  [...container.children].forEach((child) => kept.has(child) || child.remove());
  wanted.forEach((element, at) => {
    if (container.children[at] !== element) container.insertBefore(element, container.children[at] ?? null);
  });
}

/** A function that runs a while after its last call. */
function later(run, milliseconds) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...values), milliseconds);
  };
}

/** A function of which only the latest call's answer counts; earlier ones resolve to undefined. */
function latest(ask) {
  let call = 0;
  return async (...values) => {
    const own = ++call;
    try {
      const answer = await ask(...values);
      return own === call ? { answer } : undefined;
    } catch (error) {
      return own === call ? { error } : undefined;
    }
  };
}

function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

let _ids = 0;

function freshId(prefix) {
  return `${prefix}-${++_ids}`;
}

/** An icon of one path in a box of 24 by 24. */
function icon(path) {
  return svg("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" }, svg("path", { d: path }));
}

const ICONS = {
  close: "M6 6l12 12M18 6L6 18",
  eye: "M2 12s4-7 10-7 10 7 10 7-4 7-10 7S2 12 2 12zm10 3a3 3 0 100-6 3 3 0 000 6z",
  no: "M12 3a9 9 0 100 18 9 9 0 000-18zM5.6 5.6l12.8 12.8",
  undo: "M9 14L4 9l5-5M4 9h10a6 6 0 010 12h-3",
  link: "M10 14a4 4 0 005.7 0l3-3a4 4 0 00-5.7-5.7l-1 1M14 10a4 4 0 00-5.7 0l-3 3a4 4 0 005.7 5.7l1-1",
  down: "M12 4v12m-5-5l5 5 5-5M4 20h16",
  up: "M12 16V4m-5 5l5-5 5 5M4 20h16",
  search: "M11 4a7 7 0 100 14 7 7 0 000-14zM16 16l5 5",
  theme: "M12 3a9 9 0 100 18V3z M12 3a9 9 0 010 18",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  home: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  more: "M6 15l6-6 6 6",
  bookmark: "M6 4h12v17l-6-4.5L6 21z",
  out: "M14 4h6v6M20 4l-9 9M10 5H5v14h14v-5",
  bin: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
};

/** A message in the place of content: nothing there yet, or something went wrong. */
function notice(kind, title, text, action = null) {
  return h("div", { class: `notice notice-${kind}`, role: kind === "error" ? "alert" : null },
    h("p", { class: "notice-title" }, title), h("p", {}, text), action);
}

function errorNotice(error, again) {
  return notice("error", "That did not work.", error.message,
    again && h("button", { class: "button", type: "button", onclick: again }, "Try again"));
}

/** Grey shapes where content is about to be. */
function placeholders(count, kind) {
  return Array.from({ length: count }, () => h("div", { class: `placeholder placeholder-${kind}`, "aria-hidden": "true" }));
}

/** Where things belong that stand above the page, so that its styles reach them. */
function frame() {
  return document.getElementById("hf-cf");
}

/** Say something for a few seconds, with a way back. */
function toast(text, undo = null) {
  let corner = document.getElementById("toasts");
  if (!corner) {
    corner = h("div", { id: "toasts", role: "status", "aria-live": "polite" });
    frame().append(corner);
  }
  const box = h("div", { class: "toast" }, h("span", {}, text));
  if (undo) {
    box.append(h("button", { type: "button", onclick: () => { undo(); box.remove(); } }, "Undo"));
  }
  corner.replaceChildren(box);
  setTimeout(() => box.remove(), 6000);
}
