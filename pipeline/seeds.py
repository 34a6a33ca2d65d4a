"""Random streams keyed by name: adding a role, an axis or a trial moves no other stream."""

from __future__ import annotations

import hashlib

import numpy as np


def stream(key: str, role: str) -> np.random.Generator:
    """The random stream of `role` under `key` (a trial id, or a data set's name for what trials share).

    Philox keyed by SHA-256 of both names: two different names give independent streams on every machine, and
    draws are sequential, so a longer draw begins with the shorter one.
    """
    digest = hashlib.sha256(f"{key}\0{role}".encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
