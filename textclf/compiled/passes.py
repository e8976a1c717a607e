"""A step of training as compiled loops around NumPy's products, for one thread, or for two that share each matrix.

The letters and the order of sums are those of `network` and `optim`, whose form is the definition: every product is the
same call of BLAS, everything else is done to single numbers in the same order, so the bits are the same.
"""

from typing import Any, NamedTuple

import numpy as np

from textclf.arrays import Array, Integers
from textclf.compiled.blas import meet, multiply, operand
from textclf.compiled.jit import Number, compiled


class Order(NamedTuple):
    """Places of what is to be done in `Step.order`: n examples, forward from layer `first` to `last`.

    `unit`: the first of two threads has a multiple of so many rows; 0 if one thread does it all.
    """

    what: int
    n: int
    first: int
    last: int
    unit: int
    gathers: int
    rectifies: int
    to_input: int
    moves: int


ORDER = Order(*range(len(Order._fields)))
STOP, FORWARD, BACKWARD = range(3)


class Step(NamedTuple):
    """What both threads work on. Matrices of all layers lie flat, one after the other, in arrays of float32.

    `A` and `delta` have room for as many examples as a batch has, in each layer; the Z of a layer is made where its A
    shall be. `masks` (of dropout) and `slopes` (σ′, if it is not that of ReLU) are like A, or empty.
    """

    sizes: Any
    order: Any
    signals: Any
    functions: Any
    S: Any
    rows: Any
    A: Any
    delta: Any
    masks: Any
    slopes: Any
    theta: Any
    gradient: Any
    moments: Any
    numbers: Any
    """l2; and of Adam β₁, β₂, ε and the rate, as `Adam.advance` gives them."""


