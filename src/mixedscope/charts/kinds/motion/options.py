"""What can be chosen of shrinkage in motion."""

from __future__ import annotations

from mixedscope.charts.common.options import Ellipses, Frames, Options, Reference, Terms

__all__ = ["MotionOptions"]


class MotionOptions(Options):
    """Set shrinkage in motion: the conditional modes as they moved while the optimiser did."""

    example = 'ms.charts.motion(fit).save("in-motion.html")'

    terms: Terms = None
    frames: Frames = "best"
    reference: Reference = "auto"
    ellipses: Ellipses = [0.5, 0.95]

    def studies(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """Modes of every evaluation where a film shows every one."""
        return known if self.frames == "every" else tuple(s for s in known if s != "motion")
