"""Words that stored tables hold and that several rooms write or read, each said here alone."""

from __future__ import annotations

from typing import Final

__all__ = [
    "CONVERGENCE",
    "CRITERION_NAMES",
    "CRITERION_SYMBOLS",
    "EXPLORATION",
    "FINE_TUNING",
    "ORACLE",
    "PHASES",
    "UNSHRUNKEN",
]

#: Phases of an optimisation, in the order in which they come (`mixedscope.optimize.phases`).
PHASES: Final = ("exploration", "convergence", "fine-tuning")
EXPLORATION, CONVERGENCE, FINE_TUNING = PHASES

#: In the place of a covariance structure: estimates with the true relative covariances, and
#: without any penalty.
ORACLE: Final = "oracle"
UNSHRUNKEN: Final = "unshrunken"

#: What the objective of each criterion is called in sentences, and where there is little room.
CRITERION_NAMES: Final = {"ML": "deviance", "REML": "REML criterion"}
CRITERION_SYMBOLS: Final = {"ML": "\u22122 log L", "REML": CRITERION_NAMES["REML"]}
