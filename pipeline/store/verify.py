"""Whether every file of a run is as it was committed, and taking out what is not."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.store.files import Files, parallel
from pipeline.store.manifests import (
    COMMITS,
    Content,
    Manifest,
    current,
    digest,
    manifest_name,
    shard_of,
)
from pipeline.store.writer import stray

DAMAGED = "damaged"


class Found(NamedTuple):
    """What is wrong with a run. damaged: file -> what is wrong with it; stray: files that belong to no shard,
    of a killed writer or one at work; files, trials: how many were found whole.
    """

    damaged: dict[str, str]
    stray: list[str]
    files: int
    trials: int

    @property
    def shards(self) -> list[str]:
        """The shards of damaged files."""
        return sorted({shard_of(name) for name in self.damaged})


def examine(files: Files) -> Found:
    """Read every file of a run and compare it with its manifest."""
    listing = files.list(deep=True)
    names = [name for name in listing if name.startswith(f"{COMMITS}/") and name.endswith(".json")]
    manifests: dict[str, Manifest] = {}
    damaged: dict[str, str] = {}
    for name, (content, wrong) in zip(names, parallel(lambda n: _read(files, n), names), strict=True):
        try:
            manifests[name] = Manifest.decode(content)
            if manifest_name(manifests[name].shard) != name:
                raise ValueError(f"is that of {manifests[name].shard}")
        except ValueError as error:
            damaged[name] = wrong or f"damaged: {error}"
            manifests.pop(name, None)
    valid = current(manifests.values())
    stated = {name: content for manifest in valid.values() for name, content in manifest.names().items()}
    wrongs = parallel(lambda item: _wrong(files, *item), stated.items())
    damaged |= {name: wrong for name, wrong in zip(stated, wrongs, strict=True) if wrong}
    # The files of a damaged manifest are no strays: they may be all that is left of its trials.
    lost = {shard_of(name) for name in names} - {m.shard for m in manifests.values()}
    strays = [name for name in stray(listing, valid) if shard_of(name) not in lost]
    shards = {shard_of(name) for name in damaged}
    whole = [m for m in valid.values() if m.shard not in shards]
    trials = {trial for m in whole if m.kind == "trials" for trial in m.trials}
    return Found(damaged, strays, len(stated) + len(names) - len(damaged), len(trials))


def take_out(files: Files, found: Found) -> None:
    """Move the shards of damaged files to `damaged/`, where they are never read."""
    moved = [n for n in files.list(deep=True) if shard_of(n) in found.shards and not n.startswith(DAMAGED)]
    # The manifests last: a shard whose files are gone and whose manifest is not is found again.
    for name in sorted(moved, key=lambda name: name.startswith(f"{COMMITS}/")):
        files.move(name, f"{DAMAGED}/{name}")


def _read(files: Files, name: str) -> tuple[bytes, str]:
    try:
        return files.read(name), ""
    except FileNotFoundError:
        return b"", "missing"


def _wrong(files: Files, name: str, stated: Content) -> str:
    content, wrong = _read(files, name)
    if wrong:
        return wrong
    if len(content) != stated.bytes:
        return f"damaged: has {len(content)} of {stated.bytes} bytes"
    return "" if digest(content) == stated.sha256 else "damaged: its checksum differs"
