"""How much of a tuning score was luck: the best of many suggestions beside its setting on fresh seeds."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import stats

from pipeline.errors import InputError
from pipeline.scores import Row, score
from pipeline.search_options import Tuned, TunedSetting
from pipeline.study import Study
from reports.figures.marks import beside, dot
from reports.figures.style import COLOURS
from reports.figures.support import rows_of
from reports.sections.listing import Listing
from reports.sections.searches import shown
from reports.tables.protocols import primary
from reports.tables.results import Results
from reports.words import many, number

TABLES = ("trials", "quality", "modes", "curves")
CURSE = "winner's curse"


class Compared(NamedTuple):
    """A group's tuning score beside those of fresh seeds. scores: of seeds that have one, of so many planned.
    mean, low, high: of the fresh scores, with the 95 % interval of their mean (Student's t over seeds); NaN
    where there are too few. advantage: by how much the tuning score was better, whichever way better is.
    changed: the study's setting or its protocol is another than the search's.
    """

    group: str
    settings: str
    suggestions: int
    tuned: float
    scores: list[float]
    planned: int
    mean: float
    low: float
    high: float
    advantage: float
    changed: bool

    @property
    def cursed(self) -> bool:
        """Whether the tuning score was better than fresh seeds by more than their interval."""
        return self.advantage > (self.high - self.low) / 2


def compared(results: Results) -> list[Compared]:
    """Every group of a best study; none of any other study."""
    tuned = results.study.tuned
    return [] if tuned is None else [_compared(results, tuned, one) for one in tuned.chosen]


def _compared(results: Results, tuned: Tuned, one: TunedSetting) -> Compared:
    study = results.study
    fresh = _trials(study, one)
    changed = fresh is None or study.measure_id() != tuned.protocol
    scores = [] if changed or fresh is None else _scores(results, tuned, fresh)
    mean, low, high = mean_interval(scores)
    return Compared(
        _listed(one.group),
        _listed(one.settings),
        one.suggestions,
        one.value,
        scores,
        len(study.seeds()),
        mean,
        low,
        high,
        one.value - mean if tuned.direction == "maximize" else mean - one.value,
        changed,
    )


def _trials(study: Study, one: TunedSetting) -> list[str] | None:
    """Ids of the study's trials at a setting; None if it is not the setting that was tuned."""
    try:
        trial = study.resolve({**one.group, **one.settings})
    except InputError:
        return None
    if one.trial not in trial.with_seeds([0]):
        return None
    return list(trial.with_seeds(study.seeds()))


def _scores(results: Results, tuned: Tuned, trials: list[str]) -> list[float]:
    embedding = primary(results.study).embedding
    tables = {name: _rows(results.rows(name, trials=trials)) for name in TABLES}
    scores = []
    for trial in trials:
        own = {name: [row for row in rows if row["trial_id"] == trial] for name, rows in tables.items()}
        value = score(tuned.metric, own, embedding) if own["trials"] else None
        scores += [] if value is None else [value]
    return scores


def _rows(table: pd.DataFrame) -> list[Row]:
    rows = table.astype(object)
    known = rows.where(rows.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in known.to_dict("records")]


def mean_interval(scores: list[float]) -> tuple[float, float, float]:
    """Mean and its 95 % Student interval; NaN bounds of one score, all NaN of none."""
    if not scores:
        return math.nan, math.nan, math.nan
    mean = float(np.mean(scores))
    if len(scores) < 2:
        return mean, math.nan, math.nan
    half = float(stats.t.ppf(0.975, len(scores) - 1) * np.std(scores, ddof=1) / math.sqrt(len(scores)))
    return mean, mean - half, mean + half


def _listed(settings: dict[str, object]) -> str:
    return ", ".join(f"{key} {shown(value)}" for key, value in settings.items()) or "all"


def in_words(results: Results, found: list[Compared]) -> str:
    """Where the settings come from, and how many tuning scores did not hold."""
    tuned = results.study.tuned
    assert tuned is not None
    better = "more" if tuned.direction == "maximize" else "less"
    sentence = (
        f"The settings of this study were chosen by {tuned.search}. A tuning score is the best of its "
        f"search: a mean {tuned.metric} ({better} is better) over {many(tuned.seeds, 'seed')}. The best of "
        "many is too good by the luck of the choice, so the same settings are measured here on seeds that no "
        "search saw; only those numbers count. Hypotheses compare groups each at its own setting: what the "
        "search chose is part of the group and no covariate."
    )
    known = [one for one in found if not math.isnan(one.low)]
    if not known:
        return f"{sentence} There are not two fresh scores of any setting yet to compare with."
    cursed = sum(one.cursed for one in known)
    were = "was" if cursed == 1 else "were"
    return (
        f"{sentence} Of {many(len(known), 'tuning score')} {cursed or 'none'} {were} better than the fresh "
        f"mean by more than its 95 % interval ({CURSE})."
    )


def listing(found: list[Compared]) -> Listing:
    """A row for each group."""
    heads = ["group", "best of", "tuning score", "fresh mean", "95 % interval", "fresh seeds"]
    rows = []
    for one in found:
        bounds = "–" if math.isnan(one.low) else f"[{number(one.low)}, {number(one.high)}]"
        row = [one.group, str(one.suggestions), number(one.tuned), number(one.mean), bounds]
        seeds = f"{len(one.scores)} of {one.planned}"
        rows.append([*row, seeds, number(one.advantage), _remark(one), one.settings])
    return Listing([*heads, "tuning better by", "", "settings"], rows)


def _remark(one: Compared) -> str:
    if one.changed:
        return "not compared: the study was changed since"
    if math.isnan(one.low):
        return "too few fresh scores"
    return CURSE if one.cursed else "within the interval"


def table(found: list[Compared]) -> pd.DataFrame:
    """The same in full, for CSV."""
    rows = [{**one._asdict(), "scores": len(one.scores), "cursed": one.cursed} for one in found]
    return pd.DataFrame(rows)


def drawing(results: Results, found: list[Compared]) -> Figure | None:
    """A line for each group: the tuning score, the fresh scores, their mean with its interval."""
    known = [one for one in reversed(found) if one.scores]
    tuned = results.study.tuned
    if not known or tuned is None:
        return None
    figure, ax = rows_of([one.group.replace("$", r"\$") for one in known])
    for k, one in enumerate(known):
        ax.plot(one.scores, [k - 0.18] * len(one.scores), "o", markersize=3, color=COLOURS[4], zorder=2)
        if not math.isnan(one.low):
            ax.plot([one.low, one.high], [k, k], color=COLOURS[0], linewidth=1.6, zorder=3)
        ax.plot(one.mean, k, "o", markersize=6, color=COLOURS[0], zorder=4)
        ax.plot(one.tuned, k, "D", markersize=5.5, color=COLOURS[1], zorder=5)
    ax.set_xlabel(f"{tuned.metric} ({'more' if tuned.direction == 'maximize' else 'less'} is better)")
    entries = [dot(COLOURS[1], "D", "tuning score"), dot(COLOURS[4], "o", "a fresh seed", size=3)]
    entries.append(Line2D([], [], color=COLOURS[0], marker="o", label="their mean, 95 % interval"))
    beside(ax, entries)
    return figure
