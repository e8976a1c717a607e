"""Which label a text gets, and whether it gets one: one rule for everything that labels texts.

A text gets its likeliest label unless the rule says otherwise:

- Costs: the label of the least expected cost, argmin over j of Σᵢ P[i] C[i, j], where C[i, j] is what label j costs for
  a text of class i. It abstains where that is more than abstaining costs (Chow 1970; Elkan 2001, section 1).
- Ordered labels: the label nearest to the expected rank, which has the least expected squared distance.
- Two classes, of which one is looked for: that one from a probability on, chosen by hand or for a wanted recall.
- Thresholds: the label, from a confidence on; below it the text gets no answer.
- Several labels a text: each label from a probability on.

A model file holds what rules are made from: the order of the labels, and the held-out confidence record. Costs and
thresholds are given when texts are labelled. They belong to a use of a model, of which one model may have several.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np

from textclf.errors import DataError, ModelError, TextclfError
from textclf.labels import unknown_label
from textclf.model.abstention import ConfidenceRecord
from textclf.model.card import Bounds, read_as
from textclf.types import Array, BoolArray, Integers

_MOST_LABELS = 1000
"""Costs of more would fill the memory: k² of them."""
Money = Annotated[float, Bounds(-1e12, 1e12)]


@dataclass(frozen=True)
class Decision:
    """A rule for P, the calibrated probabilities of n texts, shape (n, k).

    `costs`: C, shape (k, k), truth by given label. `ranks`: the place of each label in their order, shape (k,).
    `positive_from`: the number of one of two classes, and the probability from which on it is given.
    `answer_from`: the confidence from which on each label is given, shape (k,); inf for never.
    `abstain_cost`: what it costs to give no answer. `least_known_share`: for each kind of n-grams, the known share
    below which a text is too unlike those of training for an answer.
    `each_from`: of a multi-label model the probability from which on each label is given, shape (k,).
    """

    costs: Array | None = None
    ranks: Integers | None = None
    positive_from: tuple[int, float] | None = None
    answer_from: Array | None = None
    abstain_cost: float | None = None
    least_known_share: Array | None = None
    each_from: Array | None = None

    @property
    def gives_likeliest(self) -> bool:
        """Whether each text's label is its likeliest one."""
        return all(rule is None for rule in (self.costs, self.ranks, self.positive_from, self.each_from))

    @property
    def may_abstain(self) -> bool:
        """Whether a text may get no answer."""
        return self.answer_from is not None or self.abstain_cost is not None

    def choose(self, P: Array) -> Integers:
        """Return the class number of each text's label, shape (n,)."""
        classes: Integers
        if self.positive_from is not None:
            positive, threshold = self.positive_from
            classes = np.where(P[:, positive] >= threshold, positive, 1 - positive)
        elif self.costs is not None:
            classes = self.expected_costs(P).argmin(axis=1)
        elif self.ranks is not None:
            expected = np.einsum("nj,j->n", P, self.ranks)
            classes = self.ranks.argsort()[np.ceil(expected - 0.5).astype(np.int64)]
        else:
            classes = P.argmax(axis=1)
        return classes

    def expected_costs(self, P: Array) -> Array:
        """Return the expected cost of giving each label to each text, P C, shape (n, k)."""
        assert self.costs is not None
        expected: Array = np.einsum("ni,ij->nj", P, self.costs)  # not BLAS: a text's costs are the same in any batch
        return expected

    def give(self, P: Array) -> BoolArray:
        """Return which labels each text gets, shape (n, k): one, or, of a multi-label model, any number."""
        given: BoolArray
        if self.each_from is None:
            given = self.choose(P)[:, None] == np.arange(P.shape[1])
        else:
            given = np.greater_equal(P, self.each_from)
        return given

    def find_answered(self, P: Array, known: Integers, known_shares: Array) -> BoolArray:
        """Return which texts get an answer, shape (n,); `known` and `known_shares` as in `Predictions`."""
        answered = np.ones(len(P), np.bool_)
        if self.answer_from is not None:
            classes = self.choose(P)
            answered &= P[np.arange(len(P)), classes] >= self.answer_from[classes]
        if self.abstain_cost is not None:
            answered &= self.expected_costs(P).min(axis=1) <= self.abstain_cost
        if self.least_known_share is not None:
            answered &= find_familiar(known, known_shares, self.least_known_share)
        return answered


LIKELIEST = Decision()
"""The likeliest label of each text."""


def find_familiar(known: Integers, known_shares: Array, least: Array | float) -> BoolArray:
    """Return which texts are like those of training, shape (n,): not all unknown, n-grams known as usual."""
    # With vectors of another language n-grams may be all that is known of a text.
    anything_known = (known > 0) | (known_shares > 0).any(axis=1)
    familiar: BoolArray = anything_known & (known_shares >= least).all(axis=1)
    return familiar


