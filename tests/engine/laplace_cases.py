"""Generalised models of every family with compiled passes, and what holds them to plain steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.engine.compile import interpreter
from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.optimize.driver import minimize

__all__ = [
    "FAMILIES",
    "Case",
    "add_responses",
    "assert_bits_agree",
    "assert_ends_agree",
    "assert_points_agree",
    "assert_trace_is_whole",
    "model",
    "near",
]

#: Response, family, link, what else is said.
Case = tuple[str, str, str, dict[str, Any]]

FAMILIES: list[Case] = [
    ("yes", "binomial", "logit", {}),
    ("yes", "binomial", "probit", {"weights": "w"}),
    ("cbind(successes, trials - successes)", "binomial", "cloglog", {}),
    ("count", "poisson", "log", {"offset": "o", "weights": "w"}),
    ("count", "poisson", "sqrt", {}),
    ("over", "nbinom2", "log", {"weights": "w"}),
    ("over", "nbinom2", "sqrt", {}),
    ("over", "nbinom1", "log", {"weights": "w"}),
    ("amount", "gamma", "log", {"offset": "o"}),
    ("steady", "gamma", "inverse", {}),
    ("steady", "gamma", "identity", {"weights": "w"}),
    ("share", "beta", "logit", {"weights": "w"}),
    ("share", "beta", "cloglog", {}),
]


def add_responses(frame: pd.DataFrame, eta: Any, rng: np.random.Generator) -> pd.DataFrame:
    """Add responses of every kind to a table that has an offset `o`."""
    n = len(frame)
    mean = 1.0 / (1.0 + np.exp(-eta))
    frame["yes"] = rng.binomial(1, mean).astype(float)
    frame["trials"] = rng.integers(1, 9, n)
    frame["successes"] = rng.binomial(frame["trials"], mean)
    frame["count"] = rng.poisson(np.exp(eta + frame["o"])).astype(float)
    frame["over"] = rng.negative_binomial(2.0, 2.0 / (2.0 + np.exp(eta))).astype(float)
    frame["amount"] = rng.gamma(3.0, np.exp(eta) / 3.0)
    frame["steady"] = rng.gamma(9.0, 1.0 / (3.0 + 0.2 * np.tanh(eta)) / 9.0)
    frame["share"] = rng.beta(8.0 * mean, 8.0 * (1.0 - mean))
    return frame


def model(frame: pd.DataFrame, case: Case, random: str, **more: Any) -> Any:
    response, family, link, options = case
    return ms.GeneralizedLinearMixedModel(
        f"{response} ~ x + {random}", frame, family, link, **options, **more
    )


def near(made: Any, times: float, rng: np.random.Generator) -> Any:
    """A point not far from where its search starts, covariances by a factor."""
    point = np.array(made.laplace.start)
    k = made.laplace.n_theta
    size = 0.7 if made.family.link.side == 0 else 0.1
    point[:k] = times * size * (point[:k] + 0.1 * rng.normal(size=k))
    point[k:] += 0.02 * rng.normal(size=len(point) - k)
    return point


def assert_points_agree(made: Any, plain: LaplaceObjective) -> None:
    """Values, their parts and slopes are those of an objective evaluated step by step."""
    rng = np.random.default_rng(1)
    for times in (1.0, 0.3, 0.0, 1.5):
        point = near(made, times, rng)
        one, slope = made.laplace.evaluate_gradient(point)
        other, expected = plain.evaluate_gradient(point)
        for name in ("objective", "conditional_deviance", "penalty", "log_det"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-11, abs=1e-10)
        np.testing.assert_allclose(slope, expected, rtol=1e-8, atol=1e-7)
        np.testing.assert_array_equal(one.beta, other.beta)
        np.testing.assert_allclose(made.laplace.gradients(point[None])[0], slope, atol=1e-7)


def assert_ends_agree(made: Any, plain: LaplaceObjective) -> None:
    """A fit ends where a search of an objective evaluated step by step does, and does so again."""
    fit = made.fit()
    alone = minimize(plain)
    assert fit.objective == pytest.approx(alone.evaluation.objective, abs=1e-6)
    assert fit.certificate["verdict"] == alone.certificate["verdict"]
    assert list(fit.certificate) == list(alone.certificate)
    assert len(fit.trace) == fit.info["optimizer"]["evaluations"]
    again = made.fit()
    assert again.objective == fit.objective
    assert again.parameters.tolist() == fit.parameters.tolist()


def assert_bits_agree(monkeypatch: pytest.MonkeyPatch, make: Callable[[], Any]) -> None:
    """Evaluations and searches by Python give the bits that those in compiled code give."""
    found = []
    for is_done in (False, True):
        with _way(monkeypatch, is_done=is_done):
            made = make()
            value, gradient = made.objective_gradient(near(made, 1.0, np.random.default_rng(0)))
            search = made.laplace.quasi_newton(made.laplace.start, 1e-9, 3)
            found.append((value, gradient.tolist(), search.thetas.tolist(), search.objectives))
    assert found[0] == found[1]


@contextmanager
def _way(monkeypatch: pytest.MonkeyPatch, *, is_done: bool) -> Iterator[None]:
    """Leave everything to Python, or nothing."""
    with monkeypatch.context() as patch:
        patch.setattr(interpreter.state, "is_done", is_done)
        patch.setattr(interpreter.state, "seconds", -1e6)
        patch.setattr(interpreter, "_MOST_WORK", 10**9)
        yield


def assert_trace_is_whole(fit: Any) -> None:
    """Every evaluation that a trace tells of is what the model gives there."""
    for row in fit.trace.to_dict("records"):
        point = np.concatenate([row["theta"], row["beta"]])
        evaluation = fit.model.evaluate(point)
        assert row["objective"] == pytest.approx(evaluation.objective, abs=1e-9)
        assert row["penalty"] == pytest.approx(evaluation.penalty, abs=1e-8)
        assert row["newton_steps"] >= 1
