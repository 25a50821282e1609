"""A design of large crossed factors, prepared for conjugate gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, UnsuitedError
from mixedscope.design.design import Design, RandomDesign
from mixedscope.engine.evaluation import Solution
from mixedscope.engine.gather import containing_levels
from mixedscope.engine.iterative.blocks import complement_of
from mixedscope.engine.iterative.clusters import roots_of
from mixedscope.engine.iterative.crossing import Crossing, Places, crossing_of
from mixedscope.engine.iterative.probed import ProbedSystem
from mixedscope.engine.iterative.probes import REFERENCE, signs, starts
from mixedscope.engine.iterative.solution import IterativeSolution
from mixedscope.engine.lapack import limited_for
from mixedscope.engine.system import ProfiledSystem

__all__ = ["PROBES", "IterativeSystem", "unsuited"]

Floats = NDArray[np.float64]
Positions = tuple[int, list[int], list[int]]

#: Probes that a fit begins with; with fewer than 32 their stated errors are too small.
PROBES: Final = 32

#: Random effects that stand in the dense border beside the large crossed factors, at most.
MOST_BESIDE: Final = 200

#: Entries of blocks of levels with those within them, of one factor.
MOST_TOGETHER: Final = 2e7

#: Random effects of a factor of which all conditional standard deviations are computed unasked, and
#: levels of larger ones of which they are: so many at either end of the modes, in all so many.
MOST_AT_ONCE: Final = 500
ENDS: Final = 20
SAMPLED: Final = 200


class IterativeSystem(ProbedSystem, ProfiledSystem):
    """A design of which one large factor is eliminated, the others iterated.

    It holds no factorisation: what would need one is refused, by name.

    Parameters
    ----------
    design : Design
    seed : int
        Of the probes.
    n_probes : int
        That a fit begins with.

    Attributes
    ----------
    n_probes : int
        That are used now.
    places : Places
        Which factor is eliminated, which are iterated, and which small enough to stand beside.
    crossing : Crossing

    Raises
    ------
    ModelError
        If the model is not of the kind that this serves: the message says why.
    """

    def __init__(self, design: Design, *, seed: int = 0, n_probes: int = PROBES) -> None:
        self.seed = seed
        self.first_probes = self.n_probes = n_probes
        self._positions = _places(design)
        reason = unsuited(design, self._positions)
        if reason is not None:
            raise ModelError(f"{reason} Use solver='exact' or solver='sparse'.")
        with limited_for(len(design.y), most=1):
            super().__init__(design)

    def _form(self) -> None:
        """Form the cross-products of the large factors, and those of all else with them."""
        eliminated, iterated, border = self._positions
        beside, n_border = self._one_after_another(border)
        self.places = Places(eliminated, self._one_after_another(iterated)[0], beside, n_border)
        self.crossing: Crossing = crossing_of(
            self.factors[eliminated],
            [self.factors[f] for f in iterated],
            [self.factors[f] for f in border],
            self.basis.q,
            self.response,
        )
        self._last: IterativeSolution | None = None

    def _one_after_another(
        self, positions: Sequence[int]
    ) -> tuple[tuple[tuple[int, slice], ...], int]:
        """Where columns of factors stand that follow one another, and how many they are."""
        out, first = [], 0
        for f in positions:
            count = self.factors[f].n_levels * self.factors[f].size
            out.append((f, slice(first, first + count)))
            first += count
        return tuple(out), first

    @cached_property
    def probes(self) -> Floats:
        """Random signs (N, probes), the same at every theta."""
        several = len(self.places.iterated_columns) > 1
        parts = []
        for f, _ in self.places.iterated_columns:
            term, q = self.terms[f], self.factors[f].n_levels
            columns = []
            for c in range(term.size):
                purpose = f"probes {term.group} {c}" if several or c else "probes"
                columns.append(signs(q, self.n_probes, self.seed, purpose=purpose))
            parts.append(np.stack(columns, axis=1).reshape(q * term.size, -1))
        return np.concatenate(parts)

    @cached_property
    def starts(self) -> Floats:
        """Effects (N, r) of directions that are taken out of probes; the same for all probes."""
        at = [REFERENCE * np.eye(f.size) for f in self.factors]
        return starts(
            complement_of(
                self.crossing,
                at[self.places.eliminated],
                [at[f] for f, _ in self.places.iterated_columns],
            )
        )

    @property
    def probed_columns(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Factors and columns in whose space the probes are: models that share them share these."""
        terms = [self.terms[f] for f, _ in self.places.iterated_columns]
        return tuple((term.group, term.names) for term in terms)

    def forget_probes(self) -> None:
        """Forget the probes, and the last solution."""
        super().forget_probes()
        self._last = None

    def at(self, factors: Sequence[Floats]) -> IterativeSolution:
        """Solve at these factors, unless that was done last."""
        last = self._last
        if last is None or not all(map(np.array_equal, last.factors, factors)):
            self._last = None  # its room is needed
            self._last = last = IterativeSolution(
                self.crossing, self.places, factors, self.probes, self.starts
            )
        return last

    @property
    def _solution(self) -> IterativeSolution:
        if self._last is None:
            raise ModelError("There is no solution yet.")
        return self._last

    # -- as ProfiledSystem tells -----------------------------------------------------------------

    def solve(self, factors: Sequence[Floats]) -> Solution:
        """Solve; of what comes the log-determinant is estimated."""
        return self.at(factors).solution()

    def with_response(self, response: Floats) -> IterativeSystem:
        """Give the same system for another response (n,), in the same internal units."""
        other = self.with_probes(self.n_probes)
        weighted = response * self.root_weights
        other.design = replace(self.design, y=response)
        other.response = self.project(weighted) / self.y_scale
        other._projection = self.basis.q.T @ weighted
        other._form()
        return other

    def modes(self) -> list[Floats]:
        """Conditional modes of the last solution per grouping factor (q, k), units of the data."""
        return [self.in_data_units(i, b) for i, b in enumerate(self._solution.modes())]

    def beta_covariance(self, sigma: float) -> Floats:
        """Covariance of the fixed effects (r, r), after a solution; exact."""
        half = np.linalg.solve(self._solution.fixed_factor(), self.r_inverse.T)
        return np.asarray(sigma**2 * half.T @ half)

    def conditional_covariances_of(
        self, position: int, levels: NDArray[np.intp], sigma: float
    ) -> Floats:
        """Conditional covariances (levels, k, k) of some levels, after a solution; exact."""
        blocks = self._solution.conditional_covariances(position, levels)
        return self.terms[position].data_covariances(blocks * sigma**2)

    def conditional_sds(self, sigma: float) -> list[Floats]:
        """Conditional standard deviations (q, k), after a solution; of large factors some.

        Exact. Of factors of more than `MOST_AT_ONCE` random effects those of `SAMPLED` levels, the
        ends in the order of their modes of the first column and others evenly in rank; NaN, which
        is to say not computed, elsewhere: of any levels there is
        :meth:`conditional_covariances_of`.
        """
        out = []
        modes = self.modes()
        for position, (term, factor) in enumerate(zip(self.terms, self.factors, strict=True)):
            q, k = factor.n_levels, term.size
            levels = np.arange(q)
            if q * k > MOST_AT_ONCE and q > SAMPLED:
                ranks = np.concatenate(
                    [
                        np.arange(ENDS),
                        np.linspace(ENDS, q - 1 - ENDS, SAMPLED - 2 * ENDS).round().astype(int),
                        np.arange(q - ENDS, q),
                    ]
                )
                levels = np.sort(np.argsort(-modes[position][:, 0], kind="stable")[ranks])
            blocks = self.conditional_covariances_of(position, levels, sigma)
            own = np.full((q, k), np.nan)
            own[levels] = np.sqrt(np.einsum("qii->qi", blocks))
            out.append(own)
        return out

    def conditional_covariances(self, sigma: float) -> list[Floats]:
        """Refused: of all levels they would take one solution each."""
        self._refuse("Conditional covariances of all levels")

    def solver(self, response: Floats) -> NoReturn:
        """Refused: there is no factorisation to lend."""
        self._refuse("Solutions for other responses")

    def derivatives_of_determinants(
        self, factors: Sequence[Floats], solution: Solution
    ) -> list[Floats]:
        """Refused: they would be estimates."""
        self._refuse("Sums of leverages")

    @property
    def precise(self) -> None:
        """There is no system of more digits."""
        return None

    def _refuse(self, what: str) -> NoReturn:
        raise UnsuitedError(
            f"{what} are not computed by the iterative engine: fit the model with solver='exact' "
            "or solver='sparse'."
        )

    if not TYPE_CHECKING:  # checkers know what the class has

        def __getattr__(self, name: str) -> Any:
            """Refuse what only a factorisation has."""
            if name in ("cross", "blocked"):
                self._refuse("Results that need a factorisation of the model")
            raise AttributeError(name)


