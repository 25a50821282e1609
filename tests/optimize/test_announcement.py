"""What is said before fits that take long."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from optimize_cases import DenseMixedModel

import mixedscope as ms
from mixedscope.optimize import driver
from mixedscope.optimize.announcement import announce_fit, expected_evaluations
from mixedscope.workflow.steps.job import job


class Slow(DenseMixedModel):
    """A small model that takes itself for one of seconds."""

    seconds = 2.0

    def workload(self):
        return self.seconds, 3_700_000_000


def _model(kind=Slow):
    rng = np.random.default_rng(3)
    groups = np.arange(60) % 10
    y = rng.normal(size=60) + rng.normal(size=10)[groups]
    return kind(y, np.ones((60, 1)), [(groups, np.ones((60, 1)))])


def _said(caplog, **how):
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="mixedscope"):
        driver.minimize(_model(), **how)
    return [r.getMessage() for r in caplog.records if r.name == "mixedscope"]


def test_a_long_fit_is_announced_before_its_first_evaluation(caplog, monkeypatch):
    messages = []
    evaluate = Slow.evaluate_gradient

    def noticed(self, theta):
        messages.append([r.getMessage() for r in caplog.records])
        return evaluate(self, theta)

    monkeypatch.setattr(Slow, "evaluate_gradient", noticed)
    (said,) = _said(caplog, announce=True)
    assert messages[0] == [said]
    # One parameter: 9 evaluations of three times 2 s and one more to check the result.
    assert said == (
        "One evaluation of this model will take about 6 s. A fit by bfgs makes 9 of them as a "
        "rule, and 1 gradient to check its result, 60 s in all. The model holds 3.7 GB of memory."
    )
    (said,) = _said(caplog, announce=True, optimizer="nlopt-bobyqa")
    assert "about 2 s. A fit by nlopt-bobyqa makes 22 of them" in said
    assert "50 s in all" in said


def test_a_fit_that_is_longer_than_it_seemed_is_announced_once_after_an_evaluation(
    caplog, monkeypatch
):
    monkeypatch.setattr(Slow, "seconds", 0.0)
    assert _said(caplog, announce=True) == []
    monkeypatch.setattr(driver, "LONG", 0.0)
    (said,) = _said(caplog, announce=True)
    assert said.startswith("One evaluation of this model took ")


def test_refits_and_short_fits_say_nothing(caplog, monkeypatch):
    assert _said(caplog) == []
    monkeypatch.setattr(Slow, "is_quick", True)
    assert _said(caplog, announce=True) == []


def test_the_log_of_a_job_holds_it(tmp_path):
    log = tmp_path / "fit.log"
    for _ in range(2):
        with job(log):
            announce_fit(2.0, 6.0, 3, "bfgs", held=10**9, measured=False)
        assert log.read_text().count("One evaluation of this model will take about 6 s.") == 1
    announce_fit(2.0, 6.0, 3, "bfgs", held=10**9, measured=False)
    assert log.read_text().count("One evaluation") == 1


@pytest.mark.parametrize("optimizer", ["bfgs", "pybobyqa", "nlopt-bobyqa"])
@pytest.mark.parametrize(
    "random", ["(1 | g)", "(1 + x | g) + (1 | h)", "(1 + x + z | g) + (1 + x | h)"]
)
def test_the_expected_number_of_evaluations_is_of_the_right_size(random, optimizer):
    rng = np.random.default_rng(4)
    n = 300
    data = {"g": np.arange(n) % 20, "h": rng.integers(0, 12, n)}
    data |= {"x": rng.normal(size=n), "z": rng.normal(size=n)}
    effects = rng.normal(size=(20, 3))[data["g"]]
    data["y"] = effects[:, 0] + effects[:, 1] * data["x"] + effects[:, 2] * data["z"]
    data["y"] += rng.normal(size=12)[data["h"]] * (1 + data["x"]) + rng.normal(size=n)
    fit = ms.LinearMixedModel(f"y ~ 1 + x + {random}", data).fit(optimizer=optimizer)
    expected = expected_evaluations(len(fit.model.theta_names), optimizer)
    assert expected / 8 <= fit.info["optimizer"]["stages"]["search"] <= expected * 3
