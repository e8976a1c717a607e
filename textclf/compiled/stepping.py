"""Steps of training by compiled loops, in two threads where it has them: the same bits as `stepping.PlainSteps`.

Everything between the products is one pass over memory instead of one an operation, and the two threads work without
the interpreter, whose lock would go back and forth between them. Whether it truly comes to the same bits is tried out
for each size of batch: products in two parts do so only if they are cut where the BLAS library itself begins anew.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import numba
import numpy as np

from textclf.arrays import Array, Integers
from textclf.compiled.blas import Functions, find_functions, meeting_place
from textclf.compiled.passes import BACKWARD, FORWARD, ORDER, STOP, Step, follow, lead
from textclf.network import ACTIVATIONS, Network
from textclf.optim import Adam, Optimizer
from textclf.stepping import PlainSteps, Steps

_UNITS = (12, 16, 24, 32, 48, 64)  # rows that BLAS kernels take at a time are divisors of one of these
_ALONE, _PLAIN = 0, -1
_SHARED_WORK = 2_000_000  # examples of a batch times parameters; for less, two threads are not sooner done than one


def compiled_steps(network: Network, batch_size: int, dropout: float, l2: float, *, threads: int) -> Steps:
    """Return compiled steps of this network, or plain ones if there are none: not float32, or a BLAS not known here."""
    functions = find_functions()
    if functions is None or network.theta.dtype != np.float32 or min(network.sizes) < 2:
        return PlainSteps(network, batch_size, dropout, l2)
    is_worth_sharing = batch_size * len(network.theta) >= _SHARED_WORK
    step = _new_step(network, batch_size, dropout, l2, functions)
    return CompiledSteps(network, step, dropout, l2, is_shared=is_worth_sharing and min(threads, _cores()) > 1)


def _cores() -> int:
    """Return on how many cores this process may run: two threads that wait for each other need two."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _new_step(network: Network, batch_size: int, dropout: float, l2: float, functions: Functions) -> Step:
    none, theta = np.empty(0, np.float32), network.theta
    A, delta, masks, slopes = np.zeros((4, batch_size * sum(network.sizes)), np.float32)
    return Step(
        sizes=np.array(network.sizes, np.int64), order=np.zeros(len(ORDER), np.int64), signals=meeting_place(),
        functions=np.array(functions, np.int64), S=np.empty((0, 0), np.float32), rows=np.zeros(batch_size, np.int64),
        A=A, delta=delta, masks=masks if dropout else none,
        slopes=none if network.activation is ACTIVATIONS["relu"] else slopes,
        theta=theta, gradient=np.zeros_like(theta), moments=np.zeros((3, 0), np.float32),
        numbers=np.array([l2, 0.0, 0.0, 0.0, 0.0], np.float32),
    )  # fmt: skip


