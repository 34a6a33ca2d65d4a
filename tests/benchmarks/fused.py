"""Peers of cohorts: many plain GANs at once, by torch.func as in PyTorch's ensembling tutorial, and by horizontal
fusion (HFTA, Wang et al. 2021, arXiv 2102.02344): grouped convolutions, batched products, one optimizer.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from tests.benchmarks.plain import Gan, losses_of, wait_for

Losses = tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor], Tensor]]


class Vmapped:
    """K copies of a plain GAN, stacked; losses by vmap over functional calls."""

    def __init__(self, gan: Gan, count: int) -> None:
        self.gan, self.count = gan, count
        self.players = {}
        for name in ("generator", "discriminator"):
            models = [copy.deepcopy(getattr(gan, name)) for _ in range(count)]
            for model in models:
                for module in model.modules():
                    if isinstance(module, nn.BatchNorm2d):  # which vmap cannot let count its batches
                        module.running_mean = module.running_var = module.num_batches_tracked = None
                        module.track_running_stats = False
            parameters, _ = stack_module_state(models)
            base = copy.deepcopy(models[0]).to("meta")
            self.players[name] = (base, parameters)

    def train(self, data: Tensor, steps: int, batch_size: int) -> float:
        """As `Gan.train`; steps of all copies together per second."""
        (g, g_parameters), (d, d_parameters) = self.players["generator"], self.players["discriminator"]
        adam_g = torch.optim.Adam(g_parameters.values(), lr=2e-4, betas=(0.5, 0.999))
        adam_d = torch.optim.Adam(d_parameters.values(), lr=2e-4, betas=(0.5, 0.999))
        discriminator_loss, generator_loss = losses_of(self.gan.penalty)

        def of_discriminator(d_tree: dict, g_tree: dict, real: Tensor, z: Tensor, u: Tensor) -> Tensor:
            fake = functional_call(g, g_tree, z).detach()
            judge = lambda x: functional_call(d, d_tree, x)  # noqa: E731
            loss = discriminator_loss(judge(real), judge(fake))
            if self.gan.penalty:
                between = u[:, None, None, None] * real + (1 - u[:, None, None, None]) * fake
                slope = torch.func.grad(lambda x: judge(x).sum())(between)
                loss = loss + 10 * (slope.flatten(1).norm(dim=1) - 1).square().mean()
            return loss

        def of_generator(g_tree: dict, d_tree: dict, z: Tensor) -> Tensor:
            return generator_loss(functional_call(d, d_tree, functional_call(g, g_tree, z)))

        shape = (self.count, batch_size)
        start = time.perf_counter()
        for _ in range(steps):
            real = data[torch.randint(len(data), shape, device=data.device)]
            z = torch.randn(*shape, self.gan.latent_dim, device=data.device)
            loss = torch.vmap(of_discriminator)(
                d_parameters, g_parameters, real, z, torch.rand(shape, device=data.device)
            ).sum()
            adam_d.zero_grad()
            loss.backward(inputs=list(d_parameters.values()))
            adam_d.step()
            z = torch.randn(*shape, self.gan.latent_dim, device=data.device)
            loss = torch.vmap(of_generator)(g_parameters, d_parameters, z).sum()
            adam_g.zero_grad()
            loss.backward(inputs=list(g_parameters.values()))
            adam_g.step()
        wait_for(data.device)
        return self.count * steps / (time.perf_counter() - start)


class Fused:
    """K plain GANs as one of K times the channels: grouped convolutions, batch norms side by side, products batched."""

    def __init__(self, gan: Gan, count: int) -> None:
        self.gan, self.count = gan, count
        self.generator, self.discriminator = (
            nn.Sequential(*(fused(layer, count) for layer in network.layers)).to(_device_of(network))
            for network in (gan.generator, gan.discriminator)
        )

    def train(self, data: Tensor, steps: int, batch_size: int) -> float:
        """As `Gan.train`; steps of all models together per second."""
        g, d, k = self.generator, self.discriminator, self.count
        adam_g = torch.optim.Adam(g.parameters(), lr=2e-4, betas=(0.5, 0.999))
        adam_d = torch.optim.Adam(d.parameters(), lr=2e-4, betas=(0.5, 0.999))
        discriminator_loss, generator_loss = losses_of(self.gan.penalty)
        each_discriminator = torch.vmap(discriminator_loss, (1, 1))
        each_generator = torch.vmap(generator_loss, 1)
        start = time.perf_counter()
        for _ in range(steps):
            real = data[torch.randint(len(data), (batch_size, k), device=data.device)]
            real = real.flatten(1, 2) if data.ndim == 4 else real  # (b, k c, h, w), or (b, k, 2)
            with torch.no_grad():
                fake = g(torch.randn(batch_size, k, self.gan.latent_dim, device=data.device))
            adam_d.zero_grad()
            loss = each_discriminator(d(real), d(fake)).sum()
            if self.gan.penalty:
                loss = loss + 10 * self._penalty(real, fake)
            loss.backward()
            adam_d.step()
            adam_g.zero_grad()
            each_generator(
                d(g(torch.randn(batch_size, k, self.gan.latent_dim, device=data.device)))
            ).sum().backward()
            adam_g.step()
        wait_for(data.device)
        return k * steps / (time.perf_counter() - start)

    def _penalty(self, real: Tensor, fake: Tensor) -> Tensor:
        b, k = len(real), self.count
        u = torch.rand(b, k, device=real.device).repeat_interleave(real.shape[1] // k, 1)[:, :, None, None]
        between = (u * real + (1 - u) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(self.discriminator(between).sum(), between, create_graph=True)
        excess: Tensor = slope.unflatten(1, (k, -1)).flatten(2).norm(dim=2) - 1
        return excess.square().mean(0).sum()


def _device_of(network: nn.Module) -> torch.device:
    return next(network.parameters()).device


class Batched(nn.Module):
    """K linear layers: (b, K, inputs) -> (b, K, outputs)."""

    def __init__(self, layer: nn.Linear, count: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([layer.weight.detach()] * count))
        self.bias = None if layer.bias is None else nn.Parameter(torch.stack([layer.bias.detach()] * count))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.bmm(x.transpose(0, 1), self.weight.transpose(1, 2))
        return (y if self.bias is None else y + self.bias[:, None]).transpose(0, 1)


class Apart(nn.Module):
    """(b, K c, ...) -> (b, K, rest)."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), self.count, -1)


