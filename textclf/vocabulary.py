"""What a model knows: the words that get a row of E, where their vectors start, and the n-grams that get a row of U."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from textclf.arrays import Array, Integers, Keys
from textclf.dictionary import Dictionary, count_keys
from textclf.errors import TrainingError
from textclf.features import (
    Features,
    LearnedNgrams,
    NgramTable,
    TextMatrix,
    WordTable,
    inverse_document_frequency,
    learn_ngrams,
    side_by_side,
    unit_rows,
    word_weights,
)
from textclf.settings import Settings
from textclf.sparse import SparseRows, stack_columns
from textclf.strings import Strings
from textclf.tokenizer import Tokens, keys_of, tokenize_blocks
from textclf.vectors import WordVectors

MOST_UNSEEN_WORDS, UNSEEN_WORDS_A_TEXT = 30_000, 100
"""Of the words that training did not see but the vectors know, this many of the commonest are kept, and no more than
so many for each text: what two lines teach needs no file of megabytes."""
LONGEST_FOR_CHARS = 600
"""Texts of up to this many characters on average get n-grams of characters: longer ones say enough in words."""
CHAR_NGRAMS = (1, 5)
WORD_NGRAMS = {"fast": 2, "auto": 2, "best": 3}
FEW_TEXTS = 1000
"""Below this many texts an n-gram of a single text is kept too."""


@dataclass(frozen=True)
class Vocabulary:
    """What was learnt of n texts: features, the words of E's rows, E before training, and the texts' matrices."""

    features: Features
    words: Strings
    E: Array
    matrix: TextMatrix


def learn_vocabulary(
    texts: Sequence[str],
    settings: Settings,
    vectors: WordVectors | None,
    rng: np.random.Generator,
    weights: Array | None = None,
) -> Vocabulary:
    """Return what these texts call for; `vectors` None starts from random ones.

    With `weights`, shape (n,), a text of weight 2 counts as two texts in what is common enough and how common it is.
    Raises TrainingError when no text holds a word.
    """
    blocks = cut(texts)
    n = len(texts) if weights is None else round(float(weights.sum()))
    least = fewest_texts(n)
    kinds = _ngram_kinds(texts, settings, weights)
    if weights is None:
        learned = [learn_ngrams(blocks, kind, low, high, least) for kind, low, high in kinds]
    else:
        learned = [_weighed(learn_ngrams(blocks, kind, low, high, 1), weights, least) for kind, low, high in kinds]
    tables = tuple(each.table for each in learned)
    ngrams = stack_columns([each.matrix for each in learned], len(texts))
    familiar = side_by_side([each.familiar for each in learned], len(texts))
    word_table, words, E = _learn_words(blocks, texts, settings, vectors, rng, UNSEEN_WORDS_A_TEXT * n)
    by_words = Features(word_table, ()).extract_tokens(blocks, texts)
    return Vocabulary(Features(word_table, tables), words, E, replace(by_words, ngrams=ngrams, familiar=familiar))


def cut(texts: Sequence[str]) -> list[Tokens]:
    """Return the texts' tokens; raises TrainingError when no text holds a word."""
    blocks = list(tokenize_blocks(texts))
    if not any(len(block.keys) for block in blocks):
        raise TrainingError("texts: expected words, found none in any text. Is this the right text column?")
    return blocks


def fewest_texts(n: int) -> int:
    """Return in how many of n texts an n-gram must stand to be kept."""
    return 1 if n < FEW_TEXTS else 2


def _weighed(learned: LearnedNgrams, weights: Array, least: int) -> LearnedNgrams:
    """Return what would have been learnt had each text stood there as often as its weight says."""
    table, matrix = learned.table, learned.matrix
    frequency = np.bincount(matrix.columns, weights=weights[matrix.row_numbers], minlength=matrix.width)
    idf = inverse_document_frequency(frequency, float(weights.sum()))
    texts = np.bincount(matrix.columns, minlength=matrix.width)
    keep = np.maximum(frequency, texts) >= least  # weights below 1 make a text count less, but drop no n-gram
    reweighed = matrix.with_data(matrix.data * (idf / table.idf)[matrix.columns]).keep_columns(keep)
    kept = NgramTable(table.kind, table.shortest, table.longest, Dictionary(table.dictionary.keys[keep]), idf[keep])
    return LearnedNgrams(kept, unit_rows(reweighed), learned.familiar)


