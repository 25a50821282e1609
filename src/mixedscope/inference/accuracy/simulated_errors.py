"""Errors of estimates against a known truth: draw from one fit, refit by several structures.

New random effects and residuals are drawn from a fitted model, every structure is refitted to every
response, and what it says of the random effects, of the fixed effects and of the fitted values is
compared with what was drawn. Beside the structures stand two that are not fitted: the *oracle*,
which knows the true covariances, and the *unshrunken* estimates, the joint least-squares limit.

Every draw has a seed of its own, and draws are refitted in blocks of a fixed size: how blocks are
dealt out to jobs changes nothing about the results.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError
from mixedscope.core.seeds import generator
from mixedscope.core.vocabulary import ORACLE, UNSHRUNKEN
from mixedscope.engine.marginal import MarginalCovariances
from mixedscope.engine.objective import ProfiledObjective, ProfiledSystem
from mixedscope.inference.accuracy.draw_blocks import BLOCK
from mixedscope.inference.estimates.leverage import effective_degrees, told_degrees
from mixedscope.inference.estimates.references import joint_limit
from mixedscope.inference.estimates.refit import Refits, refit_many
from mixedscope.inference.estimates.simulated import simulate_effects

__all__ = ["Candidate", "SimulatedErrors"]

Floats = NDArray[np.float64]

#: Columns of one structure are written in those of another to this, relative to their size.
_EXACT: Final = 1e-8


@dataclass(frozen=True)
class Candidate:
    """One covariance structure of a model.

    Attributes
    ----------
    name : str
    objective : ProfiledObjective
    theta : (k,) array
        Estimate for the response of the data.
    """

    name: str
    objective: ProfiledObjective
    theta: Floats


class SimulatedErrors:
    """What is measured when a model is drawn from and refitted.

    Parameters
    ----------
    candidates : sequence of Candidate
        On the same rows, with the same fixed effects and criterion; the first is drawn from.
    seed : int

    Raises
    ------
    ModelError
        If the candidates are not of one model, have a name twice or one that is taken, or a
        structure has random effects that the first cannot express.
    UnsuitedError
        If sigma all but vanishes in the first.
    """

    def __init__(self, candidates: Sequence[Candidate], *, seed: int) -> None:
        _check(candidates)
        self.candidates = tuple(candidates)
        self._seed = seed
        self._truth = candidates[0]
        system = self._truth.objective.system
        factors = system.standard_factors(self._truth.theta)
        told_degrees(self._truth.objective, factors)  # refuses where shrinkage is lost to rounding
        evaluation = self._truth.objective.evaluate(self._truth.theta)
        self._beta = evaluation.beta
        self._x = system.fixed_columns
        self._codings = [_codings(c, system) for c in candidates]
        self.names: list[tuple[str, str | None, str | None]] = [
            *(("mode", t.group, name) for t in system.terms for name in t.names),
            *(("contribution", t.group, None) for t in system.terms),
            *(("fixed", None, name) for name in system.fixed_names),
            ("population", None, None),
            ("fitted", None, None),
        ]

    @property
    def estimators(self) -> list[str]:
        """Structures in their order, then the oracle and the unshrunken estimates."""
        return [*(c.name for c in self.candidates), ORACLE, UNSHRUNKEN]

    def blocks(self, numbers: Iterable[int]) -> dict[str, pd.DataFrame]:
        """Draw and refit some blocks of draws.

        Block i, from 0, holds the draws ``i * BLOCK`` and following. Gives ``efficiency_draws``
        (squared errors), ``efficiency_refits`` (how each refit ended) and ``efficiency_timing``
        (seconds).
        """
        errors, refits = [], []
        seconds: list[tuple[int, str | None, int, float]] = []
        for number in numbers:
            draws = np.arange(number * BLOCK, (number + 1) * BLOCK)
            drawn = [self._draw(int(draw)) for draw in draws]
            responses = np.stack([y for y, _ in drawn])
            estimates = []
            for candidate in self.candidates:
                begin = time.perf_counter()
                found = refit_many(candidate.objective, candidate.theta, responses)
                taken = time.perf_counter() - begin
                estimates.append(found)
                refits.append(self._refits(candidate, found, draws))
                seconds.append((number, candidate.name, len(draws), taken))
            begin = time.perf_counter()
            rows = [
                self._errors(response, effects, [e.theta[i] for e in estimates])
                for i, (response, effects) in enumerate(drawn)
            ]
            errors.append(self._frame(draws, np.stack(rows)))
            seconds.append((number, None, len(draws), time.perf_counter() - begin))
        columns = ["block", "structure", "draws", "seconds"]
        return {
            "efficiency_draws": pd.concat(errors, ignore_index=True),
            "efficiency_refits": pd.concat(refits, ignore_index=True),
            "efficiency_timing": pd.DataFrame(seconds, columns=columns),
        }

    def exact(self) -> Floats:
        """Expected squared errors of the oracle in the order of `names`, by formula.

        Those of the modes are ``sigma² Lambda P Lambda'``, fixed effects being estimated (see
        `mixedscope.inference.estimates.leverage`), those of the fitted values ``sigma² tr H / n``.
        """
        objective, theta = self._truth.objective, self._truth.theta
        system, sigma = objective.system, objective.evaluate(theta).sigma
        factors = system.standard_factors(theta)
        fixed = system.beta_covariance(sigma)
        covariances = MarginalCovariances(system).at(factors)
        own = [np.einsum("qii->i", c) / len(c) for c in covariances]
        parts = [
            np.einsum("ni,nij,nj->", t.design.Z, c[t.design.codes], t.design.Z) / system.n
            for t, c in zip(system.terms, covariances, strict=True)
        ]
        spent = effective_degrees(system, factors, system.solve(factors)).total
        # Observations of higher weight have smaller errors: the trace of H weighs them so.
        fitted = spent / system.n if system.design.weights is None else np.nan
        population = np.einsum("ni,ij,nj->", self._x, fixed, self._x) / system.n
        random = sigma**2 * np.concatenate([*own, parts])
        return np.concatenate([random, np.diag(fixed), [population, sigma**2 * fitted]])

    def scales(self) -> Floats:
        """What squared errors are compared with, in the order of `names`.

        The true variance of a random effect or of its contribution to an observation, the variance
        of a fixed effect where theta is known, and the residual variance for the fitted values.
        """
        objective, theta = self._truth.objective, self._truth.theta
        system, sigma = objective.system, objective.evaluate(theta).sigma
        fixed = system.beta_covariance(sigma)
        own, parts = [], []
        for term in system.terms:
            factor = term.factor(theta[term.theta]) * sigma
            own.append(np.diag(factor @ factor.T))
            parts.append(float(((term.design.Z @ factor) ** 2).sum()) / system.n)
        residual = sigma**2 * float((1.0 / system.root_weights**2).mean())
        return np.concatenate([*own, parts, np.diag(fixed), [residual, residual]])

    # -- one draw ------------------------------------------------------------------------------

    def _draw(self, draw: int) -> tuple[Floats, list[Floats]]:
        rng = generator(self._seed, "draw of efficiency", draw=draw)
        responses, effects = simulate_effects(self._truth.objective, self._truth.theta, 1, rng)
        return responses[0], [b[0] for b in effects]

    def _errors(
        self, response: Floats, effects: Sequence[Floats], thetas: Sequence[Floats]
    ) -> Floats:
        """Squared error, its noiseless and its noisy part (3, measures) of every estimator."""
        terms = self._truth.objective.system.terms
        expected = self._x @ self._beta
        for term, b in zip(terms, effects, strict=True):
            expected = expected + np.einsum("ij,ij->i", term.design.Z, b[term.design.codes])
        pairs = [
            tuple(c.objective.system.with_response(y) for y in (response, expected))
            for c in self.candidates
        ]
        out = [
            self._parts(pair, codings, effects, theta)
            for pair, codings, theta in zip(pairs, self._codings, thetas, strict=True)
        ]
        for theta in (self._truth.theta, None):
            out.append(self._parts(pairs[0], self._codings[0], effects, theta))
        return np.stack(out)

    def _parts(
        self,
        systems: Sequence[ProfiledSystem],
        codings: Sequence[Floats],
        effects: Sequence[Floats],
        theta: Floats | None,
    ) -> Floats:
        """Give the errors of one estimator, which for a given theta is linear in the response.

        `systems` have the response as drawn and without its residuals; theta is None for the
        estimates without shrinkage. NaN where these cannot be had, or a refit failed.
        """
        out = np.full((3, len(self.names)), np.nan)
        if theta is not None and not np.isfinite(theta).all():
            return out
        try:
            whole, quiet = (self._deviations(s, codings, effects, theta) for s in systems)
        except (FloatingPointError, ModelError):
            return out
        noise = [a - b for a, b in zip(whole, quiet, strict=True)]
        for row, deviations in zip(out, (whole, quiet, noise), strict=True):
            row[:] = self._squares(deviations)
        return out

    def _deviations(
        self,
        system: ProfiledSystem,
        codings: Sequence[Floats],
        effects: Sequence[Floats],
        theta: Floats | None,
    ) -> list[Floats]:
        """Estimate minus truth: modes (q, k) per factor in the columns of the truth, and beta."""
        if theta is None:
            limit = joint_limit(system)
            modes, beta = limit.modes, limit.beta
        else:
            solution = system.solve(system.standard_factors(theta))
            modes, beta = system.modes(), system.beta(solution.beta)
        aligned = [m @ c.T - b for m, c, b in zip(modes, codings, effects, strict=True)]
        return [*aligned, beta - self._beta]

    def _squares(self, deviations: Sequence[Floats]) -> Floats:
        """Mean squares in the order of `names`."""
        *modes, beta = deviations
        terms = self._truth.objective.system.terms
        parts = [
            np.einsum("ij,ij->i", t.design.Z, m[t.design.codes])
            for t, m in zip(terms, modes, strict=True)
        ]
        population = self._x @ beta
        fitted = population + np.sum(parts, axis=0)
        return np.concatenate(
            [
                *((m**2).mean(axis=0) for m in modes),
                [float((p**2).mean()) for p in parts],
                beta**2,
                [float((population**2).mean()), float((fitted**2).mean())],
            ]
        )

    # -- tables --------------------------------------------------------------------------------

    def _frame(self, draws: NDArray[np.int64], rows: Floats) -> pd.DataFrame:
        """Make the table of some draws; `rows` (draws, estimators, 3, measures)."""
        measures, groups, terms = (list(part) for part in zip(*self.names, strict=True))
        count, names = len(self.names), self.estimators
        repeats = len(draws) * len(names)
        whole, quiet, noise = (rows[:, :, part].ravel() for part in range(3))
        return pd.DataFrame(
            {
                "draw": np.repeat(draws.astype(np.int32), count * len(names)),
                "structure": np.tile(np.repeat(np.array(names, dtype=object), count), len(draws)),
                "measure": measures * repeats,
                "group": groups * repeats,
                "term": terms * repeats,
                "squared_error": whole,
                "bias2": quiet,
                "variance": noise,
            }
        )

    def _refits(
        self, candidate: Candidate, found: Refits, draws: NDArray[np.int64]
    ) -> pd.DataFrame:
        finite = np.isfinite(found.objective) & np.isfinite(found.theta).all(axis=1)
        status = np.where(finite, np.where(found.converged, "converged", "stopped"), "failed")
        singular = [
            bool(candidate.objective.rank_deficient(theta)) if ok else None
            for theta, ok in zip(found.theta, finite, strict=True)
        ]
        return pd.DataFrame(
            {
                "draw": draws.astype(np.int32),
                "structure": candidate.name,
                "status": status,
                "objective": np.where(finite, found.objective, np.nan),
                "sigma": np.where(finite, found.sigma, np.nan),
                "evaluations": found.evaluations.astype(np.int32),
                "singular": pd.array(singular, dtype="boolean"),
            }
        )


def _check(candidates: Sequence[Candidate]) -> None:
    if not candidates:
        raise ModelError("Efficiency of shrinkage needs at least one fit to draw from.")
    names = [c.name for c in candidates]
    for name in names:
        if names.count(name) > 1:
            raise ModelError(f"The structure {name!r} is given twice; give each once.")
        if name in (ORACLE, UNSHRUNKEN):
            raise ModelError(f"No structure may be called {name!r}: estimates of that name are.")
    first = candidates[0].objective
    for candidate in candidates[1:]:
        other = candidate.objective
        if other.system.n != first.system.n or other.beta_names != first.beta_names:
            raise ModelError(
                f"The fits by {names[0]!r} and {candidate.name!r} differ in their rows or fixed "
                "effects; efficiency compares structures of one model on one data set."
            )
        if other.reml != first.reml:
            raise ModelError(
                f"The fits by {names[0]!r} and {candidate.name!r} differ in criterion; fit both "
                "by ML or both by REML."
            )


def _codings(candidate: Candidate, truth: ProfiledSystem) -> list[Floats]:
    """Write the columns of a structure as those of the truth times matrices (k true, k own)."""
    out = []
    own = candidate.objective.system.terms
    if [t.group for t in own] != [t.group for t in truth.terms]:
        raise ModelError(
            f"The fit by {candidate.name!r} has other grouping factors than the first."
        )
    for term, other in zip(truth.terms, own, strict=True):
        coding = np.asarray(np.linalg.lstsq(term.design.Z, other.design.Z, rcond=None)[0], float)
        coding[np.abs(coding) <= _EXACT * np.abs(coding).max(initial=0.0)] = 0.0
        left = np.abs(other.design.Z - term.design.Z @ coding).max(axis=0)
        for name, size in zip(other.names, left, strict=True):
            if size > _EXACT * max(1.0, float(np.abs(other.design.Z).max())):
                raise ModelError(
                    f"The structure {candidate.name!r} has a random effect {name!r} of "
                    f"{term.group!r} that {', '.join(term.names)} cannot express, so that its "
                    "modes have no truth to be compared with: leave this structure out, or add "
                    f"{name!r} to the term."
                )
        out.append(coding)
    return out
