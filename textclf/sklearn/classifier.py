"""A scikit-learn classifier of texts: the training and the model of the command line, behind fit and predict."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, estimator_html_repr
from sklearn.utils.validation import check_is_fitted

from textclf.analysis.suggestion import Guide, batches_of, seed_draw, suggest_rows
from textclf.errors import TextclfError, spell
from textclf.explain import ExplainSettings, Explanation, Method, explain
from textclf.labels import join_labels, multi_hot, unknown_label
from textclf.metrics.multi_label import MultiLabelEvaluation, new_tally
from textclf.metrics.single_label import Evaluation
from textclf.model.card import ModelCard, ValidationFigures
from textclf.model.decision import Costs, DecisionSettings
from textclf.model.model import Model
from textclf.model.prediction import Predictions
from textclf.settings import Activation, ColumnUse, RecipeName, Settings
from textclf.sklearn.parameters import read_columns, read_number, read_settings, read_truth, read_whole_number, refuse
from textclf.sklearn.validation import (
    Classes,
    InputError,
    distinct_labels,
    kind_of,
    label_sets_of,
    labels_of,
    name_of,
    names_of,
    pack_table,
    restore_classes,
    shorten,
    texts_of,
    weights_of,
)
from textclf.storage.files import temporary_folder
from textclf.storage.row_columns import ONE_TEXT, RowColumns
from textclf.text.ngrams import NgramTable
from textclf.training.continual import keep_settings
from textclf.training.train import LabelledTexts, Start, Trained, train
from textclf.types import Array, BoolArray, Integers
from textclf.vectors import WordVectors, open_vectors

_OTHER = "\0other"
"""Stands for labels that a model does not have, where a score is asked for: no text gets it."""


class TextClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """Texts to labels by averaged word vectors, n-grams and a neural network; parameters are named as those of `train`.

    X is a list or a column of texts (NumPy, pandas, Polars, Arrow), y one label a text: strings, whole numbers, truth
    values. With `multi_label` a text has several labels or none: y is a list of labels for each text, or a matrix of 0
    and 1, shape (n, k), and `predict` answers in the same form.

    With `text_columns` X is a table: of pandas, Polars or Arrow, an array, whose columns have numbers, a dict of
    columns, or a list of dicts. Several texts are ``joined`` or kept ``apart``, as `columns` says. `category_columns`
    and `number_columns` are used beside the text; their cells may be missing.

    `vectors`: a file, ``starter``, a name of gensim's downloader, or ``none``. `recipe`: search effort,
    ``fast``, ``auto`` or ``best``. `word_ngrams`, `pattern_ngrams`: the longest, 0 for none; `char_ngrams`:
    (shortest, longest), (0, 0) for none; None for what suits the texts. `min_texts`: words and n-grams of fewer texts
    are left out. `hidden`: sizes of hidden layers, of the `activation`. `l2`: what weights cost, None for chosen.
    `class_weight`: None, ``balanced``
    or a weight for each label. `label_names`: words that say what each label is about, for few rows; None takes the
    labels themselves. `valid_fraction`: the share of each class that regularization and temperature are chosen on.
    `calibrate`: whether the temperature is. `random_state`: the seed. `ordinal`: whether labels have an order, that of
    their numbers, or all labels in it; `predict` then gives the label nearest to the expected rank.

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
        pattern_ngrams: int | None = None,
        char_ngrams: tuple[int, int] | None = None,
        min_texts: int | None = None,
        hidden: Sequence[int] = (),
        activation: Activation = "relu",
        l2: float | None = None,
        class_weight: Literal["balanced"] | Mapping[Any, float] | None = None,
        label_names: Mapping[Any, str] | None = None,
        valid_fraction: float = 0.1,
        calibrate: bool = True,
        random_state: Any = 1,  # noqa: ANN401 - a number, NumPy's RandomState, or None
        threads: int = 2,
        multi_label: bool = False,
        ordinal: bool | Sequence[Any] = False,
        text_columns: Sequence[str | int] | None = None,
        category_columns: Sequence[str | int] = (),
        number_columns: Sequence[str | int] = (),
        columns: ColumnUse = "auto",
    ) -> None:
        self.vectors = vectors
        self.recipe = recipe
        self.word_ngrams = word_ngrams
        self.pattern_ngrams = pattern_ngrams
        self.char_ngrams = char_ngrams
        self.min_texts = min_texts
        self.hidden = hidden
        self.activation = activation
        self.l2 = l2
        self.class_weight = class_weight
        self.label_names = label_names
        self.valid_fraction = valid_fraction
        self.calibrate = calibrate
        self.random_state = random_state
        self.threads = threads
        self.multi_label = multi_label
        self.ordinal = ordinal
        self.text_columns = text_columns
        self.category_columns = category_columns
        self.number_columns = number_columns
        self.columns = columns

    # --- learning ---------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: ANN401 - columns of any kind
        """Train on texts X and labels y, n of each; a text of `sample_weight` 2 counts as two such texts do."""
        data, classes, is_matrix = self._rows(X, y, None, sample_weight)
        self._take(_train(data, self._settings(kind_of(classes)), None), classes)
        self._answers_in_matrix = is_matrix
        return self

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None  # noqa: ANN401
    ) -> Self:  # fmt: skip
        """Train, or continue training: earlier knowledge is preserved, new words and labels are added.

        `classes`: labels to know even if no row has them yet. Parameters and settings are those of ``textclf train
        --init-from``, but no rows are held out: the temperature stays as it was.
        """
        if not hasattr(self, "model_"):
            if read_truth("multi_label", self.multi_label):
                raise InputError("partial_fit: expected one label a text, found multi_label=True. Use fit.")
            data, known, _ = self._rows(X, y, classes, sample_weight)
            self._take(_train(data, self._settings(kind_of(known)), None), known)
            return self
        if self.model_.is_multi_label:
            raise InputError("partial_fit: expected a model of one label a text, found a multi-label one. Use fit.")
        more = self.classes_ if classes is None else np.concatenate([self.classes_, np.unique(classes)])
        data, known, _ = self._rows(X, y, more, sample_weight)
        settings = replace(keep_settings(self.model_, self._settings(kind_of(known))), valid_fraction=0.0)
        self._take(_train(data, settings, Start(self.model_)), known, self.validation_)
        return self

    def _take(self, trained: Trained, classes: Classes, validation: Any = None) -> None:  # noqa: ANN401
        card = replace(trained.model.card, label_kind=kind_of(classes))
        self.model_ = replace(trained.model, card=card)
        self.validation_ = trained.validation or validation
        self.classes_ = classes

    def _rows(
        self, X: Any, y: Any, classes: Any, sample_weight: Any  # noqa: ANN401
    ) -> tuple[LabelledTexts, Classes, bool]:  # fmt: skip
        """Return the rows that weigh something, all labels, rising, and whether y was a matrix."""
        columns = self._row_columns()
        texts = self._some(X, columns)
        if read_truth("multi_label", self.multi_label):
            sets, in_columns = label_sets_of(y, len(texts))
            known = distinct_labels(sets) if in_columns is None else np.sort(in_columns)
            cells = [join_labels(list(map(str, labels))) for labels in sets]
            return self._weigh(texts, cells, known, sample_weight), known, in_columns is not None
        y = labels_of(y, len(texts))
        known = np.unique(y if classes is None else np.concatenate([y, np.asarray(classes)]))
        if kind_of(known) != kind_of(y) or (classes is not None and kind_of(np.asarray(classes)) != kind_of(y)):
            raise InputError(f"y: expected labels of one kind, found {y.dtype} beside {known.dtype}. Convert them.")
        if len(known) < 2:
            raise InputError(
                f"y: expected two classes or more, found one class, {known.tolist()[0]!r}. Add texts of another."
            )
        return self._weigh(texts, names_of(y), known, sample_weight), known, False

    def _weigh(
        self, texts: list[str], names: list[str], known: Classes, sample_weight: Any  # noqa: ANN401
    ) -> LabelledTexts:  # fmt: skip
        """Return the rows that weigh something; the model is to know all labels."""
        more, weights = tuple(sorted(names_of(known))), weights_of(sample_weight, len(texts))
        columns = self._row_columns()
        if weights is None:
            return LabelledTexts(texts, names, None, more, columns)
        used: npt.NDArray[np.intp] = np.flatnonzero(weights)
        if not len(used):
            raise InputError("sample_weight: expected some weights above 0, found them all zero: no row is left.")
        kept = used.tolist()
        chosen = [texts[i] for i in kept], [names[i] for i in kept], weights[used].tolist()
        return LabelledTexts(*chosen, more, columns)

    def _some(self, X: Any, columns: RowColumns) -> list[str]:  # noqa: ANN401
        is_named = self.text_columns is not None or not columns.is_plain
        texts = pack_table(X, columns) if is_named else texts_of(X)
        if not texts:
            raise InputError("X: expected texts, found array with 0 sample(s), while a minimum of 1 is required.")
        return texts

    def _row_columns(self) -> RowColumns:
        return read_columns(self.text_columns, self.category_columns, self.number_columns)

    def _settings(self, kind: str) -> Settings:
        return read_settings(self.get_params(deep=False), kind)

    # --- answering --------------------------------------------------------------------------------------------------

    def predict(self, X: Any) -> Classes:  # noqa: ANN401
        """Return the label of each text, shape (n,).

        A multi-label classifier returns the tuple of each text's labels, or, where it was fitted to a matrix of 0 and
        1, such a matrix, shape (n, k), its columns in the order of `classes_`.
        """
        predictions = self._predictions(X)
        if not self.model_.is_multi_label:
            return self._labels_of(predictions)
        given = predictions.given[:, self._columns]
        if getattr(self, "_answers_in_matrix", False):
            return given.astype(np.int64)
        listed, sets = self.classes_.tolist(), np.empty(len(given), object)
        sets[:] = [tuple(listed[j] for j in np.flatnonzero(row).tolist()) for row in given]
        return sets

    def decide(
        self,
        X: Any,  # noqa: ANN401
        *,
        threshold: float | None = None,
        target_precision: float | None = None,
        costs: Mapping[Any, Mapping[Any, float]] | None = None,
        abstain_cost: float | None = None,
        positive: Any = None,  # noqa: ANN401
        target_recall: float | None = None,
    ) -> tuple[Classes, BoolArray]:
        """Return the label of each text by a rule, and whether it is given as an answer, both of shape (n,).

        `threshold`: the confidence that an answer needs; with `positive`, one of two labels, the probability from which
        on that label is given, or `target_recall` finds it. `target_precision`: the precision that answers are to have.
        `costs`: what each confusion costs, by true and by given label, 1 where none is listed; `abstain_cost`: what it
        costs to give no answer. For a classifier of one label a text.
        """
        check_is_fitted(self, "model_")
        self.model_.require_one_label("decide")
        of_costs = None if costs is None and abstain_cost is None else self._costs(costs or {}, abstain_cost)
        asked = DecisionSettings(
            threshold=None if threshold is None else read_number("threshold", threshold),
            target_precision=target_precision,
            costs=of_costs,
            positive=None if positive is None else name_of(positive, self._kind, "positive"),
            target_recall=target_recall,
        )
        predictions = replace(self._predictions(X), decision=self.model_.decide(asked))
        return self._labels_of(predictions), predictions.answered

    def _costs(self, costs: Mapping[Any, Mapping[Any, float]], abstain_cost: float | None) -> Costs:
        return Costs(
            tuple(
                (name_of(truth, self._kind, "costs"), name_of(given, self._kind, "costs"), read_number("costs", cost))
                for truth, row in costs.items()
                for given, cost in row.items()
            ),
            None if abstain_cost is None else read_number("abstain_cost", abstain_cost),
        )

    def _labels_of(self, predictions: Predictions) -> Classes:
        """Return the label of each text, shape (n,), as one of `classes_`."""
        own = self._columns.argsort()  # the place among `classes_` of each label of the model
        labels: Classes = self.classes_[own[predictions.classes]]
        return labels

    def _predictions(self, X: Any) -> Predictions:  # noqa: ANN401
        check_is_fitted(self, "model_")
        return self.model_.predict(
            self._some(X, self.model_.features.columns), threads=read_whole_number("threads", self.threads)
        )

    def predict_proba(self, X: Any) -> Array:  # noqa: ANN401
        """Return the probability of each label for each text, shape (n, k), columns in the order of `classes_`."""
        return self._predictions(X).P[:, self._columns]

    def decision_function(self, X: Any) -> Array:  # noqa: ANN401
        """Return Z[L] / T, shape (n, k), in the order of `classes_`; with two labels their difference, shape (n,)."""
        check_is_fitted(self, "model_")
        matrix = self.model_.features.extract(self._some(X, self.model_.features.columns))
        threads = read_whole_number("threads", self.threads)
        Z = self.model_.logits(matrix, threads=threads)[:, self._columns] / self.model_.temperature
        is_binary = Z.shape[1] == 2 and not self.model_.is_multi_label
        return Z[:, 1] - Z[:, 0] if is_binary else Z

    def explain(
        self, text: str | Mapping[str, Any], *, label: Any = None, method: Method = "gradients"  # noqa: ANN401
    ) -> Explanation:  # fmt: skip
        """Return what each word and n-gram of a text adds to its label's score, or to that of another `label`.

        Where X is a table, the text is a row of it: a dict of the columns' values.
        """
        check_is_fitted(self, "model_")
        name = None if label is None else name_of(label, self._kind, "label")
        if name is not None and name not in self.model_.labels:
            raise InputError(unknown_label(name, self.model_.labels))
        return explain(self.model_, pack_table([text], self.model_.features.columns), ExplainSettings(name, method))[0]

    def suggest(self, X: Any, n: int = 50, *, labelled: Any = ()) -> Integers:  # noqa: ANN401
        """Return the numbers of the n texts to label next, most useful first, shape (n,) or fewer.

        They stand for many that the model is in doubt about, before `fit` for many others, and are unlike each other.
        `random_state` draws the texts that they are chosen from, 2,500 at least. Texts like one of the `labelled` are
        left out. To see a batch::

            [X[i] for i in classifier.suggest(X, 50)]
        """
        columns = self.model_.features.columns if hasattr(self, "model_") else self._row_columns()
        texts, n = self._some(X, columns), read_whole_number("n", n)
        known = pack_table(labelled, columns) if len(labelled) else []
        if n < 1:
            refuse("n", "a whole number above 0", n)
        settings, model = self._settings("str"), getattr(self, "model_", None)
        if model is None:
            texts, known = list(columns.only_texts(texts)), list(columns.only_texts(known))
        found = suggest_rows(
            batches_of(texts),
            n,
            seed_draw(settings.seed, model),
            Guide(open_source_vectors(settings.vectors), model, known),
            threads=settings.threads,
        )
        return np.array(found.rows.rows, np.int64) - 1

    def evaluate(self, X: Any, y: Any) -> Evaluation | MultiLabelEvaluation:  # noqa: ANN401
        """Return all figures on labelled texts, such as `accuracy` and `per_class`; `as_dict` gives plain values.

        For a multi-label model y is what `fit` takes, or cells such as ``a|b``.
        """
        predictions, model = self._predictions(X), self.model_
        tally = new_tally(model.labels, model.thresholds, model.values)
        Y = multi_hot(self._known_sets(y, len(predictions)), model.labels)
        counts = {"words": predictions.tokens, "known": predictions.known}
        tally.add_rows(Y, predictions.P, given=predictions.given, **counts)
        return tally.evaluation()

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:  # noqa: ANN401
        """Return the share of texts that get their label, or, of a multi-label model, exactly their labels."""
        found = self.predict(X)
        if self.model_.is_multi_label:
            names = [set(labels) for labels in self._known_sets(found, len(found))]
            truth = [set(labels) for labels in self._known_sets(y, len(found), allow_others=True)]
            right = np.array([given == labels for given, labels in zip(names, truth, strict=True)])
        else:
            right = found == labels_of(y, len(found))
        return float(np.average(right, weights=weights_of(sample_weight, len(right))))

    def _known_sets(self, y: Any, n: int, *, allow_others: bool = False) -> list[tuple[str, ...]]:  # noqa: ANN401
        """Return the names of the labels of each of n texts.

        Raises InputError at one that the model does not have; with `allow_others` it becomes `_OTHER`.
        """
        if self.model_.is_multi_label:
            sets, columns = label_sets_of(y, n)
            if columns is not None and len(columns) != len(self.classes_):
                raise InputError(f"y: expected a column for each of {len(self.classes_)} labels, found {len(columns)}.")
            if columns is not None and kind_of(columns) == "int":  # by their numbers, where they have no names
                sets = [tuple(self.classes_[j] for j in labels) for labels in sets]
        else:
            sets = [(label,) for label in labels_of(y, n).tolist()]
        names, found = dict[Any, str](), []
        for labels in sets:
            for label in labels:
                if (type(label), label) not in names:
                    names[type(label), label] = self._name_of_known(label, allow_others)
            found.append(tuple(names[type(label), label] for label in labels))
        return found

    def _name_of_known(self, label: Any, allow_others: bool) -> str:  # noqa: ANN401
        try:
            name = name_of(label, self._kind, "y")
        except InputError:
            name = str(label)
        if name in self.model_.labels:
            return name
        if allow_others:
            return _OTHER
        raise InputError(unknown_label(name, self.model_.labels))

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
        self.model_.save(_path_of(path))

    @classmethod
    def from_model_file(cls, path: str | Path | BinaryIO) -> "TextClassifier":
        """Return the classifier in a model file, with the parameters that it was trained with; see `textclf.load`."""
        model = _open_model(path)
        try:
            return cls.from_model(model)
        except (ValueError, KeyError):
            raise InputError(f"{path}: the labels are not of the kind that the model says. Train it again.") from None

    @classmethod
    def from_model(cls, model: Model) -> "TextClassifier":
        """Return the classifier of a model, with the parameters that it was trained with.

        Raises ValueError or KeyError for labels that are not of the kind that the model says.
        """
        settings = model.card.settings
        stored = {**vars(settings), "random_state": settings.seed} if settings else {}
        if stored.get("class_weight") == "none":
            stored["class_weight"] = None
        names = set(cls().get_params()) - {"threads"}
        columns = model.features.columns
        if columns != ONE_TEXT:
            stored |= {"text_columns": columns.texts, "category_columns": columns.categories}
            stored["number_columns"] = columns.numbers
        found = cls(**{name: value for name, value in stored.items() if name in names})
        found.model_, found.validation_ = model, None
        found.classes_ = np.sort(restore_classes(model.labels, found._kind))
        _ = found._columns
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


