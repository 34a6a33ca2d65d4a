"""KID: the squared maximum mean discrepancy of embedded samples under a cubic kernel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.divergences.points import checked_together

# Rows of a block of kernel values.
_ROWS = 512


class KID(NamedTuple):
    """An estimate without bias, hence negative at times, and its standard error."""

    kid: float
    standard_error: float


class _Within(NamedTuple):
    """Sums over the n(n - 1) pairs of one set: of each point with the others; of all squares."""

    rows: np.ndarray  # (n,)
    squares: float


class _Between(NamedTuple):
    """Sums over the n m pairs of two sets: of each x with every y; of each y with every x; of all squares."""

    rows: np.ndarray  # (n,)
    columns: np.ndarray  # (m,)
    squares: float


def kid(real: np.ndarray, generated: np.ndarray) -> KID:
    """Kernel inception distance between (n, d) real and (m, d) generated embeddings, floats.

        KID = E k(x, x') + E k(y, y') - 2 E k(x, y),   k(x, y) = (<x, y> / d + 1)^3

    (Bińkowski et al. 2018), from all pairs of distinct points at once: a U-statistic, whose
    expectation is the population's KID at any n and m. Random subsets, as their code takes, add noise only,
    and the spread between subsets, which it prints, is not a standard error.

    The standard error is that of the U-statistic, from its Hoeffding decomposition (`_variance`): right on
    average where the laws differ, up to 1.4 times too large where they are equal.

    In float64; threads move the last digits only. Raises ValueError for NaN or infinity, unequal d, fewer
    than 4 points in either set, and values so large that their twelfth powers overflow.
    """
    real, generated = checked_together(real=real, generated=generated)
    if min(len(real), len(generated)) < 4:
        raise ValueError(
            f"KID needs at least 4 points in each set, not {len(real)} real and {len(generated)} generated"
        )
    x, y = real.astype(np.float64), generated.astype(np.float64)
    n, m = len(x), len(y)
    # k(a, b) - f(a) - f(b) has the same KID and the same variance for any f. With f(a) = k(a, c) - k(c, c)/2
    # and c in the middle the values are small, and their sums lose no digits.
    centre = ((x.mean(0) + y.mean(0)) / 2)[None]
    with np.errstate(over="ignore", invalid="ignore"):
        at_centre = _kernel(centre, centre)[0, 0] / 2
        fx, fy = _kernel(x, centre)[:, 0] - at_centre, _kernel(y, centre)[:, 0] - at_centre
        xx, yy, xy = _within(x, fx), _within(y, fy), _between(x, fx, y, fy)
        estimate = xx.rows.sum() / (n * (n - 1)) + yy.rows.sum() / (m * (m - 1))
        estimate -= 2 * xy.rows.sum() / (n * m)
        variance = _variance(xx, yy, xy)
    if not np.isfinite(variance):
        raise ValueError("KID: the values are so large that their powers overflow")
    return KID(float(estimate), float(np.sqrt(variance)))


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(n, m) of (<x, y> / d + 1)^3."""
    base = x @ y.T
    base /= x.shape[1]
    base += 1
    cube: np.ndarray = np.square(base)
    cube *= base
    return cube


def _within(x: np.ndarray, f: np.ndarray) -> _Within:
    """Each block of rows against itself and all after it: the kernel is symmetric."""
    rows, squares = np.zeros(len(x)), 0.0
    for i in range(0, len(x), _ROWS):
        k = _kernel(x[i : i + _ROWS], x[i:])
        k -= f[i : i + _ROWS, None]
        k -= f[None, i:]
        np.fill_diagonal(k, 0)
        b = len(k)
        rows[i:] += k.sum(0)
        rows[i : i + b] += k[:, b:].sum(1)
        squares += float(np.square(k[:, :b]).sum() + 2 * np.square(k[:, b:]).sum())
    return _Within(rows, squares)


def _between(x: np.ndarray, fx: np.ndarray, y: np.ndarray, fy: np.ndarray) -> _Between:
    rows, columns, squares = np.empty(len(x)), np.zeros(len(y)), 0.0
    for i in range(0, len(x), _ROWS):
        k = _kernel(x[i : i + _ROWS], y)
        k -= fx[i : i + _ROWS, None]
        k -= fy[None]
        rows[i : i + _ROWS] = k.sum(1)
        columns += k.sum(0)
        squares += float(np.square(k).sum())
    return _Between(rows, columns, squares)


def _variance(xx: _Within, yy: _Within, xy: _Between) -> float:
    """Var KID of independent samples (Hoeffding 1948; Serfling 1980, section 5.2).

    Write k(x, x') = mean + a(x) + a(x') + e(x, x') and k(x, y) = mean' + b(x) + b'(y) + e'(x, y), where the e
    are uncorrelated with the a and b and with each other. Then, likewise for y,
        Var KID = 4/n Var(a - b) + ... + 2 / (n (n - 1)) Var e + ... + 4 / (n m) Var e',
    each term estimated by analysis of variance. Var(a - b), 0 for equal laws, can come out negative and is
    then taken as 0: the rest, the variance under equal laws, is the least that is ever stated.
    """
    n, m = len(xy.rows), len(xy.columns)
    total = xy.rows.sum()
    e_xy = xy.squares - np.square(xy.rows).sum() / m - np.square(xy.columns).sum() / n + total**2 / (n * m)
    e_xy = max(float(e_xy) / ((n - 1) * (m - 1)), 0.0)
    e_xx, e_yy = _interaction(xx), _interaction(yy)
    first = 4 / n * (np.var(xx.rows / (n - 2) - xy.rows / m, ddof=1) - e_xx / (n - 2) - e_xy / m)
    first += 4 / m * (np.var(yy.rows / (m - 2) - xy.columns / n, ddof=1) - e_yy / (m - 2) - e_xy / n)
    second = 2 * e_xx / (n * (n - 1)) + 2 * e_yy / (m * (m - 1)) + 4 * e_xy / (n * m)
    return max(float(first), 0.0) + second


def _interaction(xx: _Within) -> float:
    """Var e(x, x') without bias: the residual mean square of k_ij = mean + a_i + a_j + e_ij over i < j."""
    n = len(xx.rows)
    residual = xx.squares / 2 - np.square(xx.rows).sum() / (n - 2)
    residual += xx.rows.sum() ** 2 / (2 * (n - 1) * (n - 2))
    return max(float(residual) / (n * (n - 3) / 2), 0.0)
