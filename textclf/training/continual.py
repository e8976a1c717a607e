"""Continue from a trained model with new rows: keep its words, n-grams and labels, and add those of the new rows.

Old words keep their vectors and old n-grams their idf, so that old texts look to the model as they did; new words get
pretrained vectors, moved and scaled as the old ones were.

New rows then pull one way, and what was learnt before holds. Near its minimum θ⁰ the old rows' loss is about
½ Σ h (θ − θ⁰)², where h is the diagonal of its curvature. That sum stands for the rows, which are no longer there
(elastic weight consolidation, Kirkpatrick et al. 2017, eq. 3).

The curvature that holds old numbers in place is not stored, so any model will do. It is estimated. The
idf of an n-gram gives the number of old texts with it, and so its share in Σ C², which is 1 for each text and kind of
n-grams. The new rows show how sure the model is, and what goes into its network.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from textclf.errors import ModelError
from textclf.model.model import Model
from textclf.nn.network import OUTPUTS, Network, parameter_count
from textclf.settings import Settings
from textclf.storage.packed_strings import PackedStrings
from textclf.text.csr import average
from textclf.text.features import Features, NgramKind, WordTable
from textclf.text.key_index import KeyIndex
from textclf.text.ngrams import NgramTable
from textclf.text.other_columns import OtherColumns, learn_columns
from textclf.text.tokenizer import keys_of
from textclf.text.weighting import inverse_document_frequency, word_weights
from textclf.training.ngram_counts import TextCounts, ngram_table, subword_table
from textclf.training.objective import GaussianPrior, Problem
from textclf.training.regularization import Regularization
from textclf.training.tokenized_corpus import TokenizedCorpus
from textclf.training.vocabulary import (
    Counted,
    Sources,
    Vocabulary,
    common_words,
    count_all,
    count_kind,
    counters_of,
    extract,
    least_texts,
    mean_length,
    unit_vectors,
)
from textclf.types import Array, BoolArray, Integers, Keys
from textclf.vectors import WordVectors

KEPT = ("vectors", "dimension", "weighting", "hidden", "activation", "loss", "output", "multi_label", "ordinal")
"""Settings that a model cannot change when it goes on."""
_FEWEST_WORDS, _ENOUGH_WORDS = 2, 5000  # to tell how old vectors were moved and scaled


PRIOR_STRENGTH = 0.1
"""The share of h that holds. The diagonal takes n-grams that overlap, and move together, for witnesses of their own, so
all of it holds too hard. Of 0, 0.03, 0.1, 0.3 and 1 the lower learned more where SST-2 went on from IMDB or a tenth of
itself, the higher forgot less where the new rows had one class only, or the other half of Banking77's classes."""
_LEAST_L2 = 1e-6


@dataclass(frozen=True)
class EarlierKnowledge:
    """Where the old model's parameters are, and how firmly they are held there.

    `network`, `U`: θ⁰, with rows and columns of zeros for what is new. `h`, shape of the network's θ, and `h_U`, shape
    of U: the curvature of the old rows' loss. `is_new`, shape of U: the numbers that the old model did not have.
    """

    network: Network
    U: Array
    h: Array
    h_U: Array
    is_new: BoolArray

    def held(self, problem: Problem) -> Problem:
        """Return the problem with parameters held: ½ Σ (l2 + h) (θ − θ⁰)², h being `PRIOR_STRENGTH` of the curvature.

        The scales of the problem, shape (V, k), are those of new n-grams. Old ones get the scale √(l2 / (l2 + h)):
        moving by it costs what moving by 1 costs where nothing is known.
        """
        l2 = max(problem.l2, _LEAST_L2)
        prior = GaussianPrior(self.network, self.U, l2 + PRIOR_STRENGTH * self.h)
        of_old = np.sqrt(l2 / (l2 + PRIOR_STRENGTH * self.h_U))
        scales = np.where(self.is_new, problem.scales, of_old).astype(problem.scales.dtype)
        return replace(problem, network=self.network, scales=scales, l2=l2, prior=prior)