class CompiledSteps:
    """Steps of a network of float32 whose layers have two neurons or more; see `Steps`."""

    def __init__(self, network: Network, step: Step, dropout: float, l2: float, *, is_shared: bool) -> None:
        self._network, self._step, self._dropout, self._l2 = network, step, dropout, l2
        self._plain = PlainSteps(network, len(step.rows), dropout, l2)
        self._is_shared, self._is_in_epoch = is_shared, False
        self._follower: Thread | None = None
        self._units: dict[tuple[int, bool], int] = {}
        self._n, self._unit = 0, _PLAIN
        # Now, for a thread that fails to compile what it should do would be waited for without an end.
        kind = (numba.typeof(step),)  # type: ignore[no-untyped-call]
        lead.compile(kind)  # type: ignore[attr-defined]
        follow.compile(kind)  # type: ignore[attr-defined]

    @contextmanager
    def epoch(self) -> Iterator[None]:
        """Have a second thread, if there shall be one: it begins with the first step and ends with the epoch.

        It waits without sleeping, as BLAS libraries' threads do. Where S is made anew for each step, it would wait most
        of the time, and is left out.
        """
        self._is_in_epoch = True
        try:
            yield
        finally:
            self._is_in_epoch = False
            self._end()

    def forward(self, S: Array, rows: Integers | None, rng: np.random.Generator) -> Array:
        """Return Z[L]."""
        self._n = len(S) if rows is None else len(rows)
        if rows is not None and self._is_shared and self._is_in_epoch and self._follower is None:
            self._begin()
        self._unit = self._unit_of(self._n)
        if self._unit == _PLAIN:
            return self._plain.forward(S, rows, rng)
        return self._propagate(S, rows, rng)

    def backward(self, delta: Array, optimizer: Optimizer, *, to_input: bool) -> Array:
        """Move θ; return ∂L/∂X."""
        if self._unit == _PLAIN:
            return self._plain.backward(delta, optimizer, to_input=to_input)
        if not isinstance(optimizer, Adam):
            dX = self._propagate_back(delta, to_input=to_input)
            optimizer.step(self._network.theta, self._step.gradient)
            return dX
        numbers = self._step.numbers
        numbers[1], numbers[2] = optimizer.beta1, optimizer.beta2
        numbers[3], numbers[4] = optimizer.advance(self._network.theta)
        assert optimizer.moments is not None
        self._change(moments=optimizer.moments)
        return self._propagate_back(delta, to_input=to_input, moves=True)

    def _propagate(self, S: Array, rows: Integers | None, rng: np.random.Generator) -> Array:
        step, network, n, last = self._step, self._network, self._n, len(self._network.sizes) - 1
        gathers = rows is not None and S.dtype == np.float32 and S.flags.c_contiguous
        if gathers:
            step.rows[:n] = rows
            self._change(S=S)
        else:
            self._layer(step.A, 0)[:] = S if rows is None else S.take(rows, axis=0)
        for layer in range(1, last) if self._dropout else ():
            mask = self._layer(step.masks, layer)
            kept = rng.random(mask.shape, dtype=np.float32) >= self._dropout
            np.multiply(kept, mask.dtype.type(1.0 / (1.0 - self._dropout)), out=mask)
        if not len(step.slopes):
            self._command(FORWARD, first=1, last=last, gathers=gathers, rectifies=True)
            return self._layer(step.A, last)
        for layer in range(1, last + 1):
            self._command(FORWARD, first=layer, last=layer, gathers=gathers and layer == 1)
            Z = self._layer(step.A, layer)
            if layer < last:
                self._layer(step.slopes, layer)[:] = network.activation.sigma_prime(Z)
                Z[:] = network.activation.sigma(Z)  # now it is A
                if self._dropout:
                    Z *= self._layer(step.masks, layer)
        return self._layer(step.A, last)

    def _propagate_back(self, delta: Array, *, to_input: bool, moves: bool = False) -> Array:
        self._layer(self._step.delta, len(self._network.sizes) - 1)[:] = delta
        self._command(BACKWARD, to_input=to_input, moves=moves)
        return self._layer(self._step.delta, 0)[: self._n if to_input else 0]

    def _begin(self) -> None:
        self._follower = Thread(target=follow, args=(self._step,), daemon=True)
        self._follower.start()

    def _end(self) -> None:
        if self._follower is not None:
            self._command(STOP, unit=1)
            self._follower.join()
            self._follower = None

    def _change(self, **arrays: Array) -> None:
        """Work on other arrays from now on; a second thread begins anew, as it knows the old ones."""
        if all(getattr(self._step, name) is array for name, array in arrays.items()):
            return
        was_shared = self._follower is not None
        self._end()
        self._step = self._step._replace(**arrays)
        if was_shared:
            self._begin()

    def _command(
        self, what: int, *, first: int = 0, last: int = 0, gathers: bool = False, rectifies: bool = False,
        to_input: bool = False, moves: bool = False, unit: int | None = None,
    ) -> None:  # fmt: skip
        unit = self._unit if unit is None else unit
        self._step.order[:] = (what, self._n, first, last, unit, gathers, rectifies, to_input, moves)
        lead(self._step)

    def _layer(self, flat: Array, layer: int) -> Array:
        """Return a layer's matrix of the batch in `A` or an array like it."""
        sizes = self._network.sizes
        start = len(self._step.rows) * sum(sizes[:layer])
        return flat[start : start + self._n * sizes[layer]].reshape(self._n, sizes[layer])

    def _unit_of(self, n: int) -> int:
        """Return the unit for a batch of n with which all comes out as in `Network`, found when it is first asked."""
        key = n, self._follower is not None
        if key not in self._units:
            units = (*(_UNITS if self._follower else ()), _ALONE)
            self._units[key] = next((unit for unit in units if self._is_exact(unit)), _PLAIN)
        return self._units[key]

    def _is_exact(self, unit: int) -> bool:
        network, sizes, n = self._network, self._network.sizes, self._n
        rng = np.random.default_rng(0)
        X, delta = (rng.standard_normal((n, size), np.float32) for size in (sizes[0], sizes[-1]))
        trace = network.forward(X, dropout=self._dropout, rng=np.random.default_rng(0))
        right = network.backward(delta, trace, l2=self._l2)
        self._unit = unit
        Z = self._propagate(X, None, np.random.default_rng(0)).copy()
        dX = self._propagate_back(delta, to_input=True)
        pairs = [(trace.Z[-1], Z), (right.dX, dX), (right.theta, self._step.gradient)]
        return all(ours.tobytes() == theirs.tobytes() for ours, theirs in pairs)
