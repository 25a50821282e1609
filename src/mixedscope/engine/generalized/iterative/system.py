"""A design of two large crossed factors and a family, prepared for conjugate gradients."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, UnsuitedError
from mixedscope.design.design import Design
from mixedscope.engine import gather
from mixedscope.engine.generalized.system import GeneralizedSystem
from mixedscope.engine.iterative.conjugate import Solves, solve
from mixedscope.engine.iterative.crossing import Complement, Crossing
from mixedscope.engine.iterative.probed import ProbedSystem
from mixedscope.engine.iterative.probes import REFERENCE, signs, starts
from mixedscope.engine.iterative.system import PROBES
from mixedscope.engine.kernels import weighted_crossing as kernels
from mixedscope.engine.kernels.working import fill_slots
from mixedscope.families.family import Family, Response

__all__ = ["IterativeGeneralizedSystem", "unsuited"]

Floats = NDArray[np.float64]


class IterativeGeneralizedSystem(ProbedSystem, GeneralizedSystem):
    """A design of which the larger factor is eliminated, the other one iterated.

    It holds no factorisation: what would need one is refused, by name.

    Parameters
    ----------
    design : Design
    response : Response
    family : Family
    seed : int
        Of the probes.
    n_probes : int
        That a fit begins with.

    Attributes
    ----------
    eliminated, iterated : int
        Positions of the two factors in the model.
    n_probes : int
        That are used now.
    n_iterated : int
        Levels of the iterated factor.

    Raises
    ------
    ModelError
        If the model is not of the kind that this serves: the message says why.
    """

    def __init__(
        self,
        design: Design,
        response: Response,
        family: Family,
        *,
        seed: int = 0,
        n_probes: int = PROBES,
    ) -> None:
        self.seed = seed
        self.first_probes = self.n_probes = n_probes
        reason = unsuited(design)
        if reason is not None:
            raise ModelError(f"{reason} Use solver='exact'.")
        super().__init__(design, response, family)

    def _form(self) -> None:
        """Find the pairs of levels, and to which of them each row belongs."""
        self.eliminated, self.iterated = _places(self.design)
        own, far = self.factors[self.eliminated], self.factors[self.iterated]
        self.n_iterated = far.n_levels
        order, start = gather.counting_sort(own.codes, own.n_levels)
        column = far.codes[:, None].astype(np.int32)
        self._ptr, self._idx, self._level, *_ = gather.sparse_pattern(
            order, start, column, far.n_levels
        )
        slots = np.empty(column.shape, dtype=np.int32)
        fill_slots(order, start, column, self._ptr, self._idx, far.n_levels, slots)
        self._slots = np.ascontiguousarray(slots[:, 0])

    @property
    def n_pairs(self) -> int:
        """Pairs of levels that have rows in common."""
        return len(self._idx)

    # -- probes ----------------------------------------------------------------------------------

    @cached_property
    def probes(self) -> Floats:
        """Random signs (N, probes), the same at every point."""
        return signs(self.n_iterated, self.n_probes, self.seed)

    @cached_property
    def starts(self) -> Floats:
        """Effects (N, r) of directions that are taken out of probes; the same for all probes."""
        at = [REFERENCE * np.eye(f.size) for f in self.factors]
        return starts(self.complement(np.ones(self.n), at))

    @property
    def probed_columns(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Factor and column in whose space the probes are: models that share it share them."""
        term = self.terms[self.iterated]
        return ((term.group, term.names),)

    def of_response(self, response: Response) -> IterativeGeneralizedSystem:
        """Refused: thousands of refits are not for models of this size."""
        self.refuse("Other responses, and rows or levels left out,")

    def of_design(self, design: Design) -> IterativeGeneralizedSystem:
        """The same response with another design, by the same probes."""
        return IterativeGeneralizedSystem(
            design, self.response, self.family, seed=self.seed, n_probes=self.n_probes
        )

    # -- the weighted system ---------------------------------------------------------------------

    def complement(self, weight: Floats, factors: Sequence[Floats]) -> Complement:
        """Eliminate the larger factor from the system of rows with these weights (n,).

        Raises FloatingPointError if it is not positive definite.
        """
        own, far = self.factors[self.eliminated], self.factors[self.iterated]
        k = own.size
        d, w = np.empty((own.n_levels, k, k)), np.empty((len(self._idx), k))
        squares = np.empty(far.n_levels)
        kernels.weighted_pairs(
            own.codes, own.z, far.codes, far.z, self._slots, weight, d, w, squares
        )
        crossing = Crossing(
            self._ptr, self._idx, w, d, np.empty((own.n_levels, k, 0)), (squares[:, None, None],),
            np.empty((far.n_levels, 0)), np.empty((0, 0)),
        )  # fmt: skip
        if float(squares.min()) < 0.0:
            lowest = 1.0 + float(factors[self.iterated][0, 0]) ** 2 * float(squares.min())
            if lowest <= 0.0:
                raise FloatingPointError("The penalised system is not positive definite.")
        with np.errstate(all="ignore"):
            return Complement(
                crossing, factors[self.eliminated], float(factors[self.iterated][0, 0])
            )

    def solved(
        self, complement: Complement, own: Floats, far: Floats, tolerance: float
    ) -> tuple[Floats, Floats, Solves]:
        """``Lambda inv(H) Lambda'`` times columns by level (q, k, c) and (N, c).

        ``tolerance``: lengths of what may be left of the equations of the iterated factor.
        """
        reduced = complement.scale[:, None] * complement.reduced(own, far)
        found = solve(
            complement.product, complement.variance, reduced,
            np.full(far.shape[1], tolerance),
        )  # fmt: skip
        beyond = complement.variance * complement.scale[:, None] * found.x
        return complement.m @ (own - complement.met(beyond)), beyond, found

    def weighted_sums(self, weight: Floats, columns: Floats) -> tuple[Floats, Floats]:
        """``Z'W columns`` of the eliminated (q, k, m) and the iterated factor (N, m)."""
        own, far = self.factors[self.eliminated], self.factors[self.iterated]
        m = columns.shape[1]
        of_own = np.zeros((own.n_levels, own.size, m))
        of_far = np.zeros((far.n_levels, 1, m))
        kernels.weighted_sums(own.codes, own.z, weight, columns, of_own)
        kernels.weighted_sums(far.codes, far.z, weight, columns, of_far)
        return of_own, of_far[:, 0, :]

    def changed_rows(
        self, weight: Floats, columns: Floats, of_own: Floats, of_far: Floats
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Columns (n, m) less ``Z`` times effects (q, k, m) and (N, m).

        With their sums ``Z'W`` by level, of the same shapes, and ``columns'W`` times them (m, m).
        """
        own, far = self.factors[self.eliminated], self.factors[self.iterated]
        out, gram = np.empty(columns.shape), np.zeros((columns.shape[1],) * 2)
        sums_own, sums_far = np.zeros(of_own.shape), np.zeros(of_far.shape)
        kernels.changed_rows(
            own.codes, own.z, far.codes, far.z, weight, columns, of_own, of_far, out, sums_own,
            sums_far, gram,
        )  # fmt: skip
        return out, sums_own, sums_far, gram

    def in_order(self, of_own: Any, of_far: Any) -> list[Any]:
        """Something of the eliminated and of the iterated factor, in the order of the model."""
        return [of_own, of_far] if self.eliminated == 0 else [of_far, of_own]

    def known_of_rows(self, complement: Complement) -> tuple[Floats, Floats]:
        """``z'M z`` and ``y'inv(G) y`` of every row (n,), see :mod:`.point`."""
        own, far = self.factors[self.eliminated], self.factors[self.iterated]
        k, m = own.size, complement.m
        squares = np.empty((own.n_levels, k, k))
        for a in range(k):
            for b in range(k):
                product = complement.w[:, a] * complement.w[:, b]
                squares[:, a, b] = np.bincount(self._level, product, own.n_levels)
        shadow = m @ squares @ m
        turned = np.einsum("iab,ib->ia", m[own.codes], complement.crossing.w[self._slots])
        inner = np.einsum("ia,iab,ib->i", own.z, m[own.codes], own.z)
        value = np.einsum("ia,iab,ib->i", own.z, shadow[own.codes], own.z)
        column = far.z[:, 0]
        middle = column - 2.0 * np.einsum("ia,ia->i", own.z, turned)
        value += column * middle * (complement.scale**2)[far.codes]
        return inner, value

    def row_products(
        self, complement: Complement, z: Floats, x: Floats, columns: Floats
    ) -> tuple[Floats, Floats]:
        """Products of rows, see `kernels.weighted_crossing`; `z`, `x` of the scaled space."""
        own, far = self.factors[self.eliminated], self.factors[self.iterated]
        scale = complement.scale[:, None]
        z, x = scale * z, scale * x
        return kernels.row_products(
            own.codes, own.z, far.codes, far.z,
            np.ascontiguousarray(complement.m @ complement.met(z)),
            np.ascontiguousarray(complement.m @ complement.met(x)), z, x, columns,
        )  # fmt: skip

    def refuse(self, what: str) -> NoReturn:
        """Raise UnsuitedError of something that this engine does not compute."""
        raise UnsuitedError(
            f"{what} are not computed by the iterative engine: fit the model with solver='exact'."
        )

    if not TYPE_CHECKING:  # checkers know what the class has

        def __getattr__(self, name: str) -> Any:
            """Refuse what only a factorisation has."""
            if name in ("modal", "joint", "adjoint", "pattern"):
                self.refuse("Results that need a factorisation of the model")
            raise AttributeError(name)


def unsuited(design: Design) -> str | None:
    """Why a design is not of the kind that this engine serves, in a sentence; None if it is."""
    random = design.random
    if len(random) != 2:
        groups = ", ".join(repr(term.group) for term in random) or "none"
        return (
            "With a family the iterative engine is for two crossed grouping factors, and the "
            f"model has {len(random)}: {groups}."
        )
    other = random[_places(design)[1]]
    if len(other.names) > 1:
        return (
            f"The iterative engine takes one column of random effects for {other.group!r}, the "
            f"second largest grouping factor, which has {len(other.names)}: "
            f"{', '.join(other.names)}."
        )
    return None


def _places(design: Design) -> tuple[int, int]:
    """Positions of the eliminated factor and of the iterated one."""
    counts = [len(term.levels) * len(term.names) for term in design.random]
    first, second = sorted(range(len(counts)), key=lambda f: (-counts[f], f))
    # A factor with several columns is eliminated.
    if len(design.random[second].names) > 1 and len(design.random[first].names) == 1:
        first, second = second, first
    return first, second
