"""What else the near-duplicates of one set of samples say of its support: rows of table `estimates`."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline import support
from pipeline.support import PairCounts, PairHistogram

Row = dict[str, Any]


def estimates(near: PairCounts, histogram: PairHistogram) -> list[Row]:
    """One row an estimator: value, low, high; null where not identifiable or unbounded."""
    hill = support.hill_numbers(near.labels)
    unseen = support.unseen_mass(near.labels)
    soft = support.soft_support(histogram, near.tau) if near.tau > 0 else None
    half = support.half_collision(near.previous)
    rows = [
        _row("chao1", *hill.order_0),
        _row("unseen_mass", *unseen),
        _row("hill_1", hill.order_1),
        _row("hill_2", hill.order_2),
        _row("half_collision", *half.s50),
        _row("paper_support", *half.paper),
        _row("calibrated_support", *half.calibrated),
        _arz(near.previous, half.batch_size),
    ]
    if soft is not None:
        rows.append(_row("soft_n2", *soft))
    if not near.collisions:
        rows.append(_row("n2_low_any_law", None, support.lower_bound_of_any_law(len(near.degrees))))
    return rows


def among_precise(vectors: np.ndarray, precise: np.ndarray, tau: float) -> Row:
    """N2 of the samples that look real, (s, d) and (s,) bool: garbage has no near-duplicates."""
    if precise.sum() < 2:
        return _row("n2_precise", None)
    (near,) = support.search_pairs(vectors[precise], [tau], closest=0).near
    size = support.support_size(near.degrees, near.labels)
    return _row("n2_precise", size.n2, size.n2_low, size.n2_high)


def _arz(previous: np.ndarray, batch_size: int) -> Row:
    """An upper bound on an even support, from the batches that collide about half of the time."""
    (batch,) = support.batch_collisions(previous, [batch_size])
    share = batch.collided / batch.batches
    value = support.support_bound(batch_size, share) if share < 1 else None
    # The fewer batches collide, the larger a support is possible.
    return _row("arz_bound", value, high=support.support_bound(batch_size, batch.low))


def _row(estimator: str, value: float | None, low: float | None = None, high: float | None = None) -> Row:
    return {
        "estimator": estimator,
        **{k: _finite(v) for k, v in (("value", value), ("low", low), ("high", high))},
    }


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None
