"""Which factors least squares cannot tell apart is what ranks of dense matrices say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.charts.kinds.shrinkage.levels import reference_of
from mixedscope.tables.store import FitTables


def dense(model: ms.LinearMixedModel) -> set[str]:
    """Factors whose columns meet those of the others once fixed effects are taken out."""
    design = model.design
    root = np.ones(len(design.y)) if design.weights is None else np.sqrt(design.weights)
    q, _ = np.linalg.qr(design.X * root[:, None])
    blocks = {}
    for term in design.random:
        columns = np.zeros((len(design.y), len(term.levels) * term.Z.shape[1]))
        for j in range(term.Z.shape[1]):
            columns[np.arange(len(root)), term.codes * term.Z.shape[1] + j] = term.Z[:, j] * root
        blocks[term.group] = columns - q @ (q.T @ columns)

    def rank(*some: np.ndarray) -> int:
        return int(np.linalg.matrix_rank(np.hstack(some), tol=1e-8)) if some else 0

    return {
        g
        for g, own in blocks.items()
        if rank(*blocks.values()) < rank(own) + rank(*[z for h, z in blocks.items() if h != g])
    }


def data(kind: str, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = 150
    a, b = rng.integers(0, 9, n), rng.integers(0, 7, n)
    if kind == "nested":
        a = rng.integers(0, 15, n)
        b = a // 3
    elif kind == "apart":  # two sets of levels that never meet
        b = np.where(a < 4, b % 3, 3 + b % 4)
    elif kind == "nearly":  # as `nested`, but for one row of every level of b
        a = np.concatenate([np.arange(15), rng.integers(0, 15, n - 15)])
        b = a // 3
        b[:15:3] = (b[:15:3] + 1) % 5
    frame = pd.DataFrame({"a": a, "b": b, "x": rng.normal(size=n), "w": rng.uniform(1, 3, n)})
    frame["y"] = rng.normal(size=n)
    return frame.assign(a="a" + frame["a"].astype(str), b="b" + frame["b"].astype(str))


FORMULAS = (
    "y ~ 1 + (1 | a) + (1 | b)",
    "y ~ 1 + x + (1 + x | a) + (1 | b)",
    "y ~ 1 + x + (1 + x | a) + (0 + x | b)",
    "y ~ 1 + (1 | a) + (0 + x | b)",
    "y ~ 0 + b + (1 | a) + (1 | b)",
    "y ~ 1 + (1 | a)",
)


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("kind", ["crossed", "nested", "apart", "nearly"])
@pytest.mark.parametrize("weights", [None, "w"])
def test_confounded_factors_are_those_that_ranks_say(
    formula: str, kind: str, weights: str | None
) -> None:
    model = ms.LinearMixedModel(formula, data(kind, 3), weights=weights)
    assert set(model.confounded) == dense(model)


@pytest.mark.parametrize(("kind", "found"), [("nearly", set()), ("nested", {"a", "b"})])
def test_units_do_not_decide(kind: str, found: set[str]) -> None:
    frame = data(kind, 5)
    frame["x"] *= 1e-6
    frame["y"] *= 1e9
    model = ms.LinearMixedModel("y ~ 1 + x + (1 + x | a) + (1 | b)", frame)
    assert set(model.confounded) == dense(model) == found


@pytest.mark.parametrize(
    ("kind", "column"), [("nested", "within_group"), ("crossed", "joint_limit")]
)
def test_stored_fit_says_what_its_modes_are_compared_with(kind: str, column: str) -> None:
    fit = ms.LinearMixedModel(FORMULAS[0], data(kind, 1)).fit().tables
    assert {reference_of([fit], g) for g in ("a", "b")} == {column}


def test_fit_that_was_never_asked_is_not_believed() -> None:
    fit = ms.LinearMixedModel(FORMULAS[0], data("crossed", 1)).fit().tables
    limit = fit.info["references"]["joint_limit"]
    old = FitTables(
        {**fit.info, "references": {"joint_limit": {"beta": limit["beta"]}}}, modes=fit.modes
    )
    assert reference_of([old], "a") == "within_group"
