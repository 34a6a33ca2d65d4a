"""Rows as Parquet files under the tables' schemas, and Parquet files as one table."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.store.schemas import KEYS, SCHEMAS

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]


def typed(table: str, rows: Iterable[Row]) -> pa.Table:
    """Rows under the table's schema, each key once; an unknown column is an error, an absent one null."""
    schema = SCHEMAS[table]
    unique: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        unique.setdefault(tuple(row.get(key) for key in KEYS[table]), row)
    rows = list(unique.values())
    unknown = set().union(*rows) - set(schema.names)
    if unknown:
        raise KeyError(f"table {table!r} has no column {sorted(unknown)}")
    columns = [
        pa.array([row.get(name) for row in rows], type=schema.field(name).type) for name in schema.names
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def encode(table: pa.Table) -> bytes:
    """A Parquet file whose pages carry checksums, for whoever reads it without its manifest."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return bytes(sink.getvalue())


def decode(table: str, content: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """A Parquet file's rows. Raises pa.ArrowException or OSError if it is none."""
    return pq.read_table(
        pa.BufferReader(content), schema=SCHEMAS[table], columns=columns, page_checksum_verification=True
    )


def together(table: str, parts: list[pa.Table], overlapping: bool) -> pa.Table:
    """All rows in the order of trial ids; `overlapping`: of rows with one key only the first."""
    whole = pa.concat_tables(parts)
    if overlapping:
        again = frame(whole.select(KEYS[table])).duplicated()
        whole = whole.filter(pa.array(~again.to_numpy()))
    return by_trial(whole)


def by_trial(table: pa.Table) -> pa.Table:
    """Sorted by trial, rows of one trial as they were: no matter which trials happened to share a file."""
    ids = pc.dictionary_encode(table["trial_id"].combine_chunks())
    ranks = pc.rank(ids.dictionary, tiebreaker="dense").take(ids.indices)
    if pc.all(pc.less_equal(ranks[:-1], ranks[1:])).as_py() is not False:
        return table
    return table.take(pc.sort_indices(ranks))


def of_trials(table: pa.Table, trials: Collection[str]) -> pa.Table:
    """The rows of these trials."""
    return table.filter(pc.is_in(table["trial_id"], pa.array(list(trials), pa.string())))


def frame(table: pa.Table) -> pd.DataFrame:
    """As pandas, counts as Int64: one that may be missing must not turn into a float, or 2**53 + 1 pairs
    would change.
    """
    import pandas as pd

    return table.to_pandas(types_mapper=lambda kind: pd.Int64Dtype() if kind == pa.int64() else None)
