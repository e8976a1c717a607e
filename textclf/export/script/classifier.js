// A text classifier in one file: texts in, labels out, without a server and without any other package.
//
// It reads what docs/model_format.md of textclf describes, and computes what `textclf predict` computes. Matrices have
// the letters of that page: C E are averages of word vectors, C U word n-grams and patterns, C' G U' sub-words. Keys
// have 64 bits, here as two halves of 32, since BigInt is a hundred times slower.

const SEPARATOR = 0, WORD = 1, ALONE = 2, MARK = 3, APOSTROPHE = 4, IGNORED = 5, BLANK = 6, UNASSIGNED = 7;
const MOST_KEPT = 1 << 22; // numbers and characters of words that were worked out
const START = 0x01010101; // both halves of the key that stands for the start of a text
const FIRST_SHAPE = 0x02020202; // both halves of the key that stands for the first shape; the next have the next keys
const RUN = 0, MOST_DIGITS = 4, MIXED = 5, CAPITALS = 6, CAPITAL = 7, SMALL = 8; // shapes; 1 to 4 are so many digits
const BLANK_CODE = 0x20; // stands before and after a piece
const SUM_TOLERANCE = 5e-4, SHARE_OF_A_JUMP = 1 / 16, SHARE_OF_A_SCORE = 1e-6; // as in textclf's explanations
const FIRST_PIECES = 8, SHORTEST_PIECE = 2 ** -24;
const { fround } = Math;

// --- from a text to tokens -------------------------------------------------------------------------------------------

// The class of every code point; what Unicode has assigned since is left as it stands, whatever the engine knows.
const CLASSES = readClasses("__CLASSES__");
const IGNORED_CODES = new RegExp(`[${codesOf(IGNORED)}]`, "gu");
const UNASSIGNED_CODES = new RegExp(`([${codesOf(UNASSIGNED)}]+)`, "u");
const NOT_ASCII = /[^\0-\x7f]/;

function readClasses(runs) {
  const table = new Uint8Array(0x110000);
  let start = 0;
  for (const [, length, name] of runs.matchAll(/([0-9a-z]+)([A-Z])/g)) {
    const stop = start + parseInt(length, 36);
    table.fill("SWLMAIBU".indexOf(name), start, stop);
    start = stop;
  }
  return table;
}

function codesOf(kind) {
  const ranges = [];
  for (let code = CLASSES.indexOf(kind); code >= 0; code = CLASSES.indexOf(kind, code)) {
    const first = code;
    while (CLASSES[code] === kind) code++;
    ranges.push(`\\u{${first.toString(16)}}-\\u{${(code - 1).toString(16)}}`);
  }
  return ranges.join("");
}

function normalForm(text, lower) {
  if (!NOT_ASCII.test(text)) return lower ? text.toLowerCase() : text;
  const compose = (part) => (lower ? part.toLowerCase() : part).normalize("NFC");
  const parts = text.split(UNASSIGNED_CODES); // every second one is unassigned
  const form = parts.map((part, i) => (i % 2 ? part : compose(part))).join("");
  return form.replaceAll("’", "'").replaceAll("\u{10ffff}", " ").replace(IGNORED_CODES, "");
}

const sizeOf = (code) => (code > 0xffff ? 2 : 1);

// Return where the tokens of a text in normal form stand, which of them are words, and where its runs of other
// characters stand.
function cut(form) {
  const starts = [], ends = [], isWordToken = [], runStarts = [], runEnds = [];
  let base = SEPARATOR, wasWord = false, inToken = false, inRun = false;
  for (let i = 0, code; i < form.length; i += sizeOf(code)) {
    code = form.codePointAt(i);
    const kind = CLASSES[code];
    if (kind !== MARK) base = kind; // a mark counts as what it stands on
    let isWord = base === WORD;
    if (kind === APOSTROPHE) isWord = wasWord && i + 1 < form.length && CLASSES[form.codePointAt(i + 1)] === WORD;
    const begins = isWord ? !wasWord : base === ALONE && kind !== MARK;
    if (inToken && (begins || !(isWord || base === ALONE))) {
      ends.push(i);
      inToken = false;
    }
    if (begins) {
      starts.push(i);
      isWordToken.push(isWord);
      inToken = true;
    }
    const isRun = !isWord && kind !== BLANK;
    if (isRun !== inRun) (isRun ? runStarts : runEnds).push(i);
    inRun = isRun;
    wasWord = isWord;
  }
  if (inToken) ends.push(form.length);
  if (inRun) runEnds.push(form.length);
  return { starts, ends, isWordToken, runStarts, runEnds };
}

