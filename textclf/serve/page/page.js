// The sentences: ask for labels and for what moved them, and show both. All that comes from texts, labels and names
// is put on the page as text, never as HTML.
import { startTable } from "./table.js";

const MOST_TEXTS = 100; // the service explains as many in one request
const MOST_BARS = 5;
const SHADES = 5;

const byId = (id) => document.getElementById(id);
let models = [];
let asked = 0;

export function make(kind, className, ...children) {
  const element = document.createElement(kind);
  if (className) element.className = className;
  element.append(...children); // strings become text nodes
  return element;
}

export function say(element, message, isWrong = false) {
  element.textContent = message;
  element.classList.toggle("wrong", isWrong);
}

export const token = () => sessionStorage.getItem("token");

export class Refused extends Error {}

async function ask(path, body) {
  const headers = { "Content-Type": "application/json" };
  if (token()) headers.Authorization = `Bearer ${token()}`;
  const options = body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers };
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Refused("The service does not answer.");
  }
  if (response.ok) return response.json();
  if (response.status === 401) askForToken();
  const { error } = await response.json().catch(() => ({ error: `The service answers ${response.status}.` }));
  throw new Refused(error);
}

export function askForToken() {
  byId("token-form").hidden = false;
  byId("token").focus();
}

async function loadModels() {
  ({ models } = await ask("models"));
  byId("token-form").hidden = true;
  const options = models.map(({ name }) => new Option(name, name));
  byId("model").replaceChildren(...options);
  byId("other").replaceChildren(new Option("none", ""), ...options.map((one) => one.cloneNode(true)));
  byId("other-choice").hidden = models.length < 2;
  say(byId("status"), "");
}

async function showAnswers() {
  const lines = byId("texts").value.split("\n").map((line) => line.trim().toWellFormed?.() ?? line.trim());
  const all = lines.filter(Boolean);
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
  const several = models.find(({ name }) => name === model)?.multi_label;
  const [{ predictions }, explained] = await Promise.all([
    ask("predict", { texts, model }),
    several ? null : ask("explain", { texts, model, ngrams: 0 }),
  ]);
  return predictions.map((prediction, i) => ({ prediction, explanation: explained?.explanations[i] }));
}

function card(text, names, answers) {
  const sides = answers.map((answer, i) => side(text, names.length > 1 ? names[i] : "", answer));
  const article = make("article", "card");
  const verdicts = new Set(answers.map(({ prediction }) => verdict(prediction)));
  if (verdicts.size > 1 && haveSameLabels(names)) article.append(make("p", "differ", "The models differ."));
  article.append(make("div", sides.length > 1 ? "sides two" : "sides", ...sides));
  return article;
}

function haveSameLabels(names) {
  const sets = names.map((name) => models.find((model) => model.name === name)?.labels.join("\n"));
  return new Set(sets).size === 1;
}

const verdict = ({ label, labels }) => label ?? (labels.join(", ") || "no label");

function side(text, name, { prediction, explanation }) {
  const box = make("div", "side");
  if (name) box.append(make("h3", "", name));
  box.append(make("p", "verdict", verdict(prediction)), passage(text, explanation), bars(prediction.probabilities));
  if (prediction.known_words === 0) box.append(make("p", "why", "The model knows none of the words."));
  else if (explanation) box.append(...strongest(explanation));
  return box;
}

function passage(text, explanation) {
  const paragraph = make("p", "passage");
  paragraph.dir = "auto";
  if (!explanation) {
    paragraph.append(text);
    return paragraph;
  }
  const points = Array.from(explanation.normal_form ?? text); // places are counted in code points
  const parts = [...explanation.tokens, ...explanation.between].sort((a, b) => a.start - b.start || a.end - b.end);
  const largest = Math.max(...parts.map(({ contribution }) => Math.abs(contribution)), 1e-9);
  let place = 0;
  for (const { start, end, contribution } of parts) {
    paragraph.append(points.slice(place, start).join(""));
    const string = points.slice(start, end).join("");
    const level = Math.round((SHADES * Math.abs(contribution)) / largest);
    if (level && string.trim()) {
      const word = make("mark", `${contribution > 0 ? "f" : "a"}${level}`, string);
      word.title = signed(contribution);
      paragraph.append(word);
    } else paragraph.append(string);
    place = end;
  }
  paragraph.append(points.slice(place).join(""));
  return paragraph;
}

function bars(probabilities) {
  const list = make("ol", "bars");
  const ranked = Object.entries(probabilities).sort((a, b) => b[1] - a[1]);
  for (const [label, p] of ranked.slice(0, MOST_BARS)) {
    const fill = make("span", "fill");
    fill.style.width = `${100 * p}%`;
    const track = make("span", "track", fill);
    track.ariaHidden = "true";
    const name = make("span", "name", label);
    name.title = label;
    list.append(make("li", "", name, track, make("span", "share", `${(100 * p).toFixed(1)} %`)));
  }
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

const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);

async function start() {
  byId("texts-form").addEventListener("submit", (event) => {
    event.preventDefault();
    showAnswers();
  });
  byId("texts").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) showAnswers();
  });
  for (const id of ["model", "other"]) {
    byId(id).addEventListener("change", () => byId("answers").childElementCount && showAnswers());
  }
  byId("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem("token", byId("token").value.trim());
    tryModels();
  });
  startTable(() => models.find(({ name }) => name === byId("model").value));
  await tryModels();
}

async function tryModels() {
  try {
    await loadModels();
  } catch (error) {
    say(byId("status"), error.message, true);
  }
}

start();
