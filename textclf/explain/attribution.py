"""What each word and n-gram of a text adds to a label's score, exactly or along a path.

The score of label c is its logit minus the mean of the other labels': a contrast v · Z[L] / T, where v has 1 at c and
−1 / (k − 1) elsewhere, and T is the temperature of the probabilities. (The mean, and not the runner-up: so all texts of
a label are measured with one yardstick, and what they show can be added up.) It is a sum; with T left out:

    v · Z[L] = v · f(S) + Σ_g C_g (U_g · v) + Σ_p C'_p (R_p · v)    over word n-grams and patterns g, and pieces p;
                                                                    f is the network
             + Σ_m D_m (V_m · v)             over the columns beside the text, if there are any
    v · f(S) = v · f(0) + Σ_w C_w (E_w · G)          over its words w

`G`, one row a text, is the gradient of v · f with respect to S. Without hidden layers it is vᵀ W wherever S is, and
the sums are exact. With hidden layers it is the mean of the gradients along the straight path from S = 0, the average
text, to S: integrated gradients (Sundararajan et al. 2017, eq. 1 and 3).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from textclf.explain.explanation import ColumnPart, Explanation, Method, Sum
from textclf.explain.sources import (
    OtherSource,
    PatternSource,
    PieceSource,
    Segments,
    Source,
    TokenSource,
    place_ngrams,
    place_words,
    text_bounds,
)
from textclf.model.model import Model
from textclf.nn.network import Network
from textclf.storage.row_columns import SEPARATOR
from textclf.text.csr import SparseRows
from textclf.text.features import CutRows
from textclf.text.patterns import OrderedPieces
from textclf.text.tokenizer import decode, origins
from textclf.types import Array, Integers

SUM_TOLERANCE = 5e-4
"""With hidden layers, how far contributions may be from adding up to the score's rise, over the whole of the path …"""

_SHARE_OF_A_JUMP = 1 / 16  # … of which a piece in which the gradient jumps may take so much, however short it is
_SHARE_OF_A_SCORE = 1e-6
"""What is allowed of a large rise of a score: below it are the last digits of float64, which no piece adds up to."""
_FIRST_PIECES, _SHORTEST_PIECE = 8, 2.0**-24
_PIECES_AT_ONCE = 1 << 13
_ENTRIES = 1 << 14  # entries whose rows of E are taken at a time
_TEXTS_AT_ONCE = 4096  # texts with a word left out that are scored at a time


@dataclass(frozen=True)
class ExplainSettings:
    """What is explained: `label`, or each text's own when None; how; and how many n-grams are listed for each text."""

    label: str | None = None
    method: Method = "gradients"
    ngrams: int = 10


def explain(model: Model, rows: Sequence[str], settings: ExplainSettings = ExplainSettings()) -> list[Explanation]:
    """Return an explanation of each row, in order.

    Raises ValueError at a label that the model does not have, and ModelError when it gives several labels.
    """
    explanations: list[Explanation] = []
    for block in attribute_blocks(model, rows, settings.label):
        explanations += block.explanations(settings.ngrams)
    if settings.method == "leave-one-out":
        return _leave_out(model, explanations)
    return explanations


def attribute_blocks(model: Model, rows: Sequence[str], label: str | None) -> Iterator["AttributedTexts"]:
    """Give the rows with what their words, n-grams and other columns add, a block of consecutive rows at a time."""
    model.require_one_label("explain")
    chosen = None if label is None else model.labels.index(label)
    for block in model.features.cut(rows) if rows else ():
        yield AttributedTexts(model, block, chosen)


def scores(Z: Array, classes: Integers) -> Array:
    """Return v · Z for each row of Z, shape (n, k): its class's number minus the mean of the others; shape (n,)."""
    k = Z.shape[1]
    score: Array = (k * Z[np.arange(len(Z)), classes] - Z.sum(axis=1)) / (k - 1)
    return score


