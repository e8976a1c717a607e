"""What a model knows: the words that get a row of E, where their vectors start, and the n-grams that get a row of U."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from textclf.errors import TrainingError
from textclf.settings import Settings
from textclf.storage.array_store import IN_MEMORY, ArrayStore, drop_pages
from textclf.storage.packed_strings import PackedStrings
from textclf.storage.parallel import in_order
from textclf.storage.row_columns import RowColumns
from textclf.text.csr import CsrBuilder, SparseRows, beside, sum_entries, take_rows
from textclf.text.features import Features, NgramKind, TextMatrix, WordTable, no_ngrams, side_by_side, stack_texts
from textclf.text.key_index import KeyCounter, KeyIndex, count_keys
from textclf.text.ngrams import NgramTable, ngrams
from textclf.text.other_columns import learn_columns
from textclf.text.patterns import common_pieces
from textclf.text.subwords import Spelling, WideRows, piece_keys
from textclf.text.tokenizer import Tokens, keys_of, text_blocks, tokenize
from textclf.text.weighting import expected_counts, word_weights
from textclf.training.ngram_counts import TextCounts, count_ngrams, count_pieces, learn_ngrams, learn_subwords
from textclf.training.regularization import FEWEST_JUDGES
from textclf.training.tokenized_corpus import TokenBlock, TokenizedCorpus
from textclf.types import Array, BoolArray, Integers, Keys
from textclf.vectors import WordVectors
from textclf.vectors.coverage import find_parts

MOST_UNSEEN_WORDS = 60_000
"""Of the words that the vectors know and the texts lack, this many of the commonest are kept. With few labels they are
most of what a model knows of other texts."""
LONGEST_SHORT = 600
"""Texts of up to this many characters on average are short. Of long ones an n-gram of few texts tells less than the
others of the same text do (see `least_texts`)."""
MOST_SPELLED = 10_000_000
"""Short texts get sub-words, and so do long ones of up to so many characters in all: of more, spelling out all words
takes longer than the rest of a training, and they gain nothing by it."""
MOST_WEIGHTS = 10_000_000
"""U has at most so many numbers for word n-grams, one a class: where classes are many, the commonest have to do."""
CHAR_NGRAMS = (2, 5)
PATTERNS = (2, 3)
WORD_NGRAMS = {"fast": 2, "auto": 2, "best": 3}
FEW_TEXTS, MANY_TEXTS = 1_000, 10_000


@dataclass(frozen=True)
class Vocabulary:
    """What was learnt of n texts: features, the words of E's rows, E before training, and the texts' matrices."""

    features: Features
    words: PackedStrings
    E: Array
    matrix: TextMatrix


@dataclass(frozen=True)
class Sources:
    """What a vocabulary is learnt with. `vectors` None starts from random ones; large arrays lie in the store."""

    settings: Settings
    vectors: WordVectors | None
    rng: np.random.Generator
    store: ArrayStore = IN_MEMORY

    @property
    def min_texts(self) -> int:
        """In how many texts, whatever they weigh, each word and n-gram must stand."""
        return self.settings.min_texts or 1

    @property
    def is_cased(self) -> bool:
        """Whether the vectors tell words with capitals from words without."""
        return self.vectors is not None and self.vectors.is_cased


def learn_vocabulary(
    texts: Sequence[str], sources: Sources, weights: Array | None = None, passages: int = 1, *, classes: int = 2
) -> Vocabulary:
    """Return what these texts call for.

    Each text is so many `passages`, joined by U+001F, that are kept apart. The more `classes`, the fewer n-grams.

    With `weights`, shape (n,), a text of weight 2 counts as two texts in what is common enough and how common it is.
    Raises TrainingError when no text holds a word.
    """
    n = len(texts) if weights is None else round(float(weights.sum()))
    length = mean_length(texts, weights)
    kinds = ngram_kinds(length, sources.settings, n)
    wanted = _Wanted(kinds, max(least_texts(n, length), sources.min_texts), classes, weights)
    names, is_random = {kind for kind, *_ in kinds}, sources.vectors is None
    # The tokens and the counts are most of what is in memory: no name here holds them, so they end before E is made.
    learned, tables, matrix = weigh_counts(
        _count(
            TokenizedCorpus(
                texts, sources.settings.threads, sources.store,
                spelled=is_random or "chars" in names, ordered="patterns" in names, passages=passages,
            ),
            wanted, sources,
        ),
        sources,
    )  # fmt: skip
    return Vocabulary(Features(learned.table, tables), learned.words, learned.make_E(), matrix)


@dataclass(frozen=True)
class _Wanted:
    """The kinds of n-grams to count, and of each those of `least` texts; the more `classes`, the fewer.

    `weights`, shape (n,): what each text weighs; None says that all weigh alike.
    """

    kinds: Sequence[NgramKind]
    least: int
    classes: int
    weights: Array | None


def _count(corpus: TokenizedCorpus, wanted: _Wanted, sources: Sources) -> "CountedTexts":
    """Return the words of a corpus, and what stands how often in each of its texts."""
    learned, counters, common = _choose_keys(corpus, wanted, sources)
    return count_corpus(corpus, learned, counters, common, wanted.least)


def _choose_keys(
    corpus: TokenizedCorpus, wanted: _Wanted, sources: Sources
) -> tuple["LearnedWords", list[TextCounts], KeyIndex]:
    """Return the words of a corpus, what counts n-grams in its texts, and the pieces that patterns are made of."""
    min_texts, is_cased, weights = sources.min_texts, sources.is_cased, wanted.weights
    found = count_all(corpus, wanted.kinds, is_cased=is_cased, min_texts=min_texts)
    counted = common_words(corpus, found.all_words(), min_texts, is_cased=is_cased)
    if not len(counted[0]):
        raise TrainingError(f"min_texts: expected words that stand in {min_texts} texts, found none. Lower it.")
    learned = learn_words(len(corpus), counted, sources, lambda keys: corpus.spelling.strings(keys))
    if weights is not None:
        learned = replace(learned, table=weigh_words(corpus, learned, sources.settings, weights, counted[0]))
    counters = counters_of(wanted.kinds, found, wanted.least, wanted.classes, sources.store, weights)
    by_words = [counter for counter in counters if counter.kind[0] == "words"]
    if any(fills_weights(len(counter.index), wanted.classes) for counter in by_words):
        counters = by_words
    return learned, counters, found.common


def weigh_words(
    corpus: TokenizedCorpus, learned: "LearnedWords", settings: Settings, weights: Array, counted: Keys
) -> WordTable:
    """Return the table with the weights of words that texts of these weights, shape (n,), call for.

    Words that are not `counted` weigh what they weigh where no text has them.
    """
    table = learned.table
    counts, first = np.zeros(len(table.index)), 0

    def count(block: TokenBlock) -> tuple[Tokens, Integers]:
        return block.tokens, table.rows_of(block.tokens, block.texts)

    for tokens, rows in corpus.each(count):
        of_tokens = weights[first : first + len(tokens)][tokens.text_numbers]
        counts += np.bincount(rows[rows >= 0], weights=of_tokens[rows >= 0], minlength=len(counts))
        first += len(tokens)
    n = round(float(weights.sum()))
    counts[KeyIndex(counted).rows(table.index.keys.astype(np.uint64)) < 0] = 0.0
    return replace(table, weights=word_weights(settings.word_weighting, counts, n, learned.expected))


@dataclass(frozen=True)
class CountedTexts:
    """What stands how often in each of n texts: all that is needed of them for their matrices.

    `learned`: the words that C is by. `tokens`, `known`, shape (n,): as in a `TextMatrix`. `counters`: of each kind of
    n-grams, those of `least` texts are kept. `common`: the pieces that stand for themselves in patterns. `spelling`: of
    the pieces, where there are sub-words.
    """

    learned: "LearnedWords"
    C: SparseRows
    tokens: Integers
    known: Integers
    counters: Sequence[TextCounts]
    common: KeyIndex
    least: int
    spelling: Spelling | None


def count_corpus(
    corpus: TokenizedCorpus, learned: "LearnedWords", counters: Sequence[TextCounts], common: KeyIndex, least: int
) -> CountedTexts:
    """Return what stands how often in each text of a corpus, n-grams as these counters count them.

    `common`: the pieces that stand for themselves in patterns. `least`: of the n-grams those of so many texts are kept.
    """
    by_words = Features(learned.table, ())

    def look_up(block: TokenBlock) -> tuple[SparseRows, Integers, Integers, list[tuple[SparseRows, Integers]]]:
        tokens = block.tokens
        rows = by_words.words.rows_of(tokens, block.texts)
        known = np.bincount(tokens.text_numbers[rows >= 0], minlength=len(tokens)).astype(np.int32)
        counts = [count_kind(counter, block, common) for counter in counters]
        return by_words.mean_words(tokens, rows), np.diff(tokens.offsets), known, counts

    width = len(by_words.words.index) * corpus.passages
    C, tokens, known = CsrBuilder(corpus.store, width), [], []
    for words, of_texts, known_of_texts, counted in corpus.each(look_up):
        C.add(words)
        tokens.append(of_texts)
        known.append(known_of_texts)
        for counter, counts in zip(counters, counted, strict=True):
            counter.add(*counts)
    pieces = [counter.index.keys.astype(np.uint64) for counter in counters if counter.kind[0] == "chars"]
    spelling = corpus.spelling.take(pieces[0]) if pieces else None
    return CountedTexts(
        learned, C.whole(), np.concatenate(tokens), np.concatenate(known), counters, common, least, spelling
    )


def weigh_counts(counted: CountedTexts, sources: Sources) -> tuple["LearnedWords", tuple[NgramTable, ...], TextMatrix]:
    """Return the words of texts that were counted, the tables of the n-grams that are kept, and the matrices.

    Whatever texts weigh, each of these n-grams stands in `min_texts` of them.
    """
    least, min_texts, threads = counted.least, sources.min_texts, sources.settings.threads
    wide, tables, shares = no_ngrams(len(counted.tokens)), [], []
    for counter in counted.counters:
        if counter.kind[0] != "chars":
            learned = learn_ngrams(counter, least, threads, min_texts)
            both = (
                stack_columns(wide.ngrams, learned.C.batches(), learned.C.width, sources.store)
                if wide.ngrams.width
                else learned.C
            )
            wide = WideRows(both, wide.pieces, wide.G)
            table, share = learned.table, learned.known_shares
            if counter.kind[0] == "patterns":
                table = replace(table, common=counted.common)
        else:
            assert counted.spelling is not None
            of_pieces = learn_subwords(counter, counted.spelling, least, threads, min_texts)
            wide = WideRows(wide.ngrams, of_pieces.C, of_pieces.G)
            table, share = of_pieces.table, of_pieces.known_shares
        tables.append(table)
        shares.append(share)
    known_shares = side_by_side(shares, len(counted.tokens))
    matrix = TextMatrix(counted.C, wide, counted.tokens, counted.known, known_shares)
    return counted.learned, tuple(tables), matrix


def extract(
    features: Features, texts: Sequence[str], store: ArrayStore, threads: int,
    common: Sequence[BoolArray] | None = None,
) -> TextMatrix:  # fmt: skip
    """Return what `features.extract` does of these rows, large arrays in the store."""

    def of_block(block: Sequence[str]) -> TextMatrix:
        return features.extract(block, common)

    parts = list(in_order(of_block, text_blocks(texts), threads))
    return take(stack_texts(parts), np.arange(len(texts)), store)


def add_columns(
    vocabulary: Vocabulary,
    columns: RowColumns,
    rows: Sequence[str],
    store: ArrayStore,
    weights: Array | None = None,
    *,
    is_apart: bool = False,
) -> Vocabulary:
    """Return what was learnt of the rows' texts with what their other columns call for, if there are any."""
    features = replace(vocabulary.features, columns=columns, is_apart=is_apart)
    wide = vocabulary.matrix.ngrams
    if columns.has_others:
        each = np.ones(len(rows)) if weights is None else weights.astype(np.float64)
        least = least_texts(len(rows), 0.0)
        features = replace(features, others=learn_columns(columns, rows, each, least))
        D = (features.others.matrix(columns.others(batch)) for batch in columns.batches(rows))
        wide = replace(wide, ngrams=stack_columns(wide.ngrams, D, features.others.width, store))
    return replace(vocabulary, features=features, matrix=replace(vocabulary.matrix, ngrams=wide))


