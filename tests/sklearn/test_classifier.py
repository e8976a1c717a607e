"""The classifier behaves as scikit-learn's do, whatever holds the texts, and labels come back as what they were."""

import io
import pickle
import re
import subprocess
import sys
from dataclasses import replace
from enum import Enum, StrEnum
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted, validate_data

from textclf import SentenceEmbedder, TextClassifier, load
from textclf.errors import TextclfError
from textclf.model.model import Model
from textclf.settings import Settings
from textclf.sklearn.validation import InputError, kind_of, labels_of, texts_of
from textclf.training.train import LabelledTexts, train

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "python.md"
GOOD, BAD = (
    ["a good film", "good and kind", "so good", "a kind good day"],
    ["a bad film", "bad, cold", "so bad", "cold day"],
)
TEXTS = (GOOD + BAD) * 3
LABELS = (["up"] * 4 + ["down"] * 4) * 3
PLAIN = {"vectors": "none", "recipe": "fast", "word_ngrams": 1}


def classifier(**settings):
    return TextClassifier(**{**PLAIN, **settings})


class OfNumbers(TextClassifier):
    """A table of numbers, each row written out as a text, a word a cell: what scikit-learn's checks hand over."""

    def _written(self, X, reset=False):
        X = validate_data(self, X, reset=reset, dtype="numeric")
        return [" ".join(f"c{column}q{round(float(value) * 2)}" for column, value in enumerate(row)) for row in X]

    def fit(self, X, y, sample_weight=None):
        return super().fit(self._written(X, reset=True), y, sample_weight)

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        return super().partial_fit(self._written(X, reset=not hasattr(self, "model_")), y, classes, sample_weight)

    def predict(self, X):
        check_is_fitted(self, "model_")
        return super().predict(self._written(X))

    def predict_proba(self, X):
        check_is_fitted(self, "model_")
        return super().predict_proba(self._written(X))

    def decision_function(self, X):
        check_is_fitted(self, "model_")
        return super().decision_function(self._written(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.one_d_array, tags.input_tags.string = True, False, False
        return tags


def reasons(_estimator):
    """Return the checks that do not pass, each with its reason, as the page lists them."""
    return dict(re.findall(r"^\| `(check_\w+)` \| (.+) \|$", PAGE.read_text("utf-8"), re.M))


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [OfNumbers(vectors="none", valid_fraction=0.0, word_ngrams=1, char_ngrams=(0, 0))], expected_failed_checks=reasons
)
def test_scikit_learns_checks_pass_but_those_that_the_page_lists(estimator, check):
    check(estimator)


def test_importing_textclf_imports_neither_numpy_nor_scikit_learn():
    code = "import sys, textclf; assert not {'sklearn', 'numpy'} & set(sys.modules); assert 'load' in dir(textclf)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize(
    "column",
    [
        TEXTS,
        tuple(TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, object)[:, None],
        pd.Series(TEXTS, index=range(7, 7 + len(TEXTS))),
        pd.DataFrame({"text": TEXTS}),
        pl.Series(TEXTS),
        pl.DataFrame({"text": TEXTS}),
        pa.array(TEXTS),
        pa.chunked_array([TEXTS[:5], TEXTS[5:]]),
        pa.table({"text": TEXTS}),
        np.array(TEXTS, np.dtypes.StringDType()),
        pd.Series(TEXTS, dtype="string"),
        pd.Categorical(TEXTS),
        (text for text in TEXTS),
    ],
    ids=lambda column: f"{type(column).__module__}.{type(column).__name__}",
)
def test_texts_come_from_any_column(column):
    found = texts_of(column)
    assert found == TEXTS
    assert {type(text) for text in found} == {str}


class Mood(StrEnum):
    GOOD = "up"
    BAD = "down"


class Old(str, Enum):  # noqa: UP042 - whose str() is the member's name
    GOOD = "up"
    BAD = "down"


