"""What a trial and a suggestion are worth: numbers of rows of the tables, and their means over seeds.

The search is told these, and the report compares them with those of fresh seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, pvariance
from typing import Any

from pipeline.search_options import Metric, SearchOptions

# The part of a curve, at its end, whose variance tells whether training has settled.
LATE = 0.25
Row = Mapping[str, Any]
Tables = Mapping[str, Sequence[Row]]


def score(metric: Metric, tables: Tables, embedding: str) -> float | None:
    """One trial's number under the study's first embedding; None where it has none, as after a failure."""
    (trial,) = tables["trials"]
    completed = trial["status"] == "completed"
    if metric == "finished":
        return float(completed)
    if metric in ("device_seconds", "discriminator_params", "generator_params"):
        return _real(trial.get(metric))
    if not completed:
        return None
    if metric == "late_loss_variance":
        return _late_variance(tables.get("curves", []))
    if metric in ("modes", "high_quality", "reverse_kl"):
        return next((_real(r[metric]) for r in tables.get("modes", []) if r["source"] == "generated"), None)
    rows = tables.get("quality", [])
    of = next((r for r in rows if (r["source"], r["embedding"]) == ("generated", embedding)), None)
    if of is None:
        return None
    if metric == "precision_recall_f":
        return _harmonic(of["precision"], of["recall"])
    return _real(of[metric])


def means(options: SearchOptions, seeds: Sequence[Tables], embedding: str) -> dict[str, float] | None:
    """By metric the mean over seeds, of objectives and constraints; None if the suggestion has failed.

    It has failed if a seed lacks a number, since the others would be a lucky choice; unless `finished` is
    among the metrics, which then says so, and one seed at least has it.
    """
    metrics = dict.fromkeys(of.metric for of in (*options.objective, *options.constraints))
    found: dict[str, float] = {}
    for metric in metrics:
        values = [score(metric, tables, embedding) for tables in seeds]
        known = [value for value in values if value is not None]
        if not known or (len(known) < len(values) and "finished" not in metrics):
            return None
        found[metric] = fmean(known)
    return found


def _harmonic(first: float | None, second: float | None) -> float | None:
    if first is None or second is None:
        return None
    return 2 * first * second / (first + second) if first + second else 0.0


def _late_variance(curves: Sequence[Row]) -> float | None:
    points = sorted((r["step"], r["value"]) for r in curves if r["metric"] == "generator_loss")
    late = [value for _, value in points[-max(2, round(LATE * len(points))) :]]
    return pvariance(late) if len(late) > 1 else None


def _real(value: float | None) -> float | None:
    """None for what Optuna must not be told: not a number, or infinite, which it would take for a result."""
    return None if value is None or not abs(value) < float("inf") else float(value)
