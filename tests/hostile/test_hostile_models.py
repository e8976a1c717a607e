"""Model files that are damaged, forged with a checksum that fits, or another program's: M01 to M13."""

import hashlib
import io
import json
import pickle
import re
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hostile import DATA, FIXTURES, MODEL, accepted, long_running, refused, within

from textclf.errors import ModelError
from textclf.model.file import read_model
from textclf.model.model import Model

CONTENT = MODEL.read_bytes()
LENGTH = int.from_bytes(CONTENT[:8], "little")
HEADER, BODY = json.loads(CONTENT[8 : 8 + LENGTH]), CONTENT[8 + LENGTH :]
DESCRIPTION = json.loads(HEADER["__metadata__"]["textclf"])
ARRAYS = {
    name: BODY[slice(*entry["data_offsets"])] for name, entry in HEADER.items() if name != "__metadata__"
}  # in the header's order


def file_of(header, body):
    """Return a safetensors file whose checksum fits; `header` may be text, to hold what no JSON writer writes."""
    head = (header if isinstance(header, str) else json.dumps(header)).encode()
    content = struct.pack("<Q", len(head)) + head + body
    digest = hashlib.sha256(content).hexdigest().encode()
    return content.replace(b"0" * 64, digest, 1)


def described(description):
    return {"textclf": json.dumps({**description, "sha256": "0" * 64})}


def forged(arrays=None, description=None, header=None, body=None):
    """Return the model with other arrays, (dtype, shape, bytes) by name, another description, or another layout."""
    entries, data = {}, b""
    for name, raw in ARRAYS.items():
        dtype, shape, raw = (arrays or {}).get(name, (HEADER[name]["dtype"], HEADER[name]["shape"], raw))
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    head = {"__metadata__": described({**DESCRIPTION, **(description or {})}), **entries}
    return file_of((header or (lambda same: same))(head), data if body is None else body(data))


def with_layout(name, **entry):
    return forged(header=lambda head: head | {name: head[name] | entry})


def with_labels(*labels, **description):
    blob = "".join(labels).encode()
    ends = np.cumsum([0, *(len(label.encode()) for label in labels)]).astype("<i8")
    arrays = {"labels": ("U8", [len(blob)], blob), "labels.offsets": ("I64", [len(ends)], ends.tobytes())}
    return forged(arrays, description or None)


def with_number(name, number):
    values = np.frombuffer(ARRAYS[name], "<f4").copy()
    values[-1] = number
    return forged({name: ("F32", HEADER[name]["shape"], values.tobytes())})


