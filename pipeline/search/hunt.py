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
# What Optuna keeps beside a suggestion: after how many seeds it was last allowed to go on.
WENT_ON = "went on after seeds"
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass
class Open:
    """A suggestion under way. trials: of its seeds, in their order, by id. reported: after how many of them
    Optuna was last told its mean, and went_on: allowed it to go on. ends: their rows, as they come.
    """

    suggestion: optuna.Trial
    trials: dict[str, TrialConfig]
    reported: int
    went_on: int
    ends: dict[str, Tables] = field(default_factory=dict)


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
        """resolve: the trial of settings. wanted: suggestions that shall end with a value."""
        self.tuner, self.options, self._resolve = tuner, options, resolve
        self._embedding, self._wanted = embedding, wanted
        self._open: list[Open] = []
        self._stepwise = options.pruner.name != "none"
        before = tuner.get_trials(deepcopy=False)
        self._asked, self._got = len(before), sum(trial.state in ENDED for trial in before)
        # Of a killed driver: they go on under their numbers; what they had finished is in the store.
        for trial in before:
            if trial.state == TrialState.RUNNING:
                self._begin(ask(tuner, options, again=trial._trial_id))

    def advance(self, parallel: int) -> dict[str, TrialConfig]:
        """End what can be ended, ask anew up to so many suggestions at once, and give the trials that they
        wait for, by id: none when the search is over.
        """
        ready = [one for one in self._open if not self._due(one)]
        if not self.options.ordered or len(ready) == len(self._open):
            for one in ready:
                self._step(one)
            while len(self._open) < parallel and self._may_ask():
                self._begin(ask(self.tuner, self.options))
                self._asked += 1
        return {key: one.trials[key] for one in self._open for key in self._due(one)}

    def take(self, trial_id: str, tables: Tables) -> None:
        """A trial has ended with these rows."""
        for one in self._open:
            if trial_id in one.trials:
                one.ends[trial_id] = tables

    def _begin(self, suggestion: optuna.Trial) -> None:
        trials = self._resolve(suggestion.params).with_seeds(range(self.options.seeds))
        reported = max(self.tuner._storage.get_trial(suggestion._trial_id).intermediate_values, default=0)
        self._open.append(Open(suggestion, trials, reported, suggestion.user_attrs.get(WENT_ON, 0)))

    def _now(self, one: Open) -> list[str]:
        """The trials, of those that a suggestion may have, that it is judged by next."""
        return list(one.trials)[: one.went_on + 1 if self._stepwise else None]

    def _due(self, one: Open) -> list[str]:
        """The trials that a suggestion waits for."""
        return [key for key in self._now(one) if key not in one.ends]

    def _step(self, one: Open) -> None:
        """Tell how a suggestion ended, or let it go on to its next seed."""
        seeds = [one.ends[key] for key in self._now(one)]
        found = means(self.options, seeds, self._embedding)
        if found is None:
            return self._tell(one, state=TrialState.FAIL)
        values = [found[objective.metric] for objective in self.options.objective]
        if self._stepwise and len(seeds) < self.options.seeds:
            if one.reported < len(seeds):  # else a driver was killed before it had decided
                one.suggestion.report(values[0], len(seeds))
                one.reported = len(seeds)
            if one.suggestion.should_prune():
                return self._tell(one, state=TrialState.PRUNED)
            # Written down: asked again after others have ended, the pruner might decide otherwise.
            one.suggestion.set_user_attr(WENT_ON, len(seeds))
            one.went_on = len(seeds)
            return None
        for constraint in self.options.constraints:
            one.suggestion.set_constraint(constraint.metric, constraint.violation(found[constraint.metric]))
        return self._tell(one, values)

    def _tell(self, one: Open, values: list[float] | None = None, state: TrialState | None = None) -> None:
        self._open.remove(one)
        self.tuner.tell(one.suggestion, values, state, skip_if_finished=True)
        self._got += state != TrialState.FAIL

    def _may_ask(self) -> bool:
        return self._got + len(self._open) < self._wanted and self._asked < ASKED_AT_MOST * self._wanted
