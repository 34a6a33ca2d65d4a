"""One set of samples in, its rows out: the same for generators, real images and controls."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from pipeline import support
from pipeline.datasets import DataSet
from pipeline.divergences import (
    OCCUPANCY,
    authenticity,
    data_copying,
    fid,
    in_balls,
    kid,
    ndb,
    nearest,
    precision_recall,
    vendi_of,
)
from pipeline.engine.estimates import among_precise, estimates
from pipeline.seeds import stream
from pipeline.support import Embedding, PairCounts

Rows = dict[str, list[dict[str, Any]]]

CLOSEST_SHOWN = 20
CLUSTERS_SHOWN = 10
GRID = 64
NEIGHBOURS = 3  # Kynkaanniemi et al. 2019
REAL_PAIRS = 10  # candidates of real images for each of a generator's
SOME = 2000  # samples at most for what needs singular values or a search of all training images


class Ruler(NamedTuple):
    """Everything a worker needs to measure one trial's samples under one embedding.

    taus: by rule, the study's own first. held_out, train: (n, d) the data set, embedded. judges: the held-out
    images that judge quality. centres: of cells of training images. radii: (n,) of the judges to their k-th
    neighbours. n2_real: by rule, what held-out images measure.
    """

    embedding: Embedding
    taus: dict[str, float]
    samples: int
    review_pairs: int
    held_out: np.ndarray
    judges: np.ndarray
    train: np.ndarray
    centres: np.ndarray
    radii: np.ndarray
    n2_real: dict[str, float | None]

    def looks_real(self, vectors: np.ndarray) -> np.ndarray:
        """(n,) bool: which of the (n, d) vectors lie inside the balls of the judges."""
        return in_balls(vectors, self.judges, self.radii)


class Subject(NamedTuple):
    """Whose samples: source and id as in the tables; uint8 images, float32 images in [0, 1], or points.

    vectors: the samples embedded, where that is known already.
    """

    source: str
    trial_id: str
    samples: np.ndarray
    support_size: int | None = None
    parameter: float | None = None
    vectors: np.ndarray | None = None

    def embedded(self, ruler: Ruler) -> np.ndarray:
        return ruler.embedding(self.samples) if self.vectors is None else self.vectors


def extend(tables: Rows, more: Rows) -> None:
    """Add rows to those of the same table."""
    for table, rows in more.items():
        tables.setdefault(table, []).extend(rows)


def measure(subject: Subject, ruler: Ruler, data: DataSet, train: np.ndarray | None = None) -> Rows:
    """Distances, collisions, closest pairs and a grid of the subject's samples.

    train: indices of the images that the subject was trained on, among which the closest pairs look for their
    origin; None for subjects that were not trained.
    """
    vectors = subject.embedded(ruler)
    search = support.search_pairs(vectors, list(ruler.taus.values()))
    source = {**_source(subject, ruler, data), "samples": len(vectors)}
    collisions = [
        _collisions(source, ruler, rule, near) for rule, near in zip(ruler.taus, search.near, strict=True)
    ]
    h = search.histogram
    accuracy = {
        "exact_below": h.exact_below if np.isfinite(h.exact_below) else None,
        "resolution": h.resolution,
    }
    distances = [
        {**source, "low": float(low), "high": float(high), "count": int(count), **accuracy}
        for low, high, count in zip(h.low, h.high, h.counts, strict=True)
    ]
    protocol = {**source, "tau_rule": next(iter(ruler.taus)), "tau": search.near[0].tau}
    return {
        "distances": distances,
        "collisions": collisions,
        "clusters": _clusters(protocol, subject, search.near[0]),
        "estimates": [
            {**protocol, **row}
            for row in [
                *estimates(search.near[0], h),
                among_precise(vectors, ruler.looks_real(vectors), search.near[0].tau),
            ]
        ],
        "batches": _batches(protocol, search.near[0]),
        "pairs": [
            {**source, **row} for row in _closest(subject, search.closest, vectors, ruler, data, train)
        ],
        "candidates": _candidates(source, subject, search.closest, vectors, ruler),
        "samples": [
            {**_source(subject, ruler, data), "index": k, **_image(image)}
            for k, image in enumerate(subject.samples[:GRID])
            if image.ndim == 3
        ],
    }


def _collisions(source: dict[str, Any], ruler: Ruler, rule: str, near: PairCounts) -> dict[str, Any]:
    size = support.support_size(near.degrees, near.labels)
    real = ruler.n2_real.get(rule)
    return {
        **source,
        "tau_rule": rule,
        "tau": near.tau,
        **size._asdict(),
        "n2_real": real,
        "ratio_to_real": size.n2 / real if size.n2 and real else None,
    }


def _batches(protocol: dict[str, Any], near: PairCounts) -> list[dict[str, Any]]:
    s = len(near.degrees)
    n2 = s * (s - 1) / 2 / near.collisions if near.collisions else None
    return [{**protocol, **row._asdict()} for row in support.batch_collisions(near.previous, n2=n2)]


def _clusters(protocol: dict[str, Any], subject: Subject, near: PairCounts) -> list[dict[str, Any]]:
    found = support.largest_clusters(near.degrees, near.labels, CLUSTERS_SHOWN)
    return [
        {
            **protocol,
            "rank": rank,
            "size": cluster.size,
            "mass": cluster.mass,
            "n2_without": cluster.n2_without,
            **(_image(subject.samples[cluster.first]) if subject.samples.ndim == 4 else {}),
        }
        for rank, cluster in enumerate(found, 1)
    ]


def _candidates(
    source: dict[str, Any], subject: Subject, closest: support.Closest, vectors: np.ndarray, ruler: Ruler
) -> list[dict[str, Any]]:
    if subject.samples.ndim != 4 or not ruler.review_pairs:
        return []
    rng = stream(f"{subject.trial_id}/{ruler.embedding.id}", "candidates")
    # How often people take two real images for one is asked of all trials at once.
    count = ruler.review_pairs * (REAL_PAIRS if subject.source == "real" else 1)
    return [
        {
            **source,
            "stratum": c.stratum,
            "stratum_low": c.low,
            "stratum_high": c.high,
            "stratum_pairs": c.pairs,
            "stratum_drawn": c.drawn,
            "first": c.first,
            "second": c.second,
            "distance": c.distance,
            **_shape(subject.samples[c.first]),
            "first_image": _bytes(subject.samples[c.first]),
            "second_image": _bytes(subject.samples[c.second]),
        }
        for c in support.draw_candidates(vectors, closest, count, rng)
    ]


def quality(subject: Subject, ruler: Ruler, data: DataSet, train: np.ndarray | None = None) -> dict[str, Any]:
    """How real the samples look: as many of them as there are judges.

    Few near-duplicates mean diversity only together with this: noise has none either. train: indices of the
    images that the subject was trained on, for what asks whether it copies them.
    """
    real = ruler.judges
    generated = subject.embedded(ruler)[: len(real)]
    some = slice(None, SOME)
    # Sums of products come in an order that depends on the number of threads, and so do their last bits.
    with threadpool_limits(1, "blas"):
        row = {
            **_source(subject, ruler, data),
            "samples": len(generated),
            "reference_samples": len(real),
            "neighbours": NEIGHBOURS,
            **precision_recall(real, generated, NEIGHBOURS, ruler.radii)._asdict(),
            **dict(zip(("kid", "kid_standard_error"), kid(real, generated), strict=True)),
            "fid": fid(real[some], generated[some]),
            # Cosines of what sets images apart: of the images themselves they would nearly all be 1.
            "vendi": vendi_of(generated[some] - real.mean(0)),
            "bins_different": ndb(real, generated, ruler.centres).ndb_share,
        }
    if train is not None:
        seen = ruler.train[train]
        if min(len(real), len(generated)) >= OCCUPANCY and len(seen) > 1:
            row["data_copying"] = data_copying(seen, real[some], generated[some]).z
            row["authenticity"] = authenticity(seen, generated[some])
        # Equally many references on both sides, so that neither is nearer only by being larger.
        count = min(len(train), len(real))
        row["nearest_train_median"] = float(np.median(nearest(generated[some], seen[:count])[1]))
        row["nearest_held_out_median"] = float(np.median(nearest(generated[some], real[:count])[1]))
    return row


def _closest(
    subject: Subject,
    closest: support.Closest,
    vectors: np.ndarray,
    ruler: Ruler,
    data: DataSet,
    train: np.ndarray | None,
) -> list[dict[str, Any]]:
    rows = []
    images = subject.samples.ndim == 4
    for rank, (first, second, distance) in enumerate(
        zip(*(c[:CLOSEST_SHOWN] for c in closest), strict=True), 1
    ):
        row: dict[str, Any] = {
            "rank": rank,
            "first": int(first),
            "second": int(second),
            "distance": float(distance),
        }
        if images:
            row |= _shape(subject.samples[first])
            row |= {
                "first_image": _bytes(subject.samples[first]),
                "second_image": _bytes(subject.samples[second]),
            }
        rows.append(row)
    if train is not None and rows:
        known = ruler.train[train]
        for which in ("first", "second"):
            index, distance = nearest(vectors[[row[which] for row in rows]], known)
            for row, i, d in zip(rows, index[:, 0], distance[:, 0], strict=True):
                row |= {f"{which}_train_index": int(i), f"{which}_train_distance": float(d)}
                if images:
                    row[f"{which}_train_image"] = _bytes(data.train[train[i]])
    return rows


def _source(subject: Subject, ruler: Ruler, data: DataSet) -> dict[str, Any]:
    return {
        "trial_id": subject.trial_id,
        "source": subject.source,
        "support_size": subject.support_size,
        "parameter": subject.parameter,
        "data_fingerprint": data.fingerprint,
        "embedding": ruler.embedding.name,
        "embedding_id": ruler.embedding.id,
    }


def _image(image: np.ndarray) -> dict[str, Any]:
    return {**_shape(image), "image": _bytes(image)}


def _shape(image: np.ndarray) -> dict[str, int]:
    return dict(zip(("channels", "height", "width"), image.shape, strict=True))


def _bytes(image: np.ndarray) -> bytes:
    """uint8 bytes for showing; measurement never sees this rounding."""
    return (image if image.dtype == np.uint8 else np.rint(image.clip(0, 1) * 255).astype(np.uint8)).tobytes()
