"""What can be chosen of θ in motion."""

from __future__ import annotations

from mixedscope.charts.common.options import Frames, Options

__all__ = ["ThetaOptions"]


class ThetaOptions(Options):
    """Set the components of θ in motion."""

    frames: Frames = "every"
