// The labelling page: one row at a time, labelled by the keyboard.
import { ask, bar, byId, make, passage, percent, say } from "./elements.js";

const POLLING = 2000; // milliseconds
const FEW_LABELS = 9; // as many have a digit
const SVG = "http://www.w3.org/2000/svg";
const BOX = { left: 40, right: 350, top: 12, bottom: 140 };

let state = null;
let chosen = new Set();
let keys = new Map(); // each key's label
let shownAt = 0;
let waiting = false;

// --- what is shown -------------------------------------------------------------------------------------------------

const samePlace = (a, b) => a?.row?.number === b?.row?.number && Boolean(a?.review) === Boolean(b?.review);

function show(next) {
  const before = state;
  state = next;
  if (!before) nameKeys();
  if (!samePlace(before, next)) startRow();
  // A row that stays is not drawn again: its buttons keep their focus, and it is not read out twice.
  if (!before || JSON.stringify([before.row, before.review]) !== JSON.stringify([next.row, next.review])) showRow();
  if (!before?.review && next.review) say(byId("status"), ""); // the rows that were looked for are here
  showFacts();
  drawCurve();
}

function startRow() {
  shownAt = performance.now();
  const given = state.row?.given;
  chosen = new Set(given?.labels ?? []);
  byId("note").value = given?.note ?? "";
  byId("unsure").ariaPressed = "false"; // on a second look, too: whoever looks again decides
  byId("search").value = "";
}

function showRow() {
  const { row, review } = state;
  byId("work").hidden = !row;
  byId("done").hidden = Boolean(row);
  byId("save").hidden = !state.multi_label;
  if (!row) return;
  byId("why").textContent = `${review ? `Second look, ${review.left} left` : "Why this row"}: ${row.why}`;
  byId("text").replaceChildren(passage(row.text, row.explanation));
  if (row.unread) {
    const unread = `… ${row.unread.toLocaleString("en")} more characters. The guess is made from what is shown here.`;
    byId("text").append(make("p", "hint", unread));
  }
  byId("guess").replaceChildren(...(row.guess ? guessed(row) : ["No guess yet."]));
  listLabels();
}

function guessed({ guess, given }) {
  const name = make("b", "", guess.labels.join(", ") || "no label");
  const said = ["Guess: ", name, ` ${percent(guess.confidence)} `];
  if (state.multi_label) return said; // Enter saves what is chosen
  return [...said, make("span", "keys", make("kbd", "", "Enter"), given ? ` keeps ${given.labels[0]}` : " takes it")];
}

// Digits for the first nine labels; then for each label the first letter of its name that is still free.
function nameKeys() {
  keys = new Map(state.labels.slice(0, FEW_LABELS).map((label, i) => [String(i + 1), label]));
  for (const label of state.labels) {
    const letter = [...label.toLowerCase()].find((one) => /^\p{L}$/u.test(one) && !keys.has(one));
    if (letter) keys.set(letter, label);
  }
  byId("search-box").hidden = state.labels.length <= FEW_LABELS;
}

// All labels; of many the given and the likeliest come first, as the others are below what is seen.
function ordered({ guess, given }) {
  if (state.labels.length <= FEW_LABELS) return state.labels;
  const likeliest = Object.entries(guess?.probabilities ?? {}).sort((a, b) => b[1] - a[1]).map(([label]) => label);
  const first = [...(given?.labels ?? []), ...likeliest].filter((label) => state.labels.includes(label));
  return [...new Set([...first, ...state.labels])];
}

// A name that may be broken between its words.
const breakable = (name) => name.split(/(?<=[_./:-])/).flatMap((part) => [part, make("wbr", "")]);

