"""The profiled objective with all that a search asks for beyond values and gradients."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.blocked import BlockedSystem
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.engine.residual import Residual, residual_limit, residual_state
from mixedscope.engine.search.second_look import SecondLook, second_look
from mixedscope.engine.second_derivatives import is_worthwhile
from mixedscope.engine.sparse.products import SparseProducts
from mixedscope.engine.sparse.system import SparseSystem

if TYPE_CHECKING:
    from mixedscope.engine.search.polar import PolarEnd, PolarSearch
    from mixedscope.engine.search.scoring import ScoringSearch
    from mixedscope.engine.search.search import SmallSearch

__all__ = ["PolarEnd", "PolarSearch", "SearchableObjective"]

Floats = NDArray[np.float64]

# Numbers in a model, and multiplications in its dense part, up to which an evaluation takes some
# microseconds.
_QUICK = 12_000


class SearchableObjective(ProfiledObjective):
    """The objective an optimiser sees; satisfies the protocols of :mod:`mixedscope.optimize`.

    Starts, compiled searches and looks at where they end know the objective, which knows nothing of
    them: here they are its methods.
    """

    def second_look(self, theta: Floats) -> SecondLook:
        """Where another minimum may lie; see `mixedscope.engine.search.second_look.second_look`."""
        return second_look(self, theta)

    #: Linear models are not approximated.
    is_approximate = False

    def far_starts(self, theta: Floats) -> Sequence[Floats]:
        """So that no minimum is far away for what is left out."""
        return ()

    def left_out(self, theta: Floats) -> float:
        """Nothing."""
        return 0.0

    def residual_state(self, theta: Floats, value: float) -> Residual:
        """Whether sigma is identified; see :func:`mixedscope.engine.residual.residual_state`."""
        return residual_state(self, theta, value)

    def at_infinity(self, theta: Floats) -> Sequence[str]:
        """Of linear models no estimate is infinite but where sigma vanishes."""
        return ()

    def words_at_infinity(self, names: Sequence[str]) -> str:
        """So that there is nothing to say."""
        return ""

    def doubt(self, theta: Floats, value: float, verdict: str) -> str:
        """Linear models are what they seem."""
        return ""

    def residual_limit(self, theta: Floats) -> float:
        """Limit of the objective as sigma vanishes; see `mixedscope.engine.residual`."""
        return residual_limit(self, theta)

    def moment_start(self) -> Floats:
        """Theta by moments, see :func:`mixedscope.engine.search.starting.moment_start`."""
        from mixedscope.engine.search.starting import moment_start

        return moment_start(self)

    def initial_hessian(self, theta: Floats) -> Floats:
        """Expected, or average, information at theta, (k, k), in theta units."""
        from mixedscope.engine.search import starting

        if self.entries is not None:
            return starting.expected_information(self, theta)
        return starting.average_information(self, theta)

    def second_derivatives(self, theta: Floats) -> tuple[Floats, Floats] | None:
        """Exact gradient (k,) and Hessian (k, k) at theta, both made of the same sums.

        None where differences of gradients take less time, where theta are no entries of a factor,
        and where so much cancels that the sums would have too few digits.
        """
        if self.entries is None or not self._has_second_derivatives:
            return None
        _, _, precise = self._evaluate(theta, self.system.variance)
        if precise is not None:
            return None
        blocked = self.system.blocked
        assert isinstance(blocked, BlockedSystem)
        gradient, hessian = blocked.second_derivatives(
            self.factors(theta), self.entries[0], self.degrees, self.system.variance,
            reml=self.reml,
        )  # fmt: skip
        by_theta = self.slope_to_theta(self.slope_to_theta(hessian).T)
        return self.slope_to_theta(gradient), by_theta

    @cached_property
    def _has_second_derivatives(self) -> bool:
        """Whether they take less time than differences of gradients."""
        blocked = self.system.blocked
        if isinstance(blocked, SparseSystem) or blocked.small is not None:
            return False
        return is_worthwhile(blocked.cross, len(self.theta_names))

    def workload(self) -> tuple[float, int]:
        """Seconds that one evaluation will take, about, 0 if less than one; bytes that are held."""
        from mixedscope.engine.blocks import seconds_of_evaluation
        from mixedscope.engine.search.workload import bytes_of

        with self.limited_threads():
            return seconds_of_evaluation(self.system), bytes_of(self.system)

    @property
    def is_compiled(self) -> bool:
        """Whether the model is of a kind that `quasi_newton` serves."""
        small = self.system.blocked.small is not None and self.entries is not None
        return small or self.has_scoring

    @cached_property
    def has_scoring(self) -> bool:
        """Whether the model is searched by scoring, see :mod:`mixedscope.engine.search.scoring`."""
        if self.entries is None or self.system.blocked.small is not None:
            return False
        if self.system.design.sigma is not None:  # its information is that where sigma is estimated
            return False
        from mixedscope.engine.search.scoring import is_scorable

        return is_scorable(self.system.blocked)

    def polar_search(self) -> PolarSearch | None:
        """Room for searches with some coordinates held; see `mixedscope.engine.search.polar`.

        None where they must be made from Python: of large models, and of structures whose theta are
        no entries of a factor.
        """
        from mixedscope.engine.search.polar import PolarSearch

        return PolarSearch.of(self)

    @property
    def is_quick(self) -> bool:
        """Whether the compiled code of an evaluation takes some microseconds."""
        cross = self.system.cross
        if self.system.blocked.small is None or isinstance(cross, SparseProducts):
            return False
        return len(cross.rest) ** 3 + sum(s.u.size for s in cross.tiers) <= _QUICK

    def quasi_newton(
        self, theta: Floats, tolerance: float, most: int
    ) -> SmallSearch | ScoringSearch | None:
        """Search for the optimum in compiled code, or with much information, where that is faster.

        Parameters
        ----------
        theta : (k,) array
            Where to start.
        tolerance : float
            Newton decrement at which to stop, deviance units.
        most : int
            Evaluations at most.

        Returns
        -------
        SmallSearch, ScoringSearch or None
            Every evaluation made, in order; None for models of other kinds.
        """
        if self.has_scoring:
            from mixedscope.engine.search.scoring import search_scoring

            return search_scoring(self, theta, tolerance, most)
        small = self.system.blocked.small
        if small is None or self.entries is None:
            return None
        from mixedscope.engine.search.search import SmallSearch, search_small

        return SmallSearch(self, search_small(self, small, theta, tolerance, most))
