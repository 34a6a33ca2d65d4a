"""The largest clusters of near-duplicates: what is repeated, how often, and N2 without it."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from reports.sections.pictures import decode, png, tile
from reports.sections.subjects import Subject, generated, not_generated
from reports.sections.subjects import rows as rows_of
from reports.tables.results import Results

CLUSTERS_SHOWN = 8


class Cluster(NamedTuple):
    """One cluster: its image as PNG (None for points), how many samples, their share, N2 of the samples
    outside this cluster and all larger ones.
    """

    name: str
    png: bytes | None
    size: int
    mass: float
    n2_without: float | None


class Clusters(NamedTuple):
    """One subject's largest clusters, and N2 of all its samples."""

    title: str
    n2: float | None
    clusters: list[Cluster]


def largest(results: Results) -> list[Clusters]:
    """Held-out images, then one generator for each discriminator size."""
    rows = rows_of(results, "clusters")
    subjects = [s for s in not_generated(results) if s.source == "real"] + generated(results)
    found = []
    for subject in subjects:
        own = (
            subject.own(rows).sort_values("rank", kind="stable").drop_duplicates("rank").head(CLUSTERS_SHOWN)
        )
        if len(own):
            clusters = [_cluster(subject, row) for _, row in own.iterrows()]
            found.append(Clusters(subject.name, _known(subject.row["n2"]), clusters))
    return found


def _cluster(subject: Subject, row: pd.Series) -> Cluster:
    image = None
    if pd.notna(row["image"]):
        shape = (int(row[name]) for name in ("channels", "height", "width"))
        image = png(tile([decode(row["image"], *shape)], 1))
    name = f"cluster-{subject.trial_id}-{int(row['rank'])}"
    return Cluster(name, image, int(row["size"]), float(row["mass"]), _known(row["n2_without"]))


def _known(value: float | None) -> float | None:
    return None if value is None or pd.isna(value) else float(value)
