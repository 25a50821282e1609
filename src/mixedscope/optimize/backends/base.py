"""What every optimiser backend is: a name, its settings, and one method that searches."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import ClassVar, NamedTuple

from mixedscope.core.errors import OptimizerError, suggest, yaml_hint
from mixedscope.optimize.objective import FloatArray, SmoothObjective
from mixedscope.optimize.problem import Problem

__all__ = ["Backend", "Outcome", "Setting", "SettingValue"]

SettingValue = float | int | bool | None


class Outcome(NamedTuple):
    """How a search ended; where it ended is in the problem's best point.

    Attributes
    ----------
    return_code : str
        Lower case, the optimiser's own word for it: ``"success"``, ``"xtol_reached"``, ….
    message : str
        A sentence for people.
    """

    return_code: str
    message: str


@dataclass(frozen=True)
class Setting:
    """One named setting of an optimiser.

    Attributes
    ----------
    default : float, int, bool or None
        None means that the optimiser chooses; only settings of default None take None.
    meaning : str
        What it does, with units, for error messages and documentation.
    minimum : float
        Smallest value allowed.
    positive : bool
        Whether the minimum itself is excluded.
    integer : bool
        Whether only whole numbers make sense.
    """

    default: SettingValue
    meaning: str
    minimum: float = 0.0
    positive: bool = False
    integer: bool = False

    def check(self, optimizer: str, name: str, value: object) -> SettingValue:
        """Give the value as the optimiser needs it, or say what is wrong with it."""
        label = f"setting {name!r} of optimizer {optimizer!r} ({self.meaning})"
        if isinstance(self.default, bool):
            if not isinstance(value, bool):
                raise OptimizerError(f"{label} must be true or false, not {value!r}")
            return value
        if value is None and self.default is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise OptimizerError(
                f"{label} must be a number, not {value!r}{yaml_hint(value, 'number')}"
            )
        if not math.isfinite(value) or value < self.minimum:
            raise OptimizerError(f"{label} must be a number from {self.minimum:g}, not {value!r}")
        if self.positive and value <= self.minimum:
            raise OptimizerError(f"{label} must be above {self.minimum:g}, not {value!r}")
        if self.integer and value != int(value):
            raise OptimizerError(f"{label} must be a whole number, not {value!r}")
        return int(value) if self.integer else float(value)


class Backend(ABC):
    """An optimiser.  A new one is a subclass of this and a line in the registry.

    Attributes
    ----------
    name : str
        As the user writes it.
    library : str
        The module behind it.
    bounded : bool
        Whether it keeps to the bounds (and must start within them).
    starts_from_moments : bool
        Whether it starts where the objective guesses its optimum
        (`SmoothObjective.moment_start`), unless a start is given.  The others start where random
        effects vary as much as residuals, to be seen finding their way.
    settings : mapping of str to Setting
    hastened : mapping of str to number
        Settings in place of defaults for ``"auto"`` where an evaluation takes longer than a step
        of an optimiser: the polishing stage, which measures the curvature in any case, then makes
        the last steps.
    tolerance : str
        The setting that decides how accurate the search is, which sweeps over tolerances vary;
        its meaning tells the unit.
    """

    name: ClassVar[str]
    library: ClassVar[str] = "numpy"
    bounded: ClassVar[bool]
    starts_from_moments: ClassVar[bool] = False
    settings: ClassVar[Mapping[str, Setting]]
    hastened: ClassVar[Mapping[str, SettingValue]] = {}
    tolerance: ClassVar[str]

    def resolve(self, given: Mapping[str, object] | None) -> dict[str, SettingValue]:
        """Check the settings a user gave and fill in the defaults.

        Raises OptimizerError for an unknown setting or a value that it cannot take, naming both.
        """
        given = dict(given or {})
        for name in given:
            if name not in self.settings:
                raise OptimizerError(
                    f"optimizer {self.name!r} has no setting {name!r}; it has "
                    f"{', '.join(self.settings)}.{suggest(name, self.settings)}"
                )
        return {
            name: setting.check(self.name, name, given[name]) if name in given else setting.default
            for name, setting in self.settings.items()
        }

    def load(self, objective: SmoothObjective) -> None:
        """Import the library behind it: loading it is no part of the seconds that a fit takes."""
        import_module(self.library)

    @abstractmethod
    def search(
        self,
        problem: Problem,
        x0: FloatArray,
        settings: Mapping[str, SettingValue],
        seed: int,
    ) -> Outcome:
        """Search from x0 by calling ``problem.value`` or ``problem.value_and_gradient``.

        Parameters
        ----------
        problem : Problem
            Records each evaluation and keeps the best; bounds in ``problem.lower``.
        x0 : (k,) array
            Standardised units; within the bounds if the backend is bounded.
        settings : mapping
            Complete and checked.
        seed : int
            For optimisers that draw random numbers.

        Raises
        ------
        LimitReached
            Passed on from the problem.
        """
