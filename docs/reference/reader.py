"""Read a model of textclf and predict, with Python and NumPy alone: what docs/reference/model_format.md says, as code.

python docs/reference/reader.py MODEL "A film that stays with you." …
"""

import hashlib
import json
import sys
import unicodedata
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np

DTYPES = {"F32": "<f4", "F16": "<f2", "I8": "i1", "U8": "u1", "I32": "<i4", "U32": "<u4", "I64": "<i8", "U64": "<u8"}
LAST, BASE, START, SHAPES = (1 << 64) - 1, 0x9E3779B97F4A7C15, 0x0101010101010101, 0x0202020202020202
UNSPACED = (
    "CJK UNIFIED IDEOGRAPH", "CJK COMPATIBILITY IDEOGRAPH", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR",
    "HALFWIDTH KATAKANA",
)  # fmt: skip
MISSING = ("", "nan", "na", "n/a", "null", "none")
SIGMAS = {"sigmoid": lambda Z: 1 / (1 + np.exp(-Z)), "relu": lambda Z: np.maximum(Z, 0), "tanh": np.tanh}


def read(path):
    """Return the arrays and the description of a model file."""
    content = Path(path).read_bytes()
    stop = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:stop])
    description = json.loads(header.pop("__metadata__")["textclf"])
    digest = description["sha256"].encode()
    if hashlib.sha256(content.replace(digest, b"0" * 64, 1)).hexdigest().encode() != digest:
        raise SystemExit(f"{path}: the checksum does not fit: the file is damaged")
    if description["format"] > 2 or description["model"]["tokenizer"] != "words-2":
        raise SystemExit(f"{path}: made by a newer textclf than this reader knows")
    arrays = {}
    for name, entry in header.items():
        first, last = (stop + place for place in entry["data_offsets"])
        arrays[name] = np.frombuffer(content[first:last], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return arrays, description


def matrix(arrays, name):
    """Return a matrix in float64; stored in bytes, each row has a scale."""
    scales = arrays.get(f"{name}.scales", np.ones(1))
    return arrays[name].astype(np.float64) * scales.astype(np.float64)[:, None]


def numbers(arrays, name):
    """Return a list of numbers in float64; stored in bytes, they count the distinct values."""
    values = arrays.get(f"{name}.values")
    return (arrays[name] if values is None else values[arrays[name]]).astype(np.float64)


def strings(arrays, name):
    """Return a list of strings."""
    blob, offsets = arrays[name].tobytes(), arrays[f"{name}.offsets"].tolist()
    return [blob[first:last].decode() for first, last in pairwise(offsets)]


def class_of(character):
    """Return what a character is to the tokenizer."""
    code, category = ord(character), unicodedata.category(character)
    if code in (0x200C, 0x200D, 0xAD) or any(a <= code <= b for a, b in IGNORED):
        return "ignored"
    if character == "'":
        return "apostrophe"
    if category[0] == "M":
        return "mark"
    unspaced = category[0] == "L" and unicodedata.name(character, "").startswith(UNSPACED)
    if character in "!?！？" or category in ("So", "Sc") or unspaced:
        return "alone"
    return "word" if category[0] in "LN" else "separator"


IGNORED = ((0x1F3FB, 0x1F3FF), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))


def normal_form(text, lower=True):
    """Return a text as it is cut."""
    text = unicodedata.normalize("NFC", text.lower() if lower else text).replace("\u2019", "'")
    return "".join(c for c in text.replace("\U0010ffff", " ") if class_of(c) != "ignored")


def cut(text):
    """Return the tokens of a text in normal form; its pieces, words and runs of others; and where each piece begins."""
    classes, unmarked, before, in_run = [class_of(c) for c in text] + ["separator"], "separator", "separator", False
    tokens, pieces, starts = [], [], []
    for i, character in enumerate(text):
        unmarked = unmarked if classes[i] == "mark" else classes[i]
        now = "word" if classes[i] == "apostrophe" and before == classes[i + 1] == "word" else unmarked
        if (now == "word" and before != "word") or (now == "alone" and classes[i] != "mark"):
            tokens.append("")
        if now in ("word", "alone"):
            tokens[-1] += character
        runs_on = now != "word" and not (character.isspace() or ord(character) <= 32)
        if (now == "word" and before != "word") or (runs_on and not in_run):
            pieces.append("")
            starts.append(i)
        if now == "word" or runs_on:
            pieces[-1] += character
        before, in_run = now, runs_on
    return tokens, pieces, starts


