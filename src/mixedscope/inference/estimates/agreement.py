"""A stored fit held to its data: every number that it shows is computed again and compared.

Theta is stored to the last digit, and everything else follows from it and the data: what differs by
more than rounding was not computed from them. `check_consistent` compares the numbers of the files
with each other, which takes no model; `check_agreement` compares them with the model's, the verdict
with a Hessian measured anew: fewer evaluations than any fit takes; `check_modes` does so for the
conditional modes.

Rounding differs between machines. What the objective may differ by an evaluation bounds
(`Evaluation.rounding`). That bound over the degrees of freedom is the share of the residual sum of
squares that was lost: standard deviations are good to it. Fixed effects, in units of their standard
errors, are good to it times the root of the number of observations, the length of the response over
that of one residual, up to a factor for which `_MARGIN` stands.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import StoreError
from mixedscope.core.evaluation import Evaluated
from mixedscope.core.vocabulary import OPTIMA
from mixedscope.inference.estimates.description import describe_model
from mixedscope.inference.estimates.estimates import (
    criteria_of,
    normal_statistics,
    singularity,
)
from mixedscope.inference.estimates.estimation import Estimation
from mixedscope.inference.estimates.parameters import undetermined
from mixedscope.inference.estimates.stored import allowed_difference, check_stored
from mixedscope.inference.estimates.stored_point import stored_point
from mixedscope.optimize.certificate import (
    VERDICT_TOLERANCE,
    certificate,
    certificate_words,
    tolerance_scale,
)
from mixedscope.optimize.curvature import exact_curvature, measure_curvature
from mixedscope.optimize.estimated import EstimatedObjective
from mixedscope.optimize.objective import SmoothObjective
from mixedscope.optimize.problem import Problem
from mixedscope.optimize.trace import Trace
from mixedscope.tables.files import plain
from mixedscope.tables.store import FitTables

__all__ = ["check_agreement", "check_consistent", "check_modes"]

Floats = NDArray[np.float64]

#: Relative difference of numbers that two machines compute in another order.
_MACHINES: Final = 1e-7
#: Logarithms whose exponentials are numbers.
_LARGE: Final = 700.0
#: Relative difference of standard errors from differences of gradients.
_DIFFERENCES: Final = 1e-5
#: How many times the first-order effect of rounding is still taken for rounding.
_MARGIN: Final = 100.0
#: Relative difference of what is a formula of few stored numbers.
_FORMULA: Final = 1e-9

#: Share of the largest eigenvalue by which Hessians measured near each other may differ.
_CURVED: Final = 0.05
#: How many times a limit something is that is clearly beyond it.
_CLEARLY: Final = 10.0

#: Share of the largest eigenvalue above which a Hessian measured nearby tells the smallest.
_ROUND: Final = 0.02
#: Share of what is left to be gained by which two Hessians may differ about it.
_LEFT: Final = 0.25

_KEYS: Final = ("kind", "group", "term", "term2")
_GIVE: Final = "its data and theta give"


@dataclass(frozen=True)
class _Files:
    """Where a fit is stored, by which version of mixedscope, and how a difference is told."""

    origin: Path
    version: str

    @classmethod
    def of(cls, tables: FitTables, origin: Path) -> _Files:
        versions = tables.info["versions"]
        return cls(origin, str(versions.get("mixedscope") if isinstance(versions, Mapping) else ""))

    def hold(
        self, file: str, what: str, stored: object, expected: object, allowed: float, why: str
    ) -> None:
        """Refuse a number that is not the one expected; missing ones are None or NaN."""
        here, there = _number(stored), _number(expected)
        if here is not None and there is not None:
            if math.isnan(here) and math.isnan(there):
                return
            if here == there or abs(here - there) <= allowed:
                return
        self.refuse(file, what, stored, expected, why)

    def equal(self, file: str, what: str, stored: object, expected: object) -> None:
        """Refuse anything but what is expected; what an earlier version did not store is not."""
        if isinstance(stored, Mapping) and isinstance(expected, Mapping):
            for key in stored.keys() & expected.keys():
                self.equal(file, f"{key} of {what}", stored[key], expected[key])
        elif isinstance(stored, list) and isinstance(expected, list):
            if len(stored) != len(expected):
                self.refuse(file, f"the number of {what}", len(stored), len(expected), _GIVE)
            for here, there in zip(stored, expected, strict=True):
                self.equal(file, what, here, there)
        elif stored != expected:
            self.refuse(file, what, stored, expected, _GIVE)

    def refuse(self, file: str, what: str, stored: object, expected: object, why: str) -> NoReturn:
        """Raise the StoreError that names file and number, and says what it should be."""
        raise StoreError(
            f"{self.origin / file} says that {what} is {_told(stored)}; {why} {_told(expected)}. "
            f"It was changed, or the mixedscope that wrote it ({self.version}) computed otherwise; "
            "fit again."
        )


def _number(value: object) -> float | None:
    """A number, NaN for what is missing, None for anything else."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return None
    return float(value)


