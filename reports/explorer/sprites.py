"""Thumbnails of many generators: one PNG each, of its first samples and its closest pairs beside their
nearest training images.
"""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from reports.explorer.rows import closest, samples
from reports.sections.pictures import Image, png
from reports.tables.results import Results

COLUMNS = 4
SAMPLES = 16
PAIRS = 3
SIDE = 64  # larger images are reduced
# What all of them may add to the page, and the most generators that are drawn.
MOST_BYTES = 15_000_000
MOST_TRIALS = 1000
# Trials read from the tables at a time.
CHUNK = 100

PARTS = ["first", "second", "first_train", "second_train"]


class Sprite(NamedTuple):
    """png: base64 of tiles in rows of four: samples first, then a row a pair: first, second, nearest training
    image of each. samples: how many. pairs: of each the distance, and those of its images to training ones.
    """

    png: str
    samples: int
    pairs: list[list[float | None]]


def sprites(results: Results, trials: pd.DataFrame) -> dict[str, Sprite]:
    """By trial id, lowest seeds first and else in the study's order, until the page is full."""
    order = trials.sort_values("seed", kind="stable")["trial_id"].head(MOST_TRIALS)
    drawn: dict[str, Sprite] = {}
    room = MOST_BYTES
    for start in range(0, len(order), CHUNK):
        ids = order[start : start + CHUNK].tolist()
        shown = dict(iter(samples(results, ids, SAMPLES).groupby("trial_id")))
        pairs = dict(iter(closest(results, ids, PAIRS).groupby("trial_id")))
        for trial in ids:
            if trial not in shown:
                continue
            one = sprite(shown[trial], pairs.get(trial))
            room -= len(one.png)
            if room < 0:
                return drawn
            drawn[trial] = one
    return drawn


def sprite(shown: pd.DataFrame, pairs: pd.DataFrame | None) -> Sprite:
    """One generator's. shown: rows of `samples`; pairs: rows of `pairs`, both of images of one shape."""
    c, h, w = (int(shown[name].iloc[0]) for name in ("channels", "height", "width"))
    images = [*shown["image"], *[None] * (-len(shown) % COLUMNS)]
    distances: list[list[float | None]] = []
    if pairs is not None:
        images += [
            content
            for row in pairs[[f"{part}_image" for part in PARTS]].itertuples(index=False)
            for content in row
        ]
        columns = ["distance", "first_train_distance", "second_train_distance"]
        distances = [
            [None if pd.isna(d) else float(f"{d:.4g}") for d in row]
            for row in pairs[columns].itertuples(index=False)
        ]
    blank = b"\xff" * (c * h * w)
    content = b"".join(image if isinstance(image, bytes) else blank for image in images)
    tiles = np.frombuffer(content, np.uint8).reshape(len(images), c, h, w)
    sheet = png(_sheet(_reduced(tiles)))
    return Sprite(base64.b64encode(sheet).decode(), len(shown), distances)


def _reduced(tiles: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """(n, c, h, w) with sides of at most `SIDE`, by the mean of squares of pixels."""
    n, c, h, w = tiles.shape
    k = -(-max(h, w) // SIDE)
    if k == 1:
        return tiles
    cut = tiles[:, :, : h // k * k, : w // k * k].reshape(n, c, h // k, k, w // k, k)
    return cut.mean(axis=(3, 5)).round().astype(np.uint8)


def _sheet(tiles: np.ndarray[Any, np.dtype[np.uint8]]) -> Image:
    """(rows * h, COLUMNS * w, 3) of n = rows * COLUMNS tiles (n, c, h, w)."""
    n, c, h, w = tiles.shape
    sheet = tiles.reshape(n // COLUMNS, COLUMNS, c, h, w).transpose(0, 3, 1, 4, 2)
    sheet = sheet.reshape(n // COLUMNS * h, COLUMNS * w, c)
    return np.repeat(sheet, 3, axis=2) if c == 1 else sheet
