"""A model for elsewhere says what the model says: in 8 bits, with less in it, as ONNX, and read by another reader."""

import base64
import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from programs import load_program
from small_models import KINDS, LABELS, SETS, TEXTS

from textclf.cli import run
from textclf.errors import DataError, ModelError
from textclf.explain import explain
from textclf.export import LabelledRows, fold_layer, onnx_model, shrink, write_onnx
from textclf.export.shrink import _strongest_of_each_key
from textclf.labels import cut_labels, multi_hot
from textclf.model.file import FORMAT, PLAIN, read_model, write_model
from textclf.model.model import Model
from textclf.tables import LoadedTable, Notes

ODD = [
    "", " \n ", "lovely", "the film " * 300, "Don’t! it's 'good'", "CAFÉ cafe\u0301", "İSTANBUL ΣΟΦΟΣ",
    "好看的电影 film",
    "a\u200bb\u00adc 🙂👍🏽", "ก็ดี x\u0301\u0301", "\x00 \x1f tab\tbad", "'a''b' c'", "¿bad? 3.5/10 ½ $5", *TEXTS[:7],
    "THE film 7 x2 good.", "a Play, 42 fine!", "It’s 300 :) bad!!", "Film 1984 ... İT is 12345",
    "E\u0301T X\u0301 ٣٤ ３４ ½2",
]  # fmt: skip


READER = load_program("docs/reference/reader.py")


def rows_for(model):
    sets = [cut_labels(cell) for cell in SETS] if model.is_multi_label else [(label,) for label in LABELS]
    return LabelledRows(TEXTS, multi_hot(sets, model.labels))


# --- small models -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_a_folded_model_says_the_same(name, models):
    model = models[name]
    np.testing.assert_allclose(fold_layer(model).predict(ODD).P, model.predict(ODD).P, atol=2e-6)


@pytest.mark.parametrize("name", KINDS)
def test_a_model_in_8_bits_says_nearly_the_same_and_its_file_exactly_what_it_says(name, models, tmp_path):
    model = models[name]
    small = shrink(model, "0" * 64).model
    np.testing.assert_allclose(small.predict(ODD).P, model.predict(ODD).P, atol=0.02)
    small.save(tmp_path / "small")
    loaded = Model.load(tmp_path / "small")
    assert loaded.predict(ODD).P.tobytes() == small.predict(ODD).P.tobytes()
    assert loaded.file_size() == (tmp_path / "small").stat().st_size
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "small").read_bytes()
    assert read_model(tmp_path / "small").description["format"] == FORMAT
    many = ODD * 20  # the way of many texts
    np.testing.assert_allclose(loaded.predict(many).P[: len(ODD)], loaded.predict(ODD).P, rtol=1e-6)


def test_other_models_keep_the_format_that_the_first_readers_know(model, tmp_path):
    model.save(tmp_path / "m")
    assert read_model(tmp_path / "m").description["format"] == PLAIN


