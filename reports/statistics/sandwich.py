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


class Clusters(NamedTuple):
    """What the variance of any contrast of a fit is made of, of G clusters and p coefficients.

    Of a cluster with regressors X~ = QR and residuals r~, and a = (I - R B R')^-1/2 R d of a direction d = B
    times the contrast: roots (G, p, p) give a, corners (G, p, p) are R, residuals (G, p) are Q' r~. bread: B.
    """

    bread: Array
    roots: Array
    corners: Array
    residuals: Array

    def variance(self, contrast: Array) -> Variance:
        """CR2 of a contrast (p,) of the coefficients, with the degrees of freedom of Satterthwaite's
        approximation under the working model. Raises Undecided where no cluster's residual is free.
        """
        a = self._directions(contrast)
        norms, adjusted = np.square(a).sum(axis=1), np.einsum("gqp,gq->gp", self.corners, a)
        between = np.diag(norms) - adjusted @ self.bread @ adjusted.T
        if np.trace(between) <= 1e-12 * norms.sum():
            raise Undecided("each seed decides a coefficient alone: every size needs several seeds")
        df = np.trace(between) ** 2 / (between**2).sum()
        return Variance(float(np.square(self.parts(contrast)).sum()), float(df))

    def parts(self, contrast: Array) -> Array:
        """(G,): about how much higher the contrast is for each cluster's sake."""
        return np.asarray((self._directions(contrast) * self.residuals).sum(axis=1), np.float64)

    def _directions(self, contrast: Array) -> Array:
        return np.asarray(self.roots @ (self.bread @ contrast), np.float64)


def clustered(fit: Fit, design: Array, clusters: np.ndarray[Any, np.dtype[np.int64]]) -> Clusters:
    """Trials of a cluster vary together in any way, clusters do not (Bell & McCaffrey 2002; Pustejovsky &
    Tipton 2018, with the inverse information as working variance). clusters: (n,) codes 0, 1, ...
    """
    p = design.shape[1]
    weight = np.sqrt(fit.information)
    residual = np.divide(fit.score, weight, out=np.zeros_like(weight), where=weight > 0)
    order, sizes = np.argsort(clusters, kind="stable"), np.bincount(clusters)
    starts = np.cumsum(sizes) - sizes
    regressors = design * weight[:, None]
    corners, residuals = np.zeros((len(sizes), p, p)), np.zeros((len(sizes), p))
    for size in np.unique(sizes):  # clusters of a size at once
        alike = np.flatnonzero(sizes == size)
        trials = order[starts[alike, None] + np.arange(size)]
        basis, corner = np.linalg.qr(regressors[trials])
        # Of a cluster with fewer trials than coefficients the rest stays 0.
        rank = corner.shape[1]
        corners[alike, :rank] = corner
        residuals[alike, :rank] = np.einsum("gnk,gn->gk", basis, residual[trials])
    # (I - X B X')^-1/2 leaves alone what is orthogonal to X = QR; inside it is (I - R B R')^-1/2, and 0 in a
    # direction that this cluster decides alone, since there its residual is 0 too.
    values, vectors = np.linalg.eigh(np.eye(p) - corners @ fit.bread @ corners.transpose(0, 2, 1))
    root = np.divide(1, np.sqrt(np.abs(values)), out=np.zeros_like(values), where=values > 1e-9)
    inverse = (vectors * root[:, None]) @ vectors.transpose(0, 2, 1)
    return Clusters(fit.bread, inverse @ corners, corners, residuals)