def unsuited(design: Design, positions: Positions | None = None) -> str | None:
    """Why a design is not of the kind that this engine serves, in a sentence; None if it is.

    ``positions``: what `_places` says of it, where that is known.
    """
    random = design.random
    if len(random) < 2:
        return (
            "The iterative engine is for crossed grouping factors, and the model has one, "
            f"{random[0].group!r}, whose levels are independent of each other."
            if random
            else "The iterative engine is for models with random effects."
        )
    _, iterated, _ = _places(design) if positions is None else positions
    if len(iterated) < 2:
        return None
    counts = [(random[f].codes, len(random[f].levels)) for f in iterated]
    together = [np.full(len(random[f].levels), float(len(random[f].names))) for f in iterated]
    for at, (root, parent) in enumerate(roots_of(counts)):
        if parent is not None:
            within = len(random[iterated[at]].names) * np.bincount(parent)
            together[root] += within
            if float((together[root] ** 2).sum()) > MOST_TOGETHER:
                inner, outer = random[iterated[at]].group, random[iterated[root]].group
                return (
                    f"The iterative engine solves for levels of {outer!r} and those of {inner!r} "
                    f"within them together, and some of {outer!r} have too many: "
                    f"{int(together[root].max())} random effects."
                )
    return None


def _places(design: Design) -> Positions:
    """Positions of the eliminated factor, of the iterated ones and of the others.

    The smallest stand beside, as long as they are small together; two are large in any case.
    """
    random = design.random
    if not random:
        return -1, [], []
    counts = [len(term.levels) * len(term.names) for term in random]
    order = sorted(range(len(counts)), key=lambda f: (-counts[f], f))
    large = len(order)
    while large > 2 and sum(counts[f] for f in order[large - 1 :]) <= MOST_BESIDE:
        large -= 1
    first = order[0]
    if large == 2:
        # A factor with several columns is eliminated, if it is one of the two.
        if len(random[order[1]].names) > 1 and len(random[first].names) == 1:
            first = order[1]
    else:
        # Levels within those of another large factor are eliminated: what is left of the other is
        # a block a level.
        nested = [
            f for f in order[:large]
            if any(_is_within(random[f], random[g]) for g in order[:large] if g != f)
        ]  # fmt: skip
        first = max(nested or [first], key=lambda f: len(random[f].levels))
    return first, [f for f in order[:large] if f != first], sorted(order[large:])


def _is_within(inner: RandomDesign, outer: RandomDesign) -> bool:
    """Whether every level of one factor is within one of the other."""
    if len(inner.levels) < len(outer.levels):
        return False
    return bool(containing_levels(inner.codes, outer.codes, len(inner.levels))[0])
