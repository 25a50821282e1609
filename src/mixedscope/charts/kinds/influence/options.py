"""What can be chosen of influence."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mixedscope.charts.common.options import Options

__all__ = ["InfluenceOptions"]


class InfluenceOptions(Options):
    """Draw what estimates change by without an observation or a group.

    Cook's distances of the fixed effects, what each fixed effect changes by, and what standard
    deviations do; the most influential are named.
    """

    example = 'chart = ms.charts.influence(fit.influence("Subject"), fit.influence())'

    names: Annotated[int, Field(ge=1, le=30)] = 10
    """How many of the most influential have a row and a name."""