def shape_of(piece, cased):
    """Return the number of a piece's shape, given the same characters before lower-casing."""
    digits, capitals = [c in "0123456789" for c in piece], [a != b for a, b in zip(piece, cased, strict=True)]
    if class_of(piece[0]) != "word":
        return 0  # a run
    if any(digits):
        return min(len(piece), 4) if all(digits) else 5
    return 6 if all(capitals) and len(piece) > 1 else 7 if capitals[0] else 8


def mix(key):
    """Spread every bit of a key over all 64."""
    key = ((key ^ (key >> 30)) * 0xBF58476D1CE4E5B9) & LAST
    key = ((key ^ (key >> 27)) * 0x94D049BB133111EB) & LAST
    return key ^ (key >> 31)


def key_of(string):
    """Return the key of a stretch of text."""
    return mix(sum((ord(c) + 1) * pow(BASE, i, 1 << 64) for i, c in enumerate(string)) & LAST)


def subword_keys(piece, shortest, longest):
    """Return the keys of the sub-words of a piece, as often as each stands there."""
    marked = f" {piece} "
    spans = [(i, n) for n in range(shortest, longest + 1) for i in range(len(marked) - n + 1)]
    return [key_of(marked[i : i + n]) for i, n in spans if n > 1 or 0 < i < len(marked) - 1]


def ngram_keys(units, shortest, longest, field=0):
    """Return the keys of the n-grams of what has these keys in a text, as often as each stands there."""
    units, keys = [START, *units], []
    for i in range(len(units)):
        key = units[i]
        for n, unit in enumerate(units[i : i + longest], 1):
            key = unit if n == 1 else mix((key * BASE + mix(unit)) & LAST)
            if n >= shortest and (n > 1 or i > 0):
                keys.append(mix((key * BASE + mix(field)) & LAST) if field else key)
    return keys


def pattern_units(text, common):
    """Return the keys of which patterns are n-grams, given a function from the keys of common pieces to their rows."""
    form, cased = normal_form(text), normal_form(text, lower=False)
    cased = cased if len(cased) == len(form) else form  # else no letter counts as a capital
    _, pieces, starts = cut(form)
    shapes = [shape_of(piece, cased[i : i + len(piece)]) for i, piece in zip(starts, pieces, strict=True)]
    keys = map(key_of, pieces)
    return [SHAPES + shape if common(key) is None else key for key, shape in zip(keys, shapes, strict=True)]


def rows_of(arrays, name):
    """Return a function from keys to rows, None for a stranger; keys of 32 bits are the first of 64."""
    shift = 64 - 8 * arrays[name].itemsize
    rows = {key: row for row, key in enumerate(arrays[name].tolist())}
    return lambda key: rows.get(key >> shift)


def tf_idf(keys, row_of, idf):
    """Return the rows of the known n-grams of a text, and C."""
    counts = Counter(map(row_of, keys))
    counts.pop(None, None)
    found = list(counts)
    C = (1 + np.log(list(counts.values()))) * idf[found]
    return found, C / np.linalg.norm(C)


def subwords(pieces, shortest, longest, row_of, idf):
    """Return the rows of the known sub-words of a text, one piece's after the other's, and C' G."""
    found, CG, squares = [], [], 0.0
    for piece, count in Counter(pieces).items():
        counts = Counter(map(row_of, subword_keys(piece, shortest, longest)))
        counts.pop(None, None)
        rows = list(counts)
        g = np.array(list(counts.values())) * idf[rows] ** 2
        weight = 1 + np.log(count)
        found += rows
        CG += (weight * g).tolist()
        squares += weight**2 * (g @ g)
    return found, np.array(CG) / np.sqrt(squares or 1.0)