@pytest.mark.parametrize("name", ["plain", "tanh", "several labels"])
def test_a_second_export_changes_nothing(name, models, tmp_path):
    once = shrink(models[name], "0" * 64).model
    twice = shrink(once, "0" * 64).model
    assert pytest.approx(once.predict(ODD).P, abs=1e-3) == twice.predict(ODD).P
    assert twice.file_size() == once.file_size()


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("with_rows", [True, False])
def test_the_file_is_not_larger_than_allowed_and_nearly_as_large(name, with_rows, models, tmp_path):
    model = models[name]
    whole, least = shrink(model, "0" * 64).model, 0
    rows = rows_for(model) if with_rows else None
    try:
        shrink(model, "0" * 64, rows=rows, max_size=100)
    except ModelError as error:
        least = int(str(error).split("expected at least ")[1].split(" bytes")[0].replace(",", ""))
    allowed = max(least, (least + whole.file_size()) // 2)
    small = shrink(model, "0" * 64, rows=rows, max_size=allowed).model
    small.save(tmp_path / "small")
    assert allowed - 600 <= (tmp_path / "small").stat().st_size <= allowed
    assert np.isfinite(Model.load(tmp_path / "small").predict(ODD).P).all()


def test_of_patterns_the_common_pieces_keep_long_keys_however_few_patterns_stay(models, tmp_path):
    model = models["patterns"]
    (place,) = [number for number, table in enumerate(model.features.ngrams) if table.kind == "patterns"]
    whole = shrink(model, "0" * 64).model
    few = shrink(model, "0" * 64, max_size=whole.file_size() - 2_000).model
    counts = []
    for small in (whole, few):
        small.save(tmp_path / "small")
        table = Model.load(tmp_path / "small").features.ngrams[place]
        counts.append(len(table.index))
        assert table.index.keys.dtype == np.uint32
        assert table.common.keys.dtype == np.uint64
        np.testing.assert_array_equal(table.common.keys, model.features.ngrams[place].common.keys)
        found = [list(one.values()) for one in READER.predict(tmp_path / "small", ODD)]
        np.testing.assert_allclose(found, Model.load(tmp_path / "small").predict(ODD).P, atol=1e-6)
    assert len(model.features.ngrams[place].index) == counts[0] > counts[1] > 0


def test_what_cannot_be_made_so_small_is_refused_with_what_can(model):
    with pytest.raises(ModelError, match=r"expected at least [\d,]+ bytes, which .* take .*, found 100. Allow more"):
        shrink(model, "0" * 64, max_size=100)


def test_what_has_most_effect_stays(model):
    shrunk = shrink(model, "0" * 64, max_size=shrink(model, "0" * 64).model.file_size() - 2500)
    words, ngrams = shrunk.words, shrunk.ngrams
    assert words[0] + ngrams[0] < words[1] + ngrams[1]
    given = [shrunk.model.labels[number] for number in shrunk.model.predict(TEXTS).classes]
    assert given == LABELS


def test_without_rows_a_model_that_lost_something_promises_nothing(model):
    assert shrink(model, "0" * 64).model.record is not None
    less = shrink(model, "0" * 64, max_size=shrink(model, "0" * 64).model.file_size() - 1500).model
    assert less.record is None
    with pytest.raises(ModelError, match="expected a model with validation rows"):
        less.answer_from(0.9)


@pytest.mark.parametrize("name", ["plain", "several labels", "tanh"])
def test_rows_say_what_is_lost_and_how_much_is_worth_keeping(name, models):
    model, rows = models[name], rows_for(models[name])
    shrunk = shrink(model, "0" * 64, rows=rows)
    change = shrunk.change
    before, after = rows.losses(model).mean(), rows.losses(shrunk.model).mean()
    if not model.is_multi_label:
        assert change.log_loss_before == pytest.approx(before)
        assert change.log_loss_after == pytest.approx(after)
        assert shrunk.model.record is not None
    assert change.largest == pytest.approx(np.abs(shrunk.model.predict(TEXTS).P - model.predict(TEXTS).P).max())
    assert shrunk.model.card.export.validation == change.figures()


def test_what_says_nothing_goes_where_rows_can_tell(model):
    U = model.U.copy()
    U[len(model.features.ngrams[0].index) :] = 0.0  # all n-grams of characters
    mute = replace(model, U=U)
    shrunk = shrink(mute, "0" * 64, rows=rows_for(model))
    assert shrunk.ngrams[0] <= len(model.features.ngrams[0].index)
    assert shrunk.change.log_loss_after < 1.5 * shrunk.change.log_loss_before


def test_rows_with_a_label_that_the_model_lacks_are_refused(model):
    examples = LoadedTable("t.csv", ["x"], ["upp"], None, [3], [], Notes())
    with pytest.raises(DataError, match=r"t.csv: row 3: label 'upp' was not in the training data.*Did you mean 'up'"):
        LabelledRows.of(examples, model, 1)


def test_of_keys_that_agree_in_their_first_half_the_one_of_most_gain_stays():
    keys = np.array([1, 5, 1 << 32, (1 << 32) + 7, 1 << 40], np.uint64)
    gain = np.array([1.0, 2.0, 4.0, 3.0, 0.0])
    assert _strongest_of_each_key(keys, gain).tolist() == [False, True, True, False, True]
    assert _strongest_of_each_key(keys[:0], gain[:0]).tolist() == []


def test_explanations_of_a_small_model_add_up(model):
    small = shrink(model, "0" * 64).model
    for one in explain(small, TEXTS[:6]):
        assert one.base + one.contributions.sum() + one.between.sum() == pytest.approx(one.score, abs=1e-6)


def damaged(change):
    def make(arrays):
        return {**arrays, **change(arrays)}

    return make


DAMAGED = {
    "scales that are no numbers": damaged(lambda a: {"E.scales": np.full_like(a["E.scales"], np.inf)}),
    "scales below zero": damaged(lambda a: {"U.scales": -np.ones_like(a["U.scales"])}),
    "too few scales": damaged(lambda a: {"E.scales": a["E.scales"][:-1]}),
    "scales of another kind": damaged(lambda a: {"E.scales": a["E.scales"].astype(np.float32)}),
    "rows that are no bytes": damaged(lambda a: {"E": a["E"].astype(np.float32)}),
    "numbers beyond the values": damaged(lambda a: {"words.idf.values": a["words.idf.values"][:1]}),
    "no values": damaged(lambda a: {"words.weights.values": a["words.weights.values"][:0]}),
    "short keys out of order": damaged(lambda a: {"words.keys": a["words.keys"][::-1]}),
    "no scales": lambda arrays: {name: array for name, array in arrays.items() if name != "E.scales"},
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_small_model_whose_parts_do_not_fit_is_refused_in_one_line(name, model, tmp_path):
    shrink(model, "0" * 64).model.save(tmp_path / "m")
    file = read_model(tmp_path / "m")
    arrays = DAMAGED[name]({name: np.array(array) for name, array in file.arrays.items()})
    description = {name: value for name, value in file.description.items() if name not in ("format", "sha256")}
    write_model(tmp_path / "m", arrays, description, version=FORMAT)
    with pytest.raises(ModelError, match=str(tmp_path / "m")) as caught:
        Model.load(tmp_path / "m")
    assert "\n" not in str(caught.value)


# --- ONNX and another reader ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("is_small", [False, True])
def test_a_reader_of_another_hand_gives_the_same_probabilities(name, is_small, models, tmp_path):
    model = shrink(models[name], "0" * 64).model if is_small else models[name]
    model.save(tmp_path / "m")
    found = list(READER.predict(tmp_path / "m", ODD))
    assert [tuple(one) for one in found] == [model.labels] * len(ODD)
    np.testing.assert_allclose([list(one.values()) for one in found], model.predict(ODD).P, atol=1e-6)


def test_the_other_reader_refuses_a_damaged_file(model, tmp_path):
    model.save(tmp_path / "m")
    content = bytearray((tmp_path / "m").read_bytes())
    content[-1] ^= 1
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(SystemExit, match="the checksum does not fit"):
        READER.read(tmp_path / "m")


def graph_inputs(tokenizer, texts):
    """Return the graph's inputs for these texts, by what the JSON file says."""
    feed = {"n": np.array([len(texts)])}
    word_rows = rows_by_key(tokenizer["words"])
    entries = {("words", "texts", "ids"): []}
    tables = [(table, rows_by_key(table)) for table in tokenizer["ngrams"]]
    for number, text in enumerate(texts):
        tokens, pieces, _ = READER.cut(READER.normal_form(text))
        rows = [word_rows(READER.key_of(token)) for token in tokens]
        if tokenizer["tokenizer"]["cased"]:
            as_is = [word_rows(READER.key_of(token)) for token in READER.cut(READER.normal_form(text, False))[0]]
            rows = [low if high is None else high for low, high in zip(rows, as_is, strict=True)]
        entries["words", "texts", "ids"] += counted(number, rows)
        for table, rows_of in tables:
            name, lengths = table["input"], (table["shortest"], table["longest"])
            if table["kind"] != "chars":
                units = map(READER.key_of, tokens)
                if table["kind"] == "patterns":
                    units = READER.pattern_units(text, rows_by_key(table["common"]))
                keys = READER.ngram_keys(units, *lengths)
                entries.setdefault((name, "texts", "ids"), []).extend(counted(number, map(rows_of, keys)))
                continue
            of_pieces = entries.setdefault((table["pieces"], "texts"), [])
            of_subwords = entries.setdefault((name, "pieces", "ids"), [])
            for piece, count in Counter(pieces).items():
                of_subwords += counted(len(of_pieces), map(rows_of, READER.subword_keys(piece, *lengths)))
                of_pieces.append((number, count))
    for (name, *columns), found in entries.items():
        *numbers, counts = np.array(found, np.int64).reshape(-1, len(columns) + 1).T
        feed |= {f"{name}.{column}": each for column, each in zip(columns, numbers, strict=True)}
        feed[f"{name}.counts"] = counts.astype("f4")
    return feed


def counted(number, rows):
    return [(number, row, count) for row, count in Counter(row for row in rows if row is not None).items()]


def rows_by_key(part):
    keys = np.frombuffer(base64.b64decode(part["keys"]), f"<u{part['bits'] // 8}")
    assert len(keys) == part["count"]
    rows = {key: row for row, key in enumerate(keys.tolist())}
    return lambda key: rows.get(key >> (64 - part["bits"]))


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("is_small", [False, True])
def test_onnx_gives_the_same_probabilities(name, is_small, models, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    model = shrink(models[name], "0" * 64).model if is_small else models[name]
    model = replace(model, temperature=1.7)
    write_onnx(model, tmp_path / "m.onnx", tmp_path / "m.tokenizer.json")
    tokenizer = json.loads((tmp_path / "m.tokenizer.json").read_text("utf-8"))
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    (P,) = session.run(["probabilities"], graph_inputs(tokenizer, ODD))
    np.testing.assert_allclose(P, model.predict(ODD).P, atol=1e-5)
    assert tokenizer["labels"] == list(model.labels)
    (alone,) = session.run(None, graph_inputs(tokenizer, ODD[:1]))
    np.testing.assert_allclose(alone, P[:1], atol=1e-6)


def test_the_json_beside_onnx_says_what_every_code_point_is_and_onnx_knows_its_checksum(model, tmp_path):
    from textclf.export.onnx import tokenizer_json
    from textclf.text.char_classes import class_table

    content, digest = tokenizer_json(model)
    runs = json.loads(content)["tokenizer"]["code_points"]
    table = np.zeros(0x110000, np.uint8)
    for start, number in runs:
        table[start:] = number
    np.testing.assert_array_equal(table, class_table())
    made = onnx_model(model, digest)
    assert {each.key: each.value for each in made.metadata_props} == {"textclf.text.tokenizer.sha256": digest}
    assert not any(each.external_data for each in made.graph.initializer)


def test_the_json_beside_onnx_says_how_patterns_are_made(models):
    from textclf.export.onnx import tokenizer_json

    model = models["patterns"]
    table = model.features.ngrams[1]
    (said,) = [each for each in json.loads(tokenizer_json(model)[0])["ngrams"] if each["kind"] == "patterns"]
    common, shapes = rows_by_key(said["common"]), rows_by_key(said["shapes"])
    assert [common(key) for key in table.common.keys.tolist()] == list(range(len(table.common)))
    assert said["shapes"]["names"] == [".", "9", "99", "999", "9999", "a9", "AA", "Aa", "a"]
    of_shapes = READER.pattern_units("The 1984 ... 7 12 123 b2b NASA of", lambda _: None)
    names = [said["shapes"]["names"][shapes(unit)] for unit in of_shapes]
    assert names == ["Aa", "9999", ".", "9", "99", "999", "a9", "AA", "a"]


def test_the_example_of_a_pattern_in_the_document_has_the_key_that_it_says():
    common = {READER.key_of(string): row for row, string in enumerate(["is", "?"])}
    keys = READER.ngram_keys(READER.pattern_units("Is NATO 75?", common.get), 2, 2)
    assert len(keys) == 4
    assert keys[1] == READER.mix((READER.key_of("is") * READER.BASE + READER.mix(0x0202020202020208)) & READER.LAST)


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_says_what_was_kept_and_lost(folder, capsys):
    command = ["export", "m.safetensors", "-o", "s.safetensors", "--quantize", "int8"]
    assert run([*command, "--validation", "valid.csv"]) == 0
    said = capsys.readouterr().out
    assert "s.safetensors: 0.0" in said
    assert "accuracy 1.0000 → 1.0000 (+0.00 points), log loss" in said
    assert run(command) == 0
    assert "the loss was not measured: give labelled rows with --validation" in capsys.readouterr().out
    assert run([*command, "--max-size", "11kB", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["bytes"] == (folder / "s.safetensors").stat().st_size <= 11_000
    assert found["bytes_before"] == (folder / "m.safetensors").stat().st_size
    assert found["validation"] is None
    assert run(["info", "s.safetensors"]) == 0
    assert "export: quantize int8" in capsys.readouterr().out


def test_every_command_takes_a_small_model(folder, capsys):
    assert run(["export", "m.safetensors", "-o", "s.safetensors", "--quantize", "int8"]) == 0
    for arguments in (
        ["predict", "s.safetensors", "a good film"],
        ["predict", "s.safetensors", "-i", "valid.csv", "-o", "out.csv", "-q"],
        ["explain", "s.safetensors", "a good film"],
        ["explain", "s.safetensors", "--global"],
        ["evaluate", "s.safetensors", "valid.csv", "-q"],
        ["compare", "m.safetensors", "s.safetensors", "valid.csv", "-q"],
        ["info", "s.safetensors", "--json"],
        ["export", "s.safetensors", "-o", "t.safetensors", "--quantize", "int8", "--max-size", "11kB"],
        ["export", "s.safetensors", "-o", "s.onnx"],
    ):
        assert run(arguments) == 0, (arguments, capsys.readouterr().err)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["-o", "s.safetensors"],
            2,
            "expected what to write: --quantize int8 for a small model, -o NAME.js, NAME.html or NAME.onnx",
        ),
        (["-o", "s.onnx", "--quantize", "int8"], 2, "export the small model first"),
        (["-o", "s.safetensors", "--quantize", "int8", "--max-size", "two"], 2, "expected a size such as 2MB"),
        (["-o", "s.safetensors", "--quantize", "int8", "--max-size", "1kB"], 1, "--max-size: expected at least"),
        (["-o", "m.safetensors", "--quantize", "int8"], 1, "m.safetensors"),
        (["-o", "s.safetensors", "--quantize", "int8", "--validation", "no.csv"], 1, "no.csv"),
        (["-o", "no/s.onnx"], 1, "does not exist. Create it first"),
    ],
)
def test_what_cannot_be_exported_is_said_in_one_line_and_nothing_is_written(arguments, code, message, folder, capsys):
    before = (folder / "m.safetensors").read_bytes()
    assert run(["export", "m.safetensors", *arguments]) == code
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == ["m.safetensors", "valid.csv"]
    assert (folder / "m.safetensors").read_bytes() == before


def with_step(model):
    return replace(model, network=replace(model.network, activation=replace(model.network.activation, name="step")))


def with_large_weights(model):
    network = replace(model.network, theta=np.full_like(model.network.theta, 1e30))
    return replace(model, E=np.full(model.E.shape, 1e30, np.float32), network=network)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (with_step, "activation: export to ONNX expected one of sigmoid, relu, tanh, found step"),
        (lambda m: replace(m, output="linear"), "output: export to ONNX expected one of softmax, sigmoid, found lin"),
        (with_large_weights, "expected weights whose sums are finite in float32, found larger ones"),
    ],
)
def test_what_onnx_cannot_say_is_refused_before_anything_is_written(change, said, model, tmp_path):
    with pytest.raises(ModelError, match=said):
        write_onnx(change(model), tmp_path / "m.onnx", tmp_path / "m.json")
    assert not list(tmp_path.iterdir())


def test_onnx_without_its_package_is_refused_by_the_name_of_the_extra(folder, capsys, monkeypatch):
    monkeypatch.setattr("textclf.errors.find_spec", lambda _name: None)
    assert run(["export", "m.safetensors", "-o", "s.onnx"]) == 1
    assert 'pip install "textclf-nn[onnx]"' in capsys.readouterr().err
