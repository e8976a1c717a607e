"""What an explanation holds: one text, one label, and what each stretch of the text adds to the label's score."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from textclf.explain.neighbours import Neighbour
from textclf.storage.row_columns import SEPARATOR
from textclf.types import Array, Integers

Method = Literal["gradients", "leave-one-out"]

_DIGITS = 9  # of the figures in JSON: their sums then agree with each other to well below 1e-5


class TextPart(NamedTuple):
    """A token, or what stands between two: its place in `Explanation.spell`, and what it adds to the score."""

    string: str
    start: int
    end: int
    contribution: float
    is_token: bool


class Sum(NamedTuple):
    """All occurrences in a text of one word, or one n-gram: its kind, its string, how many, and what they add.

    `kind` is "words", "patterns", "chars" (kinds of n-grams, as in `NgramTable`), "vector" (a word's vector) or
    "column" (a column beside the text).
    """

    kind: str
    string: str
    occurrences: int
    contribution: float

    @property
    def note(self) -> str:
        """What is said after the string, where the string alone would be taken for a word n-gram."""
        return {"vector": " (vector)", "patterns": " (pattern)"}.get(self.kind, "")


class ColumnPart(NamedTuple):
    """A column beside the text, what stands there, and what it adds to the score."""

    name: str
    cell: str
    contribution: float


@dataclass(frozen=True)
class Explanation:
    """Why a text has this score for a label: ``base`` + the contributions of its parts and columns = ``score``.

    The score is the label's calibrated logit minus the mean of the other labels'; `base` is the score of an empty text.
    With leave-one-out nothing makes contributions add up: `base` is then what is left over.

    `spell` is what places refer to: the text, or its normal form where places in the text cannot be told.
    `starts`, `ends`, `contributions`, shape (T,): of the tokens. `between`, shape (T + 1,): what is added by that which
    stands before each token and after the last. `words_of_tokens`: the tokens in normal form.
    `ngrams`: the strongest n-grams, strongest first. `columns`: what stands beside the text, and what it adds.
    `text_columns`: the columns of the text, in which U+001F stands between two.
    """

    text: str
    label: str
    method: Method
    probability: float
    score: float
    base: float
    shown: str
    words_of_tokens: Sequence[str]
    starts: Integers
    ends: Integers
    contributions: Array
    between: Array
    ngrams: tuple[Sum, ...]
    like: tuple[Neighbour, ...] = ()
    columns: tuple[ColumnPart, ...] = ()
    text_columns: tuple[str, ...] = ("text",)

    @cached_property
    def parts(self) -> list[TextPart]:
        """The whole of `spell` cut into tokens and what stands between them, in order."""
        parts, place = [], 0
        before = self.between.tolist()
        tokens = zip(self.starts.tolist(), self.ends.tolist(), self.contributions.tolist(), strict=True)
        for number, (start, end, contribution) in enumerate(tokens):
            if start > place or before[number]:
                parts.append(TextPart(self.shown[place:start], place, start, before[number], is_token=False))
            parts.append(TextPart(self.shown[start:end], start, end, contribution, is_token=True))
            place = end
        if len(self.shown) > place or before[-1]:
            parts.append(TextPart(self.shown[place:], place, len(self.shown), before[-1], is_token=False))
        return parts

    @cached_property
    def columns_of_tokens(self) -> list[str | None]:
        """The column that each token stands in, where there are several."""
        if len(self.text_columns) == 1:
            return [None] * len(self.starts)
        ends = [place for place, letter in enumerate(self.shown) if letter == SEPARATOR]
        return [self.text_columns[number] for number in np.searchsorted(ends, self.starts).tolist()]

    @property
    def tokens(self) -> list[TextPart]:
        """The tokens, in order."""
        return [part for part in self.parts if part.is_token]

    @cached_property
    def words(self) -> list[Sum]:
        """The distinct words, all occurrences of each added up, strongest first."""
        counts: dict[str, int] = defaultdict(int)
        sums: dict[str, float] = defaultdict(float)
        words = zip(self.words_of_tokens, self.columns_of_tokens, self.contributions.tolist(), strict=True)
        for own, column, contribution in words:
            word = own if column is None else f"{column}: {own}"
            counts[word] += 1
            sums[word] += contribution
        found = [Sum("words", word, counts[word], total) for word, total in sums.items()]
        return sorted(found, key=lambda word: -abs(word.contribution))

    def strongest(self, most: int) -> tuple[list[Sum], list[Sum]]:
        """Return the words that speak for the label, and those that speak against it, at most so many of each."""
        speaking_for = [word for word in self.words if word.contribution > 0]
        against = [word for word in self.words if word.contribution < 0]
        return speaking_for[:most], against[:most]

    def as_dict(self) -> dict[str, Any]:
        """Return the explanation as plain values; `base` and all contributions add up to `score`."""
        return {
            "text": _on_lines(self.text),
            "label": self.label,
            "method": self.method,
            "probability": round(self.probability, 6),
            "score": round(self.score, _DIGITS),
            "base": round(self.base, _DIGITS),
            **({} if self.shown == self.text else {"normal_form": _on_lines(self.shown)}),
            "tokens": [
                {**_part(part), **({} if column is None else {"column": column})}
                for part, column in zip(self.tokens, self.columns_of_tokens, strict=True)
            ],
            "between": [_part(part) for part in self.parts if not part.is_token and part.contribution],
            "ngrams": [
                {**ngram._asdict(), "contribution": round(ngram.contribution, _DIGITS)} for ngram in self.ngrams
            ],
            **({"columns": list(map(_column, self.columns))} if self.columns else {}),
            **({"like": [neighbour.as_dict() for neighbour in self.like]} if self.like else {}),
        }


def _on_lines(text: str) -> str:
    """Return a text with a line for each of its columns, all characters at their places."""
    return text.replace(SEPARATOR, "\n")


def _column(part: ColumnPart) -> dict[str, Any]:
    return {"column": part.name, "value": part.cell, "contribution": round(part.contribution, _DIGITS)}


def _part(part: TextPart) -> dict[str, Any]:
    return {
        "token": part.string,
        "start": part.start,
        "end": part.end,
        "contribution": round(part.contribution, _DIGITS),
    }