@dataclass(frozen=True)
class Grown:
    """A model with room for new words, n-grams and labels: what it knows of the new texts, and its parameters."""

    vocabulary: Vocabulary
    earlier: EarlierKnowledge


def rows_seen(model: Model) -> int:
    """Return how many rows the model was trained on, those of the models that it continues, too."""
    return sum(table.texts for table in (*model.card.before, model.card.data) if table is not None)


def old_regularization(model: Model, l2: float | None) -> Regularization | None:
    """Return the model's regularization, with `l2` in place of its own if given; None if it has none."""
    stored = model.card.regularization
    return None if stored is None else Regularization(stored.l2 if l2 is None else l2, stored.ngram_scales)


def keep_settings(model: Model, wanted: Settings, given: frozenset[str] = frozenset()) -> Settings:
    """Return `wanted` with what the model has fixed; `given` are the settings that a user named.

    Raises ModelError when one of these is another than the model's, the description lacks what is needed, or the model
    was made small.
    """
    if model.features.words.index.keys.dtype != np.uint64:
        raise ModelError(
            "model: expected one that can continue, found a small one from `textclf export`. Give the original."
        )
    card = model.card
    if card.settings is None or card.data is None:
        raise ModelError("the model's description lacks what continuing needs. Train from scratch.")
    stored = {name: getattr(card.settings, name) for name in KEPT}
    stored |= {"output": model.output, "multi_label": model.is_multi_label, "optimizer": "lbfgs"}
    stored["weighting"] = card.settings.word_weighting
    least = max(card.settings.min_texts or 1, wanted.min_texts or 1)
    fixed = replace(wanted, **stored, min_texts=least if least > 1 else None)
    for name in sorted(given & {*KEPT, "optimizer"} - {"vectors"}):
        if getattr(wanted, name) != getattr(fixed, name):
            expected, found = _plain(getattr(fixed, name)), _plain(getattr(wanted, name))
            raise ModelError(
                f"{name}: to continue from the model expected {expected}, found {found}."
                " Leave it out, or train from scratch."
            )
    if given & {"word_ngrams", "pattern_ngrams", "char_ngrams"}:
        raise ModelError("n-grams: their lengths are the model's. Leave them out, or train from scratch.")
    return replace(fixed, vectors=wanted.vectors) if "vectors" in given else fixed


def _plain(value: Any) -> str:  # noqa: ANN401 - whatever a setting is
    return ",".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)


def grow(model: Model, rows: Sequence[str], labels: tuple[str, ...], sources: Sources) -> Grown:
    """Return the model with room for what these rows add, and for `labels`, which its own are among.

    Raises ModelError when the vectors are not those that the model was trained with.
    """
    _check_vectors(model, sources.vectors)
    found = _count_new(model, rows, len(labels), sources)
    words, strings, E = _more_words(model, found, sources)
    columns = _more_columns(model, rows, found, sources.min_texts)
    features = Features(words, columns.tables, model.features.columns, columns.others, model.features.is_apart)
    matrix = extract(features, rows, sources.store, sources.settings.threads, columns.common)
    vocabulary = Vocabulary(features, strings, E, matrix)
    return Grown(vocabulary, _earlier_knowledge(model, vocabulary, columns, labels))


@dataclass(frozen=True)
class _FoundInTexts:
    """What new texts hold: the words, and counts of n-grams, of which those of `least` texts are kept."""

    corpus: TokenizedCorpus
    words: Counted
    counters: Sequence[TextCounts]
    least: int


