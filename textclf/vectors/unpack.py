"""Open a vectors file as the bytes that it holds, unpacked within limits if it is gzipped or a zip archive of one."""

import gzip
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, BinaryIO, cast

from textclf.errors import VectorsError

LARGEST_UNPACKED = 8 << 30
HIGHEST_RATIO = 100

_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_STORED_OR_DEFLATED = (0, 8)
_BLOCK = 1 << 22
_COMPRESSION_SUFFIXES = {".gz", ".bz2", ".xz", ".lzma", ".zst"}


def is_packed(path: Path) -> bool:
    """Return whether a file is gzipped or a zip archive, whatever its name."""
    with _reporting_damage(path), path.open("rb") as raw:
        return raw.read(4).startswith((_GZIP, _ZIP))


@contextmanager
def open_unpacked(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading, unpacking it if it is packed.

    Raises VectorsError when it is no regular file, cannot be read, is damaged, or unpacks to too much.
    """
    check_regular(path)
    with _reporting_damage(path), ExitStack() as stack:
        raw = stack.enter_context(path.open("rb"))
        magic = raw.read(4)
        raw.seek(0)
        if magic.startswith(_GZIP):
            stream = cast(IO[bytes], stack.enter_context(gzip.open(raw)))
            yield _Bounded(stream, path)  # type: ignore[misc]  # only read() is used
        elif magic == _ZIP:
            yield _Bounded(_only_member(path, raw, stack), path)  # type: ignore[misc]  # only read() is used
        else:
            yield raw


@contextmanager
def unpack_file(path: Path) -> Iterator[Path]:
    """Give the path of a file with the unpacked bytes, under a name that no reader takes for that of a packed one."""
    packed = is_packed(path)
    if not packed and path.suffix.lower() not in _COMPRESSION_SUFFIXES:
        yield path.resolve()
        return
    with TemporaryDirectory(prefix="textclf-vectors-") as folder:
        plain = Path(folder) / "vectors"
        if not packed:
            _link(path, plain)
        else:
            with open_unpacked(path) as stream, plain.open("wb") as target:
                shutil.copyfileobj(stream, target, _BLOCK)
        yield plain


def check_regular(path: Path) -> None:
    """Raise VectorsError unless `path` is a regular file."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise VectorsError(
            f"{path}: no such file of word vectors. Check the name, or use `--vectors starter`."
        ) from None
    except OSError as error:
        raise make_read_error(path, error) from None
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a device or a pipe"
        raise VectorsError(f"{path}: expected a file of word vectors, found {what}. Name a regular file.")


def make_read_error(path: Path, error: OSError) -> VectorsError:
    """Return what to say of a file that the system does not give."""
    return VectorsError(f"{path}: cannot be read ({error.strerror}). Check the name and your permissions.")


@contextmanager
def _reporting_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise VectorsError(f"{path}: the gzip data are damaged or cut ({error}). Get the file again.") from None
    except zipfile.BadZipFile as error:
        raise VectorsError(f"{path}: the zip archive is damaged or cut ({error}). Get the file again.") from None
    except OSError as error:
        raise make_read_error(path, error) from None


def _only_member(path: Path, raw: BinaryIO, stack: ExitStack) -> IO[bytes]:
    archive = stack.enter_context(zipfile.ZipFile(raw))
    members = [
        member
        for member in archive.infolist()
        if not member.filename.endswith("/") and not member.filename.startswith("__MACOSX/")
    ]
    if len(members) != 1:
        names = ", ".join(repr(member.filename) for member in members[:3])
        raise VectorsError(
            f"{path}: expected word vectors, found a zip archive of {len(members):,} files ({names}…). "
            "Unpack it and name one of them."
        )
    (member,) = members
    if member.flag_bits & 1 or member.compress_type not in _STORED_OR_DEFLATED:
        raise VectorsError(
            f"{path}: expected word vectors, found a zip archive with a password or an unusual compression. "
            "Unpack it and name the file."
        )
    return stack.enter_context(archive.open(member))


def _link(path: Path, target: Path) -> None:
    """Give a file another name, by a copy where the system has no links for everybody."""
    try:
        target.symlink_to(path.resolve())
    except (OSError, NotImplementedError):
        shutil.copyfile(path, target)


class _Bounded:
    """A stream that refuses to unpack a small file into a huge one."""

    def __init__(self, stream: IO[bytes], path: Path) -> None:
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
