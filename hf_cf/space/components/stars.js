// Ratings to give with mouse, finger or keyboard, and ratings to read: stars where a scale can be
// drawn with them, a heart where there are only likes, and else a slider with its number.

const STAR = "M12 2.6l2.9 6.1 6.6.8-4.9 4.6 1.3 6.6L12 17.4l-5.9 3.3 1.3-6.6L2.5 9.5l6.6-.8z";
const HEART = "M12 20.5S3.5 15.4 3.5 9.3A4.6 4.6 0 0112 6.9a4.6 4.6 0 018.5 2.4c0 6.1-8.5 11.2-8.5 11.2z";
const LIKES = { min: 0, max: 1, step: 1 };
/** Where the keyboard rates: the first of it inside a card or question. */
const RATES = ".stars-input input, .rating-slider input, .heart";
let _scale = { min: 0.5, max: 5, step: 0.5 };
let _noise = null; // standard deviation of one person's ratings of one film, in stars

function setScale(scale, noise) {
  _scale = scale ?? LIKES;
  _noise = noise;
}

/** How ratings of the scale are given: "stars", "heart" or "slider". */
function ratingForm() {
  const { min, max, step } = _scale;
  if (min === 0 && max === 1 && step === 1) return "heart";
  const drawn = min >= 0 && max >= 3 && max <= 10 && max % 1 === 0 && min % step === 0;
  return drawn && (step === 1 || step === 0.5) ? "stars" : "slider";
}

/** The rating of the scale that is nearest to a number. */
function onScale(value) {
  const { min, max, step } = _scale;
  const stepped = min + Math.round((value - min) / step) * step;
  return Number(Math.min(max, Math.max(min, stepped)).toFixed(6));
}

function starsInWords(stars) {
  const form = ratingForm();
  if (form === "heart") return stars > 0 ? "liked" : "not liked";
  if (form === "slider") return _scale.min < 0 ? numberInWords(stars) : `${numberInWords(stars)} of ${_scale.max}`;
  const number = stars % 1 === 0.5 ? `${Math.floor(stars) || ""}½` : numberInWords(Number(stars.toFixed(1)));
  return `${number} ${stars === 1 || stars === 0.5 ? "star" : "stars"}`;
}

function numberInWords(value) {
  return `${Number(value.toFixed(2))}`.replace("-", "−");
}

/** A row of as many stars as the scale ends with, of which `stars` are filled. */
function starRow(stars) {
  const row = (kind) => h("span", { class: `stars-${kind}` }, Array.from({ length: _scale.max }, () => icon(STAR)));
  const full = row("full");
  full.style.setProperty("--share", stars / _scale.max);
  return h("span", { class: "stars-row", style: { "--count": _scale.max } }, row("empty"), full);
}

/** A rating that was given or predicted, to read only. */
function starsShown(stars, label) {
  const words = label ?? starsInWords(stars);
  if (ratingForm() !== "stars") return h("span", { class: "rating-shown" }, words);
  return h("span", { class: "stars stars-shown", role: "img", "aria-label": words }, starRow(stars));
}

/** What a visitor rates a film with; it follows the visitor's list. */
function starsInput(film, give = visitor.rate) {
  const make = { stars: starsOf, heart: heartOf, slider: sliderOf }[ratingForm()];
  const { box, draw } = make(film, (rating) => give(film, rating));
  visitor.watch(box, () => draw(visitor.ratingOf(film.item)));
  return box;
}

function heartOf(film, give) {
  let given = null;
  const box = h("button", {
    type: "button", class: "heart", "aria-label": `Like ${displayTitle(film)}`,
    onclick: () => give(given === null ? _scale.max : null),
    onkeydown: (event) => { if (event.key === "Delete" || event.key === "Backspace") give(null); },
  }, icon(HEART));
  const draw = (rating) => {
    given = rating;
    box.setAttribute("aria-pressed", String(rating !== null && rating > 0));
  };
  return { box, draw };
}

/**
 * A slider and its number. Moving the slider only chooses: letting it go or Enter gives the
 * rating, and so do Enter and leaving in the field of the number.
 */
