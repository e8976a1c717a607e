"""Of what a model is made: rows, vectors and versions, as its description tells."""

import hashlib
import platform
from collections import Counter
from collections.abc import Sequence

import numpy as np

from textclf import __version__
from textclf.labels import LabelSet
from textclf.metrics.multi_label import AnyEvaluation, MultiLabelEvaluation
from textclf.metrics.single_label import find_weakest
from textclf.model.card import Provenance, TrainingData, ValidationFigures, VectorSource, WeakestClass
from textclf.storage.packed_strings import PackedStrings
from textclf.vectors import WordVectors


def provenance(vectors: WordVectors | None) -> Provenance:
    """Return with which versions and vectors a model is made."""
    source = VectorSource(vectors.name, vectors.sha256, vectors.kind) if vectors else None
    return Provenance(__version__, platform.python_version(), np.__version__, source, _kernel())


def validation_figures(found: AnyEvaluation) -> ValidationFigures:
    """Return what a model keeps of the figures of validation rows."""
    weakest = find_weakest(found.per_class)
    named = None if weakest is None else WeakestClass(weakest[0], weakest[1].f1, weakest[1].support)
    if isinstance(found, MultiLabelEvaluation):
        return ValidationFigures(**found.summary(), weakest=named, independent=found.independent)
    return ValidationFigures(
        **found.summary(),
        macro_f1_interval=found.intervals.macro_f1,
        majority=found.majority[1],
        ece=found.reliability.ece,
        weakest=named,
        independent=found.independent,
    )


def _kernel() -> str | None:
    """Return for which kinds of processor linear algebra runs, None where it does not say.

    NumPy and SciPy may each bring their own, which may be of another kind, and are found in no order.
    """
    from threadpoolctl import threadpool_info

    kernels = {str(found["architecture"]) for found in threadpool_info() if found.get("architecture")}
    return ", ".join(sorted(kernels)) or None


def data_summary(texts: Sequence[str], labels: Sequence[str], sets: Sequence[LabelSet]) -> TrainingData:
    """Return what is kept of labelled texts, whose labels are the `sets`: how many, and a digest."""
    counts = Counter(label for row in sets for label in row)
    return TrainingData(len(texts), digest_of(texts, labels), len(counts), max(counts.values(), default=0))


def digest_of(texts: Sequence[str], labels: Sequence[str]) -> str:
    """Return the SHA-256 of labelled texts, in their order."""
    digest = RowsDigest()
    digest.add(texts, labels)
    return digest.hexdigest()


class RowsDigest:
    """The SHA-256 of labelled texts, in their order, however many come at a time.

    It is that of four others one after the other: of the texts' bytes in UTF-8, of their lengths in bytes as 64-bit
    numbers, of the labels' bytes and of their lengths. So texts that are kept as bytes are taken as they are.
    """

    def __init__(self) -> None:
        self._digests = [hashlib.sha256() for _ in range(4)]

    def add(self, texts: Sequence[str], labels: Sequence[str]) -> None:
        """Take up the next rows, each with its label."""
        if len(texts) != len(labels):
            raise ValueError(f"{len(texts)} texts, {len(labels)} labels")
        for start in range(0, len(texts), _ROWS_AT_ONCE):
            for number, strings in enumerate((texts, labels)):
                part = strings[start : start + _ROWS_AT_ONCE]
                blob, offsets = (part if isinstance(part, PackedStrings) else PackedStrings.of(part)).pack()
                self._digests[2 * number].update(blob)
                self._digests[2 * number + 1].update(np.diff(offsets).astype("<i8", copy=False).data)

    def hexdigest(self) -> str:
        """Return the digest of all rows so far."""
        return hashlib.sha256(b"".join(digest.digest() for digest in self._digests)).hexdigest()


_ROWS_AT_ONCE = 1 << 12