@pytest.mark.parametrize(
    "column",
    [
        tuple(LABELS),
        np.array(LABELS),
        np.array(LABELS, object),
        np.array(LABELS, np.dtypes.StringDType()),
        pd.Series(LABELS, dtype="string"),
        pd.Categorical(LABELS),
        pl.Series(LABELS),
        pl.Series(LABELS, dtype=pl.Categorical),
        pa.array(LABELS),
        pa.chunked_array([LABELS[:5], LABELS[5:]]),
        pa.table({"label": LABELS}),
        [Mood(label) for label in LABELS],
        [Old(label) for label in LABELS],
        (label for label in LABELS),
    ],
    ids=lambda column: f"{type(column).__module__}.{type(column).__name__}",
)
def test_labels_come_from_any_column_and_are_their_values(column):
    assert labels_of(column, len(LABELS)).tolist() == LABELS


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (np.array([np.int64(1), np.int64(2)] * 12, object), "int"),
        ([np.float32(1), 2] * 12, "float"),
        ([np.True_, False] * 12, "bool"),
        (pd.Series([1, 2] * 12, dtype="Int64"), "int"),
        (pd.Series([True, False] * 12, dtype="boolean"), "bool"),
        (pa.array([1, 2] * 12), "int"),
    ],
)
def test_numbers_and_truth_values_keep_their_kind(column, kind):
    assert kind_of(labels_of(column, 24)) == kind


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("vectors", 3, "a file, 'starter'"),
        ("recipe", 1, "a string, found 1"),
        ("recipe", np.array(["fast", "auto"]), r"a string, found array"),
        ("word_ngrams", 2.0, "a whole number, found 2.0"),
        ("word_ngrams", True, "a whole number, found True"),
        ("word_ngrams", 99, "0 to 10, found 99"),
        ("char_ngrams", 3, "None, or the shortest and the longest"),
        ("char_ngrams", (3,), "None, or the shortest and the longest"),
        ("char_ngrams", (3, "5"), "None, or the shortest and the longest"),
        ("hidden", 64, r"a tuple of sizes, such as \(64,\)"),
        ("hidden", "64", "a tuple of sizes"),
        ("hidden", None, "a tuple of sizes"),
        ("activation", None, "a string, found None"),
        ("l2", "0.1", "a number, found '0.1'"),
        ("l2", float("nan"), "a number, found nan"),
        ("l2", -1, "0 to 1e"),
        ("class_weight", pd.Series({"up": 1.0}), "None, 'balanced', or a dict"),
        ("class_weight", {"up": "2"}, "a number, found '2'"),
        ("class_weight", {"up": None}, "a number, found None"),
        ("class_weight", 3, "None, 'balanced', or a dict"),
        ("valid_fraction", None, "a number, found None"),
        ("calibrate", "no", "True or False, found 'no'"),
        ("random_state", "one", "a whole number, a RandomState, or None"),
        ("random_state", -1, "0 to"),
        ("threads", None, "a whole number, found None"),
        ("threads", 1.5, "a whole number, found 1.5"),
        ("multi_label", 1, "True or False, found 1"),
    ],
)
def test_a_wrong_parameter_is_named(name, value, message):
    with pytest.raises(InputError, match=f"^{name}: expected {message}"):
        classifier(**{name: value}).fit(TEXTS, LABELS)


def test_parameters_of_numpy_train_and_are_saved_as_what_they_are(tmp_path):
    given = {
        "word_ngrams": np.int64(1), "char_ngrams": np.array([1, 2]), "hidden": np.array([3]), "l2": np.float32(0.5),
        "valid_fraction": np.float64(0.1), "calibrate": np.True_, "random_state": np.uint8(4), "threads": np.int32(1),
        "recipe": np.str_("fast"), "class_weight": {np.str_("up"): np.float32(2)}, "multi_label": np.False_,
    }  # fmt: skip
    fitted = classifier(**given).fit(TEXTS, LABELS)
    fitted.save(tmp_path / "m")
    opened = load(tmp_path / "m")
    assert (opened.l2, opened.hidden, opened.char_ngrams) == (0.5, (3,), (1, 2))
    np.testing.assert_array_equal(opened.predict_proba(TEXTS), fitted.predict_proba(TEXTS))