@compiled
def share(total: Number, unit: Number, me: Number) -> tuple[Number, Number]:
    """Return from where to where a thread works, so that both have about half."""
    if unit == 0:
        return 0, total
    half = min(max((2 * total + 2 * unit) // (4 * unit), 1) * unit, total)
    return (0, half) if me == 0 else (half, total)


@compiled
def place_of(sizes: Integers, layer: Number) -> Number:
    """Return where the parameters of a layer begin, the first being 1."""
    place = 0
    for l in range(1, layer):  # noqa: E741
        place += (sizes[l - 1] + 1) * sizes[l]
    return place


@compiled
def start_of(sizes: Integers, capacity: Number, layer: Number) -> Number:
    """Return where the matrix of a layer begins in `A` and arrays like it."""
    place = 0
    for l in range(layer):  # noqa: E741
        place += capacity * sizes[l]
    return place


@compiled
def gather(step: Step, begin: Number, end: Number) -> None:
    """Copy these rows of the batch from S to A[0]."""
    d = step.sizes[0]
    for i in range(begin, end):
        source, target = step.S[step.rows[i]], step.A[i * d : (i + 1) * d]
        for j in range(d):
            target[j] = source[j]


@compiled
def finish(Z: Array, b: Array, rectifies: bool) -> None:
    """Add the biases to rows of weighted sums, and make max(0, Z) of them where asked to."""
    k = len(b)
    for start in range(0, len(Z), k):
        z = Z[start : start + k]
        if rectifies:
            for j in range(k):
                value = z[j] + b[j]
                z[j] = np.float32(0.0) if value <= np.float32(0.0) else value
        else:
            for j in range(k):
                z[j] += b[j]


@compiled
def scale(values: Array, factors: Array) -> None:
    """Multiply each value by its factor."""
    for i in range(len(values)):
        values[i] *= factors[i]


@compiled
def forward(step: Step, me: Number) -> None:
    """Propagate rows of the batch through some layers, whose A is finished here if σ is ReLU."""
    order, sizes = step.order, step.sizes
    L, capacity = len(sizes) - 1, len(step.rows)
    begin, end = share(order[ORDER.n], order[ORDER.unit], me)
    if order[ORDER.gathers]:
        gather(step, begin, end)
    for l in range(order[ORDER.first], order[ORDER.last] + 1):  # noqa: E741
        n_in, n_out = sizes[l - 1], sizes[l]
        W = place_of(sizes, l)
        A_prev, A = start_of(sizes, capacity, l - 1) + begin * n_in, start_of(sizes, capacity, l)
        here = slice(A + begin * n_out, A + end * n_out)
        multiply(
            step.functions[0], (end - begin, n_out, n_in), operand(step.A, A_prev, n_in, False),
            operand(step.theta, W, n_in, True), operand(step.A, here.start, n_out, False),
        )  # fmt: skip
        b = step.theta[W + n_out * n_in : W + n_out * (n_in + 1)]
        finish(step.A[here], b, l < L and order[ORDER.rectifies] == 1)
        if l < L and order[ORDER.rectifies] and len(step.masks):
            scale(step.A[here], step.masks[here])


@compiled
def weigh(step: Step, l: Number, me: Number) -> None:  # noqa: E741
    """Find ∂L/∂W[l] and ∂L/∂b[l] of some neurons of a layer; of few neurons the second thread finds all."""
    order, sizes = step.order, step.sizes
    capacity, n_in, n_out = len(step.rows), sizes[l - 1], sizes[l]
    W, delta, A = place_of(sizes, l), start_of(sizes, capacity, l), start_of(sizes, capacity, l - 1)
    top, bottom = share(n_out, order[ORDER.unit], me)
    if order[ORDER.unit] and n_out < _MANY:
        top = 0 if me else n_out
        bottom = n_out
    multiply(
        step.functions[0], (bottom - top, n_in, order[ORDER.n]), operand(step.delta, delta + top, n_out, True),
        operand(step.A, A, n_in, False), operand(step.gradient, W + top * n_in, n_in, False),
    )  # fmt: skip
    if step.numbers[0]:
        for i in range(W + top * n_in, W + bottom * n_in):
            step.gradient[i] += step.numbers[0] * step.theta[i]
    db = step.gradient[W + n_out * n_in + top : W + n_out * n_in + bottom]
    for i in range(order[ORDER.n]):
        row = step.delta[delta + i * n_out + top : delta + i * n_out + bottom]
        for j in range(len(db)):
            db[j] = row[j] if i == 0 else db[j] + row[j]


_MANY = 32


@compiled
def before(step: Step, l: Number, me: Number) -> None:  # noqa: E741
    """Find rows of δ[l - 1], or, of the first layer, of ∂L/∂X."""
    order, sizes = step.order, step.sizes
    capacity, n_in, n_out = len(step.rows), sizes[l - 1], sizes[l]
    begin, end = share(order[ORDER.n], order[ORDER.unit], me)
    source, target = start_of(sizes, capacity, l) + begin * n_out, start_of(sizes, capacity, l - 1)
    here = slice(target + begin * n_in, target + end * n_in)
    multiply(
        step.functions[0], (end - begin, n_in, n_out), operand(step.delta, source, n_out, False),
        operand(step.theta, place_of(sizes, l), n_in, False), operand(step.delta, here.start, n_in, False),
    )  # fmt: skip
    if l == 1:
        return
    delta = step.delta[here]
    if len(step.masks):
        scale(delta, step.masks[here])
    if len(step.slopes):
        scale(delta, step.slopes[here])
        return
    A = step.A[here]
    for i in range(len(delta)):
        delta[i] *= np.float32(1.0) if A[i] > np.float32(0.0) else np.float32(0.0)


@compiled
def move(theta: Array, g: Array, m: Array, v: Array, numbers: Array) -> None:
    """Take a step of Adam: `optim.Adam.step`, whose ten passes are one here."""
    beta1, beta2, epsilon, rate = numbers[1], numbers[2], numbers[3], numbers[4]
    for i in range(len(theta)):
        m_i = m[i] * beta1 + g[i]
        v_i = v[i] * beta2 + g[i] * g[i]
        m[i], v[i] = m_i, v_i
        theta[i] -= m_i / (np.sqrt(v_i) + epsilon) * rate


@compiled
def backward(step: Step, me: Number) -> None:
    """Propagate δ[L] back through all layers, and then let Adam move θ if that is wanted."""
    order, L = step.order, len(step.sizes) - 1
    for l in range(L, 0, -1):  # noqa: E741
        if l > 1 or order[ORDER.to_input]:
            before(step, l, me)
        weigh(step, l, me)
        if order[ORDER.unit]:
            meet(step.signals, step.functions[1], me)
    if order[ORDER.moves]:
        begin, end = share(len(step.theta), order[ORDER.unit], me)
        m, v = step.moments[0], step.moments[1]
        move(step.theta[begin:end], step.gradient[begin:end], m[begin:end], v[begin:end], step.numbers)


@compiled
def lead(step: Step) -> None:
    """Do what is ordered, together with the other thread if it is to be shared."""
    order = step.order
    if order[ORDER.unit]:
        meet(step.signals, step.functions[1], 0)
    if order[ORDER.what] == FORWARD:
        forward(step, 0)
    elif order[ORDER.what] == BACKWARD:
        backward(step, 0)
    if order[ORDER.unit]:
        meet(step.signals, step.functions[1], 0)


@compiled
def follow(step: Step) -> None:
    """Be the other thread of `lead`, until told to stop."""
    order = step.order
    what = FORWARD
    while what != STOP:
        meet(step.signals, step.functions[1], 1)
        what = order[ORDER.what]
        if what == FORWARD:
            forward(step, 1)
        elif what == BACKWARD:
            backward(step, 1)
        meet(step.signals, step.functions[1], 1)
