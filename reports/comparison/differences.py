"""What differs between runs: the studies' keys, where they ran, what they cost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from pipeline.trial import flatten
from reports.comparison.sides import Side
from reports.sections.listing import Listing
from reports.words import number

ABSENT = "–"


def keys(sides: Sequence[Side]) -> Listing:
    """The keys of the resolved studies whose values are not the same everywhere, with each study's."""
    return _differing("key", sides, [_flat(side) for side in sides])


def circumstances(sides: Sequence[Side]) -> Listing:
    """The same of versions, commit, devices, back ends and data."""
    return _differing("what", sides, [_circumstances(side) for side in sides])


def cost(sides: Sequence[Side]) -> Listing:
    """What the stored trials took."""
    rows = []
    for side in sides:
        stored = side.rows("trials", ["device_seconds", "wall_seconds"])
        total = [stored[name].sum() for name in ("device_seconds", "wall_seconds")]
        row = [side.label, f"{len(stored):,}", f"{len(side.results.completed):,}"]
        row += [f"{len(side.results.failed):,}", f"{len(side.results.missing):,}"]
        rows.append([*row, *map(number, total), number(total[0] / len(stored) if len(stored) else None)])
    heads = ["run", "trials stored", "measured", "failed", "missing", "device seconds", "wall seconds"]
    return Listing([*heads, "device seconds a trial"], rows)


def _differing(head: str, sides: Sequence[Side], found: list[dict[str, str]]) -> Listing:
    names = dict.fromkeys(name for one in found for name in one)
    rows = [[name, *(one.get(name, ABSENT) for one in found)] for name in names]
    return Listing([head, *(side.label for side in sides)], [row for row in rows if len(set(row[1:])) > 1])


def _flat(side: Side) -> dict[str, str]:
    document: dict[str, Any] = side.results.study.model_dump(mode="json")
    return {key: _text(value) for key, value in _items(flatten(document))}


def _items(flat: dict[str, Any]) -> list[tuple[str, Any]]:
    """Lists of named things, as hypotheses are, by their names."""
    found: list[tuple[str, Any]] = []
    for key, value in flat.items():
        if isinstance(value, list) and value and all(isinstance(v, dict) and "name" in v for v in value):
            found += [(f"{key}.{v['name']}", {k: x for k, x in v.items() if k != "name"}) for v in value]
        else:
            found.append((key, value))
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _circumstances(side: Side) -> dict[str, str]:
    names = ["data_fingerprint", "commit", "device", "back_end"]
    stored = side.rows("trials", [*names, "versions"])
    found = {name.replace("_", " "): _distinct(stored[name]) for name in names}
    found["embedding ids"] = ", ".join(sorted(side.ruler.embedding_ids)) or ABSENT
    versions: dict[str, set[str]] = {}
    for text in sorted(set(stored["versions"].dropna())):
        for package, version in flatten(json.loads(text)).items():
            versions.setdefault(package, set()).add(str(version))
    return found | {package: ", ".join(sorted(all_)) for package, all_ in sorted(versions.items())}


def _distinct(values: pd.Series[Any]) -> str:
    return ", ".join(sorted({str(v) for v in values.dropna()})) or ABSENT