@pytest.mark.parametrize("classes", [(False, True), (1, 2), (1.0, 2.0), ("a", "b")], ids=str)
def test_a_label_is_known_by_itself_and_by_its_name(tmp_path, classes):
    y = [classes[label == "up"] for label in LABELS]
    fitted = classifier(class_weight={classes[0]: 1.0, classes[1]: 5.0}).fit(TEXTS, y)
    fitted.save(tmp_path / "m")
    opened = load(tmp_path / "m")
    again = clone(opened).fit(TEXTS, y)
    np.testing.assert_array_equal(again.predict_proba(TEXTS), fitted.predict_proba(TEXTS))
    for label in classes:
        for form in (label, str(label)):
            assert opened.explain("so good", label=form).label == str(label)


def test_a_label_that_is_none_of_the_kind_is_refused():
    fitted = classifier().fit(TEXTS, [label == "up" for label in LABELS])
    with pytest.raises(InputError, match="label: expected labels that are truth values, found 'yes'"):
        fitted.explain("so good", label="yes")
    with pytest.raises(InputError, match="class_weight: expected labels that are truth values, found 2"):
        classifier(class_weight={2: 1.0}).fit(TEXTS, [label == "up" for label in LABELS])


def test_a_model_is_read_from_an_open_file_too(tmp_path):
    fitted = classifier().fit(TEXTS, LABELS)
    fitted.save(tmp_path / "m")
    stream = io.BytesIO((tmp_path / "m").read_bytes())
    np.testing.assert_array_equal(load(stream).predict_proba(TEXTS), fitted.predict_proba(TEXTS))
    with pytest.raises(InputError, match="path: expected the name of a file, found 3"):
        load(3)
    with pytest.raises(InputError, match="opened to read bytes"):
        load(io.StringIO("x"))


SEVERAL = [("hot",), ("cold",), ("hot", "wet"), ()] * 12
WEATHER = [f"day {' '.join(labels)} {'dry' if not labels else ''}" for labels in SEVERAL]
MATRIX = np.array([["cold" in labels, "hot" in labels, "wet" in labels] for labels in SEVERAL]).astype(int)


@pytest.mark.parametrize(
    "y",
    [
        SEVERAL,
        [list(labels) for labels in SEVERAL],
        [set(labels) for labels in SEVERAL],
        pd.Series([list(labels) for labels in SEVERAL]),
        pl.Series([list(labels) for labels in SEVERAL], dtype=pl.List(pl.String)),
        pa.array([list(labels) for labels in SEVERAL]),
        ["|".join(labels) for labels in SEVERAL],
    ],
    ids=lambda y: f"{type(y).__name__} of {type(y[0]).__name__}",
)
def test_texts_of_several_labels_are_learnt_from_lists_of_labels(tmp_path, y):
    fitted = classifier(multi_label=True).fit(WEATHER, y)
    assert fitted.classes_.tolist() == ["cold", "hot", "wet"]
    fitted.save(tmp_path / "m")
    for each in (fitted, load(tmp_path / "m"), clone(load(tmp_path / "m")).fit(WEATHER, y)):
        assert each.multi_label
        assert [set(labels) for labels in each.predict(WEATHER)] == [set(labels) for labels in SEVERAL]
        assert each.evaluate(WEATHER, y).exact_match == each.score(WEATHER, y) == 1.0
    assert fitted.score(["day hot", "day wet"], [["hot"], ["snow"]]) <= 0.5
    with pytest.raises(InputError, match="label 'snow' was not in the training data"):
        fitted.evaluate(["day hot"], [["snow"]])


