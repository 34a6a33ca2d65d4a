"""The tables of a run as one tidy frame: what the study asked for, what came back, and what it is compared
with.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import reduce
from typing import Any

import pandas as pd

from pipeline.store.run import Run
from pipeline.store.schemas import SCHEMAS
from pipeline.study import Study
from pipeline.trial import flatten

# The order in which a table's rows are shown: the store's own order follows file names, which are hashes.
ORDER = [
    "source",
    "data_fingerprint",
    "support_size",
    "trial_id",
    "embedding",
    "tau_rule",
    "samples",
    "rank",
    "index",
]
MEASURES = ["tau", "samples", "pairs", "collisions", "p2", "n2", "n2_low", "n2_high", "method"]
CLUSTERS = ["clusters", "largest_cluster_mass", "n2_without_largest"]
QUALITIES = ["precision", "recall", "density", "coverage", "nearest_train_median", "nearest_held_out_median"]
FACTS = ["status", "error", "discriminator_params", "generator_params", "steps_done", "data_fingerprint"]


@dataclass(frozen=True)
class Results:
    """Everything that the report shows, all of it derived from `tables` and `study`.

    trials: one row a stored trial of the study, in the study's order: its id, every varied axis, `objective`,
    `train_samples`, `seed`, status, sizes, the measurement under the study's own protocol (null where there
    is none), `n2_real` and `ratio_to_real`, quality, `real_precision`, `gate` (the least precision that
    passes) and `passes_gate`. real, controls: rows of `collisions` under the study's embedding and tau rule.
    others: one row for every other protocol that the store holds, with its number of rows.
    """

    study: Study
    tables: dict[str, pd.DataFrame]
    trials: pd.DataFrame
    real: pd.DataFrame
    controls: pd.DataFrame
    others: pd.DataFrame
    planned: int
    missing: list[str]
    strangers: int

    @property
    def completed(self) -> pd.DataFrame:
        """Trials that completed and were measured under the study's protocol."""
        return self.trials[(self.trials["status"] == "completed") & self.trials["collisions"].notna()]

    @property
    def failed(self) -> pd.DataFrame:
        """Trials with any status but completed."""
        return self.trials[self.trials["status"] != "completed"]

    @property
    def unmeasured(self) -> int:
        """Completed trials without a measurement under the study's protocol."""
        return int((self.trials["status"] == "completed").sum()) - len(self.completed)

    def of_trials(self, table: str) -> pd.DataFrame:
        """A table's rows that belong to the study's trials."""
        rows = self.tables[table]
        return rows[rows["trial_id"].isin(self.trials["trial_id"])]

    def rows(self, table: str, source: str) -> pd.DataFrame:
        """A table's rows of one source under the study's embedding; generated ones of the study's trials
        only.
        """
        rows = self.of_trials(table) if source == "generated" else self.tables[table]
        embedding = rows["embedding"].isna() | (rows["embedding"] == self.study.measure.embeddings[0])
        return rows[(rows["source"] == source) & embedding]


def read(run: Run) -> Results:
    """Read a run's tables. Raises InputError for a damaged run."""
    study = run.study
    tables = {name: _sorted(run.table(name)) for name in SCHEMAS}
    planned = [trial.id for trial in study.trials()]
    stored = set(tables["trials"]["trial_id"])
    own, others = _by_protocol(study, tables["collisions"])
    generated = own["generated"]
    real = own["real"].sort_values("samples", kind="stable").drop_duplicates("data_fingerprint", keep="last")
    trials = _configured(study, tables["trials"], planned)
    trials = _left_join(trials, generated[["trial_id", *MEASURES, *CLUSTERS]], "trial_id")
    trials = _left_join(
        trials, real[["data_fingerprint", "n2"]].rename(columns={"n2": "n2_real"}), "data_fingerprint"
    )
    trials["ratio_to_real"] = trials["n2"] / trials["n2_real"]
    return Results(
        study=study,
        tables=tables,
        trials=_with_quality(trials, study, tables["quality"]),
        real=real,
        controls=own["finite_support"].sort_values(["support_size", "data_fingerprint"], kind="stable"),
        others=others,
        planned=len(planned),
        missing=[trial for trial in planned if trial not in stored],
        strangers=len(stored - set(planned)),
    )


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    keys = [key for key in ORDER if key in table]
    return table.sort_values(keys, kind="stable").reset_index(drop=True)


def _configured(study: Study, stored: pd.DataFrame, planned: list[str]) -> pd.DataFrame:
    """The study's trials in its order, with the varied axes from each one's own configuration."""
    trials = stored.drop_duplicates("trial_id").set_index("trial_id")
    trials = trials.loc[[trial for trial in planned if trial in trials.index]].reset_index()
    axes = dict.fromkeys([*study.axes(), "objective.name", "train_samples", "seed"])
    configs = [flatten(json.loads(text)) for text in trials["config"]]
    columns: dict[str, Any] = {"trial_id": trials["trial_id"]}
    columns |= {axis: pd.Series([config.get(axis) for config in configs], dtype=object) for axis in axes}
    columns |= {name: trials[name] for name in FACTS}
    return pd.DataFrame(columns)


def _by_protocol(study: Study, collisions: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Rows by source under the study's own protocol, and a count of the rows under any other.

    Real images are as many as were held out, so the number of samples is part of the protocol for the others
    only.
    """
    measure = study.measure
    same = (collisions["embedding"] == measure.embeddings[0]) & (collisions["tau_rule"] == measure.tau_rule())
    full = (collisions["source"] == "real") | (collisions["samples"] == measure.samples)
    chosen = (same & full).fillna(False).astype(bool)
    own = {
        source: collisions[chosen & (collisions["source"] == source)].drop_duplicates(
            ["trial_id", "data_fingerprint", "support_size"]
            if source != "real"
            else ["data_fingerprint", "samples"]
        )
        for source in ("generated", "real", "finite_support")
    }
    columns = ["embedding", "tau_rule", "samples", "source"]
    others = collisions[~chosen].groupby(columns, dropna=False).size().rename("rows").reset_index()
    return own, others


def _with_quality(trials: pd.DataFrame, study: Study, quality: pd.DataFrame) -> pd.DataFrame:
    """Each trial's quality, its real images' own precision, and whether it passes the gate (null: not
    measured).
    """
    rows = quality[quality["embedding"] == study.measure.embeddings[0]].sort_values("samples", kind="stable")
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


def _left_join(left: pd.DataFrame, right: pd.DataFrame, key: str) -> pd.DataFrame:
    return left.merge(right, on=key, how="left", validate="many_to_one")
