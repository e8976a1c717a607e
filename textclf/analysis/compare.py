"""Several classifiers on the same labelled rows: who is better, whether it may be chance, and where they differ.

Letters: ``n`` rows; ``m`` classifiers, the models first and the baselines after them; ``B`` resamples. Class numbers
are those of all labels that any classifier knows.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from textclf.errors import DataError, ModelError
from textclf.labels import unknown_label
from textclf.metrics.bootstrap import Interval, RowPatterns, holm, mcnemar, unseen
from textclf.model.model import Model
from textclf.storage.files import write_csv
from textclf.storage.row_columns import ONE_TEXT, RowColumns
from textclf.tables import Batch, Table
from textclf.text.copies import group_copies, independent_share
from textclf.text.tokenizer import tokenize
from textclf.training.train import LabelledTexts
from textclf.types import Array, BoolArray, Integers

TFIDF = "TF-IDF + logistic"
MAJORITY = "majority"

_SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Answers:
    """What m classifiers say of n rows.

    `y`, shape (n,), and `given`, shape (n, m), are numbers of `labels`; `confidence`, shape (n, models), is the
    models' own. `words`, shape (n,): how many words each text has. `column`: the values that rows are sliced by.
    `notes`: sentences about labels that a model does not have.
    """

    names: tuple[str, ...]
    models: int
    labels: tuple[str, ...]
    rows: list[int]
    texts: list[str]
    y: Integers
    given: Integers
    confidence: Array
    words: Integers
    column: list[str | None] | None
    notes: list[str]

    @property
    def disagreeing(self) -> Integers:
        """The places, from 0, of the rows on which the models (not the baselines) differ, rising."""
        given = self.given[:, : self.models]
        return np.flatnonzero((given != given[:, :1]).any(axis=1))

    def beside(self, name: str, labels: Sequence[str]) -> "Answers":
        """Return the answers with a baseline's labels of the n rows beside them."""
        known = (*self.labels, *sorted(set(labels) - set(self.labels)))
        numbers = {label: number for number, label in enumerate(known)}
        given = np.column_stack([self.given, [numbers[label] for label in labels]])
        return replace(self, names=(*self.names, name), labels=known, given=given)


@dataclass(frozen=True)
class Score:
    """One classifier's figures."""

    name: str
    is_baseline: bool
    accuracy: Interval
    macro_f1: Interval


@dataclass(frozen=True)
class Duel:
    """The first classifier beside another: differences are the first's figure minus the other's.

    `p`: McNemar's exact test, in which copies of a text count about once. `p_holm`: the same, raised for the number of
    duels fought.
    """

    other: str
    accuracy: Interval
    macro_f1: Interval
    only_first_right: int
    only_other_right: int
    p: float
    p_holm: float

    @property
    def is_significant(self) -> bool:
        """Whether two equally good classifiers would part so in less than one of twenty tables."""
        return self.p_holm < _SIGNIFICANT

    def verdict(self, first: str, other: str) -> str:
        """Return in a sentence what the test says of the two, called by these names."""
        p = format_p(self.p_holm)
        if self.is_significant:
            better, worse = (first, other) if self.only_first_right > self.only_other_right else (other, first)
            return f"{better} is more accurate than {worse}; the difference is statistically significant (p {p})."
        if not self.only_first_right and not self.only_other_right:
            return f"{first} and {other} are right on the same texts: no difference is seen."
        low, high = (100 * (bound or 0.0) for bound in (self.accuracy.low, self.accuracy.high))
        return (
            f"{first} and {other}: the difference is not statistically significant (p {p});"
            f" {first}'s lead lies between {low:+.1f} and {high:+.1f} points."
        )


@dataclass(frozen=True)
class Slice:
    """The rows that have one value, and each classifier's accuracy on them, shape (m,)."""

    value: str | None
    n: int
    accuracy: tuple[float, ...]


