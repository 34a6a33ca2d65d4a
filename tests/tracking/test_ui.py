"""MLflow's own pages on a mirrored run, in a browser: its trials sorted, and two of them compared."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from pipeline.store.run import Run
from tests.engine.tools import wait_for
from tests.review import browser as chromium
from tests.tracking.runs import free_port, mirrored, save

pytestmark = pytest.mark.skipif(chromium.program() is None, reason="needs chromium")


@contextlib.contextmanager
def pages(database: Path) -> Iterator[str]:
    """The address of an MLflow that serves a database."""
    port = free_port()
    words = ["ui", "--backend-store-uri", f"sqlite:///{database}", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", *words, "--workers", "1"],
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=database.parent,
        start_new_session=True,
    )

    def answers() -> bool:
        assert process.poll() is None, "mlflow ui has ended"
        with contextlib.suppress(OSError):
            return bool(urllib.request.urlopen(f"http://127.0.0.1:{port}/health").status == 200)
        return False

    try:
        wait_for(answers, 120)
        yield f"http://127.0.0.1:{port}/#"
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


def test_trials_are_sorted_and_compared(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chromium, "PATIENCE", 90.0)  # the pages are scripts of several MB
    save(run, 2, 0, 3, 1)
    parent, children = mirrored(run)
    experiment = parent.info.experiment_id
    with pages(Path(run.root).parent / "mlflow.db") as url, chromium.browsing() as browser:
        browser.window(1600, 1000)
        for ascending in (False, True):
            order = f"orderByKey={quote('metrics.`loss_0`')}&orderByAsc={json.dumps(ascending)}"
            browser.send("Page.navigate", url="about:blank")
            browser.send("Page.navigate", url=f"{url}/experiments/{experiment}/runs?{order}")
            browser.until("document.body.innerText.match(/seed=/g)?.length === 4")
            shown = "".join(re.findall(r"seed=(\d)", browser.text()))
            assert shown == ("0123" if ascending else "3210")
        two = [children[f"{n:016x}"].info.run_id for n in (1, 3)]
        browser.send(
            "Page.navigate",
            url=f"{url}/compare-runs?runs={quote(json.dumps(two))}&experiments={quote(json.dumps([experiment]))}",
        )
        browser.until("document.body.innerText.includes('Comparing 2 Runs from 1 Experiment')")
        browser.until(r"/^loss_0\s+[\d.]+\s+[\d.]+$/m.test(document.body.innerText)")
        (values,) = re.findall(r"^loss_0\s+([\d.]+)\s+([\d.]+)$", browser.text(), re.MULTILINE)
        assert sorted(float(value) for value in values) == pytest.approx([1 + 2 / 7, 3 + 2 / 7], abs=1e-3)
        assert all(run_id in browser.text() for run_id in two)
