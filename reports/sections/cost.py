"""What the study took, by device."""

from __future__ import annotations

import pandas as pd

from reports.sections.listing import Listing
from reports.tables.results import Results
from reports.words import number


def cost(results: Results) -> Listing:
    """A row a device and one for all: trials, seconds on it, and images trained on.

    Images are each trial's images a second times its seconds of training; trials without them count none.
    """
    stored = results.stored
    images = stored["images_per_second"] * stored["train_seconds"]
    stored = stored.assign(device=stored["device"].fillna("unknown"), images=images)
    rows = [_row(str(device), own) for device, own in stored.groupby("device", sort=True)]
    if len(rows) > 1:
        rows.append(_row("all", stored))
    return Listing(
        ["device", "trials", "completed", "device seconds", "of them training", "images trained"], rows
    )


def _row(device: str, trials: pd.DataFrame) -> list[str]:
    completed = int((trials["status"] == "completed").sum())
    sums = [number(trials[name].sum(min_count=1)) for name in ("device_seconds", "train_seconds", "images")]
    return [device, f"{len(trials):,}", f"{completed:,}", *sums]
