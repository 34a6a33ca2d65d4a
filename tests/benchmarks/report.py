"""`birthday report` of runs of 1,000, 10,000 and 100,000 trials, each in a process of its own.

Wall and CPU seconds (all threads) and the most memory that was resident. The runs are those of `large_run.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.benchmarks import large_run
from tests.benchmarks.timing import Figure, load

NAME = "report"
# Trials -> repeats, most wall seconds, most MiB.
SIZES = {1_000: (3, "< 10 s", ""), 10_000: (1, "< 30 s", ""), 100_000: (1, "< 180 s", "< 4096 MiB")}


class Cost(NamedTuple):
    """Wall and CPU seconds, and MiB."""

    wall: float
    cpu: float
    memory: float


def run() -> Iterator[Figure]:
    """Seconds and memory of each size, and beside them how fast the machine is just then."""
    yield Figure(NAME, "ten million additions in a Python loop", "CPU", "s", _additions(), load=load())
    for trials, (repeats, seconds, mebibytes) in SIZES.items():
        with tempfile.TemporaryDirectory() as runs:
            root = large_run.write(Path(runs), trials).root
            costs = [_report(root) for _ in range(repeats)]
        for quantity, unit, target in (
            ("wall", "s", seconds),
            ("cpu", "s", ""),
            ("memory", "MiB", mebibytes),
        ):
            value = median(getattr(cost, quantity) for cost in costs)
            yield Figure(NAME, f"{trials:,} trials", quantity, unit, value, target=target, load=load())


def _report(root: str) -> Cost:
    start = time.perf_counter()
    command = [sys.executable, "-m", "pipeline.cli", "report", root]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    wall = time.perf_counter() - start
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def _additions() -> float:
    start, total = time.process_time(), 0
    for k in range(10**7):
        total += k
    return time.process_time() - start
