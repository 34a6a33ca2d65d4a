"""FID: the Fréchet distance between Gaussians fitted to embedded samples."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from pipeline.divergences.points import checked_together


def fid(real: np.ndarray, generated: np.ndarray) -> float:
    """Fréchet inception distance between (n, d) real and (m, d) generated embeddings, floats.

        FID = |mean_x - mean_y|^2 + tr(S_x + S_y - 2 (S_x S_y)^(1/2))

    (Heusel et al. 2017, equation 6, after Dowson & Landau 1982), S the covariances with n - 1. At least 0; in
    squared units of the embedding; defined for n <= d as well.

    Biased: for n = m points E FID = FID + c / n to first order, and c depends on the generator (Bińkowski et
    al. 2018; Chong & Forsyth 2020). Compare only values at one n, with that of two real samples of n points
    beside them; `kid` has no such bias.

    With X and Y the centred samples, tr (S_x S_y)^(1/2) is the sum of the singular values of X Y^T over
    sqrt((n - 1)(m - 1)): no covariance, no root of a matrix, no complex number, no addition to a diagonal.
    The error is that of rounding, about 1e-15 of the traces times a few, so a set is at distance 0 from
    itself. Raises ValueError for NaN or infinity, unequal d, and fewer than 2 points in either set.
    """
    real, generated = checked_together(real=real, generated=generated)
    if min(len(real), len(generated)) < 2:
        raise ValueError(
            f"FID needs at least 2 points in each set, not {len(real)} real and {len(generated)} generated"
        )
    (mean_x, x), (mean_y, y) = _fitted(real), _fitted(generated)
    between = float(np.square(mean_x - mean_y).sum())
    spread = np.square(x).sum() + np.square(y).sum() - 2 * linalg.svdvals(x @ y.T).sum()
    return between + max(float(spread), 0.0)


def _fitted(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(d,) mean of x, and (min(n, d), d) R with R^T R its covariance: what QR leaves of centred points."""
    mean = x.mean(0, dtype=np.float64)
    centred = (x - mean) / np.sqrt(len(x) - 1)
    # R has n rows; those after the d-th are 0.
    return mean, linalg.qr(centred, mode="r", overwrite_a=True)[0][: x.shape[1]]
