"""Exports read back by other programs: the rows of the store, to the last bit."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

from pipeline.errors import InputError
from pipeline.store.run import Run
from pipeline.store.schemas import SCHEMAS
from pipeline.store.tables import frame
from reports.export import export
from reports.tables.results import read
from tests.engine.tools import Command
from tests.reports import synthetic
from tests.store.rows import rows


def from_parquet(place: Path, name: str) -> pd.DataFrame:
    return frame(pq.read_table(place / f"{name}.parquet"))


def from_sqlite(place: Path, name: str) -> pd.DataFrame:
    with closing(sqlite3.connect(place)) as database:
        return pd.read_sql_query(f'SELECT * FROM "{name}" ORDER BY rowid', database)


def from_csv(place: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(place / f"{name}.csv", dtype={"trial_id": str})


def like(read_back: pd.DataFrame, stored: pd.DataFrame) -> pd.DataFrame:
    """Column by column in the stored types: only what a format cannot say is given back to it."""
    columns = {}
    for name, column in stored.items():
        values = read_back[name]
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            values = pd.to_datetime(values, utc=True)
        elif column.dtype == bool:
            values = values.astype("boolean")
        columns[name] = values.astype(column.dtype)
    return pd.DataFrame(columns)


@pytest.mark.parametrize(
    ("to", "reader"), [("parquet", from_parquet), ("sqlite", from_sqlite), ("csv", from_csv)]
)
def test_every_table_comes_back(
    troubled: Run, tmp_path: Path, to: str, reader: Callable[[Path, str], pd.DataFrame]
) -> None:
    place = export(troubled.root, to, str(tmp_path / "out"))
    for name in SCHEMAS:
        stored = troubled.table(name)
        if to == "csv":
            stored = stored.drop(columns=[f.name for f in SCHEMAS[name] if f.type == "binary"])
        back = reader(place, name).sort_values("trial_id", kind="stable", ignore_index=True)
        assert list(back) == list(stored)
        assert_frame_equal(like(back, stored), stored, check_exact=True, obj=name)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_results_are_those_of_the_report(troubled: Run, tmp_path: Path) -> None:
    trials = read(troubled).trials
    back = from_parquet(export(troubled.root, "parquet", str(tmp_path / "p"), ["results"]), "results")
    for name in ("trial_id", "objective.name", "collisions", "n2", "ratio_to_real", "passes_gate"):
        assert back[name].isna().tolist() == trials[name].isna().tolist()
        assert back[name].dropna().tolist() == trials[name].dropna().tolist()
    assert [p.name for p in (tmp_path / "p").iterdir()] == ["results.parquet"]


def test_sqlite_is_typed_and_indexed(troubled: Run, tmp_path: Path) -> None:
    place = export(troubled.root, "sqlite", str(tmp_path / "run.sqlite"), ["collisions", "samples"])
    with closing(sqlite3.connect(place)) as database:
        kinds = "SELECT DISTINCT typeof(collisions), typeof(p2) FROM collisions"
        assert database.execute(kinds).fetchall() == [("integer", "real")]
        assert database.execute("SELECT DISTINCT typeof(image) FROM samples").fetchall() == [("blob",)]
        plan = database.execute("EXPLAIN QUERY PLAN SELECT * FROM collisions WHERE trial_id = 'real'")
        assert "INDEX collisions_trial_id" in plan.fetchone()[-1]


def test_rows_in_several_shards_come_once(tmp_path: Path) -> None:
    run = Run(tmp_path / "synthetic")
    subject = {"trial_id": "a", "source": "generated", "embedding_id": "e", "samples": 10}
    with run.writing():
        run.save_study(synthetic.study())
        for k in range(3):
            run.save([f"t{k}"], rows(f"t{k}", curves=2))
        for k, name in enumerate("xy"):  # the same keys under two names: the first counts
            measured = [subject | {"tau_rule": rule, "n2": k + 0.1} for rule in ("one", f"only {name}")]
            run.save_measurement(name, {"collisions": measured})
    parts = list(run.batches("collisions", ["tau_rule", "n2"]))
    whole = pd.concat([frame(part) for part in parts], ignore_index=True)
    assert len(parts) == 2
    assert_frame_equal(whole, run.table("collisions", ["tau_rule", "n2"]))
    assert whole["n2"].tolist() == [0.1, 0.1, 1.1]
    assert pd.concat([frame(part) for part in run.batches("curves")]).shape == (6, 6)


def test_text_and_numbers_that_csv_may_spoil(tmp_path: Path) -> None:
    run = Run(tmp_path / "synthetic")
    hostile = 'a "quoted", <script>\nline; é τ'
    row = {"trial_id": "007", "error": hostile, "seed": 2**53 + 1, "wall_seconds": 0.1 + 0.2, "host": ""}
    with run.writing():
        run.save_study(synthetic.study())
        run.save(["007"], {"trials": [row | {"train_seconds": np.inf}]})
    place = export(run.root, "csv", str(tmp_path / "csv"), ["trials"])
    back = pd.read_csv(place / "trials.csv", dtype={"trial_id": str}).iloc[0]
    assert (back["trial_id"], back["error"], back["seed"]) == ("007", hostile, 2**53 + 1)
    assert (back["wall_seconds"], back["train_seconds"]) == (0.1 + 0.2, np.inf)
    assert pd.isna(back["device"])


def test_mistakes_are_one_line_and_leave_nothing(troubled: Run, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    for to, out, tables, message in (
        ("xlsx", None, [], "--to xlsx: must be one of csv, parquet, sqlite"),
        ("csv", str(taken), [], "exists"),
        ("csv", None, ["colisions"], "did you mean 'collisions'"),
    ):
        with pytest.raises(InputError, match=message):
            export(troubled.root, to, out, tables)
    damaged = synthetic.write(tmp_path / "runs", synthetic.study(vary={}, hypotheses=[]))
    next((Path(damaged.root) / "curves").glob("*.parquet")).write_bytes(b"not parquet")
    with pytest.raises(InputError, match="is damaged"):
        export(damaged.root, "sqlite", str(tmp_path / "run.sqlite"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["runs", "taken"]


def test_the_command(birthday: Command, troubled: Run, tmp_path: Path) -> None:
    words = ("export", troubled.root, "--to", "sqlite", "--out", tmp_path / "a.sqlite", "--table", "curves")
    said = birthday(*words)
    assert (said.code, said.out.strip(), said.err) == (0, str(tmp_path / "a.sqlite"), "")
    again = birthday(*words)
    assert again.code == 2
    assert again.err.splitlines() == [
        f"birthday: {tmp_path}/a.sqlite: exists: choose another place with --out"
    ]
