"""fastText's own binary layout (its ``.bin`` files): settings, dictionary, and the rows of words and n-grams.

A word's vector is the mean of its own row and the rows of its character n-grams, which are found by a hash.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from textclf.errors import VectorsError
from textclf.types import Array
from textclf.vectors.layouts import LONGEST_WORD, WordList
from textclf.vectors.unpack import open_unpacked

MAGIC = (793712314).to_bytes(4, "little")
MOST_DIMENSIONS = 10_000
MOST_WORDS = 20_000_000

_SUPERVISED = 3
_LONGEST_NGRAM = 100
_BLOCK = 1 << 20
_HEADER = struct.Struct("<i4x" + "12i" + "d" + "3i2q")
_COUNT_AND_TYPE, _PRUNED = 9, 8
_MATRIX = struct.Struct("<?2q")


@dataclass(frozen=True)
class FastTextLayout:
    """What a file says of itself, held against its size: `start` is where the matrix of all rows begins."""

    words: WordList
    dimension: int
    buckets: int
    shortest: int
    longest: int
    rows: int
    start: int


def read_layout(path: Path, encoding: str = "utf-8") -> FastTextLayout:
    """Read the settings and the dictionary of a fastText file, packed or not.

    Raises VectorsError when the file is cut, holds a supervised or a quantized model, or contradicts itself.
    """
    with open_unpacked(path) as stream:
        reader = _Reader(stream, path)
        _, dimension, _, _, _, _, _, _, model, buckets, shortest, longest, _, _, entries, words, labels, _, pruned = (
            _HEADER.unpack(reader.take(_HEADER.size))
        )
        if labels or model == _SUPERVISED:
            raise VectorsError(
                f"{path}: these fastText vectors cannot be read (they are a supervised model, which labels texts). "
                "Give vectors made by fastText's skipgram or cbow."
            )
        if not (
            0 < words <= MOST_WORDS
            and words == entries
            and 0 < dimension <= MOST_DIMENSIONS
            and buckets >= 0
            and 0 <= longest <= _LONGEST_NGRAM
        ):
            raise _damage_error(path, f"{words:,} words of {dimension:,} numbers")
        found = WordList(path, encoding)
        for number in range(1, words + 1):
            found.add(reader.take_word(), f"{path}: word {number:,}")
            reader.take(_COUNT_AND_TYPE)
        found.check()
        for _ in range(max(pruned, 0)):
            reader.take(_PRUNED)
        is_quantized, rows, columns = _MATRIX.unpack(reader.take(_MATRIX.size))
        if is_quantized:
            raise VectorsError(
                f"{path}: these fastText vectors cannot be read (they are quantized, .ftz). Give the .bin file."
            )
        if rows != words + buckets or columns != dimension:
            raise _damage_error(path, f"a matrix of {rows:,} × {columns:,}")
        layout = FastTextLayout(found, dimension, buckets, shortest, longest, rows, reader.place)
        reader.skip(4 * rows * columns)
    return layout


def read_vectors(plain: Path, layout: FastTextLayout) -> Array:
    """Return the vectors of all words, shape (V, d), of an unpacked file; words that are left out have zeros.

    The same as fastText's `getWordVector`, up to rounding: E[w] = (row of w + rows of its n-grams) / (1 + n-grams).
    """
    shape = (layout.rows, layout.dimension)
    rows = np.memmap(plain, "<f4", mode="r", offset=layout.start, shape=shape)
    words = layout.words.words
    matrix = np.array(rows[: len(words)], np.float32)
    if layout.buckets == 0:
        return matrix
    for place, word in enumerate(words):
        if word is not None:
            places = [len(words) + _hash(ngram) % layout.buckets for ngram in _ngrams(word, layout)]
            matrix[place] = (matrix[place] + rows[places].sum(axis=0)) / (1 + len(places))
    return matrix


def _ngrams(word: str, layout: FastTextLayout) -> Iterator[bytes]:
    """Give the character n-grams of a word between ``<`` and ``>``; its first and last character alone are none."""
    marked = f"<{word}>"
    for start in range(len(marked)):
        for stop in range(start + max(layout.shortest, 1), min(start + layout.longest, len(marked)) + 1):
            if stop - start > 1 or 0 < start < len(marked) - 1:
                yield marked[start:stop].encode()


def _hash(ngram: bytes) -> int:
    """Return the FNV-1a hash of fastText, which takes bytes as signed."""
    value = 2166136261
    for byte in ngram:
        value = ((value ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * 16777619) & 0xFFFFFFFF
    return value


class _Reader:
    """Reads a stream piece by piece, and knows the place where it stands."""

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self._stream, self._path = stream, path
        self._buffer, self._start, self.place = b"", 0, 0

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        first = self.place - self._start
        if first + size > len(self._buffer):
            self._buffer = self._buffer[first:] + self._stream.read(_BLOCK + size)
            self._start, first = self.place, 0
            if size > len(self._buffer):
                raise _damage_error(self._path, "its end")
        self.place += size
        return self._buffer[first : first + size]

    def take_word(self) -> bytes:
        """Return the bytes up to the next NUL, which is taken too."""
        first = self.place - self._start
        if len(self._buffer) - first <= LONGEST_WORD:
            self._buffer = self._buffer[first:] + self._stream.read(_BLOCK)
            self._start, first = self.place, 0
        end = self._buffer.find(b"\0", first, first + LONGEST_WORD + 1)
        if end < 0:
            raise _damage_error(self._path, f"a word of over {LONGEST_WORD} bytes, or its end")
        self.place = self._start + end + 1
        return self._buffer[first:end]

    def skip(self, size: int) -> None:
        """Pass over the next `size` bytes."""
        size -= min(size, len(self._buffer) - (self.place - self._start))
        while size > 0:
            block = self._stream.read(min(size, _BLOCK))
            if not block:
                raise _damage_error(self._path, "its end")
            size -= len(block)


def _damage_error(path: Path, found: str) -> VectorsError:
    return VectorsError(
        f"{path}: these fastText vectors cannot be read (expected what the header promises, found {found}). "
        "The file is cut or damaged: get it again."
    )
