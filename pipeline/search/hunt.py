"""One Optuna study under way: which suggestions are open, which trials they wait for, when they end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import optuna
from optuna.trial import TrialState

from pipeline.scores import Tables, means
from pipeline.search.proposals import Settings, ask
from pipeline.search_options import SearchOptions
from pipeline.trial import TrialConfig

# Suggestions, for each that is wanted, after which a search gives up: most of them fail.
ASKED_AT_MOST = 3


@dataclass
class Open:
    """A suggestion under way. trials: of its seeds. reported: after how many it was last allowed to go on.
    ends: their rows, by seed, as they come.
    """

    suggestion: optuna.Trial
    trials: list[TrialConfig]
    reported: int
    ends: dict[int, Tables] = field(default_factory=dict)


class Hunt:
    """Asks, waits for trials, and tells. Where suggestions may be ended early their seeds are trained one
    after the other, else all at once.
    """

    def __init__(
        self,
        tuner: optuna.Study,
        options: SearchOptions,
        resolve: Callable[[Settings], TrialConfig],
        embedding: str,
        wanted: int,
    ) -> None:
        """resolve: the trial of settings and seed. wanted: suggestions that shall end with a value."""
        self.tuner, self.options, self._resolve = tuner, options, resolve
        self._embedding, self._wanted = embedding, wanted
        self._open: list[Open] = []
        self._stepwise = options.pruner.name != "none"
        # Of a killed driver: they go on under their numbers; what they had finished is in the store.
        for trial in tuner.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._begin(ask(tuner, options, again=trial._trial_id))

    def advance(self, parallel: int) -> list[TrialConfig]:
        """End what can be ended, ask anew up to so many suggestions at once, and give the trials that they
        wait for: none when the search is over.
        """
        ready = [one for one in self._open if not self._due(one)]
        if not self.options.ordered or len(ready) == len(self._open):
            for one in ready:
                self._step(one)
            while len(self._open) < parallel and self._may_ask():
                self._begin(ask(self.tuner, self.options))
        return [trial for one in self._open for trial in self._due(one)]

    def take(self, trial: TrialConfig, tables: Tables) -> None:
        """A trial has ended with these rows."""
        for one in self._open:
            for seed, own in enumerate(one.trials):
                if own.id == trial.id:
                    one.ends[seed] = tables

    def _begin(self, suggestion: optuna.Trial) -> None:
        seeds = range(self.options.seeds)
        trials = [self._resolve({**suggestion.params, "seed": seed}) for seed in seeds]
        stored = self.tuner._storage.get_trial(suggestion._trial_id)
        self._open.append(Open(suggestion, trials, max(stored.intermediate_values, default=0)))

    def _due(self, one: Open) -> list[TrialConfig]:
        """The trials that a suggestion waits for."""
        until = one.reported + 1 if self._stepwise else self.options.seeds
        return [one.trials[seed] for seed in range(until) if seed not in one.ends]

    def _step(self, one: Open) -> None:
        """Tell how a suggestion ended, or let it go on to its next seed."""
        seeds = [one.ends[seed] for seed in sorted(one.ends)]
        found = means(self.options, seeds, self._embedding)
        if found is None:
            return self._tell(one, state=TrialState.FAIL)
        values = [found[objective.metric] for objective in self.options.objective]
        if self._stepwise and len(seeds) < self.options.seeds:
            one.suggestion.report(values[0], len(seeds))
            one.reported = len(seeds)
            if one.suggestion.should_prune():
                self._tell(one, state=TrialState.PRUNED)
            return None
        for constraint in self.options.constraints:
            one.suggestion.set_constraint(constraint.metric, constraint.violation(found[constraint.metric]))
        return self._tell(one, values)

    def _tell(self, one: Open, values: list[float] | None = None, state: TrialState | None = None) -> None:
        self._open.remove(one)
        self.tuner.tell(one.suggestion, values, state, skip_if_finished=True)

    def _may_ask(self) -> bool:
        ended = (TrialState.COMPLETE, TrialState.PRUNED)
        trials = self.tuner.get_trials(deepcopy=False)
        got = sum(trial.state in ended for trial in trials)
        return got + len(self._open) < self._wanted and len(trials) < ASKED_AT_MOST * self._wanted
