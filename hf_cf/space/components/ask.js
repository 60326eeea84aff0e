// Asking the Space. What does not get through is asked again until it does, so that every part of
// the page recovers by itself.

const LONGEST_ANSWER = 60_000; // milliseconds
const WAITS = [1000, 1000, 2000, 3000, 5000];

const connection = (() => {
  const note = h("p", { class: "connection", role: "status", "aria-live": "polite" });
  let tries = 0;
  let again = null;
  return {
    note,
    /** Resolves when it is time to try again. */
    tryAgain(words) {
      note.textContent = words;
      again ??= new Promise((resolve) => {
        const go = () => {
          clearTimeout(timer);
          window.removeEventListener("online", go);
          again = null;
          resolve();
        };
        const timer = setTimeout(go, WAITS[Math.min(tries++, WAITS.length - 1)]);
        window.addEventListener("online", go);
      });
      return again;
    },
    works() {
      tries = 0;
      note.textContent = "";
    },
  };
})();

/** Ask the Space; rejects, with words that a visitor may read, what it says is wrong. */
async function ask(method, values = {}) {
  // A private Space on the Hub lets in who brings the signature that the page came with.
  const signature = new URLSearchParams(location.search).get("__sign");
  const address = `api/${method}${signature ? `?__sign=${encodeURIComponent(signature)}` : ""}`;
  for (;;) {
    let response;
    let answer;
    try {
      response = await fetch(new URL(address, document.baseURI), {
        method: "POST", headers: { "content-type": "application/json" },
        body: JSON.stringify(values), signal: AbortSignal.timeout(LONGEST_ANSWER),
      });
      answer = await response.json(); // what stands in front of a Space that is gone answers in HTML
    } catch {
      await connection.tryAgain("The Space does not answer; trying again.");
      continue;
    }
    if (response.status === 503) {
      await connection.tryAgain("The Space is busy; trying again.");
      continue;
    }
    connection.works();
    if (!response.ok) throw new Error(answer?.error ?? `The Space answered ${response.status}.`);
    return answer;
  }
}

const modelInfo = (() => {
  let info;
  return () => (info ??= ask("model_info").then((known) => {
    setScale(known.scale, known.rating_noise);
    return known;
  }).catch((error) => { info = undefined; throw error; }));
})();
