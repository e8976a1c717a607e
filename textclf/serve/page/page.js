// The texts: ask for labels and for what moved them, and show both.
import { ask, bar, byId, make, passage, percent, Refused, say, signed } from "./elements.js";
import { startTable } from "./table.js";

const MOST_TEXTS = 100; // the service explains as many in one request
const MOST_BARS = 5;
const MOST_OPEN = 8; // labels whose examples are shown at once

let models = [];
let asked = 0;

async function loadModels() {
  ({ models } = await ask("models"));
  byId("token-form").hidden = true;
  const options = models.map(({ name }) => new Option(name, name));
  byId("model").replaceChildren(...options);
  byId("other").replaceChildren(new Option("none", ""), ...options.map((one) => one.cloneNode(true)));
  byId("other-choice").hidden = models.length < 2;
  say(byId("status"), "");
  await showModel();
}

const chosen = (name) => models.find((model) => model.name === name);

// Show which labels the chosen model has, and words that are typical of each.
async function showModel(hasChanged = true) {
  const model = chosen(byId("model").value);
  const shown = [model, chosen(byId("other").value)].filter(Boolean);
  byId("promise-choice").hidden = !shown.every((one) => one.can_promise);
  const promised = byId("promise-choice").hidden ? null : model.target_precision;
  if (promised && !byId("promise").querySelector(`[value="${promised}"]`)) {
    byId("promise").append(new Option(`if ${100 * promised} % will be right`, promised));
  }
  if (hasChanged || byId("promise-choice").hidden) byId("promise").value = promised ?? "";
  const { length } = model.labels;
  const known = `${length.toLocaleString("en")} ${length === 1 ? "label" : "labels"}`;
  byId("examples-title").textContent = [known, quality(model)].filter(Boolean).join(" · ");
  byId("examples").open = length <= MOST_OPEN;
  byId("examples").hidden = false;
  listLabels(model.labels.map((label) => ({ label, words: [], texts: [] })));
  const { examples } = await ask(`examples?${new URLSearchParams({ model: model.name })}`);
  if (model !== chosen(byId("model").value)) return; // another one was chosen meanwhile
  listLabels(examples);
}

// Return in a few words how the model did on its validation rows; nothing where there were none.
function quality({ validation }) {
  if (!validation) return "";
  const [name, value] = validation.accuracy === null ? ["micro-F1", validation.micro_f1] : ["accuracy", validation.accuracy];
  return `${name} ${percent(value)}, macro-F1 ${percent(validation.macro_f1)} on ${validation.texts.toLocaleString("en")} validation rows`;
}

function listLabels(examples) {
  byId("examples-hint").hidden = !examples.some(({ words, texts }) => words.length || texts.length);
  byId("examples-list").replaceChildren(...examples.map(({ label, words, texts }) => {
    const name = make("dt", "", label);
    name.title = label;
    return make("div", "", name, make("dd", "", ...[...texts, ...words].map(chip)));
  }));
}

function chip(word) {
  const button = make("button", "chip", word);
  button.title = word;
  button.type = "button";
  button.addEventListener("click", () => {
    const boxes = [...document.querySelectorAll("textarea.text")];
    const box = boxes.find((one) => !one.value.trim()) ?? boxes.at(-1);
    box.value = word;
    showAnswers();
  });
  return button;
}

function addBox() {
  const number = document.querySelectorAll("textarea.text").length + 1;
  const area = make("textarea", "text");
  area.rows = 3;
  area.dir = "auto";
  area.ariaLabel = `Text ${number}`;
  const remove = make("button", "quiet", "Remove");
  remove.type = "button";
  remove.ariaLabel = `Remove text ${number}`;
  const box = make("div", "box", area, remove);
  remove.addEventListener("click", () => {
    (box.previousElementSibling ?? byId("boxes")).querySelector("textarea").focus();
    box.remove();
    for (const [i, one] of document.querySelectorAll("textarea.text").entries()) one.ariaLabel = `Text ${i + 1}`;
  });
  byId("boxes").append(box);
  area.focus();
}

function readTexts() {
  const boxes = [...document.querySelectorAll("textarea.text")].map((box) => box.value);
  const texts = byId("lines").checked ? boxes.flatMap((text) => text.split("\n")) : boxes;
  return texts.map((text) => text.trim().toWellFormed?.() ?? text.trim()).filter(Boolean);
}

