"""What a file of vectors knows of texts: averages of their words, advice when many are unknown, parts for some."""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import numpy.typing as npt

from textclf.settings import Weighting
from textclf.text.features import Features, WordTable
from textclf.text.key_index import KeyIndex, count_keys
from textclf.text.tokenizer import keys_of, tokenize, tokenize_blocks
from textclf.text.weighting import expected_counts, word_weights
from textclf.types import Array
from textclf.vectors.word_vectors import WordVectors

LOW_COVERAGE = 0.5
_HEAD = 20_000
_STEMS = 50_000
_ENDINGS = ("n't", "'s", "'re", "'ve", "'ll", "'d", "'m")
_BEGINNINGS = ("l'", "d'", "j'", "qu'", "c'", "n'", "s'", "m'", "t'", "dell'", "all'", "un'")


def advise_on_coverage(vectors: WordVectors, coverage: float) -> str:
    """Say what to do when less than half of the texts' tokens have a vector; return "" when more have."""
    if coverage >= LOW_COVERAGE:
        return ""
    head = list(vectors.words[:_HEAD])
    unmatchable = _find_unmatchable(head)
    if 2 * len(unmatchable) > len(head):
        with_letters = [word for word in unmatchable if any(map(str.isalpha, word))]
        if 2 * sum(map(str.isalpha, with_letters)) > len(unmatchable):
            return ". That is low: texts in this script are split into characters. Use vectors of single characters"
        return (
            f". That is low: the file writes its words like {(with_letters or unmatchable)[0]!r}, which no word "
            "of a text is. Remove what is around the words (`/c/en/good`, `good_ADJ`); `new_york` is not used"
        )
    letters = [word for word in head if word.lower() != word.upper()]
    if 10 * sum(word == word.lower() for word in letters) < len(letters):
        return ". That is low: nearly all words of the file have capitals. Write them in lower case"
    return ". That is low: use vectors for the language and the kind of these texts, or `--vectors none`"


def _find_unmatchable(words: list[str]) -> list[str]:
    """Return the words that no token of a text can be, because the tokenizer splits or shortens them."""
    tokens = tokenize(words, lower=False)
    is_single = np.diff(tokens.offsets) == 1
    matches = is_single.copy()
    matches[is_single] = tokens.keys[tokens.offsets[:-1][is_single]] == keys_of(words)[is_single]
    return [words[place] for place in np.flatnonzero(~matches).tolist()]


def find_parts(
    vectors: WordVectors, are_wanted: Callable[[list[str]], npt.NDArray[np.bool_]]
) -> tuple[list[str], list[list[int]]]:
    """Return words with an apostrophe that texts hold and the file lacks, and for each the places of its parts.

    GloVe and others hold ``do`` and ``n't``, ``it`` and ``'s``, where a token here is ``don't`` and ``it's``. A word's
    vector is then the mean of its parts' vectors, without a part that the file lacks, too. `are_wanted` tells of
    words whether texts hold them. Files that hold ``it's`` or ``don't`` write such words whole: nothing is added.
    """
    places: dict[str, int] = {}
    for place, word in enumerate(vectors.words):
        places.setdefault(word, place)
    if "it's" in places or "don't" in places:
        return [], []
    stems = [word for word in list(places)[:_STEMS] if word.isalpha()]
    pairs = [*product(stems, _ENDINGS), *product([part for part in _BEGINNINGS if part in places], stems)]
    words = [first + last for first, last in pairs]
    wanted: dict[str, list[int]] = {}
    for place in np.flatnonzero(are_wanted(words)).tolist() if words else []:
        if words[place] not in places:
            wanted.setdefault(words[place], [places[part] for part in pairs[place] if part in places])
    return list(wanted), list(wanted.values())


def averaging_features(vectors: WordVectors, texts: Sequence[str], weighting: Weighting) -> tuple[Features, Array]:
    """Return what makes C of texts, its words weighed as common as they are in these texts, and E, shape (V, d)."""
    keys, places = np.unique(keys_of(vectors.words), return_index=True)
    index = KeyIndex(keys)
    seen = [block.keys for block in tokenize_blocks(texts, lower=not vectors.is_cased)]
    words, occurrences = count_keys(np.concatenate([*seen, np.zeros(0, np.uint64)]))
    rows = index.rows(words)
    counts = np.zeros(len(keys), np.int64)
    counts[rows[rows >= 0]] = occurrences[rows >= 0]
    n = max(len(texts), 1)
    weights = word_weights(weighting, counts, n, expected_counts(places + 1, len(vectors.words)))
    E = np.ascontiguousarray(vectors.matrix[places], np.float32)
    return Features(WordTable(index, weights, vectors.is_cased), ()), E
