"""Of what a model is made: rows, vectors and versions, as its description tells."""

import hashlib
import platform
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np

from textclf import __version__
from textclf.labels import LabelSet
from textclf.vectors import WordVectors


def provenance(vectors: WordVectors | None) -> dict[str, Any]:
    """Return with which versions and vectors a model is made; plain values."""
    return {
        "textclf": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "vectors": {"name": vectors.name, "sha256": vectors.sha256, "kind": vectors.kind} if vectors else None,
    }


def data_summary(texts: Sequence[str], labels: Sequence[str], sets: Sequence[LabelSet]) -> dict[str, Any]:
    """Return what is kept of labelled texts, whose labels are the `sets`: how many, and a digest; plain values."""
    counts = Counter(label for row in sets for label in row)
    return {
        "texts": len(texts),
        "sha256": digest_of(texts, labels),
        "classes": len(counts),
        "largest": max(counts.values(), default=0),
    }


def digest_of(texts: Sequence[str], labels: Sequence[str]) -> str:
    """Return the SHA-256 of labelled texts, in their order."""
    digest = hashlib.sha256()
    digest_rows(digest, texts, labels)
    return digest.hexdigest()


def digest_rows(digest: "hashlib._Hash", texts: Sequence[str], labels: Sequence[str]) -> None:
    """Add labelled texts, in their order, to a digest."""
    rows = (f"{len(text)} {len(label)} {text}{label}\n" for text, label in zip(texts, labels, strict=True))
    while some := "".join(islice(rows, _ROWS_AT_ONCE)):
        digest.update(some.encode("utf-8", "surrogatepass"))


_ROWS_AT_ONCE = 256
