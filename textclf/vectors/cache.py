"""The user's cache of converted vectors: a vectors file is read once, then mapped from the disk in milliseconds.

An entry is a folder named after the file's SHA-256, with three plain arrays (vectors, words, where each word begins)
and a description. It is made under another name and renamed, so two processes that convert at once do no harm. Which
file has which digest is remembered by path, size and time, so that a large file is not read to find that out.
"""

import hashlib
import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from textclf.storage.files import flush_to_disk, sha256, temporary_folder, user_cache
from textclf.storage.packed_strings import PackedStrings
from textclf.vectors.word_vectors import WordVectors

_VERSION = "v2"  # v1 holds vectors of files whose dimension was misread


@dataclass(frozen=True)
class CacheEntry:
    """One converted file: its name when it was converted, its digest, and how many bytes the entry takes."""

    name: str
    sha256: str
    size: int


def cache_folder() -> Path:
    """Return the folder of converted vectors: $TEXTCLF_CACHE_DIR, or the user's cache folder."""
    return user_cache("vectors") / _VERSION


def digest_file(path: Path) -> str:
    """Return a file's SHA-256, remembered from the last time if path, size and time of change are the same."""
    facts = path.stat()
    identity = f"{path.resolve()}\0{facts.st_size}\0{facts.st_mtime_ns}\0{facts.st_ino}"
    note = cache_folder() / "seen" / hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()
    with suppress(OSError, ValueError):
        remembered = note.read_text("ascii")
        if len(remembered) == 64:
            return remembered
    digest = sha256(path)
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(digest, "ascii")
    return digest


def load_cached(digest: str, name: str) -> WordVectors | None:
    """Return the converted vectors of a file with this digest, mapped from the disk, or None when there are none."""
    folder = cache_folder() / digest
    try:
        about = json.loads((folder / "about.json").read_text("utf-8"))
        arrays = [np.load(folder / f"{part}.npy", mmap_mode="r") for part in ("matrix", "words", "offsets")]
        matrix, blob, offsets = arrays
        whole = (
            [list(array.shape) for array in arrays] == about["shapes"]
            and (matrix.dtype, blob.dtype, offsets.dtype) == (np.float32, np.uint8, np.int64)
            and len(offsets) == len(matrix) + 1
            and offsets[-1] == len(blob)
        )
        if not whole:
            return None
        return WordVectors(PackedStrings(blob, offsets), matrix, name, digest, about["kind"], tuple(about["notes"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def store(vectors: WordVectors) -> bool:
    """Keep converted vectors for later; return False when the cache folder cannot be written."""
    folder = cache_folder()
    strings = vectors.words if isinstance(vectors.words, PackedStrings) else PackedStrings.of(vectors.words)
    arrays = {"matrix": vectors.matrix, "words": strings.blob, "offsets": strings.offsets}
    about = {
        "name": vectors.name,
        "kind": vectors.kind,
        "notes": list(vectors.notes),
        "shapes": [list(array.shape) for array in arrays.values()],
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary_folder(folder) as temporary:
            for part, array in arrays.items():
                with (temporary / f"{part}.npy").open("wb") as stream:
                    np.save(stream, array, allow_pickle=False)
                    stream.flush()
                    flush_to_disk(stream.fileno())
            (temporary / "about.json").write_text(json.dumps(about), "utf-8")
            target = folder / vectors.sha256
            if load_cached(vectors.sha256, vectors.name) is None:
                shutil.rmtree(target, ignore_errors=True)  # a damaged entry
            temporary.rename(target)  # fails when another process was faster: its entry is as good
    except OSError:
        return load_cached(vectors.sha256, vectors.name) is not None
    return True


def cached_entries() -> list[CacheEntry]:
    """Return what the cache holds, by name."""
    entries = []
    for about in cache_folder().glob("*/about.json"):
        with suppress(OSError, ValueError, KeyError):
            size = sum(file.stat().st_size for file in about.parent.iterdir())
            entries.append(CacheEntry(json.loads(about.read_text("utf-8"))["name"], about.parent.name, size))
    return sorted(entries, key=lambda entry: (entry.name, entry.sha256))


def clear_cache() -> int:
    """Remove all that the cache holds, and return how many bytes that was."""
    size = sum(entry.size for entry in cached_entries())
    shutil.rmtree(cache_folder(), ignore_errors=True)
    return size
