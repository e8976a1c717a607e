"""A feedforward neural network: forward propagation and back-propagation, as a lecture derives them.

Rows are examples. A weight matrix keeps the lecture's shape, ``(n_out, n_in)``, so that what the lecture writes
with examples as columns stands here transposed and nothing else changes:

====================================  ==========================================
the lecture                           here
====================================  ==========================================
Z[l] = W[l] A[l-1] + b[l]             ``Z = A_prev @ W.T + b``
A[l] = σ(Z[l])                        ``A = activation.sigma(Z)``
δ[L] = ∂L/∂Z[L]                       ``delta = loss.delta(Z, Y)``
δ[l] = (W[l+1]ᵀ δ[l+1]) ⊙ σ′(Z[l])    ``delta = (delta @ W_next) * sigma_prime(Z)``
∂L/∂W[l] = δ[l] A[l-1]ᵀ               ``dW = delta.T @ A_prev``
∂L/∂b[l] = Σ δ[l]                     ``db = delta.sum(axis=0)``
====================================  ==========================================

Letters: ``n`` examples, ``k`` classes, ``X`` the input, ``Y`` the one-hot truth, ``P`` the output ŷ.
Nothing is stored on a layer: `forward` returns what `backward` needs, so one network serves many threads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from textclf.types import Array, Integers

# --- activations: σ and its derivative σ′, both as functions of the weighted sum Z ---------------------------------


def sigmoid(Z: Array) -> Array:
    """Return σ(z) = 1 / (1 + e⁻ᶻ) of every element, written with tanh so that no Z overflows.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    A: Array = np.tanh(0.5 * Z)
    A += 1.0
    A *= 0.5
    return A


def sigmoid_prime(Z: Array) -> Array:
    """Return σ′(z) = σ(z) (1 − σ(z)).

    >>> sigmoid_prime(np.array([0.0]))
    array([0.25])
    """
    A = sigmoid(Z)
    return A * (1.0 - A)


def relu(Z: Array) -> Array:
    """Return max(0, z).

    >>> relu(np.array([-2.0, 3.0]))
    array([0., 3.])
    """
    return np.maximum(Z, 0.0)


def relu_prime(Z: Array) -> Array:
    """Return 1 where z > 0, else 0: the derivative from the left at the kink.

    >>> relu_prime(np.array([-2.0, 0.0, 3.0]))
    array([0., 0., 1.])
    """
    return (Z > 0.0).astype(Z.dtype)


def tanh(Z: Array) -> Array:
    """Return the hyperbolic tangent of every element."""
    A: Array = np.tanh(Z)
    return A


def tanh_prime(Z: Array) -> Array:
    """Return 1 − tanh²(z).

    >>> tanh_prime(np.array([0.0]))
    array([1.])
    """
    return 1.0 - np.tanh(Z) ** 2


@dataclass(frozen=True)
class ActivationFunction:
    """A function σ of the weighted sum Z, its derivative σ′ of the same Z, and the spread of a good start.

    `starting_variance(n_in, n_out)` is that of a starting weight: He et al. 2015 for ReLU (2 / n_in),
    Glorot & Bengio 2010 for the others (2 / (n_in + n_out)).
    """

    name: str
    sigma: Callable[[Array], Array]
    sigma_prime: Callable[[Array], Array]
    starting_variance: Callable[[int, int], float]


def he(n_in: int, n_out: int) -> float:
    """Return the variance 2 / n_in that keeps the signal's size through ReLU layers (He et al. 2015, eq. 10).

    >>> he(50, 10)
    0.04
    """
    return 2.0 / n_in


def glorot(n_in: int, n_out: int) -> float:
    """Return the variance 2 / (n_in + n_out) (Glorot & Bengio 2010, eq. 12).

    >>> glorot(30, 10)
    0.05
    """
    return 2.0 / (n_in + n_out)


ACTIVATIONS = {
    activation.name: activation
    for activation in (
        ActivationFunction("sigmoid", sigmoid, sigmoid_prime, glorot),
        ActivationFunction("relu", relu, relu_prime, he),
        ActivationFunction("tanh", tanh, tanh_prime, glorot),
    )
}


