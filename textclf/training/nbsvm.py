"""How freely the numbers of n-grams may move, by naive Bayes. Letters are those of `objective`."""

from collections.abc import Sequence

import numpy as np

from textclf.storage.parallel import in_order
from textclf.text.csr import blocks_of
from textclf.text.subwords import WideRows
from textclf.types import Array

FLOOR, SMOOTHING = 0.6, 0.3


def nbsvm_scales(
    C: WideRows,
    Y: Array,
    weights: Array | None = None,
    *,
    threads: int = 1,
    measured: slice = slice(0),
) -> Array:
    """Return how freely each n-gram's number for each class may move, shape (V, k): `FLOOR` + |log-count ratio|.

    The ratio is naive Bayes' (Wang & Manning 2012): how much likelier an n-gram is in the class than outside it. One
    that separates classes may have a large weight; one that does not must earn it. Scaled so that the mean
    length of a row of C, each entry times its scale, stays what it was. Outside a class are the examples that lack
    it: Cᵀ (1 − Y), which for one-hot Y is the sum over the other classes. A row of weight 2, of `weights` of shape
    (n,), counts as two rows, one of weight 0 as none. Columns of C that are `measured`, such as a price, and count
    nothing, have the scale 1.
    """
    counts = class_counts(C, Y, weights, threads)
    for count in counts:
        count[measured] = 0.0
    scales = scales_of(counts)
    scales[measured] = 1.0
    return scales


def class_counts(C: WideRows, Y: Array, weights: Array | None = None, threads: int = 1) -> list[Array]:
    """Return Cᵀ Y, Cᵀ (1 − Σ Y) and Σ C², shapes (V, k), (V, 1) and (V, 1), to be added up for `scales_of`.

    In float64: with large weights the counts outside a class would be lost in the rounding of those inside.
    """
    w = np.ones((len(C), 1)) if weights is None else weights[:, None].astype(np.float64)
    left = (1.0 - Y.sum(axis=1, keepdims=True)) * w
    blocks = [(rows, C.slice(rows.start, rows.stop)) for rows in blocks_of([C.ngrams, C.pieces], Y.shape[1])]

    def sums(D: Array, *, squares: bool = False) -> tuple[Array, Array]:
        def sums_of(block: tuple[slice, WideRows]) -> tuple[Array, Array]:
            rows, part = block
            matrices = (part.ngrams, part.pieces)
            found = (each.with_data(each.data**2) if squares else each for each in matrices)
            of_ngrams, of_pieces = (each.transposed_times(D[rows]) for each in found)
            return of_ngrams, of_pieces

        totals = [np.zeros((width, D.shape[1])) for width in (C.ngrams.width, C.pieces.width)]
        for parts in in_order(sums_of, blocks, threads):
            for total, part in zip(totals, parts, strict=True):
                total += part
        return totals[0], totals[1]

    # Σ over classes counts an example as often as it has classes, not once: nothing is left where each has one.
    others = C.gather(*sums(left)) if left.any() else np.zeros((C.width, 1))
    return [C.gather(*sums(Y * w)), others, C.gather_squares(*sums(w, squares=True))]


def scales_of(counts: Sequence[Array]) -> Array:
    """Return `nbsvm_scales` of what `class_counts` counted."""
    inside, others, mass = counts
    k = inside.shape[1]
    inside = inside + SMOOTHING
    outside = inside.sum(axis=1, keepdims=True) - inside
    np.maximum(outside, (k - 1) * SMOOTHING, out=outside)  # as it is, but where the difference lost all its digits
    outside += others + (SMOOTHING if k == 1 else 0.0)
    ratio = np.log(inside / inside.sum(axis=0)) - np.log(outside / outside.sum(axis=0))
    scales = FLOOR + np.abs(ratio)
    if mass.sum():
        scales /= np.sqrt(np.einsum("v,vk,vk->k", mass[:, 0], scales, scales) / mass.sum())
    freedom: Array = scales.astype(np.float32)
    return freedom