// Return which places of a text's normal form were capitals: none where letters do not stand one for one.
function capitalsOf(text, form) {
  const lowered = Array.from(form), cased = Array.from(normalForm(text, false)), isCapital = new Uint8Array(form.length);
  let place = 0;
  if (lowered.length !== cased.length) return isCapital;
  lowered.forEach((character, i) => {
    isCapital[place] = character !== cased[i];
    place += character.length;
  });
  return isCapital;
}

// Return the shape of a word.
function shapeOf(form, start, end, isCapital) {
  let length = 0, digits = 0, capitals = 0;
  for (let i = start, code; i < end; i += sizeOf(code)) {
    code = form.codePointAt(i);
    length++;
    digits += code >= 0x30 && code <= 0x39;
    capitals += isCapital[i];
  }
  if (digits) return digits === length ? Math.min(length, MOST_DIGITS) : MIXED;
  if (capitals === length && length > 1) return CAPITALS;
  return isCapital[start] ? CAPITAL : SMALL;
}

// Return what tells the segment of each place, asked in rising order: 2 t + 1 is token t, 2 t what stands before it.
function segmentFinder({ starts, ends }) {
  let t = 0; // the first token that ends after the place
  return (place) => {
    while (t < ends.length && ends[t] <= place) t++;
    return 2 * t + (t < ends.length && starts[t] <= place);
  };
}

// Return where in a text each place of its normal form comes from, or null where single characters do not tell.
function originsOf(text, form) {
  const starts = [], ends = [];
  let single = "";
  for (let i = 0, code; i < text.length; i += sizeOf(code)) {
    code = text.codePointAt(i);
    const character = String.fromCodePoint(code);
    for (const lowered of CLASSES[code] === UNASSIGNED ? character : character.toLowerCase()) {
      if (CLASSES[lowered.codePointAt(0)] === IGNORED) continue;
      single += lowered === "’" ? "'" : lowered;
      while (starts.length < single.length) {
        starts.push(i);
        ends.push(i + sizeOf(code));
      }
    }
  }
  return single === form ? { starts, ends } : null;
}

// --- keys: arithmetic modulo 2^64 ------------------------------------------------------------------------------------

const BASE_HIGH = 0x9e3779b9, BASE_LOW = 0x7f4a7c15;
let high = 0, low = 0; // what the last of these functions made

function multiply(aHigh, aLow, bHigh, bLow) {
  const a0 = aLow & 0xffff, a1 = aLow >>> 16, b0 = bLow & 0xffff, b1 = bLow >>> 16;
  const lowest = a0 * b0;
  const middle = a1 * b0 + (lowest >>> 16);
  const other = a0 * b1 + (middle & 0xffff);
  low = (other << 16) | (lowest & 0xffff);
  high = (a1 * b1 + (middle >>> 16) + (other >>> 16) + Math.imul(aHigh, bLow) + Math.imul(aLow, bHigh)) | 0;
}

function add(aHigh, aLow) {
  const sum = (low >>> 0) + (aLow >>> 0);
  high = (high + aHigh + (sum > 0xffffffff)) | 0;
  low = sum | 0;
}

// The finalizer of splitmix64 (Steele et al. 2014).
function mix(h, l) {
  multiply(h ^ (h >>> 30), l ^ ((l >>> 30) | (h << 2)), 0xbf58476d, 0x1ce4e5b9);
  multiply(high ^ (high >>> 27), low ^ ((low >>> 27) | (high << 5)), 0x94d049bb, 0x133111eb);
  low ^= (low >>> 31) | (high << 1);
  high ^= high >>> 31;
}

const POWERS = [0, 1]; // of B, in halves
for (let n = 1; n < 32; n++) {
  multiply(POWERS.at(-2), POWERS.at(-1), BASE_HIGH, BASE_LOW);
  POWERS.push(high, low);
}

