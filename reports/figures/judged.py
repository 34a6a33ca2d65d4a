"""P(duplicate | distance) as fitted to people's judgments, with every judged pair."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.figures.marks import beside, tau_axis
from reports.figures.style import COLOURS, REAL, panels
from reports.sections.judged import Judged

# Where a label is marked; the curve lies between.
HEIGHTS = {"duplicate": 1.04, "unsure": 0.5, "different": -0.04}


def duplicate_curves(found: list[Judged]) -> Figure | None:
    """A panel for each embedding."""
    if not found:
        return None
    columns = min(len(found), 2)
    figure, grid = panels(-(-len(found) // columns), columns, 7.4 if columns == 1 else 4.9, 3.2)
    for ax in grid.flat[len(found) :]:
        ax.set_axis_off()
    for ax, one in zip(grid.flat, found, strict=False):
        _panel(ax, one)
    grid[0, 0].set_ylabel("P(called a duplicate)")
    marks = [_mark("held-out real pairs", REAL), _mark("other pairs", COLOURS[0])]
    lines = [
        Line2D([], [], color=COLOURS[2], label="fitted"),
        Line2D([], [], color="#8a5a2b", label="the study's τ"),
    ]
    beside(grid[0, -1], marks + lines)
    return figure


def _panel(ax: Axes, one: Judged) -> None:
    near = one.labels[one.labels["distance"] > 0]
    for label, height in HEIGHTS.items():
        for real, colour in ((False, COLOURS[0]), (True, REAL)):
            some = near[(near["label"] == label) & ((near["source"] == "real") == real)]
            ax.plot(some["distance"], np.full(len(some), height), "|", color=colour, markersize=7, alpha=0.6)
    if one.curve is not None:
        distance = np.geomspace(one.curve.low, one.curve.high, 200)
        ax.plot(distance, one.curve.probability(distance), color=COLOURS[2], linewidth=1.5)
    for tau in one.taus:
        ax.axvline(tau, color="#8a5a2b", linewidth=0.9, zorder=0)
    tau_axis(ax)
    ax.set(xlabel="distance", ylim=(-0.1, 1.1))
    ax.set_title(one.embedding)


def _mark(label: str, colour: str) -> Line2D:
    return Line2D([], [], color=colour, marker="|", linestyle="none", label=label)
