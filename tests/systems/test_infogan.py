"""InfoGAN: the information bound against closed forms, the law of the codes, and who learns from it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from pipeline.options import InfoGan
from pipeline.systems.infogan import Code, information, split
from tests.systems.games import DCGAN, MLP, game, reached, trial
from tests.systems.smoke import train_alike

NONSATURATING = {"name": "nonsaturating"}
NO_CONTINUOUS = torch.empty(8, 0)
CATEGORY = torch.arange(8) % 4


def test_a_recognition_that_knows_nothing_has_no_information() -> None:
    # Q uniform: E log Q = -log k cancels H(c) = log k.
    assert float(information(torch.full((8, 4), 3.3), Code(CATEGORY, NO_CONTINUOUS), 4)) == pytest.approx(
        0, abs=1e-6
    )


def test_a_recognition_that_knows_all_has_the_entropy_of_the_code() -> None:
    logits = 100 * torch.nn.functional.one_hot(CATEGORY, 4).float()
    assert float(information(logits, Code(CATEGORY, NO_CONTINUOUS), 4)) == pytest.approx(math.log(4))


def test_a_recognition_that_is_right_three_times_in_four() -> None:
    # log 4 + E log Q with Q(true) = 3/4 wherever it looks: log 3.
    others = math.log((1 - 0.75) / 3)
    logits = torch.full((8, 4), others)
    logits[torch.arange(8), CATEGORY] = math.log(0.75)
    assert float(information(logits, Code(CATEGORY, NO_CONTINUOUS), 4)) == pytest.approx(
        math.log(3), rel=1e-6
    )


def test_continuous_codes_by_hand() -> None:
    codes = torch.tensor([[0.5, -1.0], [0.0, 1.0]])
    # Each adds log 2 - log(2 pi) / 2 = -0.225791 where it is predicted; half the squared error is lost.
    code = Code(None, codes)
    assert float(information(codes, code, 0)) == pytest.approx(2 * -0.2257914, abs=1e-6)
    off = codes + torch.tensor([1.0, 0.0])
    assert float(information(off, code, 0)) == pytest.approx(2 * -0.2257914 - 0.5, abs=1e-6)
    both = torch.cat([torch.zeros(2, 3), codes], 1)  # three categories, none of them preferred
    assert float(information(both, Code(torch.tensor([0, 2]), codes), 3)) == pytest.approx(
        2 * -0.2257914, abs=1e-6
    )


def test_the_law_of_the_codes() -> None:
    latents = torch.tensor(np.random.default_rng(0).standard_normal((20_000, 8)), dtype=torch.float32)
    noise, code = split(latents, InfoGan(name="infogan", categories=10, continuous=2))
    assert torch.equal(noise, latents[:, :5])
    assert code.category is not None
    counts = torch.bincount(code.category, minlength=10).numpy()
    assert len(counts) == 10
    assert stats.chisquare(counts).pvalue > 0.001
    for k in (0, 1):
        assert stats.kstest(code.continuous[:, k].numpy(), stats.uniform(-1, 2).cdf).pvalue > 0.001


@pytest.mark.parametrize(
    ("system", "latents"),
    [
        ({"categories": 10, "continuous": 2}, 5 + 1 + 2),
        ({"categories": 0, "continuous": 3}, 5 + 3),
        ({"categories": 3, "continuous": 0}, 5 + 1),
    ],
)
def test_latents_of_a_sample(system: dict[str, int], latents: int) -> None:
    played, players, batch = game(trial({"name": "infogan", **system}, objective=NONSATURATING, **MLP), (2,))
    assert played.latent_dim == latents
    samples = played.generate(players, batch.latents)
    assert samples.shape == (6, 2)
    # Every latent matters: the noise, the category (moved across the middle) and each continuous code.
    for k in range(latents):
        moved = batch.latents.clone()
        moved[:, k] = -3 * moved[:, k].sign()
        assert not torch.equal(played.generate(players, moved), samples)


@pytest.mark.parametrize("codes", [{"categories": 1, "continuous": 2}, {"categories": 0, "continuous": 0}])
def test_codes_that_say_nothing_are_refused(codes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="categories: is 0, for none, or at least 2"):
        trial({"name": "infogan", **codes}, objective=NONSATURATING, **MLP)


@pytest.mark.parametrize(("parts", "shape"), [(DCGAN, (1, 8, 8)), (MLP, (2,))])
def test_both_losses_are_the_gans_less_the_information(parts: dict[str, Any], shape: tuple[int, ...]) -> None:
    systems = [
        game(trial({"name": "infogan", "information": weight}, objective=NONSATURATING, **parts), shape)
        for weight in (0.0, 0.4)
    ]
    (plain, players, batch), (informed, _, _) = systems
    with torch.no_grad():
        bound = float(plain.watch["information"](players, batch))
        for move in ("discriminator", "generator"):
            without, with_information = (s.moves[move].loss(players, batch) for s in (plain, informed))
            assert float(without - with_information) == pytest.approx(0.4 * bound, rel=1e-3)


def test_who_learns_from_what() -> None:
    config = trial({"name": "infogan"}, objective=NONSATURATING, **MLP)
    system, players, batch = game(config, (2,))
    # The recognition's gradient in the discriminator's loss is not followed: it moves with the generator.
    assert reached(system, players, batch, "discriminator") == {"discriminator", "recognition"}
    assert system.moves["discriminator"].players == ("discriminator",)
    assert reached(system, players, batch, "generator") == {"discriminator", "generator", "recognition"}
    assert system.moves["generator"].players == ("generator", "recognition")


def test_the_share_of_categories_recovered() -> None:
    config = trial({"name": "infogan", "categories": 4, "continuous": 0}, objective=NONSATURATING, **MLP)
    system, players, batch = game(config, (2,), rows=8)
    players["recognition"] = {name: torch.zeros_like(t) for name, t in players["recognition"].items()}
    players["recognition"]["layers.2.bias"][2] = 1.0  # always says 2
    # Phi of these lies in the quarters 0, 1, 2, 3 and 2 again: two of eight.
    batch.latents[:, -1] = torch.tensor([-1.0, -0.3, 0.3, 1.0, 0.1, -2.0, 2.0, -0.5])
    assert float(system.watch["categories_recovered"](players, batch)) == 2 / 8


@pytest.mark.parametrize(("parts", "shape"), [(DCGAN, (1, 8, 8)), (MLP, (2,))])
def test_training_repeats_itself(parts: dict[str, Any], shape: tuple[int, ...]) -> None:
    train_alike(trial({"name": "infogan"}, objective={"name": "wgan_gp"}, **parts), shape)
