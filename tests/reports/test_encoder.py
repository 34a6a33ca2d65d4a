"""Figures encoded by another process are those that this one would have made."""

import contextlib
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from reports.figures.encoder import Encoder, encoder
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
        other.add("changed", changed)
        changed.axes[0].set_title("too late")
        for k in range(6):  # of so many each process encodes some
            other.add(f"{k}", drawn())
        there = other.files()
    assert set(here) == set(medium.kinds)
    assert list(there) == ["changed", *"012345"]
    assert all(files == here for files in there.values())


def test_both_processes_encode_while_the_other_has_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    real, here = Encoder._here, []

    def counted(self: Encoder, content: bytes) -> Files:
        here.append(content)
        return real(self, content)

    monkeypatch.setattr(Encoder, "_here", counted)
    with encoder(SCREEN) as other:
        for k in range(8):
            other.add(f"{k}", drawn())
        assert len(other.files()) == 8
    assert 1 <= len(here) <= 7


def test_what_goes_wrong_there_is_raised_here() -> None:
    bad = drawn()
    bad.axes[0].set_xlabel("$\\nosuch$")
    with encoder(SCREEN) as other:
        other.add("bad", bad)
        other.add("good", drawn())
        with pytest.raises(ValueError, match="nosuch"):
            other.files()


def test_a_script_without_a_guard_is_not_run_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "print('once')\n"
        "from reports.figures.encoder import encoder\n"
        "from reports.figures.style import SCREEN, axes\n"
        "with encoder(SCREEN) as other:\n"
        "    other.add('empty', axes()[0])\n"
        "    print(len(other.files()))\n"
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
        other.add("first", drawn())
        started[0].send_signal(signal.SIGKILL)
        started[0].wait()
        with pytest.raises(RuntimeError, match="ended, with status -9"):
            other.files()


def test_after_an_error_nothing_more_is_drawn() -> None:
    with contextlib.suppress(KeyboardInterrupt), encoder(SCREEN) as other:
        for k in range(6):
            other.add(f"{k}", drawn())
        raise KeyboardInterrupt
    assert sum(there.cancelled() for _, there in other._asked.values()) >= 3


def test_what_makes_a_figure_is_called_when_it_is_encoded() -> None:
    with encoder(SCREEN) as other:
        for name, drawing in {"made": drawn, "drawn": drawn(), "nothing": none}.items():
            other.add(name, drawing)
        files = other.files()
    assert files["made"] == files["drawn"] != {}
    assert files["nothing"] == {}


def none() -> None:
    """A drawing of what there is nothing of."""
