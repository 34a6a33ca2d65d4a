"""Measuring functions of Arora, Ge, Liang, Ma, Zhang 2017 (section 2): objectives E phi(D(x)) + E phi(1 -
D(G(z))).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from pipeline import options
from pipeline.objectives.objective import Objective
from pipeline.options.expressions import evaluate, parse
from pipeline.options.objectives import MEASURING_FUNCTIONS


def measuring_function(o: options.MeasuringFunction) -> Objective:
    """The discriminator maximises the payoff, the generator minimises its second term."""
    tree = parse(MEASURING_FUNCTIONS.get(o.function, o.function))

    def phi(logits: Tensor) -> Tensor:
        """phi(sigmoid(logits)), finite with its slope where the sigmoid rounds to 0: phi's logarithm and root
        of x itself are functions of the logit, and other powers see no x below the smallest float.
        """
        x = torch.sigmoid(logits).clamp_min(torch.finfo(logits.dtype).tiny)
        log_x = -softplus(-logits)
        functions = {
            "log": lambda value: log_x if value is x else torch.log(value),
            "sqrt": lambda value: torch.exp(log_x / 2) if value is x else torch.sqrt(value),
            "exp": torch.exp,
        }
        return evaluate(tree, x, functions)

    return Objective(
        # 1 - D = sigmoid(-logit).
        discriminator=lambda real, generated: -(phi(real).mean() + phi(-generated).mean()),
        generator=lambda generated, _: phi(-generated).mean(),
        measure=phi,
    )
