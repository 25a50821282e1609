"""What can be chosen of caterpillar plots."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mixedscope.charts.common.options import AnyReference, Compared, Coverage, Scale, Terms

__all__ = ["CaterpillarOptions"]


class CaterpillarOptions(Compared):
    """Draw the conditional mode of every level with its interval, ordered, beside its reference.

    A column for each term; several fits stand side by side, term by term, on the same axes.
    """

    example = 'chart = ms.charts.caterpillar(full, zerocorr, group="Subject", order="Days")'

    terms: Terms = None
    level: Coverage = 0.95
    order: str | int = "mode"
    """Levels from the highest down by the mode of the first term (mode), its reference (reference)
    or the number of observations (n), or by the mode of the term that is named or whose position
    (from 0) is given."""
    error: Annotated[
        Literal["conditional", "marginal"],
        Field(
            description="What bars are multiples of: the SD of b given the data and the fixed "
            "effects (conditional), or the SD of the error of the mode, the fixed effects being "
            "estimated too (marginal)."
        ),
    ] = "conditional"
    reference: AnyReference = "auto"
    scale: Scale = "b"

    def studies(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """The study of the errors of modes where bars are those, of a theta where it is given."""
        wanted = super().studies(known)
        return tuple(s for s in wanted if s != "mode_distribution" or self.error == "marginal")
