"""-2 log-likelihood by adaptive Gauss-Hermite quadrature, exactly derived: nested grouping factors.

With one grouping factor the integral over the random effects is a product of one per level. Of a
level with mode u and ``H = L L'`` there,

    log|H| - 2 log sum over nodes z of w(z) exp(|z|**2 / 2 - h(u + inv(L)' z)),

h the penalised negative log-likelihood, w the weights of a product rule for the standard normal
distribution (Pinheiro & Bates 1995, J. Comput. Graph. Stat. 4, eq. 2.9). With factors nested in
each other the integral over a level of the coarser one holds a product of those over the levels
within it, which are summed at each of its nodes (Rabe-Hesketh, Skrondal & Pickles 2005, J. Econom.
128). The nodes of all are still ``u + inv(L)' z``, L of the whole: as L is triangular those of a
finer level follow the coarser ones that contain it, and as its blocks are those of H they depend on
no others (Pinheiro & Chao 2006, J. Comput. Graph. Stat. 15). One point is Laplace's approximation.
What is derived is this sum itself, nodes that move with the parameters included: a search sees
values and slopes of one function, whatever the number of points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations, product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError
from mixedscope.engine.gather import sums_by_level
from mixedscope.engine.generalized.chain import Blocks, Chain, Root
from mixedscope.engine.generalized.evaluation import GeneralizedEvaluation
from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.engine.generalized.modes import Modes
from mixedscope.engine.generalized.system import GeneralizedSystem

__all__ = ["QuadratureObjective", "check_nodes", "rule_of"]

Floats = NDArray[np.float64]

#: Nodes of all tiers together at most, and numbers that are kept of them.
_MOST: Final = 20_000
_ROOM: Final = 200_000_000

#: Points of one dimension at most: from 366 on weights are smaller than any number.
_POINTS: Final = 300


@cache
def rule_of(points: int) -> tuple[Floats, Floats]:
    """Nodes z of a rule for the standard normal distribution, and ``log(w(z) exp(z**2 / 2))``."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(points)
    logs = np.log(weights / weights.sum()) + 0.5 * nodes**2
    for known in (nodes, logs):
        known.setflags(write=False)
    return nodes, logs