// The key of a string: mix(Σ (cᵢ + 1) Bⁱ).
function makeKey(string) {
  let sumHigh = 0, sumLow = 0, powerHigh = 0, powerLow = 1;
  for (let i = 0, code; i < string.length; i += sizeOf(code)) {
    code = string.codePointAt(i);
    multiply(powerHigh, powerLow, 0, code + 1);
    add(sumHigh, sumLow);
    sumHigh = high;
    sumLow = low;
    multiply(powerHigh, powerLow, BASE_HIGH, BASE_LOW);
    powerHigh = high;
    powerLow = low;
  }
  mix(sumHigh, sumLow);
}

// What an n-gram is made of: a key, and the key mixed.
function unitOf(keyHigh, keyLow) {
  mix(keyHigh, keyLow);
  return { keyHigh, keyLow, mixedHigh: high, mixedLow: low };
}

const SHAPES = Array.from({ length: SMALL + 1 }, (_, shape) => unitOf(FIRST_SHAPE, FIRST_SHAPE + shape));

// Keys in rising order; a key's row is its place. Short keys are the first halves of 64 bits.
class KeyIndex {
  constructor({ dtype, values }) {
    this.isShort = dtype === "U32";
    this.size = this.isShort ? values.length : values.length / 2;
    this.highs = this.isShort ? values : values.filter((_, i) => i % 2);
    this.lows = this.isShort ? values : values.filter((_, i) => i % 2 === 0);
    // Keys are as good as random, so the first bits of one tell its place to within a few rows.
    const bits = Math.max(Math.ceil(Math.log2(this.size + 1)), 1);
    this.shift = 32 - bits;
    this.firsts = new Int32Array((1 << bits) + 1);
    for (let row = 0; row < this.size; row++) this.firsts[(this.highs[row] >>> this.shift) + 1] = row + 1;
    for (let i = 1; i < this.firsts.length; i++) this.firsts[i] = Math.max(this.firsts[i], this.firsts[i - 1]);
  }

  row(keyHigh, keyLow) {
    const h = keyHigh >>> 0, l = keyLow >>> 0, bucket = h >>> this.shift;
    for (let row = this.firsts[bucket]; row < this.firsts[bucket + 1]; row++) {
      if (this.highs[row] === h && (this.isShort || this.lows[row] === l)) return row;
    }
    return -1;
  }
}

// How often each of some rows was met; `rows` are the distinct ones.
class Counter {
  constructor(size) {
    this.counts = new Int32Array(size);
    this.rows = [];
  }

  add(row) {
    if (this.counts[row]++ === 0) this.rows.push(row);
  }

  // Return each row with its count and its number in C.
  found(numberOf) {
    return this.rows.map((row) => ({ row, count: this.counts[row], C: numberOf(this.counts[row], row) }));
  }

  clear() {
    for (const row of this.rows) this.counts[row] = 0;
    this.rows.length = 0;
  }
}

const logCount = (count) => (count === 1 ? 1 : fround(1 + fround(Math.log(count))));

// --- the file --------------------------------------------------------------------------------------------------------

const ARRAYS = {
  F64: Float64Array, F32: Float32Array, F16: Uint16Array,
  I8: Int8Array, U8: Uint8Array, I32: Int32Array, U32: Uint32Array,
  U64: Uint32Array, // in halves, the lower one first
};

