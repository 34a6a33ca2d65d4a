"""Whole files under a root, a directory or any fsspec URL, through outages and with one line for every error.

Object stores are reached as their fsspec package reaches them. For `s3://` that is s3fs: credentials, region
and endpoint come from the usual places (`AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_S3`, `AWS_PROFILE`,
`~/.aws/config`), or from fsspec's own (`FSSPEC_S3_ENDPOINT_URL`, `FSSPEC_S3_KEY`, `~/.config/fsspec/*.json`).
The store must honour `If-None-Match: *` on PUT, as S3, MinIO, Ceph and R2 do.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from typing import TypeVar

from pipeline.errors import InputError
from pipeline.store.backends import BackEnd, Bytes, Directory, Entry, ObjectStore

T = TypeVar("T")
U = TypeVar("U")
log = logging.getLogger(__name__)
# Seconds for which a store that does not answer is tried again: by readers, by the run's writer.
READING, WRITING = 5.0, 600.0


class Unreachable(InputError):
    """The store did not answer, for as long as it was tried."""


class Files:
    """The files under one root. Making one touches nothing; names are relative, with slashes.

    Every method raises InputError where the store refuses, and Unreachable where it does not answer.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.local = "://" not in root or root.startswith("file://")
        self.patience = READING
        # Called before every attempt to change something; raises where somebody else writes by now.
        self.fence: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._out_since: float | None = None

    @cached_property
    def _back_end(self) -> BackEnd:
        try:
            return Directory(self.root.removeprefix("file://")) if self.local else ObjectStore(self.root)
        except (ImportError, ValueError) as error:  # the protocol's package is missing, or there is none
            raise InputError(f"{self.root}: cannot be reached: {reason(error)}") from None

    @property
    def path(self) -> str:
        """Where the root is, without protocol; a directory's is absolute."""
        return self._back_end.path

    def read(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        """A file, or its bytes from `start` to before `end`. Raises FileNotFoundError."""
        try:
            return self._steadily("read", name, lambda: self._back_end.read(name, start, end))
        except FileNotFoundError:
            raise FileNotFoundError(f"{self.root}/{name}") from None

    def list(self, folder: str = "", deep: bool = False) -> dict[str, Entry]:
        """The files in a folder by name; `deep`: and in all below. A folder that is not there has none."""
        return self._steadily("read", folder, lambda: self._back_end.list(folder, deep))

    def replace(self, name: str, content: Bytes) -> None:
        """Put a file whole or not at all, whatever is there."""
        self._change("written", name, lambda: self._back_end.put(name, content, create=False))

    def create(self, name: str, content: Bytes) -> bool:
        """Put a file where none is; False, and nothing changes, if another content is there.

        The same content counts as put: a store may take a file and lose the answer.
        """
        while True:
            try:
                self._change("written", name, lambda: self._back_end.put(name, content, create=True))
                return True
            except FileExistsError:
                try:
                    return self.read(name) == content
                except FileNotFoundError:
                    continue  # gone meanwhile

    def remove(self, names: Iterable[str]) -> None:
        """Remove files, if they are there."""
        parallel(self._remove, names)

    def _remove(self, name: str) -> None:
        try:
            self._change("removed", name, lambda: self._back_end.remove(name))
        except FileNotFoundError:
            return

    def move(self, name: str, target: str) -> None:
        """Rename a file, replacing what is there."""
        self._change("moved", name, lambda: self._back_end.move(name, target))

    def _change(self, doing: str, name: str, action: Callable[[], None]) -> None:
        def fenced() -> None:
            self.fence()
            action()

        try:
            self._steadily(doing, name, fenced)
        except FileNotFoundError as error:
            if doing == "written":  # its bucket
                raise InputError(f"{self.root}/{name}: cannot be written: {reason(error)}") from None
            raise

    def _steadily(self, doing: str, name: str, action: Callable[[], T]) -> T:
        """Do it, again and again while the store does not answer."""
        since, pause = 0.0, 0.1
        while True:
            try:
                result = action()
            except (FileNotFoundError, FileExistsError):
                raise
            except Exception as error:
                if isinstance(error, InputError) and not isinstance(error, Unreachable):
                    raise
                if not transient(error):
                    raise InputError(f"{self.root}/{name}: cannot be {doing}: {reason(error)}") from None
                since = since or time.monotonic()
                if time.monotonic() + pause > since + self.patience:
                    raise Unreachable(f"{self.root}: the store does not answer: {reason(error)}") from None
                self._outage(error)
                time.sleep(pause)
                pause = min(2 * pause, 10.0)
            else:
                self._outage(None)
                return result

    def _outage(self, error: Exception | None) -> None:
        """Say once that the store is out, and once that it is back, where that takes longer than a reader
        would wait.
        """
        if self.patience <= READING or (error is None and self._out_since is None):
            return
        with self._lock:
            if error is not None and self._out_since is None:
                self._out_since = time.monotonic()
                log.warning(
                    "%s: the store does not answer, trying for %.0f s: %s",
                    self.root,
                    self.patience,
                    reason(error),
                )
            elif error is None and self._out_since is not None:
                log.warning(
                    "%s: the store answers again after %.0f s", self.root, time.monotonic() - self._out_since
                )
                self._out_since = None


# What a network file system or a server says that may well answer later.
_TRANSIENT = {
    getattr(errno, name)
    for name in (
        *("EAGAIN", "EBUSY", "ECONNABORTED", "ECONNREFUSED", "ECONNRESET", "EHOSTDOWN", "EHOSTUNREACH"),
        *("EINTR", "EIO", "ENETDOWN", "ENETUNREACH", "ENOTCONN", "EREMOTEIO", "ESTALE", "ETIMEDOUT"),
    )
    if hasattr(errno, name)
}
# The same by class, where the packages that raise them need not be here: botocore, aiohttp, requests, azure.
_TRANSIENT_NAMES = {
    *("ConnectionError", "HTTPClientError", "ClientConnectionError", "ClientPayloadError", "FSTimeoutError"),
    *("ServerDisconnectedError", "ResponseParserError", "IncompleteRead", "ServiceRequestError", "Timeout"),
}


def transient(error: BaseException) -> bool:
    """Whether trying again later may help: no answer, 5xx, too many requests; not a refusal."""
    if isinstance(error, Unreachable | ConnectionError | TimeoutError):
        return True
    for source in (error, error.__cause__):
        response = getattr(source, "response", None)
        if isinstance(response, dict):
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            return status >= 500 or status in (408, 409, 429)
    if isinstance(error, PermissionError):
        return False
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _TRANSIENT
    return any(kind.__name__ in _TRANSIENT_NAMES for kind in type(error).__mro__)


def reason(error: BaseException) -> str:
    """What an error says, in one line."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return " ".join(text.split())[:200]


def parallel(action: Callable[[T], U], items: Iterable[T]) -> list[U]:
    """The action's results in order, up to 16 at a time: most of the time is waiting."""
    items = list(items)
    if len(items) < 2:
        return [action(item) for item in items]
    return list(_threads(os.getpid()).map(action, items))


@cache
def _threads(process: int) -> ThreadPoolExecutor:
    """Kept, since starting threads takes longer than a small file; a forked process has none of them."""
    return ThreadPoolExecutor(16, thread_name_prefix="store")
