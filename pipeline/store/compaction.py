"""Merging small shards while a run is written, so that its files stay few.

Sixteen shards of one size make one of the next. A merged shard counts from its manifest on, which says what
it replaces; only then do those go. Whatever happens in between, every trial counts exactly once.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable

import pyarrow as pa

from pipeline.store import weights
from pipeline.store.backends import Bytes
from pipeline.store.manifests import WEIGHTS, Content, Manifest, digest, file_name
from pipeline.store.shards import Shards
from pipeline.store.tables import by_trial, encode

AT_LEAST = 16
# Of a merged shard: damage costs a shard's trials, and merging takes memory for a file.
MOST_TRIALS, MOST_BYTES = 4096, 64 * 2**20


def level(shard: Manifest) -> int | None:
    """How often a shard can be merged with fifteen of its size before it is full; None if it is."""
    largest = max((content.bytes for content in shard.files.values()), default=0)
    share = max(len(shard.trials) / MOST_TRIALS, largest / MOST_BYTES)
    return None if share > 0.5 else math.floor(-math.log(share, AT_LEAST) + 1e-9)


def group(shards: Iterable[Manifest], at_least: int = AT_LEAST) -> list[Manifest]:
    """Shards to be merged next: of the smallest size that has enough, the smallest; none if none has.

    at_least: how many a size must have; fewer than 16 stands for all sizes together.
    """
    levels: dict[int, list[Manifest]] = defaultdict(list)
    for shard in shards:
        own = level(shard) if shard.kind == "trials" else None
        if own is not None:
            levels[0 if at_least < AT_LEAST else own].append(shard)
    for _, members in sorted(levels.items(), reverse=True):
        if len(members) >= at_least:
            chosen = _fitting(sorted(members, key=lambda m: (len(m.trials), m.shard)))
            if len(chosen) > 1:
                return chosen
    return []


def _fitting(shards: list[Manifest]) -> list[Manifest]:
    """As many of the first as make no more than a full shard."""
    chosen: list[Manifest] = []
    trials, size = 0, defaultdict[str, int](int)
    for shard in shards:
        trials += len(shard.trials)
        for folder, content in shard.files.items():
            size[folder] += content.bytes
        if trials > MOST_TRIALS or max(size.values(), default=0) > MOST_BYTES:
            break
        chosen.append(shard)
    return chosen


Put = Callable[[str, Bytes], None]


def merged(members: list[Manifest], shard: str, shards: Shards, put: Put) -> Manifest:
    """Put the files of `shard`, which holds the members' rows and weights, and return its manifest.

    One table after the other, so that memory holds no more than one. Raises FileNotFoundError or InputError
    where a member's file is missing or damaged.
    """
    members = sorted(members, key=lambda m: m.shard)
    files: dict[str, Content] = {}
    for folder in sorted({folder for member in members for folder in member.files}):
        holding = [member for member in members if folder in member.files]
        if folder == WEIGHTS:
            contents = (shards.whole(file_name(WEIGHTS, m.shard), m.files[WEIGHTS]) for m in holding)
            content, rows = weights.merge(contents)
        else:
            whole = by_trial(pa.concat_tables([shards.table(m, folder) for m in holding]))
            content, rows = encode(whole), whole.num_rows
        put(file_name(folder, shard), content)
        files[folder] = Content(len(content), rows, digest(content))
    trials = tuple(sorted(trial for member in members for trial in member.trials))
    return Manifest(shard, files, trials, tuple(member.shard for member in members))
