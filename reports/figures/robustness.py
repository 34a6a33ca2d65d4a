"""Every hypothesis's slope at every tau and under every embedding, in the colour of its verdict."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from reports.figures.marks import beside, dot, tau_axis
from reports.figures.style import REAL, Drawing, encode, panels
from reports.statistics.robustness import Cell, Robustness

DECISIONS = {"supported": "#009E73", "refuted": "#D55E00", "inconclusive": "#777777"}


def slopes(found: list[Robustness]) -> Drawing | None:
    """A row for each hypothesis, a column for each embedding: slope with 95 % interval against tau."""
    found = [one for one in found if one.cells]
    if not found:
        return None
    columns = max(len(one.embeddings()) for one in found)
    figure, grid = panels(len(found), columns, 7.4 if columns == 1 else max(3.0, 9.6 / columns), 2.5)
    for row, one in zip(grid, found, strict=True):
        for ax, embedding in zip(row, one.embeddings(), strict=True):
            _panel(ax, one, one.under(embedding))
            ax.set_title(f"{one.verdict.hypothesis.name} under {embedding}")
        low = min(ax.get_ylim()[0] for ax in row)
        high = max(ax.get_ylim()[1] for ax in row)
        for ax in row:
            ax.set_ylim(low, high)
        row[0].set_ylabel("slope (95 % interval)")
    entries: list[Line2D] = [dot(colour, "o", name) for name, colour in DECISIONS.items()]
    beside(grid[0, -1], [*entries, dot(REAL, "o", "the study's own τ", filled=False, size=9)])
    return encode(figure)


def _panel(ax: Axes, one: Robustness, cells: list[Cell]) -> None:
    ax.axhline(0, color=REAL, linewidth=0.9)
    margin = one.verdict.hypothesis.margin
    if margin is not None:
        ax.axhspan(-margin, margin, color=REAL, alpha=0.07, linewidth=0)
    tau_axis(ax)
    for cell in cells:
        slope = cell.verdict.slope
        if slope is None:
            ax.plot(cell.tau, 0, marker="x", color=DECISIONS["inconclusive"], linestyle="none")
            continue
        colour = DECISIONS[cell.verdict.decision]
        bar = [[slope.value - slope.low], [slope.high - slope.value]]
        ax.errorbar(cell.tau, slope.value, yerr=bar, fmt="o", color=colour, markersize=5, elinewidth=1.1)
        if cell.own:
            ax.plot(cell.tau, slope.value, "o", markersize=10, color=REAL, markerfacecolor="none")
