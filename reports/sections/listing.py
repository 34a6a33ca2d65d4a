"""The report's tables as rows of text."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pandas as pd

from pipeline.trial import flatten
from reports.figures.ruler import known
from reports.sections.sources import name
from reports.statistics.counts import Undecided
from reports.statistics.robustness import Robustness, effect
from reports.statistics.slopes import Slope, estimate
from reports.statistics.verdicts import Verdict
from reports.tables.protocols import primary, rungs
from reports.tables.results import Results
from reports.words import interval, number

# A page with more rows of one table is slow to open, and nobody reads them.
MOST_ROWS = 500
RESULTS = "the others are in tables/results.csv"


class Listing(NamedTuple):
    """A table of text: column heads and rows. note: a sentence under it, where it does not show all."""

    heads: list[str]
    rows: list[list[str]]
    note: str = ""


def first(rows: pd.DataFrame, others: str) -> tuple[pd.DataFrame, str]:
    """At most `MOST_ROWS` rows, and if there are more a sentence that says so and where the others are."""
    if len(rows) <= MOST_ROWS:
        return rows, ""
    return rows.head(MOST_ROWS), f"The first {MOST_ROWS} of {len(rows):,}; {others}."


def trials(results: Results) -> Listing:
    """Every stored trial of the study with its measurement, in the study's order."""
    axes = [key for key, values in results.axes.items() if values > 1 or key == "seed"]
    heads = [*axes, "D params", "status", "C", "N₂", "95 % interval", "N₂ / real"]
    heads += ["clusters", "largest cluster", "N₂ without it", "precision", "recall", "passes gate"]
    rows = []
    shown, note = first(results.trials, RESULTS)
    for t in shown.to_dict("records"):
        passes = "–" if pd.isna(t["passes_gate"]) else "yes" if t["passes_gate"] else "no"
        measured = pd.notna(t["collisions"])
        n2 = "no collision" if measured and pd.isna(t["n2"]) else number(t["n2"])
        rows.append(
            [str(t[a]) for a in axes]
            + [_whole(t["discriminator_params"]), t["status"], _whole(t["collisions"]), n2]
            + [
                interval(t["n2_low"], t["n2_high"]) if measured else "–",
                number(t["ratio_to_real"]),
                _whole(t["clusters"]),
            ]
            + [number(t["largest_cluster_mass"]), number(t["n2_without_largest"]), number(t["precision"])]
            + [number(t["recall"]), passes]
        )
    return Listing(heads, rows, note)


def failures(results: Results) -> Listing:
    """Every trial that did not complete, with its reason and configuration."""
    axes = [key for key, values in results.axes.items() if values > 1]
    rows = []
    shown, note = first(results.failed, RESULTS)
    for t in shown.to_dict("records"):
        configuration = ", ".join(f"{a}={t[a]}" for a in axes) or t["trial_id"]
        rows.append(
            [t["status"].replace("_", " "), "–" if pd.isna(t["error"]) else t["error"], configuration]
        )
        rows[-1].append(_whole(t["steps_done"]))
    return Listing(["status", "reason", "configuration", "steps done"], rows, note)


def controls(results: Results) -> Listing:
    """Known against measured, for every control, embedding and tau; at the study's own tau first."""
    shown = rungs(results.study)
    rows = known(results)
    rows = rows.assign(embedding=pd.Categorical(rows["embedding"], results.study.measure.embedding_names()))
    rows = rows.sort_values(["own", "embedding", "tau"], ascending=[False, True, True], kind="stable")
    listed = [
        [
            name(c),
            str(c["embedding"]),
            shown[c["tau_rule"]] + (" (own)" if c["own"] else ""),
            number(c["tau"]),
            number(c["n2_true"]),
            number(c["n2"]),
            interval(c["n2_low"], c["n2_high"]),
            "yes" if c["covered"] else "no",
            _whole(c["samples"]),
            _whole(c["collisions"]),
        ]
        for _, c in rows.iterrows()
    ]
    heads = ["control", "embedding", "τ rule", "τ", "true N₂", "measured N₂", "95 % interval"]
    return Listing([*heads, "interval holds truth", "samples", "C"], listed)


def rulers(found: list[Robustness]) -> Listing:
    """Every hypothesis under every ruler, and with part of the data left out."""
    rows = [
        [
            one.verdict.hypothesis.name,
            cell.protocol.embedding,
            cell.rung + (" (own)" if cell.own else ""),
            number(cell.tau),
            "–",
            *_decided(cell.verdict, one.verdict),
        ]
        for one in found
        for cell in one.cells
    ]
    rows += [
        [
            one.verdict.hypothesis.name,
            v.protocol.embedding,
            "own",
            "–",
            v.left_out,
            *_decided(v.verdict, one.verdict),
        ]
        for one in found
        for v in one.variations
    ]
    heads = ["hypothesis", "embedding", "τ rule", "τ", "left out", "verdict", "of", "effect"]
    return Listing([*heads, "slope above the quality gate"], rows)


