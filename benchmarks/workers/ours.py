"""mixedscope, with what only it is asked: one evaluation beside its floor, and refits."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from statistics import median
from time import process_time
from typing import Any

import numpy as np
from scipy.linalg.lapack import dpotrf

import mixedscope as ms
from benchmarks.workers.session import Session, serve

#: A seed for each bootstrap: draws that a fit has already are not made again.
_SEEDS = itertools.count()


class Ours(Session):
    """mixedscope with its default optimiser."""

    _restricted: ms.Fit | None = None

    @property
    def version(self) -> str:
        """Version of mixedscope."""
        return ms.__version__

    @property
    def tasks(self) -> Mapping[str, Callable[[Any], object]]:
        """What lme4, lmerTest and pbkrtest have too; of the bootstrap draws not there yet."""
        return {
            "leverage": lambda last: last[0].leverage(),
            "influence": lambda last: last[0].influence(method="exact").dfbetas,
            "profile": lambda last: last[0].confint(method="profile"),
            "bootstrap": lambda last: last[0].parametric_bootstrap(100, seed=next(_SEEDS)),
            "satterthwaite": lambda last: self.by_reml(last).fixed_effects(df="satterthwaite"),
            "kenward_roger": lambda last: self.by_reml(last).fixed_effects(df="kenward-roger"),
        }

    def by_reml(self, last: tuple[ms.Fit, dict[str, Any]]) -> ms.Fit:
        """Give the REML fit of the model, which is made once."""
        if self._restricted is None:
            self._restricted = last[0].model.fit(reml=True)
        return self._restricted

    def build(self) -> ms.LinearMixedModel:
        """Build the model."""
        return ms.LinearMixedModel(self.formula, self.data)

    def optimise(self, built: ms.LinearMixedModel) -> tuple[ms.Fit, dict[str, Any]]:
        """Fit, up to the certificate."""
        fit = built.fit()
        return fit, fit.certificate

    def describe(self, fitted: tuple[ms.Fit, dict[str, Any]]) -> dict[str, Any]:
        """Objective, evaluations and verdict."""
        fit, certificate = fitted
        return {
            "objective": fit.objective,
            "evaluations": fit.n_evaluations,
            "verdict": certificate["verdict"],
            "parameters": len(fit.theta),
        }

    def answer(self, what: str, count: int) -> dict[str, Any]:
        """Answer also ``evaluation`` and ``refits``."""
        if what == "evaluation":
            return self.evaluation(count)
        if what == "refits":
            return self.refits(count)
        return super().answer(what, count)

    def evaluation(self, count: int) -> dict[str, Any]:
        """Median CPU seconds of one evaluation and of a ``dpotrf`` as large, taken in turn.

        The factorisation is that of the matrix which is left when the largest grouping factor
        has been eliminated: the other random effects, the fixed effects and the response.
        """
        fit: ms.Fit = self._last[0]
        model, theta = fit.model, fit.theta
        sizes = [len(r.levels) * r.Z.shape[1] for r in model.design.random]
        dimension = sum(sizes) - max(sizes) + model.design.X.shape[1] + 1
        matrix = np.full((dimension, dimension), 0.5, order="F")
        np.fill_diagonal(matrix, dimension)
        ours: list[float] = []
        floor: list[float] = []
        for turn in range(count):
            point = theta * (1.0 + 1e-3 * turn)  # never the same theta twice
            start = process_time()
            model.objective(point)
            ours.append(process_time() - start)
            work = matrix.copy(order="F")
            start = process_time()
            dpotrf(work, lower=0, clean=0, overwrite_a=1)
            floor.append(process_time() - start)
        return {"evaluation": median(ours), "floor": median(floor), "dimension": dimension}

    def refits(self, count: int) -> dict[str, Any]:
        """Parametric-bootstrap refits per CPU second, the drawing of the responses included."""
        fit: ms.Fit = self._last[0]
        if not hasattr(fit, "parametric_bootstrap"):
            return {"refits": None}
        fit.parametric_bootstrap(10, seed=next(_SEEDS))
        start = process_time()
        fit.parametric_bootstrap(count, seed=next(_SEEDS))
        return {"refits": count / (process_time() - start)}


if __name__ == "__main__":
    serve(Ours)
