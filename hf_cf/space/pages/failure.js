// The page that stands in the place of the others when no model could be loaded.

pages.failure = (element, reason) => {
  element.append(h("div", { class: "page failure" }, h("h1", {}, "No model to recommend with"),
    h("p", { class: "subtitle" }, "The Space runs, but its model could not be loaded:"),
    h("pre", { role: "alert", tabindex: 0, "aria-label": "Reason" }, String(reason)),
    h("p", {}, "Set the variable ", h("code", {}, "HF_CF_MODEL"), " to a model folder or to a model on the Hub, such as ",
      h("code", {}, "user/movies"), ", and start the Space again.")));
};
