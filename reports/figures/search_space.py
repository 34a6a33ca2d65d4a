"""A search's space: each key against the objectives, the two that matter most together, and all at once."""

from __future__ import annotations

from collections import Counter
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from matplotlib.tri import Triangulation
from scipy.spatial import QhullError
from scipy.stats import rankdata

from reports.figures.search_axes import key_axis, numeric, plain, positions, share, values_of
from reports.figures.style import COLOURS, axes, panels
from reports.sections.searches import Searched
from reports.statistics.fronts import Array
from reports.tables.suggestions import Suggestion
from reports.words import number

MOST_COLUMNS = 4
COLOUR_MAP = "viridis"
# Where a parallel-coordinates line passes a key that was not proposed.
ABSENT = -0.16


def slices(search: Searched, metric: str) -> Figure | None:
    """A panel for each key: the objective against it, coloured from early (dark) to late suggestions."""
    if not search.complete:
        return None
    keys = list(search.options.space)
    rows = -(-len(keys) // MOST_COLUMNS)
    columns = -(-len(keys) // rows)
    figure, grid = panels(rows, columns, max(2.5, 5.0 / columns), 2.5)
    scale = values_of(np.array([one.values[metric] for one in search.complete]))
    last = search.complete[-1].number
    colours = Normalize(search.complete[0].number, max(last, search.complete[0].number + 1))
    for k, ax in enumerate(grid.flat):
        if k >= len(keys):
            ax.set_axis_off()
            continue
        key, choice = keys[k], search.options.space[keys[k]]
        own = [one for one in search.complete if key in one.settings]
        x = positions(choice, [one.settings[key] for one in own])
        if not numeric(choice):  # side by side within a category
            x = x + 0.5 * (np.array([one.number for one in own]) / max(last, 1) - 0.5)
        y = np.array([one.values[metric] for one in own])
        shades = matplotlib.colormaps[COLOUR_MAP](0.9 * np.asarray(colours([one.number for one in own])))
        able = np.array([one.feasible for one in own], dtype=bool)
        for which, faces in ((able, shades[able]), (~able, "none")):
            ax.scatter(x[which], y[which], s=20, facecolors=faces, edgecolors=shades[which], zorder=3)
        scale.on(ax, "y")
        key_axis(ax, "x", key, choice)
        if k % columns == 0:
            ax.set_ylabel(metric)
        else:
            ax.tick_params(labelleft=False)
    _share_values(list(grid.flat)[: len(keys)])
    return figure


def _share_values(shown: list[Axes]) -> None:
    limits = [ax.get_ylim() for ax in shown]
    for ax in shown:
        ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))


def main_keys(search: Searched) -> list[str]:
    """The two numbers of the space that matter most for the first objective, of those that at least half of
    the complete suggestions have; in the space's order where that is unknown; fewer if there are fewer.
    """
    found = Counter(key for one in search.complete for key in one.settings)
    often = [key for key in search.options.space if 2 * found[key] >= len(search.complete)]
    keys = [key for key in often if numeric(search.options.space[key])]
    known = search.importances.get(search.metrics[0], {})
    return sorted(keys, key=lambda key: -known.get(key, 0.0))[:2]


def contour(search: Searched) -> Figure | None:
    """The first objective over the two numbers that matter most, interpolated between suggestions."""
    keys = main_keys(search)
    own = [one for one in search.complete if all(key in one.settings for key in keys)]
    if len(keys) < 2 or not own:
        return None
    metric = search.metrics[0]
    values = np.array([one.values[metric] for one in own])
    scale = values_of(values)
    heights = scale.forward(values)
    choices = [search.options.space[key] for key in keys]
    settings = [[one.settings[key] for one in own] for key in keys]
    x, y = (positions(choice, v) for choice, v in zip(choices, settings, strict=True))
    figure, ax = axes(6.6, 4.4)
    colours = Normalize(heights.min(), heights.max() if np.ptp(heights) else heights.min() + 1)
    triangles = _triangles(*(share(choice, v) for choice, v in zip(choices, settings, strict=True)))
    if triangles is not None and np.ptp(heights):
        mesh = Triangulation(x, y, triangles)
        levels = np.linspace(heights.min(), heights.max(), 12)
        ax.tricontourf(mesh, heights, levels=levels, cmap=COLOUR_MAP, norm=colours, alpha=0.75, zorder=1)
    able = np.array([one.feasible for one in own], dtype=bool)
    for which, marker in ((able, "o"), (~able, "X")):
        ax.scatter(
            x[which],
            y[which],
            c=heights[which],
            cmap=COLOUR_MAP,
            norm=colours,
            marker=marker,
            s=34,
            edgecolors="white",
            linewidths=0.9,
            zorder=3,
        )
    for side, key, choice in zip("xy", keys, choices, strict=True):
        key_axis(ax, side, key, choice)
    figure.colorbar(
        ScalarMappable(colours, COLOUR_MAP), ax=ax, label=metric, format=FuncFormatter(scale.tick)
    )
    return figure


