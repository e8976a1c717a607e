"""What a model knows: the words that get a row of E, where their vectors start, and the n-grams that get a row of U."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from textclf.errors import TrainingError
from textclf.settings import Settings
from textclf.storage.array_store import IN_MEMORY, ArrayBuilder, ArrayStore
from textclf.storage.memory import give_back_unused, let_go
from textclf.storage.packed_strings import PackedStrings
from textclf.storage.parallel import in_order
from textclf.text.csr import CsrBuilder, SparseRows, stack_columns, take_rows
from textclf.text.features import Features, Kind, TextMatrix, WordTable, side_by_side, word_weights
from textclf.text.key_index import KeyCounter, KeyIndex, count_keys
from textclf.text.tokenizer import keys_of, text_blocks, tokenize
from textclf.training.ngram_counts import NgramCounts
from textclf.training.tokenized_corpus import Block, TokenizedCorpus
from textclf.types import Array, Integers, Keys
from textclf.vectors import WordVectors

MOST_UNSEEN_WORDS, UNSEEN_WORDS_A_TEXT = 30_000, 100
"""Of the words that training did not see but the vectors know, this many of the commonest are kept, and no more than
so many for each text: what two lines teach needs no file of megabytes."""
LONGEST_SHORT = 600
"""Texts of up to this many characters on average are short: they get n-grams of characters, longer ones say enough in
words. Of long ones an n-gram of few texts tells less than the others of the same text do (see `least_texts`)."""
CHAR_NGRAMS = (1, 5)
WORD_NGRAMS = {"fast": 2, "auto": 2, "best": 3}
FEW_TEXTS, MANY_TEXTS = 1_000, 10_000
_BLOCKS_AT_ONCE = 32  # looked up before what they left behind is given back


@dataclass(frozen=True)
class Vocabulary:
    """What was learnt of n texts: features, the words of E's rows, E before training, and the texts' matrices."""

    features: Features
    words: PackedStrings
    E: Array
    matrix: TextMatrix


def learn_vocabulary(
    texts: Sequence[str],
    settings: Settings,
    vectors: WordVectors | None,
    rng: np.random.Generator,
    store: ArrayStore = IN_MEMORY,
    weights: Array | None = None,
) -> Vocabulary:
    """Return what these texts call for; `vectors` None starts from random ones.

    Large arrays go to the store.
    With `weights`, shape (n,), a text of weight 2 counts as two texts in what is common enough and how common it is.
    Raises TrainingError when no text holds a word.
    """
    n = len(texts) if weights is None else round(float(weights.sum()))
    length = mean_length(texts, weights)
    kinds = ngram_kinds(length, settings)
    corpus = TokenizedCorpus(texts, kinds, settings.threads, store, spelled=vectors is None)
    found = count_all(corpus, is_cased=vectors is not None and vectors.is_cased)
    give_back_unused()
    most_unseen = UNSEEN_WORDS_A_TEXT * n
    word_table, words, E = learn_words(
        len(texts), found.all_words(), settings, vectors, rng, lambda keys: strings_of(corpus, keys), most_unseen
    )
    E = store.kept(E)  # of no use until C is there
    tallies = ngram_counts_of(kinds, found, least_texts(n, length), store, weights)
    del found  # the counts of all n-grams take more room than any that are kept
    give_back_unused()
    by_words, C = Features(word_table, ()), CsrBuilder(store, len(word_table.index))
    tokens, known = ArrayBuilder(store), ArrayBuilder(store)

    def look_up(block: Block) -> tuple[TextMatrix, list[tuple[SparseRows, Integers]]]:
        return by_words.extract_tokens([block.tokens], block.texts), counts_of(block, tallies)

    for number, (of_block, counted) in enumerate(corpus.each(look_up, last=True), 1):
        if number % _BLOCKS_AT_ONCE == 0:
            give_back_unused()
        C.add(of_block.words)
        tokens.add(of_block.tokens)
        known.add(of_block.known)
        for tally, counts in zip(tallies, counted, strict=True):
            tally.add(*counts)
    give_back_unused()
    learned = [tallies.pop(0).learned(settings.threads) for _ in range(len(tallies))]  # dropped, with its candidates
    ngrams = CsrBuilder(store, sum(len(each.table.index) for each in learned))
    for parts in zip(*(each.parts for each in learned), strict=True):
        ngrams.add(stack_columns(parts, len(parts[0])))
    give_back_unused()
    familiar = side_by_side([each.familiar for each in learned], len(texts))
    matrix = TextMatrix(
        C.whole(), ngrams.whole() if learned else stack_columns([], len(texts)), tokens.whole(), known.whole(), familiar
    )
    return Vocabulary(Features(word_table, tuple(each.table for each in learned)), words, E, matrix)


def extracted(features: Features, texts: Sequence[str], store: ArrayStore, threads: int) -> TextMatrix:
    """Return what `features.extract` does, the large arrays on the store."""
    widths = len(features.words.index), sum(len(table.index) for table in features.ngrams)
    C, ngrams = (CsrBuilder(store, width) for width in widths)
    rest = []
    for part in in_order(features.extract, text_blocks(texts), threads):
        C.add(part.words)
        ngrams.add(part.ngrams)
        rest.append((part.tokens, part.known, part.familiar))
    return TextMatrix(C.whole(), ngrams.whole(), *(np.concatenate(arrays) for arrays in zip(*rest, strict=True)))


def taken(matrix: TextMatrix, rows: Integers, store: ArrayStore) -> TextMatrix:
    """Return the rows of these texts, in this order, the large arrays on the store."""
    words, ngrams = (take_rows(C, rows, store) for C in (matrix.words, matrix.ngrams))
    return TextMatrix(words, ngrams, matrix.tokens[rows], matrix.known[rows], matrix.familiar[rows])


def counts_of(block: Block, tallies: Sequence[NgramCounts]) -> list[tuple[SparseRows, Integers]]:
    """Return what each tally counts in a block."""
    return [tally.count(len(block.tokens), found) for tally, found in zip(tallies, block.ngrams, strict=True)]


Counted = tuple[Keys, Integers]
"""Distinct keys in rising order, and how often each was met."""


@dataclass(frozen=True)
class Counts:
    """What stands in all texts: the words, words as they stand if vectors are cased, and each kind of n-grams.

    N-grams of words are given without those of one word, which are counted already: sorting them again would cost
    more than all else here.
    """

    words: Counted
    as_they_stand: Counted
    ngrams: list[Counted]

    def all_words(self) -> Counted:
        """Return the words in either form, and how often each was met."""
        keys, places = np.unique(np.concatenate([self.words[0], self.as_they_stand[0]]), return_inverse=True)
        counts = np.zeros(len(keys), np.int32)
        np.add.at(counts, places, np.concatenate([self.words[1], self.as_they_stand[1]]))
        return keys, counts


def count_all(corpus: TokenizedCorpus, *, is_cased: bool) -> Counts:
    """Return what stands in all texts, with words as they stand if `is_cased`.

    Raises TrainingError when no text holds a word.
    """

    def counted(block: Block) -> list[Counted]:
        words = block.tokens.keys
        as_they_stand = tokenize(block.texts, lower=False).keys if is_cased else words[:0]
        by_kind = zip(corpus.kinds, block.ngrams, strict=True)
        of_kinds = (keys[len(words) * (kind[0] == "words") :] for kind, (_, keys) in by_kind)
        return [count_keys(keys) for keys in (words, as_they_stand, *of_kinds)]

    counters = [KeyCounter(corpus.threads) for _ in range(2 + len(corpus.kinds))]
    for of_block in corpus.each(counted):
        for counter, (keys, times) in zip(counters, of_block, strict=True):
            counter.add(keys, times)
    words, as_they_stand, *of_kinds = [counter.counts() for counter in counters]
    if not len(words[0]):
        raise TrainingError("texts: expected words, found none in any text. Is this the right text column?")
    return Counts(words, as_they_stand, of_kinds)


def ngram_counts_of(
    kinds: Sequence[Kind], counts: Counts, least: int, store: ArrayStore, weights: Array | None = None
) -> list[NgramCounts]:
    """Return what tallies the n-grams of each kind that may stand in `least` texts, by how often they stand in all."""
    heaviest = 1.0 if weights is None else max(1.0, float(weights.max(initial=0.0)))

    def frequent(counted: Sequence[Counted]) -> KeyIndex:
        keys = [keys[occurrences * heaviest >= least] for keys, occurrences in counted]
        return KeyIndex(count_keys(np.concatenate(keys))[0])

    return [
        NgramCounts(kind, frequent([counts.words, others] if kind[0] == "words" else [others]), least, store, weights)
        for kind, others in zip(kinds, counts.ngrams, strict=True)
    ]


def ngram_kinds(mean_length: float, settings: Settings) -> list[Kind]:
    """Return the kinds of n-grams that texts of so many characters on average get."""
    longest = WORD_NGRAMS[settings.recipe] if settings.word_ngrams is None else settings.word_ngrams
    kinds: list[Kind] = [("words", 1, longest)] if longest else []
    chars = settings.char_ngrams
    if chars is None:
        wanted = longest and settings.recipe != "fast" and mean_length <= LONGEST_SHORT
        chars = CHAR_NGRAMS if wanted else (0, 0)
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


def learn_words(
    n: int,
    counted: Counted,
    settings: Settings,
    vectors: WordVectors | None,
    rng: np.random.Generator,
    spell: Callable[[Keys], list[str]],
    most_unseen: int | None = None,
) -> tuple[WordTable, PackedStrings, Array]:
    """Return the table of E's words, those words, and E before training, for n texts.

    `counted`: the words' keys and how often each stands in the texts; `spell` gives the words of keys.
    `most_unseen`: how many of the commonest that the texts lack are kept at the most, None for what suits n.

    The words are those of the texts that have a vector, and the commonest others that have; their rows are the
    pretrained vectors, centred and of length 1. Without vectors they are all words of the texts, their rows random.
    """
    keys, occurrences = counted
    if vectors is None:
        kept, strings = keys, spell(keys)
        counts = occurrences
        E = rng.normal(0.0, 1.0, (len(keys), settings.dimension)).astype(np.float32)
    else:
        all_words = list(vectors.words)
        known, places = np.unique(keys_of(all_words), return_index=True)
        rows = KeyIndex(keys).rows(known)
        unseen = UNSEEN_WORDS_A_TEXT * n if most_unseen is None else most_unseen
        keep = (rows >= 0) | (places < min(MOST_UNSEEN_WORDS, unseen))
        kept, strings = known[keep], [all_words[place] for place in places[keep].tolist()]
        counts = np.where(rows[keep] >= 0, occurrences[np.maximum(rows[keep], 0)], 0)
        E = unit_vectors(vectors.matrix, places[keep])
    weights = word_weights(settings.weighting, counts, np.minimum(counts, n), n)
    is_cased = vectors is not None and vectors.is_cased
    return WordTable(KeyIndex(kept), weights, is_cased), PackedStrings.of(strings), E


def unit_vectors(matrix: Array, places: Integers) -> Array:
    """Return these rows without the mean of all rows, each of length 1."""
    rows = matrix[places] - matrix.mean(axis=0)
    let_go(matrix)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Array = (rows / np.maximum(lengths, 1e-9)).astype(np.float32)
    return unit


def strings_of(corpus: TokenizedCorpus, keys: Keys) -> list[str]:
    """Return the word of each key, all of which stand in the texts."""
    dictionary, found = KeyIndex(keys), [""] * len(keys)

    def strings(block: Block) -> list[tuple[int, str]]:
        distinct, firsts = np.unique(block.tokens.keys, return_index=True)
        rows = dictionary.rows(distinct).tolist()
        return list(zip(rows, block.tokens.strings(firsts.tolist()), strict=True))

    for pairs in corpus.each(strings):
        for row, string in pairs:
            found[row] = string
    return found
