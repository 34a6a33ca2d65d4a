"""A run's tables for other programs: CSV, Parquet or SQLite, with one of the run's files in memory at a time.

The rows are those of `Run.table`, in the order of the run's files; those of one trial stay together unless it
was measured again. Table `results` is the report's: a row a trial, with its measurement under the primary
protocol.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from pipeline.errors import InputError, did_you_mean
from pipeline.store.run import Run, load_run
from pipeline.store.schemas import SCHEMAS
from reports import folders
from reports.tables.results import read

# What takes a table: its name, its schema, and its rows in parts.
Sink = Callable[[str, pa.Schema, Iterable[pa.Table]], None]
RESULTS = "results"
ROWS_AT_ONCE = 10_000


def export(run_path: str, to: str, out: str | None = None, names: Sequence[str] = ()) -> Path:
    """Write tables of the run at `run_path` (a directory or any fsspec URL), all or these, and return where.

    to: `csv` or `parquet`, a folder with a file for each table, or `sqlite`, one file with an index on
    `trial_id` in each. Images are left out of CSV. In SQLite times are ISO 8601 text, and NaN, which it does
    not know, is NULL. The default place is `<study>-csv`, `<study>-parquet` or `<study>.sqlite` here.

    Raises InputError for what is not a run, an unknown format or table, and a place that is taken.
    """
    if to not in SINKS:
        raise InputError(f"--to {to}: must be one of {', '.join(SINKS)}{did_you_mean(to, SINKS)}")
    known = [*SCHEMAS, RESULTS]
    for name in names:
        if name not in known:
            raise InputError(f"--table {name}: must be one of {', '.join(known)}{did_you_mean(name, known)}")
    run = load_run(run_path)
    target = Path(out or f"{run.study_name}{'.sqlite' if to == 'sqlite' else f'-{to}'}")
    if target.exists():
        raise InputError(f"{target}: exists: choose another place with --out")
    with folders.put(target) as fresh, SINKS[to](fresh) as sink:
        for name in dict.fromkeys(names or known):
            _table(run, name, sink, images=to != "csv")
    return target


def _table(run: Run, name: str, sink: Sink, images: bool) -> None:
    if name == RESULTS:
        rows = arrow(read(run).trials)
        sink(name, rows.schema, [rows])
        return
    fields = [field for field in SCHEMAS[name] if images or not pa.types.is_binary(field.type)]
    sink(name, pa.schema(fields), run.batches(name, [field.name for field in fields]))


def arrow(frame: pd.DataFrame) -> pa.Table:
    """A frame whose columns of mixed or nested values, as axes may be, become text."""
    return pa.table({str(name): _column(column) for name, column in frame.items()})


def _column(column: pd.Series[Any]) -> pa.Array:
    with contextlib.suppress(pa.ArrowInvalid, pa.ArrowTypeError):
        array = pa.array(column, from_pandas=True)
        if not (pa.types.is_nested(array.type) or pa.types.is_null(array.type)):
            return array
    given = column.notna()
    return pa.array([str(v) if there else None for v, there in zip(column, given, strict=True)], pa.string())


@contextlib.contextmanager
def _csv(folder: Path) -> Iterator[Sink]:
    folder.mkdir()

    def sink(name: str, schema: pa.Schema, parts: Iterable[pa.Table]) -> None:
        with pyarrow.csv.CSVWriter(folder / f"{name}.csv", schema) as writer:
            for part in parts:
                writer.write_table(part)

    yield sink


@contextlib.contextmanager
def _parquet(folder: Path) -> Iterator[Sink]:
    folder.mkdir()

    def sink(name: str, schema: pa.Schema, parts: Iterable[pa.Table]) -> None:
        with pq.ParquetWriter(folder / f"{name}.parquet", schema, compression="zstd") as writer:
            for part in parts:
                writer.write_table(part)

    yield sink


@contextlib.contextmanager
def _sqlite(file: Path) -> Iterator[Sink]:
    with contextlib.closing(sqlite3.connect(file)) as database:
        # Until it is renamed nobody else sees the file, and after an error it is gone.
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        try:
            yield partial(_into, database)
            database.commit()
        except sqlite3.Error as error:
            raise InputError(f"{file.parent.parent}: cannot be written: {error}") from None


def _into(database: sqlite3.Connection, name: str, schema: pa.Schema, parts: Iterable[pa.Table]) -> None:
    columns = ", ".join(f"{_quoted(field.name)} {_affinity(field.type)}" for field in schema)
    database.execute(f"CREATE TABLE {_quoted(name)} ({columns})")
    insert = f"INSERT INTO {_quoted(name)} VALUES ({', '.join('?' * len(schema))})"
    for part in parts:
        for batch in part.to_batches(max_chunksize=ROWS_AT_ONCE):
            database.executemany(insert, zip(*map(_values, batch.columns), strict=True))
    database.execute(f"CREATE INDEX {_quoted(f'{name}_trial_id')} ON {_quoted(name)} (trial_id)")


def _values(column: pa.Array) -> list[Any]:
    return (column.cast(pa.string()) if pa.types.is_timestamp(column.type) else column).to_pylist()


def _affinity(kind: pa.DataType) -> str:
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return "INTEGER"
    if pa.types.is_floating(kind):
        return "REAL"
    return "BLOB" if pa.types.is_binary(kind) else "TEXT"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


SINKS: dict[str, Callable[[Path], contextlib.AbstractContextManager[Sink]]] = {
    "csv": _csv,
    "parquet": _parquet,
    "sqlite": _sqlite,
}
