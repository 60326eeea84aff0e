// A map of films on a canvas: zoom, move, hover, choose, with mouse, fingers or keyboard.

const ERAS = [[0, 1949, "before 1950"], [1950, 1969, "1950s, 60s"], [1970, 1979, "1970s"], [1980, 1989, "1980s"],
  [1990, 1999, "1990s"], [2000, 2009, "2000s"], [2010, 9999, "since 2010"]];
const ERA_HUES = [300, 260, 220, 180, 140, 85, 35];

function eraOf(film) {
  return film.year ? ERAS.find(([first, last]) => film.year >= first && film.year <= last)[2] : "year unknown";
}

/** Ranks pull the crowded middle apart a little, and far outliers in; 0 to 1. */
function spread(values) {
  const order = values.map((_, at) => at).sort((a, b) => values[a] - values[b]);
  const ranks = new Array(values.length);
  order.forEach((at, rank) => { ranks[at] = rank / Math.max(1, values.length - 1); });
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return values.map((value, at) => 0.5 * ranks[at] + 0.5 * ((value - low) / (high - low || 1)));
}

/**
 * @param films with `at` (coordinates, the widest direction first) and `n_ratings`, most rated first
 * @param choose called with a film that is clicked
 */
function filmMap(films, choose) {
  const most = Math.max(1, ...films.map((film) => film.n_ratings));
  const points = films.map((film) => ({
    film, x: 0, y: 0, size: 2.5 + 6 * Math.sqrt(film.n_ratings / most), name: displayTitle(film),
  }));
  const directions = films[0]?.at.length ?? 0;
  const view = { x: 0, y: 0, zoom: 1 };
  const colourings = [
    films.some((film) => film.genres.length) && ["genre", "Genre"], films.some((film) => film.year) && ["era", "Era"],
  ].filter(Boolean);
  const hasGroups = colourings.length > 0;
  let colourBy = colourings[0]?.[0] ?? "genre";
  let shown = "01"; // two of the directions
  let only = null;
  let hovered = null;
  let chosen = null;
  let near = [];

  const canvas = h("canvas", {
    tabindex: 0, role: "application", "aria-roledescription": "map",
    "aria-label": `Map of ${words.plural}, those that are alike near each other. Arrow keys go from one to the next, Enter opens one, plus and minus zoom.`,
  });
  const tip = h("div", { class: "map-tip", "aria-hidden": "true" });
  const said = h("p", { class: "sr-only", role: "status", "aria-live": "polite" });
  const legend = h("div", { class: "map-legend", role: "group", "aria-label": "Colours and view" });
  const tools = h("div", { class: "map-tools" },
    ...[["plus", "Zoom in", () => zoomBy(1.6)], ["minus", "Zoom out", () => zoomBy(1 / 1.6)], ["home", "Whole map", reset]]
      .map(([name, label, run]) => h("button", { type: "button", "aria-label": label, title: label, onclick: run }, icon(ICONS[name]))));
  const stage = h("div", { class: "map-stage" }, canvas, tip, tools);
  const box = h("div", { class: "map" }, legend, stage, said);
  const pen = canvas.getContext("2d");

  const groupOf = (film) => (colourBy === "genre" ? mainGenre(film) || "other" : eraOf(film));
  const hueOfGroup = (group) => {
    if (colourBy === "genre") return group === "other" ? null : hueOf(group);
    const at = ERAS.findIndex(([, , name]) => name === group);
    return at < 0 ? null : ERA_HUES[at];
  };
  const margin = 28;
  const width = () => canvas.clientWidth;
  const height = () => canvas.clientHeight;
  const placeOf = (point) => [
    margin + (point.x - view.x) * view.zoom * (width() - 2 * margin),
    margin + (point.y - view.y) * view.zoom * (height() - 2 * margin)];

  function placeAlong(across, up) {
    const xs = spread(films.map((film) => film.at[across] ?? 0));
    const ys = spread(films.map((film) => film.at[up] ?? 0));
    points.forEach((point, at) => Object.assign(point, { x: xs[at], y: 1 - ys[at] }));
  }
  function clampView() {
    view.zoom = Math.min(24, Math.max(1, view.zoom));
    const most = 1 - 1 / view.zoom;
    view.x = Math.min(most, Math.max(0, view.x));
    view.y = Math.min(most, Math.max(0, view.y));
    canvas.style.touchAction = view.zoom > 1 ? "none" : "pan-y";
  }
  function zoomBy(factor, px = width() / 2, py = height() / 2) {
    const before = view.zoom;
    view.zoom = Math.min(24, Math.max(1, view.zoom * factor));
    const keep = 1 / before - 1 / view.zoom;
    view.x += ((px - margin) / (width() - 2 * margin)) * keep;
    view.y += ((py - margin) / (height() - 2 * margin)) * keep;
    clampView();
    draw();
  }
  function reset() {
    Object.assign(view, { x: 0, y: 0, zoom: 1 });
    clampView();
    draw();
  }

  let asked = false;
  function draw() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; paint(); });
  }
  function paint() {
    if (!width()) return;
    const ratio = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width() * ratio) || canvas.height !== Math.round(height() * ratio)) {
      canvas.width = Math.round(width() * ratio);
      canvas.height = Math.round(height() * ratio);
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width(), height());
    const style = getComputedStyle(box);
    const ink = style.getPropertyValue("--ink").trim();
    const paper = style.getPropertyValue("--surface").trim();
    const light = style.getPropertyValue("--mark-light").trim();
    const grown = (width() < 600 ? 0.7 : 1) * view.zoom ** 0.35;
    const colour = (point) => {
      const hue = hasGroups ? hueOfGroup(groupOf(point.film)) : hueOfFilm(point.film);
      return `oklch(${light} ${hue === null ? 0 : 0.13} ${hue ?? 0})`;
    };
    const isFaint = (point) => only !== null && groupOf(point.film) !== only;
    const neighbours = new Set(near);
    if (chosen) {
      const [x, y] = placeOf(chosen);
      pen.strokeStyle = ink;
      pen.globalAlpha = 0.35;
      pen.lineWidth = 1;
      for (const point of points.filter((one) => neighbours.has(one.film.item))) {
        pen.beginPath();
        pen.moveTo(x, y);
        pen.lineTo(...placeOf(point));
        pen.stroke();
      }
    }
    for (const point of [...points].reverse()) {
      const [x, y] = placeOf(point);
      if (x < -20 || y < -20 || x > width() + 20 || y > height() + 20) continue;
      pen.globalAlpha = isFaint(point) ? 0.12 : 0.85;
      pen.fillStyle = colour(point);
      pen.beginPath();
      pen.arc(x, y, point.size * grown, 0, 7);
      pen.fill();
      const rated = visitor.ratingOf(point.film.item) !== null;
      if (rated || point === chosen || point === hovered) {
        pen.globalAlpha = 1;
        pen.strokeStyle = ink;
        pen.lineWidth = point === chosen ? 3 : 1.8;
        pen.stroke();
      }
    }
    label(points, neighbours, isFaint, grown, ink, paper);
    pen.globalAlpha = 1;
  }
  function label(all, neighbours, isFaint, grown, ink, paper) {
    pen.font = `700 12.5px ${getComputedStyle(box).fontFamily}`;
    pen.textBaseline = "middle";
    pen.lineJoin = "round";
    const taken = [];
    const first = all.filter((point) => point === chosen || point === hovered || neighbours.has(point.film.item));
    const most = (width() < 600 ? 14 : 36) * Math.min(3, view.zoom);
    for (const point of [...first, ...all]) {
      if (taken.length > most) break;
      const [x, y] = placeOf(point);
      if (isFaint(point) || x < 0 || y < 0 || x > width() || y > height()) continue;
      const text = point.name.length > 30 ? `${point.name.slice(0, 28)}…` : point.name;
      const long = pen.measureText(text).width;
      const right = x + point.size * grown + 4;
      const left = right + long > width() - 4 ? x - point.size * grown - 4 - long : right;
      const own = [left - 4, y - 10, left + long + 4, y + 10];
      if (taken.some((other) => own[0] < other[2] && other[0] < own[2] && own[1] < other[3] && other[1] < own[3])) continue;
      taken.push(own);
      pen.globalAlpha = 1;
      pen.lineWidth = 3.5;
      pen.strokeStyle = paper;
      pen.strokeText(text, left, y);
      pen.fillStyle = ink;
      pen.fillText(text, left, y);
    }
  }

  function pointAt(event) {
    const { left, top } = canvas.getBoundingClientRect();
    const [px, py] = [event.clientX - left, event.clientY - top];
    let best = null;
    let least = 18;
    for (const point of points) {
      if (only !== null && groupOf(point.film) !== only) continue;
      const [x, y] = placeOf(point);
      const away = Math.hypot(x - px, y - py) - point.size;
      if (away < least) [best, least] = [point, away];
    }
    return best;
  }
  function hover(point) {
    if (hovered === point) return;
    hovered = point;
    canvas.style.cursor = point ? "pointer" : "grab";
    tip.classList.toggle("shown", Boolean(point));
    if (point) {
      const [x, y] = placeOf(point);
      tip.replaceChildren(h("strong", {}, point.name), ` ${[point.film.year, mainGenre(point.film)].filter(Boolean).join(" · ")}`);
      tip.style.left = `${Math.min(width() - 120, Math.max(120, x))}px`;
      tip.style.top = `${Math.max(40, y - 16)}px`;
    }
    draw();
  }
  function select(point) {
    chosen = point;
    near = [];
    said.textContent = `${point.name}${point.film.year ? `, ${point.film.year}` : ""}`;
    draw();
    choose(point.film);
  }

  // Fingers and mouse: one moves, two zoom, a short one chooses.
  const held = new Map();
  let moved = 0;
  canvas.addEventListener("pointerdown", (event) => {
    held.set(event.pointerId, event);
    canvas.setPointerCapture(event.pointerId);
    if (held.size === 1) moved = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId);
    if (!before) return hover(pointAt(event));
    const [dx, dy] = [event.clientX - before.clientX, event.clientY - before.clientY];
    moved += Math.abs(dx) + Math.abs(dy);
    const other = [...held.values()].find((one) => one.pointerId !== event.pointerId);
    if (other) {
      const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
      const { left, top } = canvas.getBoundingClientRect();
      zoomBy(apart(event) / Math.max(1, apart(before)), (event.clientX + other.clientX) / 2 - left, (event.clientY + other.clientY) / 2 - top);
    } else {
      view.x -= dx / view.zoom / (width() - 2 * margin);
      view.y -= dy / view.zoom / (height() - 2 * margin);
      clampView();
      draw();
    }
    held.set(event.pointerId, event);
  });
  const release = (event) => {
    const wasHeld = held.delete(event.pointerId);
    if (wasHeld && event.type === "pointerup" && moved < 8) {
      const point = pointAt(event);
      if (point) select(point);
    }
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => hover(null));
  // The wheel scrolls the page until the map is in use.
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && document.activeElement !== canvas) return;
    event.preventDefault();
    const { left, top } = canvas.getBoundingClientRect();
    zoomBy(Math.exp(-event.deltaY * 0.0016), event.clientX - left, event.clientY - top);
  }, { passive: false });
  canvas.addEventListener("dblclick", (event) => {
    const { left, top } = canvas.getBoundingClientRect();
    zoomBy(2, event.clientX - left, event.clientY - top);
  });

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "+" || event.key === "=") zoomBy(1.4);
    else if (event.key === "-") zoomBy(1 / 1.4);
    else if (event.key === "0") reset();
    else if (event.key === "Enter" || event.key === " ") { if (hovered) select(hovered); }
    else if (event.key in ARROWS) step(...ARROWS[event.key]);
    else return;
    event.preventDefault();
  });
  function step(dx, dy) {
    const from = hovered ?? chosen ?? { x: view.x + 0.5 / view.zoom, y: view.y + 0.5 / view.zoom };
    let best = null;
    let least = Infinity;
    for (const point of points) {
      const ahead = (point.x - from.x) * dx + (point.y - from.y) * dy;
      const aside = Math.abs((point.x - from.x) * dy) + Math.abs((point.y - from.y) * dx);
      if (point === from || ahead <= 0 || aside > 1.5 * ahead || (only !== null && groupOf(point.film) !== only)) continue;
      if (ahead + 2 * aside < least) [best, least] = [point, ahead + 2 * aside];
    }
    if (!best) return;
    bringIntoView(best);
    hover(best);
    said.textContent = `${best.name}${best.film.year ? `, ${best.film.year}` : ""}`;
  }
  function bringIntoView(point, always = false) {
    const [x, y] = placeOf(point);
    if (!always && x > margin && y > margin && x < width() - margin && y < height() - margin) return;
    view.x = point.x - 0.5 / view.zoom;
    view.y = point.y - 0.5 / view.zoom;
    clampView();
    draw();
  }

  function drawLegend() {
    const counts = new Map();
    films.forEach((film) => counts.set(groupOf(film), (counts.get(groupOf(film)) ?? 0) + 1));
    const names = colourBy === "era" ? ERAS.map((era) => era[2]).filter((name) => counts.has(name))
      : [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a)).slice(0, 14);
    legend.replaceChildren(...[
      colourings.length > 1 && segmented("Colour by", colourings, colourBy, (value) => {
        colourBy = value;
        only = null;
        drawLegend();
        draw();
      }),
      directions > 2 && segmented("Seen from", [["01", "the front"], ["02", "above"], ["12", "the side"]], shown, (value) => {
        shown = value;
        placeAlong(Number(value[0]), Number(value[1]));
        draw();
      }),
      hasGroups && folded("Show only", names.map((name) => h("button", {
        type: "button", class: "chip chip-dot", "aria-pressed": String(only === name),
        style: { "--hue": hueOfGroup(name) ?? 0, "--chroma": hueOfGroup(name) === null ? 0 : 0.13 },
        onclick: (event) => {
          only = only === name ? null : name;
          legend.querySelectorAll(".chip").forEach((chip) => chip.setAttribute("aria-pressed", String(chip === event.currentTarget && only !== null)));
          draw();
        },
      }, name)), "chips")].filter(Boolean));
  }

  placeAlong(0, 1);
  drawLegend();
  new ResizeObserver(draw).observe(stage);
  // The colours follow light and dark.
  new MutationObserver(draw).observe(document.body, { attributeFilter: ["class"] });
  visitor.watch(box, draw);
  clampView();

  /** Go to a film as if it had been clicked; false where the map does not have it. */
  box.goTo = (film) => {
    const point = points.find((one) => one.film.item === film.item);
    if (!point) return false;
    view.zoom = Math.max(view.zoom, 3);
    bringIntoView(point, true);
    select(point);
    return true;
  };
  /** Draw lines from the chosen film to these items. */
  box.connect = (items) => { near = items; draw(); };
  box.films = films;
  /** Where a film stands, in pixels of the canvas. */
  box.placeOf = (item) => placeOf(points.find((point) => point.film.item === item));
  return box;
}
