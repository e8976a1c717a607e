"""A place for each node of a trie, so that a step from any of them is one look into a table."""

import numpy as np
import numpy.typing as npt

from textclf.arrays import Integers
from textclf.compiled.jit import Number, compiled


@compiled
def lay_out(
    order: Integers, firsts: Integers, child_counts: Integers, last: Integers, width: Number
) -> tuple[Integers, Integers]:
    """Return the state and the base of each node of a `Trie`, their children placed in this order of the nodes."""
    states, bases = np.zeros(len(last), np.uint32), np.zeros(len(last), np.uint32)
    states[0] = 1
    taken = np.zeros(2 * len(last) + 2 * width, np.bool_)
    taken[:2] = True
    lowest = np.ones(width + 1, np.int64)  # the base to try first for so many children: below, some did not fit before
    for node in order:
        children = last[firsts[node] : firsts[node] + child_counts[node]]
        if not len(children):
            continue
        base = lowest[len(children)]
        while not fits(taken, base, children):
            base += 1
        lowest[len(children)] = base
        bases[node] = base
        for i in range(len(children)):
            states[firsts[node] + i] = base + children[i]
            taken[base + children[i]] = True
        if base + 3 * width > len(taken):
            taken = np.concatenate((taken, np.zeros(len(taken), np.bool_)))
    return states, bases


@compiled
def fits(taken: npt.NDArray[np.bool_], base: Number, children: Integers) -> bool:
    """Return whether no child's place is taken."""
    for child in children:  # noqa: SIM110 - Numba compiles no generators here
        if taken[base + child]:
            return False
    return True
