"""Optuna's part of a search in a real PostgreSQL database."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from pipeline import InputError
from pipeline.search import hunt, search
from tests.postgres import Server, postgresql
from tests.search.test_searching import tuned


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgresql() as server:
        yield server


def test_a_search_in_postgresql_proposes_what_one_in_a_journal_does(
    server: Server, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed on the way, and gone on with."""
    journal = search(tuned(), runs / "journal", engine="inline", mirror=False)
    url, real, calls = server.url("search"), hunt.means, []

    def die(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(hunt, "means", die)
        with pytest.raises(KeyboardInterrupt):
            search(tuned(), runs, engine="inline", mirror=False, storage=url)
    found = search(tuned(), runs, engine="inline", mirror=False, storage=url, resume=True)
    assert found.suggestions == journal.suggestions
    (name,) = optuna.get_all_study_names(url)
    assert len(optuna.load_study(study_name=name, storage=url).trials) == 4
    assert not list(runs.glob("*/optuna.journal"))


def test_two_runs_do_not_share_a_search(server: Server, runs: Path) -> None:
    url = server.url("shared")
    search(tuned("search.trials=1"), runs / "a", engine="inline", mirror=False, storage=url)
    with pytest.raises(InputError, match=r"'tiny-search \w+' belongs to another run than .*/b/tiny-search; "):
        search(tuned("search.trials=1"), runs / "b", engine="inline", mirror=False, storage=url)
    assert not (runs / "b" / "tiny-search" / "study.yaml").exists()
    search(tuned("search.trials=1"), runs / "a", engine="inline", mirror=False, storage=url)


def test_a_database_that_is_not_there_is_one_line(runs: Path) -> None:
    with pytest.raises(
        InputError, match=r"--storage postgresql\+psycopg://me@127\.0\.0\.1:1/x: cannot be opened"
    ):
        search(
            tuned(),
            runs,
            engine="inline",
            mirror=False,
            storage="postgresql+psycopg://me:secret@127.0.0.1:1/x",
        )
    assert not (runs / "tiny-search" / "study.yaml").exists()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_several_may_open_an_empty_database_at_once(server: Server, tmp_path: Path, kind: str) -> None:
    url = server.url("fresh") if kind == "postgresql" else f"sqlite:///{tmp_path}/new/optuna.db"
    code = "import sys, optuna; from pipeline.search.proposals import database; optuna.create_study(storage=database(sys.argv[1]))"
    command = [sys.executable, "-c", code, url]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for process in processes:
        _, error = process.communicate(timeout=240)
        assert process.returncode == 0, error
    assert len(optuna.get_all_study_names(url)) == 3
