"""What every option group is: strict, closed, frozen."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.errors import did_you_mean

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Options(BaseModel):
    """Base of every option group: unknown keys are errors, values are never coerced, instances are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        # Before pydantic's own check, so that the message can say what is allowed.
        if isinstance(data, dict) and not data.keys() <= cls.__pydantic_fields__.keys():
            key = next(key for key in data if key not in cls.__pydantic_fields__)
            raise PydanticCustomError(
                "unknown_key",
                "unknown key; allowed: {allowed}{hint}",
                {
                    "key": str(key),
                    "allowed": ", ".join(cls.model_fields),
                    "hint": did_you_mean(str(key), cls.model_fields),
                },
            )
        return data


def choices(union: object) -> dict[str, type[Options]]:
    """Name -> option class of one of the unions above, in the order written."""
    members = union.__origin__.__args__  # type: ignore[attr-defined]
    return {member.model_fields["name"].annotation.__args__[0]: member for member in members}
