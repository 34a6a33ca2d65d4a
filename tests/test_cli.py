"""The commands: what they print, what they change, and that they are quiet."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pandas as pd
import pytest
import yaml

import pipeline
from pipeline import Study, load_run
from pipeline.documents import parse_yaml
from tests.engine.tools import TINY, Command, assert_same, start, study

ROOT = Path(__file__).parents[1]
QUICKSTART = ROOT / "studies" / "quickstart.yaml"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(TINY)
    return path


def test_plan_shows_and_runs_nothing(
    birthday: Command, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = birthday("plan", file, "--set", "vary.seed.count=3", "--set", "question=Is [/] a question?")
    assert (said.code, said.err) == (0, "")
    lines = [" ".join(line.split()) for line in said.out.splitlines()]
    assert lines[:5] == [
        "tiny: Is [/] a question?",
        "axis values",
        "discriminator.width 2, 4",
        "seed 0, 1, 2",
        "6 trials; measured: 150 samples each, pixels, real_quantile(0.01)",
    ]
    assert re.fullmatch(
        r"predicted: \d+ s of one task at a time, \d+ s of two; [\d.e-]+ core-hours", lines[5]
    )
    # 150 * 149 / 2 pairs, one in a hundred of them a collision.
    assert lines[7].startswith(
        "ruler: a generator as diverse as held-out images (N2 = 100) gives 112 collisions among 150 samples"
    )
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("predictor", "expect", "effect"),
    [
        ("log_discriminator_params", "increasing", "slope"),
        ("objective", "different", "difference of log N2 between two of them"),
    ],
)
def test_plan_says_what_the_design_can_detect(
    birthday: Command, predictor: str, expect: str, effect: str
) -> None:
    stated = f"{{name: h, outcome: log_support, predictor: {predictor}, expect: {expect}}}"
    changes = ("--set", f"hypotheses=[{stated}]", "--set")
    few, many = (
        birthday("plan", QUICKSTART, *changes, f"vary.seed.count={seeds}").out.splitlines()
        for seeds in (2, 8)
    )
    slopes = [
        float(re.findall(rf"^h: finds a {effect} of ([\d.]+) or more with probability 0.8", line)[0])
        for lines in (few, many)
        for line in lines
        if line.startswith("h:")
    ]
    # Four times the trials, half the slope.
    assert slopes[1] == pytest.approx(slopes[0] / 2, abs=0.02)


def test_run_prints_plain_lines_and_nothing_else(
    birthday: Command, file: Path, reference: Path, mirrored_runs: Path
) -> None:
    runs = mirrored_runs
    said = birthday("run", file, "--runs", runs, "--engine", "inline")
    assert (said.code, said.err) == (0, "")
    assert "\x1b" not in said.out
    assert "\r" not in said.out
    lines = said.out.splitlines()
    assert lines[0] == "tiny: 4 trials, 0 done already"
    assert lines[-4].startswith("tiny: 4/4 done, 0 failed, in ")
    assert lines[-3:] == [
        f"tables: {runs}/tiny",
        f"mlflow: mlflow ui --backend-store-uri sqlite:///{runs}/mlflow.db",
        f"next:   birthday report {runs}/tiny",
    ]
    assert_same(reference, runs / "tiny")
    again = birthday("run", file, "--runs", runs, "--engine", "ray")
    assert again.code == 0
    assert again.out.splitlines()[0] == "tiny: 4 trials, 4 done already"


def test_a_real_command_with_ray_is_quiet(file: Path, reference: Path, mirrored_runs: Path) -> None:
    runs = mirrored_runs
    out, said = (process := start("run", file, "--runs", runs)).communicate(timeout=120)
    assert process.returncode == 0
    assert said == ""
    assert "tiny: 4/4 done, 0 failed" in out
    assert_same(reference, runs / "tiny")


def test_a_path_with_brackets_is_printed_as_it_is(birthday: Command, file: Path, runs: Path) -> None:
    place = runs / "[bold]a[/]"
    said = birthday("run", file, "--runs", place, "--engine", "inline", "--limit", "1", "--no-mlflow")
    assert said.code == 0
    assert f"tables: {place}/tiny" in said.out


def test_limit_status_and_failures(birthday: Command, file: Path, runs: Path) -> None:
    diverging = ["--set", "base.training.generator_lr=1e30", "--engine", "inline", "--no-mlflow"]
    said = birthday("run", file, "--runs", runs, "--limit", "3", *diverging)
    assert said.code == 0
    assert said.out.count(" diverged") == 3
    status = birthday("status", runs / "tiny")
    assert (status.code, status.err) == (0, "")
    lines = status.out.splitlines()
    assert lines[:2] == ["tiny: 3 of 4 trials done, 1 missing", "  diverged: 3"]
    assert len(lines) == 6
    assert all("is not finite at step 3 of 6" in line for line in lines[2:5])
    assert lines[5] == "nobody is writing"


def test_quick_is_another_run(birthday: Command, file: Path, runs: Path) -> None:
    one = ["--set", "vary.discriminator.width=[2]", "--set", "vary.seed=[0]"]
    said = birthday("run", file, "--runs", runs, "--quick", "--engine", "inline", "--no-mlflow", *one)
    assert said.code == 0
    found = load_run(runs / "tiny-quick")
    assert found.study == Study.load(file, one[1::2]).quick()
    assert len(found.done()) == 1


def test_measure_adds_a_protocol(birthday: Command, file: Path, runs: Path) -> None:
    words = ["--engine", "inline", "--no-mlflow", "--limit", "2"]
    assert birthday("run", file, "--runs", runs, *words).code == 0
    change = ["--set", "measure.tau={rule: fixed, value: 0.5}"]
    said = birthday("measure", runs / "tiny", *change, "--engine", "inline")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[0] == "measured 2 generators: fixed(0.5), 150 samples"
    assert load_run(runs / "tiny").study.measure.tau_rule() == "fixed(0.5)"
    rows = load_run(runs / "tiny").table("collisions")
    assert set(rows.loc[rows["tau_rule"] == "fixed(0.5)", "tau"]) == {0.5}


def test_report_comes_from_the_tables(birthday: Command, reference: Path, tmp_path: Path) -> None:
    said = birthday("report", reference, "--out", tmp_path / "report")
    assert (said.code, said.err) == (0, "")
    assert Path(said.out.strip()).exists()


def test_lists(birthday: Command) -> None:
    from pipeline.datasets import DATASETS
    from pipeline.objectives import OBJECTIVES
    from pipeline.systems import SYSTEMS

    for command, names in (("datasets", DATASETS), ("objectives", OBJECTIVES), ("systems", SYSTEMS)):
        said = birthday(command)
        assert (said.code, said.err) == (0, "")
        rows = said.out.splitlines()
        assert rows[0].split()[0] == "name"
        assert [name for row in rows[1:] if "." not in (name := row.split()[0])] == list(names)
        assert all(len(row.split()) > 2 for row in rows[1:])
    objectives = birthday("objectives").out
    assert "penalty=10.0" in objectives
    assert "regularizers.r1" in objectives


def test_doctor_checks_this_machine(birthday: Command, tmp_path: Path) -> None:
    said = birthday("doctor", "--runs", tmp_path)
    assert said.err == ""
    marks = {line.split()[1]: line.split()[0] for line in said.out.splitlines()[1:]}
    assert marks["Python"] == marks["torch"] == marks["ray"] == "ok"
    assert said.code == (1 if "no" in marks.values() else 0)


def test_the_schema_accepts_the_studies_and_refuses_mistakes(birthday: Command) -> None:
    schema = json.loads(birthday("schema").out)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    tuned = {"search": "tiny-search", "metric": "kid", "direction": "minimize", "protocol": "x", "seeds": 1}
    tuned["chosen"] = [{"settings": {"generator.width": 4}, "trial": "x", "value": 0.5, "suggestions": 9}]
    assert not list(validator.iter_errors(parse_yaml(TINY) | {"tuned": tuned}))
    assert list(validator.iter_errors(parse_yaml(TINY) | {"tuned": tuned | {"metric": "n2"}}))
    for path in sorted((ROOT / "studies").glob("*.yaml")):
        validator.validate(parse_yaml(path.read_text()))
    broken = parse_yaml(TINY)
    broken["base"]["generator"]["widht"] = 4
    assert not validator.is_valid(broken)
    stated = {"name": "h", "outcome": "log_support", "predictor": "system", "expect": "different"}
    assert validator.is_valid(parse_yaml(TINY) | {"hypotheses": [stated]})
    assert not validator.is_valid(parse_yaml(TINY) | {"hypotheses": [stated | {"expect": "flat"}]})


def test_no_command_shows_the_help(birthday: Command) -> None:
    said = birthday()
    assert "Usage" in said.out + said.err
    for name in ("plan", "run", "status", "measure", "report", "search", "doctor"):
        assert name in said.out + said.err


def test_the_library(reference: Path, runs: Path) -> None:
    one = study(TINY, "vary.discriminator.width=[2]", "vary.seed=[0]")
    found = pipeline.run(one, runs, engine="inline", mirror=False)
    frame = pipeline.load_run(found.root).table("collisions")
    assert isinstance(frame, pd.DataFrame)
    assert set(frame["source"]) == {"generated", "real", "finite_support"}
    with pytest.raises(pipeline.InputError, match="did you mean 'collisions'"):
        found.table("collision")


def test_reading_a_study_imports_nothing_heavy() -> None:
    code = (
        "import sys, pipeline; pipeline.Study.load(sys.argv[1]).trials(); "
        "print(sorted({'torch', 'ray', 'mlflow', 'pyarrow', 'optuna', 'sklearn'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(QUICKSTART)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_saved_study_is_yaml(reference: Path) -> None:
    assert Study.parse(yaml.safe_load((reference / "study.yaml").read_text())) == study(TINY)
