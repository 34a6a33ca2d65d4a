"""The course of a search: values by suggestion, importances, the front and the hypervolume over time."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from reports.figures.marks import dot
from reports.figures.search_axes import plain, values_of
from reports.figures.style import COLOURS, REAL, axes, panels
from reports.sections.searches import Searched, reference
from reports.statistics.fronts import non_dominated, over_time

PALE = "#8a8f96"
FAILED = COLOURS[1]


def history(search: Searched) -> Figure | None:
    """A panel for each objective: its value by number of suggestion, and the best so far."""
    if not search.found:
        return None
    figure, grid = panels(len(search.metrics), 1, 7.6, 2.7)
    for k, (metric, ax) in enumerate(zip(search.metrics, grid[:, 0], strict=True)):
        _states(ax, search, metric)
        numbers = [one.number for one in search.able]
        losses = search.losses(search.able)[:, k]
        if len(losses):
            sign = -1 if search.options.objective[k].towards == "maximize" else 1
            best = sign * np.minimum.accumulate(losses)
            last = search.found[-1].number
            ax.step([*numbers, last], [*best, best[-1]], where="post", color=REAL, linewidth=1.2, zorder=2)
        ax.set(ylabel=metric, xlim=(-0.8, search.found[-1].number + 0.8))
    grid[-1, 0].set_xlabel("suggestion")
    grid[-1, 0].xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(handles=_legend(search), loc="outside right upper")
    return figure


def _states(ax: Axes, search: Searched, metric: str) -> None:
    valued = [one for one in search.found if metric in one.values]
    for one in valued:
        x, y = one.number, one.values[metric]
        if one.state == "pruned":
            ax.plot(x, y, "x", color=PALE, markersize=4.5, zorder=3)
        elif one.feasible:
            ax.plot(x, y, "o", color=COLOURS[0], markersize=4.5, zorder=4)
        else:
            ax.plot(x, y, "o", color=COLOURS[0], markerfacecolor="white", markersize=4.5, zorder=3)
    if valued:
        values_of(np.array([one.values[metric] for one in valued])).on(ax, "y")
    failed = [one.number for one in search.found if one.state == "fail"]
    if failed:  # a line of no points, not clipped, would upset the layout
        low = [0.02] * len(failed)
        ax.plot(failed, low, "^", color=FAILED, markersize=5, transform=ax.get_xaxis_transform(), zorder=5)


def _legend(search: Searched) -> list[Line2D]:
    states = {one.state for one in search.found}
    entries = [dot(COLOURS[0], "o", "complete", size=4.5)] if search.able else []
    if len(search.able) < len(search.complete):
        entries.append(dot(COLOURS[0], "o", "outside the constraints", filled=False, size=4.5))
    entries += [dot(PALE, "x", "ended early: mean so far", size=4.5)] if "pruned" in states else []
    entries += [dot(FAILED, "^", "failed", size=5)] if "fail" in states else []
    if search.able:
        entries.append(Line2D([], [], color=REAL, linewidth=1.2, label="best so far"))
    return entries


def importance(search: Searched) -> Figure | None:
    """A bar for each key and objective, the first objective's most important key on top."""
    known = [metric for metric in search.metrics if metric in search.importances]
    if not known:
        return None
    first = search.importances[known[0]]
    keys = sorted(first, key=lambda key: first[key])
    figure, ax = axes(7.2, 0.9 + (0.16 + 0.16 * len(known)) * len(keys))
    height = 0.8 / len(known)
    for k, metric in enumerate(known):
        shares = [search.importances[metric][key] for key in keys]
        at = np.arange(len(keys)) + 0.4 - height * (k + 0.5)
        ax.barh(at, shares, height=0.9 * height, color=COLOURS[k], label=metric, zorder=2)
        for y, value in zip(at, shares, strict=True):
            ax.annotate(
                f"{value:z.2f}", (value, y), (3, 0), textcoords="offset points", va="center", fontsize=7.5
            )
    ax.set_yticks(range(len(keys)), [plain(key, 40) for key in keys])
    ax.set(xlim=(0, 1.08), xlabel="share of the importance")
    ax.grid(axis="y", visible=False)
    if len(known) > 1:
        ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def front(search: Searched) -> Figure | None:
    """A panel for each pair of objectives: the front filled, what it dominates pale, infeasible hollow."""
    if len(search.metrics) < 2 or not search.complete:
        return None
    pairs = list(combinations(range(len(search.metrics)), 2))
    wide = 6.0 if len(pairs) == 1 else 3.5
    figure, grid = panels(1, len(pairs), wide, 3.5 if len(pairs) > 1 else 4.0)
    values = np.array([[one.values[metric] for metric in search.metrics] for one in search.complete])
    feasible = np.array([one.feasible for one in search.complete])
    best = feasible.copy()
    best[feasible] = non_dominated(search.losses(search.able))
    for (a, b), ax in zip(pairs, grid[0], strict=True):
        for which, colour, face, layer in (
            (~feasible, PALE, "white", 2),
            (feasible & ~best, "#9cc3de", "#9cc3de", 3),
            (best, FAILED, FAILED, 4),
        ):
            ax.plot(
                *values[which][:, [a, b]].T,
                "o",
                color=colour,
                markerfacecolor=face,
                markersize=5,
                zorder=layer,
            )
        for k, side in ((a, "x"), (b, "y")):
            values_of(values[:, k]).on(ax, side)
        ax.set(xlabel=_aim(search, a), ylabel=_aim(search, b))
    entries = [dot(FAILED, "o", "on the front")]
    entries += [dot("#9cc3de", "o", "dominated")] if (feasible & ~best).any() else []
    entries += [dot(PALE, "o", "outside the constraints", filled=False)] if (~feasible).any() else []
    figure.legend(handles=entries, loc="outside right upper")
    return figure


def _aim(search: Searched, k: int) -> str:
    objective = search.options.objective[k]
    return f"{objective.metric} ({'more' if objective.towards == 'maximize' else 'less'} is better)"


def hypervolume(search: Searched) -> Figure | None:
    """The volume that the feasible suggestions dominate, by number of suggestion."""
    if len(search.metrics) < 2 or not search.able:
        return None
    volumes = over_time(search.losses(search.able), reference(search))
    numbers = [one.number for one in search.able]
    last = search.found[-1].number
    figure, ax = axes(7.2, 2.9)
    ax.step([*numbers, last], [*volumes, volumes[-1]], where="post", color=COLOURS[0], linewidth=1.4)
    ax.set(xlabel="suggestion", ylabel="hypervolume", xlim=(-0.8, last + 0.8), ylim=(0, None))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure
