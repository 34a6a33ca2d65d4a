"""Support size as people see it, and how far they agree."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd

from pipeline.judgments import HumanSupport, Judgments, fleiss_kappa, human_support, kappa
from pipeline.seeds import stream
from reports.sections.judged import Judged, ruler
from reports.sections.listing import Listing
from reports.sections.pictures import describe
from reports.sections.sources import name
from reports.tables.results import Results
from reports.words import interval, number

# Of a normal 95 % interval: its half width in standard errors.
Z = 1.96


def support(results: Results, one: Judged) -> Listing:
    """N2 by people beside N2 at the study's own tau, for every subject of which pairs were judged."""
    listed = []
    for (source, trial_id), labels in one.labels.groupby(["source", "trial_id"], sort=True):
        rows = results.under(ruler(results, one.embedding))
        rows = rows[(rows["source"] == source) & (rows["trial_id"] == trial_id)]
        if rows.empty:
            continue
        row = rows.iloc[0]
        found = _human_support(results, labels, row)
        seen = [str(labels["rater"].nunique()), str(len(labels.drop_duplicates(["first", "second"])))]
        said = _cells(found) if isinstance(found, HumanSupport) else [found, "–", "–", "–"]
        at_tau = f"{number(row['n2'])} {interval(row['n2_low'], row['n2_high'])}"
        listed.append([_name(results, row), *seen, *said, at_tau])
    heads = ["samples of", "raters", "pairs judged", "N₂ by people", "N₂ if blank strata hold some"]
    return Listing([*heads, "unsure as duplicates, as different", "N₂ from the curve", "N₂ at τ"], listed)


def agreement(one: Judged) -> Listing:
    """Cohen's kappa of every two raters, and Fleiss' of all, on the pairs that they all judged."""
    wide = one.labels.assign(pair=_pairs(one.labels)).pivot(index="pair", columns="rater", values="label")
    listed = []
    for first, second in itertools.combinations(wide.columns, 2):
        both = wide[[first, second]].dropna()
        if len(both):
            found = kappa(both[first].to_numpy(), both[second].to_numpy())
            listed.append(
                [f"{first} and {second}", *_kappa(found.kappa, found.standard_error), str(len(both))]
            )
    everyone = wide.dropna()
    if len(wide.columns) > 2 and len(everyone) > 1:
        found = fleiss_kappa(everyone.to_numpy())
        listed.append(["all (Fleiss)", *_kappa(found.kappa, found.standard_error), str(len(everyone))])
    return Listing(["raters", "kappa", "standard error", "pairs"], listed)


def _human_support(results: Results, labels: pd.DataFrame, row: pd.Series) -> HumanSupport | str:
    """The estimate, or in words why there is none. row: the subject's of `collisions`."""
    bins = results.measured("distances", [row["trial_id"]])
    bins = bins[(bins["source"] == row["source"]) & (bins["trial_id"] == row["trial_id"])]
    bins = bins[bins["embedding"] == row["embedding"]]
    if bins.empty:
        return "no histogram of distances"
    if pd.isna(row["n2_high"]):
        return "too few collisions at τ for the samples' own error"
    try:
        return human_support(
            Judgments(
                pair=_pairs(labels).to_numpy(),
                rater=labels["rater"].to_numpy(),
                stratum=labels["stratum"].to_numpy(np.int64),
                stratum_pairs=labels["stratum_pairs"].to_numpy(np.float64),
                distance=labels["distance"].to_numpy(np.float64),
                label=labels["label"].to_numpy(),
            ),
            bins["low"].to_numpy(np.float64),
            bins["high"].to_numpy(np.float64),
            bins["count"].to_numpy(np.int64),
            log_sd=math.log(row["n2_high"] / row["n2_low"]) / (2 * Z),
            rng=stream(f"{row['trial_id']}/{row['embedding']}", "human_support"),
        )
    except ValueError as error:
        return str(error)


def _pairs(labels: pd.DataFrame) -> pd.Series:
    parts = ["source", "trial_id", "first", "second"]
    return labels[parts].astype(str).agg("/".join, axis=1)


def _cells(found: HumanSupport) -> list[str]:
    # With unsure as duplicate p2 is largest, hence N2 smallest.
    unsure = interval(found.n2_unsure_duplicate, found.n2_unsure_different)
    modelled = f"{number(found.modelled)} {interval(found.modelled_low, found.modelled_high)}"
    at_least = number(1 / (found.p2 + found.p2_unseen)) if found.p2 + found.p2_unseen > 0 else "–"
    return [f"{number(found.n2)} {interval(found.n2_low, found.n2_high)}", at_least, unsure, modelled]


def _kappa(value: float, error: float) -> list[str]:
    return ["all alike", "–"] if math.isnan(value) else [f"{value:z.2f}", f"{error:z.2f}"]


def _name(results: Results, row: pd.Series) -> str:
    if row["source"] != "generated":
        return name(row)
    return describe(results.trials[results.trials["trial_id"] == row["trial_id"]].iloc[0])
