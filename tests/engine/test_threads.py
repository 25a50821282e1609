"""How many threads linear algebra in the engine uses."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from threadpoolctl import ThreadpoolController

from mixedscope.core.errors import ModelError
from mixedscope.engine import lapack


def _inside():
    """Thread counts of the BLAS libraries within a call of the engine."""
    with lapack._limited():
        pools = ThreadpoolController().select(user_api="blas").info()
    return {pool["num_threads"] for pool in pools}


def test_one_thread_is_used_unless_asked_and_the_users_number_comes_back():
    with ThreadpoolController().limit(limits=2, user_api="blas"):
        before = [p["num_threads"] for p in ThreadpoolController().select(user_api="blas").info()]
        assert _inside() == {1}
        after = [p["num_threads"] for p in ThreadpoolController().select(user_api="blas").info()]
    assert after == before


def test_more_threads_can_be_asked_for():
    if (os.cpu_count() or 1) < 2:
        pytest.skip("one core only")
    lapack.set_threads(2)
    try:
        assert _inside() == {2}
    finally:
        lapack.set_threads(1)


@pytest.mark.parametrize("bad", [0, -1, 1.5])
def test_impossible_numbers_are_refused(bad):
    with pytest.raises(ModelError, match="threads"):
        lapack.set_threads(bad)


def test_environment_sets_the_first_number():
    code = "from mixedscope.engine import lapack; print(lapack._threads)"
    env = {**os.environ, "MIXEDSCOPE_THREADS": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "3"
    env["MIXEDSCOPE_THREADS"] = "many"
    failed = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert failed.returncode != 0
    assert "MIXEDSCOPE_THREADS" in failed.stderr


def test_a_library_loaded_on_the_way_is_held_to_the_engines_threads_too():
    """SciPy's BLAS is loaded when the first large model is fitted, after numpy's was counted."""
    if (os.cpu_count() or 1) < 2:
        pytest.skip("one core only")
    code = """
from threadpoolctl import ThreadpoolController
from mixedscope.engine import lapack
threads = lambda: {p["filepath"]: p["num_threads"] for p in ThreadpoolController().info()}
with lapack._limited():
    numpy_alone = threads()
    lapack._routine("dpotrf")
    inside = threads()
assert len(inside) > len(numpy_alone), "SciPy had been loaded before"
print(set(inside.values()), set(threads().values()))
with lapack._limited():
    print(set(threads().values()))
"""
    env = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    env["OPENBLAS_NUM_THREADS"] = "2"
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:2] == ["{1} {2}", "{1}"]


def test_building_a_large_model_keeps_numpy_to_the_engines_threads_too():
    with ThreadpoolController().limit(limits=2, user_api="blas"):
        with lapack.limited_for(1_000_000):
            assert _inside() == {1}
            pools = ThreadpoolController().select(user_api="blas").info()
            assert {pool["num_threads"] for pool in pools} == {1}
        pools = ThreadpoolController().select(user_api="blas").info()
        assert 1 not in {pool["num_threads"] for pool in pools}


_FITS = """
import hashlib
import numpy as np, pandas as pd
import mixedscope as ms

for n, family in ((1900, "gaussian"), (500, "gaussian"), (1900, "poisson"), (2500, "poisson")):
    rng = np.random.default_rng(0)
    g, X = rng.integers(0, 60, n), rng.normal(size=(n, 20))
    eta = 0.3 * X[:, 0] + 0.5 * rng.normal(size=60)[g]
    data = pd.DataFrame(X, columns=[f"v{j}" for j in range(20)]).assign(g=pd.Categorical(g))
    data["y"] = rng.poisson(np.exp(eta)) if family == "poisson" else eta + rng.normal(size=n)
    formula = f"y ~ {' + '.join(data.columns[:20])} + (1 | g)"
    fit = ms.glmer(formula, data, family) if family == "poisson" else ms.lmer(formula, data)
    parts = [fit.theta, fit.beta, np.array(fit.vcov), fit.fitted(), [fit.objective]]
    if n == 1900:
        parts.append(fit.drop1()["statistic"])
    print(hashlib.sha256(b"".join(np.asarray(p, dtype=float).tobytes() for p in parts)).hexdigest())
"""


# So many rows that a library shares out products of their columns, which the search of a fit keeps
# to one thread: what asks for slopes afterwards has to as well.
_SLOPES = """
import hashlib
import numpy as np, pandas as pd
import mixedscope as ms
from mixedscope.engine.generalized.laplace import LaplaceObjective

n = 10_500
rng = np.random.default_rng(0)
g, x = rng.integers(0, 40, n), rng.normal(size=n)
eta = 0.3 * x + 0.5 * rng.normal(size=40)[g] + 0.4 * rng.normal(size=4)[g // 10]
data = pd.DataFrame({"x": x, "g": pd.Categorical(g), "h": pd.Categorical(g // 10)})
data["c"] = pd.Categorical(rng.integers(0, 3, n))
data["y"] = rng.poisson(np.exp(eta) * rng.gamma(2.0, 0.5, n))
for points in (0, 1, 2):
    made = ms.GeneralizedLinearMixedModel(
        "y ~ x + c + (1 | h/g)", data, "negative-binomial", quadrature=points
    ).laplace
    made = LaplaceObjective(made.system) if points == 1 else made
    found = [made.moment_start()]
    for _ in range(4 if points == 2 else 16):
        point = made.start + rng.normal(scale=0.1, size=len(made.start))
        evaluation, slopes = made.evaluate_gradient(point)
        found += [[evaluation.objective], slopes, made.initial_hessian(point).ravel()]
    print(hashlib.sha256(np.concatenate(found).tobytes()).hexdigest())
"""


@pytest.mark.parametrize(("code", "lines"), [(_FITS, 4), (_SLOPES, 3)], ids=["fits", "slopes"])
def test_numbers_are_the_same_bytes_whatever_threads_a_library_may_use(code, lines):
    if (os.cpu_count() or 1) < 2:
        pytest.skip("one core only")
    env = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    found = [
        subprocess.run(
            [sys.executable, "-c", code], env={**env, "OPENBLAS_NUM_THREADS": number},
            capture_output=True, text=True, check=True,
        ).stdout.split()
        for number in ("1", "2")
    ]  # fmt: skip
    assert len(found[0]) == lines
    assert found[0] == found[1]