def _path_of(path: object) -> Path:
    if not isinstance(path, str | PathLike):
        raise InputError(f"path: expected the name of a file, found {shorten(path)}.")
    return Path(path)


def _open_model(source: object) -> Model:
    """Return the model in a file: named, or open, such as a BytesIO, whose bytes are written to a file meanwhile."""
    if not hasattr(source, "read"):
        return Model.load(_path_of(source))
    content = source.read()
    if not isinstance(content, bytes):
        raise InputError(f"path: expected a file opened to read bytes, found {shorten(source)}. Open it with 'rb'.")
    with temporary_folder() as folder:
        path = folder / "model"
        path.write_bytes(content)
        return Model.load(path)


def _train(data: LabelledTexts, settings: Settings, start: Start | None) -> Trained:
    try:
        return train(data, settings, open_source_vectors(settings.vectors), start=start)
    except TextclfError as error:
        raise InputError(str(error)) from None


def open_source_vectors(source: str) -> WordVectors | None:
    """Return the vectors of a source as `TextClassifier` names it; None for ``none``."""
    return None if source == "none" else open_vectors(source)


def load(path: str | Path | BinaryIO) -> TextClassifier:
    """Return the classifier in a model file, named or open to be read, fitted, however it was trained.

    Raises ModelError when the file is no model, is damaged, or was made by a newer version.
    """
    return TextClassifier.from_model_file(path)


