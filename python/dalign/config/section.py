"""What sections of the config share: ranges, rules that tie settings together, and that each name stands once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

# What the core, numpy and torch hold in 32 bits.
MOST = 2**31 - 1
Positive = Annotated[int, Field(ge=1, le=MOST)]
Natural = Annotated[int, Field(ge=0, le=MOST)]
Repeats = Annotated[int, Field(ge=1, le=10_000)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


def rule(broken: Callable[[Any], str | None]) -> Any:
    """A rule that ties settings of a section together. broken: a sentence that starts with the key of one; None: kept."""

    def check(section: Any) -> Any:
        if (said := broken(section)) is not None:
            raise ValueError(said)
        return section

    return model_validator(mode="after")(check)


class Section(BaseModel):
    """A section of the config: unknown keys are refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    @rule
    def _lists_have_each_once(self) -> str | None:
        for key, value in self:
            names = [getattr(e, "name", e) for e in value] if isinstance(value, tuple) else []
            for index, name in enumerate(names):
                if name in names[:index]:
                    where = f"{key}.{index}" if name is value[index] else f"{key}.{index}.name"
                    return f"{where} = {name!r}: is the name of another one too; change it"
        return None