# --- outputs: ŷ as a function of the last weighted sum Z[L] --------------------------------------------------------


def log_softmax(Z: Array) -> Array:
    """Return the log softmax of each row of Z, shape (n, k); a row's maximum is taken off first, so none overflows.

    >>> log_softmax(np.array([[1000.0, 0.0]]))
    array([[    0., -1000.]])
    """
    shifted: Array = Z - Z.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted


def softmax(Z: Array) -> Array:
    """Return the softmax of each row of Z, shape (n, k): ŷⱼ = eᶻʲ / Σ eᶻ.

    >>> softmax(np.array([[0.0, np.log(3.0)]]))
    array([[0.25, 0.75]])
    """
    P: Array = np.exp(Z - Z.max(axis=1, keepdims=True))
    P /= P.sum(axis=1, keepdims=True)
    return P


OUTPUTS: dict[str, Callable[[Array], Array]] = {"softmax": softmax, "sigmoid": sigmoid}


# --- losses: L for each example, and δ[L] = ∂L/∂Z[L] ---------------------------------------------------------------


@dataclass(frozen=True)
class Loss:
    """What one example costs, and how that cost changes with the last weighted sum.

    A loss is made for one output function: its δ is the loss's derivative times the output's, and for cross-entropy
    the two cancel to ŷ − y.

    >>> Z, Y = np.array([[0.0, 0.0]]), np.array([[1.0, 0.0]])
    >>> LOSSES["cross-entropy", "softmax"].value(Z, Y).round(4)
    array([0.6931])
    >>> LOSSES["cross-entropy", "softmax"].delta(Z, Y)
    array([[-0.5,  0.5]])
    >>> LOSSES["squared-error", "sigmoid"].value(Z, Y), LOSSES["squared-error", "sigmoid"].delta(Z, Y)
    (array([0.25]), array([[-0.125,  0.125]]))
    """

    name: str
    output: str
    value: Callable[[Array, Array], Array]
    """``value(Z, Y)``: the loss of each example, shape (n,)."""
    delta: Callable[[Array, Array], Array]
    """``delta(Z, Y)``: ∂L/∂Z of each example, shape (n, k)."""
    together: Callable[[Array, Array], tuple[Array, Array]] | None = None
    """Both at once, where that saves work."""

    def value_and_delta(self, Z: Array, Y: Array) -> tuple[Array, Array]:
        """Return `value` and `delta`, the same up to the order of sums."""
        return self.together(Z, Y) if self.together else (self.value(Z, Y), self.delta(Z, Y))


def _softmax_cross_entropy(Z: Array, Y: Array) -> Array:
    loss: Array = -(Y * log_softmax(Z)).sum(axis=1)  # L = −Σ y log ŷ
    return loss


def _softmax_cross_entropy_delta(Z: Array, Y: Array) -> Array:
    delta = softmax(Z)
    delta -= Y  # δ = ŷ − y, for Y whose rows sum to 1
    return delta


def _softmax_cross_entropy_and_delta(Z: Array, Y: Array) -> tuple[Array, Array]:
    # One softmax for both. Classes are rows here: NumPy is slow along rows as short as those of Z are.
    shifted = Z.T.copy()
    shifted -= shifted.max(axis=0)
    P = np.exp(shifted)
    total = P.sum(axis=0)
    P /= total
    shifted -= np.log(total)
    shifted *= Y.T
    return -shifted.sum(axis=0), np.subtract(P.T, Y, order="C")


def _sigmoid_cross_entropy(Z: Array, Y: Array) -> Array:
    # L = −Σ y log ŷ + (1 − y) log(1 − ŷ), with log ŷ = z − log(1 + eᶻ): finite for every z
    loss: Array = (np.logaddexp(0.0, Z) - Y * Z).sum(axis=1)
    return loss


def _sigmoid_cross_entropy_delta(Z: Array, Y: Array) -> Array:
    return sigmoid(Z) - Y  # δ = ŷ − y


