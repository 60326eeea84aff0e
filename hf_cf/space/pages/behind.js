// Behind the model: how good it is, what it learned, and from what.

pages.behind = async (element) => {
  element.append(h("div", {}, placeholders(3, "panel")));
  let info;
  let portrait;
  try {
    [info, portrait] = await Promise.all([modelInfo(), ask("portrait")]);
  } catch (error) {
    element.replaceChildren(errorNotice(error, () => { element.replaceChildren(); pages.behind(element); }));
    return;
  }
  const all = portrait.measurements.filter((one) => one.by === "all");
  const value = (metric, system = "model") => all.find((one) => one.metric === metric && one.system === system)?.value;
  element.replaceChildren(h("div", { class: "page" },
    h("div", { class: "page-head" }, h("h2", {}, "Behind the model"),
      h("p", { class: "subtitle" }, info.feedback === "implicit" ? "One model decides what comes first. "
        : `${info.model} predicts the stars${info.ranking ? ", and a second model decides what comes first" : ""}. `,
        `${info.ranking && info.feedback === "explicit" ? "They see" : "It sees"} who ${words.rated} what${info.features.length ? `, and of people and ${words.plural}: ${info.features.join(", ")}.` : ", and nothing else: no plots, no actors, no genres."}`)),
    h("div", { class: "figures" }, ...keyFigures(info, value)),
    h("div", { class: "panels" }, ...[
      starsPanel(all), rankingPanel(all, portrait.k), curvesPanel(info.epochs),
      popularityPanel(portrait, value(`median_popularity@${portrait.k}`)),
      likedPanel("Liked beyond taste", "Rated higher by everybody than their tastes explain.", portrait.most_liked),
      likedPanel("Liked less than taste explains", "Rated lower by everybody than their tastes explain.", portrait.least_liked),
      groupsPanel(portrait.measurements), dataPanel(info),
    ].filter(Boolean))));
};

function panel(title, text, ...inside) {
  return h("section", { class: "panel" }, h("h3", {}, title), text && h("p", { class: "hint" }, text), ...inside);
}

function keyFigures(info, value) {
  const stars = value("mae") ?? info.metrics.valid_mae;
  const hit = value("precision@10");
  return [
    [info.n_ratings.toLocaleString("en"), `${words.rating}s to learn from`],
    [info.n_users.toLocaleString("en"), "people"],
    [info.n_items.toLocaleString("en"), words.plural],
    stars !== undefined && [`±${stars.toFixed(2)}`, "stars off, on average, for ratings it had not seen"],
    hit !== undefined && [`${(10 * hit).toFixed(1)} of 10`, `first recommendations were ${words.plural} that people liked, kept from the model until then`],
  ].filter(Boolean).map(([number, text]) => h("div", { class: "figure" }, h("strong", {}, number), h("span", {}, text)));
}

function compared(all, metric, names) {
  return Object.entries(names)
    .map(([system, name]) => ({ name, one: all.find((one) => one.system === system && one.metric === metric) }))
    .filter(({ one }) => one)
    .map(({ name, one }) => ({ name, value: one.value, text: one.value.toFixed(3), strong: one.system === "model" }));
}

function starsPanel(all) {
  const rows = compared(all, "rmse", { "item mean": `The ${words.singular}’s average`, "damped biases": `${capital(words.singular)} and person averages`, model: "This model" });
  return rows.length > 1 && panel("How many stars?", "Typical error in stars (RMSE) on held-out ratings. Shorter is better.", barChart(rows, "Error in stars"));
}

function rankingPanel(all, k) {
  const rows = compared(all, `ndcg@${k}`, { "item mean": "Best average first", "most popular": "The most popular first", model: "This model" });
  return rows.length > 1 && panel("What next?", `How many liked ${words.plural} come first, and how early (nDCG@${k}). Longer is better.`, barChart(rows, "Quality of the order"));
}

function curvesPanel(epochs) {
  const known = epochs.filter((epoch) => Number.isFinite(epoch.train_loss) && Number.isFinite(epoch.valid_loss));
  return known.length > 1 && panel("Learning", "Squared error in each pass over the ratings: on those it learns from, and on those held out.",
    lineChart([
      { name: "learned", values: known.map((epoch) => epoch.train_loss), kind: "line-a" },
      { name: "held out", values: known.map((epoch) => epoch.valid_loss), kind: "line-b" },
    ], { label: `Learning curves over ${known.length} passes`, format: (value) => value.toFixed(2), steps: known.map((epoch, at) => epoch.epoch ?? at + 1) }));
}

function popularityPanel({ popularity }, shown) {
  return panel(`Few ${words.plural} get most ${words.rating}s`,
    `The most ${words.rated} tenth of the ${words.plural} has ${Math.round(100 * popularity.share_of_top_tenth)}% of all ${words.rating}s; ${plural(popularity.n_rare, words.singular, words.plural)} of ${popularity.n_items.toLocaleString("en")} have fewer than 10.${shown === undefined ? "" : ` Half of what it puts into people’s first ten has ${Math.round(shown)} ${words.rating}s or more.`} What is rarely ${words.rated} is hard to know: choose “Lesser known” to see more of it.`,
    columnChart(popularity.columns, { label: `${capital(words.rating)}s of the ${words.plural}, from the most to the least ${words.rated}` }));
}

function groupsPanel(measurements) {
  const rows = measurements.filter((one) => one.by === "user activity" && one.metric === "rmse" && one.system === "model")
    .map((one) => ({ name: `${one.group} ratings`, value: one.value, text: one.value.toFixed(3) }));
  return rows.length > 1 && panel("The more you rate, the better", "Error in stars (RMSE), by how much a person had rated.", barChart(rows, "Error by activity"));
}

function likedPanel(title, text, films) {
  return films.length > 0 && panel(title, text, h("ol", { class: "film-list" },
    films.map((film) => filmRow(film, h("span", { class: "bias" }, `${film.bias > 0 ? "+" : "−"}${Math.abs(film.bias).toFixed(2)}`)))));
}

function dataPanel(info) {
  const rows = [
    ["Data", info.dataset], ["Terms", info.licence], ["Please cite", info.citation],
    ["Kept of known users", info.has_history ? `Numbers learned for them, and their ${words.rating}s` : `Numbers learned for them; their ${words.rating}s are not here`],
    ["Kept of you", `Nothing. Your ${words.rating}s stay in your browser; the Space computes with them and forgets them.`],
  ];
  const link = /^https:\/\//.test(info.url ?? "") && h("p", {}, h("a", { href: info.url, rel: "noopener noreferrer", target: "_blank" }, "About the data"));
  return panel("Data, terms, privacy", null,
    h("dl", { class: "terms" }, rows.filter(([, text]) => text).flatMap(([name, text]) => [h("dt", {}, name), h("dd", {}, text)])), link);
}
