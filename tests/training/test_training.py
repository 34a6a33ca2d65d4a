"""Training and sampling: the loop is plain gradient descent on the stated losses; samples are independent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from pipeline.networks.parameters import initialise
from pipeline.seeds import stream
from pipeline.systems import Players, System, make_system
from pipeline.training import exact_float32, sample, train
from pipeline.training.feed import Feed, Reader, Shelf
from pipeline.trial import TrialConfig

CPU = torch.device("cpu")
IMAGES = np.random.default_rng(0).integers(0, 256, (120, 1, 8, 8)).astype(np.uint8)


def trial(objective: str = "nonsaturating", **training: Any) -> TrialConfig:
    return TrialConfig.model_validate(
        {
            "dataset": {"name": "digits"},
            "generator": {"name": "dcgan", "width": 4, "latent_dim": 5},
            "discriminator": {"name": "dcgan", "width": 4},
            "objective": {"name": objective},
            "train_samples": 120,
            "training": {"steps": 6, "batch_size": 16, "ticks": 3, **training},
        }
    )


def gradient_penalty(d: nn.Module, real: torch.Tensor, fake: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    u = u[:, None, None, None]
    between = (u * real + (1 - u) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(d(between).sum(), between, create_graph=True)
    penalty: torch.Tensor = (slope.flatten(1).norm(dim=1) - 1).square().mean()
    return penalty


@pytest.mark.parametrize("objective", ["nonsaturating", "wgan_gp"])
def test_the_loop_equals_a_plain_pytorch_loop(objective: str) -> None:
    """The same GAN written the way every tutorial does it, from the same start and the same batches."""
    config = trial(objective, discriminator_steps=2, generator_lr=1e-3, discriminator_lr=5e-4)
    with exact_float32(1):
        trained = train(config, IMAGES, IMAGES, CPU)
    game = make_system(config, (1, 8, 8))
    trees = {
        name: initialise(net, stream(config.id, f"initialise/{name}"), CPU)
        for name, net in game.networks.items()
    }
    modules: dict[str, nn.Module] = {}
    for name, net in game.networks.items():
        modules[name] = net.to_empty(device="cpu")
        modules[name].load_state_dict(trees[name], strict=False)
    g, d = modules["generator"], modules["discriminator"]
    g_optimizer = torch.optim.Adam(g.parameters(), lr=1e-3, betas=(0.5, 0.999))
    d_optimizer = torch.optim.Adam(d.parameters(), lr=5e-4, betas=(0.5, 0.999))
    shelf = Shelf(torch.from_numpy(IMAGES), torch.zeros(120))
    feed = Feed(shelf, [Reader(config.id, np.arange(120))], game, 16)
    ones, zeros = torch.ones(16), torch.zeros(16)
    with exact_float32(1):
        for _ in range(6):
            for _ in range(2):
                batch = next(feed)
                real, fake = batch.real[0], g(batch.latents[0]).detach()
                d_optimizer.zero_grad()
                if objective == "wgan_gp":
                    penalty = gradient_penalty(d, real, fake, batch.draws["objective_uniform"][0])
                    loss = d(fake).mean() - d(real).mean() + 10 * penalty
                else:
                    loss = binary_cross_entropy_with_logits(d(real), ones)
                    loss = loss + binary_cross_entropy_with_logits(d(fake), zeros)
                loss.backward()
                d_optimizer.step()
            g_optimizer.zero_grad()
            judged = d(g(next(feed).latents[0]))
            (
                -judged.mean() if objective == "wgan_gp" else binary_cross_entropy_with_logits(judged, ones)
            ).backward()
            g_optimizer.step()
    for name, module in modules.items():
        for key, parameter in module.named_parameters():
            torch.testing.assert_close(trained.players[name][key], parameter, rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize("objective", ["minimax", "nonsaturating", "wgan_clip", "wgan_gp", "hinge"])
def test_every_objective_trains_and_is_deterministic(objective: str) -> None:
    with exact_float32(1):
        first, second = (train(trial(objective), IMAGES, IMAGES, CPU) for _ in range(2))
    assert first.status == "completed"
    assert first.curves == second.curves
    assert sorted({step for step, _, _ in first.curves}) == [2, 4, 6]
    assert all(np.isfinite(value) for _, _, value in first.curves)
    for name, tree in first.players.items():
        for key, tensor in tree.items():
            assert torch.equal(tensor, second.players[name][key])


def test_clipping_bounds_the_critic_only() -> None:
    with exact_float32(1):
        trained = train(trial("wgan_clip"), IMAGES, IMAGES, CPU)
    assert max(float(p.abs().max()) for p in trained.players["discriminator"].values()) <= 0.01 + 1e-9
    assert max(float(p.abs().max()) for p in trained.players["generator"].values()) > 0.01


def test_what_is_not_finite_ends_the_trial_as_diverged() -> None:
    with exact_float32(1):
        trained = train(trial("wgan_gp", generator_lr=1e30, discriminator_lr=1e30), IMAGES, IMAGES, CPU)
    assert trained.status == "diverged"
    assert trained.error is not None
    assert "not finite at step" in trained.error
    assert trained.steps_done < 6


def test_data_comes_in_epochs_without_repetition() -> None:
    game = make_system(trial(), (1, 8, 8))
    samples = torch.arange(70.0)[:, None]

    def seen(readers: list[Reader], count: int) -> torch.Tensor:
        feed = Feed(Shelf(samples, samples[:, 0].long()), readers, game, 20)
        found = [next(feed) for _ in range(count)]
        assert all(torch.equal(batch.real[..., 0], batch.labels) for batch in found)
        return torch.cat([batch.real[..., 0] for batch in found], 1)

    both = seen([Reader("t", np.arange(50)), Reader("u", np.arange(20, 70))], 10)
    for epoch in both[0].split(50):
        assert sorted(epoch.tolist()) == list(range(50))
    for epoch in both[1].split(50):
        assert sorted(epoch.tolist()) == list(range(20, 70))
    assert not torch.equal(both[0, :50], both[0, 50:100])
    # Who reads beside a trial changes nothing for it.
    assert torch.equal(seen([Reader("t", np.arange(50))], 10)[0], both[0])
    small = torch.bincount(seen([Reader("t", np.arange(8))], 1)[0].int(), minlength=8)
    assert set(small.tolist()) == {2, 3}


def trained_generator() -> tuple[System, Players, TrialConfig]:
    config = trial()
    with exact_float32(1):
        trained = train(config, IMAGES, IMAGES, CPU)
    return trained.system, trained.players, config


def test_samples_do_not_depend_on_how_many_are_drawn() -> None:
    game, players, config = trained_generator()
    with exact_float32(1):
        many = sample(game, players, 1300, config.id)
        for count in (1, 37, 500, 501, 1000):
            np.testing.assert_array_equal(sample(game, players, count, config.id), many[:count])
    assert many.shape == (1300, 1, 8, 8)
    assert many.dtype == np.float32
    assert 0 <= many.min() <= many.max() <= 1


def test_samples_are_not_coupled_through_their_batch() -> None:
    # With the batch's own statistics, replacing one latent would move every other sample.
    game, players, config = trained_generator()
    with exact_float32(1):
        alone = sample(game, players, 40, config.id)
        latents = torch.from_numpy(stream(config.id, "sampling_latents").standard_normal((40, 5), np.float32))
        coupled = game.generate(players, latents).detach().add(1).mul(0.5).numpy()
    assert np.abs(alone - coupled).max() > 1e-3
    other = sample(game, players, 40, "another trial")
    assert not np.array_equal(alone, other)


def test_batch_norm_moments_are_those_of_the_finished_generator() -> None:
    # A layer's output under evaluation has mean b and sd |w|, as in training, over fresh latents.
    game, players, config = trained_generator()
    with exact_float32(1):
        samples = sample(game, players, 5000, config.id)
        latents = torch.from_numpy(np.random.default_rng(5).standard_normal((5000, 5), np.float32))
        trained = game.generate(players, latents).detach().add(1).mul(0.5).numpy()
    np.testing.assert_allclose(samples.mean(0), trained.mean(0), atol=0.02)
    np.testing.assert_allclose(samples.std(0), trained.std(0), atol=0.02)


def test_a_repeated_latent_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    game, players, config = trained_generator()

    class Broken:
        def standard_normal(self, shape: tuple[int, int], dtype: Any) -> np.ndarray:
            return np.zeros(shape, dtype)

    monkeypatch.setattr("pipeline.training.sampling.stream", lambda key, role: Broken())
    with pytest.raises(AssertionError, match="share a latent"):
        sample(game, players, 10, config.id)


def test_the_policy_is_put_back() -> None:
    before = (torch.get_num_threads(), torch.backends.cudnn.allow_tf32)
    with exact_float32(1):
        assert torch.get_num_threads() == 1
        assert not torch.backends.cuda.matmul.allow_tf32
    assert (torch.get_num_threads(), torch.backends.cudnn.allow_tf32) == before


def test_points_learn_where_the_data_is() -> None:
    ring = (
        np.stack([np.cos(np.arange(8)), np.sin(np.arange(8))], 1).astype(np.float32).repeat(50, 0) * 0.1 + 3
    )
    config = TrialConfig.model_validate(
        {
            "dataset": {"name": "gaussian_ring"},
            "generator": {"name": "mlp", "width": 32, "latent_dim": 2},
            "discriminator": {"name": "mlp", "width": 32},
            "objective": {"name": "nonsaturating"},
            "train_samples": 400,
            "training": {"steps": 800, "generator_lr": 2e-3, "discriminator_lr": 2e-3},
        }
    )
    with exact_float32(1):
        trained = train(config, ring, ring, CPU)
        points = sample(trained.system, trained.players, 500, config.id)
    assert np.linalg.norm(points.mean(0) - 3) < 1.0  # it began at the origin, 4.2 away


def test_the_average_follows_the_generator_over_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand: a_t = d_t a_(t-1) + (1 - d_t) g_t with d_t = min(0.9, (1 + t) / (10 + t)), a_0 the first g."""
    seen: list[torch.Tensor] = []
    original = torch._foreach_lerp_

    def spy(averages: list[torch.Tensor], now: list[torch.Tensor], weight: float) -> None:
        seen.extend(tensors[0].detach().clone() for tensors in ([averages, now] if not seen else [now]))
        original(averages, now, weight)

    monkeypatch.setattr(torch, "_foreach_lerp_", spy)
    config = trial(steps=12, ticks=1, ema=0.5)
    with exact_float32(1):
        found = train(config, IMAGES, IMAGES, CPU)
    expected, *generators = seen
    assert len(generators) == 12
    for t, generator in enumerate(generators, 1):
        decay = min(0.5, (1 + t) / (10 + t))
        expected = decay * expected + (1 - decay) * generator
    average = next(iter(found.players["generator"].values()))
    torch.testing.assert_close(average, expected)
    assert not torch.allclose(average, generators[-1])


def test_without_moves_a_system_is_what_it_is_from_the_start() -> None:
    config = TrialConfig.model_validate(
        {"system": "training_set", "dataset": {"name": "digits"}, "train_samples": 120}
    )
    with exact_float32(1):
        found = train(config, IMAGES, IMAGES, CPU)
        images = sample(found.system, found.players, 300, config.id)
    assert (found.status, found.steps_done, found.curves) == ("completed", 0, [])
    known = {image.tobytes() for image in IMAGES}
    assert all(np.rint(image * 255).astype(np.uint8).tobytes() in known for image in images)
