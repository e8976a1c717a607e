"""The bytes of a table, in blocks, as UTF-8, from a file, a pipe or standard input."""

import codecs
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Self

from textclf.errors import DataError
from textclf.tables.model import TableOptions

BLOCK = 4 << 20
_SAMPLE = 1 << 12  # bytes by which UTF-16 is known
_LONGEST_SIGN = 1 << 16  # bytes of a table that are waited for to see what format it has

Origin = Path | Literal["-"] | BinaryIO
"""Where a table comes from: a file, standard input, or an open binary stream."""

_UTF8_MARK = codecs.BOM_UTF8
_FOREIGN = [  # UTF-32 before UTF-16: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "UTF-32 text", "Give --encoding utf-32."),
    (codecs.BOM_UTF32_BE, "UTF-32 text", "Give --encoding utf-32."),
    (codecs.BOM_UTF16_LE, "UTF-16 text", "Give --encoding utf-16."),
    (codecs.BOM_UTF16_BE, "UTF-16 text", "Give --encoding utf-16."),
    (b"\x1f\x8b", "a gzip file", "Unpack it first."),
    (b"PK\x03\x04", "a zip archive or an Excel workbook", "Save it as CSV, or unpack it first."),
    (b"%PDF", "a PDF", "Give a table of texts."),
]


class Source:
    """A stream of UTF-8 blocks with its name for messages; a context manager that closes what it opened.

    Raises DataError when the file is missing, is a folder or may not be read, when its bytes do not have the encoding
    that was given, and when it changes while it is read.
    """

    def __init__(self, origin: Origin, options: TableOptions) -> None:
        self.name = display_name(origin)
        self.is_stream = not isinstance(origin, Path)
        self._options = options
        self._path = origin if isinstance(origin, Path) else None
        self._stream = self._opened(origin)
        self._before = self._state()
        self.has_mark = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._path:
            self._stream.close()

    def blocks(self) -> Iterator[bytes]:
        """Give the file's bytes as UTF-8, without the byte order mark, as they arrive: at most 4 MiB at a time."""
        yield from self._as_they_are() if self._options.is_utf8 else self._transcoded()
        self.check_unchanged()

    def check_unchanged(self) -> None:
        """Raise DataError when the file is not as it was when it was opened."""
        if self._state() != self._before:
            raise DataError(
                f"{self.name}: expected a file at rest, found that it changed while it was read. Read it again."
            )

    def _as_they_are(self) -> Iterator[bytes]:
        first = self._first()
        line = first.split(b"\n", 1)[0]
        refuse_foreign(first if b"\0" in line else line, self.name)
        if first.startswith(_UTF8_MARK):
            self.has_mark = True
            first = first[len(_UTF8_MARK) :]
        if first:
            yield first
        while block := self._read():
            yield block

    def _transcoded(self) -> Iterator[bytes]:
        encoding = self._options.encoding
        decoder = codecs.getincrementaldecoder(encoding)()
        offset, at_start = 0, True
        while True:
            block = self._read()
            try:
                text = decoder.decode(block, final=not block)
                if at_start and text:
                    text, at_start = text.removeprefix("\ufeff"), False
                utf8 = text.encode()
            except UnicodeError as error:
                raise DataError(
                    f"{self.name}: expected {encoding} text, found bytes that are not, near byte {offset}"
                    f" ({str(error)[:80]}). Give the right --encoding."
                ) from error
            if utf8:
                yield utf8
            if not block:
                return
            offset += len(block)

    def _first(self) -> bytes:
        # A pipe may hand over less than tells UTF-8 from UTF-16. What is looked at must not go by how much it does.
        first = self._read()
        while len(first) < _SAMPLE and (more := self._read() if _may_be_foreign(first) else b""):
            first += more
        return first

    def _read(self) -> bytes:
        try:
            # read1 gives what has arrived, so that a slow pipe is answered line by line.
            read = getattr(self._stream, "read1", self._stream.read)
            return bytes(read(BLOCK) or b"")
        except (OSError, ValueError) as error:
            raise DataError(f"{self.name}: cannot be read ({_reason(error)}).") from error

    def _opened(self, origin: Origin) -> BinaryIO:
        if isinstance(origin, Path):
            return open_bytes(origin)
        if origin != "-":
            return origin
        # Python sets sys.stdin to None when the program was started with a closed standard input.
        if sys.stdin is None:
            raise DataError("standard input: expected texts, found it closed. Give a file, or pipe texts in.")
        return sys.stdin.buffer

    def _state(self) -> tuple[int, ...] | None:
        """Return which regular file this is, its size and the time of its last change; None for anything else."""
        try:
            status = self._path.stat() if self._path else os.fstat(self._stream.fileno())
        except (OSError, ValueError, AttributeError):
            return None
        return (status.st_ino, status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


class Blocks:
    """The bytes of a source that are read and not yet parsed, in `pending`; `is_final` says that no more will come."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self.pending = b""
        self.is_final = False

    def grow(self) -> None:
        """Read at least as much again as is pending, so that long records are parsed few times."""
        parts, size = [self.pending], 0
        while size <= len(self.pending):
            block = next(self._blocks, None)
            if block is None:
                self.is_final = True
                break
            parts.append(block)
            size += len(block)
        self.pending = b"".join(parts)

    def begin(self) -> None:
        """Read until the first line that is not blank has come whole, by which a format is known, or has no end."""
        while not self.is_final and b"\n" not in self.pending.lstrip() and len(self.pending) < _LONGEST_SIGN:
            block = next(self._blocks, None)
            self.is_final = block is None
            self.pending += block or b""

    def drop(self, count: int) -> None:
        """Forget the first `count` bytes."""
        self.pending = self.pending[count:]


def open_bytes(path: Path) -> BinaryIO:
    """Open a file for reading; raises DataError with one sentence when that cannot be."""
    name = display_name(path)
    try:
        if path.is_dir():
            raise DataError(f"{name}: expected a file, found a folder. Name a file in it.")
        return path.open("rb", buffering=0)
    except FileNotFoundError as error:
        raise DataError(f"{name}: no such file. Check the name.") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{name}: cannot be opened ({_reason(error)}).") from error


def display_name(origin: Path | str | BinaryIO) -> str:
    """Return the name that messages use: one printable line whatever the file is called."""
    if isinstance(origin, Path):
        name = str(origin)
        return name if name.isprintable() else ascii(name)
    return "standard input" if origin == "-" else str(getattr(origin, "name", "the stream"))


def refuse_foreign(head: bytes, name: str) -> None:
    """Raise DataError when a file's first bytes show that it is no UTF-8 text."""
    for magic, kind, advice in _FOREIGN:
        if head.startswith(magic):
            raise DataError(f"{name}: expected UTF-8 text, found {kind}. {advice}")
    sample = head[:_SAMPLE]
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        # Latin letters in UTF-16 are every second byte zero.
        half = sample[first::2]
        if len(half) >= 4 and half.count(0) > 0.4 * len(half) and sample[1 - first :: 2].count(0) < 0.1 * len(half):
            raise DataError(f"{name}: expected UTF-8 text, found what looks like UTF-16. Give --encoding {encoding}.")


def _may_be_foreign(first: bytes) -> bool:
    """Say whether these first bytes leave it open if they are UTF-8: no whole line, or NUL in it."""
    line, end, _ = first.partition(b"\n")
    return not end or b"\0" in line


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
