"""The study of these tests, undisturbed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import run
from tests.cluster.conftest import s3, s3_server  # noqa: F401
from tests.engine.tools import TINY, study
from tests.faults.tools import LONGER


@pytest.fixture(scope="session")
def undisturbed() -> Iterator[Path]:
    """Four trials carried out once, without faults and in this process. Not to be changed."""
    with tempfile.TemporaryDirectory(prefix="bd") as folder:
        yield Path(run(study(TINY, *LONGER), folder, engine="inline", mirror=False).root)