@pytest.mark.parametrize("form", ["numbers", "truth values", "sparse", "frame"])
def test_texts_of_several_labels_are_learnt_from_a_matrix_and_answered_in_one(tmp_path, form):
    named = form == "frame"
    y = {
        "numbers": MATRIX,
        "truth values": MATRIX > 0,
        "sparse": csr_array(MATRIX),
        "frame": pd.DataFrame(MATRIX, columns=["cold", "hot", "wet"]),
    }[form]
    fitted = classifier(multi_label=True).fit(WEATHER, y)
    assert fitted.classes_.tolist() == (["cold", "hot", "wet"] if named else [0, 1, 2])
    np.testing.assert_array_equal(fitted.predict(WEATHER), MATRIX)
    assert fitted.predict_proba(WEATHER).shape == MATRIX.shape
    assert fitted.evaluate(WEATHER, y).exact_match == fitted.score(WEATHER, y) == 1.0
    fitted.save(tmp_path / "m")
    opened = load(tmp_path / "m")
    assert opened.classes_.tolist() == fitted.classes_.tolist()
    assert opened.predict(WEATHER[2:4]).tolist() == [tuple(fitted.classes_[1:].tolist()), ()]
    assert opened.score(WEATHER, y) == 1.0


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([["a"], None], r"a list of labels in row 1, found None. For a text without labels give \[\]"),
        ([["a"], 3], "a list of labels in row 1, found 3"),
        ([["a"], ["b", 1]], "found int and str"),
        ([["a"], ["b", None]], r"found none \(None\) in row 1"),
        ([["a"], [" "]], "found a blank one"),
        ([["a"]], "as many rows of labels as texts, 2, found 1"),
        ([[], []], "some texts with labels"),
        ([[0, 0, 1], [1, 0, 1]], r"found rows of 0 and 1. Give np.array\(y\)"),
        (np.array([[0, 2], [1, 0]]), "a matrix of 0 and 1"),
        (np.array([["a", "b"], ["a", "c"]]), "a matrix of 0 and 1"),
        (["[a", "b"], "row 0: expected labels such as"),
        (None, "found None. Give a list of labels"),
    ],
)
def test_what_are_no_lists_of_labels_is_refused(y, message):
    with pytest.raises(InputError, match=message):
        classifier(multi_label=True).fit(["a day", "b day"], y)


def test_a_multi_label_classifier_says_what_it_cannot_do():
    with pytest.raises(InputError, match="class_weight: expected None, as texts may have several labels"):
        classifier(multi_label=True, class_weight="balanced").fit(WEATHER, SEVERAL)
    with pytest.raises(InputError, match="partial_fit: expected one label a text"):
        classifier(multi_label=True).partial_fit(WEATHER, SEVERAL)
    with pytest.raises(InputError, match="partial_fit: expected a model of one label"):
        classifier(multi_label=True).fit(WEATHER, SEVERAL).partial_fit(WEATHER, SEVERAL)
    with pytest.raises(InputError, match="a column for each of 3 labels, found 2"):
        classifier(multi_label=True).fit(WEATHER, MATRIX).score(WEATHER, MATRIX[:, :2])