function sliderOf(film, give) {
  const name = displayTitle(film);
  const { min, max, step } = _scale;
  let given = null;
  const range = h("input", { type: "range", min, max, step, "aria-label": `Your rating of ${name}` });
  const number = h("input", {
    type: "number", min, max, step, inputmode: min < 0 ? "text" : "decimal", placeholder: "–",
    "aria-label": `Your rating of ${name} as a number, ${min} to ${max}`,
  });
  const box = h("span", { class: "rating-slider" }, range, number);
  const draw = (rating) => {
    given = rating;
    range.value = rating ?? onScale((min + max) / 2);
    number.value = rating ?? "";
    range.setAttribute("aria-valuetext", rating === null ? "not rated" : starsInWords(rating));
    box.classList.toggle("rating-none", rating === null);
  };
  const commit = (text) => {
    const rating = text === "" || !Number.isFinite(Number(text)) ? null : onScale(Number(text));
    if (rating !== given) give(rating);
    else draw(given);
  };
  const takeBack = (event) => {
    if (event.key === "Escape") draw(given);
    else if (event.key === "Delete" || event.key === "Backspace") commit("");
    else return false;
    event.preventDefault();
    return true;
  };
  range.addEventListener("input", () => {
    number.value = range.value;
    range.setAttribute("aria-valuetext", `${starsInWords(Number(range.value))}, Enter gives it`);
  });
  range.addEventListener("pointerup", () => commit(range.value));
  range.addEventListener("blur", () => draw(given));
  range.addEventListener("keydown", (event) => {
    if (takeBack(event)) return;
    if (event.key === "Enter" || event.key === " ") commit(range.value);
    else if (/^[-0-9]$/.test(event.key)) {
      number.focus(); // the digit goes on into the field
      number.value = "";
      return;
    } else return;
    event.preventDefault();
  });
  number.addEventListener("keydown", (event) => {
    if (event.key === "Enter") commit(number.value);
    else if (event.key === "Escape") draw(given);
  });
  number.addEventListener("change", () => commit(number.value));
  return { box, draw };
}

const TWO_DIGITS_WITHIN = 700; // milliseconds between the 1 and the 0 of a 10

/**
 * A row of stars. A range input lies under it, one step longer than the scale: below the first
 * rating is "not rated". Arrow keys choose, Enter or Space gives, digits give at once, Delete
 * takes back. Where the scale goes to 10, "10" is typed, or 0 if nothing of the scale is 0.
 */
function starsOf(film, give) {
  const name = displayTitle(film);
  const { min, max, step } = _scale;
  const none = min - step;
  const input = h("input", {
    type: "range", min: none, max, step, value: none,
    "aria-label": `Your rating of ${name}`,
    title: "Arrow keys choose, Enter gives the rating",
  });
  const row = starRow(0);
  row.append(input);
  const zero = min === 0 && h("button", {
    type: "button", class: "stars-zero", tabindex: -1, "aria-label": `Give ${name} 0 stars`, title: "0 stars",
    onclick: (event) => { event.stopPropagation(); commit(0); },
  }, "0");
  const box = h("span", { class: "stars stars-input" }, zero, row);
  let given = null;
  let firstDigit;

  const draw = (rating) => {
    row.querySelector(".stars-full").style.setProperty("--share", (rating ?? 0) / max);
    input.value = rating ?? none;
    const said = rating === null ? "not rated" : starsInWords(rating);
    input.setAttribute("aria-valuetext", rating === given ? said : `${said}, Enter gives it`);
    box.classList.toggle("stars-draft", rating !== given);
    if (zero) zero.setAttribute("aria-pressed", String(rating === 0));
  };
  const commit = (rating) => {
    clearTimeout(firstDigit);
    firstDigit = undefined;
    const allowed = rating === null ? null : onScale(rating);
    if (allowed !== given) give(allowed);
    draw(given);
  };
  const chosen = () => (Number(input.value) < min ? null : Number(input.value));
  const typed = (digit) => {
    if (firstDigit !== undefined && digit === 0) return commit(10);
    if (digit === 1 && max === 10) {
      firstDigit = setTimeout(() => commit(1), TWO_DIGITS_WITHIN);
      return draw(onScale(1));
    }
    if (digit === 0 && min > 0) return max === 10 ? commit(10) : undefined;
    if (digit <= max) commit(digit);
  };

  input.addEventListener("input", () => draw(chosen()));
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") commit(chosen());
    else if (event.key === "Escape") draw(given);
    else if (event.key === "Delete" || event.key === "Backspace") commit(null);
    else if (/^[0-9]$/.test(event.key)) typed(Number(event.key));
    else return;
    event.preventDefault();
  });
  input.addEventListener("blur", () => (firstDigit === undefined ? draw(given) : commit(1)));

  // The middle of a star and what is right of it is the whole star; on its left is the half.
  const starsAt = (event) => {
    const { left, width } = row.getBoundingClientRect();
    const at = (Math.min(1 - 1e-9, Math.max(0, (event.clientX - left) / width))) * max;
    const star = Math.floor(at) + 1;
    return onScale(step === 0.5 && at % 1 < 0.4 ? star - 0.5 : star);
  };
  row.addEventListener("pointermove", (event) => draw(starsAt(event)));
  row.addEventListener("pointerleave", () => draw(given));
  row.addEventListener("pointercancel", () => draw(given));
  row.addEventListener("click", (event) => {
    event.preventDefault();
    if (event.detail > 0 || event.clientX) commit(starsAt(event));
  });
  return { box, draw: (rating) => { given = rating; draw(rating); } };
}
