"""Runs side by side: planted differences are found, equal trials are equal, and what cannot be pooled is not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import InputError
from pipeline.store.run import Run
from reports.comparison import compare
from reports.comparison.differences import circumstances, keys
from reports.comparison.shared import shared
from reports.comparison.sides import Side, sides
from reports.comparison.slopes import compared, in_words
from reports.comparison.support import cells
from tests.engine.tools import Command
from tests.reports import synthetic
from tests.reports.test_report import contents

MEASURE = {"samples": 4000, "tau": {"rule": "real_quantile", "quantile": 1e-3}, "tau_ladder": []}


def write(root: Path, name: str, seeds: list[int], law: dict[str, Any] | None = None, **changes: Any) -> Run:
    """Sixteen trials or so: four sizes and these seeds."""
    study = synthetic.study(
        **{
            "study": name,
            "vary": {"discriminator.width": [2, 4, 8, 16], "seed": seeds},
            "hypotheses": [synthetic.CAPACITY],
            "measure": MEASURE,
        }
        | changes
    )
    return synthetic.write(root, study, images=False, ladder=False, **{"sd": 0.2} | (law or {}))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """a, b: slope 0.5, other seeds. steep: slope 1.5. again: a's trials, one of them with other numbers. other:
    another tau rule.
    """
    root = tmp_path_factory.mktemp("runs")
    return {
        "a": write(root, "a", [0, 1, 2]),
        "b": write(root, "b", [3, 4, 5], {"seed": 1, "level": 5.7}),
        "steep": write(root, "steep", [6, 7, 8], {"slope": 1.5}),
        "again": write(
            root,
            "again",
            [0, 1, 2],
            {"status": lambda k, trial: {4: "diverged", 11: "lost"}.get(k, "completed")},
        ),
        "other": write(
            root, "other", [9, 10, 11], measure=MEASURE | {"tau": {"rule": "real_quantile", "quantile": 1e-2}}
        ),
    }


@pytest.fixture(scope="module")
def found(runs: dict[str, Run]) -> dict[str, Side]:
    return {side.label: side for side in sides([run.root for run in runs.values()])}


def test_slopes_that_differ_are_told_apart(found: dict[str, Side]) -> None:
    one = compared([found["a"], found["b"], found["steep"]])[0]
    rows = {(row[0], row[1]): (float(row[2]), row[3], row[4]) for row in one.differences.rows}
    assert rows["a", "steep"][0] == pytest.approx(1.0, abs=0.3)
    assert not rows["a", "steep"][1].startswith("[-")  # above 0
    assert rows["a", "b"][1].startswith("[-")
    assert one.heterogeneity is not None
    assert one.heterogeneity.p < 0.001
    assert one.heterogeneity.i2 > 0.8
    assert one.pooled is not None
    assert (
        min(s.value for s in one.slopes.values())
        < one.pooled.value
        < max(s.value for s in one.slopes.values())
    )
    assert "Hartung–Knapp" in in_words(one)


def test_pooled_only_where_the_same_is_measured(found: dict[str, Side]) -> None:
    for names, why in (
        (("a", "other"), "measured with different τ rules"),
        (("a", "again"), "10 of the trials are in more than one run"),
    ):
        one = compared([found[name] for name in names])[0]
        assert one.pooled is None
        assert why in in_words(one)
    assert compared([found["a"], found["again"]])[0].differences.rows == []
    same = compared([found["a"], found["b"]])[0]
    assert same.why_not is None
    assert "of two runs a wide one" in in_words(same)


def test_support_by_configuration(found: dict[str, Side]) -> None:
    listed, notes = cells([found["a"], found["b"]])
    assert notes == []
    assert [row[2] for row in listed.rows] == [f"discriminator.width={w}" for w in (2, 4, 8, 16)]
    # Level 5.7 against 5, other seeds: exp(0.7) = 2.0, four times within a noise of 0.2.
    ratios = [float(row[6]) for row in listed.rows]
    assert sum(ratios) / 4 == pytest.approx(2.01, rel=0.25)
    assert cells([found["a"], found["other"]])[1] == [
        "a and other: they were measured with different τ rules."
    ]


def test_trials_of_one_id_must_have_the_same_numbers(
    runs: dict[str, Run], found: dict[str, Side], tmp_path: Path
) -> None:
    # After the trial that diverged all draws are others': what follows it differs too.
    both = shared([found["a"], found["again"]])
    assert both.trials == 12
    rows = {row[0]: row[3] for row in both.irreproducible.rows}
    trials = [one.id for one in runs["a"].study.trials()]
    assert rows[trials[4]].startswith("status: completed, diverged")
    assert all(text.startswith(("status", "collisions under", "n2 under")) for text in rows.values())
    assert sorted(rows) == sorted(trials[4:11])  # that one worker was lost says nothing of the trial
    copy = write(tmp_path, "copy", [0, 1, 2])
    same = shared(sides([runs["a"].root, copy.root]))
    assert (same.trials, same.irreproducible.rows) == (12, [])


def test_only_what_differs_is_listed(found: dict[str, Side]) -> None:
    both = [found["a"], found["other"]]
    assert [row[0] for row in keys(both).rows] == ["study", "vary.seed", "measure.tau.quantile"]
    assert circumstances(both).rows == []


def test_the_page(runs: dict[str, Run], tmp_path: Path) -> None:
    paths = [runs[name].root for name in ("a", "again", "other")]
    page = compare(paths, str(tmp_path / "one")).page
    assert page == tmp_path / "one" / "index.html"
    compare(paths, str(tmp_path / "two"))
    files = contents(tmp_path / "one")
    assert files == contents(tmp_path / "two")
    assert set(files) == {"index.html", "comparison.md", "figures/slopes.png"}
    html, markdown = files["index.html"].decode(), files["comparison.md"].decode()
    assert re.findall(r'<section id="(\w+)">', html) == [
        *["same", "hypotheses", "support", "controls", "provenance", "cost"]
    ]
    assert "://" not in re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", html)
    for text in ("Not reproducible: 7 of 12 trials", "Not pooled:", "uniform on 100 images"):
        assert text in html
        assert text in markdown
    for block in re.findall(r"(?m)(?:^\|.*\|\n)+", markdown):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_hostile_text_is_text(runs: dict[str, Run], tmp_path: Path) -> None:
    name = "<script>alert(1)</script>|x"
    odd = write(
        tmp_path / "<b>|", "a", [20, 21], hypotheses=[synthetic.CAPACITY | {"name": name}], question=name
    )
    more = write(
        tmp_path / "more", "a", [22, 23], hypotheses=[synthetic.CAPACITY | {"name": name}], question=name
    )
    compare([odd.root, more.root], str(tmp_path / "out"))
    files = contents(tmp_path / "out")
    for file in ("index.html", "comparison.md"):
        assert b"<script" not in files[file]
        assert b"<b>|" not in files[file]
    assert b"&lt;script&gt;" in files["index.html"]


def test_a_run_at_a_url(runs: dict[str, Run], tmp_path: Path) -> None:
    remote = Run("memory://published/a")
    for path in Path(runs["a"].root).rglob("*"):
        if path.is_file():
            remote.files.replace(str(path.relative_to(runs["a"].root)), path.read_bytes())
    found = compare([remote.root, runs["b"].root], str(tmp_path / "out"))
    assert [row[:3] for row in found.rows] == [("capacity", "a", "supported"), ("capacity", "b", "supported")]


def test_mistakes_are_one_line(runs: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(runs["a"].root).parent)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("years of work")
    for paths, out, message in (
        ([runs["a"].root], "x", "two runs or more"),
        ([runs["a"].root, "./a/"], "x", "named twice"),
        ([runs["a"].root, str(tmp_path)], "x", "not a run"),
        ([runs["a"].root, "b"], str(mine), "not a comparison"),
    ):
        with pytest.raises(InputError, match=message):
            compare(paths, out)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_the_command(birthday: Command, runs: dict[str, Run], tmp_path: Path) -> None:
    said = birthday("compare", runs["a"].root, runs["again"].root, "--out", tmp_path / "out")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0].split()[:2] == ["hypothesis", "run"]
    assert lines[1].split()[:3] == ["capacity", "a", "supported"]
    assert lines[-2] == "not reproducible: 7 of 12 trials in two runs have different numbers"
    assert lines[-1] == str(tmp_path / "out" / "index.html")
