"""Where sigma all but vanishes, what is read off a solution has the digits of the solution."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import mixedscope as ms

Floats = NDArray[np.float64]


def data(noise: float) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    g, h = np.repeat(np.arange(8), 4), np.tile(np.arange(4), 8)
    x, z = rng.integers(-4, 5, 32) / 4.0, rng.integers(-4, 5, 32) / 4.0
    y = 3.0 + x + rng.normal(size=8)[g] + rng.normal(size=4)[h] + z * rng.normal(size=8)[g]
    y += noise * rng.normal(size=32)
    return pd.DataFrame({"y": y, "x": x, "z": z, "g": g.astype(str), "h": h.astype(str)})


def solved(columns: Floats, right: Floats, random: int) -> tuple[NDArray[np.object_], Floats]:
    """Inverse of ``W'W + diag(1, 0)``, ones for the random columns, and its solution, exactly."""
    n = columns.shape[1]
    exact = [[Fraction(v) for v in column] for column in [*columns.T.tolist(), right.tolist()]]
    rows = []
    for i in range(n):
        products = [sum(a * b for a, b in zip(exact[i], other, strict=True)) for other in exact]
        products[i] += i < random
        rows.append([*products, *[Fraction(i == j) for j in range(n)]])
    for j in range(n):
        rows[j] = [v / rows[j][j] for v in rows[j]]
        for i in range(n):
            if i != j and rows[i][j]:
                rows[i] = [a - rows[i][j] * b for a, b in zip(rows[i], rows[j], strict=True)]
    table = np.array([row[n:] for row in rows], dtype=object)
    return table[:, 1:], table[:, 0].astype(float)


@pytest.mark.parametrize("formula", ["y ~ x + (1 | g)", "y ~ x + (1 + z | g) + (1 | h)"])
def test_errors_and_modes_have_the_digits_of_the_solution(formula: str) -> None:
    frame = data(1e-7)
    objective = ms.LinearMixedModel(formula, frame).profiled()
    system = objective.system
    theta = np.where(objective.lower == 0.0, 2.0**25, 2.0**23)
    sigma = objective.evaluate(theta).sigma
    columns, maps = [], []
    for term in system.terms:
        levels = len(term.design.levels)
        own = term.factor(theta[term.theta])
        scaled = np.eye(levels)[term.design.codes][:, :, None] * (term.design.Z @ own)[:, None, :]
        columns.append(scaled.reshape(len(frame), -1))
        maps.append(np.kron(np.eye(levels), own))
    random = sum(block.shape[1] for block in columns)
    whole = np.hstack([*columns, system.design.X])
    inverse, coefficients = solved(whole, frame["y"].to_numpy(), random)
    right = np.sqrt(np.diag(inverse)[random:].astype(float)) * sigma
    errors = np.sqrt(np.diag(system.beta_covariance(sigma)))
    np.testing.assert_allclose(errors, right, rtol=1e-6)
    # Given the fixed effects: those of the random columns alone.
    given = solved(whole[:, :random], frame["y"].to_numpy(), random)[0]
    first = 0
    modes = system.modes()
    for matrix, b, sds in zip(maps, modes, system.conditional_sds(sigma), strict=True):
        own = slice(first, first + len(matrix))
        first += len(matrix)
        np.testing.assert_allclose(b.ravel(), matrix @ coefficients[own], atol=1e-6)
        fractions = np.array([[Fraction(v) for v in row] for row in matrix.tolist()])
        spread = np.diag(fractions @ given[own, own] @ fractions.T).astype(float)
        np.testing.assert_allclose(sds.ravel(), np.sqrt(spread) * sigma, rtol=1e-6)


def test_what_was_solved_last_is_what_is_read_off() -> None:
    objective = ms.LinearMixedModel("y ~ x + (1 | g)", data(1e-7)).profiled()
    small, large = np.array([0.5]), np.array([2.0**25])
    objective.evaluate(small)
    before = objective.system.modes()[0]
    objective.evaluate(large)
    between = objective.system.modes()[0]
    objective.evaluate(small)
    np.testing.assert_array_equal(objective.system.modes()[0], before)
    assert np.abs(between - before).max() > 0.1
    other = objective.system.with_response(objective.system.design.y[::-1].copy())
    other.blocked.solve(other.standard_factors(small))
    assert np.isfinite(other.modes()[0]).all()


def test_a_fit_without_residuals_is_summarised_and_saved() -> None:
    g, x = np.repeat(np.arange(12), 2), np.tile([0.0, 1.0], 12)
    y = np.sin(1.7 * g) + 2.0 * x
    fit = ms.LinearMixedModel("y ~ x + (1 | g)", {"y": y, "x": x, "g": g.astype(str)}).fit()
    assert fit.certificate["residual"] == "vanishing"
    effects = fit.fixed_effects().set_index("term")
    assert effects.loc["x", "estimate"] == pytest.approx(2.0)
    # The mean of 12 levels, and a difference within each of them.
    sd = fit.variance_components().query("kind == 'sd'")["estimate"].item()
    assert effects.loc["(Intercept)", "std_error"] == pytest.approx(sd / np.sqrt(12.0), rel=1e-6)
    error = fit.sigma * np.sqrt(2.0 / 12.0)
    assert effects.loc["x", "std_error"] == pytest.approx(error, rel=1e-6)
