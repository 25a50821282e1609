"""GPBoost, its matrices inverted as the command line says: ``iterative`` or ``cholesky``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.workers.session import Session, serve


class GPBoost(Session):
    """GPBoost by maximum likelihood, with its default optimiser, tolerances and probes."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        import gpboost

        self._package = gpboost
        super().__init__(job)
        sides = self.formula.split("~")
        self._response = sides[0].strip()
        names = [part.strip() for part in sides[1].split("+")]
        self._fixed = [n for n in names if n != "1" and not n.startswith("(")]
        self._groups = [n.strip("()").split("|")[1].strip() for n in names if n.startswith("(")]

    @property
    def version(self) -> str:
        """Version of GPBoost."""
        return str(self._package.__version__)

    def build(self) -> Any:
        """Make the model of the random effects."""
        return self._package.GPModel(
            group_data=self.data[self._groups].to_numpy(),
            likelihood="gaussian",
            matrix_inversion_method=sys.argv[2],
            num_parallel_threads=1,
        )

    def optimise(self, built: Any) -> Any:
        """Estimate variances and coefficients."""
        columns = [np.ones(len(self.data)), *(self.data[n].to_numpy() for n in self._fixed)]
        built.fit(y=self.data[self._response].to_numpy(), X=np.column_stack(columns))
        return built

    def describe(self, fitted: Any) -> dict[str, Any]:
        """Where it ended, in our terms: standard deviations over the residual one."""
        variances = np.asarray(fitted.get_cov_pars(format_pandas=False)).ravel()
        return {
            "objective": 2.0 * float(fitted.get_current_neg_log_likelihood()),
            "theta": np.sqrt(variances[1:] / variances[0]).tolist(),
            "evaluations": int(fitted._get_num_optim_iter()),
        }

    def total(self, count: int) -> dict[str, Any]:
        """One fit: seconds of all, and of the part from the model on."""
        return self.parted()


if __name__ == "__main__":
    serve(GPBoost)
