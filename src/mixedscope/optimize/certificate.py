"""Is this a minimum?  First- and second-order conditions at the point where a fit ended.

Everything is measured in the standardised units x = theta * scale, on the whole of R^k: the
objective is smooth there and does not change when a column of Λ changes its sign, so a theta of
zero is no edge of the function, only of its canonical half.  The gradient vanishes there by
symmetry and proves nothing; what decides is whether the curvature is negative.

The gradient is always that of the point itself.  The Hessian is measured there or, where it was
measured on the way, at most a thousandth away (largest entry), and a hundred-thousandth if it is
exact or has an eigenvalue below a thousandth of the largest: see `polish`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from mixedscope.core.vocabulary import OPTIMA
from mixedscope.optimize.curvature import Curvature
from mixedscope.optimize.objective import FloatArray, SmoothObjective, criterion_words
from mixedscope.optimize.probe_words import probe_doubt, probe_words

__all__ = [
    "POLISH_TOLERANCE",
    "ROUNDING_TOLERANCE",
    "VERDICT_TOLERANCE",
    "Left",
    "certificate",
    "certificate_words",
    "rounding",
    "tolerance_scale",
]

#: Objective still to be gained at which polishing stops, times `tolerance_scale`.  At 1e-11 no
#: parameter is further from the optimum than sqrt(2e-11), 5e-6, of its standard error.
POLISH_TOLERANCE = 1e-11

#: Where Newton steps do not get there, for rounding, what is left counts as nothing up to this.
ROUNDING_TOLERANCE = 1e-9

#: Objective still to be gained up to which a point counts as an optimum, times `tolerance_scale`.
VERDICT_TOLERANCE = 1e-7

#: Eigenvalues up to this share of the largest, or this many floors, leave room for parameters that
#: are not determined; and lengths of steps along one that seems negative, standardised units.
_FLAT = 1e-4
_FLAT_FLOORS = 100.0
_LENGTHS = (0.1, 0.01, 1e-3)

#: Λ is singular if the objective calls it so to within this tolerance.
_SINGULAR = 1e-6


class Left(NamedTuple):
    """A lower minimum of an approximate objective that was left, for it is no better.

    Attributes
    ----------
    objective : float
    theta : (k,) array
    left_out_there, left_out_here : float
        What the approximation leaves out, by its own next term: there, and where the fit ended. NaN
        if that is not known.
    """

    objective: float
    theta: FloatArray
    left_out_there: float
    left_out_here: float


def tolerance_scale(objective: float) -> float:
    """Scale tolerances with objectives above 10,000, whose digits end earlier."""
    return max(1.0, abs(objective) / 1e4)


def rounding(objective: float, own: float = 0.0) -> float:
    """Bound the rounding error of an objective of this size (a sum over many terms).

    `own` is what the evaluation itself lost by cancellation, see `Evaluation.rounding`.
    """
    return 1e-10 + 1e-13 * abs(objective) + own


def certificate(
    objective: SmoothObjective,
    theta: FloatArray,
    value: float,
    gradient: FloatArray | None,
    curvature: Curvature | None,
    tried: list[str],
    excess: float = 0.0,
    probe_error: Mapping[str, Any] | None = None,
    left: Left | None = None,
    stopped: str = "",
) -> dict[str, Any]:
    """State the verdict on a fit.

    Parameters
    ----------
    objective : Objective
    theta : (k,) array
        Where the fit ended, canonical.
    value : float
        The objective there.
    gradient : (k,) array or None
        The gradient there in standardised units, None if it could not be computed.
    curvature : Curvature or None
        None if it was not measured: no time left, or a gradient failed.
    tried : list of str
        What was done to get from where the search ended to an optimum.
    excess : float
        How much higher the objective was where the search ended, deviance units.
    probe_error : mapping, optional
        Of an objective that is estimated by random probes, see
        `mixedscope.optimize.estimated.Settler`; without it, or if it is empty, none is stated. An
        estimate that was not held against fresh probes is no optimum.
    left : Left, optional
        A lower minimum that was left.
    stopped : str
        The limit of evaluations or time that ended the work, in words; empty if none did.

    Returns
    -------
    dict
        ``verdict``, one of ``optimum`` (no slope, no downward curvature), ``boundary optimum``
        (the same with a singular Λ), ``at infinity`` (the likelihood rises for ever along the
        parameters named in ``at_infinity``, a key that others do not have, or never falls),
        ``saddle`` (downward curvature remains) and ``not converged`` (more than
        `VERDICT_TOLERANCE` may still be gained, or it could not be checked); ``gradient_norm``,
        Euclidean, standardised units;
        ``newton_decrement``, deviance units; ``min_hessian_eigenvalue``, standardised units;
        ``active_bounds``, names of the theta at an end of their range, which is 0 unless they are
        angles of correlations;
        ``doubt``, only where there is any, why the verdict is not that of the curvature, in words;
        ``residual``, whether sigma is ``identified``, ``shared`` with random effects or
        ``vanishing`` (the deviance does not rise on the way to zero; the verdict is then ``not
        converged``); ``limit``, where it then goes, None if it is not known or falls without
        bound; ``unidentified``, the standard deviations and correlations that the data do not
        determine, a list of ``parameters`` (each with ``kind``, ``group``, ``term``, ``term2``)
        and the ``reason``; ``lower_minimum``, only of an optimum and where there is one, the lower
        minimum that was left, as in `Left`; ``tried``; ``words``, for people.  Numbers that were
        not computed are None.
    """
    at_edge = np.abs(theta) == objective.edges
    active = [name for name, is_at in zip(objective.theta_names, at_edge, strict=True) if is_at]
    tolerance = VERDICT_TOLERANCE * tolerance_scale(value)
    unidentified = _unidentified(objective, theta, curvature)
    unchecked = probe_error is not None and not probe_error
    if unchecked or curvature is None or not curvature.decrement <= tolerance:
        verdict = "not converged"
    elif curvature.is_saddle and not (
        unidentified and _is_flat(objective, value, theta, curvature)
    ):
        verdict = "saddle"
    elif active or objective.rank_deficient(theta, _SINGULAR):
        verdict = "boundary optimum"
    else:
        verdict = "optimum"
    residual = objective.residual_state(theta, value)
    if residual == "shared" and not unidentified:
        unidentified = objective.unidentified(theta)
    limit: float | None = None
    if residual == "vanishing":
        verdict = "not converged"
        limit = objective.residual_limit(theta)
    endless = list(objective.at_infinity(theta))
    if endless:
        verdict = "at infinity"
    doubt = "" if residual == "vanishing" else objective.doubt(theta, value, verdict)
    if probe_error and not doubt and residual != "vanishing" and not endless:
        cause = str(getattr(objective, "cause_of_errors", ""))
        left_over = 0.0 if curvature is None else curvature.decrement
        doubt = probe_doubt(probe_error, criterion_words(objective)[0], left_over, cause)
    if doubt:
        verdict = "not converged"
    if verdict not in OPTIMA:
        left = None
    stated = {
        "verdict": verdict,
        "gradient_norm": None if gradient is None else math.sqrt(float(gradient @ gradient)),
        "newton_decrement": None if curvature is None else curvature.decrement,
        "min_hessian_eigenvalue": None if curvature is None else curvature.smallest,
        "active_bounds": active,
        "residual": residual,
        "limit": limit if limit is not None and math.isfinite(limit) else None,
        "unidentified": unidentified,
        "tried": list(tried),
        **({"at_infinity": endless} if endless else {}),
        **({"doubt": doubt} if doubt else {}),
        **({"probe_error": dict(probe_error)} if probe_error else {}),
        **({"lower_minimum": _stated(left)} if left is not None else {}),
    }
    words = certificate_words(objective, stated, value, limit, excess, stopped)
    return {**stated, "words": words}


def certificate_words(
    objective: SmoothObjective,
    stated: Mapping[str, Any],
    value: float,
    limit: float | None,
    excess: float,
    stopped: str = "",
) -> str:
    """Put into words what a certificate states, of a fit that ended at this value.

    ``limit`` is -inf where the objective falls without bound, which the certificate has as None;
    ``excess`` and ``stopped`` are those of `certificate`.
    """
    criterion, points = criterion_words(objective)
    edges = dict(zip(objective.theta_names, objective.edges.tolist(), strict=True))
    active, unidentified = stated["active_bounds"], stated["unidentified"]
    zeros = [name for name in active if edges[name] == 0.0]
    ends = [name for name in active if edges[name] != 0.0]
    words = _RESIDUAL.get(stated["residual"], "").format(criterion)
    if stated["verdict"] == "at infinity":
        words = objective.words_at_infinity(stated["at_infinity"])
    words = words or stated.get("doubt", "") or _words(
        stated["verdict"], stated["newton_decrement"], zeros, ends, bool(unidentified),
        criterion=criterion, points=points, stopped=stopped,
    )  # fmt: skip
    if stated.get("probe_error"):
        is_optimum = stated["verdict"] in OPTIMA
        told = probe_words(stated["probe_error"], criterion, is_optimum=is_optimum)
        # What is left to be gained of an estimate is less than what is not known of it.
        words = told if stated["verdict"] == "optimum" else f"{words} {told}"
    if unidentified:
        words += _unidentified_words(unidentified)
    if "lower_minimum" in stated:
        words += _left_words(stated["lower_minimum"], value, criterion, points)
    if limit is not None:
        words = _limit_words(limit, criterion) + words
    words += _centring_words(objective.uncentred)
    if excess > VERDICT_TOLERANCE * tolerance_scale(value):
        words += (
            f" The search itself had stopped {excess:.2g} {points} higher; "
            "the stages after it (escape, polish, restart) made up for that."
        )
    return words


def _unidentified(
    objective: SmoothObjective, theta: FloatArray, curvature: Curvature | None
) -> list[dict[str, Any]]:
    """Ask which parameters are not determined, if the curvature leaves room for any."""
    if curvature is None:
        return []
    most = max(abs(curvature.smallest), float(curvature.values[-1]))
    if curvature.smallest > max(_FLAT_FLOORS * curvature.floor, _FLAT * most):
        return []
    return objective.unidentified(theta)


def _is_flat(
    objective: SmoothObjective, value: float, theta: FloatArray, curvature: Curvature
) -> bool:
    """Whether the objective falls nowhere along the direction that seems to curve downwards."""
    shape = objective.coordinates
    step = curvature.vectors[:, 0]
    along = step / objective.scale if shape is None else np.linalg.solve(shape, step)
    try:
        beside = [
            objective.evaluate(theta + sign * length * along).objective
            for sign in (1.0, -1.0)
            for length in _LENGTHS
        ]
    except (ArithmeticError, np.linalg.LinAlgError):
        return False
    return min(beside) >= value - rounding(value)


def _unidentified_words(unidentified: list[dict[str, Any]]) -> str:
    """Name what is not determined, and say what follows."""
    reasons = "; ".join(str(entry["reason"]) for entry in unidentified)
    return (
        f" Not everything is determined by these data: {reasons}. The standard deviations and "
        "correlations concerned are given as missing; leave out a term or a column."
    )


#: What is said where the residual variance is not identified.
_RESIDUAL = {
    "vanishing": (
        "The residual variance is not identified: the {} does not rise while the residual "
        "standard deviation goes to zero and the random effects take over all variation. More "
        "evaluations do not help. Do not interpret sigma, nor how far the random effects are "
        "shrunk: choose a structure with fewer parameters, leave out a term, or have each random "
        "effect observed more than once."
    ),
    "shared": (
        "The fit ended where no direction leads downwards, but the residual variance is not "
        "identified: there are so many random effects that any part of the "
        "residual variance may be counted as theirs with the same likelihood. Fixed effects and "
        "the likelihood may be used; the standard deviations, sigma and the conditional modes are "
        "one choice among many. Choose a structure with fewer parameters, or leave out the term."
    ),
}


def _limit_words(limit: float, criterion: str) -> str:
    """Where the objective goes as sigma vanishes, the first sentence of the words on that."""
    when = "as the residual standard deviation goes to zero. "
    if limit == -math.inf:
        return f"The {criterion} falls without bound {when}"
    if math.isfinite(limit):
        return f"The {criterion} tends to {limit:.6f} {when}".replace("-", "\u2212")
    return ""


def _centring_words(uncentred: tuple[tuple[str, str], ...]) -> str:
    """What to do about columns far from zero that the structure does not let the engine centre."""
    if not uncentred:
        return ""
    columns = ", ".join(f"{name!r} in the random effects of {group!r}" for name, group in uncentred)
    return (
        f" Centre (subtract the mean of) what lies far from zero for how much it varies: {columns}."
        " With this structure the fit depends on where zero is, and loses digits."
    )


def _stated(left: Left) -> dict[str, Any]:
    """What a certificate has of a minimum that was left."""
    out: dict[str, Any] = {"objective": left.objective, "theta": left.theta.tolist()}
    for name in ("left_out_there", "left_out_here"):
        known = getattr(left, name)
        out[name] = known if math.isfinite(known) else None
    return out


def _left_words(left: Mapping[str, Any], value: float, criterion: str, points: str) -> str:
    """Say that a lower minimum was found, and why the fit did not go there."""
    there, here = left["left_out_there"], left["left_out_here"]
    words = (
        f" A search from larger standard deviations ended {value - left['objective']:.2g} {points} "
        f"lower (lower_minimum in the certificate). The {criterion} is an approximation"
    )
    if there is None or here is None:
        return f"{words} that cannot be checked there: which holds is not known."
    terms = f"{there:.2g} there and {here:.2g} here".replace("-", "\u2212")
    return (
        f"{words} whose own next term is {terms}: with it this fit is the lower one. Quadrature, "
        "where the model has it, tells more."
    )


def _upwards(is_flat: bool) -> str:
    return "no direction leads downwards" if is_flat else "every direction leads upwards"


def _words(
    verdict: str,
    decrement: float | None,
    zeros: list[str],
    ends: list[str],
    is_flat: bool,
    *,
    criterion: str,
    points: str,
    stopped: str,
) -> str:
    if decrement is None:
        why = stopped or f"the slope of the {criterion} could not be computed here"
        return f"The fit was not checked: {why}. Treat the estimates as provisional."
    left = f"{decrement:.1e}"
    if verdict == "optimum":
        return (
            f"The fit ended at a minimum of the {criterion}: {_upwards(is_flat)}, and no "
            f"more than about {left} {points} are left to be gained."
        )
    if verdict == "boundary optimum":
        parts = [f"{', '.join(zeros)} = 0"] if zeros else []
        parts += [f"{', '.join(ends)} as far as it goes"] if ends else []
        where = f" ({'; '.join(parts)})" if 0 < len(zeros) + len(ends) <= 6 else ""
        return (
            f"The fit ended at a minimum of the {criterion} that is singular"
            f"{where}: at least one variance is estimated as zero, or some random effects are "
            "perfectly predictable from others. The optimiser did its work; the data support "
            "fewer random-effects dimensions than the model has."
        )
    if verdict == "saddle":
        return (
            f"The fit ended at a saddle point, not at a minimum: the {criterion} falls further in "
            "at least one direction. Do not use these estimates; fit again with polishing, another "
            "start or another optimizer."
        )
    return (
        f"The search stopped before reaching a minimum: about {left} {points} could "
        "still be gained. Allow more evaluations or time, or polishing, before using these "
        "estimates."
    )
