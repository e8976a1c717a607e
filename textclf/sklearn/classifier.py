"""A scikit-learn classifier of texts: the training and the model of the command line, behind fit and predict."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, check_random_state, estimator_html_repr
from sklearn.utils.validation import check_is_fitted

from textclf.errors import TextclfError
from textclf.explain import ExplainSettings, Explanation, Method, explain
from textclf.labels import label_sets, multi_hot, unknown_label
from textclf.metrics.multi_label import MultiLabelEvaluation, new_tally
from textclf.metrics.single_label import Evaluation
from textclf.model.model import Model
from textclf.settings import Activation, RecipeName, Settings
from textclf.sklearn.inputs import (
    Classes,
    InputError,
    classes_of,
    kind_of,
    labels_of,
    names_of,
    texts_of,
    weights_of,
)
from textclf.sklearn.notebook import card
from textclf.training.continual import kept_settings
from textclf.training.train import LabelledTexts, Start, Trained, train
from textclf.types import Array, Integers
from textclf.vectors import WordVectors, open_vectors


class TextClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """Texts to labels by averaged word vectors, n-grams and a neural network; parameters are named as those of `train`.

    X is a list or a column of texts (NumPy, pandas, Polars), y one label a text: strings, whole numbers, truth values.

    `vectors`: a file, ``starter``, a name of gensim's downloader, or ``none``. `recipe`: how much is tried out,
    ``fast``, ``auto`` or ``best``. `word_ngrams`: the longest, 0 for none; `char_ngrams`: (shortest, longest), (0, 0)
    for none; None for what suits the texts. `hidden`: sizes of hidden layers, of the `activation`. `l2`: what weights
    cost, None for chosen. `class_weight`: None, ``balanced`` or a weight for each label. `valid_fraction`: the share of
    each class that penalties and temperature are chosen on. `calibrate`: whether the temperature is.
    `random_state`: the seed.

    Fitted, it has `classes_`, shape (k,); `model_`, all that a model file holds; and `validation_`, the figures on rows
    held out, or None. Arguments that are wrong raise InputError, which is a ValueError and says what to do.
    """

    classes_: Classes
    model_: Model
    validation_: Evaluation | MultiLabelEvaluation | None

    def __init__(  # scikit-learn finds parameters by their names here, so they cannot travel as one object
        self,
        *,
        vectors: str | Path = "starter",
        recipe: RecipeName = "auto",
        word_ngrams: int | None = None,
        char_ngrams: tuple[int, int] | None = None,
        hidden: Sequence[int] = (),
        activation: Activation = "relu",
        l2: float | None = None,
        class_weight: Literal["balanced"] | Mapping[Any, float] | None = None,
        valid_fraction: float = 0.1,
        calibrate: bool = True,
        random_state: Any = 1,  # noqa: ANN401 - a number, NumPy's RandomState, or None
        threads: int = 2,
    ) -> None:
        self.vectors = vectors
        self.recipe = recipe
        self.word_ngrams = word_ngrams
        self.char_ngrams = char_ngrams
        self.hidden = hidden
        self.activation = activation
        self.l2 = l2
        self.class_weight = class_weight
        self.valid_fraction = valid_fraction
        self.calibrate = calibrate
        self.random_state = random_state
        self.threads = threads

    # --- learning ---------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: ANN401 - columns of any kind
        """Train on texts X and labels y, n of each; a text of `sample_weight` 2 counts as two such texts do."""
        data, classes = _rows(X, y, None, sample_weight)
        settings = self._settings(kind_of(classes))
        self._take(_trained(data, settings, None), classes)
        return self

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None  # noqa: ANN401
    ) -> Self:  # fmt: skip
        """Train, or go on from what was trained: what is known is held, new words and new labels are added.

        `classes`: labels that are to be known though no row may have them yet. Goes on from parameters and settings as
        ``textclf train --init-from`` does, but keeps no rows aside: the temperature stays what it was.
        """
        if not hasattr(self, "model_"):
            data, known = _rows(X, y, classes, sample_weight)
            self._take(_trained(data, self._settings(kind_of(known)), None), known)
            return self
        self.model_.require_one_label("partial_fit")
        more = self.classes_ if classes is None else np.concatenate([self.classes_, np.unique(classes)])
        data, known = _rows(X, y, more, sample_weight)
        settings = replace(kept_settings(self.model_, self._settings(kind_of(known))), valid_fraction=0.0)
        self._take(_trained(data, settings, Start(self.model_)), known, self.validation_)
        return self

    def _take(self, trained: Trained, classes: Classes, validation: Any = None) -> None:  # noqa: ANN401
        card = replace(trained.model.card, label_kind=kind_of(classes))
        self.model_ = replace(trained.model, card=card)
        self.validation_ = trained.validation or validation
        self.classes_ = classes

    def _settings(self, kind: str) -> Settings:
        weight = self.class_weight
        if isinstance(weight, Mapping):
            weight = {str(kind_cast(label, kind)): float(value) for label, value in weight.items()}
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(2**31 - 1)
        try:
            return Settings(
                vectors=str(self.vectors),
                recipe=self.recipe,
                word_ngrams=self.word_ngrams,
                char_ngrams=None if self.char_ngrams is None else (self.char_ngrams[0], self.char_ngrams[1]),
                hidden=tuple(self.hidden),
                activation=self.activation,
                l2=self.l2,
                class_weight="none" if weight is None else weight,
                valid_fraction=self.valid_fraction,
                calibrate=self.calibrate,
                seed=int(seed),
                threads=self.threads,
            )
        except (TypeError, IndexError):
            given = f"hidden={self.hidden!r}, char_ngrams={self.char_ngrams!r}"
            raise InputError(
                f"parameters: expected hidden=(64,) and char_ngrams=(3, 5), or the like, found {given}."
            ) from None
        except TextclfError as error:
            raise InputError(str(error)) from None

    # --- answering --------------------------------------------------------------------------------------------------

    def predict(self, X: Any) -> Classes:  # noqa: ANN401
        """Return the label of each text, shape (n,); from a multi-label model the tuple of its labels."""
        check_is_fitted(self, "model_")
        predictions = self.model_.predict(_some(X), threads=self.threads)
        if not self.model_.is_multi_label:
            likeliest: Classes = self.classes_[predictions.P[:, self._columns].argmax(axis=1)]
            return likeliest
        sets = np.empty(len(predictions), object)
        sets[:] = self.model_.label_sets(predictions.given)
        return sets

    def predict_proba(self, X: Any) -> Array:  # noqa: ANN401
        """Return the probability of each label for each text, shape (n, k), columns in the order of `classes_`."""
        check_is_fitted(self, "model_")
        return self.model_.predict(_some(X), threads=self.threads).P[:, self._columns]

    def decision_function(self, X: Any) -> Array:  # noqa: ANN401
        """Return Z[L] / T, shape (n, k), in the order of `classes_`; with two labels their difference, shape (n,)."""
        check_is_fitted(self, "model_")
        matrix = self.model_.features.extract(_some(X))
        Z = self.model_.logits(matrix, threads=self.threads)[:, self._columns] / self.model_.temperature
        is_binary = Z.shape[1] == 2 and not self.model_.is_multi_label
        return Z[:, 1] - Z[:, 0] if is_binary else Z

    def explain(self, text: str, *, label: Any = None, method: Method = "gradients") -> Explanation:  # noqa: ANN401
        """Return what each word and n-gram of a text adds to its label's score, or to that of another `label`."""
        check_is_fitted(self, "model_")
        name = None if label is None else str(kind_cast(label, self._kind))
        if name is not None and name not in self.model_.labels:
            raise InputError(unknown_label(name, self.model_.labels))
        return explain(self.model_, texts_of([text]), ExplainSettings(name, method))[0]

    def evaluate(self, X: Any, y: Any) -> Evaluation | MultiLabelEvaluation:  # noqa: ANN401
        """Return all figures on labelled texts, such as `accuracy` and `per_class`; `as_dict` gives plain values.

        For a multi-label model y holds cells such as ``a|b``.
        """
        check_is_fitted(self, "model_")
        texts, model = _some(X), self.model_
        sets = label_sets(names_of(labels_of(y, len(texts))), multi_label=model.is_multi_label)
        for labels in sets:
            for label in labels:
                if label not in model.labels:
                    raise InputError(unknown_label(label, model.labels))
        predictions = model.predict(texts, threads=self.threads)
        tally = new_tally(model.labels, model.thresholds)
        tally.add_rows(multi_hot(sets, model.labels), predictions.P, words=predictions.tokens, known=predictions.known)
        return tally.evaluation()

    @property
    def _kind(self) -> str:
        return self.model_.card.label_kind

    @property
    def _columns(self) -> Integers:
        """The model's column of each of `classes_`, which are sorted as what they are, not as strings."""
        places = {label: place for place, label in enumerate(self.model_.labels)}
        return np.array([places[name] for name in names_of(self.classes_)])

    # --- files, and what tools ask ----------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the model file that ``textclf predict`` and `textclf.load` read, whole or not at all."""
        check_is_fitted(self, "model_")
        self.model_.save(Path(path))

    @classmethod
    def from_model_file(cls, path: Path) -> "TextClassifier":
        """Return the classifier in a model file, with the parameters that it was trained with; see `textclf.load`."""
        model = Model.load(path)
        settings = model.card.settings
        stored = {**vars(settings), "random_state": settings.seed} if settings else {}
        if stored.get("class_weight") == "none":
            stored["class_weight"] = None
        names = set(cls().get_params()) - {"threads"}
        found = cls(**{name: value for name, value in stored.items() if name in names})
        found.model_, found.validation_ = model, None
        try:
            found.classes_ = np.sort(classes_of(model.labels, found._kind))
            _ = found._columns
        except (ValueError, KeyError):
            raise InputError(f"{path}: the labels are not of the kind that the model says. Train it again.") from None
        return found

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = tags.input_tags.string = True
        tags.input_tags.two_d_array = tags.input_tags.sparse = False
        return tags

    def _repr_html_(self) -> str:
        return card(self.model_) if hasattr(self, "model_") else str(estimator_html_repr(self))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:  # noqa: ANN401 - notebooks ask with arguments of theirs
        return {"text/plain": repr(self), "text/html": self._repr_html_()}


