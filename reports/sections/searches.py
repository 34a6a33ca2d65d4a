"""What a search found, group by group: the numbers behind its section of the report."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from pipeline.search_options import SearchOptions
from reports.sections.listing import Listing
from reports.statistics.fronts import Array, non_dominated
from reports.tables.results import Results
from reports.tables.suggestions import Settings, Suggestion, suggestions
from reports.words import many, number

# Rows of the table of the best.
SHOWN = 10
UNDECIDED = (
    "This run is a search: its trials were proposed one after the other to improve the objective, and decide "
    "no hypothesis. That is for the study of the best settings, on seeds that no search saw."
)


class Searched(NamedTuple):
    """The search of one group of `search.each`. importances: of each objective by key, where known."""

    group: Settings
    options: SearchOptions
    found: list[Suggestion]
    importances: dict[str, dict[str, float]]

    @property
    def title(self) -> str:
        """The group in words; empty if there is but one."""
        return ", ".join(f"{key} {value}" for key, value in self.group.items())

    @property
    def metrics(self) -> list[str]:
        """The objectives, in their order."""
        return [objective.metric for objective in self.options.objective]

    @property
    def complete(self) -> list[Suggestion]:
        """Those with a value of every objective, feasible or not, by number."""
        return [one for one in self.found if one.state == "complete"]

    @property
    def able(self) -> list[Suggestion]:
        """Those of them that keep the constraints."""
        return [one for one in self.complete if one.feasible]

    def losses(self, of: list[Suggestion]) -> Array:
        """(n, objectives): values with signs such that less is better."""
        signs = [-1.0 if objective.towards == "maximize" else 1.0 for objective in self.options.objective]
        values = [[one.values[metric] for metric in self.metrics] for one in of]
        return np.array(values, dtype=np.float64).reshape(len(of), len(signs)) * signs

    @property
    def best(self) -> list[Suggestion]:
        """Of one objective the best few, of several the front; by the first objective, the earliest first."""
        losses = self.losses(self.able)
        chosen = list(range(len(losses)))
        if len(self.metrics) > 1 and len(losses):
            chosen = [int(k) for k in np.flatnonzero(non_dominated(losses))]
        return [self.able[k] for k in sorted(chosen, key=lambda k: (losses[k, 0], k))][:SHOWN]


def searched(results: Results) -> list[Searched]:
    """Every group's search; none if the run is no search's or has nothing yet."""
    study = results.study
    if study.search is None:
        return []
    found = suggestions(study, results.rows("suggestions"))
    groups = [group for group in study.groups() if any(one.group == group for one in found)]
    searches = []
    for group in groups:
        own = [one for one in found if one.group == group]
        searches.append(Searched(group, study.search, own, _importances(results, own[0].search)))
    return searches


def _importances(results: Results, search: str) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    rows = results.rows("importances")
    for row in rows[rows["search"] == search].to_dict("records"):
        found.setdefault(row["metric"], {})[row["key"]] = float(row["importance"])
    return found


def inventory(results: Results) -> str:
    """How many suggestions ended how, and their trials."""
    found = searched(results)
    states = Counter(one.state for search in found for one in search.found)
    infeasible = sum(len(search.complete) - len(search.able) for search in found)
    outside = {"complete": f" ({infeasible} outside the constraints)"} if infeasible else {}
    by_state = ", ".join(f"{n} {state}{outside.get(state, '')}" for state, n in sorted(states.items()))
    of = f"{many(sum(states.values()), 'suggestion')} of {many(len(found), 'search', 'searches')}"
    sentence = f"{of}: {by_state or 'none'}; "
    ends = results.trials["status"].value_counts().sort_index()
    sentence += "their trials in the store: "
    sentence += ", ".join(f"{n} {str(status).replace('_', ' ')}" for status, n in ends.items()) or "none"
    if results.strangers:
        lie = many(results.strangers, "other trial lies", "other trials lie")
        sentence += f". {lie} in this store, of no suggestion in its tables, and left out"
    return sentence + "."


def in_words(search: Searched) -> str:
    """What was looked for, and what came of it."""
    aims = [f"{objective.towards} {objective.metric}" for objective in search.options.objective]
    sampler, pruner = search.options.sampler.name, search.options.pruner.name
    how = f"sampler {sampler}" + ("" if pruner == "none" else f", pruner {pruner}")
    seeds = f"a suggestion is the mean over {many(search.options.seeds, 'seed')}"
    sentence = f"To {' and '.join(aims)}; {how}; {seeds}."
    for bound in search.options.constraints:
        side = f"least {number(bound.at_least)}" if bound.at_most is None else f"most {number(bound.at_most)}"
        sentence += f" Feasible: {bound.metric} at {side}."
    if not search.able:
        return f"{sentence} No suggestion ended with a value within the constraints."
    if len(search.metrics) > 1:
        front = int(non_dominated(search.losses(search.able)).sum())
        return f"{sentence} {many(front, 'suggestion')} of {len(search.able)} on the front."
    best = search.best[0]
    value = number(best.values[search.metrics[0]])
    return f"{sentence} The best of {len(search.able)}: {value}, suggestion {best.number}."


def listing(search: Searched) -> Listing:
    """The best suggestions with their settings."""
    keys = list(search.options.space)
    rows = [
        [str(one.number)]
        + [number(one.values[metric]) for metric in search.metrics]
        + [shown(one.settings.get(key)) for key in keys]
        for one in search.best
    ]
    return Listing(["suggestion", *search.metrics, *keys], rows)


def shown(value: Any) -> str:
    """A setting in a few characters; a dash for one that was not proposed."""
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def reference(search: Searched) -> Array:
    """The point that hypervolumes are measured from, as losses (objectives,): of each objective the worst
    value of those that are complete and feasible.
    """
    return np.asarray(search.losses(search.able).max(axis=0))
