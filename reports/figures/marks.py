"""The marks that figures of support size share: a measurement with its interval, real images, legends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from reports.figures.style import REAL

SUPPORT_LABEL = r"support size $N_2$ (95 % interval)"


def point(
    ax: Axes, x: float, row: pd.Series[Any], colour: str, marker: str, filled: bool = True, size: float = 5.5
) -> None:
    """A measurement with its interval; where nothing collided, an arrow upwards from the lower bound."""
    if pd.isna(row["n2"]):
        ax.plot(
            x, row["n2_low"], marker="$\\uparrow$", markersize=10, color=colour, linestyle="none", zorder=3
        )
        ax.plot(x, row["n2_low"], marker="_", markersize=6, color=colour, linestyle="none", zorder=3)
        return
    value = float(row["n2"])
    below = max(value - float(row["n2_low"]), 0.0) if pd.notna(row["n2_low"]) else 0.0
    bounded = pd.notna(row["n2_high"])
    ax.errorbar(
        x,
        value,
        yerr=[[below], [max(float(row["n2_high"]) - value, 0.0) if bounded else 0.0]],
        fmt=marker,
        color=colour,
        markerfacecolor=colour if filled else "white",
        markersize=size,
        markeredgewidth=1.1,
        elinewidth=0.9,
        alpha=0.9,
        zorder=3,
    )
    if not bounded:
        ax.annotate("", (x, value * 2.2), (x, value), arrowprops={"arrowstyle": "->", "color": colour})


def real_band(ax: Axes, real: pd.DataFrame) -> None:
    """The real images' own N2 as a line, dashed where it is a lower bound, and its interval."""
    for _, row in real.iterrows():
        known = pd.notna(row["n2"])
        level = float(row["n2"] if known else row["n2_low"])
        ax.axhline(level, color=REAL, linewidth=1, linestyle="-" if known else "--", zorder=1)
        if pd.notna(row["n2_low"]) and pd.notna(row["n2_high"]):
            low, high = float(row["n2_low"]), float(row["n2_high"])
            ax.axhspan(low, high, color=REAL, alpha=0.1, linewidth=0, zorder=0)


def tau_axis(ax: Axes) -> None:
    """A logarithmic axis of distances with plain numbers: it spans little more than a decade."""
    ax.set(xscale="log", xlabel="τ")
    plain(ax.xaxis)


def plain(axis: Axis) -> None:
    """Plain numbers at 1, 2, 5, 10, … of a logarithmic axis."""
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def dot(colour: str, marker: str, label: str, filled: bool = True, size: float = 5.5) -> Line2D:
    """A legend's entry for a mark."""
    return Line2D(
        [],
        [],
        color=colour,
        marker=marker,
        markerfacecolor=colour if filled else "white",
        markersize=size,
        linestyle="none",
        label=label,
    )


def beside(ax: Axes, entries: Sequence[Artist]) -> None:
    """A legend on the right of the axes."""
    ax.legend(handles=entries, loc="center left", bbox_to_anchor=(1.01, 0.5))
