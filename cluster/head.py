"""A Ray head as seen from outside: does it answer, does it let us in, what does it run."""

from __future__ import annotations

import http.client
import json
import platform
import socket
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from pipeline.errors import InputError
from pipeline.ray_token import read_token, refused

PROBE_SECONDS = 4.0


@dataclass(frozen=True)
class Head:
    """A dashboard that answered. `headers` let requests through its token authentication.

    versions: what the cluster runs, by name (`Ray`, `Python`), as far as it tells.
    """

    url: str
    headers: dict[str, str]
    is_this_machine: bool
    versions: dict[str, str]

    def python(self) -> str:
        """The interpreter for a job there: this one where it exists, else what is on the head's PATH."""
        return sys.executable if self.is_this_machine else "python"

    def check_versions(self) -> None:
        """Raises InputError unless this process has the cluster's Ray and Python, up to their patches."""
        for name, ours in (("Ray", version("ray")), ("Python", platform.python_version())):
            theirs = self.versions.get(name, ours)
            if _minor(theirs) != _minor(ours):
                wanted = ".".join(_minor(theirs))
                raise InputError(
                    f"--address {self.url}: the cluster runs {name} {theirs} and this is {name} {ours}; "
                    f"install {name} {wanted} here, or the cluster with {name} {'.'.join(_minor(ours))}"
                )


def find_head(address: str) -> Head:
    """The head behind a dashboard address such as `http://HEAD:8265`. Raises InputError within seconds."""
    url = address.rstrip("/") if "://" in address else f"http://{address.rstrip('/')}"
    if not url.startswith(("http://", "https://")) or address == "auto":
        raise InputError(f"--address {address}: must be the dashboard of a Ray head, e.g. http://HEAD:8265")
    headers: dict[str, str] = {}
    status, answer = _get(address, f"{url}/api/version", headers)
    if status == 401:
        # Only now: the token is for this cluster, and not for whatever else an address may lead to.
        headers = {"authorization": f"Bearer {read_token(address)}"}
        status, answer = _get(address, f"{url}/api/version", headers)
        if status in (401, 403):
            raise refused(address)
    if status != 200 or "ray_version" not in answer:
        raise InputError(
            f"--address {address}: is not a Ray dashboard (HTTP {status}); its port is 8265 by default"
        )
    _, metadata = _get(address, f"{url}/api/v0/cluster_metadata", headers)
    versions = {"Ray": answer["ray_version"], "Python": _inside(metadata, "data", "pythonVersion")}
    nodes = _nodes(address, url, headers)
    return Head(
        url,
        headers,
        any(n["is_head_node"] and _is_own(n["node_ip"]) for n in nodes),
        {name: found for name, found in versions.items() if isinstance(found, str) and found},
    )


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


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]


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
