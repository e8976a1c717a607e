"""What stands before the ONNX graph, as JSON: how a text is cut, and which words and n-grams have which key.

The rules are those of `char_classes`, `tokenizer`, `ngrams` and `subwords`; docs/reference/model_format.md describes
them.
"""

import base64
import hashlib
import json
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.model.model import Model
from textclf.text.char_classes import ALONE, APOSTROPHE, BLANK, IGNORED, MARK, SEPARATOR, WORD, class_table
from textclf.text.tokenizer import NAME

INPUTS = {"vectors": "words", "words": "word_ngrams", "chars": "char_ngrams"}
"""The name that the entries of each matrix have among the graph's inputs: C by words, C by word n-grams, and G."""
PIECES = "pieces"
"""The name of the entries of C'."""

_CLASSES = {
    "separator": SEPARATOR,
    "word": WORD,
    "alone": ALONE,
    "mark": MARK,
    "apostrophe": APOSTROPHE,
    "ignored": IGNORED,
    "blank": BLANK,
}


def tokenizer_json(model: Model) -> tuple[bytes, str]:
    """Return the content of the JSON file, and its SHA-256."""
    table = class_table()
    changes = np.flatnonzero(np.diff(table)) + 1
    starts = [0, *changes.tolist()]
    features = model.features
    described = {
        "format": 1,
        "labels": list(model.labels),
        "thresholds": None if model.thresholds is None else model.thresholds.astype(float).tolist(),
        "tokenizer": {
            "name": NAME,
            "cased": features.words.cased,
            "classes": _CLASSES,
            "code_points": [[start, int(table[start])] for start in starts],
        },
        "words": {"input": INPUTS["vectors"], "strings": list(model.words), **_keys(features.words.index.keys)},
        "ngrams": [
            {
                "kind": each.kind,
                "input": INPUTS[each.kind],
                **({"pieces": PIECES} if each.kind == "chars" else {}),
                "shortest": each.shortest,
                "longest": each.longest,
                **_keys(each.index.keys),
            }
            for each in features.ngrams
        ],
    }
    content = json.dumps(described, ensure_ascii=True).encode()
    return content, hashlib.sha256(content).hexdigest()


def _keys(keys: npt.NDArray[Any]) -> dict[str, Any]:
    """Return keys in rising order as base64 of little-endian numbers: a key's place is its number."""
    content = keys.astype(keys.dtype.newbyteorder("<")).tobytes()
    return {"bits": 8 * keys.itemsize, "count": len(keys), "keys": base64.b64encode(content).decode("ascii")}