def mean_gradient(network: Network, S: Array, classes: Integers) -> Array:
    """Return G, shape of S: the gradient of each row's score, averaged along the path from 0 to its row of S.

    A piece of the path is done when the gradient in its middle foretells the score's rise along it; else it is halved.
    So pieces are short only where the gradient jumps, as with ReLU, and few of them are.
    """
    k = network.sizes[-1]
    V = np.full((len(S), k), -1.0 / (k - 1))
    V[np.arange(len(S)), classes] = 1.0
    if len(network.layers) == 1:
        linear: Array = V @ network.layers[0].W
        return linear
    G, width = np.zeros_like(S), 1.0 / _FIRST_PIECES
    whole = (V * (_logits(network, S) - _logits(network, np.zeros_like(S)))).sum(axis=1)
    tolerance = np.maximum(SUM_TOLERANCE, _SHARE_OF_A_SCORE * np.abs(whole))
    rows = np.repeat(np.arange(len(S)), _FIRST_PIECES)
    begins = np.tile(np.arange(_FIRST_PIECES) * width, len(S))
    while len(rows):
        allowed = tolerance * max(width, _SHARE_OF_A_JUMP)
        halved = []
        for first in range(0, len(rows), _PIECES_AT_ONCE):
            row, t = rows[first : first + _PIECES_AT_ONCE], begins[first : first + _PIECES_AT_ONCE, None]
            path, v = S[row], V[row]
            gradient = network.backward(v, network.forward(path * (t + 0.5 * width))).dX * width
            rise = (v * (_logits(network, path * (t + width)) - _logits(network, path * t))).sum(axis=1)
            is_done = np.abs((path * gradient).sum(axis=1) - rise) <= allowed[row]
            is_done |= width <= _SHORTEST_PIECE
            np.add.at(G, row[is_done], gradient[is_done])
            halved.append(first + np.flatnonzero(~is_done))
        again = np.concatenate(halved)
        width *= 0.5
        rows, begins = np.repeat(rows[again], 2), np.repeat(begins[again], 2)
        begins[1::2] += width
    return G