def _softmax_squared_error(Z: Array, Y: Array) -> Array:
    loss: Array = 0.5 * ((Y - softmax(Z)) ** 2).sum(axis=1)  # L = ½ Σ (y − ŷ)²
    return loss


def _softmax_squared_error_delta(Z: Array, Y: Array) -> Array:
    P = softmax(Z)
    dP = P - Y
    dP -= (dP * P).sum(axis=1, keepdims=True)  # ∂ŷᵢ/∂zⱼ = ŷᵢ (1[i = j] − ŷⱼ)
    return P * dP


def _sigmoid_squared_error(Z: Array, Y: Array) -> Array:
    loss: Array = 0.5 * ((Y - sigmoid(Z)) ** 2).sum(axis=1)  # L = ½ Σ (y − ŷ)²
    return loss


def _sigmoid_squared_error_delta(Z: Array, Y: Array) -> Array:
    return (sigmoid(Z) - Y) * sigmoid_prime(Z)  # δ = (ŷ − y) ⊙ σ′(z): the lecture's own


LOSSES = {
    (loss.name, loss.output): loss
    for loss in (
        Loss(
            "cross-entropy",
            "softmax",
            _softmax_cross_entropy,
            _softmax_cross_entropy_delta,
            _softmax_cross_entropy_and_delta,
        ),
        Loss("cross-entropy", "sigmoid", _sigmoid_cross_entropy, _sigmoid_cross_entropy_delta),
        Loss("squared-error", "softmax", _softmax_squared_error, _softmax_squared_error_delta),
        Loss("squared-error", "sigmoid", _sigmoid_squared_error, _sigmoid_squared_error_delta),
    )
}


# --- the network ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layer:
    """One layer's weights W, shape (n_out, n_in), and biases b, shape (n_out,); gradients have the same form."""

    W: Array
    b: Array


@dataclass(frozen=True)
class Trace:
    """What forward propagation saw: A[0] = X, A[1], …, A[L-1] and Z[1], …, Z[L], one array a layer, rows examples.

    `masks[l]` is what dropout multiplied A[l] by, or None.
    """

    A: list[Array]
    Z: list[Array]
    masks: list[Array | None]


