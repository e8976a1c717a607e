"""How freely the numbers of n-grams may move, by naive Bayes. Letters are those of `joint`."""

from collections.abc import Sequence

import numpy as np

from textclf.storage.memory import let_go
from textclf.storage.parallel import in_order
from textclf.text.csr import SparseRows, blocks_of
from textclf.types import Array


def nbsvm_scales(
    C: SparseRows, Y: Array, weights: Array | None = None, *, floor: float, smoothing: float, threads: int = 1
) -> Array:
    """Return how freely each n-gram's number for each class may move, shape (V, k): `floor` + |log-count ratio|.

    The ratio is naive Bayes' (Wang & Manning 2012): how much likelier an n-gram is in the class than outside it. One
    that separates classes may have a large weight; one that does not must earn it. Scaled so that the mean
    length of a row of C, each entry times its scale, stays what it was. Outside a class are the examples that lack
    it: Cᵀ (1 − Y), which for one-hot Y is the sum over the other classes. A row of weight 2, of `weights` of shape
    (n,), counts as two rows, one of weight 0 as none.
    """
    return scales_of(class_counts(C, Y, weights, threads), floor=floor, smoothing=smoothing)


def class_counts(C: SparseRows, Y: Array, weights: Array | None = None, threads: int = 1) -> list[Array]:
    """Return Cᵀ Y, Cᵀ (1 − Σ Y) and Σ C², shapes (V, k), (V, 1) and (V, 1): what `scales_of` needs, to be added up."""
    w = np.ones((len(C), 1), Y.dtype) if weights is None else weights[:, None].astype(Y.dtype)
    left = (1 - Y.sum(axis=1, keepdims=True)) * w

    def sums(D: Array, *, squares: bool = False) -> Array:
        def sums_of(rows: slice) -> Array:
            part = C.slice(rows.start, rows.stop)
            found = (part.with_data(part.data**2) if squares else part).transposed_times(D[rows])
            let_go(part.columns, part.data)
            return found

        total = np.zeros((C.width, D.shape[1]), Y.dtype)
        for of_rows in in_order(sums_of, blocks_of(C), threads):
            total += of_rows
        return total

    # One after the other: sums of several blocks, one for each n-gram, are there at once.
    inside = sums(Y * w)
    # Σ over classes counts an example as often as it has classes, not once: nothing is left where each has one.
    others = sums(left) if left.any() else np.zeros_like(left, shape=(C.width, 1))
    return [inside, others, sums(w, squares=True)]


def scales_of(counts: Sequence[Array], *, floor: float, smoothing: float) -> Array:
    """Return `nbsvm_scales` of what `class_counts` counted, which is used up."""
    inside, others, mass = counts
    k = inside.shape[1]
    inside += inside.dtype.type(smoothing)  # in place, here and below: these are the largest arrays of their time
    outside = inside.sum(axis=1, keepdims=True) - inside
    outside += others + inside.dtype.type(smoothing if k == 1 else 0.0)
    for share in (inside, outside):
        share /= share.sum(axis=0)
        np.log(share, out=share)
    inside -= outside
    scales = np.abs(inside, out=inside)
    scales += inside.dtype.type(floor)
    total = mass.sum(dtype=np.float64)
    if total:
        squares = np.einsum("v,vk,vk->k", mass[:, 0], scales, scales, dtype=np.float64)
        scales /= np.sqrt(squares / total).astype(scales.dtype)
    return scales.astype(np.float32, copy=False)
