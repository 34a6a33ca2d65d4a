"""The pairs to be judged, as the store has them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pandas as pd

from pipeline.errors import InputError
from pipeline.store.run import Run
from pipeline.store.schemas import KEYS, SCHEMAS

# What a label repeats of its candidate: whose pair it is, which, and how it was drawn.
SHARED = [
    name
    for name in SCHEMAS["labels"].names
    if name in SCHEMAS["candidates"].names and name not in ("study", "schema_version")
]
# What tells pairs apart.
IDENTITY = [name for name in KEYS["labels"] if name != "rater"]
Row = dict[str, Any]


def candidates(run: Run) -> dict[str, Row]:
    """Key -> row of every candidate with images. Raises InputError if there is none.

    A pair that was drawn more than once, for other numbers of samples, is judged as it was drawn first.
    """
    rows = plain_rows(run.table("candidates"))
    found = {key(row): row for row in reversed(rows) if row["first_image"] and row["second_image"]}
    if rows and not found:
        raise InputError(f"{run.root}: its candidate pairs have no images that one could look at")
    if not found:
        raise InputError(f"{run.root}: has no candidate pairs to judge: measure it with candidates first")
    return found


def key(row: Row) -> str:
    """A pair's name, the same in `candidates` and `labels`: a hash of what tells pairs apart."""
    return hashlib.sha256(json.dumps([row[name] for name in IDENTITY]).encode()).hexdigest()


def plain_rows(frame: pd.DataFrame) -> list[Row]:
    """A table's rows in Python's own types, nulls as None."""
    columns = {name: [_plain(value) for value in frame[name]] for name in frame.columns}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _plain(value: Any) -> Any:
    if isinstance(value, str | bytes):
        return value
    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value