function listLabels() {
  const wanted = byId("search").value.trim().toLowerCase();
  const guess = state.row.guess?.labels ?? [];
  const buttons = ordered(state.row).filter((label) => label.toLowerCase().includes(wanted)).map((label) => {
    const own = [...keys].filter(([, one]) => one === label).map(([key]) => key);
    const button = make("button", guess.includes(label) ? "guessed" : "", make("span", "", ...breakable(label)));
    button.type = "button";
    if (own.length) {
      button.append(make("kbd", "", own.join(" ")));
      button.setAttribute("aria-keyshortcuts", own.join(" "));
    }
    if (state.multi_label || state.row.given) button.ariaPressed = String(chosen.has(label));
    button.ariaLabel = guess.includes(label) ? `${label}, guessed` : label;
    button.addEventListener("click", () => take(label));
    return button;
  });
  byId("labels").replaceChildren(...buttons);
}

const whole = (share) => `${Number((100 * share).toFixed(1))} %`;

// Half of the 95 % interval of a share of so many rows.
const spread = ({ accuracy, judged }) => 1.96 * Math.sqrt((accuracy * (1 - accuracy)) / judged);

function showFacts() {
  const { labelled, rows, seconds, agreement, counts, training, curve, forecast, trouble } = state;
  byId("undo").disabled = !labelled || Boolean(state.review);
  byId("look").disabled = !labelled || Boolean(state.review);
  const facts = [`${labelled.toLocaleString("en")} of ${rows.toLocaleString("en")} rows`];
  if (seconds) facts.push(`${seconds.toFixed(1)} s a row`);
  if (agreement.rows) facts.push(`guess right ${agreement.agreed} of the last ${agreement.rows}`);
  if (training) facts.push("training …");
  byId("progress-text").textContent = facts.join(" · ");
  byId("progress").value = rows ? labelled / rows : 0;
  const last = curve.at(-1);
  const ahead = forecast ? ` About ${forecast.more.toLocaleString("en")} more labels for ${whole(forecast.accuracy)}.` : "";
  byId("accuracy").textContent = last
    ? `Accuracy ${Math.round(100 * last.accuracy)} ± ${Math.round(100 * spread(last))} % with ${last.labels} labels, ` +
      `judged by ${last.judged} rows drawn by chance.${ahead}`
    : "A figure of accuracy comes with 20 labelled rows that were drawn by chance: every fifth is.";
  byId("trouble").textContent = trouble;
  const most = Math.max(...Object.values(counts), 1);
  const ranked = Object.entries(counts).sort((a, b) => b[1] - a[1]);
  byId("counts").replaceChildren(
    ...ranked.slice(0, FEW_LABELS).map(([label, count]) => bar(label, count / most, String(count))),
  );
}

// --- the curve -----------------------------------------------------------------------------------------------------