def check_nodes(points: int, sizes: Sequence[int], finest: int) -> None:
    """Refuse more nodes than can be summed over.

    ``sizes``: random effects of a level, by tier. ``finest``: levels of the finest one.
    """
    count = points ** sum(sizes)
    limit = max(min(_MOST, _ROOM // finest), 1)
    if count > limit or points > _POINTS:
        most = min(int(limit ** (1.0 / sum(sizes)) + 1e-9), _POINTS)
        raise ModelError(
            f"Quadrature with {points} points in each of {sum(sizes)} dimensions has {count:,} "
            f"nodes; choose {most} points or fewer."
        )


@dataclass
class _Sum:
    """What all nodes of an evaluation share; lists are by tier, the finest first.

    Attributes
    ----------
    factors : list of (k, k) arrays
        Lambda.
    rows : list of (n, k) arrays
        ``Lambda' z`` of every row.
    modes : list of (q, k) arrays
        Spherical ones, u.
    fixed : (n,) array
    at_mode : (q,) array
        Log-likelihood at the modes, by level of the finest tier.
    products : Blocks
        Of ``Z'WZ``.
    root : Root
    moved : list of (q, k) arrays or None
        How far the node that is summed at is from the modes.
    shares : dict
        Of tier and number of the nodes of coarser tiers, the share (q, nodes) of each node.
    log_sums : (q,) array
        Of the coarsest tier: logarithm of the sum over nodes.
    """

    factors: list[Floats]
    rows: list[Floats]
    modes: list[Floats]
    fixed: Floats
    at_mode: Floats
    products: Blocks
    root: Root
    moved: list[Floats | None]
    shares: dict[tuple[int, int], Floats] = field(default_factory=dict)
    log_sums: Floats = field(default_factory=lambda: np.empty(0))


@dataclass
class _Slopes:
    """Derivatives of the sum over nodes, collected on the way over them; lists are by tier.

    Attributes
    ----------
    factors : list of (k, k) arrays
        By Lambda, modes and L held.
    modes : list of (q, k) arrays
        By u.
    root : Blocks
        By L.
    displaced : list of (q, k) arrays
        By the displacement of the node that is summed at, of what finer tiers make of it.
    dispersion : float
        By the logarithm of the dispersion.
    """

    factors: list[Floats]
    modes: list[Floats]
    root: Blocks
    displaced: list[Floats]
    dispersion: float = 0.0


class QuadratureObjective(LaplaceObjective):
    """The objective by quadrature.

    Parameters
    ----------
    system : GeneralizedSystem
        With one grouping factor, or several of which each is nested in the next.
    points : int
        Per dimension of the random effects, from 2.
    expected : bool
        Whether nodes are spread by the expected instead of the observed information.

    Raises
    ------
    ModelError
        If grouping factors are not nested, or there are too many nodes.
    """

    def __init__(self, system: GeneralizedSystem, points: int, *, expected: bool = False) -> None:
        super().__init__(system, expected=expected)
        if system.pattern.n_rest:
            one, other = _not_nested(system)
            raise ModelError(
                f"Quadrature is for models with one grouping factor, or with factors nested in "
                f"each other; of {one!r} and {other!r} neither is nested in the other, so that the "
                "integral does not fall apart into one per level. Leave quadrature out, which is "
                "Laplace's approximation."
            )
        self.points = points
        self.chain = Chain.of(system.pattern)
        self._summed: tuple[Modes, _Sum] | None = None
        check_nodes(points, self.chain.sizes, self.chain.levels[0])
        nodes, logs = rule_of(points)
        self._nodes = [np.array(list(product(nodes, repeat=k))) for k in self.chain.sizes]
        self._logs = [
            np.array([sum(own) for own in product(logs, repeat=k)]) for k in self.chain.sizes
        ]

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
        made = self._sum(point, self.modes_at(point))
        # Of the sum over nodes the value at the mode is taken off: nothing large cancels.
        gained = -2.0 * float(made.log_sums.sum())
        return laplace._replace(
            objective=laplace.objective + gained, log_det=laplace.log_det + gained
        )

    def _sum(self, point: Floats, modes: Modes) -> _Sum:
        """Sum over nodes, relative to the value at the mode; once at each."""
        if self._summed is None or self._summed[0] is not modes:
            made = self._made(point, modes)
            with np.errstate(all="ignore"):
                made.log_sums = self._sum_tier(
                    made, self.chain.depth - 1, 0, made.fixed, self.split(point)[2]
                )
            self._summed = modes, made
        return self._summed[1]

    def _made(self, point: Floats, modes: Modes) -> _Sum:
        """What does not change from node to node."""
        system, family, chain = self.system, self.system.family, self.chain
        theta, beta, dispersion = self.split(point)
        order = system.pattern.chain
        weight = modes.rows.weight
        with np.errstate(all="ignore"):
            if self.expected:
                weight = family.slopes(system.response, modes.eta, dispersion).expected
            values = family.rows(system.response, modes.eta, dispersion).values
        own = system.standard_factors(theta)
        factors = [own[f] for f in order]
        columns = [system.factors[f].z for f in order]
        products = chain.products(columns, weight)
        return _Sum(
            factors,
            [z @ factor for z, factor in zip(columns, factors, strict=True)],
            [modes.g[f] @ own[f] for f in order],
            system.fixed_part(beta),
            np.asarray(np.bincount(chain.codes[0], values, chain.levels[0]), dtype=float),
            products,
            chain.factorise(chain.penalised(products, factors)),
            [None] * chain.depth,
        )

    def _sum_tier(
        self, made: _Sum, tier: int, outer: int, eta: Floats, dispersion: float
    ) -> Floats:
        """Logarithms (q,) of the sums over the nodes of a tier and of all finer ones.

        ``outer`` is the number of the nodes of coarser tiers that are summed at, ``eta`` the
        predictor (n,) of all that is not of this tier or a finer one.
        """
        system, chain = self.system, self.chain
        u, codes, q = made.modes[tier], chain.codes[tier], chain.levels[tier]
        pulled = chain.pulled(made.root, tier, made.moved)
        nodes = self._nodes[tier]
        logs = np.empty((q, len(nodes)))
        for i, node in enumerate(nodes):
            moved = np.einsum("qba,qb->qa", made.root.inverses[tier], node - pulled)
            made.moved[tier] = moved
            ahead = eta + _of_rows(made.rows[tier], u + moved, codes)
            if tier == 0:
                values = system.family.rows(system.response, ahead, dispersion).values
                within = np.asarray(np.bincount(codes, values, q), dtype=float) - made.at_mode
            else:
                finer = self._sum_tier(made, tier - 1, outer * len(nodes) + i, ahead, dispersion)
                up = chain.parent(tier - 1, tier)
                within = np.asarray(np.bincount(up, finer, q), dtype=float)
            # |u + moved|**2 less |u|**2.
            logs[:, i] = self._logs[tier][i] + within - (moved * (0.5 * moved + u)).sum(axis=1)
        # Where a node has no mean it has no share.
        logs[~np.isfinite(logs)] = -np.inf
        top = logs.max(axis=1)
        top[~np.isfinite(top)] = 0.0
        shares = np.exp(logs - top[:, None])
        total = shares.sum(axis=1)
        made.shares[tier, outer] = shares / np.where(total > 0.0, total, 1.0)[:, None]
        return np.asarray(top + np.log(total))

    def _derive_tier(
        self, made: _Sum, slopes: _Slopes, tier: int, outer: int, eta: Floats, share: Floats,
        dispersion: float,
    ) -> Floats:  # fmt: skip
        """Collect the derivatives of `_sum_tier`, times ``-2 share`` (q,), of this tier's levels.

        Gives those by the predictor (n,) with the sign of the scores.
        """
        system, family, chain = self.system, self.system.family, self.chain
        u, codes, q = made.modes[tier], chain.codes[tier], chain.levels[tier]
        root, factor = made.root, made.factors[tier]
        z = system.factors[system.pattern.chain[tier]].z
        pulled = chain.pulled(root, tier, made.moved)
        total = np.zeros(system.n)
        for i, node in enumerate(self._nodes[tier]):
            own = share * made.shares[tier, outer][:, i]
            moved = np.einsum("qba,qb->qa", root.inverses[tier], node - pulled)
            made.moved[tier] = moved
            beside = u + moved
            ahead = eta + _of_rows(made.rows[tier], beside, codes)
            slopes.displaced[tier] = np.zeros_like(u)
            if tier == 0:
                of_rows = own[codes]
                # A node without a share may be one without a mean.
                is_met = of_rows > 0.0
                score = family.rows(system.response, ahead, dispersion).score
                score = np.where(is_met, score * of_rows, 0.0)
                if family.dispersion is not None:
                    by = family.slopes(system.response, ahead, dispersion).dispersion
                    assert by is not None
                    slopes.dispersion -= float(np.where(is_met, by[0] * of_rows, 0.0).sum())
            else:
                place = outer * len(self._nodes[tier]) + i
                within = own[chain.parent(tier - 1, tier)]
                score = self._derive_tier(
                    made, slopes, tier - 1, place, ahead, within, dispersion
                )  # fmt: skip
            total += score
            sums = sums_by_level(codes, z * score[:, None], q)
            slopes.factors[tier] -= sums.T @ beside
            slope = own[:, None] * beside - sums @ factor
            slopes.modes[tier] += slope
            # From displacements inv(L)' (node - pulled) to L and to those of coarser tiers.
            back = np.einsum("qab,qb->qa", root.inverses[tier], slope + slopes.displaced[tier])
            slopes.root[tier, tier] -= moved[:, :, None] * back[:, None, :]
            for s in range(tier + 1, chain.depth):
                further = made.moved[s]
                assert further is not None
                up = chain.parent(tier, s)
                slopes.root[s, tier] -= further[up][:, :, None] * back[:, None, :]
                taken = np.einsum("qab,qb->qa", root.blocks[s, tier], back)
                slopes.displaced[s] -= chain.to_parents(tier, s, taken)
        return total

    def _gradient(self, point: Floats) -> Floats:
        """Adjoint of `evaluate`, from nodes back to parameters."""
        system, family, chain = self.system, self.system.family, self.chain
        theta, _, dispersion = self.split(point)
        modes = self.modes_at(point)
        made = self._sum(point, modes)
        root = made.root
        slopes = _Slopes(
            [np.zeros_like(factor) for factor in made.factors],
            [np.zeros_like(u) for u in made.modes],
            {place: np.zeros_like(block) for place, block in root.blocks.items()},
            [np.zeros_like(u) for u in made.modes],
        )
        with np.errstate(all="ignore"):
            twice = np.full(chain.levels[-1], 2.0)
            score = self._derive_tier(
                made, slopes, chain.depth - 1, 0, made.fixed, twice, dispersion
            )
            by = family.slopes(system.response, modes.eta, dispersion)
        for t, size in enumerate(chain.sizes):
            diagonal = np.arange(size)
            # Of log|H|.
            slopes.root[t, t][:, diagonal, diagonal] += (
                2.0 * root.inverses[t][:, diagonal, diagonal]
            )
        to_hessian = chain.adjoint(root, slopes.root)
        forms = self._through_hessian(made, slopes, to_hessian)
        turned = forms * (by.expected_slope if self.expected else by.weight)
        along = self._through_modes(made, slopes, modes, turned)
        parts = []
        place = {f: t for t, f in enumerate(system.pattern.chain)}
        for f, term in enumerate(system.terms):
            parts.append(term.pullback(theta[term.theta], slopes.factors[place[f]]))
        parts.append(system.X.T @ (turned - score - modes.rows.weight * along))
        if by.dispersion is not None:
            _, by_score, by_weight, by_expected = by.dispersion
            more = by_expected if self.expected else by_weight
            parts.append(np.array([slopes.dispersion + forms @ more + along @ by_score]))
        return np.concatenate(parts)

    def _through_hessian(self, made: _Sum, slopes: _Slopes, to_hessian: Blocks) -> Floats:
        """Add what derivatives by H are by Lambda; give those (n,) by the weights of the rows."""
        forms = np.zeros(self.system.n)
        for (s, t), by in to_hessian.items():
            block = made.products[s, t]
            times = 2.0 if s > t else 1.0
            own = by[self.chain.codes[t]]
            forms += times * np.einsum("na,nab,nb->n", made.rows[s], own, made.rows[t])
            slopes.factors[t] += 2.0 * np.einsum("qba,bc,qcd->ad", block, made.factors[s], by)
            if s > t:
                slopes.factors[s] += 2.0 * np.einsum("qab,bc,qdc->ad", block, made.factors[t], by)
        return forms

    def _through_modes(self, made: _Sum, slopes: _Slopes, modes: Modes, turned: Floats) -> Floats:
        """Add what derivatives by the modes are by Lambda; give ``Z Lambda v`` (n,).

        v solves ``H v = derivatives by u``, H of the observed information.
        """
        system, chain = self.system, self.chain
        columns = [system.factors[f].z for f in system.pattern.chain]
        observed = modes.rows.weight
        root = made.root
        if self.expected:
            products = chain.products(columns, observed)
            root = chain.factorise(chain.penalised(products, made.factors))
        sums = [
            sums_by_level(codes, z * turned[:, None], q)
            for codes, z, q in zip(chain.codes, columns, chain.levels, strict=True)
        ]
        right = [
            slope + own @ factor
            for slope, own, factor in zip(slopes.modes, sums, made.factors, strict=True)
        ]
        v = chain.solve(root, right)
        along = np.zeros(system.n)
        for rows, own, codes in zip(made.rows, v, chain.codes, strict=True):
            along += _of_rows(rows, own, codes)
        for t, (codes, z, q) in enumerate(zip(chain.codes, columns, chain.levels, strict=True)):
            back = sums_by_level(codes, z * (turned - observed * along)[:, None], q)
            slopes.factors[t] += back.T @ made.modes[t]
            slopes.factors[t] += sums_by_level(codes, z * modes.rows.score[:, None], q).T @ v[t]
        return along


def _of_rows(rows: Floats, effects: Floats, codes: NDArray[np.int64]) -> Floats:
    """``rows effects`` (n,) of rows (n, k) and effects (q, k) of their levels."""
    if rows.shape[1] == 1:
        return rows[:, 0] * effects[:, 0].take(codes)
    return np.einsum("ij,ij->i", rows, effects.take(codes, axis=0))


def _not_nested(system: GeneralizedSystem) -> tuple[str, str]:
    """Names of two grouping factors of which neither is nested in the other."""
    for one, other in combinations(range(len(system.factors)), 2):
        a, b = system.factors[one], system.factors[other]
        met = np.unique(a.codes * np.int64(b.n_levels) + b.codes)
        if len(met) > max(a.n_levels, b.n_levels):
            return system.terms[one].group, system.terms[other].group
    raise AssertionError("Factors of which all pairs are nested are a chain.")
