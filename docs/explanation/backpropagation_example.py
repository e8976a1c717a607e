"""One step of the lecture's network by hand: 2 inputs, 2 hidden sigmoid neurons, 1 sigmoid output, squared error.

Prints every Z, A, δ and gradient, and beside each gradient the numeric one: how the loss changes when that one
parameter is moved a little. Run it with: python docs/explanation/backpropagation_example.py
"""

import numpy as np

from textclf.nn.network import ACTIVATIONS, LOSSES, Network, sigmoid
from textclf.types import Array

X = np.array([[0.5, -1.0]])  # one example
Y = np.array([[1.0]])  # and its truth
NETWORK = Network(
    (2, 2, 1),
    ACTIVATIONS["sigmoid"],
    np.array(
        [
            *[0.4, -0.2, 0.3, 0.8],  # W[1], row by row
            *[0.1, -0.1],  # b[1]
            *[0.6, -0.5],  # W[2]
            *[0.2],  # b[2]
        ]
    ),
)
LOSS = LOSSES["squared-error", "sigmoid"]
LEARNING_RATE = 0.5


def numeric_gradient(epsilon: float = 1e-5) -> Array:
    """Return ∂L/∂θ by central differences, one parameter at a time."""
    gradient = np.empty_like(NETWORK.theta)
    for i, kept in enumerate(NETWORK.theta.copy()):
        losses = []
        for moved in (kept + epsilon, kept - epsilon):
            NETWORK.theta[i] = moved
            losses.append(LOSS.value(NETWORK.forward(X).Z[-1], Y).sum())
        NETWORK.theta[i] = kept
        gradient[i] = (losses[0] - losses[1]) / (2.0 * epsilon)
    return gradient


def show(name: str, value: Array, numeric: Array | None = None) -> None:
    """Print an array's numbers, and the numeric ones beside them."""
    numbers = "  ".join(f"{number:+.8f}" for number in value.ravel())
    beside = "" if numeric is None else "   numeric  " + "  ".join(f"{number:+.8f}" for number in numeric.ravel())
    print(f"{name:<8}{numbers}{beside}")


def main() -> None:
    """Print the step."""
    trace = NETWORK.forward(X)
    print("Forward propagation")
    show("A[0]", trace.A[0])
    for number, Z in enumerate(trace.Z, 1):
        show(f"Z[{number}]", Z)
        show(f"A[{number}]", sigmoid(Z))
    show("L", LOSS.value(trace.Z[-1], Y))

    delta = LOSS.delta(trace.Z[-1], Y)
    gradients = NETWORK.backward(delta, trace)
    numeric = Network(NETWORK.sizes, NETWORK.activation, numeric_gradient())
    print("\nBack-propagation")
    hidden_delta = (delta @ NETWORK.layers[1].W) * NETWORK.activation.sigma_prime(trace.Z[0])
    for number, error_term in ((2, delta), (1, hidden_delta)):
        layer, beside = gradients.layers[number - 1], numeric.layers[number - 1]
        show(f"δ[{number}]", error_term)
        show(f"dW[{number}]", layer.W, beside.W)
        show(f"db[{number}]", layer.b, beside.b)

    error = np.linalg.norm(gradients.theta - numeric.theta)
    error /= np.linalg.norm(gradients.theta) + np.linalg.norm(numeric.theta)
    print(f"\nThe gradients agree to 1e-9: {error < 1e-9}")
    NETWORK.theta[:] -= LEARNING_RATE * gradients.theta
    show("L then", LOSS.value(NETWORK.forward(X).Z[-1], Y))


if __name__ == "__main__":
    main()
