"""Parquet files, written whole and committed in one step.

Rows of one or several trials form a *shard*: the same file name in every table it has rows for. Its commit
table is written last, so a shard counts exactly when that file is there; what a killed writer left behind is
never read and is swept away by the next one.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import InputError
from pipeline.store.schemas import KEYS, SCHEMA_VERSION, SCHEMAS

Row = Mapping[str, Any]
# Which table commits a shard, by the first word of its name.
COMMIT_TABLE = {"trials": "trials", "measure": "collisions", "labels": "labels"}


class Tables:
    """The tables under one root (a directory or any fsspec URL)."""

    def __init__(self, root: str) -> None:
        self.fs, self.root = fsspec.core.url_to_fs(root)
        self.local = "file" in ([self.fs.protocol] if isinstance(self.fs.protocol, str) else self.fs.protocol)

    def commit(self, study: str, kind: str, tables: Mapping[str, Iterable[Row]], name: str) -> None:
        """Write the rows of one shard; `kind` is `trials` or `measure`, `name` is unique to its content."""
        last = COMMIT_TABLE[kind]
        for table in sorted(tables, key=lambda t: t == last):
            rows = [{**row, "study": study, "schema_version": SCHEMA_VERSION} for row in tables[table]]
            if rows:
                self.write_bytes(f"{table}/{kind}-{name}.parquet", encode(table, rows))

    def read(self, table: str) -> pd.DataFrame:
        """All committed rows of a table, each once, in the order of trial ids; typed columns also where it is
        empty.
        """
        schema = SCHEMAS[table]
        committed = {kind: set(self.shards(last)) for kind, last in COMMIT_TABLE.items()}
        parts = [
            self._decode(table, shard)
            for shard in self.shards(table)
            if shard in committed[shard.split("-")[0]]
        ]
        whole = pa.concat_tables(parts) if parts else schema.empty_table()
        # By trial, so that the order does not depend on which trials happened to share a shard.
        rows = whole.to_pandas(types_mapper=_nullable).drop_duplicates(KEYS[table])
        return rows.sort_values("trial_id", kind="stable", ignore_index=True)

    def _decode(self, table: str, shard: str) -> pa.Table:
        name = f"{table}/{shard}.parquet"
        try:
            return pq.read_table(pa.BufferReader(self.read_bytes(name)), schema=SCHEMAS[table])
        except (pa.ArrowException, OSError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{self.root}/{name}: is damaged: {reason}") from None

    def shards(self, table: str) -> list[str]:
        """The names of a table's files, committed or not."""
        folder = f"{self.root}/{table}"
        if not self.fs.isdir(folder):
            return []
        names = (path.rsplit("/", 1)[-1] for path in self.fs.ls(folder, detail=False))
        return sorted(
            n.removesuffix(".parquet")
            for n in names
            if n.endswith(".parquet") and n.split("-")[0] in COMMIT_TABLE
        )

    def sweep(self) -> int:
        """Remove what a killed writer left: uncommitted shards and temporary files. Returns how many."""
        committed = {kind: set(self.shards(last)) for kind, last in COMMIT_TABLE.items()}
        stale = [
            f"{self.root}/{table}/{shard}.parquet"
            for table in SCHEMAS
            for shard in self.shards(table)
            if shard not in committed[shard.split("-")[0]]
        ]
        if self.local and self.fs.isdir(self.root):
            stale += [p for p in self.fs.find(self.root) if p.rsplit("/", 1)[-1].startswith(".writing-")]
        for path in stale:
            self.fs.rm_file(path)
        return len(stale)

    def read_bytes(self, name: str) -> bytes:
        """A file under the root, whole. Raises FileNotFoundError."""
        return bytes(self.fs.cat_file(f"{self.root}/{name}"))

    def write_bytes(self, name: str, content: bytes) -> None:
        """Put a file under the root whole or not at all: locally by rename, on object stores by one PUT."""
        path = f"{self.root}/{name}"
        if not self.local:
            self.fs.pipe_file(path, content)
            return
        folder = os.path.dirname(path)
        temporary = f"{folder}/.writing-{uuid.uuid4().hex}"
        try:
            os.makedirs(folder, exist_ok=True)
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException as error:
            if os.path.exists(temporary):
                os.unlink(temporary)
            if isinstance(error, OSError):
                raise InputError(f"{path}: cannot be written: {error.strerror}") from None
            raise


def encode(table: str, rows: list[dict[str, Any]]) -> bytes:
    """Rows as a Parquet file under the table's schema; an unknown column is an error, an absent one null."""
    schema = SCHEMAS[table]
    unknown = set().union(*rows) - set(schema.names)
    if unknown:
        raise KeyError(f"table {table!r} has no column {sorted(unknown)}")
    columns = [
        pa.array([row.get(name) for row in rows], type=schema.field(name).type) for name in schema.names
    ]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), sink, compression="zstd")
    return bytes(sink.getvalue())


def _nullable(kind: pa.DataType) -> Any:
    # A count that may be missing must not turn into a float: 2**53 + 1 pairs would change.
    return pd.Int64Dtype() if kind == pa.int64() else None
