"""A model of crossed factors at one theta: what is exact, what is estimated, and slopes.

With the border's factors in ``U = [Z_3 Lambda_3, Q]`` and y the columns beside the eliminated
factor and the iterated ones, one dense triangle of a few rows holds the rest of the model::

    U'inv(V)U + J,    V = I + Z_1 T_1 Z_1' + Z_2 T_2 Z_2',    J = I of random, 0 of fixed effects

Its quadratic forms are products with solutions of conjugate gradients, whose errors enter squared.
With ``s_f = Z_f' P y`` the modes are ``T_f s_f``, and by the covariance of a factor the criterion
has the derivative ``<G_f, dT_f>``, ``G_f = sum_l Z_l'P Z_l - s_l s_l' / sigma**2``: of the traces
one part alone is estimated, see :mod:`mixedscope.engine.iterative.probes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.evaluation import Solution
from mixedscope.engine.iterative.blocks import BlockComplement, complement_of
from mixedscope.engine.iterative.conjugate import Solves, solve
from mixedscope.engine.iterative.crossing import Complement, Crossing, Places
from mixedscope.engine.iterative.probes import (
    Estimates,
    directions,
    estimate,
    log_det_estimate,
)
from mixedscope.engine.kernels.crossing import shadow_of_levels, spread_levels

__all__ = ["IterativeSolution"]

Floats = NDArray[np.float64]

#: What conjugate gradients leave of right-hand sides, over their lengths: of those whose solutions
#: are estimates themselves; of probes, for which 1e-4 was enough but where random effects are tens
#: of times sigma: there what was left outweighed the stated error; and of what only shapes a step.
EXACT = 1e-10
PROBED = 1e-6
SHAPED = 1e-6


class IterativeSolution:
    """All that one theta gives.

    Parameters
    ----------
    crossing : Crossing
    places : Places
    factors : sequence of (k, k) arrays
        Relative covariance factors for the internal units.
    probes : (N, m) array or None
        Random signs; None for what is exact alone.
    starts : (N, r) array or None
        With them :func:`mixedscope.engine.iterative.probes.starts`.

    Attributes
    ----------
    complement : Complement or BlockComplement
    pwrss, penalty : float
    coefficients : (h,) array
        Of W in the residual ``y - X beta - Z_3 b_3``.
    scores : tuple of (q, k) arrays
        ``Z_f' P y``, per grouping factor.
    """

    def __init__(
        self,
        crossing: Crossing,
        places: Places,
        factors: Sequence[Floats],
        probes: Floats | None,
        starts: Floats | None = None,
    ) -> None:
        self.crossing, self.places = crossing, places
        self.factors = [np.array(f) for f in factors]
        self.complement: Complement | BlockComplement = complement_of(
            crossing,
            self.factors[places.eliminated],
            [self.factors[f] for f, _ in places.iterated_columns],
        )
        complement = self.complement
        self._reduced = complement.reduced(crossing.own, crossing.far)
        right = [complement.right(self._reduced)]
        tolerances = [np.full(crossing.far.shape[1], EXACT)]
        if probes is not None:
            assert starts is not None
            self._z, self._n_shifts = directions(complement, starts, probes)
            right.append(self._z)
            tolerances.append(np.full(self._z.shape[1], PROBED))
        self._first = crossing.far.shape[1]
        self.solves: Solves = solve(
            complement.product, complement.variance, np.hstack(right), np.concatenate(tolerances)
        )
        # Z_2' inv(V) W, of the V that has no border.
        self._v = complement.scores(self.solves.x[:, : self._first], self._reduced)
        self._finish()

    def _finish(self) -> None:
        """Factorise what stands beside those factors, and solve for all coefficients."""
        places, complement, crossing = self.places, self.complement, self.crossing
        forms = (
            crossing.products
            - shadow_of_levels(crossing.own, complement.m, crossing.own)
            - complement.gain(self._reduced, self._v)
        )
        self._forms = forms = (forms + forms.T) / 2.0
        m = places.n_border
        whole = self._turned(self._turned(forms).T)
        whole[:m, :m] += np.eye(m)
        self._whole = whole
        triangle = np.linalg.cholesky(whole)
        logs = 2.0 * np.log(triangle.diagonal())
        beside, last = triangle[:-1, :-1], triangle[-1, :-1]
        spherical = np.linalg.solve(beside.T, last)
        beta = spherical[m:]
        self.coefficients = np.concatenate([-spherical, [1.0]])
        self._scale_border(self.coefficients)
        self._fixed_factor: Floats = np.asarray(beside[m:, m:], dtype=float)
        level = self._v @ self.coefficients
        met = complement.met(complement.effects(level)[:, None])
        own = (crossing.own @ self.coefficients)[:, :, None] - met
        scores: list[Floats] = [np.empty(0)] * len(self.factors)
        scores[places.eliminated] = (complement.shares @ own)[:, :, 0]
        for f, columns in places.iterated_columns:
            scores[f] = level[columns].reshape(-1, len(self.factors[f]))
        of_border = forms[:m] @ self.coefficients
        for f, columns in places.border_columns:
            k = len(self.factors[f])
            scores[f] = of_border[columns].reshape(-1, k)
        self.scores = tuple(scores)
        self.pwrss = float(triangle[-1, -1]) ** 2
        self.penalty = sum(
            float(np.einsum("qi,qi->", s @ f, s @ f))
            for s, f in zip(scores, self.factors, strict=True)
        )
        self._log_det_known = complement.log_det + float(logs[:m].sum())
        self._log_det_fixed = float(logs[m:-1].sum())
        self._beta = beta

    # -- what is beside those factors ------------------------------------------------------------

    def _turned(self, columns: Floats) -> Floats:
        """Multiply columns (..., h) of W, those of the border by their factors."""
        out = np.array(columns)
        for f, own in self.places.border_columns:
            factor = self.factors[f]
            k = len(factor)
            part = out[..., own].reshape(*out.shape[:-1], -1, k)
            out[..., own] = (part @ factor).reshape(*out.shape[:-1], -1)
        return out

    def _scale_border(self, coefficients: Floats) -> None:
        """Turn spherical random effects of the border, among coefficients (h,), into effects."""
        for f, own in self.places.border_columns:
            factor = self.factors[f]
            coefficients[own] = (coefficients[own].reshape(-1, len(factor)) @ factor.T).ravel()

    # -- exact -----------------------------------------------------------------------------------

    @property
    def iterations(self) -> int:
        """Iterations of the equation that took most."""
        return int(self.solves.iterations.max())

    @property
    def residual(self) -> float:
        """Largest length of what is left of a right-hand side of the data, over its own."""
        return float(self.solves.residuals[: self._first].max())

    def modes(self) -> list[Floats]:
        """Conditional modes per factor of the model (q, k), internally."""
        return [s @ f @ f.T for s, f in zip(self.scores, self.factors, strict=True)]

    def fixed_factor(self) -> Floats:
        """Lower Cholesky factor (r, r) of the fixed effects' Schur complement."""
        return self._fixed_factor

    # -- estimated -------------------------------------------------------------------------------

    @cached_property
    def _log_det(self) -> Estimates:
        return log_det_estimate(self.complement, self._z, self._n_shifts, self.solves, self._first)

    @cached_property
    def _traces(self) -> Estimates:
        return estimate(self.complement, self._z, self._n_shifts, self.solves, self._first)

    def solution(self) -> Solution:
        """Give the parts of the criterion; of these the log-determinant is estimated."""
        return Solution(
            log_det=self._log_det_known + float(self._log_det.values[0]),
            log_det_fixed=self._log_det_fixed,
            pwrss=self.pwrss,
            penalty=self.penalty,
            beta=self._beta,
        )

    @property
    def log_det_deviations(self) -> Floats:
        """What each probe was off in the log-determinant, (probes,)."""
        return self._log_det.deviations[:, 0]

    @property
    def log_det_se(self) -> float:
        """Standard error of the log-determinant."""
        return float(np.sqrt(self._log_det.covariance()[0, 0]))

    # -- slopes ----------------------------------------------------------------------------------

    def _beside(self, *, reml: bool) -> tuple[Floats, Floats, int]:
        """Solutions (N, u) of the columns beside, turned; the inverse of their matrix; u."""
        u = self.places.n_border + (len(self._beta) if reml else 0)
        return (
            np.ascontiguousarray(self._turned(self._v)[:, :u]),
            np.asarray(np.linalg.inv(self._whole[:u, :u]), dtype=float),
            u,
        )

    def _shadow_of_own(self, columns: Floats, solved: Floats) -> Floats:
        """``Z_1' inv(V) U`` (q, k, c) of columns beside, given as ``Z_1'U`` and solved."""
        complement = self.complement
        return complement.shares @ (columns - complement.met_effects(solved))

    def covariance_slopes(self, weight: float, *, reml: bool) -> list[Floats]:
        """Matrices G (k, k) per factor: derivatives of the criterion by the covariances.

        ``weight``: one over the residual variance.
        """
        places, crossing, complement = self.places, self.crossing, self.complement
        own = places.eliminated
        traces = [np.zeros((len(f), len(f))) for f in self.factors]
        traces[own] = np.einsum("qab,qbc->ac", complement.shares, crossing.d)
        for f, at in self._places_of_traces():
            part = self._traces.values[at].reshape(traces[f].shape)
            traces[f] += -part if f == own else part
        solved, inverse, u = self._beside(reml=reml)
        if u:
            met = self._shadow_of_own(self._turned(crossing.own)[:, :, :u], solved)
            traces[own] -= np.einsum("qac,qbc->ab", met @ inverse, met)
            turned = solved @ inverse
            for f, rows in places.iterated_columns:
                k = len(self.factors[f])
                if k == 1:
                    traces[f] -= np.einsum("jc,jc->", turned[rows], solved[rows])
                else:
                    one, other = (v[rows].reshape(-1, k, u) for v in (turned, solved))
                    traces[f] -= np.einsum("qac,qbc->ab", one, other)
        if places.n_border:
            m = places.n_border
            beside = self._turned(self._forms)[:m, :u]
            inner = self._forms[:m, :m] - beside @ inverse @ beside.T
            for f, columns in places.border_columns:
                size = len(self.factors[f])
                own_part = inner[columns, columns]
                levels = len(own_part) // size
                traces[f] = np.einsum("iaib->ab", own_part.reshape(levels, size, levels, size))
        out = []
        for trace, scores in zip(traces, self.scores, strict=True):
            whole = trace - weight * np.einsum("qa,qb->ab", scores, scores)
            out.append((whole + whole.T) / 2.0)
        return out

    def _places_of_traces(self) -> list[tuple[int, slice]]:
        """Factors of which traces are estimated, in their order, and where theirs are."""
        out, at = [], 0
        for f in [*(f for f, _ in self.places.iterated_columns), self.places.eliminated]:
            size = len(self.factors[f]) ** 2
            out.append((f, slice(at, at + size)))
            at += size
        return out

    def slope_deviations(self) -> list[Floats]:
        """What each probe was off in the matrices G, (probes, k, k) per factor."""
        number = self._traces.deviations.shape[0]
        out = [np.zeros((number, len(f), len(f))) for f in self.factors]
        for f, at in self._places_of_traces():
            part = self._traces.deviations[:, at].reshape(out[f].shape)
            out[f] = -part if f == self.places.eliminated else part
        return out

    def shapes(self, changes: Sequence[tuple[int, Floats]]) -> tuple[Floats, Floats]:
        """``q_i' P q_j`` and ``q_i' P y`` of ``q_i = Z_f dT_i Z_f' P y``, (p, p) and (p,).

        ``changes``: position of a factor and change dT (k, k) of its covariance, p of them. Costs
        as many solutions.
        """
        places, crossing, complement = self.places, self.crossing, self.complement
        own, m = places.eliminated, places.n_border
        size = len(changes)
        k = len(self.factors[own])
        of_own = np.zeros((len(crossing.d), k, size))
        of_far = np.zeros((crossing.n_columns, size))
        of_border = np.zeros((m, size))
        columns, rows = dict(places.border_columns), dict(places.iterated_columns)
        along = np.empty(size)
        for i, (f, change) in enumerate(changes):
            level = self.scores[f] @ change
            along[i] = float(np.einsum("qa,qa->", level, self.scores[f]))
            if f == own:
                of_own[:, :, i] = level
            elif f in rows:
                of_far[rows[f], i] = level.ravel()
            else:
                of_border[columns[f], i] = level.ravel()
        spread = np.asarray(crossing.d @ of_own)
        spread += complement.met(of_far)
        spread += crossing.own[:, :, :m] @ of_border
        reached = crossing.gram_times(of_far) + crossing.far[:, :m] @ of_border
        reached += spread_levels(crossing.ptr, crossing.idx, crossing.w, of_own, len(reached))
        beside = np.einsum("qac,qap->cp", crossing.own, of_own) + crossing.far.T @ of_far
        beside += crossing.products[:, :m] @ of_border
        products = np.einsum("qap,qar->pr", of_own, spread) + of_far.T @ reached
        products += of_border.T @ beside[:m]
        right = complement.reduced(spread, reached)
        solves = solve(
            complement.product, complement.variance, complement.right(right),
            np.full(size, SHAPED),
        )  # fmt: skip
        solved = complement.scores(solves.x, right)
        forms = products - shadow_of_levels(spread, complement.m, spread)
        forms -= complement.gain(right, solved)
        crossed = beside.T - shadow_of_levels(spread, complement.m, crossing.own)
        crossed -= complement.gain(right, self._v)
        crossed = self._turned(crossed)[:, :-1]
        forms -= crossed @ np.linalg.solve(self._whole[:-1, :-1], crossed.T)
        return (forms + forms.T) / 2.0, along

    # -- on request ------------------------------------------------------------------------------

    def conditional_covariances(self, position: int, levels: NDArray[np.intp]) -> Floats:
        """Conditional covariances (levels, k, k) of some levels of one factor, over sigma**2.

        Given the fixed effects; exact, by as many solutions as they have columns. Internal units.
        """
        places, complement, crossing = self.places, self.complement, self.crossing
        factor = self.factors[position]
        k, m = len(factor), places.n_border
        solved, inverse, _ = self._beside(reml=False)
        if position in dict(places.border_columns):
            columns = dict(places.border_columns)[position]
            inner = np.linalg.inv(self._whole[:m, :m])[columns, columns]
            blocks = inner.reshape(-1, k, len(inner) // k, k)[levels, :, levels, :]
            return np.asarray(factor @ blocks @ factor.T)
        n, size = crossing.n_columns, len(levels)
        right = np.zeros((n, size, k))
        if position == places.eliminated:
            for i, level in enumerate(levels.tolist()):
                pairs = slice(int(crossing.ptr[level]), int(crossing.ptr[level + 1]))
                right[crossing.idx[pairs], i] = crossing.w[pairs] @ complement.m[level]
        else:
            first = dict(places.iterated_columns)[position].start
            rows = first + levels[:, None] * k + np.arange(k)
            right[rows, np.arange(size)[:, None], np.arange(k)] = 1.0
        right = complement.right(right.reshape(n, size * k))
        x = self._exact(right).reshape(n, size, k)
        right = right.reshape(n, size, k)
        out = complement.variance * np.einsum("jla,jlb->lab", right, x)
        if position == places.eliminated:
            out += complement.m[levels]
            if m:
                met = self._shadow_of_own(self._turned(crossing.own)[:, :, :m], solved)[levels]
                met = complement.covariance @ met
                out += np.einsum("lac,lbc->lab", met @ inverse, met)
        elif m:
            beside = complement.effects(solved)[rows]
            out += np.einsum("lac,lbc->lab", beside @ inverse, beside)
        return np.asarray(out)

    def _exact(self, right: Floats) -> Floats:
        """Solutions with S, of right-hand sides (N, c)."""
        complement = self.complement
        tolerances = np.full(right.shape[1], EXACT)
        return solve(complement.product, complement.variance, right, tolerances).x
