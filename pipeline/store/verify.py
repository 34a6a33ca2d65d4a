"""Whether every file of a run is as it was committed, and taking out what is not."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa

from pipeline.store.files import Files, parallel
from pipeline.store.manifests import (
    COMMITS,
    Content,
    Manifest,
    current,
    digest,
    file_name,
    manifest_name,
    shard_of,
)
from pipeline.store.shards import Shards
from pipeline.store.tables import decode
from pipeline.store.writer import stray

DAMAGED = "damaged"


class Found(NamedTuple):
    """What a look at every file of a run found.

    damaged: file -> what is wrong with it. stray: files of no shard, of a writer that was killed or is at
    work. lost: trials of damaged shards, as far as anything tells. files, trials: how many are whole.
    """

    damaged: dict[str, str]
    stray: list[str]
    lost: set[str]
    files: int
    trials: int


def examine(files: Files) -> Found:
    """Read every file of a run and compare it with its manifest."""
    listing = files.list(deep=True)
    names = [name for name in listing if name.startswith(f"{COMMITS}/") and name.endswith(".json")]
    manifests: dict[str, Manifest] = {}
    damaged: dict[str, str] = {}
    for name, content in zip(names, parallel(lambda n: _read(files, n), names), strict=True):
        if content is None:
            continue  # merged or replaced just now
        try:
            manifest = Manifest.decode(content)
            if manifest_name(manifest.shard) != name:
                raise ValueError(f"it is that of {manifest.shard}")
            manifests[manifest.shard] = manifest
        except ValueError as error:
            damaged[name] = f"is damaged: {error}"
    unreadable = {shard_of(name) for name in damaged}
    valid = current(manifests.values())
    stated = {name: content for manifest in valid.values() for name, content in manifest.names().items()}
    wrong = dict(zip(stated, parallel(lambda item: _wrong(files, *item), stated.items()), strict=True))
    if any(wrong.values()):
        there = files.list(COMMITS)
        damaged |= {n: why for n, why in wrong.items() if why and manifest_name(shard_of(n)) in there}
    shards = {shard_of(name) for name in damaged}
    lost = {trial for shard in shards & valid.keys() for trial in _trials(valid[shard])}
    lost |= {trial for shard in unreadable for trial in _listed(files, shard)}
    whole = {trial for shard in valid.keys() - shards for trial in _trials(valid[shard])}
    return Found(
        damaged,
        # The files of a damaged manifest are no strays: they may be all that is left of its trials.
        [name for name in stray(listing, valid) if shard_of(name) not in unreadable],
        lost - whole,
        len(stated) + len(manifests) - len(damaged.keys() - set(names)),
        len(whole),
    )


def repair(files: Files, found: Found) -> None:
    """Move the shards of damaged files to `damaged/`, where they are never read, and sweep."""
    shards = {shard_of(name) for name in found.damaged}
    moved = [n for n in files.list(deep=True) if shard_of(n) in shards and not n.startswith(f"{DAMAGED}/")]
    # Their manifests last: a shard is found damaged again as long as it is not wholly out.
    for name in sorted(moved, key=lambda name: name.startswith(f"{COMMITS}/")):
        files.move(name, f"{DAMAGED}/{name}")
    files.remove(stray(files.list(deep=True), Shards(files).committed()))


def lines(found: Found) -> list[str]:
    """What was found, a line for each file that is not whole and one for all."""
    told = [f"{name}: {why}" for name, why in sorted(found.damaged.items())]
    told += [f"{name}: uncommitted, of a writer at work or killed" for name in sorted(found.stray)]
    if not found.damaged:
        return [*told, f"{found.files} files, {found.trials} trials, all whole"]
    return [
        *told,
        f"{len(found.damaged)} files damaged or missing, of shards with {len(found.lost)} trials; "
        f"{found.files} files, {found.trials} trials whole",
    ]


def command(files: Files) -> str:
    """What trains a run's missing trials."""
    runs = files.root.rpartition("/")[0] or "."
    return f"birthday run {f'{files.root}/study.yaml' if files.local else 'STUDY'} --runs {runs}"


def _trials(manifest: Manifest) -> tuple[str, ...]:
    return manifest.trials if manifest.kind == "trials" else ()


def _listed(files: Files, shard: str) -> list[str]:
    """The trials of a shard without manifest, if its table of trials can be read."""
    content = _read(files, file_name("trials", shard))
    try:
        return list(decode("trials", content or b"", ["trial_id"])["trial_id"].to_pylist())
    except (pa.ArrowException, OSError):
        return []


def _read(files: Files, name: str) -> bytes | None:
    try:
        return files.read(name)
    except FileNotFoundError:
        return None


def _wrong(files: Files, name: str, stated: Content) -> str:
    content = _read(files, name)
    if content is None:
        return "is missing"
    if len(content) != stated.bytes:
        return f"is damaged: has {len(content)} of {stated.bytes} bytes"
    return "" if digest(content) == stated.sha256 else "is damaged: its checksum differs"
