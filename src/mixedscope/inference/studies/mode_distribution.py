"""How conditional modes vary under the model: from the truth, from each other, and in order.

With D the fitted covariance of the random effects and E that of ``b_hat - b``, the fixed effects
being estimated too, best linear predictors have the covariance ``D - E`` (Searle, Casella &
McCulloch 1992, Variance Components, section 7.4): modes are shrunken, each level's by its own data.
Fitting makes their root mean square what it is expected to be; so that ordered modes are compared
with those of draws that are scaled to the same.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from mixedscope.core.seeds import generator
from mixedscope.engine.marginal import MarginalCovariances
from mixedscope.engine.system import ProfiledSystem
from mixedscope.inference.estimates.leverage import told_degrees
from mixedscope.inference.estimates.parameters import undetermined
from mixedscope.inference.studies.studied_fit import StudiedFit
from mixedscope.tables.kinds.mode import MODE_ERRORS, MODE_NORMALITY, MODE_QUANTILES

__all__ = ["COVERAGE", "mode_distribution_study", "modes_covariance", "ordered_modes"]

Floats = NDArray[np.float64]

COVERAGE: Final = 0.95
"""Of the envelope of each ordered mode, and of the number of modes outside it."""

#: Draws of all modes of a factor: so many, fewer where that are more numbers than these.
_DRAWS: Final = 1000
_NUMBERS: Final = 2 * 10**7
_LEAST: Final = 200

#: Random effects up to which the modes are drawn as they depend on each other.
_JOINT: Final = 1000

#: A variance of modes below this share of that of the random effects is rounding.
_ROUNDING: Final = 1e-10


def mode_distribution_study(fit: StudiedFit) -> dict[str, pd.DataFrame]:
    """Give the SDs of modes and of their errors, and where ordered modes lie under the model.

    Gives ``mode_errors``, a row per level and term, ``mode_quantiles``, the modes of each term in
    their order with the envelope of draws, and ``mode_normality``, a row per term. Factors with
    something that the data do not determine are left out, and terms without variance have no
    quantiles. Of generalised models modes are those of responses drawn from the fit, and
    ``mode_errors`` has no rows.
    """
    if fit.estimation.is_generalized:
        return _of_draws(fit)
    system = fit.objective.system
    factors = system.standard_factors(fit.theta)
    told_degrees(fit.objective, factors)
    covariances = MarginalCovariances(system).at(factors)
    sigma = fit.objective.evaluate(fit.theta).sigma
    modes = system.modes()
    effects = sum(len(term.design.levels) * term.size for term in system.terms)
    whole = modes_covariance(system, fit.theta, sigma) if effects <= _JOINT else None
    # Where sigma is not determined theta is not either, though its random effects may be.
    open_groups = {g for kind, g, _, _ in undetermined(fit.unidentified) if kind != "theta"}
    errors, quantiles, normality, first = [], [], [], 0
    for position, term in enumerate(system.terms):
        levels = np.asarray(term.design.levels, dtype=object)
        own, first = first, first + len(levels) * term.size
        if term.group in open_groups:
            continue
        factor = term.factor(fit.theta[term.theta]) * sigma
        variances = np.diag(factor @ factor.T)
        error = sigma**2 * np.einsum("qii->qi", covariances[position])
        left = variances - np.minimum(error, variances)
        left[left <= _ROUNDING * variances] = 0.0
        errors.append(
            pd.DataFrame(
                {
                    "group": term.group,
                    "level": np.repeat(levels, term.size),
                    "term": np.tile(np.asarray(term.names, dtype=object), len(levels)),
                    "error_sd": np.sqrt(np.minimum(error, variances)).ravel(),
                    "mode_sd": np.sqrt(left).ravel(),
                }
            )
        )
        for j, name in enumerate(term.names):
            key = {"group": term.group, "term": name}
            if not left[:, j].any():
                continue
            at = slice(own + j, first, term.size)
            drawn = _drawn(left[:, j], None if whole is None else whole[at, at], key)
            own_modes = modes[position][:, j]
            table, counts = ordered_modes(own_modes, levels, drawn)
            quantiles.append(table.assign(**key))
            normality.append(
                {
                    **key,
                    "sd": float(np.sqrt(variances[j])),
                    "mode_sd": float(np.sqrt(left[:, j].mean())),
                    "coverage": COVERAGE,
                    "draws": drawn.shape[1],
                    "joint": whole is not None,
                    **counts,
                }
            )
    return {
        "mode_errors": _table(errors, MODE_ERRORS.columns),
        "mode_quantiles": _table(quantiles, MODE_QUANTILES.columns),
        "mode_normality": pd.DataFrame(normality, columns=list(MODE_NORMALITY.columns or ())),
    }


def _of_draws(fit: StudiedFit) -> dict[str, pd.DataFrame]:
    """Modes of a generalised model in their order, and the envelope of those of drawn responses."""
    # Linear models load no families.
    from mixedscope.inference.studies.drawn_modes import drawn_modes

    objective = fit.objective
    theta = objective.split(fit.theta)[0]
    drawn = drawn_modes(objective, fit.theta)
    objective.reset()
    modes = objective.modes_at(fit.theta).b
    quantiles, normality = [], []
    for term, own, b in zip(objective.system.terms, drawn, modes, strict=True):
        levels = np.asarray(term.design.levels, dtype=object)
        sds = np.linalg.norm(term.factor(theta[term.theta]), axis=1)
        values = term.data_modes(b)
        for j, name in enumerate(term.names):
            key = {"group": term.group, "term": name}
            variance = float(np.mean(own[:, :, j] ** 2))
            if not variance > _ROUNDING * float(sds[j]) ** 2:
                continue
            table, counts = ordered_modes(values[:, j], levels, own[:, :, j].T)
            quantiles.append(table.assign(**key))
            known = {"sd": float(sds[j]), "mode_sd": float(np.sqrt(variance))}
            made = {"coverage": COVERAGE, "draws": len(own), "joint": True}
            normality.append({**key, **known, **made, **counts})
    return {
        "mode_errors": _table([], MODE_ERRORS.columns),
        "mode_quantiles": _table(quantiles, MODE_QUANTILES.columns),
        "mode_normality": pd.DataFrame(normality, columns=list(MODE_NORMALITY.columns or ())),
    }


def modes_covariance(system: ProfiledSystem, theta: Floats, sigma: float) -> Floats:
    """Covariance (m, m) of all m modes under the model, level by level, factor by factor.

    ``sigma**2 L (I - inv(L'AL + I)) L'``, L being the relative covariance factor and A the
    cross-products of the random effects clear of the fixed effects.
    """
    columns, roots = [], []
    rows = np.arange(system.n)
    for term in system.terms:
        size, codes = term.size, term.design.codes
        values = term.design.Z * system.root_weights[:, None]
        places = codes[:, None] * size + np.arange(size)
        shape = (system.n, len(term.design.levels) * size)
        entries = (values.ravel(), (np.repeat(rows, size), places.ravel()))
        columns.append(sparse.csr_array(entries, shape=shape))
        factor = term.factor(theta[term.theta])
        roots.append(sparse.kron(sparse.eye_array(len(term.design.levels)), factor))
    z, root = sparse.hstack(columns, format="csr"), sparse.block_diag(roots, format="csr")
    scaled = z @ root
    fixed = scaled.T @ system.fixed_part(np.eye(system.n_fixed)).T
    products = (scaled.T @ scaled).toarray() - fixed @ fixed.T
    values, vectors = np.linalg.eigh(products)
    kept = np.maximum(values, 0.0)
    half = (root @ vectors) * np.sqrt(kept / (1.0 + kept)) * sigma
    return np.asarray(half @ half.T)


def _drawn(variances: Floats, covariance: Floats | None, key: dict[str, str]) -> Floats:
    """Draw the modes (q, m) of a term: as they depend on each other, or each by itself."""
    count = int(np.clip(_NUMBERS // len(variances), _LEAST, _DRAWS))
    rng = generator(0, "envelope of modes", **key)
    standard = rng.standard_normal((len(variances), count))
    if covariance is None:
        return np.asarray(np.sqrt(variances)[:, None] * standard)
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ standard)


def ordered_modes(
    modes: Floats, levels: NDArray[np.object_], drawn: Floats
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Modes (q,) in their order with the envelope of draws (q, m), and how many are outside."""
    order = np.argsort(modes, kind="stable")
    size = np.sqrt(np.mean(drawn**2, axis=0))
    scaled = np.sort(drawn * np.sqrt(np.mean(modes**2)) / np.where(size > 0, size, 1.0), axis=0)
    tail = 0.5 * (1.0 - COVERAGE)
    lower, upper = np.quantile(scaled, [tail, 1.0 - tail], axis=1)
    counts = ((scaled < lower[:, None]) | (scaled > upper[:, None])).sum(axis=0)
    values = modes[order]
    ranks = np.arange(1, len(modes) + 1)
    normal = NormalDist()
    table = pd.DataFrame(
        {
            "rank": ranks.astype(np.int32),
            "level": levels[order],
            "normal": [normal.inv_cdf(p) for p in ((ranks - 0.5) / len(modes)).tolist()],
            "mode": values,
            "lower": lower,
            "upper": upper,
        }
    )
    return table, {
        "outside": int(((values < lower) | (values > upper)).sum()),
        "expected": float(counts.mean()),
        "most": int(np.quantile(counts, COVERAGE, method="higher")),
    }


def _table(frames: list[pd.DataFrame], columns: object) -> pd.DataFrame:
    names = list(columns or ())  # type: ignore[call-overload]
    if not frames:
        return pd.DataFrame(columns=names)
    return pd.concat(frames, ignore_index=True)[names]
