"""Optuna's part: storages, samplers, pruners, and settings proposed one key after the other."""

from __future__ import annotations

import warnings
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, CmaEsSampler, NSGAIISampler, QMCSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial

from pipeline.errors import InputError
from pipeline.search_options import (
    Categories,
    CmaEs,
    FloatRange,
    Hyperband,
    IntRange,
    Median,
    NsgaII,
    PrunerOptions,
    Qmc,
    SamplerOptions,
    SearchOptions,
    SuccessiveHalving,
    Tpe,
)
from pipeline.seeds import stream
from pipeline.store.databases import one_at_a_time

Settings = dict[str, Any]
Space = dict[str, BaseDistribution]


def journal(path: str) -> BaseStorage:
    """Optuna's part of a search in a file."""
    return JournalStorage(JournalFileBackend(path))


def database(url: str) -> BaseStorage:
    """Optuna's part of a search in a database. Raises InputError."""
    try:
        with one_at_a_time(url):
            return RDBStorage(url)
    except Exception as error:  # SQLAlchemy's, the driver's, or that of a missing package
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"--storage {_without_password(url)}: cannot be opened: {reason}") from None


def ask(tuner: optuna.Study, options: SearchOptions, again: int | None = None) -> optuna.Trial:
    """A suggestion with all its settings; `again`: the id of one that a killed driver had asked for, which
    keeps what it has and is asked the rest.
    """
    trial = tuner.ask() if again is None else optuna.Trial(tuner, again)
    settings: Settings = {}
    for key, choice in options.space.items():
        if all(settings.get(other) in values for other, values in choice.when.items()):
            settings[key] = _proposed(trial, key, choice)
    return trial


def _proposed(trial: optuna.Trial, key: str, choice: FloatRange | IntRange | Categories) -> Any:
    if isinstance(choice, Categories):
        return trial.suggest_categorical(key, choice.values)
    if isinstance(choice, IntRange):
        return trial.suggest_int(key, choice.low, choice.high, step=choice.step, log=choice.log)
    return trial.suggest_float(key, choice.low, choice.high, step=choice.step, log=choice.log)


class Numbered(BaseSampler):
    """One of Optuna's samplers, made anew for every suggestion and key, seeded by both: so what is proposed
    depends on what was told until then and not on how often the driver died.
    """

    def __init__(self, options: SamplerOptions) -> None:
        self._options = options
        # Only says which keys are proposed together. It remembers what it has seen: a new one would compare
        # all earlier suggestions again.
        self._lasting = sampler(options, 0)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> Space:
        return self._lasting.infer_relative_search_space(study, trial)

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: Space) -> Settings:
        joint = sampler(self._options, trial.number)
        if isinstance(self._options, Tpe) and self._options.group:
            joint.infer_relative_search_space(study, trial)  # it proposes by the groups that it found there
        return joint.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        own = sampler(self._options, trial.number, param_name)
        return own.sample_independent(study, trial, param_name, param_distribution)


class _Placed(QMCSampler):
    """Optuna counts how often a sequence was asked, and a suggestion that is asked twice would move all later
    ones. Here the suggestion's number decides; the first is independent, so the sequence begins at 1.
    """

    def __init__(self, number: int, **options: Any) -> None:
        super().__init__(**options)
        self._number = number

    def _find_sample_id(self, study: optuna.Study, search_space: Space) -> int:
        return self._number - 1


def sampler(options: SamplerOptions, number: int, key: str = "") -> BaseSampler:
    """The sampler that proposes the suggestion of this number: all keys together, or one by itself."""
    seed = int(stream(f"{options.seed}/{number}", f"search/{key}").integers(2**32))
    with warnings.catch_warnings():
        # Of arguments that may change: that is why all of them are written out.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.simplefilter("ignore", FutureWarning)
        if isinstance(options, Tpe):
            return TPESampler(
                seed=seed,
                n_startup_trials=options.startup_trials,
                n_ei_candidates=options.candidates,
                multivariate=options.multivariate,
                group=options.group,
                constant_liar=options.constant_liar,
                warn_independent_sampling=False,
            )
        if isinstance(options, CmaEs):
            return CmaEsSampler(
                seed=seed,
                n_startup_trials=options.startup_trials,
                sigma0=options.sigma,
                popsize=options.population,
                with_margin=options.margin,
                independent_sampler=RandomSampler(seed=seed),
                warn_independent_sampling=False,
            )
        if isinstance(options, NsgaII):
            return NSGAIISampler(
                seed=seed,
                population_size=options.population,
                mutation_prob=options.mutation,
                crossover_prob=options.crossover,
                swapping_prob=options.swapping,
            )
        if isinstance(options, Qmc):
            return _Placed(
                number,
                seed=options.seed,  # of the whole sequence
                qmc_type=options.sequence,
                scramble=options.scramble,
                independent_sampler=RandomSampler(seed=seed),
                warn_asynchronous_seeding=False,
                warn_independent_sampling=False,
            )
        return RandomSampler(seed=seed)


def pruner(options: PrunerOptions, seeds: int) -> BasePruner:
    """The pruner, whose steps are numbers of seeds."""
    if isinstance(options, Median):
        return MedianPruner(
            n_startup_trials=options.startup_trials,
            n_warmup_steps=options.warmup_seeds,
            interval_steps=1,
            n_min_trials=1,
        )
    if isinstance(options, SuccessiveHalving):
        return SuccessiveHalvingPruner(
            min_resource=options.min_seeds,
            reduction_factor=options.factor,
            min_early_stopping_rate=0,
            bootstrap_count=0,
        )
    if isinstance(options, Hyperband):
        return HyperbandPruner(
            min_resource=options.min_seeds,
            max_resource=seeds,
            reduction_factor=options.factor,
            bootstrap_count=0,
        )
    return NopPruner()


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    login, at, where = rest.rpartition("@")
    return f"{scheme}://{login.partition(':')[0]}{at}{where}"
