"""Rows as Parquet files under the tables' schemas, and Parquet files as one table."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.store.schemas import KEYS, SCHEMAS

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]
# Column -> the values that a row may have there, None among them for a missing one.
Where = Mapping[str, Collection[Any]]


def typed(table: str, rows: Iterable[Row], **constants: Any) -> pa.Table:
    """Rows under the table's schema, each key once; an unknown column is an error, an absent one null.

    constants: columns that are the same in all rows.
    """
    schema, rows = SCHEMAS[table], list(rows)
    given: set[str] = set().union(*rows)
    unknown = given - set(schema.names)
    if unknown:
        raise KeyError(f"table {table!r} has no column {sorted(unknown)}")
    columns = {name: [row.get(name) for row in rows] for name in given}
    keys = list(zip(*(columns.get(key, [None] * len(rows)) for key in KEYS[table]), strict=True))
    if len(set(keys)) < len(keys):
        first = {key: k for k, key in reversed(list(enumerate(keys)))}
        return typed(table, [rows[k] for k in sorted(first.values())], **constants)

    def column(name: str, kind: pa.DataType) -> pa.Array:
        if name in constants:
            return pa.array([constants[name]] * len(rows), kind)
        return pa.array(columns[name], kind) if name in given else pa.nulls(len(rows), kind)

    return pa.Table.from_arrays([column(f.name, f.type) for f in schema], schema=schema)


def encode(table: pa.Table) -> bytes:
    """A Parquet file whose pages carry checksums, for whoever reads it without its manifest."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return bytes(sink.getvalue())


def decode(
    table: str, content: bytes, columns: Sequence[str] | None = None, where: Where | None = None
) -> pa.Table:
    """A Parquet file's rows under the table's schema, all or those that `where` allows; a column that it
    lacks is null. Of row groups without such rows nothing is decoded.

    Raises pa.ArrowException or OSError if it is none.
    """
    source, names = pa.BufferReader(content), list(columns or SCHEMAS[table].names)
    if where:
        return _filtered(table, source, names, where)
    # Not `pq.read_table`, which imports pandas.
    file = pq.ParquetFile(source, page_checksum_verification=True)
    fields = [SCHEMAS[table].field(name) for name in names]
    held = file.read([name for name in names if name in file.schema_arrow.names])
    arrays = [
        held[f.name].cast(f.type) if f.name in held.column_names else pa.nulls(held.num_rows, f.type)
        for f in fields
    ]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _filtered(table: str, source: pa.NativeFile, columns: list[str], where: Where) -> pa.Table:
    import pyarrow.dataset as ds  # imports pandas

    options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    fragment = ds.ParquetFileFormat(default_fragment_scan_options=options).make_fragment(source)
    return fragment.to_table(schema=SCHEMAS[table], columns=columns, filter=_expression(table, where))


def _expression(table: str, where: Where) -> pc.Expression:
    kinds = {name: SCHEMAS[table].field(name).type for name in where}
    each = [pc.field(name).isin(pa.array(list(values), kinds[name])) for name, values in where.items()]
    return reduce(and_, each)


def together(table: str, parts: list[pa.Table], overlapping: bool) -> pa.Table:
    """All rows in the order of trial ids; `overlapping`: of rows with one key only the first."""
    whole = pa.concat_tables(parts)
    if overlapping:
        again = frame(whole.select(KEYS[table])).duplicated()
        whole = whole.filter(pa.array(~again.to_numpy()))
    return by_trial(whole)


def unseen(table: str, part: pa.Table, trials: list[str], seen: set[tuple[Any, ...]]) -> pa.Table:
    """The rows of a part whose keys are not among those seen, to which they are added.

    trials: those that other parts may hold too; rows of all others are kept unlooked at.
    """
    again = pc.is_in(part["trial_id"], pa.array(trials, pa.string())).to_numpy()
    keep = ~again
    keys = part.select(KEYS[table]).filter(pa.array(again)).to_pylist()
    for k, row in zip(np.flatnonzero(again), keys, strict=True):
        key = tuple(row.values())
        keep[k] = key not in seen
        seen.add(key)
    return part.filter(pa.array(keep))


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
