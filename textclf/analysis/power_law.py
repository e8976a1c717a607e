"""The curve that errors follow as rows are added: error(n) = a + b n^(−c), and its least-squares fit.

Held-out error falls as a power of the number of rows towards a floor (Hestness et al. 2017, "Deep learning scaling is
predictable, empirically"). For a given c the best a and b are a line through the points (n^(−c), error), in closed
form; so the fit tries every c of a grid (variable projection: Golub & Pereyra 1973). It has no starting point, always
ends, and fits all resamples at once.
"""

from dataclasses import dataclass

import numpy as np

from textclf.types import Array

_EXPONENTS = np.linspace(0.05, 1.0, 96)  # measured exponents lie within; a steeper fall is a start, not a trend


@dataclass(frozen=True)
class PowerLaws:
    """B curves: `a` ≥ 0, the floor, `b` ≥ 0 and `c` > 0, each of shape (B,)."""

    a: Array
    b: Array
    c: Array

    def error(self, n: float) -> Array:
        """Return the error at n rows on each curve, shape (B,)."""
        error: Array = self.a + self.b * n**-self.c
        return error


def fit_power_laws(n: Array, errors: Array) -> PowerLaws:
    """Return the curves that lie nearest to `errors`, shape (B, s), at `n` rows, shape (s,), in least squares."""
    a, b, c, least = (np.full(len(errors), start) for start in (0.0, 0.0, 0.0, np.inf))
    for exponent in _EXPONENTS:
        tried_a, tried_b = _line(n**-exponent, errors)
        squares = ((tried_a[:, None] + tried_b[:, None] * n**-exponent - errors) ** 2).sum(axis=1)
        better = squares < least
        a, b, least = np.where(better, [tried_a, tried_b, squares], [a, b, least])
        c = np.where(better, exponent, c)
    return PowerLaws(a, b, c)


def _line(x: Array, errors: Array) -> tuple[Array, Array]:
    """Return the nearest lines a + b x with neither a nor b below 0, each of shape (B,)."""
    centred, mean = x - x.mean(), errors.mean(axis=1)
    b = np.maximum(errors @ centred / (centred @ centred), 0.0)
    a = mean - b * x.mean()
    through_origin = errors @ x / (x @ x)  # where a is held at 0; errors are never negative
    return np.maximum(a, 0.0), np.where(a < 0, through_origin, b)
