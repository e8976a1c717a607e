// The rows of a piece of a table, to look at. The service reads the table itself, with more care.

const SEPARATORS = [",", ";", "\t", "|"];

// Return the fields of each row of CSV; a last row that may be cut off is left out unless the text is whole.
export function readCsv(text, separator, most, isWhole) {
  const rows = [];
  let row = [];
  let field = "";
  let isQuoted = false;
  let place = text.startsWith("\ufeff") ? 1 : 0;
  const endRow = () => {
    row.push(field);
    if (row.length > 1 || row[0] !== "") rows.push(row);
    row = [];
    field = "";
  };
  for (; place < text.length && rows.length < most; place++) {
    const sign = text[place];
    if (isQuoted) {
      if (sign !== '"') field += sign;
      else if (text[place + 1] === '"') {
        field += '"';
        place++;
      } else isQuoted = false;
    } else if (sign === '"' && field === "") isQuoted = true;
    else if (sign === separator) {
      row.push(field);
      field = "";
    } else if (sign === "\n" || sign === "\r") {
      if (sign === "\r" && text[place + 1] === "\n") place++;
      endRow();
    } else field += sign;
  }
  if (isWhole && rows.length < most && (field || row.length)) endRow();
  return rows;
}

// Return the header and the rows of JSON Lines, as those of CSV.
export function readJsonLines(text, most, isWhole) {
  const lines = text.replace(/^\ufeff/, "").split("\n");
  if (!isWhole) lines.pop();
  const objects = [];
  for (const line of lines.filter((one) => one.trim()).slice(0, most)) {
    try {
      objects.push(JSON.parse(line));
    } catch {
      break;
    }
  }
  const names = [...new Set(objects.flatMap((one) => Object.keys(one ?? {})))];
  const show = (value) => (typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value));
  return [names, ...objects.map((one) => names.map((name) => show(one?.[name])))];
}

// Return the separator that parts most rows into equally many fields, more than one.
export function guessSeparator(text, ending, isWhole) {
  if (ending === "tsv" || ending === "tab") return "\t";
  let best = ",";
  let most = 0;
  for (const separator of SEPARATORS) {
    const rows = readCsv(text, separator, 20, isWhole);
    const width = rows[0]?.length ?? 1;
    const alike = width > 1 ? rows.filter((row) => row.length === width).length / rows.length : 0;
    if (alike > most) [best, most] = [separator, alike];
  }
  return best;
}

// Return which column holds the texts: one of that name, or the one with the longest fields.
export function guessTextColumn([names, ...rows]) {
  const named = names.findIndex((name) => /^(text|sentence|review|message|comment|content|body)s?$/i.test(name.trim()));
  if (named >= 0) return named;
  const lengths = names.map((_, i) => rows.reduce((sum, row) => sum + (row[i] ?? "").length, 0));
  return lengths.indexOf(Math.max(...lengths));
}
