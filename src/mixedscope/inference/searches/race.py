"""A race: several optimisers, tolerances and starts on one objective.

Every run is recorded as a fit is, with what came after the search (escape, polish) told apart from
it, so that where a search stopped is seen before polishing mends it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.arguments import door, named
from mixedscope.core.errors import ModelError
from mixedscope.core.seeds import derive_seed
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.optimize.certificate import certificate
from mixedscope.optimize.curvature import measure_curvature, row_by_row
from mixedscope.optimize.driver import minimize
from mixedscope.optimize.estimated import EstimatedObjective
from mixedscope.optimize.problem import EVALUATION_ERRORS
from mixedscope.optimize.starts import named_start

if TYPE_CHECKING:
    from mixedscope.engine.generalized.laplace import LaplaceObjective

__all__ = ["Entrant", "as_entrants", "race"]

Floats = NDArray[np.float64]

#: Two ends are one optimum if their objectives differ by no more than this, deviance units, ...
_SAME_OBJECTIVE: Final = 1e-3

#: ... and their covariances by no more than this share of the best one (of 1, if that is smaller).
_SAME_COVARIANCE: Final = 0.1


@dataclass(frozen=True)
class Entrant:
    """An optimiser with its settings, as it enters a race.

    Attributes
    ----------
    name : str
        What it is called in the tables.
    optimizer : str
        One of `mixedscope.optimize.backends.optimizer_names`.
    settings : mapping
        Of the optimiser, by name.
    polish : bool
        Whether escaping and polishing may follow the search.
    max_evaluations : int, optional
    """

    name: str
    optimizer: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    polish: bool = True
    max_evaluations: int | None = None

    @property
    def told(self) -> str:
        """The settings given, in words; empty if there are none."""
        return ", ".join(f"{key} {value:g}" for key, value in self.settings.items())


def as_entrants(entrants: Any) -> list[Entrant]:
    """Make entrants of names of optimisers; one alone is one, and no row of letters.

    Raises ModelError if there is something else among them.
    """
    wanted = "A race takes names of optimisers, as ['auto', 'pybobyqa'], or entrants"
    if isinstance(entrants, str | Entrant):
        entrants = [entrants]
    if isinstance(entrants, Mapping) or not isinstance(entrants, Iterable):
        raise ModelError(f"{wanted}, not {named(entrants)}.")
    made = [Entrant(item, item) if isinstance(item, str) else item for item in entrants]
    for item in made:
        if not isinstance(item, Entrant):
            raise ModelError(f"{wanted}; there is {named(item)} among them.")
    return [_entrant(**vars(item)) for item in made]


@door()
def _entrant(
    name: str,
    optimizer: str,
    settings: Mapping[str, Any],
    polish: bool,
    max_evaluations: int | None,
) -> Entrant:
    """Make an entrant of fields whose types are checked."""
    return Entrant(name, optimizer, settings, polish, max_evaluations)


def race(
    objective: SearchableObjective | LaplaceObjective,
    entrants: Sequence[Entrant],
    *,
    starts: int = 3,
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """Let optimisers race on one objective.

    Every entrant runs from its own start (start 0: that of a fit) and from `starts` random ones,
    which all entrants share: ``random`` of `mixedscope.optimize.starts.named_start`.

    ``starts``: number of random starts. ``seed``: every start has a seed of its own, derived from
    this one and its number. Gives ``race``, ``race_ends`` and ``race_timing``, as described in
    ``docs/formats.md``. Raises ModelError if there are no entrants, two of one name, or a negative
    number of starts. Raises OptimizerError if an optimiser or a setting is unknown.
    """
    names = [entrant.name for entrant in entrants]
    if not names:
        raise ModelError("A race needs at least one entrant.")
    if len(set(names)) < len(names):
        raise ModelError(f"Entrants of a race need different names, not {', '.join(names)}.")
    if starts < 0:
        raise ModelError(f"The number of random starts must be 0 or more, not {starts!r}.")
    runs = [
        _Run(objective, entrant, number, seed)
        for entrant in _warmed(objective, entrants)
        for number in range(starts + 1)
    ]
    _share_probes(objective, runs)
    best = min(runs, key=lambda run: run.minimum)
    base = best.minimum
    ends = [row for run in runs for row in run.ends(objective, base, best.theta)]
    return {
        "race": pd.concat([run.rows(base) for run in runs], ignore_index=True),
        "race_ends": pd.DataFrame(ends),
        "race_timing": pd.concat([run.timing() for run in runs], ignore_index=True),
    }


def _warmed(
    objective: SearchableObjective | LaplaceObjective, entrants: Sequence[Entrant]
) -> Iterator[Entrant]:
    """Compile and load what an entrant uses before its first run: its seconds are its own."""
    for entrant in entrants:
        minimize(
            objective,
            optimizer=entrant.optimizer,
            settings=entrant.settings,
            max_evaluations=2,
            polish=False,
        )
        yield entrant


def _share_probes(objective: SearchableObjective | LaplaceObjective, runs: Sequence[_Run]) -> None:
    """Bring runs that ended with fewer random probes than others to as many as these."""
    counts = [run.result.certificate.get("probe_error", {}).get("probes") for run in runs]
    if not isinstance(objective, EstimatedObjective) or not any(counts):
        return
    most = max(filter(None, counts))
    objective.use_probes(most)
    for run, count in zip(runs, counts, strict=True):
        if count not in (None, most):
            raised = objective.evaluate(run.theta).objective - run.result.evaluation.objective
            run.raise_by(raised)


class _Run:
    """One entrant from one start."""

    def __init__(
        self,
        objective: SearchableObjective | LaplaceObjective,
        entrant: Entrant,
        number: int,
        seed: int,
    ) -> None:
        self.entrant = entrant
        self.number = number
        self.start: Floats | None = None
        if number:
            draw = derive_seed(seed, "start of a race", number=number)
            self.start = named_start(objective, "random", seed=draw)
        self.result = minimize(
            objective,
            optimizer=entrant.optimizer,
            settings=entrant.settings,
            start=self.start,
            polish=entrant.polish,
            max_evaluations=entrant.max_evaluations,
            seed=derive_seed(seed, "optimizer in a race", bits=32, number=number),
        )
        self.trace = self.result.trace.frame()
        self.minimum = float(self.trace["objective"].min())
        self.theta = np.asarray(self.result.theta, dtype=float)

    def raise_by(self, amount: float) -> None:
        """Add to all objectives what more probes made of the last of them."""
        self.trace = self.trace.assign(
            objective=self.trace["objective"] + amount, best=self.trace["best"] + amount
        )
        self.minimum += amount

    @property
    def _named(self) -> dict[str, Any]:
        return {
            "entrant": self.entrant.name,
            "optimizer": self.result.optimizer["name"],
            "settings": self.entrant.told or None,
            "start": self.number,
        }

    def rows(self, base: float) -> pd.DataFrame:
        """One row per evaluation."""
        frame = self.trace[["evaluation", "stage", "objective", "best"]]
        return frame.assign(**self._named, gap=frame["best"] - base)

    def timing(self) -> pd.DataFrame:
        """Seconds of every evaluation."""
        seconds = np.asarray(self.result.trace.seconds, dtype=float)
        named: dict[str, Any] = {"entrant": self.entrant.name, "start": self.number}
        return pd.DataFrame({"evaluation": self.trace["evaluation"], "seconds": seconds}).assign(
            **named
        )

    def ends(
        self, objective: SearchableObjective | LaplaceObjective, base: float, best: Floats
    ) -> Iterator[dict[str, Any]]:
        """Where the search ended, and where it ended after escaping and polishing."""
        searched = self.trace[(self.trace["stage"] == "search").to_numpy()]
        # Evaluations that failed have no objective.
        at = int(np.nanargmin(searched["objective"].to_numpy(dtype=float))) if len(searched) else 0
        first = np.asarray(searched["theta"].iloc[at], dtype=float)
        points = (
            ("search", objective.canonical(first), len(searched), None),
            ("end", self.theta, len(self.trace), self.result.certificate),
        )
        own = np.asarray(self.trace["theta"].iloc[0], dtype=float)
        for point, theta, evaluations, verdict in points:
            evaluation: Any = objective.evaluate(theta)
            value = float(evaluation.objective)
            found = _examined(objective, theta, value) if verdict is None else verdict
            if self._is_within_probe_error(found):
                found = {**found, "verdict": self.result.certificate["verdict"]}
            distance, share = _distance(objective, theta, best)
            yield self._named | {
                # Some optimisers move a start that is close to a bound: this is before.
                "start_theta": own if self.start is None else self.start,
                "point": point,
                "evaluations": evaluations,
                "objective": value,
                # The best of a race may be a rounding error below where it ended.
                "gap": max(0.0, value - base),
                "verdict": found["verdict"],
                "newton_decrement": found["newton_decrement"],
                "distance": distance,
                "same_optimum": value - base <= _SAME_OBJECTIVE and share <= _SAME_COVARIANCE,
                "return_code": self.result.optimizer["return_code"],
                "message": self.result.optimizer["message"],
                "theta": theta,
                **self._unsure(evaluation),
            }

    def _is_within_probe_error(self, found: Mapping[str, Any]) -> bool:
        """Whether what is left to be gained is less than random probes know.

        The root of the gradient that they estimate is not quite the minimum of the objective.
        """
        difference = self.result.certificate.get("probe_error", {}).get("difference")
        left = found["newton_decrement"]
        if difference is None or left is None or found["verdict"] != "not converged":
            return False
        return bool(left <= difference)

    def _unsure(self, evaluation: Any) -> dict[str, Any]:
        """Errors of an objective that random probes estimate; nothing of another."""
        if not hasattr(evaluation, "objective_se"):
            return {}
        told = self.result.certificate.get("probe_error", {})
        return {
            "objective_se": float(evaluation.objective_se),
            "probe_difference": told.get("difference"),
            "probes": int(evaluation.probes),
        }


def _examined(
    objective: SearchableObjective | LaplaceObjective, theta: Floats, value: float
) -> dict[str, Any]:
    """Certificate of a point where a search ended, before anything mended it."""
    scale = np.asarray(objective.scale)

    def gradient_at(x: Floats) -> Floats | None:
        try:
            slope = objective.evaluate_gradient(x / scale)[1] / scale
        except EVALUATION_ERRORS:
            return None
        return slope if np.isfinite(slope).all() else None

    gradient = gradient_at(theta * scale)
    curvature = (
        None
        if gradient is None
        else measure_curvature(row_by_row(gradient_at), theta * scale, gradient)
    )
    return certificate(objective, theta, value, gradient, curvature, [], 0.0)


def _distance(
    objective: SearchableObjective | LaplaceObjective, theta: Floats, best: Floats
) -> tuple[float, float]:
    """Distance of the covariances of two thetas, and as a share of that of the best.

    Between symmetric square roots of the relative covariances for columns of unit root mean
    square (Frobenius norm): the same for every theta of one covariance, and in units of standard
    deviations over sigma.
    """
    roots = [
        [_root(factor) for factor in objective.system.standard_factors(at)] for at in (theta, best)
    ]
    square = sum(float(((a - b) ** 2).sum()) for a, b in zip(*roots, strict=True))
    size = sum(float((b**2).sum()) for b in roots[1])
    return float(np.sqrt(square)), float(np.sqrt(square) / max(1.0, np.sqrt(size)))


def _root(factor: Floats) -> Floats:
    """Symmetric square root of ``factor factor'``."""
    left, lengths, _ = np.linalg.svd(factor)
    return np.asarray((left * lengths) @ left.T)
