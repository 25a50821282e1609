"""The recorder: one row for every evaluation of the objective that an optimiser asked for.

Recording has to cost little beside an evaluation of a few microseconds, so a row is one tuple
appended to a list; tables are made once, when they are asked for.  Wall-clock times are kept
apart from the rest: the same input gives the same `Trace.frame`, never the same seconds.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mixedscope.core.evaluation import Evaluated
from mixedscope.optimize.objective import CompiledSearch, FloatArray
from mixedscope.optimize.phases import label_phases

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Row", "Trace"]


class Row(NamedTuple):
    """One evaluation as recorded; `evaluation` and `gradient` may be None (failed, not computed).

    ``seconds`` is the time from the start of the optimisation to the end of this evaluation, less
    ``compiling``, the part of it in which code was compiled or loaded.
    """

    stage: str
    theta: FloatArray
    evaluation: Evaluated | None
    gradient: FloatArray | None
    seconds: float
    compiling: float


class _Block(NamedTuple):
    """The evaluations of a compiled search, not yet written as rows; ``share`` seconds each.

    It was compiled before the first of them.
    """

    stage: str
    search: CompiledSearch
    began: float
    share: float
    compiling: float

    def rows(self) -> list[Row]:
        """Write them as rows."""
        search = self.search
        rows = []
        for i, (theta, slope) in enumerate(zip(search.thetas, search.gradients, strict=True)):
            evaluation = search.evaluation(i)
            # A step refused for its objective has no gradient.
            known = evaluation is not None and not np.isnan(slope[0])
            seconds = self.began + (i + 1) * self.share
            gradient = slope if known else None
            rows.append(Row(self.stage, theta, evaluation, gradient, seconds, self.compiling))
        return rows


class Trace:
    """Every evaluation of one optimisation, in order.

    Parameters
    ----------
    theta_names, beta_names : tuple of str
        What the entries of the columns ``theta`` (and ``gradient``) and ``beta`` are called.
    scale : (k,) array
        Standardised units per unit of theta; distances in the rule of the phases use it.
    parts : tuple of str
        Fields of evaluations, beside ``objective`` and ``beta``, that are columns.
    """

    def __init__(
        self,
        theta_names: tuple[str, ...],
        beta_names: tuple[str, ...],
        scale: FloatArray,
        parts: tuple[str, ...],
    ) -> None:
        self.theta_names = tuple(theta_names)
        self.beta_names = tuple(beta_names)
        self.parts = parts
        self.scale = np.array(scale, dtype=np.float64)
        self._rows: list[Row | _Block] = []
        self._counts: dict[str, int] = {}
        self._elapsed = 0.0
        self._radii: dict[int, tuple[float, float]] = {}

    def __len__(self) -> int:
        return sum(self._counts.values())

    @property
    def rows(self) -> list[Row]:
        """The evaluations recorded so far."""
        rows: list[Row] = []
        for item in self._rows:
            rows.extend(item.rows() if isinstance(item, _Block) else (item,))
        self._rows = list(rows)
        return rows

    @property
    def elapsed(self) -> float:
        """Seconds from the start of the optimisation to the end of the last evaluation."""
        return self._elapsed

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """Names of the entries of the columns ``theta`` and ``beta``."""
        return {"theta": self.theta_names, "beta": self.beta_names}

    @property
    def seconds(self) -> FloatArray:
        """Seconds that each evaluation took, (rows,).

        The time since the evaluation before it ended (since the start, for the first), so that
        the optimiser's own work counts with the evaluation it led to and the sum is the whole but
        for `compile_seconds`.
        """
        elapsed = np.array([row.seconds for row in self.rows], dtype=np.float64)
        return np.diff(elapsed, prepend=0.0)

    @property
    def compile_seconds(self) -> FloatArray:
        """Seconds before the end of each evaluation in which code was compiled or loaded, (rows,).

        As `seconds`, which do not contain them, since the evaluation before it ended.
        """
        elapsed = np.array([row.compiling for row in self.rows], dtype=np.float64)
        return np.diff(elapsed, prepend=0.0)

    def append(
        self,
        stage: str,
        theta: FloatArray,
        evaluation: Evaluated | None,
        gradient: FloatArray | None,
        seconds: float,
        compiling: float = 0.0,
    ) -> None:
        """Record an evaluation; `evaluation` is None if it failed. The arrays are kept."""
        self._rows.append(Row(stage, theta, evaluation, gradient, seconds, compiling))
        self._counts[stage] = self._counts.get(stage, 0) + 1
        self._elapsed = seconds

    def extend(
        self, stage: str, search: CompiledSearch, seconds: float, compiling: float = 0.0
    ) -> None:
        """Record the evaluations of a compiled search, which ended after `seconds`.

        They share its time evenly, and are written out when they are asked for.
        """
        count = len(search.thetas)
        share = (seconds - self._elapsed) / max(count, 1)
        self._rows.append(_Block(stage, search, self._elapsed, share, compiling))
        self._counts[stage] = self._counts.get(stage, 0) + count
        self._elapsed = seconds

    def set_radii(self, number: int, rho: float, delta: float) -> None:
        """Record the trust-region radii under which evaluation `number` (from 1) was asked for."""
        if not 1 <= number <= len(self):
            raise IndexError(f"there is no evaluation {number} in a trace of {len(self)}")
        self._radii[number] = (float(rho), float(delta))

    def count(self, stage: str) -> int:
        """Count the evaluations of a stage."""
        return self._counts.get(stage, 0)

    def stages(self) -> dict[str, int]:
        """Count the evaluations per stage, in order of appearance."""
        return dict(self._counts)

    def timing_frame(self) -> pd.DataFrame:
        """Give the table ``timing.parquet`` of the contracts, a row per evaluation."""
        import pandas as pd

        return pd.DataFrame(
            {
                "evaluation": np.arange(1, len(self.rows) + 1, dtype=np.int32),
                "seconds": self.seconds,
                "compile_seconds": self.compile_seconds,
            }
        )

    def frame(self) -> pd.DataFrame:
        """Give the table ``trace.parquet`` of the contracts, a row per evaluation.

        Gives ``evaluation`` from 1; ``stage``; ``status``; ``objective``; ``best``, the running
        minimum; ``theta``; ``beta``; the parts of evaluations (``sigma``, ``log_det``,
        ``residual_ss``, ``penalty`` for linear models); ``gradient`` with respect to theta, None
        where not computed; ``rho``, ``delta``, trust-region radii in the standardised units
        ``theta * scale``, NaN where the optimiser has none; ``phase``, see `label_phases`.
        Everything that a failed evaluation did not yield is NaN or None; ``best`` carries on over
        it and is NaN before the first success. Where the objective is estimated, and probes were
        added on the way, what came before is brought to the last probes: see `_raised`.
        """
        import pandas as pd

        rows = self.rows
        evaluations = [row.evaluation for row in rows]
        objective = _column(evaluations, "objective")
        parts = {part: _part(evaluations, part) for part in self.parts}
        if "probes" in parts:
            raised = _raised(objective, np.array([row.theta for row in rows]), parts["probes"])
            objective = objective + raised
            parts["log_det"] = parts["log_det"] + raised
        radii = np.full((len(rows), 2), np.nan)
        for number, pair in self._radii.items():
            radii[number - 1] = pair
        theta = [row.theta for row in rows]
        position = np.array(theta).reshape(len(theta), self.scale.size) * self.scale
        start = next((row for row in rows if row.evaluation is not None), None)
        directed = start is not None and start.gradient is not None
        return pd.DataFrame(
            {
                "evaluation": np.arange(1, len(rows) + 1, dtype=np.int32),
                "stage": [row.stage for row in rows],
                "status": ["failed" if e is None else "ok" for e in evaluations],
                "objective": objective,
                "best": np.fmin.accumulate(objective) if len(objective) else objective,
                "theta": _objects(theta),
                "beta": _objects([None if e is None else e.beta for e in evaluations]),
                **parts,
                "gradient": _objects([row.gradient for row in rows]),
                "rho": radii[:, 0],
                "delta": radii[:, 1],
                "phase": label_phases(objective, position, radii[:, 1], directed=directed),
            }
        )


def _raised(objective: FloatArray, theta: FloatArray, probes: Any) -> FloatArray:
    """What more probes raised the estimate of an objective by, (rows,); 0 for those of the last.

    They begin with an evaluation where fewer had made one, and what both give there differ by is,
    nearly, what they differ by everywhere.
    """
    number, place = np.asarray(probes, dtype=float), np.abs(theta)
    known = np.flatnonzero(np.isfinite(number))
    out = np.zeros(len(objective))
    for before, first in pairwise(known):
        if number[first] == number[before]:
            continue
        # Signs of columns may have been made canonical since.
        same = (place[: before + 1] == place[first]).all(axis=1)
        same &= number[: before + 1] == number[before]
        if same.any():
            out[:first] += objective[first] - objective[np.flatnonzero(same)[-1]]
    return out


def _column(evaluations: list[Evaluated | None], part: str) -> FloatArray:
    return np.array([np.nan if e is None else getattr(e, part) for e in evaluations], dtype=float)


def _part(evaluations: list[Evaluated | None], part: str) -> FloatArray | pd.Series:
    """Make the column of a part of evaluations: of numbers, or of arrays, missing where all are."""
    first = next((e for e in evaluations if e is not None), None)
    if not isinstance(getattr(first, part, None), np.ndarray):
        return _column(evaluations, part)
    values = [None if e is None else getattr(e, part) for e in evaluations]
    return _objects([None if v is None or np.isnan(v).all() else v for v in values])


def _objects(values: list[FloatArray | None] | list[FloatArray]) -> pd.Series:
    """Make a column of arrays, which numpy would otherwise stack into a matrix."""
    import pandas as pd

    return pd.Series(list(values), dtype=object)