def kind_cast(label: Any, kind: str) -> Any:  # noqa: ANN401 - a label
    """Return a label that a person wrote, such as 1 or 1.0, as it is written for labels of this kind."""
    return {"bool": bool, "int": int, "float": float, "str": str}.get(kind, str)(label)


def _some(X: Any) -> list[str]:  # noqa: ANN401
    texts = texts_of(X)
    if not texts:
        raise InputError("X: expected texts, found array with 0 sample(s), while a minimum of 1 is required.")
    return texts


def _rows(X: Any, y: Any, classes: Any, sample_weight: Any) -> tuple[LabelledTexts, Classes]:  # noqa: ANN401
    """Return the rows that weigh something, and all labels, rising: those of y, and `classes`."""
    texts = _some(X)
    y = labels_of(y, len(texts))
    known = np.unique(y if classes is None else np.concatenate([y, np.asarray(classes)]))
    if kind_of(known) != kind_of(y) or (classes is not None and kind_of(np.asarray(classes)) != kind_of(y)):
        raise InputError(f"y: expected labels of one kind, found {y.dtype} beside {known.dtype}. Convert them.")
    if len(known) < 2:
        raise InputError(
            f"y: expected two classes or more, found one class, {known.tolist()[0]!r}. Add texts of another."
        )
    names, weights = names_of(y), weights_of(sample_weight, texts)
    more = tuple(sorted(names_of(known)))
    if weights is None:
        return LabelledTexts(texts, names, None, more), known
    used: npt.NDArray[np.intp] = np.flatnonzero(weights)
    if not len(used):
        raise InputError("sample_weight: expected some weights above 0, found them all zero: no row is left.")
    kept = used.tolist()
    return LabelledTexts([texts[i] for i in kept], [names[i] for i in kept], weights[used].tolist(), more), known


def _trained(data: LabelledTexts, settings: Settings, start: Start | None) -> Trained:
    try:
        return train(data, settings, opened(settings.vectors), start=start)
    except TextclfError as error:
        raise InputError(str(error)) from None


def opened(source: str) -> WordVectors | None:
    """Return the vectors of a source as `TextClassifier` names it; None for ``none``."""
    return None if source == "none" else open_vectors(source)
