"""Weights of a mixture: exponentiated gradient against its closed forms and in matrix games."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.systems.weights import (
    cross_entropy_to_uniform,
    effective_number,
    exponentiated_gradient,
    negative_entropy,
)


def logarithms(*weights: float) -> Tensor:
    return torch.tensor(weights, dtype=torch.float64).log()


def step(theta: Tensor, loss: Tensor, rate: float) -> None:
    (slope,) = torch.autograd.grad(loss, [theta])
    with torch.no_grad():
        exponentiated_gradient(rate)({"log_weights": theta}, {"log_weights": slope})


def test_constant_payoffs_give_weights_that_fall_exponentially() -> None:
    payoff = torch.tensor([0.3, -0.2, 1.0, 0.0], dtype=torch.float64)
    theta = logarithms(0.1, 0.2, 0.3, 0.4).requires_grad_()
    for _ in range(50):
        step(theta, theta.softmax(0) @ payoff, rate=0.1)
    expected = np.array([0.1, 0.2, 0.3, 0.4]) * np.exp(-0.1 * 50 * payoff.numpy())
    np.testing.assert_allclose(theta.detach().exp(), expected / expected.sum(), rtol=1e-12)


def test_with_entropy_the_weights_settle_at_a_softmax() -> None:
    # The minimum of w.F + e sum w log w over the simplex is softmax(-F / e).
    payoff, entropy = torch.tensor([0.3, -0.2, 1.0], dtype=torch.float64), 0.5
    theta = logarithms(0.8, 0.1, 0.1).requires_grad_()
    for _ in range(200):
        step(theta, theta.softmax(0) @ payoff + entropy * negative_entropy(theta.log_softmax(0)), rate=0.2)
    expected = np.exp(-payoff.numpy() / entropy)
    np.testing.assert_allclose(theta.detach().exp(), expected / expected.sum(), rtol=1e-7)


def test_average_play_of_both_sides_solves_the_game() -> None:
    # Rock, paper, scissors with stakes: 0.5 for paper against scissors, 0.25 for the other two. Of the skew matrix
    # [[0, -c, b], [c, 0, -a], [-b, a, 0]] the value is 0 and the equilibrium (a, b, c) / (a + b + c).
    a, b, c = 0.5, 0.25, 0.25
    game = torch.tensor([[0, -c, b], [c, 0, -a], [-b, a, 0]], dtype=torch.float64)
    rows = logarithms(0.6, 0.3, 0.1).requires_grad_()
    columns = logarithms(0.1, 0.1, 0.8).requires_grad_()
    rate, rounds = 0.1, 2000
    total = torch.zeros(2, 3, dtype=torch.float64)
    for _ in range(rounds):
        x, y = rows.softmax(0), columns.softmax(0)
        total += torch.stack([x, y]).detach()
        step(rows, x @ game @ y.detach(), rate)
        step(columns, -x.detach() @ game @ y, rate)
    x, y = total / rounds
    # Each side's regret is at most log(1 / smallest first weight) / rate + rate T max|F|^2 / 2 in all.
    regret = math.log(10) / (rate * rounds) + rate * 0.5**2 / 2
    assert float((x @ game).max() - (game @ y).min()) < 2 * regret
    for average in (x, y):
        np.testing.assert_allclose(average, [0.5, 0.25, 0.25], atol=0.02)
    assert float(x @ game @ y) == pytest.approx(0, abs=0.01)


def test_a_weight_that_has_vanished_breaks_nothing() -> None:
    theta = torch.tensor([0.0, -200.0], requires_grad=True)
    step(theta, theta.softmax(0) @ torch.tensor([1.0, -1.0]), rate=0.1)
    assert theta.softmax(0).tolist() == [1, 0]


def test_terms_against_collapse_and_the_number_of_components() -> None:
    even, uneven, alone = logarithms(0.25, 0.25, 0.25, 0.25), logarithms(0.7, 0.3), logarithms(1)
    assert float(negative_entropy(even)) == pytest.approx(-math.log(4))
    assert float(negative_entropy(uneven)) == pytest.approx(-0.610864, abs=1e-6)  # .7 log .7 + .3 log .3
    assert float(effective_number(even)) == pytest.approx(4)
    assert float(effective_number(alone)) == 1
    # -(log .7 + log .3) / 2, up to the 1e-6 inside
    assert float(cross_entropy_to_uniform(uneven)) == pytest.approx(0.780324, abs=3e-6)
    # At most -log(1e-6) / k for a component that is gone: finite.
    gone = torch.tensor([0.0, -torch.inf])
    assert float(cross_entropy_to_uniform(gone)) == pytest.approx(math.log(1e6) / 2, rel=1e-4)
