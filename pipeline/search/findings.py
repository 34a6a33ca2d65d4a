"""What was found: suggestions and importances as rows of the tables, and the best as a study."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from pipeline.errors import InputError
from pipeline.search.proposals import Settings
from pipeline.search_options import SearchOptions
from pipeline.store.tables import Row
from pipeline.study import SEARCHING, Study
from pipeline.trial import content_hash

# Importances are of reaching this best share of the complete suggestions; Optuna's default, a tenth, is two
# or three of the twenty to forty that searches of trainings have. Of fewer than this many nothing is said.
BEST_SHARE, FEWEST = 0.25, 10


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


def able(found: Sequence[Suggestion]) -> list[Suggestion]:
    """Those that are complete and feasible: one of them may be the best."""
    return [one for one in found if one.state == "complete" and one.feasible]


def best_of(options: SearchOptions, found: Sequence[Suggestion]) -> Suggestion | None:
    """The best of those that may be by the first objective, the earliest of equals."""
    sign = -1 if options.objective[0].towards == "maximize" else 1
    return min(able(found), key=lambda one: (sign * one.values[0], one.number), default=None)


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


def importance_rows(study: Study, tuner: optuna.Study) -> Iterator[Row]:
    """Rows of table `importances`: for each objective the share of every key of the space in reaching the
    best quarter of the complete suggestions (PED-ANOVA; Watanabe et al. 2023). None of fewer than ten, and
    none of an objective that is the same in all, of which the evaluator knows nothing.
    """
    assert study.search is not None
    complete = tuner.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < FEWEST:
        return
    evaluator = PedAnovaImportanceEvaluator(
        target_quantile=BEST_SHARE, region_quantile=1.0, evaluate_on_local=True
    )
    for k, objective in enumerate(study.search.objective):
        sign = -1 if objective.towards == "maximize" else 1
        with warnings.catch_warnings():
            # That less is better of a target, that conditional keys have few suggestions.
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # of `normalize`
            found = get_param_importances(
                tuner, evaluator=evaluator, params=None, target=_signed(sign, k), normalize=False
            )
        total = sum(found.values())
        for key in study.search.space if total > 0 else ():
            yield {
                "trial_id": content_hash([tuner.study_name, objective.metric, key]),
                "search": tuner.study_name,
                "metric": objective.metric,
                "key": key,
                "importance": found.get(key, 0.0) / total,
            }


def _signed(sign: int, objective: int) -> Callable[[FrozenTrial], float]:
    return lambda trial: sign * trial.values[objective]


def best_study(study: Study, found: Sequence[Sequence[Suggestion]], best: Sequence[Suggestion]) -> Study:
    """The study at every group's best settings, on seeds that no search saw: tuned scores are too good.

    found: by group all suggestions. best: by group the one that is taken.
    """
    options = study.search
    assert options is not None
    settings = [{**one.group, **one.settings} for one in best]
    document: dict[str, Any] = study.model_dump(mode="json", exclude_none=True)
    del document["search"]
    document["study"] = f"{study.study}-best"
    document["tuned"] = {
        "search": f"{study.study}{SEARCHING}",
        "metric": options.objective[0].metric,
        "direction": options.objective[0].towards,
        "protocol": study.measure_id(),
        "seeds": options.seeds,
        "chosen": [
            {
                "group": one.group,
                "settings": one.settings,
                "trial": study.resolve({**one.group, **one.settings, "seed": 0}).id,
                "value": one.values[0],
                "suggestions": len(able(suggested)),
            }
            for suggested, one in zip(found, best, strict=True)
        ],
    }
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
