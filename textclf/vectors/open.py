"""Open word vectors by path or name: from the user's cache, or read and kept there.

A vectors file is read once, then mapped from the disk in milliseconds. An entry of the cache is a folder named after
the file's SHA-256, with three plain arrays (vectors, words, where each word begins) and a description. It is made
under another name and renamed, so two processes that convert at once do no harm. Which file has which digest is
remembered by path, size and time, so that a large file is not read to find that out.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from unicodedata import is_normalized, normalize

import numpy as np

from textclf.errors import VectorsError
from textclf.storage.files import flush_to_disk, sha256, temporary_folder, user_cache
from textclf.storage.packed_strings import PackedStrings
from textclf.vectors.read import has_gensim, read_matrix
from textclf.vectors.scan import Scan, check_values, scan
from textclf.vectors.unpack import cannot_be_read
from textclf.vectors.word_vectors import WordVectors

STARTER = "starter"
_MESSAGE = 200
_SLOW_BYTES = 20_000_000  # from here on reading takes a second or more, and is announced


def starter_path() -> Path:
    """Return the file of the vectors that come along: in the package when installed, in models/ in a checkout."""
    package = Path(__file__).parent.parent
    installed = package / "starter.bin.gz"
    return installed if installed.exists() else package.parent / "models" / "starter.bin.gz"


def open_vectors(
    source: str | Path,
    *,
    cache: bool = True,
    encoding: str = "utf-8",
    say: Callable[[str], None] = lambda _: None,
) -> WordVectors:
    """Return the vectors of a file, of ``starter``, or of a name that gensim's downloader knows.

    ``starter`` names the vectors that come along even where a file or folder is called so, which is ``./starter``.
    The first use of a file converts it into the user's cache; later ones map it from there. `say` is told when
    something takes long. Raises VectorsError when there is no such file or it is not whole, sane vectors.
    """
    name = str(source)
    path = _locate(name, say)
    cache = cache and encoding == "utf-8"  # an entry of the cache does not tell in which encoding it was read
    scanned: Scan | None = None
    if not (cache and path.is_file()):
        scanned = scan(path, encoding=encoding)
    try:
        digest = _digest_file(path)
    except OSError as error:
        raise cannot_be_read(path, error) from None
    found = _load_cached(digest, name) if cache else None
    if found is not None:
        return found
    if scanned is None:
        scanned = scan(path, encoding=encoding)
    if path.stat().st_size >= _SLOW_BYTES:
        say(f"reading {name} ({scanned.kind}); later uses take it from the cache")
    vectors = _read(path, scanned, name, digest, encoding)
    if cache:
        store(vectors)
    return vectors


def _locate(name: str, say: Callable[[str], None]) -> Path:
    """Return the file that a path or name means; a folder of the working directory does not stand in a name's way."""
    path = Path(name)
    if name == STARTER:
        return starter_path()
    if path.suffix or path.name != name or (path.exists() and not path.is_dir()):
        return path
    try:
        return download(name, say)
    except VectorsError:
        if path.is_dir():
            return path  # refused as a folder
        raise


def download(name: str, say: Callable[[str], None]) -> Path:
    """Return the file of a data set of gensim's downloader, fetched on the first use.

    Only the data file is used; the Python module that comes with a data set is not imported.
    Raises VectorsError when the name is not known or nothing can be fetched.
    """
    if not has_gensim():
        raise VectorsError(
            f"{name}: no such file, and names are fetched by gensim, which is not installed. "
            "Give a file, `starter` or `none`, or install it with: pip install gensim."
        )
    from gensim import downloader

    say(f"fetching {name}")
    try:
        path = Path(downloader.load(name, return_path=True))
    except ValueError:
        raise VectorsError(
            f"{name}: no such file, nor a name that gensim's downloader knows. "
            "Give a file, `starter`, `none`, or a name such as glove-wiki-gigaword-100."
        ) from None
    except Exception as error:
        # The downloader raises whatever its connection, its disk and its checksums raise: one line says it.
        raise VectorsError(
            f"{name}: no such file, and it could not be fetched ({str(error)[:_MESSAGE]}). "
            "Give a file of word vectors, or connect to the network."
        ) from None
    if path.is_dir():
        raise VectorsError(f"{name}: these data are not word vectors. Give another name.")
    return path


def _read(path: Path, scanned: Scan, name: str, digest: str, encoding: str) -> WordVectors:
    words = list(scanned.words.distinct())
    if not words:
        raise VectorsError(f"{path}: expected word vectors, found no word that can be used. Name another file.")
    matrix = np.ascontiguousarray(read_matrix(path, scanned, encoding), np.float32)
    notes = [*check_values(path, words, matrix), *_alike(words), *scanned.words.notes()]
    if scanned.is_open:
        notes.append("the last line has no line end: is its last number whole?")
    return WordVectors(words, matrix, name, digest, scanned.kind, tuple(notes))


def _alike(words: list[str]) -> list[str]:
    """Say how many words are spelt as another word is but for the normal form: both are kept."""
    composed = [normalize("NFC", word) for word in words if not word.isascii() and not is_normalized("NFC", word)]
    twice = len(set(composed).intersection(words)) if composed else 0
    return [f"{twice:,} words stand there in two normal forms (NFC and another): both are kept"] if twice else []


# --- the cache -------------------------------------------------------------------------------------------------------

_VERSION = "v2"  # v1 holds vectors of files whose dimension was misread


@dataclass(frozen=True)
class CacheEntry:
    """One converted file: its name when it was converted, its digest, and how many bytes the entry takes."""

    name: str
    sha256: str
    size: int


def _cache_folder() -> Path:
    """Return the folder of converted vectors: $TEXTCLF_CACHE_DIR, or the user's cache folder."""
    return user_cache("vectors") / _VERSION


def _digest_file(path: Path) -> str:
    """Return a file's SHA-256, remembered from the last time if path, size and time of change are the same."""
    facts = path.stat()
    identity = f"{path.resolve()}\0{facts.st_size}\0{facts.st_mtime_ns}\0{facts.st_ino}"
    note = _cache_folder() / "seen" / hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()
    with suppress(OSError, ValueError):
        remembered = note.read_text("ascii")
        if len(remembered) == 64:
            return remembered
    digest = sha256(path)
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(digest, "ascii")
    return digest


def _load_cached(digest: str, name: str) -> WordVectors | None:
    """Return the converted vectors of a file with this digest, mapped from the disk, or None when there are none."""
    folder = _cache_folder() / digest
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
    folder = _cache_folder()
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
            if _load_cached(vectors.sha256, vectors.name) is None:
                shutil.rmtree(target, ignore_errors=True)  # a damaged entry
            temporary.rename(target)  # fails when another process was faster: its entry is as good
    except OSError:
        return _load_cached(vectors.sha256, vectors.name) is not None
    return True


def cached_entries() -> list[CacheEntry]:
    """Return what the cache holds, by name."""
    entries = []
    for about in _cache_folder().glob("*/about.json"):
        with suppress(OSError, ValueError, KeyError):
            size = sum(file.stat().st_size for file in about.parent.iterdir())
            entries.append(CacheEntry(json.loads(about.read_text("utf-8"))["name"], about.parent.name, size))
    return sorted(entries, key=lambda entry: (entry.name, entry.sha256))


def clear_cache() -> int:
    """Remove all that the cache holds, and return how many bytes that was."""
    size = sum(entry.size for entry in cached_entries())
    shutil.rmtree(_cache_folder(), ignore_errors=True)
    return size
