"""One file from the network: resumed where it broke off, kept only with the published checksum."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import InputError

BLOCK = 1 << 16
TIMEOUT_SECONDS = 30.0

# Told (file name, bytes so far, bytes in all or None where the server does not say).
Watch = Callable[[str, int, int | None], None]


def download(url: str, path: Path, sha256: str, watch: Watch) -> None:
    """Bring the file at the url to the path, of which the folders are made.

    What has arrived is in `<path>.part`; a later call asks for the rest of it (HTTP Range).
    Raises InputError where there is no network, the connection breaks off, the disk is full, or the checksum
    is another, which removes what has arrived.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _continue(url, path, part, watch)
        found = digest(part)
        if found != sha256:
            part.unlink()
            raise InputError(f"{url}: its SHA-256 is {found}, not {sha256} as published; it was removed")
        part.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None


def digest(path: Path) -> str:
    """The file's SHA-256, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _continue(url: str, path: Path, part: Path, watch: Watch) -> None:
    done = part.stat().st_size if part.exists() else 0
    response = _open(url, path, done)
    if response is None:  # nothing is left to send
        return
    with response, part.open("ab") as file:
        resumed = response.status == 206
        if not resumed:
            file.truncate(0)
            done = 0
        length = response.headers.get("Content-Length")
        total = None if length is None else done + int(length)
        _copy(response, file, url, path.name, done, total, watch)


def _copy(
    response: HTTPResponse, file: BinaryIO, url: str, name: str, done: int, total: int | None, watch: Watch
) -> None:
    watch(name, done, total)
    for block in _blocks(response, url):
        file.write(block)
        done += len(block)
        watch(name, done, total)
    if total is not None and done < total:
        raise InputError(f"{url}: broke off after {done} of {total} bytes; the same command goes on there")


def _open(url: str, path: Path, done: int) -> HTTPResponse | None:
    headers = {"User-Agent": "birthday"} | ({"Range": f"bytes={done}-"} if done else {})
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == 416 and done:
            return None
        reason = f"answers {error.code} {error.reason}"
    except (OSError, HTTPException) as error:  # URLError is an OSError
        reason = f"cannot be reached: {getattr(error, 'reason', None) or error}"
    raise InputError(f"{url}: {reason}; without a network, put the file at {path}")


def _blocks(response: HTTPResponse, url: str) -> Iterator[bytes]:
    try:
        while block := response.read(BLOCK):
            yield block
    except (OSError, HTTPException) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{url}: broke off: {reason}; the same command goes on there") from None
