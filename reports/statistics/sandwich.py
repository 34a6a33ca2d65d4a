"""A variance that lets the trials of a cluster vary together: CR2, for few clusters.

In units of its own standard deviation a trial has the regressors x~ = sqrt(w) x and the residual r~ = score /
sqrt(w), w its information: an ordinary regression, for which the estimator is defined.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from reports.statistics.counts import Array, Fit, Undecided


class Variance(NamedTuple):
    """A variance and the degrees of freedom of the Student quantiles that go with it."""

    value: float
    df: float


def clustered(
    fit: Fit, design: Array, contrast: Array, clusters: np.ndarray[Any, np.dtype[np.int64]]
) -> Variance:
    """CR2 of a contrast of the coefficients: trials of a cluster vary together in any way, clusters do not
    (Bell & McCaffrey 2002; Pustejovsky & Tipton 2018, with the inverse information as working variance), and
    the degrees of freedom of Satterthwaite's approximation under the working model.

    contrast: (p,). clusters: (n,) codes 0, 1, ... Raises Undecided where no cluster's residual is free.
    """
    weight = np.sqrt(fit.information)
    regressors, direction = design * weight[:, None], fit.bread @ contrast
    residual = np.divide(fit.score, weight, out=np.zeros_like(weight), where=weight > 0)
    scores, adjusted, norms = [], [], []
    for cluster in range(int(clusters.max()) + 1):
        own = clusters == cluster
        basis, corner = np.linalg.qr(regressors[own])
        # (I - X B X')^-1/2 leaves alone what is orthogonal to X = QR; inside it is (I - R B R')^-1/2, and 0
        # in a direction that this cluster decides alone, since there its residual is 0 too.
        values, vectors = np.linalg.eigh(np.eye(len(corner)) - corner @ fit.bread @ corner.T)
        root = np.divide(1, np.sqrt(np.abs(values)), out=np.zeros_like(values), where=values > 1e-9)
        a = (vectors * root) @ vectors.T @ corner @ direction
        scores.append(a @ (basis.T @ residual[own]))
        adjusted.append(corner.T @ a)
        norms.append(a @ a)
    between = np.diag(norms) - np.array(adjusted) @ fit.bread @ np.array(adjusted).T
    if np.trace(between) <= 1e-12 * sum(norms):
        raise Undecided("each seed decides a coefficient alone: every size needs several seeds")
    df = np.trace(between) ** 2 / (between**2).sum()
    return Variance(float(np.square(scores).sum()), float(df))