# --- what a notebook shows -------------------------------------------------------------------------------------------

_MOST_LABELS, _LONGEST_LABEL = 20, 40


def card(model: Model) -> str:
    """Return what the model is: labels, vectors, n-grams, rows, and how it did on held-out rows."""
    lines = {
        "labels": _labels(model),
        "trained on": f"{_rows(model.card)} texts",
        "vectors": _vectors(model),
        "n-grams": ", ".join(map(_ngrams, model.features.ngrams)) or "none",
        "network": " → ".join(map(str, model.network.sizes)) + f", {model.output}",
        "validation": _validation(model.card.validation),
    }  # fmt: skip
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left">{name}</th>'
        f'<td style="text-align:left">{escape(spell(value))}</td></tr>'
        for name, value in lines.items()
    )
    return f'<table><caption style="text-align:left"><b>TextClassifier</b></caption><tbody>{rows}</tbody></table>'


def _ngrams(table: NgramTable) -> str:
    return f"{len(table.index):,} of {table.shortest}–{table.longest} {table.kind}"


def _labels(model: Model) -> str:
    first = [label[:_LONGEST_LABEL] for label in model.labels[:_MOST_LABELS]]
    more = len(model.labels) - len(first)
    return f"{len(model.labels)}: {', '.join(first)}" + (f" and {more} more" if more else "")


def _rows(card: ModelCard) -> str:
    return f"{card.data.texts:,}" if card.data else "?"


def _vectors(model: Model) -> str:
    vectors = model.card.provenance.vectors if model.card.provenance else None
    name = vectors.name if vectors else "random at the start"
    return f"{name}: {model.E.shape[0]:,} words, {model.E.shape[1]} numbers each"


def _validation(figures: ValidationFigures | None) -> str:
    if figures is None:
        return "no held-out rows"
    named = {"accuracy": figures.accuracy, "micro-F1": figures.micro_f1, "macro-F1": figures.macro_f1}
    found = [f"{name} {figure:.4f}" for name, figure in named.items() if figure is not None]
    return f"{', '.join(found)} ({figures.texts:,} texts)"
