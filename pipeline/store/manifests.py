"""What commits a shard: one small file that names the shard's files, their sizes and their SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import NamedTuple

from pipeline.store.backends import Bytes

COMMITS, WEIGHTS = "commits", "weights"
KINDS = ("trials", "measure", "labels")
VERSION = 1


class Content(NamedTuple):
    """A file of a shard. rows: of a table, or tensors of weights."""

    bytes: int
    rows: int
    sha256: str


class Manifest(NamedTuple):
    """A committed shard. files: by the folder that each lies in, a table's name or `weights`.

    trials: whose rows it holds. replaces: shards that count no more since this one is there, whether or not
    their files have been removed yet.
    """

    shard: str
    files: dict[str, Content]
    trials: tuple[str, ...]
    replaces: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """`trials`, `measure` or `labels`."""
        return self.shard.partition("-")[0]

    def names(self) -> dict[str, Content]:
        """Its files by their names under the run."""
        return {file_name(folder, self.shard): content for folder, content in self.files.items()}

    def encode(self) -> bytes:
        """JSON, with a hash of itself."""
        body = {
            "version": VERSION,
            "shard": self.shard,
            "files": {folder: content._asdict() for folder, content in sorted(self.files.items())},
            "trials": self.trials,
            "replaces": self.replaces,
        }
        return json.dumps(body | {"sha256": digest(json.dumps(body).encode())}, indent=1).encode()

    @classmethod
    def decode(cls, content: bytes) -> Manifest:
        """Raises ValueError unless every byte is as it was written."""
        try:
            body = json.loads(content)
            files = {folder: Content(**file) for folder, file in body["files"].items()}
            found = cls(body["shard"], files, tuple(body["trials"]), tuple(body["replaces"]))
        except (KeyError, TypeError, AttributeError):
            raise ValueError("not a manifest") from None
        if found.encode() != content:
            raise ValueError("its checksum differs")
        return found


def digest(content: Bytes) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def file_name(folder: str, shard: str) -> str:
    """The file of a shard in a folder."""
    return f"{folder}/{shard}.{'safetensors' if folder == WEIGHTS else 'parquet'}"


def manifest_name(shard: str) -> str:
    """The manifest of a shard."""
    return f"{COMMITS}/{shard}.json"


def shard_of(name: str) -> str:
    """The shard that a file belongs to."""
    return name.rpartition("/")[2].rpartition(".")[0]


def current(manifests: Iterable[Manifest]) -> dict[str, Manifest]:
    """Those that count, by shard in the order of their names."""
    found = {manifest.shard: manifest for manifest in manifests}
    replaced = {name for manifest in found.values() for name in manifest.replaces}
    return {name: found[name] for name in sorted(found.keys() - replaced)}


def overlap(manifests: Iterable[Manifest]) -> bool:
    """Whether two of them may hold rows of one trial."""
    ids = [trial for manifest in manifests for trial in manifest.trials]
    return len(set(ids)) < len(ids)


def revision(shard: str) -> int:
    """How often a shard of this name had been written when this one was."""
    return int(shard.rpartition(".")[2])