def test_a_score_counts_labels_that_the_model_never_met_as_wrong():
    fitted = classifier().fit(TEXTS, LABELS)
    assert fitted.score(["so good", "so bad"], ["up", "sideways"]) == 0.5
    assert fitted.score(["so good", "so bad"], ["up", "sideways"], sample_weight=[3, 1]) == 0.75


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("one text", "found one str. Put the text into a list"),
        ({"text": TEXTS}, "found one dict"),
        ({"a", "b"}, "found one set. Make it a list, as it has no order"),
        (["a", None], "a text in row 1, found nothing"),
        (["a", pd.NA], "a text in row 1, found nothing"),
        (pd.Series(["a", pd.NA], dtype="string"), "a text in row 1, found nothing"),
        (pa.chunked_array([["a"], [None]]), "a text in row 1, found nothing"),
        ([np.array(["a"]), "a"], r"a text in row 0, found array\(\['a'\]"),
        (3, "found one int"),
        ([float("nan"), "a"], "a text in row 0, found nothing"),
        ([b"a"], "row 0, found b'a'"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), r"one column of texts, found an array of shape \(1, 2\)"),
        ([], "expected texts, found array with 0 sample"),
    ],
)
def test_what_is_no_column_of_texts_is_refused(X, message):
    with pytest.raises(InputError, match=message):
        classifier().fit(X, ["a"])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a"] * len(TEXTS), "found one class, 'a'"),
        (["a"], "as many labels as texts, 24, found 1"),
        ([None, "b"] * 12, "found none"),
        (["", "b"] * 12, "found a blank one, '', in row 0"),
        ([" ", "b"] * 12, "found a blank one, ' ', in row 0"),
        (np.array([1, "b"] * 12, object), "expected strings, whole numbers or truth values, found int and str"),
        (pd.to_timedelta([1, 2] * 12), "expected strings, whole numbers or truth values, found .* in row 0"),
        ([np.timedelta64(1, "D"), np.timedelta64(2, "D")] * 12, "expected strings, whole numbers or truth values"),
        ({"a", "b"}, "found one set"),
        ([1, "b"] * 12, "found int and str"),
        ([True, "b"] * 12, "found bool and str"),
        ([True, 2] * 12, "found bool and int"),
        ([float("nan"), "b"] * 12, r"found none \(nan\) in row 0"),
        (["b", pd.NA] * 12, r"found none \(<NA>\) in row 1"),
        (["b", pd.NaT] * 12, r"found none \(NaT\) in row 1"),
        (pd.Series(["a", None] * 12, dtype="string"), r"found none \(<NA>\) in row 1"),
        (pd.Series([1, None] * 12, dtype="Int64"), "found none .* in row 1"),
        (pd.Series([1.0, None] * 12), r"found none \(nan\) in row 1"),
        (pd.Categorical(["a", None] * 12), r"found none \(nan\) in row 1"),
        (pl.Series(["a", None] * 12), r"found none \(None\) in row 1"),
        (pa.array(["a", None] * 12), r"found none \(None\) in row 1"),
        (np.ma.array([1, 2] * 12, mask=[0, 1] * 12), r"found none \(None\) in row 1"),
        ([b"a", b"b"] * 12, r"found b'a' in row 0. Convert it"),
        ([["a"], ["b", "c"]] * 12, r"found \['a'\] in row 0. For several labels a text use .*multi_label=True"),
        (["a", "b\ud800"] * 12, "labels of whole characters, found 'b.ud800' in row 1"),
        ([2**70, 1] * 12, "whole numbers of 64 bits"),
        ("ab" * 12, "a list or a column of labels, found one str"),
    ],
)
def test_labels_that_cannot_be_learnt_are_refused(y, message):
    with pytest.raises(InputError, match=message):
        classifier().fit(TEXTS, y)


def test_settings_that_are_wrong_are_a_value_error_that_says_what_is_right():
    with pytest.raises(ValueError, match="recipe: expected one of auto, fast, best, found 'slow'"):
        classifier(recipe="slow").fit(TEXTS, LABELS)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        classifier().predict(TEXTS)


@pytest.mark.parametrize(
    "classes", [(10, 9), (-1, 2), (True, False), ("b", "a"), (1.0, 10.0)], ids=lambda classes: str(classes)
)
def test_labels_come_back_as_what_they_were_from_a_file_too(tmp_path, classes):
    y = np.array([classes[label == "up"] for label in LABELS])
    fitted = classifier().fit(TEXTS, y)
    fitted.save(tmp_path / "m")
    for each in (fitted, load(tmp_path / "m")):
        assert each.classes_.tolist() == sorted(classes)
        assert each.classes_.dtype.kind == y.dtype.kind
        assert each.predict(TEXTS).tolist() == y.tolist()
        P = each.predict_proba(TEXTS)
        assert (each.classes_[P.argmax(axis=1)] == y).all()
        assert ((each.decision_function(TEXTS) > 0) == (P[:, 1] > 0.5)).all()
        assert each.evaluate(TEXTS, y).accuracy == each.score(TEXTS, y) == 1.0
        assert each.explain("so good", label=classes[1]).label == str(classes[1])