def _count_new(model: Model, rows: Sequence[str], classes: int, sources: Sources) -> _FoundInTexts:
    """Return the words of new rows, and the n-grams of the model's kinds."""
    old, min_texts = model.features, sources.min_texts
    texts, patterns = old.columns.only_texts(rows), old.table("patterns")
    corpus = TokenizedCorpus(
        texts,
        sources.settings.threads,
        sources.store,
        spelled=sources.vectors is None or old.table("chars") is not None,
        ordered=patterns is not None,
        passages=old.passages,
    )
    kinds: list[NgramKind] = [(table.kind, table.shortest, table.longest) for table in old.ngrams]
    standing = None if patterns is None else patterns.common
    found = count_all(corpus, kinds, standing, is_cased=old.words.cased)
    words = common_words(corpus, found.all_words(), min_texts, is_cased=old.words.cased)
    least = max(least_texts(rows_seen(model) + len(texts), mean_length(texts)), min_texts)
    counters = counters_of(kinds, found, least, classes, sources.store)
    for of_block in corpus.each(lambda block: [count_kind(counter, block, found.common) for counter in counters]):
        for counter, (counts, totals) in zip(counters, of_block, strict=True):
            if min_texts > 1:
                counter.add(counts, totals)
            else:
                counter.add_frequencies(counts)
    return _FoundInTexts(corpus, words, counters, least)


@dataclass(frozen=True)
class _GrownColumns:
    """The columns of C, old and new: the tables of n-grams, and features of other columns.

    `common`: which n-grams of each table a text may have and be no stranger. `origin`, shape (V,): the row of the
    model's U that each column has, or -1. `mass`, shape (V,): Σ C² of each over the old rows.
    """

    tables: tuple[NgramTable, ...]
    others: OtherColumns
    common: Sequence[BoolArray]
    origin: Integers
    mass: Array


def _more_columns(model: Model, rows: Sequence[str], found: _FoundInTexts, min_texts: int) -> _GrownColumns:
    """Return the model's columns and those that new rows add."""
    n, old = rows_seen(model), model.features
    tables, common, origins, masses = [], [], [], []
    for table, counter, place in zip(old.ngrams, found.counters, old.kinds, strict=True):
        added, frequency = _new_ngrams(counter, found, min_texts)
        grown, origin = _more_ngrams(table, added, len(rows), n)
        tables.append(grown)
        # What the model would know of a text that it had not seen: so many other texts must have a new n-gram.
        common.append(np.where(origin >= 0, True, frequency[np.maximum(-1 - origin, 0)] > found.least)
                      if len(added.index) else np.ones(len(origin), np.bool_))  # fmt: skip
        origins.append(np.where(origin >= 0, origin + place.start, -1))
        masses.append(_mass(grown.idf, origin >= 0, n))
    others, origin = old.others, np.arange(old.others.width)
    if old.columns.has_others:
        of_rows = learn_columns(old.columns, rows, np.ones(len(rows)), least_texts(n + len(rows), 0.0))
        others, origin = others.extend(of_rows)
    before = sum(table.kind != "chars" for table in tables)  # sub-words alone stand after the other columns
    origins.insert(before, np.where(origin >= 0, origin + old.of_others.start, -1))
    masses.insert(before, np.where(origin >= 0, n * others.squares(), 0.0))
    return _GrownColumns(tuple(tables), others, common, np.concatenate(origins), np.concatenate(masses))


def _earlier_knowledge(
    model: Model, grown: Vocabulary, columns: _GrownColumns, labels: tuple[str, ...]
) -> EarlierKnowledge:
    """Return the model's parameters at their new places, and how firmly they are held there."""
    n, k, is_old = rows_seen(model), len(labels), columns.origin >= 0
    places = np.array([labels.index(label) for label in model.labels])
    U, is_new = np.zeros((len(is_old), k), np.float32), np.ones((len(is_old), k), np.bool_)
    U[np.ix_(is_old, places)] = np.asarray(model.U)[columns.origin[is_old]]
    is_new[np.ix_(is_old, places)] = False
    network, is_new_theta = _with_labels(model.network, places, k, -np.log1p(n))
    S, wide = average(grown.matrix.words, grown.E), grown.matrix.ngrams.times(U)
    h, of_output = curvature(network, S, wide, OUTPUTS[model.output])
    return EarlierKnowledge(network, U, np.where(is_new_theta, 0.0, h * n), columns.mass[:, None] * of_output, is_new)