# --- what a user asks for -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Costs:
    """What each confusion costs, and what it costs to give no answer (None: every text gets one).

    `confusions`: truth, given label, cost; a right label may have a cost, too, or a gain below 0. Pairs that are not
    listed cost 1, right labels 0.
    """

    confusions: tuple[tuple[str, str, float], ...] = ()
    abstain: float | None = None

    @staticmethod
    def of(value: object) -> "Costs":
        """Return costs that were JSON: ``{"costs": {"ham": {"spam": 10}}, "abstain": 0.5}``.

        Raises ValueError that names the part and what was expected.
        """
        fields = read_as(_CostsFile, value)
        others = sorted({str(name) for name in value} - {"costs", "abstain"}) if isinstance(value, dict) else []
        if others:
            raise ValueError(f"expected costs and abstain, found {others[0][:40]!r}")
        pairs = ((truth, given, cost) for truth, row in (fields.costs or {}).items() for given, cost in row.items())
        return Costs(tuple(pairs), fields.abstain)

    @staticmethod
    def read(path: Path) -> "Costs":
        """Return the costs of a JSON file; raises DataError when it cannot be read, or is something else."""
        try:
            return Costs.of(json.loads(path.read_text("utf-8-sig")))
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror}). Check the name.") from error
        except (ValueError, RecursionError) as error:
            shape = '{"costs": {"ham": {"spam": 10}}, "abstain": 0.5}'
            raise DataError(f"{path}: expected costs such as {shape}, found others ({error}). Correct it.") from None

    def matrix(self, labels: tuple[str, ...]) -> Array:
        """Return C, shape (k, k), truth by given label; raises ModelError at a label that is not among these."""
        if len(labels) > _MOST_LABELS:
            raise ModelError(f"costs: expected a model of at most {_MOST_LABELS:,} labels, found {len(labels):,}.")
        places = {label: place for place, label in enumerate(labels)}
        C = 1.0 - np.eye(len(labels))
        for truth, given, cost in self.confusions:
            for label in (truth, given):
                if label not in places:
                    raise ModelError(f"costs: {unknown_label(label, labels)}")
            C[places[truth], places[given]] = cost
        return C


@dataclass(frozen=True)
class _CostsFile:
    costs: Mapping[str, Mapping[str, Money]] | None = None
    abstain: Money | None = None


@dataclass(frozen=True)
class DecisionSettings:
    """What a user asks of decisions. Nothing at all asks for the model's own rule.

    `threshold`: the confidence that an answer needs; `label_thresholds` those of single labels. With `positive`, one of
    two labels, `threshold` is the probability from which on that label is given, or `target_recall` finds it.
    `target_precision`: the precision that answers are to have.
    Raises TextclfError when two of them do not go together.
    """

    threshold: float | None = None
    label_thresholds: tuple[tuple[str, float], ...] = ()
    target_precision: float | None = None
    costs: Costs | None = None
    positive: str | None = None
    target_recall: float | None = None

    def __post_init__(self) -> None:
        asked = {
            "threshold": self.threshold is not None or bool(self.label_thresholds),
            "target precision": self.target_precision is not None,
            "costs": self.costs is not None,
            "target recall": self.target_recall is not None,
        }
        rules = [name for name, is_asked in asked.items() if is_asked]
        if len(rules) > 1:
            raise TextclfError(f"decision: expected one rule, found {' and '.join(rules)}. Leave all but one out.")
        if self.target_recall is not None and self.positive is None:
            raise TextclfError("target recall: expected a positive label to find, found none. Name it.")
        if self.positive is not None and (self.label_thresholds or rules not in ([], ["threshold"], ["target recall"])):
            raise TextclfError("positive: expected a threshold or a target recall beside it, found another rule.")

    @property
    def purpose(self) -> str | None:
        """The rule that goes with one label a text alone; None where there is none."""
        rules = {"target precision": self.target_precision, "costs": self.costs, "positive": self.positive}
        return next((name for name, rule in rules.items() if rule is not None), None)

    def make(self, labels: tuple[str, ...], base: Decision, record: ConfidenceRecord | None) -> Decision:
        """Return the rule for a model of these labels, whose own rule is `base`.

        Raises ModelError when the model lacks a label, or cannot promise what is asked for.
        """
        if base.each_from is not None:
            common = base.each_from.copy() if self.threshold is None else np.full(len(labels), self.threshold)
            return replace(base, each_from=self._thresholds(labels, common))
        if self.positive is not None:
            return self._make_positive(labels, base, record)
        if self.costs is not None:
            return Decision(costs=self.costs.matrix(labels), abstain_cost=self.costs.abstain)
        if self.target_precision is not None:
            held_out = _require(record, "target precision")
            thresholds = held_out.thresholds(self.target_precision, len(labels))
            return replace(base, answer_from=thresholds, least_known_share=held_out.least_known_share)
        if self.threshold is not None or self.label_thresholds:
            return replace(base, answer_from=self._thresholds(labels, np.full(len(labels), self.threshold or 0.0)))
        return base

    def _thresholds(self, labels: tuple[str, ...], thresholds: Array) -> Array:
        for label, threshold in self.label_thresholds:
            if label not in labels:
                raise ModelError(f"threshold: {unknown_label(label, labels)}")
            thresholds[labels.index(label)] = threshold
        return thresholds

    def _make_positive(self, labels: tuple[str, ...], base: Decision, record: ConfidenceRecord | None) -> Decision:
        assert self.positive is not None
        positive = find_positive(self.positive, labels)
        if self.target_recall is not None:
            threshold = _require(record, "target recall").recall_threshold(self.target_recall, positive, self.positive)
            return replace(base, positive_from=(positive, threshold))
        return base if self.threshold is None else replace(base, positive_from=(positive, self.threshold))


OWN_RULE = DecisionSettings()
"""Asks for the rule that the model has."""


def find_positive(label: str, labels: tuple[str, ...]) -> int:
    """Return the number of the label that is looked for; raises ModelError unless it is one of two."""
    if len(labels) != 2:
        raise ModelError(f"positive: expected a model of two labels, found {len(labels):,}. Use threshold or costs.")
    if label not in labels:
        raise ModelError(f"positive: {unknown_label(label, labels)}")
    return labels.index(label)


def _require(record: ConfidenceRecord | None, purpose: str) -> ConfidenceRecord:
    if record is None or not len(record.confidence):
        raise ModelError(f"{purpose}: expected a model with validation rows, found one without. Train again.")
    return record
