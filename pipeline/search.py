"""Optuna over a study's `search:` space. Each suggestion is ordinary trials on the same engine; only the
driver asks and tells, always in the same order, so a seed gives the same suggestions again.
"""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from pipeline.engine.engines import Engine
from pipeline.engine.execute import Bench, prepare, started
from pipeline.errors import InputError
from pipeline.store.run import Run
from pipeline.study import Categories, FloatRange, IntRange, SearchOptions, Study
from pipeline.trial import TrialConfig

JOURNAL, BEST = "optuna.journal", "best.yaml"


class Suggestion(NamedTuple):
    """One proposed setting. value: mean of the objective over its seeds; None if a seed failed."""

    number: int
    state: str
    value: float | None
    settings: dict[str, Any]


class Search(NamedTuple):
    """What a search found; `best_study`: path of a study at the best setting, on fresh seeds."""

    suggestions: list[Suggestion]
    best_study: str


def search(
    study: Study,
    runs: str | Path = "runs",
    *,
    trials: int | None = None,
    engine: str = "ray",
    address: str | None = None,
    data_root: Path | None = None,
) -> Search:
    """Carry out or resume a search in `runs/<study name>-search` until `trials` suggestions have ended.

    Raises InputError if the study has no search, or if no suggestion succeeded.
    """
    options = study.search
    if options is None:
        raise InputError(f"study {study.study!r}: has no search: block")
    if "://" in str(runs):
        raise InputError(f"--runs {runs}: a search keeps its journal on a local disk; name a directory")
    searched = study.model_copy(update={"study": f"{study.study}-search"})
    target = Run(f"{str(runs).rstrip('/')}/{searched.study}")
    # Every setting a suggestion may take is checked alone, together with the data set it may name.
    corners = [{key: value} for key, choice in options.space.items() for value in _ends(choice)]
    bench = prepare(searched, [study.resolve(s) for s in [{}, *corners]], engine, address, data_root, target)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with started(engine, searched.resources, address) as worker, target.writing():
        target.save_study(searched)
        bench.save_controls(target)
        direction = options.objective.direction
        tuner = optuna.create_study(
            study_name=searched.study,
            storage=JournalStorage(JournalFileBackend(f"{target.root}/{JOURNAL}")),
            sampler=_sampler(options, 0),
            pruner=_pruner(options),
            direction=direction,
            load_if_exists=True,
        )
        # A resumed search must not propose again what it proposed before.
        tuner.sampler = _sampler(options, len(tuner.trials))
        _requeue(tuner)
        wanted = trials or options.trials
        while (ended := _ended(tuner)) < wanted:
            if len(tuner.trials) >= 3 * wanted:
                break  # most suggestions fail: the report of failures is worth more than further ones
            asked = [tuner.ask(_space(options)) for _ in range(min(worker.slots(), wanted - ended))]
            _evaluate(asked, tuner, study, bench, worker, target)
        suggestions = [Suggestion(t.number, t.state.name.lower(), t.value, t.params) for t in tuner.trials]
        if not any(t.state == TrialState.COMPLETE for t in tuner.trials):
            raise InputError(
                f"{target.root}: no suggestion succeeded; birthday status {target.root} says why"
            )
        target.files.replace(BEST, best_study(study, tuner.best_params).yaml().encode())
    return Search(suggestions, f"{target.root}/{BEST}")


def best_study(study: Study, settings: dict[str, Any]) -> Study:
    """The study at fixed settings, on seeds that the search never saw: the tuned score itself is too good."""
    assert study.search is not None
    document = study.model_dump(mode="json", exclude_none=True)
    del document["search"]
    document["study"] = f"{study.study}-best"
    document["base"] = study.resolve(settings).model_dump(mode="json")
    seeds = max(len(study.seeds()), 3)
    vary = {k: v for k, v in document["vary"].items() if k not in (*settings, "seed", "zip", "exclude")}
    document["vary"] = {**vary, "seed": {"count": seeds, "start": study.search.seeds}}
    kept = []
    for hypothesis in document["hypotheses"]:
        try:
            Study.parse({**document, "hypotheses": [hypothesis]})
        except InputError:
            continue  # its predictor is no longer varied
        kept.append(hypothesis)
    return Study.parse({**document, "hypotheses": kept})


