"""SRGAN: shrinking as an image library does it, losses by hand, and restored digits closer to the truth than plain
enlargements.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.datasets import load
from pipeline.networks.parameters import count
from pipeline.networks.super_resolution import SrResNet, enlarge, shrink
from pipeline.options import Digits
from pipeline.systems import make_system
from pipeline.systems.srgan import psnr
from pipeline.training import exact_float32, sample, settled, train
from pipeline.trial import TrialConfig
from tests.systems.games import CPU, MLP, game, reached, trial

NONSATURATING = {"name": "nonsaturating"}
JUDGE = {"discriminator": MLP["discriminator"], "objective": NONSATURATING}


def srgan(**o: Any) -> dict[str, Any]:
    return {"name": "srgan", "width": 4, "blocks": 1, "latent_dim": 3, **o}


def test_shrinking_and_enlarging_are_pillows_bicubic() -> None:
    image = np.random.default_rng(0).random((32, 32), np.float32)
    small = np.asarray(Image.fromarray(image).resize((8, 8), Image.Resampling.BICUBIC))
    again = np.asarray(Image.fromarray(small).resize((32, 32), Image.Resampling.BICUBIC))
    ours = shrink(torch.tensor(image)[None, None])
    np.testing.assert_allclose(ours[0, 0].numpy(), small, atol=1e-5)
    np.testing.assert_allclose(enlarge(ours)[0, 0].numpy(), again, atol=1e-5)


def test_the_published_generator() -> None:
    """SRResNet of figure 4 for colour images, 64 channels and 16 blocks: 9x9 convolution, 16 times two 3x3 convolutions
    and batch norms, one more of each, two 3x3 convolutions to 256 channels, 9x9 convolution; ReLUs without slopes.
    """
    with torch.device("meta"):
        network = SrResNet(3, 24, 0, 64, 16)
    convolution, norm = 9 * 64 * 64 + 64, 2 * 64
    by_hand = (81 * 3 * 64 + 64) + 33 * (convolution + norm) + 2 * (9 * 64 * 256 + 256) + (81 * 64 * 3 + 3)
    assert count(network) == by_hand == 1_549_443


def test_losses_by_hand_where_both_players_are_constant() -> None:
    """x = tanh(0) = 0 everywhere, D = 0: content is the mean square of the images, the rest log 2."""
    system, players, batch = game(trial(srgan(content=3.0, adversarial=0.5), **JUDGE), (1, 8, 8))
    for tree in players.values():
        for tensor in tree.values():
            tensor.data.zero_()
    square = float(batch.real.double().square().mean())
    losses = {name: float(move.loss(players, batch)) for name, move in system.moves.items()}
    assert losses["content"] == pytest.approx(square, rel=1e-5)
    assert losses["generator"] == pytest.approx(3 * square + 0.5 * math.log(2), rel=1e-5)
    assert losses["discriminator"] == pytest.approx(2 * math.log(2), rel=1e-5)


def test_content_in_the_discriminators_features() -> None:
    pixels, features = (
        game(trial(srgan(content_features=kind, adversarial=0.0), **JUDGE), (1, 8, 8))
        for kind in ("pixels", "discriminator")
    )
    system, players, batch = features
    x = system.generate(players, batch.latents, shrink(batch.real))
    d, tree = system.networks["discriminator"], players["discriminator"]
    hidden = []
    for images in (x, batch.real):
        h = images.flatten(1)
        for layer in (0, 2):
            h = torch.nn.functional.leaky_relu(
                h @ tree[f"layers.{layer}.weight"].T + tree[f"layers.{layer}.bias"], 0.2
            )
        hidden.append(h)
    expected = (hidden[0] - hidden[1]).square().mean()
    torch.testing.assert_close(system.moves["generator"].loss(players, batch), expected)
    assert d.feature_count == 16
    torch.testing.assert_close(
        pixels[0].moves["generator"].loss(*pixels[1:]), (x - batch.real).square().mean()
    )


def test_who_learns_from_what() -> None:
    system, players, batch = game(trial(srgan(), **JUDGE), (3, 8, 8))
    assert reached(system, players, batch, "discriminator") == {"discriminator"}
    assert reached(system, players, batch, "content") == {"generator"}
    assert reached(system, players, batch, "generator") == {"discriminator", "generator"}
    assert system.moves["generator"].players == ("generator",)


def test_turns() -> None:
    system, _, _ = game(trial(srgan(content_steps=2), **JUDGE), (1, 8, 8))
    assert system.turns(1) == ["content", "content", "discriminator", "generator"]
    assert system.turns(2) == ["discriminator", "generator"]


def test_what_is_given_is_the_small_image_and_noise_makes_the_rest() -> None:
    for latent_dim, differ in ((3, True), (0, False)):
        system, players, batch = game(trial(srgan(latent_dim=latent_dim), **JUDGE), (1, 8, 8))
        assert system.inputs is not None
        given = system.inputs(batch.real)
        assert given.shape == (6, 1, 2, 2)
        one = given[:1].expand(2, -1, -1, -1)
        system.networks["generator"].eval()
        moments = {
            f"{name}.{kind}": torch.full_like(module.weight, float(kind == "var"), device=CPU)
            for name, module in system.networks["generator"].named_modules()
            if getattr(module, "couples_samples", False)
            for kind in ("mean", "var")
        }
        tree = {"generator": players["generator"] | moments}
        x = system.generate(tree, batch.latents[:2], one)
        assert bool((x[0] != x[1]).any()) is differ


def test_psnr_by_hand() -> None:
    """Errors of 0.2 and 0.02 on a scale of 2: 20 and 40 dB, so 30 on average."""
    real = torch.zeros(2, 1, 4, 4)
    x = torch.stack([torch.full((1, 4, 4), 0.2), torch.full((1, 4, 4), 0.02)])
    assert float(psnr(x, real)) == pytest.approx(30, abs=1e-4)


@pytest.mark.parametrize("objective", ["minimax", "wgan_clip", "wgan_gp", "hinge"])
def test_every_objective_and_regulariser(objective: str) -> None:
    restrained = {"spectral_norm": True, "r1": 1.0, "dragan": 1.0, "instance_noise": 0.1}
    parts = {**JUDGE, "objective": {"name": objective}, "regularizers": restrained}
    system, players, batch = game(trial(srgan(), **parts), (1, 8, 8))
    for move in system.moves.values():
        assert bool(move.loss(players, batch).isfinite())


@pytest.mark.parametrize("shape", [(2,), (1, 10, 10), (1, 8, 12)])
def test_what_it_cannot_play_on(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="srgan takes square images of a multiple of 4 pixels"):
        make_system(trial(srgan(), **JUDGE), shape)


def test_training_is_a_function_of_the_trial() -> None:
    training = {"steps": 3, "batch_size": 8, "ticks": 3}
    config = trial(srgan(content_steps=1), **JUDGE, training=training)
    real = np.random.default_rng(0).integers(0, 256, (20, 1, 8, 8), np.uint8)
    runs = [train(config, real, real, CPU) for _ in range(2)]
    assert runs[0].curves == runs[1].curves
    assert {"psnr_train", "psnr_held_out", "gap_train"} <= {name for _, name, _ in runs[0].curves}
    samples = [sample(run.system, run.players, 4, config.id, real) for run in runs]
    assert np.array_equal(*samples)
    assert samples[0].shape == (4, 1, 8, 8)


def test_what_one_image_gives_does_not_depend_on_the_others_asked_for() -> None:
    """Once settled, batch norms keep the moments of all images: those of the one at hand are another network's."""
    real = np.random.default_rng(0).integers(0, 256, (20, 1, 8, 8), np.uint8)
    config = trial(srgan(content_steps=1), **JUDGE, training={"steps": 3, "batch_size": 8, "ticks": 1})
    run = train(config, real, real, CPU)
    players = settled(run.system, run.players, config.id, real)
    among_two = sample(run.system, players, 8, config.id, real[:2])[1::2]
    assert np.array_equal(among_two, sample(run.system, players, 8, config.id, real[1:2])[1::2])
    assert not np.allclose(among_two, sample(run.system, run.players, 8, config.id, real[1:2])[1::2])


