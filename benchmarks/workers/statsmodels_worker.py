"""statsmodels' MixedLM, where it can say the model; its default chain of optimisers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from benchmarks.workers.session import Numbers, Session, Task, serve


class Statsmodels(Session):
    """statsmodels by maximum likelihood.

    The job says ``fixed``, ``groups`` (null: all rows are one group, so that factors can be
    crossed), ``re`` and ``vc`` as :meth:`MixedLM.from_formula` wants them.
    """

    def __init__(self, job: Any) -> None:
        import statsmodels
        from statsmodels.regression.mixed_linear_model import MixedLM

        self._package, self._model = statsmodels, MixedLM
        super().__init__(job)
        self._call = dict(job["statsmodels"])
        # Categories that do not occur in a group would be columns of zeros in its design matrix.
        for column in self.data.select_dtypes("category"):
            self.data[column] = self.data[column].astype(str).astype(object)
        self.data["all_rows"] = 1

    @property
    def version(self) -> str:
        """Version of statsmodels."""
        return str(self._package.__version__)

    @property
    def tasks(self) -> Mapping[str, Task]:
        """Wald intervals, and modes where factors are not all in one group of all rows."""
        found = {"wald": Task(lambda fit: (fit.bse_fe, fit.conf_int()), self._wald)}
        if self._call["groups"] and not self._call["vc"]:
            found["modes"] = Task(lambda fit: fit.random_effects, self._modes)
        return found

    def _name(self, own: str) -> str:
        """Name of a term as the others have it: ``Machine[T.B]`` is ``MachineB``."""
        plain = re.sub(r"\[T\.(.*?)\]", r"\1", own)
        return "(Intercept)" if plain in ("Intercept", "Group", self._call["groups"]) else plain

    def _wald(self, _: Any, found: Any) -> tuple[Numbers, Numbers]:
        errors, ends = found
        numbers = {f"{self._name(name)} std_error": e for name, e in errors.items()}
        for place, end in enumerate(("lower", "upper")):
            numbers |= {f"{self._name(n)} {end}": ends.loc[n].iloc[place] for n in errors.index}
        return numbers, {}

    def _modes(self, _: Any, found: Any) -> tuple[Numbers, Numbers]:
        table = pd.DataFrame(found).T
        numbers: dict[str, float] = {}
        for name in table:
            label = f"{self._call['groups']} {self._name(str(name))}"
            numbers[f"{label} rms"] = float((table[name] ** 2).mean() ** 0.5)
            numbers[f"{label} largest"] = float(table[name].max())
        return numbers, {}

    def asked(self, *, reml: bool) -> Any:
        """Fit made anew."""
        return self.build().fit(reml=reml)

    def build(self) -> Any:
        """Build the model."""
        return self._model.from_formula(
            self._call["fixed"],
            self.data,
            groups=self._call["groups"] or "all_rows",
            re_formula=self._call["re"],
            vc_formula=self._call["vc"] or None,
        )

    def optimise(self, built: Any) -> Any:
        """Fit."""
        return built.fit(reml=False)

    def describe(self, fitted: Any) -> dict[str, Any]:
        """Objective and evaluations."""
        counts = [
            h.get("fcalls") for h in getattr(fitted, "hist", None) or [] if isinstance(h, dict)
        ]
        known = [int(c) for c in counts if c is not None]
        return {"objective": -2.0 * float(fitted.llf), "evaluations": sum(known) or None}


if __name__ == "__main__":
    serve(Statsmodels)
