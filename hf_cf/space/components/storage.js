// What the browser keeps for the page. In a frame on another site, or by its owner's choice, a
// browser may keep nothing: then even a look at `localStorage` throws.

/** Run something that storage may refuse; undefined where it does. */
function tried(run) {
  try {
    return run();
  } catch {
    return undefined;
  }
}

/**
 * A value under a name: read, write, and a call when another tab has written. Where the browser
 * keeps nothing, the entry of the page's history carries it over a reload.
 */
function storageOf(name) {
  const key = `hf_cf.list.${name}`;
  let isKept = tried(() => {
    localStorage.setItem("hf_cf.probe", "");
    localStorage.removeItem("hf_cf.probe");
    return true;
  }) ?? false;
  const parsed = (text) => tried(() => JSON.parse(text));
  return {
    isKept: () => isKept,
    read: () => (isKept ? parsed(localStorage.getItem(key)) : history.state?.list),
    write(value) {
      if (isKept) isKept = tried(() => { localStorage.setItem(key, JSON.stringify(value)); return true; }) ?? false;
      if (!isKept) tried(() => history.replaceState({ ...history.state, list: value }, ""));
    },
    watch(run) {
      const again = () => { if (isKept) run(parsed(localStorage.getItem(key))); };
      window.addEventListener("storage", (event) => { if (event.key === key && event.newValue) again(); });
      // A page that comes back from the browser's cache has missed those events.
      window.addEventListener("pageshow", (event) => { if (event.persisted) again(); });
    },
  };
}

/** Keep a small choice in this browser, or read it; without storage it lasts as long as the page. */
function remember(name, value) {
  if (value === undefined) return tried(() => localStorage.getItem(`hf_cf.${name}`)) ?? null;
  tried(() => localStorage.setItem(`hf_cf.${name}`, value));
  return value;
}