async function showAnswers() {
  const all = readTexts();
  const texts = all.slice(0, MOST_TEXTS);
  if (!texts.length) {
    say(byId("status"), "Write or paste a text first.", true);
    byId("texts").focus();
    return;
  }
  const turn = ++asked;
  const names = [byId("model").value, byId("other").value].filter(Boolean);
  say(byId("status"), "Labelling …");
  try {
    const found = await Promise.all(names.map((name) => answersOf(name, texts)));
    if (turn !== asked) return; // a later question is on its way
    byId("answers").replaceChildren(...texts.map((text, i) => card(text, names, found.map((answers) => answers[i]))));
    byId("legend").hidden = !found.some((answers) => answers[0].explanation);
    const left = all.length - texts.length;
    const more = left ? ` ${left.toLocaleString("en")} more are left out: label them as a table.` : "";
    say(byId("status"), `${texts.length} ${texts.length === 1 ? "text" : "texts"} labelled.${more}`);
  } catch (error) {
    if (turn !== asked) return;
    say(byId("status"), error instanceof Refused ? error.message : "The page failed at this answer.", true);
    if (!(error instanceof Refused)) throw error;
  }
}

async function answersOf(model, texts) {
  const several = chosen(model)?.multi_label;
  const promise = byId("promise").value ? { target_precision: Number(byId("promise").value) } : {};
  const [{ predictions }, explained] = await Promise.all([
    ask("predict", { texts, model, ...promise }),
    several ? null : ask("explain", { texts, model, ngrams: 0 }),
  ]);
  return predictions.map((prediction, i) => ({ prediction, explanation: explained?.explanations[i] }));
}

function card(text, names, answers) {
  const sides = answers.map((answer, i) => side(text, names.length > 1 ? names[i] : "", answer));
  const article = make("article", "card");
  const verdicts = new Set(answers.map(({ prediction }) => verdict({ ...prediction, abstained: false })));
  if (verdicts.size > 1 && haveSameLabels(names)) article.append(make("p", "differ", "The models differ."));
  article.append(make("div", sides.length > 1 ? "sides two" : "sides", ...sides));
  return article;
}

function haveSameLabels(names) {
  const sets = names.map((name) => chosen(name)?.labels.join("\n"));
  return new Set(sets).size === 1;
}

const verdict = ({ label, labels, abstained }) => (abstained ? "unsure" : label ?? (labels.join(", ") || "no label"));

function side(text, name, { prediction, explanation }) {
  const box = make("div", "side");
  if (name) box.append(make("h3", "", name));
  const said = make("p", prediction.abstained ? "verdict unsure" : "verdict", verdict(prediction));
  if (prediction.abstained) said.append(" ", make("span", "hint", `perhaps ${prediction.label}`));
  box.append(said, passage(text, explanation), bars(prediction.probabilities));
  if (prediction.known_words === 0) box.append(make("p", "why", "The model knows none of the words."));
  else if (explanation) box.append(...strongest(explanation));
  return box;
}

function bars(probabilities) {
  const list = make("ol", "bars");
  const ranked = Object.entries(probabilities).sort((a, b) => b[1] - a[1]);
  list.append(...ranked.slice(0, MOST_BARS).map(([label, p]) => bar(label, p, percent(p))));
  const more = ranked.length - MOST_BARS;
  if (more > 0) list.append(make("li", "", make("span", "share", `and ${more} more`)));
  return list;
}

function strongest({ tokens }) {
  const sums = new Map();
  for (const { token: word, contribution } of tokens) {
    const key = word.toLowerCase();
    sums.set(key, (sums.get(key) ?? 0) + contribution);
  }
  const ranked = [...sums].filter(([, sum]) => Math.abs(sum) >= 0.005).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
  const line = (name, words) => {
    const shown = words.slice(0, 4).flatMap(([word, sum]) => [" ", make("span", "", `${word} ${signed(sum)}`)]);
    return make("p", "why", make("b", "", name), ...shown);
  };
  const [speakFor, against] = [ranked.filter(([, sum]) => sum > 0), ranked.filter(([, sum]) => sum < 0)];
  return [["For", speakFor], ["Against", against]].filter(([, words]) => words.length).map((pair) => line(...pair));
}

async function start() {
  byId("texts-form").addEventListener("submit", (event) => {
    event.preventDefault();
    showAnswers();
  });
  byId("boxes").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) showAnswers();
  });
  byId("add").addEventListener("click", addBox);
  for (const id of ["model", "other", "promise"]) {
    byId(id).addEventListener("change", async () => {
      if (id !== "promise") await tryTo(() => showModel(id === "model"));
      if (byId("answers").childElementCount) showAnswers();
    });
  }
  byId("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem("token", byId("token").value.trim());
    tryTo(loadModels);
  });
  startTable(() => chosen(byId("model").value), () => byId("promise").value);
  await tryTo(loadModels);
}

async function tryTo(work) {
  try {
    await work();
  } catch (error) {
    say(byId("status"), error.message, true);
  }
}

start();