class Joined(nn.Module):
    """(b, K, c h w) -> (b, K c, h, w)."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        c, *places = self.shape
        return x.reshape(len(x), x.shape[1] * c, *places)


def fused(layer: nn.Module, count: int) -> nn.Module:
    """A layer of a plain GAN for `count` models at once, all beginning as the one."""
    if isinstance(layer, nn.Linear):
        return Batched(layer, count)
    if isinstance(layer, nn.Unflatten):
        return Joined(tuple(layer.unflattened_size))
    if isinstance(layer, nn.Flatten):
        return Apart(count)
    if isinstance(layer, nn.BatchNorm2d | nn.GroupNorm):
        norm: nn.Module = (
            nn.BatchNorm2d(count * layer.num_features)
            if isinstance(layer, nn.BatchNorm2d)
            else nn.GroupNorm(count * layer.num_groups, count * layer.num_channels)
        )
        norm.load_state_dict(
            {name: getattr(layer, name).detach().repeat(count) for name in ("weight", "bias")}, strict=False
        )
        return norm
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        channels = count * layer.in_channels, count * layer.out_channels
        wide = type(layer)(*channels, layer.kernel_size, 2, 1, bias=False, groups=count)
        wide.weight.data = layer.weight.detach().repeat(count, 1, 1, 1)
        return wide
    return copy.deepcopy(layer)


def check_same(gan: Gan, real: Tensor) -> None:
    """Both peers' copies judge and generate as the plain GAN does."""
    count = 3
    wide = Fused(gan, count)
    z = torch.randn(len(real), gan.latent_dim)
    with torch.no_grad():
        several = torch.stack([real] * count, 1)
        judged = wide.discriminator(several.flatten(1, 2) if real.ndim == 4 else several)
        made = wide.generator(z[:, None].expand(-1, count, -1))
        expected_made, expected = gan.generator(z), gan.discriminator(real)
        for k in range(count):
            torch.testing.assert_close(judged[:, k, 0], expected)
            torch.testing.assert_close(
                made.unflatten(1, (count, -1))[:, k].flatten(1), expected_made.flatten(1)
            )
        base, parameters = Vmapped(gan, count).players["discriminator"]
        stacked = torch.vmap(lambda tree: functional_call(base, tree, real))(parameters)
    torch.testing.assert_close(stacked, expected.expand(count, -1))
