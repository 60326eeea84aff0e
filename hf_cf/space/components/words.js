// What the items are called, what people do with them, and whether they rate or like them: the
// server says it to `pages.start`.

const words = {
  singular: "title", plural: "titles", verb: "try", past: "tried", done: "tried", withArticle: "a title",
  rate: "rate", rated: "rated", rating: "rating",
};

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
