"""Reading some rows of a table gives what reading all and then choosing gives."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.store.run import Run
from tests.store.rows import rows

TRIALS = [f"t{k:02d}" for k in range(20)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Three shards of trials, real images beside them, and some trials measured once more, other numbers."""
    run = Run(tmp_path_factory.mktemp("runs") / "r")
    with run.writing():
        for chosen in (TRIALS[:1], TRIALS[1:3], TRIALS[3:]):
            run.save(chosen, rows(*chosen) | {"collisions": collisions(chosen, 5.0)})
        again = collisions(TRIALS[2:5], 7.0)
        again += [row | {"tau_rule": "z"} for row in again]
        run.save_measurement("again", {"collisions": again})
        run.save_measurement("real", {"collisions": collisions(["real"], 9.0, "real")})
    return run


def collisions(trials: list[str], n2: float, source: str = "generated") -> list[dict[str, Any]]:
    return [
        {
            "trial_id": trial,
            "source": source,
            "embedding": name,
            "embedding_id": name,
            "tau_rule": rule,
            "n2": n2,
        }
        for trial, rule, name in itertools.product(trials, "xy", ("pixels", None))
    ]


@pytest.mark.parametrize(
    "where",
    [
        {"trial_id": ["t03", "t17", "absent"]},
        {"trial_id": []},
        {"source": ["real"]},
        {"embedding": [None], "tau_rule": ["y", "z"]},
        {"trial_id": ["t02", "t03", "real"], "embedding": ["pixels"], "source": ["generated"]},
    ],
    ids=str,
)
@pytest.mark.parametrize("columns", [None, ["n2"]])
def test_a_filtered_read_is_part_of_the_whole(
    run: Run, where: dict[str, list[Any]], columns: list[str] | None
) -> None:
    whole = run.table("collisions")
    for name, values in where.items():
        whole = whole[whole[name].isin(values) | (whole[name].isna() & (None in values))]
    expected = whole if columns is None else whole[columns]
    pd.testing.assert_frame_equal(run.table("collisions", columns, where), expected.reset_index(drop=True))


def test_shards_without_the_trials_are_not_read(tmp_path: Path) -> None:
    run = Run(tmp_path / "r")
    with run.writing():
        run.save(["a"], rows("a"))
        run.save(["b"], rows("b"))
        for path in (tmp_path / "r" / "curves").iterdir():
            if b"\x01b" in path.read_bytes() or pd.read_parquet(path)["trial_id"].iloc[0] == "b":
                path.write_bytes(b"damaged")
        assert len(run.table("curves", where={"trial_id": ["a"]})) == 3


def test_what_is_no_trial_and_what_has_rows(run: Run) -> None:
    assert run.beside() == ["real"]
    assert run.held() == {"trials", "curves", "collisions"}
