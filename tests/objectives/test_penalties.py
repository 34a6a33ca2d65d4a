"""Penalties at real samples against closed forms of linear and quadratic critics."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pipeline.objectives import Inputs, of_regularizers
from pipeline.objectives.penalties import dragan_penalty, r1_penalty, slopes
from pipeline.options import Regularizers

W = torch.tensor([3.0, 4.0])
POINTS = torch.tensor([[0.0, 1.0], [2.0, -1.0], [5.0, 5.0]])
AWAY = (torch.full((3, 2), 1e6),)  # generated samples, at which neither penalty looks


def linear(x: Inputs) -> Tensor:
    return x[0] @ W


def quadratic(x: Inputs) -> Tensor:
    """Slope x."""
    return x[0].square().sum(1) / 2


def test_slopes_stand_side_by_side_over_all_inputs() -> None:
    at = (POINTS.clone().requires_grad_(), torch.ones(3, 1, requires_grad=True))
    found = slopes(lambda x: quadratic(x) + 7 * x[1].flatten(), at)
    torch.testing.assert_close(found, torch.cat([POINTS, torch.full((3, 1), 7.0)], 1))


def test_r1_of_a_linear_critic_is_half_gamma_times_the_square_of_its_norm() -> None:
    assert float(r1_penalty(linear, (POINTS,)).detach()) == pytest.approx(12.5)
    (penalty,) = of_regularizers(Regularizers(r1=0.2))
    assert penalty.draws((2,)) == {}
    assert float(penalty.value(linear, (POINTS,), AWAY, {}).detach()) == pytest.approx(0.2 * 12.5)


def test_r1_looks_at_real_samples() -> None:
    # E |x|^2 / 2 = (1 + 5 + 50) / 6.
    assert float(r1_penalty(quadratic, (POINTS,)).detach()) == pytest.approx(56 / 6)


def test_r1_trains_the_critic_and_not_the_encoder_of_its_inputs() -> None:
    w = W.clone().requires_grad_()
    points = POINTS.clone().requires_grad_()
    r1_penalty(lambda x: x[0] @ w, (points * 1,)).backward()
    torch.testing.assert_close(w.grad, W)  # d |w|^2 / 2 = w
    assert points.grad is None


@pytest.mark.parametrize(
    ("noise", "uniform", "penalty"),
    # Samples 0 and 2: standard deviation 1, so x + u / 2 noise; the critic's slope there is the point itself.
    [(0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, (0.25 + 2.25) / 2), (0.5, 0.5, (0.875**2 + 1.125**2) / 2)],
)
def test_dragan_looks_around_real_samples(noise: float, uniform: float, penalty: float) -> None:
    real = (torch.tensor([[0.0], [2.0]]),)
    found = dragan_penalty(quadratic, real, torch.full((2, 1), noise), torch.full((2,), uniform))
    assert float(found.detach()) == pytest.approx(penalty)


def test_dragan_of_a_linear_critic() -> None:
    (penalty,) = of_regularizers(Regularizers(dragan=0.5))
    draws = penalty.draws((2,))
    assert {name: (draw.kind, draw.shape) for name, draw in draws.items()} == {
        "dragan_noise": ("uniform", (2,)),
        "dragan_uniform": ("uniform", ()),
    }
    numbers = {"dragan_noise": torch.rand(3, 2), "dragan_uniform": torch.rand(3)}
    assert float(penalty.value(linear, (POINTS,), AWAY, numbers).detach()) == pytest.approx(
        0.5 * (5 - 1) ** 2
    )


def test_the_spread_is_of_all_numbers_of_the_batch_as_numpy_has_it() -> None:
    # Images: one number for all pixels and channels. Linear critics do not see where they are, quadratic ones do.
    x = torch.arange(24.0).reshape(2, 3, 2, 2)
    found = dragan_penalty(
        lambda at: at[0].square().sum((1, 2, 3)) / 2, (x,), torch.ones(2, 3, 2, 2), torch.ones(2)
    )
    moved = x + 0.5 * float(x.numpy().std())
    assert float(found.detach()) == pytest.approx(
        float((moved.flatten(1).norm(dim=1) - 1).square().mean()), rel=1e-5
    )


def test_both_at_once_and_none() -> None:
    assert len(of_regularizers(Regularizers(r1=1.0, dragan=1.0))) == 2
    assert of_regularizers(Regularizers(spectral_norm=True, instance_noise=1.0)) == ()
