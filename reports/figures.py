"""The figures of support size: each takes tidy results and gives a drawing, or None where there is nothing to
draw.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from reports.results import Results
from reports.style import COLOURS, MARKERS, REAL, Drawing, axes, encode, look

GATE = "#8a5a2b"
SUPPORT_LABEL = r"support size $N_2$ (95 % interval)"


def control_recovery(results: Results) -> Drawing | None:
    """Measured against true N2 of the samplers whose support is known."""
    known = results.controls[results.controls["n2_true"].notna()]
    if known.empty:
        return None
    figure, ax = axes(height=3.6)
    for _, row in known.iterrows():
        _point(ax, float(row["n2_true"]), row, COLOURS[0], "o", filled=True)
    low, high = _span(pd.concat([known["n2_true"], known["n2"], known["n2_low"], known["n2_high"]]))
    ax.plot([low, high], [low, high], color=REAL, linewidth=0.9, linestyle="--", label="measured = true")
    ax.set(xscale="log", yscale="log", xlabel=r"true $N_2$ (by enumeration)", ylabel=SUPPORT_LABEL)
    ax.legend(loc="upper left")
    return encode(figure)


def support_by(results: Results, column: str, label: str) -> Drawing | None:
    """N2 of every completed trial against a size, with the real images' own N2 as a band."""
    trials = results.completed[results.completed[column].notna()]
    if trials.empty:
        return None
    figure, ax = axes()
    _real_band(ax, results.real)
    colours, markers = _looks(trials)
    spread = _dodge(list(colours))
    for _, row in trials.iterrows():
        x = float(row[column]) * spread[row["objective.name"]]
        _point(ax, x, row, colours[row["objective.name"]], markers[row["train_samples"]], filled=_passes(row))
    ax.set(xscale="log", yscale="log", xlabel=label, ylabel=SUPPORT_LABEL)
    if column == "train_samples":
        _ticks_at(ax, sorted({int(value) for value in trials[column]}))
    _legend(
        ax, colours, markers, bool((~trials["passes_gate"].fillna(False).astype(bool)).any()), results.real
    )
    return encode(figure)


def quality(results: Results) -> Drawing | None:
    """N2 against precision, with the gate: on its left few duplicates mean noise, not diversity."""
    trials = results.completed[results.completed["precision"].notna()]
    if trials.empty:
        return None
    figure, ax = axes()
    _real_band(ax, results.real)
    colours, markers = _looks(trials)
    for _, row in trials.iterrows():
        look_of = colours[row["objective.name"]], markers[row["train_samples"]]
        _point(
            ax,
            float(row["precision"]),
            row,
            *look_of,
            filled=_passes(row),
        )
    for gate in sorted(set(trials["gate"].dropna())):
        ax.axvspan(-0.02, gate, color="#f3ece4", zorder=0)
        ax.axvline(gate, color=GATE, linewidth=1)
        _along(ax, gate, "quality gate", GATE, offset=-9)
    for ceiling in sorted(set(trials["real_precision"].dropna())):
        ax.axvline(ceiling, color=REAL, linewidth=0.9, linestyle=":")
        _along(ax, ceiling, "real images", REAL, offset=3)
    ax.set(
        xlim=(-0.02, 1.05),
        yscale="log",
        xlabel="precision (share of samples near a real image)",
        ylabel=SUPPORT_LABEL,
    )
    _legend(
        ax, colours, markers, bool((~trials["passes_gate"].fillna(False).astype(bool)).any()), results.real
    )
    return encode(figure)