def _evaluate(
    asked: list[optuna.Trial], tuner: optuna.Study, study: Study, bench: Bench, worker: Engine, target: Run
) -> None:
    """Train suggestions seed by seed; one whose running mean is hopeless is pruned after a seed."""
    assert study.search is not None
    values: dict[int, list[float]] = {s.number: [] for s in asked}
    open_ones = list(asked)
    for seed in range(study.search.seeds):
        if not open_ones:
            return
        trials = {s.number: study.resolve({**s.params, "seed": seed}) for s in open_ones}
        missing = {t.id: t for t in trials.values() if t.id not in target.done()}
        for _ in bench.train(list(missing.values()), worker, target):
            pass
        still_open = []
        for suggestion in open_ones:
            value = _objective(target, trials[suggestion.number], study)
            if value is None:
                tuner.tell(suggestion, state=TrialState.FAIL)
                continue
            values[suggestion.number].append(value)
            suggestion.report(fmean(values[suggestion.number]), seed)
            if seed + 1 < study.search.seeds and suggestion.should_prune():
                tuner.tell(suggestion, state=TrialState.PRUNED)
            else:
                still_open.append(suggestion)
        open_ones = still_open
    for suggestion in open_ones:
        tuner.tell(suggestion, fmean(values[suggestion.number]))


def _objective(target: Run, trial: TrialConfig, study: Study) -> float | None:
    assert study.search is not None
    rows = target.table("quality")
    rows = rows[(rows["trial_id"] == trial.id) & (rows["embedding"] == study.measure.embedding_names()[0])]
    if rows.empty:
        return None
    row = rows.iloc[0]
    metric = study.search.objective.metric
    if metric == "precision_recall_f":
        total = row["precision"] + row["recall"]
        return float(2 * row["precision"] * row["recall"] / total) if total else 0.0
    return float(row[metric])


def _ended(tuner: optuna.Study) -> int:
    return sum(t.state in (TrialState.COMPLETE, TrialState.PRUNED) for t in tuner.trials)


def _requeue(tuner: optuna.Study) -> None:
    """Suggestions whose driver died are proposed again; trials they finished are found in the store."""
    for trial in tuner.get_trials(states=(TrialState.RUNNING,)):
        tuner.tell(trial.number, state=TrialState.FAIL)
        tuner.enqueue_trial(trial.params, skip_if_exists=False)


def _space(options: SearchOptions) -> dict[str, BaseDistribution]:
    return {key: _distribution(choice) for key, choice in options.space.items()}


def _ends(choice: FloatRange | IntRange | Categories) -> list[Any]:
    return choice.values if isinstance(choice, Categories) else [choice.low, choice.high]


def _distribution(choice: FloatRange | IntRange | Categories) -> BaseDistribution:
    if isinstance(choice, Categories):
        return CategoricalDistribution(choice.values)
    if isinstance(choice, IntRange):
        return IntDistribution(choice.low, choice.high, log=choice.log)
    return FloatDistribution(choice.low, choice.high, log=choice.log)


def _sampler(options: SearchOptions, proposed: int) -> BaseSampler:
    seed = options.sampler.seed + proposed
    # Written out, since Optuna's defaults differ between its major versions.
    if options.sampler.name == "random":
        return RandomSampler(seed=seed)
    return TPESampler(
        seed=seed,
        n_startup_trials=options.sampler.startup_trials,
        n_ei_candidates=24,
        multivariate=True,
        group=False,
        constant_liar=True,
    )


def _pruner(options: SearchOptions) -> BasePruner:
    if options.pruner.name == "none":
        return NopPruner()
    return MedianPruner(n_startup_trials=options.pruner.startup_trials, n_warmup_steps=0, interval_steps=1)
