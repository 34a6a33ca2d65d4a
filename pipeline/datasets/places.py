"""Where image sets are looked for, and how those are divided that come without a division."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.seeds import stream

LEAST = 20


def image_root(given: Path | None) -> Path | None:
    """The folder of the image sets: the one given, else BIRTHDAY_DATA, else none."""
    named = os.environ.get("BIRTHDAY_DATA")
    return given or (Path(named).expanduser() if named else None)


def places(folder: str, data_root: Path | None) -> list[Path]:
    """Where to look for a named set, in this order: its folder below the root, the root."""
    return [data_root / folder, data_root] if data_root else []


def not_found(name: str, what: str, looked: list[Path]) -> str:
    """One line: what is missing, every place looked in, and what to do."""
    where = ", ".join(map(str, looked)) or "no folder, as none was given"
    return (
        f"no {what} found; looked in {where}; name the folder of the image sets by --data-root or "
        f"BIRTHDAY_DATA; where they come from: birthday data fetch {name}"
    )


def find(key: str, path: str, data_root: Path | None, what: str = "folder") -> Path:
    """What the option `key` names: a relative path is below data_root if it exists there, else here.

    what: `folder`, or `file or folder`. Raises InputError where there is none.
    """
    given = Path(path).expanduser()
    tried = [data_root / given, given] if data_root and not given.is_absolute() else [given]
    for place in tried:
        if place.is_dir() or (what != "folder" and place.is_file()):
            return place
    raise InputError(f"{key}: {path!r}: no such {what}; looked for {', '.join(map(str, tried))}")


def held_out_count(count: int) -> int:
    """n/10 of n images, but at least 500, and never more than 3n/10."""
    return min(max(count // 10, 500), 3 * count // 10)


def fixed_split(where: str, key: str, count: int, most: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Rows (train, held_out), each ascending: a division that belongs to the key and the count.

    most: no more than this are held out.
    Raises InputError, beginning with `where`, for fewer than 20 images.
    """
    if count < LEAST:
        raise InputError(f"{where}: holds {count} images; at least {LEAST} are needed")
    order = stream(key, "split").permutation(count)
    held_out = min(held_out_count(count), most or count)
    return np.sort(order[held_out:]), np.sort(order[:held_out])
