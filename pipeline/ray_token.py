"""The token of a Ray cluster, where Ray itself looks for it."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.errors import InputError


def read_token(address: str) -> str:
    """RAY_AUTH_TOKEN, the file RAY_AUTH_TOKEN_PATH, ~/.ray/auth_token: the first that is set, as in Ray.

    Raises InputError, naming the cluster's `address`, if there is none.
    """
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


def refused(address: str) -> InputError:
    """The mistake of a token that is not the cluster's."""
    return InputError(
        f"--address {address}: the cluster refuses the token; "
        "set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to the one its head was started with"
    )