def _new_ngrams(counter: TextCounts, found: _FoundInTexts, min_texts: int) -> tuple[NgramTable, Integers]:
    """Return the n-grams of one kind that enough of the new texts have, and in how many each stands."""
    if counter.kind[0] == "chars":
        spelling = found.corpus.spelling.take(counter.index.keys.astype(np.uint64))
        return subword_table(counter, spelling, found.least, found.corpus.threads, min_texts)
    table, keep = ngram_table(counter, found.least, min_texts)
    return table, counter.frequency[keep]


def keep_calibration(model: Model, old: Model) -> Model:
    """Return the model with the temperature and the thresholds of the one before, until held-out rows give others."""
    thresholds = model.thresholds
    if thresholds is not None and old.thresholds is not None:
        thresholds = thresholds.copy()
        thresholds[[model.labels.index(label) for label in old.labels]] = old.thresholds
    return replace(model, temperature=old.temperature, thresholds=thresholds)


def extend_reference(model: Model, old: Model) -> Model:
    """Return the model for which the texts that the one before was trained on are as usual as its own."""
    reference = model.profile()
    for each in (model.reference, old.reference):
        if each is not None:
            reference.merge(each)
    return replace(model, reference=reference)


def _check_vectors(model: Model, vectors: WordVectors | None) -> None:
    stored = model.card.provenance.vectors if model.card.provenance else None
    name, digest = (stored.name, stored.sha256) if stored else (None, None)
    if digest != (vectors.sha256 if vectors else None):
        found = vectors.name if vectors else "none"
        raise ModelError(
            f"vectors: expected those that the model was trained with ({name or 'none'}, SHA-256 {str(digest)[:12]}), "
            f"found others ({found}). Give the same file, or train from scratch."
        )


def _with_labels(network: Network, places: Integers, k: int, bias: float) -> tuple[Network, BoolArray]:
    """Return the network with k outputs, the old ones at `places`, and which numbers of θ are new.

    New weights are 0, and new biases `bias`: a label that none of the old rows had is unlikely in texts like them.
    """
    sizes = (*network.sizes[:-1], k)
    wider = Network(sizes, network.activation, np.zeros(parameter_count(sizes), np.float32))
    for old, new in zip(network.layers[:-1], wider.layers[:-1], strict=True):
        new.W[:], new.b[:] = old.W, old.b
    last = wider.layers[-1]
    last.b[:] = bias
    last.W[places], last.b[places] = network.layers[-1].W, network.layers[-1].b
    marks = Network(sizes, network.activation, np.zeros(len(wider.theta), np.float32))
    marks.layers[-1].W[:], marks.layers[-1].b[:] = 1.0, 1.0
    marks.layers[-1].W[places], marks.layers[-1].b[places] = 0.0, 0.0
    return wider, marks.theta > 0


def _merge(dictionary: KeyIndex, keys: Keys) -> tuple[KeyIndex, Integers]:
    """Return both together, and of which old row each row is, or −1 − i for the new key number i."""
    fresh = np.flatnonzero(dictionary.rows(keys) < 0)
    both = np.concatenate([dictionary.keys, keys[fresh]])
    order = np.argsort(both)
    origin = np.concatenate([np.arange(len(dictionary)), -1 - fresh])[order]
    return KeyIndex(both[order]), origin


def _join(old: Array, new: Array, origin: Integers) -> Array:
    """Return the rows of `old` and `new` in the order that `_merge` tells."""
    joined: Array = np.concatenate([old, new])[np.where(origin >= 0, origin, len(old) - 1 - origin)]
    return joined


def _more_ngrams(table: NgramTable, found: NgramTable, texts: int, n: int) -> tuple[NgramTable, Integers]:
    """Return the table with those n-grams that were found in so many texts, and where each row comes from.

    n: how many rows were seen before.
    """
    dictionary, origin = _merge(table.index, found.index.keys.astype(np.uint64))
    idf = inverse_document_frequency(_document_frequency(found.idf, texts), n + texts)
    return replace(table, index=dictionary, idf=_join(table.idf, idf, origin)), origin


def _document_frequency(idf: Array, n: int) -> Array:
    """Return in how many of n texts n-grams stood, by their idf: the inverse of `inverse_document_frequency`."""
    frequency: Array = np.maximum((1.0 + n) * np.exp(1.0 - idf.astype(np.float64)) - 1.0, 0.0)
    return frequency


