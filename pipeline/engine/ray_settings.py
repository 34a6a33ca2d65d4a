"""Environment that Ray reads once, while it is imported."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import sys
import tempfile

from pipeline.engine.ray_address import check_address


def settle(address: str | None) -> None:
    """Call before the first `import ray`. What the user has set stays. Raises InputError for an address where
    no head lets us in.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # A worker that is kept for longer takes the next task at once; one given back waits up to 0.1 s for the
    # nodes to tell each other that it is free (Ray's default is 0.5 s). Not longer: a node that leaves is not
    # given anything new only once its workers have been given back.
    os.environ.setdefault("RAY_worker_lease_timeout_milliseconds", "10000")
    if address is not None:
        check_address(address)
    elif "RAY_AUTH_MODE" not in os.environ and "ray" not in sys.modules:
        # Ray listens on every interface. A token of this process keeps others out, and Ray from writing one
        # into the home directory.
        folder = tempfile.mkdtemp(prefix="birthday-ray-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        path = os.path.join(folder, "token")
        with open(path, "w", opener=lambda p, flags: os.open(p, flags, 0o600)) as file:
            file.write(secrets.token_hex(32))
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": path}
