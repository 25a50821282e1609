"""Charts look as they did when somebody last looked at them.

The specification of each case is compared by digest: whoever changes it looks at the picture and
renews the baseline (`renew.py`). The rendered picture is compared with a tolerance, for what a
renderer does with an unchanged specification is seen nowhere else.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from picture_cases import APPROVED, CASES, SPECS, digest, distance, painter, picture, specification

from mixedscope import charts

RENEW = "Look at the picture, then: uv run python tests/pictures/renew.py"
#: Smoothing at edges differs by less; a missing or moved label makes 0.1 and more.
TOLERANCE = 0.06


@pytest.fixture(scope="module")
def approved() -> dict[str, str]:
    found: dict[str, str] = json.loads(SPECS.read_text("utf-8"))
    return found


@pytest.fixture(scope="module")
def painted() -> Iterator[Callable[[Mapping[str, Any]], bytes]]:
    """What makes a picture of a specification."""
    with painter() as found:
        yield found


def test_every_kind_of_chart_has_a_case(approved: dict[str, str]) -> None:
    drawn = {case.partition("-")[0] for case in CASES}
    assert drawn >= set(charts.__all__) - {"save"}
    assert set(approved) == set(CASES) == {path.stem for path in APPROVED.glob("*.png")}


@pytest.mark.parametrize("case", CASES)
def test_the_specification_is_the_approved_one(case: str, approved: dict[str, str]) -> None:
    assert digest(specification(case)) == approved[case], RENEW


@pytest.mark.parametrize("case", CASES)
@pytest.mark.exhaustive
def test_the_picture_is_the_approved_one(
    case: str, painted: Callable[[Mapping[str, Any]], bytes]
) -> None:
    assert (
        distance(painted(specification(case)), (APPROVED / f"{case}.png").read_bytes()) < TOLERANCE
    ), RENEW


def test_a_change_is_seen() -> None:
    spec = specification("dumbbell")
    assert digest(spec) == digest(copy.deepcopy(spec))
    other = copy.deepcopy(spec)
    other["title"] = {"text": "Something else"}
    assert digest(other) != digest(spec)
    assert distance(picture(other), (APPROVED / "dumbbell.png").read_bytes()) > TOLERANCE
