"""Stacked GAN (Huang et al. 2017): a GAN of a classifier's features, and one of samples given features."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss, relu

from pipeline import networks, options
from pipeline.networks.classifier import Classifier
from pipeline.networks.features import features
from pipeline.networks.heads import RecognitionHead
from pipeline.networks.parameters import apply, bind
from pipeline.systems.adversaries import Adversaries
from pipeline.systems.adversary import Adversary, discriminator
from pipeline.systems.components import draw_component, indicators
from pipeline.systems.system import Batch, Move, Players, System
from pipeline.trial import TrialConfig


class Stacks(NamedTuple):
    """hidden: (b, features), h = E0(x) of the real samples. made_hidden: G1(y, z1). given: the one of the two
    from which G0 makes made: (b, *sample_shape).
    """

    hidden: Tensor
    made_hidden: Tensor
    given: Tensor
    made: Tensor


def stacked(trial: TrialConfig, sample_shape: tuple[int, ...]) -> System:
    """x = G0(G1(y, z1), z0), y uniform over the classes (section 3).

    The encoder x -> h = E0(x) -> y = E1(h) is trained on the labels beforehand and then fixed. Each stack
    minimises adversarial + conditional + entropy loss, squared errors averaged over coordinates as in the
    authors' code: E of what it makes is what it was given, and Q, a head on D's last hidden layer, recovers
    z. For the share `independent` of training G0 is given real features, then those that G1 makes; G1 learns
    from its own stack alone, as in that code.
    """
    o = trial.system
    assert isinstance(o, options.Stacked)
    if getattr(o.encoder, "normalization", "none") == "batch":
        raise ValueError(
            "system.encoder.normalization: batch would make features depend on the batch; use none"
        )
    parts = [1, o.feature_latent_dim, trial.latent_dim]
    encoder = networks.encoder(o.encoder, sample_shape, o.features)
    g0 = networks.generator(trial.generator, sample_shape, o.features + trial.latent_dim)
    d0 = discriminator(trial, sample_shape)
    # Of the sizes in the authors' code: 2 x 512 with batch norm, and 2 x 256, for 256 features.
    o1 = options.MlpGenerator(name="mlp", width=2 * o.features, depth=2, normalization="batch")
    g1 = networks.generator(o1, (o.features,), o.classes + o.feature_latent_dim)
    judge = options.MlpDiscriminator(name="mlp", width=o.features, depth=2)
    d1 = discriminator(trial.model_copy(update={"discriminator": judge}), (o.features,))
    adversaries = Adversaries(
        [Adversary(trial, d0, sample_shape), Adversary(trial, d1, (o.features,), "discriminator_features")]
    )
    with torch.device("meta"):
        e = Classifier(encoder, o.features, o.classes)
        q0, q1 = RecognitionHead(d0, trial.latent_dim), RecognitionHead(d1, o.feature_latent_dim)

    def encoded(players: Players, x: Tensor) -> Tensor:
        return features(e, players["encoder"], x)

    def classified(players: Players, hidden: Tensor) -> Tensor:
        bind(e, players["encoder"])
        return e.classify(hidden)

    def make_hidden(players: Players, y: Tensor, z1: Tensor) -> Tensor:
        given = torch.cat([indicators(y, o.classes), z1], 1)
        return relu(apply(g1, players["generator_features"], given))

    def make(players: Players, hidden: Tensor, z0: Tensor) -> Tensor:
        return apply(g0, players["generator"], torch.cat([hidden, z0], 1))

    def generate(players: Players, latents: Tensor) -> Tensor:
        normal, z1, z0 = torch.split(latents, parts, 1)
        y = draw_component(normal[:, 0], normal.new_full((o.classes,), 1 / o.classes))
        return make(players, make_hidden(players, y, z1), z0)

    def stacks(players: Players, batch: Batch, y: Tensor) -> Stacks:
        _, z1, z0 = torch.split(batch.latents, parts, 1)
        with torch.no_grad():
            hidden = encoded(players, batch.real)
        made_hidden = make_hidden(players, y, z1)
        given = torch.where(batch.progress < o.independent, hidden, made_hidden.detach())
        return Stacks(hidden, made_hidden, given, make(players, given, z0))

    def forgotten(players: Players, s: Stacks, batch: Batch) -> Tensor:
        """L_ent up to constants: -log Q(z | G(., z)) for Gaussian Q of fixed spread."""
        _, z1, z0 = torch.split(batch.latents, parts, 1)
        hidden0 = features(d0, players["discriminator"], s.made)
        hidden1 = features(d1, players["discriminator_features"], s.made_hidden)
        recognised0 = apply(q0, players["recognition"], hidden0)
        recognised1 = apply(q1, players["recognition_features"], hidden1)
        return mse_loss(recognised0, z0) + mse_loss(recognised1, z1)

    def encoder_loss(players: Players, batch: Batch) -> Tensor:
        return cross_entropy(apply(e, players["encoder"], batch.real), batch.labels)

    def discriminator_loss(players: Players, batch: Batch) -> Tensor:
        with torch.no_grad():
            s = stacks(players, batch, batch.labels)
        real, made = [batch.real, s.hidden], [s.made, s.made_hidden]
        adversarial = adversaries.discriminator_loss(players, real, made, batch)
        return adversarial + o.entropy * forgotten(players, s, batch)

    def generator_loss(players: Players, batch: Batch) -> Tensor:
        s = stacks(players, batch, batch.labels)
        real, made = [batch.real, s.hidden], [s.made, s.made_hidden]
        adversarial = adversaries.generator_loss(players, real, made, batch)
        conditional = cross_entropy(classified(players, s.made_hidden), batch.labels) + mse_loss(
            encoded(players, s.made), s.given
        )
        return adversarial + o.conditional * conditional + o.entropy * forgotten(players, s, batch)

    def gap(players: Players, batch: Batch) -> Tensor:
        # Held-out samples come without labels: the encoder's own reading stands for them.
        s = stacks(players, batch, apply(e, players["encoder"], batch.real).argmax(1))
        return adversaries.gap(players, [batch.real, s.hidden], [s.made, s.made_hidden])

    judges = (*adversaries.players, "recognition", "recognition_features")
    return System(
        networks={
            "encoder": e,
            "discriminator": d0,
            "discriminator_features": d1,
            "recognition": q0,
            "recognition_features": q1,
            "generator": g0,
            "generator_features": g1,
        },
        moves={
            "encoder": Move(("encoder",), encoder_loss),
            "discriminator": Move(judges, discriminator_loss),
            "generator": Move(("generator", "generator_features"), generator_loss),
        },
        turns=lambda step: ["encoder"] * (o.encoder_steps if step == 1 else 0) + adversaries.turns(step),
        generate=generate,
        latent_dim=sum(parts),
        generators=("generator", "generator_features"),
        discriminators=adversaries.players,
        watch={"gap": gap},
        draws=adversaries.draws,
        after=adversaries.after,
        needs_labels=o.classes,
    )