def take(matrix: TextMatrix, rows: Integers, store: ArrayStore) -> TextMatrix:
    """Return the rows of these texts, in this order, large arrays in the store."""
    wide = matrix.ngrams
    words, of_ngrams, pieces = (take_rows(C, rows, store) for C in (matrix.words, wide.ngrams, wide.pieces))
    ngrams = WideRows(of_ngrams, pieces, wide.G)
    return TextMatrix(words, ngrams, matrix.tokens[rows], matrix.known[rows], matrix.known_shares[rows])


def stack_columns(left: SparseRows, right: Iterable[SparseRows], width: int, store: ArrayStore) -> SparseRows:
    """Return the matrix that has the columns of `left`, then those of `right`, in the store.

    The right one, of this `width`, comes some rows at a time; there are as many in all as on the left.
    """
    builder, first = CsrBuilder(store, left.width + width), 0
    for part in right:
        builder.add(beside(left.slice(first, first + len(part)), part))
        first += len(part)
    return builder.whole()


def count_kind(counter: TextCounts, block: TokenBlock, common: KeyIndex) -> tuple[SparseRows, Integers]:
    """Return what a counter of word n-grams, of patterns, or of pieces, finds in a block."""
    if counter.kind[0] == "chars":
        return count_pieces(counter, block.tokens)
    return count_ngrams(counter, block.units(common) if counter.kind[0] == "patterns" else block.tokens)


