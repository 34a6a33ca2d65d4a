"""Images from the tables' bytes: grids of samples, and the closest pairs beside their nearest training
images.
"""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.image import imsave

from reports.figures.curves import evenly
from reports.tables.results import Results

Image = np.ndarray[Any, np.dtype[np.uint8]]

GRID_IMAGES = 64
# Small images are enlarged, pixel by pixel, to about this many points a side.
SIDE = 40
PAIRS_SHOWN = 6
MOST_GRIDS = 12
# Without it matplotlib writes its version.
METADATA: Any = {"Software": None}


class Grid(NamedTuple):
    """One source's first images: file name, caption, PNG, how many."""

    name: str
    title: str
    png: bytes
    images: int


class Pair(NamedTuple):
    """One close pair: PNG of first, second and (where known) their nearest training images; distances in
    tau's units.
    """

    name: str
    png: bytes
    rank: int
    distance: float
    near: bool
    first_train_distance: float | None
    second_train_distance: float | None


class Gallery(NamedTuple):
    """The closest pairs of one trial."""

    title: str
    pairs: list[Pair]
    with_training: bool


def grids(results: Results) -> list[Grid]:
    """Real images first; then, for each discriminator size and variant, the completed trial of `chosen`."""
    found = []
    real = results.rows("samples", "real")
    for fingerprint in sorted(set(real["data_fingerprint"].dropna())):
        found += _grid(
            real[real["data_fingerprint"] == fingerprint],
            f"samples-real-{fingerprint}",
            "held-out real images",
        )
    trials = chosen(results, per_variant=True).head(MOST_GRIDS)
    generated = results.rows("samples", "generated", list(trials["trial_id"]))
    for _, trial in trials.iterrows():
        rows = generated[generated["trial_id"] == trial["trial_id"]]
        found += _grid(rows, f"samples-{trial['trial_id']}", describe(trial))
    return found


def galleries(results: Results) -> list[Gallery]:
    """The closest pairs of the completed trial of `chosen` for each discriminator size."""
    trials = chosen(results, per_variant=False)
    rows = results.rows("pairs", "generated", list(trials["trial_id"]))
    found = []
    for _, trial in trials.iterrows():
        own = rows[
            (rows["trial_id"] == trial["trial_id"])
            & rows["first_image"].notna()
            & rows["second_image"].notna()
        ]
        own = own[own["samples"] == own["samples"].max()].sort_values("rank", kind="stable")
        own = own.drop_duplicates("rank").head(PAIRS_SHOWN)
        if len(own):
            pairs = [_pair(row, trial) for _, row in own.iterrows()]
            found.append(Gallery(describe(trial), pairs, bool(own["first_train_image"].notna().all())))
    return found


def chosen(results: Results, per_variant: bool) -> pd.DataFrame:
    """The trial shown for each discriminator size (and variant): lowest seed, then most training samples.

    A rule fixed beforehand, so that no one picks the prettiest. At most six sizes, evenly spread.
    """
    sizes = results.completed["discriminator_params"].fillna(0)  # systems without a discriminator come first
    trials = results.completed.assign(discriminator_params=sizes)
    trials = trials[sizes.isin(evenly(sorted(set(sizes)), 6))]
    seeds = trials["seed"].astype(np.int64)
    lowest = seeds.groupby([trials["discriminator_params"], trials["variant"]]).transform("min")
    # Before they are sorted, since only few are.
    trials = trials[seeds == lowest].sort_values(
        ["discriminator_params", "variant", "seed", "train_samples", "trial_id"],
        ascending=[True, True, True, False, True],
        kind="stable",
    )
    return trials.drop_duplicates(["discriminator_params", *(["variant"] if per_variant else [])])


def describe(trial: pd.Series[Any]) -> str:
    """One line naming a trial by what it is, not by its hash."""
    size = 0 if pd.isna(trial["discriminator_params"]) else int(trial["discriminator_params"])
    parts = [f"{size:,} discriminator parameters"] if size else []
    parts += [trial["variant"], f"{trial['train_samples']:,} training samples", f"seed {trial['seed']}"]
    return ", ".join(parts)


def decode(content: bytes, channels: int, height: int, width: int) -> Image:
    """(H, W, 3) from uint8 C*H*W bytes of one or three channels."""
    image = np.frombuffer(content, np.uint8).reshape(channels, height, width).transpose(1, 2, 0)
    return np.repeat(image, 3, axis=2) if channels == 1 else image


def png(image: Image) -> bytes:
    """An (H, W, 3) image as PNG, enlarged pixel by pixel."""
    out = io.BytesIO()
    imsave(out, np.ascontiguousarray(image), format="png", metadata=METADATA)
    return out.getvalue()


def tile(images: list[Image], columns: int) -> Image:
    """Equal (H, W, 3) images side by side, enlarged, with white gaps of two points."""
    height, width = images[0].shape[:2]
    factor = max(1, round(SIDE / height))
    rows = -(-len(images) // columns)
    step_y, step_x = height * factor + 2, width * factor + 2
    sheet = np.full((rows * step_y - 2, columns * step_x - 2, 3), 255, np.uint8)
    for k, image in enumerate(images):
        y, x = divmod(k, columns)
        large = image.repeat(factor, axis=0).repeat(factor, axis=1)
        sheet[y * step_y : y * step_y + height * factor, x * step_x : x * step_x + width * factor] = large
    return sheet


def _strip(images: list[Image]) -> Image:
    """The pair, and apart from it the training images."""
    blocks = [tile(images[k : k + 2], 2) for k in range(0, len(images), 2)]
    gap = np.full((blocks[0].shape[0], 12, 3), 255, np.uint8)
    return np.hstack([blocks[0], *(part for block in blocks[1:] for part in (gap, block))])


def _images(rows: pd.DataFrame, column: str) -> list[Image]:
    rows = rows[rows[column].notna()]
    shape = zip(rows["channels"], rows["height"], rows["width"], strict=True)
    return [decode(c, *(int(n) for n in s)) for c, s in zip(rows[column], shape, strict=True)]


def _grid(rows: pd.DataFrame, name: str, title: str) -> list[Grid]:
    rows = rows.sort_values("index", kind="stable").drop_duplicates("index").head(GRID_IMAGES)
    images = _images(rows, "image")
    return [Grid(name, title, png(tile(images, min(8, len(images)))), len(images))] if images else []


def _pair(row: pd.Series[Any], trial: pd.Series[Any]) -> Pair:
    columns = ["first_image", "second_image"]
    if pd.notna(row["first_train_image"]) and pd.notna(row["second_train_image"]):
        columns += ["first_train_image", "second_train_image"]
    images = [decode(row[c], int(row["channels"]), int(row["height"]), int(row["width"])) for c in columns]
    distances = [float(d) if pd.notna(d := row[f"{w}_train_distance"]) else None for w in ("first", "second")]
    return Pair(
        name=f"pair-{trial['trial_id']}-{int(row['rank'])}",
        png=png(_strip(images)),
        rank=int(row["rank"]),
        distance=float(row["distance"]),
        near=bool(row["distance"] <= trial["tau"]),
        first_train_distance=distances[0],
        second_train_distance=distances[1],
    )
