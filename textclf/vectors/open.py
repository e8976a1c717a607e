"""Open word vectors by path or name: from the user's cache, or read and kept there.

A vectors file is read once, then mapped from the disk in milliseconds. An entry of the cache is a folder named after
the file's SHA-256, with three plain arrays (vectors, words, where each word begins) and a description. It is made
under another name and renamed, so two processes that convert at once do no harm. Which file has which digest is
remembered by path, size and time, so that a large file is not read to find that out.

A file is scanned, then read through gensim where it is installed, and by a reader of our own where gensim would fail.
The scan has seen every word, so what gensim returns is held against it.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from unicodedata import is_normalized, normalize

import numpy as np

from textclf.errors import VectorsError
from textclf.storage.files import flush_to_disk, sha256, temporary_folder, user_cache
from textclf.storage.packed_strings import PackedStrings
from textclf.storage.remote import is_url
from textclf.types import Array
from textclf.vectors.layouts import read_layout, read_lines, read_records, read_vectors
from textclf.vectors.scan import Scan, check_values, scan
from textclf.vectors.unpack import make_read_error, open_unpacked, unpack_file
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
        raise make_read_error(path, error) from None
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
    if is_url(name):
        raise VectorsError(f"{name}: expected a file of word vectors or a name, found a URL. Download the file first.")
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


# --- reading ---------------------------------------------------------------------------------------------------------

_CHILD_SECONDS = 60
_CHILD_BYTES_A_SECOND = 1_000_000


def read_matrix(path: Path, scanned: Scan, encoding: str) -> Array:
    """Return the vectors of the words that `scanned.words.distinct()` keeps, in that order, shape (V, d).

    Raises VectorsError when the file cannot be read, or is no longer what was scanned.
    """
    matrix = _read_through_gensim(path, scanned, encoding) if _can_gensim_read(scanned) else None
    return _read_ourselves(path, scanned) if matrix is None else matrix


def has_gensim() -> bool:
    """Return whether gensim is installed."""
    return find_spec("gensim") is not None


def require_gensim(what: str) -> None:
    """Raise VectorsError when gensim, which `what` needs, is not installed."""
    if not has_gensim():
        raise VectorsError(
            f"{what}: expected the package gensim, which is not installed. Install it with: pip install gensim "
            "(it has no builds for Python 3.14 and later yet)."
        )


def _can_gensim_read(scanned: Scan) -> bool:
    """Return whether gensim is there and reads such words: it takes a blank for the end of a word, and none empty."""
    words = scanned.words.words
    return (
        has_gensim()
        and not scanned.has_mark
        and None not in words
        and not any(" " in word or "\t" in word for word in words if word)
    )


def _read_through_gensim(path: Path, scanned: Scan, encoding: str) -> Array | None:
    """Return what gensim reads, or None when these are not the words that the scan has seen."""
    with unpack_file(path) as plain:
        if scanned.kind == "fastText binary":
            words, matrix = _read_fasttext(path, plain)
        else:
            from gensim.models import KeyedVectors

            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of duplicates, which are counted and told by us
                    loaded = KeyedVectors.load_word2vec_format(
                        str(plain),
                        binary=scanned.kind == "word2vec binary",
                        no_header=scanned.kind == "GloVe text",
                        encoding=encoding,
                    )
            except (ValueError, EOFError, OverflowError, LookupError, AssertionError):
                return None  # lines that the scan has found sound, as tabs between numbers
            words, matrix = loaded.index_to_key, np.asarray(loaded.vectors)
    expected = list(scanned.words.distinct())
    # Where words are repeated, gensim may leave rows of zeros without a word at the end.
    agree = words[: len(expected)] == expected and not any(words[len(expected) :])
    return matrix[: len(expected)] if agree and matrix.shape[1] == scanned.dimension else None


def _read_ourselves(path: Path, scanned: Scan) -> Array:
    """Read a file without gensim: the same words and numbers."""
    places = list(scanned.words.distinct().values())
    count = len(scanned.words.words)
    if scanned.kind == "fastText binary":
        with unpack_file(path) as plain:
            layout = read_layout(plain)
            if len(layout.words.words) != count:
                raise _change_error(path)
            return read_vectors(plain, layout)[places]
    rows_of = dict(zip(places, range(len(places)), strict=True))
    matrix = np.empty((len(places), scanned.dimension), np.float32)
    place = -1
    for place, numbers in enumerate(_rows(path, scanned)):
        row = rows_of.get(place)
        if row is not None:
            matrix[row] = numbers
    if place + 1 != count:
        raise _change_error(path)
    return matrix


def _rows(path: Path, scanned: Scan) -> Iterator[Array | list[float]]:
    if scanned.kind == "word2vec binary":
        with open_unpacked(path) as stream:
            stream.read(scanned.start)
            for _, numbers, _ in read_records(stream, path, len(scanned.words.words), scanned.dimension):
                yield np.frombuffer(numbers, "<f4")
    else:
        for _, _, fields in read_lines(path, scanned.dimension, skip=scanned.kind == "word2vec text"):
            yield [float(field) for field in fields]


def _change_error(path: Path) -> VectorsError:
    return VectorsError(f"{path}: the file was changed while it was read. Try again when it is whole.")


def _read_fasttext(path: Path, plain: Path) -> tuple[list[str], Array]:
    """Read a native fastText file in a child process: a damaged one may ask for all memory, or crash its reader."""
    with tempfile.TemporaryDirectory() as folder:
        script = str(Path(__file__).with_name("fasttext_child.py"))
        try:
            done = subprocess.run(
                [sys.executable, "-I", script, str(plain), folder],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_CHILD_SECONDS + plain.stat().st_size / _CHILD_BYTES_A_SECOND,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise VectorsError(f"{path}: reading these fastText vectors took too long. Is the file damaged?") from None
        if done.returncode != 0:
            return [], np.empty((0, 0), np.float32)  # the layout was found sound: the other reader has its turn
        matrix = np.load(Path(folder) / "matrix.npy")
        words = (Path(folder) / "words").read_bytes().decode("utf-8", "replace").split("\0")
    return words, matrix