function decodeBase64(string) {
  const characters = atob(string), bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

// Return the arrays and the description of a model file (safetensors).
function readFile(bytes) {
  const length = bytes.length < 8 ? -1 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  let header = {};
  try {
    header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  } catch { /* an empty header is refused below */ }
  if (!header.__metadata__?.textclf) throw new Error("model: expected a model file of textclf, found another");
  const description = JSON.parse(header.__metadata__.textclf);
  delete header.__metadata__;
  const { tokenizer } = description.model;
  if (tokenizer !== "words-2") throw new Error(`model: expected the tokenizer words-2, found ${tokenizer}`);
  const { texts = [], categories = [], numbers = [] } = description.model.columns ?? {};
  if (texts.length > 1 || categories.length || numbers.length) {
    throw new Error("model: expected one that reads one text, found one that reads several columns");
  }
  const arrays = {}, start = 8 + length;
  for (const [name, { dtype, data_offsets: [first, last] }] of Object.entries(header)) {
    if (!(dtype in ARRAYS)) continue;
    arrays[name] = { dtype, values: new ARRAYS[dtype](bytes.slice(start + first, start + last).buffer) };
  }
  const offsets = start + header["labels.offsets"].data_offsets[0]; // of 64 bits each, of which the first half counts
  const view = new DataView(bytes.buffer, bytes.byteOffset + offsets), labels = [];
  for (let i = 0; i < description.model.sizes.at(-1); i++) {
    const [first, last] = [view.getUint32(8 * i, true), view.getUint32(8 * i + 8, true)];
    labels.push(new TextDecoder("utf-8", { ignoreBOM: true }).decode(arrays.labels.values.subarray(first, last)));
  }
  return { arrays, labels, model: description.model };
}

// A matrix of rows of numbers, or of bytes with a scale each.
class Rows {
  constructor(arrays, name, width) {
    this.values = arrays[name].values;
    this.width = width;
    const halves = arrays[`${name}.scales`]?.values;
    this.scales = halves ? Float64Array.from(halves, halfToNumber) : null;
  }

  // Add so many times a row to a sum.
  addTo(sum, row, times) {
    const factor = this.scales ? times * this.scales[row] : times, first = row * this.width;
    for (let j = 0; j < this.width; j++) sum[j] += factor * this.values[first + j];
  }

  dot(row, vector) {
    const first = row * this.width;
    let sum = 0;
    for (let j = 0; j < this.width; j++) sum += this.values[first + j] * vector[j];
    return this.scales ? sum * this.scales[row] : sum;
  }
}

function halfToNumber(half) {
  const exponent = (half >> 10) & 31, fraction = half & 1023;
  return exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024);
}

function numbersOf(arrays, name) {
  const few = arrays[`${name}.values`]?.values;
  return few ? Float32Array.from(arrays[name].values, (number) => few[number]) : arrays[name].values;
}

// --- the network -----------------------------------------------------------------------------------------------------

const sigmoid = (z) => (Math.tanh(0.5 * z) + 1) * 0.5;
const ACTIVATIONS = {
  sigmoid: [sigmoid, (z) => sigmoid(z) * (1 - sigmoid(z))],
  relu: [(z) => Math.max(z, 0), (z) => (z > 0 ? 1 : 0)],
  tanh: [Math.tanh, (z) => 1 - Math.tanh(z) ** 2],
};

class Network {
  constructor(sizes, activation, theta) {
    [this.sigma, this.sigmaPrime] = ACTIVATIONS[activation];
    this.layers = [];
    let place = 0;
    for (let l = 1; l < sizes.length; l++) {
      const [nIn, nOut] = [sizes[l - 1], sizes[l]];
      const W = Float64Array.from(theta.subarray(place, (place += nIn * nOut)));
      this.layers.push({ nIn, nOut, W, b: Float64Array.from(theta.subarray(place, (place += nOut))) });
    }
  }

  // Return the weighted sums of each layer: Z[l] = W[l] A[l-1] + b[l].
  forward(S) {
    const sums = [];
    for (const { nIn, nOut, W, b } of this.layers) {
      const A = sums.length ? sums.at(-1).map(this.sigma) : S, Z = b.slice();
      for (let i = 0; i < nOut; i++) for (let j = 0; j < nIn; j++) Z[i] += W[i * nIn + j] * A[j];
      sums.push(Z);
    }
    return sums;
  }

  logits(S) {
    return this.forward(S).at(-1);
  }

  // Return the gradient of v · Z[L] with respect to S.
  gradient(S, v) {
    const sums = this.layers.length > 1 ? this.forward(S) : [];
    let delta = v;
    for (let l = this.layers.length - 1; l >= 0; l--) {
      const { nIn, nOut, W } = this.layers[l], below = new Float64Array(nIn);
      for (let i = 0; i < nOut; i++) for (let j = 0; j < nIn; j++) below[j] += W[i * nIn + j] * delta[i];
      delta = l ? below.map((value, j) => value * this.sigmaPrime(sums[l - 1][j])) : below;
    }
    return delta;
  }

