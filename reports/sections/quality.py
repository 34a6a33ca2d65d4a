"""Every quality measure of every trial, below what real images score under the same measure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.sections.listing import Listing, first
from reports.tables.results import Results
from reports.words import number

# Measure -> head of its column. Standard errors stand beside their measure.
HEADS = {
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "kid": "KID ± s.e.",
    "fid": "FID",
    "vendi": "Vendi",
    "bins_different": "bins different",
    "data_copying": "C_T",
    "authenticity": "authenticity",
    "nearest_train_median": "to training",
    "nearest_held_out_median": "to held-out",
}
SENTENCES = {
    "kid": "KID and FID: distance between the distributions of generated and of held-out images in this "
    "embedding (Bińkowski et al. 2018; Heusel et al. 2017); 0 is equal, and FID is biased upwards at few "
    "samples.",
    "vendi": "Vendi: the effective number of dissimilar samples (Friedman & Dieng 2022), at equal numbers "
    "of samples.",
    "bins_different": "Bins different: the share of clusters of training images that hold significantly "
    "more or fewer generated images (NDB; Richardson & Weiss 2018).",
    "data_copying": "C_T: far below 0 the samples lie nearer to the training images than held-out images "
    "do, as copies would (Meehan et al. 2020).",
    "authenticity": "Authenticity: the share of samples whose nearest training image has a nearer "
    "neighbour among training images than the sample (Alaa et al. 2022).",
    "nearest_train_median": "To training, to held-out: median distance to the nearest of as many images "
    "of either.",
}


def embeddings(results: Results) -> list[str]:
    """The study's embeddings in which some quality was measured."""
    measured = set(results.quality["embedding"])
    return [name for name in results.study.measure.embedding_names() if name in measured]


def quality(results: Results, embedding: str) -> Listing:
    """Real images first (training images against held-out ones), then every measured trial of the study."""
    rows = results.quality
    rows = rows[rows["embedding"] == embedding].sort_values("samples", kind="stable")
    real = rows[rows["source"] == "real"].drop_duplicates("data_fingerprint", keep="last")
    generated = (
        rows[rows["source"] == "generated"].drop_duplicates("trial_id", keep="last").set_index("trial_id")
    )
    trials = results.trials[results.trials["trial_id"].isin(generated.index)]
    trials, note = first(trials, "the others are in the run's table quality")
    shown = [name for name in HEADS if rows[name].notna().any()]
    axes = [key for key, values in results.axes.items() if values > 1 or key == "seed"]
    listed = [
        ["real images", *[""] * (len(axes) - 1), *_cells(row, shown)] for row in real.to_dict("records")
    ]
    own = generated.loc[trials["trial_id"]].to_dict("records")
    for trial, row in zip(trials.to_dict("records"), own, strict=True):
        listed.append([*(str(trial[a]) for a in axes), *_cells(row, shown)])
    return Listing([*axes, *(HEADS[name] for name in shown)], listed, note)


def sentences(results: Results) -> list[str]:
    """What the measures say, for those that the store has."""
    rows = results.quality
    return [text for name, text in SENTENCES.items() if rows[name].notna().any()]


def _cells(row: Mapping[Any, Any], shown: list[str]) -> list[str]:
    return [
        f"{number(row[name])} ± {number(row['kid_standard_error'])}" if name == "kid" else number(row[name])
        for name in shown
    ]
