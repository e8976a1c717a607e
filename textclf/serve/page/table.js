// A table: shown as it begins, sent as it is, and taken back as it is labelled. The browser keeps what comes on its
// disk, not in memory; the first rows of it are shown.
import { askForToken, byId, make, percent, say, token } from "./elements.js";
import { guessSeparator, guessTextColumn, readCsv, readJsonLines } from "./rows.js";

const FORMATS = { tsv: "tsv", tab: "tsv", jsonl: "jsonl", ndjson: "jsonl", json: "json" }; // a test holds them to the registry
const A_FIGURE = 10; // characters that a confidence takes, with its comma and that of the label
const PREVIEWED = 1 << 18; // bytes
const PREVIEW_ROWS = 5;
const SHOWN = 1 << 22; // bytes of the labelled table
const SHOWN_ROWS = 1000;

const count = (number) => Math.round(number).toLocaleString("en");
const size = (bytes) => (bytes < 1e6 ? `${count(Math.ceil(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
const formatOf = (name) => FORMATS[ending(name)] ?? "csv";

let file = null;
let transfer = null;
let bytes = null; // the beginning of the file
let beginning = ""; // and as text

export function startTable(chosenModel, chosenPromise) {
  const drop = byId("drop");
  byId("file").addEventListener("change", () => choose(byId("file").files[0]));
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    choose(event.dataTransfer.files[0]);
  });
  byId("table-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (file && !transfer) send(chosenModel(), chosenPromise());
  });
  byId("stop").addEventListener("click", () => transfer?.abort());
  byId("separator").addEventListener("change", showPreview);
  byId("encoding").addEventListener("change", readAgain);
  byId("column").addEventListener("change", markColumn);
  byId("preview-table").addEventListener("click", (event) => {
    byId("column").selectedIndex = event.target.closest("td, th").cellIndex;
    markColumn();
  });
}

async function showBeginning() {
  bytes = new Uint8Array(await file.slice(0, PREVIEWED).arrayBuffer());
  byId("encoding").value = guessEncoding(bytes, file.size <= PREVIEWED);
  byId("separator-choice").hidden = formatOf(file.name) !== "csv";
  byId("preview").hidden = false;
  readAgain();
}

function guessEncoding(sample, isWhole) {
  if ((sample[0] === 0xff && sample[1] === 0xfe) || (sample[0] === 0xfe && sample[1] === 0xff)) return "utf-16";
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(sample, { stream: !isWhole });
    return "utf-8";
  } catch {
    return "cp1252";
  }
}

function readAgain() {
  const encoding = byId("encoding").value;
  const name = encoding === "utf-16" ? (bytes[0] === 0xfe ? "utf-16be" : "utf-16le") : encoding;
  beginning = new TextDecoder(name).decode(bytes);
  byId("separator").value = guessSeparator(beginning, ending(file.name), file.size <= PREVIEWED);
  showPreview();
}

function showPreview() {
  const rows = readBeginning(beginning, file.name, PREVIEW_ROWS + 1, file.size <= PREVIEWED);
  const [names = []] = rows;
  byId("column").replaceChildren(...names.map((name, i) => new Option(name || `column ${i + 1}`, name)));
  byId("column").selectedIndex = rows.length ? guessTextColumn(rows) : -1;
  byId("preview-table").replaceChildren(makeHead(names));
  fillTable(byId("preview-table"), rows.slice(1));
  markColumn();
}

function readBeginning(text, name, most, isWhole) {
  if (formatOf(name) === "jsonl") return readJsonLines(text, most, isWhole);
  return readCsv(text, formatOf(name) === "tsv" ? "\t" : byId("separator").value, most, isWhole);
}

function makeHead(cells) {
  const row = make("tr", "", ...cells.map((one) => make("th", "", one)));
  for (const cell of row.cells) cell.scope = "col";
  return make("thead", "", row);
}

function fillTable(table, rows) {
  const width = table.tHead.rows[0].cells.length;
  const body = make("tbody", "", ...rows.map((row) => {
    return make("tr", "", ...Array.from({ length: width }, (_, i) => make("td", "", row[i] ?? "")));
  }));
  for (const cell of body.querySelectorAll("td")) {
    cell.dir = "auto";
    cell.title = cell.textContent;
  }
  table.replaceChildren(table.tHead, body);
}

function markColumn() {
  const chosen = byId("column").selectedIndex;
  for (const row of byId("preview-table").rows) {
    [...row.cells].forEach((cell, i) => cell.classList.toggle("chosen", i === chosen));
  }
}

function choose(chosen) {
  if (!chosen || transfer) return;
  file = chosen;
  byId("file-name").textContent = `${file.name}, ${size(file.size)}`;
  byId("label-table").disabled = false;
  forgetResult();
  say(byId("table-status"), "");
  showBeginning();
}

function send(model, promise) {
  const format = formatOf(file.name);
  const query = new URLSearchParams({ format });
  if (model) query.set("model", model.name);
  if (byId("column").value) query.set("text_column", byId("column").value);
  if (format === "csv" && byId("separator").value !== ",") query.set("separator", byId("separator").value);
  if (byId("encoding").value !== "utf-8") query.set("encoding", byId("encoding").value);
  if (promise) query.set("target_precision", promise);
  if (byId("skip").checked) query.set("on_error", "skip");
  transfer = new XMLHttpRequest(); // it tells how much has been sent, which fetch does not
  transfer.open("POST", `label?${query}`);
  transfer.responseType = "blob";
  if (token()) transfer.setRequestHeader("Authorization", `Bearer ${token()}`);
  const { name } = file;
  transfer.upload.onprogress = ({ loaded, total }) => show(loaded / total, `Sending: ${size(loaded)} of ${size(total)}.`);
  transfer.upload.onload = () => show(null, "Reading the table …");
  transfer.onprogress = ({ loaded }) => transfer.status === 200 && showLabelled(loaded, model);
  transfer.onload = () => finish(name);
  transfer.onerror = () => end("The transfer broke off: the service is away, or the table is too large for it.", true);
  transfer.onabort = () => end("Stopped.");
  forgetResult();
  setBusy(true);
  show(0, "Sending …");
  transfer.send(file);
}

function showLabelled(loaded, model) {
  const rows = Number(transfer.getResponseHeader("x-rows"));
  const labels = model?.labels ?? [];
  const added = A_FIGURE + labels.join("").length / Math.max(labels.length, 1);
  const share = Math.min(loaded / (file.size + rows * added), 1);
  show(share, `Labelling: about ${count(share * rows)} of ${count(rows)} rows.`);
}

async function finish(name) {
  const done = transfer;
  if (done.status !== 200) {
    if (done.status === 401) askForToken();
    const answer = await done.response.text();
    let message = `The service answers ${done.status}.`;
    try {
      message = JSON.parse(answer).error;
    } catch { /* an answer of somebody between us */ }
    end(message, true);
    return;
  }
  const rows = Number(done.getResponseHeader("x-rows"));
  const refused = Number(done.getResponseHeader("x-rows-refused"));
  const link = byId("download");
  link.href = URL.createObjectURL(done.response);
  link.download = `${name.replace(/\.[^.]*$/, "")}-labelled.${ending(name) || "csv"}`;
  link.textContent = `Save ${link.download} (${size(done.response.size)})`;
  link.hidden = false;
  const text = await done.response.slice(0, SHOWN).text();
  showResults(readBeginning(text, name, SHOWN_ROWS + 1, done.response.size <= SHOWN), rows);
  end(`${count(rows)} ${rows === 1 ? "row" : "rows"} labelled${refused ? `, ${count(refused)} skipped` : ""}.`);
}

// Show the labelled rows, with the text and what was added first.
function showResults([names, ...rows], total) {
  const added = names.lastIndexOf("label");
  const text = names.indexOf(byId("column").value);
  const order = [...new Set([text, ...[...names.keys()].filter((i) => i >= added), ...names.keys()])].filter((i) => i >= 0);
  const shown = rows.map((row) => order.map((i) => row[i] ?? ""));
  const heads = order.map((i) => {
    const button = make("button", "sort", names[i]);
    button.type = "button";
    return button;
  });
  const table = byId("results-table");
  const isShare = order.map((i) => i > added && /^(confidence|p_)/.test(names[i]));
  const show = (sorted) => {
    fillTable(table, sorted.map((row) => row.map((value, j) => (isShare[j] ? percent(Number(value)) : value))));
  };
  table.replaceChildren(makeHead(heads));
  show(shown);
  heads.forEach((button, column) => button.addEventListener("click", () => {
    const cell = button.parentElement;
    const isRising = cell.ariaSort !== "ascending";
    for (const one of heads) one.parentElement.ariaSort = null;
    cell.ariaSort = isRising ? "ascending" : "descending";
    const areNumbers = shown.every((row) => row[column] !== "" && !Number.isNaN(Number(row[column])));
    const compare = areNumbers ? (a, b) => a - b : (a, b) => a.localeCompare(b);
    show([...shown].sort((a, b) => (isRising ? 1 : -1) * compare(a[column], b[column])));
  }));
  byId("results").hidden = false;
  const all = shown.length < total ? `The first ${count(shown.length)} of ${count(total)} rows; the file has all.` : "";
  byId("results-hint").textContent = `${all} A click on a column's name sorts by it.`.trim();
}

function end(message, isWrong = false) {
  transfer = null;
  setBusy(false);
  byId("table-status").ariaLive = "polite";
  say(byId("table-status"), message, isWrong);
}

function show(share, message) {
  const bar = byId("progress");
  if (share === null) bar.removeAttribute("value");
  else bar.value = share;
  byId("table-status").ariaLive = "off"; // the bar is read out where it is wanted, not at every step
  say(byId("table-status"), message);
}

function setBusy(isBusy) {
  byId("label-table").disabled = isBusy;
  byId("stop").hidden = byId("progress").hidden = !isBusy;
}

function forgetResult() {
  const link = byId("download");
  if (link.href) URL.revokeObjectURL(link.href);
  link.removeAttribute("href");
  link.hidden = true;
  byId("results").hidden = true;
  byId("results-table").replaceChildren();
}

const ending = (name) => (name.includes(".") ? name.split(".").pop().toLowerCase() : "");