def _decided(verdict: Verdict, stated: Verdict) -> list[str]:
    found = effect(verdict, stated)
    shown = [found.of, f"{found.value:z.2f} [{found.low:z.2f}, {found.high:z.2f}]"] if found else ["–", "–"]
    return [verdict.decision, *shown, _slope(verdict.gated)]


def real(results: Results) -> Listing:
    """The held-out real images under the same ruler."""
    rows = [
        [
            str(r["data_fingerprint"]),
            number(r["tau"]),
            _whole(r["samples"]),
            _whole(r["collisions"]),
            number(r["n2"]),
        ]
        + [interval(r["n2_low"], r["n2_high"])]
        for _, r in results.real.iterrows()
    ]
    return Listing(["data", "τ", "images", "C", "N₂", "95 % interval"], rows)


def others(results: Results) -> Listing:
    """Protocols in the store that are none of the study's."""
    rows = [
        [str(r["embedding"]), str(r["tau_rule"]), _whole(r["samples"]), r["source"], _whole(r["rows"])]
        for _, r in results.others.iterrows()
    ]
    return Listing(["embedding", "τ rule", "samples", "source", "rows"], rows)


def by_variant(verdict: Verdict, results: Results) -> Listing:
    """The same slope for each variant alone: a description, no verdict rests on it. Empty for a single
    variant.
    """
    variants = sorted(set(results.completed["variant"]))
    rows = []
    for variant in variants if len(variants) > 1 and not verdict.hypothesis.compares else []:
        own = results.completed[results.completed["variant"] == variant]
        try:
            slope = estimate(verdict.hypothesis, results.study, own)
        except Undecided as error:
            rows.append([variant, "–", str(error), str(len(own))])
        else:
            rows.append(
                [variant, f"{slope.value:z.2f}", f"[{slope.low:z.2f}, {slope.high:z.2f}]", str(slope.trials)]
            )
    return Listing(["variant", "slope", "95 % interval", "n"], rows)


def provenance(results: Results, digest: str) -> Listing:
    """Where the numbers come from."""
    stored, measure = results.stored, results.study.measure
    versions: dict[str, set[str]] = {}
    for text in stored["versions"].dropna().unique():
        for package, version in flatten(json.loads(text)).items():
            versions.setdefault(package, set()).add(str(version))
    rows = [
        ["numbers of every trial and verdict (SHA-256 of `cat tables/*.csv`)", digest],
        ["commit", _distinct(stored["commit"])],
        ["data fingerprint", _distinct(stored["data_fingerprint"])],
        ["devices", _distinct(stored["device"])],
        ["training back ends", _distinct(stored["back_end"])],
        ["training arithmetic", _arithmetic(results)],
        [
            "packages",
            ", ".join(f"{name} {'/'.join(sorted(v))}" for name, v in sorted(versions.items())) or "–",
        ],
        ["embedding", primary(results.study).embedding],
        ["other embeddings", ", ".join(measure.embedding_names()[1:]) or "–"],
        ["embedding ids", _distinct(results.collisions["embedding_id"])],
        ["τ rule", measure.tau_rule()],
        ["τ ladder", ", ".join(f"{q:g}" for q in measure.tau_ladder) or "–"],
        ["τ", ", ".join(number(tau) for tau in sorted(set(results.completed["tau"].dropna()))) or "–"],
        ["samples a trial", f"{measure.samples:,}"],
        ["protocol id", results.study.measure_id()],
        ["device seconds, all trials", number(stored["device_seconds"].sum())],
        ["device seconds, as predicted", _prediction(stored)],
    ]
    return Listing(["what", "value"], rows)


def in_mlflow(results: Results) -> tuple[str, str | None] | None:
    """What the run is in MLflow, and its address where a server shows it; None if it was not mirrored."""
    where = results.mlflow
    if where is None:
        return None
    name = f"run {where['run_id']} of experiment {where['experiment']}"
    if where["uri"].startswith(("http://", "https://")):
        return (
            name,
            f"{where['uri'].rstrip('/')}/#/experiments/{where['experiment_id']}/runs/{where['run_id']}",
        )
    return name, None


def _prediction(stored: pd.DataFrame) -> str:
    """Device seconds predicted before the trials, beside what the same trials took."""
    both = stored[["predicted_seconds", "device_seconds"]].dropna()
    predicted, taken = both.sum()
    if not (predicted and taken):
        return "–"
    return f"{number(predicted)} predicted, {number(taken)} taken: {taken / predicted:z.2f} times as many"


def _arithmetic(results: Results) -> str:
    """Of the losses; parameters, optimizers and measurement are float32 or float64 always."""
    found = {str(trial.training.precision) for trial in results.study.trials()}
    return ", ".join(sorted(found)) + (" (exact)" if found == {"float32"} else "")


def _slope(slope: Slope | None) -> str:
    return f"{slope.value:z.2f} [{slope.low:z.2f}, {slope.high:z.2f}]" if slope else "–"


def _whole(value: Any) -> str:
    return "–" if pd.isna(value) else f"{int(value):,}"


def _distinct(values: pd.Series[Any]) -> str:
    return ", ".join(sorted({str(v) for v in values.dropna().unique()})) or "–"