  // Return the gradient averaged along the straight path from 0 to S: integrated gradients (Sundararajan et al. 2017).
  meanGradient(S, v) {
    if (this.layers.length === 1) return this.gradient(S, v);
    const at = (t) => S.map((value) => value * t), value = (t) => dot(v, this.logits(at(t)));
    const tolerance = Math.max(SUM_TOLERANCE, SHARE_OF_A_SCORE * Math.abs(value(1) - value(0)));
    const G = new Float64Array(S.length);
    let width = 1 / FIRST_PIECES, begins = Array.from({ length: FIRST_PIECES }, (_, i) => i * width);
    for (; begins.length; width /= 2) {
      const allowed = tolerance * Math.max(width, SHARE_OF_A_JUMP), halves = [];
      for (const t of begins) {
        const gradient = this.gradient(at(t + width / 2), v).map((one) => one * width);
        const isDone = Math.abs(dot(S, gradient) - (value(t + width) - value(t))) <= allowed || width <= SHORTEST_PIECE;
        if (isDone) gradient.forEach((one, j) => (G[j] += one));
        else halves.push(t, t + width / 2);
      }
      begins = halves;
    }
    return G;
  }
}

function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

// --- the classifier --------------------------------------------------------------------------------------------------

export class Classifier {
  #words; #ngrams; #patterns; #common; #subwords; #E; #U; #network; #isSoftmax; #temperature; #thresholds;
  #answerFrom; #ranks; #leastKnown;
  #entries = new Map();
  #kept = 0;

  constructor(bytes) {
    const { arrays, labels, model } = readFile(new Uint8Array(bytes)); // a copy: a Buffer's slices are none
    this.labels = Object.freeze(labels);
    this.isMultiLabel = "thresholds" in arrays;
    const tableOf = (keys, weights) => {
      const index = new KeyIndex(arrays[keys]);
      return { index, weights: numbersOf(arrays, weights), counter: new Counter(index.size) };
    };
    this.#words = { ...tableOf("words.keys", "words.weights"), isCased: model.cased };
    let first = 0;
    const tables = {};
    for (const [kind, shortest, longest] of model.ngrams) {
      tables[kind] = { ...tableOf(`${kind}.ngrams`, `${kind}.idf`), shortest, longest, first };
      first += tables[kind].index.size;
    }
    this.#ngrams = tables.words;
    this.#patterns = tables.patterns;
    this.#common = this.#patterns && new KeyIndex(arrays["patterns.common"]);
    this.#subwords = tables.chars;
    this.#E = new Rows(arrays, "E", model.sizes[0]);
    this.#U = new Rows(arrays, "U", labels.length);
    this.#network = new Network(model.sizes, model.activation, arrays.network.values);
    this.#isSoftmax = model.output === "softmax";
    this.#temperature = model.temperature;
    this.#thresholds = arrays.thresholds?.values;
    this.#answerFrom = arrays["answer.from"]?.values;
    this.#ranks = arrays["decision.ranks"]?.values;
    const least = arrays["record.least_familiar"]?.values ?? [];
    this.#leastKnown = Object.fromEntries(model.ngrams.map(([kind], i) => [kind, least[i] ?? 0]));
  }

  /** Return the tokens of a text, in normal form. */
  tokenize(text) {
    checkText(text);
    const form = normalForm(text, true), { starts, ends } = cut(form);
    return starts.map((start, i) => form.slice(start, ends[i]));
  }

  /** Return the probability of each label, in the order of `labels`. */
  probabilities(text) {
    return this.#probabilitiesOf(this.#logits(this.#features(text)));
  }

