"""-2 log-likelihood by adaptive Gauss-Hermite quadrature, exactly derived: one grouping factor.

With one grouping factor the integral over the random effects is a product of one per level. Of a
level with mode u and ``H = L L'`` there,

    log|H| - 2 log sum over nodes z of w(z) exp(|z|**2 / 2 - h(u + inv(L)' z)),

h the penalised negative log-likelihood, w the weights of a product rule for the standard normal
distribution (Pinheiro & Bates 1995, J. Comput. Graph. Stat. 4, eq. 2.9). One point is Laplace's
approximation. What is derived is this sum itself, nodes that move with the parameters included: a
search sees values and slopes of one function, whatever the number of points.
"""

from __future__ import annotations

from itertools import product
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError
from mixedscope.engine.gather import sums_by_level
from mixedscope.engine.generalized.laplace import GeneralizedEvaluation, LaplaceObjective
from mixedscope.engine.generalized.modes import Modes
from mixedscope.engine.generalized.system import GeneralizedSystem, blocks_by_level

__all__ = ["QuadratureObjective"]

Floats = NDArray[np.float64]

#: Points of a product rule at most.
_MOST: Final = 20_000


class _Levels(NamedTuple):
    """What all nodes of an evaluation share.

    Attributes
    ----------
    factor : (k, k) array
        Lambda.
    rows : (n, k) array
        ``Lambda' z`` of every row.
    modes : (q, k) array
        Spherical ones, u.
    blocks : (q, k, k) array
        ``Z' W Z`` by level.
    root, inverse : (q, k, k) arrays
        L and its inverse.
    log_shares, shares : (q,) array and (q, nodes) array
        Logarithm of the sum over nodes; the share of each in it.
    """

    factor: Floats
    rows: Floats
    modes: Floats
    blocks: Floats
    root: Floats
    inverse: Floats
    log_shares: Floats
    shares: Floats


