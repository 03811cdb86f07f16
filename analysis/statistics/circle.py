"""Coefficients of products of polynomials, read off a circle: the inverse discrete Fourier transform.

Drawing K of n samples without replacement is drawing each with chance p = K/n, given that K are drawn. The law of the
number drawn is a polynomial in x, the law of several classes together their product, and "K were drawn" its coefficient
at x^K. At the points x = exp(2πi f / N) a product of polynomials is a product of numbers. Coefficients N apart fold
into one, and N is chosen so that what folds in is less than `NEGLIGIBLE`. With p = K/n the wanted coefficient is among
the largest, of order 1/√K, so that rounding stays near 1e-13 of the result.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import gammaln, xlogy

NEGLIGIBLE = 1e-18  # of a probability: 1/100 of what float64 resolves beside 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Circle:
    """F points of the upper half of a circle (the others are their complex conjugates) for drawing k of n samples.

    `weight_F` is what the inverse transform gives to each point, `chance` is P(k are drawn).
    """

    inclusion: float
    period: int
    weight_F: np.ndarray
    chance: float

    def points(self, powers_V: np.ndarray) -> np.ndarray:
        """(V, F): x^v at every point."""
        turns_VF = np.multiply.outer(powers_V, np.arange(len(self.weight_F))) % self.period
        return np.exp(2j * np.pi / self.period * turns_VF)

    def binomials(self, counts_H: np.ndarray) -> np.ndarray:
        """(H, F): the law of how many of `counts_H` samples are drawn, ((1-p) + p·x)^count."""
        return (1 - self.inclusion + self.inclusion * self.points(np.array([1]))) ** counts_H[:, None]


def circle_of_draws(num_samples: int, k: int) -> Circle:
    """The circle for drawing k of n samples, k < n, with the shortest period that folds in nothing that counts."""
    drawn = binomial_pmf(np.array(num_samples), np.arange(num_samples + 1), k / num_samples)
    away = np.abs(np.arange(num_samples + 1) - k)
    beyond = np.bincount(away, drawn)[::-1].cumsum()[::-1]  # [d] = P(at least d away from k)
    period = int(np.argmax(np.append(beyond, 0.0) < NEGLIGIBLE))
    weight_F = np.full(period // 2 + 1, 2.0 / period)
    weight_F[0] = 1.0 / period
    if period % 2 == 0:
        weight_F[-1] = 1.0 / period
    return Circle(inclusion=k / num_samples, period=period, weight_F=weight_F, chance=float(drawn[k]))


def binomial_pmf(count: np.ndarray, taken: np.ndarray, inclusion: float) -> np.ndarray:
    """P(Bin(count, inclusion) = taken), entry by entry, with taken <= count."""
    log_pmf = gammaln(count + 1) - gammaln(taken + 1) - gammaln(count - taken + 1)
    return np.exp(log_pmf + xlogy(taken, inclusion) + xlogy(count - taken, 1 - inclusion))


@lru_cache(maxsize=64)
def unit_quadrature(num_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on [0, 1], exact for polynomials of degree below 2·num_nodes."""
    nodes, weights = np.polynomial.legendre.leggauss(num_nodes)
    return (nodes + 1) / 2, weights / 2
