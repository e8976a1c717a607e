// The page: each line of the box is a text, labelled while it is written.
const MOST_SHOWN = 100, MOST_BARS = 5, MOST_NAMED = 8, PAUSE = 150; // milliseconds without a key
const byId = (id) => document.getElementById(id);
const percent = (share) => `${(100 * share).toFixed(1)} %`;
const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

function make(tag, name, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...children);
  return element;
}

const readTexts = () => byId("texts").value.split("\n").filter((line) => line.trim());

function card(text) {
  const { labels, confidence, abstained, probabilities } = model.classify(text, { topK: MOST_BARS });
  const verdict = labels.length ? labels.join(", ") : abstained ? "no answer" : "no label";
  const head = make("h2", labels.length ? "" : "unsure", make("bdi", "", verdict), make("span", "hint", percent(confidence)));
  const bars = probabilities.map(({ label, probability }) => {
    const fill = make("span", "fill"), name = make("span", "name", label);
    fill.style.width = percent(probability).replace(" ", "");
    name.title = label;
    return make("li", "", name, make("span", "track", fill), make("span", "share", percent(probability)));
  });
  return make("article", "", head, make("p", "passage", ...passage(text)), make("ul", "", ...bars));
}

// The words in colour, the strongest of the text in full.
function passage(text) {
  if (model.isMultiLabel) return [text];
  const { parts } = model.explain(text);
  const strongest = Math.max(...parts.map(({ contribution }) => Math.abs(contribution)), 1e-9);
  return parts.map(({ text: part, contribution }) => {
    const strength = Math.abs(contribution) / strongest;
    if (strength < 0.1 || !part.trim()) return part;
    const mark = make("mark", contribution < 0 ? "against" : "", part);
    mark.style.setProperty("--strength", strength.toFixed(2));
    mark.title = `${contribution < 0 ? "−" : "+"}${Math.abs(contribution).toFixed(2)}`;
    return mark;
  });
}

function show() {
  const texts = readTexts(), shown = texts.slice(0, MOST_SHOWN);
  byId("answers").replaceChildren(...shown.map(card));
  const more = texts.length > shown.length ? `, the first ${MOST_SHOWN} shown` : "";
  byId("status").textContent = texts.length ? `${count(texts.length, "text")} labelled${more}` : "";
  byId("legend").hidden = !texts.length || model.isMultiLabel;
  byId("download").hidden = !texts.length;
}

// Several labels as one cell, as textclf writes and reads them.
function cellOf(labels) {
  const isPlain = !model.isMultiLabel || labels.every((label) => !/[|[\]"]/.test(label));
  return isPlain ? labels.join("|") : JSON.stringify(labels);
}

function download() {
  const quote = (cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  const rows = readTexts().map((text) => {
    const { labels, confidence } = model.classify(text, { topK: 0 });
    return [text, cellOf(labels), confidence.toFixed(4)];
  });
  const lines = [["text", "label", "confidence"], ...rows].map((row) => `${row.map(quote).join(",")}\n`);
  const link = make("a");
  link.href = URL.createObjectURL(new Blob(lines, { type: "text/csv" }));
  link.download = "labels.csv";
  link.click();
  URL.revokeObjectURL(link.href);
}

let waiting = 0;
byId("texts").addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(show, PAUSE);
});
byId("download").addEventListener("click", download);
const named = model.labels.slice(0, MOST_NAMED).join(", "), rest = model.labels.length - MOST_NAMED;
byId("labels").textContent = `${count(model.labels.length, "label")}: ${named}${rest > 0 ? ` and ${rest} more` : ""}.`;
show();
