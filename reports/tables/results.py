"""The tables of a run as one tidy frame: what the study asked for, what came back, and what it is compared
with.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from pipeline.store.run import Run
from pipeline.store.schemas import SCHEMAS
from pipeline.study import Study
from pipeline.trial import TrialConfig
from reports.tables.protocols import RULES, TRIALS, Protocol, of_trials, primary, rungs, select
from reports.tables.suggestions import searched_axes, suggestions, trials_of

# The order in which a table's rows are shown: the store's own order follows file names, which are hashes.
ORDER = [
    "source",
    "data_fingerprint",
    "support_size",
    "parameter",
    "trial_id",
    "embedding",
    "embedding_id",
    "tau_rule",
    "tau",
    "samples",
    "rank",
    "index",
    "low",
    "batch_size",
    "estimator",
    "stratum",
    "first",
    "second",
    "rater",
]
MEASURES = ["tau", "samples", "pairs", "collisions", "p2", "n2", "n2_low", "n2_high", "method"]
CLUSTERS = ["clusters", "largest_cluster_mass", "n2_without_largest"]
QUALITIES = [
    *["precision", "recall", "density", "coverage", "kid", "kid_standard_error", "fid", "vendi"],
    *["bins_different", "data_copying", "authenticity", "nearest_train_median", "nearest_held_out_median"],
]
FACTS = ["status", "error", "discriminator_params", "generator_params", "steps_done", "data_fingerprint"]
# What else is shown of all trials together, and of collisions.
ORIGIN = ["dataset", "versions", "commit", "device", "back_end", "cohort_size", "images_per_second"]
ORIGIN += ["device_seconds", "wall_seconds", "train_seconds", "predicted_seconds"]
COLLISIONS = [*RULES, "tau_rule", *MEASURES, *CLUSTERS, "n2_true"]
# The tables of searches: of a study that nothing was searched for none that is missing.
SEARCHED = ["suggestions", "importances"]


@dataclass(frozen=True)
class Results:
    """Everything that the report shows, all of it derived from the run's tables and `study`.

    What every trial has few rows of is held; of the other tables `rows` and `measured` read what is shown.
    axes: what is varied, with the number of its values: in a search's run the keys of `search.each` and of
    the space. facts: one row a stored trial of the study, in the study's order: its id, `variant` (system,
    objective and regularisers in a few words), every varied axis, `train_samples`, `seed`, status, sizes.
    trials: the same with the measurement under the primary protocol (null where there is none), `n2_real` and
    `ratio_to_real`, quality, `real_precision`, `gate` (the least precision that passes) and `passes_gate`.
    stored: of the same trials where and by what they were made. collisions: the rows under any of the study's
    protocols. quality: the whole table. others: one row for every other protocol
    that the store holds, with its number of rows. mlflow: where the run was mirrored to.
    """

    run: Run
    study: Study
    axes: dict[str, int]
    facts: pd.DataFrame
    trials: pd.DataFrame
    stored: pd.DataFrame
    collisions: pd.DataFrame
    quality: pd.DataFrame
    others: pd.DataFrame
    planned: int
    missing: list[str]
    strangers: int
    mlflow: dict[str, str] | None
    _read: dict[tuple[str, ...], pd.DataFrame] = field(default_factory=dict, repr=False)

    @cached_property
    def completed(self) -> pd.DataFrame:
        """Trials that completed and were measured under the primary protocol."""
        return _measured(self.trials)

    @property
    def failed(self) -> pd.DataFrame:
        """Trials with any status but completed."""
        return self.trials[self.trials["status"] != "completed"]

    @property
    def unmeasured(self) -> int:
        """Completed trials without a measurement under the primary protocol."""
        return int((self.trials["status"] == "completed").sum()) - len(self.completed)

    @property
    def real(self) -> pd.DataFrame:
        """The held-out real images' rows of `collisions` under the primary protocol."""
        return self.of("real", primary(self.study))

    @property
    def controls(self) -> pd.DataFrame:
        """Rows of `collisions` of every source but generators and held-out images, primary protocol."""
        rows = self.under(primary(self.study))
        return rows[~rows["source"].isin([*TRIALS, "real"])]

    @property
    def empty(self) -> list[str]:
        """The tables that have no rows."""
        held = self.run.held()
        return [name for name in SCHEMAS if name not in held and name not in SEARCHED]

    def under(self, protocol: Protocol) -> pd.DataFrame:
        """The rows of `collisions` under one of the study's rulers."""
        return self._by_protocol.get(protocol, self.collisions[:0])

    def of(self, source: str, protocol: Protocol) -> pd.DataFrame:
        """Those of one source."""
        rows = self.under(protocol)
        return rows[rows["source"] == source]

    def completed_under(self, protocol: Protocol) -> pd.DataFrame:
        """`completed` as another of the study's rulers sees it, its quality gate included. Kept, since every
        hypothesis asks for it.
        """
        key = ("completed", *protocol)
        if key not in self._read:
            graded = self._graded(protocol.embedding)
            self._read[key] = _measured(_with_measurement(self.facts, self.under(protocol), graded))
        return self._read[key]

    def _graded(self, embedding: str) -> pd.DataFrame:
        key = ("graded", embedding)
        if key not in self._read:
            self._read[key] = _graded(self.facts, self.study, self.quality, embedding)
        return self._read[key]

    def rows(
        self, table: str, source: str | None = None, trials: Collection[str] | None = None
    ) -> pd.DataFrame:
        """A table's rows: of one source under the study's first embedding, or of any under any; of these
        trials, or of all and of what is no trial.
        """
        where: dict[str, Collection[Any]] = {}
        if source is not None:
            where |= {"source": [source], "embedding": [None, primary(self.study).embedding]}
            where |= {} if source in TRIALS else {"trial_id": self.run.beside()}
        return _sorted(self.run.table(table, where=where if trials is None else where | {"trial_id": trials}))

    def measured(
        self, table: str, trials: Collection[str] = (), embedding: str | None = None
    ) -> pd.DataFrame:
        """A table's rows under any of the study's protocols, or those of one embedding; of these trials and
        of what is no trial: real images, controls. Kept, since several sections show the same.
        """
        key = (table, embedding or "", *trials)
        if key not in self._read:
            where: dict[str, Collection[Any]] = {"trial_id": [*self.run.beside(), *trials]}
            where |= {"embedding": [embedding] if embedding else self.study.measure.embedding_names()}
            if "tau_rule" in SCHEMAS[table].names:
                where |= {"tau_rule": list(rungs(self.study))}
            rows = _sorted(self.run.table(table, where=where))
            self._read[key] = select(self.study, of_trials(rows, list(trials)))
        return self._read[key]

    @cached_property
    def _by_protocol(self) -> dict[Protocol, pd.DataFrame]:
        parts = self.collisions.groupby(["embedding", "tau_rule"], sort=False)
        return {Protocol(*map(str, key)): rows for key, rows in parts}


