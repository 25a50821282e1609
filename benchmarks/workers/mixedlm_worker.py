"""The package mixedlm, with its default ``auto``: L-BFGS-B with exact gradients, then COBYQA."""

from __future__ import annotations

from typing import Any

from benchmarks.workers.session import Session, serve


class MixedLM(Session):
    """mixedlm by maximum likelihood."""

    def __init__(self, job: Any) -> None:
        import mixedlm
        from mixedlm.models import modular

        self._package, self._modular = mixedlm, modular
        super().__init__(job)

    @property
    def version(self) -> str:
        """Version of mixedlm."""
        return str(self._package.__version__)

    def build(self) -> Any:
        """Make the deviance function and evaluate it once, which may make what it needs."""
        parsed = self._modular.lFormula(self.formula, self.data, REML=False)
        deviance = self._modular.mkLmerDevfun(parsed)
        deviance(deviance.get_start())
        return deviance

    def optimise(self, built: Any) -> Any:
        """Run the optimiser alone."""
        return self._modular.optimizeLmer(built, method="auto")

    def whole(self) -> Any:
        """Fit as users do."""
        return self._package.lmer(self.formula, self.data, REML=False)

    def describe(self, fitted: Any) -> dict[str, Any]:
        """Objective and evaluations."""
        return {"objective": float(fitted.deviance), "evaluations": int(fitted.function_evals)}


if __name__ == "__main__":
    serve(MixedLM)