@dataclass(frozen=True)
class Comparison:
    """All that is said of the classifiers on one table; `disagreeing` counts the rows on which the models differ."""

    n: int
    classes: int
    scores: list[Score]
    duels: list[Duel]
    disagreeing: int
    by_words: list[Slice]
    by_column: list[Slice] | None
    independent: float = 1.0
    """The share of texts that intervals and tests count: copies of a text count about once."""

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain values for JSON."""
        slices = {"words": self.by_words, "column": self.by_column}
        return {
            "n": self.n,
            "independent": self.independent,
            "classes": self.classes,
            "classifiers": [_plain(score) for score in self.scores],
            "against_first": [_plain(duel) for duel in self.duels],
            "models_differ": self.disagreeing,
            "slices": {
                name: [_plain(part) | {"accuracy": list(part.accuracy)} for part in parts]
                for name, parts in slices.items()
                if parts is not None
            },
        }


def format_p(p: float) -> str:
    """Return a p-value for people."""
    return "<0.0001" if p < 0.0001 else f"{p:.4f}"


def _plain(value: Score | Duel | Slice) -> dict[str, Any]:
    return {name: vars(part) if isinstance(part, Interval) else part for name, part in vars(value).items()}


# --- what they answer ---------------------------------------------------------------------------------------------


def answer(
    models: Mapping[str, Model],
    table: Table,
    *,
    slice_by: str | None,
    threads: int,
    progress: Callable[[int], None],
) -> Answers:
    """Let each model label every row of an open table, which is read once.

    Raises DataError at a label that no model has, and when the column `slice_by` is not in the table; ModelError when
    a model gives several labels.
    """
    if slice_by is not None:
        table.check_column(slice_by, "slice_by")
    for model in models.values():
        model.require_one_label("compare")
    labels = tuple(sorted({label for model in models.values() for label in model.labels}))
    numbers = {label: number for number, label in enumerate(labels)}
    own = {name: np.array([numbers[label] for label in model.labels]) for name, model in models.items()}
    rows: list[int] = []
    texts: list[str] = []
    column: list[str | None] = []
    y, given, confidence, words = [], [], [], []
    for batch in table.batches():
        y.append(_class_numbers(batch, numbers, table.name))
        first_texts = table.row_columns.first_texts(batch.texts)
        predictions = [
            model.predict(first_texts if model.features.columns.is_plain else batch.texts, threads=threads)
            for model in models.values()
        ]
        given.append(np.column_stack([own[name][p.classes] for name, p in zip(models, predictions, strict=True)]))
        confidence.append(np.column_stack([p.confidence for p in predictions]))
        words.append(predictions[0].tokens)
        rows += batch.rows
        texts += map(table.row_columns.show, batch.texts)
        if slice_by is not None:
            column += table.values(batch, slice_by)
        progress(len(batch))
    if not rows:
        raise DataError(f"{table.name}: expected valid rows, found that all {len(table.refused)} are invalid.")
    truth = np.concatenate(y)
    return Answers(
        tuple(models), len(models), labels, rows, texts, truth, np.concatenate(given), np.concatenate(confidence),
        np.concatenate(words), column if slice_by is not None else None, list(_strangers(models, labels, truth)),
    )  # fmt: skip


def common_columns(models: Mapping[str, Model]) -> RowColumns:
    """Return the columns that the models read: those of all that read more than a text, or one text.

    Raises ModelError when two of them read different ones.
    """
    found = {name: model.features.columns for name, model in models.items() if not model.features.columns.is_plain}
    if len(set(found.values())) > 1:
        listed = "; ".join(f"{name}: {', '.join(columns.names)}" for name, columns in found.items())
        raise ModelError(f"models: expected ones that read the same columns, found {listed}. Name others.")
    return next(iter(found.values()), ONE_TEXT)


def _class_numbers(batch: Batch, numbers: Mapping[str, int], name: str) -> Integers:
    for row, label in zip(batch.rows, batch.labels or [], strict=True):
        if label not in numbers:
            raise DataError(f"{name}: row {row}: {unknown_label(label, tuple(numbers))}")
    return np.array([numbers[label] for label in batch.labels or []], np.int64)


def _strangers(models: Mapping[str, Model], labels: Sequence[str], y: Integers) -> Iterator[str]:
    rows = np.bincount(y, minlength=len(labels))
    for name, model in models.items():
        missing = [number for number in np.flatnonzero(rows).tolist() if labels[number] not in model.labels]
        if missing:
            listed = ", ".join(repr(labels[number]) for number in missing[:5]) + " …" * (len(missing) > 5)
            yield f"{name} was not trained with {listed}: {rows[missing].sum():,} rows that it cannot have right"


def add_baselines(answers: Answers, train: LabelledTexts | None) -> Answers:
    """Add what baselines say: the commonest label and, where there are rows to train on, TF-IDF with a linear model.

    The commonest label is that of the training rows; without them, that of the rows themselves.
    """
    labels = train.labels if train is not None else [answers.labels[number] for number in answers.y]
    if train is not None:
        answers = answers.beside(
            TFIDF, tfidf_logistic(list(map(train.columns.show, train.texts)), train.labels, answers.texts)
        )
    return answers.beside(MAJORITY, [commonest(labels)] * len(answers.y))


def write_changed(path: Path, answers: Answers) -> None:
    """Write the rows on which the models differ as CSV: row, label, each model's label and confidence, text."""
    names = answers.names[: answers.models]
    header = ["row", "label", *(part for name in names for part in (name, f"{name} confidence")), "text"]
    write_csv(path, header, (_make_row(answers, i) for i in answers.disagreeing.tolist()))


