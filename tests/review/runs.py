"""A run whose candidates are digits-like blobs: its pairs, and how to serve them in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.store.run import Run
from tests.reports.synthetic import blob, study

SOURCES = ("generated", "real", "finite_support")
SERVE = "import sys; from pipeline.review import review; review(sys.argv[1], rater=sys.argv[2])"


def candidate(rng: np.random.Generator, k: int, channels: int = 1) -> dict[str, Any]:
    """The k-th candidate: its pixels tell k, and which of the two images it is, in their first two bytes."""
    source = SOURCES[k % 3]
    one = np.repeat(blob(rng), channels, axis=0)
    two = np.clip(one.astype(int) + rng.integers(-40, 41, one.shape), 0, 255).astype(np.uint8)
    for image, which in ((one, 0), (two, 1)):
        image[0, 0, :2] = k, which
    return {
        "trial_id": f"trial{k % 3}" if source == "generated" else source,
        "source": source,
        "support_size": 100 if source == "finite_support" else None,
        "data_fingerprint": "f1e2d3c4b5a69788",
        "embedding": "pixels",
        "samples": 4000,
        "stratum": k % 4,
        "stratum_low": 0.5 * (k % 4),
        "stratum_high": 0.5 * (k % 4) + 0.5,
        "stratum_pairs": 1000 * (k % 4) + 50,
        "stratum_drawn": 8,
        "first": 10 * k,
        "second": 10 * k + 7,
        "distance": 0.5 * (k % 4) + 0.01 * k,
        "channels": channels,
        "height": 8,
        "width": 8,
        "first_image": one.tobytes(),
        "second_image": two.tobytes(),
    }


def write(root: Path, count: int = 30, channels: int = 1) -> Path:
    """A run with `count` candidates, committed as the engine commits what it measures."""
    rng = np.random.default_rng(3)
    run = Run(root / "judged")
    with run.writing():
        run.save_study(study())
        collision = {"trial_id": "real", "source": "real", "tau_rule": "t", "samples": 9}
        rows = [candidate(rng, k, channels) for k in range(count)]
        run.save_measurement("candidates", {"collisions": [collision], "candidates": rows})
    return root / "judged"


def serve(root: Path, rater: str) -> tuple[subprocess.Popen[str], str]:
    """The server in a process of its own, and the address it printed."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(root), rater], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().split()[1]
