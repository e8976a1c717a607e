"""Slow truths: what the package computes in arrays, written again in plain loops over single numbers.

Each function follows its equation and nothing else, so that an agreement of the two says something. Matrices are
lists of rows. Only the numeric gradient and the error between two gradients work on arrays.
"""

import math

import numpy as np

from textclf.text.csr import SparseRows
from textclf.text.subwords import WideRows

# --- gradients -----------------------------------------------------------------------------------------------------


def numeric_gradient(value, parameter, epsilon=1e-5):
    """Return ∂value()/∂parameter by central differences, one number at a time; `value` reads `parameter` in place."""
    assert parameter.dtype == np.float64
    gradient = np.empty_like(parameter)
    for place in np.ndindex(parameter.shape):
        kept = parameter[place]
        parameter[place] = kept + epsilon
        above = value()
        parameter[place] = kept - epsilon
        below = value()
        parameter[place] = kept
        gradient[place] = (above - below) / (2.0 * epsilon)
    return gradient


def relative_error(a, n):
    """Return ‖a − n‖ / (‖a‖ + ‖n‖); two gradients of zeros have no relative error and are refused."""
    size = np.linalg.norm(a) + np.linalg.norm(n)
    assert size > 0.0, "both gradients are zero: nothing is checked"
    return np.linalg.norm(a - n) / size


# --- matrices ------------------------------------------------------------------------------------------------------


def sparse(M):
    """Return a dense matrix, shape (n, V), as SparseRows with its entries in float64."""
    offsets, columns, data = [0], [], []
    for row in M:
        for j, number in enumerate(row):
            if number != 0.0:
                columns.append(j)
                data.append(number)
        offsets.append(len(columns))
    return SparseRows(np.array(offsets, np.int32), np.array(columns, np.int32), np.array(data, np.float64), M.shape[1])


def wide_rows(C, pieces=None, G=None):
    """Return dense C, and C' and G if there are any, as WideRows in float64."""
    pieces = np.zeros((len(C), 0)) if pieces is None else pieces
    G = np.zeros((pieces.shape[1], 0)) if G is None else G
    return WideRows(sparse(C), sparse(pieces), sparse(G))


def product(A, B):
    """Return A B."""
    return [[sum(a * B[m][j] for m, a in enumerate(row)) for j in range(len(B[0]))] for row in A]


# --- the network ---------------------------------------------------------------------------------------------------

SIGMA = {
    "sigmoid": lambda z: 1.0 / (1.0 + math.exp(-z)),
    "relu": lambda z: max(z, 0.0),
    "tanh": math.tanh,
}
SIGMA_PRIME = {
    "sigmoid": lambda z: math.exp(-z) / (1.0 + math.exp(-z)) ** 2,
    "relu": lambda z: 1.0 if z > 0.0 else 0.0,
    "tanh": lambda z: 1.0 / math.cosh(z) ** 2,
}


def forward(layers, X, activation, wide=None, masks=None):
    """Return A[0], …, A[L-1] and Z[1], …, Z[L], neuron by neuron, for `layers` = [(W, b), …]."""
    A, Z = [X], []
    for number, (W, b) in enumerate(layers):
        Z.append([[sum(w * a for w, a in zip(W[i], x, strict=True)) + b[i] for i in range(len(W))] for x in A[-1]])
        if number < len(layers) - 1:
            A.append([[SIGMA[activation](z) for z in row] for row in Z[-1]])
            if masks is not None:
                A[-1] = [[a * m for a, m in zip(*rows, strict=True)] for rows in zip(A[-1], masks[number], strict=True)]
    if wide is not None:
        Z[-1] = [[z + u for z, u in zip(*rows, strict=True)] for rows in zip(Z[-1], wide, strict=True)]
    return A, Z


def output(z, name):
    """Return ŷ of one example from its weighted sums z."""
    if name == "sigmoid":
        return [1.0 / (1.0 + math.exp(-number)) for number in z]
    powers = [math.exp(number) for number in z]
    return [power / sum(powers) for power in powers]


def loss(z, y, name, output_name):
    """Return the loss of one example."""
    y_hat = output(z, output_name)
    if name == "squared-error":
        return sum(0.5 * (truth - p) ** 2 for truth, p in zip(y, y_hat, strict=True))
    if output_name == "softmax":
        return -sum(truth * math.log(p) for truth, p in zip(y, y_hat, strict=True))
    return -sum(truth * math.log(p) + (1.0 - truth) * math.log(1.0 - p) for truth, p in zip(y, y_hat, strict=True))


def output_delta(z, y, name, output_name):
    """Return δ[L] of one example by the chain rule: Σᵢ ∂L/∂ŷᵢ ∂ŷᵢ/∂zⱼ, with nothing cancelled."""
    y_hat = output(z, output_name)
    if name == "squared-error":
        slopes = [p - truth for truth, p in zip(y, y_hat, strict=True)]
    elif output_name == "softmax":
        slopes = [-truth / p for truth, p in zip(y, y_hat, strict=True)]
    else:
        slopes = [-truth / p + (1.0 - truth) / (1.0 - p) for truth, p in zip(y, y_hat, strict=True)]
    delta = []
    for j, p in enumerate(y_hat):
        if output_name == "sigmoid":
            delta.append(slopes[j] * p * (1.0 - p))
        else:
            delta.append(sum(slopes[i] * y_hat[i] * ((i == j) - p) for i in range(len(y_hat))))
    return delta


