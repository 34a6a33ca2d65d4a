"""Which of a data set's known modes the generators reach, beside what papers report."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from reports.figures.marks import beside, dot
from reports.figures.style import COLOURS, REAL
from reports.figures.support import rows_of
from reports.sections.listing import Listing
from reports.sections.published_modes import Published, published
from reports.tables.results import Results
from reports.words import number

SENTENCE = (
    "A mode is reached when at least one sample within its radius (the distance that holds 98.889 % of the "
    "mode, 3 standard deviations in the plane) is nearest to it; those samples are of high quality. Of "
    "stacked MNIST's 1,000 modes a classifier of digits decides, to which every channel is some digit: a "
    "count says little without the KL divergence of the modes' shares from equal ones. Counts grow with the "
    "number of samples. Published figures come from other networks and training lengths, and differ between "
    "papers for the same system."
)


class Reached(NamedTuple):
    """The trials of one variant on one data set, one row each; modes_known: how many there are."""

    dataset: str
    variant: str
    modes_known: int
    rows: pd.DataFrame
    papers: list[Published]


def reached(results: Results) -> list[Reached]:
    """Every variant whose modes were counted, data sets in the study's order, variants too."""
    rows = results.rows("modes")
    rows = rows[rows["source"] == "generated"].sort_values("samples", kind="stable")
    rows = rows.drop_duplicates("trial_id", keep="last")
    facts = results.facts[["trial_id", "variant"]].merge(
        results.stored[["trial_id", "dataset"]], on="trial_id"
    )
    joined = facts.merge(rows, on="trial_id")
    return [
        Reached(
            str(dataset),
            str(variant),
            int(own["modes_known"].iloc[0]),
            own,
            published(str(dataset), str(variant)),
        )
        for (dataset, variant), own in joined.groupby(["dataset", "variant"], sort=False)
    ]


def listing(results: Results) -> Listing:
    """A row for each data set and variant: mean and standard deviation over trials, and published figures."""
    heads = ["data set", "variant", "trials", "samples", "modes", "fewest to most", "high quality"]
    heads += ["KL from equal modes", "published"]
    rows = [_real(results, dataset) for dataset in dict.fromkeys(r.dataset for r in reached(results))]
    for one in reached(results):
        modes = one.rows["modes"].astype(float)
        rows.append(
            [
                one.dataset,
                one.variant,
                str(len(modes)),
                f"{int(one.rows['samples'].iloc[0]):,}",
                f"{_mean(modes)} of {one.modes_known:,}",
                f"{int(modes.min()):,} to {int(modes.max()):,}",
                _percent(one.rows["high_quality"]),
                _mean(one.rows["kl_uniform"]),
                "; ".join(_in_words(paper) for paper in one.papers) or "–",
            ]
        )
    return Listing(heads, rows)


def drawing(results: Results, dataset: str) -> Figure | None:
    """A line for each variant: its trials' mode counts, and the published ones as bars."""
    shown = [one for one in reached(results) if one.dataset == dataset]
    if not shown:
        return None
    figure, ax = rows_of([one.variant for one in reversed(shown)])
    for k, one in enumerate(reversed(shown)):
        for paper in one.papers:
            spread = paper.spread or 0.0
            ax.barh(k, 2 * spread, left=paper.modes - spread, height=0.55, color="#d9d9d9", zorder=1)
            ax.plot([paper.modes] * 2, [k - 0.3, k + 0.3], color="#777777", linewidth=1.4, zorder=2)
        jitter = [k + 0.22 * (i / max(1, len(one.rows) - 1) - 0.5) for i in range(len(one.rows))]
        ax.plot(one.rows["modes"], jitter, "o", markersize=4, color=COLOURS[0], zorder=3)
    known = shown[0].modes_known
    ax.axvline(known, color=REAL, linewidth=0.9, linestyle=":")
    ax.set(xlim=(-0.02 * known, 1.04 * known), xlabel="modes reached")
    beside(ax, [dot(COLOURS[0], "o", "a trial"), dot("#777777", "|", "published (bar: spread)")])
    return figure


def _real(results: Results, dataset: str) -> list[str]:
    """Held-out samples, counted alike: what is left to reach."""
    names = results.stored
    prints = set(names.loc[names["dataset"] == dataset, "data_fingerprint"].dropna())
    rows = results.rows("modes")
    rows = rows[(rows["source"] == "real") & rows["data_fingerprint"].isin(prints)]
    if rows.empty:
        return [dataset, "held-out samples", *["–"] * 7]
    row = rows.iloc[0]
    count = int(row["modes"])
    counted = [f"{int(row['samples']):,}", f"{count:,} of {int(row['modes_known']):,}", "–"]
    quality = [_percent(rows["high_quality"].head(1)), number(row["kl_uniform"]), "–"]
    return [dataset, "held-out samples", "–", *counted, *quality]


def _mean(values: pd.Series) -> str:
    values = values.dropna().astype(float)
    if values.empty:
        return "–"
    spread = f" ± {number(float(values.std()))}" if len(values) > 1 else ""
    return f"{number(float(values.mean()))}{spread}"


def _percent(values: pd.Series) -> str:
    values = values.dropna().astype(float)
    return "–" if values.empty else f"{100 * float(values.mean()):.1f} %"


def _in_words(paper: Published) -> str:
    spread = "" if paper.spread is None else f" ± {paper.spread:g}"
    extra = f", {paper.extra}" if paper.extra else ""
    return f"{paper.modes:g}{spread}{extra} ({paper.paper})"
