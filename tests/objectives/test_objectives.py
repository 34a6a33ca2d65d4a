"""Losses against closed forms (Goodfellow et al. 2014, proposition 1 and theorem 1; Gulrajani et al. 2017)."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pipeline import options
from pipeline.objectives import Inputs, Objective, objective
from pipeline.objectives.wasserstein import gradient_penalty


def make(name: str, **values: float) -> Objective:
    return objective(options.choices(options.ObjectiveOptions)[name](name=name, **values))  # type: ignore[arg-type]


def expected_loss(p: list[float], q: list[float], logits: list[float], goal: Objective) -> float:
    """The discriminator loss when real ~ p and generated ~ q on the same atoms."""
    total = 0.0
    for x, (a, b) in enumerate(zip(p, q, strict=True)):
        value = torch.tensor([logits[x]], dtype=torch.float64)
        far = torch.tensor([1e4], dtype=torch.float64)  # D = 1 or 0: the other half of the loss vanishes
        total += a * float(goal.discriminator(value, -far)) + b * float(goal.discriminator(far, value))
    return total


def test_the_optimal_discriminator_attains_2jsd_minus_2log2() -> None:
    # P = (.36, .48, .16) against uniform: D* = (.519231, .590164, .324324), V = -1.341375, JS = .0224599.
    p, q = [0.36, 0.48, 0.16], [1 / 3] * 3
    optimal = [a / (a + b) for a, b in zip(p, q, strict=True)]
    assert optimal == pytest.approx([0.519231, 0.590164, 0.324324], abs=1e-6)
    logits = [math.log(d / (1 - d)) for d in optimal]
    for name in ("minimax", "nonsaturating"):
        best = expected_loss(p, q, logits, make(name))
        assert -best == pytest.approx(-1.341375, abs=1e-6)
        assert -best == pytest.approx(2 * 0.0224599 - 2 * math.log(2), abs=1e-6)
        for shift in (-0.3, 0.2):
            assert expected_loss(p, q, [x + shift for x in logits], make(name)) > best


def test_an_undecided_discriminator_costs_2log2() -> None:
    zero = torch.zeros(5)
    assert float(make("minimax").discriminator(zero, zero)) == pytest.approx(1.386294, abs=1e-6)


def test_gaussians_one_sd_apart() -> None:
    # N(0, 1) against N(1, 1): V* = -1.163451, on the log-density ratio 1/2 - x.
    x = torch.linspace(-12, 13, 200001, dtype=torch.float64)
    step = float(x[1] - x[0])
    real, generated = (torch.exp(-((x - m) ** 2) / 2) / math.sqrt(2 * math.pi) * step for m in (0.0, 1.0))
    logits = 0.5 - x
    softplus = torch.nn.functional.softplus
    value = -(real * softplus(-logits) + generated * softplus(logits)).sum()
    assert float(value) == pytest.approx(-1.163451, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "value", "slope"),
    # d loss / d logit at D = 1/2 and far on either side: minimax vanishes where D is sure, non-saturating
    # does not.
    [
        ("minimax", -20.0, 0.0),
        ("minimax", 0.0, -0.5),
        ("nonsaturating", -20.0, -1.0),
        ("nonsaturating", 0.0, -0.5),
    ]
    + [(name, v, -1.0) for name in ("hinge", "wgan_clip", "wgan_gp") for v in (-20.0, 0.0, 20.0)],
)
def test_generator_slopes(name: str, value: float, slope: float) -> None:
    logit = torch.tensor([value], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(make(name).generator(logit, None), logit)
    assert float(gradient) == pytest.approx(slope, abs=1e-6)


def test_hinge_by_hand() -> None:
    real, generated = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-2.0, 0.0, 3.0])
    assert float(make("hinge").discriminator(real, generated)) == pytest.approx(
        (0 + 0.5 + 2) / 3 + (0 + 1 + 4) / 3
    )


def test_wasserstein_by_hand() -> None:
    real, generated = torch.tensor([2.0, 4.0]), torch.tensor([1.0, 0.0])
    for name in ("wgan_clip", "wgan_gp"):
        assert float(make(name).discriminator(real, generated)) == pytest.approx(0.5 - 3.0)
        assert float(make(name).generator(generated, None)) == pytest.approx(-0.5)
    assert make("wgan_clip", clip=0.02).clip == 0.02


@pytest.mark.parametrize("weights", [[3.0, 4.0], [0.6, 0.8], [0.0, 0.1]])
def test_the_penalty_of_a_linear_critic_is_the_square_of_its_norm_minus_one(weights: list[float]) -> None:
    w = torch.tensor(weights)
    real, generated, u = torch.randn(6, 2), torch.randn(6, 2), torch.rand(6)
    penalty = gradient_penalty(lambda x: x[0] @ w, (real,), (generated,), u)
    assert float(penalty) == pytest.approx((float(w.norm()) - 1) ** 2, abs=1e-6)
    (weighted,) = make("wgan_gp", penalty=7.0).penalties
    value = weighted.value(lambda x: x[0] @ w, (real,), (generated,), {"objective_uniform": u})
    assert float(value) == pytest.approx(7 * (float(w.norm()) - 1) ** 2, abs=1e-5)


def test_the_penalty_looks_between_the_samples() -> None:
    # f(x) = x^2 / 2 has slope x: at u = 0 and 1 the penalty sees the generated and the real sample.
    real, generated = torch.full((4, 1), 3.0), torch.full((4, 1), 2.0)

    def penalty(u: float) -> float:
        uniform = torch.full((4,), u)
        return float(gradient_penalty(lambda x: x[0].square().sum(1) / 2, (real,), (generated,), uniform))

    assert [penalty(0.0), penalty(1.0), penalty(0.5)] == pytest.approx([1.0, 4.0, 2.25])


def test_the_penalty_trains_the_critic() -> None:
    w = torch.tensor([3.0, 4.0], requires_grad=True)

    def critic(x: Inputs) -> Tensor:
        return x[0] @ w

    (gradient,) = torch.autograd.grad(
        gradient_penalty(critic, (torch.ones(2, 2),), (torch.zeros(2, 2),), torch.rand(2)), w
    )
    # d (|w| - 1)^2 / dw = 2 (|w| - 1) w / |w|.
    torch.testing.assert_close(gradient, torch.tensor([3.0, 4.0]) * 2 * 4 / 5)


def test_the_measure_behind_the_distinguishing_gap() -> None:
    logits = torch.tensor([0.0, 100.0])
    assert make("minimax").measure(logits).tolist() == pytest.approx([0.5, 1.0])
    assert make("wgan_gp").measure(logits).tolist() == [0.0, 100.0]
