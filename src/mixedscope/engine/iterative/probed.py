"""Which random probes a system uses, and what its objective tells of them."""

from __future__ import annotations

from copy import copy
from typing import Any, Final, Self

__all__ = ["ERRORS", "Probed", "ProbedSystem"]

#: What evaluations tell beside what those of an exact objective do: errors of the objective and of
#: its gradient, and what the equations took.
ERRORS: Final = ("objective_se", "gradient_se", "cg_iterations", "cg_residual", "probes")


class ProbedSystem:
    """A system of which log-determinants are estimated by probes, the same at every point.

    Attributes
    ----------
    seed : int
        Of the probes.
    first_probes, n_probes : int
        That a fit begins with, and that are used now.
    """

    seed: int
    first_probes: int
    n_probes: int

    def use_probes(self, n_probes: int | None) -> None:
        """Use so many probes from now on; None: as many as a fit begins with."""
        number = self.first_probes if n_probes is None else n_probes
        if number != self.n_probes:
            self.n_probes = number
            self.forget_probes()

    def with_probes(self, n_probes: int, *, seed: int | None = None) -> Self:
        """Give the same system with another number of probes, or others."""
        other = copy(self)
        other.n_probes = n_probes
        other.seed = self.seed if seed is None else seed
        other.forget_probes()
        return other

    def forget_probes(self) -> None:
        """Forget the probes, and what came of them."""
        self.__dict__.pop("probes", None)


class Probed:
    """An objective of a system of probes."""

    system: Any

    @property
    def n_probes(self) -> int:
        """Number of probes."""
        return int(self.system.n_probes)

    @property
    def seed(self) -> int:
        """What the probes are drawn from."""
        return int(self.system.seed)