def _mass(idf: Array, is_old: BoolArray, n: int) -> Array:
    """Return Σ C² of each n-gram over the old texts, shape (V,): they sum to n, as rows have length 1."""
    mass = np.where(is_old, _document_frequency(idf, n) * idf.astype(np.float64) ** 2, 0.0)
    total: Array = mass * (n / max(float(mass.sum()), 1.0))
    return total


def _more_words(model: Model, found: _FoundInTexts, sources: Sources) -> tuple[WordTable, PackedStrings, Array]:
    """Return the model's words and those that these texts add, which have a vector or get a random one, with E."""
    table, vectors, rng = model.features.words, sources.vectors, sources.rng
    (keys, occurrences), n, old = found.words, len(found.corpus), np.asarray(model.E)
    if vectors is None:
        added = keys
        new_strings = found.corpus.spelling.strings(keys)
        E = rng.normal(0.0, 1.0, (len(keys), old.shape[1])) * old.std(axis=0) + old.mean(axis=0)
    else:
        all_words = list(vectors.words)
        known, places = np.unique(keys_of(all_words), return_index=True)
        rows = KeyIndex(known).rows(keys)
        added, occurrences, new = keys[rows >= 0], occurrences[rows >= 0], places[rows[rows >= 0]]
        new_strings = [all_words[place] for place in new.tolist()]
        E = _as_the_old(old, vectors, table.index.rows(known), places, new)
    weights = word_weights(sources.settings.word_weighting, occurrences, n)
    dictionary, origin = _merge(table.index, added)
    old_strings = list(model.words)
    strings = [old_strings[i] if i >= 0 else new_strings[-1 - i] for i in origin.tolist()]
    merged = WordTable(dictionary, _join(table.weights, weights, origin), table.cased)
    return merged, PackedStrings.of(strings), _join(old, E.astype(np.float32), origin)


def _as_the_old(E: Array, vectors: WordVectors, rows: Integers, places: Integers, new: Integers) -> Array:
    """Return the pretrained vectors at `new`, moved and scaled as the model's were (see `Standardizer`).

    `rows`, `places`: of each pretrained word the row of E, or -1, and its place in the vectors. How each of the d
    numbers was moved and scaled is told from words that both have: where E was trained since, by the best line.
    """
    common = np.flatnonzero(rows >= 0)[:_ENOUGH_WORDS]
    if len(common) < _FEWEST_WORDS:
        return unit_vectors(vectors.matrix, new)
    raw, old = unit_vectors(vectors.matrix, places[common]).astype(np.float64), E[rows[common]]
    apart = raw - raw.mean(axis=0)
    scale = (apart * (old - old.mean(axis=0))).sum(axis=0) / np.maximum((apart**2).sum(axis=0), 1e-12)
    moved: Array = (unit_vectors(vectors.matrix, new) - raw.mean(axis=0)) * scale + old.mean(axis=0)
    return moved


def curvature(network: Network, S: Array, wide: Array, output: Callable[[Array], Array]) -> tuple[Array, Array]:
    """Return the mean curvature h of the cross-entropy over these rows, shape of θ, and that of Z[L], shape (k,).

    Of a weight of the last layer it is the mean of ŷ (1 − ŷ) a²; further down ŷ (1 − ŷ) is taken back through the
    squares of the weights and of σ′, as if neurons had nothing to do with each other.
    """
    trace = network.forward(S, wide=wide)
    P = output(trace.Z[-1])
    variance: Array = P * (1.0 - P)
    of_output: Array = variance.mean(axis=0)
    parts: list[Array] = []
    for number in reversed(range(len(network.layers))):
        parts = [(variance.T @ trace.A[number] ** 2).ravel(), variance.sum(axis=0), *parts]
        if number:
            variance = (variance @ network.layers[number].W ** 2) * network.activation.sigma_prime(
                trace.Z[number - 1]
            ) ** 2
    return np.concatenate(parts) / len(S), of_output
