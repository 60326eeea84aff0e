// What the items are called, and what people do with them: the server says it to `pages.start`.

const words = { singular: "title", plural: "titles", verb: "try", past: "tried", done: "tried", withArticle: "a title" };

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
