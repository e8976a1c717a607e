"""Train word vectors on the texts of a file with gensim's Word2Vec, and write them in word2vec's formats."""

import gzip
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from textclf.errors import DataError, OutputError, VectorsError
from textclf.storage.files import write_whole
from textclf.text.tokenizer import tokenize
from textclf.types import Array, Integers
from textclf.vectors.open import require_gensim
from textclf.vectors.word_vectors import WordVectors

if TYPE_CHECKING:
    from textclf.tables import Notes, Origin, Refusal, TableOptions


@dataclass(frozen=True)
class Corpus:
    """Texts as numbers of `words`: text i is ``numbers[offsets[i]:offsets[i + 1]]``."""

    name: str
    words: list[str]
    numbers: Integers
    offsets: Integers
    refused: "list[Refusal]"
    notes: "Notes"

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def tokens(self) -> int:
        """How many words the texts have in all."""
        return len(self.numbers)

    def sentences_of_words(self) -> Iterator[list[str]]:
        """Give each text as a list of words."""
        words = self.words
        for start, stop in zip(self.offsets[:-1].tolist(), self.offsets[1:].tolist(), strict=True):
            yield [words[number] for number in self.numbers[start:stop].tolist()]


def read_corpus(source: "Origin", options: "TableOptions", *, progress: Callable[[int], None]) -> Corpus:
    """Read and cut all texts of a file: a text a line (.txt, also compressed), or a table's column.

    Raises DataError when the file cannot be read or holds no word.
    """
    from textclf.tables import open_table  # here: most users of vectors read no table

    numbers_of: dict[int, int] = {}
    words: list[str] = []
    numbers, lengths = [], []
    with ExitStack() as stack:
        table = stack.enter_context(open_table(source, options, labelled=False))
        for batch in table.batches():
            tokens = tokenize(batch.texts)
            distinct, firsts, inverse = np.unique(tokens.keys, return_index=True, return_inverse=True)
            new = [
                (int(key), int(first))
                for key, first in zip(distinct, firsts, strict=True)
                if int(key) not in numbers_of
            ]
            for (key, _), word in zip(new, tokens.strings(first for _, first in new), strict=True):
                numbers_of[key] = len(words)
                words.append(word)
            numbers.append(np.array([numbers_of[key] for key in distinct.tolist()], np.int32)[inverse])
            lengths.append(np.diff(tokens.offsets))
            progress(len(batch))
        if not words:
            raise DataError(f"{table.name}: expected texts, found no word in any. Is this the right file and column?")
        offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
        return Corpus(table.name, words, np.concatenate(numbers), offsets, table.refused, table.notes)


@dataclass(frozen=True)
class Word2VecSettings:
    """gensim's settings, in the field's terms (Mikolov et al. 2013)."""

    dimension: int = 100
    window: int = 5
    epochs: int = 5
    min_count: int = 5
    most_words: int | None = None
    skip_gram: bool = True
    negative: int = 5
    sample: float = 1e-3
    seed: int = 1
    workers: int = 1


class _Restartable:
    def __init__(self, sentences: Callable[[], Iterable[list[str]]]) -> None:
        self._sentences = sentences

    def __iter__(self) -> Iterator[list[str]]:
        return iter(self._sentences())


def train_vectors(
    sentences: Callable[[], Iterable[list[str]]], settings: Word2VecSettings, *, name: str, sha256: str
) -> WordVectors:
    """Return vectors of the words in `sentences`, which is called once for each pass; the commonest word first.

    With one worker the same seed gives the same vectors. Raises VectorsError when no word is common enough, or gensim
    is not installed.
    """
    require_gensim("vectors train")
    from gensim.models import Word2Vec

    model = Word2Vec(
        vector_size=settings.dimension,
        window=settings.window,
        min_count=settings.min_count,
        max_final_vocab=settings.most_words,
        sg=int(settings.skip_gram),
        negative=settings.negative,
        sample=settings.sample,
        seed=settings.seed,
        workers=settings.workers,
    )
    corpus = _Restartable(sentences)
    model.build_vocab(corpus)
    if not len(model.wv):
        raise VectorsError(f"{name}: no word occurs {settings.min_count} times. Lower --min-count.")
    model.train(corpus, total_examples=model.corpus_count, epochs=settings.epochs)
    matrix = np.asarray(model.wv.vectors, np.float32)
    return WordVectors(list(model.wv.index_to_key), matrix, name, sha256, "word2vec binary")


def to_grid(matrix: Array, bits: int = 8) -> Array:
    """Return each vector with its numbers moved to a grid of 2^bits - 1 steps between ± its largest: they pack well."""
    half = 2 ** (bits - 1) - 1
    # The step is a power of two, so that a number on the grid is exact and its last bytes are zeros.
    largest = np.maximum(np.abs(matrix).max(axis=1, keepdims=True), 1e-12)
    step = 2.0 ** np.ceil(np.log2(largest / half))
    snapped: Array = (np.round(matrix / step) * step).astype(np.float32)
    return snapped


FORMATS = (".bin", ".vec", ".txt")
"""Endings of vectors files that can be written: word2vec's binary layout, and its text under two names."""


def check_format(path: Path) -> None:
    """Refuse a file name whose ending does not say which format is meant.

    Raises OutputError.
    """
    if _format_of(path) not in FORMATS:
        raise OutputError(
            f"{path}: expected a name that ends in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, and in .gz after that "
            "if it is to be packed. Name the output so: .bin is binary, the others are text."
        )


def _format_of(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def save_word2vec(vectors: WordVectors, path: Path) -> None:
    """Write word2vec's binary format, or its text format if the name ends in .txt or .vec; .gz after that packs it.

    The same vectors give the same bytes, and text gives back every bit. Raises OutputError for another ending.
    """
    check_format(path)
    content = bytearray(f"{len(vectors)} {vectors.dimension}\n".encode())
    is_text = _format_of(path) != ".bin"
    for word, row in zip(vectors.words, np.asarray(vectors.matrix, "<f4"), strict=True):
        numbers = " ".join(map("{:.9g}".format, row.tolist())).encode() + b"\n" if is_text else row.tobytes()
        content += word.encode() + b" " + numbers
    data = gzip.compress(bytes(content), 9, mtime=0) if path.suffix.lower() == ".gz" else bytes(content)
    with write_whole(path) as stream:
        stream.write(data)