def _ngram_kinds(texts: Sequence[str], settings: Settings, weights: Array | None) -> list[tuple[Any, int, int]]:
    longest = WORD_NGRAMS[settings.recipe] if settings.word_ngrams is None else settings.word_ngrams
    kinds: list[tuple[Any, int, int]] = [("words", 1, longest)] if longest else []
    chars = settings.char_ngrams
    if chars is None:
        mean_length = np.average([len(text) for text in texts], weights=weights) if len(texts) else 0.0
        wanted = longest and settings.recipe != "fast" and mean_length <= LONGEST_FOR_CHARS
        chars = CHAR_NGRAMS if wanted else (0, 0)
    return [*kinds, ("chars", *chars)] if chars[1] else kinds


def _learn_words(
    blocks: Sequence[Tokens],
    texts: Sequence[str],
    settings: Settings,
    vectors: WordVectors | None,
    rng: np.random.Generator,
    most_unseen: int,
) -> tuple[WordTable, Strings, Array]:
    """Return the table of E's words, those words, and E before training.

    The words are those of the texts that have a vector, and the commonest others that have; their rows are the
    pretrained vectors, centred and of length 1. Without vectors they are all words of the texts, their rows random.
    """
    is_cased = vectors is not None and vectors.is_cased
    seen = [block.keys for block in blocks]
    if is_cased:
        seen += [block.keys for block in tokenize_blocks(texts, lower=False)]
    keys, occurrences = count_keys(np.concatenate(seen))
    if vectors is None:
        kept, strings = keys, strings_of(blocks, keys)
        counts = occurrences
        E = rng.normal(0.0, 1.0, (len(keys), settings.dimension)).astype(np.float32)
    else:
        known, places = np.unique(keys_of(vectors.words), return_index=True)
        rows = Dictionary(keys).rows(known)
        keep = (rows >= 0) | (places < min(MOST_UNSEEN_WORDS, most_unseen))
        kept, strings = known[keep], [vectors.words[int(place)] for place in places[keep]]
        counts = np.where(rows[keep] >= 0, occurrences[np.maximum(rows[keep], 0)], 0)
        E = unit_vectors(vectors.matrix, places[keep])
    weights = word_weights(settings.weighting, counts, np.minimum(counts, len(texts)), len(texts))
    return WordTable(Dictionary(kept), weights, is_cased), Strings.of(strings), E


def unit_vectors(matrix: Array, places: Integers) -> Array:
    """Return these rows without the mean of all rows, each of length 1."""
    rows = matrix[places] - matrix.mean(axis=0)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Array = (rows / np.maximum(lengths, 1e-9)).astype(np.float32)
    return unit


def strings_of(blocks: Sequence[Tokens], keys: Keys) -> list[str]:
    """Return the word of each key, all of which stand in the blocks."""
    dictionary, found = Dictionary(keys), [""] * len(keys)
    for block in blocks:
        distinct, firsts = np.unique(block.keys, return_index=True)
        for row, string in zip(dictionary.rows(distinct).tolist(), block.strings(firsts.tolist()), strict=True):
            found[row] = string
    return found


def standardized(E: Array, C: SparseRows, weights: Array | None = None, *, length: float = 1.0) -> Array:
    """Return E moved and scaled so that S = C E has mean 0, and rows whose mean squared length is `length`².

    Each of the d numbers gets the same spread, length / √d, over C's texts. Averaged vectors lie close together; left
    so, a network sees almost the same input for every text. As a row of C sums to 1, moving every vector moves S
    alike, and the zero row of a text without known words is the average text. `weights`, shape (n,): of the texts.
    """
    S = C.times(E)
    if weights is None:
        mean, spread = S.mean(axis=0, dtype=np.float64), S.std(axis=0, dtype=np.float64)
    else:
        mean = np.average(S, axis=0, weights=weights)
        spread = np.sqrt(np.average((S - mean) ** 2, axis=0, weights=weights))
    spread = np.where(spread > 1e-6, spread, 1.0) * (np.sqrt(E.shape[1]) / length)
    moved: Array = ((E - mean) / spread).astype(E.dtype)
    return moved
