"""N2(tau) from stored histograms against pairs counted one by one, and against laws known in closed form."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist

from pipeline.support import search_pairs
from reports.statistics.tau_curves import Curve, curve, edges, middle, middle_row, ratio
from tests.reports import laws
from tests.reports.laws import Law


def stored(x: np.ndarray) -> pd.DataFrame:
    """The rows of `distances` that a measurement writes."""
    h = search_pairs(x, [0.5]).histogram
    rows = pd.DataFrame({"low": h.low, "high": h.high, "count": h.counts})
    return rows.assign(exact_below=h.exact_below, resolution=h.resolution).astype({"count": "Int64"})


def test_the_curve_is_a_direct_count_of_pairs() -> None:
    x = np.random.default_rng(0).random((150, 4), dtype=np.float32)
    x[100:] = x[:50]  # a finite part: 50 pairs at distance zero
    rows, distances = stored(x), pdist(x.astype(np.float64))
    tau = edges(rows)
    found = curve(rows, tau)
    exact = tau <= found.exact_below
    assert exact.sum() > 20
    with np.errstate(divide="ignore"):
        direct = len(distances) / (distances[None] < tau[:, None]).sum(axis=1)
    assert found.n2[exact] == pytest.approx(direct[exact])
    # Beyond the closest pairs a distance may be one resolution off.
    coarse = float(rows["resolution"].iloc[0])
    near, far = ((distances[None] < (tau + move)[:, None]).sum(axis=1) for move in (-2 * coarse, 2 * coarse))
    assert (len(distances) / found.n2 >= near).all()
    assert (len(distances) / found.n2 <= far).all()
    assert found.pairs == 150 * 149 // 2


def test_two_subjects_share_their_edges() -> None:
    rng = np.random.default_rng(1)
    parts = [stored(rng.random((60, 3), dtype=np.float32) * scale) for scale in (1, 3)]
    tau = edges(pd.concat(parts))
    for rows in parts:
        assert set(edges(rows)) <= set(tau)
        assert curve(rows, tau).n2[-1] == 1


def test_a_finite_support_is_a_plateau_and_a_continuum_a_power() -> None:
    plateau = pd.DataFrame(laws.histogram_rows(Law(1e12, atoms=100), 4000))
    found = curve(plateau, edges(plateau))
    assert found.n2[(found.tau > 0) & (found.tau < 1)] == pytest.approx(100, rel=1e-3)
    power = pd.DataFrame(laws.histogram_rows(Law(1000.0), 4000))
    found = curve(power, edges(power))
    middle_part = (found.n2 > 10) & (found.n2 < 1e4)
    slope = np.polyfit(np.log(found.tau[middle_part]), np.log(found.n2[middle_part]), 1)[0]
    assert slope == pytest.approx(-laws.DIMENSION, rel=0.01)


def test_rungs_lie_on_the_curve() -> None:
    rows = pd.DataFrame(laws.histogram_rows(Law(300.0), 4000))
    found = curve(rows, edges(rows))
    tau = 1.4
    inside = np.interp(np.log(tau), np.log(found.tau[1:]), np.log(found.n2[1:]))
    assert np.exp(inside) == pytest.approx(1 / float(Law(300.0).p2(tau)), rel=0.02)


def test_the_middle_is_the_value_of_a_trial() -> None:
    tau = np.array([1.0, 2.0])
    one, two, three, four = (Curve(tau, np.array(n2), 10, b) for n2, b in (([4.0, 9.0], 1.0), ([1.0, 9.5], 2.0), ([np.inf, 1.0], 3.0), ([7.0, 2.0], 4.0)))  # fmt: skip
    assert list(middle([one, two, three]).n2) == [4.0, 9.0]
    assert list(middle([one, two, three, four]).n2) == [4.0, 2.0]
    assert middle([one, two]).exact_below == 1.0
    rows = pd.DataFrame({"trial_id": list("abcd"), "p2": [1 / 4, 1.0, 0.0, 1 / 7]})
    assert middle_row(rows)["trial_id"] == "a"


def test_a_ratio_of_few_pairs_is_left_out() -> None:
    tau = np.array([1.0, 2.0, 3.0])
    one, real = (
        Curve(tau, np.array([np.inf, 50.0, 20.0]), 1000, 2.5),
        Curve(tau, np.array([400.0, 101.0, 10.0]), 1000, np.inf),
    )
    found = ratio(one, real)
    assert np.isnan(found.n2[:2]).all()
    assert found.n2[2] == 2.0
    assert found.exact_below == 2.5
