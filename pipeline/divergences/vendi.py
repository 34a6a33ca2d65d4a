"""Vendi scores: how many distinct items a sample holds in effect."""

from __future__ import annotations

import math

import numpy as np
from scipy import linalg

from pipeline.divergences.points import checked


def vendi(kernel: np.ndarray, q: float = 1.0) -> float:
    """The Vendi score of order q of n items with similarities K.

    kernel: (n, n) floats, symmetric, positive semi-definite, K_ii = 1.

    With p the eigenvalues of K / n, which sum to 1, it is their Hill number,
        VS_q = (sum p^q)^(1 / (1 - q)),   VS_1 = exp(-sum p log p),   VS_inf = 1 / max p,
    between 1 (all the same) and n (nothing in common): Friedman & Dieng 2022 (order 1); Pasarkar &
    Dieng 2023 (other orders). It grows with n: compare at equal n only.

    VS_2 = n^2 / sum K_ij^2, without eigenvalues. With K_ij = 1 for near-duplicates, else 0, and C such pairs
    it is n^2 / (n + 2 C): the support size n (n - 1) / (2 C), but for the n self-pairs, which cap it at n.

    q: above 0, `math.inf` included. Raises ValueError for another q, NaN or infinity, and where K is no such
    matrix (up to 1e-6; eigenvalues are seen at orders other than 2 only).
    """
    kernel = checked(kernel, "kernel")
    if kernel.shape[0] != kernel.shape[1]:
        raise ValueError(f"kernel: an (n, n) matrix is needed, not shape {kernel.shape}")
    if not np.allclose(kernel, kernel.T, rtol=0, atol=1e-6):
        raise ValueError("kernel: the matrix is not symmetric")
    if not np.allclose(np.diagonal(kernel), 1, rtol=0, atol=1e-6):
        raise ValueError("kernel: the diagonal is not 1, the similarity of an item to itself")
    return _score(kernel, len(kernel), q)


def vendi_of(x: np.ndarray, q: float = 1.0) -> float:
    """The Vendi score of order q of (n, d) points, floats, with the cosine of two points as similarity.

    That is the linear kernel of points of length 1. K = X X^T has the eigenvalues of X^T X: the smaller of
    the two is computed. At most min(n, d). Raises ValueError for NaN or infinity, for a point at the origin,
    which has no direction, and for q as `vendi`.
    """
    x = checked(x, "x").astype(np.float64)
    x /= np.maximum(np.abs(x).max(1, keepdims=True), np.finfo(float).tiny)  # so that no square underflows
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    if not lengths.all():
        raise ValueError(f"x: {np.count_nonzero(lengths == 0)} points at the origin have no cosine")
    x /= lengths
    return _score(x @ x.T if len(x) <= x.shape[1] else x.T @ x, len(x), q)


def _score(gram: np.ndarray, n: int, q: float) -> float:
    """From a symmetric matrix with the eigenvalues of K other than 0."""
    if not q > 0:
        raise ValueError(f"Vendi scores have an order q above 0, not {q:g}")
    if q == 2:
        return float(n**2 / np.square(gram).sum())
    p = linalg.eigvalsh(gram) / n
    if p[0] < -1e-6:
        raise ValueError(f"kernel: no similarity has the negative eigenvalue {n * p[0]:g}")
    # Below this an eigenvalue is the rounding of 0; orders under 1 would count it.
    p = p[p > len(gram) * np.finfo(p.dtype).eps * p[-1]]
    if q == math.inf:
        return float(1 / p[-1])
    if q == 1:
        return float(np.exp(-(p * np.log(p)).sum()))
    return float((p**q).sum() ** (1 / (1 - q)))
