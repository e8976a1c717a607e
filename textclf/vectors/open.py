"""Open word vectors by path or name: from the cache, or read through gensim and kept there."""

import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unicodedata import is_normalized, normalize

import numpy as np

from textclf.errors import VectorsError
from textclf.storage.files import temporary_folder
from textclf.vectors import cache as vector_cache
from textclf.vectors.model import WordVectors
from textclf.vectors.scan import Scan, cannot_be_read, check_values, open_unpacked, scan

STARTER = "starter"
_CHILD_SECONDS = 60
_CHILD_BYTES_A_SECOND = 1_000_000
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

    The first use of a file converts it into the user's cache; later ones map it from there. `say` is told when
    something takes long. Raises VectorsError when there is no such file or it is not whole, sane vectors.
    """
    name = str(source)
    path = Path(source)
    if name == STARTER and not path.exists():
        path = starter_path()
    elif not path.exists() and path.suffix == "" and path.name == name:
        path = download(name, say)
    cache = cache and encoding == "utf-8"  # an entry of the cache does not tell in which encoding it was read
    scanned: Scan | None = None
    if not (cache and path.is_file()):
        scanned = scan(path, encoding=encoding)
    try:
        digest = vector_cache.digest_of(path)
    except OSError as error:
        raise cannot_be_read(path, error) from None
    found = vector_cache.load(digest, name) if cache else None
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


def download(name: str, say: Callable[[str], None]) -> Path:
    """Return the file of a data set of gensim's downloader, fetched on the first use.

    Only the data file is used; the Python module that comes with a data set is not imported.
    Raises VectorsError when the name is not known or nothing can be fetched.
    """
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
    if scanned.kind == "fastText binary":
        words, matrix = _read_fasttext(path)
    elif scanned.has_mark:
        words, matrix = _read_lines(path, scanned, encoding)
    else:
        words, matrix = _read_gensim(path, scanned, encoding)
    notes = [*check_values(path, words, matrix), *_alike(words)]
    if scanned.is_open:
        notes.append("the last line has no line end: is its last number whole?")
    different = set(words)
    if len(different) < len(words) or "" in different:
        keep = [place for place, word in enumerate(words) if word]
        distinct = list({words[place]: place for place in reversed(keep)}.values())[::-1]
        notes.append(f"{len(words) - len(distinct):,} words stand twice or are empty: the first of each is kept")
        distinct.sort()
        words, matrix = [words[place] for place in distinct], matrix[distinct]
    matrix = np.ascontiguousarray(matrix, np.float32)
    return WordVectors(words, matrix, name, digest, scanned.kind, tuple(notes))


def _alike(words: list[str]) -> list[str]:
    """Say how many words are spelt as another word is but for the normal form: both are kept."""
    composed = [normalize("NFC", word) for word in words if not word.isascii() and not is_normalized("NFC", word)]
    twice = len(set(composed).intersection(words)) if composed else 0
    return [f"{twice:,} words stand there in two normal forms (NFC and another): both are kept"] if twice else []


def _read_gensim(path: Path, scanned: Scan, encoding: str) -> tuple[list[str], np.ndarray[Any, Any]]:
    from gensim.models import KeyedVectors

    with temporary_folder() as folder:
        # gensim tells gzip by the name alone, so the file gets one that tells the truth.
        link = folder / ("vectors.gz" if scanned.is_gzip else "vectors")
        link.symlink_to(path.resolve())
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of duplicates, which are counted and told by us
                loaded = KeyedVectors.load_word2vec_format(
                    str(link),
                    binary=scanned.kind == "word2vec binary",
                    no_header=scanned.kind == "GloVe text",
                    encoding=encoding,
                )
        except UnicodeDecodeError as error:
            raise VectorsError(
                f"{path}: a word is not {encoding} ({error.reason}), or the numbers are cut. "
                "Convert the file to UTF-8, or get it again."
            ) from None
        except (ValueError, EOFError, OverflowError) as error:
            if scanned.kind != "word2vec binary":
                return _read_lines(path, scanned, encoding)  # words with blanks, or tabs: gensim reads neither
            raise VectorsError(f"{path}: the vectors are damaged or cut ({error}). Get the file again.") from None
    if len(loaded.index_to_key) != scanned.words:
        raise VectorsError(f"{path}: expected {scanned.words:,} words, found {len(loaded.index_to_key):,}. Is it cut?")
    return [word or "" for word in loaded.index_to_key], loaded.vectors


def _read_lines(path: Path, scanned: Scan, encoding: str) -> tuple[list[str], np.ndarray[Any, Any]]:
    """Read a text file whose lines `scan` has found sound, words with blanks in them included."""
    words: list[str] = []
    matrix = np.empty((scanned.words, scanned.dimension), np.float32)
    with open_unpacked(path, scanned.is_gzip) as stream:
        content = stream.read(-1)
    lines = content.removeprefix(b"\xef\xbb\xbf").rstrip(b"\n").split(b"\n")
    for line in lines[0 if scanned.kind == "GloVe text" else 1 :]:
        word, *numbers = line.rstrip(b"\r").rsplit(None, scanned.dimension)
        matrix[len(words)] = [float(number) for number in numbers]
        words.append(word.decode(encoding))
    return words, matrix


def _read_fasttext(path: Path) -> tuple[list[str], np.ndarray[Any, Any]]:
    """Read a native fastText file in a child process: a damaged one may ask for all memory, or crash its reader."""
    with temporary_folder() as folder:
        script = str(Path(__file__).with_name("fasttext_child.py"))
        try:
            done = subprocess.run(
                [sys.executable, "-I", script, str(path.resolve()), str(folder)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_CHILD_SECONDS + path.stat().st_size / _CHILD_BYTES_A_SECOND,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise VectorsError(f"{path}: reading these fastText vectors took too long. Is the file damaged?") from None
        if done.returncode != 0:
            why = done.stderr.decode("utf-8", "replace").strip().rsplit("\n", 1)[-1][:_MESSAGE]
            raise VectorsError(f"{path}: these fastText vectors cannot be read ({why or 'the reader crashed'}).")
        matrix = np.load(folder / "matrix.npy")
        words = (folder / "words").read_bytes().decode("utf-8", "replace").split("\0")
    return words, matrix
