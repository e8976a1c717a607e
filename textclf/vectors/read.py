"""Read a scanned file: through gensim where it is installed, and by a reader of our own where gensim would fail.

The scan has seen every word, so what gensim returns is held against it.
"""

import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from textclf.errors import VectorsError
from textclf.types import Array
from textclf.vectors.fasttext import read_layout, read_vectors
from textclf.vectors.layouts import read_lines, read_records
from textclf.vectors.scan import Scan
from textclf.vectors.unpack import open_unpacked, unpack_file

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
