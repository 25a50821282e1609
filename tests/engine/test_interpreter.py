"""Kernels by Python and compiled: the same bits, and who runs when."""

from __future__ import annotations

import math
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixedscope import LinearMixedModel
from mixedscope.engine import blocked
from mixedscope.engine.compile import interpreter
from mixedscope.engine.compile.compiled import chosen, compiled_kernel, inlined, kernel, part
from mixedscope.engine.compile.logarithm import log


@inlined
def twice(x: float) -> float:
    return 2.0 * x


@part
def add(x: Any, value: float) -> None:
    for i in range(len(x)):
        x[i] += twice(value)


@kernel
def logs(x: Any, out: Any) -> tuple[float, bool]:
    add(out, 0.5)
    total = 0.0
    for i in range(len(x)):
        out[i] += log(x[i])
        total += 1.0 / x[i]
    return total, total > 0.0


@compiled_kernel
def never(x: Any) -> float:
    return float(x[0])


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A process that has interpreted nothing yet."""
    anew(monkeypatch)
    return monkeypatch


def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter.state, "is_done", False)
    monkeypatch.setattr(interpreter.state, "seconds", 0.0)


def way(monkeypatch: pytest.MonkeyPatch, *, python: bool) -> None:
    """Leave all to Python from now on, or nothing."""
    anew(monkeypatch)
    monkeypatch.setattr(interpreter, "_PATIENCE", math.inf)
    monkeypatch.setattr(interpreter, "_MOST_WORK", 10**9 if python else -1)


def test_logarithms_and_what_divides_by_zero_are_the_same_both_ways(
    fresh: pytest.MonkeyPatch,
) -> None:
    """Twenty thousand logarithms: libraries differ in the last bit of some in a thousand."""
    rng = np.random.default_rng(2)
    x = np.concatenate([[0.0, -1.0, np.inf, np.nan], np.exp(rng.normal(size=20_000) * 5.0)])
    found = []
    for python in (True, False):
        way(fresh, python=python)
        out = np.zeros(len(x))
        total, is_positive = logs(x, out)
        assert type(total) is float
        assert type(is_positive) is bool
        found.append((total, out.tobytes()))
    assert found[0][1] == found[1][1]
    assert all(math.isnan(total) for total, _ in found)


def test_python_runs_what_is_small_until_it_has_worked_for_long(
    fresh: pytest.MonkeyPatch,
) -> None:
    small, large = np.ones(3), np.ones(interpreter._MOST_WORK)
    logs(small, small.copy())
    assert interpreter.state.seconds > 0.0
    before = interpreter.state.seconds
    logs(large, large.copy())
    assert interpreter.state.seconds == before
    assert never(small) == 1.0
    assert interpreter.state.seconds == before
    assert chosen(logs, 5)[1] is False
    assert chosen(logs, interpreter._MOST_WORK + 1)[1] is True
    assert chosen(never, 5)[1] is True
    fresh.setattr(interpreter, "_PATIENCE", 0.0)
    logs(small, small.copy())
    before = interpreter.state.seconds
    logs(small, small.copy())
    assert interpreter.state.seconds == before
    assert chosen(logs, 5)[1] is True


def made_up(n: int = 90) -> dict[str, Any]:
    rng = np.random.default_rng(4)
    g, h = np.arange(n) // 10, np.arange(n) // 5
    data: dict[str, Any] = {"g": g, "h": h, "item": np.arange(n) % 5, "w": 1.0 + np.arange(n) % 3}
    data["x"], data["z"] = rng.normal(size=n), rng.normal(size=n)
    data["y"] = data["x"] + rng.normal(size=n) + rng.normal(size=9)[g] + rng.normal(size=5)[h % 5]
    return data


FORMULAS = [
    "y ~ x + (1 | g)",
    "y ~ x + (1 + x | g)",
    "y ~ x + (1 + x + z | g)",
    "y ~ x + (1 | g) + (1 | item)",
    "y ~ x + (1 + x | g) + (1 + x | item)",
    "y ~ x + (1 | h) + (1 | g)",
    "y ~ x + (1 + x | h) + (x | g) + (1 | item)",
    "y ~ x + (x + z | h) + (1 | g)",
    "y ~ x + cs(x | g) + (0 + z || item)",
]


def bits(fit: Any) -> bytes:
    """All that a fit has computed: where it went, where it ended, and what follows."""
    numbers = [fit.objective, *fit.theta, *fit.fitted(), *fit.fixed_effects()["estimate"]]
    numbers += fit.fixed_effects()["std_error"].tolist()
    for name in fit.trace:
        column = fit.trace[name]
        if name not in fit.timing and column.dtype.kind == "f":
            numbers += column.tolist()
    return struct.pack(f"{len(numbers)}d", *numbers)


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_fit_by_python_has_the_bits_of_a_compiled_one(
    formula: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every evaluation of the search, the certificate's polish, and what is derived of the end."""
    data = made_up()
    for options in ({"reml": False}, {"reml": True}):
        found = []
        for python in (True, False):
            way(monkeypatch, python=python)
            fit = LinearMixedModel(formula, data).fit(**options)
            assert (interpreter.state.seconds > 0.0) is python
            found.append(bits(fit))
        assert found[0] == found[1]


@pytest.mark.exhaustive
@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("optimizer", ["pybobyqa", "nlopt-newuoa"])
@pytest.mark.parametrize("is_whole", [True, False])
def test_so_do_fits_by_all_other_kernels(
    formula: str, optimizer: str, is_whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With weights, by optimisers that ask for values only, and block by block as large models."""
    if not is_whole:
        monkeypatch.setattr(blocked, "WHOLE", 0)
    data = made_up(60)
    for options in ({"reml": False}, {"reml": True}):
        found = []
        for python in (True, False):
            way(monkeypatch, python=python)
            fit = LinearMixedModel(formula, data, weights="w").fit(optimizer, **options)
            found.append(bits(fit) + fit.influence().cooks_distance.to_numpy().tobytes())
        assert found[0] == found[1]


SMALL = """
import sys
import numpy as np
import mixedscope as ms
x, g = np.tile(np.arange(6.0), 8), np.repeat(np.arange(8), 6)
y = x + np.sin(3.0 * g) + np.cos(5.0 * g) * x + np.sin(7.0 * np.arange(48.0))
fit = ms.LinearMixedModel("y ~ 1 + x + (1 + x | g)", {"y": y, "x": x, "g": g}).fit()
print(fit.objective.hex(), "numba" in sys.modules)
"""


def test_a_first_small_fit_loads_no_compiler_and_says_nothing(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", SMALL],
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    value, is_loaded = run.stdout.split()
    assert float.fromhex(value) > 0.0
    assert is_loaded == "False"
    assert not run.stderr
    assert not list(tmp_path.iterdir())
