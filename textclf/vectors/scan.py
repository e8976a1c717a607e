"""Look a vectors file through before gensim sees it: what is it, is it whole, is it sane.

gensim, given a damaged file, returns success with wrong content in many cases: a cut number, a header that promises
fewer words, values that are not finite. And a header that promises 10¹² words makes it ask for the memory first.
"""

import gzip
import math
import re
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from textclf.errors import VectorsError
from textclf.types import Array
from textclf.vectors.records import LONGEST_WORD, check_records

Kind = Literal["word2vec binary", "word2vec text", "GloVe text", "fastText binary"]

MOST_DIMENSIONS = 10_000
MOST_WORDS = 20_000_000
LONGEST_LINE = 1 << 20
LARGEST_UNPACKED = 8 << 30
HIGHEST_RATIO = 100

_GZIP = b"\x1f\x8b"
_FASTTEXT = (793712314).to_bytes(4, "little")
_FOREIGN = {
    b"\x80": "a pickle (a gensim .kv or .model, or a .pkl), which could run code",
    b"PK\x03\x04": "a zip archive",
    b"\x93NUMPY": "a NumPy array",
    b"\x89HDF": "an HDF5 file",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"PAR1": "a Parquet table",
    _GZIP: "data that are packed twice",
}
_NUMBER = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_BLOCK = 1 << 22


@dataclass(frozen=True)
class Scan:
    """What a file is: layout, words, dimension, whether it is gzipped and begins with a byte order mark.

    `is_open` says that its last line has no line end: the last number may have lost digits.
    """

    kind: Kind
    words: int
    dimension: int
    is_gzip: bool
    has_mark: bool
    is_open: bool = False


def scan(path: Path, *, encoding: str = "utf-8") -> Scan:
    """Return what a vectors file is; raises VectorsError when it is none, is damaged, or would not fit.

    Text files are read to their end here (every line must hold a word and as many finite numbers as the others);
    gzipped ones are unpacked to their end, checksum and all; of binary ones the header is held against the size.
    """
    _check_regular(path)
    with open_unpacked(path, is_gzip=False) as raw:
        head = raw.read(16)
    is_gzip = head.startswith(_GZIP)
    with open_unpacked(path, is_gzip) as stream:
        start = stream.read(LONGEST_LINE)
    if not start:
        raise VectorsError(f"{path}: expected word vectors, found an empty file. Name another file.")
    for magic, what in _FOREIGN.items():
        if start.startswith(magic):
            raise VectorsError(
                f"{path}: expected word2vec, GloVe or fastText vectors, found {what}. "
                "Save them in the word2vec format (gensim: save_word2vec_format)."
            )
    if start.startswith(_FASTTEXT):
        return Scan("fastText binary", 0, 0, is_gzip, False)
    return _scan_layout(path, start, is_gzip, encoding)


def _scan_layout(path: Path, start: bytes, is_gzip: bool, encoding: str) -> Scan:
    has_mark = start.startswith(b"\xef\xbb\xbf")
    first, rest = _first_line(path, start[3:] if has_mark else start)
    header = first.split()
    if len(header) == 2 and all(re.fullmatch(rb"-?\d+", field) for field in header):
        words, dimension = (_bounded_int(field) for field in header)
        _check_header(path, words, dimension)
        return _scan_announced(path, start, Scan("word2vec text", words, dimension, is_gzip, has_mark), encoding)
    dimension = len(header) - 1
    if dimension < 2 or not _NUMBER.fullmatch(header[-1]):
        raise VectorsError(
            f"{path}:1: expected 'WORDS DIMENSION' or a word and its numbers, found {_clip(first)}. "
            "This is not a file of word vectors."
        )
    # A word of GloVe may hold blanks; the shortest of the first lines tells the dimension.
    for line in rest.split(b"\n")[:20]:
        fields = len(line.split())
        dimension = min(dimension, fields - 1) if fields > 2 else dimension
    return _scan_text(path, Scan("GloVe text", 0, dimension, is_gzip, has_mark), skip=0, encoding=encoding)


