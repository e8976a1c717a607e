"""Look a vectors file through before it is read: what is it, is it whole, is it sane.

gensim, given a damaged file, returns success with wrong content in many cases: a cut number, a header that promises
fewer words, values that are not finite. And a header that promises 10¹² words makes it ask for the memory first.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from textclf.errors import VectorsError
from textclf.types import Array
from textclf.vectors.layouts import (
    LONGEST_LINE,
    MAGIC,
    MOST_DIMENSIONS,
    MOST_WORDS,
    LineCounts,
    WordList,
    clip_bytes,
    count_lines,
    is_number,
    read_layout,
    read_lines,
    read_records,
)
from textclf.vectors.unpack import open_unpacked

VectorsFormat = Literal["word2vec binary", "word2vec text", "GloVe text", "fastText binary"]

_SAVE_AS = "Save them in the word2vec format (gensim: save_word2vec_format)."
_UNPACK = "Unpack it first, or pack the file with gzip."
_FOREIGN = {
    b"\x80": ("a pickle (a gensim .kv or .model, or a .pkl), which could run code", _SAVE_AS),
    b"\x93NUMPY": ("a NumPy array", _SAVE_AS),
    b"\x89HDF": ("an HDF5 file", _SAVE_AS),
    b"\xff\xfe": ("UTF-16 text", "Convert the file to UTF-8."),
    b"\xfe\xff": ("UTF-16 text", "Convert the file to UTF-8."),
    b"PAR1": ("a Parquet table", _SAVE_AS),
    b"SQLite format 3\0": ("an SQLite database", _SAVE_AS),
    b"\x1f\x8b": ("data that are packed twice", "Unpack it once."),
    b"PK\x03\x04": ("data that are packed twice", "Unpack it once."),
    b"\xfd7zXZ\0": ("an xz archive", _UNPACK),
    b"BZh": ("a bzip2 archive", _UNPACK),
    b"\x28\xb5\x2f\xfd": ("a Zstandard archive", _UNPACK),
    b"\x04\x22\x4d\x18": ("an LZ4 archive", _UNPACK),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", _UNPACK),
    b"Rar!\x1a\x07": ("a RAR archive", _UNPACK),
    b"\x1f\x9d": ("a file of `compress`", _UNPACK),
}
_SUSPICIOUS, _LARGEST = 1e6, 1e15
"""Numbers that vectors of words do not have, and such as come of bytes that are none."""
_TAR_AT, _TAR = 257, b"ustar"


@dataclass(frozen=True)
class Scan:
    """What a file is: its layout, the word of each line or record (None: to be left out), and the dimension.

    `start` is how many bytes the header of a binary takes. `has_mark`: the file begins with a byte order mark;
    `is_open`: its last line has no line end, so the last number may have lost digits.
    """

    kind: VectorsFormat
    words: WordList
    dimension: int
    start: int = 0
    has_mark: bool = False
    is_open: bool = False


def scan(path: Path, *, encoding: str = "utf-8") -> Scan:
    """Return what a vectors file is; raises VectorsError when it is none, is damaged, or would not fit.

    Files are read to their end here, packed ones with their checksum. Every line must hold a word and as many finite
    numbers as most lines do; the records of a binary must fill the file.
    """
    with open_unpacked(path) as stream:
        start = stream.read(LONGEST_LINE)
    if not start:
        raise VectorsError(f"{path}: expected word vectors, found an empty file. Name another file.")
    _check_foreign(path, start)
    if start.startswith(MAGIC):
        layout = read_layout(path, encoding)
        return Scan("fastText binary", layout.words, layout.dimension)
    return _scan_layout(path, start, encoding)


def _check_foreign(path: Path, start: bytes) -> None:
    found = next((foreign for magic, foreign in _FOREIGN.items() if start.startswith(magic)), None)
    if start[_TAR_AT:].startswith(_TAR):
        found = ("a tar archive", "Unpack it and name one of its files.")
    if found is not None:
        what, advice = found
        raise VectorsError(f"{path}: expected word2vec, GloVe or fastText vectors, found {what}. {advice}")


def _scan_layout(path: Path, start: bytes, encoding: str) -> Scan:
    has_mark = start.startswith(b"\xef\xbb\xbf")
    first = _first_line(path, start[3:] if has_mark else start)
    header = first.split()
    if len(header) == 2 and all(re.fullmatch(rb"-?\d+", field) for field in header):
        words, dimension = (_bound_int(field) for field in header)
        _check_header(path, words, dimension)
        place = start.index(b"\n") + 1 if b"\n" in start else len(start)
        if _looks_binary(start[place:], dimension):
            return _scan_records(path, place, words, dimension, has_mark=has_mark, encoding=encoding)
        counts = count_lines(path, skip=1, promised=dimension)
        _check_promise(path, counts, words, dimension)
        return _scan_text(path, counts, encoding, skip=1)
    if len(header) < 3 or not is_number(header[-1]):
        raise VectorsError(
            f"{path}:1: expected 'WORDS DIMENSION' or a word and its numbers, found {clip_bytes(first)}. "
            "This is not a file of word vectors."
        )
    counts = count_lines(path, skip=0)
    if all(map(bytes.isdigit, header)) and _bound_int(header[0]) == counts.lines - 1:
        raise VectorsError(
            f"{path}:1: expected the header 'WORDS DIMENSION', or none, found {clip_bytes(first)}. "
            "Leave two numbers in it, or remove the line."
        )
    if not 2 <= counts.dimension <= MOST_DIMENSIONS:
        raise VectorsError(
            f"{path}: expected lines of a word and 2 to {MOST_DIMENSIONS:,} numbers, found {counts.dimension:,} "
            "numbers in most of them. This is not a file of word vectors."
        )
    return _scan_text(path, counts, encoding, skip=0)


def _scan_records(path: Path, place: int, words: int, dimension: int, *, has_mark: bool, encoding: str) -> Scan:
    if has_mark:
        raise VectorsError(f"{path}: found a byte order mark before binary vectors. Take its three bytes away.")
    found = WordList(path, encoding)
    with open_unpacked(path) as stream:
        stream.read(place)
        for number, (word, _, is_proven) in enumerate(read_records(stream, path, words, dimension), 1):
            # Bytes that are no text may be numbers: after a word with a blank in it the walk is out of step.
            found.add(word, f"{path}: word {number:,}", strict=not is_proven)
    found.check()
    return Scan("word2vec binary", found, dimension, place)


def _scan_text(path: Path, counts: LineCounts, encoding: str, *, skip: int) -> Scan:
    """Read every line: a word and as many finite numbers as most lines have."""
    found = WordList(path, encoding)
    for number, word, _ in read_lines(path, counts.dimension, skip=skip):
        found.add(word, f"{path}:{number}")
    found.check()
    kind: VectorsFormat = "word2vec text" if skip else "GloVe text"
    return Scan(kind, found, counts.dimension, has_mark=counts.has_mark, is_open=counts.is_open)


def _check_promise(path: Path, counts: LineCounts, words: int, dimension: int) -> None:
    """Hold what the header of a text file promises against its lines."""
    if counts.lines and counts.dimension != dimension:
        raise VectorsError(
            f"{path}:1: the header promises vectors of {dimension} numbers, most lines have {counts.dimension}. "
            "Correct the header, or get the file again if it is cut. If the first line is itself a word and its "
            "number, put a header above it."
        )
    if counts.lines != words:
        raise VectorsError(
            f"{path}:1: the header promises {words} words, found {counts.lines}. "
            "The file is cut or its header is wrong: get it again, or correct the header."
        )


def _first_line(path: Path, start: bytes) -> bytes:
    first, newline, _ = start.partition(b"\n")
    if not newline and len(start) >= LONGEST_LINE - 3:
        raise VectorsError(
            f"{path}:1: the first line is over {LONGEST_LINE} bytes. This is not a file of word vectors."
        )
    if b"\r" in first.rstrip(b"\r"):
        raise VectorsError(f"{path}: expected lines that end with a line feed, found carriage returns alone.")
    return first.rstrip(b"\r")


def _bound_int(field: bytes) -> int:
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
    fields = line.split()
    numbers = fields[-min(dimension, len(fields) - 1) :] if len(fields) > 1 else []
    is_text = bool(numbers) and all(map(is_number, numbers))
    return not is_text and (any(byte < 9 or 13 < byte < 32 or byte > 126 for byte in rest[:4096]) or not line)


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
    if largest > _LARGEST:
        place = int(np.abs(matrix).max(axis=1).argmax())
        raise VectorsError(
            f"{path}: expected word vectors, found {largest:.3g} in that of {words[place]!r} (word {place + 1})."
            " The file is damaged, or a word holds a blank: get it again, or write it as text."
        )
    if largest > _SUSPICIOUS:
        notes.append(f"a value as large as {largest:.3g}, which vectors of words do not have. Check the file")
    zero = int((~matrix[np.flatnonzero(matrix[:, 0] == 0.0)].any(axis=1)).sum())
    if zero > math.ceil(len(matrix) / 100):
        notes.append(f"{zero:,} words have a vector of zeros")
    return notes
