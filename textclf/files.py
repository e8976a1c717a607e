"""Write a file whole or not at all, and read the digest of one."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from textclf.errors import OutputError

_TEMPORARY = ".textclf-part"


def check_writable(path: Path) -> None:
    """Refuse, before any work is done, a path that could not be written afterwards.

    Raises OutputError when the folder is missing or read-only, or when `path` is itself a folder.
    """
    folder = path.parent
    try:
        if path.is_dir():
            raise OutputError(f"{path}: expected a file to write, found a folder. Name a file in it.")
        if not folder.is_dir():
            raise OutputError(
                f"{path}: the folder {str(folder)!r} does not exist. Create it first, or write elsewhere."
            )
        if not os.access(folder, os.W_OK):
            raise OutputError(f"{path}: the folder {str(folder)!r} cannot be written to. Write elsewhere.")
        descriptor, probe = tempfile.mkstemp(prefix=_prefix(path), suffix=_TEMPORARY, dir=folder)
        os.close(descriptor)
        Path(probe).unlink()
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}). Write elsewhere.") from error


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Give a binary file that appears under `path` only when the block ends without an error.

    The bytes go to a temporary sibling, are flushed to the disk, and the sibling is renamed over `path`;
    then the folder is flushed, so that the name survives a power cut too. A symbolic link is followed:
    the file that it names is replaced. Temporaries that a killed run left beside `path` are swept.

    Raises OutputError when the disk is full or the folder cannot be written to; `path` is then as it was.
    """
    target = path.resolve() if path.is_symlink() else path
    temporary: str | None = None
    try:
        _sweep(target)
        descriptor, temporary = tempfile.mkstemp(prefix=_prefix(target), suffix=_TEMPORARY, dir=target.parent)
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fchmod(stream.fileno(), _mode(target))
            os.fsync(stream.fileno())
        Path(temporary).replace(target)
        temporary = None
        _flush_folder(target.parent)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}). The old file, if any, is as it was."
        ) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                Path(temporary).unlink()


def sha256(path: Path) -> str:
    """Return the SHA-256 digest of the file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _prefix(target: Path) -> str:
    # The owner's process number lets a later run tell a stale temporary from one that is being written.
    # A name may be 255 bytes long: the prefix keeps only its start.
    return f".{target.name[:60]}.{os.getpid()}."


def _sweep(target: Path) -> None:
    start = f".{target.name[:60]}."
    for leftover in target.parent.iterdir():
        if leftover.name.startswith(start) and leftover.name.endswith(_TEMPORARY):
            owner = leftover.name[len(start) :].split(".", 1)[0]
            if owner.isdigit() and not _is_running(int(owner)):
                with suppress(OSError):
                    leftover.unlink()


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
