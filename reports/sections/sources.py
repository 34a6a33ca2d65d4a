"""Whose samples a row measures: names for readers, and how figures draw them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from reports.figures.style import COLOURS, REAL

# Laws that are known, in the order in which they are shown, and their markers.
CONTROLS = {"finite_support": "o", "jittered": "s", "atom": "^", "zipf": "D", "train": "P"}


def name(row: pd.Series[Any]) -> str:
    """A subject that is no generator, by its law."""
    n = "–" if pd.isna(row["support_size"]) else f"{int(row['support_size']):,}"
    parameter = "–" if pd.isna(row["parameter"]) else f"{row['parameter']:g}"
    return {
        "real": "held-out real images",
        "train": "training images",
        "finite_support": f"uniform on {n} images",
        "jittered": f"uniform on {n} images, pixel noise {parameter}",
        "atom": f"one of {n} images with mass {parameter}",
        "zipf": f"Zipf({parameter}) on {n} images",
    }[str(row["source"])]


def kind(source: str) -> str:
    """A source without its parameters."""
    return {
        "finite_support": "uniform on N images",
        "jittered": "uniform, pixel noise",
        "atom": "one likely image",
        "zipf": "Zipf",
        "train": "training images",
    }[source]


def colour(source: str) -> str:
    """Of a figure's marks: the real images black, every control its own."""
    return REAL if source == "real" else COLOURS[list(CONTROLS).index(source)]


def subjects(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """The rows of each subject that is no generator: held-out images, training images, then the laws."""
    order = ["real", "train", *(source for source in CONTROLS if source != "train")]
    keys = ["data_fingerprint", "support_size", "parameter"]
    return [
        own
        for source in order
        for _, own in rows[rows["source"] == source].groupby(keys, dropna=False, sort=True)
    ]