def _make_row(answers: Answers, i: int) -> list[object]:
    said: list[object] = []
    for number, confidence in zip(answers.given[i].tolist(), answers.confidence[i].tolist(), strict=False):
        said += [answers.labels[number], f"{confidence:.6f}"]
    return [answers.rows[i], answers.labels[answers.y[i]], *said, answers.texts[i]]


# --- what follows from it -----------------------------------------------------------------------------------------


def compare(answers: Answers, rng: np.random.Generator) -> Comparison:
    """Return figures with intervals, the first classifier beside each other, and accuracy by slices.

    Intervals are percentiles of a paired bootstrap: each resample of the texts serves all classifiers. Copies of a text
    count about once, in intervals and in tests.
    """
    groups = group_copies(answers.texts)
    patterns = RowPatterns.of(answers.y, answers.given, len(answers.labels), groups)
    m, n, share = len(answers.names), len(answers.y), independent_share(groups)
    blocks = [_figures(patterns, rows, m) for rows in patterns.resample(rng)]
    samples = np.concatenate(blocks, axis=1)
    found = _figures(patterns, patterns.rows[None], m)[:, 0]
    scores = [
        Score(name, j >= answers.models, *_intervals(found[..., j], samples[..., j], n * share, lowest=0.0))
        for j, name in enumerate(answers.names)
    ]
    right = answers.given == answers.y[:, None]
    return Comparison(
        n,
        len(np.unique(answers.y)),
        scores,
        _duels(answers.names, right, groups, found, samples),
        len(answers.disagreeing),
        _by_words(answers.words, right),
        None if answers.column is None else _by_column(answers.column, right),
        share,
    )


def _figures(patterns: RowPatterns, rows: Integers, m: int) -> Array:
    """Return accuracy and macro-F1, shape (2, b, m), where `rows`, shape (b, u), says how often each pattern occurs."""
    counts = [patterns.counts(rows, j) for j in range(m)]
    return np.stack([np.stack([c.accuracy, c.macro_f1]) for c in counts], axis=-1)


def _intervals(found: Array, samples: Array, n: float, *, lowest: float) -> tuple[Interval, Interval]:
    """Return the intervals of accuracy and macro-F1 from figures of shape (2,) and resampled ones, shape (2, B).

    `n`: how many independent rows there are.
    Rows that all agree say nothing of those not met, though a bootstrap of them has no width: accuracy then gets the
    exact binomial bound, and macro-F1, for which there is none, no interval.
    """
    accuracy, macro_f1 = (Interval.of(float(value), drawn) for value, drawn in zip(found, samples, strict=True))
    if accuracy.is_point:
        value, width = accuracy.value, unseen(n)
        accuracy = Interval(value, max(value - width, lowest), min(value + width, 1.0))
    if macro_f1.is_point:
        macro_f1 = Interval(macro_f1.value, None, None)
    return accuracy, macro_f1


