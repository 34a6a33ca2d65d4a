"""Thumbnails of many generators: one PNG each, of its first samples and its closest pairs beside their
nearest training images.
"""

from __future__ import annotations

import base64
import io
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import PIL.Image

from reports.explorer.rows import closest, samples
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
DISTANCES = ["distance", "first_train_distance", "second_train_distance"]
NEEDED = ["trial_id", "channels", "height", "width", *DISTANCES]
Pixels = np.ndarray[Any, np.dtype[np.uint8]]


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
        shown, pairs = _by_trial(samples(results, ids, SAMPLES)), _by_trial(closest(results, ids, PAIRS))
        for trial in filter(shown.__contains__, ids):
            one = sprite(shown[trial], pairs.get(trial, []))
            room -= len(one.png)
            if room < 0:
                return drawn
            drawn[trial] = one
    return drawn


def sprite(shown: list[dict[str, Any]], pairs: list[dict[str, Any]]) -> Sprite:
    """One generator's. shown: rows of `samples`, at least one; pairs: rows of `pairs`; all of one shape."""
    c, h, w = (int(shown[0][name]) for name in ("channels", "height", "width"))
    images = [row["image"] for row in shown] + [None] * (-len(shown) % COLUMNS)
    images += [row[f"{part}_image"] for row in pairs for part in PARTS]
    blank = b"\xff" * (c * h * w)
    content = b"".join(image if isinstance(image, bytes) else blank for image in images)
    tiles = np.frombuffer(content, np.uint8).reshape(len(images), c, h, w)
    png = io.BytesIO()
    PIL.Image.fromarray(_sheet(_reduced(tiles))).save(png, "png")
    distances = [[_short(row[name]) for name in DISTANCES] for row in pairs]
    return Sprite(base64.b64encode(png.getvalue()).decode(), len(shown), distances)


def _by_trial(rows: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    columns = [name for name in rows if name in NEEDED or str(name).endswith("image")]
    for row in rows[columns].to_dict("records"):
        found.setdefault(row["trial_id"], []).append({str(name): value for name, value in row.items()})
    return found


def _short(distance: float) -> float | None:
    return None if pd.isna(distance) else float(f"{distance:.4g}")


def _reduced(tiles: Pixels) -> Pixels:
    """(n, c, h, w) with sides of at most `SIDE`, by the means of squares of pixels."""
    n, c, h, w = tiles.shape
    k = -(-max(h, w) // SIDE)
    if k == 1:
        return tiles
    cut = tiles[:, :, : h // k * k, : w // k * k].reshape(n, c, h // k, k, w // k, k)
    return cut.mean(axis=(3, 5)).round().astype(np.uint8)


def _sheet(tiles: Pixels) -> Pixels:
    """(rows * h, COLUMNS * w), of three channels (…, 3), of n = rows * COLUMNS tiles (n, c, h, w)."""
    n, c, h, w = tiles.shape
    sheet = tiles.reshape(n // COLUMNS, COLUMNS, c, h, w).transpose(0, 3, 1, 4, 2)
    sheet = sheet.reshape(n // COLUMNS * h, COLUMNS * w, c)
    return sheet[:, :, 0] if c == 1 else sheet
