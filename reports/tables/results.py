"""The tables of a run as one tidy frame: what the study asked for, what came back, and what it is compared
with.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import pandas as pd

from pipeline.store.run import Run
from pipeline.store.schemas import SCHEMAS
from pipeline.study import Study
from pipeline.trial import TrialConfig
from reports.tables.protocols import TRIALS, Protocol, primary, select, under
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
# The tables of searches.
SEARCHED = ["suggestions", "importances"]
# The tables of what was measured with the study's rulers.
MEASURED = ["collisions", "distances", "clusters", "estimates", "batches"]


@dataclass(frozen=True)
class Results:
    """Everything that the report shows, all of it derived from `tables` and `study`.

    axes: what is varied, with the number of its values: in a search's run the keys of `search.each` and of
    the space. facts: one row a stored trial of the study, in the study's order: its id, `variant` (system,
    objective and regularisers in a few words), every varied axis, `train_samples`, `seed`, status, sizes.
    trials: the same with the measurement under the primary protocol (null where there is none), `n2_real` and
    `ratio_to_real`, quality, `real_precision`, `gate` (the least precision that passes) and `passes_gate`.
    measured: by table, the rows under any of the study's protocols. others: one row for every other protocol
    that the store holds, with its number of rows. mlflow: where the run was mirrored to.
    """

    study: Study
    axes: dict[str, int]
    tables: dict[str, pd.DataFrame]
    facts: pd.DataFrame
    trials: pd.DataFrame
    measured: dict[str, pd.DataFrame]
    others: pd.DataFrame
    planned: int
    missing: list[str]
    strangers: int
    mlflow: dict[str, str] | None

    @property
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
        return self.of("collisions", "real", primary(self.study))

    @property
    def controls(self) -> pd.DataFrame:
        """Rows of `collisions` of every source but generators and held-out images, primary protocol."""
        rows = under(self.measured["collisions"], primary(self.study))
        return rows[~rows["source"].isin([*TRIALS, "real"])]

    def of(self, table: str, source: str, protocol: Protocol) -> pd.DataFrame:
        """A measured table's rows of one source under one ruler."""
        rows = under(self.measured[table], protocol)
        return rows[rows["source"] == source]

    def completed_under(self, protocol: Protocol) -> pd.DataFrame:
        """`completed` as another of the study's rulers sees it, its quality gate included."""
        rows = self.measured["collisions"]
        return _measured(_with_measurement(self.facts, self.study, rows, self.tables, protocol))

    def of_trials(self, table: str) -> pd.DataFrame:
        """A table's rows that belong to the study's trials."""
        rows = self.tables[table]
        return rows[rows["trial_id"].isin(self.trials["trial_id"])]

    def rows(self, table: str, source: str) -> pd.DataFrame:
        """A table's rows of one source under the study's first embedding; generated ones of the study's
        trials only.
        """
        rows = self.of_trials(table) if source == "generated" else self.tables[table]
        embedding = rows["embedding"].isna() | (rows["embedding"] == primary(self.study).embedding)
        return rows[(rows["source"] == source) & embedding]


def read(run: Run) -> Results:
    """Read a run's tables. Raises InputError for a damaged run."""
    study = run.study
    tables = {name: _sorted(run.table(name)) for name in SCHEMAS}
    axes = {key: len(values) for key, values in study.axes().items()}
    planned = [trial.id for trial in study.trials()]
    stored = set(tables["trials"]["trial_id"])
    if study.searches:
        asked = suggestions(study, tables["suggestions"])
        axes = searched_axes(study, asked)
        # Of one that was ended early some seeds were never meant to be trained.
        planned = [trial for trial in trials_of(study, asked) if trial in stored]
    for name in SEARCHED:
        if tables[name].empty:  # of a study that nothing was searched for: no table that is missing
            del tables[name]
    facts = _configured(axes, tables["trials"], planned)
    if study.searches:  # a key that is proposed under a condition
        facts = facts.fillna(dict.fromkeys(axes, "–"))
    measured = {name: select(study, tables[name], facts["trial_id"]) for name in MEASURED}
    return Results(
        study=study,
        axes=axes,
        tables=tables,
        facts=facts,
        trials=_with_measurement(facts, study, measured["collisions"], tables, primary(study)),
        measured=measured,
        others=_others(study, tables["collisions"]),
        planned=len(planned),
        missing=[trial for trial in planned if trial not in stored],
        strangers=len(stored - set(planned)),
        mlflow=run.mlflow(),
    )


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    keys = [key for key in ORDER if key in table]
    return table.sort_values(keys, kind="stable").reset_index(drop=True)


