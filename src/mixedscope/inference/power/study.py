"""A planned study: its design at every size, the truth, and draws that are fitted and tested.

Draw i of a design depends on the seed, the sizes and i alone, so that jobs that make parts of them
make the same whatever the number of jobs. Where rows are missing, or the layout itself is random,
every `BLOCK` draws share one layout, and the next have another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import DataError, ModelError, UnsuitedError, suggest
from mixedscope.core.seeds import derive_seed
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.inference.bootstrap.draws import responses_of_draws
from mixedscope.inference.estimates.simulated import Truth
from mixedscope.inference.hypotheses.contrasts import Contrasts, contrasts_of
from mixedscope.inference.power.many_tests import LinearTests
from mixedscope.inference.power.outcomes import Outcomes
from mixedscope.inference.power.performance import frame_of, performance
from mixedscope.inference.power.smallest import search_smallest

__all__ = ["BLOCK", "LinearPlan", "Plan", "Point", "Study", "tested_contrasts", "with_effects"]

Floats = NDArray[np.float64]

#: Draws that share a layout, where layouts differ.
BLOCK: Final = 20

#: Numbers of responses that are in memory at once, about.
_AT_ONCE: Final = 1 << 22


@dataclass(frozen=True)
class Point:
    """What became of the draws of one size.

    Attributes
    ----------
    sizes : mapping of str to int
    rows : list of dict
        Of the table ``power``, one for each contrast.
    outcomes : Outcomes
    """

    sizes: Mapping[str, int]
    rows: list[dict[str, Any]]
    outcomes: Outcomes

    def frame(self) -> pd.DataFrame:
        """The table ``power_draws``."""
        labels = [str(row["effect"]) for row in self.rows]
        return self.outcomes.frame([*self.sizes.values()], labels, range(len(self.outcomes)))


class Layout(Protocol):
    """The model for the rows of one layout, and the truth behind what is drawn for them."""

    @property
    def n(self) -> int:
        """Rows."""

    @property
    def contrasts(self) -> Contrasts:
        """What is tested."""

    @property
    def truths(self) -> Floats:
        """What the contrasts are (c,)."""

    def outcomes(self, draws: Sequence[int], seed: int) -> Outcomes:
        """Draw, fit and test."""


class Plan(Protocol):
    """Makes layouts of a study at any sizes."""

    @property
    def test(self) -> str:
        """One of `mixedscope.inference.power.outcomes.TESTS`."""

    @property
    def criterion(self) -> str:
        """REML or ML."""

    @property
    def level(self) -> float:
        """Coverage of intervals."""

    def layout(self, sizes: Mapping[str, int], block: int, seed: int) -> Layout:
        """The layout of a block of draws."""

    def is_random(self, sizes: Mapping[str, int]) -> bool:
        """Whether layouts of one size differ."""


@dataclass
class LinearLayout:
    """A linear model for rows that nobody has observed yet."""

    objective: SearchableObjective
    truth: Truth
    contrasts: Contrasts
    test: str
    level: float

    @property
    def n(self) -> int:
        """Rows."""
        return self.objective.system.n

    @property
    def truths(self) -> Floats:
        """What the contrasts are (c,)."""
        return self.contrasts.rows @ self.truth.beta

    def outcomes(self, draws: Sequence[int], seed: int) -> Outcomes:
        """Draw responses by number, fit the model to each and test."""
        tests = LinearTests(self.objective, self.truth.theta, self.contrasts, self.test, self.level)
        step = max(1, _AT_ONCE // self.n)
        return Outcomes.joined(
            [
                tests.of(
                    responses_of_draws(self.objective, self.truth, draws[at : at + step], seed)
                )
                for at in range(0, len(draws), step)
            ]
        )


@dataclass(frozen=True)
class LinearPlan:
    """Layouts of a linear model whose parameters are known.

    Attributes
    ----------
    design : callable
        Gives the design and the truth for sizes and the seed of a layout.
    hypotheses : object
        As `contrasts_of` reads them; None: every coefficient but the intercept.
    test : str
    reml : bool
    level : float
    random : callable
        Says whether layouts of these sizes differ.
    """

    design: Callable[[Mapping[str, int], int], tuple[SearchableObjective, Truth]]
    hypotheses: Any
    test: str
    reml: bool
    level: float
    random: Callable[[Mapping[str, int]], bool]

    @property
    def criterion(self) -> str:
        """REML or ML."""
        return "REML" if self.reml else "ML"

    def layout(self, sizes: Mapping[str, int], block: int, seed: int) -> LinearLayout:
        """See `Plan`."""
        objective, truth = self.design(sizes, derive_seed(seed, "power layout", block=block))
        contrasts = tested_contrasts(objective, self.hypotheses)
        return LinearLayout(objective, truth, contrasts, self.test, self.level)

    def is_random(self, sizes: Mapping[str, int]) -> bool:
        """See `Plan`."""
        return self.random(sizes)


def tested_contrasts(objective: Any, hypotheses: Any) -> Contrasts:
    """Read what is tested: by default every coefficient but the intercept."""
    found = contrasts_of(objective, _all(objective) if hypotheses is None else hypotheses)
    for label in found.labels:
        if found.labels.count(label) > 1:
            raise ModelError(f"The hypothesis {label!r} is there twice: leave one out.")
    return found


def _all(objective: Any) -> dict[str, dict[str, float]]:
    """Every coefficient but the intercept, or that where there is no other."""
    names = objective.system.fixed_names
    tested = [name for name in names if name != "(Intercept)"] or list(names)
    if not tested:
        raise ModelError("The model has no fixed effects, and nothing that could be tested.")
    return {name: {name: 1.0} for name in tested}


class Study:
    """Draws of a planned study, made when they are asked for and kept.

    Parameters
    ----------
    plan : Plan
    seed : int
    """

    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan, self.seed = plan, seed
        self._layouts: dict[tuple[tuple[str, int], ...], Layout] = {}

    def point(
        self,
        sizes: Mapping[str, int],
        draws: int,
        tell: Callable[[int], object] | None = None,
    ) -> Point:
        """Make the draws of one size from 0 to `draws`; ``tell`` hears how many are made."""
        return self.summed(sizes, self.part(sizes, range(draws), tell))

    def search(
        self,
        name: str,
        low: int,
        high: int,
        draws: int,
        wanted: float,
        tell: Callable[[int], object] | None = None,
    ) -> list[Point]:
        """Look at sizes between two until two neighbours have a power between them; ascending."""
        points: list[Point] = []

        def make(size: int) -> list[dict[str, Any]]:
            points.append(self.point({name: size}, draws, tell))
            return points[-1].rows

        search_smallest(make, low, high, wanted, frame_of)
        return sorted(points, key=lambda point: point.sizes[name])

    def part(
        self,
        sizes: Mapping[str, int],
        draws: Sequence[int],
        tell: Callable[[int], object] | None = None,
    ) -> Outcomes:
        """Make some draws of one size, by number, ascending."""
        own = derive_seed(self.seed, "power", sizes=dict(sizes))
        parts = []
        for block, some in self._blocks(sizes, list(draws)):
            parts.append(self._layout(sizes, block).outcomes(some, own))
            if tell is not None:
                tell(len(some))
        return Outcomes.joined(parts)

    def contrasts(self, sizes: Mapping[str, int]) -> Contrasts:
        """What is tested in studies of one size."""
        return self._layout(sizes, 0).contrasts

    def summed(self, sizes: Mapping[str, int], outcomes: Outcomes) -> Point:
        """Say what draws of one size amount to."""
        first = self._layout(sizes, 0)
        rows = performance(
            outcomes, sizes, first.contrasts.labels, first.contrasts.values, first.truths,
            rows=first.n, test=self.plan.test, criterion=self.plan.criterion,
            level=self.plan.level, seed=self.seed,
        )  # fmt: skip
        return Point(sizes, rows, outcomes)

    def _blocks(self, sizes: Mapping[str, int], numbers: list[int]) -> list[tuple[int, list[int]]]:
        """Draws with the number of the layout that they share."""
        with _at(sizes):
            if not self.plan.is_random(sizes):
                return [(0, numbers)]
        found: dict[int, list[int]] = {}
        for number in numbers:
            found.setdefault(number // BLOCK, []).append(number)
        return list(found.items())

    def _layout(self, sizes: Mapping[str, int], block: int) -> Layout:
        """The layout of a block; the first of every size is kept."""
        key = tuple(sizes.items())
        if block == 0 and key in self._layouts:
            return self._layouts[key]
        seed = derive_seed(self.seed, "power", sizes=dict(sizes))
        with _at(sizes):
            made = self.plan.layout(sizes, block, seed)
        if block == 0:
            self._layouts[key] = made
        return made


@contextmanager
def _at(sizes: Mapping[str, int]) -> Iterator[None]:
    """Say of which sizes an error is."""
    try:
        yield
    except (DataError, ModelError) as error:
        named = ", ".join(f"{name} = {size:,}" for name, size in sizes.items())
        if not named or isinstance(error, UnsuitedError):
            raise
        raise type(error)(f"{named}: {error}") from error


def with_effects(beta: Floats, names: Sequence[str], effects: Mapping[str, float] | None) -> Floats:
    """Fixed effects (r,) with the values that some are to have.

    Raises ModelError about a coefficient that there is not.
    """
    out = np.array(beta, dtype=float)
    for name, value in (effects or {}).items():
        if name not in names:
            raise ModelError(
                f"effects names {name!r}, which is no coefficient.{suggest(str(name), names)} "
                f"Known are: {', '.join(names)}."
            )
        out[list(names).index(name)] = value
    return out