DIGITS: dict[str, Any] = {
    "system": {"name": "srgan", "width": 16, "blocks": 2, "latent_dim": 4},
    "dataset": {"name": "digits"},
    "train_samples": 1297,
    "discriminator": {"name": "dcgan", "width": 16},
    "objective": NONSATURATING,
    "training": {"steps": 200, "generator_lr": 1e-3, "discriminator_lr": 1e-3, "betas": [0.9, 0.999]},
}


@pytest.mark.soak
def test_restored_digits_beat_plain_enlargements() -> None:
    """Of held-out digits, of which 2x2 pixels are given: bicubic 8.71, linear 8.70, repeated pixels 8.76 dB."""
    data = load(Digits(name="digits"), None)
    real = torch.tensor(data.held_out, dtype=torch.float32) / 127.5 - 1
    small = shrink(real)
    plain = [
        psnr(enlarge(small).clamp(-1, 1), real),
        psnr(torch.nn.functional.interpolate(small, scale_factor=4.0, mode="bilinear"), real),
        psnr(small.repeat_interleave(4, 2).repeat_interleave(4, 3), real),
    ]
    for seed in range(3):
        config = TrialConfig.model_validate({**DIGITS, "seed": seed})
        with exact_float32(1):
            result = train(config, data.train, data.held_out, CPU)
            restored = sample(result.system, result.players, 500, config.id, data.held_out)
        found = psnr(torch.tensor(restored) * 2 - 1, real)
        assert float(found) > float(max(plain)) + 3, (seed, found, plain)