@dataclass(frozen=True)
class Network:
    """A feedforward network of `sizes` = (n_0, n_1, …, n_L) neurons, all parameters in the one vector `theta`.

    `layers` are views into `theta`, first hidden layer first, so an optimizer moves a single vector and a model's
    W and b are the lecture's. Hidden layers apply `activation`; the last layer's weighted sum Z[L] is turned into ŷ
    by the output function that the loss was made for.
    """

    sizes: tuple[int, ...]
    activation: ActivationFunction
    theta: Array
    layers: list[Layer] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", layer_views(self.theta, self.sizes))

    @staticmethod
    def start(
        sizes: Sequence[int], activation: str, rng: "np.random.Generator", dtype: npt.DTypeLike = np.float32
    ) -> "Network":
        """Return a network with random weights, as its activation asks (He or Glorot), and zero biases."""
        network = Network(tuple(sizes), ACTIVATIONS[activation], np.zeros(parameter_count(sizes), dtype))
        last = network.layers[-1]
        for layer in network.layers:
            n_out, n_in = layer.W.shape
            variance = glorot if layer is last else network.activation.starting_variance
            layer.W[:] = rng.normal(0.0, np.sqrt(variance(n_in, n_out)), layer.W.shape)
        return network

    def forward(
        self, X: Array, *, wide: Array | None = None, dropout: float = 0.0, rng: "np.random.Generator | None" = None
    ) -> Trace:
        """Propagate X, shape (n, n_0), to the last weighted sum, ``trace.Z[-1]``, shape (n, k).

        `wide`, shape (n, k), is added to Z[L]: the sum of features that go straight to the output.
        `dropout` is the share of hidden neurons silenced (Srivastava et al. 2014); those left are scaled up by
        1 / (1 − dropout), so that prediction needs no change. It needs `rng`.

        >>> network = Network.start((2, 3, 2), "relu", np.random.default_rng(1))
        >>> network.forward(np.ones((4, 2), np.float32)).Z[-1].shape
        (4, 2)
        """
        A, Z, masks = [X], [], [None]  # type: tuple[list[Array], list[Array], list[Array | None]]
        for layer in self.layers[:-1]:
            Z.append(A[-1] @ layer.W.T)
            Z[-1] += layer.b  # Z[l] = W[l] A[l-1] + b[l]
            A.append(self.activation.sigma(Z[-1]))  # A[l] = σ(Z[l])
            masks.append(None)
            if dropout and rng is not None:
                mask = (rng.random(A[-1].shape, dtype=np.float32) >= dropout) * A[-1].dtype.type(1.0 / (1.0 - dropout))
                A[-1] *= mask
                masks[-1] = mask
        last = self.layers[-1]
        Z.append(A[-1] @ last.W.T)
        Z[-1] += last.b
        if wide is not None:
            Z[-1] += wide
        return Trace(A, Z, masks)

    def backward(self, delta: Array, trace: Trace, *, l2: float = 0.0, to_input: bool = True) -> "Gradients":
        """Propagate δ[L] = ∂L/∂Z[L], shape (n, k), back through the network: the δ recursion, for any depth.

        L is what `delta` is the derivative of, plus ½ `l2` Σ‖W‖². Returns ∂L/∂θ, and ∂L/∂X for what lies before;
        that is a third of the work, and left out (dX has no rows) unless `to_input`.
        """
        gradient = np.empty_like(self.theta)
        views = layer_views(gradient, self.sizes)
        for number in reversed(range(len(self.layers))):
            W, A_prev = self.layers[number].W, trace.A[number]
            dW, db = views[number].W, views[number].b
            np.matmul(delta.T, A_prev, out=dW)  # ∂L/∂W[l] = δ[l] A[l-1]ᵀ
            if l2:
                dW += l2 * W
            np.sum(delta, axis=0, out=db)  # ∂L/∂b[l] = Σ δ[l]
            if number == 0 and not to_input:
                delta = delta[:0]
            delta = delta @ W  # W[l]ᵀ δ[l]
            if number > 0:
                mask = trace.masks[number]
                if mask is not None:
                    delta *= mask
                delta *= self.activation.sigma_prime(trace.Z[number - 1])  # … ⊙ σ′(Z[l-1])
        return Gradients(gradient, views, dX=delta)

    def penalty(self, l2: float) -> float:
        """Return ½ `l2` Σ‖W‖², the sum over all weights; biases are free."""
        return 0.5 * l2 * sum(float(np.vdot(layer.W, layer.W)) for layer in self.layers)


@dataclass(frozen=True)
class Gradients:
    """∂L/∂θ as one vector and as layers (views into it), and `dX` = ∂L/∂X, shape (n, n_0), or (0, n_0) if left out."""

    theta: Array
    layers: list[Layer]
    dX: Array


def parameter_count(sizes: Sequence[int]) -> int:
    """Return how many weights and biases a network of these layer sizes has.

    >>> parameter_count((2, 3, 2))  # 3 × 2 + 3 + 2 × 3 + 2
    17
    """
    return sum((n_in + 1) * n_out for n_in, n_out in pairwise(sizes))


def layer_views(theta: Array, sizes: Sequence[int]) -> list[Layer]:
    """Return W[l] and b[l] of every layer as views into the vector `theta`."""
    layers, place = [], 0
    for n_in, n_out in pairwise(sizes):
        W = theta[place : place + n_out * n_in].reshape(n_out, n_in)
        b = theta[place + n_out * n_in : place + n_out * (n_in + 1)]
        layers.append(Layer(W, b))
        place += n_out * (n_in + 1)
    return layers


def one_hot(y: Integers, k: int, dtype: npt.DTypeLike = np.float32) -> Array:
    """Return Y, shape (n, k): 1 in the column of each example's class number, 0 elsewhere.

    >>> one_hot(np.array([1, 0]), 3)
    array([[0., 1., 0.],
           [1., 0., 0.]], dtype=float32)
    """
    Y: Array = np.zeros((len(y), k), dtype)
    Y[np.arange(len(y)), y] = 1.0
    return Y