def _point(ax: Axes, x: float, row: pd.Series[Any], colour: str, marker: str, filled: bool) -> None:
    """A measurement with its interval; where nothing collided, an arrow upwards from the lower bound."""
    face = colour if filled else "white"
    if pd.isna(row["n2"]):
        ax.plot(
            x, row["n2_low"], marker="$\\uparrow$", markersize=10, color=colour, linestyle="none", zorder=3
        )
        ax.plot(x, row["n2_low"], marker="_", markersize=6, color=colour, linestyle="none", zorder=3)
        return
    below = max(float(row["n2"]) - float(row["n2_low"]), 0.0) if pd.notna(row["n2_low"]) else 0.0
    bounded = pd.notna(row["n2_high"])
    above = max(float(row["n2_high"]) - float(row["n2"]), 0.0) if bounded else 0.0
    ax.errorbar(
        x,
        float(row["n2"]),
        yerr=[[below], [above]],
        fmt=marker,
        color=colour,
        markerfacecolor=face,
        markersize=5.5,
        markeredgewidth=1.1,
        elinewidth=0.9,
        alpha=0.9,
        zorder=3,
    )
    if not bounded:
        ax.annotate(
            "",
            (x, float(row["n2"]) * 2.2),
            (x, float(row["n2"])),
            arrowprops={"arrowstyle": "->", "color": colour},
        )


def _along(ax: Axes, x: float, text: str, colour: str, offset: int) -> None:
    """Words along a vertical line, `offset` points beside it."""
    ax.annotate(
        text,
        (x, 0.02),
        xycoords=("data", "axes fraction"),
        xytext=(offset, 0),
        textcoords="offset points",
        rotation=90,
        fontsize=8,
        color=colour,
    )


def _passes(row: pd.Series[Any]) -> bool:
    return pd.notna(row["passes_gate"]) and bool(row["passes_gate"])


def _real_band(ax: Axes, real: pd.DataFrame) -> None:
    for _, row in real.iterrows():
        level = row["n2"] if pd.notna(row["n2"]) else row["n2_low"]
        ax.axhline(
            float(level), color=REAL, linewidth=1, linestyle="-" if pd.notna(row["n2"]) else "--", zorder=1
        )
        if pd.notna(row["n2_low"]) and pd.notna(row["n2_high"]):
            ax.axhspan(
                float(row["n2_low"]), float(row["n2_high"]), color=REAL, alpha=0.1, linewidth=0, zorder=0
            )


def _looks(trials: pd.DataFrame) -> tuple[dict[object, str], dict[object, str]]:
    return (
        look(sorted(set(trials["objective.name"])), COLOURS),
        look(sorted(set(trials["train_samples"])), MARKERS),
    )


def _dodge(values: list[object]) -> dict[object, float]:
    """A factor for each value, so that points of equal x do not cover each other."""
    return {value: float(np.exp(0.06 * (k - (len(values) - 1) / 2))) for k, value in enumerate(values)}


def _ticks_at(ax: Axes, values: list[int]) -> None:
    ax.set_xticks(values, [f"{value:,}" for value in values])
    ax.minorticks_off()
    low, high = min(values), max(values)
    ax.set_xlim(low / 1.6, high * 1.6)


def _span(values: pd.Series[Any]) -> tuple[float, float]:
    numbers = values.dropna().to_numpy(np.float64)
    return float(numbers.min()) / 1.5, float(numbers.max()) * 1.5


def _legend(
    ax: Axes, colours: dict[object, str], markers: dict[object, str], hollow: bool, real: pd.DataFrame
) -> None:
    dot: dict[str, Any] = {"linestyle": "none", "markersize": 5.5}
    entries = [Line2D([], [], color=c, marker="o", label=str(name), **dot) for name, c in colours.items()]
    if len(markers) > 1:
        entries += [
            Line2D([], [], color="#777777", marker=m, label=f"{n:,} training samples", **dot)
            for n, m in markers.items()
        ]
    if hollow:
        entries.append(
            Line2D(
                [],
                [],
                color="#777777",
                marker="o",
                markerfacecolor="white",
                label="not past the quality gate",
                **dot,
            )
        )
    if not real.empty:
        entries.append(Line2D([], [], color=REAL, label="held-out real images"))
    ax.legend(handles=entries, loc="center left", bbox_to_anchor=(1.01, 0.5))
