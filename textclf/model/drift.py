"""Whether texts are like those of training: in length, in words and n-grams unknown, and in how sure the model is.

Each quantity of a text falls into one of 64 cells of a fixed grid, so counts of any number of texts, in any pieces,
add up in constant memory. Training keeps the counts of its own texts in the model: of all rows as the other rows know
them, and of the confidence in rows that the model was not fitted to.

Two tables differ in a quantity when both hold:

* chance does not explain it: a chi-square test of homogeneity over up to ten bins, which hold about equally many texts
  of training, gives p < 0.001 over the number of quantities, so that at most one in a thousand tables drawn from
  training's own source is called different, whatever its size;
* it is no trifle: their total variation distance over these bins, the share of the texts that would have to be others,
  is at least 0.2, in confidence 0.3: the model that is used has seen more rows than those that judged validation
  rows, and is a little surer. Confidences beyond 0.99 count as one: who is nearly always sure may be so in another
  way. The larger a table, the smaller the differences that chance cannot explain.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.text.ngrams import NGRAM_NAMES
from textclf.types import Array, Integers

CELLS = 64
FALSE_ALARMS = 1e-3
LEAST_DISTANCE = {"share": 0.2, "length": 0.2, "confidence": 0.3}
FEWEST_TEXTS = 100
"""Of fewer texts nothing is said: of 50, chance goes beyond chi-square's tail a little more often than that says."""
_BINS = 10
_NAMED = 2
_LENGTHS_A_DOUBLING = 4
_WIDEST_LOGIT = 8.0
_SURE = 0.99

UNKNOWN_WORDS, LENGTH, CONFIDENCE = "unknown words", "length in words", "confidence"

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Quantity:
    """What two tables are compared in, and how its cells read: `kind` is share, length or confidence."""

    name: str
    kind: str

    def cells(self, values: Array) -> Integers:
        """Return the cell of each value, shape (n,)."""
        if self.kind == "length":
            places = np.log2(1.0 + values) * _LENGTHS_A_DOUBLING
        elif self.kind == "confidence":  # finer the nearer to 0 and 1, where many models are nearly always
            inside = np.clip(np.asarray(values, np.float64), 1e-9, 1 - 1e-9)
            places = (np.log(inside / (1 - inside)) / _WIDEST_LOGIT + 1) * (CELLS / 2)
        else:
            places = np.asarray(values, np.float64) * CELLS
        cells: Integers = np.clip(places, 0, CELLS - 1).astype(np.int64)
        return cells

    def value(self, cell: int) -> float:
        """Return the value that stands in the middle of a cell."""
        if self.kind == "length":
            return float(round(2.0 ** ((cell + 0.5) / _LENGTHS_A_DOUBLING) - 1))
        if self.kind == "confidence":
            return 1 / (1 + math.exp(-((cell + 0.5) * 2 / CELLS - 1) * _WIDEST_LOGIT))
        return 0.0 if cell == 0 else (cell + 0.5) / CELLS

    def shown(self, value: float) -> str:
        """Return a value as people read it."""
        return f"{value:.0f}" if self.kind == "length" else f"{value:.0%}" if self.kind == "share" else f"{value:.2f}"


def quantities(ngram_kinds: Sequence[str]) -> tuple[Quantity, ...]:
    """Return the quantities of a model with these kinds of n-grams, in the order of the rows of `Profile.counts`."""
    return (
        Quantity(UNKNOWN_WORDS, "share"),
        Quantity(LENGTH, "length"),
        Quantity(CONFIDENCE, "confidence"),
        *(Quantity(f"unknown {NGRAM_NAMES[kind]}", "share") for kind in ngram_kinds),
    )


@dataclass
class Profile:
    """How many texts fall into each cell of each quantity: `counts`, shape (number of quantities, CELLS).

    A row of zeros says nothing: it is of a quantity that was not to be had.
    """

    quantities: tuple[Quantity, ...]
    counts: Counts = field(default_factory=lambda: np.zeros((0, CELLS), np.int64))

    def __post_init__(self) -> None:
        if not len(self.counts):
            self.counts = np.zeros((len(self.quantities), CELLS), np.int64)

    def add_texts(self, tokens: Integers, known: Integers, known_shares: Array, *, words: bool = True) -> None:
        """Count texts by their numbers of words and of known words, shape (n,), and the known shares of n-grams.

        `known_shares`: shape (n, number of kinds). With `words` False known words are not counted.
        """
        if words:
            self._add(0, 1.0 - known / np.maximum(tokens, 1))
        self._add(1, tokens)
        for kind in range(known_shares.shape[1]):
            self._add(3 + kind, 1.0 - known_shares[:, kind])

    def add_confidence(self, confidence: Array) -> None:
        """Count texts by the probability of their label, shape (n,)."""
        self._add(2, confidence)

    def merge(self, other: "Profile") -> None:
        """Add the counts of another profile of the same quantities."""
        self.counts += other.counts

    def _add(self, row: int, values: Array | Integers) -> None:
        self.counts[row] += np.bincount(self.quantities[row].cells(np.asarray(values, np.float64)), minlength=CELLS)


