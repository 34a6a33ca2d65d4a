"""Slopes of one hypothesis in several runs, and their mean: a forest plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.figures.marks import beside, dot
from reports.figures.style import COLOURS, REAL, panels
from reports.statistics.pooling import Pooled
from reports.statistics.slopes import Slope


def forest(hypotheses: Sequence[tuple[str, Mapping[str, Slope], Pooled | None]]) -> Figure | None:
    """A panel for each hypothesis (name, slopes by run, pooled slope) that has a slope somewhere."""
    found = [one for one in hypotheses if one[1]]
    if not found:
        return None
    rows = max(len(slopes) + (pooled is not None) for _, slopes, pooled in found)
    figure, grid = panels(len(found), 1, 7.4, 1.0 + 0.3 * rows)
    for ax, (name, slopes, pooled) in zip(grid[:, 0], found, strict=True):
        labels = [*slopes, *(["pooled"] if pooled else [])]
        ax.axvline(0, color=REAL, linewidth=0.9)
        for y, slope in enumerate(slopes.values()):
            ax.plot([slope.low, slope.high], [y, y], color=COLOURS[0])
            ax.plot(slope.value, y, "o", color=COLOURS[0], markersize=5.5)
        if pooled:
            y = len(slopes)
            ax.plot([pooled.low, pooled.high], [y, y], color=COLOURS[1])
            ax.plot(pooled.value, y, "D", color=COLOURS[1], markersize=6)
        short = [label if len(label) <= 40 else f"… {label[-38:]}" for label in labels]
        ax.set_yticks(range(len(labels)), short)
        ax.set(ylim=(len(labels) - 0.4, -0.6), xlabel="slope of log N₂", title=name)
    entries: list[Line2D] = [dot(COLOURS[0], "o", "a run, 95 % interval")]
    if any(pooled for _, _, pooled in found):
        entries.append(dot(COLOURS[1], "D", "random-effects mean"))
    beside(grid[0, 0], entries)
    return figure
