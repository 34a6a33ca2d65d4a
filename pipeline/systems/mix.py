"""MIX+GAN (Arora, Ge, Liang, Ma, Zhang 2017, section 5): mixtures of generators and of discriminators."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from pipeline import networks, options
from pipeline.networks.mixture import MixtureWeights
from pipeline.networks.parameters import apply
from pipeline.systems.adversary import Adversary, discriminator
from pipeline.systems.components import after_each, choose, component, draw_component, generate_all
from pipeline.systems.system import Batch, Move, Players, System
from pipeline.systems.weights import (
    cross_entropy_to_uniform,
    effective_number,
    exponentiated_gradient,
    negative_entropy,
)
from pipeline.trial import TrialConfig


def mix(trial: TrialConfig, sample_shape: tuple[int, ...]) -> System:
    """Payoff sum_ij w_Gi w_Dj F(G_i, D_j) of k generators and k discriminators of one architecture, F being
    the objective's (Arora et al. 2017, section 5). Penalties of D_j, which count w_Dj, look at samples of the
    mixture. Generators share their latents; a batch norm in D_j takes its moments over all their samples.

    The weights descend their own side's loss plus `entropy` times a term against collapse to one component:

    exponentiated_gradient: the paper's. log w <- log w - weight_lr dF/dw, renormalised; the term is minus the
    Shannon entropy of w.
    softmax: the released code's. w = softmax(theta), theta trained by the optimizer of the networks; the term
    is the cross-entropy of w relative to equal weights, -1/k sum_i log(w_i + 1e-6).

    The last latent of a sample draws its generator: components mix sample by sample.
    """
    o = trial.system
    assert isinstance(o, options.Mix)
    g = nn.ModuleList(networks.generator(trial.generator, sample_shape) for _ in range(o.components))
    d = nn.ModuleList(discriminator(trial, sample_shape) for _ in range(o.components))
    with torch.device("meta"):
        g_weights, d_weights = MixtureWeights(o.components), MixtureWeights(o.components)
    adversaries = [Adversary(trial, network, sample_shape) for network in d]
    one = adversaries[0]  # for what all of them have in common
    unevenness = {"exponentiated_gradient": negative_entropy, "softmax": cross_entropy_to_uniform}[o.weights]

    def log_weights_g(players: Players) -> Tensor:
        return apply(g_weights, players["generator_weights"])

    def log_weights_d(players: Players) -> Tensor:
        return apply(d_weights, players["discriminator_weights"])

    def judges(players: Players) -> list[Players]:
        return [{"discriminator": component(players["discriminator"], j)} for j in range(o.components)]

    def generate(players: Players, latents: Tensor) -> Tensor:
        index = draw_component(latents[:, -1], log_weights_g(players).exp())
        return choose(generate_all(g, players["generator"], latents[:, :-1]), index)

    def seen(players: Players, batch: Batch) -> tuple[Tensor, Tensor]:
        """Real samples (b, ...) and all generators' (k, b, ...), as the discriminators see them."""
        ((real,), _) = one.seen((batch.real,), (batch.real,), batch)
        samples = generate_all(g, players["generator"], batch.latents[:, :-1])
        return real, torch.stack([one.seen((batch.real,), (x,), batch)[1][0] for x in samples])

    def payoffs(
        players: Players, loss: Callable[[Tensor, Tensor], Tensor], real: Tensor, generated: Tensor
    ) -> Tensor:
        """(k, k) losses of D_j, rows, against G_i, columns, from one pass of each D_j over all samples."""
        rows = []
        for adversary, judge in zip(adversaries, judges(players), strict=True):
            on_real, on_generated = adversary.compare(judge, (real,), (generated.flatten(0, 1),))
            by_generator = on_generated.reshape(generated.shape[:2])
            rows.append(torch.vmap(loss, (None, 0))(on_real, by_generator))
        return torch.stack(rows)

    def discriminator_loss(players: Players, batch: Batch) -> Tensor:
        with torch.no_grad():
            real, generated = seen(players, batch)
            w_g = log_weights_g(players).exp()
            of_mixture = choose(generated, draw_component(batch.latents[:, -1], w_g))
        log_w = log_weights_d(players)
        loss = log_w.exp() @ payoffs(players, one.goal.discriminator, real, generated) @ w_g
        for penalty in one.penalties:
            values = [
                penalty.value(partial(adversary.values, judge), (real,), (of_mixture,), batch.draws)
                for adversary, judge in zip(adversaries, judges(players), strict=True)
            ]
            loss = loss + log_w.exp() @ torch.stack(values)
        return loss + o.entropy * unevenness(log_w)

    def generator_loss(players: Players, batch: Batch) -> Tensor:
        real, generated = seen(players, batch)
        w_d = log_weights_d(players).detach().exp()
        log_w = log_weights_g(players)
        losses = payoffs(players, lambda r, x: one.goal.generator(x, r), real, generated)
        return w_d @ losses @ log_w.exp() + o.entropy * unevenness(log_w)

    def gap(players: Players, batch: Batch) -> Tensor:
        generated = generate_all(g, players["generator"], batch.latents[:, :-1])
        gaps = payoffs(players, difference, batch.real, generated)
        return log_weights_d(players).exp() @ gaps @ log_weights_g(players).exp()

    def difference(real: Tensor, generated: Tensor) -> Tensor:
        return one.goal.measure(real).mean() - one.goal.measure(generated).mean()

    follow = exponentiated_gradient(o.weight_lr)
    learned_by_rule = o.weights == "exponentiated_gradient"
    return System(
        networks={
            "discriminator": d,
            "discriminator_weights": d_weights,
            "generator": g,
            "generator_weights": g_weights,
        },
        moves={
            "discriminator": Move(("discriminator", "discriminator_weights"), discriminator_loss),
            "generator": Move(("generator", "generator_weights"), generator_loss),
        },
        turns=one.turns,
        generate=generate,
        latent_dim=trial.latent_dim + 1,
        generators=("generator", "generator_weights"),
        discriminators=("discriminator", "discriminator_weights"),
        watch={
            "gap": gap,
            "effective_generators": lambda players, _: effective_number(log_weights_g(players)),
            "effective_discriminators": lambda players, _: effective_number(log_weights_d(players)),
        },
        draws=one.draws,
        after={"discriminator": after_each(adversaries)},
        rules={"generator_weights": follow, "discriminator_weights": follow} if learned_by_rule else {},
    )
