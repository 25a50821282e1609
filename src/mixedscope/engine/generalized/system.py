"""A design with a family, brought to the internal units of the engine, with its factorisations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import DataError, ModelError
from mixedscope.core.wording import counted
from mixedscope.design.design import Design
from mixedscope.engine.basis import FixedBasis, fixed_basis
from mixedscope.engine.blocked import BlockedSystem
from mixedscope.engine.gather import sums_by_level
from mixedscope.engine.generalized.products import WeightedProducts
from mixedscope.engine.generalized.rows import LONG
from mixedscope.engine.group_effects import GroupEffects, group_effects
from mixedscope.engine.kernels.working import add_effects, add_level_sums
from mixedscope.engine.lapack import limited_for
from mixedscope.engine.memory import check_room
from mixedscope.engine.pattern import make_pattern
from mixedscope.engine.products import GroupColumns
from mixedscope.engine.system import has_intercept
from mixedscope.families.family import Family, Response

__all__ = ["GeneralizedSystem", "blocks_by_level"]

Floats = NDArray[np.float64]

#: Products of sparse rows from which on BLAS is faster than compiled loops (measured): leverages
#: are asked for at every gradient.
_PRODUCTS: Final = 20_000


class GeneralizedSystem:
    """What does not change with the parameters of a generalised mixed model.

    Random-effects columns have unit root mean square, as of linear models, or that of `unit`. Prior
    weights belong to the log-likelihood and are not in the columns.

    Parameters
    ----------
    design : Design
    response : Response
        One value per row of the design; checked by the family.
    family : Family

    Attributes
    ----------
    n : int
    terms : tuple of GroupEffects
    factors : tuple of GroupColumns
    basis : FixedBasis
    offset : (n,) array
    unit : float
        What linear predictors, and with them all columns that the engine works with, are measured
        in: 1 where the link has no unit.
    """

    def __init__(self, design: Design, response: Response, family: Family) -> None:
        if not design.random:
            raise ModelError(
                "The formula has no random-effects term; add one such as (1 | group), or fit an "
                "ordinary generalised linear model."
            )
        self.design = design
        self.response = response
        self.family = family
        self.n = len(response.y)
        self.unit = family.unit(response)
        with limited_for(self.n, design.X.shape[1]):
            self.terms: tuple[GroupEffects, ...] = group_effects(design.random, None, self.unit)
            self.basis: FixedBasis = fixed_basis(design.X, intercept=has_intercept(design))
        if self.n < len(self.basis.kept):
            raise DataError(
                f"The model has {counted(len(self.basis.kept), 'fixed effect')} for "
                f"{counted(self.n, 'observation')}; leave out fixed effects or add data."
            )
        self.X = np.ascontiguousarray(design.X[:, self.basis.kept])
        self.offset = np.zeros(self.n) if design.offset is None else design.offset
        self.factors = tuple(
            GroupColumns(t.group, len(t.design.levels), t.design.codes, t.standard)
            for t in self.terms
        )
        self._form()

    @property
    def root(self) -> float:
        """What orthonormal columns of the fixed effects are multiplied by to have the unit."""
        return math.sqrt(self.n) * self.unit

    def _form(self) -> None:
        """Find what stands where, and make room for a factorisation."""
        self.pattern, self._scatter = make_pattern(
            tuple(f.codes for f in self.factors),
            tuple(f.n_levels for f in self.factors),
            tuple(f.size for f in self.factors),
        )
        check_room(self.pattern, 1, [f.group for f in self.factors])

    def of_response(self, response: Response) -> GeneralizedSystem:
        """The same with another response; both work in the same memory, one at a time."""
        _ = self.modal, self.adjoint
        other = copy(self)
        other.response = response
        return other

    def of_design(self, design: Design) -> GeneralizedSystem:
        """The same response with another design."""
        return GeneralizedSystem(design, self.response, self.family)

    @cached_property
    def modal(self) -> BlockedSystem:
        """The system of the random effects alone, fixed effects known."""
        return self._system(np.empty((self.n, 0)))

    @cached_property
    def joint(self) -> BlockedSystem:
        """The system of random and fixed effects together."""
        return self._system(np.ascontiguousarray(self.basis.q))

    @cached_property
    def adjoint(self) -> BlockedSystem:
        """One more of the random effects alone, which leaves the factorisation of `modal` alone."""
        return self._system(np.empty((self.n, 0)))

    def _system(self, q: Floats) -> BlockedSystem:
        products = WeightedProducts.of(self.pattern, self._scatter, self.factors, q)
        return BlockedSystem(products, _PRODUCTS)

    @property
    def fixed_names(self) -> tuple[str, ...]:
        """Names of the fixed effects that are estimated."""
        return tuple(self.design.x_names[j] for j in self.basis.kept)

    @property
    def dropped_names(self) -> tuple[str, ...]:
        """Names of the fixed effects left out because X is rank-deficient."""
        kept = set(self.basis.kept.tolist())
        return tuple(name for j, name in enumerate(self.design.x_names) if j not in kept)

    @property
    def kept(self) -> NDArray[np.intp]:
        """Columns of X (r,), ascending, whose fixed effects are estimated."""
        return self.basis.kept

    def sums_of_kept(self, columns: NDArray[np.intp]) -> Floats:
        """Columns of X that were left out as sums of those kept: coefficients (r, columns)."""
        return np.asarray(self.basis.r_inverse @ (self.basis.q.T @ self.design.X[:, columns]))

    def fixed_part(self, beta: Floats) -> Floats:
        """``offset + X beta`` (n,)."""
        return self.offset + self.X @ beta

    def standard_factors(self, theta: Floats) -> list[Floats]:
        """Covariance factors for the internal units, one per grouping factor."""
        return [t.standard_factor(theta[t.theta]) for t in self.terms]

    def random_part(self, modes: Sequence[Floats]) -> Floats:
        """``Z b`` (n,) of modes (q, k) per grouping factor, internal units."""
        total = np.zeros(self.n)
        for factor, b in zip(self.factors, modes, strict=True):
            if self.n >= LONG:
                add_effects(factor.codes, factor.z, np.ascontiguousarray(b), total)
            elif factor.size == 1:
                total += factor.z[:, 0] * b[:, 0].take(factor.codes)
            else:
                total += np.einsum("ij,ij->i", factor.z, b.take(factor.codes, axis=0))
        return total

    def level_sums(self, values: Floats) -> list[Floats]:
        """``Z' values`` as sums (q, k) by level, per grouping factor."""
        out: list[Floats] = []
        for factor in self.factors:
            if self.n >= LONG:
                sums = np.zeros((factor.n_levels, factor.size))
                add_level_sums(factor.codes, factor.z, values, sums)
                out.append(sums)
            elif factor.size == 1:
                own = factor.z[:, 0] * values
                one = np.asarray(np.bincount(factor.codes, own, factor.n_levels), dtype=float)
                out.append(one[:, None])
            else:
                products = factor.z * values[:, None]
                out.append(sums_by_level(factor.codes, products, factor.n_levels))
        return out


def blocks_by_level(
    codes: NDArray[np.int64], columns: Floats, weight: Floats, n_levels: int
) -> Floats:
    """``columns' W columns`` (q, k, k) of the rows of every level, of columns (n, k)."""
    k = columns.shape[1]
    out = np.empty((n_levels, k, k))
    for a in range(k):
        for b in range(a + 1):
            product = columns[:, a] * columns[:, b] * weight
            out[:, a, b] = out[:, b, a] = np.bincount(codes, product, n_levels)
    return out
