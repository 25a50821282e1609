"""Settings of the kinds of charts, as keys of a configuration.

The names are those of `mixedscope.charts.registry.CHARTS` and of their options.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mixedscope.core.sections import Section

__all__ = [
    "LedgerConfig",
    "MotionConfig",
    "OverlaidTraceConfig",
    "PoolingConfig",
    "ShrinkageConfig",
    "StoppingConfig",
    "ThetaConfig",
    "TraceConfig",
]

Coverages = list[Annotated[float, Field(gt=0, lt=1)]]


class ShrinkageConfig(Section):
    """How shrinkage plots and dumbbells are drawn."""

    reference: Literal["auto", "joint_limit", "within_group"] = "auto"
    """Where arrows start: the joint least-squares limit, each group's own least squares, or
    whichever of the two is an estimate (auto)."""
    scale: Literal["b", "coef"] = "b"
    """Deviations from the population (b), or coefficients (coef)."""
    ellipses: Coverages = [0.5, 0.95]
    """Coverages of the contours of the fitted distribution of random effects."""


class MotionConfig(Section):
    """How shrinkage is set in motion."""

    frames: Literal["best", "every"] = "best"
    """What the films show: the best so far, or every evaluation."""
    reference: Literal["auto", "joint_limit", "within_group"] = "auto"
    """Where the levels are pulled from."""
    ellipses: Coverages = [0.5, 0.95]
    """Coverages of the contours of the distribution of random effects."""


class PoolingConfig(Section):
    """How the way from complete to no pooling is drawn."""

    x: Literal["edf", "s"] = "edf"
    """What runs to the right: effective degrees of freedom, or the scale."""


class TraceConfig(Section):
    """How traces are drawn."""

    parameters: Literal["sd", "theta"] | None = None
    """Standard deviations and correlations, or theta."""


class OverlaidTraceConfig(TraceConfig):
    """How traces of several optimisers are drawn."""

    overlay: bool = False
    """All in one panel."""


class StoppingConfig(Section):
    """How the cost of stopping earlier is drawn."""

    accuracy: Annotated[float, Field(gt=0)] = 1e-3
    """The accuracy that is marked and spoken of, one of those studied."""


class ThetaConfig(Section):
    """How the parameters are set in motion."""

    frames: Literal["best", "every"] = "every"
    """What the films show."""


class LedgerConfig(Section):
    """How the ledger is drawn."""

    x_scale: Literal["auto", "linear", "log"] = "auto"
    """Scale of the axis of evaluations; ``auto``: log where their numbers differ tenfold."""