  /** Return the labels of a text, how sure they are, and the probabilities of the `topK` likeliest labels. */
  classify(text, { topK = Infinity } = {}) {
    const features = this.#features(text), P = this.#probabilitiesOf(this.#logits(features));
    const order = Array.from(P.keys()).sort((i, j) => P[j] - P[i] || i - j);
    const chosen = this.#choose(P);
    const isGiven = (i) => (this.isMultiLabel ? P[i] >= this.#thresholds[i] : i === chosen);
    const confidence = this.isMultiLabel ? Math.min(...P.map((p, i) => (isGiven(i) ? p : 1 - p))) : P[chosen];
    const abstained = this.#answerFrom !== undefined && !this.#isAnswered(features, chosen, confidence);
    const labels = abstained ? [] : this.labels.filter((_, i) => isGiven(i));
    const probabilities = order.slice(0, Math.max(topK, 0)).map((i) => ({ label: this.labels[i], probability: P[i] }));
    return { label: labels[0] ?? null, labels, confidence, abstained, knownWords: features.known, probabilities };
  }

  /** Return what each word of a text adds to the score of a label: its logit minus the mean of the other labels'. */
  explain(text, { label } = {}) {
    if (this.isMultiLabel) throw new Error("explain: expected a model of one label a text, found a multi-label one");
    const features = this.#features(text), Z = this.#logits(features), P = this.#probabilitiesOf(Z);
    const chosen = label === undefined ? this.#choose(P) : this.labels.indexOf(label);
    if (chosen < 0) throw new Error(`label: expected one of the model's, found ${JSON.stringify(label)}`);
    const k = P.length, v = new Float64Array(k).fill(-1 / (k - 1)), T = this.#temperature;
    v[chosen] = 1;
    const added = this.#contributions(features, v);
    const base = dot(v, this.#network.logits(new Float64Array(this.#E.width))) / T;
    const origins = originsOf(text, features.form), shown = origins ? text : features.form;
    const placeOf = (start, end) => (origins ? [origins.starts[start], origins.ends[end - 1]] : [start, end]);
    const parts = [];
    let place = 0;
    const addPart = (start, end, segment) => {
      const contribution = added[segment] / T, isToken = segment % 2 === 1;
      parts.push({ text: shown.slice(start, end), start, end, contribution, isToken });
    };
    features.starts.forEach((first, i) => {
      const [start, end] = placeOf(first, features.ends[i]);
      if (start > place || added[2 * i]) addPart(place, start, 2 * i);
      addPart(start, end, 2 * i + 1);
      place = end;
    });
    if (shown.length > place || added.at(-1)) addPart(place, shown.length, added.length - 1);
    return { label: this.labels[chosen], probability: P[chosen], score: dot(v, Z) / T, base, shown, parts };
  }

  // What is worked out once of a token or a piece: its key, its row of E, and later what its sub-words add.
  #entry(string) {
    let entry = this.#entries.get(string);
    if (entry === undefined) {
      makeKey(string);
      const unit = unitOf(high, low), { keyHigh, keyLow } = unit;
      const row = this.#words.index.row(keyHigh, keyLow), isCommon = this.#common?.row(keyHigh, keyLow) >= 0;
      const asPiece = { isCommon, count: 0, R: null, squares: 0, known: 0, total: 0 };
      entry = { string, ...unit, row, ...asPiece };
      this.#entries.set(string, entry);
      this.#kept += string.length + this.labels.length + 20;
    }
    return entry;
  }

  // Work out R = G U' of a piece, ‖g‖², and how many sub-words it has and how many of them are known.
  #spellOut(piece) {
    const { index, shortest, longest, weights, counter, first } = this.#subwords;
    const codes = [BLANK_CODE, ...Array.from(piece.string, (character) => character.codePointAt(0)), BLANK_CODE];
    const isMark = (i) => i === 0 || i === codes.length - 1;
    for (let i = 0; i < codes.length; i++) {
      let sumHigh = 0, sumLow = 0;
      for (let n = 1; n <= longest && i + n <= codes.length; n++) {
        multiply(POWERS[2 * n - 2], POWERS[2 * n - 1], 0, codes[i + n - 1] + 1);
        add(sumHigh, sumLow);
        sumHigh = high;
        sumLow = low;
        if (n < shortest || (n === 1 && isMark(i))) continue;
        piece.total++;
        mix(sumHigh, sumLow);
        const row = index.row(high, low);
        if (row < 0) continue;
        piece.known++;
        counter.add(row);
      }
    }
    piece.R = new Float64Array(this.labels.length);
    for (const row of counter.rows) {
      const g = fround(counter.counts[row] * fround(weights[row] * weights[row]));
      piece.squares += fround(g * g);
      this.#U.addTo(piece.R, first + row, g);
    }
    piece.squares = fround(piece.squares);
    counter.clear();
  }

