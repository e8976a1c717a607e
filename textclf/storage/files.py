"""Write a file whole or not at all, and read the digest of one."""

import csv
import hashlib
import io
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from textclf.errors import OutputError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_TEMPORARY = ".textclf-part"


def user_cache(name: str) -> Path:
    """Return the folder of that name in $TEXTCLF_CACHE_DIR, or in the user's cache folder; it need not be there."""
    chosen = os.environ.get("TEXTCLF_CACHE_DIR")
    if chosen:
        return Path(chosen) / name
    from platformdirs import user_cache_path

    return user_cache_path("textclf") / name


def check_writable(path: Path) -> None:
    """Refuse, before any work is done, a path that could not be written afterwards.

    Raises OutputError when the folder is missing or read-only, or when `path` is itself a folder, a device or a pipe.
    """
    with _blamed_on(path):
        target = _target(path)
        folder = target.parent
        if not folder.is_dir():
            raise OutputError(
                f"{path}: the folder {str(folder)!r} does not exist. Create it first, or write elsewhere."
            )
        if not os.access(folder, os.W_OK):
            raise OutputError(f"{path}: the folder {str(folder)!r} cannot be written to. Write elsewhere.")
        descriptor, probe = tempfile.mkstemp(prefix=_prefix(target), suffix=_TEMPORARY, dir=folder)
        os.close(descriptor)
        Path(probe).unlink()


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Give a binary file that appears under `path` only when the block ends without an error.

    The bytes go to a temporary sibling, are flushed to the disk, and the sibling is renamed over `path`;
    then the folder is flushed, so that the name survives a power cut too. A symbolic link is followed:
    the file that it names is replaced. Temporaries that a killed run left beside `path` are swept.

    Raises OutputError when the disk is full or the folder cannot be written to; `path` is then as it was, unless the
    message says that it is written: the folder alone could not be flushed.
    Any other error of the block passes through as it is.
    """
    with _blamed_on(path):
        target = _target(path)
        sweep(target)
        descriptor, name = tempfile.mkstemp(prefix=_prefix(target), suffix=_TEMPORARY, dir=target.parent)
    temporary = Path(name)
    try:
        with io.BufferedWriter(_Temporary(descriptor, path)) as stream:
            yield stream
            stream.flush()
            with _blamed_on(path):
                os.fchmod(stream.fileno(), _mode(target))
                os.fsync(stream.fileno())
        with _blamed_on(path):
            temporary.replace(target)
        try:
            _flush_folder(target.parent)
        except OSError as error:
            raise OutputError(
                f"{path}: is written, but may be lost when the power fails ({error.strerror or error}). Check the disk."
            ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()  # after an error; else it has its final name


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write rows as CSV, whole or not at all; a lone surrogate, which UTF-8 cannot hold, becomes an escape.

    Raises OutputError as `written_whole` does.
    """
    with written_whole(path) as stream:
        text = io.TextIOWrapper(stream, "utf-8", errors="backslashreplace", newline="")
        table = csv.writer(text, lineterminator="\n")
        table.writerow(header)
        table.writerows(rows)
        text.flush()
        text.detach()


def sha256(path: Path) -> str:
    """Return the SHA-256 digest of the file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class _Temporary(io.FileIO):
    """The file that is written: an error of writing is the output's, an error of reading in the same block is not."""

    def __init__(self, descriptor: int, path: Path) -> None:
        super().__init__(descriptor, "wb")
        self._path = path

    def write(self, content: "ReadableBuffer", /) -> int:
        """Write as a file does; raises OutputError where a file raises OSError."""
        with _blamed_on(self._path):
            return super().write(content)

    def close(self) -> None:
        """Close the file as a file does; raises OutputError where a file raises OSError: some disks tell only then."""
        with _blamed_on(self._path):
            super().close()


@contextmanager
def _blamed_on(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}). The old file, if any, is as it was."
        ) from error


def _target(path: Path) -> Path:
    """Return the file that is to be replaced: what `path` names, symbolic links followed."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise OutputError(f"{path}: expected a file to write, found a folder. Name a file in it.")
    if target.exists() and not target.is_file():
        raise OutputError(f"{path}: expected a file to write, found a device or a pipe. Name a regular file.")
    return target


def _prefix(target: Path) -> str:
    # The owner's process number lets a later run tell a stale temporary from one that is being written.
    # A name may be 255 bytes long, 4 of them a letter: the prefix keeps only its start.
    return f".{target.name[:40]}.{os.getpid()}."


def sweep(target: Path) -> None:
    """Remove the temporaries beside a file that processes left which run no more."""
    temporaries = re.compile(rf"\.{re.escape(target.name[:40])}\.([0-9]{{1,9}})\.[^.]*{re.escape(_TEMPORARY)}")
    for leftover in target.parent.iterdir():
        found = temporaries.fullmatch(leftover.name)
        if found and not _is_running(int(found[1])):
            with suppress(OSError):
                leftover.unlink()


def sweep_folders(folder: Path, prefix: str) -> None:
    """Remove the temporary folders, named `prefix`, a process number and a dot, of processes that run no more."""
    for leftover in folder.glob(f"{prefix}*"):
        owner = leftover.name.removeprefix(prefix).partition(".")[0]
        if not (owner.isdecimal() and _is_running(int(owner[:9]))):
            shutil.rmtree(leftover, ignore_errors=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _mode(target: Path) -> int:
    try:
        return target.stat().st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
