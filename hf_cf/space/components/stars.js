// Stars to give with mouse, finger or keyboard, and stars to read.

const STAR = "M12 2.6l2.9 6.1 6.6.8-4.9 4.6 1.3 6.6L12 17.4l-5.9 3.3 1.3-6.6L2.5 9.5l6.6-.8z";
let _scale = { min: 0.5, max: 5, step: 0.5 };
let _noise = null; // standard deviation of one person's ratings of one film, in stars

function setScale(scale, noise) {
  _scale = scale;
  _noise = noise;
}

/** The stars that are drawn; a scale to 10 has ten of them. */
function starCount() {
  return Math.min(10, Math.max(1, Math.round(_scale.max)));
}

function starsInWords(stars) {
  const halves = stars % 1 === 0.5;
  const number = halves ? `${Math.floor(stars) || ""}½` : Number(stars.toFixed(1)).toString();
  return `${number} ${stars === 1 || stars === 0.5 ? "star" : "stars"}`;
}

/** A row of stars, of which a share is filled: 0 to 1. */
function starRow(share) {
  const row = (kind) => h("span", { class: `stars-${kind}` }, Array.from({ length: starCount() }, () => icon(STAR)));
  const full = row("full");
  full.style.setProperty("--share", share);
  return [row("empty"), full];
}

/** Stars that were given or predicted, to read only. */
function starsShown(stars, label) {
  return h("span", { class: "stars stars-shown", role: "img", "aria-label": label ?? starsInWords(stars) },
    ...starRow(stars / _scale.max));
}

/**
 * A row of stars to rate a film with. A range input lies under it: arrow keys choose, Enter or
 * Space gives, digits give at once, Delete takes back.
 */
function starsInput(film, give = visitor.rate) {
  const name = displayTitle(film);
  const input = h("input", {
    type: "range", min: 0, max: _scale.max, step: _scale.step, value: 0,
    "aria-label": `Your rating of ${name}`,
    title: "Arrow keys choose, Enter gives the rating",
  });
  const box = h("span", { class: "stars stars-input" }, ...starRow(0), input);
  const full = box.querySelector(".stars-full");
  let given = 0;

  const draw = (stars) => {
    full.style.setProperty("--share", stars / _scale.max);
    input.value = stars;
    const said = stars ? starsInWords(stars) : "not rated";
    input.setAttribute("aria-valuetext", stars === given ? said : `${said}, Enter gives it`);
    box.classList.toggle("stars-draft", stars !== given);
  };
  const commit = (stars) => {
    const allowed = stars && Math.min(_scale.max, Math.max(_scale.min, stars));
    if (allowed !== given) give(film, allowed);
    draw(given);
  };

  input.addEventListener("input", () => draw(Number(input.value)));
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") commit(Number(input.value));
    else if (event.key === "Escape") draw(given);
    else if (event.key === "Delete" || event.key === "Backspace") commit(0);
    else if (/^[1-9]$/.test(event.key) && Number(event.key) <= _scale.max) commit(Number(event.key));
    else return;
    event.preventDefault();
  });
  input.addEventListener("blur", () => draw(given));

  const starsAt = (event) => {
    const { left, width } = box.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - left) / width));
    const steps = Math.ceil((share * _scale.max) / _scale.step - 1e-9);
    return Math.max(_scale.min, steps * _scale.step);
  };
  box.addEventListener("pointermove", (event) => draw(starsAt(event)));
  box.addEventListener("pointerleave", () => draw(given));
  box.addEventListener("pointercancel", () => draw(given));
  box.addEventListener("click", (event) => {
    event.preventDefault();
    if (event.detail > 0 || event.clientX) commit(starsAt(event));
  });

  visitor.watch(box, () => { given = visitor.ratingOf(film.item); draw(given); });
  return box;
}
