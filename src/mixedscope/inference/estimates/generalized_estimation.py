"""What follows from the objective of a generalised model at a point.

Random effects are on the scale of the linear predictor, where nothing stands for sigma: covariances
are relative to 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.vocabulary import INFINITE
from mixedscope.engine.blocks import evaluation_cost
from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.engine.generalized.system import blocks_by_level
from mixedscope.engine.group_effects import GroupEffects
from mixedscope.inference.estimates.estimates import (
    SINGULAR,
    criteria_of,
    normal_statistics,
    tidy_estimates,
)
from mixedscope.inference.estimates.estimation import Told
from mixedscope.inference.estimates.modes import level_frame
from mixedscope.inference.estimates.own_likelihood import own_estimates
from mixedscope.inference.estimates.parameters import (
    column_squares,
    sd_and_correlation_slopes,
    sds_and_correlations,
)
from mixedscope.inference.estimates.references import solved_where_told
from mixedscope.inference.generalized import approximation, is_quick, parameter_covariance
from mixedscope.optimize.driver import OptimizationResult

__all__ = ["GeneralizedEstimation"]

Floats = NDArray[np.float64]

#: Correlations nearer to an end of their range than this have no standard error.
_END: Final = 1e-8

#: Newton steps from the modes of a point nearby, and operations that a row is worth in each.
_WARM: Final = 4.0
_OF_A_ROW: Final = 2000.0

#: Why there is no joint limit.
_NO_LIMIT: Final = (
    "without a penalty the modes of levels whose outcomes are all alike would go to infinity"
)


class GeneralizedEstimation:
    """The `Estimation` of generalised models.

    Parameters
    ----------
    objective : LaplaceObjective
    """

    is_generalized = True

    def __init__(self, objective: LaplaceObjective) -> None:
        self.objective = objective
        self._covariance: tuple[Floats, Floats] | None = None

    def begin(self) -> None:
        """The next modes are searched from zero."""
        self.objective.reset()

    # -- what a fit is stored as

    def criteria(self, value: float) -> dict[str, float | int]:
        """All that is searched counts."""
        objective = self.objective
        dof = len(objective.theta_names) + (0 if objective.points else len(objective.beta_names))
        return {"dof": dof, **criteria_of(value, dof, self.objective.system.n)}

    def description(self) -> dict[str, Any]:
        """The family with its link, and what the objective is made of."""
        objective = self.objective
        family = objective.system.family
        return {
            "family": family.name,
            "link": family.link.name,
            "information": "expected" if objective.expected else "observed",
            "quadrature": objective.points,
            "success": objective.system.design.success,
        }

    def found(self, result: OptimizationResult) -> dict[str, Any]:
        """Theta and dispersion, and how good the approximation is where that is quickly told."""
        objective = self.objective
        theta, _, dispersion = objective.split(result.theta)
        name = objective.system.family.dispersion
        made = None
        if name is not None:
            made = {"name": name, "value": dispersion, "log": float(result.theta[-1])}
        told: dict[str, Any] | None = None
        if objective.points == 1 and is_quick(objective):
            # Of estimates beyond floating-point numbers there is nothing to be told.
            with suppress(FloatingPointError):
                near = approximation(objective, result.theta, self.covariance(result.theta))
                told = {**near._asdict(), "doubtful": near.is_doubtful}
        return {
            "sigma": None,
            "theta": theta.tolist(),
            "dispersion": made,
            "approximation": told,
        }

    def trace(self, result: OptimizationResult) -> pd.DataFrame:
        """The trace, of whose points theta is what belongs to random effects."""
        frame = result.trace.frame()
        objective = self.objective
        k, r = objective.n_theta, len(objective.beta_names)
        points = frame["theta"].tolist()
        frame["theta"] = pd.Series([point[:k] for point in points], dtype=object)
        if objective.points:
            frame["beta"] = pd.Series([point[k : k + r] for point in points], dtype=object)
        frame["dispersion"] = np.nan
        if objective.system.family.dispersion is not None:
            # Steps that failed may have gone anywhere.
            with np.errstate(over="ignore"):
                frame["dispersion"] = np.exp([float(point[-1]) for point in points])
        return frame.assign(sigma=np.nan, residual_ss=np.nan)

    def points(self, trace: pd.DataFrame) -> list[Floats]:
        """Theta, fixed effects and the logarithm of the dispersion of every row."""
        searched = ("theta", "beta") if self.objective.points else ("theta",)
        parts = [[np.asarray(v, dtype=float) for v in trace[name]] for name in searched]
        if self.objective.system.family.dispersion is not None:
            logs = np.log(trace["dispersion"].to_numpy(dtype=float))
            parts.append([np.array([value]) for value in logs])
        return [np.concatenate(own) for own in zip(*parts, strict=True)]

    def scales(self, trace: pd.DataFrame) -> Floats:
        """1 of every row."""
        return np.ones(len(trace))

    def covariance(self, point: Floats) -> Floats:
        """Covariance (k, k) of theta, fixed effects and dispersion; kept.

        See `parameter_covariance`. Of fixed effects that are not searched it is that of the working
        linear model, as if all else were known.
        """
        if self._covariance is None or not np.array_equal(self._covariance[0], point):
            made = parameter_covariance(self.objective, point)
            if not self.objective.points:
                k, r = self.objective.n_theta, len(self.objective.beta_names)
                whole = np.zeros((len(made) + r, len(made) + r))
                own = np.delete(np.arange(len(whole)), np.s_[k : k + r])
                whole[np.ix_(own, own)] = made
                whole[k : k + r, k : k + r] = self.objective.fixed_covariance(point)
                made = whole
            self._covariance = np.array(point), made
        return self._covariance[1]

    def estimates(
        self, point: Floats, *, unidentified: Sequence[Mapping[str, Any]] = ()
    ) -> pd.DataFrame:
        """Fixed effects, dispersion, standard deviations, correlations and theta.

        Standard errors come from the Hessian of all parameters, by the delta method; what is at an
        end of its range has none.
        """
        objective = self.objective
        covariance = self.covariance(point)
        if (
            not objective.points
        ):  # those found with the modes do not depend on what was found before
            objective.reset()
        theta, beta, dispersion = objective.split(point)
        with np.errstate(invalid="ignore"):
            errors = np.sqrt(np.diag(covariance))
        k, r = objective.n_theta, len(objective.beta_names)
        of_beta = errors[k : k + r]
        normal = normal_statistics(beta, of_beta)
        rows: list[dict[str, Any]] = []
        for name, value, error, *others in zip(
            objective.beta_names, beta, of_beta, *normal.values(), strict=True
        ):
            row = {"kind": "beta", "term": name, "estimate": value, "std_error": error}
            rows.append({**row, **dict(zip(normal, others, strict=True))})
        name_of = objective.system.family.dispersion
        if name_of is not None:
            own = {"kind": "dispersion", "term": name_of, "estimate": dispersion}
            rows.append({**own, "std_error": dispersion * errors[-1]})
        for term in objective.system.terms:
            own_covariance = covariance[term.theta, term.theta]
            rows += _deviations(term, theta[term.theta], own_covariance)
        at_edge = np.abs(theta) == objective.edges[:k]
        of_theta = np.where(at_edge, np.nan, errors[:k])
        for term in objective.system.terms:
            rows += [
                {
                    "kind": "theta",
                    "group": term.group,
                    "term": name,
                    "estimate": theta[at],
                    "std_error": of_theta[at],
                }
                for name, at in zip(
                    term.theta_names(), range(term.theta.start, term.theta.stop), strict=True
                )
            ]
        return tidy_estimates(rows, unidentified)

    def modes(self, point: Floats) -> pd.DataFrame:
        """The table ``modes``, what each level says by itself among its columns.

        ``linearised`` is one step without a penalty from the mode, ``b + inv(Z'WZ) Z'd``;
        ``within_group`` maximum likelihood of the level's own rows, of which ``own_estimate`` says
        whether there is any; where it is infinite ``direction`` is where to.
        """
        table = self.modes_alone(point)
        n_obs = table.pop("n_obs")
        own = own_estimates(self.objective, point)
        kinds = np.concatenate([one.kinds.ravel() for one in own])
        towards = np.concatenate([one.direction.ravel() for one in own])
        return table.assign(
            joint_limit=np.nan,
            within_group=np.concatenate([one.values.ravel() for one in own]),
            n_obs=n_obs,
            linearised=np.concatenate([one.ravel() for one in self.linearised(point)]),
            own_estimate=kinds,
            direction=np.where(kinds == INFINITE, towards, np.nan),
        )

    def modes_alone(self, point: Floats) -> pd.DataFrame:
        """The table ``modes`` without the references."""
        self.begin()
        modes, deviations = self.modes_at(point), self.mode_sds(point)
        frames = []
        for term, own, sds in zip(self.objective.system.terms, modes, deviations, strict=True):
            n_obs = np.bincount(term.design.codes, minlength=len(term.design.levels))
            frame = level_frame(term.group, term.design.levels, term.names)
            frame["mode"], frame["std_dev"] = own.ravel(), sds.ravel()
            frame["n_obs"] = np.repeat(n_obs, term.size).astype(np.int64)
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    def references(self) -> dict[str, Any]:
        """There is no joint limit."""
        return {"joint_limit": {"missing": _NO_LIMIT}}

    # -- what studies ask

    def scale_of(self, evaluation: Any) -> float:
        """1: nothing stands for sigma."""
        return 1.0

    def modes_at(self, point: Floats) -> list[Floats]:
        """Conditional modes (q, k) per grouping factor."""
        return self._in_data_units(self.objective.modes_at(point).b)

    def mode_covariances(self, point: Floats) -> list[Floats]:
        """Conditional covariances (q, k, k): inverse of the penalised information at the modes."""
        made = self.objective.conditional_covariances(point)
        terms = self.objective.system.terms
        return [t.data_covariances(own) for t, own in zip(terms, made, strict=True)]

    def mode_sds(self, point: Floats) -> list[Floats]:
        """Conditional standard deviations (q, k); NaN where they are not computed."""
        made = self.objective.known_covariances(point)
        terms = self.objective.system.terms
        return [
            np.sqrt(np.einsum("qii->qi", t.data_covariances(own)))
            for t, own in zip(terms, made, strict=True)
        ]

    def level_information(self, point: Floats) -> list[Floats]:
        """``Z'WZ`` (q, k, k) of every level at the modes."""
        return self._information(self.objective.modes_at(point).rows.weight)

    def _information(self, weight: Floats) -> list[Floats]:
        return [
            blocks_by_level(factor.codes, factor.z, weight, factor.n_levels)
            for factor in self.objective.system.factors
        ]

    def linearised(self, point: Floats) -> list[Floats]:
        """One step without a penalty from the modes (q, k): ``b + inv(Z'WZ) Z'd``.

        NaN where the rows of a level do not tell it.
        """
        self.begin()
        modes = self.objective.modes_at(point)
        scores = self.objective.system.level_sums(modes.rows.score)
        grams = self._information(modes.rows.weight)
        steps = [solved_where_told(gram, s) for gram, s in zip(grams, scores, strict=True)]
        return self._in_data_units([b + step for b, step in zip(modes.b, steps, strict=True)])

    def own_errors(self, point: Floats) -> list[Floats]:
        """One over the root of the level's information on each column, at the modes."""
        weight = np.maximum(self.objective.modes_at(point).rows.weight, 0.0)
        system = self.objective.system
        least = float(weight.mean()) * system.unit**2
        squares = [
            column_squares(term, factor.z, weight)
            for term, factor in zip(system.terms, system.factors, strict=True)
        ]
        return [
            1.0 / np.sqrt(np.maximum(own, least)) / term.column_scale
            for term, own in zip(system.terms, squares, strict=True)
        ]

    def own_estimates(self, point: Floats) -> list[Floats]:
        """Linearised at the modes."""
        return self.linearised(point)

    def cost(self) -> float:
        """Products and factors of some Newton steps, and the passes over the rows in them."""
        system = self.objective.system
        nodes = self.objective.points ** max(factor.size for factor in system.factors)
        return _WARM * evaluation_cost(system.modal) + (_WARM + nodes - 1) * _OF_A_ROW * system.n

    def standard_errors(self, point: Floats) -> Floats:
        """Standard errors (r,) of the fixed effects, covariances and dispersion as known."""
        return self.told(point).std_errors

    def told(self, point: Floats) -> Told:
        """What a search that stopped here would have told."""
        evaluation = self.objective.evaluate(point)
        modes = self.modes_at(point)
        errors = np.sqrt(np.diag(self.objective.fixed_covariance(point)))
        return Told(evaluation, errors, modes)

    def _in_data_units(self, modes: Sequence[Floats]) -> list[Floats]:
        terms = self.objective.system.terms
        return [term.data_modes(own) for term, own in zip(terms, modes, strict=True)]


def _deviations(term: GroupEffects, theta: Floats, covariance: Floats) -> Iterator[dict[str, Any]]:
    """Rows of the standard deviations and correlations of a term, from the covariance of theta."""
    slopes = sd_and_correlation_slopes(term, theta)
    found = sds_and_correlations(term, term.factor(theta)[None], np.ones(1))
    sizes = np.linalg.norm(term.unit_factor(theta), axis=1)
    small = {name for name, size in zip(term.names, sizes, strict=True) if size <= SINGULAR}
    for slope, (kind, first, second, values) in zip(slopes, found, strict=True):
        value, error = float(values[0]), math.nan
        is_open = kind == "sd" or abs(value) < 1.0 - _END
        if is_open and not small & {first, second} and np.isfinite(slope).all():
            used = slope != 0.0
            square = slope[used] @ covariance[np.ix_(used, used)] @ slope[used]
            error = math.sqrt(square) if square >= 0.0 else math.nan
        row = {"kind": kind, "group": term.group, "term": first, "term2": second}
        yield {**row, "estimate": value, "std_error": error}
