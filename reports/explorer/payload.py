"""What the page's script shows, as JSON: it computes no statistics of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from reports.explorer.rows import measured
from reports.explorer.sprites import sprites
from reports.explorer.stops import Stop, stops
from reports.sections.sources import name, subjects
from reports.statistics.robustness import Robustness
from reports.statistics.slopes import PREDICTOR_COLUMNS
from reports.statistics.verdicts import Verdict
from reports.tables.protocols import Protocol, primary
from reports.tables.results import Results
from reports.words import PREDICTORS, claim, effect, gated, many, number, ratio

# Of more trials a sample is shown.
MOST_TRIALS = 20_000


def payload(results: Results, found: list[Robustness]) -> dict[str, Any] | None:
    """Trials in columns; for each embedding its stops of tau with every count and verdict; thumbnails.

    None where no trial was measured. Missing numbers are null.
    """
    trials = shown(results.completed)
    under = {name: stops(results, found, name) for name in results.study.measure.embedding_names()}
    under = {name: found for name, found in under.items() if found}
    if trials.empty or not under:
        return None
    images = sprites(results, trials)
    data = sorted(set(trials["data_fingerprint"].dropna()))
    return {
        "trials": _columns(trials, data),
        "sizes": [
            {"key": column, "label": PREDICTORS[predictor], "values": _numbers(trials[column])}
            for predictor, column in PREDICTOR_COLUMNS.items()
            if trials[column].notna().any()
        ],
        "axes": [_axis(key, trials[key]) for key in _axes(results)],
        "start": _start(found),
        "hypotheses": [claim(one.verdict) for one in found],
        "embeddings": [_embedding(results, key, own, trials, data) for key, own in under.items()],
        "images": {
            str(k): images[trial]._asdict() for k, trial in enumerate(trials["trial_id"]) if trial in images
        },
        "note": _note(len(results.completed), len(trials), len(images)),
    }


def embedded(payload: dict[str, Any]) -> Markup:
    """JSON that no text in it can end: as such in a script element."""
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def first_figure(found: list[Robustness]) -> str:
    """The name of the drawing that stands for this figure where no script runs."""
    by_samples = found and found[0].verdict.hypothesis.predictor == "log_train_samples"
    return "support-by-train-samples" if by_samples else "support-by-discriminator"


def shown(trials: pd.DataFrame) -> pd.DataFrame:
    """All, or `MOST_TRIALS` drawn at random, always the same ones."""
    if len(trials) <= MOST_TRIALS:
        return trials
    rows = np.random.default_rng(0).choice(len(trials), MOST_TRIALS, replace=False)
    return trials.iloc[np.sort(rows)]


def in_words(verdict: Verdict) -> str:
    """What a verdict at some tau rests on."""
    compared = verdict.comparison and verdict.comparison.plain
    if compared:
        n = many(compared.levels.trials, "trial")
        return f"{ratio(compared.furthest)}. So decided because {verdict.reason} (n = {n})."
    if verdict.slope is None:
        return f"{verdict.reason[:1].upper()}{verdict.reason[1:]}."
    n = many(verdict.slope.trials, "trial")
    effect_on = effect(verdict.slope)
    return f"{effect_on[:1].upper()}{effect_on[1:]}. So decided because {verdict.reason} (n = {n})."


def _start(found: list[Robustness]) -> str:
    """What the first hypothesis is about; of variants the sizes."""
    predictor = found[0].verdict.hypothesis.predictor if found else ""
    return PREDICTOR_COLUMNS.get(predictor, "discriminator_params")


def _columns(trials: pd.DataFrame, data: list[str]) -> dict[str, Any]:
    passes = trials["passes_gate"].astype("boolean")
    return {
        "id": trials["trial_id"].tolist(),
        "data": [data.index(one) if pd.notna(one) else None for one in trials["data_fingerprint"]],
        "passes": [None if pd.isna(one) else int(one) for one in passes],
        "low": _numbers(trials["n2_low"]),
        "high": _numbers(trials["n2_high"]),
        "precision": _numbers(trials["precision"]),
    }


def _axes(results: Results) -> list[str]:
    axes = [key for key, values in results.axes.items() if values > 1]
    return (["variant"] if results.completed["variant"].nunique() > 1 else []) + axes


def _axis(key: str, values: pd.Series[Any]) -> dict[str, Any]:
    """A varied axis as codes of its values: numbers ascending, to four digits if these tell them apart; then
    all else by its text.
    """

    def place(text: str) -> tuple[bool, float, str]:
        number = isinstance(value[text], int | float)
        return not number, value[text] if number else 0.0, text

    value = {str(one): one for one in values}  # a value may be a list
    code = {text: k for k, text in enumerate(sorted(value, key=place))}
    short = [f"{value[text]:.4g}" if isinstance(value[text], float) else text for text in code]
    texts = short if len(set(short)) == len(code) else list(code)
    return {"key": key, "values": texts, "codes": [code[str(one)] for one in values]}


def _embedding(
    results: Results, key: str, own: list[Stop], trials: pd.DataFrame, data: list[str]
) -> dict[str, Any]:
    rows = measured(results, Protocol(key, primary(results.study).tau_rule))
    known = [part.iloc[0] for part in subjects(rows.reset_index())]
    index = [(row["source"], row["trial_id"]) for row in known]
    generated = pd.MultiIndex.from_product([["generated"], trials["trial_id"]])
    return {
        "name": key,
        "pairs": _counts(rows["pairs"].reindex(generated)),
        "known": [
            {
                "name": name(row),
                "real": row["source"] == "real",
                "data": data.index(row["data_fingerprint"]) if row["data_fingerprint"] in data else None,
                "pairs": int(row["pairs"]),
            }
            for row in known
        ],
        "start": next((k for k, stop in enumerate(own) if stop.own), 0),
        "stops": [
            {
                "tau": number(stop.tau),
                "rung": stop.rung,
                "own": stop.own,
                "within": number(stop.within) if stop.within else "",
                "counts": _counts(stop.counts.reindex(generated)),
                "known": _counts(stop.counts.reindex(index)),
                "true": _numbers(stop.true.reindex(index)) if len(stop.true) else [],
                "verdicts": [
                    {"decision": v.decision, "text": in_words(v), "gated": gated(v)} for v in stop.verdicts
                ],
            }
            for stop in own
        ],
    }


def _counts(values: Iterable[Any]) -> list[int | None]:
    return [None if pd.isna(value) else int(value) for value in values]


def _numbers(values: Iterable[Any]) -> list[float | int | None]:
    """Whole numbers as they are, others to four digits."""
    found: list[float | int | None] = []
    for value in values:
        if pd.isna(value) or not np.isfinite(value):
            found.append(None)
        else:
            found.append(int(value) if float(value).is_integer() else float(f"{value:.4g}"))
    return found


def _note(completed: int, trials: int, images: int) -> str:
    """What of the run this figure leaves out; empty if nothing."""
    said = []
    if trials < completed:
        said.append(
            f"A random {trials:,} of {completed:,} measured trials are drawn; every verdict rests on all."
        )
    if 0 < images < trials:
        said.append(f"Images of {images:,} of {trials:,} trials fit into this page: lowest seeds first.")
    return " ".join(said)
