"""Where a fit to many rows begins: at a fit to an eighth of them, where those say nearly as much.

Letters are those of `joint`. A further row teaches little where each n-gram stands in hundreds of texts already: the
fit to an eighth of the rows ends close by that to all, which gets by with a few steps more. It costs an eighth, or less
where it begins so itself.
"""

from dataclasses import dataclass, replace

import numpy as np

from textclf.arrays import Array, Integers
from textclf.checkpoint import Recorder, State
from textclf.examples import Examples
from textclf.joint import JointFit, JointSettings, fit_jointly
from textclf.network import Loss, Network
from textclf.shelf import Shelf, rows_of_array, rows_of_sparse

ONE_OF = 8
FEWEST_ROWS, FEWEST_ENTRIES, ENTRIES_A_COLUMN = 10_000, 1 << 22, 200
"""Rows that weigh anything, and entries of C: with fewer, what other rows tell is worth more than the steps saved."""
_NOTED = "some"


@dataclass(frozen=True)
class WarmStart:
    """How fits to fewer rows are done: rows are drawn by `seed`, their matrices are put on the shelf."""

    shelf: Shelf
    seed: int
    recorder: Recorder

    def find(
        self, network: Network, S: Array, examples: Examples, scales: Array, loss: Loss, settings: JointSettings
    ) -> JointFit | None:
        """Return a fit to some of the rows, for `fit_jointly` to go on from; None where that does not pay.

        The recorder notes it, or where it is; what it finds is gone on from.
        """
        C, used = examples.ngrams, np.flatnonzero(examples.weights)
        if len(used) < FEWEST_ROWS or len(C.data) < max(FEWEST_ENTRIES, ENTRIES_A_COLUMN * C.width):
            return None
        state = self.recorder.found(_NOTED)
        if state is not None:
            theta, U = state.array("network", network.theta), np.empty((C.width, examples.Y.shape[1]), np.float32)
            return JointFit(replace(network, theta=theta), state.array("U", U), [])
        rng = np.random.default_rng(self.seed)
        some_S, some = self._taken(S, examples, np.sort(rng.choice(used, len(used) // ONE_OF, replace=False)))
        within = replace(self, recorder=self.recorder.within(_NOTED))
        start = within.find(network, some_S, some, scales, loss, settings)
        found = fit_jointly(network, some_S, some, scales, loss, settings, start=start, recorder=within.recorder)
        self.recorder.note(_NOTED, State({"network": found.network.theta, "U": found.U}).itself)
        return replace(found, losses=[])

    def _taken(self, S: Array, examples: Examples, rows: Integers) -> tuple[Array, Examples]:
        """Return S and examples of these rows, which then weigh as much as all do together."""
        weights = examples.weights[rows]
        weights *= examples.weights.sum() / weights.sum()
        words, ngrams = (rows_of_sparse(C, rows, self.shelf) for C in (examples.words, examples.ngrams))
        return rows_of_array(S, rows, self.shelf), Examples(words, ngrams, examples.Y[rows], weights)