def backward(layers, A, Z, delta, activation, l2=0.0, masks=None):
    """Return [(∂L/∂W, ∂L/∂b), …] and ∂L/∂X from the last δ, one example and one weight at a time."""
    gradients = []
    for number in reversed(range(len(layers))):
        W, b = layers[number]
        n_in = len(W[0])
        dW = [[l2 * W[i][j] + sum(d[i] * a[j] for d, a in zip(delta, A[number], strict=True)) for j in range(n_in)]
              for i in range(len(W))]  # fmt: skip
        db = [sum(d[i] for d in delta) for i in range(len(b))]
        gradients.insert(0, (dW, db))
        delta = [[sum(W[i][j] * d[i] for i in range(len(W))) for j in range(n_in)] for d in delta]
        if number > 0:
            if masks is not None:
                mask = masks[number - 1]
                delta = [[d * m for d, m in zip(*rows, strict=True)] for rows in zip(delta, mask, strict=True)]
            sums = Z[number - 1]
            delta = [
                [d * SIGMA_PRIME[activation](z) for d, z in zip(*rows, strict=True)]
                for rows in zip(delta, sums, strict=True)
            ]
    return gradients, delta


# --- optimizers: the recurrences on single numbers -----------------------------------------------------------------


def gradient_descent(theta, gradient_of, learning_rate, steps):
    """Return θ after so many steps of θ ← θ − η g."""
    theta = list(theta)
    for _ in range(steps):
        g = gradient_of(theta)
        for i in range(len(theta)):
            theta[i] = theta[i] - learning_rate * g[i]
    return theta


def momentum(theta, gradient_of, learning_rate, steps, mu=0.9):
    """Return θ after so many steps of v ← μ v + g; θ ← θ − η v."""
    theta, v = list(theta), [0.0] * len(theta)
    for _ in range(steps):
        g = gradient_of(theta)
        for i in range(len(theta)):
            v[i] = mu * v[i] + g[i]
            theta[i] = theta[i] - learning_rate * v[i]
    return theta


def adam(theta, gradient_of, learning_rate, steps, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """Return θ after so many steps of Adam, line for line as algorithm 1 of Kingma & Ba 2015 has it."""
    theta, m, v = list(theta), [0.0] * len(theta), [0.0] * len(theta)
    for t in range(1, steps + 1):
        g = gradient_of(theta)
        for i in range(len(theta)):
            m[i] = beta1 * m[i] + (1.0 - beta1) * g[i]
            v[i] = beta2 * v[i] + (1.0 - beta2) * g[i] ** 2
            m_hat = m[i] / (1.0 - beta1**t)
            v_hat = v[i] / (1.0 - beta2**t)
            theta[i] = theta[i] - learning_rate * m_hat / (math.sqrt(v_hat) + epsilon)
    return theta


def row_adagrad(E, steps, learning_rate, epsilon=1e-8):
    """Return E after `steps`, each a list of (row, its gradient); one sum of mean squares a row."""
    E, squares = [list(row) for row in E], [0.0] * len(E)
    for step in steps:
        for r, g in step:
            squares[r] += sum(number**2 for number in g) / len(g)
            for j in range(len(g)):
                E[r][j] -= learning_rate * g[j] / (math.sqrt(squares[r]) + epsilon)
    return E


# --- training ------------------------------------------------------------------------------------------------------


def nbsvm_scales(C, Y, floor, smoothing):
    """Return floor + |log-count ratio| of each column of C for each class, scaled to keep C's mean squared length."""
    V, k = len(C[0]), len(Y[0])
    count = [[smoothing + sum(row[v] * y[j] for row, y in zip(C, Y, strict=True)) for j in range(k)] for v in range(V)]
    scales = [[0.0] * k for _ in range(V)]
    for j in range(k):
        inside = [count[v][j] for v in range(V)]
        lacking = [sum(row[v] * (1 - y[j]) for row, y in zip(C, Y, strict=True)) for v in range(V)]
        outside = [smoothing * max(k - 1, 1) + lacking[v] for v in range(V)]
        for v in range(V):
            ratio = math.log((inside[v] / sum(inside)) / (outside[v] / sum(outside)))
            scales[v][j] = floor + abs(ratio)
        before = sum(number**2 for row in C for number in row)
        after = sum((number * scales[v][j]) ** 2 for row in C for v, number in enumerate(row))
        for v in range(V):
            scales[v][j] *= math.sqrt(before / after)
    return scales


# --- figures -------------------------------------------------------------------------------------------------------


def macro_f1(y, given, k):
    """Return the mean F1 of k classes that all occur: 2 tp / (truths + answers)."""
    right, truths, answers = (np.bincount(each, minlength=k) for each in (y[y == given], y, given))
    return float(np.mean(2 * right / (truths + answers)))
