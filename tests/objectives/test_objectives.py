"""Losses against closed forms (Goodfellow et al. 2014, proposition 1 and theorem 1; Gulrajani et al. 2017)."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pipeline import options
from pipeline.objectives import Inputs, Objective, objective
from pipeline.objectives.penalties import gradient_penalty
from pipeline.objectives.wasserstein import warm_up


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
    + [(name, v, -1.0) for name in ("hinge", "wgan_clip", "wgan_gp") for v in (-20.0, 0.0, 20.0)]
    + [("lsgan", v, v - 1) for v in (-20.0, 0.0, 20.0)],
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


def test_least_squares_by_hand() -> None:
    real, generated = torch.tensor([1.0, 0.5]), torch.tensor([0.0, 2.0])
    # 0-1-1: (0 + .25) / 4 + (0 + 4) / 4; G: (1 + 1) / 4. -1-1-0: (0 + .25) / 4 + (1 + 9) / 4; G: (0 + 4) / 4.
    for codes, of_d, of_g in (({}, 1.0625, 0.5), ({"a": -1.0, "b": 1.0, "c": 0.0}, 2.5625, 1.0)):
        goal = make("lsgan", **codes)
        assert float(goal.discriminator(real, generated)) == pytest.approx(of_d)
        assert float(goal.generator(generated, None)) == pytest.approx(of_g)


def test_least_squares_at_the_optimum_is_half_pearsons_chi2() -> None:
    # D* = (b p + a q) / (p + q); with a, b, c = -1, 1, 0 the generator's loss, on real samples too, is half of
    # sum (p - q)^2 / (p + q) = .0883746 (Mao et al. 2017, theorem 1); the discriminator's is 2 sum p q / (p + q).
    p, q = [0.36, 0.48, 0.16], [1 / 3] * 3
    goal = make("lsgan", a=-1.0, b=1.0, c=0.0)
    best = [(x - y) / (x + y) for x, y in zip(p, q, strict=True)]

    def loss(values: list[float]) -> float:
        # At the codes themselves the other half of the loss vanishes.
        real, generated = torch.tensor(1.0), torch.tensor(-1.0)
        atoms = zip(p, q, torch.tensor(values, dtype=torch.float64), strict=True)
        return sum(
            x * float(goal.discriminator(v, generated)) + y * float(goal.discriminator(real, v))
            for x, y, v in atoms
        )

    assert loss(best) == pytest.approx(0.9558126, abs=1e-6)
    assert all(loss([v + shift for v in best]) > loss(best) for shift in (-0.1, 0.1))
    values = torch.tensor(best, dtype=torch.float64)
    both = sum((x + y) * float(goal.generator(v, None)) for x, y, v in zip(p, q, values, strict=True))
    assert both == pytest.approx(0.0883746 / 2, abs=1e-6)


def test_relativistic_average_by_hand() -> None:
    # C(x) = 2, 0 around 1; C(G(z)) = 1, -1 around 0. D: softplus(-2, 0) and softplus(0, -2), means .4100375.
    # G, kinds exchanged: softplus(0, 2) and softplus(2, 0), means 1.4100375.
    real, generated = torch.tensor([2.0, 0.0]), torch.tensor([1.0, -1.0])
    goal = make("relativistic_average")
    assert goal.relative
    assert float(goal.discriminator(real, generated)) == pytest.approx(0.820075, abs=1e-6)
    assert float(goal.generator(generated, real)) == pytest.approx(2.820075, abs=1e-6)
    # Only differences count, and two samples alike cost 2 log 2.
    assert float(goal.discriminator(real + 7, generated + 7)) == pytest.approx(0.820075, abs=1e-5)
    assert float(goal.generator(torch.ones(2), torch.ones(2))) == pytest.approx(1.386294, abs=1e-6)


def test_the_relativistic_generator_has_slopes_in_both_kinds() -> None:
    # One sample of each kind, C(G(z)) - C(x) = d: the loss 2 softplus(-d) has slopes -+2 sigmoid(-d).
    real, generated = torch.tensor([1.0], requires_grad=True), torch.tensor([0.0], requires_grad=True)
    slopes = torch.autograd.grad(make("relativistic_average").generator(generated, real), (generated, real))
    sigmoid_1 = 0.7310586
    assert [float(s) for s in slopes] == pytest.approx([-2 * sigmoid_1, 2 * sigmoid_1], abs=1e-6)


def test_the_warm_up_of_the_reference_implementation() -> None:
    # Its generator steps count from 0: 100 critic steps for 0..24, and for 500, 1000, …
    assert [step for step in range(1, 2001) if warm_up(step) == 100] == [*range(1, 26), 501, 1001, 1501]
    assert warm_up(26) is None
    assert make("wgan_clip").warm_up is None
    assert make("wgan_clip", warm_up=True).warm_up is warm_up


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
        value = gradient_penalty(lambda x: x[0].square().sum(1) / 2, (real,), (generated,), uniform)
        return float(value.detach())

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
