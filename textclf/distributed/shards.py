"""The files that a run reads: found by a pattern, a folder or a URL, and brought to where they are read."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from textclf.errors import DataError, OutputError, spell
from textclf.storage.files import check_writable, temporary_folder, write_whole
from textclf.storage.remote import fetch, is_url, open_filesystem
from textclf.tables import is_table_name
from textclf.tables.source import WILD

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


@dataclass(frozen=True)
class Shard:
    """One file of many: its place, its name below the folder that all share, and what tells it from a later one.

    `url` is a path, or what fsspec takes; `state` holds its size and, where it is known, the time of its last change.
    """

    url: str
    name: str
    state: str

    @property
    def is_local(self) -> bool:
        """Whether the file is read where it stands."""
        return not is_url(self.url)

    @contextmanager
    def local(self) -> Iterator[Path]:
        """Give the file as a local one: itself, or a copy that is gone afterwards.

        Raises DataError when it cannot be fetched.
        """
        if self.is_local:
            yield Path(self.url)
            return
        with temporary_folder() as folder:
            yield Path(fetch(self.url, folder))


def find_shards(source: str) -> list[Shard]:
    """Return the files that a pattern, a folder or a URL names, by name; a folder's are those with a table's suffix.

    Raises DataError when there is none.
    """
    if is_url(source):
        filesystem, path = open_filesystem(source)
        found = _remote(filesystem, path, source)
    else:
        found = _local(Path(source))
    if not found:
        raise DataError(f"{spell(source)}: expected files to read, found none. Check the folder and the pattern.")
    return found


def _local(source: Path) -> list[Shard]:
    if source.is_dir():
        root, paths = source, [path for path in source.rglob("*") if is_table_name(path.name)]
    elif source.exists():
        root, paths = source.parent, [source]
    else:
        parts = source.parts
        fixed = next((i for i, part in enumerate(parts) if any(sign in part for sign in WILD)), len(parts) - 1)
        root = Path(*parts[:fixed])
        paths = list(root.glob("/".join(parts[fixed:])))
    kept = sorted(path for path in paths if path.is_file() and not _is_hidden(path.relative_to(root).parts))
    return [Shard(str(path), path.relative_to(root).as_posix(), _state(path)) for path in kept]


def _is_hidden(parts: tuple[str, ...]) -> bool:
    # Folders of marks (.textclf, _SUCCESS) and half-written files are named so.
    return any(part.startswith((".", "_")) for part in parts)


def _state(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size}/{status.st_mtime_ns}"


def _remote(filesystem: "AbstractFileSystem", path: str, url: str) -> list[Shard]:
    try:
        if any(sign in path for sign in WILD):
            details = filesystem.glob(path, detail=True)
            root = path[: min(path.index(sign) for sign in WILD if sign in path)].rpartition("/")[0]
        elif filesystem.isdir(path):
            details = filesystem.find(path, detail=True)
            details = {name: entry for name, entry in details.items() if is_table_name(name)}
            root = path
        else:
            details = {path: filesystem.info(path)}
            root = path.rpartition("/")[0]
    except Exception as error:  # each file system has errors of its own
        raise DataError(f"{spell(url)}: cannot be listed ({spell(str(error))[:200]}). Check the address.") from error
    shards = []
    for name in sorted(details):
        below = name[len(root) :].lstrip("/")
        if details[name].get("type") == "file" and not _is_hidden(tuple(below.split("/"))):
            shards.append(Shard(filesystem.unstrip_protocol(name), below, _remote_state(details[name])))
    return shards


def _remote_state(entry: dict[str, Any]) -> str:
    marks = [entry.get(key) for key in ("size", "ETag", "etag", "mtime", "LastModified", "created")]
    return "/".join(str(mark) for mark in marks if mark is not None)


class Folder:
    """Where a run writes: a local folder, or a URL; each file appears there whole or not at all."""

    def __init__(self, place: str) -> None:
        self.place = place.rstrip("/") or "/"
        self.is_local = not is_url(place)

    def __str__(self) -> str:
        """Return its name for messages."""
        return spell(self.place)

    def prepare(self) -> None:
        """Make the folder; raises OutputError when it cannot be written to."""
        if self.is_local:
            try:
                Path(self.place).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(f"{self}: expected a folder to write to ({error.strerror}). Name another.") from error
            check_writable(Path(self.place) / "manifest.json")

    def read(self, name: str) -> bytes | None:
        """Return a file's content, None when there is no such file."""
        if self.is_local:
            path = Path(self.place) / name
            return path.read_bytes() if path.is_file() else None
        filesystem, root = open_filesystem(self.place)
        try:
            content: bytes = filesystem.cat_file(f"{root}/{name}")
        except FileNotFoundError:
            return None
        return content

    def digest(self, name: str) -> str | None:
        """Return the SHA-256 of a file, None when there is no such file."""
        if not self.is_local:
            content = self.read(name)
            return None if content is None else hashlib.sha256(content).hexdigest()
        path = Path(self.place) / name
        if not path.is_file():
            return None
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Give a path to write a file to, which is in its place when the block has ended well."""
        if self.is_local:
            path = Path(self.place) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            yield path
            return
        with temporary_folder() as folder:
            path = folder / PurePosixPath(name).name
            yield path
            filesystem, root = open_filesystem(self.place)
            try:
                filesystem.makedirs(f"{root}/{name}".rpartition("/")[0], exist_ok=True)
                filesystem.put_file(str(path), f"{root}/{name}")
            except Exception as error:  # each file system has errors of its own
                raise OutputError(f"{self}/{spell(name)}: cannot be written ({spell(str(error))[:200]}).") from error

    def write(self, name: str, content: bytes) -> None:
        """Write a small file."""
        with self.writing(name) as path, write_whole(path) as stream:
            stream.write(content)
