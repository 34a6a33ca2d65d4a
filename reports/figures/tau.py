"""N2 over the whole range of tau: generators, real images and controls, and their ratios to real images."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.figures.curves import evenly
from reports.figures.marks import beside, plain, powers, tau_axis
from reports.figures.style import REAL, panels, shades
from reports.sections.sources import colour, name, subjects
from reports.statistics.tau_curves import Curve, curve, edges, middle, middle_row, ratio
from reports.tables.protocols import primary
from reports.tables.results import Results

MOST_SIZES = 6
# Of a size: so many say where the middle is, and more thin lines are one patch.
MOST_TRIALS = 60
LINES = ["-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1))]


class _Line(NamedTuple):
    """curve, thin ones behind it, the rungs' rows of `collisions`, and how all that is drawn."""

    label: str
    curve: Curve
    thin: list[Curve]
    rungs: list[pd.Series[Any]]
    colour: Any
    style: Any = "-"


def drawn(results: Results, most: int | None = MOST_TRIALS) -> pd.DataFrame:
    """The trials whose histograms are drawn: of each data set some sizes, of each size the lowest seeds."""
    trials = results.trials[
        (results.trials["status"] == "completed") & results.trials["discriminator_params"].notna()
    ].sort_values(["seed", "trial_id"], kind="stable")
    parts = [
        own[own["discriminator_params"] == size].head(len(own) if most is None else most)
        for _, own in trials.groupby("data_fingerprint")
        for size in evenly(sorted(set(own["discriminator_params"])), MOST_SIZES)
    ]
    return pd.concat(parts) if parts else trials


def histograms(results: Results) -> pd.DataFrame:
    """Rows of `distances` of these trials, of real images and of controls."""
    return results.measured("distances", list(drawn(results)["trial_id"]))


class Measured(NamedTuple):
    """Under one embedding, of one data set, since ratios are to its own held-out images.

    rows: of `distances`. collisions: of these subjects. sizes: discriminator parameters by trial. rule: the
    study's own tau rule.
    """

    rows: pd.DataFrame
    collisions: pd.DataFrame
    sizes: pd.Series[int]
    rule: str


def measured(results: Results, embedding: str, data: str) -> Measured:
    """What `tau_curves` draws. data: fingerprint of the data set."""
    rows, collisions = (_of(table, embedding, data) for table in (histograms(results), results.collisions))
    ids = rows["trial_id"].unique()
    trials = results.trials[results.trials["trial_id"].isin(ids)].set_index("trial_id")
    own = collisions[collisions["trial_id"].isin(ids)]
    return Measured(rows, own, trials["discriminator_params"].dropna(), primary(results.study).tau_rule)


def tau_curves(found: Measured) -> Figure | None:
    """A row of panels for generators and one for controls: N2 against tau, and its ratio to real images."""
    rows, collisions = found.rows, found.collisions
    if rows.empty:
        return None
    tau = edges(rows)
    sets, laws = _known(rows, collisions, tau)
    groups = [group for group in ([*_generators(found, tau), *sets], laws) if group]
    real = next((line.curve for line in sets if line.colour == REAL), None)
    figure, grid = panels(len(groups), 2, 4.9, 3.5)
    own = collisions.loc[collisions["tau_rule"] == found.rule, "tau"].dropna()
    for row, lines in zip(grid, groups, strict=True):
        for line in lines:
            _draw(row[0], line, None)
            if real is not None:
                _draw(row[1], line, real)
        for ax in row:
            for value in sorted(set(own)):
                ax.axvline(value, color="#8a5a2b", linewidth=0.9, zorder=0)
            tau_axis(ax)
            ax.set(yscale="log", xlim=_span(tau, collisions))
            powers(ax.yaxis)
        # Not those of the intervals, of which some have no upper end.
        row[0].set(ylabel=r"$N_2$ at τ", ylim=(0.7, 2 * max(line.curve.pairs for line in lines)))
        row[1].set_ylabel(r"$N_2$ relative to real images")
        plain(row[1].yaxis)
        beside(row[1], [_entry(line) for line in lines])
    return figure


