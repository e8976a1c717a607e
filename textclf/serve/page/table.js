// A table: sent as it is, and taken back as it is labelled. The browser keeps what comes on its disk, not in memory.
import { askForToken, say, token } from "./page.js";

const FORMATS = { tsv: "tsv", tab: "tsv", jsonl: "jsonl", ndjson: "jsonl", json: "json" }; // a test holds them to the registry
const A_FIGURE = 10; // characters that a confidence takes, with its comma and that of the label

const byId = (id) => document.getElementById(id);
const count = (number) => Math.round(number).toLocaleString("en");
const size = (bytes) => (bytes < 1e6 ? `${count(Math.ceil(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

let file = null;
let transfer = null;

export function startTable(chosenModel) {
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
    if (file && !transfer) send(chosenModel());
  });
  byId("stop").addEventListener("click", () => transfer?.abort());
}

function choose(chosen) {
  if (!chosen || transfer) return;
  file = chosen;
  byId("file-name").textContent = `${file.name}, ${size(file.size)}`;
  byId("label-table").disabled = false;
  forgetResult();
  say(byId("table-status"), "");
}

function send(model) {
  const query = new URLSearchParams({ format: FORMATS[ending(file.name)] ?? "csv" });
  if (model) query.set("model", model.name);
  if (byId("column").value.trim()) query.set("text_column", byId("column").value.trim());
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
  end(`${count(rows)} rows labelled${refused ? `, ${count(refused)} passed over` : ""}.`);
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
}

const ending = (name) => (name.includes(".") ? name.split(".").pop().toLowerCase() : "");