@dataclass(frozen=True)
class Difference:
    """How far two tables part in a quantity: `distance` in total variation, 0 to 1; `p`: how often chance does that.

    `reference` and `found` are the medians in training and in the other table.
    """

    quantity: Quantity
    distance: float
    p: float
    reference: float
    found: float
    differs: bool

    def __str__(self) -> str:
        name, shown = self.quantity.name, self.quantity.shown
        found, reference = shown(self.found), shown(self.reference)
        if found == reference:
            return f"{name} of another spread ({found} at the median of both)"
        return f"{name} {found} at the median, {reference} in training"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        figures = {"distance": round(self.distance, 4), "p": self.p, "training": self.reference, "found": self.found}
        least = LEAST_DISTANCE[self.quantity.kind]
        return {"quantity": self.quantity.name, "differs": self.differs, "least_distance": least, **figures}


@dataclass(frozen=True)
class Drift:
    """How `texts` texts compare with those of training; no differences are known of fewer than `FEWEST_TEXTS`."""

    texts: int
    differences: tuple[Difference, ...]

    @property
    def differs(self) -> bool:
        """Whether the texts are clearly unlike those of training."""
        return any(each.differs for each in self.differences)

    @property
    def seems_trained_on(self) -> bool:
        """Whether words or n-grams are known far better than those of texts that are new to a model."""
        shares = [each for each in self.differences if each.differs and each.quantity.kind == "share"]
        return bool(shares) and all(each.found < each.reference for each in shares)

    @property
    def warning(self) -> str:
        """What there is to say, in two sentences; nothing when the texts do not differ."""
        if not self.differs:
            return ""
        if self.seems_trained_on:
            return f"the model seems to have been trained on these texts: {self}. Figures will be too good."
        return f"texts unlike those of training: {self}. Figures and promises of validation need not hold."

    def __str__(self) -> str:
        found = sorted((each for each in self.differences if each.differs), key=lambda each: -each.distance)
        others = f"; {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        return "; ".join(map(str, found[:_NAMED])) + others

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "texts": self.texts,
            "differs": self.differs,
            "seems_trained_on": self.seems_trained_on,
            "false_alarms": FALSE_ALARMS,
            "quantities": [each.as_dict() for each in self.differences],
        }


def measure_drift(reference: Profile, found: Profile, independent: float = 1.0) -> Drift:
    """Return how the texts counted in `found` compare with those of training, counted in `reference`.

    `independent`: the share of the texts that the test counts, because copies of a text count about once.
    """
    texts = int(found.counts[1].sum())
    if texts * independent < FEWEST_TEXTS:
        return Drift(texts, ())
    rows = [i for i in range(len(reference.quantities)) if reference.counts[i].any() and found.counts[i].any()]
    doubt = FALSE_ALARMS / max(len(rows), 1)
    each = (
        _difference(reference.quantities[i], reference.counts[i], found.counts[i] * independent, doubt) for i in rows
    )
    return Drift(texts, tuple(each))


def _difference(quantity: Quantity, reference: Counts, found: Counts | Array, doubt: float) -> Difference:
    together = _cells_together(quantity)
    merged = np.bincount(together, weights=reference, minlength=CELLS)
    bins = _equal_bins(merged)[together]
    one, other = (np.bincount(bins, weights=counts, minlength=_BINS) for counts in (reference, found))
    distance = 0.5 * float(np.abs(one / one.sum() - other / other.sum()).sum())
    p = homogeneity(one, other)
    middle, middle_found = quantity.value(_median(reference)), quantity.value(_median(found))
    differs = p < doubt and distance >= LEAST_DISTANCE[quantity.kind]
    return Difference(quantity, distance, p, middle, middle_found, differs)


def _cells_together(quantity: Quantity) -> Integers:
    """Return the cell that each cell is counted in, shape (CELLS,): those of confidences beyond `_SURE` are one."""
    cells = np.arange(CELLS)
    if quantity.kind != "confidence":
        return cells
    sure = [cell for cell in range(CELLS) if quantity.value(cell) > _SURE]
    unsure = [cell for cell in range(CELLS) if quantity.value(cell) < 1 - _SURE]
    return np.clip(cells, unsure[-1], sure[0])


def _equal_bins(counts: Counts | Array) -> Integers:
    """Return the bin of each cell, shape (CELLS,): up to ten stretches of cells with about equally many texts."""
    middles = np.cumsum(counts) - counts / 2
    bins: Integers = np.minimum(middles / counts.sum() * _BINS, _BINS - 1).astype(np.int64)
    return bins


def _median(counts: Counts | Array) -> int:
    return int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))


def homogeneity(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    """Return how often counts that come from one source differ so much: the p-value of the chi-square test.

    The tail of chi-square is taken by Wilson and Hilferty's cube root (1931), within some per cent of the exact one.
    """
    n, m = one.sum(), other.sum()
    filled = one + other > 0
    one, other = one[filled], other[filled]
    degrees = len(one) - 1
    if degrees < 1:
        return 1.0
    chi_square = float(((math.sqrt(m / n) * one - math.sqrt(n / m) * other) ** 2 / (one + other)).sum())
    spread = 2 / (9 * degrees)
    z = ((chi_square / degrees) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)
    return 0.5 * math.erfc(z / math.sqrt(2))