  // Return a text's words, n-grams and pieces with their numbers in C and C'.
  #features(text) {
    checkText(text);
    if (this.#kept > MOST_KEPT) {
      this.#entries.clear();
      this.#kept = 0;
    }
    const form = normalForm(text, true), places = cut(form), { starts, ends, isWordToken } = places;
    const tokens = starts.map((start, i) => this.#entry(form.slice(start, ends[i])));
    const rows = this.#rowsOf(text, tokens);
    const known = rows.reduce((sum, row) => sum + (row >= 0), 0);
    const words = this.#weighWords(rows);
    const features = { form, ...places, tokens, rows, known, words, ngrams: [], pieces: [], shares: {} };
    if (this.#ngrams) this.#addNgrams(features, "words", this.#ngrams, tokens, starts);
    if (this.#patterns || this.#subwords) {
      features.runs = places.runStarts.map((start, i) => this.#entry(form.slice(start, places.runEnds[i])));
    }
    if (this.#patterns) this.#addPatterns(features, text);
    if (this.#subwords) this.#addPieces(features, tokens.filter((_, i) => isWordToken[i]));
    return features;
  }

  // Return each token's row of E, or -1; words of cased vectors are looked up as they stand first.
  #rowsOf(text, tokens) {
    const rows = tokens.map((token) => token.row);
    if (!this.#words.isCased) return rows;
    const form = normalForm(text, false), { starts, ends } = cut(form);
    if (starts.length !== rows.length) return rows;
    return starts.map((start, i) => {
      const { row } = this.#entry(form.slice(start, ends[i]));
      return row >= 0 ? row : rows[i];
    });
  }

  // C by words: count times weight of each known word, divided by their sum.
  #weighWords(rows) {
    const { counter, weights } = this.#words;
    for (const row of rows) if (row >= 0) counter.add(row);
    const found = counter.found((count, row) => fround(count * weights[row]));
    counter.clear();
    const total = found.reduce((sum, { C }) => sum + C, 0);
    for (const word of found) word.C = fround(word.C / total);
    return found;
  }

  // C by n-grams of units, which stand at these places: (1 + log count) · idf, divided by the row's length.
  #addNgrams(features, kind, { index, shortest, longest, weights, counter, first }, units, places) {
    const occurrences = [];
    let total = 0;
    for (let i = -1; i < units.length; i++) {
      let keyHigh = i < 0 ? START : units[i].keyHigh, keyLow = i < 0 ? START : units[i].keyLow;
      for (let n = 1; n <= longest && i + n <= units.length; n++) {
        if (n > 1) {
          const next = units[i + n - 1];
          multiply(keyHigh, keyLow, BASE_HIGH, BASE_LOW);
          add(next.mixedHigh, next.mixedLow);
          mix(high, low);
          keyHigh = high;
          keyLow = low;
        }
        if (n < shortest || (n === 1 && i < 0)) continue;
        total++;
        const row = index.row(keyHigh, keyLow);
        if (row < 0) continue;
        counter.add(row);
        occurrences.push({ row, start: i, n });
      }
    }
    const found = counter.found((count, row) => fround(logCount(count) * weights[row]));
    counter.clear();
    const length = Math.sqrt(found.reduce((sum, { C }) => sum + fround(C * C), 0));
    for (const ngram of found) ngram.C = fround(ngram.C / length);
    features.ngrams.push({ first, found, occurrences, places });
    features.shares[kind] = fround(occurrences.length / Math.max(total, 1));
  }

  // C by patterns: n-grams of the text's pieces in order, of which only common ones stand for themselves.
  #addPatterns(features, text) {
    const { form, starts, ends, tokens, isWordToken, runStarts, runs } = features, isCapital = capitalsOf(text, form);
    const pieces = runs.map((run, i) => ({ piece: run, start: runStarts[i], shape: RUN }));
    tokens.forEach((piece, i) => {
      if (isWordToken[i]) pieces.push({ piece, start: starts[i], shape: shapeOf(form, starts[i], ends[i], isCapital) });
    });
    pieces.sort((a, b) => a.start - b.start);
    const units = pieces.map(({ piece, shape }) => (piece.isCommon ? piece : SHAPES[shape]));
    this.#addNgrams(features, "patterns", this.#patterns, units, pieces.map(({ start }) => start));
  }

  // C' by pieces: (1 + log count), divided by the root of Σ ((1 + log count) ‖g‖)².
  #addPieces(features, words) {
    const pieces = [];
    for (const part of [words, features.runs]) {
      for (const piece of part) if (piece.count++ === 0) pieces.push(piece);
    }
    let squares = 0, known = 0, total = 0;
    const found = pieces.map((piece) => {
      if (piece.R === null) this.#spellOut(piece);
      const count = piece.count, weight = logCount(count);
      piece.count = 0;
      squares += fround(fround(weight * weight) * piece.squares);
      known += count * piece.known;
      total += count * piece.total;
      return { piece, count, C: weight };
    });
    const length = squares > 0 ? Math.sqrt(squares) : Infinity;
    for (const one of found) one.C = fround(one.C / length);
    features.pieces = found;
    features.shares.chars = fround(known / Math.max(total, 1));
  }

