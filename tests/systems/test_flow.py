"""The flow: exact inverses and determinants, densities that integrate to one, levels that are counted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.autograd.functional import jacobian

from pipeline.networks.couplings import ActNorm, AffineCoupling
from pipeline.networks.flow import FlowNetwork
from pipeline.networks.parameters import Tree, apply, bind
from pipeline.systems import Players, System, make_system
from pipeline.systems.dequantization import from_logits, log_normal_density, noise, to_logits
from pipeline.training import exact_float32, train
from tests.systems.games import CPU, game, reached, trial

SMALL = {"name": "flow", "couplings": 2, "width": 8}


def stirred(shape: tuple[int, ...], **options: Any) -> tuple[System, Players]:
    """A flow away from its start, where couplings are the identity."""
    system, players, _ = game(trial({**SMALL, **options}), shape)
    rng = np.random.default_rng(1)
    tree: Tree = {}
    for name, tensor in players["generator"].items():
        # Small beside a rotation of so many channels, so that the maps stay well conditioned.
        scale = 0.3 / math.sqrt(math.prod(tensor.shape[1:])) if tensor.ndim > 1 else 0.1
        tree[name] = tensor.detach() + torch.tensor(scale * rng.standard_normal(tensor.shape)).float()
    return system, players | {"generator": tree}


@pytest.mark.parametrize(
    "shape", [(2,), (3,), (7,), (1, 8, 8), (3, 8, 8), (1, 12, 12), (1, 28, 28), (3, 32, 32), (3, 64, 64)]
)
def test_the_inverse_is_exact(shape: tuple[int, ...]) -> None:
    system, players = stirred(shape)
    f = bind(system.networks["generator"], players["generator"])
    x = torch.randn(4, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        z, _ = f(x)
        assert z.shape == (4, math.prod(shape)) == (4, system.latent_dim)
        torch.testing.assert_close(f.inverse(z), x, atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("shape", [(2,), (5,), (1, 8, 8), (3, 4, 4)])
def test_the_log_determinant_is_that_of_the_jacobian(shape: tuple[int, ...]) -> None:
    system, players = stirred(shape)
    tree = {name: tensor.double() for name, tensor in players["generator"].items()}
    f = bind(system.networks["generator"], tree)
    x = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    matrix = jacobian(lambda values: f(values.view(1, *shape))[0][0], x.flatten())
    torch.testing.assert_close(f(x)[1][0], torch.linalg.slogdet(matrix)[1])


def test_a_coupling_by_hand() -> None:
    coupling = AffineCoupling(2, 4, images=False)
    with torch.no_grad():
        for parameter in coupling.parameters():
            parameter.zero_()
        coupling.network[-1].bias.copy_(torch.tensor([0.5, 3.0]))
    y, log_determinant = coupling(torch.tensor([[7.0, -1.0]]))
    s = 2 * math.tanh(0.25)  # bounded by 2
    assert y.tolist() == [[7.0, pytest.approx(3 - math.exp(s))]]
    assert log_determinant.tolist() == [pytest.approx(s)]


def test_densities_integrate_to_one() -> None:
    system, players = stirred((2,))
    f = system.networks["generator"]
    line = torch.linspace(-12, 12, 1201)
    with torch.no_grad():
        z, log_determinant = apply(f, players["generator"], torch.cartesian_prod(line, line))
        density = (log_normal_density(z) + log_determinant).exp()
    assert float(density.sum()) * (24 / 1200) ** 2 == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("shape", [(3,), (1, 8, 8)])
def test_activations_start_with_mean_zero_and_variance_one(shape: tuple[int, ...]) -> None:
    system, players, batch = game(trial(SMALL), shape, rows=200)
    seen: list[torch.Tensor] = []
    f = bind(system.networks["generator"], players["generator"])
    for layer in f.modules():
        if isinstance(layer, ActNorm):
            layer.register_forward_hook(lambda _, __, outputs: seen.append(outputs[0]))
    x = batch.real
    if len(shape) == 3:
        x, _ = to_logits(x, batch.draws["dequantization"])
    f(x)
    assert len(seen) == (2 if len(shape) == 1 else 4)
    for y in seen:
        channels = y.detach().transpose(0, 1).flatten(1)
        # Of images other noise was added at the start.
        atol = 1e-4 if len(shape) == 1 else 0.05
        torch.testing.assert_close(channels.mean(1), torch.zeros(len(channels)), atol=atol, rtol=0)
        torch.testing.assert_close(
            channels.var(1, correction=0), torch.ones(len(channels)), atol=atol, rtol=0
        )


def test_every_level_comes_back_whatever_the_noise() -> None:
    levels = torch.arange(256).view(1, 1, 16, 16) * (2 / 255) - 1
    for u in (0.001, 0.5, 0.999):
        y, _ = to_logits(levels, torch.full_like(levels, u))
        torch.testing.assert_close(from_logits(y), levels)


def test_slopes_of_logits_and_of_noise_are_derivatives() -> None:
    x, u = torch.tensor([[-1.0, 0.2, 1.0]]).double(), torch.tensor([[0.1, 0.5, 0.9]]).double()
    slopes = jacobian(lambda v: to_logits(x, v[None])[0][0], u[0]).diagonal()
    torch.testing.assert_close(to_logits(x, u)[1][0], slopes.log().sum())
    parameters = torch.tensor([0.3, -0.2]).double().view(1, 2, 1, 1)
    # q of the noise is a density on (0, 1): the integral over e of q(u(e)) du/de is that of N(e; 0, 1).
    e = torch.linspace(-8, 8, 4001).double().view(-1, 1, 1, 1)
    v, log_q = noise(parameters.expand(len(e), 2, 1, 1), e)
    assert float(torch.trapezoid(log_q.exp(), v.flatten())) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("dequantization", ["uniform", "variational"])
def test_no_code_of_noise_is_shorter_than_its_entropy(dequantization: str) -> None:
    """Independent uniform bytes have 8 bits; at the start, Gaussians fitted to logits, it takes a little more."""
    system = make_system(trial({**SMALL, "dequantization": dequantization}), (1, 8, 8))
    _, players, batch = game(trial({**SMALL, "dequantization": dequantization}), (1, 8, 8), rows=400)
    levels = torch.randint(0, 256, (400, 1, 8, 8), generator=torch.Generator().manual_seed(0))
    batch = batch._replace(real=levels * (2 / 255) - 1)
    bits = float(system.watch["bits_per_dim"](players, batch).detach())
    # Of 25,600 values the standard error is below 0.01.
    assert 7.99 < bits < 8.5


def test_the_loss_is_the_change_of_variables() -> None:
    system, players = stirred((2,))
    _, _, batch = game(trial(SMALL), (2,))
    z, log_determinant = apply(system.networks["generator"], players["generator"], batch.real)
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
    expected = (normal + log_determinant).mean()
    torch.testing.assert_close(system.moves["flow"].loss(players, batch), -expected / 2)
    torch.testing.assert_close(system.watch["log_likelihood"](players, batch), expected)


def test_every_player_learns() -> None:
    assert reached(*game(trial(SMALL), (1, 8, 8)), "flow") == {"generator"}
    variational = game(trial({**SMALL, "dequantization": "variational"}), (1, 8, 8))
    assert reached(*variational, "flow") == {"generator", "dequantizer"}


def test_shapes_that_cannot_be_coupled_are_said() -> None:
    with pytest.raises(ValueError, match="two or more values"):
        make_system(trial("flow"), (1,))
    with pytest.raises(ValueError, match="even sides, not 9x9"):
        make_system(trial("flow"), (1, 9, 9))


def test_levels_follow_the_size() -> None:
    with torch.device("meta"):
        found = {side: len(FlowNetwork((3, side, side), 1, 4).levels) for side in (8, 12, 28, 32, 64)}
    assert found == {8: 2, 12: 2, 28: 2, 32: 3, 64: 4}


@pytest.mark.soak
def test_the_likelihood_approaches_that_of_the_true_density() -> None:
    """Three Gaussians of sd 0.3 at distance 2 from the origin: their log-density is known."""
    rng = np.random.default_rng(0)
    centres = 2 * np.array([[math.cos(a), math.sin(a)] for a in (0, 2 * math.pi / 3, 4 * math.pi / 3)])
    draw = lambda n: (centres[rng.integers(3, size=n)] + 0.3 * rng.standard_normal((n, 2))).astype(np.float32)  # noqa: E731
    real, held_out = draw(20_000), draw(5000)
    training = {"steps": 2000, "batch_size": 128, "generator_lr": 1e-3, "betas": [0.9, 0.99]}
    config = trial({"name": "flow", "width": 64}, training=training)
    with exact_float32(1):
        result = train(config, real, held_out, CPU)
    f = result.system.networks["generator"]
    with torch.no_grad():
        z, log_determinant = apply(f, result.players["generator"], torch.tensor(held_out))
    found = float((log_normal_density(z) + log_determinant).mean())
    squared = np.square(held_out[:, None] - centres).sum(2)
    truth = np.log(np.exp(-squared / 0.18).mean(1) / (2 * math.pi * 0.09)).mean()
    assert truth - 0.2 < found < truth + 0.02