def _told(value: object) -> str:
    number = _number(value)
    if number is None:
        return repr(value)
    return "missing" if math.isnan(number) else f"{number:.12g}"


# -- the files among themselves --------------------------------------------------------------------


def check_consistent(tables: FitTables, origin: Path) -> None:
    """Refuse a fit whose files contradict themselves or each other.

    Raises StoreError, which names the file and the number.
    """
    info, files = tables.info, _Files.of(tables, origin)
    n = info["dimensions"]["n"]
    for name, value in (("objective", info["objective"]), ("dof", info["dof"]), ("n", n)):
        number = _number(value)
        if number is None or not math.isfinite(number):
            files.refuse("fit.json", name, value, "a number", "it has to be")
    objective = float(info["objective"])
    for name, value in criteria_of(objective, info["dof"], n).items():
        why = f"an objective of {_told(objective)} and {info['dof']} degrees of freedom give"
        files.hold("fit.json", name, info[name], value, _FORMULA * max(1.0, abs(objective)), why)
    verdict, left = (info["certificate"][key] for key in ("verdict", "newton_decrement"))
    if verdict in OPTIMA:
        most = VERDICT_TOLERANCE * tolerance_scale(objective)
        known = _number(left)
        if known is None or not known <= most:
            why = f"a verdict of {verdict!r} asks for at most"
            files.refuse("fit.json", "newton_decrement", left, most, why)
    if tables.trace is not None:
        count = info["optimizer"]["evaluations"]
        why = "the rows of trace.parquet are"
        files.hold("fit.json", "evaluations", count, len(tables.trace), 0.0, why)
    if tables.estimates is not None:
        _check_table(files, info, tables.estimates)


def _check_table(files: _Files, info: Mapping[str, Any], estimates: pd.DataFrame) -> None:
    """Refuse estimates that contradict themselves or ``fit.json``."""
    file = "estimates.parquet"
    beta = estimates[estimates["kind"] == "beta"]
    expected = normal_statistics(beta["estimate"], beta["std_error"])
    for row, term in enumerate(beta["term"]):
        for name, values in expected.items():
            stored, value = float(beta[name].iloc[row]), float(list(values)[row])
            # An error in z changes p by so much of it.
            size = abs(value) * (1.0 + float(list(expected["statistic"])[row]) ** 2)
            why = "estimate and std_error give"
            files.hold(file, f"{name} of {term!r}", stored, value, _FORMULA * size, why)
    scales = estimates["kind"].isin(["sigma", "dispersion"])
    for sigma in estimates.loc[scales & estimates["estimate"].notna(), "estimate"].tolist():
        if info["sigma"] is None:
            _check_dispersion(files, info.get("dispersion"), sigma)
            continue
        # One is of the search's last evaluation, the other was evaluated anew.
        files.hold(file, "sigma", sigma, info["sigma"], 10.0 * _MACHINES * sigma, "fit.json has")
    theta = estimates.loc[estimates["kind"] == "theta", "estimate"].to_list()
    given = info.get("theta", theta)
    if not isinstance(given, list) or len(given) != len(theta):
        files.refuse("fit.json", "theta", given, len(theta), "the numbers of estimates.parquet are")
    for name, here, there in zip(info["theta_names"], theta, given, strict=False):
        if not math.isnan(here):
            files.hold(file, f"theta of {name!r}", here, there, 0.0, "fit.json has")


