"""Sections of a configuration, and faults of theirs whose messages are complete."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

__all__ = ["FAULT", "Section", "fault"]

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
