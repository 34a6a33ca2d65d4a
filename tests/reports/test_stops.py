"""What the interactive figure carries, beside direct counts: near-duplicates, images, samples of trials, cost."""

from __future__ import annotations

import base64
import dataclasses
import io

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from reports.explorer import payload, sprites
from reports.explorer.rows import nearer
from reports.explorer.stops import MOST_BETWEEN, stops
from reports.figures import curves, style
from reports.sections.cost import cost
from reports.statistics.robustness import robustness
from reports.statistics.verdicts import decide
from reports.tables.results import Results, read
from tests.reports import synthetic


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    study = synthetic.study(
        vary={"discriminator.width": [2, 4, 8, 16], "seed": {"count": 3}},
        measure={"samples": 500, "tau_ladder": [1e-4, 1e-2]},
        hypotheses=[synthetic.CAPACITY],
    )
    return read(synthetic.write(tmp_path_factory.mktemp("runs"), study))


def test_pairs_nearer_than_an_edge_are_those_of_the_distances_themselves() -> None:
    rng = np.random.default_rng(0)
    edges = np.linspace(0, 4, 41)
    distances = {name: rng.gamma(k, 0.5, 1000).clip(0, 3.99) for k, name in enumerate("abc", 1)}
    rows = [
        {"source": "generated", "trial_id": name, "low": low, "high": high, "count": count}
        for name, own in distances.items()
        for low, high, count in zip(edges, edges[1:], np.histogram(own, edges)[0], strict=False)
        if count
    ]
    chosen = edges[[0, 3, 10, 33, 40]]
    found = nearer(pd.DataFrame(rows).sample(frac=1, random_state=0), chosen)
    for name, own in distances.items():
        assert found.loc[("generated", name)].tolist() == [(own < tau).sum() for tau in chosen]


def test_stops_ascend_and_keep_the_verdicts_of_the_rungs(results: Results) -> None:
    (hypothesis,) = results.study.hypotheses
    found = robustness(decide(hypothesis, results.study, results.completed), results)
    own = stops(results, [found], "pixels")
    assert [stop.tau for stop in own] == sorted(stop.tau for stop in own)
    assert {stop.rung for stop in own} == {"", "0.0001", "0.001", "0.01"}
    (start,) = [stop for stop in own if stop.own]
    assert start.verdicts == [found.verdict]
    assert all((stop.within == 0) == bool(stop.rung or stop.tau <= 1.6) for stop in own)  # exact below 1.6
    # Counts of one set of samples grow with tau.
    between = pd.DataFrame([stop.counts for stop in own if not stop.rung])
    assert (between.diff().dropna() >= 0).all(axis=None)


def test_over_several_data_sets_only_the_rungs_are_stops(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(stops(results, [], "pixels")) == 3 + MOST_BETWEEN
    (rows,) = (rows for key, rows in results._read.items() if key[0] == "distances")
    rows = rows.copy()
    rows.loc[rows["trial_id"] == results.trials["trial_id"][0], "data_fingerprint"] = "another"
    monkeypatch.setattr(Results, "measured", lambda *_: rows)
    assert len(stops(results, [], "pixels")) == 3


def test_of_too_many_trials_a_random_sample_is_shown_and_named(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payload, "MOST_TRIALS", 5)
    found = payload.payload(results, [])
    assert found is not None
    assert len(set(found["trials"]["id"])) == 5
    assert all(len(stop["counts"]) == 5 for one in found["embeddings"] for stop in one["stops"])
    assert "A random 5 of 12 measured trials are drawn" in found["note"]


def test_an_axis_is_in_the_order_of_its_numbers_and_takes_lists() -> None:
    found = payload._axis("k", pd.Series([10, 9.5, [2, 1], "a", 9.5], dtype=object))
    assert (found["values"], found["codes"]) == (["9.5", "10", "[2, 1]", "a"], [1, 0, 2, 3, 0])


@pytest.mark.parametrize(("channels", "side", "shown_side"), [(1, 8, 8), (3, 32, 32), (3, 128, 64)])
def test_a_sprite_holds_every_image_in_its_place(channels: int, side: int, shown_side: int) -> None:
    rng = np.random.default_rng(0)
    shades = rng.integers(0, 256, (9, channels))  # images of one colour: reducing them changes nothing
    contents = [np.repeat(shade, side * side).astype(np.uint8).tobytes() for shade in shades]
    shape = {"channels": channels, "height": side, "width": side}
    pair = dict(zip([f"{part}_image" for part in sprites.PARTS], contents[5:], strict=True))
    distances = {"distance": 0.123456, "first_train_distance": 1.0, "second_train_distance": None}
    found = sprites.sprite([shape | {"image": one} for one in contents[:5]], [shape | pair | distances])
    image = np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(found.png)))).reshape(
        3 * shown_side, 4 * shown_side, channels
    )
    tiles = image.reshape(3, shown_side, 4, shown_side, channels).transpose(0, 2, 1, 3, 4)
    places = [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (2, 0), (2, 1), (2, 2), (2, 3)]
    for place, shade in zip(places, shades, strict=True):
        assert (tiles[place] == shade).all()
    assert (found.samples, found.pairs) == (5, [[0.1235, 1.0, None]])


def test_cost_adds_up_by_device(results: Results) -> None:
    spent = results.stored.assign(
        device=["cpu", "gpu", None, "gpu"] * 3, device_seconds=np.arange(12.0), images_per_second=100.0
    )
    spent = spent.assign(train_seconds=[2.0] * 11 + [np.nan])
    listed = cost(dataclasses.replace(results, stored=spent)).rows
    assert listed == [
        ["cpu", "3", "3", "12.0", "6.00", "600"],
        ["gpu", "6", "6", "36.0", "10.0", "1,000"],
        ["unknown", "3", "3", "18.0", "6.00", "600"],
        ["all", "12", "12", "66.0", "22.0", "2,200"],
    ]


@pytest.mark.parametrize(("values", "alone"), [([0.5], 1), ([0.5, np.nan], 1), ([0.5, 0.4], 0)])
def test_one_point_of_a_training_curve_is_seen(values: list[float], alone: int) -> None:
    _, ax = style.axes()
    line = np.column_stack([np.arange(len(values)), values])
    curves._draw(ax, [line], "black", completed=True)
    assert [list(points.get_ydata()) for points in ax.lines] == [[0.5]] * alone
    assert len(ax.collections[0].get_segments()) == 1
    assert ax.get_ylim()[0] < 0.5 < ax.get_ylim()[1] or not alone
