"""Words that stored tables hold and that several rooms write or read, each said here alone."""

from __future__ import annotations

from typing import Final, Literal, get_args

__all__ = [
    "CONVERGENCE",
    "CRITERIA",
    "CRITERION_NAMES",
    "CRITERION_SYMBOLS",
    "EXPLORATION",
    "FINE_TUNING",
    "FINITE",
    "INFINITE",
    "NOT_FOUND",
    "NOT_IDENTIFIED",
    "NO_RANDOM",
    "OPTIMA",
    "ORACLE",
    "OWN_ESTIMATES",
    "PHASES",
    "SOLVERS",
    "UNSHRUNKEN",
    "Criterion",
    "Solver",
]

#: Phases of an optimisation, in the order in which they come (`mixedscope.optimize.phases`).
PHASES: Final = ("exploration", "convergence", "fine-tuning")
EXPLORATION, CONVERGENCE, FINE_TUNING = PHASES

#: Verdicts of fits that ended at a minimum (`mixedscope.optimize.certificate`).
OPTIMA: Final = ("optimum", "boundary optimum")

#: What maximum likelihood gives of the rows of a level alone: an estimate, one that is infinite,
#: none that they tell, or none that was found.
OWN_ESTIMATES: Final = ("finite", "infinite", "not identified", "not found")
FINITE, INFINITE, NOT_IDENTIFIED, NOT_FOUND = OWN_ESTIMATES

#: In the place of a covariance structure: estimates with the true relative covariances, those
#: without any penalty, and those of the model without random effects.
ORACLE: Final = "oracle"
UNSHRUNKEN: Final = "unshrunken"
NO_RANDOM: Final = "none"

#: What a fit optimises: the likelihood, or the restricted likelihood.
Criterion = Literal["ML", "REML"]
CRITERIA: Final = get_args(Criterion)

#: How the system of a model is solved (`mixedscope.engine.solvers`); auto chooses.
Solver = Literal["auto", "exact", "sparse", "iterative"]
SOLVERS: Final = get_args(Solver)

#: What the objective of each criterion is called in sentences, and where there is little room.
CRITERION_NAMES: Final[dict[Criterion, str]] = {"ML": "deviance", "REML": "REML criterion"}
CRITERION_SYMBOLS: Final[dict[Criterion, str]] = {
    **CRITERION_NAMES,
    "ML": "\u22122 log L",
}
