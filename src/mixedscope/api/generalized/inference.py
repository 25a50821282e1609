"""All that follows from a fit of a generalised model, method by method."""

from __future__ import annotations

from mixedscope.api.generalized.bootstrapping import GeneralizedBootstrap
from mixedscope.api.generalized.components import GeneralizedComponents
from mixedscope.api.generalized.hypotheses import GeneralizedHypotheses
from mixedscope.api.generalized.intervals import GeneralizedIntervals

__all__ = ["GeneralizedInference"]


class GeneralizedInference(
    GeneralizedIntervals, GeneralizedHypotheses, GeneralizedBootstrap, GeneralizedComponents
):
    """Intervals, tests, draws and variances of a fit of a generalised model."""