def test_the_model_is_the_one_that_the_command_line_trains():
    fitted = classifier(random_state=3).fit(TEXTS, LABELS)
    model = train(LabelledTexts(TEXTS, LABELS), Settings(**PLAIN, seed=3), None).model
    np.testing.assert_array_equal(fitted.predict_proba(TEXTS), model.predict(TEXTS).P)


def test_a_loaded_classifier_has_the_parameters_it_was_trained_with(tmp_path):
    fitted = classifier(char_ngrams=(1, 2), hidden=[4], class_weight="balanced", random_state=5).fit(TEXTS, LABELS)
    fitted.save(tmp_path / "m")
    again = clone(load(tmp_path / "m")).fit(TEXTS, LABELS)
    np.testing.assert_array_equal(again.predict_proba(TEXTS), fitted.predict_proba(TEXTS))


@pytest.mark.parametrize("settings", [{}, {"class_weight": "balanced"}, {"char_ngrams": (1, 3), "word_ngrams": 2}])
def test_a_weight_counts_as_so_many_copies(settings):
    rng = np.random.default_rng(0)
    weights = rng.integers(0, 4, len(TEXTS))
    copies = np.repeat(np.arange(len(TEXTS)), weights)
    made = classifier(valid_fraction=0.0, **settings)
    weighted = made.fit(TEXTS, LABELS, weights).predict_proba(TEXTS)
    copied = clone(made).fit([TEXTS[i] for i in copies], [LABELS[i] for i in copies]).predict_proba(TEXTS)
    np.testing.assert_allclose(weighted, copied, atol=1e-5)
    assert np.abs(clone(made).fit(TEXTS, LABELS).predict_proba(TEXTS) - copied).max() > 0.01


def test_tools_of_scikit_learn_take_it():
    strip = FunctionTransformer(lambda column: [text.strip() for text in column])
    assert cross_val_score(make_pipeline(strip, classifier()), TEXTS, LABELS, cv=2).mean() == 1.0
    search = GridSearchCV(classifier(), {"l2": [0.1, 1.0]}, cv=2).fit(TEXTS, LABELS)
    assert set(search.best_params_) == {"l2"}


def test_a_fitted_classifier_survives_a_pickle_of_the_users_own():
    fitted = classifier().fit(TEXTS, LABELS)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(TEXTS), fitted.predict_proba(TEXTS))


def test_a_notebook_shows_the_model_with_everything_escaped():
    html = classifier().fit(TEXTS, [f"<b>{label}" for label in LABELS])._repr_mimebundle_()["text/html"]
    assert "&lt;b&gt;up" in html
    assert "<b>up" not in html
    assert "accuracy" in html
    assert "24 texts" in html
    assert "TextClassifier" in classifier()._repr_html_()


def test_decisions_follow_costs_thresholds_and_a_label_to_look_for():
    found = classifier().fit(TEXTS, LABELS)
    texts = ["good", "bad", "good and bad", "a day"]
    P = found.predict_proba(texts)
    labels, answered = found.decide(texts, costs={"up": {"down": 20}}, abstain_cost=0.3)
    expected = P @ [[0, 1], [20, 0]]
    assert labels.tolist() == found.classes_[expected.argmin(axis=1)].tolist()
    assert answered.tolist() == (expected.min(axis=1) <= 0.3).tolist()
    labels, answered = found.decide(texts, threshold=0.8)
    assert labels.tolist() == found.predict(texts).tolist()
    assert answered.tolist() == (P.max(axis=1) >= 0.8).tolist()
    assert found.decide(texts, positive="up", threshold=1.0)[0].tolist() == ["down"] * 4
    with pytest.raises(TextclfError, match="expected one rule, found threshold and costs"):
        found.decide(texts, threshold=0.8, costs={})