def _check_dispersion(files: _Files, stored: Any, value: float) -> None:
    """Refuse a dispersion that is not its own logarithm's, or not that of the estimates."""
    given = stored if isinstance(stored, Mapping) else {}
    file, size = "estimates.parquet", 10.0 * _MACHINES * value
    files.hold(file, "the dispersion", value, given.get("value"), size, "fit.json has")
    log = _number(given.get("log"))
    meant = None if log is None or not abs(log) < _LARGE else math.exp(log)
    files.hold(file, "the dispersion", value, meant, size, "its logarithm in fit.json gives")


# -- the files and the model -----------------------------------------------------------------------


def check_agreement(tables: FitTables, estimation: Estimation, origin: Path) -> None:
    """Refuse a fit that its data and theta do not give.

    Raises StoreError, which names the file and the number.
    """
    info, files, objective = tables.info, _Files.of(tables, origin), estimation.objective
    stored = tables.require("estimates")
    theta = stored_point(info, stored)
    estimation.begin()
    check_stored(objective, theta, info, origin)
    found = objective.evaluate(theta)
    allowed = allowed_difference(found)
    for name, value in estimation.criteria(found.objective).items():
        files.hold("fit.json", name, info[name], value, 0 if name == "dof" else allowed, _GIVE)
    _check_description(files, info, estimation)
    unidentified = info["certificate"].get("unidentified", ())
    own = plain(singularity(objective, theta, unidentified=unidentified))
    _check_singular(files, info["singular"], own)
    at_edge = np.abs(theta) == objective.edges
    active = [name for name, is_at in zip(objective.theta_names, at_edge, strict=True) if is_at]
    files.equal("fit.json", "active_bounds", info["certificate"]["active_bounds"], active)
    _check_certificate(files, info["certificate"], objective, theta, found)
    _check_words(files, info, objective)
    if tables.trace is not None:
        # The fit is one of the evaluations, but not the least where rounding is below it.
        values = tables.trace["objective"].dropna().to_numpy(dtype=float)
        nearest = values[np.abs(values - found.objective).argmin()] if len(values) else None
        what = "the nearest objective"
        files.hold("trace.parquet", what, nearest, found.objective, 2.0 * allowed, _GIVE)
    shares = _shares(estimation, found)
    sigma = None if estimation.is_generalized else found.sigma
    files.hold("fit.json", "sigma", info["sigma"], sigma, shares[0] * (sigma or 0.0), _GIVE)
    fresh = estimation.estimates(theta, unidentified=unidentified)
    if estimation.is_generalized:  # of differences of gradients
        shares = shares[0], max(shares[1], _DIFFERENCES)
    _check_estimates(files, stored, fresh, shares)


def check_modes(tables: FitTables, estimation: Estimation, origin: Path) -> None:
    """Refuse conditional modes, or their standard deviations, that data and theta do not give.

    References are not computed again. Raises StoreError, which names the level.
    """
    files, stored = _Files.of(tables, origin), tables.require("modes")
    theta = stored_point(tables.info, tables.require("estimates"))
    fresh = estimation.modes_alone(theta)
    file, names = "modes.parquet", ["group", "level", "term", "n_obs"]
    files.equal(file, "rows", stored[names].to_numpy().tolist(), fresh[names].to_numpy().tolist())
    _, share = _shares(estimation, estimation.objective.evaluate(theta))
    sizes = np.fmax(fresh["std_dev"], np.abs(fresh["mode"])).to_numpy()
    # Of large factors of an estimated objective they are those of some levels, by rank of the mode:
    # another machine may rank two that are equal otherwise.
    some = isinstance(estimation.objective, EstimatedObjective)
    for name in ("mode", "std_dev"):
        here, there = stored[name].to_numpy(float), fresh[name].to_numpy(float)
        lacking = np.isnan(here) | np.isnan(there) if some else np.isnan(here) & np.isnan(there)
        wrong = ~((np.abs(here - there) <= share * sizes) | lacking)
        if wrong.any():
            row = int(wrong.argmax())
            group, level, term = fresh.loc[row, names[:3]]
            what = f"{name} of {term!r} for {group} {level!r}"
            files.refuse(file, what, here[row], there[row], _GIVE)


