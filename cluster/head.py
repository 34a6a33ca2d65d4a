"""A Ray head as seen from outside: does it answer, does it let us in, can it run the pipeline."""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import InputError

PROBE_SECONDS = 4.0
OLDEST_RAY = (2, 52)
PYTHONS = ((3, 11), (3, 14))  # from the first, up to but without the second


@dataclass(frozen=True)
class Head:
    """A dashboard that answered. `headers` let requests through its token authentication."""

    url: str
    headers: dict[str, str]
    is_this_machine: bool

    def python(self) -> str:
        """The interpreter for a job there: this one where it exists, else what is on the head's PATH."""
        return sys.executable if self.is_this_machine else "python"


def find_head(address: str) -> Head:
    """The head behind a dashboard address such as `http://HEAD:8265`. Raises InputError within seconds."""
    url = address.rstrip("/") if "://" in address else f"http://{address.rstrip('/')}"
    if not url.startswith(("http://", "https://")) or address == "auto":
        raise InputError(f"--address {address}: must be the dashboard of a Ray head, e.g. http://HEAD:8265")
    headers: dict[str, str] = {}
    status, version = _get(address, f"{url}/api/version", headers)
    if status == 401:
        # Only now: the token is for this cluster, and not for whatever else an address may lead to.
        headers = {"authorization": f"Bearer {read_token(address)}"}
        status, version = _get(address, f"{url}/api/version", headers)
        if status in (401, 403):
            raise InputError(
                f"--address {address}: the cluster refuses the token; "
                "set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to the one its head was started with"
            )
    if status != 200 or "ray_version" not in version:
        raise InputError(
            f"--address {address}: is not a Ray dashboard (HTTP {status}); its port is 8265 by default"
        )
    _, metadata = _get(address, f"{url}/api/v0/cluster_metadata", headers)
    _check_versions(address, str(version["ray_version"]), str(_inside(metadata, "data", "pythonVersion")))
    nodes = _nodes(address, url, headers)
    return Head(url, headers, any(n["is_head_node"] and _is_own(n["node_ip"]) for n in nodes))


def read_token(address: str) -> str:
    """The token where Ray looks for it, in Ray's order. Raises InputError if there is none."""
    token = os.environ.get("RAY_AUTH_TOKEN", "").strip()
    if token:
        return token
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    path = Path(named) if named else Path.home() / ".ray" / "auth_token"
    try:
        token = path.read_text().strip()
    except OSError:
        token = ""
    if not token:
        raise InputError(
            f"--address {address}: the cluster asks for a token and {path} holds none; "
            "put it there, or set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH"
        )
    return token


def _nodes(address: str, url: str, headers: dict[str, str]) -> list[dict[str, Any]]:
    """The cluster's nodes; empty if the dashboard does not tell."""
    deadline = time.monotonic() + PROBE_SECONDS
    while True:
        status, document = _get(address, f"{url}/api/v0/nodes", headers)
        nodes = _inside(document, "data", "result", "result") or []
        # The dashboard of a head just started is up some seconds before its node is.
        if nodes or status != 200 or time.monotonic() > deadline:
            return list(nodes)
        time.sleep(0.2)


def _get(address: str, url: str, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """HTTP status and JSON document (empty if it is none)."""
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=PROBE_SECONDS
        ) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, {}
    except TimeoutError:
        raise InputError(f"--address {address}: no answer within {PROBE_SECONDS:.0f} s") from None
    except ConnectionResetError:
        raise InputError(
            f"--address {address}: is not a Ray dashboard; its port is 8265 by default"
        ) from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        reason = getattr(reason, "strerror", None) or reason
        raise InputError(
            f"--address {address}: cannot be reached ({reason}); "
            "is the head up and the dashboard's port (default 8265) open to here?"
        ) from None
    except (http.client.HTTPException, ValueError):
        raise InputError(
            f"--address {address}: is not a Ray dashboard; its port is 8265 by default"
        ) from None
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    return status, document if isinstance(document, dict) else {}


def _check_versions(address: str, ray: str, python: str) -> None:
    """A cluster older than the pipeline needs would fail every trial; unreadable versions pass."""
    if (found := _numbers(ray)) and found < OLDEST_RAY:
        raise InputError(
            f"--address {address}: runs Ray {ray}; must be {'.'.join(map(str, OLDEST_RAY))} or newer"
        )
    if (found := _numbers(python)) and not PYTHONS[0] <= found < PYTHONS[1]:
        raise InputError(f"--address {address}: runs Python {python}; must be 3.11, 3.12 or 3.13")


def _numbers(version: str) -> tuple[int, int] | None:
    parts = version.split(".")
    return (
        (int(parts[0]), int(parts[1]))
        if len(parts) > 1 and parts[0].isdigit() and parts[1].isdigit()
        else None
    )


def _inside(document: Any, *keys: str) -> Any:
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _is_own(ip: str) -> bool:
    """Whether an address is one of this machine's. A loopback URL says nothing: it may be a tunnel."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((ip, 0))
    except OSError:
        return False
    return True
