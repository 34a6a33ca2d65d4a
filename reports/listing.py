"""The report's tables as rows of text, and every table as CSV."""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple

import pandas as pd

from pipeline.study import Study
from pipeline.trial import flatten
from reports.counts import Undecided
from reports.results import Results
from reports.statistics import Verdict, estimate
from reports.words import claim, interval, number


class Listing(NamedTuple):
    """A table of text: column heads and rows."""

    heads: list[str]
    rows: list[list[str]]


def trials(results: Results) -> Listing:
    """Every stored trial of the study with its measurement."""
    axes = [key for key, values in results.study.axes().items() if len(values) > 1 or key == "seed"]
    heads = [*axes, "D params", "status", "C", "N₂", "95 % interval", "N₂ / real"]
    heads += ["clusters", "largest cluster", "N₂ without it", "precision", "recall", "passes gate"]
    rows = []
    for _, t in results.trials.iterrows():
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
    return Listing(heads, rows)


def failures(results: Results) -> Listing:
    """Every trial that did not complete, with its reason and configuration."""
    axes = [key for key, values in results.study.axes().items() if len(values) > 1]
    rows = []
    for _, t in results.failed.iterrows():
        configuration = ", ".join(f"{a}={t[a]}" for a in axes) or t["trial_id"]
        rows.append(
            [t["status"].replace("_", " "), "–" if pd.isna(t["error"]) else t["error"], configuration]
        )
        rows[-1].append(_whole(t["steps_done"]))
    return Listing(["status", "reason", "configuration", "steps done"], rows)


def controls(results: Results) -> Listing:
    """Known against measured."""
    rows = []
    for _, c in results.controls.iterrows():
        low = pd.notna(c["n2_low"]) and pd.notna(c["n2_true"]) and c["n2_low"] <= c["n2_true"]
        inside = low and (pd.isna(c["n2_high"]) or c["n2_true"] <= c["n2_high"])
        rows.append(
            [
                _whole(c["support_size"]),
                number(c["n2_true"]),
                number(c["n2"]),
                interval(c["n2_low"], c["n2_high"]),
            ]
            + ["yes" if inside else "no", _whole(c["samples"]), _whole(c["collisions"])]
        )
    heads = [
        "images drawn from",
        "true N₂",
        "measured N₂",
        "95 % interval",
        "interval holds truth",
        "samples",
        "C",
    ]
    return Listing(heads, rows)


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
    """Protocols in the store that no verdict uses."""
    rows = [[str(r["embedding"]), str(r["tau_rule"]), _whole(r["samples"]), r["source"], _whole(r["rows"])]
            for _, r in results.others.iterrows()]  # fmt: skip
    return Listing(["embedding", "τ rule", "samples", "source", "rows"], rows)


def by_objective(verdict: Verdict, results: Results) -> Listing:
    """The same slope for each objective alone: a description, no verdict rests on it. Empty for a single
    objective.
    """
    objectives = sorted(set(results.completed["objective.name"]))
    rows = []
    for objective in objectives if len(objectives) > 1 else []:
        own = results.completed[results.completed["objective.name"] == objective]
        try:
            slope = estimate(verdict.hypothesis, results.study, own)
        except Undecided as error:
            rows.append([objective, "–", str(error), str(len(own))])
        else:
            rows.append(
                [objective, f"{slope.value:.2f}", f"[{slope.low:.2f}, {slope.high:.2f}]", str(slope.trials)]
            )
    return Listing(["objective", "slope", "95 % interval", "n"], rows)


def provenance(results: Results, digest: str) -> Listing:
    """Where the numbers come from."""
    stored, measure = results.of_trials("trials"), results.study.measure
    versions: dict[str, set[str]] = {}
    for text in stored["versions"].dropna():
        for package, version in flatten(json.loads(text)).items():
            versions.setdefault(package, set()).add(str(version))
    rows = [
        ["tables (SHA-256 of `cat tables/*.csv`)", digest],
        ["commit", _distinct(stored["commit"])],
        ["data fingerprint", _distinct(stored["data_fingerprint"])],
        ["devices", _distinct(stored["device"])],
        [
            "packages",
            ", ".join(f"{name} {'/'.join(sorted(v))}" for name, v in sorted(versions.items())) or "–",
        ],
        ["embedding", measure.embeddings[0]],
        ["τ rule", measure.tau_rule()],
        ["τ", ", ".join(number(tau) for tau in sorted(set(results.completed["tau"].dropna()))) or "–"],
        ["samples a trial", f"{measure.samples:,}"],
        ["protocol id", results.study.measure_id()],
        ["device seconds, all trials", number(stored["device_seconds"].sum())],
        ["wall seconds, summed over trials", number(stored["wall_seconds"].sum())],
    ]
    return Listing(["what", "value"], rows)


def csv_files(results: Results, verdicts: list[Verdict]) -> dict[str, bytes]:
    """File name -> CSV: every table of the store without its image columns, `results.csv` and
    `hypotheses.csv`.
    """
    tables = {name: table.drop(columns=_images(table)) for name, table in results.tables.items()}
    tables["results"] = results.trials
    tables["hypotheses"] = hypotheses(verdicts, results.study)
    return {
        f"{name}.csv": table.to_csv(index=False, lineterminator="\n").encode()
        for name, table in sorted(tables.items())
    }


def hypotheses(verdicts: list[Verdict], study: Study) -> pd.DataFrame:
    """One row a hypothesis: the numbers behind its verdict."""
    rows: list[dict[str, Any]] = []
    for v in verdicts:
        row: dict[str, Any] = {"study": study.study, "hypothesis": v.hypothesis.name, "claim": claim(v)}
        row |= {"verdict": v.decision, "reason": v.reason}
        for prefix, slope in (("", v.slope), ("gated_", v.gated)):
            for name in (
                "value",
                "low",
                "high",
                "low90",
                "high90",
                "sigma",
                "df",
                "trials",
                "seeds",
                "censored",
                "silent",
            ):
                row[f"{prefix}{'slope' if name == 'value' else name}"] = (
                    getattr(slope, name) if slope else None
                )
        rows.append(row)
    return pd.DataFrame(rows, columns=None if rows else ["study", "hypothesis", "claim", "verdict", "reason"])


def digest(files: dict[str, bytes]) -> str:
    """SHA-256 of the CSV files one after another, in the order of their names."""
    return hashlib.sha256(b"".join(files[name] for name in sorted(files))).hexdigest()


def _images(table: pd.DataFrame) -> list[str]:
    return [str(column) for column in table if column == "image" or str(column).endswith("_image")]


def _whole(value: Any) -> str:
    return "–" if pd.isna(value) else f"{int(value):,}"


def _distinct(values: pd.Series[Any]) -> str:
    return ", ".join(sorted({str(v) for v in values.dropna()})) or "–"
