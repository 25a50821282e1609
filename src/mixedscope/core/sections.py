"""Sections of a configuration, and faults of theirs whose messages are complete."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

__all__ = ["FAULT", "Section", "fault", "listed_once"]

#: Type of the errors whose messages are complete.
FAULT = "fault"


class Section(BaseModel):
    """A part of a configuration: unknown keys are faults, docstrings its documentation."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


def fault(message: str) -> PydanticCustomError:
    """An error whose message needs nothing added to it."""
    return PydanticCustomError(FAULT, "{message}", {"message": message})


def listed_once(names: list[str]) -> list[str]:
    """Give the names back; one that is there twice is a fault."""
    for name in names:
        if names.count(name) > 1:
            raise fault(f"{name!r} is listed twice")
    return names