def _scan_announced(path: Path, start: bytes, promised: Scan, encoding: str) -> Scan:
    """Hold a file with a header to what the header promises."""
    words, dimension, is_gzip = promised.words, promised.dimension, promised.is_gzip
    place = start.index(b"\n") + 1 if b"\n" in start else len(start)
    if _looks_binary(start[place:], dimension):
        if promised.has_mark:
            raise VectorsError(f"{path}: found a byte order mark before binary vectors. Take its three bytes away.")
        with open_unpacked(path, is_gzip) as stream:
            stream.read(place)
            check_records(stream, path, words, dimension, encoding)
        return replace(promised, kind="word2vec binary")
    numbers = len(start[place:].partition(b"\n")[0].split()) - 1
    if 0 < numbers < dimension:
        raise VectorsError(
            f"{path}:2: the first line promises vectors of {dimension} numbers, found {numbers}. The file is cut, "
            "or that line is a word and its number: then put a header above it, 'WORDS DIMENSION'."
        )
    found = _scan_text(path, promised, skip=1, encoding=encoding)
    if found.words != words:
        raise VectorsError(
            f"{path}:1: the header promises {words} words, found {found.words}. "
            "The file is cut or its header is wrong: get it again, or correct the header."
        )
    return found


def _check_regular(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise VectorsError(
            f"{path}: no such file of word vectors. Check the name; `--vectors starter` are those that come along."
        ) from None
    except OSError as error:
        raise cannot_be_read(path, error) from None
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a device or a pipe"
        raise VectorsError(f"{path}: expected a file of word vectors, found {what}. Name a regular file.")


@contextmanager
def open_unpacked(path: Path, is_gzip: bool) -> Iterator[BinaryIO]:
    """Open a file for reading, unpacking it when it is gzipped; what goes wrong meanwhile is told in one line."""
    try:
        with path.open("rb") as raw:
            if is_gzip:
                with gzip.open(raw) as stream:
                    yield _Bounded(stream, path)  # type: ignore[misc]  # only read and readline are used of it
            else:
                yield raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise VectorsError(f"{path}: the gzip data are damaged or cut ({error}). Get the file again.") from None
    except OSError as error:
        raise cannot_be_read(path, error) from None


def cannot_be_read(path: Path, error: OSError) -> VectorsError:
    """Return what to say of a file that the system does not give."""
    return VectorsError(f"{path}: cannot be read ({error.strerror}). Check the name and your permissions.")


class _Bounded:
    """A gzip stream that refuses to unpack a small file into a huge one."""

    def __init__(self, stream: gzip.GzipFile, path: Path) -> None:
        self._stream, self._path = stream, path
        self._limit = min(LARGEST_UNPACKED, max(path.stat().st_size * HIGHEST_RATIO, 1 << 20))
        self._read = 0

    def read(self, size: int) -> bytes:
        block = self._stream.read(size)
        self._read += len(block)
        if self._read > self._limit:
            raise VectorsError(
                f"{self._path}: unpacks to over {HIGHEST_RATIO} times its size or {LARGEST_UNPACKED >> 30} GiB. "
                "Unpack it yourself if you trust it."
            )
        return block


def _first_line(path: Path, start: bytes) -> tuple[bytes, bytes]:
    first, newline, rest = start.partition(b"\n")
    if not newline and len(start) >= LONGEST_LINE - 3:
        raise VectorsError(
            f"{path}:1: the first line is over {LONGEST_LINE} bytes. This is not a file of word vectors."
        )
    if b"\r" in first.rstrip(b"\r"):
        raise VectorsError(f"{path}: expected lines that end with a line feed, found carriage returns alone.")
    return first.rstrip(b"\r"), rest


def _bounded_int(field: bytes) -> int:
    return int(field) if len(field) <= 18 else 10**18


def _check_header(path: Path, words: int, dimension: int) -> None:
    if not 1 <= words <= MOST_WORDS:
        raise VectorsError(f"{path}:1: expected 1 to {MOST_WORDS:,} words, the header says {words:,}. Is it damaged?")
    if not 1 <= dimension <= MOST_DIMENSIONS:
        raise VectorsError(
            f"{path}:1: expected vectors of 1 to {MOST_DIMENSIONS:,} numbers, the header says {dimension:,}. "
            "Is this a GloVe file of one dimension, or damaged?"
        )


def _looks_binary(rest: bytes, dimension: int) -> bool:
    line = rest.partition(b"\n")[0].rstrip(b"\r")
    numbers = line.split()[-dimension:]
    is_text = len(numbers) == dimension and all(_NUMBER.fullmatch(number) for number in numbers)
    return not is_text and (any(byte < 9 or 13 < byte < 32 or byte > 126 for byte in rest[:4096]) or not line)


def _scan_text(path: Path, expected: Scan, *, skip: int, encoding: str) -> Scan:
    """Read every line, a word and its finite numbers; return how many words there are and how the last line ends."""
    number = 0
    tail: list[bytes] = []
    with open_unpacked(path, expected.is_gzip) as stream:
        for number, line in enumerate(_lines(stream, path, tail), 1):
            if number > skip:
                bare = line[3:] if expected.has_mark and number == 1 else line
                _check_line(path, number, bare, expected.dimension, encoding)
    return replace(expected, words=number - skip, is_open=bool(tail))


def _lines(stream: BinaryIO, path: Path, tail: list[bytes]) -> Iterator[bytes]:
    """Give the lines of a stream; the last one comes into `tail` too when it has no line end."""
    pending = b""
    while block := stream.read(_BLOCK):
        *lines, pending = (pending + block).split(b"\n")
        yield from lines
        if len(pending) > LONGEST_LINE:
            raise VectorsError(f"{path}: expected lines of at most {LONGEST_LINE:,} bytes, found a longer one.")
    if pending:
        tail.append(pending)
        yield pending


def _check_line(path: Path, number: int, line: bytes, dimension: int, encoding: str) -> None:
    fields = line.rstrip(b"\r").rsplit(None, dimension)
    if len(fields) != dimension + 1:
        if not line.strip():
            raise VectorsError(f"{path}:{number}: expected a word and {dimension} numbers, found an empty line.")
        raise VectorsError(
            f"{path}:{number}: expected a word and {dimension} numbers, found {len(line.split())} fields. "
            "The file is cut or damaged: get it again."
        )
    word = fields[0]
    if len(word) > LONGEST_WORD:
        raise VectorsError(f"{path}:{number}: expected words of at most {LONGEST_WORD} bytes, found a longer one.")
    try:
        word.decode(encoding)
    except UnicodeDecodeError as error:
        raise VectorsError(
            f"{path}:{number}: expected {encoding}, found byte 0x{word[error.start]:02x} in a word. "
            "Convert the file to UTF-8."
        ) from None
    numbers = b" ".join(fields[1:])
    if not _ALL_NUMBERS.fullmatch(numbers):
        bad = next(field for field in fields[1:] if not _NUMBER.fullmatch(field))
        raise VectorsError(f"{path}:{number}: expected a number, found {_clip(bad)}, in the vector of {_clip(word)}.")
    # Too large for a float takes an exponent or many digits.
    if b"e" in numbers or b"E" in numbers or len(numbers) > 30 * dimension:
        with np.errstate(over="ignore"):
            values = np.array([float(field) for field in fields[1:]]).astype(np.float32)
        if not np.isfinite(values).all():
            raise VectorsError(f"{path}:{number}: a number in the vector of {_clip(word)} is not finite.")


# Like _NUMBER, but possessive: nothing is tried twice, which takes half the time off every line of a file.
_ALL_NUMBERS = re.compile(rb"(?:[-+]?+(?>\d++(?:\.\d*+)?+|\.\d++)(?:[eE][-+]?+\d++)?+(?: |$))++")


def check_values(path: Path, words: list[str], matrix: Array) -> list[str]:
    """Refuse values that are not finite, and return what is suspicious about the others."""
    least, largest = float(matrix.min(initial=0.0)), float(matrix.max(initial=0.0))  # NaN if any is
    if not math.isfinite(largest - least):
        place = int(np.flatnonzero(~np.isfinite(matrix).all(axis=1))[0])
        raise VectorsError(
            f"{path}: a number in the vector of {words[place]!r} (word {place + 1}) is not finite. Get the file again."
        )
    notes = []
    largest = max(largest, -least)
    if largest > 1e6:
        notes.append(f"a value as large as {largest:.3g}: was this file read as what it is?")
    zero = int((~matrix[np.flatnonzero(matrix[:, 0] == 0.0)].any(axis=1)).sum())
    if zero > math.ceil(len(matrix) / 100):
        notes.append(f"{zero:,} words have a vector of zeros")
    return notes


def _clip(value: bytes) -> str:
    return repr(value[:40].decode("utf-8", "replace") + ("…" if len(value) > 40 else ""))
