"""Ratios that survive a busy machine: what is compared runs alternately, and medians are taken."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any, NamedTuple


class Figure(NamedTuple):
    """One measured line: ours against a named peer (or against nothing), both in `unit`.

    speedup: how many times faster ours is, > 1 where ours wins: the median over rounds, and `spread` the least and the
    most of them. load: 1-minute load average at the end.
    """

    benchmark: str
    case: str
    quantity: str
    unit: str
    ours: float
    peer: str = ""
    theirs: float | None = None
    speedup: float | None = None
    spread: tuple[float, float] | None = None
    target: str = ""
    load: float = 0.0


class Times(NamedTuple):
    """Wall and CPU seconds (all threads) of each call."""

    wall: list[float]
    cpu: list[float]

    @property
    def median(self) -> float:
        """Median wall seconds."""
        return median(self.wall)


def load() -> float:
    """Runnable processes over the last minute."""
    return round(os.getloadavg()[0], 2)


def ratios(numerators: list[float], denominators: list[float]) -> dict[str, Any]:
    """Speedup and spread of what was measured in pairs, for a Figure."""
    each = [a / b for a, b in zip(numerators, denominators, strict=True)]
    return {"speedup": median(each), "spread": (min(each), max(each))}


def alternate(calls: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Times]:
    """Time every call `repeats` times, in turns and in swapped order every other time."""
    times = {name: Times([], []) for name in calls}
    order = list(calls)
    for k in range(repeats):
        for name in order if k % 2 == 0 else reversed(order):
            wall, cpu = time.perf_counter(), time.process_time()
            calls[name]()
            times[name].wall.append(time.perf_counter() - wall)
            times[name].cpu.append(time.process_time() - cpu)
    return times
