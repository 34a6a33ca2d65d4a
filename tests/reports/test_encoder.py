"""Figures encoded by another process are those that this one would have made."""

import contextlib
import signal
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from reports.figures.encoder import encoder
from reports.figures.marks import beside, dot, tau_axis
from reports.figures.paper import PAPER
from reports.figures.style import SCREEN, Files, Medium, axes, context, encode


def drawn() -> Figure:
    figure, ax = axes()
    ax.plot(np.geomspace(0.1, 9, 50), np.arange(50))
    tau_axis(ax)
    beside(ax, [dot("#0072B2", "o", "a trial")])
    return figure


@pytest.mark.parametrize("medium", [SCREEN, PAPER], ids=["screen", "paper"])
def test_the_bytes_are_those_of_one_process(medium: Medium) -> None:
    with context(medium):
        here = encode(drawn(), medium)
    with encoder(medium) as other:
        changed = drawn()
        pending = [other(changed), other(drawn())]
        changed.axes[0].set_title("too late")
        there = [one.result() for one in pending]
    assert set(here) == set(medium.kinds)
    assert there == [here, here]


def test_what_goes_wrong_there_is_raised_here_and_the_next_figure_is_drawn() -> None:
    bad = drawn()
    bad.axes[0].set_xlabel("$\\nosuch$")
    with encoder(SCREEN) as other:
        pending = other(bad), other(drawn())
        with pytest.raises(ValueError, match="nosuch"):
            pending[0].result()
        assert pending[1].result()["png"].startswith(b"\x89PNG")


def test_a_script_without_a_guard_is_not_run_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "print('once')\n"
        "from reports.figures.encoder import encoder\n"
        "from reports.figures.style import SCREEN, axes\n"
        "with encoder(SCREEN) as encode:\n"
        "    print(len(encode(axes()[0]).result()))\n"
    )
    ended = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert (ended.stdout, ended.stderr) == ("once\n1\n", "")


def test_a_killed_process_is_an_error_and_no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def popen(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
        started.append(real(*arguments, **options))  # type: ignore[call-overload]
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", popen)
    with encoder(SCREEN) as other:
        first: Future[Files] = other(drawn())
        assert first.result()
        started[0].send_signal(signal.SIGKILL)
        started[0].wait()
        with pytest.raises(RuntimeError, match="ended, with status -9"):
            other(drawn()).result()


def test_after_an_error_nothing_more_is_drawn() -> None:
    with contextlib.suppress(KeyboardInterrupt), encoder(SCREEN) as other:
        pending = [other(drawn()) for _ in range(6)]
        pending[0].result()
        raise KeyboardInterrupt
    assert sum(one.cancelled() for one in pending) >= 3


def test_what_makes_a_figure_is_called_there() -> None:
    with encoder(SCREEN) as other:
        made, nothing = other(drawn), other(none)
        assert made.result() == other(drawn()).result()
        assert nothing.result() == {}


def none() -> None:
    """A drawing of what there is nothing of."""
