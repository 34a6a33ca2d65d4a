"""Sessions: what reaches the store, in which order, and what a rater can learn."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.errors import InputError
from pipeline.review.candidates import candidates
from pipeline.review.png import png
from pipeline.review.session import Session, rater_name, shard
from pipeline.store.run import Run, load_run
from pipeline.store.schemas import SCHEMA_VERSION
from tests.reports.synthetic import study
from tests.review.runs import candidate, write


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """A run held for writing, as the server holds it."""
    run = load_run(write(tmp_path))
    with run.writing():
        yield run


def session(run: Run, rater: str) -> Session:
    return Session(run, candidates(run), rater)


def shown(state: dict[str, object]) -> tuple[int, tuple[int, ...]]:
    """Which candidate is shown, and which of its images left and right: pixels tell."""
    pair = state["pair"]
    assert isinstance(pair, dict)
    pixels = [np.asarray(Image.open(io.BytesIO(pair[side]))) for side in ("left", "right")]
    return int(pixels[0][0, 0]), tuple(int(image[0, 1]) for image in pixels)


def judge_all(s: Session, label: str = "different") -> list[tuple[int, tuple[int, ...]]]:
    seen = []
    while (state := s.state())["pair"]:
        seen.append(shown(state))
        assert s.judge(state["pair"]["id"], label)
    return seen


@pytest.mark.parametrize("channels", [1, 3])
def test_png_holds_the_pixels(channels: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (channels, 5, 7), np.uint8)
    read = np.asarray(Image.open(io.BytesIO(png(image.tobytes(), channels, 5, 7))))
    np.testing.assert_array_equal(read.reshape(5, 7, channels), image.transpose(1, 2, 0))


def test_png_refuses_what_is_no_image() -> None:
    with pytest.raises(InputError, match="1 or 3 channels"):
        png(bytes(50), 2, 5, 5)
    with pytest.raises(InputError, match="49 bytes is not 1 x 5 x 10"):
        png(bytes(49), 1, 5, 10)


def test_a_label_is_its_candidate_s_row(run: Run) -> None:
    s = session(run, "Ada")
    state = s.state()
    k, _ = shown(state)
    assert s.judge(state["pair"]["id"], "duplicate")
    [row] = run.table("labels").to_dict("records")
    drawn = candidate(np.random.default_rng(0), k)
    for name in ("trial_id", "source", "first", "second", "stratum", "stratum_pairs", "stratum_drawn"):
        assert row[name] == drawn[name]
    assert row["distance"] == pytest.approx(drawn["distance"], abs=0)
    assert (row["rater"], row["label"], row["position"]) == ("Ada", "duplicate", 1)
    assert (row["study"], row["schema_version"]) == ("judged", SCHEMA_VERSION)
    assert 0 <= row["seconds"] < 30
    assert abs((pd.Timestamp.now("UTC") - row["labelled_at"]).total_seconds()) < 30


def test_every_pair_is_judged_once_and_a_restart_goes_on(run: Run, tmp_path: Path) -> None:
    whole = judge_all(session(run, "Ada"))
    assert sorted(k for k, _ in whole) == list(range(30))
    other = load_run(write(tmp_path / "again"))  # the same rater's order, stopped in the middle
    seen = []
    with other.writing():
        first = session(other, "Ada")
        for _ in range(11):
            state = first.state()
            seen.append(shown(state))
            first.judge(state["pair"]["id"], "unsure")
    with other.writing():
        seen += judge_all(session(other, "Ada"))
    assert seen == whole
    labels = other.table("labels").sort_values("position")
    assert labels["position"].tolist() == list(range(1, 31))
    assert labels["first"].tolist() == [10 * k for k, _ in whole]
    assert labels["label"].tolist() == ["unsure"] * 11 + ["different"] * 19


def test_each_rater_has_another_order_and_sides_are_balanced(run: Run) -> None:
    orders = {name: judge_all(session(run, name)) for name in ("Ada", "Ben", "Cy", "Dee", "Eva", "Fay")}
    sequences = {tuple(k for k, _ in order) for order in orders.values()}
    assert len(sequences) == 6
    assert all(sides in ((0, 1), (1, 0)) for order in orders.values() for _, sides in order)
    swapped = sum(sides == (1, 0) for order in orders.values() for _, sides in order)
    assert 62 <= swapped <= 118  # 180 fair coins: beyond it once in 30,000
    # No order by candidate: rank correlation with the order drawn stays that of shuffles of 30 (sd 0.19).
    for order in orders.values():
        assert abs(np.corrcoef([k for k, _ in order], np.arange(30))[0, 1]) < 0.7
    assert run.table("labels").groupby("rater").size().tolist() == [30] * 6


def test_pairs_drawn_later_do_not_move_the_order(run: Run) -> None:
    before = judge_all(session(run, "Ada"))
    run.save_labels(shard("Ada"), [])
    rng = np.random.default_rng(9)
    rows = [candidate(rng, k) for k in range(30, 45)]
    run.save_measurement("more", {"collisions": [{"trial_id": "real", "source": "real"}], "candidates": rows})
    after = judge_all(session(run, "Ada"))
    assert len(after) == 45
    assert [k for k, _ in after if k < 30] == [k for k, _ in before]


def test_undo_takes_back_one_after_the_other(run: Run) -> None:
    s = session(run, "Ada")
    seen = []
    for label in ("duplicate", "different", "unsure"):
        state = s.state()
        seen.append(shown(state))
        s.judge(state["pair"]["id"], label)
    assert s.undo()
    assert s.undo()
    assert shown(s.state()) == seen[1]
    assert run.table("labels")["label"].tolist() == ["duplicate"]
    assert session(run, "Ada").state()["done"] == 1
    assert s.undo()
    assert len(run.table("labels")) == 0
    assert not s.undo()


def test_only_the_pair_shown_can_be_judged(run: Run) -> None:
    s = session(run, "Ada")
    state = s.state()
    old = state["pair"]["id"]
    assert s.judge(old, "duplicate")
    assert not s.judge(old, "duplicate")
    assert not s.judge("é", "duplicate")
    with pytest.raises(InputError, match="label 'maybe': is not one of duplicate, different, unsure"):
        s.judge(s.state()["pair"]["id"], "maybe")
    assert len(run.table("labels")) == 1


def test_the_name_of_a_pair_tells_nothing(run: Run) -> None:
    names = {session(run, "Ada").state()["pair"]["id"] for _ in range(5)}
    assert len(names) == 5  # the same pair under five names: none can be computed from it


def test_a_label_that_cannot_be_written_is_not_given(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    s = session(run, "Ada")
    state = s.state()
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(InputError, match="cannot be written: No space left on device"):
            s.judge(state["pair"]["id"], "duplicate")
    again = s.state()
    assert (again["done"], shown(again)) == (0, shown(state))
    assert s.judge(again["pair"]["id"], "duplicate")
    assert len(run.table("labels")) == 1


def test_a_pair_drawn_twice_is_judged_once(run: Run) -> None:
    rng = np.random.default_rng(1)
    rows = [candidate(rng, k) | {"samples": 8000, "stratum_pairs": 7} for k in range(30)]
    run.save_measurement(
        "twice", {"collisions": [{"trial_id": "real", "source": "real"}], "candidates": rows}
    )
    found = candidates(run)
    assert len(found) == 30
    assert all(row["samples"] == 4000 for row in found.values())


def test_runs_without_pairs_to_see_are_refused(tmp_path: Path) -> None:
    run = Run(tmp_path / "synthetic")
    run.save_study(study())
    with pytest.raises(InputError, match="no candidate pairs to judge: measure it with candidates first"):
        candidates(run)
    bare = candidate(np.random.default_rng(0), 0) | {"first_image": None}
    with run.writing():
        run.save_measurement(
            "a", {"collisions": [{"trial_id": "real", "source": "real"}], "candidates": [bare]}
        )
    with pytest.raises(InputError, match="have no images"):
        candidates(run)


def test_names_of_raters() -> None:
    assert rater_name("  Ada \t Lovelace ") == "Ada Lovelace"
    assert rater_name("Zoe\u0308") == "Zoë"
    for bad in ("", "  ", "x" * 61, "a\x00b", "\u202eadA"):
        with pytest.raises(InputError, match="1 to 60 printable characters"):
            rater_name(bad)
    assert shard("Ada Lovelace").startswith("ada-lovelace-")
    names = ["Ada", "ada", "ADA ", "../../etc", "李", "伟", "-", "x" * 60, "x" * 59]
    assert len({shard(name) for name in names}) == len(names)
    assert all(set(shard(n)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for n in names)
