"""Every optimiser ends, after polishing, at the optimum of every reference case.

The cases with thousands of rows are left to ``MIXEDSCOPE_EXHAUSTIVE=1``, which takes minutes.
"""

from __future__ import annotations

import os
from functools import cache

import pytest
from reference.cases import LMM, fetch

import mixedscope as ms
from mixedscope.optimize import optimizer_names

EXHAUSTIVE = os.environ.get("MIXEDSCOPE_EXHAUSTIVE") == "1"
LARGE = ("scotssec", "chem97", "egsingle", "insteval")
CASES = [case_id for case_id in LMM if EXHAUSTIVE or not case_id.startswith(LARGE)]


@cache
def model(case_id: str) -> ms.LinearMixedModel:
    return ms.LinearMixedModel(LMM[case_id]["formula"], fetch(LMM[case_id]["data"]))


@cache
def best(case_id: str) -> float:
    return model(case_id).fit(reml=LMM[case_id]["reml"]).objective


def test_the_cases_are_there() -> None:
    assert len(CASES) >= 10


@pytest.mark.parametrize("optimizer", [name for name in optimizer_names() if name != "auto"])
@pytest.mark.parametrize("case_id", CASES)
def test_the_optimum_is_the_same(case_id: str, optimizer: str) -> None:
    fit = model(case_id).fit(optimizer, reml=LMM[case_id]["reml"])
    scale = max(1.0, abs(best(case_id)) / 1e4)
    assert abs(fit.objective - best(case_id)) <= 1e-7 * scale
    assert fit.certificate["verdict"] in {"optimum", "boundary optimum"}
