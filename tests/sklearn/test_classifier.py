"""The classifier behaves as scikit-learn's do, whatever holds the texts, and labels come back as what they were."""

import pickle
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
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
from textclf.sklearn.inputs import InputError, texts_of
from textclf.training.train import LabelledTexts, train

ROOT = Path(__file__).parents[2]
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
    return dict(re.findall(r"^\| `(check_\w+)` \| (.+) \|$", (ROOT / "docs" / "python.md").read_text("utf-8"), re.M))


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
    ],
    ids=lambda column: f"{type(column).__module__}.{type(column).__name__}",
)
def test_texts_come_from_any_column(column):
    assert texts_of(column) == TEXTS
    found = classifier().fit(column, LABELS).predict(column)
    assert found.tolist() == LABELS


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("one text", "found one str. Put the text into a list"),
        ({"text": TEXTS}, "found one dict"),
        (["a", None], "a text in row 1, found nothing"),
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
        (["", "b"] * 12, "found an empty one"),
        (np.array([1, "b"] * 12, object), "expected strings, whole numbers or truth values, found int and str"),
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
    embedder = SentenceEmbedder(vectors=vectors, weighting="sif").fit(["good"] * 9 + ["bad"])
    assert embedder.transform(["good bad"])[0, 1] > 0.8
    with pytest.raises(InputError, match="weighting: expected one of mean, tfidf, sif"):
        SentenceEmbedder(vectors=vectors, weighting="max").fit(["a"])


def test_the_pages_blocks_run(tmp_path, monkeypatch, capsys):
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 5
    exec(compile("\n".join(blocks), "docs/python.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "['positive' 'negative']" in printed
    assert "['delivery' 'negative' 'positive'] ['delivery']" in printed
