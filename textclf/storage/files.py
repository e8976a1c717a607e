"""Write a file whole or not at all, and read the digest of one.

What is being written lies in a temporary file or folder, which its process keeps locked. The system drops the lock when
the process ends, however it does: so a temporary that can be locked is nobody's any more, and is swept. That holds for
processes of other containers, and of other machines where their file system passes locks on. Windows needs no lock: it
removes and replaces no file that a process has open.
"""

import csv
import errno
import hashlib
import io
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from textclf.errors import OutputError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_TEMPORARY = ".textclf-part"
_FOLDER = ".textclf-folder-"


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
    with _blame(path):
        target = _target(path)
        folder = target.parent
        if not folder.is_dir():
            raise OutputError(
                f"{path}: the folder {str(folder)!r} does not exist. Create it first, or write elsewhere."
            )
        if not os.access(folder, os.W_OK):
            raise OutputError(f"{path}: the folder {str(folder)!r} cannot be written to. Write elsewhere.")
        probe = _new_name(target)
        try:
            os.close(_create(probe))
        finally:
            probe.unlink(missing_ok=True)


@contextmanager
def write_whole(path: Path) -> Iterator[BinaryIO]:
    """Give a binary file that appears under `path` only when the block ends without an error.

    The bytes go to a temporary sibling, are flushed to the disk, and the sibling is renamed over `path`;
    then the folder is flushed, so that the name survives a power cut too. A symbolic link is followed:
    the file that it names is replaced. Temporaries that a killed run left beside `path` are swept.

    Raises OutputError when the disk is full or the folder cannot be written to; `path` is then as it was, unless the
    message says that it is written: the folder alone could not be flushed.
    Any other error of the block passes through as it is.
    """
    with _blame(path):
        target = _target(path)
        sweep(target)
        temporary = _new_name(target)
    lock = -1
    try:  # the name is known before the file exists: a signal that comes in between leaves nothing behind
        with _blame(path):
            descriptor = _create_locked(temporary)
            if sys.platform != "win32":
                lock = os.dup(descriptor)  # it lasts until both are closed: until the temporary has its final name
        with io.BufferedWriter(_Temporary(descriptor, path)) as stream:
            yield stream
            stream.flush()
            with _blame(path):
                _take_after(stream.fileno(), target)
                flush_to_disk(stream.fileno())
        with _blame(path):
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
        if lock != -1:
            os.close(lock)


@contextmanager
def temporary_folder(place: Path | None = None) -> Iterator[Path]:
    """Give a new folder in `place`, or where temporary files go, which is removed when the block ends.

    Folders that killed runs left there are swept, but not on Windows, where a folder cannot be locked.
    """
    if place is None:
        import tempfile  # now: labelling a sentence has no use for it

        place = Path(tempfile.gettempdir())
    for leftover in place.glob(f"{_FOLDER}*{_TEMPORARY}"):
        _sweep_folder(leftover)
    while True:
        folder = place / f"{_FOLDER}{secrets.token_hex(8)}{_TEMPORARY}"
        try:
            folder.mkdir(0o700)
            if sys.platform == "win32":
                yield folder
                return
            try:
                descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            except FileNotFoundError:
                continue  # a process that sweeps was faster
            try:
                if _lock(descriptor, folder):
                    yield folder
                    return
            finally:
                os.close(descriptor)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write rows as CSV, whole or not at all; a lone surrogate, which UTF-8 cannot hold, becomes an escape.

    Raises OutputError as `write_whole` does.
    """
    with write_whole(path) as stream:
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
        with _blame(self._path):
            return super().write(content)

    def close(self) -> None:
        """Close the file as a file does; raises OutputError where a file raises OSError: some disks tell only then."""
        with _blame(self._path):
            super().close()


@contextmanager
def _blame(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}). The old file, if any, is as it was."
        ) from error


def _target(path: Path) -> Path:
    """Return the file that is to be replaced: what `path` names, symbolic links followed."""
    expected = f"{path}: expected a file to write, found"
    if _names_open_file(path):
        raise OutputError(f"{expected} what another program has opened, such as standard output. Name a regular file.")
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise OutputError(f"{expected} a folder. Name a file in it.")
    if target.exists() and not target.is_file():
        raise OutputError(f"{expected} a device or a pipe. Name a regular file.")
    return target


def _names_open_file(path: Path) -> bool:
    """Whether a path, as /dev/stdout does, ends in /proc or /dev, whose links lead to what a process has opened.

    If that is a regular file, it must not be replaced: whoever opened it goes on writing to the old one.
    """
    name = os.path.abspath(path)  # noqa: PTH100 - Path.absolute leaves `..` in
    for _ in range(_MOST_LINKS):
        folder = os.path.realpath(os.path.dirname(name))  # noqa: PTH120
        if f"{folder}/".startswith(("/proc/", "/dev/fd/")):
            return True
        name = f"{folder}/{os.path.basename(name)}"  # noqa: PTH119
        if not os.path.islink(name):  # noqa: PTH114
            return False
        name = os.path.join(folder, os.readlink(name))  # noqa: PTH115, PTH118
    return False


_MOST_LINKS = 40  # as many as the system follows


def _prefix(target: Path) -> str:
    # A name may be 255 bytes long, 4 of them a letter: the prefix keeps its start, for people, and a digest of it all.
    digest = hashlib.sha256(os.fsencode(target.name)).hexdigest()
    return f".{target.name[:40]}.{digest[:12]}."


def _new_name(target: Path) -> Path:
    """Return a name beside the target that no file has: 64 random bits."""
    return target.parent / f"{_prefix(target)}{secrets.token_hex(8)}{_TEMPORARY}"


def _create(path: Path) -> int:
    """Create a file that only its owner can read, and return it opened; raises OSError where the name is taken."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _BINARY, 0o600)


