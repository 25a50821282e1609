"""Everything around fits of every structure, against dense algebra that knows no blocks."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms

#: Structures of the effects of visits, on patients crossed with raters and nested in clinics.
VISITS = {
    "full": "(0 + t | p)",
    "zerocorr": "zerocorr(0 + t | p)",
    "homdiag": "homdiag(0 + t | p)",
    "cs": "cs(0 + t | p)",
    "homcs": "homcs(0 + t | p)",
    "ar1": "ar1(0 + t | p)",
    "hetar1": "hetar1(0 + t | p)",
    "rr1": "rr(0 + t | p, 1)",
    "rr2": "rr(0 + t | p, 2)",
}
CROSSED = " + homcs(0 + t | r)"
NESTED = " + ar1(0 + t | c)"
EACH = pytest.mark.parametrize("structure", list(VISITS))
DESIGNS = pytest.mark.parametrize("other", [CROSSED, NESTED], ids=["crossed", "nested"])


@cache
def visits() -> pd.DataFrame:
    rng = np.random.default_rng(12)
    patients, raters, k = 24, 4, 3
    lags = np.abs(np.subtract.outer(np.arange(k), np.arange(k)))
    root = np.linalg.cholesky(0.6**lags)
    b = 2.0 * rng.normal(size=(patients, k)) @ root.T
    c = 1.5 * rng.normal(size=(6, k)) @ root.T
    r = rng.normal(size=(raters, k)) @ np.linalg.cholesky(0.5 + 0.5 * np.eye(k)).T
    rows = [(p, t, a) for p in range(patients) for t in range(k) for a in range(raters)]
    frame = pd.DataFrame(rows, columns=["p", "t", "r"])
    frame = frame[rng.random(len(frame)) < 0.8].reset_index(drop=True)
    mean = b[frame["p"], frame["t"]] + c[frame["p"] % 6, frame["t"]] + r[frame["r"], frame["t"]]
    y = 10.0 + frame["t"] + mean + rng.normal(size=len(frame))
    return pd.DataFrame(
        {
            "y": y,
            "t": pd.Categorical(frame["t"]),
            "p": [f"p{i:02d}" for i in frame["p"]],
            "c": [f"c{i}" for i in frame["p"] % 6],
            "r": [f"r{i}" for i in frame["r"]],
        }
    )


@cache
def fitted(structure: str, other: str, reml: bool, optimizer: str = "auto") -> ms.Fit:
    model = ms.LinearMixedModel("y ~ 1 + t + " + VISITS[structure] + other, visits())
    return model.fit(optimizer, reml=reml)


def dense(fit: ms.Fit) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Z Lambda (n, q), X, and y, with the effects level by level in the order of the modes."""
    design = fit.model.design
    blocks = []
    for term in fit.model.profiled().system.terms:
        own = term.design
        k, q = own.Z.shape[1], len(own.levels)
        z = np.zeros((len(own.codes), q * k))
        for column in range(k):
            z[np.arange(len(own.codes)), own.codes * k + column] = own.Z[:, column]
        factor = term.factor(fit.theta[term.theta])
        blocks.append(z @ np.kron(np.eye(q), factor))
    return np.concatenate(blocks, axis=1), np.asarray(design.X), np.asarray(design.y)


@EACH
@DESIGNS
@pytest.mark.parametrize("reml", [False, True], ids=["ml", "reml"])
def test_the_objective_is_that_of_the_dense_covariance(
    structure: str, other: str, reml: bool
) -> None:
    fit = fitted(structure, other, reml)
    u, x, y = dense(fit)
    covariance = fit.sigma**2 * (u @ u.T + np.eye(len(y)))
    inverse = np.linalg.inv(covariance)
    information = x.T @ inverse @ x
    beta = np.linalg.solve(information, x.T @ inverse @ y)
    rest = y - x @ beta
    n, p = x.shape
    expected = np.linalg.slogdet(covariance)[1] + rest @ inverse @ rest
    expected += (n - p * reml) * np.log(2.0 * np.pi)
    if reml:
        expected += np.linalg.slogdet(information)[1]
    assert fit.objective == pytest.approx(expected, abs=1e-7)
    assert fit.beta == pytest.approx(beta, abs=1e-8)


@EACH
@DESIGNS
def test_modes_and_their_sds_are_those_of_the_dense_posterior(structure: str, other: str) -> None:
    fit = fitted(structure, other, False)
    u, x, y = dense(fit)
    spread = []
    modes = []
    precision = np.linalg.inv(u.T @ u + np.eye(u.shape[1]))
    means = precision @ u.T @ (y - x @ fit.beta)
    at = 0
    for term in fit.model.profiled().system.terms:
        k, q = term.size, len(term.design.levels)
        whole = np.kron(np.eye(q), term.factor(fit.theta[term.theta]))
        own = slice(at, at + k * q)
        modes.append(whole @ means[own])
        spread.append(np.sqrt(np.diag(whole @ precision[own, own] @ whole.T)) * fit.sigma)
        at += k * q
    table = fit.conditional_modes().set_index(["group", "level", "term"])
    order = [
        (term.group, level, name)
        for term in fit.model.profiled().system.terms
        for level in term.design.levels
        for name in term.names
    ]
    table = table.loc[order]
    assert table["mode"].to_numpy() == pytest.approx(np.concatenate(modes), abs=1e-7)
    assert table["std_dev"].to_numpy() == pytest.approx(np.concatenate(spread), abs=1e-7)


@EACH
@DESIGNS
def test_the_smallest_curvature_is_that_of_differences_of_the_objective(
    structure: str, other: str
) -> None:
    fit = fitted(structure, other, True)
    objective = fit.model.profiled(reml=True)
    scale = np.asarray(objective.scale)
    theta = fit.theta
    k = len(theta)
    hessian = np.empty((k, k))
    for i in range(k):
        step = np.eye(k)[i] * 1e-4 / scale[i]
        above, below = (objective.evaluate_gradient(theta + s * step)[1] for s in (1, -1))
        hessian[i] = (above - below) / 2e-4 / scale
    smallest = np.linalg.eigvalsh((hessian + hessian.T) / 2)[0]
    assert fit.certificate["min_hessian_eigenvalue"] == pytest.approx(smallest, rel=2e-3, abs=1e-4)
    assert fit.certificate["verdict"] in ("optimum", "boundary optimum")


@EACH
@pytest.mark.parametrize("reml", [False, True], ids=["ml", "reml"])
def test_the_rank_of_a_term_is_that_of_its_covariance(structure: str, reml: bool) -> None:
    fit = fitted(structure, CROSSED, reml)
    terms = fit.model.profiled().system.terms
    for term, entry in zip(terms, fit.info["singular"], strict=True):
        factor = term.standard_factor(fit.theta[term.theta])
        values = np.linalg.svd(factor, compute_uv=False)
        assert entry["rank"] == int((values > 1e-4).sum())


@pytest.mark.exhaustive
@EACH
@pytest.mark.parametrize(("other", "reml"), [(CROSSED, False), (NESTED, True)])
def test_pybobyqa_and_auto_agree(structure: str, other: str, reml: bool) -> None:
    by_search = fitted(structure, other, reml, "pybobyqa")
    assert by_search.objective == pytest.approx(fitted(structure, other, reml).objective, abs=1e-7)