def _duels(names: Sequence[str], right: BoolArray, groups: Integers, found: Array, samples: Array) -> list[Duel]:
    first, rows = right[:, 0], len(right) * independent_share(groups)
    parted = [(first & ~right[:, j], right[:, j] & ~first) for j in range(1, len(names))]
    p_values = [_test(groups, *pair) for pair in parted]
    duels = []
    for j, (pair, p, raised) in enumerate(zip(parted, p_values, holm(p_values), strict=True), 1):
        differences = samples[..., 0] - samples[..., j]
        accuracy, macro_f1 = _intervals(found[:, 0] - found[:, j], differences, rows, lowest=-1.0)
        only_first, only_other = (int(only.sum()) for only in pair)
        duels.append(Duel(names[j], accuracy, macro_f1, only_first, only_other, p, raised))
    return duels


def _test(groups: Integers, only_first: BoolArray, only_other: BoolArray) -> float:
    """Return McNemar's p-value, of so many rows as the copies among those that only one has right are worth."""
    share = independent_share(groups[only_first | only_other])
    return mcnemar(round(share * int(only_first.sum())), round(share * int(only_other.sum())))


def _by_words(words: Integers, right: Integers) -> list[Slice]:
    """Return accuracy by quarters of the texts, the shortest first; equal lengths stay together."""
    edges = np.unique(np.quantile(words, [0.25, 0.5, 0.75], method="inverted_cdf"))
    _, part_of_row = np.unique(np.searchsorted(edges, words), return_inverse=True)
    parts = [words[part_of_row == part] for part in range(part_of_row.max() + 1)]
    return _slices([_span(int(part.min()), int(part.max())) for part in parts], part_of_row, right)


def _span(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def _by_column(values: Sequence[str | None], right: Integers) -> list[Slice]:
    """Return accuracy for each value of a column, the commonest first."""
    numbers: dict[str | None, int] = {}
    value_of_row = np.array([numbers.setdefault(value, len(numbers)) for value in values])
    return sorted(_slices(list(numbers), value_of_row, right), key=lambda part: (-part.n, part.value or ""))


def _slices(names: Sequence[str | None], of_row: Integers, right: Integers) -> list[Slice]:
    n = np.bincount(of_row)
    accuracy = np.stack([np.bincount(of_row, weights=column) for column in right.T], axis=1) / n[:, None]
    return [Slice(name, int(n[i]), tuple(accuracy[i].tolist())) for i, name in enumerate(names)]


# --- baselines -------------------------------------------------------------------------------------------------------

_C, _ITERATIONS = 10.0, 300  # scikit-learn's C = 1 costs up to 4 points on tables of some thousand rows


def commonest(labels: Sequence[str]) -> str:
    """Return the commonest label; of several, the first in the alphabet."""
    return min(Counter(labels).items(), key=lambda item: (-item[1], item[0]))[0]


def tfidf_logistic(texts: Sequence[str], labels: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Train scikit-learn's TF-IDF of words and bigrams with logistic regression; return the labels of `wanted`.

    Words are cut as everywhere in textclf. Raises DataError when the rows have one class only, or no word.
    """
    from warnings import catch_warnings, simplefilter

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    if len(set(labels)) < 2:
        raise DataError(
            f"training rows: expected at least two classes, found only {labels[0]!r}. Add rows of another class."
        )
    cut = _words(texts)
    if not any(cut):
        raise DataError(
            "training rows: expected words, found none in any text. Give the column of texts: --text-column."
        )
    tfidf = TfidfVectorizer(tokenizer=list, token_pattern=None, lowercase=False, ngram_range=(1, 2), sublinear_tf=True)
    regression = LogisticRegression(C=_C, max_iter=_ITERATIONS)
    with catch_warnings():
        simplefilter("ignore", ConvergenceWarning)  # the last digits do not matter to a baseline
        regression.fit(tfidf.fit_transform(cut), list(labels))
    return [str(label) for label in regression.predict(tfidf.transform(_words(wanted)))]


def _words(texts: Sequence[str]) -> list[list[str]]:
    tokens = tokenize(texts)
    words, offsets = tokens.strings(range(len(tokens.keys))), tokens.offsets.tolist()
    return [words[start:end] for start, end in pairwise(offsets)]
