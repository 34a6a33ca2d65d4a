"""Damage of every kind is found, named, and taken out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import Study
from pipeline.documents import parse_yaml
from pipeline.store.files import Files
from pipeline.store.run import Run
from pipeline.store.verify import examine
from pipeline.store.writer import Writer
from tests.conftest import Command
from tests.engine.tools import TINY
from tests.store.rows import rows, weights

STUDY = Study.parse(parse_yaml(TINY))
TRIALS = [trial.id for trial in STUDY.trials()]


def flip(share: float) -> Callable[[bytes], bytes]:
    """One bit of the byte at this share of the file."""

    def damage(content: bytes) -> bytes:
        place = min(int(share * len(content)), len(content) - 1)
        return content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]

    return damage


def footer(content: bytes) -> bytes:
    """One bit inside the footer that tells where the columns are."""
    length = int.from_bytes(content[-8:-4], "little")
    return flip(1 - (8 + length / 2) / len(content))(content)


@pytest.fixture
def run(root: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Four trials in two shards, judgments and a measurement of a control."""
    run = Run(root)
    monkeypatch.setattr(Writer, "finish", lambda self: None)  # nothing merged
    with run.writing():
        run.save_study(STUDY)
        run.save(TRIALS[:3], rows(*TRIALS[:3]), weights(*TRIALS[:3]))
        run.save(TRIALS[3:], rows(*TRIALS[3:]), weights(*TRIALS[3:]))
        run.save_measurement("real", {"collisions": [{"trial_id": "real", "source": "real"}]})
        run.save_labels("ann", [{"trial_id": "real", "first": 0, "second": 1, "rater": "ann"}])
    return run


def file(run: Run, folder: str, kind: str = "trials") -> str:
    """That of the shard with three trials, or of the only one of its kind."""
    manifests = [m for m in run._shards.manifests() if m.kind == kind]
    (shard,) = [m.shard for m in manifests if kind != "trials" or len(m.trials) == 3]
    (name,) = [n for n in run.files.list(folder) if n.rpartition("/")[2].startswith(f"{shard}.")]
    return name


def test_a_whole_run(run: Run, birthday: Command) -> None:
    said = birthday("verify", run.root)
    # Two shards of trials, curves, weights and manifest; two of a table and a manifest.
    assert (said.code, said.out.splitlines()) == (0, ["12 files, 4 trials, all whole"])


@pytest.mark.parametrize(
    ("folder", "damage", "why"),
    [
        ("curves", flip(0.3), "is damaged: its checksum differs"),
        ("trials", footer, "is damaged: its checksum differs"),
        ("weights", flip(0.99), "is damaged: its checksum differs"),
        ("weights", flip(0.2), "is damaged: its checksum differs"),
        ("curves", lambda content: content[:-20], "bytes"),
        ("trials", None, "is missing"),
        ("weights", None, "is missing"),
        ("commits", flip(0.5), "is damaged"),
        ("commits", lambda content: content[:100], "is damaged"),
        (
            "commits",
            lambda content: content.replace(b'"rows": 3', b'"rows": 2', 1),
            "is damaged: its checksum",
        ),
        ("commits", lambda content: content + b"\n", "is damaged: its checksum"),
    ],
)
def test_damage_is_named_and_taken_out(
    run: Run, birthday: Command, folder: str, damage: Callable[[bytes], bytes] | None, why: str
) -> None:
    name = file(run, folder)
    if damage is None:
        run.files.remove([name])
    else:
        content = run.files.read(name)
        assert damage(content) != content
        run.files.replace(name, damage(content))
    said = birthday("verify", run.root)
    assert said.code == 1
    first, count, then = said.out.splitlines()
    assert first.startswith(f"{name}: ")
    assert why in first
    assert count.startswith("1 files damaged or missing, of shards with 3 trials; ")
    assert count.endswith(" 1 trials whole")
    assert then == f"next:   birthday verify {run.root} --repair"

    said = birthday("verify", run.root, "--repair")
    assert said.code == 0
    assert "; 3 trials will be trained again by" in said.out
    study = f"{run.root}/study.yaml" if run.files.local else "STUDY"
    assert said.out.splitlines()[-1] == f"  birthday run {study} --runs {run.root.rpartition('/')[0]}"
    again = Run(run.root)
    assert again.done() == set(again.table("curves")["trial_id"]) == set(TRIALS[3:])
    assert len(again.table("labels")) == len(again.table("collisions")) == 1
    kept = {n.split("/")[1] for n in again.files.list("damaged", deep=True)}
    assert kept == {"trials", "curves", "weights", "commits"} - ({folder} if damage is None else set())
    said = birthday("verify", run.root)
    assert said.out.splitlines() == ["8 files, 1 trials, all whole"]
    with again.writing():  # and they can be committed again
        again.save(TRIALS, rows(*TRIALS), weights(*TRIALS))
    assert Run(run.root).done() == set(TRIALS)
    assert examine(Files(run.root)).damaged == {}


def test_strays_are_named_and_no_damage(run: Run, birthday: Command) -> None:
    run.files.replace("curves/.writing-0", b"PAR1")
    run.files.replace("trials/trials-dead.parquet", b"PAR1")
    run.files.replace("report/index.html", b"not a table")
    said = birthday("verify", run.root)
    assert said.code == 0
    assert said.out.splitlines() == [
        "curves/.writing-0: uncommitted, of a writer at work or killed",
        "trials/trials-dead.parquet: uncommitted, of a writer at work or killed",
        "12 files, 4 trials, all whole",
    ]
    assert birthday("verify", run.root, "--repair").code == 0
    assert birthday("verify", run.root).out == "12 files, 4 trials, all whole\n"
    assert run.files.read("report/index.html") == b"not a table"


def test_judgments_that_are_damaged_are_kept_aside(run: Run, birthday: Command) -> None:
    name = file(run, "labels", "labels")
    run.files.replace(name, flip(0.5)(run.files.read(name)))
    assert birthday("verify", run.root, "--repair").code == 0
    assert Run(run.root).done() == set(TRIALS)
    assert run.files.list("damaged/labels").keys() == {f"damaged/{name}"}


def test_a_damaged_run_is_not_written(run: Run, birthday: Command, tmp_path: Path) -> None:
    name = file(run, "commits")
    run.files.replace(name, b"{")
    before = run.files.list(deep=True)
    study = tmp_path / "study.yaml"
    study.write_text(STUDY.yaml())
    said = birthday("status", run.root)
    assert said.code == 2
    assert f"{name}: is damaged" in said.err
    assert f"`birthday verify {run.root} --repair` takes it out" in said.err
    assert {n for n in run.files.list(deep=True) if "lease" not in n} == {
        n for n in before if "lease" not in n
    }


def test_repairing_needs_the_lease(run: Run, birthday: Command) -> None:
    with Run(run.root).writing():
        said = birthday("verify", run.root, "--repair")
        assert said.code == 2
        assert "another process is writing this run" in said.err
        assert birthday("verify", run.root).code == 0
