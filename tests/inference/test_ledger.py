"""The ledger: its parts add up, its shares are shares, its rows are improvements."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from reference import dense

import mixedscope as ms
from mixedscope.core.errors import ModelError
from mixedscope.tables.store import read_fit

PARTS = [
    "part_residual",
    "part_penalty",
    "part_sigma",
    "log_det",
    "part_fixed",
    "part_weights",
]
CROSSED = "y ~ 1 + x + (1 + x | h) + (1 + z | g)"


def fitted(*, reml: bool = False, weighted: bool = False, formula: str = CROSSED) -> ms.Fit:
    frame = dense.make_frame(8)
    weights = np.linspace(0.5, 2.0, len(frame)) if weighted else None
    return ms.LinearMixedModel(formula, frame, weights=weights).fit("pybobyqa", reml=reml)


@pytest.fixture(scope="module")
def fit() -> ms.Fit:
    return fitted()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reml", [False, True])
def test_parts_add_up_to_the_objective(reml: bool, weighted: bool) -> None:
    fit = fitted(reml=reml, weighted=weighted)
    books = fit.study("ledger").require("ledger")
    np.testing.assert_allclose(books[PARTS].sum(axis=1), books["objective"], rtol=0, atol=1e-9)
    assert books["objective"].iloc[-1] == pytest.approx(fit.objective, abs=1e-9)
    assert (books["part_fixed"] != 0).any() == reml
    assert (books["part_weights"] != 0).any() == weighted


def test_residuals_and_penalty_are_worth_the_degrees_of_the_criterion(fit: ms.Fit) -> None:
    books = fit.study("ledger").require("ledger")
    total = books["part_residual"] + books["part_penalty"]
    np.testing.assert_allclose(total, 36, atol=1e-9)
    np.testing.assert_allclose(books["residual_ss"], books["part_residual"] * books["sigma"] ** 2)


def test_penalty_at_the_reml_optimum_is_what_the_random_effects_spend() -> None:
    # d/d log s of the criterion is 2 (edf - edf_fixed) - 2 penalty / sigma^2, zero at an optimum.
    fit = fitted(reml=True, formula="y ~ 1 + x + (1 | g) + (1 | h)")
    last = fit.study("ledger").require("ledger").iloc[-1]
    assert last["part_penalty"] == pytest.approx(last["edf"] - last["edf_fixed"], abs=1e-3)


def test_rows_are_the_evaluations_that_improved(fit: ms.Fit) -> None:
    books = fit.study("ledger").require("ledger")
    trace = fit.trace
    improved = trace[trace["objective"] < trace["best"].shift(fill_value=np.inf)]
    assert books["evaluation"].tolist() == improved["evaluation"].tolist()
    np.testing.assert_allclose(books["objective"], improved["objective"], atol=1e-9)


def test_observations_and_factors_share_the_variance(fit: ms.Fit) -> None:
    terms = fit.study("ledger").require("ledger_terms")
    whole = terms[terms["term"].isna()]
    np.testing.assert_allclose(whole.groupby("evaluation")["share"].sum(), 1.0, atol=1e-12)
    ledger = fit.study("ledger").require("ledger").set_index("evaluation")
    own = whole[whole["group"].isna()].set_index("evaluation")
    np.testing.assert_allclose(own["std_dev"], ledger["sigma"])
    np.testing.assert_allclose(own["variance"], ledger["sigma"] ** 2)


def test_variance_of_a_factor_is_the_mean_variance_of_its_contributions(fit: ms.Fit) -> None:
    terms = fit.study("ledger").require("ledger_terms")
    last = terms[terms["evaluation"] == terms["evaluation"].max()]
    spec = next(s for s in dense.SPECS if s.formula == CROSSED)
    frame = dense.make_frame(8)
    blocks = dense.relative_factors(spec, fit.theta)
    for term, block in zip(spec.random, blocks, strict=True):
        z = np.column_stack([dense.column(frame, c) for c in term.columns])
        covariance = fit.sigma**2 * block @ block.T
        whole = np.einsum("ij,jk,ik->i", z, covariance, z).mean()
        rows = last[last["group"] == term.group]
        assert rows.loc[rows["term"].isna(), "variance"].item() == pytest.approx(whole, rel=1e-5)
        own = rows[rows["term"].notna()]
        np.testing.assert_allclose(own["std_dev"] ** 2, np.diag(covariance), rtol=1e-4, atol=1e-9)


def test_degrees_of_freedom_sum_to_the_number_of_observations(fit: ms.Fit) -> None:
    tables = fit.study("ledger")
    terms, books = tables.require("ledger_terms"), tables.require("ledger")
    whole = terms[terms["term"].isna()].groupby("evaluation")["edf"].sum()
    np.testing.assert_allclose(whole + 2, 36, atol=1e-9)
    parts = terms[terms["term"].notna()].groupby("evaluation")["edf"].sum()
    np.testing.assert_allclose(parts + 2, books.set_index("evaluation")["edf"], atol=1e-9)


def test_most_thins_evenly_and_keeps_both_ends() -> None:
    fit = fitted()
    every = fit.study("ledger").require("ledger")["evaluation"].tolist()
    some = fit.study("ledger", most=5).require("ledger")["evaluation"].tolist()
    assert len(some) == 5
    assert [some[0], some[-1]] == [every[0], every[-1]]
    assert set(some) < set(every)


def test_fewer_than_two_evaluations_are_refused(fit: ms.Fit) -> None:
    with pytest.raises(ModelError, match="most must be a whole number from 2, not 1"):
        fit.study("ledger", most=1)


def test_tables_are_stored_and_read_back(fit: ms.Fit, tmp_path: Path) -> None:
    fit.study("ledger")
    fit.save(tmp_path)
    again = read_fit(tmp_path)
    for name in ("ledger", "ledger_terms"):
        for column in ("edf", "evaluation"):
            own = fit.tables.require(name)[column]
            np.testing.assert_array_equal(again.require(name)[column], own)
