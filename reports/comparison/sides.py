"""The runs that are compared, read and named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from pipeline.errors import InputError
from pipeline.store.run import Run, load_run
from reports.statistics.verdicts import Verdict, decide
from reports.tables.protocols import primary
from reports.tables.results import Results, read


class Ruler(NamedTuple):
    """What N2 was measured with and on: two runs' numbers mean the same only where all of it is equal."""

    embedding: str
    embedding_ids: frozenset[str]
    tau_rule: str
    data: frozenset[str]


class Side(NamedTuple):
    """One run. label: the study's name, or where several have it, the run's address."""

    label: str
    run: Run
    results: Results
    verdicts: dict[str, Verdict]
    ruler: Ruler

    @property
    def trials(self) -> frozenset[str]:
        """Ids of the study's trials that were measured."""
        return frozenset(self.results.completed["trial_id"])

    def rows(self, table: str, columns: Sequence[str]) -> pd.DataFrame:
        """A table's rows of the study's stored trials: their id and these columns."""
        rows = self.run.table(table, ["trial_id", *columns])
        return rows[rows["trial_id"].isin(self.results.facts["trial_id"])]


def sides(paths: Sequence[str]) -> list[Side]:
    """Read the runs. Raises InputError for fewer than two, for one named twice, and for what is not a run."""
    if len(paths) < 2:
        raise InputError("compare: needs two runs or more")
    runs = [load_run(path) for path in paths]
    addresses = [run.address for run in runs]
    for k, address in enumerate(addresses):
        if address in addresses[:k]:
            raise InputError(f"{paths[k]}: is named twice: a run is compared with others, not with itself")
    names = [run.study.study for run in runs]
    labels = [name if names.count(name) == 1 else run.root for name, run in zip(names, runs, strict=True)]
    return [_side(label, run) for label, run in zip(labels, runs, strict=True)]


def why_not_alike(some: Sequence[Side]) -> str | None:
    """Why N2 does not mean the same in all of these runs; None if it does."""
    parts: dict[str, set[Any]] = {
        "embeddings": {side.ruler.embedding for side in some},
        "fitted embeddings": {side.ruler.embedding_ids for side in some},
        "τ rules": {side.ruler.tau_rule for side in some},
        "data": {side.ruler.data for side in some},
    }
    differing = [name for name, values in parts.items() if len(values) > 1]
    if differing[:2] == ["embeddings", "fitted embeddings"]:
        differing.remove("fitted embeddings")
    return f"they were measured with different {' and '.join(differing)}" if differing else None


def shared_trials(some: Sequence[Side]) -> int:
    """How many trials are in more than one of these runs."""
    counts = [trial for side in some for trial in side.trials]
    return len(counts) - len(set(counts))


def _side(label: str, run: Run) -> Side:
    results = read(run)
    study = results.study
    hypotheses = [] if study.searches else study.hypotheses  # tuned trials decide nothing
    found = {one.name: decide(one, study, results.completed) for one in hypotheses}
    embedding, tau_rule = primary(study)
    side = Side(label, run, results, found, Ruler(embedding, frozenset(), tau_rule, frozenset()))
    rows = side.rows("collisions", ["source", "embedding", "embedding_id", "tau_rule", "data_fingerprint"])
    rows = rows[(rows["source"] == "generated") & rows["trial_id"].isin(side.trials)]
    rows = rows[(rows["embedding"] == embedding) & (rows["tau_rule"] == tau_rule)]
    ids, data = (frozenset(rows[name].dropna()) for name in ("embedding_id", "data_fingerprint"))
    return side._replace(ruler=Ruler(embedding, ids, tau_rule, data))
