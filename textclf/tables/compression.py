"""Compressed tables: gzip, bzip2, xz, Zstandard, and zip archives of one file, known by their first bytes."""

import bz2
import importlib
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, BinaryIO, Protocol, cast

from textclf.errors import DataError, OutputError

_CHUNK = 1 << 12
"""Packed bytes that are unpacked at a time: few, because some formats make 30,000 bytes of one."""
_MOST_AT_ONCE = 1 << 20
_SAFE_SIZE = 256 << 20
_SAFE_RATIO = 250
"""A table that is longer than the safe size and packed more tightly than this is a bomb: text packs to a tenth."""


_ZSTD_PACKAGES = ("compression.zstd", "backports.zstd", "zstandard")
"""Where Zstandard is found: Python 3.14 and later, and two packages."""


ZIP_DAMAGE = (zipfile.BadZipFile, OSError, ValueError, RuntimeError, LookupError, EOFError, struct.error, zlib.error)
"""What `zipfile` raises at damaged archives: it believes most of what they say of themselves."""


class _Unpacker(Protocol):
    """Unpacks one stream, as the decompressors of `bz2` and `lzma` do."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether more can only come from more packed bytes."""

    @property
    def unused_data(self) -> bytes:
        """Bytes after the end of the stream."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return what the bytes hold, about `max_length` of it."""


class _GzipUnpacker:
    """The zlib decompressor with the manners of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


class _ZstandardUnpacker:
    """The decompressor of the package zstandard with the manners of the others."""

    needs_input = True

    def __init__(self, inner: Any) -> None:  # noqa: ANN401 -- of a package without types
        self._inner = inner

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inner.unused_data)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return bytes(self._inner.decompress(data))


def _unpack_zstd() -> _Unpacker:
    module = _zstd_module()
    if module.__name__ == "zstandard":
        return _ZstandardUnpacker(module.ZstdDecompressor().decompressobj())
    return cast(_Unpacker, module.ZstdDecompressor())


def _pack_zstd(stream: BinaryIO) -> BinaryIO:
    module = _zstd_module()
    if module.__name__ == "zstandard":
        return cast(BinaryIO, module.ZstdCompressor().stream_writer(stream, closefd=False))
    return cast(BinaryIO, module.ZstdFile(stream, "wb"))


def _zstd_module() -> Any:  # noqa: ANN401 -- one of three packages
    for name in _ZSTD_PACKAGES:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise DataError("Zstandard: expected the package zstandard, found none. Install it with: pip install zstandard.")


def _pack_gzip(stream: BinaryIO) -> BinaryIO:
    import gzip

    # Without a name and a time, so that the same rows are the same bytes.
    return cast(BinaryIO, gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0, compresslevel=6))


def _pack_bzip2(stream: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, bz2.BZ2File(stream, "wb"))


def _pack_xz(stream: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, lzma.LZMAFile(stream, "wb"))


@dataclass(frozen=True)
class Compression:
    """One way to compress: its name, what its files begin and end with, what unpacks and packs a stream."""

    name: str
    suffix: str
    magic: bytes
    unpack: Callable[[], _Unpacker] | None
    pack: Callable[[BinaryIO], BinaryIO] | None


ZIP = Compression("zip", ".zip", b"PK\x03\x04", None, None)
COMPRESSIONS = (
    Compression("gzip", ".gz", b"\x1f\x8b", _GzipUnpacker, _pack_gzip),
    Compression("bzip2", ".bz2", b"BZh", bz2.BZ2Decompressor, _pack_bzip2),
    Compression("xz", ".xz", b"\xfd7zXZ\0", lzma.LZMADecompressor, _pack_xz),
    Compression("Zstandard", ".zst", b"\x28\xb5\x2f\xfd", _unpack_zstd, _pack_zstd),
    ZIP,
)
LONGEST_MAGIC = max(len(each.magic) for each in COMPRESSIONS)


def find_compression(head: bytes) -> Compression | None:
    """Return how a file that begins so is compressed, if it is.

    >>> found = find_compression(bytes([0x1F, 0x8B, 0x08]))
    >>> found.name if found else None
    'gzip'
    """
    found = next((each for each in COMPRESSIONS if head.startswith(each.magic)), None)
    is_text = found is not None and found.name == "bzip2" and not head[3:4].isdigit()
    return None if is_text else found


def compression_of_name(name: str) -> Compression | None:
    """Return the compression that a file's name shows, if any."""
    return next((each for each in COMPRESSIONS if name.lower().endswith(each.suffix)), None)


def strip_compression(name: str) -> str:
    """Return a file's name without the ending of a compression: `t.csv` of `t.csv.gz`.

    >>> strip_compression("reviews.csv.gz")
    'reviews.csv'
    """
    found = compression_of_name(name)
    return name if found is None else name[: -len(found.suffix)]


