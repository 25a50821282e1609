"""Families and links in compiled passes give the numbers of those by themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mixedscope.engine.compile import interpreter
from mixedscope.engine.compile.compiled import kernel
from mixedscope.engine.generalized.linking import steps_of
from mixedscope.engine.kernels import laplace_steps
from mixedscope.engine.kernels.laplace_search import table_of
from mixedscope.engine.kernels.laplace_steps import CHANGE, ROOM
from mixedscope.families.family import Family, Response
from mixedscope.families.registry import make_family

pytestmark = pytest.mark.numerical

Floats = NDArray[np.float64]

PAIRS = [
    *(("binomial", link) for link in ("logit", "probit", "cloglog", "log")),
    *(("poisson", link) for link in ("log", "identity", "sqrt")),
    *(("nbinom2", link) for link in ("log", "identity", "sqrt")),
    *(("nbinom1", link) for link in ("log", "identity", "sqrt")),
    *(("gamma", link) for link in ("log", "inverse", "identity")),
    *(("beta", link) for link in ("logit", "probit", "cloglog")),
]

_rows = laplace_steps.rows.call
_changes = laplace_steps.changes.call
_constant = laplace_steps.constant.call


@kernel
def rows(
    numbers: Any, n: int, eta: Floats, y: Floats, counts: Floats, dispersion: float,
    scratch: Floats, out: Floats,
) -> float:  # fmt: skip
    return _rows(
        numbers, numbers, 0, n, eta, y, counts, dispersion, scratch, out[0], out[1], out[2]
    )


@kernel
def changes(
    numbers: Any, n: int, eta: Floats, y: Floats, dispersion: float, scratch: Floats,
    table: Floats, out: Floats,
) -> None:  # fmt: skip
    _changes(numbers, numbers, 0, n, eta, y, dispersion, scratch)
    _constant(numbers, table, dispersion, out)


def predictors(link: str, family: str) -> Floats:
    if link in ("logit", "probit", "cloglog", "log"):
        ends = {"probit": 40.0, "cloglog": 5.0}.get(link, 30.0)
        if family in ("nbinom1", "beta"):
            ends = min(ends, 4.0)
        far = np.linspace(-ends, -1e-3 if (family, link) == ("binomial", "log") else ends, 120)
        return np.concatenate([far, np.linspace(-6.5, -0.01, 60)])
    return np.linspace(0.02, 30.0, 150)


def responses(family: str, n: int, rng: np.random.Generator) -> Response:
    weights = rng.integers(1, 4, n).astype(float)
    if family == "binomial":
        trials = rng.integers(1, 5, n).astype(float)
        return Response(rng.integers(0, trials.astype(int) + 1) / trials, weights, trials)
    if family == "gamma":
        return Response(np.exp(rng.normal(size=n)), weights)
    if family == "beta":
        extreme = rng.choice([1e-300, 1e-12, 1.0 - 1e-12], n)
        return Response(np.where(rng.random(n) < 0.3, extreme, rng.uniform(0.01, 0.99, n)), weights)
    return Response(rng.choice([0, 1, 2, 7, 60, 500, 2_000, 10_000_003], n).astype(float), weights)


def told(family: Family, response: Response, eta: Floats, dispersion: float) -> dict[str, Any]:
    """What the family says, of its own."""
    with np.errstate(all="ignore"):
        made = family.rows(response, eta, dispersion)
        slopes = family.slopes(response, eta, dispersion)
    out = {"values": made.values, "score": made.score, "weight": made.weight}
    out["slope"] = slopes.weight
    if slopes.dispersion is not None:
        out["changes"] = slopes.dispersion[:3]
    return out


def close(found: Floats, expected: Floats, rtol: float, parts: Floats) -> None:
    """Beside what rounding of the `parts` (n,) that they are sums of allows."""
    finite = np.isfinite(expected)
    assert finite.any()
    np.testing.assert_allclose(
        found[finite] / parts[finite], expected[finite] / parts[finite], rtol=rtol, atol=rtol
    )


@pytest.mark.parametrize("dispersion", [0.3, 2.5, 40.0])
@pytest.mark.parametrize(("name", "link"), PAIRS)
def test_rows_and_slopes_are_those_of_the_family(name: str, link: str, dispersion: float) -> None:
    family = make_family(name, link)
    if family.dispersion is None:
        dispersion = 1.0
    eta = predictors(link, name)
    n = len(eta)
    response = responses(name, n, np.random.default_rng(4))
    if name == "gamma" and link in ("identity", "inverse"):
        response = Response(response.y + 0.5, response.weights)
    expected = told(family, response, eta, dispersion)
    counts = response.counts
    assert counts is not None
    numbers = steps_of(name, link, is_single=True, linked=False)
    scratch, out = np.empty((ROOM, n)), np.empty((3, n))
    arguments = (n, eta, response.y, counts, dispersion, scratch, out)
    total = interpreter.interpret(rows.interpreted, numbers, *arguments)  # type: ignore[attr-defined]
    finite = np.isfinite(expected["values"])
    if finite.all():
        assert total == pytest.approx(expected["values"].sum(), rel=1e-12)
    # Entries are sums of which parts may cancel: in units of the counts, and of the largest part.
    size = counts * (1.0 + np.abs(expected["score"]) / counts + np.abs(expected["weight"]) / counts)
    for i, key in enumerate(("score", "weight", "slope")):
        close(out[i], expected[key], 1e-10, size)
    if "changes" not in expected:
        return
    table = interpreter.interpret(table_of.interpreted, numbers, response.y, counts)  # type: ignore[attr-defined]
    added = np.empty(2)
    arguments = (n, eta, response.y, dispersion, scratch, table, added)
    interpreter.interpret(changes.interpreted, numbers, *arguments)  # type: ignore[attr-defined]
    made = counts * scratch[CHANGE : CHANGE + 3]
    for i in (1, 2):
        close(made[i], expected["changes"][i], 1e-9, size * (1.0 + dispersion))
    summed = float((made[0]).sum() + added[1])
    scale = float(np.abs(expected["changes"][0]).sum() + np.abs(made[0]).sum())
    assert summed == pytest.approx(float(expected["changes"][0].sum()), abs=1e-11 * scale)


@pytest.mark.parametrize(("name", "link"), PAIRS[4:])
def test_what_a_dispersion_adds_is_the_constant_of_the_family(name: str, link: str) -> None:
    family = make_family(name, link)
    if family.dispersion is None or family.link.name != family.links[0]:
        return
    rng = np.random.default_rng(3)
    response = responses(name, 80, rng)
    assert response.counts is not None
    numbers = steps_of(name, link, is_single=True, linked=False)
    table = interpreter.interpret(table_of.interpreted, numbers, response.y, response.counts)  # type: ignore[attr-defined]
    found, values = [], []
    for dispersion in (0.2, 1.0, 15.0, 300.0):
        out = np.empty(2)
        interpreter.interpret(_constant.interpreted, numbers, table, dispersion, out)
        found.append(out[0])
        values.append(family.constant(response, dispersion))
    changes_found, changes_of_family = np.diff(found), np.diff(values)
    np.testing.assert_allclose(changes_found, changes_of_family, rtol=1e-10)


def exact_poisson(y: float, change: float) -> float:
    """Log-probability of a count at the mean ``y exp(change)``, by series in small numbers."""
    rise = sum(change**j / np.prod(np.arange(1.0, j + 1.0)) for j in range(2, 9))
    stirling = 1.0 / (12.0 * y) - 1.0 / (360.0 * y**3)
    return -y * rise - 0.5 * np.log(2.0 * np.pi * y) - stirling


@pytest.mark.parametrize("way", ["family", "kernel"])
def test_large_counts_keep_their_digits(way: str) -> None:
    """Of 10 million the parts of the log-likelihood are 1e8, of which rounding is 1e-8."""
    y = np.array([1_000.0, 12_345.0, 1e7, 1e7 + 3.0, 1e9])
    change = np.array([0.01, -0.002, 1e-4, -3e-4, 2e-5])
    eta = np.log(y) + change
    family = make_family("poisson", "log")
    values = family.rows(Response(y), eta, 1.0).values
    if way == "kernel":
        numbers = steps_of("poisson", "log", is_single=True, linked=False)
        room: Callable[[], Floats] = lambda: np.empty((ROOM, len(y)))  # noqa: E731
        values = np.array([
            interpreter.interpret(
                rows.interpreted, numbers, 1, eta[i:], y[i:], np.empty(0), 1.0, room(),  # type: ignore[attr-defined]
                np.empty((3, len(y))),
            )
            for i in range(len(y))
        ])  # fmt: skip
    found = values + family.row_constants(Response(y), 1.0)
    # The change itself is known to some 4e-16 times 20, the logarithm of the count.
    allowed = 1e-13 + 1e-14 * y * np.abs(change)
    expected = [exact_poisson(a, b) for a, b in zip(y, eta - np.log(y), strict=True)]
    assert (np.abs(found - expected) <= allowed + 1e-13 * np.abs(expected)).all()
