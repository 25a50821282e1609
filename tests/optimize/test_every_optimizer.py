"""Every optimiser ends, after polishing, at the optimum of every reference case.

The cases with thousands of rows are left to ``--exhaustive``.
"""

from __future__ import annotations

from functools import cache

import pytest
from reference.cases import LMM, fetch

import mixedscope as ms
from mixedscope.optimize.backends import optimizer_names

LARGE = ("scotssec", "chem97", "egsingle", "insteval")
CASES = [
    pytest.param(case_id, marks=[pytest.mark.exhaustive] if case_id.startswith(LARGE) else [])
    for case_id in LMM
]


@cache
def model(case_id: str) -> ms.LinearMixedModel:
    return ms.LinearMixedModel(LMM[case_id]["formula"], fetch(LMM[case_id]["data"]))


@cache
def best(case_id: str) -> float:
    return model(case_id).fit(reml=LMM[case_id]["reml"]).objective


def test_the_cases_are_there() -> None:
    assert sum(not case.marks for case in CASES) >= 10


@pytest.mark.parametrize("optimizer", [name for name in optimizer_names() if name != "auto"])
@pytest.mark.parametrize("case_id", CASES)
def test_the_optimum_is_the_same(case_id: str, optimizer: str) -> None:
    if optimizer == "nlopt-cobyla" and case_id.startswith("insteval"):
        pytest.skip("linear models of the objective take a thousand evaluations and minutes")
    fit = model(case_id).fit(optimizer, reml=LMM[case_id]["reml"])
    scale = max(1.0, abs(best(case_id)) / 1e4)
    assert abs(fit.objective - best(case_id)) <= 1e-7 * scale
    assert fit.certificate["verdict"] in {"optimum", "boundary optimum"}
