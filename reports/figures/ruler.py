"""The ruler on what is known: measured against true N2 of every control, at every tau of the study."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.figures.marks import SUPPORT_LABEL, beside, dot, points, powers
from reports.figures.style import REAL, panels
from reports.sections.sources import CONTROLS, colour, kind
from reports.tables.protocols import primary
from reports.tables.results import Results


def known(results: Results) -> pd.DataFrame:
    """Rows of `collisions` whose true N2 is known, under any ruler of the study.

    Added columns: `covered`, whether the interval holds the truth; `own`, whether tau is the study's own.
    """
    rows = results.collisions
    rows = rows[rows["n2_true"].notna()]
    covered = (rows["n2_low"] <= rows["n2_true"]) & (
        rows["n2_high"].isna() | (rows["n2_true"] <= rows["n2_high"])
    )
    return rows.assign(covered=covered.astype(bool), own=rows["tau_rule"] == primary(results.study).tau_rule)


def coverage_in_words(results: Results) -> str:
    """How many intervals hold the truth, at the study's own tau and over the ladder, for each embedding."""
    rows = known(results)
    parts = []
    for embedding in _embeddings(results, rows):
        here = rows[rows["embedding"] == embedding]
        own = here[here["own"]]
        parts.append(
            f"under {embedding} {int(own['covered'].sum())} of {len(own)} at the study's own τ and "
            f"{int(here['covered'].sum())} of {len(here)} over all τ"
        )
    if not parts:
        return ""
    return (
        f"95 % intervals that hold the truth: {'; '.join(parts)}. The intervals of one control at several τ "
        "come from the same samples: they are not so many independent tests."
    )


def recovery(results: Results) -> Figure | None:
    """Measured against true N2, a panel for each embedding."""
    rows = known(results)
    embeddings = _embeddings(results, rows)
    if not embeddings:
        return None
    columns = min(len(embeddings), 2)
    figure, grid = panels(-(-len(embeddings) // columns), columns, 7.4 if columns == 1 else 4.9, 4.2)
    for ax in grid.flat[len(embeddings) :]:
        ax.set_axis_off()
    for ax, embedding in zip(grid.flat, embeddings, strict=False):
        _panel(ax, rows[rows["embedding"] == embedding])
        ax.set_title(embedding)
    present = [source for source in CONTROLS if source in set(rows["source"])]
    entries = [dot(colour(source), CONTROLS[source], kind(source)) for source in present]
    entries += [dot("#777777", "o", "the study's own τ", size=7.5)]
    if not rows["own"].all():
        entries += [dot("#777777", "o", "other τ of the ladder", filled=False, size=4)]
    beside(grid[0, -1], entries)
    return figure


def _embeddings(results: Results, rows: pd.DataFrame) -> list[str]:
    measured = set(rows["embedding"])
    return [name for name in results.study.measure.embedding_names() if name in measured]


def _panel(ax: Axes, rows: pd.DataFrame) -> None:
    for (own, source), alike in rows.groupby(["own", "source"]):
        look = colour(str(source)), CONTROLS[str(source)], bool(own), 7.5 if own else 4.0
        points(ax, alike["n2_true"], alike, *look)
    values = pd.concat([rows[name] for name in ("n2_true", "n2", "n2_low", "n2_high")]).dropna()
    ends = [float(values.min()) / 1.5, float(values.max()) * 1.5]
    ax.plot(ends, ends, color=REAL, linewidth=0.9, linestyle="--", zorder=1)
    truth = rows["n2_true"].min() / 1.5, rows["n2_true"].max() * 1.5
    ax.set(
        xlim=truth, xscale="log", yscale="log", xlabel=r"true $N_2$ (by enumeration)", ylabel=SUPPORT_LABEL
    )
    powers(ax.xaxis, ax.yaxis)
