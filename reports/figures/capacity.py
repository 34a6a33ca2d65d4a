"""N2 against the size of a network: trials, the straight line behind the verdict, and what else fits."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from reports.figures.marks import beside, dot, powers
from reports.figures.style import COLOURS, axes
from reports.statistics.growth import Growth
from reports.words import PREDICTORS

BLUE, ORANGE, GREEN = COLOURS[:3]
POINT = "#888888"


def shape(one: Growth) -> Figure:
    """Trials with held effects taken out, the fitted line with its band, isotonic steps, and the broken stick
    where the straight line is rejected.
    """
    figure, ax = axes()
    seen = ~one.censored
    ax.plot(np.exp(one.size[seen]), np.exp(one.log_n2[seen]), "o", color=POINT, ms=3.5, alpha=0.6)
    ax.plot(np.exp(one.size[~seen]), np.exp(one.log_n2[~seen]), "^", color=POINT, mfc="white", ms=4.5)
    at = np.exp(one.line.sizes)
    ax.fill_between(at, np.exp(one.line.low), np.exp(one.line.high), color=BLUE, alpha=0.18, linewidth=0)
    ax.plot(at, np.exp(one.line.value), color=BLUE, linewidth=1.8)
    ax.step(
        np.exp(one.steps.sizes),
        np.exp(one.steps.isotonic),
        color=GREEN,
        where="mid",
        linestyle="--",
        zorder=3,
    )
    entries: list[Line2D | Patch] = [
        dot(POINT, "o", "a trial", size=4),
        Line2D([], [], color=BLUE, linewidth=1.8, label=f"slope {one.slope.value:z.2f}"),
        Patch(color=BLUE, alpha=0.18, linewidth=0, label="its 95 % band"),
        Line2D([], [], color=GREEN, linestyle="--", label="isotonic fit"),
    ]
    if one.censored.any():
        entries.insert(1, dot(POINT, "^", "no pair collided", filled=False, size=4.5))
    if not isinstance(one.bend, str) and one.bend.found:
        ends = np.array([one.size.min(), one.bend.at, one.size.max()])
        slopes = np.array([one.bend.before.value, 0.0, one.bend.after.value])
        stick = one.bend.level + slopes * (ends - one.bend.at)
        ax.plot(np.exp(ends), np.exp(stick), color=ORANGE, linewidth=1.6, linestyle="-.")
        entries.append(Line2D([], [], color=ORANGE, linewidth=1.6, linestyle="-.", label="broken stick"))
    ax.set(xscale="log", yscale="log", xlabel=PREDICTORS[one.hypothesis.predictor])
    powers(ax.xaxis, ax.yaxis)
    ax.set_ylabel("support size $N_2$, other effects taken out")
    beside(ax, entries)
    return figure
