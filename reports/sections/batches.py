"""The protocol of Arora & Zhang 2017: how often a batch holds a near-duplicate, by the size of the batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.figures.marks import beside, plain
from reports.figures.style import COLOURS, REAL, panels
from reports.sections.listing import Listing
from reports.sections.sources import colour
from reports.sections.subjects import Subject, generated, not_generated
from reports.sections.subjects import rows as rows_of
from reports.tables.results import Results
from reports.words import interval, number

SENTENCE = (
    "Arora and Zhang (2017) look for the batch size s at which a batch holds a near-duplicate half of the "
    "time, and read a support of about s². Were all N images equally likely, half of the batches would "
    "collide at s(s−1)/2 = N ln 2, so the calibrated reading is s(s−1)/(2 ln 2) = 0.72 s²; it is what N₂ "
    "says too, with the batch in the place of all pairs. Bars are Clopper–Pearson intervals; the line is "
    "predicted from N₂ under equal probabilities, and points beside it say that the probabilities are "
    "unequal."
)


def shown(results: Results) -> tuple[list[Subject], list[Subject]]:
    """Controls; then real images and the generators of the smallest and of the largest discriminator."""
    rest, trials = not_generated(results), generated(results)
    sets = [subject for subject in rest if subject.source in ("real", "train")]
    ends = trials[:1] + trials[1:][-1:]
    return [subject for subject in rest if subject.source not in ("real", "train")], sets + ends


def batches(results: Results) -> Figure | None:
    """P(collision) against batch size: one panel for controls, one for real images and generators."""
    rows = rows_of(results, "batches")
    groups = [[s for s in group if len(s.own(rows))] for group in shown(results)]
    groups = [group for group in groups if group]
    if not groups:
        return None
    figure, grid = panels(len(groups), 1, 8.6, 3.1)
    for ax, group in zip(grid[:, 0], groups, strict=True):
        entries = [
            _draw(ax, subject, subject.own(rows), c)
            for subject, c in zip(group, _colours(group), strict=True)
        ]
        ax.axhline(0.5, color=REAL, linewidth=0.7, linestyle="--", zorder=0)
        ax.set(xscale="log", ylim=(-0.03, 1.03), xlabel="batch size s", ylabel="P(collision in a batch)")
        plain(ax.xaxis)
        beside(ax, entries)
    return figure


def readings(results: Results) -> Listing:
    """The batch size of one half, and what it is read as, beside N2."""
    rows = rows_of(results, "estimates")
    heads = [
        "samples of",
        "s at 50 %",
        "95 % interval",
        "s² (paper)",
        "0.72 s² (calibrated)",
        "N₂",
        "95 % interval",
    ]
    listed = []
    for subject in [s for group in reversed(shown(results)) for s in group]:
        own = subject.own(rows).drop_duplicates("estimator").set_index("estimator")
        if "half_collision" in own.index:
            half = own.loc["half_collision"]
            others = [own["value"].get(key) for key in ("paper_support", "calibrated_support")]
            listed.append(
                [
                    subject.name,
                    number(half["value"]),
                    interval(half["low"], half["high"]),
                    *map(number, others),
                ]
                + [number(subject.row["n2"]), interval(subject.row["n2_low"], subject.row["n2_high"])]
            )
    return Listing(heads, listed)


def _colours(group: list[Subject]) -> list[str]:
    """Real images black; the others in the order of the palette."""
    rest = iter(COLOURS * len(group))
    return [colour("real") if subject.source == "real" else next(rest) for subject in group]


def _draw(ax: Axes, subject: Subject, rows: pd.DataFrame, shade: str) -> Line2D:
    rows = rows.sort_values("batch_size", kind="stable")
    # All larger sizes have all of their few batches collide: one point says so.
    missed = np.flatnonzero((rows["collided"] < rows["batches"]).to_numpy(bool))
    rows = rows.head(int(missed.max(initial=-1)) + 2)
    size = rows["batch_size"].to_numpy(float)
    share: Any = (rows["collided"] / rows["batches"]).to_numpy(float)
    bars = [share - rows["low"].to_numpy(float), rows["high"].to_numpy(float) - share]
    ax.errorbar(
        size, share, yerr=[bar.clip(0) for bar in bars], fmt="o", color=shade, markersize=4, elinewidth=0.9
    )
    ax.plot(size, rows["predicted"].to_numpy(float), color=shade, linewidth=1)
    return Line2D([], [], color=shade, marker="o", markersize=4, label=_wrapped(subject.name))


def _wrapped(name: str) -> str:
    first, _, rest = name.partition(", ")
    return f"{first}\n{rest}" if rest else first