def _shares(estimation: Estimation, found: Evaluated) -> tuple[float, float]:
    """By how much standard deviations may differ, relatively; what else may, in standard errors."""
    objective = estimation.objective
    lost = found.rounding / (objective.system.n if estimation.is_generalized else objective.degrees)
    return _MACHINES + lost, _MACHINES + _MARGIN * lost * math.sqrt(objective.system.n)


def _check_description(files: _Files, info: Mapping[str, Any], estimation: Estimation) -> None:
    """Refuse names and numbers of a model that are not those of the one built again."""
    objective = estimation.objective
    own = plain(describe_model(objective))
    assert isinstance(own, dict)
    for name, value in estimation.description().items():
        files.equal("fit.json", name, info.get(name, value), value)
    for name in ("response", "dimensions", "fixed_names", "dropped_coefficients", "theta_names"):
        files.equal("fit.json", name, info.get(name, own[name]), own[name])
    files.equal("fit.json", "random", info.get("random", own["random"]), own["random"])
    design = objective.system.design
    rows = {"n_rows": len(design.y), "n_dropped": design.n_dropped}
    rows["n_zero_weight"] = design.n_zero_weight
    for name, count in rows.items():
        files.equal("fit.json", name, info["dataset"].get(name, count), count)


def _check_singular(files: _Files, stored: Any, own: Any) -> None:
    files.equal("fit.json", "singular", len(stored), len(own))
    for here, there in zip(stored, own, strict=True):
        where = f"of {there['group']!r}"
        for name in ("group", "rank", "size", "full_rank", "singular"):
            files.equal("fit.json", f"{name} {where}", here.get(name, there[name]), there[name])
        files.equal("fit.json", f"shares {where}", len(here["shares"]), len(there["shares"]))
        for share, expected in zip(here["shares"], there["shares"], strict=True):
            files.hold("fit.json", f"a share {where}", share, expected, _MACHINES, _GIVE)


