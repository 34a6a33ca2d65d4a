"""InfoGAN (Chen et al. 2016): part of the latent is a code, which must be recoverable from the sample."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from pipeline import networks, options
from pipeline.networks.features import features
from pipeline.networks.heads import RecognitionHead
from pipeline.networks.parameters import apply
from pipeline.systems.adversary import Adversary, discriminator
from pipeline.systems.components import draw_component, indicators
from pipeline.systems.system import Batch, Move, Players, System
from pipeline.trial import TrialConfig


class Code(NamedTuple):
    """category: (b,) int64 in 0..categories-1, None without categories. continuous: (b, n) in (-1, 1)."""

    category: Tensor | None
    continuous: Tensor


def infogan(trial: TrialConfig, sample_shape: tuple[int, ...]) -> System:
    """min over G and Q, max over D of V(D, G) - information L_I(G, Q) (Chen et al. 2016, equation 6). The
    code is a category, uniform, and continuous codes, uniform on (-1, 1).

    Q is a head on D's last hidden layer. As in the authors' code the discriminator's loss has -L_I too, so
    that its hidden layers learn to tell codes; the head itself moves with the generator. Latents are the
    generator's `latent_dim` of noise, one for the category, and one for each continuous code.
    """
    o = trial.system
    assert isinstance(o, options.InfoGan)
    code_dim = o.categories + o.continuous
    g = networks.generator(trial.generator, sample_shape, trial.latent_dim + code_dim)
    d = discriminator(trial, sample_shape)
    adversary = Adversary(trial, d, sample_shape)
    with torch.device("meta"):
        q = RecognitionHead(d, code_dim)

    def generate(players: Players, latents: Tensor) -> Tensor:
        noise, code = split(latents, o)
        given = [noise, code.continuous]
        if code.category is not None:
            given.append(indicators(code.category, o.categories))
        return apply(g, players["generator"], torch.cat(given, 1))

    def recognise(players: Players, x: Tensor) -> Tensor:
        """(b, code_dim): logits of the categories and means of the continuous codes."""
        return apply(q, players["recognition"], features(d, players["discriminator"], x))

    def bound(players: Players, x: Tensor, latents: Tensor) -> Tensor:
        return information(recognise(players, x), split(latents, o)[1], o.categories)

    def discriminator_loss(players: Players, batch: Batch) -> Tensor:
        with torch.no_grad():
            x = generate(players, batch.latents)
        loss = adversary.discriminator_loss(players, (batch.real,), (x,), batch)
        return loss - o.information * bound(players, x, batch.latents)

    def generator_loss(players: Players, batch: Batch) -> Tensor:
        x = generate(players, batch.latents)
        loss = adversary.generator_loss(players, (batch.real,), (x,), batch)
        return loss - o.information * bound(players, x, batch.latents)

    def gap(players: Players, batch: Batch) -> Tensor:
        return adversary.gap(players, (batch.real,), (generate(players, batch.latents),))

    def recovered(players: Players, batch: Batch) -> Tensor:
        """The share of samples whose category Q finds most likely."""
        category = split(batch.latents, o)[1].category
        assert category is not None
        found = recognise(players, generate(players, batch.latents))[:, : o.categories].argmax(1)
        return found.eq(category).float().mean()

    watch = {"gap": gap, "information": lambda p, b: bound(p, generate(p, b.latents), b.latents)}
    return System(
        networks={"discriminator": d, "generator": g, "recognition": q},
        moves={
            "discriminator": Move(("discriminator",), discriminator_loss),
            "generator": Move(("generator", "recognition"), generator_loss),
        },
        turns=adversary.turns,
        generate=generate,
        latent_dim=trial.latent_dim + (o.categories > 0) + o.continuous,
        watch=watch | ({"categories_recovered": recovered} if o.categories else {}),
        draws=adversary.draws,
        after=adversary.after,
    )


def split(latents: Tensor, o: options.InfoGan) -> tuple[Tensor, Code]:
    """Noise (b, latent_dim) and code of latents (b, latent_dim + 1 if categories + continuous)."""
    noise, normals = latents.tensor_split([latents.shape[1] - (o.categories > 0) - o.continuous], 1)
    if not o.categories:
        return noise, Code(None, 2 * torch.special.ndtr(normals) - 1)
    category = draw_component(normals[:, 0], normals.new_full((o.categories,), 1 / o.categories))
    return noise, Code(category, 2 * torch.special.ndtr(normals[:, 1:]) - 1)


def information(recognised: Tensor, code: Code, categories: int) -> Tensor:
    """L_I = H(c) + E log Q(c | x) in nats, a lower bound of I(c; x) (Chen et al. 2016, equation 5).

    recognised: (b, categories + n). Q gives a category its softmax and each continuous code N(mu, 1), as the
    authors' code for MNIST does: with the spread fixed a continuous code adds at most log 2 - log(2 pi) / 2 =
    -0.226, and it can only be improved by predicting the code, not by growing sure of it.
    """
    logits, means = recognised.tensor_split([categories], 1)
    squares = (code.continuous - means).square().mean(0)
    bound = (math.log(2) - (math.log(2 * math.pi) + squares) / 2).sum()
    if code.category is None:
        return bound
    return bound + math.log(categories) - cross_entropy(logits, code.category)