class AttributedTexts:
    """Some consecutive texts and what adds to their scores for their own labels, or for the class `chosen`."""

    def __init__(self, model: Model, block: CutRows, chosen: int | None) -> None:
        self.model, self.rows, self.texts, self.tokens = model, block.rows, block.texts, block.tokens
        self.matrix = model.features.extract_tokens([block])
        S, wide = model.sums(self.matrix)
        Z = model.exact_network.forward(S, wide=wide).Z[-1]
        self.P = model.probabilities_of(Z)
        self.scale = 1.0 / model.temperature
        self.classes: Integers = model.decision.choose(self.P) if chosen is None else np.full(len(block.rows), chosen)
        self.scores = self.scale * scores(Z, self.classes)
        self.bases = self.scale * scores(_logits(model.exact_network, np.zeros_like(S)), self.classes)
        self.segments = Segments(block.tokens)
        self.sources: list[Source] = [self._vectors(S), *self._ngrams()]
        self.others = self._other_columns()

    def explanations(self, most_ngrams: int) -> Iterator[Explanation]:
        """Give the explanation of each text."""
        tokens, labels = self.tokens, self.model.labels
        shares = np.zeros(self.segments.count)
        for source in self.sources:
            shares += source.shares(len(shares))
        ngrams, columns = self._strongest(most_ngrams), self._columns_of_rows()
        for number, (text, begin, end) in enumerate(zip(self.texts, *text_bounds(tokens), strict=True)):
            first, last = tokens.offsets[number : number + 2]
            codes = tokens.codes[begin:end]
            starts, ends = tokens.starts[first:last] - begin, tokens.ends[first:last] - begin
            normal = decode(codes)
            words = [normal[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
            origin = origins(text, codes)
            if origin is not None:
                starts, ends = origin[starts], origin[ends - 1] + 1
            segments = shares[self.segments.of_text(number)]
            label = int(self.classes[number])
            yield Explanation(
                text=text,
                label=labels[label],
                method="gradients",
                probability=float(self.P[number, label]),
                score=float(self.scores[number]),
                base=float(self.bases[number]),
                shown=normal if origin is None else text,
                words_of_tokens=words,
                starts=starts,
                ends=ends,
                contributions=segments[1::2],
                between=segments[::2],
                ngrams=ngrams[number],
                columns=columns[number],
                text_columns=self.model.features.columns.texts,
            )

    def sums(self) -> Iterator[tuple[int, Sum]]:
        """Give each word, n-gram and other feature with the class of its texts, and what it adds to them all."""
        for source in (*self.sources, *([] if self.others is None else [self.others])):
            ids = self.classes[source.matrix.row_numbers].astype(np.int64) << 32 | source.matrix.columns
            distinct, firsts, inverse = np.unique(ids, return_index=True, return_inverse=True)
            totals = np.bincount(inverse, weights=source.values, minlength=len(distinct)).tolist()
            counts = np.bincount(inverse, weights=source.counts(), minlength=len(distinct)).astype(np.int64).tolist()
            strings = source.strings(self.tokens, firsts)
            for number, string, count, total in zip((distinct >> 32).tolist(), strings, counts, totals, strict=True):
                yield number, Sum(source.kind, string, count, total)

    def _vectors(self, S: Array) -> Source:
        matrix, table, E = self.matrix.words, self.model.features.words, self.model.E
        G = self.scale * mean_gradient(self.model.exact_network, S, self.classes)
        by_passage = matrix.unfold(self.model.features.passages)
        values, rows, G = matrix.data.astype(np.float64), by_passage.row_numbers, G.reshape(len(by_passage), -1)
        for start in range(0, len(values), _ENTRIES):
            part = slice(start, start + _ENTRIES)
            values[part] *= np.einsum("ij,ij->i", E[by_passage.columns[part]], G[rows[part]])
        rows = self.model.features.word_columns(self.tokens, table.rows_of(self.tokens, self.texts))
        placed = place_words(matrix, self.tokens, rows)
        return TokenSource("vector", matrix, values, placed, self.segments.of_tokens(), self._names)

    def _ngrams(self) -> Iterator[Source]:
        features, wide, segments = self.model.features, self.matrix.ngrams, self.segments
        for table, kind in zip(features.ngrams, features.kinds, strict=True):
            if table.kind == "chars":
                _, R = wide.double().spread(self.model.U)
                yield PieceSource.of(wide.pieces, self._values(wide.pieces, R, wide.pieces.columns), segments)
                continue
            C = _columns(wide.ngrams, kind)
            values = self._straight(C, kind.start)
            if table.kind == "words":
                placed = place_ngrams(C, self.tokens, table)
                yield TokenSource("words", C, values, placed, segments.of_words(), self._names)
            else:
                pieces = OrderedPieces.of(self.tokens, self.texts).units(table.common)
                placed = place_ngrams(C, pieces, table)
                yield PatternSource("patterns", C, values, placed, segments.of_pieces(pieces), pieces=pieces)

    @property
    def _names(self) -> tuple[str, ...]:
        """The text columns that are kept apart, if any are."""
        features = self.model.features
        return features.columns.texts if features.is_apart else ()

    def _other_columns(self) -> OtherSource | None:
        """Return what columns beside the text add; None where there are none."""
        features = self.model.features
        if not features.others.width:
            return None
        D = _columns(self.matrix.ngrams.ngrams, features.of_others)
        return OtherSource(D, self._straight(D, features.of_others.start), features.others.names)

    def _columns_of_rows(self) -> list[tuple[ColumnPart, ...]]:
        """Return what each other column of each row adds: its value, and that it is missing."""
        columns, others = self.model.features.columns, self.model.features.others
        if self.others is None:
            return [()] * len(self.rows)
        numbers = {name: number for number, name in enumerate((*columns.categories, *columns.numbers))}
        owners = np.array([numbers[name] for name in others.owners], np.int64)
        D = self.others.matrix
        added = np.zeros((len(self.rows), len(numbers)))
        np.add.at(added, (D.row_numbers, owners[D.columns]), self.others.values)
        return [
            tuple(ColumnPart(*part) for part in zip(numbers, cells, row, strict=True))
            for cells, row in zip(columns.others(self.rows), added.tolist(), strict=True)
        ]

    def _straight(self, matrix: SparseRows, first: int) -> Array:
        """Return what each entry of a matrix adds whose columns stand for the rows of U from `first` on."""
        rows, columns = np.unique(matrix.columns, return_inverse=True)
        return self._values(matrix, self.model.U[rows + first], columns)

    def _values(self, matrix: SparseRows, rows: Array, columns: Integers) -> Array:
        """Return what each entry of a matrix adds to its text's score, given the rows that its columns stand for."""
        rows = rows.astype(np.float64)
        k = rows.shape[1]
        own = rows[columns, self.classes[matrix.row_numbers]]
        values: Array = matrix.data.astype(np.float64) * (self.scale / (k - 1)) * (k * own - rows.sum(axis=1)[columns])
        return values

    def _strongest(self, most: int) -> list[tuple[Sum, ...]]:
        """Return the strongest word vectors and n-grams of each text, at most so many."""
        found: list[list[Sum]] = [[] for _ in self.rows]
        for source in self.sources:
            texts = source.matrix.row_numbers
            order = np.lexsort((-np.abs(source.values), texts))
            ranks = np.arange(len(order)) - source.matrix.offsets[texts]  # entries stand by texts, before and after
            wanted = order[ranks < most]
            counts = source.counts()[wanted].tolist()
            rows = zip(texts[wanted].tolist(), source.strings(self.tokens, wanted), counts,
                       source.values[wanted].tolist(), strict=True)  # fmt: skip
            for text, string, count, value in rows:
                found[text].append(Sum(source.kind, string, count, value))
        return [tuple(sorted(sums, key=lambda one: -abs(one.contribution))[:most]) for sums in found]


def _columns(matrix: SparseRows, wanted: slice) -> SparseRows:
    """Return these columns of a matrix."""
    if wanted == slice(0, matrix.width):
        return matrix
    places = np.full(matrix.width, -1, np.int32)
    places[wanted] = np.arange(wanted.stop - wanted.start)
    return matrix.renumber(places, wanted.stop - wanted.start)


def _logits(network: Network, S: Array) -> Array:
    return network.forward(S).Z[-1]


def _leave_out(model: Model, explanations: list[Explanation]) -> list[Explanation]:
    """Return the explanations with what each token adds: the score's fall when it is left out of the text."""
    texts, classes = [], []
    for explanation in explanations:
        for start, end in zip(explanation.starts.tolist(), explanation.ends.tolist(), strict=True):
            text = f"{explanation.shown[:start]} {explanation.shown[end:]}"
            texts.append(SEPARATOR.join([text, *(part.cell for part in explanation.columns)]))
        classes += [model.labels.index(explanation.label)] * len(explanation.starts)
    without = np.empty(len(texts))
    for first in range(0, len(texts), _TEXTS_AT_ONCE):
        part = slice(first, first + _TEXTS_AT_ONCE)
        S, wide = model.sums(model.features.extract(texts[part]))
        Z = model.exact_network.forward(S, wide=wide).Z[-1] / model.temperature
        without[part] = scores(Z, np.array(classes[part]))
    explained, first = [], 0
    for explanation in explanations:
        falls = explanation.score - without[first : first + len(explanation.starts)]
        first += len(falls)
        base = explanation.score - float(falls.sum()) - sum(part.contribution for part in explanation.columns)
        between = np.zeros_like(explanation.between)
        explained.append(replace(explanation, method="leave-one-out", contributions=falls, between=between, base=base))
    return explained


# --- what matters for each class over all ----------------------------------------------------------------------------

_DIGITS = 6


@dataclass(frozen=True)
class ClassSummary:
    """What speaks most for a label, strongest first; `texts`, when texts were given: how many got this label."""

    label: str
    sums: list[Sum]
    texts: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as plain values."""
        sums = [{**one._asdict(), "contribution": round(one.contribution, _DIGITS)} for one in self.sums]
        return {"label": self.label, **({} if self.texts is None else {"texts": self.texts}), "strongest": sums}


def strongest_words(model: Model, most: int) -> list[ClassSummary]:
    """Return for each label the words of the model's vocabulary that speak most for it.

    What a word adds is how much higher the label's score is for the text that is this word alone than for an empty
    one: by its vector, and by those n-grams that the word by itself has. How common it is counts for nothing.
    """
    model.require_one_label("explain")
    words = list(model.words)
    matrix = model.features.extract(model.features.columns.fill(["", *words]))
    Z = model.logits(matrix) / model.temperature
    Z, matrix = Z[1:] - Z[0], matrix.slice(1, len(matrix))
    k = len(model.labels)
    added = (k * Z - Z.sum(axis=1, keepdims=True)) / (k - 1)
    added[matrix.tokens != 1] = 0.0  # what the tokenizer would not leave whole never stands in a text
    summaries = []
    for number, label in enumerate(model.labels):
        best = np.argsort(-added[:, number], kind="stable")[:most].tolist()
        sums = [Sum("word", words[i], 1, float(added[i, number])) for i in best if added[i, number] > 0]
        summaries.append(ClassSummary(label, sums))
    return summaries


def strongest_in_texts(model: Model, batches: Iterable[Sequence[str]], most: int) -> list[ClassSummary]:
    """Return for each label what adds most to its score, summed over those of the texts that get this label."""
    totals: dict[tuple[int, str, str], float] = defaultdict(float)
    counts: dict[tuple[int, str, str], int] = defaultdict(int)
    texts = np.zeros(len(model.labels), np.int64)
    for batch in batches:
        for block in attribute_blocks(model, batch, None):
            texts += np.bincount(block.classes, minlength=len(texts))
            for number, one in block.sums():
                totals[number, one.kind, one.string] += one.contribution
                counts[number, one.kind, one.string] += one.occurrences
    found: list[list[Sum]] = [[] for _ in model.labels]
    for (number, kind, string), total in totals.items():
        if total > 0:
            found[number].append(Sum(kind, string, counts[number, kind, string], total))
    return [
        ClassSummary(label, sorted(sums, key=lambda one: -one.contribution)[:most], count)
        for label, sums, count in zip(model.labels, found, texts.tolist(), strict=True)
    ]
