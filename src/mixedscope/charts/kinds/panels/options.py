"""What can be chosen of panels of groups."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from mixedscope.charts.common.options import Options

__all__ = ["PanelsOptions"]


class PanelsOptions(Options):
    """Draw the data of each group with its own, the mixed model's and the population's line.

    The gap between the first two is how far the model pulls the group; its root mean square over
    the rows of the group is written beside its name.
    """

    example = 'chart = ms.charts.panels(fit, order="pull")'

    x: str | None = None
    """The variable that runs to the right: by default the first number among the random slopes,
    else the first number of the fixed effects, else the first factor."""
    select: Literal["pull", "few", "random"] = "pull"
    """Of more groups than there are panels: those pulled most, those of the fewest rows, or some
    drawn at random."""
    levels: list[str] | None = None
    """The groups to draw, by name."""
    order: Literal["own", "mode", "pull", "n_obs"] = "own"
    """Order of panels: by the own least-squares estimate of `term`, by its conditional mode, by the
    pull, or by the number of rows."""
    term: str | int | None = None
    """The term that panels are ordered by, by name or by position (from 0); by default the first of
    the group."""
    count: Annotated[int, Field(ge=1, le=60)] = 24
    """Most panels."""

    def settings(self) -> dict[str, dict[str, Any]]:
        """What a study has to be told of these options."""
        asked: dict[str, Any] = {}
        if self.x is not None:
            asked["x"] = self.x
        if self.levels is not None:
            asked["levels"] = list(self.levels)
        if self.count > type(self).model_fields["count"].default:
            asked["count"] = self.count
        return {"panels": asked} if asked else {}
