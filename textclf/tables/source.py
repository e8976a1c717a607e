"""The bytes of a table, in blocks, as UTF-8, from a file, a pipe or standard input."""

import codecs
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Self, cast

from textclf.errors import DataError
from textclf.storage.remote import is_url
from textclf.tables.compression import (
    COMPRESSIONS,
    LONGEST_MAGIC,
    ZIP,
    UnpackedStream,
    ZippedStream,
    find_compression,
    is_workbook,
    strip_compression,
)
from textclf.tables.records import TableOptions

BLOCK = 4 << 20
_SAMPLE = 1 << 12  # bytes by which UTF-16 is known
_LONGEST_SIGN = 1 << 16  # bytes of a table that are waited for to see what format it has

Origin = Path | Literal["-"] | BinaryIO
"""Where a table comes from: a file, standard input, or an open binary stream."""

_UTF8_MARK = codecs.BOM_UTF8
_OTHER_ENCODINGS = [  # UTF-32 before UTF-16: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "UTF-32 text", "Give --encoding utf-32."),
    (codecs.BOM_UTF32_BE, "UTF-32 text", "Give --encoding utf-32."),
    (codecs.BOM_UTF16_LE, "UTF-16 text", "Give --encoding utf-16."),
    (codecs.BOM_UTF16_BE, "UTF-16 text", "Give --encoding utf-16."),
]
_READ_FROM_FILES = b"PAR1"
"""How tables begin that are no text, but can be read."""
_EXPORT = "Export the table as CSV."
_UNPACK = "Unpack it first."
_NO_TEXT = [
    (b"%PDF-", "a PDF", "Give a table of texts."),
    (b"SQLite format 3\0", "an SQLite database", _EXPORT),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook or Office document", "Save it as CSV."),
    (b"ARROW1", "a Feather (Arrow) file", "Write it as Parquet or CSV."),
    (b"FEA1", "a Feather file", "Write it as Parquet or CSV."),
    (b"\xff\xff\xff\xff", "an Arrow stream", "Write it as Parquet or CSV."),
    (b"Obj\x01", "an Avro file", "Write it as Parquet or CSV."),
    (b"\x89HDF\r\n", "an HDF5 file", "Write it as Parquet or CSV."),
    (b"\x93NUMPY", "a NumPy array", "Write a table of texts as CSV."),
    (b"\x80\x02", "a pickle", "Write it as Parquet or CSV."),
    (b"\x80\x03", "a pickle", "Write it as Parquet or CSV."),
    (b"\x80\x04", "a pickle", "Write it as Parquet or CSV."),
    (b"\x80\x05", "a pickle", "Write it as Parquet or CSV."),
    (b"RDX3\n", "an R data file", _EXPORT),
    (b"<stata_dta>", "a Stata file", _EXPORT),
    (b"$FL2@(#)", "an SPSS file", _EXPORT),
    (b"{\\rtf1", "an RTF document", "Give a table of texts."),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"\x04\x22\x4d\x18", "an LZ4 file", _UNPACK),
    (b"LZIP\x01", "an lzip file", _UNPACK),
    (b"\x1f\x9d", "a file of compress (.Z)", _UNPACK),
    (b"\xff\x06\0\0sNaPpY", "a Snappy file", _UNPACK),
    (b"PK\x05\x06", "an empty zip archive", "Give a table of texts."),
    (b"\x89PNG", "an image", "Give a table of texts."),
    (b"\xff\xd8\xff", "an image", "Give a table of texts."),
    (b"GIF89a", "an image", "Give a table of texts."),
    (b"<!DOCTYPE html", "a web page", "Get the table itself."),
    (b"<!doctype html", "a web page", "Get the table itself."),
]
_MODEL = b'{"__metadata__":'
"""How safetensors goes on after the eight bytes of a length."""
_CONTROLS = bytes({*range(32)} - {*b"\t\n\r\f\v\x1a\x1b\x1c\x1d\x1e\x1f\0"})
"""Bytes that texts hardly have. NUL is not among them: it stands in texts of databases, and in UTF-16."""
_MOST_CONTROLS = 0.02
_FEW_CONTROLS = 8
"""So many, and this share of the first bytes, a text may have."""


