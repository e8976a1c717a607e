"""How freely the numbers of n-grams may move, by naive Bayes. Letters are those of `joint`."""

from collections.abc import Sequence

import numpy as np

from textclf.arrays import Array
from textclf.memory import let_go
from textclf.parallel import in_order
from textclf.sparse import SparseRows, blocks_of


def naive_bayes_scales(
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
    k = Y.shape[1]
    w = np.ones((len(C), 1), Y.dtype) if weights is None else weights[:, None].astype(Y.dtype)
    inside, others, mass = np.zeros((C.width, k), Y.dtype), np.zeros((C.width, 1), Y.dtype), np.zeros((C.width, 1))

    def counts(rows: slice) -> tuple[Array, Array | None, Array]:
        part, here = C.slice(rows.start, rows.stop), w[rows]
        inside = part.transposed_times(Y[rows] * here)
        mass = part.with_data(part.data**2).transposed_times(here)
        # Σ over classes counts an example as often as it has classes, not once: nothing is left where each has one.
        left = (1 - Y[rows].sum(axis=1, keepdims=True)) * here
        others = part.transposed_times(left) if left.any() else None
        let_go(part.columns, part.data)
        return inside, others, mass

    for of_rows in in_order(counts, blocks_of(C), threads):
        inside += of_rows[0]
        if of_rows[1] is not None:
            others += of_rows[1]
        mass += of_rows[2]
    return [inside, others, mass]


def scales_of(counts: Sequence[Array], *, floor: float, smoothing: float) -> Array:
    """Return `naive_bayes_scales` of what `class_counts` counted."""
    inside, others, mass = counts
    k = inside.shape[1]
    inside = inside + inside.dtype.type(smoothing)
    outside = inside.sum(axis=1, keepdims=True) - inside
    outside += others + inside.dtype.type(smoothing if k == 1 else 0.0)
    for share in (inside, outside):  # in place: these are the largest arrays of their time
        share /= share.sum(axis=0)
        np.log(share, out=share)
    inside -= outside
    scales = np.abs(inside, out=inside)
    scales += inside.dtype.type(floor)
    total = mass.sum()
    if total:
        scales /= np.sqrt(np.einsum("v,vk->k", mass[:, 0], np.square(scales)) / total).astype(scales.dtype)
    return scales.astype(np.float32, copy=False)
