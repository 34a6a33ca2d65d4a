"""One set of samples in, its rows out: the same for generators, real images and controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pipeline import support
from pipeline.datasets import DataSet
from pipeline.divergences import nearest, precision_recall

if TYPE_CHECKING:
    from pipeline.engine.ruler import Rows, Ruler

CLOSEST_SHOWN = 20
GRID = 64
NEIGHBOURS = 3  # Kynkaanniemi et al. 2019


class Subject(NamedTuple):
    """Whose samples: source and id as in the tables; uint8 images, float32 images in [0, 1], or points."""

    source: str
    trial_id: str
    samples: np.ndarray
    support_size: int | None = None


def measure(subject: Subject, ruler: Ruler, data: DataSet, train: np.ndarray | None) -> Rows:
    """Distances, collisions, closest pairs and a grid of the subject's samples.

    train: the images that the subject was trained on, among which the closest pairs look for their origin;
    None for subjects that were not trained.
    """
    vectors = support.embed(ruler.embedding, subject.samples)
    search = support.search_pairs(vectors, ruler.tau)
    assert search.near is not None  # a tau was given
    size = support.support_size(search.near.degrees, search.near.labels)
    source = _source(subject, ruler, data)
    measured = {**source, "samples": len(vectors)}
    collisions = {
        **source,
        "tau_rule": ruler.tau_rule,
        "tau": ruler.tau,
        **size._asdict(),
        "n2_real": ruler.n2_real,
        "ratio_to_real": size.n2 / ruler.n2_real if size.n2 and ruler.n2_real else None,
    }
    h = search.histogram
    accuracy = {
        "exact_below": h.exact_below if np.isfinite(h.exact_below) else None,
        "resolution": h.resolution,
    }
    distances = [
        {**measured, "low": float(low), "high": float(high), "count": int(count), **accuracy}
        for low, high, count in zip(h.low, h.high, h.counts, strict=True)
    ]
    pairs = _closest(subject, search.closest, vectors, ruler, data, train)
    grid = [
        {**source, "index": k, **_shape(image), "image": _bytes(image)}
        for k, image in enumerate(subject.samples[:GRID])
        if image.ndim == 3
    ]
    return {
        "distances": distances,
        "collisions": [collisions],
        "pairs": [{**measured, **row} for row in pairs],
        "samples": grid,
    }


def quality(subject: Subject, ruler: Ruler, data: DataSet, train: np.ndarray | None) -> dict[str, Any]:
    """How real the samples look: as many of them as there are held-out images, judged by those.

    Few near-duplicates mean diversity only together with this: noise has none either.
    """
    real = support.embed(ruler.embedding, data.held_out)
    generated = support.embed(ruler.embedding, subject.samples[: len(real)])
    row = {
        **_source(subject, ruler, data),
        "samples": len(generated),
        "reference_samples": len(real),
        "neighbours": NEIGHBOURS,
        **precision_recall(real, generated, NEIGHBOURS)._asdict(),
    }
    if train is not None:
        # Equally many references on both sides, so that neither is nearer only by being larger.
        count = min(len(train), len(real))
        seen = support.embed(ruler.embedding, train[:count])
        row["nearest_train_median"] = float(np.median(nearest(generated, seen)[1]))
        row["nearest_held_out_median"] = float(np.median(nearest(generated, real[:count])[1]))
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
        known = support.embed(ruler.embedding, train)
        for which in ("first", "second"):
            index, distance = nearest(vectors[[row[which] for row in rows]], known)
            for row, i, d in zip(rows, index[:, 0], distance[:, 0], strict=True):
                row |= {f"{which}_train_index": int(i), f"{which}_train_distance": float(d)}
                if images:
                    row[f"{which}_train_image"] = _bytes(train[i])
    return rows


def _source(subject: Subject, ruler: Ruler, data: DataSet) -> dict[str, Any]:
    return {
        "trial_id": subject.trial_id,
        "source": subject.source,
        "support_size": subject.support_size,
        "data_fingerprint": data.fingerprint,
        "embedding": ruler.embedding,
    }


def _shape(image: np.ndarray) -> dict[str, int]:
    return dict(zip(("channels", "height", "width"), image.shape, strict=True))


def _bytes(image: np.ndarray) -> bytes:
    """uint8 bytes for showing; measurement never sees this rounding."""
    return (image if image.dtype == np.uint8 else np.rint(image.clip(0, 1) * 255).astype(np.uint8)).tobytes()
