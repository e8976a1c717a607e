"""Open word vectors by path or name: from the cache, or read and kept there."""

from collections.abc import Callable
from pathlib import Path
from unicodedata import is_normalized, normalize

import numpy as np

from textclf.errors import VectorsError
from textclf.vectors import cache as vector_cache
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
        digest = vector_cache.digest_file(path)
    except OSError as error:
        raise cannot_be_read(path, error) from None
    found = vector_cache.load_cached(digest, name) if cache else None
    if found is not None:
        return found
    if scanned is None:
        scanned = scan(path, encoding=encoding)
    if path.stat().st_size >= _SLOW_BYTES:
        say(f"reading {name} ({scanned.kind}); later uses take it from the cache")
    vectors = _read(path, scanned, name, digest, encoding)
    if cache:
        vector_cache.store(vectors)
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
