"""Where whole files lie: a directory of this machine, or a prefix of an object store behind fsspec.

Both put a file whole or not at all, and can refuse to replace one: a directory by `link`, an object store by
a conditional PUT. Both raise what the system raises; `files.py` makes one line of it.
"""

from __future__ import annotations

import errno
import os
import uuid
from typing import Any, NamedTuple, Protocol

TEMPORARY = ".writing-"
# A file's content; a bytearray where another copy of a large one would be dear.
Bytes = bytes | bytearray


class Entry(NamedTuple):
    """A file in a listing. stamp: differs if another file of that name is put there."""

    size: int
    stamp: str


class BackEnd(Protocol):
    """Files by their names under one root; `end` is exclusive. Reading raises FileNotFoundError."""

    path: str

    def read(self, name: str, start: int = 0, end: int | None = None) -> bytes: ...
    def put(self, name: str, content: Bytes, create: bool) -> None: ...
    def list(self, folder: str, deep: bool = False) -> dict[str, Entry]: ...
    def remove(self, name: str) -> None: ...
    def move(self, name: str, target: str) -> None: ...


class Directory:
    """A directory, which need not be there before the first file is put into it."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)

    def read(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        with open(f"{self.path}/{name}", "rb") as file:
            file.seek(start)
            return file.read() if end is None else file.read(end - start)

    def put(self, name: str, content: Bytes, create: bool) -> None:
        path = f"{self.path}/{name}"
        folder = os.path.dirname(path)
        temporary = f"{folder}/{TEMPORARY}{uuid.uuid4().hex}"
        try:
            os.makedirs(folder, exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
        try:
            with open(temporary, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if create:
                os.link(temporary, path)
            else:
                os.replace(temporary, path)
        finally:
            if os.path.lexists(temporary):
                os.unlink(temporary)

    def list(self, folder: str, deep: bool = False) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        try:
            entries = list(os.scandir(f"{self.path}/{folder}" if folder else self.path))
        except (FileNotFoundError, NotADirectoryError):
            return found
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            try:
                if entry.is_dir(follow_symlinks=False):
                    found |= self.list(name, True) if deep else {}
                    continue
                stat = entry.stat()
            except FileNotFoundError:
                continue
            found[name] = Entry(stat.st_size, f"{stat.st_ino}-{stat.st_mtime_ns}")
        return found

    def remove(self, name: str) -> None:
        os.unlink(f"{self.path}/{name}")

    def move(self, name: str, target: str) -> None:
        os.makedirs(os.path.dirname(f"{self.path}/{target}"), exist_ok=True)
        os.replace(f"{self.path}/{name}", f"{self.path}/{target}")


class ObjectStore:
    """A prefix of an object store, by any URL that fsspec knows."""

    def __init__(self, url: str) -> None:
        import fsspec

        self.fs, self.path = fsspec.core.url_to_fs(url, **_options(url))
        if hasattr(self.fs, "retries"):  # s3fs; how long to try is for `files.py` to say
            self.fs.retries = 1

    def read(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        whole = start == 0 and end is None
        path = f"{self.path}/{name}"
        return bytes(self.fs.cat_file(path) if whole else self.fs.cat_file(path, start=start, end=end))

    def put(self, name: str, content: Bytes, create: bool) -> None:
        self.fs.pipe_file(f"{self.path}/{name}", bytes(content), mode="create" if create else "overwrite")

    def list(self, folder: str, deep: bool = False) -> dict[str, Entry]:
        path = f"{self.path}/{folder}" if folder else self.path
        try:
            found = self.fs.find(path, detail=True).values() if deep else self.fs.ls(path, detail=True)
        except FileNotFoundError:
            return {}
        start = len(self.path.rstrip("/")) + 1
        files = {info["name"][start:]: info for info in found if info["type"] == "file"}
        return {name: Entry(info["size"], _stamp(info)) for name, info in files.items() if name}

    def remove(self, name: str) -> None:
        self.fs.rm_file(f"{self.path}/{name}")

    def move(self, name: str, target: str) -> None:
        self.put(target, self.read(name), create=False)
        self.remove(name)


def _options(url: str) -> dict[str, Any]:
    """No listing is ever remembered, since other machines write too; and S3's client tries once."""
    options: dict[str, Any] = {"use_listings_cache": False}
    protocol = url.partition("://")[0]
    if protocol in ("s3", "s3a"):
        from fsspec.config import conf

        settings = {"retries": {"total_max_attempts": 1}, "connect_timeout": 5, "read_timeout": 10}
        options["config_kwargs"] = settings | conf.get(protocol, {}).get("config_kwargs", {})
    return options


def _stamp(info: dict[str, Any]) -> str:
    for key in ("ETag", "etag", "md5Hash", "LastModified", "updated", "last_modified", "created", "mtime"):
        if info.get(key):
            return str(info[key])
    return ""
