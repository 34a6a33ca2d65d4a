"""Training curves as small multiples: one figure an objective, a column for each discriminator size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.results import Results
from reports.style import COLOURS, Drawing, encode

ROWS = [
    ("losses", "loss", [("discriminator_loss", "discriminator"), ("generator_loss", "generator")]),
    (
        "gap",
        "distinguishing gap",
        [("gap_train", "on training images"), ("gap_held_out", "on held-out images")],
    ),
]
# More panels or lines than this cannot be read.
MOST_SIZES = 6
MOST_LINES = 8


def training_curves(results: Results, objective: str) -> Drawing | None:
    """Losses and distinguishing gap of the trials with this objective: solid completed, dotted grey not
    completed.
    """
    trials = results.trials[results.trials["objective.name"] == objective]
    curves = results.of_trials("curves")
    curves = curves[curves["trial_id"].isin(trials["trial_id"])]
    sizes = evenly(sorted(set(trials["discriminator_params"].dropna())), MOST_SIZES)
    if curves.empty or not sizes:
        return None
    figure = Figure(figsize=(max(7.2, 1.45 * len(sizes) + 2.2), 3.9), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(ROWS), len(sizes), sharex=True, sharey="row", squeeze=False)
    for k, (_, label, metrics) in enumerate(ROWS):
        _limits(grid[k, 0], curves, trials, [metric for metric, _ in metrics])
        grid[k, 0].set_ylabel(label)
        for j, size in enumerate(sizes):
            shown = trials[trials["discriminator_params"] == size].sort_values(
                ["seed", "trial_id"], kind="stable"
            )
            for _, trial in shown.head(MOST_LINES).iterrows():
                own = curves[curves["trial_id"] == trial["trial_id"]]
                for m, (metric, _) in enumerate(metrics):
                    _line(
                        grid[k, j], own[own["metric"] == metric], COLOURS[m], trial["status"] == "completed"
                    )
        handles = [Line2D([], [], color=COLOURS[m], label=text) for m, (_, text) in enumerate(metrics)]
        grid[k, -1].legend(handles=handles, loc="center left", bbox_to_anchor=(1.02, 0.5))
    for j, size in enumerate(sizes):
        grid[0, j].set_title(f"{int(size):,} params")
        grid[-1, j].set_xlabel("generator step")
    return encode(figure)


def evenly(values: Sequence[Any], most: int) -> list[Any]:
    """At most `most` of the values, the first and the last among them."""
    if len(values) <= most:
        return list(values)
    return [values[k] for k in np.unique(np.linspace(0, len(values) - 1, most).round().astype(int))]


def _line(ax: Axes, points: pd.DataFrame, colour: str, completed: bool) -> None:
    points = points.sort_values("step", kind="stable")
    y = points["value"].to_numpy(np.float64, na_value=np.nan)
    y = np.where(np.isfinite(y), y, np.nan)
    steps = points["step"].to_numpy(np.float64)
    if completed:
        ax.plot(steps, y, color=colour, linewidth=0.9, alpha=0.75)
    else:
        ax.plot(steps, y, color="#888888", linewidth=0.9, linestyle=":")


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