Counted = tuple[Keys, Integers]
"""Distinct keys in rising order, and how often each was met."""


@dataclass(frozen=True)
class CorpusKeys:
    """What stands in all texts: the words, words as they stand if vectors are cased, and n-grams, or pieces.

    Word n-grams are given without those of one word, which are counted already: sorting them again would cost more
    than all else here. `common`: the pieces that stand for themselves in patterns.
    """

    words: Counted
    as_they_stand: Counted
    of_kinds: list[Counted]
    common: KeyIndex

    def all_words(self) -> Counted:
        """Return the words in either form, and how often each was met."""
        keys, places = np.unique(np.concatenate([self.words[0], self.as_they_stand[0]]), return_inverse=True)
        counts = np.zeros(len(keys), np.int32)
        np.add.at(counts, places, np.concatenate([self.words[1], self.as_they_stand[1]]))
        return keys, counts


def count_all(
    corpus: TokenizedCorpus,
    kinds: Sequence[NgramKind],
    common: KeyIndex | None = None,
    *,
    is_cased: bool,
    min_texts: int = 1,
) -> CorpusKeys:
    """Return what stands in all texts, with words as they stand if `is_cased`.

    `common`: the pieces that stand for themselves in patterns; else the commonest of those in `min_texts` texts do.
    Raises TrainingError when no text holds a word.
    """

    def count(block: TokenBlock) -> list[Counted]:
        tokens = block.tokens
        as_they_stand = tokenize(block.texts, lower=False).keys if is_cased else tokens.keys[:0]
        counted = 1 if tokens.passages is None else 0  # words of later passages have keys of their own
        of_kinds = [piece_keys(tokens)[1] if kind != "words" else ngrams(tokens, counted + 1, longest)[1]
                    if longest > counted else tokens.keys[:0] for kind, _, longest in kinds]  # fmt: skip
        return [count_keys(keys) for keys in (tokens.keys, as_they_stand, *of_kinds)]

    counters = [KeyCounter(corpus.threads) for _ in range(2 + len(kinds))]
    for of_block in corpus.each(count):
        for counter, (keys, times) in zip(counters, of_block, strict=True):
            counter.add(keys, times)
    words, as_they_stand, *of_kinds = [counter.counts() for counter in counters]
    if not len(words[0]):
        raise TrainingError("texts: expected words, found none in any text. Is this the right text column?")
    for i, (kind, shortest, longest) in enumerate(kinds):
        if kind == "patterns":
            if common is None:
                common = common_pieces(*of_kinds[i])
                if min_texts > 1:
                    in_texts = _in_how_many(corpus, common, lambda block: piece_keys(block.tokens))
                    common = KeyIndex(common.keys[in_texts >= min_texts])
            of_kinds[i] = _count_patterns(corpus, common, shortest, longest)
    return CorpusKeys(words, as_they_stand, of_kinds, KeyIndex(_NO_KEYS) if common is None else common)


