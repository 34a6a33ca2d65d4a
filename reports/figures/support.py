"""The figures of the generators' support size: each takes results and gives a drawing, or None where there is
nothing to draw.
"""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.figures.cells import points as shown
from reports.figures.marks import INTERVAL, SUPPORT_LABEL, beside, dot, plain, points, powers, real_band
from reports.figures.style import COLOURS, MARKERS, REAL, axes, look
from reports.tables.results import Results

GATE = "#8a5a2b"
Looks = tuple[dict[object, str], dict[object, str]]


def support_by(results: Results, column: str, label: str) -> Figure | None:
    """N2 of every completed trial against a size, with the real images' own N2 as a band."""
    trials = shown(results).rows
    trials = trials[trials[column].notna()]
    if trials.empty:
        return None
    figure, ax = axes()
    real_band(ax, results.real)
    looks = colours, markers = _looks(trials)
    spread = _dodge(list(colours))
    for (variant, size, passes), own in trials.groupby(["variant", "train_samples", _passes(trials)]):
        x = own[column] * spread[variant]
        points(ax, x, own, colours[variant], markers[size], filled=bool(passes))
    ax.set(xscale="log", yscale="log", xlabel=label, ylabel=SUPPORT_LABEL)
    powers(ax.xaxis, ax.yaxis)
    if column == "train_samples":
        _ticks_at(ax, sorted({int(value) for value in trials[column]}))
    elif trials[column].nunique() == 1:  # a decade around it, lest ticks crowd
        ax.set_xlim(float(trials[column].iloc[0]) / 10**0.5, float(trials[column].iloc[0]) * 10**0.5)
    beside(ax, _entries(looks, trials, results.real))
    return figure


def by_variant(results: Results) -> Figure | None:
    """A line for each variant: the N2 of its trials relative to real images. None for a single variant."""
    trials, one = shown(results)
    trials = trials[trials["n2_real"].notna()]
    names = list(dict.fromkeys(trials["variant"]))
    if len(names) < 2:
        return None
    figure, ax = rows_of(list(reversed(names)))
    ax.axvline(1, color=REAL, linewidth=1)
    for k, name in enumerate(reversed(names)):
        own = trials[trials["variant"] == name]
        y = k + 0.4 * ((np.arange(len(own)) + 0.5) / len(own) - 0.5)
        ratio, low, high = (own[name] / own["n2_real"] for name in INTERVAL)
        known, passes = ratio.notna(), _passes(own)
        ax.hlines(y[known], low[known], high.fillna(ratio)[known], color=COLOURS[0], linewidth=0.8)
        for here, x, marker in ((known, ratio, "o"), (~known, low, ">")):
            for filled, face in ((True, COLOURS[0]), (False, "white")):
                some = here & (passes == filled)
                ax.plot(x[some], y[some], marker, color=COLOURS[0], markerfacecolor=face, markersize=4)
    ax.set(xscale="log", xlabel=r"$N_2$ relative to held-out real images")
    plain(ax.xaxis)
    entries = [dot(COLOURS[0], "o", f"{one}, 95 % interval")]
    entries += [dot(COLOURS[0], ">", "no pair collided: at least")]
    entries += [dot(COLOURS[0], "o", "not past the quality gate", filled=False)]
    beside(ax, [*entries, Line2D([], [], color=REAL, label="held-out real images")])
    return figure


def rows_of(variants: list[str]) -> tuple[Figure, Axes]:
    """Axes with a row for each variant, from below, of room for two lines of its name."""
    figure, ax = axes(8.2, 0.9 + 0.28 * len(variants))
    names = ["\n".join(textwrap.wrap(name, 60, max_lines=2, placeholder=" …")) for name in variants]
    ax.set_yticks(range(len(names)), names, fontsize=7.5, linespacing=0.95)
    ax.set(ylim=(-0.7, len(names) - 0.3))
    return figure, ax


def quality(results: Results) -> Figure | None:
    """N2 against precision, with the gate: on its left few duplicates mean noise, not diversity."""
    trials = shown(results).rows
    trials = trials[trials["precision"].notna()]
    if trials.empty:
        return None
    figure, ax = axes()
    real_band(ax, results.real)
    looks = colours, markers = _looks(trials)
    for (variant, size, passes), own in trials.groupby(["variant", "train_samples", _passes(trials)]):
        points(ax, own["precision"], own, colours[variant], markers[size], filled=bool(passes))
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
    powers(ax.yaxis)
    beside(ax, _entries(looks, trials, results.real))
    return figure


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


def _passes(trials: pd.DataFrame) -> pd.Series[bool]:
    return trials["passes_gate"].fillna(False).astype(bool)


def _looks(trials: pd.DataFrame) -> Looks:
    variants = sorted(set(trials["variant"]))
    # More of them than colours cannot be told apart: then all look alike, and another figure has a line each.
    return (
        look(variants, COLOURS if len(variants) <= len(COLOURS) else COLOURS[:1]),
        look(sorted(set(trials["train_samples"])), MARKERS),
    )


def _dodge(values: list[object]) -> dict[object, float]:
    """A factor for each value, so that points of equal x do not cover each other: within a sixth of x."""
    step = min(0.06, 0.3 / len(values)) if values else 0.0
    return {value: float(np.exp(step * (k - (len(values) - 1) / 2))) for k, value in enumerate(values)}


def _ticks_at(ax: Axes, values: list[int]) -> None:
    ax.set_xticks(values, [f"{value:,}" for value in values])
    ax.minorticks_off()
    low, high = min(values), max(values)
    ax.set_xlim(low / 1.6, high * 1.6)


def _entries(looks: Looks, trials: pd.DataFrame, real: pd.DataFrame) -> list[Line2D]:
    colours, markers = looks
    entries = [dot(colour, "o", textwrap.fill(str(name), 36)) for name, colour in colours.items()]
    if len(colours) > len(COLOURS):
        entries = [dot(COLOURS[0], "o", f"{len(colours)} variants")]
    if len(markers) > 1:
        entries += [dot("#777777", marker, f"{n:,} training samples") for n, marker in markers.items()]
    if not _passes(trials).all():
        entries.append(dot("#777777", "o", "not past the quality gate", filled=False))
    if not real.empty:
        entries.append(Line2D([], [], color=REAL, label="held-out real images"))
    return entries
