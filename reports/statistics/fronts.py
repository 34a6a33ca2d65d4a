"""Pareto fronts and hypervolumes of two or three objectives, all of them to be minimised."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]


def non_dominated(points: Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which of (n, d) points no other is at least as good as everywhere and better somewhere: (n,)."""
    no_worse = (points[:, None] <= points[None]).all(axis=2)
    better = (points[:, None] < points[None]).any(axis=2)
    return np.asarray(~(no_worse & better).any(axis=0))


def hypervolume(points: Array, reference: Array) -> float:
    """The volume between (n, d) points, d 2 or 3, and a reference (d,) that some point dominates.

    Points that are nowhere better than the reference add nothing. Two objectives: rectangles along the
    front; three: slabs between successive values of the third, each of the area of the points below it.
    """
    inside = points[(points < reference).all(axis=1)]
    if len(inside) == 0:
        return 0.0
    last = inside[np.argsort(inside[:, -1], kind="stable")]
    thickness = np.diff(np.append(last[:, -1], reference[-1]))
    if points.shape[1] == 2:
        return float(thickness @ (reference[0] - np.minimum.accumulate(last[:, 0])))
    areas = [hypervolume(last[: k + 1, :2], reference[:2]) for k in range(len(last))]
    return float(thickness @ areas)


def over_time(points: Array, reference: Array) -> Array:
    """The hypervolume of the first, the first two, ... of (n, d) points: (n,)."""
    volumes = np.zeros(len(points))
    front = points[:0]
    for k, point in enumerate(points):
        if len(front) and (front <= point).all(axis=1).any():  # adds nothing
            volumes[k] = volumes[k - 1]
            continue
        front = np.vstack([front, point])
        front = front[non_dominated(front)]
        volumes[k] = hypervolume(front, reference)
    return volumes
