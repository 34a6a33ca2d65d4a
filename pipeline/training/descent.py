"""The optimizers of many trials as one: the same arithmetic on parameters that are stacked."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.rmsprop import rmsprop

from pipeline.networks.parameters import Tree
from pipeline.options import TrainingOptions
from pipeline.training.checkpoint import pour
from pipeline.training.loop import learning_rate


class Descent:
    """Adam or RMSprop for one player of each member. Members may differ in learning rate and betas.

    options: of each member; neighbours with equal rates share calls. tree: the trained tensors, with a
    leading axis of members where there are several.
    """

    def __init__(self, player: str, options: Sequence[TrainingOptions], tree: Tree) -> None:
        self.rates = [(learning_rate(player, o), *o.betas) for o in options]
        self.rule = options[0].optimizer
        self.moments = [{key: torch.zeros_like(tensor) for key, tensor in tree.items()} for _ in range(2)]
        self._divide(tree, torch.zeros((), device=next(iter(tree.values())).device))

    @torch.no_grad()
    def step(self, tree: Tree, gradients: Tree) -> None:
        """Move the tree, in place."""
        parts = [self._parts(list(t.values())) for t in (tree, gradients, *self.moments)]
        rates = [rate for rate, _ in itertools.groupby(self.rates)]
        capturable = next(iter(tree.values())).is_cuda
        for (rate, beta1, beta2), steps, tensors, slopes, first, second in zip(
            rates, self.steps, *parts, strict=True
        ):
            if self.rule == "rmsprop":
                rmsprop(
                    tensors, slopes, second, [], [], steps,
                    lr=rate, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False,
                    capturable=capturable,
                )  # fmt: skip
            else:
                adam(
                    tensors, slopes, first, second, [], steps,
                    fused=True, capturable=capturable, amsgrad=False, beta1=beta1, beta2=beta2, lr=rate,
                    weight_decay=0, eps=1e-8, maximize=False,
                )  # fmt: skip

    def keep(self, tree: Tree, members: Sequence[int]) -> None:
        """Go on with these members only; tree: theirs."""
        self.rates = [self.rates[k] for k in members]
        index = torch.tensor(members, device=next(iter(tree.values())).device)
        self.moments = [{key: t[index] for key, t in moments.items()} for moments in self.moments]
        self._divide(tree, self.steps[0][0])

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"moments": self.moments, "steps": self.steps}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there, in place: the state of one for the same members."""
        pour(state, self.state())

    def _divide(self, tree: Tree, step: Tensor) -> None:
        """Runs of members with equal rates, and for each run and tensor a count of its steps."""
        ends = list(itertools.accumulate(len(list(run)) for _, run in itertools.groupby(self.rates)))
        self.runs = [slice(start, end) for start, end in itertools.pairwise([0, *ends])]
        self.steps = [[step.clone() for _ in tree] for _ in self.runs]

    def _parts(self, tensors: list[Tensor]) -> list[list[Tensor]]:
        if len(self.runs) == 1:
            return [tensors]
        return [[tensor[run] for tensor in tensors] for run in self.runs]
