"""Every hypothesis's effect at every tau, under every embedding and with part of the data left out, in the
colour of its verdict.
"""

from __future__ import annotations

import textwrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.figures.marks import beside, dot, tau_axis
from reports.figures.style import REAL, panels
from reports.statistics.robustness import Cell, Robustness, effect
from reports.statistics.variations import LARGEST
from reports.statistics.verdicts import Verdict

DECISIONS = {"supported": "#009E73", "refuted": "#D55E00", "inconclusive": "#777777"}


def effects(found: list[Robustness]) -> Figure | None:
    """A row for each hypothesis: its effect with 95 % interval against tau, a column for each embedding, and
    in the last column with part of the data left out.
    """
    found = [one for one in found if one.cells]
    if not found:
        return None
    columns = max(len(one.embeddings()) for one in found) + any(one.variations for one in found)
    figure, grid = panels(len(found), columns, 7.4 if columns == 1 else max(3.0, 9.6 / columns), 2.9)
    for row, one in zip(grid, found, strict=True):
        for ax, embedding in zip(row, one.embeddings(), strict=False):
            _at_every_tau(ax, one, one.under(embedding))
            title = _short(f"{one.verdict.hypothesis.name} under {embedding}", 34)
            ax.set_title(title, parse_math=False)
        if one.variations:
            _left_out(row[-1], one)
        low = min(ax.get_ylim()[0] for ax in row)
        high = max(ax.get_ylim()[1] for ax in row)
        for ax in row:
            ax.set_ylim(low, high)
        stated = effect(one.verdict, one.verdict)
        name = _short(stated.of, 24) if stated else "slope"
        row[0].set_ylabel(f"{name}\n(95 % interval)", fontsize=8, parse_math=False)
    entries: list[Line2D] = [dot(colour, "o", name) for name, colour in DECISIONS.items()]
    beside(grid[0, -1], [*entries, dot(REAL, "o", "the study's own τ", filled=False, size=9)])
    return figure


def _at_every_tau(ax: Axes, one: Robustness, cells: list[Cell]) -> None:
    _reference(ax, one)
    tau_axis(ax)
    for cell in cells:
        _point(ax, cell.tau, cell.verdict, one)
        found = effect(cell.verdict, one.verdict)
        if cell.own and found:
            ax.plot(cell.tau, found.value, "o", markersize=10, color=REAL, markerfacecolor="none")


def _left_out(ax: Axes, one: Robustness) -> None:
    _reference(ax, one)
    several = len(one.embeddings()) > 1
    names = []
    for k, variation in enumerate(one.variations):
        _point(ax, k, variation.verdict, one)
        ruler = f", {variation.protocol.embedding}" if several and variation.left_out == LARGEST else ""
        names.append(_short(f"{variation.left_out}{ruler}", 26))
    ax.set_xticks(range(len(names)), names, rotation=40, ha="right", fontsize=7, parse_math=False)
    ax.set_title("left out")


def _short(text: str, width: int) -> str:
    """At most three lines: an embedding's name may hold a repository and a file."""
    return textwrap.fill(text, width, max_lines=3, placeholder=" …")


def _reference(ax: Axes, one: Robustness) -> None:
    ax.axhline(0, color=REAL, linewidth=0.9)
    margin = one.verdict.hypothesis.margin
    if margin is not None:
        ax.axhspan(-margin, margin, color=REAL, alpha=0.07, linewidth=0)


def _point(ax: Axes, x: float, verdict: Verdict, one: Robustness) -> None:
    found = effect(verdict, one.verdict)
    if found is None:
        ax.plot(x, 0, marker="x", color=DECISIONS["inconclusive"], linestyle="none")
        return
    bar = [[found.value - found.low], [found.high - found.value]]
    colour = DECISIONS[verdict.decision]
    ax.errorbar(x, found.value, yerr=bar, fmt="o", color=colour, markersize=5, elinewidth=1.1)
