"""A model as ONNX: counts of words and n-grams in, probabilities out; and the words, n-grams and rules as JSON.

The graph takes n texts as lists of what they hold: for words, for word n-grams, and for patterns, `texts`, `ids` and
`counts`, shape (T,): the text, the number in the JSON file, and how often it stands there; a pair of text and number
stands once. Of pieces it takes `texts` and `counts`, and of their sub-words `pieces`, `ids` and `counts`: the entry of
the piece among those of pieces, the number, and how often it stands in the piece. It computes what `features` and
`model` do, in float32.

The JSON says how a text is cut, and which words and n-grams have which key; docs/reference/model_format.md describes
the rules.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from textclf.errors import ModelError, require_packages
from textclf.model.model import Model, largest_sum
from textclf.nn.network import ACTIVATIONS
from textclf.storage.files import write_whole
from textclf.storage.quantized import ByteRows
from textclf.text.char_classes import ALONE, APOSTROPHE, BLANK, IGNORED, MARK, SEPARATOR, WORD, class_table
from textclf.text.ngrams import NgramTable
from textclf.text.patterns import SHAPE_KEYS, SHAPES
from textclf.text.tokenizer import NAME
from textclf.types import Array

if TYPE_CHECKING:
    from onnx import ModelProto


_OPSET, _IR = 16, 8  # of 2022: ScatterND adds since 16
_MOST_BYTES = (1 << 31) - (1 << 20)  # of one protocol buffer, which holds the whole model
_FLOAT, _INT64 = 1, 7  # as onnx.TensorProto numbers them
_LARGEST_SUM = 1e38  # of float32, in which runtimes calculate
_OUTPUTS = {"softmax": "Softmax", "sigmoid": "Sigmoid"}
_LEAST_SQUARE = 1e-30


def check_onnx_available() -> None:
    """Raise TextclfError when the package that ONNX needs is not installed."""
    require_packages("export to ONNX", "onnx", extra="onnx")


def write_onnx(model: Model, path: Path, tokenizer: Path) -> None:
    """Write a model as ONNX, and what its inputs mean as JSON to `tokenizer`, each whole or not at all.

    Raises ModelError when the model is too large for ONNX, or does what cannot be said in it.
    """
    _check_known("activation", model.network.activation.name, filter(_has_operator, ACTIVATIONS))
    _check_known("output", model.output, _OUTPUTS)
    model.require_one_text("export to ONNX")
    if not largest_sum(model) < _LARGEST_SUM:
        raise ModelError(f"{path}: expected weights whose sums are finite in float32, found larger ones. Train again.")
    described, digest = tokenizer_json(model)
    if _byte_count(model.E) + _byte_count(model.U) > _MOST_BYTES:
        raise ModelError(f"{path}: expected vectors of less than 2 GB in all, found more. Export a small model first.")
    content = onnx_model(model, digest).SerializeToString()
    with write_whole(tokenizer) as stream:
        stream.write(described)
    with write_whole(path) as stream:
        stream.write(content)


def _check_known(what: str, name: str, known: Iterable[str]) -> None:
    names = list(known)
    if name not in names:
        expected = ", ".join(names)
        raise ModelError(f"{what}: export to ONNX expected one of {expected}, found {name}. Train with one of these.")


def _has_operator(activation: str) -> bool:
    from onnx import defs

    return bool(defs.has(activation.capitalize()))  # ONNX has the names of the field too: Relu, Softplus


def onnx_model(model: Model, digest: str = "") -> "ModelProto":
    """Return the graph; `digest`, the SHA-256 of the JSON file that goes with it, is noted."""
    from onnx import checker, helper

    from textclf import __version__

    graph = _Graph(model.network.sizes[-1])
    S = graph.words(model)
    kinds = enumerate(model.features.ngrams)
    wide = [(graph.subwords if table.kind == "chars" else graph.ngrams)(model, number) for number, table in kinds]
    P = graph.probabilities(model, graph.network(model, S, wide))
    graph.nodes.append(helper.make_node("Identity", [P], ["probabilities"]))
    made = helper.make_model(
        helper.make_graph(graph.nodes, "textclf", graph.inputs, [graph.output()], graph.constants),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR,
        producer_name="textclf",
        producer_version=__version__,
    )
    helper.set_model_props(made, {"textclf.text.tokenizer.sha256": digest})
    checker.check_model(made)
    return made


class _Graph:
    """The nodes, constants and inputs made so far; each method returns the name of what it computes."""

    def __init__(self, k: int) -> None:
        from onnx import helper

        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs: list[Any] = [helper.make_tensor_value_info("n", _INT64, [1])]
        self.k = k

    def output(self) -> Any:  # noqa: ANN401 - a protocol buffer
        """Return the description of the output."""
        from onnx import helper

        return helper.make_tensor_value_info("probabilities", _FLOAT, ["n", self.k])

    def words(self, model: Model) -> str:
        """S = C E: each row of C is count times weight, divided by its sum."""
        texts, ids, counts = self._entries(INPUTS["vectors"], "texts", "ids", "counts")
        weights = self._op("Mul", counts, self._op("Gather", self._constant(model.features.words.weights), ids))
        C = self._op("Div", weights, self._op("Gather", self._sums("n", texts, weights), texts))
        return self._product("n", texts, C, self._rows(model.E, ids), model.E.shape[1])

    def ngrams(self, model: Model, number: int) -> str:
        """C U of word n-grams, or of patterns: each row of C is (1 + log count) · idf, divided by its length."""
        table = model.features.ngrams[number]
        texts, ids, counts = self._entries(INPUTS[table.kind], "texts", "ids", "counts")
        weights = self._op("Mul", self._log_counts(counts), self._op("Gather", self._constant(table.idf), ids))
        squares = self._sums("n", texts, self._op("Mul", weights, weights))
        C = self._op("Div", weights, self._op("Gather", self._op("Sqrt", squares), texts))
        return self._product("n", texts, C, self._rows(_rows_of_kind(model, number), ids), self.k)

    def subwords(self, model: Model, number: int) -> str:
        """C' G U' of sub-words: G is count · idf², and a row of C' (1 + log count), divided by the length of all g."""
        table = model.features.ngrams[number]
        texts, counts = self._entries(PIECES, "texts", "counts")
        pieces, ids, counts_in_pieces = self._entries(INPUTS[table.kind], "pieces", "ids", "counts")
        many = self._op("Shape", texts)
        G = self._op("Mul", counts_in_pieces, self._op("Gather", self._constant(table.idf**2), ids))
        R = self._product(many, pieces, G, self._rows(_rows_of_kind(model, number), ids), self.k)
        weights = self._log_counts(counts)
        squares = self._op("Mul", self._op("Mul", weights, weights), self._sums(many, pieces, self._op("Mul", G, G)))
        # A text without any known sub-word has zeros in G, so any length will do for it but 0.
        squares = self._op("Max", self._sums("n", texts, squares), self._constant(np.float32(_LEAST_SQUARE)))
        C = self._op("Div", weights, self._op("Gather", self._op("Sqrt", squares), texts))
        return self._product("n", texts, C, R, self.k)

    def network(self, model: Model, S: str, wide: Sequence[str]) -> str:
        """Z[L]: Z[l] = W[l] A[l-1] + b[l], A[l] = σ(Z[l]), and what the n-grams add to the last."""
        A = S
        for layer in model.network.layers:
            Z = self._op("Add", self._op("MatMul", A, self._constant(layer.W.T)), self._constant(layer.b))
            A = self._op(model.network.activation.name.capitalize(), Z) if layer is not model.network.layers[-1] else Z
        for each in wide:
            A = self._op("Add", A, each)
        return A

    def probabilities(self, model: Model, Z: str) -> str:
        """P = output(Z / T), and of one label a text shares of 1."""
        scaled = self._op("Div", Z, self._constant(np.float32(model.temperature)))
        if model.output == "softmax":
            return self._op(_OUTPUTS["softmax"], scaled, axis=1)
        P = self._op(_OUTPUTS[model.output], scaled)
        if model.is_multi_label:
            return P
        return self._op("Div", P, self._op("ReduceSum", P, self._constant(np.array([1])), keepdims=1))

    def _entries(self, name: str, *columns: str) -> list[str]:
        from onnx import helper

        for column in columns:
            kind = _FLOAT if column == "counts" else _INT64
            self.inputs.append(helper.make_tensor_value_info(f"{name}.{column}", kind, [f"{name}.entries"]))
        return [f"{name}.{column}" for column in columns]

    def _log_counts(self, counts: str) -> str:
        return self._op("Add", self._op("Log", counts), self._constant(np.float32(1.0)))

    def _rows(self, matrix: Array | ByteRows, ids: str) -> str:
        if not isinstance(matrix, ByteRows):
            return self._op("Gather", self._constant(matrix), ids)
        codes = self._op("Cast", self._op("Gather", self._constant(matrix.codes), ids), to=_FLOAT)
        scales = self._op("Gather", self._constant(matrix.scales.astype(np.float32)), ids)
        return self._op("Mul", codes, self._column(scales))

    def _product(self, n: str, texts: str, C: str, rows: str, width: int) -> str:
        """Return the sums, for each text, of its entries' numbers in C times their rows; shape (n, width)."""
        shape = self._op("Concat", n, self._constant(np.array([width])), axis=0)
        zeros = self._op("ConstantOfShape", shape)
        return self._op(
            "ScatterND", zeros, self._column(texts), self._op("Mul", rows, self._column(C)), reduction="add"
        )

    def _sums(self, n: str, texts: str, values: str) -> str:
        zeros = self._op("ConstantOfShape", n)
        return self._op("ScatterElements", zeros, texts, values, axis=0, reduction="add")

    def _column(self, values: str) -> str:
        return self._op("Unsqueeze", values, self._constant(np.array([1])))

    def _op(self, kind: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401 - as each node has it
        from onnx import helper

        name = f"{kind}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def _constant(self, values: npt.NDArray[Any] | np.generic) -> str:
        from onnx import numpy_helper

        name = f"constant.{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values).reshape(np.shape(values)), name))
        return name


def _rows_of_kind(model: Model, number: int) -> Array | ByteRows:
    rows: Array | ByteRows = model.U[model.features.kinds[number]]
    return rows


def _byte_count(matrix: Array | ByteRows) -> int:
    return matrix.codes.nbytes if isinstance(matrix, ByteRows) else matrix.nbytes


# --- what stands before the graph ------------------------------------------------------------------------------------

INPUTS = {"vectors": "words", "words": "word_ngrams", "patterns": "pattern_ngrams", "chars": "char_ngrams"}
"""The name that the entries of each matrix have among the graph's inputs: C by words, C by n-grams, and G."""
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
        "ngrams": [_describe(table) for table in features.ngrams],
    }
    content = json.dumps(described, ensure_ascii=True).encode()
    return content, hashlib.sha256(content).hexdigest()


def _describe(table: NgramTable) -> dict[str, Any]:
    """Return what the file says of one kind of n-grams."""
    described = {
        "kind": table.kind,
        "input": INPUTS[table.kind],
        "shortest": table.shortest,
        "longest": table.longest,
        **_keys(table.index.keys),
    }
    if table.kind == "chars":
        described["pieces"] = PIECES
    if table.kind == "patterns":
        described |= {"common": _keys(table.common.keys), "shapes": {"names": SHAPES, **_keys(SHAPE_KEYS)}}
    return described


def _keys(keys: npt.NDArray[Any]) -> dict[str, Any]:
    """Return keys in rising order as base64 of little-endian numbers: a key's place is its number."""
    content = keys.astype(keys.dtype.newbyteorder("<")).tobytes()
    return {"bits": 8 * keys.itemsize, "count": len(keys), "keys": base64.b64encode(content).decode("ascii")}
