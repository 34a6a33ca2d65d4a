"""What several rooms' tests share: one local Ray for all of them, and a short place for runs."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.engine.tools import TINY, Command, Said, study

if TYPE_CHECKING:
    from tests.mlflow_server import MlflowServer

# Read while tests are collected: during the run the variable is unset, so that none depends on it unawares.
NAMED = os.environ.get("BIRTHDAY_DATA")


@pytest.fixture(scope="session", autouse=True)
def environment() -> Iterator[None]:
    """No variable or cache of the machine reaches a test; no commit, as this checkout may change meanwhile."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="bd") as cache:
        patch.setenv("BIRTHDAY_CACHE", cache)
        for name in ("BIRTHDAY_DATA", "RAY_ADDRESS", "MLFLOW_TRACKING_URI", "FORCE_COLOR"):
            patch.delenv(name, raising=False)
        patch.setenv("GIT_DIR", os.devnull)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # Ray lets all others go first, and beside this process there are always other tests.
        patch.setenv("RAY_worker_niceness", "0")
        yield


@pytest.fixture
def runs() -> Iterator[Path]:
    """A directory that is not there yet, with a short name."""
    folder = Path(tempfile.mkdtemp(prefix="bd"))
    yield folder / "runs"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """A Ray in this process, which every `engine="ray"` then uses."""
    from pipeline.engine.ray_settings import settle

    settle(None)
    from pipeline.engine.ray_engine import RayEngine
    from pipeline.study import ResourceOptions

    engine = RayEngine(ResourceOptions())
    yield
    engine.close()


@pytest.fixture(scope="session")
def reference() -> Iterator[Path]:
    """The tiny study carried out once, undisturbed and in this process. Not to be changed."""
    from pipeline import run

    with tempfile.TemporaryDirectory(prefix="bd") as folder:
        yield Path(run(study(TINY), folder, engine="inline", mirror=False).root)


@pytest.fixture(scope="session")
def empty_mlflow() -> Iterator[Path]:
    """An `mlflow.db` without runs: creating its tables takes seconds, so tests copy one."""
    from pipeline.store.run import Run
    from pipeline.tracking.connection import connect, leave
    from pipeline.tracking.place import place

    with tempfile.TemporaryDirectory(prefix="bd") as folder:
        where = place(Run(f"{folder}/none"))
        connect(where)
        leave(where)
        yield Path(folder, "mlflow.db")


@pytest.fixture
def mirrored_runs(runs: Path, empty_mlflow: Path) -> Path:
    """A directory of runs with such a database in it."""
    runs.mkdir()
    shutil.copy(empty_mlflow, runs)
    return runs


@pytest.fixture
def birthday(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """`birthday WORDS` in this process: its exit code and what it printed."""
    from pipeline.cli import main

    def command(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["birthday", *map(str, words)])
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        return Said(code, *capfd.readouterr())

    before = signal.getsignal(signal.SIGTERM)
    yield command
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def mlflow_server() -> Iterator[MlflowServer]:
    """A team's MLflow server, with whatever other tests logged; who kills it starts it again."""
    from tests.mlflow_server import team_server

    with team_server() as server:
        yield server


@pytest.fixture(scope="session")
def data_root() -> Path:
    """BIRTHDAY_DATA, else `shared/data` beside the checkout. With neither, tests fail in CI or skip."""
    root = Path(NAMED) if NAMED else Path(__file__).parents[2] / "shared" / "data"
    if not root.is_dir():
        reason = f"no image files: {root} is no folder; set BIRTHDAY_DATA"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return root
