"""mixedscope on generalised models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mixedscope as ms
from benchmarks.workers.session import Session, serve
from mixedscope.engine.compile.interpreter import compile_always


class OursGeneralized(Session):
    """mixedscope with its default optimiser, all kernels compiled.

    As they are in a process that has fitted small models for 0.4 seconds: between samples that
    would be in the middle of them.
    """

    def __init__(self, job: Mapping[str, Any]) -> None:
        super().__init__(job)
        compile_always()

    @property
    def version(self) -> str:
        """Version of mixedscope."""
        return ms.__version__

    def build(self) -> ms.GeneralizedLinearMixedModel:
        """Build the model."""
        job = self.job
        return ms.GeneralizedLinearMixedModel(
            self.formula, self.data, job["family"], job["link"], quadrature=job["quadrature"]
        )

    def optimise(self, built: ms.GeneralizedLinearMixedModel) -> Any:
        """Fit, up to the certificate."""
        return built.fit()

    def describe(self, fitted: Any) -> dict[str, Any]:
        """Objective, evaluations, Newton steps and verdict."""
        certificate = fitted.certificate
        return {
            "objective": fitted.objective,
            "evaluations": fitted.n_evaluations,
            "newton_steps": int(fitted.trace["newton_steps"].sum()),
            "verdict": certificate["verdict"],
            "parameters": len(fitted.parameters),
        }


if __name__ == "__main__":
    serve(OursGeneralized)
