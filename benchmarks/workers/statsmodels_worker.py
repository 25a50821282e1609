"""statsmodels' MixedLM, where it can say the model; its default chain of optimisers."""

from __future__ import annotations

from typing import Any

from benchmarks.workers.session import Session, serve


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