def _configured(axes: Iterable[str], stored: pd.DataFrame, planned: list[str]) -> pd.DataFrame:
    """The study's trials in its order, with the varied axes from each one's own configuration."""
    trials = stored.drop_duplicates("trial_id").set_index("trial_id")
    trials = trials.loc[[trial for trial in planned if trial in trials.index]].reset_index()
    names = dict.fromkeys([*axes, "objective.name", "train_samples", "seed"])
    configs = [TrialConfig.model_validate_json(text) for text in trials["config"]]
    columns: dict[str, Any] = {"trial_id": trials["trial_id"]}
    columns |= {"variant": pd.Series([config.variant for config in configs], dtype=object)}
    columns |= {axis: pd.Series([config.at(axis) for config in configs], dtype=object) for axis in names}
    columns |= {name: trials[name] for name in FACTS}
    return pd.DataFrame(columns)


def _with_measurement(
    facts: pd.DataFrame,
    study: Study,
    collisions: pd.DataFrame,
    tables: dict[str, pd.DataFrame],
    protocol: Protocol,
) -> pd.DataFrame:
    """Trials with their measurement by one ruler, beside the real images', and their quality."""
    rows = under(collisions, protocol)
    generated, real = rows[rows["source"] == "generated"], rows[rows["source"] == "real"]
    trials = _left_join(facts, generated[["trial_id", *MEASURES, *CLUSTERS]], "trial_id")
    own = real[["data_fingerprint", "n2"]].rename(columns={"n2": "n2_real"})
    trials = _left_join(trials, own, "data_fingerprint")
    trials["ratio_to_real"] = trials["n2"] / trials["n2_real"]
    return _with_quality(trials, study, tables["quality"], protocol.embedding)


def _others(study: Study, collisions: pd.DataFrame) -> pd.DataFrame:
    """A count of the rows under protocols that are none of the study's."""
    own = select(study, collisions, collisions["trial_id"]).index
    columns = ["embedding", "tau_rule", "samples", "source"]
    return collisions.drop(own).groupby(columns, dropna=False).size().rename("rows").reset_index()


def _with_quality(trials: pd.DataFrame, study: Study, quality: pd.DataFrame, embedding: str) -> pd.DataFrame:
    """Each trial's quality, its real images' own precision, and whether it passes the gate (null: not
    measured).
    """
    rows = quality[quality["embedding"] == embedding].sort_values("samples", kind="stable")
    generated = rows[rows["source"] == "generated"].drop_duplicates("trial_id", keep="last")
    real = rows[rows["source"] == "real"].drop_duplicates("data_fingerprint", keep="last")
    ceiling = real[["data_fingerprint", "precision"]].rename(columns={"precision": "real_precision"})
    joined = [(generated[["trial_id", *QUALITIES]], "trial_id"), (ceiling, "data_fingerprint")]
    trials = reduce(lambda left, part: _left_join(left, *part), joined, trials)
    trials["gate"] = study.measure.precision_gate * trials["real_precision"]
    known = trials["precision"].notna() & trials["gate"].notna()
    passes = (trials["precision"] >= trials["gate"]).astype("boolean")
    trials["passes_gate"] = passes.where(known)
    return trials


def _measured(trials: pd.DataFrame) -> pd.DataFrame:
    return trials[(trials["status"] == "completed") & trials["collisions"].notna()]


def _left_join(left: pd.DataFrame, right: pd.DataFrame, key: str) -> pd.DataFrame:
    return left.merge(right, on=key, how="left", validate="many_to_one")
