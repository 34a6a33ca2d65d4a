"""How the players are trained."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.options.base import Count, Options, Positive


class TrainingOptions(Options):
    """One generator step counts as one step; every `discriminator_steps` discriminator updates come before
    it.
    """

    steps: Count = 2000
    batch_size: Annotated[int, Field(ge=2)] = 64
    generator_lr: Positive = 2e-4
    discriminator_lr: Positive = 2e-4
    optimizer: Literal["adam", "rmsprop"] = "adam"
    betas: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)] = [
        0.5,
        0.999,
    ]
    discriminator_steps: Count = 1
    ticks: Count = 20
    # Decay of an average of the generator's parameters over steps, from which samples are then drawn.
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    # Of products and convolutions in the losses; anything but float32 is said in the report.
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"

    @model_validator(mode="before")
    @classmethod
    def _numbers(cls, data: object) -> object:
        # YAML writes 0 for 0.0; strict mode would refuse it inside a list of floats.
        if isinstance(data, dict) and isinstance(data.get("betas"), list):
            betas = [float(b) if type(b) is int else b for b in data["betas"]]
            return {**data, "betas": betas}
        return data
