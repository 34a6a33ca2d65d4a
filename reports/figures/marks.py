"""The marks that figures of support size share: a measurement with its interval, real images, legends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator, StrMethodFormatter

from reports.figures.style import REAL

INTERVAL = ("n2", "n2_low", "n2_high")
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SUPPORT_LABEL = r"support size $N_2$ (95 % interval)"


def points(
    ax: Axes,
    x: pd.Series[Any],
    rows: pd.DataFrame,
    colour: str,
    marker: str,
    filled: bool = True,
    size: float = 5.5,
) -> None:
    """Measurements with their intervals, all alike; where nothing collided, an arrow upwards from the lower
    bound.

    x: of each row.
    """
    at, value, low, high = (
        column.to_numpy(np.float64, na_value=np.nan) for column in (x, *(rows[n] for n in INTERVAL))
    )
    known, bounded = np.isfinite(value), np.isfinite(high)
    plain: dict[str, Any] = {"color": colour, "linestyle": "none", "zorder": 3}
    if not known.all():
        ax.plot(at[~known], low[~known], marker="$\\uparrow$", markersize=10, **plain)
        ax.plot(at[~known], low[~known], marker="_", markersize=6, **plain)
    ends = [np.fmax(value - low, 0.0), np.fmax(high - value, 0.0)]
    ax.errorbar(
        at[known],
        value[known],
        yerr=[np.nan_to_num(end[known]) for end in ends],
        fmt=marker,
        color=colour,
        markerfacecolor=colour if filled else "white",
        markersize=size,
        markeredgewidth=1.1,
        elinewidth=0.9,
        alpha=0.9,
        zorder=3,
    )
    if (open_ended := known & ~bounded).any():
        above = 2.2 * value[open_ended]
        ax.vlines(at[open_ended], value[open_ended], above, color=colour, linewidth=0.9, zorder=3)
        ax.plot(at[open_ended], above, marker="^", markersize=3.5, **plain)


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
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_locator(NullLocator())


def powers(*axes: Axis) -> None:
    """Powers of ten on logarithmic axes, and 3 or 2 and 5 times them where fewer than three would be seen.

    No minor ticks: each costs as much to draw as a label.
    """
    for axis in axes:
        axis.set_major_locator(_Powers())
        axis.set_major_formatter(FuncFormatter(power))
        axis.set_minor_locator(NullLocator())


class _Powers(LogLocator):
    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        whole = np.floor(np.log10(max(vmin, vmax))) - np.ceil(np.log10(min(vmin, vmax)))
        self.set_params(subs=[(1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)][int(np.clip(whole, 0, 2))])
        return super().tick_values(vmin, vmax)


def power(value: float, _: object = None) -> str:
    """A number as 10³ or 2×10³: letters, not a formula, which matplotlib sets a hundred times as slowly."""
    exponent = int(np.floor(np.log10(value) + 1e-9))
    factor = value / 10**exponent
    times = "" if abs(factor - 1) < 1e-6 else f"{factor:g}×"
    return f"{times}10{str(exponent).translate(SUPERSCRIPTS)}"


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
