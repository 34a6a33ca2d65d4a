"""Training curves as small multiples: one figure an variant, a column for each discriminator size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.figures.style import COLOURS
from reports.statistics.counts import Array
from reports.tables.results import Results

# More panels or lines than this cannot be read.
MOST_SIZES = 6
MOST_LINES = 8


def drawn(results: Results) -> pd.DataFrame:
    """The trials whose curves are drawn: of each variant some sizes, of each size the lowest seeds.

    A system without a discriminator has size 0.
    """
    sizes = results.trials["discriminator_params"].fillna(0)
    trials = results.trials.assign(discriminator_params=sizes).sort_values(
        ["seed", "trial_id"], kind="stable"
    )
    parts = [
        own[own["discriminator_params"] == size].head(MOST_LINES)
        for _, own in trials.groupby("variant")
        for size in evenly(sorted(set(own["discriminator_params"])), MOST_SIZES)
    ]
    return pd.concat(parts) if parts else trials


def training_curves(trials: pd.DataFrame, curves: pd.DataFrame) -> Figure | None:
    """Losses and what the system watches (a GAN's distinguishing gap): solid completed, dotted grey not
    completed.

    trials: those of one variant in `drawn`. curves: their rows of the table.
    """
    curves = curves.sort_values("step", kind="stable")
    sizes = sorted(set(trials["discriminator_params"]))
    rows = _rows(set(curves["metric"]))
    if not rows or not sizes:
        return None
    lines = {key: _line(points) for key, points in curves.groupby(["trial_id", "metric"], sort=False)}
    figure = Figure(figsize=(max(7.2, 1.45 * len(sizes) + 2.2), 1.95 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(rows), len(sizes), sharex=True, sharey="row", squeeze=False)
    for k, (label, metrics) in enumerate(rows):
        _limits(grid[k, 0], curves, trials, [metric for metric, _ in metrics])
        grid[k, 0].set_ylabel(label)
        for j, size in enumerate(sizes):
            for completed in (True, False):
                alike = (trials["discriminator_params"] == size) & (
                    (trials["status"] == "completed") == completed
                )
                for m, (metric, _) in enumerate(metrics):
                    own = [lines.get((trial, metric)) for trial in trials.loc[alike, "trial_id"]]
                    _draw(
                        grid[k, j],
                        [line for line in own if line is not None],
                        COLOURS[m % len(COLOURS)],
                        completed,
                    )
        handles = [
            Line2D([], [], color=COLOURS[m % len(COLOURS)], label=text) for m, (_, text) in enumerate(metrics)
        ]
        grid[k, -1].legend(handles=handles, loc="center left", bbox_to_anchor=(1.02, 0.5))
    for j, size in enumerate(sizes):
        grid[0, j].set_title(f"{int(size):,} params" if size else "no discriminator")
        grid[-1, j].set_xlabel("generator step")
    return figure


def _rows(metrics: set[str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Panels for the losses and for each thing watched: label, and (metric, name) of each line."""
    losses = [(m, m.removesuffix("_loss").replace("_", " ")) for m in sorted(metrics) if m.endswith("_loss")]
    watched = sorted(m.removesuffix("_train") for m in metrics if m.endswith("_train"))
    sides = [("train", "on training samples"), ("held_out", "on held-out samples")]
    return [
        *([("loss", losses)] if losses else []),
        *(
            (
                "distinguishing gap" if name == "gap" else name.replace("_", " "),
                [(f"{name}_{side}", text) for side, text in sides],
            )
            for name in watched
        ),
    ]


def evenly(values: Sequence[Any], most: int) -> list[Any]:
    """At most `most` of the values, the first and the last among them."""
    if len(values) <= most:
        return list(values)
    return [values[k] for k in np.unique(np.linspace(0, len(values) - 1, most).round().astype(int))]


def _line(points: pd.DataFrame) -> Array:
    """(k, 2): steps and values, with gaps where these are not finite."""
    steps, values = (points[key].to_numpy(np.float64, na_value=np.nan) for key in ("step", "value"))
    return np.column_stack([steps, np.where(np.isfinite(values), values, np.nan)])


def _draw(ax: Axes, lines: list[Array], colour: str, completed: bool) -> None:
    if not lines:
        return
    look: dict[str, Any] = {"color": colour, "alpha": 0.75} if completed else {"color": "#888888"}
    style = "-" if completed else ":"
    ax.add_collection(LineCollection(lines, linewidths=0.9, linestyles=style, zorder=2, **look))
    # One point alone is no line.
    alone = [line[np.isfinite(line[:, 1])] for line in lines if np.isfinite(line[:, 1]).sum() == 1]
    if alone:
        ax.plot(*np.concatenate(alone).T, "o", markersize=3, **look)
    ax.autoscale_view()


def _limits(ax: Axes, curves: pd.DataFrame, trials: pd.DataFrame, metrics: list[str]) -> None:
    """Limits that the bulk of the completed trials sets: one that blew up must not flatten the others."""
    completed = trials.loc[trials["status"] == "completed", "trial_id"]
    chosen = curves[curves["metric"].isin(metrics) & curves["trial_id"].isin(completed)]
    values = chosen["value"].to_numpy(np.float64, na_value=np.nan)
    values = values[np.isfinite(values)]
    if len(values):
        low, high = (float(q) for q in np.quantile(values, [0.005, 0.995]))
        room = 0.08 * max(high - low, 1e-3)
        ax.set_ylim(low - room, high + 2 * room)