def _triangles(x: Array, y: Array) -> Any:
    """Corners of triangles between points; None where all lie on a line."""
    points = np.unique(np.stack([x, y], axis=1), axis=0)
    if len(points) < 3 or np.linalg.matrix_rank(points - points[0], tol=1e-9) < 2:
        return None
    try:
        return Triangulation(x, y).triangles
    except (RuntimeError, QhullError):
        return None


def parallel(search: Searched) -> Figure | None:
    """A line for each complete suggestion through all its settings and objectives; the best ones on top."""
    if not search.complete:
        return None
    keys, metrics = list(search.options.space), search.metrics
    figure, ax = axes(max(5.0, 1.45 * (len(keys) + len(metrics))), 3.9)
    conditional = any(key not in one.settings for one in search.complete for key in keys)
    # By rank, so that one far-off value does not make all others look alike.
    losses = search.losses(search.complete)[:, 0]
    ranks = (rankdata(losses, method="average") - 1) / max(len(losses) - 1, 1)
    top = {one.number for one in (search.best if len(metrics) > 1 else search.best[:1])}
    heights = _heights(search)
    for one, rank, line in zip(search.complete, ranks, heights, strict=True):
        style: dict[str, Any] = {"color": matplotlib.colormaps[COLOUR_MAP](0.92 * rank), "alpha": 0.75}
        style |= {"linewidth": 0.9, "zorder": 2 - rank}
        if not one.feasible:
            style |= {"linestyle": (0, (2, 2)), "alpha": 0.45, "zorder": 0.5}
        if one.number in top:
            style |= {"color": COLOURS[1], "linewidth": 2.2, "alpha": 1.0, "zorder": 3}
        ax.plot(range(len(line)), line, **style)
    for k, key in enumerate(keys):
        _ends(ax, k, search, key)
    for k, metric in enumerate(metrics, len(keys)):
        values = [one.values[metric] for one in search.complete]
        _say(ax, k, {0.0: number(min(values)), 1.0: number(max(values))})
    for k in range(len(keys) + len(metrics)):
        ax.axvline(k, color="#555555", linewidth=0.8, zorder=1)
    names = [*keys, *metrics]
    ax.set_xticks(range(len(names)), [plain(n, 40).replace(".", ".\n", 1) for n in names])
    ax.set(xlim=(-0.3, len(names) - 0.35), ylim=(ABSENT - 0.07 if conditional else -0.08, 1.08))
    ax.set_yticks([ABSENT] if conditional else [], ["not set"] if conditional else [])
    ax.grid(visible=False)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.tick_params(length=0)
    colours = ScalarMappable(Normalize(0, 1 / 0.92), COLOUR_MAP)
    bar = figure.colorbar(colours, ax=ax, boundaries=np.linspace(0, 1, 64), ticks=[0, 1], pad=0.02)
    bar.ax.set_yticklabels(["best", "worst"])
    bar.set_label(f"rank by {metrics[0]}", labelpad=-12)
    return figure


def _heights(search: Searched) -> list[list[float]]:
    """Of every complete suggestion where its line passes each key and objective."""
    scaled = []
    for metric in search.metrics:
        values = np.array([one.values[metric] for one in search.complete])
        along = values_of(values).forward(values)
        scaled.append((along - along.min()) / (np.ptp(along) or 1.0))

    def at(one: Suggestion, key: str) -> float:
        value = one.settings.get(key)
        return ABSENT if value is None else float(share(search.options.space[key], [value])[0])

    return [
        [*(at(one, key) for key in search.options.space), *(float(along[k]) for along in scaled)]
        for k, one in enumerate(search.complete)
    ]


def _ends(ax: Axes, k: int, search: Searched, key: str) -> None:
    choice = search.options.space[key]
    if numeric(choice):
        _say(ax, k, {0.0: plain(choice.low), 1.0: plain(choice.high)})  # type: ignore[union-attr]
    else:
        names = choice.values  # type: ignore[union-attr]
        _say(ax, k, {(i + 0.5) / len(names): plain(name, 14) for i, name in enumerate(names)})


def _say(ax: Axes, k: int, labels: dict[float, str]) -> None:
    for y, text in labels.items():
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8}
        ax.text(k + 0.04, y, text, fontsize=7.5, va="center", bbox=box, zorder=4)