@pytest.mark.parametrize("order", [True, [3, 10, 20]])
def test_labels_with_an_order_are_predicted_by_the_expected_rank(tmp_path, order):
    words = {3: "cold", 10: "mild", 20: "hot"}
    y = [label for label in words for _ in range(20)]
    texts = [f"{words[label]} day {number % 7}" for number, label in enumerate(y)]
    found = classifier(ordinal=order).fit(texts, y)
    found.save(tmp_path / "m")
    for each in (found, load(tmp_path / "m")):
        P = each.predict_proba(["cold hot", "mild", "hot"])
        assert each.predict(["cold hot", "mild", "hot"]).tolist() == [[3, 10, 20][round(p @ [0, 1, 2])] for p in P]
        assert each.evaluate(texts, y).ordinal.within_one == 1.0
    with pytest.raises(TextclfError, match="ordinal: expected labels that are different numbers, found 'down'"):
        classifier(ordinal=True).fit(TEXTS, LABELS)


def test_batches_add_labels_and_keep_the_old():
    fitted = classifier().partial_fit(TEXTS[:16], LABELS[:16], classes=["down", "other", "up"])
    assert fitted.classes_.tolist() == ["down", "other", "up"]
    fitted.partial_fit(["parcel late", "late parcel"], ["post", "post"])
    assert fitted.classes_.tolist() == ["down", "other", "post", "up"]
    assert fitted.predict(["parcel", "so good", "so bad"]).tolist() == ["post", "up", "down"]
    assert fitted.model_.card.before[0].texts == 16
    with pytest.raises(InputError, match="expected labels of one kind"):
        fitted.partial_fit(["parcel"], [1])


def test_a_multi_label_model_gives_tuples(tmp_path):
    cells = ["a", "b"] * 12
    settings = Settings(**PLAIN, multi_label=True, output="sigmoid", valid_fraction=0.0)
    train(LabelledTexts([f"word{cell}" for cell in cells], cells), settings, None).model.save(tmp_path / "m")
    opened = load(tmp_path / "m")
    assert opened.predict(["worda", "wordb"]).tolist() == [("a",), ("b",)]
    assert opened.evaluate(["worda"], ["a"]).exact_match == 1.0


def test_labels_of_another_kind_than_the_file_says_are_refused(tmp_path):
    model = classifier().fit(TEXTS, LABELS).model_
    replace(model, card=replace(model.card, label_kind="int")).save(tmp_path / "m")
    with pytest.raises(TextclfError, match="the labels are not of the kind"):
        load(tmp_path / "m")
    assert Model.load(tmp_path / "m").labels == ("down", "up")


@pytest.fixture
def vectors(tmp_path):
    (tmp_path / "v.txt").write_text("3 2\ngood 1 0\nbad 0 1\nfilm 1 1\n")
    return tmp_path / "v.txt"


def test_sentence_features_are_averages_of_the_vectors_as_they_stand(vectors):
    embedder = SentenceEmbedder(vectors=vectors).fit([])
    S = embedder.transform(["Good film", "bad bad good", "unknown", ""])
    np.testing.assert_allclose(S, [[1, 0.5], [1 / 3, 2 / 3], [0, 0], [0, 0]], rtol=1e-6)
    assert embedder.transform([]).shape == (0, 2)
    assert embedder.get_feature_names_out().tolist() == ["vector0", "vector1"]


def test_commoner_words_weigh_less_with_sif(vectors):
    embedder = SentenceEmbedder(vectors=vectors, weighting="sif").fit(["good " * 90_000, "bad"])
    assert embedder.transform(["good bad"])[0, 1] > 0.8
    with pytest.raises(InputError, match="weighting: expected one of mean, tfidf, sif"):
        SentenceEmbedder(vectors=vectors, weighting="max").fit(["a"])


def test_the_pages_blocks_run(tmp_path, monkeypatch, capsys):
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 6
    exec(compile("\n".join(blocks), "docs/reference/python.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "['positive' 'negative']" in printed
    assert "['delivery' 'negative' 'positive'] ['delivery']" in printed
