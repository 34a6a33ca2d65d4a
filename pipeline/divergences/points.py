"""What every measure asks of the points it is given."""

from __future__ import annotations

import numpy as np


def checked(x: np.ndarray, what: str) -> np.ndarray:
    """x as (n, d) floats. Raises ValueError for another shape, no points, NaN, infinity, over 1e150."""
    x = np.asarray(x)
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"{what}: (n, d) points are needed, not shape {x.shape}")
    x = x if x.dtype in (np.float32, np.float64) else x.astype(np.float64)
    if not np.isfinite(x).all():
        raise ValueError(f"{what}: the points hold NaN or infinity")
    if max(-float(x.min()), float(x.max())) > 1e150:
        raise ValueError(f"{what}: the points hold values beyond 1e150, whose squares overflow")
    return x


def checked_together(**named: np.ndarray) -> tuple[np.ndarray, ...]:
    """Each one `checked`, under its own name. Raises ValueError where they differ in d as well."""
    points = tuple(checked(x, what) for what, x in named.items())
    first, d = next(iter(named)), points[0].shape[1]
    for what, x in zip(named, points, strict=True):
        if x.shape[1] != d:
            raise ValueError(f"{first}: points of {d} dimensions, {what}: of {x.shape[1]}")
    return points
