"""The committed shards of a run as a reader finds them.

Rows of one or several trials form a *shard*: a file of the same name in every table it has rows for, and one
of weights. It counts exactly when its manifest is in `commits/`; what has none is never read. A writer may
merge shards meanwhile: whoever misses a file looks again.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import pyarrow as pa

from pipeline.errors import InputError
from pipeline.store import weights
from pipeline.store.backends import Entry
from pipeline.store.files import Files, parallel
from pipeline.store.manifests import (
    COMMITS,
    WEIGHTS,
    Content,
    Manifest,
    current,
    digest,
    file_name,
    manifest_name,
    overlap,
)
from pipeline.store.schemas import KEYS, SCHEMAS
from pipeline.store.tables import Row, Where, decode, of_trials, together, unseen

T = TypeVar("T")
# Trials whose rows are handed out together as Python objects.
ROWS_AT_ONCE = 64


class Shards:
    """What is committed under a root; keeps what it has read of manifests and headers of weights."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self._known: dict[str, tuple[Entry, Manifest]] = {}
        self._parts: dict[str, weights.Part] = {}
        self._places: dict[str, Manifest] = {}
        self._decoding = threading.Lock()

    def committed(self) -> dict[str, Manifest]:
        """The shards that count now, by name. Raises InputError for a damaged manifest."""
        return self._again(lambda: current(self.manifests()))

    def manifests(self) -> list[Manifest]:
        """Every manifest. Raises FileNotFoundError where one vanishes, InputError for a damaged one."""
        listing = self._listing()
        known = {name: self._known[name] for name, entry in listing.items() if self._is_known(name, entry)}
        fresh = [name for name in listing if name not in known]
        read = parallel(self._manifest, fresh)
        known |= {name: (listing[name], manifest) for name, manifest in zip(fresh, read, strict=True)}
        self._known = known
        return [manifest for _, manifest in known.values()]

    def read(self, table: str, columns: Sequence[str] | None = None, where: Where | None = None) -> pa.Table:
        """All committed rows of a table, each once, in the order of trial ids; some of its columns, those
        that `where` allows.

        where: of columns that rows of one key share, so that duplicates do not depend on it. Shards without
        any of its `trial_id` are not read.
        """
        trials = None if where is None or "trial_id" not in where else set(where["trial_id"])

        def action() -> pa.Table:
            holding = [m for m in current(self.manifests()).values() if table in m.files]
            if trials is not None:
                holding = [m for m in holding if not trials.isdisjoint(m.trials)]
            if not holding:
                return SCHEMAS[table].empty_table()
            again = overlap(holding)
            needed = KEYS[table] if again else []
            wanted = None if columns is None else list(dict.fromkeys(["trial_id", *columns, *needed]))
            parts = parallel(lambda m: self.table(m, table, wanted, where), holding)
            return together(table, parts, again)

        whole = self._again(action)
        return whole if columns is None else whole.select(list(columns))

    def batches(self, table: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """The same rows a shard at a time, in the order of the shards."""
        holding = [m for m in self.committed().values() if table in m.files]
        counts = Counter(trial for m in holding for trial in m.trials)
        again = [trial for trial, shards in counts.items() if shards > 1]
        wanted = list(dict.fromkeys([*columns, *KEYS[table]])) if again else columns
        seen: set[tuple[Any, ...]] = set()
        for manifest in holding:
            try:
                part = self.table(manifest, table, wanted)
            except FileNotFoundError as error:
                raise InputError(
                    f"{error}: is gone, merged by whoever writes this run: try again, or when it is done"
                ) from None
            yield (unseen(table, part, again, seen) if again else part).select(list(columns))

    def rows(self, trials: Collection[str], tables: Sequence[str]) -> Iterator[dict[str, list[Row]]]:
        """By table the rows that were committed with these trials, at most 64 trials at a time."""
        left = set(trials)
        while left and (found := self._again(partial(self._held, left, tables))):
            chosen, held = found
            left -= set(chosen)
            for start in range(0, len(chosen), ROWS_AT_ONCE):
                some = chosen[start : start + ROWS_AT_ONCE]
                yield {name: of_trials(table, some).to_pylist() for name, table in held.items()}

    def _held(self, trials: set[str], tables: Sequence[str]) -> tuple[list[str], dict[str, pa.Table]] | None:
        """Those of the trials that share a shard, and that shard's tables; None if no shard has any."""
        for manifest in current(self.manifests()).values():
            chosen = sorted(trials.intersection(manifest.trials))
            if manifest.kind == "trials" and chosen:
                held = [table for table in tables if table in manifest.files]
                return chosen, {table: self.table(manifest, table) for table in held}
        return None

    def table(
        self,
        manifest: Manifest,
        table: str,
        columns: Sequence[str] | None = None,
        where: Where | None = None,
    ) -> pa.Table:
        """A shard's rows of a table. Raises FileNotFoundError, or InputError if they are damaged."""
        name = file_name(table, manifest.shard)
        content = self.whole(name, manifest.files[table])
        try:
            # Of what is filtered little stays: sixteen files decoded at once would be most of the memory.
            with self._decoding if where else contextlib.nullcontext():
                return decode(table, content, columns, where)
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(name, " ".join(str(error).split())[:200]) from None

    def whole(self, name: str, stated: Content) -> bytes:
        """A shard's file as its manifest states it. Raises FileNotFoundError; InputError if it is damaged."""
        content = self.files.read(name)
        if len(content) != stated.bytes:
            raise self._damaged(name, f"has {len(content)} of {stated.bytes} bytes")
        if digest(content) != stated.sha256:
            raise self._damaged(name, "its checksum differs")
        return content

    def players(self, trial: str) -> bytes:
        """A trial's weights as a safetensors file, without tensors if it left none.

        Reads no more of a shard than its header and the trial's range. Raises FileNotFoundError for a trial
        that is not here, InputError where its weights are damaged or missing.
        """

        def anew() -> bytes | None:
            self._places = self._by_trial()
            return self._players(trial) if trial in self._places else None

        found = None
        if trial in self._places:
            with contextlib.suppress(FileNotFoundError):  # merged into another shard by now
                found = self._players(trial)
        found = self._again(anew) if found is None else found
        if found is None:
            raise FileNotFoundError(f"{self.files.root}: holds no trial {trial}")
        return found

    def _players(self, trial: str) -> bytes:
        manifest = self._places[trial]
        if WEIGHTS not in manifest.files:
            return weights.EMPTY
        name = file_name(WEIGHTS, manifest.shard)
        try:
            if trial not in self._parts:
                start = self.files.read(name, 0, weights.HEADER_READ)
                end = weights.header_end(start)
                if len(start) < end <= manifest.files[WEIGHTS].bytes:
                    start += self.files.read(name, len(start), end)
                self._parts |= weights.parts(start[:end])
            if trial not in self._parts:
                return weights.EMPTY
            part = self._parts[trial]
            content = part.header + self.files.read(name, part.start, part.end)
        except ValueError as error:
            raise self._damaged(name, str(error)) from None
        if digest(content) != part.sha256:
            raise self._damaged(name, f"the checksum of {trial} differs")
        return content

    def _by_trial(self) -> dict[str, Manifest]:
        self._parts = {}
        return {
            trial: manifest
            for manifest in self.committed().values()
            if manifest.kind == "trials"
            for trial in manifest.trials
        }

    def _listing(self) -> dict[str, Entry]:
        """The manifests there are. While one listing runs, shards may be merged into one whose place it has
        passed already; that something vanished since the listing before tells.
        """
        before, listing = self.files.list(COMMITS), self.files.list(COMMITS)
        while before.keys() - listing.keys():
            before, listing = listing, self.files.list(COMMITS)
        if not listing and self.files.list("trials") and not self.files.list("lease"):
            raise InputError(f"{self.files.root}: an earlier version wrote it, without commits/; run it anew")
        return {name: entry for name, entry in listing.items() if name.endswith(".json")}

    def _is_known(self, name: str, entry: Entry) -> bool:
        return name in self._known and self._known[name][0] == entry

    def _manifest(self, name: str) -> Manifest:
        try:
            found = Manifest.decode(self.files.read(name))
            if manifest_name(found.shard) != name:
                raise ValueError(f"it is that of {found.shard}")
            return found
        except ValueError as error:
            raise self._damaged(name, str(error)) from None

    def _damaged(self, name: str, why: str) -> InputError:
        root = self.files.root
        return InputError(f"{root}/{name}: is damaged: {why}; `birthday verify {root} --repair` takes it out")

    def _again(self, action: Callable[[], T]) -> T:
        """The action, anew where a file vanished because its shard was merged or replaced meanwhile."""
        missing = ""
        while True:
            try:
                return action()
            except FileNotFoundError as error:
                name = str(error)
                if name == missing:
                    raise InputError(
                        f"{name}: is missing; `birthday verify {self.files.root}` names all that is"
                    ) from None
                missing = name
