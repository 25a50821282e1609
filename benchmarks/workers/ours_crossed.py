"""mixedscope on large crossed factors, by the solver that the command line names."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import mixedscope as ms
from benchmarks import simulate
from benchmarks.workers.session import Session, serve


class OursCrossed(Session):
    """One fit after another: what a fit takes from the data frame, and from the model.

    Before it says that it is there it fits small data of the same kind, so that nothing is compiled
    in what is measured.
    """

    def __init__(self, job: Mapping[str, Any]) -> None:
        self.solver = sys.argv[2]
        self.formula = job["formula"]
        self.data = simulate.platform(6_000, 300, 200)
        self.whole()
        super().__init__(job)

    @property
    def version(self) -> str:
        """Version of mixedscope."""
        return ms.__version__

    def build(self) -> ms.LinearMixedModel:
        """Build the model."""
        return ms.LinearMixedModel(self.formula, self.data, solver=self.solver)

    def optimise(self, built: ms.LinearMixedModel) -> ms.Fit:
        """Fit, up to the certificate."""
        fit = built.fit()
        fit.certificate  # noqa: B018  (computed when it is asked for)
        return fit

    def total(self, count: int) -> dict[str, Any]:
        """One fit: seconds of all, and of the part from the model on."""
        return self.parted()

    def describe(self, fitted: ms.Fit) -> dict[str, Any]:
        """Where it ended, and what it says of its error."""
        told = fitted.certificate.get("probe_error") or {}
        return {
            "objective": fitted.objective,
            "theta": fitted.theta.tolist(),
            "evaluations": fitted.n_evaluations,
            "verdict": fitted.certificate["verdict"],
            "stated": told.get("objective"),
            "stated_theta": told.get("theta"),
            "iterations": told.get("iterations"),
            "probes": told.get("probes"),
        }

    def answer(self, what: str, count: int) -> dict[str, Any]:
        """Answer also ``above``: how far other thetas are above the minimum found."""
        if what == "above":
            thetas = json.loads(Path(self.job["thetas"]).read_text("utf-8"))
            return {"above": {name: self.above(theta) for name, theta in thetas.items()}}
        return super().answer(what, count)

    def above(self, theta: list[float]) -> float:
        """The objective at a theta less that of the last fit; by the same probes, if any."""
        return float(self._last.model.objective(np.array(theta)) - self._last.objective)


if __name__ == "__main__":
    serve(OursCrossed)
