"""The one writer of a run: commits shards, merges them in a thread beside, sweeps what a killed one left."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from pipeline.errors import InputError
from pipeline.store import weights
from pipeline.store.backends import TEMPORARY, Bytes
from pipeline.store.compaction import AT_LEAST, group, merged
from pipeline.store.files import parallel
from pipeline.store.manifests import (
    COMMITS,
    KINDS,
    WEIGHTS,
    Content,
    Manifest,
    digest,
    file_name,
    manifest_name,
    revision,
    shard_of,
)
from pipeline.store.schemas import SCHEMA_VERSION, SCHEMAS
from pipeline.store.shards import Shards
from pipeline.store.tables import Row, encode, typed
from pipeline.trial import content_hash

log = logging.getLogger(__name__)
# Temporary files here may be another process's, which this one does not know of.
SHARED = ("checkpoints", "lease")


class Writer:
    """What is committed, and ways to commit more. Opening one sweeps.

    confirm: raises InputError unless this process still holds the run.
    """

    def __init__(self, study: str, shards: Shards, confirm: Callable[[], None]) -> None:
        self._study, self._shards, self._files, self._confirm = study, shards, shards.files, confirm
        self._current = shards.committed()
        self._done = {t for m in self._current.values() if m.kind == "trials" for t in m.trials}
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="compaction")
        self._merging: Future[None] | None = None
        self._ending = False
        self._spoiled = False  # a shard that cannot be merged makes merging rest; the run goes on
        self._latest = {name.rpartition(".")[0]: name for name in self._current if "." in name}
        self._remove(stray(self._files.list(deep=True), self._current))

    def trials(
        self, trials: Sequence[str], tables: Mapping[str, Iterable[Row]], packed: Mapping[str, bytes]
    ) -> None:
        """Commit finished trials that are not here yet; a trial's first end counts."""
        fresh = sorted(set(trials) - self._done)
        if not fresh:
            return
        held = set(trials) - set(fresh)
        rows = {name: [r for r in table if r["trial_id"] not in held] for name, table in tables.items()}
        content, tensors = weights.pack({t: packed[t] for t in fresh if t in packed})
        more = {WEIGHTS: (content, tensors)} if content else {}
        self._commit(f"trials-{content_hash(fresh)}", fresh, self._encoded(rows) | more)
        self._done |= set(fresh)
        self._merge_if_due()

    def again(self, kind: str, name: str, tables: Mapping[str, Iterable[Row]]) -> None:
        """Commit rows under a name, in place of what was committed under it before."""
        rows = {table: list(own) for table, own in tables.items()}
        contents = self._encoded(rows)
        before = self._latest.get(f"{kind}-{name}")
        if before is not None and self._current[before].files == _stated(contents):
            return
        shard = f"{kind}-{name}.{1 if before is None else revision(before) + 1}"
        trials = sorted({row["trial_id"] for own in rows.values() for row in own})
        self._commit(shard, trials, contents, () if before is None else (before,))
        self._latest[f"{kind}-{name}"] = shard

    def finish(self) -> None:
        """Merge what can be merged: a finished run has few files."""
        self._wait()
        self._merge(2)

    def stop(self) -> None:
        """End without merging further."""
        self._ending = True
        self._wait()
        self._thread.shutdown()

    def _encoded(self, tables: Mapping[str, list[Row]]) -> dict[str, tuple[Bytes, int]]:
        """By table a file and its number of rows; none of empty tables."""
        own = {"study": self._study, "schema_version": SCHEMA_VERSION}
        held = [table for table, rows in tables.items() if rows]
        found = {table: typed(table, tables[table], **own) for table in held}
        return {table: (encode(rows), rows.num_rows) for table, rows in found.items()}

    def _commit(
        self,
        shard: str,
        trials: Iterable[str],
        contents: Mapping[str, tuple[Bytes, int]],
        replaces: tuple[str, ...] = (),
    ) -> None:
        parallel(lambda f: self._put(file_name(f, shard), contents[f][0]), contents)
        self._commit_manifest(Manifest(shard, _stated(contents), tuple(trials), replaces))

    def _put(self, name: str, content: Bytes) -> None:
        if not self._files.create(name, content):
            self._confirm()  # what is in the way was never committed, unless by another
            self._files.replace(name, content)

    def _commit_manifest(self, manifest: Manifest) -> None:
        if not self._files.create(manifest_name(manifest.shard), manifest.encode()):
            raise InputError(
                f"{self._files.root}/{manifest_name(manifest.shard)}: was committed by another process"
            )
        with self._lock:
            replaced = [self._current.pop(name) for name in manifest.replaces]
            self._current[manifest.shard] = manifest
        self._remove([name for old in replaced for name in (manifest_name(old.shard), *old.names())])

    def _remove(self, names: list[str]) -> None:
        """Manifests first: one that is there has all its files."""
        self._files.remove(name for name in names if name.startswith(f"{COMMITS}/"))
        self._files.remove(name for name in names if not name.startswith(f"{COMMITS}/"))

    def _merge_if_due(self) -> None:
        if self._merging is not None and self._merging.done():
            self._wait()
        if self._merging is None and not self._spoiled and group(self._current.values()):
            self._merging = self._thread.submit(self._merge, AT_LEAST)

    def _wait(self) -> None:
        if self._merging is not None:
            self._merging.result()
        self._merging = None

    def _merge(self, at_least: int) -> None:
        while not self._spoiled:
            with self._lock:
                members = group(self._current.values(), at_least)
            if not members:
                return
            shard = f"trials-{content_hash(sorted(t for m in members for t in m.trials))}"
            try:
                self._commit_manifest(merged(members, shard, self._shards, self._put_unless_ending))
            except _EndingError:
                return
            except Exception as error:
                self._spoiled = True
                told = str(error) if isinstance(error, InputError | FileNotFoundError) else repr(error)
                log.warning("shards are merged no further: %s", told)

    def _put_unless_ending(self, name: str, content: Bytes) -> None:
        if self._ending:
            raise _EndingError
        self._put(name, content)


class _EndingError(Exception):
    """The run is not written any more."""


def _stated(contents: Mapping[str, tuple[Bytes, int]]) -> dict[str, Content]:
    return {
        folder: Content(len(content), rows, digest(content)) for folder, (content, rows) in contents.items()
    }


def stray(names: Iterable[str], current: Mapping[str, Manifest]) -> list[str]:
    """Files that no committed shard has: of killed writers, and of shards replaced."""
    ours = (COMMITS, WEIGHTS, *SCHEMAS)
    found = []
    for name in names:
        folder, _, file = name.rpartition("/")
        if file.startswith(TEMPORARY):
            found += [name] if folder not in SHARED else []
        elif folder in ours and file.partition("-")[0] in KINDS:
            shard = current.get(shard_of(name))
            if shard is None or (folder != COMMITS and folder not in shard.files):
                found.append(name)
    return found
