"""The report of a search's run: what is shown of good, odd and hostile searches."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.store.status import lines
from pipeline.study import Study
from reports.figures.search_axes import values_of
from reports.figures.search_space import main_keys
from reports.render import build
from reports.sections import searches
from reports.statistics.fronts import hypervolume
from reports.tables.results import read
from tests.reports import synthetic
from tests.reports.search_runs import RATE, SPACE, study, suggestion, write

# Such as that a figure's parts found no room.
pytestmark = pytest.mark.filterwarnings("error::UserWarning")
WIDTHS = [{"discriminator.width": width} for width in (16, 64)]  # of three: one has none yet


def drawn(rng: np.random.Generator) -> dict[str, Any]:
    settings: dict[str, Any] = {
        RATE: float(10 ** rng.uniform(-4, -1)),
        "generator.width": int(rng.integers(4, 65)),
    }
    settings["objective.name"] = str(rng.choice(["hinge", "wgan_gp"]))
    if settings["objective.name"] == "wgan_gp":
        settings["objective.penalty"] = float(rng.uniform(1, 20))
    return settings


def asked(count: int, seed: int = 0, **more: Any) -> list[dict[str, Any]]:
    """Suggestions of which every fifth was pruned and every seventh failed; values: (log10 rate + 2.5)^2."""
    rng, found = np.random.default_rng(seed), []
    for number in range(count):
        settings = drawn(rng)
        state = "pruned" if number % 5 == 4 else "fail" if number % 7 == 6 else "complete"
        value = {} if state == "fail" else {"kid": float((np.log10(settings[RATE]) + 2.5) ** 2)}
        found.append(suggestion(number, state, settings, values=value, feasible=number % 3 > 0, **more))
    return found


def words(folder: Path) -> str:
    html = re.sub(r"(?s)<style>.*?</style>", " ", (folder / "index.html").read_text())
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def figures(folder: Path) -> set[str]:
    return {path.stem.removeprefix("search-") for path in (folder / "figures").glob("search-*.png")}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    of_each = study(each=["discriminator.width"], constraints=[{"metric": "recall", "at_least": 0.5}])
    found = [one for k, group in enumerate(WIDTHS) for one in asked(20, k, group=group)]
    shares = {"kid": {RATE: 0.7, "generator.width": 0.1, "objective.name": 0.05, "objective.penalty": 0.15}}
    return build(write(tmp_path_factory.mktemp("runs"), of_each, found, shares).root)


def test_every_group_has_every_figure_and_its_best(page: Path) -> None:
    kinds = {"history", "importance", "slice-kid", "contour", "parallel"}
    assert figures(page) == {f"{k}-{kind}" for k in range(2) for kind in kinds}
    html = (page / "index.html").read_text()
    assert re.findall(r"<h3>(discriminator.width \d+)</h3>", html) == [
        "discriminator.width 16", "discriminator.width 64",
    ]  # fmt: skip
    able = [one for one in asked(20, 1) if one["state"] == "complete" and one["feasible"]]
    best = min(able, key=lambda one: one["values"]["kid"])
    assert f"The best of {len(able)}:" in words(page)
    own = html[html.index("discriminator.width 64</h3>") :]
    assert re.search(r"<tr><td>(\d+)</td>", own).group(1) == str(best["number"])
    markdown = (page / "report.md").read_text()
    links = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", markdown)
    assert {link for link in links if "search-" in link} == {
        f"figures/search-{name}.png" for name in figures(page)
    }


def test_a_search_claims_no_missing_trials_and_decides_nothing(page: Path) -> None:
    said = words(page)
    assert "40 suggestions of 2 searches: 28 complete" in said
    assert "lie in this store" not in said
    assert "missing." not in said
    assert searches.UNDECIDED in said
    assert 'class="badge"' not in (page / "index.html").read_text()
    trials = pd.read_csv(page / "tables/results.csv")
    assert len(trials) == 28 * 2 + 12
    assert set(trials["objective.penalty"].astype(str)) > {"–"}


def test_the_same_tables_give_the_same_figures(page: Path, tmp_path: Path) -> None:
    again = build(str(page.parent), str(tmp_path / "again"))
    for name in figures(page):
        path = f"figures/search-{name}.png"
        assert (again / path).read_bytes() == (page / path).read_bytes(), name


def test_a_front_and_its_hypervolume(tmp_path: Path) -> None:
    both = study(objective=[{"metric": "kid"}, {"metric": "recall"}])
    points = [(0.1, 0.2), (0.2, 0.6), (0.3, 0.5), (0.5, 0.9), (0.6, 0.1), (0.05, 0.99)]
    found = [
        suggestion(
            k,
            "complete",
            {**drawn(np.random.default_rng(k))},
            values={"kid": a, "recall": b},
            feasible=k != 5,
        )
        for k, (a, b) in enumerate(points)
    ]
    run = write(tmp_path, both, found)
    (search,) = searches.searched(read(run))
    assert [one.number for one in search.best] == [0, 1, 3]
    assert list(search.losses(search.able)[:, 1]) == [-b for _, b in points[:5]]
    # Worst seen: kid 0.6, recall 0.1. Rectangles by hand: from kid 0.1, 0.2, 0.5 on.
    assert list(searches.reference(search)) == [0.6, -0.1]
    volume = 0.1 * 0.1 + 0.3 * 0.5 + 0.1 * 0.8
    assert hypervolume(search.losses(search.able), searches.reference(search)) == pytest.approx(volume)
    folder = build(run.root)
    assert {"0-front", "0-hypervolume", "0-slice-kid", "0-slice-recall"} <= figures(folder)
    assert "3 suggestions of 5 on the front" in words(folder)
    assert "(kid 0.600, recall 0.100)" in words(folder)


@pytest.mark.parametrize("state", ["fail", "pruned", "running"])
def test_nothing_that_ended_well(tmp_path: Path, state: str) -> None:
    values = {"kid": 0.5} if state == "pruned" else {}
    found = [suggestion(k, state, drawn(np.random.default_rng(k)), values=values) for k in range(4)]
    folder = build(write(tmp_path, study(), found).root)
    assert figures(folder) == {"0-history"}
    assert f"4 suggestions of 1 search: 4 {state}" in words(folder)
    assert "No suggestion ended with a value within the constraints" in words(folder)


def test_a_single_suggestion_and_equal_ones(tmp_path: Path) -> None:
    one = suggestion(0, "complete", drawn(np.random.default_rng(0)), values={"kid": 0.0})
    folder = build(write(tmp_path / "one", study(), [one]).root)
    assert {"0-history", "0-parallel"} <= figures(folder)
    same = [
        suggestion(k, "complete", drawn(np.random.default_rng(k)), values={"kid": 1.0}) for k in range(12)
    ]
    folder = build(write(tmp_path / "same", study(), same).root)
    assert {"0-history", "0-slice-kid", "0-contour", "0-parallel"} <= figures(folder)
    assert "no importance of keys is known" in words(folder)


def test_categories_alone_and_names_that_are_no_names(tmp_path: Path) -> None:
    hostile = ["<script>alert(1)</script>", r"$\frac{|x", "a" * 200]
    base = {"dataset": {"name": "image_folder", "path": "x"}, "generator": {"name": "dcgan"}}
    base |= {"discriminator": {"name": "dcgan"}, "objective": {"name": "hinge"}, "train_samples": 50}
    document = synthetic.study(base=base, vary={}, hypotheses=[]).model_dump(mode="json", exclude_none=True)
    space = {"dataset.path": {"type": "categorical", "values": hostile}}
    space["training.generator_lr"] = {"type": "categorical", "values": [1e-3]}
    named = Study.parse(
        {**document, "study": "names-search", "search": {"space": space, "objective": {"metric": "kid"}}}
    )
    found = [
        suggestion(k, "complete", {"dataset.path": path, RATE: 1e-3}, values={"kid": 10.0**-k})
        for k, path in enumerate(hostile)
    ]
    folder = build(write(tmp_path, named, found).root)
    assert figures(folder) == {"0-history", "0-slice-kid", "0-parallel"}
    html = (folder / "index.html").read_text()
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "&lt;script>" in (folder / "report.md").read_text()
    assert "<script" not in (folder / "report.md").read_text().partition("```yaml")[0]


def test_a_search_without_rows_yet_and_trials_of_no_suggestion(tmp_path: Path) -> None:
    run = write(tmp_path, study(), [])
    with run.writing():
        run.save(["stray"], {"trials": [{"trial_id": "stray", "status": "completed"}]})
    folder = build(run.root)
    assert "The store holds no suggestions yet." in words(folder)
    assert "1 other trial lies in this store" in words(folder)
    assert lines(run.root)[:3] == ["points-search: 0 suggestions", "1 trials", "  completed: 1"]


def test_status_counts_suggestions(tmp_path: Path) -> None:
    run = write(tmp_path, study(), asked(20))
    assert lines(run.root)[:7] == [
        "points-search: 20 suggestions",
        "  complete: 14",
        "  fail: 2",
        "  pruned: 4",
        "34 trials",
        "  completed: 32",
        "  failed: 2",
    ]


def test_values_far_apart_are_shown_by_their_logarithms() -> None:
    rng = np.random.default_rng(0)
    assert values_of(rng.uniform(1, 2, 9)).kind == "linear"
    assert values_of(10 ** rng.uniform(-3, 3, 99)).kind == "log"
    mixed = values_of(np.array([-0.1, 0.2, 0.3, 0.1, 1e6]))
    assert mixed.kind == "asinh"
    assert mixed.back(float(mixed.forward(np.array([123.0]))[0])) == pytest.approx(123.0)
    assert values_of(np.zeros(3)).kind == "linear"


def test_the_contours_keys_are_the_numbers_that_matter_most(tmp_path: Path) -> None:
    shares = {"kid": {RATE: 0.1, "generator.width": 0.0, "objective.name": 0.6, "objective.penalty": 0.3}}
    (search,) = searches.searched(read(write(tmp_path, study(), asked(3), shares)))
    assert main_keys(search) == [RATE, "generator.width"]  # a third has the penalty
    assert main_keys(search._replace(importances={})) == list(SPACE)[:2]