_NOFOLLOW, _BINARY = getattr(os, "O_NOFOLLOW", 0), getattr(os, "O_BINARY", 0)


def _create_locked(path: Path) -> int:
    """Create a file, and return it opened and locked; once more where a process that sweeps was faster."""
    while True:
        descriptor = _create(path)
        if _lock(descriptor, path):
            return descriptor
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> bool:
    """Lock what was made just now; return whether it is still there: a process that sweeps may have been faster."""
    if sys.platform != "win32":
        with suppress(OSError):  # some file systems have no locks; nothing is swept there either
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def sweep(target: Path) -> None:
    """Remove the temporaries beside a file that no process holds any more."""
    temporaries = re.compile(rf"{re.escape(_prefix(target))}[^.]+{re.escape(_TEMPORARY)}")
    for leftover in target.parent.iterdir():
        if temporaries.fullmatch(leftover.name):
            with suppress(OSError), _hold_lock(leftover, os.O_RDWR):
                leftover.unlink()


def _sweep_folder(folder: Path) -> None:
    if sys.platform == "win32":
        return
    with suppress(OSError), _hold_lock(folder, os.O_RDONLY | os.O_DIRECTORY) as descriptor:
        if os.fstat(descriptor).st_uid == os.geteuid():
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _hold_lock(path: Path, flags: int) -> Iterator[int]:
    """Hold the lock of a file or folder; raises OSError when somebody else does, or it cannot be opened."""
    if sys.platform == "win32":
        yield -1
    else:
        descriptor = os.open(path, flags | _NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield descriptor
        finally:
            os.close(descriptor)


def _take_after(descriptor: int, target: Path) -> None:
    """Give a new file the owner, group and mode of the one that it replaces, or the mode that the mask gives.

    Windows has neither: a new file takes what its folder gives.
    """
    if sys.platform == "win32":
        return
    try:
        old = target.stat()
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        _set_mode(descriptor, 0o666 & ~mask)
        return
    for owner, group in ((old.st_uid, old.st_gid), (-1, old.st_gid)):
        with _passing_refusals():  # only root gives files away; a group of one's own anybody
            os.fchown(descriptor, owner, group)
            break
    _set_mode(descriptor, old.st_mode & 0o777)


def _set_mode(descriptor: int, mode: int) -> None:
    if sys.platform != "win32":
        with _passing_refusals():
            os.fchmod(descriptor, mode)


@contextmanager
def _passing_refusals() -> Iterator[None]:
    """Pass over an owner or a mode that is refused: some drives have none, and some containers know not all owners."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise


def lock_alone(descriptor: int) -> None:
    """Lock an open file until it is closed; raises BlockingIOError when somebody else has it, OSError without locks."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, _BEYOND, os.SEEK_SET)  # what is locked can be read by nobody else, so it is no content
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(*error.args) from None
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


_BEYOND = 1 << 40


def flush_to_disk(descriptor: int) -> None:
    """Have the disk itself keep what was written, so that it survives a power cut."""
    if sys.platform == "darwin":
        with suppress(OSError):  # of network drives, which know no such call
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)  # fsync leaves it in the disk's own memory there
            return
    os.fsync(descriptor)


def _flush_folder(folder: Path) -> None:
    if sys.platform == "win32":  # opens no folder
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        flush_to_disk(descriptor)
    finally:
        os.close(descriptor)
