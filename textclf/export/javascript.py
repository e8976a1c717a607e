"""A model as one ES module without dependencies, or as a page: the classifier in JavaScript, and the model in base64.

The model lies in the module and not beside it: a page opened from the disk may not load a second file, and one file
needs no path that differs between a browser, a worker and Node. Base64 makes the numbers a third longer; gzip takes
most of that back. Words are left out, since their keys do, and so is what only a person reads.
"""

import base64
import unicodedata
from functools import cache
from html import escape
from importlib.resources import files
from itertools import groupby
from pathlib import Path

import numpy as np

from textclf.model.file import FORMAT, PLAIN, model_bytes
from textclf.model.model import Model
from textclf.storage.files import write_whole
from textclf.text.char_classes import ALONE, APOSTROPHE, BLANK, IGNORED, MARK, SEPARATOR, WORD, class_table
from textclf.text.ngrams import NGRAM_NAMES
from textclf.types import Array

_UNASSIGNED = BLANK + 1
_LETTERS = {
    SEPARATOR: "S", WORD: "W", ALONE: "L", MARK: "M", APOSTROPHE: "A", IGNORED: "I", BLANK: "B", _UNASSIGNED: "U",
}  # fmt: skip
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_WANTED = {
    "labels", "labels.offsets", "words.keys", "words.weights", "words.weights.values", "E", "E.scales", "U", "U.scales",
    "network", "thresholds", "record.least_familiar", "patterns.common",
    *(f"{kind}.{part}" for kind in NGRAM_NAMES for part in ("ngrams", "idf", "idf.values")),
}  # fmt: skip
_TAIL = """
const model = new Classifier(decodeBase64("{}"));
export default model;
"""


def write_javascript(model: Model, path: Path, answer_from: Array | None = None) -> None:
    """Write a model as an ES module, and its types to NAME.d.ts beside it, each whole or not at all."""
    with write_whole(types_path(path)) as stream:
        stream.write(_resource("classifier.d.ts"))
    with write_whole(path) as stream:
        stream.write(javascript(model, answer_from))


def types_path(path: Path) -> Path:
    """Return where the types of a module are looked for: NAME.d.ts, or NAME.d.mts of NAME.mjs."""
    return path.with_suffix(".d.mts" if path.suffix == ".mjs" else ".d.ts")


def javascript(model: Model, answer_from: Array | None = None) -> bytes:
    """Return the ES module; with `answer_from`, shape (k,), it abstains below these confidences."""
    in_base64 = base64.b64encode(model_content(model, answer_from)).decode("ascii")
    return f"{classifier_source()}{_TAIL.format(in_base64)}".encode()


def html_page(model: Model, title: str, answer_from: Array | None = None) -> bytes:
    """Return a page that labels what is written into it, with the module inside; it loads nothing else."""
    page = _resource("page.html").replace(b"__TITLE__", escape(title).encode(errors="replace"))
    return page.replace(b"__SCRIPT__", javascript(model, answer_from) + _resource("page.js"))


@cache
def classifier_source() -> str:
    """Return the class Classifier in JavaScript, which reads any model file."""
    return _resource("classifier.js").decode("utf-8").replace("__CLASSES__", spell_classes())


def model_content(model: Model, answer_from: Array | None = None) -> bytes:
    """Return the bytes of the model file, without what a classifier has no use for."""
    model.require_one_text("export to JavaScript")
    arrays, description = model.content()
    kept = {name: array for name, array in arrays.items() if name in _WANTED}
    if model.decision.ranks is not None:
        kept["decision.ranks"] = model.decision.ranks.astype(np.int32)
    if answer_from is not None:
        kept["answer.from"] = answer_from.astype(np.float64)
    described = {"model": description["model"]}
    return b"".join(model_bytes(kept, described, version=FORMAT if model.is_in_bytes else PLAIN)[0])


def spell_classes() -> str:
    """Return the class of each code point as runs: a length in base 36, and a letter.

    Code points that this Python's Unicode has not assigned are marked: a newer engine would lower-case them.
    """
    names = [_LETTERS[kind] for kind in range(len(_LETTERS))]
    classes = class_table().tolist()
    marked = (
        _UNASSIGNED if kind == SEPARATOR and unicodedata.category(chr(code)) == "Cn" else kind
        for code, kind in enumerate(classes)
    )
    return "".join(_base_36(sum(1 for _ in run)) + names[kind] for kind, run in groupby(marked))


def _base_36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits


def _resource(name: str) -> bytes:
    return (files("textclf.export") / "script" / name).read_bytes()
