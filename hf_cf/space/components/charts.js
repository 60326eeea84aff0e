// Small pictures of numbers, as SVG that follows the text's colours.

/** Bars side by side: [{ name, value, text, strong }]. */
function barChart(rows, label) {
  const most = Math.max(...rows.map((row) => row.value), 1e-9);
  return h("dl", { class: "bars", "aria-label": label }, rows.flatMap((row) => [
    h("dt", {}, row.name),
    h("dd", { class: row.strong ? "strong" : null }, h("span", { class: "bar", "aria-hidden": "true" },
      h("i", { style: { width: `${(100 * row.value) / most}%` } })), h("span", {}, row.text))]));
}

/** Lines over the same steps: [{ name, values, kind }]. */
function lineChart(lines, { label, format, steps }) {
  const [wide, high, left, bottom] = [520, 220, 44, 28];
  const all = lines.flatMap((line) => line.values);
  const [low, top] = [Math.min(...all), Math.max(...all)];
  const x = (at) => left + (at * (wide - left - 70)) / Math.max(1, steps.length - 1);
  const y = (value) => 12 + ((top - value) * (high - bottom - 24)) / (top - low || 1);
  return svg("svg", { viewBox: `0 0 ${wide} ${high}`, class: "chart", role: "img", "aria-label": label },
    ...[low, (low + top) / 2, top].flatMap((value) => [
      svg("line", { x1: left, x2: wide - 70, y1: y(value), y2: y(value), class: "chart-grid" }),
      svg("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, format(value))]),
    ...steps.map((step, at) => svg("text", { x: x(at), y: high - 6, "text-anchor": "middle" }, String(step))),
    ...lines.flatMap((line) => [
      svg("polyline", { points: line.values.map((value, at) => `${x(at)},${y(value)}`).join(" "), class: `chart-line ${line.kind}` }),
      svg("text", { x: wide - 64, y: y(line.values.at(-1)) + 4, class: `chart-name ${line.kind}` }, line.name)]));
}

/** Columns close together, as for the long tail; `mark` names one of them. */
function columnChart(values, { label, mark = null }) {
  const [wide, high] = [520, 200];
  const most = Math.max(...values, 1);
  const step = wide / values.length;
  return svg("svg", { viewBox: `0 0 ${wide} ${high + 24}`, class: "chart", role: "img", "aria-label": label },
    ...values.map((value, at) => svg("rect", {
      x: at * step, width: Math.max(0.5, step - 1), y: high - (high * value) / most, height: (high * value) / most, class: "chart-column",
    })),
    svg("line", { x1: 0, x2: wide, y1: high, y2: high, class: "chart-grid" }),
    svg("text", { x: 0, y: high + 18 }, `most ${words.rated}`),
    svg("text", { x: wide, y: high + 18, "text-anchor": "end" }, `least ${words.rated}`),
    ...(mark ? [
      svg("line", { x1: mark.at * wide, x2: mark.at * wide, y1: 8, y2: high, class: "chart-mark" }),
      svg("text", { x: mark.at * wide + 6, y: 18 }, mark.text)] : []));
}