def _check_certificate(
    files: _Files,
    stated: Mapping[str, Any],
    objective: SmoothObjective,
    theta: Floats,
    found: Evaluated,
) -> None:
    """Refuse a certificate whose gradient, curvature or verdict are not those at theta."""
    file = "fit.json"
    norm = stated["gradient_norm"]
    # At an edge of where there are modes slopes hang on how far these were found.
    if norm is None or stated.get("doubt"):
        files.equal(file, "verdict", stated["verdict"], "not converged")
        return
    names = objective.theta_names, objective.beta_names, objective.scale, objective.parts
    problem = Problem(objective, Trace(*names))
    x = problem.to_x(theta)
    slope = problem.gradient(x)
    own = None if slope is None else float(np.linalg.norm(slope))
    most = allowed_difference(found) + _MACHINES * (own or 0.0)
    files.hold(file, "gradient_norm", norm, own, most, _GIVE)
    if slope is None or stated["newton_decrement"] is None:
        return
    exact = problem.second_derivatives(x)
    if exact is not None:
        curvature = exact_curvature(x, slope, *exact)
    else:
        measured = measure_curvature(problem.gradients, x, slope)
        if measured is None:
            return
        curvature = measured
    room = _CURVED * float(np.abs(curvature.values).max()) + _CLEARLY * curvature.floor
    smallest = stated["min_hessian_eigenvalue"]
    files.hold(file, "min_hessian_eigenvalue", smallest, curvature.smallest, room, _GIVE)
    fresh = certificate(objective, theta, found.objective, slope, curvature, [])
    files.equal(file, "residual", stated.get("residual", fresh["residual"]), fresh["residual"])
    limit = stated.get("limit", fresh["limit"])
    room = _CURVED * VERDICT_TOLERANCE * max(1.0, abs(found.objective))
    files.hold(file, "limit", limit, fresh["limit"], room, _GIVE)
    sizes = np.abs(curvature.values)
    if sizes.min(initial=np.inf) > max(_CLEARLY * curvature.floor, _ROUND * sizes.max(initial=0.0)):
        most = VERDICT_TOLERANCE * tolerance_scale(found.objective)
        left = most + _LEFT * curvature.decrement
        here = stated["newton_decrement"]
        files.hold(file, "newton_decrement", here, curvature.decrement, left, _GIVE)
    here, there = (undetermined(one.get("unidentified", ())) for one in (stated, fresh))
    if here != there:
        files.refuse(file, "unidentified", sorted(map(str, here)), sorted(map(str, there)), _GIVE)
    files.equal(file, "reasons", _reasons(stated), _reasons(fresh))
    if stated["verdict"] == fresh["verdict"]:
        return
    # What is so near a limit that rounding decides is not called another verdict.
    most = VERDICT_TOLERANCE * tolerance_scale(found.objective)
    is_near = (
        most / _CLEARLY <= curvature.decrement <= most * _CLEARLY
        or abs(curvature.smallest) <= _CLEARLY * curvature.floor
    )
    if not is_near or {stated["verdict"], fresh["verdict"]} <= set(OPTIMA):
        files.refuse(file, "verdict", stated["verdict"], fresh["verdict"], _GIVE)


def _check_words(files: _Files, info: Mapping[str, Any], objective: SmoothObjective) -> None:
    """Refuse words of a certificate that say anything else than what it states."""
    stated = info["certificate"]
    needed = {"verdict", "newton_decrement", "active_bounds", "residual", "limit", "unidentified"}
    if "words" not in stated or not needed <= stated.keys():  # stored by earlier versions
        return
    excess = _number(info["optimizer"].get("search_excess")) or 0.0
    limits = (None, -math.inf) if stated["limit"] is None else (stated["limit"],)
    value = float(info["objective"])
    known = [certificate_words(objective, stated, value, limit, excess) for limit in limits]
    if stated["words"] not in known:
        why = "what it states means"
        files.refuse("fit.json", "the certificate in words", stated["words"], known[0], why)


def _reasons(stated: Mapping[str, Any]) -> list[str]:
    """Why parameters are not determined."""
    return [str(entry["reason"]) for entry in stated.get("unidentified", ())]


def _check_estimates(
    files: _Files, stored: pd.DataFrame, fresh: pd.DataFrame, shares: tuple[float, float]
) -> None:
    file = "estimates.parquet"
    here, there = (
        frame[list(_KEYS)].astype(object).where(frame[list(_KEYS)].notna(), None)
        for frame in (stored, fresh)
    )
    files.equal(file, "parameters", here.to_numpy().tolist(), there.to_numpy().tolist())
    relative, in_errors = shares
    for row, (kind, group, term, term2) in enumerate(there.itertuples(index=False)):
        what = " of ".join(str(w) for w in (kind, term, term2, group) if w is not None)
        value, error = fresh[["estimate", "std_error"]].to_numpy(dtype=float)[row].tolist()
        # Angles of structures and correlations are formulas of theta alone.
        allowed = {"sd": relative * value, "sigma": relative * value, "beta": in_errors * error}
        allowed["dispersion"] = relative * value
        files.hold(
            file, what, stored.loc[row, "estimate"], value, allowed.get(kind, _FORMULA), _GIVE
        )
        files.hold(
            *(file, f"std_error of {what}", stored.loc[row, "std_error"], error),
            *(in_errors * error, _GIVE),
        )