def _count_patterns(corpus: TokenizedCorpus, common: KeyIndex, shortest: int, longest: int) -> Counted:
    def count(block: TokenBlock) -> Counted:
        return count_keys(ngrams(block.units(common), shortest, longest)[1])

    counter = KeyCounter(corpus.threads)
    for keys, times in corpus.each(count):
        counter.add(keys, times)
    return counter.counts()


_NO_KEYS = np.zeros(0, np.uint64)


def most_frequent(keys: Keys, times: Integers, classes: int) -> Keys:
    """Return those n-grams that U has room for: all, or the commonest, of which equals come in their order.

    >>> most_frequent(np.array([3, 7, 5], np.uint64), np.array([1, 2, 1]), classes=MOST_WEIGHTS // 2).tolist()
    [7, 3]
    """
    most = MOST_WEIGHTS // classes
    return keys if len(keys) <= most else keys[np.argsort(-times, kind="stable")[:most]]


def fills_weights(word_ngrams: int, classes: int) -> bool:
    """Return whether word n-grams fill U, so that other kinds, which tell much the same again, are left out."""
    return word_ngrams >= MOST_WEIGHTS // classes


def common_words(corpus: TokenizedCorpus, counted: Counted, min_texts: int, *, is_cased: bool) -> Counted:
    """Return those of the counted words that stand in `min_texts` texts: lower-cased or, if `is_cased`, as they are."""
    if min_texts < 2:
        return counted

    def words(block: TokenBlock) -> tuple[Integers, Keys]:
        forms = [block.tokens, *([tokenize(block.texts, lower=False)] if is_cased else [])]
        return np.concatenate([form.text_numbers for form in forms]), np.concatenate([form.keys for form in forms])

    kept = _in_how_many(corpus, KeyIndex(counted[0]), words) >= min_texts
    return counted[0][kept], counted[1][kept]


