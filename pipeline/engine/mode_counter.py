"""How many of a data set's known modes samples reach: by distance to centres, or by a classifier."""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

import numpy as np

from pipeline.datasets import DataSet
from pipeline.divergences import coverage, coverage_of_labels
from pipeline.seeds import stream
from pipeline.store.run import Run
from pipeline.support import mode_classifier
from pipeline.trial import content_hash

STACKED_MODES = 1000


class ModeCounter(NamedTuple):
    """Counts by `centres` (m, d) and `radius`, or by a `model` of stacked digits."""

    fingerprint: str
    centres: np.ndarray | None = None
    radius: float = 0.0
    model: mode_classifier.Model | None = None

    def row(self, trial_id: str, source: str, samples: np.ndarray) -> dict[str, Any]:
        """The row of `modes` of (n, ...) samples."""
        row: dict[str, Any] = {
            "trial_id": trial_id,
            "source": source,
            "data_fingerprint": self.fingerprint,
            "samples": len(samples),
        }
        if self.model is not None:
            found = coverage_of_labels(mode_classifier.modes_of(self.model, samples), STACKED_MODES)
            return {
                **row,
                "modes_known": STACKED_MODES,
                "modes": int(found.modes),
                "kl_uniform": found.kl_uniform,
            }
        assert self.centres is not None
        reached = coverage(samples, self.centres, self.radius)._asdict()
        finite = {name: None if np.isnan(value) else value for name, value in reached.items()}
        return {**row, "modes_known": len(self.centres), **finite}


def mode_counter(data: DataSet, run: Run) -> tuple[ModeCounter | None, tuple[str, bytes] | None]:
    """The counter of a data set whose modes are known, and the file of what was fitted for it just now."""
    if data.modes is not None and data.mode_radius is not None:
        return ModeCounter(data.fingerprint, data.modes, data.mode_radius), None
    if data.name != "stacked_mnist":
        return None, None
    key = content_hash({"mode_classifier": data.fingerprint})
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, ValueError):
        return ModeCounter(data.fingerprint, model=mode_classifier.unpack(run.embedding(key))), None
    assert data.train_labels is not None
    rng = stream(data.fingerprint, "mode_classifier")
    steps = min(mode_classifier.STEPS, len(data.train) // 8)  # fewer for smoke runs on a few images
    model = mode_classifier.fit_stacked(data.train, data.train_labels, rng, steps)
    return ModeCounter(data.fingerprint, model=model), (key, mode_classifier.pack(model))
