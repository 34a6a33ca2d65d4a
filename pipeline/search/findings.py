"""What was found: suggestions as rows of the tables, and the best as a study."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import optuna

from pipeline.errors import InputError
from pipeline.search.proposals import Settings
from pipeline.search_options import SearchOptions
from pipeline.store.tables import Row
from pipeline.study import Study
from pipeline.trial import content_hash


class Suggestion(NamedTuple):
    """One proposed setting. group: of `search.each`. values: means of the objectives over its seeds, in their
    order; of one that was ended early the first alone; none if it failed. feasible: keeps all constraints.
    """

    group: Settings
    number: int
    state: str
    values: tuple[float, ...]
    settings: Settings
    feasible: bool


def suggestions(group: Settings, tuner: optuna.Study) -> list[Suggestion]:
    """All suggestions of a group's search, by number."""
    return [
        Suggestion(
            group,
            trial.number,
            trial.state.name.lower(),
            tuple(trial.values or ()),
            trial.params,
            all(value <= 0 for value in (trial.constraints or {}).values()),
        )
        for trial in tuner.get_trials(deepcopy=False)
    ]


def best_of(options: SearchOptions, found: Sequence[Suggestion]) -> Suggestion | None:
    """The best complete and feasible suggestion by the first objective, the earliest of equals."""
    able = [one for one in found if one.state == "complete" and one.feasible]
    sign = -1 if options.objective[0].towards == "maximize" else 1
    return min(able, key=lambda one: (sign * one.values[0], one.number), default=None)


def suggestion_rows(study: Study, group: Settings, tuner: optuna.Study) -> Iterator[Row]:
    """Rows of table `suggestions`."""
    assert study.search is not None
    metrics = [objective.metric for objective in study.search.objective]
    for one, trial in zip(suggestions(group, tuner), tuner.get_trials(deepcopy=False), strict=True):
        steps = trial.intermediate_values
        yield {
            "trial_id": content_hash([tuner.study_name, one.number]),
            "search": tuner.study_name,
            "number": one.number,
            "state": one.state,
            "group": json.dumps(group),
            "settings": json.dumps(one.settings),
            "values": json.dumps(dict(zip(metrics, one.values, strict=False))),
            "constraints": json.dumps(dict(trial.constraints or {})),
            "feasible": one.feasible,
            "means_by_seeds": json.dumps([steps[seeds] for seeds in sorted(steps)]),
            "asked_at": trial.datetime_start,
            "told_at": trial.datetime_complete,
        }


def best_study(study: Study, settings: Sequence[Settings]) -> Study:
    """The study at every group's best settings, on seeds that no search saw: tuned scores are too good."""
    options = study.search
    assert options is not None
    document: dict[str, Any] = study.model_dump(mode="json", exclude_none=True)
    del document["search"]
    document["study"] = f"{study.study}-best"
    tuned = {key for group in settings for key in group}
    vary = {k: v for k, v in document["vary"].items() if k not in (*tuned, "seed", "zip", "rows", "exclude")}
    if options.each:
        vary["rows"] = list(settings)
    else:
        document["base"] = study.resolve(settings[0]).model_dump(mode="json")
    document["vary"] = {**vary, "seed": {"count": options.fresh_seeds, "start": options.seeds}}
    kept = []
    for hypothesis in document["hypotheses"]:
        try:
            Study.parse({**document, "hypotheses": [hypothesis]})
        except InputError:
            continue  # its predictor is no longer varied
        kept.append(hypothesis)
    return Study.parse({**document, "hypotheses": kept})