  // S = C E
  #sentenceFeature(features) {
    const S = new Float64Array(this.#E.width);
    for (const { row, C } of features.words) this.#E.addTo(S, row, C);
    return S;
  }

  // Z[L] = W[L] A[L-1] + b[L] + C U + C' G U'
  #logits(features) {
    const Z = this.#network.logits(this.#sentenceFeature(features));
    for (const { first, found } of features.ngrams) for (const { row, C } of found) this.#U.addTo(Z, first + row, C);
    for (const { piece: { R }, C } of features.pieces) for (let j = 0; j < Z.length; j++) Z[j] += C * R[j];
    return Z;
  }

  // P = output(Z[L] / temperature)
  #probabilitiesOf(Z) {
    const T = this.#temperature, largest = Math.max(...Z) / T;
    const P = Z.map((z) => (this.#isSoftmax ? Math.exp(z / T - largest) : sigmoid(z / T)));
    if (this.isMultiLabel) return P;
    const total = P.reduce((sum, p) => sum + p, 0);
    return P.map((p) => p / total);
  }

  // The number of a text's label: the likeliest, or of ordered labels the one nearest to the expected rank.
  #choose(P) {
    return this.#ranks ? this.#ranks.indexOf(Math.ceil(dot(P, this.#ranks) - 0.5)) : P.indexOf(Math.max(...P));
  }

  // Whether a text gets an answer: confident enough, like the texts of training, and something of it known.
  #isAnswered({ known, shares }, chosen, confidence) {
    const kinds = Object.entries(shares);
    const isAlike = kinds.every(([kind, share]) => share >= this.#leastKnown[kind]);
    return confidence >= this.#answerFrom[chosen] && isAlike && (known > 0 || kinds.some(([, share]) => share > 0));
  }

  // Return what each segment adds to v · Z[L]: token t is segment 2 t + 1. Occurrences of one thing share equally.
  #contributions(features, v) {
    const { tokens, rows, isWordToken, runStarts, form } = features;
    const added = new Float64Array(2 * tokens.length + 1);
    const G = this.#network.meanGradient(this.#sentenceFeature(features), v);
    const ofRows = new Map(features.words.map(({ row, count, C }) => [row, (C * this.#E.dot(row, G)) / count]));
    rows.forEach((row, i) => (added[2 * i + 1] += ofRows.get(row) ?? 0));
    for (const { first, found, occurrences, places } of features.ngrams) {
      const valueOf = ({ row, C }) => C * this.#U.dot(first + row, v);
      const ofNgrams = new Map(found.map((ngram) => [ngram.row, valueOf(ngram) / ngram.count]));
      const segments = places.map(segmentFinder(features));
      for (const { row, start, n } of occurrences) {
        const from = Math.max(start, 0), stop = start + n; // the start of the text takes no share
        for (let i = from; i < stop; i++) added[segments[i]] += ofNgrams.get(row) / (stop - from);
      }
    }
    if (this.#subwords) {
      const ofPieces = new Map(features.pieces.map(({ piece, count, C }) => [piece, (C * dot(piece.R, v)) / count]));
      tokens.forEach((token, i) => (added[2 * i + 1] += isWordToken[i] ? ofPieces.get(token) : 0));
      const segmentOf = segmentFinder(features);
      features.runs.forEach((run, r) => {
        const share = ofPieces.get(run) / Array.from(run.string).length;
        for (let i = runStarts[r], stop = i + run.string.length; i < stop; i += sizeOf(form.codePointAt(i))) {
          added[segmentOf(i)] += share;
        }
      });
    }
    return added;
  }
}

function checkText(text) {
  if (typeof text === "string") return;
  throw new TypeError(`text: expected a string, found ${text === null ? "null" : typeof text}`);
}
