"""The package mixedlm, with its default ``auto``: L-BFGS-B with exact gradients, then COBYQA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.workers.session import Numbers, Session, Task, serve

Told = tuple[Numbers, Numbers]


def _leverages(_: Any, found: Any) -> Told:
    return {"sum": found.sum(), "largest": found.max()}, {}


def _predictions(_: Any, found: Any) -> Told:
    return {
        "mean": found.mean(),
        "smallest": found.min(),
        "largest": found.max(),
        "first": found[0],
        "last": found[-1],
    }, {}


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

    @property
    def tasks(self) -> Mapping[str, Task]:
        """Those it has whole or in part: profiles are of fixed effects alone.

        Its ``influence`` has no estimates without an observation, its bootstrap no standard
        deviations.
        """
        return {
            "leverage": Task(lambda fit: fit.hatvalues(), _leverages),
            "profile": Task(lambda fit: fit.confint(method="profile"), self._ends),
            "bootstrap": Task(lambda fit: self._package.bootMer(fit, nsim=100), self._draws),
            "predict": Task(lambda fit: fit.predict(newdata=self.data), _predictions),
            "satterthwaite": Task(
                lambda fit: self._package.satterthwaite_df(fit), self._coefficients, reml=True
            ),
            "kenward-roger": Task(
                lambda fit: self._package.kenward_roger_df(fit), self._coefficients, reml=True
            ),
            # Its ``Emmeans`` has tables of contrasts and no public table of the means.
        }

    def _name(self, own: str) -> str:
        """Name of a coefficient as the others have it: ``Machine.1`` is the second level's."""
        for column in self.data.select_dtypes("category"):
            for place, level in enumerate(self.data[column].cat.categories):
                own = f"{column}{level}" if own == f"{column}.{place}" else own
        return own

    def _ends(self, _: Any, found: Any) -> Told:
        ends = {f"{self._name(name)} lower": float(low) for name, (low, _) in found.items()}
        upper = {f"{self._name(name)} upper": float(high) for name, (_, high) in found.items()}
        return ends | upper, {}

    def _draws(self, _: Any, found: Any) -> Told:
        names = [self._name(name) for name in found.fixed_names]
        means = dict(zip(names, found.beta_samples.mean(axis=0), strict=True))
        return means | {"sigma": found.sigma_samples.mean()}, {}

    def _coefficients(self, fit: Any, found: Any) -> Told:
        names = [self._name(name) for name in found.param_names]
        errors = fit.vcov().diagonal() ** 0.5
        numbers = {f"{n} std_error": e for n, e in zip(names, errors, strict=True)}
        return numbers | {f"{n} df": df for n, df in zip(names, found.df, strict=True)}, {}

    def asked(self, *, reml: bool) -> Any:
        """Fit made anew."""
        return self._package.lmer(self.formula, self.data, REML=reml)

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