function draw(kind, attributes, text) {
  const element = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function drawCurve() {
  const { curve, forecast } = state;
  const svg = byId("curve");
  svg.toggleAttribute("hidden", curve.length === 0);
  if (!curve.length) return;
  const last = curve.at(-1);
  const goal = forecast && { labels: last.labels + forecast.more, accuracy: forecast.accuracy };
  const all = goal ? [...curve, goal] : curve;
  const most = Math.max(...all.map(({ labels }) => labels));
  const low = Math.floor(10 * Math.min(...all.map(({ accuracy }) => accuracy), 0.9)) / 10;
  const x = (labels) => BOX.left + ((BOX.right - BOX.left) * labels) / most;
  const y = (accuracy) => BOX.bottom - ((BOX.bottom - BOX.top) * (accuracy - low)) / (1 - low);
  const parts = [];
  for (const share of [low, (1 + low) / 2, 1]) {
    parts.push(draw("line", { class: "grid", x1: BOX.left, x2: BOX.right, y1: y(share), y2: y(share) }));
    parts.push(draw("text", { x: BOX.left - 6, y: y(share) + 4, "text-anchor": "end" }, `${Math.round(100 * share)} %`));
  }
  const path = (points) => points.map(({ labels, accuracy }) => `${x(labels)},${y(accuracy)}`).join(" ");
  parts.push(draw("polyline", { class: "line", points: path(curve) }));
  if (goal) parts.push(draw("polyline", { class: "ahead", points: path([last, goal]) }));
  for (const { labels, accuracy } of curve) parts.push(draw("circle", { cx: x(labels), cy: y(accuracy), r: 3.5 }));
  parts.push(draw("text", { x: BOX.right, y: BOX.bottom + 22, "text-anchor": "end" }, `${most.toLocaleString("en")} labels`));
  parts.push(draw("text", { x: BOX.left, y: BOX.bottom + 22 }, "0"));
  svg.replaceChildren(byId("curve-name"), ...parts);
  byId("curve-name").textContent = `Accuracy by number of labels: ${curve
    .map(({ labels, accuracy }) => `${percent(accuracy)} with ${labels}`)
    .join(", ")}`;
}

// --- what is done --------------------------------------------------------------------------------------------------

async function send(path, body, said) {
  if (waiting) return; // a key that comes before the next row is seen is for no row
  waiting = true;
  try {
    const next = await ask(path, body);
    show(next);
    say(byId("status"), said);
  } catch (error) {
    say(byId("status"), error.message, true);
  } finally {
    waiting = false;
  }
}

function take(label) {
  if (!state.row) return;
  if (!state.multi_label) {
    give([label]);
    return;
  }
  if (!chosen.delete(label)) chosen.add(label);
  listLabels();
}

function give(labels) {
  const { row } = state;
  if (!row) return;
  const unsure = byId("unsure").ariaPressed === "true";
  const seconds = Math.min((performance.now() - shownAt) / 1000, 86400);
  const note = byId("note").value.toWellFormed?.() ?? byId("note").value;
  document.activeElement?.blur?.();
  send("give", { row: row.number, labels, unsure, note, seconds }, `${labels.join(", ") || "No label"}: saved.`);
}

// Enter: what is chosen, else what was given or guessed.
function confirm() {
  const { row } = state;
  if (!row) return;
  const guess = row.guess?.labels ?? [];
  if (state.multi_label) give([...chosen]);
  else if (row.given) give(row.given.labels);
  else if (guess.length) give(guess);
}

const actions = {
  Enter: confirm,
  Backspace: () => state.labelled && !state.review && send("undo", {}, "Taken back."),
  ArrowRight: () => state.row && send("skip", { row: state.row.number }, "Skipped: it comes back later."),
  "?": () => {
    byId("unsure").ariaPressed = String(byId("unsure").ariaPressed !== "true");
  },
  ".": () => byId("note").focus(),
  "/": () => !byId("search-box").hidden && byId("search").focus(),
};

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || !state) return;
  const field = event.target.closest?.("input");
  if (field) {
    if (event.key === "Escape" || event.key === "Enter") {
      event.preventDefault();
      if (field.id === "search" && event.key === "Enter") byId("labels").querySelector("button")?.click();
      field.blur();
    }
    return;
  }
  if (event.key === "Enter" && event.target.closest?.("button")) return; // the button that has the focus
  const label = keys.get(event.key.toLowerCase());
  const action = actions[event.key] ?? (label === undefined ? undefined : () => take(label));
  if (!action || event.repeat) return;
  event.preventDefault();
  action();
}

async function poll() {
  if (!waiting && !document.hidden) {
    try {
      const next = await ask("state");
      if (!waiting) show(next);
    } catch (error) {
      say(byId("status"), error.message, true);
    }
  }
  setTimeout(poll, POLLING);
}

document.addEventListener("keydown", press);
document.addEventListener("click", (event) => {
  if (event.detail) event.target.closest?.("button")?.blur(); // after the mouse, Enter is for the row again
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) shownAt = performance.now(); // time away is not time spent on the row
});
byId("search").addEventListener("input", listLabels);
byId("save").addEventListener("click", confirm);
byId("undo").addEventListener("click", actions.Backspace);
byId("skip").addEventListener("click", actions.ArrowRight);
byId("unsure").addEventListener("click", actions["?"]);
byId("look").addEventListener("click", () => send("look-again", {}, "Looking for doubtful rows …"));
poll();
