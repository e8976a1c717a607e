"""The lines of vectors as text: how many numbers most of them hold, and each line held to that."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from textclf.errors import VectorsError
from textclf.vectors.unpack import open_unpacked

LONGEST_LINE = 1 << 20

_MARK = b"\xef\xbb\xbf"
_BLOCK = 1 << 22
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
