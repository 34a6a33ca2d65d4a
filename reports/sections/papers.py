"""Support sizes of the papers, in their convention and calibrated, beside the study's own trials."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from reports.sections.listing import Listing
from reports.sections.published_modes import system
from reports.sections.published_support import PUBLISHED, Published
from reports.statistics.counts import Undecided
from reports.statistics.levels import fit_levels
from reports.statistics.verdicts import Verdict
from reports.tables.protocols import primary, under
from reports.tables.results import Results
from reports.words import interval, many, number

SENTENCE = (
    "The papers call s² the support where half of the batches of s samples hold a duplicate; for equally "
    "likely images that point lies at 0.7213 s² (calibrated). Ours is N₂ over the trials of the same "
    "system, data set and plain objective that do not fail the quality gate, its interval by seeds, the "
    "ratio to the calibrated reading; ours by the papers' rule is their median s². A near-duplicate is "
    "another thing to every ruler: ratios compare whole set-ups. ARZ: Arora & Zhang 2017, Arora, Risteski "
    "& Zhang 2018; talk: the authors at CVPR 2018."
)


class Ours(NamedTuple):
    """N2 (geometric mean) of matching trials with its 95 % interval, the median of the papers' s^2, and what
    differs in set-up. slope: of a row about sizes, in words.
    """

    n2: float | None = None
    low: float | None = None
    high: float | None = None
    by_their_rule: float | None = None
    trials: int = 0
    slope: str = ""
    differs: str = ""


def against(results: Results, verdicts: list[Verdict]) -> list[tuple[Published, Ours]]:
    """Every published number with ours, empty where no trial of the study matches."""
    trials = results.completed
    trials = trials[~(trials["passes_gate"] == False).fillna(False)]  # noqa: E712 - three-valued
    names = results.stored.set_index("trial_id")["dataset"]
    datasets = trials["trial_id"].map(names)
    systems = trials["variant"].map(system)
    found = []
    for row in PUBLISHED:
        own = trials[(datasets == row.dataset) & systems.isin(row.systems)]
        # Per class or not: ours measures the whole data set.
        found.append((row, _ours(row, own, results, verdicts) if len(own) and not row.part else Ours()))
    return found


def in_words(found: list[tuple[Published, Ours]]) -> str:
    """Which published numbers the study's trials can be held against, and how they compare."""
    ratios = [
        f"{number(ours.n2 / paper.calibrated)} of {paper.model} ({paper.source})"
        for paper, ours in found
        if ours.n2 is not None and paper.calibrated is not None
    ]
    if not ratios:
        return "No trial of this study has a counterpart among the published support sizes."
    return f"Ours relative to the calibrated reading of the papers: {', '.join(ratios)}."


def listing(found: list[tuple[Published, Ours]]) -> Listing:
    """A row for each published number."""
    heads = ["model", "data", "source", "s", "paper's s²", "calibrated", "ours", "95 % interval", "ratio"]
    rows = [
        [
            paper.model,
            paper.dataset + (f", {paper.part}" if paper.part else ""),
            paper.source,
            number(paper.batch),
            number(paper.paper_convention) if paper.batch else paper.reading,
            number(paper.calibrated),
            ours.slope or number(ours.n2),
            interval(ours.low, ours.high) if ours.low is not None else "–",
            number(ours.n2 / paper.calibrated) if ours.n2 is not None and paper.calibrated else "–",
            number(ours.by_their_rule),
            ours.differs or paper.setup,
        ]
        for paper, ours in found
    ]
    return Listing([*heads, "ours by the papers' rule", "set-up: theirs, and ours where it differs"], rows)


def table(found: list[tuple[Published, Ours]]) -> pd.DataFrame:
    """The same for `papers.csv`."""
    rows = [
        {"model": p.model, "dataset": p.dataset, "part": p.part, "source": p.source, "batch": p.batch}
        | {"paper_convention": p.paper_convention, "calibrated": p.calibrated, "reading": p.reading}
        | ours._asdict()
        | {"differs": ours.differs or p.setup}
        for p, ours in found
    ]
    return pd.DataFrame(rows)


def _ours(row: Published, own: pd.DataFrame, results: Results, verdicts: list[Verdict]) -> Ours:
    differs = _differs(row, own, results)
    if row.batch is None:
        slopes = [
            f"slope {v.slope.value:z.2f} [{v.slope.low:z.2f}, {v.slope.high:z.2f}]"
            for v in verdicts
            if v.slope and v.hypothesis.predictor == "log_discriminator_params"
        ]
        about_sizes = row.systems == ("gan",)
        return Ours(trials=len(own), slope=slopes[0] if slopes and about_sizes else "", differs=differs)
    theirs = under(results.measured("estimates", list(own["trial_id"])), primary(results.study))
    theirs = theirs[(theirs["estimator"] == "paper_support") & (theirs["source"] == "generated")]
    median = None if theirs["value"].dropna().empty else float(theirs["value"].median())
    axes = [key for key in results.axes if key != "seed"]
    try:
        fit = fit_levels(pd.Series("ours", index=own.index), own[axes], own)
        variance = fit.variances()(np.ones(1))
    except Undecided:
        return Ours(by_their_rule=median, trials=len(own), differs=differs)
    value = float(fit.log_support[0])
    half = float(stats.t.ppf(0.975, variance.df) * np.sqrt(variance.value))
    low, high = float(np.exp(value - half)), float(np.exp(value + half))
    return Ours(float(np.exp(value)), low, high, median, len(own), "", differs)


def _differs(row: Published, own: pd.DataFrame, results: Results) -> str:
    """Theirs, then ours: training images, ruler, sizes."""
    ruler = primary(results.study)
    sizes = own["discriminator_params"].dropna()
    images = " to ".join(
        f"{n:,}" for n in sorted({int(own["train_samples"].min()), int(own["train_samples"].max())})
    )
    theirs = f"{row.train_samples:,} training images; {row.setup}" if row.train_samples else row.setup
    return (
        f"theirs: {theirs}. Ours: {' and '.join(sorted(set(own['variant'])))}; {images} training images; "
        f"all pairs of {results.study.measure.samples:,} samples by {ruler.tau_rule} under "
        f"{ruler.embedding}, no person; {many(len(own), 'trial')}"
        + (f", D of {number(sizes.min())} to {number(sizes.max())} parameters" if len(sizes) else "")
    )
