"""A search's suggestions as they stand in the tables, parsed once for everything that shows them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from pipeline.study import Study
from pipeline.trial import TrialConfig

Settings = dict[str, Any]


class Suggestion(NamedTuple):
    """One proposed setting. search: what Optuna calls the search. values: by objective, as far as they are
    known. feasible: keeps all constraints.
    """

    search: str
    group: Settings
    number: int
    state: str
    settings: Settings
    values: dict[str, float]
    feasible: bool


def suggestions(study: Study, table: pd.DataFrame) -> list[Suggestion]:
    """The rows of table `suggestions`, groups in the study's order, then by number."""
    groups = study.groups()
    found = [
        Suggestion(
            row["search"],
            group,
            int(row["number"]),
            row["state"],
            json.loads(row["settings"]),
            json.loads(row["values"]),
            bool(row["feasible"]),
        )
        for row in table.to_dict("records")
        if (group := json.loads(row["group"])) in groups  # not of an earlier form of the study
    ]
    return sorted(found, key=lambda one: (groups.index(one.group), one.number))


def trials_of(study: Study, asked: Sequence[Suggestion]) -> dict[str, TrialConfig]:
    """By id the trials of suggestions, seeds innermost."""
    assert study.search is not None
    seeds = range(study.search.seeds)
    found = [study.resolve({**one.group, **one.settings}).with_seeds(seeds) for one in asked]
    return {trial: config for trials in found for trial, config in trials.items()}


def searched_axes(study: Study, asked: Sequence[Suggestion]) -> dict[str, int]:
    """What a search varies, with the number of different values that were proposed; `seed` last."""
    assert study.search is not None
    axes = {
        key: len({repr({**one.group, **one.settings}.get(key)) for one in asked})
        for key in (*study.search.each, *study.search.space)
    }
    return {**axes, "seed": study.search.seeds}