class TableSource:
    """A stream of UTF-8 blocks with its name for messages; a context manager that closes what it opened.

    Raises DataError when the file is missing, is a folder or may not be read, when its bytes do not have the encoding
    that was given, and when it changes while it is read.
    """

    def __init__(self, origin: Origin, options: TableOptions) -> None:
        self.name = display_name(origin)
        self.is_stream = not isinstance(origin, Path)
        self.has_mark = False
        self.is_compressed = False
        self.is_workbook = False
        self.file_name = origin.name if isinstance(origin, Path) else ""
        self._options = options
        self._path = origin if isinstance(origin, Path) else None
        self._stream = self._opened = self._open(origin)
        self._before = self._state()
        if self._path is not None:
            try:
                self._unpack()  # what is in an archive shows the format
            except BaseException:
                self._opened.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._path:
            self._opened.close()

    @property
    def path(self) -> Path:
        """The file that is read; a stream has none."""
        if self._path is None:
            raise ValueError(f"{self.name} is no file")
        return self._path

    def blocks(self) -> Iterator[bytes]:
        """Give the file's bytes as UTF-8, without the byte order mark, as they arrive: at most 4 MiB at a time."""
        if self.is_stream:
            self._unpack()
        if self.is_workbook:
            yield self._read()  # no text: only asked for to see that there is something
            return
        yield from self._pass_through() if self._options.is_utf8 else self._transcode()
        self.check_unchanged()

    def check_unchanged(self) -> None:
        """Raise DataError when the file is not as it was when it was opened."""
        if self._state() != self._before:
            raise DataError(
                f"{self.name}: expected a file at rest, found that it changed while it was read. Read it again."
            )

    def _unpack(self) -> None:
        """Look at the first bytes: read on from what they hold when they are compressed, refuse what is no text."""
        head = b""
        stream = self._stream
        while len(head) < LONGEST_MAGIC and (more := self._read()):
            head += more
            if not _may_be_compressed(head):
                break
        self._stream = cast(BinaryIO, _Replay(head, stream))
        compression = find_compression(head)
        if compression is not None:
            self.is_compressed = True
            if compression is ZIP:
                if not _can_seek(stream):
                    raise DataError(f"{self.name}: expected a table, found a zip archive in a pipe. Name the file.")
                stream.seek(0)
                self.is_workbook = is_workbook(stream)
                if self.is_workbook:
                    self.is_compressed = False
                    return
                stream.seek(0)
                zipped = ZippedStream(stream, self.name)
                self._stream, self.file_name = cast(BinaryIO, zipped), zipped.member
            else:
                self._stream = cast(BinaryIO, UnpackedStream(self._stream, compression, self.name))
        self.file_name = strip_compression(self.file_name)

    def _pass_through(self) -> Iterator[bytes]:
        first = self._first()
        line = first.split(b"\n", 1)[0]
        refuse_foreign(first if b"\0" in line else line, self.name)
        refuse_binary(first, self.name)
        if first.startswith(_UTF8_MARK):
            self.has_mark = True
            first = first[len(_UTF8_MARK) :]
        if first:
            yield first
        while block := self._read():
            yield block

    def _transcode(self) -> Iterator[bytes]:
        encoding = self._options.encoding
        decoder = codecs.getincrementaldecoder(encoding)()
        offset, at_start = 0, True
        while True:
            block = self._read()
            if not offset:
                refuse_binary(block if b"a".decode(encoding, "replace") == "a" else b"", self.name)
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

    def _open(self, origin: Origin) -> BinaryIO:
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
            status = self._path.stat() if self._path else os.fstat(self._opened.fileno())
        except (OSError, ValueError, AttributeError):
            return None
        return (status.st_ino, status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


class _Replay:
    """A stream whose first bytes, which were looked at, are read once more."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head = head
        self._read = getattr(stream, "read1", stream.read)

    def read(self, size: int) -> bytes:
        """Return bytes that have arrived, nothing at the end."""
        head, self._head = self._head, b""
        return head or bytes(self._read(size) or b"")


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
    for magic, kind, advice in _OTHER_ENCODINGS:
        if head.startswith(magic):
            raise DataError(f"{name}: expected UTF-8 text, found {kind}. {advice}")
    sample = head[:_SAMPLE]
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        # Latin letters in UTF-16 are every second byte zero.
        half = sample[first::2]
        if len(half) >= 4 and half.count(0) > 0.4 * len(half) and sample[1 - first :: 2].count(0) < 0.1 * len(half):
            raise DataError(f"{name}: expected UTF-8 text, found what looks like UTF-16. Give --encoding {encoding}.")


def refuse_binary(head: bytes, name: str) -> None:
    """Raise DataError when a file's first bytes show that it is no text in any encoding that has ASCII's letters."""
    if head.startswith(_READ_FROM_FILES):
        return
    for magic, kind, advice in _NO_TEXT:
        if head.startswith(magic):
            raise DataError(f"{name}: expected a table of text, found {kind}. {advice}")
    if head[8:].startswith(_MODEL):
        raise DataError(f"{name}: expected a table of text, found a model (safetensors). Name the table.")
    sample = head[:_SAMPLE]
    if _is_utf8(sample):
        return  # whatever signs it has
    if len(sample) - len(sample.translate(None, _CONTROLS)) > max(_FEW_CONTROLS, _MOST_CONTROLS * len(sample)):
        raise DataError(
            f"{name}: expected a table of text, found binary data. Give a CSV, a Parquet file or another table."
        )


def _is_utf8(sample: bytes) -> bool:
    """Say whether these first bytes are UTF-8, the last character of which may be cut."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _may_be_compressed(head: bytes) -> bool:
    """Say whether more of a pipe must come to see that it is not compressed."""
    return any(each.magic.startswith(head[: len(each.magic)]) for each in COMPRESSIONS)


def _can_seek(stream: BinaryIO) -> bool:
    try:
        return stream.seekable()
    except (AttributeError, ValueError):
        return False


def _may_be_foreign(first: bytes) -> bool:
    """Say whether these first bytes leave it open if they are UTF-8: no whole line, or NUL in it."""
    line, end, _ = first.partition(b"\n")
    return not end or b"\0" in line


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


# --- many files ------------------------------------------------------------------------------------------------------

WILD = "*?["
"""Signs of a pattern that stands for many names."""
_ON_THE_WEB = ("http://", "https://")


def are_shards(source: str) -> bool:
    """Return whether what is named is many files: a folder, a pattern that is no file's name, or such a URL."""
    if is_url(source):
        return "*" in source or not _is_one_file(source)
    path = Path(source)
    return path.is_dir() or (any(sign in source for sign in WILD) and not path.exists())


def _is_one_file(url: str) -> bool:
    """Return whether a URL names one table: by its ending, or on the web, where folders cannot be listed."""
    from textclf.tables.formats import is_table_name

    return url.lower().startswith(_ON_THE_WEB) or is_table_name(url)
