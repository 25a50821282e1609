"""Random models of many kinds: whichever optimiser is used, the same certified optimum.

Every run fits all models by ``auto`` and each by one or two others, which take turns.  With
``--exhaustive`` every optimiser fits every model.
"""

from __future__ import annotations

from functools import cache

import pytest
from random_models import COUNT, KINDS, random_model

import mixedscope as ms
from mixedscope.optimize.backends import optimizer_names

CERTIFIED = {"optimum", "boundary optimum"}
TOLERANCE = 1e-7

# Optimisers that take a second for a model take their turns less often.
SLOW = ("pybobyqa", "scipy-cobyqa")
FAST = tuple(name for name in optimizer_names() if name not in (*SLOW, "auto", "bfgs"))


@cache
def fitted(number: int, optimizer: str) -> ms.Fit:
    model = random_model(number)
    return model.build().fit(optimizer, reml=model.reml)


def optimizers_for(number: int) -> tuple[str, ...]:
    """The other optimisers whose turn it is."""
    turn = number % 16
    slow = SLOW[turn // 8 :][:1] if turn % 8 == 0 else ()
    return (FAST[number % len(FAST)], *slow)


def test_there_are_two_hundred_models_of_every_kind_ml_and_reml() -> None:
    models = [random_model(number) for number in range(COUNT)]
    assert len(models) >= 200
    for kind in KINDS:
        criteria = [model.reml for model in models if model.kind == kind]
        assert 10 <= sum(criteria) <= len(criteria) - 10


def test_models_are_the_same_in_every_run() -> None:
    for number in (3, 77, 200):
        assert random_model(number).data.equals(random_model(number).data)


@pytest.mark.parametrize("number", range(COUNT))
def test_auto_ends_at_a_certified_optimum(number: int) -> None:
    fit = fitted(number, "auto")
    assert fit.certificate["verdict"] in CERTIFIED
    assert fit.certificate["newton_decrement"] < TOLERANCE


@pytest.mark.parametrize(
    ("number", "optimizer"),
    [
        pytest.param(
            number,
            name,
            marks=[] if name in optimizers_for(number) else [pytest.mark.exhaustive],
        )
        for number in range(COUNT)
        for name in optimizer_names()
        if name != "auto"
    ],
)
def test_every_optimiser_ends_at_the_same_certified_optimum(number: int, optimizer: str) -> None:
    # None of these models has a second minimum in which a search from a usual start may end.
    auto, other = fitted(number, "auto"), fitted(number, optimizer)
    assert other.certificate["verdict"] in CERTIFIED
    assert abs(other.objective - auto.objective) <= TOLERANCE
    # Where columns are nearly collinear, rounding hides whether the smallest variance is 0.
    if random_model(number).kind != "nearly collinear":
        assert other.certificate["verdict"] == auto.certificate["verdict"]


def test_both_an_interior_and_a_singular_optimum_are_common() -> None:
    verdicts = [fitted(number, "auto").certificate["verdict"] for number in range(COUNT)]
    assert min(verdicts.count(verdict) for verdict in CERTIFIED) >= 50