class QuadratureObjective(LaplaceObjective):
    """The objective by quadrature.

    Parameters
    ----------
    system : GeneralizedSystem
        With one grouping factor.
    points : int
        Per dimension of the random effects, from 2.
    expected : bool
        Whether nodes are spread by the expected instead of the observed information.

    Raises
    ------
    ModelError
        If there are several grouping factors, or too many nodes.
    """

    def __init__(self, system: GeneralizedSystem, points: int, *, expected: bool = False) -> None:
        super().__init__(system, expected=expected)
        if len(system.terms) > 1:
            raise ModelError(
                "Quadrature is for models with one grouping factor: with several the integral does "
                "not fall apart into one per level. Leave quadrature out, which is Laplace's "
                "approximation."
            )
        self.points = points
        self._summed: tuple[Modes, _Levels] | None = None
        k = system.terms[0].size
        if points**k > _MOST:
            most = int(_MOST ** (1.0 / k))
            raise ModelError(
                f"Quadrature with {points} points in each of {k} dimensions has {points**k:,} "
                f"nodes; choose {most} points or fewer."
            )
        nodes, weights = np.polynomial.hermite_e.hermegauss(points)
        logs = np.log(weights / weights.sum()) + 0.5 * nodes**2
        self._nodes = np.array(list(product(nodes, repeat=k)))
        self._logs = np.array([sum(own) for own in product(logs, repeat=k)])

    def like(self, system: GeneralizedSystem) -> QuadratureObjective:
        """The same objective of another system, with as many points."""
        return QuadratureObjective(system, self.points, expected=self.expected)

    def evaluate(self, point: Floats) -> GeneralizedEvaluation:
        """Evaluate the objective at a point (k,).

        ``log_det`` is what is left of it beside the deviance given the modes and their penalty:
        log|H| and what quadrature adds to Laplace's approximation.
        """
        laplace = super().evaluate(point)
        point = np.asarray(point, dtype=float)
        modes = self.modes_at(point)
        levels = self._levels(point, modes)
        # Of the sum over nodes the value at the mode is taken off: nothing large cancels.
        gained = -2.0 * float(levels.log_shares.sum())
        return laplace._replace(
            objective=laplace.objective + gained, log_det=laplace.log_det + gained
        )

    def _levels(self, point: Floats, modes: Modes) -> _Levels:
        """Evaluate the sum over nodes, relative to the value at the mode; once at each."""
        if self._summed is not None and self._summed[0] is modes:
            return self._summed[1]
        self._summed = modes, self._sum_nodes(point, modes)
        return self._summed[1]

    def _sum_nodes(self, point: Floats, modes: Modes) -> _Levels:
        """Do what `_levels` does."""
        system, family, response = self.system, self.system.family, self.system.response
        theta, beta, dispersion = self.split(point)
        factor = system.standard_factors(theta)[0]
        columns = system.factors[0]
        weight = modes.rows.weight
        if self.expected:
            with np.errstate(all="ignore"):
                weight = family.slopes(response, modes.eta, dispersion).expected
        rows = columns.z @ factor
        k, q = len(factor), columns.n_levels
        blocks = blocks_by_level(columns.codes, columns.z, weight, q)
        root = np.linalg.cholesky(np.eye(k) + factor.T @ blocks @ factor)
        inverse = np.linalg.inv(root)
        u = modes.g[0] @ factor
        fixed = system.fixed_part(beta)
        logs = np.empty((q, len(self._nodes)))
        with np.errstate(all="ignore"):
            values = family.rows(response, modes.eta, dispersion).values
            at_mode = np.bincount(columns.codes, values, q) - 0.5 * (u**2).sum(axis=1)
            for i, node in enumerate(self._nodes):
                beside = u + np.einsum("qba,b->qa", inverse, node)
                eta = fixed + (rows * beside[columns.codes]).sum(axis=1)
                values = family.rows(response, eta, dispersion).values
                sums = np.bincount(columns.codes, values, q) - 0.5 * (beside**2).sum(axis=1)
                logs[:, i] = self._logs[i] + (sums - at_mode)
        # Where a node has no mean it has no share.
        logs[~np.isfinite(logs)] = -np.inf
        top = logs.max(axis=1)
        shares = np.exp(logs - top[:, None])
        total = shares.sum(axis=1)
        return _Levels(
            factor,
            rows,
            u,
            blocks,
            np.asarray(root),
            np.asarray(inverse),
            top + np.log(total),
            shares / total[:, None],
        )

    def _gradient(self, point: Floats) -> Floats:
        """Adjoint of `evaluate`, from nodes back to parameters."""
        system, family, response = self.system, self.system.family, self.system.response
        theta, beta, dispersion = self.split(point)
        modes = self.modes_at(point)
        levels = self._levels(point, modes)
        columns, term = system.factors[0], system.terms[0]
        codes, q = columns.codes, columns.n_levels
        factor, rows, u, inverse = levels.factor, levels.rows, levels.modes, levels.inverse
        k = len(factor)
        fixed = system.fixed_part(beta)
        mean_score, mean_slope = np.zeros(system.n), 0.0
        by_factor = np.zeros((k, k))
        to_mode = np.zeros((q, k))
        to_root = np.zeros((q, k, k))
        with np.errstate(all="ignore"):
            for i, node in enumerate(self._nodes):
                share = 2.0 * levels.shares[:, i]
                beside = u + np.einsum("qba,b->qa", inverse, node)
                eta = fixed + (rows * beside[codes]).sum(axis=1)
                score = family.rows(response, eta, dispersion).score * share[codes]
                # A node without a share may be one without a mean.
                score = np.where(share[codes] > 0.0, score, 0.0)
                mean_score += score
                sums = sums_by_level(codes, columns.z * score[:, None], q)
                by_factor -= sums.T @ beside
                slope = share[:, None] * beside - sums @ factor
                to_mode += slope
                to_root += slope[:, :, None] * node
                made = family.slopes(response, eta, dispersion).dispersion
                if made is not None:
                    own = np.where(share[codes] > 0.0, made[0] * share[codes], 0.0)
                    mean_slope -= float(own.sum())
            slopes = family.slopes(response, modes.eta, dispersion)
        # Nodes are inv(L)' z: from there to L, and by Cholesky's adjoint (Murray 2016) to H.
        to_root = -np.swapaxes(inverse @ to_root @ inverse, 1, 2)
        half = np.tril(np.swapaxes(levels.root, 1, 2) @ to_root)
        half[:, np.arange(k), np.arange(k)] *= 0.5
        both = half + np.swapaxes(half, 1, 2)
        outer = np.swapaxes(inverse, 1, 2)
        to_hessian = outer @ (0.5 * both) @ inverse + outer @ inverse
        by_factor += 2.0 * np.einsum("qab,bc,qcd->ad", levels.blocks, factor, to_hessian)
        forms = np.einsum("na,nab,nb->n", rows, to_hessian[codes], rows)
        turned = forms * (slopes.expected_slope if self.expected else slopes.weight)
        by_factor += sums_by_level(codes, columns.z * turned[:, None], q).T @ u
        observed = modes.rows.weight
        blocks = blocks_by_level(codes, rows, observed, q)
        right = to_mode + sums_by_level(codes, rows * turned[:, None], q)
        v = np.linalg.solve(np.eye(k) + blocks, right[:, :, None])[:, :, 0]
        along = (rows * v[codes]).sum(axis=1)
        sums = sums_by_level(codes, columns.z * modes.rows.score[:, None], q)
        by_factor += sums.T @ v
        by_factor -= sums_by_level(codes, columns.z * (observed * along)[:, None], q).T @ u
        parts = [term.pullback(theta[term.theta], by_factor)]
        parts.append(system.X.T @ (turned - mean_score - observed * along))
        if slopes.dispersion is not None:
            _, by_score, by_weight, by_expected = slopes.dispersion
            more = by_expected if self.expected else by_weight
            parts.append(np.array([mean_slope + forms @ more + along @ by_score]))
        return np.concatenate(parts)