def _in_how_many(
    corpus: TokenizedCorpus, index: KeyIndex, find: Callable[[TokenBlock], tuple[Integers, Keys]]
) -> Integers:
    """Return in how many texts each key of the index stands, given the text's number and the key of each find."""

    def columns(block: TokenBlock) -> Integers:
        numbers, keys = find(block)
        return sum_entries(numbers, index.rows(keys), len(block.tokens), len(index)).columns

    in_texts = np.zeros(len(index), np.int64)
    for found in corpus.each(columns):
        in_texts += np.bincount(found, minlength=len(index))
    return in_texts


def counters_of(
    kinds: Sequence[NgramKind], found: CorpusKeys, least: int, classes: int, store: ArrayStore,
    weights: Array | None = None,
) -> list[TextCounts]:  # fmt: skip
    """Return what counts texts with word n-grams that may stand in `least` texts, by how often they do, and pieces.

    Word n-grams are so few that U has room for a row of each, with a number a class.
    """
    heaviest = 1.0 if weights is None else max(1.0, float(weights.max(initial=0.0)))

    def frequent(counted: Sequence[Counted]) -> KeyIndex:
        keys, times = (np.concatenate(each) for each in zip(*counted, strict=True))
        enough = times * heaviest >= least
        return KeyIndex(count_keys(most_frequent(keys[enough], times[enough], classes))[0])

    indices = [
        KeyIndex(others[0]) if kind == "chars" else frequent([found.words, others] if kind == "words" else [others])
        for (kind, *_), others in zip(kinds, found.of_kinds, strict=True)
    ]
    return [TextCounts(kind, index, store, weights) for kind, index in zip(kinds, indices, strict=True)]


def ngram_kinds(mean_length: float, settings: Settings, n: float = math.inf) -> list[NgramKind]:
    """Return the kinds of n-grams that n texts of so many characters on average get."""
    longest = WORD_NGRAMS[settings.recipe] if settings.word_ngrams is None else settings.word_ngrams
    kinds: list[NgramKind] = [("words", 1, longest)] if longest else []
    chars, patterns = settings.char_ngrams, settings.pattern_ngrams
    is_thorough, is_small = longest and settings.recipe != "fast", n * mean_length <= MOST_SPELLED
    if patterns is None:
        # Whether they help is asked of the validation rows, if these are enough to ask.
        is_judged = settings.l2 is None and n * settings.valid_fraction >= FEWEST_JUDGES
        patterns = PATTERNS[1] if is_thorough and is_small and is_judged else 0
    if patterns:
        kinds.append(("patterns", min(PATTERNS[0], patterns), patterns))
    if chars is None:
        chars = CHAR_NGRAMS if is_thorough and (is_small or mean_length <= LONGEST_SHORT) else (0, 0)
    return [*kinds, ("chars", *chars)] if chars[1] else kinds