def with_all(name, number):
    values = np.full(len(ARRAYS[name]) // 4, number, "<f4")
    return forged({name: ("F32", HEADER[name]["shape"], values.tobytes())})


def retyped(name, dtype, size):
    count = len(ARRAYS[name]) // 4
    return forged({name: (dtype, HEADER[name]["shape"], bytes(count * size))})


def structured(**changes):
    return forged(description={"model": {**DESCRIPTION["model"], **changes}})


def twice(head):
    """Write a header in which the first array's name stands twice."""
    text, name = json.dumps(head), next(iter(ARRAYS))
    return text[:-1] + f', "{name}": {json.dumps(head[name])}}}'


class Bomb:
    def __reduce__(self):
        return (Path.touch, (Path("a-pickle-ran"),))


def archive():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        packed.writestr("archive/data.pkl", pickle.dumps(Bomb(), 2))
    return stream.getvalue()


def stored(array):
    stream = io.BytesIO()
    np.savez(stream, array, allow_pickle=True)
    return stream.getvalue()


NOT_A_MODEL = "expected a model made by `textclf train`, but"
LAYOUT = "its arrays are not laid out as its header says"
EMPTY = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
REFUSED = {
    "M01 empty": (b"", "the file is too short"),
    "M01 seven bytes": (b"\x10\0\0\0\0\0\0", "the file is too short"),
    "M01 a length of 2^63": (struct.pack("<Q", 2**63) + CONTENT[8:], "it does not begin like one"),
    "M01 a length beyond the file": (struct.pack("<Q", len(CONTENT)) + CONTENT[8:], "it does not begin like one"),
    "M01 a length of 100 MB": (struct.pack("<Q", 10**8) + CONTENT[8:], "it does not begin like one"),
    "M02 10^5 empty arrays": (lambda: file_of({str(n): EMPTY for n in range(100_000)}, b""), "does not begin like one"),
    "M02 2,000 empty arrays": (
        lambda: file_of({"__metadata__": described(DESCRIPTION), **{str(n): EMPTY for n in range(2000)}}, b""),
        "it has over 64 arrays",
    ),
    "M02 99 MB of padding": (lambda: file_of(json.dumps(HEADER) + " " * 99_000_000, BODY), "does not begin like one"),
    "M02 a blank first": (file_of(" " + json.dumps(HEADER), BODY), "it does not begin like one"),
    "M03 an array twice": (forged(header=twice), "names something twice"),
    "M03 metadata twice": (
        forged(header=lambda head: json.dumps(head)[:-1] + ', "__metadata__": {"textclf": "{}"}}'),
        "names something twice",
    ),
    "M03 a key of the description twice": (
        forged(header=lambda head: json.dumps(head).replace('\\"format\\": 1', '\\"format\\": 1, \\"format\\": 1', 1)),
        "its description is damaged",
    ),
    "M04 an overlap": (with_layout("U", data_offsets=[0, len(ARRAYS["U"])]), LAYOUT),
    "M04 a hole": (forged(header=lambda head: {k: v for k, v in head.items() if k != "U"}), LAYOUT),
    "M04 something after the end": (forged(body=lambda data: data + b"more"), LAYOUT),
    "M04 cut": (forged(body=lambda data: data[:-4]), LAYOUT),
    "M04 reversed": (with_layout("E", data_offsets=HEADER["E"]["data_offsets"][::-1]), LAYOUT),
    "M04 negative": (with_layout("E", data_offsets=[-4, HEADER["E"]["data_offsets"][1]]), LAYOUT),
    "M05 F64": (retyped("E", "F64", 8), "expected 'E' of F32 .* found float64"),
    "M05 BF16": (retyped("E", "BF16", 2), LAYOUT),
    "M05 F8": (retyped("E", "F8_E4M3", 1), LAYOUT),
    "M05 I64": (retyped("E", "I64", 8), "expected 'E' of F32 .* found int64"),
    "M05 I32": (retyped("U", "I32", 4), "expected 'U' of F32 .* found int32"),
    "M06 a shape turned": (with_layout("E", shape=HEADER["E"]["shape"][::-1]), "expected 'E' of F32 and shape"),
    "M06 65 dimensions": (with_layout("E", shape=[1] * 65), LAYOUT),
    "M06 2^62 by 0": (forged({"E": ("F32", [2**62, 0], b"")}), "expected 'E' of F32|" + LAYOUT),
    "M06 0 by 2^40": (forged({"E": ("F32", [0, 2**40], b"")}), "expected 'E' of F32|" + LAYOUT),
    "M07 not a number in E": (with_number("E", np.nan), "'E' holds a number that is not finite"),
    "M07 infinite in U": (with_number("U", np.inf), "'U' holds a number that is not finite"),
    "M07 infinite in the network": (with_number("network", -np.inf), "'network' holds a number that is not finite"),
    "M09 a label twice": (with_labels("same", "same"), "labels: expected different ones that are not empty"),
    "M09 an empty label": (with_labels("a", ""), "labels: expected different ones that are not empty"),
    "M09 a label too many": (with_labels("a", "b", "c"), "labels: expected 2, as the network has outputs, found 3"),
    "M09 10^6 labels": (lambda: with_labels(*map(str, range(10**6))), "labels: expected 2, .* found 1000000"),
    "M09 one label": (with_labels("a"), "labels: expected 2, as the network has outputs, found 1"),
    "M10 a later format": (
        forged(description={"format": 99}),
        r"format 2 or older, found format 99\. .*upgrade textclf",
    ),
    "M10 a far later format": (forged(description={"format": 10**30}), "upgrade textclf"),
    "M10 format 0": (forged(description={"format": 0}), "its description is damaged"),
    "M10 a number that JSON does not have": (forged(description={"note": float("nan")}), "its description is damaged"),
    "M10 another tokenizer": (structured(tokenizer="{0.__class__}"), r"found '{0.__class__}'"),
    "M10 no structure": (forged(description={"model": None}), "model: expected names with values, found null"),
    "M10 no temperature": (structured(temperature=None), r"model\.temperature: expected a number, found null"),
    "M10 an activation that is a path": (
        structured(activation="../../etc/passwd"),
        r"model\.activation: expected one of",
    ),
    "M10 an activation that is an attribute": (
        structured(activation="__class__"),
        r"model\.activation: expected one of",
    ),
    "M10 sizes that are not the arrays'": (structured(sizes=[6, 10**9, 2]), "expected 'network' of F32"),
    "M10 sizes that are words": (
        structured(sizes=["6", "2"]),
        r"model\.sizes\[0\]: expected a whole number, found '6'",
    ),
    "M10 n-grams of another kind": (structured(ngrams=[["files", 1, 2]]), r"model\.ngrams\[0\]\[0\]: expected one of"),
    "M10 a value of 5 MB": (forged(description={"note": "x" * 5_000_000}), "it does not begin like one"),
    "M10 a history that is an address": (
        forged(description={"history": "http://127.0.0.1:1/x"}),
        "history: expected a list, found 'http",
    ),
    "M10 settings that are a list": (forged(description={"settings": []}), "settings: expected names with values"),
    "M10 a count that is text": (
        forged(description={"data": {**DESCRIPTION["data"], "texts": "<b>7</b>"}}),
        r"data\.texts: expected a whole number, found '<b>7</b>'",
    ),
    "M14 the same n-grams twice": (structured(ngrams=[["words", 1, 2]] * 2), "each once at most, in this order"),
    "M14 the same n-grams 20,000 times": (
        structured(ngrams=[["words", 1, 2]] * 20_000),
        r"model\.ngrams: expected at most 3 entries, found 20000",
    ),
    "M14 weights of words of -0": (with_all("words.weights", -0.0), r"words\.weights: expected numbers of 1e-06"),
    "M14 one weight of 0": (with_number("words.weights", 0.0), r"words\.weights: expected numbers of 1e-06"),
    "M14 an idf of 0": (with_all("words.idf", 0.0), r"words\.idf: expected numbers of 1e-06"),
    "M14 vectors near the largest number": (with_number("E", 3e38), r"E: expected numbers of -1e\+30 to 1e\+30"),
    "M14 a temperature of nearly nothing": (structured(temperature=1e-300), r"model\.temperature: expected 0\.001 to"),
    "M11 a pickle": (pickle.dumps(Bomb()), NOT_A_MODEL),
    "M11 a pickle of protocol 0": (pickle.dumps(Bomb(), 0), NOT_A_MODEL),
    "M11 a zip, or a .pt": (archive(), NOT_A_MODEL),
    "M11 arrays of objects": (stored(np.array([Bomb()], object)), NOT_A_MODEL),
    "M11 a program": (b"\x7fELF\x02\x01\x01" + bytes(100), NOT_A_MODEL),
    "M11 HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(100), NOT_A_MODEL),
}


@pytest.mark.parametrize(("content", "said"), REFUSED.values(), ids=REFUSED)
def test_a_model_that_is_not_what_it_says_is_refused_at_once(content, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "m.safetensors"
    path.write_bytes(content() if callable(content) else content)
    with within(10, megabytes=100):
        refused(said, "predict", path, "good")
    assert not Path("a-pickle-ran").exists()


def test_a_forged_model_without_a_change_is_the_model(tmp_path):
    (tmp_path / "m").write_bytes(forged())
    assert accepted("predict", tmp_path / "m", "good film").out == accepted("predict", MODEL, "good film").out


@pytest.mark.parametrize(
    "step", [pytest.param(97, id="M08 some bytes"), pytest.param(1, id="M08 every byte", marks=long_running)]
)
def test_a_byte_that_is_changed_anywhere_is_found(step, tmp_path):
    path = tmp_path / "m"
    path.write_bytes(CONTENT)
    with path.open("r+b", buffering=0) as stream:
        for place in range(0, len(CONTENT), step):
            stream.seek(place)
            stream.write(bytes([CONTENT[place] ^ (1 << place % 8)]))
            with pytest.raises(ModelError, match=r"m: (expected|the checksum does not fit)"):
                read_model(path)
            stream.seek(place)
            stream.write(CONTENT[place : place + 1])
    assert read_model(path).sha256 == read_model(MODEL).sha256


SIGNS = [
    "\x1b[31mred\x07",
    "\u202eright\x9b2J\u2028",
    "<script>alert(1)</script>",
    "{0.__class__} %s ${x}",
    "../../etc/passwd",
]


@pytest.mark.parametrize("label", SIGNS, ids=[f"M09 {sign!a}" for sign in SIGNS])
def test_labels_are_shown_as_text_and_never_obeyed(label, tmp_path):
    path, table = tmp_path / "m.safetensors", tmp_path / "t.jsonl"
    path.write_bytes(with_labels(label, "z"))
    table.write_text(
        "".join(json.dumps({"text": t, "label": n}) + "\n" for t in ("a film", "two hours") for n in (label, "z"))
    )
    for arguments in (
        ["predict", path, "Two hours I will not get back."],
        ["predict", path, "Two hours I will not get back.", "--json"],
        ["predict", path, "Two hours I will not get back.", "--top-k", "2"],
        ["info", path],
        ["info", path, "--json"],
        ["evaluate", path, table],
        ["evaluate", path, table, "--json"],
        ["compare", path, MODEL, table],
        ["explain", path, "Two hours I will not get back."],
        ["explain", path, "Two hours I will not get back.", "--json"],
        ["explain", path, "--global"],
        ["check", table],
    ):
        outcome = accepted(*arguments)  # which also looks for what a terminal would obey
        if "--json" in arguments:
            assert json.dumps(label)[1:-1] in json.dumps(json.loads(outcome.out))
    if label.startswith("<"):  # what else a page may obey is in the tests of reports
        accepted("evaluate", path, table, "--report", tmp_path / "r.html")
        assert "<script>alert" not in (tmp_path / "r.html").read_text()


FACTS = [
    "https://example.com/x.bin",
    "/etc/passwd",
    "<img src=x onerror=alert(1)>",
    "{0.__class__}",
    "\x1b]0;title\x07",
]


@pytest.mark.parametrize("value", FACTS, ids=[f"M10 {value!a}" for value in FACTS])
def test_what_a_description_says_is_shown_and_never_resolved(value, tmp_path):
    data = {**DESCRIPTION["data"], "sha256": value}
    (tmp_path / "m").write_bytes(forged(description={"note": value, "data": data}))
    assert accepted("predict", tmp_path / "m", "good").code == 0
    assert json.loads(accepted("info", tmp_path / "m", "--json").out)["data"]["sha256"] == value
    said = accepted("info", tmp_path / "m").out
    assert re.search(r"^data: .*sha256 ", said, re.MULTILINE)
    assert "note" not in said  # what this version does not know is left out


def test_m12_a_model_holds_its_vectors_and_reads_no_other_file(monkeypatch, tmp_path):
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "none"))
    monkeypatch.setattr("textclf.vectors.open_vectors", lambda *_, **__: pytest.fail("vectors were opened"))
    accepted("evaluate", MODEL, DATA / "reviews-test.csv")
    refused("No such option", "predict", MODEL, "good", "--vectors", "starter", code=2)


KEPT = sorted(FIXTURES.glob("model-format-*.safetensors"))


@pytest.mark.parametrize("path", KEPT, ids=[f"M13 {path.stem}" for path in KEPT])
def test_a_model_of_each_format_is_read_with_the_scores_it_had(path):
    expected = json.loads(path.with_suffix(".json").read_text("utf-8"))
    model = Model.load(path)
    predictions = model.predict(expected["texts"])
    assert list(model.labels) == expected["labels"]
    assert predictions.known.tolist() == expected["known"]
    np.testing.assert_allclose(predictions.P, expected["P"], atol=1e-6)
    assert path.stat().st_size < 100_000