def other_columns(model, arrays, cells):
    """Return D of a row, given its cells beside the text: categories, numbers, and which numbers are missing."""
    columns = model.get("columns", {})
    categories, scales = columns.get("categories", []), columns.get("numbers", [])
    known = [strings(arrays, f"categories.{i}") for i in range(len(categories))]
    marks = [value == cell for values, cell in zip(known, cells, strict=False) for value in values]
    gaps = [cell.strip().lower() in MISSING for cell in cells[len(categories) :]]
    numbers = [
        0.0 if gap else min(max((float(cell) - scale["mean"]) / scale["spread"], -10.0), 10.0)
        for gap, cell, scale in zip(gaps, cells[len(categories) :], scales, strict=True)
    ]
    gaps = [gap for gap, scale in zip(gaps, scales, strict=True) if scale.get("has_missing")]
    return np.array(
        [*(mark / np.sqrt(len(categories)) for mark in marks), *(x / np.sqrt(len(scales)) for x in [*numbers, *gaps])]
    )


def average(model, text, tokens, word_row, E, weights):
    """Return C E of one text: the weighted mean of its words' vectors."""
    rows = [word_row(key_of(token)) for token in tokens]
    if model["cased"]:
        cased = [word_row(key_of(token)) for token in cut(normal_form(text, lower=False))[0]]
        if len(cased) == len(rows):
            rows = [low if high is None else high for low, high in zip(rows, cased, strict=True)]
    known = [row for row in rows if row is not None]
    C = weights[known]
    return (C @ E[known]) / C.sum() if known else np.zeros(E.shape[1])


def predict(path, rows):
    """Yield the probability of each label for each row, as a dictionary; a row is a text, or cells joined by U+001F."""
    arrays, description = read(path)
    model, labels = description["model"], strings(arrays, "labels")
    E, U, weights = matrix(arrays, "E"), matrix(arrays, "U"), numbers(arrays, "words.weights")
    word_row, idf = (
        rows_of(arrays, "words.keys"),
        {kind: numbers(arrays, f"{kind}.idf") for kind, *_ in model["ngrams"]},
    )
    common = rows_of(arrays, "patterns.common") if "patterns" in idf else None
    ngram_row = {kind: rows_of(arrays, f"{kind}.ngrams") for kind, *_ in model["ngrams"]}
    columns = model.get("columns", {"texts": ["text"]})
    m = len(columns["texts"])
    for row in rows:
        cells = row.split("\x1f") if "columns" in model else [row]
        text, D = " ".join(cells[:m]), other_columns(model, arrays, cells[m:])
        passages = cells[:m] if columns.get("is_apart") else [text]
        tokens, pieces = [cut(normal_form(passage))[0] for passage in passages], cut(normal_form(text))[1]
        A = np.concatenate(
            [average(model, *each, word_row, E, weights) for each in zip(passages, tokens, strict=True)]
        )  # S = C E
        place = 0
        for n_in, n_out in pairwise(model["sizes"]):
            A = SIGMAS[model["activation"]](A) if place else A
            W = arrays["network"][place : place + n_in * n_out].reshape(n_out, n_in)
            place += n_in * n_out + n_out
            A = W.astype(np.float64) @ A + arrays["network"][place - n_out : place]  # Z[l] = W[l] A[l-1] + b[l]
        words, patterns = (len(idf.get(kind, ())) for kind in ("words", "patterns"))
        others = words + patterns
        first = {"words": 0, "patterns": words, "chars": others + len(D)}
        A = A + D @ U[others : others + len(D)]  # … + D V
        for kind, shortest, longest in model["ngrams"]:
            if kind != "chars":
                units = [map(key_of, each) for each in tokens] if kind == "words" else [pattern_units(text, common)]
                keys = [key for field, each in enumerate(units) for key in ngram_keys(each, shortest, longest, field)]
                found, C = tf_idf(keys, ngram_row[kind], idf[kind])
            else:
                found, C = subwords(pieces, shortest, longest, ngram_row[kind], idf[kind])
            if found:
                A = A + C @ U[first[kind] + np.array(found)]  # … + C U, … + C' G U'
        Z = A / model["temperature"]
        P = np.exp(Z - Z.max()) if model["output"] == "softmax" else 1 / (1 + np.exp(-Z))
        yield dict(zip(labels, P if "thresholds" in arrays else P / P.sum(), strict=True))


if __name__ == "__main__":
    for said in predict(sys.argv[1], sys.argv[2:]):
        print(json.dumps(said, ensure_ascii=False))
