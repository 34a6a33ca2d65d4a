"""A study of four trials that takes seconds, its command line, and what makes two runs the same."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from pipeline import Study, load_run
from pipeline.documents import assign, parse_yaml
from pipeline.store.schemas import SCHEMAS

TINY = """
study: tiny
question: does it work?
base:
  dataset: {name: digits}
  generator: {name: dcgan, width: 4, latent_dim: 8}
  discriminator: {name: dcgan, width: 4}
  objective: {name: nonsaturating}
  train_samples: 100
  training: {steps: 6, batch_size: 16, ticks: 2}
vary:
  discriminator.width: [2, 4]
  seed: {count: 2}
measure:
  samples: 150
  tau: {rule: real_quantile, quantile: 1e-2}
controls:
  finite_support: [20]
"""
# Nobody has judged these trials, digits have no modes that are known, and nothing was searched for.
EMPTY = ("labels", "modes", "suggestions", "importances")
# When and where something ran, and how long it took: all that may differ between two runs.
CIRCUMSTANCES = {
    "wall_seconds",
    "train_seconds",
    "measure_seconds",
    "device_seconds",
    "images_per_second",
    "predicted_seconds",
    "peak_memory_bytes",
    "started_at",
    "finished_at",
    "host",
}


def study(text: str = TINY, *overrides: str) -> Study:
    """A study from its text, with `dotted.key=value` overrides."""
    document = parse_yaml(text)
    for override in overrides:
        assign(document, override)
    return Study.parse(document)


def numbers(root: str | Path) -> dict[str, pd.DataFrame]:
    """Every table of a run without its circumstances."""
    run = load_run(root)
    return {
        name: frame.drop(columns=CIRCUMSTANCES & set(frame.columns))
        for name, frame in ((name, run.table(name)) for name in SCHEMAS)
    }


def assert_same(root: str | Path, other: str | Path, *besides: str) -> None:
    """Both runs hold the same rows, to the last bit and in the same order."""
    ours, theirs = numbers(root), numbers(other)
    for name, frame in ours.items():
        drop = [column for column in besides if column in frame.columns]
        assert len(frame) or name in EMPTY, f"table {name} is empty"
        assert_frame_equal(
            frame.drop(columns=drop), theirs[name].drop(columns=drop), check_exact=True, obj=name
        )


class Said(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Said]


def start(*words: str | Path) -> subprocess.Popen[str]:
    """`birthday WORDS` in a process of its own."""
    command = [sys.executable, "-m", "pipeline.cli", *map(str, words)]
    # A shell that runs the tests in the background has them, and so their children, ignore Ctrl-C.
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, preexec_fn=heed, **pipes)  # type: ignore[call-overload]


def wait_for(condition: Callable[[], bool], seconds: float = 200.0) -> None:
    """Until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"did not happen within {seconds:g} s")
        time.sleep(0.02)


def descendants(pid: int) -> dict[int, str]:
    """Process id -> command line of every process below `pid`."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found: dict[int, str] = {}
    below = {pid}
    while below := {child for child, parent in parents.items() if parent in below}:
        for child in below:
            try:
                found[child] = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ").strip()
            except OSError:
                continue
    return found


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def end(pids: dict[int, str]) -> None:
    """Kill what is left of these processes."""
    for pid in pids:
        if alive(pid):
            os.kill(pid, 9)
