"""Every number of the report as a LaTeX macro."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from reports.paper.latex import Latex, escape, name
from reports.words import number


class Macro(NamedTuple):
    """name: letters only. note: which number it is, in full precision."""

    name: str
    value: Latex
    note: str


def macros(study: str, frames: dict[str, pd.DataFrame], most_rows: int) -> list[Macro]:
    """A macro for each value of each table: study, table, what tells the row apart, column.

    Tables of more than `most_rows` rows are left out. A name that two values would share gets a letter more.
    """
    found: dict[str, Macro] = {}
    for table, frame in frames.items():
        for words, value, note in _values(table, frame) if len(frame) <= most_rows else []:
            base = name([study, *words])
            base = base[0].lower() + base[1:]
            free = next(n for n in itertools.chain([base], _longer(base)) if n not in found)
            found[free] = Macro(free, value, note)
    return list(found.values())


def _values(table: str, frame: pd.DataFrame) -> Iterator[tuple[list[object], Latex, str]]:
    keys = _keys(frame)
    for k, row in enumerate(frame.to_dict("records")):
        place = [str(row[key]) for key in keys] or [str(k + 1)] * (len(frame) > 1)
        said = ", ".join(f"{key}={row[key]}" for key in keys)
        for column in (c for c in frame if c not in keys and c != "study"):
            value = row[column]
            note = " ".join(f"{table}: {said + ': ' if said else ''}{column} = {value}".split())
            # A table of a quantity a row names its values by the quantity alone.
            words = [table, *place, *([] if column == "value" else [column])]
            yield words, _shown(value), note


def _shown(value: Any) -> Latex:
    if isinstance(value, str | bool):
        return escape(value)
    if pd.notna(value) and float(value).is_integer() and abs(value) < 1e15:
        text = f"{int(value):,}"
    else:
        text = number(value)
    # Right in text and in formulas: a comma there would be punctuation, a dollar sign the formula's end.
    safe = escape(text).replace("$-$", r"\ensuremath{-}").replace(",", "{,}")
    parts = safe.split("$")
    return Latex("".join(rf"\ensuremath{{{part}}}" if k % 2 else part for k, part in enumerate(parts)))


def _keys(frame: pd.DataFrame) -> list[str]:
    """The first columns that are no measurement and together tell the rows apart, or none."""
    keys: list[str] = []
    groups = min(len(frame), 1)
    for column in frame:
        if pd.api.types.is_float_dtype(frame[column]) or column == "value" or groups == len(frame):
            continue
        finer = len(frame[[*keys, column]].astype(str).drop_duplicates())
        if finer > groups:
            keys.append(str(column))
            groups = finer
    if len(frame) == 1 and not keys:
        keys = [str(c) for c in frame if frame[c].dtype == object or pd.api.types.is_string_dtype(frame[c])]
        keys = [key for key in keys if key != "study"][:1]
    return keys if groups == len(frame) else []


def _longer(base: str) -> Iterator[str]:
    for size in itertools.count(1):
        for letters in itertools.product("ABCDEFGHIJKLMNOPQRSTUVWXYZ", repeat=size):
            yield base + "".join(letters)
