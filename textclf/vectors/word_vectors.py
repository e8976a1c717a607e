"""Word vectors in memory, or mapped from the disk."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from textclf.errors import VectorsError
from textclf.types import Array


@dataclass(frozen=True)
class WordVectors:
    """Words, in the file's order (by convention the commonest first), and their vectors: `matrix`, shape (V, d).

    `name` is the file's or the source's, `sha256` the digest of the file, `kind` its layout; `notes` say what is
    worth a word: duplicates left out, suspicious values.
    """

    words: Sequence[str]
    matrix: Array
    name: str
    sha256: str
    kind: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.words)

    @property
    def dimension(self) -> int:
        """The length of each vector."""
        return int(self.matrix.shape[1])

    @cached_property
    def is_cased(self) -> bool:
        """Whether one in a hundred of the commonest words has a capital; then case counts in look-ups."""
        head = self.words[: min(len(self.words), 20_000)]
        return sum(word != word.lower() for word in head) * 100 >= len(head)


def nearest(vectors: WordVectors, word: str, count: int) -> list[tuple[str, float]]:
    """Return the words whose vectors have the highest cosine with a word's, and the cosines.

    Raises VectorsError when the word is not there.
    """
    place = next((i for i, candidate in enumerate(vectors.words) if candidate == word), None)
    if place is None:
        raise VectorsError(f"{vectors.name}: no word {word!r}. Is it spelt as the vectors spell it?")
    lengths = np.linalg.norm(vectors.matrix, axis=1)
    cosines = vectors.matrix @ vectors.matrix[place] / np.maximum(lengths * lengths[place], 1e-12)
    order = [i for i in np.argsort(-cosines, kind="stable").tolist() if i != place][:count]
    return [(vectors.words[i], float(cosines[i])) for i in order]
