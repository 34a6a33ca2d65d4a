"""Where the real image files are, for tests that need them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Read while tests are collected: during the run the variable is unset, so that none depends on it unawares.
NAMED = os.environ.get("BIRTHDAY_DATA")


@pytest.fixture(scope="session")
def data_root() -> Path:
    """BIRTHDAY_DATA, else `shared/data` beside the checkout. With neither, tests fail in CI or skip."""
    root = Path(NAMED) if NAMED else Path(__file__).parents[3] / "shared" / "data"
    if not root.is_dir():
        reason = f"no image files: {root} is no folder; set BIRTHDAY_DATA"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return root
