"""What can be chosen of traces."""

from __future__ import annotations

from typing import Literal

from mixedscope.charts.common.options import Options, X

__all__ = ["TraceOptions"]


class TraceOptions(Options):
    """Draw how an optimiser found the optimum, and whether it arrived.

    Above, the objective minus its minimum on a log scale, every evaluation a point; below, the
    standard deviations and correlations.  Phases are shaded.
    """

    x: X = "evaluation"
    parameters: Literal["sd", "theta"] | None = None
    """Standard deviations and correlations, or the components of θ; by default the former where
    their table is there, as it always is for a fit."""
    overlay: bool = False
    """Draw all fits in one panel, without the parameters."""

    def studies(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """None where what they found is not drawn."""
        return () if self.parameters == "theta" or self.overlay else known
