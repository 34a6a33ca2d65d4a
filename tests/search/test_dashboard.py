"""optuna-dashboard opens a search, in a browser: what `README.md` says to type."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.search import Search, search
from pipeline.search.searching import JOURNAL
from tests.engine.tools import wait_for
from tests.postgres import postgresql
from tests.review import browser as chromium
from tests.search.test_searching import tuned

pytestmark = [
    pytest.mark.skipif(chromium.program() is None, reason="needs chromium"),
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]
# What the page says to a developer.
COMPLAINTS = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")


@contextlib.contextmanager
def dashboard(storage: str | Path) -> Iterator[str]:
    """The address of one that serves a storage."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [Path(sys.executable).with_name("optuna-dashboard"), "--port", str(port), storage]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/dashboard"

    def answers() -> bool:
        assert process.poll() is None, "optuna-dashboard has ended"
        with contextlib.suppress(OSError):
            return bool(urllib.request.urlopen(url).status == 200)
        return False

    try:
        wait_for(answers)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def look(url: str, found: Search, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Open the list of studies, the study's page and its trials."""
    monkeypatch.setattr(chromium, "PATIENCE", 60.0)  # the page is one script of several MB
    best = min(found.suggestions, key=lambda one: one.values)
    with chromium.browsing() as browser:
        browser.window(1280, 900)
        browser.send("Log.enable")

        def shows(path: str, *texts: str) -> str:
            browser.send("Page.navigate", url=url + path)
            for text in texts:
                browser.until(f"document.body.innerText.includes({text!r})")
            return browser.text()

        shows("/", name, "Direction: MINIMIZE")
        study = browser.run("document.querySelector('a[href*=\"/studies/\"]').href").removeprefix(url)
        text = shows(study, name, "Best Trial", str(best.values[0]))
        assert f"Best Trial (number={best.number})" in text
        assert f"training.generator_lr: {best.settings['training.generator_lr']}" in text
        last = len(found.suggestions) - 1
        text = shows(f"{study}/trials", name, f"Trial {last}")
        assert {int(number) for number in re.findall(r"Trial (\d+)", text)} == set(range(last + 1))
        told = [event for event in browser.events if event.get("method") in COMPLAINTS]
        assert not told


def test_a_journal_opens(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = search(tuned("search.seeds=1"), runs, engine="inline", mirror=False)
    with dashboard(runs / "tiny-search" / JOURNAL) as url:
        look(url, found, "tiny-search", monkeypatch)


@pytest.mark.soak
def test_a_database_opens(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with postgresql() as server:
        storage = server.url("search")
        found = search(tuned("search.seeds=1"), runs, engine="inline", mirror=False, storage=storage)
        with dashboard(storage) as url:
            look(url, found, "tiny-search", monkeypatch)
