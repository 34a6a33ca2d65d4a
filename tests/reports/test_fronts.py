"""Fronts and hypervolumes beside Optuna's on the same arrays."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna._hypervolume import compute_hypervolume
from scipy.stats import norm

from reports.statistics.fronts import hypervolume, non_dominated, over_time


@pytest.mark.parametrize("objectives", [2, 3])
@pytest.mark.parametrize("ties", [False, True])
def test_the_hypervolume_is_optunas(objectives: int, ties: bool) -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(40, objectives))
    points = np.round(points) if ties else points
    for reference in (points.max(axis=0), np.ones(objectives), points.min(axis=0)):
        inside = points[(points <= reference).all(axis=1)]  # Optuna takes no others
        wanted = compute_hypervolume(inside, reference) if len(inside) else 0.0
        assert hypervolume(points, reference) == pytest.approx(wanted, rel=1e-12)
    volumes = over_time(points, points.max(axis=0))
    assert (np.diff(volumes) >= 0).all()
    for k in (1, 7, 40):
        wanted = compute_hypervolume(points[:k], points.max(axis=0))
        assert volumes[k - 1] == pytest.approx(wanted, rel=1e-12)


def test_the_front_is_optunas() -> None:
    points = np.round(np.random.default_rng(1).normal(size=(60, 3)), 1)
    study = optuna.create_study(directions=["minimize"] * 3)
    for row in points:
        study.add_trial(optuna.trial.create_trial(values=list(row)))
    assert set(np.flatnonzero(non_dominated(points))) == {trial.number for trial in study.best_trials}


def test_a_box_and_a_sphere() -> None:
    assert hypervolume(np.array([[0.0, 0.0, 0.0]]), np.array([2.0, 3.0, 4.0])) == 24.0
    assert hypervolume(np.array([[1.0, 5.0]]), np.array([1.0, 9.0])) == 0.0
    # The first octant without the unit ball's eighth: the front is the sphere.
    rng = np.random.default_rng(2)
    directions = np.abs(norm.rvs(size=(3000, 3), random_state=rng))
    sphere = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    found = hypervolume(sphere, np.ones(3))
    assert found == pytest.approx(1 - np.pi / 6, abs=0.02)
