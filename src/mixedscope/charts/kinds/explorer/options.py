"""What can be chosen of the page where all displays of a model are linked."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mixedscope.charts.common.options import Ellipses, Options, Reference

__all__ = ["ExplorerOptions"]


class ExplorerOptions(Options):
    """Link shrinkage, modes and optimisation of a model on one page: choose a level, a moment.

    Whatever is chosen in one picture is marked in all: a level of a grouping factor, an evaluation
    of the optimiser, a covariance structure. Sentences at its top answer which structure collapsed,
    who moved most, when the fit was over, what stopping would have cost and what the correlation
    bought; each leads to the pictures that show it.
    """

    example = 'ms.charts.explorer([full, zerocorr]).save("explorer.html")'

    reference: Reference = "auto"
    ellipses: Ellipses = [0.5, 0.95]
    landscape: Annotated[
        bool,
        Field(
            description="Whether the landscape of the objective around each fit is shown: where it "
            "is not stored yet, it costs many evaluations."
        ),
    ] = True

    def studies(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """No landscape where none is to be shown."""
        return tuple(study for study in known if study != "landscape" or self.landscape)