def read(run: Run) -> Results:
    """Read a run's tables. Raises InputError for a damaged run."""
    study = run.study
    axes = {key: len(values) for key, values in study.axes().items()}
    table = run.table("trials", ["trial_id", *FACTS, *ORIGIN]).drop_duplicates("trial_id")
    stored = set(table["trial_id"])
    planned: Mapping[str, TrialConfig] = study.by_id
    if study.searches:
        asked = suggestions(study, run.table("suggestions"))
        axes = searched_axes(study, asked)
        # Of one that was ended early some seeds were never meant to be trained.
        planned = {trial: config for trial, config in trials_of(study, asked).items() if trial in stored}
    own = table.set_index("trial_id").loc[[trial for trial in planned if trial in stored]].reset_index()
    facts = _configured(axes, own, planned)
    if study.searches:  # a key that is proposed under a condition
        facts = facts.fillna(dict.fromkeys(axes, "–"))
    collisions, others = _collisions(study, run, facts["trial_id"])
    quality = _sorted(run.table("quality"))
    ruler = primary(study)
    measured = collisions[
        (collisions["embedding"] == ruler.embedding) & (collisions["tau_rule"] == ruler.tau_rule)
    ]
    return Results(
        run=run,
        study=study,
        axes=axes,
        facts=facts,
        trials=_with_measurement(facts, measured, _graded(facts, study, quality, ruler.embedding)),
        stored=own[["trial_id", "status", "data_fingerprint", *ORIGIN]],
        collisions=collisions,
        quality=quality,
        others=others,
        planned=len(planned),
        missing=[trial for trial in planned if trial not in stored],
        strangers=len(stored - planned.keys()),
        mlflow=run.mlflow(),
    )


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    keys = [key for key in ORDER if key in table]
    return table.sort_values(keys, kind="stable").reset_index(drop=True)


