// The head of every page: the name, light or dark, and the tie between the visitor's list, the
// server's functions and what the browser keeps.

pages.masthead = (element, { server, props, watch }) => {
  const banner = h("div", {});
  const theme = h("button", {
    type: "button", class: "quiet icon-button", "aria-label": "Light or dark", title: "Light or dark",
    onclick: () => remember("theme", document.body.classList.toggle("dark") ? "dark" : "light"),
  }, icon(ICONS.theme));
  const facts = h("p", { class: "masthead-facts" }, " ");
  const count = h("span", { class: "masthead-count" });
  element.append(h("header", { class: "masthead" },
    h("div", {}, h("h1", {}, "What to watch next"), facts),
    h("div", { class: "masthead-side" }, count, theme)), banner);

  const chosen = remember("theme");
  if (chosen) document.body.classList.toggle("dark", chosen === "dark");

  // The browser's list comes with the page's load event; what the visitor changes goes back.
  let connected = false;
  const connect = () => {
    if (connected) return;
    connected = true;
    const failed = (error) => banner.replaceChildren(errorNotice(error));
    visitor.connect(server, props.value?.list, (list) => { props.value = { list }; }).catch(failed);
    visitor.watch(count, () => {
      count.textContent = visitor.ratings.length ? `${plural(visitor.ratings.length, "rating")} in this browser` : "";
    });
    modelInfo().then((info) => {
      facts.textContent = `${info.n_items.toLocaleString("en")} films, learned from ${plural(info.n_ratings, "rating")} by ${plural(info.n_users, "person", "people")}`;
      if (info.synthetic) {
        banner.replaceChildren(h("p", { class: "banner", role: "note" }, h("strong", {}, "Synthetic ratings. "),
          "This model was trained on generated ratings of real films, for trying things out. Its recommendations say nothing about anybody’s taste."));
      }
    }).catch(failed);
  };
  watch("value", connect);
  if (props.value?.list) connect();
  // A browser that lets nothing be kept sends no value; the list then lasts as long as the page.
  setTimeout(connect, 4000);
};

/** Keep a small choice in this browser, or read it; without storage it lasts as long as the page. */
function remember(name, value) {
  try {
    if (value === undefined) return localStorage.getItem(`hf_cf.${name}`);
    localStorage.setItem(`hf_cf.${name}`, value);
  } catch { /* a browser that keeps nothing */ }
  return null;
}