def _of(rows: pd.DataFrame, embedding: str, data: str) -> pd.DataFrame:
    return rows[(rows["embedding"] == embedding) & (rows["data_fingerprint"] == data)]


def _generators(found: Measured, tau: np.ndarray) -> list[_Line]:
    """A line for each discriminator size, the middle of its trials, which are thin."""
    curves = {trial: curve(part, tau) for trial, part in found.rows.groupby("trial_id")}
    sizes = sorted(set(found.sizes))
    lines = []
    for size, shade in zip(sizes, shades(len(sizes)), strict=True):
        ids = sorted(found.sizes.index[found.sizes == size])
        own = found.collisions[found.collisions["trial_id"].isin(ids)]
        rungs = [middle_row(part) for _, part in own.groupby("tau_rule")]
        thin = [curves[trial] for trial in ids]
        lines.append(_Line(f"{int(size):,} D parameters", middle(thin), thin, rungs, shade))
    return lines


def _known(rows: pd.DataFrame, collisions: pd.DataFrame, tau: np.ndarray) -> tuple[list[_Line], list[_Line]]:
    """Held-out and training images; and the controls, of which those of one kind differ in their dashes."""
    sets: list[_Line] = []
    laws: list[_Line] = []
    seen: dict[str, int] = {}
    for part in subjects(rows):
        first = part.iloc[0]
        source = str(first["source"])
        own = collisions[(collisions["trial_id"] == first["trial_id"]) & (collisions["source"] == source)]
        rungs = [row for _, row in own.iterrows()]
        style = LINES[seen.get(source, 0) % len(LINES)]
        seen[source] = seen.get(source, 0) + 1
        line = _Line(name(first), curve(part, tau), [], rungs, colour(source), style)
        (sets if source in ("real", "train") else laws).append(line)
    return sets, laws


def _draw(ax: Axes, line: _Line, to: Curve | None) -> None:
    thin = [ratio(one, to) if to else one for one in line.thin] if len(line.thin) > 1 else []
    paths = [np.column_stack([one.tau, _finite(one.n2)]) for one in thin]
    ax.add_collection(LineCollection(paths, colors=[line.colour], linewidths=0.5, alpha=0.35, zorder=1))
    shown = ratio(line.curve, to) if to else line.curve
    exact = shown.tau <= shown.exact_below
    n2 = _finite(shown.n2)
    ax.plot(
        shown.tau,
        np.where(exact, n2, np.nan),
        color=line.colour,
        linestyle=line.style,
        linewidth=1.5,
        zorder=2,
    )
    ax.plot(shown.tau, np.where(exact, np.nan, n2), color=line.colour, linestyle=":", linewidth=1.1, zorder=2)
    for row in [] if to else line.rungs:
        high = row["n2_high"] if pd.notna(row["n2_high"]) else 2 * line.curve.pairs
        ax.vlines(row["tau"], row["n2_low"], high, color=line.colour, linewidth=0.9, zorder=3)
        if pd.notna(row["n2"]):
            ax.plot(row["tau"], row["n2"], marker="o", markersize=3, color=line.colour, zorder=3)


def _finite(n2: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(n2), n2, np.nan)


def _span(tau: np.ndarray, collisions: pd.DataFrame) -> tuple[float, float]:
    """From a third of the smallest tau of the study to the largest distance."""
    rungs = collisions["tau"][collisions["tau"] > 0]
    smallest = float(tau[tau > 0].min())
    return max(smallest, float(rungs.min()) / 3) if len(rungs) else smallest, float(tau.max())


def _entry(line: _Line) -> Line2D:
    return Line2D([], [], color=line.colour, linestyle=line.style, linewidth=1.5, label=line.label)
