"""mixedscope, with what only it is asked: one evaluation beside its floor, and refits."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from statistics import median
from time import process_time
from typing import Any

import numpy as np
import pandas as pd
from scipy.linalg.lapack import dpotrf

import mixedscope as ms
from benchmarks.workers.session import Numbers, Session, Task, serve

#: A seed for each bootstrap: draws that a fit has already are not made again.
_SEEDS = itertools.count()
DRAWS = 100

#: Numbers by label, and the unit of each.
Told = tuple[Numbers, Numbers]


def _leverages(_: ms.Fit, found: pd.Series) -> Told:
    """Sum and largest, in themselves."""
    numbers = {"sum": found.sum(), "largest": found.max()}
    return numbers, numbers


def _influences(_: ms.Fit, found: pd.DataFrame) -> Told:
    """Size of dfbetas: lme4 gives them the other sign."""
    numbers = {f"{name} largest": found[name].abs().max() for name in found}
    numbers |= {f"{name} rms": float((found[name] ** 2).mean() ** 0.5) for name in found}
    return numbers, dict.fromkeys(numbers, 1.0)


def _label(row: Mapping[Any, Any]) -> str:
    """Name of a parameter as ``confint(oldNames = FALSE)`` of lme4 has it."""
    if row["kind"] == "sd":
        return f"sd_{row['term']}|{row['group']}"
    if row["kind"] == "correlation":
        return f"cor_{row['term2']}.{row['term']}|{row['group']}"
    return str(row["term"] if row["kind"] == "beta" else row["kind"])


def _ends(_: ms.Fit, found: pd.DataFrame) -> Told:
    """Ends of intervals in halves of their widths."""
    numbers, units = {}, {}
    for row in found.to_dict("records"):
        for end in ("lower", "upper"):
            label = f"{_label(row)} {end}"
            numbers[label], units[label] = row[end], (row["upper"] - row["lower"]) / 2.0
    return numbers, units


def _wald(_: ms.Fit, found: pd.DataFrame) -> Told:
    """Standard errors in themselves, ends of intervals in halves of their widths."""
    numbers, units = {}, {}
    for row in found.to_dict("records"):
        half = (row["upper"] - row["lower"]) / 2.0
        for what in ("std_error", "lower", "upper"):
            numbers[f"{row['term']} {what}"] = row[what]
            units[f"{row['term']} {what}"] = row[what] if what == "std_error" else half
    return numbers, units


def _modes(_: ms.Fit, found: Mapping[str, pd.DataFrame]) -> Told:
    """Size and largest of the modes of each term, in their root mean squares."""
    numbers, units = {}, {}
    for group, table in found.items():
        for term in table:
            size = float((table[term] ** 2).mean() ** 0.5)
            own = {f"{group} {term} rms": size, f"{group} {term} largest": table[term].max()}
            numbers |= own
            units |= dict.fromkeys(own, size)
    return numbers, units


def _draws(fit: ms.Fit, found: Any) -> Told:
    """Means of draws, in standard errors of the difference of two such means."""
    rows = fit.confint().to_dict("records")
    names = [_label(row) for kind in ("beta", "sd") for row in rows if row["kind"] == kind]
    draws = np.column_stack([found.beta, found.sd, found.sigma])
    names.append("sigma")
    numbers = dict(zip(names, draws.mean(axis=0), strict=True))
    errors = draws.std(axis=0, ddof=1) * (2.0 / DRAWS) ** 0.5
    return numbers, dict(zip(names, errors, strict=True))


def _predictions(fit: ms.Fit, found: pd.Series) -> Told:
    """A few of the predictions, in residual standard deviations."""
    numbers = {
        "mean": found.mean(),
        "smallest": found.min(),
        "largest": found.max(),
        "first": found.iloc[0],
        "last": found.iloc[-1],
    }
    return numbers, dict.fromkeys(numbers, fit.sigma)


def _coefficients(_: ms.Fit, found: pd.DataFrame) -> Told:
    """Standard errors and degrees of freedom, in themselves."""
    numbers = {
        f"{row['term']} {what}": row[what]
        for row in found.to_dict("records")
        for what in ("std_error", "df")
    }
    return numbers, numbers


def _means(_: ms.Fit, found: pd.DataFrame) -> Told:
    """Means in standard errors; these, and degrees of freedom, in themselves."""
    numbers, units = {}, {}
    for level, row in zip(found.iloc[:, 0], found.to_dict("records"), strict=True):
        for what in ("mean", "std_error", "df"):
            numbers[f"{level} {what}"] = row[what]
            units[f"{level} {what}"] = row["df" if what == "df" else "std_error"]
    return numbers, units


class Ours(Session):
    """mixedscope with its default optimiser."""

    @property
    def version(self) -> str:
        """Version of mixedscope."""
        return ms.__version__

    @property
    def tasks(self) -> Mapping[str, Task]:
        """All tasks; of bootstraps 100 draws that were not made before."""
        return {
            "wald": Task(lambda fit: fit.fixed_effects(), _wald),
            "modes": Task(lambda fit: fit.ranef(), _modes),
            "leverage": Task(lambda fit: fit.leverage(), _leverages),
            "influence": Task(lambda fit: fit.influence(method="exact").dfbetas, _influences),
            "profile": Task(lambda fit: fit.confint(method="profile"), _ends),
            "bootstrap": Task(
                lambda fit: fit.parametric_bootstrap(DRAWS, seed=next(_SEEDS)), _draws
            ),
            "predict": Task(lambda fit: fit.predict(self.data), _predictions),
            "satterthwaite": Task(
                lambda fit: fit.fixed_effects(df="satterthwaite"), _coefficients, reml=True
            ),
            "kenward-roger": Task(
                lambda fit: fit.fixed_effects(df="kenward-roger"), _coefficients, reml=True
            ),
            "means": Task(lambda fit: fit.means(self.job["means"]).table, _means, reml=True),
        }

    def asked(self, *, reml: bool) -> ms.Fit:
        """Fit of a model built anew."""
        return self.build().fit(reml=reml)

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