def _configured(
    axes: Iterable[str], trials: pd.DataFrame, planned: Mapping[str, TrialConfig]
) -> pd.DataFrame:
    """Stored trials with the varied axes from each one's own configuration."""
    names = list(dict.fromkeys([*axes, "objective.name", "train_samples", "seed"]))
    configs = [planned[trial] for trial in trials["trial_id"]]
    known: dict[tuple[int, ...], list[Any]] = {}
    rows = []
    for config in configs:
        # The trials of one setting share its parts and differ in their seeds.
        parts = tuple(id(part) for name, part in config if name != "seed")
        if parts not in known:
            known[parts] = [config.variant, *(config.at(name) for name in names)]
        rows.append(known[parts])
    values = dict(zip(["variant", *names], zip(*rows, strict=True), strict=True)) if rows else {}
    columns: dict[str, Any] = {"trial_id": trials["trial_id"]}
    columns |= {name: pd.Series(values.get(name, []), dtype=object) for name in ["variant", *names]}
    columns["seed"] = pd.Series([config.seed for config in configs], dtype="int64")
    columns |= {name: trials[name] for name in FACTS}
    return pd.DataFrame(columns)


def _with_measurement(facts: pd.DataFrame, rows: pd.DataFrame, graded: pd.DataFrame) -> pd.DataFrame:
    """Trials with their measurement by one ruler, beside the real images', and their quality.

    rows: of `collisions` under that ruler. graded: from `_graded`.
    """
    generated, real = rows[rows["source"] == "generated"], rows[rows["source"] == "real"]
    measured = _of_each(facts["trial_id"], generated[["trial_id", *MEASURES, *CLUSTERS]])
    trials = pd.concat([facts, measured], axis=1)
    trials["n2_real"] = _of_each(facts["data_fingerprint"], real[["data_fingerprint", "n2"]])["n2"]
    trials["ratio_to_real"] = trials["n2"] / trials["n2_real"]
    return pd.concat([trials, graded], axis=1)


def _collisions(study: Study, run: Run, trials: pd.Series[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of `collisions` under the study's protocols, of these trials and of what is no trial; and a
    count of the rows under protocols that are none of the study's.
    """
    # Nothing depends on the order of the many rows of generators.
    whole = run.table("collisions", list(dict.fromkeys(COLLISIONS)))
    generated = whole["source"] == "generated"
    whole = pd.concat([_sorted(whole[~generated]), whole[generated]], ignore_index=True)
    own = select(study, whole)
    other = whole.drop(own.index).groupby(["embedding", "tau_rule", "samples", "source"], dropna=False)
    others = other.size().rename("rows").reset_index()
    return of_trials(own, list(trials)), others


def _graded(facts: pd.DataFrame, study: Study, quality: pd.DataFrame, embedding: str) -> pd.DataFrame:
    """Each trial's quality, its real images' own precision, and whether it passes the gate (null: not
    measured).
    """
    rows = quality[quality["embedding"] == embedding].sort_values("samples", kind="stable")
    generated = rows[rows["source"] == "generated"].drop_duplicates("trial_id", keep="last")
    real = rows[rows["source"] == "real"].drop_duplicates("data_fingerprint", keep="last")
    graded = _of_each(facts["trial_id"], generated[["trial_id", *QUALITIES]])
    ceiling = _of_each(facts["data_fingerprint"], real[["data_fingerprint", "precision"]])["precision"]
    gate = study.measure.precision_gate * ceiling
    passes = (graded["precision"] >= gate).astype("boolean")
    passes = passes.where(graded["precision"].notna() & gate.notna())
    return graded.assign(real_precision=ceiling, gate=gate, passes_gate=passes)


def _measured(trials: pd.DataFrame) -> pd.DataFrame:
    return trials[(trials["status"] == "completed") & trials["collisions"].notna()]


def _of_each(keys: pd.Series[str], rows: pd.DataFrame) -> pd.DataFrame:
    """The row of each key, in the column of the keys' name at most once; null where there is none."""
    return rows.set_index(str(keys.name)).reindex(keys).set_axis(keys.index)
