"""Layouts of vectors files: which words of a file can be used, and each record and line held to its kind.

gensim takes what it is given: with a blank inside a word, or a wrong count, it returns words and numbers that were
never written. Here the records of a binary file must fill it, from the header to its end, and each line of a text must
hold as many numbers as most lines do. fastText's own binary files hold settings, a dictionary, and rows of words and of
n-grams: a word's vector is the mean of its own row and those of its character n-grams, which are found by a hash.
"""

import re
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from textclf.errors import VectorsError
from textclf.types import Array
from textclf.vectors.unpack import open_unpacked

LONGEST_WORD = 1_000

_BLOCK = 1 << 22
_MANY = 10
_FEW, _RARE = 3, 100


class WordList:
    """The words of a file in its order, with None for each one that is empty or not of the encoding.

    Many published files hold some such words: word2vec cuts long ones at a byte, tokenizers leave empty ones. They
    are left out and counted. A file in which they are many is of another encoding, and is refused.
    """

    def __init__(self, path: Path, encoding: str) -> None:
        self.words: list[str | None] = []
        self.empty = self.broken = 0
        self._path, self._encoding = path, encoding
        self._first_broken = ""

    def add(self, word: bytes, where: str, *, strict: bool = False) -> None:
        """Take the next word, which stands at `where`.

        Raises VectorsError for a word over 1,000 bytes; if `strict`, also for a word whose bytes are not of the
        encoding, unless it is cut inside its last character.
        """
        if len(word) > LONGEST_WORD:
            raise VectorsError(
                f"{where}: expected words of at most {LONGEST_WORD} bytes, found a longer one. "
                "The file is damaged, or is not what its first line says."
            )
        try:
            decoded = word.decode(self._encoding)
        except UnicodeDecodeError as error:
            self._first_broken = self._first_broken or (
                f"{where}: expected {self._encoding}, found byte 0x{word[error.start]:02x} in a word"
            )
            if strict and error.reason != "unexpected end of data":
                raise VectorsError(
                    f"{self._first_broken}. The file is damaged, is not UTF-8, or a word holds a blank: "
                    "get it again, or write it as text."
                ) from None
            self.broken += 1
            self.words.append(None)
            return
        self.empty += not decoded
        self.words.append(decoded or None)

    def check(self) -> None:
        """Raise VectorsError when so many words are not of the encoding that the file cannot be."""
        if self.broken * _MANY > len(self.words) or self.broken > max(_FEW, len(self.words) // _RARE):
            raise VectorsError(f"{self._first_broken}. Convert the file to UTF-8.")

    def notes(self) -> list[str]:
        """Say how many words are left out, and why."""
        reasons = (
            (self.empty, "empty"),
            (self.broken, f"not {self._encoding}, as if cut inside a character"),
            (self.repeated, "repeated (the first of each is kept)"),
        )
        return [f"{count:,} {_noun(count)} left out: {reason}" for count, reason in reasons if count]

    @property
    def repeated(self) -> int:
        """How many words stand there a second time."""
        usable = len(self.words) - self.words.count(None)
        return usable - len(self.distinct())

    def distinct(self) -> dict[str, int]:
        """Return the words to keep, each with the place where it first stands, in the file's order."""
        first: dict[str, int] = {}
        for place, word in enumerate(self.words):
            if word is not None:
                first.setdefault(word, place)
        return first


def _noun(count: int) -> str:
    return "word is" if count == 1 else "words are"


# --- records of the binary layout ------------------------------------------------------------------------------------

_NEWLINE = 0x0A


def read_records(stream: BinaryIO, path: Path, words: int, dimension: int) -> Iterator[tuple[bytes, memoryview, bool]]:
    """Give the word and the bytes of the numbers of each record of a stream that stands after the header.

    The third part says whether a line end proves that the record begins there. word2vec ends each record with one,
    gensim none; where the first record has one, all must.

    Raises VectorsError when the file holds fewer than `words` or more, a word is longer than 1,000 bytes, or a line
    end is missing. The numbers are not looked at.
    """
    least = LONGEST_WORD + 2 + 4 * dimension
    buffer, place, has_line_ends = b"", 0, False
    for number in range(1, words + 1):
        if len(buffer) - place < least:
            buffer, place = buffer[place:] + stream.read(_BLOCK + least), 0
        ended = place
        while place < len(buffer) and buffer[place] == _NEWLINE:
            place += 1
        has_line_ends |= number == 2 and place > ended
        if has_line_ends and place == ended < len(buffer):
            raise VectorsError(
                f"{path}: expected a line end after the numbers of word {number - 1:,}, as after the first. {_ADVICE}"
            )
        end = buffer.find(b" ", place, place + LONGEST_WORD + 1)
        if end < 0 and len(buffer) - place > LONGEST_WORD:
            raise VectorsError(
                f"{path}: expected words of at most {LONGEST_WORD} bytes, found a longer one (word {number:,}). "
                f"{_ADVICE}"
            )
        stop = end + 1 + 4 * dimension
        if end < 0 or stop > len(buffer):
            raise VectorsError(
                f"{path}: the header promises {words:,} words, found {number - 1:,} whole ones. "
                "The file is cut or its header is wrong: get it again."
            )
        yield buffer[place:end], memoryview(buffer)[end + 1 : stop], has_line_ends or number == 1
        place = stop
    if (buffer[place:] + stream.read(_BLOCK)).strip(b"\r\n"):
        raise VectorsError(f"{path}: the header promises {words:,} words, found more after them. {_ADVICE}")


_ADVICE = "The file is damaged, is not UTF-8, or a word holds a blank: get it again, or write it as text."


# --- lines of text ---------------------------------------------------------------------------------------------------

LONGEST_LINE = 1 << 20

_MARK = b"\xef\xbb\xbf"
_NUMBER = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
# Like _NUMBER, but possessive where one character repeats: nothing there is tried twice, which takes half the time off
# every line of a file. A possessive group would match "1e" in Python 3.11 before 3.11.5.
_ALL_NUMBERS = re.compile(rb"(?:[-+]?+(?:\d++\.?+\d*+|\.\d++)(?:[eE][-+]?+\d++)?(?: |$))+")


@dataclass(frozen=True)
class LineCounts:
    """What all lines of a text file have in common: how many numbers most hold, how many lines there are.

    `has_mark`: it begins with a byte order mark; `is_open`: its last line has no line end. Empty lines at the end do
    not count.
    """

    lines: int
    dimension: int
    has_mark: bool
    is_open: bool


def is_number(field: bytes) -> bool:
    """Return whether a field is a number as vectors files spell it; ``nan`` and ``inf`` are none."""
    return _NUMBER.fullmatch(field) is not None


def count_lines(path: Path, *, skip: int, promised: int = 0) -> LineCounts:
    """Look at all lines after the first `skip` for what most of them hold; of two equally common, what is promised.

    Raises VectorsError when a line is too long, or is empty and not at the end.
    """
    votes: Counter[int] = Counter()
    lines, empty, has_mark, is_open = 0, 0, False, False  # the last line that is not empty, the first that is
    with open_unpacked(path) as stream:
        for number, (line, without_end) in enumerate(_lines(stream, path), 1):
            is_open = without_end
            if number == 1 and line.startswith(_MARK):
                has_mark, line = True, line[len(_MARK) :]
            if not line.strip():
                empty = empty or number
                continue
            if empty:
                raise VectorsError(f"{path}:{empty}: expected a word and its numbers, found an empty line. Remove it.")
            lines = number
            if number > skip:
                votes[_numbers_after_a_word(line)] += 1
    dimension = max(votes, key=lambda numbers: (votes[numbers], numbers == promised), default=0)
    return LineCounts(lines - min(skip, lines), dimension, has_mark, is_open and not empty)


def _numbers_after_a_word(line: bytes) -> int:
    """Return how many fields at the end of a line are numbers, the first field, the word, aside."""
    fields = line.split()
    if len(fields) > 1 and is_number(fields[1]):  # all but words with blanks in them
        return len(fields) - 1
    count = 0
    while count < len(fields) - 1 and is_number(fields[-1 - count]):
        count += 1
    return count


def read_lines(path: Path, dimension: int, *, skip: int) -> Iterator[tuple[int, bytes, list[bytes]]]:
    """Give the number, the word and the `dimension` numbers of each line after the first `skip`; a word may be empty.

    Raises VectorsError, with the number of the line, when it does not hold a word and so many finite numbers.
    """
    with open_unpacked(path) as stream:
        for number, (line, _) in enumerate(_lines(stream, path), 1):
            if number == 1:
                line = line.removeprefix(_MARK)
            if number <= skip or not line.strip():
                continue
            word, numbers = _split(f"{path}:{number}", line, dimension)
            _check_numbers(f"{path}:{number}", word, numbers)
            yield number, word, numbers


def _split(where: str, line: bytes, dimension: int) -> tuple[bytes, list[bytes]]:
    """Part a line into its word and its numbers; blanks or tabs separate, and a word may hold blanks."""
    fields = line.rsplit(None, dimension)
    if len(fields) == dimension and line[:1] in (b" ", b"\t"):
        return b"", fields
    if len(fields) != dimension + 1:
        raise _wrong_length(where, len(line.split()) - 1, dimension)
    word, numbers = fields[0].strip(), fields[1:]
    last = word.split()[-1]
    # "route 66" is a word, but a decimal number in front of the others is one number too many.
    if last != word and is_number(last) and not (last.isdigit() and not numbers[0].isdigit()):
        raise _wrong_length(where, _numbers_after_a_word(line), dimension)
    return word, numbers


def _wrong_length(where: str, found: int, dimension: int) -> VectorsError:
    return VectorsError(
        f"{where}: expected a word and {dimension} numbers, as most lines have, found {found}. "
        "The file is cut or damaged: get it again, or correct the line."
    )


def _check_numbers(where: str, word: bytes, fields: list[bytes]) -> None:
    numbers = b" ".join(fields)
    if not _ALL_NUMBERS.fullmatch(numbers):
        bad = next(field for field in fields if not is_number(field))
        raise VectorsError(f"{where}: expected a number, found {clip_bytes(bad)}, in the vector of {clip_bytes(word)}.")
    # Too large for a float takes an exponent or many digits.
    if b"e" in numbers or b"E" in numbers or len(numbers) > 30 * len(fields):
        with np.errstate(over="ignore"):
            values = np.array([float(field) for field in fields]).astype(np.float32)
        if not np.isfinite(values).all():
            raise VectorsError(f"{where}: a number in the vector of {clip_bytes(word)} is not finite.")


def _lines(stream: BinaryIO, path: Path) -> Iterator[tuple[bytes, bool]]:
    """Give the lines of a stream, and whether each one lacks a line end, as the last may."""
    pending = b""
    while block := stream.read(_BLOCK):
        *lines, pending = (pending + block).split(b"\n")
        yield from ((line.rstrip(b"\r"), False) for line in lines)
        if len(pending) > LONGEST_LINE:
            raise VectorsError(f"{path}: expected lines of at most {LONGEST_LINE:,} bytes, found a longer one.")
    if pending:
        yield pending.rstrip(b"\r"), True


def clip_bytes(value: bytes) -> str:
    """Return bytes of a file for a message, the first 40 of them."""
    return repr(value[:40].decode("utf-8", "replace") + ("…" if len(value) > 40 else ""))


# --- fastText --------------------------------------------------------------------------------------------------------

MAGIC = (793712314).to_bytes(4, "little")
MOST_DIMENSIONS = 10_000
MOST_WORDS = 20_000_000

_SUPERVISED = 3
_LONGEST_NGRAM = 100
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
