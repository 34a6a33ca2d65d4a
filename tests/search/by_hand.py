"""A search without training: what a suggestion is worth is a function of its settings and seed."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import optuna
from optuna.storages import BaseStorage

from pipeline.search.hunt import Hunt
from pipeline.search.proposals import Numbered, pruner
from pipeline.search_options import SearchOptions

METRICS = ("kid", "recall", "density")
Worth = Callable[[dict[str, Any], int], Iterable[float]]


class Pretended:
    """Stands for a TrialConfig: settings, and trials by id."""

    def __init__(self, settings: dict[str, Any], seed: int = 0) -> None:
        self.settings, self.seed = settings, seed

    def with_seeds(self, seeds: Iterable[int]) -> dict[str, Pretended]:
        found = (Pretended(self.settings, seed) for seed in seeds)
        return {json.dumps([one.settings, one.seed], sort_keys=True): one for one in found}


def options(space: dict[str, Any], **more: Any) -> SearchOptions:
    return SearchOptions.model_validate({"space": space, "objective": {"metric": "kid"}, **more})


def study_of(
    wanted: SearchOptions, storage: BaseStorage | None = None, name: str = "by hand"
) -> optuna.Study:
    """As `birthday search` makes it, anew or of a driver before."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return optuna.create_study(
            study_name=name,
            storage=storage,
            sampler=Numbered(wanted.sampler),
            pruner=pruner(wanted.pruner, wanted.seeds),
            directions=[objective.towards for objective in wanted.objective],
            load_if_exists=True,
        )


def carry_out(tuner: optuna.Study, wanted: SearchOptions, worth: Worth, parallel: int = 1) -> Hunt:
    """Search to the end. worth: of settings and seed the numbers of METRICS, as many as are asked for. Of
    the trials under way the one with the lowest seed ends first, of equals that of the earlier suggestion.
    """
    hunt = Hunt(tuner, wanted, Pretended, "pixels", wanted.trials)  # type: ignore[arg-type]
    while due := hunt.advance(parallel):
        key = min(due, key=lambda key: due[key].seed)
        found = worth(due[key].settings, due[key].seed)  # type: ignore[attr-defined]
        quality = {"source": "generated", "embedding": "pixels", **dict(zip(METRICS, found, strict=False))}
        hunt.take(key, {"trials": [{"status": "completed"}], "quality": [quality]})
    return hunt


def proposed(tuner: optuna.Study) -> list[dict[str, Any]]:
    return [trial.params for trial in tuner.get_trials(deepcopy=False)]
