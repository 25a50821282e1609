"""How much each observation, or each group of them, has to do with what was estimated.

Measures are those of Belsley, Kuh & Welsch (1980, Regression Diagnostics, ch. 2) and Cook (1977,
Technometrics 19, 15-18) with the covariance of the generalised least-squares estimates in the place
of ``sigma**2 inv(X'X)``, as Demidenko & Stukel (2005, Stat. Med. 24, 893-909) have them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.engine.group_effects import GroupEffects
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.inference.diagnostics.deletions import (
    Estimates,
    check_method,
    estimates_without,
)
from mixedscope.inference.diagnostics.units import Units
from mixedscope.inference.estimates.parameters import sds_and_correlations, undetermined

__all__ = ["Influence", "factors_of", "influence_of"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Influence:
    """What estimates are without every unit in turn: made by :meth:`mixedscope.Fit.influence`.

    Attributes
    ----------
    by : str or None
        What groups the observations that are left out together; None where each is a unit.
    method : {"fixed", "newton", "exact"}
    units : pandas.Index
        The m units: labels of rows of the data, or levels.
    info : mapping
        What ``fit.json`` holds of the fit.
    """

    by: str | None
    method: str
    units: pd.Index
    # Arrays of m rows, and of one. Where the data do not determine a parameter they hold one value
    # of many; in the tables it is missing.
    _without: Estimates
    _whole: Estimates
    _objective: SearchableObjective
    _covariance: Floats
    _units: Units
    _missing: Set[tuple[str, str | None, str | None, str | None]]
    info: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def estimates(self) -> pd.DataFrame:
        """What is estimated without each unit, a row each, labelled by it.

        ``objective`` (criterion of the rows that are left), ``sigma``; ``beta`` and ``std_error``,
        each followed by the name of the fixed effect, ``theta`` by that of the parameter;
        ``evaluations`` of the objective and ``note``. Missing where the data, or the rows that are
        left, do not determine a parameter.
        """
        found = self._without
        names = self._objective.beta_names
        is_open = ("sigma", None, None, None) in self._missing
        columns: dict[str, Any] = {
            "objective": found.objective,
            "sigma": np.nan if is_open else found.sigma,
        }
        for kind, values in (("beta", found.beta), ("std_error", found.std_error)):
            columns |= {f"{kind} {name}": values[:, j] for j, name in enumerate(names)}
        terms = self._objective.system.terms
        keys = [("theta", term.group, name, None) for term in terms for name in term.theta_names()]
        for j, (name, key) in enumerate(zip(self._objective.theta_names, keys, strict=True)):
            hidden = key in self._missing
            columns[f"theta {name}"] = np.nan if hidden else found.theta[:, j]
        note = pd.Series([text or None for text in found.notes], index=self.units, dtype=object)
        columns |= {"evaluations": found.evaluations, "note": note}
        return pd.DataFrame(columns, index=self.units)

    @property
    def dfbeta(self) -> pd.DataFrame:
        """Fixed effects with all observations less those without the unit (m, r).

        The sign is that of Belsley, Kuh & Welsch, of R's ``lm`` and of statsmodels: positive where
        the unit makes the coefficient larger. lme4's ``dfbeta`` of an ``influence`` has the other.
        """
        return self._wide(self._whole.beta - self._without.beta)

    @property
    def dfbetas(self) -> pd.DataFrame:
        """:attr:`dfbeta` over the standard errors of the fixed effects without the unit (m, r).

        As in lme4, its sign apart.
        """
        return self._wide((self._whole.beta - self._without.beta) / self._without.std_error)

    @property
    def cooks_distance(self) -> pd.Series:
        """Cook's distance ``d' inv(C) d / r`` of the r fixed effects.

        d is :attr:`dfbeta` and C their covariance with all observations. Missing where a
        coefficient is inestimable without the unit, and of a model without any. lme4's
        ``cooks.distance`` of an ``influence`` is this times ``(m - r) / m``, with the number of
        units m; that of a fit is
        ``fit.cooks_distance(method="leverage")``.
        """
        d = self._whole.beta - self._without.beta
        # Coefficients have units of their own: correlations are what is inverted.
        size = np.sqrt(self._covariance.diagonal())
        root = np.linalg.cholesky(self._covariance / np.outer(size, size))
        known = np.isfinite(d).all(axis=1)
        out = np.full(len(d), np.nan)
        if not d.shape[1]:
            return pd.Series(out, index=self.units, name="cooks_distance")
        out[known] = (np.linalg.solve(root, (d[known] / size).T) ** 2).sum(axis=0) / d.shape[1]
        return pd.Series(out, index=self.units, name="cooks_distance")

    @property
    def covratio(self) -> pd.Series:
        """Determinant of the covariance of the fixed effects without the unit over that with it.

        Above 1 where the unit makes the fixed effects more precise.
        """
        ratio = np.exp(self._without.log_det - self._whole.log_det)
        return pd.Series(ratio, index=self.units, name="covratio")

    @property
    def notes(self) -> pd.Series:
        """What is to be said of units: inestimable coefficients, fits that did not converge.

        Of all units alike: what the data do not determine.
        """
        notes = pd.Series(self._without.notes, index=self.units, name="note", dtype=object)
        return notes[notes != ""]

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Both by the names of the stored tables, from which charts are drawn."""
        return {"influence": self.table, "influence_parameters": self.parameters}

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per unit, as the stored table ``influence`` (``docs/formats.md``)."""
        found = self._without
        frame = self._named()
        frame["n_obs"] = np.array([len(rows) for rows in self._units.rows], dtype=np.int64)
        frame["method"] = self.method
        frame["cooks_distance"] = self.cooks_distance.to_numpy()
        frame["covratio"] = self.covratio.to_numpy()
        is_open = ("sigma", None, None, None) in self._missing
        frame["sigma"] = np.nan if is_open else found.sigma
        frame["objective"] = found.objective
        frame["evaluations"] = found.evaluations
        frame["note"] = pd.Series([note or None for note in found.notes], dtype=object)
        return frame

    @cached_property
    def parameters(self) -> pd.DataFrame:
        """A row per unit and parameter, as the stored table ``influence_parameters``.

        ``change`` is the estimate with all observations less that without the unit, ``scaled`` of a
        fixed effect its :attr:`dfbetas`.
        """
        objective, found, whole = self._objective, self._without, self._whole
        frames = []
        for j, name in enumerate(objective.beta_names):
            scaled = self.dfbetas.iloc[:, j].to_numpy()
            frames.append(self._long("beta", None, name, None, found.beta[:, j], whole.beta[0, j]))
            frames[-1]["scaled"] = scaled
        frames.append(self._long("sigma", None, None, None, found.sigma, whole.sigma[0]))
        for term in objective.system.terms:
            own = [factors_of(term, e.theta[:, term.theta]) for e in (found, whole)]
            pairs = zip(
                sds_and_correlations(term, own[0], found.sigma),
                sds_and_correlations(term, own[1], whole.sigma),
                strict=True,
            )
            for (kind, a, b, values), (*_, all_of_it) in pairs:
                frames.append(self._long(kind, term.group, a, b, values, all_of_it[0]))
        for term in objective.system.terms:
            columns = found.theta[:, term.theta].T, whole.theta[0, term.theta]
            for name, values, value in zip(term.theta_names(), *columns, strict=True):
                frames.append(self._long("theta", term.group, name, None, values, value))
        return pd.concat(frames, ignore_index=True)

    def _wide(self, values: Floats) -> pd.DataFrame:
        return pd.DataFrame(values, index=self.units, columns=list(self._objective.beta_names))

    def _named(self) -> pd.DataFrame:
        places = self._units.places
        units = [str(label) for label in self.units]
        row = pd.array([None] * len(units) if places is None else places, dtype="Int64")
        return pd.DataFrame({"by": self.by, "unit": units, "row": row})

    def _long(
        self,
        kind: str,
        group: str | None,
        term: str | None,
        term2: str | None,
        values: Floats,
        whole: float,
    ) -> pd.DataFrame:
        if (kind, group, term, term2) in self._missing:
            values = np.full(len(values), np.nan)
        frame = self._named()
        frame["method"], frame["kind"] = self.method, kind
        for name, value in (("group", group), ("term", term), ("term2", term2)):
            frame[name] = pd.Series([value] * len(frame), dtype=object)
        frame["estimate"], frame["change"], frame["scaled"] = values, whole - values, np.nan
        return frame

    def __repr__(self) -> str:
        said = "observation" if self.by is None else f"level of {self.by}"
        largest = self.cooks_distance.sort_values(ascending=False).head(5)
        lines = [f"Influence of each {said} ({len(self.units)}), method {self.method!r}."]
        lines += ["Largest Cook's distances:", largest.to_string()]
        lines += [f"{label}: {note}" for label, note in self.notes.head(5).items()]
        return "\n".join(lines)


def influence_of(
    objective: SearchableObjective,
    theta: Floats,
    units: Units,
    method: str,
    unidentified: Sequence[Mapping[str, Any]] = (),
    *,
    progress: bool = False,
) -> Influence:
    """Leave every unit out of the fit at theta (k,) in turn.

    ``unidentified``: what the data do not determine, as the certificate of the fit lists it: it is
    missing without every unit, and notes say why. ``progress``: show a bar if it takes more than
    two seconds. Raises ModelError if there is no such method, UnsuitedError if rounding leaves
    nothing of the residuals.
    """
    known = check_method(method)
    evaluation = objective.evaluate(theta)
    covariance = objective.system.beta_covariance(evaluation.sigma)
    whole = Estimates.unknown(1, len(evaluation.beta), len(theta))
    whole.fill(0, objective, theta)
    found = estimates_without(objective, theta, units, known, progress=progress)
    reasons = [str(entry["reason"]) for entry in unidentified]
    found.notes[:] = ["; ".join(filter(None, (note, *reasons))) for note in found.notes]
    missing = undetermined(unidentified)
    return Influence(
        units.by, known, units.labels, found, whole, objective, covariance, units, missing
    )


def factors_of(term: GroupEffects, thetas: Floats) -> Floats:
    """Relative covariance factors (m, k, k) of thetas (m, own); NaN where one is unknown."""
    distinct, which = np.unique(thetas, axis=0, return_inverse=True)
    made = [
        term.factor(row) if np.isfinite(row).all() else np.full((term.size, term.size), np.nan)
        for row in distinct
    ]
    return np.array(made)[which.ravel()]
