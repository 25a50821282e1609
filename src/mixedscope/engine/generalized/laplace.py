"""-2 log-likelihood of a generalised mixed model by the Laplace approximation, exactly derived.

With H = I + Lambda'Z'WZ Lambda at the conditional modes u,

    F(theta, beta, log phi) = -2 sum of log-likelihoods + |u|**2 + log|H|,

all constants included: -2 log-likelihood. W is the observed information, as in glmmTMB, or the
expected one, as in lme4 and MixedModels.jl. What is searched are theta, the fixed effects and, of
families that have one, the logarithm of the dispersion parameter, together.

Its gradient: with s the leverages ``z' Lambda inv(H) Lambda' z`` of the rows, w' the derivative of
the weights by the linear predictor, ``t = s w'``, ``v = inv(H) Lambda'Z't`` (H of the observed
information w) and ``q = Z Lambda v``,

    r = -2 d + t - w q,    dF/dbeta = X'r,
    dF/dLambda = sum over levels of (Z'r) u' + (Z'd) v' + 2 (Z'WZ Lambda inv(H)).

Nothing is divided by Lambda, so that theta = 0 is ordinary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compile_clock import compiling_seconds
from mixedscope.engine.evaluation import Solution, gradients_by_row
from mixedscope.engine.generalized.doubts import doubt_of
from mixedscope.engine.generalized.evaluation import GeneralizedEvaluation, ManyStarts
from mixedscope.engine.generalized.modes import Modes, find_modes, is_led, without_modes
from mixedscope.engine.generalized.other_minima import (
    far_starts,
    rival_starts,
    singular_starts,
)
from mixedscope.engine.generalized.rows import slopes_of_weights
from mixedscope.engine.generalized.second_order import second_order
from mixedscope.engine.generalized.separation import (
    is_concordant,
    is_without_end,
    separating,
    words_at_infinity,
)
from mixedscope.engine.generalized.starting import (
    generalized_linear_fit,
    information_at,
    log_dispersion_at,
    moments_at,
)
from mixedscope.engine.generalized.system import GeneralizedSystem
from mixedscope.engine.group_effects import joined, numbered_apart
from mixedscope.engine.lapack import limited_for, on_engine_threads
from mixedscope.engine.memory import bytes_needed
from mixedscope.engine.observations import row_forms

__all__ = ["GeneralizedEvaluation", "LaplaceObjective"]

Floats = NDArray[np.float64]

#: What the arrays of `GeneralizedSystem.modal` hold: the factorisation of the last evaluation, its
#: selected inverse, or something else.
_State = Literal["factorised", "inverted", "other"]

#: Columns of the rest from which on a factorisation takes longer than some passes over the rows.
_DEAR = 200

#: How often the theta of a start is halved that has no modes.
_SHORTENED = 20

#: Newton steps from the modes of a point nearby, as a rule.
_WARM = 3.0

#: Observations times grouping factors that take about a millisecond.
_QUICK = 4000


class LaplaceObjective:
    """The objective of a generalised model; satisfies the protocols of :mod:`mixedscope.optimize`.

    Parameters
    ----------
    system : GeneralizedSystem
    expected : bool
        Expected in place of observed information in the determinant.

    Attributes
    ----------
    theta_names : tuple of str
        Of all that is searched: theta, fixed effects, logarithm of the dispersion.
    n_theta, n_fixed : int
        How many of these are theta, and fixed effects.
    points : int
        Of quadrature per random effect of a level: 1.
    has_factorisation : bool
        Whether what needs one can be computed.
    """

    points = 1
    has_factorisation = True

    parts: tuple[str, ...] = (
        "dispersion",
        "log_det",
        "conditional_deviance",
        "penalty",
        "newton_steps",
        "halvings",
    )
    criterion_name = "deviance"
    is_compiled = False
    has_scoring = False
    uncentred: tuple[tuple[str, str], ...] = ()

    compiling_seconds = staticmethod(compiling_seconds)

    def __init__(self, system: GeneralizedSystem, *, expected: bool = False) -> None:
        self.system = system
        self.expected = expected and not system.family.is_canonical
        self.beta_names = system.fixed_names
        self.n_theta = sum(t.n_theta for t in system.terms)
        self.n_fixed = r = len(self.beta_names)
        dispersion = system.family.dispersion
        more = () if dispersion is None else (f"log({dispersion})",)
        self.theta_names = (
            *(name for t in system.terms for name in t.theta_names()),
            *self.beta_names,
            *more,
        )
        free = r + len(more)
        self.lower = joined([*(t.lower for t in system.terms), np.full(free, -np.inf)])
        self.edges = joined([*(t.edges for t in system.terms), np.full(free, np.nan)])
        columns = numbered_apart([t.columns for t in system.terms])
        self.columns = np.concatenate([columns, np.full(free, -1, dtype=np.intp)])
        sizes = np.sqrt((system.X**2).mean(axis=0)) / system.unit
        self.scale = joined([*(t.scale for t in system.terms), sizes, np.ones(len(more))])
        self._modes: Modes | None = None
        self._at: Floats | None = None
        self._state: _State = "other"
        self._known_constant: tuple[float, float] | None = None

    def like(self, system: GeneralizedSystem) -> LaplaceObjective:
        """The same objective of another system: other columns, or another response."""
        return LaplaceObjective(system, expected=self.expected)

    # -- values and slopes

    def split(self, point: Floats) -> tuple[Floats, Floats, float]:
        """Theta, fixed effects and dispersion of a point (k,) of the search."""
        k, r = self.n_theta, self.n_fixed
        dispersion = math.exp(point[-1]) if len(point) > k + r else 1.0
        return point[:k], point[k : k + r], dispersion

    def _split_sound(self, point: Floats) -> tuple[Floats, Floats, float]:
        """As `split`; raises FloatingPointError of what no modes are looked for at."""
        if not np.isfinite(point).all():
            raise FloatingPointError("The parameters are not finite.")
        theta, beta, dispersion = self.split(point)
        if not 0.0 < dispersion < math.inf:
            raise FloatingPointError("The dispersion is beyond floating-point numbers.")
        return theta, beta, dispersion

    def modes_at(self, point: Floats) -> Modes:
        """Find the conditional modes, and leave the system factorised there.

        Raises EvaluationError, a FloatingPointError, if the point is not finite, or has none.
        """
        point = np.asarray(point, dtype=float)
        try:
            modes = self._find(point)
        except FloatingPointError as error:
            raise without_modes(error) from None
        if self._state != "factorised":
            weight = modes.determinant
            self.system.modal.reform(weight, modes.rows.score + weight * modes.random)
            self.system.modal.solve(self.system.standard_factors(self.split(point)[0]))
            self._state = "factorised"
        return modes

    def _find(self, point: Floats) -> Modes:
        """Find the conditional modes, from those of the evaluation before."""
        if self._at is not None and self._modes is not None and np.array_equal(self._at, point):
            return self._modes
        theta, beta, dispersion = self._split_sound(point)
        system = self.system
        factors, fixed = system.standard_factors(theta), system.fixed_part(beta)
        start = self._predicted(factors, fixed)
        near = self._state == "inverted" and system.pattern.n_rest > _DEAR and not self.expected
        self._at, self._state = None, "other"
        try:
            modes = find_modes(
                system, factors, fixed, dispersion, start, expected=self.expected, has_inverse=near
            )
        except FloatingPointError as error:
            # Modes of a point far away may be where numbers end; those of none seldom are.
            self._modes = None
            modes = self._found_anew(factors, fixed, dispersion, error if start is None else None)
        self._modes, self._at, self._state = modes, point.copy(), "factorised"
        return modes

    def _found_anew(
        self, factors: Sequence[Floats], fixed: Floats, dispersion: float, error: Exception | None
    ) -> Modes:
        """Find the conditional modes from zero, or by way of smaller fixed effects.

        ``error``: of the search from zero, where there was one. Raises FloatingPointError.
        """
        system, found = self.system, None

        def reach(share: float) -> bool:
            nonlocal found
            part = fixed if share == 1.0 else system.offset + share * (fixed - system.offset)
            start = None if found is None else found.g
            try:
                found = find_modes(system, factors, part, dispersion, start, expected=self.expected)
            except FloatingPointError:
                return False
            return True

        if error is None:
            try:
                return find_modes(system, factors, fixed, dispersion, None, expected=self.expected)
            except FloatingPointError as one:
                error = one
        # Where predictors have an end they are within it or not.
        if system.family.link.side or not is_led(reach, fixed - system.offset):
            raise error
        assert found is not None
        return found

    def _predicted(self, factors: Sequence[Floats], fixed: Floats) -> list[Floats] | None:
        """Where the modes of other parameters are, seen from those known; None without any.

        With a the change of the predictor that the parameters make by themselves, g held, all of it
        is ``a - Z P Z'W a``, P being ``Lambda inv(H) Lambda'``, and g follows the scores.
        """
        modes, system = self._modes, self.system
        if modes is None:
            return None
        # Without a rest the factorisation serves too.
        known = ("inverted",) if system.pattern.n_rest else ("inverted", "factorised")
        if self.expected or self._state not in known:
            return modes.g
        b = [g @ (f @ f.T) for g, f in zip(modes.g, factors, strict=True)]
        change = fixed + system.random_part(b) - modes.eta
        weight = modes.rows.weight
        taken = system.modal.apply_inverse(system.level_sums(weight * change))
        change -= system.random_part(taken)
        predicted = system.level_sums(modes.rows.score - weight * change)
        return predicted if all(np.isfinite(g).all() for g in predicted) else modes.g

    def reset(self) -> None:
        """Begin anew: the next modes are searched from zero, so that equal fits are equal."""
        self._modes = self._at = None
        self._state = "other"

    def forget(self) -> None:
        """Forget that the factorisation is that of the last evaluation: something overwrote it."""
        self._state = "other"

    @on_engine_threads
    def evaluate(self, point: Floats) -> GeneralizedEvaluation:
        """Evaluate the objective at a point (k,).

        Raises FloatingPointError if there are no conditional modes there.
        """
        point = np.asarray(point, dtype=float)
        modes = self._find(point)
        _, beta, dispersion = self.split(point)
        constant = self._constant(dispersion)
        deviance = -2.0 * (modes.rows.log_likelihood + constant)
        log_det = modes.solution.log_det
        value = deviance + modes.penalty + log_det
        size = abs(deviance) + modes.penalty + abs(log_det)
        return GeneralizedEvaluation(
            value, beta.copy(), dispersion, log_det, deviance, modes.penalty, modes.steps,
            modes.halvings, 4.0 * np.finfo(float).eps * size + modes.residual**2,
        )  # fmt: skip

    def _constant(self, dispersion: float) -> float:
        """What the log-likelihood has beside the rows' own."""
        if self._known_constant is None or self._known_constant[0] != dispersion:
            value = self.system.family.constant(self.system.response, dispersion)
            self._known_constant = dispersion, value
        return self._known_constant[1]

    @on_engine_threads
    def evaluate_gradient(self, point: Floats) -> tuple[GeneralizedEvaluation, Floats]:
        """Evaluate the objective and its exact gradient, shape (k,)."""
        evaluation = self.evaluate(point)
        return evaluation, self._gradient(np.asarray(point, dtype=float))

    def _gradient(self, point: Floats) -> Floats:
        system, family, response = self.system, self.system.family, self.system.response
        theta, _, dispersion = self.split(point)
        modes = self.modes_at(point)
        factors = system.standard_factors(theta)
        observed, score = modes.rows.weight, modes.rows.score
        slopes, own = slopes_of_weights(
            family, response, modes.eta, dispersion, modes.rows, expected=self.expected
        )
        by_factor, inverse = system.modal.derive_and_invert(factors)
        self._state = "other"
        leverage = row_forms(system.modal, inverse)
        t = leverage * own
        if self.expected:
            adjoint = system.adjoint
            adjoint.reform(observed, t)
            adjoint.solve(factors)
            turned_modes = adjoint.modes()
        else:
            turned_modes = system.modal.apply_inverse(system.level_sums(t))
            self._state = "inverted"
        turned = t - observed * system.random_part(turned_modes)
        r = turned - 2.0 * score
        parts = self._slopes_of_theta(theta, modes, factors, by_factor, turned)
        parts.append(system.X.T @ r)
        if slopes is not None and slopes.dispersion is not None:
            value, by_score, by_weight, by_expected = slopes.dispersion
            more = by_expected if self.expected else by_weight
            q = system.random_part(turned_modes)
            parts.append(np.array([-2.0 * value.sum() + leverage @ more + q @ by_score]))
        return np.concatenate(parts)

    def _slopes_of_theta(
        self,
        theta: Floats,
        modes: Modes,
        factors: Sequence[Floats],
        by_factor: Sequence[Floats],
        turned: Floats,
    ) -> list[Floats]:
        """Slopes of theta, term by term; ``by_factor``: those of the log-determinant."""
        system = self.system
        sums_d, sums_v = system.level_sums(modes.rows.score), system.level_sums(turned)
        parts = []
        for term, factor, made, of_d, of_v, g in zip(
            system.terms, factors, by_factor, sums_d, sums_v, modes.g, strict=True
        ):
            of_r = of_v - 2.0 * of_d
            whole = made + of_r.T @ (g @ factor) + of_d.T @ (of_v @ factor)
            parts.append(term.pullback(theta[term.theta], whole))
        return parts

    def gradients(self, points: Floats) -> Floats:
        """Exact gradients at every row of `points` (m, k), NaN where one fails."""
        return gradients_by_row(self.evaluate_gradient, points)

    def second_derivatives(self, point: Floats) -> tuple[Floats, Floats] | None:
        """None: differences of gradients are all that there is."""
        return None

    def quasi_newton(self, point: Floats, tolerance: float, most: int) -> Any:
        """Searches are made step by step."""

    def workload(self) -> tuple[float, int]:
        """Seconds of one evaluation of a large model, about, and bytes that the model holds."""
        from mixedscope.engine.blocks import seconds_of_evaluation

        system = self.system
        held = sum(f.z.nbytes for f in system.factors) + system.X.nbytes
        seconds = 0.0
        if system.pattern.n_rest > _DEAR:
            seconds = _WARM * seconds_of_evaluation(system.modal)
        return seconds, held + bytes_needed(system.pattern, 1)

    def limited_threads(self) -> AbstractContextManager[None]:
        """Hold all linear algebra, numpy's too, to the engine's threads during a fit."""
        return limited_for(self.system.n, self.system.X.shape[1])

    # -- starts and metric

    @cached_property
    @on_engine_threads
    def _without_random(self) -> Floats:
        """Fixed effects of the generalised linear model, without random effects."""
        return generalized_linear_fit(self.system)

    def _point(self, theta: Floats) -> Floats:
        """A point of the search with these theta."""
        family = self.system.family
        more = [] if family.dispersion is None else [math.log(family.initial_dispersion())]
        point = np.concatenate([theta, self._without_random, more])
        if family.is_by_moments:
            point[-1] = log_dispersion_at(self.system, theta, self._without_random)
        if not family.link.side:
            return point
        # Where predictors have an end, modes of large variances may have none before it.
        for _ in range(_SHORTENED):
            try:
                self._find(point)
            except FloatingPointError:
                point[: self.n_theta] *= 0.5
            else:
                break
        self.reset()
        return point

    @cached_property
    def start(self) -> Floats:
        """Standard deviations of 1 on columns of unit root mean square; fixed effects without."""
        return self._point(joined([t.start for t in self.system.terms]))

    @on_engine_threads
    def moment_start(self) -> Floats:
        """Variances by moments of the scores of the generalised linear model."""
        return self._point(moments_at(self.system, self._without_random))

    @on_engine_threads
    def initial_hessian(self, point: Floats) -> Floats:
        """Expected information of theta and of the fixed effects at a point, (k, k)."""
        theta, _, _ = self.split(np.asarray(point, dtype=float))
        modes = self.modes_at(point)
        k, r = self.n_theta, self.n_fixed
        # Of a dispersion each row tells about one half.
        out = np.diag(np.full(len(point), self.system.n / 2.0))
        out[:k, :k], out[k : k + r, k : k + r] = information_at(self.system, theta, modes)
        self.forget()
        return out

    @on_engine_threads
    def fixed_covariance(self, point: Floats) -> Floats:
        """Covariance (r, r) of the fixed effects, covariances and dispersion as known.

        Of the working linear model at the modes; negative information counts as none.
        """
        self._solve_jointly(point)
        system = self.system
        inverse = np.linalg.inv(system.joint.fixed_factor().T @ system.basis.r)
        return np.asarray(inverse @ inverse.T)

    @on_engine_threads
    def effective_degrees(self, point: Floats) -> list[Floats]:
        """What every term (k,) of each grouping factor has of the leverages at the modes.

        Of the working linear model there, fixed effects being estimated too: half the derivative of
        its log-determinant by the logarithm of the factor's scale, as of linear models.
        """
        solution, factors = self._solve_jointly(point)
        derivatives = self.system.joint.derivatives(factors, solution, 0, reml=True)
        return [
            0.5 * (np.tril(factor) * np.tril(derivative)).sum(axis=1)
            for factor, derivative in zip(factors, derivatives, strict=True)
        ]

    def conditional_covariances(self, point: Floats) -> list[Floats]:
        """Inverse of the penalised information at the modes, by level (q, k, k), internal units."""
        self.modes_at(point)
        made = self.system.modal.conditional_covariances()
        self.forget()
        return made

    def known_covariances(self, point: Floats) -> list[Floats]:
        """The same; NaN of factors whose levels are too many to compute them."""
        return self.conditional_covariances(point)

    def _solve_jointly(self, point: Floats) -> tuple[Solution, list[Floats]]:
        """Solve the working linear model at the modes for random and fixed effects together."""
        modes = self.modes_at(point)
        system = self.system
        weight = np.maximum(modes.rows.weight, 0.0)
        factors = system.standard_factors(np.asarray(point)[: self.n_theta])
        system.joint.reform(weight, modes.rows.score + weight * modes.random)
        return system.joint.solve(factors), factors

    # -- the parameter space

    def canonical(self, point: Floats) -> Floats:
        """The point of the same covariances whose diagonals are not negative."""
        # Where theta are entries of factors, only their columns may change sign.
        if self._signed is not None:
            values = point.tolist()  # so few that numpy takes longer
            if min([values[i] for i in self._signed], default=1.0) > 0.0:
                return point + 0.0
        theta = [t.canonical(point[t.theta]) for t in self.system.terms]
        return np.concatenate([*theta, point[self.n_theta :]])

    @cached_property
    def _signed(self) -> list[int] | None:
        """Theta whose signs are those of columns of factors; None if not all are such entries."""
        if not all(term.has_entries for term in self.system.terms):
            return None
        return np.flatnonzero(self.lower == 0.0).tolist()

    @property
    def is_quick(self) -> bool:
        """Whether an evaluation takes no longer than a millisecond, about."""
        return self.system.n * len(self.system.terms) <= _QUICK

    @cached_property
    def coordinates(self) -> Floats:
        """Fixed effects as coefficients of orthonormal columns; theta not collinear."""
        out = np.diag(self.scale)
        for term in self.system.terms:
            block = term.coordinates
            if block is not None:
                out[term.theta, term.theta] = block
        own = slice(self.n_theta, self.n_theta + self.n_fixed)
        out[own, own] = self.system.basis.r / self.system.root
        return out

    def rank_deficient(self, point: Floats, tol: float = 1e-4) -> bool:
        """Whether a covariance factor has less than the rank of its structure."""
        factors = self.system.standard_factors(np.asarray(point, dtype=float)[: self.n_theta])
        terms = zip(self.system.terms, factors, strict=True)
        return any(term.is_deficient(factor, tol) for term, factor in terms)

    def beyond(self, point: Floats) -> list[Floats]:
        """Points from which to look past one where a variance of zero hides directions."""
        out = []
        for term in self.system.terms:
            if any(s.hides_directions for s in term.structures):
                for part in term.beyond(point[term.theta]):
                    other = np.array(point, dtype=float)
                    other[term.theta] = part
                    out.append(other)
        return out

    def second_look(self, point: Floats) -> ManyStarts:
        """Where another minimum may lie; see :mod:`mixedscope.engine.generalized.other_minima`."""
        return ManyStarts(starts=singular_starts(self, point), rivals=rival_starts(self, point))

    @property
    def is_approximate(self) -> bool:
        """Whether no quadrature has what Laplace's approximation leaves out."""
        return self.points == 1

    def far_starts(self, point: Floats) -> list[Floats]:
        """Larger standard deviations, of models of two outcomes."""
        return far_starts(self, point)

    def left_out(self, point: Floats) -> float:
        """Second-order term of the approximation, NaN without modes."""
        try:
            return second_order(self, point).correction
        except FloatingPointError:
            return math.nan

    # -- what a certificate tells

    def unidentified(self, point: Floats) -> list[dict[str, Any]]:
        """Directions in which the objective is flat: none are known of beforehand."""
        return []

    def at_infinity(self, point: Floats) -> list[str]:
        """Names of parameters without a finite estimate, seen from where a search ended."""
        found = list(self.theta_names[:1]) if is_concordant(self.system) else []
        found += separating(self.system, self.split(point)[1])
        if is_without_end(self.system.family, lambda at: self.evaluate(at).objective, point):
            found.append(self.theta_names[-1])
        return found

    def words_at_infinity(self, names: Sequence[str]) -> str:
        """What is said of them."""
        k, r = self.n_theta, self.n_fixed
        kinds = self.theta_names[k : k + r], self.theta_names[:k], self.theta_names[k + r :]
        parts = [[name for name in names if name in kind] for kind in kinds]
        return words_at_infinity(self.system.family, *parts)

    def last_rows(self) -> tuple[Floats, Floats] | None:
        """Linear predictor and observed information (n,) of the evaluation before, in any order."""
        modes = self._modes
        return None if modes is None else (modes.eta, modes.rows.weight)

    def doubt(self, point: Floats, value: float, verdict: str) -> str:
        """Say why a point where a search ended is not what it seems; empty if it is."""
        return doubt_of(self, np.asarray(point, dtype=float), value, verdict)

    def residual_state(
        self, point: Floats, value: float
    ) -> Literal["identified", "shared", "vanishing"]:
        """There is no residual standard deviation to be told apart."""
        return "identified"

    def residual_limit(self, point: Floats) -> float:
        """Nor a way on which it vanishes."""
        return math.nan
