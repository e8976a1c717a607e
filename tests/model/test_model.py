"""A trained model: the same from its file as in memory, a text alone as in a batch, and nothing believed of a file."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from safetensors import safe_open

from textclf.cli import run
from textclf.errors import ModelError, TrainingError
from textclf.model.card import Scaling
from textclf.model.drift import CELLS, quantities
from textclf.model.file import read_model, write_model
from textclf.model.model import Model, read_dictionary, read_ngram_table, read_record, read_reference, read_thresholds
from textclf.nn.network import LOSSES
from textclf.settings import Settings
from textclf.training import train as recipe
from textclf.training.resources import Listener, Resources
from textclf.training.train import LabelledTexts, train
from textclf.vectors import WordVectors

WORDS = ["good", "fine", "bad", "ill", "film", "the", "lovely"]
VECTORS = WordVectors(
    WORDS, np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32), "few", "0" * 64, "word2vec"
)
TEXTS = ["good film", "the fine film", "bad film", "ill", "good good", "the bad bad film", "fine!", "so ill"] * 3
LABELS = ["up", "up", "down", "down"] * 6
DATA = LabelledTexts(TEXTS, LABELS)
ODD = ["", "a", "lovely", "🙂" * 40, "the film " * 2000, "good\x00bad", "\ud800", *TEXTS]


def trained(**settings):
    return train(DATA, Settings(**{"threads": 1, **settings}), VECTORS).model


@pytest.fixture(scope="module")
def model():
    return trained()


@pytest.mark.parametrize("hidden", [(), (6,), (6, 4)])
@pytest.mark.parametrize("loss", sorted({name for name, _ in LOSSES}))
@pytest.mark.parametrize("output", sorted({output for _, output in LOSSES}))
def test_what_it_was_trained_on_it_knows(hidden, loss, output):
    model = trained(hidden=hidden, loss=loss, output=output, l2=0.01)
    predictions = model.predict(TEXTS)
    assert [model.labels[number] for number in predictions.classes] == LABELS
    np.testing.assert_allclose(predictions.P.sum(axis=1), 1.0, rtol=1e-12)


def test_the_file_predicts_bit_for_bit_what_the_model_in_memory_does(model, tmp_path):
    model.save(tmp_path / "m")
    loaded = Model.load(tmp_path / "m")
    assert loaded.predict(ODD).P.tobytes() == model.predict(ODD).P.tobytes()
    assert loaded.labels == model.labels
    assert list(loaded.words) == list(model.words)
    assert loaded.card.as_dict() == json.loads(json.dumps(model.card.as_dict()))
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "m").read_bytes()


def test_writing_over_the_file_in_place_changes_no_model_that_is_loaded(model, tmp_path):
    path = tmp_path / "m"
    model.save(path)
    loaded = Model.load(path)
    with path.open("r+b") as stream:
        stream.write(bytes(path.stat().st_size))
    os.truncate(path, 10)
    assert loaded.predict(ODD).P.tobytes() == model.predict(ODD).P.tobytes()


@pytest.mark.parametrize("hidden", [(), (6, 4)])
def test_a_text_gets_the_same_alone_in_any_batch_and_from_a_stream(hidden):
    model = trained(hidden=hidden)
    together = model.predict(ODD).P
    for number, text in enumerate(ODD):
        np.testing.assert_allclose(model.predict([text]).P[0], together[number], rtol=1e-9)
    streamed = list(model.predict_stream([[text] for text in ODD]))
    assert [p.text for p in streamed] == ODD
    assert [p.confidence for p in streamed] == pytest.approx(together.max(axis=1).tolist(), rel=1e-9)
    np.testing.assert_array_equal(model.predict(ODD[::-1]).P[::-1].round(9), together.round(9))


ENDS = ("Film", "goodish!!", "好看", "us US Us", "", "🙂 so-so", "filmed", "...")
MANY = [f"{text} {end}" for text in ODD for end in ENDS]


@pytest.mark.parametrize("hidden", [(), (6,)])
@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("cased", [False, True])
def test_many_texts_get_the_probabilities_that_each_gets_alone(hidden, multi_label, cased):
    words = ["Us", "us", "US", *WORDS] if cased else WORDS
    vectors = WordVectors(words, np.random.default_rng(0).normal(size=(len(words), 5)).astype(np.float32), "few",
                          "0" * 64, "word2vec")  # fmt: skip
    assert vectors.is_cased == cased
    output = "sigmoid" if multi_label else "softmax"
    settings = Settings(threads=1, hidden=hidden, multi_label=multi_label, output=output, char_ngrams=(1, 4))
    model = train(DATA, settings, vectors).model
    assert len(MANY) >= 248
    texts = [*MANY, *TEXTS]  # enough for known words not to be spelled out
    together, small = model.predict(texts), [model.predict(texts[start : start + 40]) for start in range(0, 270, 40)]
    np.testing.assert_allclose(together.P, np.concatenate([part.P for part in small])[: len(texts)], rtol=0, atol=1e-12)
    np.testing.assert_allclose(together.known_shares[:40], small[0].known_shares, rtol=0, atol=1e-12)
    for number in (0, 3, 77, 200, len(texts) - 1):
        np.testing.assert_allclose(model.predict([texts[number]]).P[0], together.P[number], rtol=0, atol=1e-12)
    np.testing.assert_allclose(model.predict(texts, threads=3).P, together.P, rtol=0)


def test_a_text_of_which_nothing_is_known_gets_what_no_text_gets(model):
    nothing = model.predict(["ЖЩ ЮФ", "", "§§", " ... ", "ЖЩ " * 9])
    np.testing.assert_allclose(nothing.P, np.tile(nothing.P[1], (5, 1)), atol=1e-12)
    assert not nothing.known_shares.any()
    assert not nothing.known.any()


def test_a_misspelt_word_is_told_by_its_subwords():
    words = [f"{adverb}{mood}{end}" for adverb in ("very", "so", "un") for mood in ("splendid", "dreadful")
             for end in ("", "ly", "ness")]  # fmt: skip
    labels = ["up" if "splendid" in word else "down" for word in words]
    data = LabelledTexts([f"it is {word}" for word in words] * 3, labels * 3)
    model = train(data, Settings(vectors="none", dimension=4, threads=1), None).model
    misspelt = model.predict(["it is splendidd", "it is dreadfull", "mostsplendid", "dreadfulest"])
    assert [model.labels[number] for number in misspelt.classes] == ["up", "down", "up", "down"]
    assert misspelt.known_shares[:, 1].min() > 0.3


def test_the_order_of_words_does_not_change_their_average():
    model = trained(word_ngrams=0, char_ngrams=(0, 0))
    one, two = model.predict(["good film the", "the good film"]).P
    np.testing.assert_allclose(one, two, rtol=1e-9)


def test_a_text_without_a_known_word_is_predicted_by_the_biases():
    model = trained(word_ngrams=0, char_ngrams=(0, 0), calibrate=False)
    predictions = model.predict(["", "zzz qqq"])
    assert predictions.known.tolist() == [0, 0]
    assert predictions.tokens.tolist() == [0, 2]
    b = model.network.layers[-1].b.astype(np.float64)
    np.testing.assert_allclose(predictions.P, [np.exp(b) / np.exp(b).sum()] * 2, rtol=1e-6)


def test_words_that_training_never_saw_but_the_vectors_know_are_known(model):
    assert model.predict(["lovely"]).known.tolist() == [1]
    assert "lovely" in model.words


def test_a_network_of_hidden_layers_is_the_forward_pass_written_out(model):
    model = trained(
        hidden=(6,), activation="tanh", weighting="mean", word_ngrams=0, char_ngrams=(0, 0), calibrate=False
    )
    by_word = dict(zip(model.words, np.asarray(model.E, np.float64), strict=True))
    S = (by_word["good"] + 2 * by_word["film"]) / 3
    hidden, last = model.network.layers
    z = last.W.astype(np.float64) @ np.tanh(hidden.W.astype(np.float64) @ S + hidden.b) + last.b
    expected = np.exp(z) / np.exp(z).sum()
    np.testing.assert_allclose(model.predict(["Film, good film"]).P[0], expected, rtol=1e-5)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam", "momentum", "sgd"])
def test_the_same_seed_gives_the_same_bytes(optimizer, tmp_path):
    settings = {"optimizer": optimizer, "hidden": (5,), "dropout": 0.2}
    for name, changes in {"a": {}, "b": {"threads": 3}, "c": {"seed": 2}}.items():
        trained(**settings, **changes).save(tmp_path / name)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_labels_are_any_strings_and_come_back_as_they_were(tmp_path):
    names = ["", "0", "007", "ü", "a,b\n", '"', "🙂", "x" * 300][1:]
    texts = [f"{word} film {word}" for word in ["alpha", "beta", "gamma", "delta", "eps", "zeta", "eta"]] * 3
    model = train(LabelledTexts(texts, names * 3), Settings(), VECTORS).model
    model.save(tmp_path / "m")
    predictions = Model.load(tmp_path / "m").each(texts, Model.load(tmp_path / "m").predict(texts))
    assert [p.label for p in predictions] == names * 3


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (LabelledTexts([], []), "expected at least two classes, found no rows"),
        (LabelledTexts(["good"], ["a"]), "expected at least two classes, found only 'a'"),
        (LabelledTexts(["", " . "], ["a", "b"]), "expected words, found none in any text"),
        (LabelledTexts(["good", "bad"], ["a", "b"], [0.0, 0.0]), "weights: expected some above 0, found none"),
    ],
)
def test_what_cannot_be_trained_on_is_said(data, match):
    with pytest.raises(TrainingError, match=match):
        train(data, Settings(), VECTORS)


@pytest.mark.parametrize("weighting", ["mean", "tfidf", "sif"])
@pytest.mark.parametrize("vectors", [VECTORS, None])
def test_texts_too_few_and_too_empty_are_trained_on_all_the_same(weighting, vectors):
    data = LabelledTexts(["good", "", "bad", "unheard"], ["a", "b", "b", "a"])
    model = train(data, Settings(weighting=weighting), vectors).model
    assert np.isfinite(model.predict(ODD).P).all()


def test_a_vocabulary_without_any_known_word_leaves_the_ngrams():
    strangers = WordVectors(["xyzzy"], np.ones((1, 4), np.float32), "strangers", "0" * 64, "word2vec")
    model = train(DATA, Settings(), strangers).model
    assert [model.labels[number] for number in model.predict(TEXTS).classes] == LABELS


def test_validation_rows_are_measured_before_they_are_learnt_from():
    found = train(DATA, Settings(valid_fraction=0.5), VECTORS)
    assert found.validation.n == len(TEXTS)  # few rows are cross-validated, all of them
    nonsense = [LABELS[i] for i in np.random.default_rng(0).permutation(len(LABELS))]
    assert (
        train(
            LabelledTexts([f"{t} {i}" for i, t in enumerate(TEXTS)], nonsense), Settings(), VECTORS
        ).validation.accuracy
        < 0.8
    )
    assert train(DATA, Settings(valid_fraction=0.0), VECTORS).validation is None
    other = train(DATA, Settings(), VECTORS, valid=LabelledTexts(["good", "ill", "bad"], ["up", "down", "up"]))
    assert other.validation.n == 3
    assert other.validation.accuracy == pytest.approx(2 / 3)


def test_balanced_classes_count_as_copies_of_the_rare_rows_do():
    rare = LabelledTexts(["good film"] * 12 + ["bad film"] * 3, ["up"] * 12 + ["down"] * 3)
    copied = LabelledTexts(["good film"] * 12 + ["bad film"] * 12, ["up"] * 12 + ["down"] * 12)
    settings = {"word_ngrams": 0, "char_ngrams": (0, 0), "valid_fraction": 0.0}
    plain = train(rare, Settings(**settings), VECTORS).model.predict(["film"]).P[0]
    balanced = train(rare, Settings(class_weight="balanced", **settings), VECTORS).model.predict(["film"]).P[0]
    given = train(rare, Settings(class_weight={"down": 4.0}, **settings), VECTORS).model.predict(["film"]).P[0]
    np.testing.assert_allclose(given, balanced, atol=1e-5)
    assert balanced[0] > plain[0]  # "down" is rarer, and comes first
    assert train(copied, Settings(**settings), VECTORS).model.predict(["film"]).P[0][0] > plain[0]


def test_a_class_weight_of_a_label_that_no_row_has_is_refused():
    with pytest.raises(TrainingError, match="class weights: no row has the label 'u'"):
        trained(class_weight={"u": 2.0})


# --- a file whose checksum fits, but whose content does not -----------------------------------------------------------


def tampered(model, path, change):
    """Write the model with its arrays and structure changed."""
    model.save(path)
    with safe_open(path, "numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dictionary
        description = json.loads(file.metadata()["textclf"])
    del description["format"], description["sha256"]
    change(arrays, description["model"])
    write_model(path, arrays, description)


def put(name, make):
    def change(arrays, _structure):
        arrays[name] = make(arrays[name])

    return change


def set_to(name, value):
    return lambda _arrays, structure: structure.__setitem__(name, value)


TAMPERED = {
    "an array is missing": lambda arrays, _: arrays.pop("E"),
    "vectors of another length": put("E", lambda E: E[:, :-1].copy()),
    "vectors that are no numbers": put("E.scales", lambda scales: np.full_like(scales, np.nan)),
    "too few rows of n-grams": put("U", lambda U: U[:-1].copy()),
    "keys out of order": put("words.keys", lambda keys: keys[::-1].copy()),
    "one n-gram twice": put("words.ngrams", lambda keys: np.repeat(keys[:1], len(keys))),
    "another kind of key": put("words.keys", lambda keys: keys.astype(np.int64)),
    "too few parameters": put("network", lambda theta: theta[:-1].copy()),
    "another tokenizer": set_to("tokenizer", "words-9"),
    "an activation that is none": set_to("activation", "step"),
    "an output that is none": set_to("output", "linear"),
    "a temperature of nothing": set_to("temperature", 0.0),
    "a temperature that is no number": set_to("temperature", "1"),
    "sizes that are none": set_to("sizes", [5]),
    "sizes with text": set_to("sizes", ["5", "2"]),
    "more classes than labels": set_to("sizes", [5, 3]),
    "n-grams that are none": set_to("ngrams", [["letters", 1, 2]]),
    "n-grams too long": set_to("ngrams", [["words", 1, 10**9]]),
    "no n-grams though there are rows": set_to("ngrams", []),
    "drift counts below nothing": lambda arrays, _: arrays.update({"usual.counts": -arrays["usual.counts"]}),
    "n-grams that are a number": set_to("ngrams", 7),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_model_whose_parts_do_not_fit_is_refused_in_one_line(name, model, tmp_path):
    tampered(model, tmp_path / "m", TAMPERED[name])
    with pytest.raises(ModelError, match=str(tmp_path / "m")) as caught:
        Model.load(tmp_path / "m")
    assert "\n" not in str(caught.value)


TAMPERED_PATTERNS = {
    "no common pieces": (lambda arrays, _: arrays.pop("patterns.common"), r"expected an array 'patterns\.common'"),
    "common pieces out of order": (
        put("patterns.common", lambda keys: keys[::-1].copy()),
        r"common: expected keys in ris",
    ),
    "one common piece twice": (
        put("patterns.common", lambda keys: np.repeat(keys[:1], 2)),
        r"common: expected keys in",
    ),
    "common pieces of another kind": (
        put("patterns.common", lambda keys: keys.astype(np.int64)),
        r"expected 'patterns\.common' of U64\|U32 and shape any, found int64",
    ),
    "patterns before word n-grams": (
        set_to("ngrams", [["patterns", 2, 3], ["words", 1, 2], ["chars", 2, 5]]),
        "model.ngrams: expected words, patterns, chars, each once at most, in this order",
    ),
    "patterns twice": (
        set_to("ngrams", [["words", 1, 2], ["patterns", 2, 3], ["patterns", 2, 3]]),
        "model.ngrams: expected words, patterns, chars, each once at most, in this order",
    ),
    "patterns without a weight": (
        put("patterns.idf", lambda idf: idf * 0),
        r"patterns\.idf: expected numbers of 1e-06",
    ),
    "no row for some patterns": (put("patterns.ngrams", lambda keys: keys[:-1].copy()), r"patterns\.idf"),
}


@pytest.mark.parametrize("name", TAMPERED_PATTERNS)
def test_a_model_whose_patterns_do_not_fit_is_refused_in_one_line(name, tmp_path):
    change, said = TAMPERED_PATTERNS[name]
    tampered(trained(pattern_ngrams=3), tmp_path / "m", change)
    with pytest.raises(ModelError, match=said) as caught:
        Model.load(tmp_path / "m")
    assert str(tmp_path / "m") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_is_not_changed_by_predicting(model):
    before = replace(model, E=np.array(model.E), U=model.U.copy())
    model.predict(ODD)
    assert before.E.tobytes() == np.array(model.E).tobytes()
    assert before.U.tobytes() == model.U.tobytes()


def test_the_regularization_is_searched_unless_it_is_given_the_recipe_is_fast_or_validation_rows_are_few(monkeypatch):
    said = []
    listener = Listener(say=said.append)
    data = LabelledTexts(TEXTS * 4, LABELS * 4)
    train(data, Settings(), VECTORS, resources=Resources(listener))
    assert not any(sentence.startswith("regularization") for sentence in said)
    monkeypatch.setattr("textclf.training.trainer.FEWEST_JUDGES", 1)
    for settings, chosen in [({}, True), ({"recipe": "fast"}, False), ({"l2": 0.3}, False), ({"recipe": "best"}, True)]:
        said.clear()
        model = train(data, Settings(**settings), VECTORS, resources=Resources(listener)).model
        assert any(sentence.startswith("regularization, best of ") for sentence in said) == chosen
        assert model.card.regularization.l2 > 0


def test_the_temperature_comes_from_validation_rows_and_is_kept_in_the_file(tmp_path):
    model = trained()
    assert model.temperature != 1.0
    model.save(tmp_path / "m")
    assert Model.load(tmp_path / "m").temperature == model.temperature
    assert trained(calibrate=False).temperature == 1.0
    assert trained(valid_fraction=0.0).temperature == 1.0


def test_a_model_of_two_lines_knows_the_60000_commonest_words_of_its_vectors():
    many = WordVectors(
        [f"w{i}" for i in range(100_000)], np.ones((100_000, 10), np.float32), "many", "0" * 64, "word2vec"
    )
    model = train(LabelledTexts(["w1 good", "w99999 bad"], ["up", "down"]), Settings(), many).model
    assert model.predict(["w59999 w60000 w99999"]).known.tolist() == [2], "those, and the words of the texts"


def test_of_many_rows_a_part_is_held_out_unless_a_precision_is_to_be_promised(monkeypatch):
    monkeypatch.setattr(recipe, "FEW_ROWS", 10)
    held_out = train(DATA, Settings(valid_fraction=0.5), VECTORS)
    assert held_out.validation.n == len(held_out.model.record.confidence) == 12
    promised = train(DATA, Settings(valid_fraction=0.5, target_precision=0.9), VECTORS)
    assert promised.validation.n == len(promised.model.record.confidence) == len(TEXTS)


@pytest.mark.parametrize("hidden", [(), (4,)])
def test_rows_held_out_are_looked_at_a_part_at_a_time(hidden, monkeypatch):
    monkeypatch.setattr(recipe, "FEW_ROWS", 10)
    settings = Settings(valid_fraction=0.5, hidden=hidden)
    whole = train(DATA, settings, VECTORS).held_out
    monkeypatch.setattr("textclf.training.trainer._ROWS_AT_ONCE", 5)
    parts = train(DATA, settings, VECTORS).held_out
    assert len(whole.logits) == 12
    assert parts.logits == pytest.approx(whole.logits, rel=1e-9)


def test_scaling_is_part_of_the_model_and_can_be_undone(model, tmp_path):
    scaling = Scaling((1.5, 0.5), (0.25, -0.5))
    scaled = model.scaled(scaling)
    Z, found = model.predict(TEXTS).Z, scaled.predict(TEXTS).Z
    assert found == pytest.approx(scaling.apply(Z), abs=1e-5)
    scaled.save(tmp_path / "m")
    loaded = Model.load(tmp_path / "m")
    assert loaded.predict(TEXTS).P.tobytes() == scaled.predict(TEXTS).P.tobytes()
    plain = replace(model, temperature=1.0).predict(TEXTS).P
    assert loaded.uncalibrated(loaded.predict(TEXTS).Z) == pytest.approx(plain, abs=1e-6)


def test_a_scaling_of_other_classes_is_refused(model, tmp_path):
    scaled = model.scaled(Scaling((1.5, 0.5), (0.0, 0.0)))
    wrong = replace(scaled, card=replace(scaled.card, scaling=Scaling((1.0,), (0.0,))))
    with pytest.raises(ModelError, match="scaling: expected a factor and a bias for each of 2 labels"):
        wrong.save(tmp_path / "m")


@pytest.mark.parametrize("multi_label", [False, True])
def test_of_many_labels_info_shows_the_first(multi_label, tmp_path, capsys):
    labels = [f"l{number:02}" for number in range(25)] * 2
    output = "sigmoid" if multi_label else "softmax"
    data = LabelledTexts([f"w{i % 25} good" for i in range(50)], labels)
    settings = Settings(multi_label=multi_label, output=output, valid_fraction=0.0)
    train(data, settings, VECTORS).model.save(tmp_path / "m")
    assert run(["info", str(tmp_path / "m")]) == 0
    said = capsys.readouterr().out
    assert "25: l00, l01, l02, " in said
    assert "l19 …" in said
    assert "l20" not in said
    assert ("see --json" in said) == multi_label


# --- the parts of a file: each is what it can be, up to its bounds, or is refused; an older file may lack some --------


@pytest.fixture
def holding(tmp_path):
    """Return what makes a model file that holds arrays."""

    def holding(**arrays):
        path = tmp_path / "m.safetensors"
        write_model(path, {name.replace("__", "."): array for name, array in arrays.items()}, {})
        return read_model(path)

    return holding


def record(classes, kinds=2):
    n = len(classes)
    return {
        "record__confidence": np.linspace(0.5, 1, n, dtype=np.float32),
        "record__classes": np.array(classes, np.int32),
        "record__right": np.array([number % 2 for number in range(n)], np.uint8),
        "record__least_familiar": np.zeros(kinds, np.float32),
    }


@pytest.mark.parametrize("classes", [[0, 2, 1], [0], []])
def test_a_confidence_record_is_kept_as_it_is(classes, holding):
    found = read_record(holding(**record(classes)), 3, 2)
    assert found.classes.tolist() == classes
    assert found.right.tolist() == [bool(number % 2) for number in range(len(classes))]


@pytest.mark.parametrize("classes", [[0, 3], [-1, 0]])
def test_a_confidence_record_of_classes_that_are_not_there_is_refused(classes, holding):
    with pytest.raises(ModelError, match=r"record\.classes: expected numbers of 0 to 2"):
        read_record(holding(**record(classes)), 3, 2)


def test_what_an_older_file_lacks_is_none(holding):
    file = holding(E=np.zeros(1, np.float32))
    assert read_reference(file, ["words"]) is None
    assert read_record(file, 2, 1) is None
    assert read_thresholds(file, 2, "sigmoid") is None


def test_counts_of_a_reference_profile_are_not_negative(holding):
    counts = np.zeros((len(quantities(["words"])), CELLS), np.int32)
    assert read_reference(holding(usual__counts=counts), ["words"]).counts.sum() == 0
    counts[0, 1] = -1
    with pytest.raises(ModelError, match=r"usual\.counts: expected counts, found some below 0"):
        read_reference(holding(usual__counts=counts), ["words"])


@pytest.mark.parametrize(
    ("thresholds", "output", "is_right"),
    [
        ([0, 1], "sigmoid", True),
        ([0, 1], "softmax", False),
        ([-0.1, 1], "sigmoid", False),
        ([0, 1.1], "sigmoid", False),
    ],
)
def test_thresholds_are_probabilities_of_sigmoids(thresholds, output, is_right, holding):
    file = holding(thresholds=np.array(thresholds, np.float32))
    if is_right:
        assert read_thresholds(file, 2, output).tolist() == thresholds
        return
    with pytest.raises(ModelError, match=r"thresholds: expected numbers of 0 to 1|model\.output: expected sigmoid"):
        read_thresholds(file, 2, output)


@pytest.mark.parametrize(("kind", "shortest", "longest"), [("words", 1, 1), ("patterns", 2, 3), ("chars", 2, 32)])
def test_a_table_of_n_grams_has_its_keys_and_weights_above_0(kind, shortest, longest, holding):
    arrays = {f"{kind}__ngrams": np.array([3, 5], np.uint64), f"{kind}__idf": np.array([1, 2], np.float32)}
    if kind == "patterns":
        arrays["patterns__common"] = np.array([7, 9], np.uint64)
    table = read_ngram_table(holding(**arrays), kind, shortest, longest)
    assert (table.kind, table.shortest, table.longest, len(table.index)) == (kind, shortest, longest, 2)
    assert table.common.keys.tolist() == ([7, 9] if kind == "patterns" else [])
    for weight in (0.0, -0.0, -1.0, 1e-9, 1e9):
        arrays[f"{kind}__idf"] = np.array([1, weight], np.float32)
        with pytest.raises(ModelError, match=rf"{kind}\.idf: expected numbers of 1e-06 to 1e\+06"):
            read_ngram_table(holding(**arrays), kind, shortest, longest)


@pytest.mark.parametrize("keys", [[2, 2], [3, 2]])
def test_keys_out_of_order_are_refused(keys, holding):
    with pytest.raises(ModelError, match="k: expected keys in rising order"):
        read_dictionary(holding(k=np.array(keys, np.uint64)), "k", None)


@pytest.mark.parametrize("kind", [np.uint64, np.uint32])
def test_keys_of_either_length_are_found(kind, holding):
    dictionary = read_dictionary(holding(k=np.array([2, 3, 9], kind)), "k", 3)
    assert dictionary.keys.tolist() == [2, 3, 9]
    with pytest.raises(ModelError, match=r"expected 'k' of .* and shape 2"):
        read_dictionary(holding(k=np.array([2, 3, 9], kind)), "k", 2)


def test_a_confidence_record_and_a_reference_profile_have_the_numbers_of_the_model(holding):
    found = read_record(holding(**record([0, 1], kinds=2)), 2, 2)
    assert (found.confidence.tolist(), found.least_known_share.tolist()) == ([0.5, 1], [0, 0])
    with pytest.raises(ModelError, match=r"expected 'record\.least_familiar' of F32 and shape 3"):
        read_record(holding(**record([0, 1], kinds=2)), 2, 3)
    counts = np.arange(len(quantities(["words"])) * CELLS, dtype=np.int32).reshape(-1, CELLS)
    usual = read_reference(holding(usual__counts=counts), ["words"])
    assert (usual.quantities, usual.counts.tolist()) == (quantities(["words"]), counts.tolist())
    assert usual.counts.dtype == np.int64