def mean_length(texts: Sequence[str], weights: Array | None = None) -> float:
    """Return how many characters texts have on average, each counted by its weight, if there are any."""
    if not len(texts):
        return 0.0
    lengths = (
        texts.lengths() if isinstance(texts, PackedStrings) else np.fromiter(map(len, texts), np.int64, len(texts))
    )
    return float(np.average(lengths, weights=weights))


def least_texts(n: int, mean_length: float) -> int:
    """Return in how many of n texts, of so many characters on average, an n-gram must stand to be kept.

    As validation has it: where texts are few, one of a single text is worth its row; short texts, which have few, are
    told apart by those of two; long ones are better without, the more there are of them.
    """
    if n < FEW_TEXTS:
        return 1
    if mean_length <= LONGEST_SHORT:
        return 2
    return 3 if n < MANY_TEXTS else 5


@dataclass(frozen=True)
class LearnedWords:
    """The words with a row of E; `make_E`, called once, makes E before training.

    `expected`, shape (V,): how often a language's own frequencies let one expect each word (`expected_counts`); None
    without pretrained vectors.
    """

    table: WordTable
    words: PackedStrings
    make_E: Callable[[], Array]
    expected: npt.NDArray[np.float64] | None


def learn_words(n: int, counted: Counted, sources: Sources, spell: Callable[[Keys], list[str]]) -> LearnedWords:
    """Return the words of E for n texts, and E before training.

    `counted`: the words' keys and how often each stands in the texts; `spell` gives the words of keys.

    The words are those of the texts that have a vector, and the commonest others that have; their rows are the
    pretrained vectors, centred and of length 1. Without vectors they are all words of the texts, their rows random.
    """
    keys, occurrences = counted
    settings, vectors, expected = sources.settings, sources.vectors, None
    if vectors is None:
        kept, strings = keys, spell(keys)
        counts = occurrences
        make_E = partial(_random_vectors, sources.rng, (len(keys), settings.dimension))
    else:
        all_words = list(vectors.words)
        made, parts = find_parts(vectors, lambda words: KeyIndex(keys).rows(keys_of(words)) >= 0)
        all_words += made
        known, places = np.unique(keys_of(all_words), return_index=True)
        rows = KeyIndex(keys).rows(known)
        keep = (rows >= 0) | (places < MOST_UNSEEN_WORDS)
        kept, strings = known[keep], [all_words[place] for place in places[keep].tolist()]
        counts = np.where(rows[keep] >= 0, occurrences[np.maximum(rows[keep], 0)], 0)
        make_E = partial(unit_vectors, vectors.matrix, places[keep], parts)
        expected = expected_counts(places[keep] + 1, len(vectors.words))
    weights = word_weights(settings.word_weighting, counts, n, expected)
    table = WordTable(KeyIndex(kept), weights, sources.is_cased)
    return LearnedWords(table, PackedStrings.of(strings), make_E, expected)


def _random_vectors(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    return rng.normal(0.0, 1.0, shape).astype(np.float32)


def unit_vectors(matrix: Array, places: Integers, parts: Sequence[Sequence[int]] = ()) -> Array:
    """Return these rows without the mean of all rows, each of length 1.

    A place beyond the last row, V + i, is the mean of the rows `parts[i]`.
    """
    mean = matrix.mean(axis=0)
    rows: Array = matrix[np.minimum(places, len(matrix) - 1)].astype(np.float32, copy=False)
    rows -= mean
    for row in np.flatnonzero(places >= len(matrix)).tolist():
        rows[row] = matrix[parts[places[row] - len(matrix)]].mean(axis=0) - mean
    drop_pages(matrix)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    rows /= np.maximum(lengths, 1e-9)[:, None]
    return rows
