"""Where the slider of tau can stop, and what is counted and decided there.

The rungs of the study's rulers, whose counts are in `collisions`, and between them edges of the histogram of
all distances, whose counts follow from it. At every stop the hypotheses are decided by the rule of the
verdicts themselves.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from reports.explorer.rows import histograms, measured, nearer
from reports.figures.curves import evenly
from reports.statistics.robustness import Robustness
from reports.statistics.tau_curves import edges
from reports.statistics.verdicts import Verdict, decide
from reports.tables.protocols import Protocol, primary, rungs
from reports.tables.results import Results

# Stops between the rungs: each decides every hypothesis again, over all trials.
MOST_BETWEEN = 12
MOST_TRIALS_DECIDED = 16_000


class Stop(NamedTuple):
    """One tau under one embedding.

    tau: in the embedding's units (of several data sets the median). rung: the tau rule as it is shown, ""
    between rungs. own: whether it is the study's own. within: 0 where counts are exact, else how far off a
    distance may have been counted. counts: near-duplicate pairs by (source, trial_id). true: N2 of controls
    by (source, trial_id), where known. verdicts: one a hypothesis.
    """

    tau: float
    rung: str
    own: bool
    within: float
    counts: pd.Series[Any]
    true: pd.Series[Any]
    verdicts: list[Verdict]


def stops(results: Results, found: list[Robustness], embedding: str) -> list[Stop]:
    """Every stop under one embedding, tau ascending; none where no generator was measured."""
    known = _rungs(results, found, embedding)
    return sorted([*known, *_between(results, found, embedding, known)], key=lambda stop: stop.tau)


def _rungs(results: Results, found: list[Robustness], embedding: str) -> list[Stop]:
    decided = [{cell.protocol: cell.verdict for cell in one.cells} for one in found]
    stops = []
    for rule, rung in rungs(results.study).items():
        protocol = Protocol(embedding, rule)
        rows = measured(results, protocol)
        if "generated" not in rows.index.get_level_values("source"):
            continue
        tau = float(rows.xs("generated", level="source")["tau"].median())
        verdicts = [verdict[protocol] for verdict in decided]
        own = rule == primary(results.study).tau_rule
        stops.append(Stop(tau, rung, own, 0.0, rows["collisions"], rows["n2_true"], verdicts))
    return stops


def _between(results: Results, found: list[Robustness], embedding: str, known: list[Stop]) -> list[Stop]:
    """Edges of the histogram within the ladder, evenly spread.

    None over several data sets: each has a tau of its own there, and one tau for all would be another ruler.
    """
    trials = results.completed_under(Protocol(embedding, primary(results.study).tau_rule))
    most = min(MOST_BETWEEN, MOST_TRIALS_DECIDED // max(len(trials), 1))
    rows = histograms(results, embedding) if most and len(known) > 1 else pd.DataFrame()
    if rows.empty or rows["data_fingerprint"].nunique() > 1:
        return []
    low, high = min(stop.tau for stop in known), max(stop.tau for stop in known)
    inside = [tau for tau in edges(rows) if low < tau < high]
    tau = np.asarray(evenly(inside, most), np.float64)
    counts = nearer(rows, tau)
    compared = rows[rows["source"].isin(["generated", "real"])]
    exact_below = compared["exact_below"].min()  # null is everywhere
    return [
        Stop(
            tau=float(edge),
            rung="",
            own=False,
            within=float(compared["resolution"].max()) if edge > exact_below else 0.0,
            counts=own,
            true=pd.Series(dtype=float),
            verdicts=[decide(one.verdict.hypothesis, results.study, at(trials, own)) for one in found],
        )
        for edge, (_, own) in zip(tau, counts.items(), strict=True)
    ]


def at(trials: pd.DataFrame, counts: pd.Series[Any]) -> pd.DataFrame:
    """These trials with the collisions counted at another tau; those without a count are left out."""
    collisions = trials["trial_id"].map(counts.xs("generated", level="source"))
    trials = trials.assign(collisions=collisions, n2=trials["pairs"] / collisions.where(collisions > 0))
    return trials[trials["collisions"].notna()]
