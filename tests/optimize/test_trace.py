"""The trace is a row per evaluation, as the optimiser asked for them."""

from __future__ import annotations

import numpy as np
import pytest
from optimize_cases import Evaluation, quadratic, simulated, singular

from mixedscope.engine.objective import ProfiledObjective
from mixedscope.optimize.driver import minimize
from mixedscope.optimize.trace import Trace
from mixedscope.tables.kinds.trace import TRACE
from mixedscope.tables.table_files import read_table, write_table

COLUMNS = [
    "evaluation",
    "stage",
    "status",
    "objective",
    "best",
    "theta",
    "beta",
    "sigma",
    "log_det",
    "residual_ss",
    "penalty",
    "gradient",
    "rho",
    "delta",
    "phase",
]


def small_trace(*objectives):
    trace = Trace(("a",), ("b",), np.ones(1), ProfiledObjective.parts)
    for i, value in enumerate(objectives):
        evaluation = None
        if value is not None:
            evaluation = Evaluation(value, np.array([2.0]), 1.0, 3.0, 4.0, 5.0)
        trace.append("search", np.array([float(i)]), evaluation, None, 0.5 * (i + 1))
    return trace


def test_the_columns_are_those_of_the_contract():
    assert list(small_trace(1.0).frame().columns) == COLUMNS
    assert small_trace(1.0).frame()["evaluation"].dtype == np.int32


def test_an_empty_trace_has_the_same_columns():
    frame = small_trace().frame()
    assert list(frame.columns) == COLUMNS
    assert len(frame) == 0


def test_a_trace_passes_the_schema_of_the_store(tmp_path):
    frame = minimize(singular(), optimizer="pybobyqa", max_evaluations=20).trace.frame()
    write_table(tmp_path / "trace.parquet", frame, TRACE, formula="y ~ x", sha256="0")
    back = read_table(tmp_path / "trace.parquet", TRACE)
    assert list(back.columns) == COLUMNS
    assert back["gradient"].isna().all()
    np.testing.assert_array_equal(back["objective"], frame["objective"])


def test_best_is_the_running_minimum_and_carries_over_failures():
    frame = small_trace(None, 3.0, None, 1.0, 2.0).frame()
    np.testing.assert_array_equal(frame["best"], [np.nan, 3.0, 3.0, 1.0, 1.0])
    assert list(frame["status"]) == ["failed", "ok", "failed", "ok", "ok"]


def test_a_failed_evaluation_holds_theta_and_nothing_else():
    row = small_trace(1.0, None).frame().iloc[1]
    assert row["theta"] == [1.0]
    assert row["beta"] is None
    assert row[["objective", "sigma", "log_det", "residual_ss", "penalty"]].isna().all()


def test_evaluations_are_numbered_from_one():
    assert list(small_trace(1.0, 2.0, 3.0).frame()["evaluation"]) == [1, 2, 3]


def test_seconds_are_those_of_each_evaluation():
    np.testing.assert_allclose(small_trace(1.0, 2.0, 3.0).seconds, 0.5)


def test_radii_belong_to_existing_evaluations():
    trace = small_trace(1.0)
    trace.set_radii(1, 0.5, 0.25)
    assert trace.frame().loc[0, ["rho", "delta"]].tolist() == [0.5, 0.25]
    with pytest.raises(IndexError):
        trace.set_radii(2, 0.5, 0.25)


@pytest.mark.parametrize("optimizer", ["pybobyqa", "nlopt-newuoa", "bfgs"])
def test_a_row_repeats_the_objective_at_its_theta(optimizer):
    objective = simulated(4, groups=(6,))
    frame = minimize(objective, optimizer=optimizer).trace.frame()
    for row in frame.iloc[:: max(1, len(frame) // 7)].itertuples():
        again, gradient = objective.evaluate_gradient(row.theta)
        assert row.objective == pytest.approx(again.objective, abs=1e-10)
        assert row.residual_ss + row.penalty == pytest.approx(again.sigma**2 * 48)
        np.testing.assert_allclose(row.beta, again.beta)
        if row.gradient is not None:
            np.testing.assert_allclose(row.gradient, gradient, atol=1e-8)


def test_gradients_are_recorded_only_where_computed():
    with_gradient = minimize(quadratic(), optimizer="bfgs").trace.frame()
    without = minimize(quadratic(), optimizer="nlopt-bobyqa", polish=False).trace.frame()
    assert with_gradient["gradient"].notna().all()
    assert without["gradient"].isna().all()


def test_only_trust_region_optimizers_that_tell_have_radii():
    assert minimize(quadratic(), optimizer="nlopt-bobyqa").trace.frame()["rho"].isna().all()
    frame = minimize(quadratic(), optimizer="pybobyqa", polish=False).trace.frame()
    assert frame["rho"].notna().all()
    assert frame["rho"].is_monotonic_decreasing
    assert (frame["delta"] >= frame["rho"]).all()
    assert frame["rho"].iloc[0] == 0.5


@pytest.mark.parametrize("make", [quadratic, lambda: simulated(8, groups=(8,)), singular])
@pytest.mark.parametrize("limit", [None, 3, 24])
def test_radii_are_those_py_bobyqa_had_at_each_evaluation(monkeypatch, make, limit):
    """Compare with what the solver's own controller holds when it evaluates."""
    from pybobyqa.controller import Controller

    seen = []
    original = Controller.evaluate_objective

    def spy(self, x, number_of_samples, params):
        before = self.nf
        radii = (self.rho, self.delta)
        result = original(self, x, number_of_samples, params)
        if self.nf > before:
            seen.append(radii)
        return result

    monkeypatch.setattr(Controller, "evaluate_objective", spy)
    result = minimize(make(), optimizer="pybobyqa", polish=False, max_evaluations=limit)
    frame = result.trace.frame()
    # The first evaluation happens before there is a controller; the one that meets the limit is
    # asked for but not made.
    seen = [(0.5, 0.5), *seen][: len(frame)]
    np.testing.assert_array_equal(frame[["rho", "delta"]].to_numpy(), seen)


def test_names_are_those_of_the_objective():
    objective = simulated(4, groups=(6,))
    trace = minimize(objective, max_evaluations=1).trace
    assert trace.names == {"theta": objective.theta_names, "beta": objective.beta_names}


def test_the_objective_says_what_a_trace_has_of_its_evaluations():
    objective = quadratic()
    objective.parts = ("penalty",)
    frame = minimize(objective).trace.frame()
    ours = [c for c in COLUMNS if c not in ProfiledObjective.parts or c == "penalty"]
    assert list(frame.columns) == ours