class UnpackedStream:
    """The unpacked bytes of a compressed stream.

    Raises DataError when the data are damaged, cut or followed by other bytes, and when they unpack to far more than a
    table does.
    """

    def __init__(self, stream: BinaryIO, compression: Compression, name: str) -> None:
        assert compression.unpack is not None
        self._read_packed = getattr(stream, "read1", stream.read)
        self._make = compression.unpack
        self._unpacker = compression.unpack()
        self._compression = compression
        self._name = name
        self._packed = self._unpacked = 0
        self._rest = b""

    def read(self, _: int = -1) -> bytes:
        """Return the next bytes, at most some megabytes; nothing at the end."""
        parts: list[bytes] = []
        size = 0
        while size < _MOST_AT_ONCE:
            waits = self._unpacker.eof or self._unpacker.needs_input
            if waits and not self._rest:
                if parts:
                    break  # what has come so far is given, so that a slow pipe is answered
                self._rest = bytes(self._read_packed(_MOST_AT_ONCE) or b"")
                if not self._rest:
                    if not self._unpacker.eof:
                        raise self._damage("they end too early")
                    break
            part = self._unpack_next(waits)
            if part:
                parts.append(part)
                size += len(part)
        self._unpacked += size
        if self._unpacked > _SAFE_SIZE and self._unpacked > _SAFE_RATIO * self._packed:
            raise DataError(
                f"{self._name}: expected a table, found {self._compression.name} data that unpack to more than"
                f" {_SAFE_RATIO} times their size. If that is right, unpack the file first."
            )
        return b"".join(parts)

    def _unpack_next(self, waits: bool) -> bytes:
        try:
            if self._unpacker.eof:
                self._rest = self._rest.lstrip(b"\0")  # padding between and after streams
                if not self._rest:
                    return b""
                self._unpacker = self._make()
            chunk = self._rest[:_CHUNK] if waits else b""
            self._rest = self._rest[len(chunk) :]
            self._packed += len(chunk)
            part = self._unpacker.decompress(chunk, _MOST_AT_ONCE)
        except Exception as error:  # each package has an error of its own
            raise self._damage(str(error)) from error
        if self._unpacker.eof:
            self._rest = self._unpacker.unused_data + self._rest
            self._packed -= len(self._unpacker.unused_data)
        return part

    def _damage(self, reason: str) -> DataError:
        return DataError(
            f"{self._name}: expected sound {self._compression.name} data, found damaged ones ({reason[:80]})."
            " Get the file again."
        )


class ZippedStream:
    """The bytes of the one file in a zip archive, whose name is `member`; raises DataError as `UnpackedStream` does."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._name = name
        try:
            self._archive = zipfile.ZipFile(stream)
        except ZIP_DAMAGE as error:
            raise self._damage(error) from error
        if _CONTENT_TYPES in self._archive.namelist():
            raise DataError(f"{name}: expected a table of text, found an Office document. Save it as CSV.")
        members = [each for each in self._archive.infolist() if not _is_extra(each)]
        if len(members) != 1:
            raise DataError(
                f"{name}: expected a zip archive of one file, found {len(members)} files in it. Unpack it first."
            )
        self.member = members[0].filename
        self._info = members[0]
        self._unpacked = 0
        try:
            self._stream = self._archive.open(self._info)
        except ZIP_DAMAGE as error:
            raise self._damage(error) from error

    def read(self, _: int = -1) -> bytes:
        """Return the next bytes, nothing at the end."""
        try:
            part = self._stream.read(_MOST_AT_ONCE)
        except Exception as error:  # zlib's, lzma's and bz2's errors are of three kinds
            raise self._damage(error) from error
        self._unpacked += len(part)
        if self._unpacked > _SAFE_SIZE and self._unpacked > _SAFE_RATIO * self._info.compress_size:
            raise DataError(
                f"{self._name}: expected a table, found an archive that unpacks to more than {_SAFE_RATIO} times its"
                " size. If that is right, unpack the file first."
            )
        return part

    def _damage(self, error: Exception) -> DataError:
        if isinstance(error, RuntimeError) and "password" in str(error):
            return DataError(f"{self._name}: expected an archive without a password, found one. Unpack it first.")
        return DataError(
            f"{self._name}: expected a sound zip archive, found a damaged one ({str(error)[:80]}). Get the file again."
        )


_CONTENT_TYPES = "[Content_Types].xml"


def is_workbook(stream: BinaryIO) -> bool:
    """Return whether an open zip archive is an Excel workbook (.xlsx)."""
    try:
        with zipfile.ZipFile(stream) as archive:
            names = archive.namelist()
    except ZIP_DAMAGE:
        return False
    return _CONTENT_TYPES in names and any(name.startswith("xl/") for name in names)


def _is_extra(info: zipfile.ZipInfo) -> bool:
    """Say whether an entry, which may have no name, is a folder or what macOS adds to archives."""
    path = PurePath(info.filename)
    return info.filename.endswith("/") or "__MACOSX" in path.parts or path.name in (".DS_Store", "Thumbs.db")


@contextmanager
def packing(stream: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """Give a stream whose bytes go compressed to `stream`, as the output's name asks for; else `stream` itself."""
    compression = compression_of_name(name)
    if compression is None:
        yield stream
    elif compression is ZIP:
        member = zipfile.ZipInfo(strip_compression(PurePath(name).name))
        member.compress_type = zipfile.ZIP_DEFLATED
        member.external_attr = 0o644 << 16
        with (
            zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open(member, "w", force_zip64=True) as inner,
        ):
            yield cast(BinaryIO, inner)
    else:
        assert compression.pack is not None
        with compression.pack(stream) as packed:
            yield packed


def check_packing(name: str) -> None:
    """Raise OutputError when an output's name asks for a compression that nothing here can write."""
    compression = compression_of_name(name)
    if compression is not None and compression.name == "Zstandard":
        try:
            _zstd_module()
        except DataError as error:
            raise OutputError(f"{name}: {error}") from error
