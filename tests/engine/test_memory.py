"""How much memory a model takes, before it is made."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from bad_input import message_of

import mixedscope as ms
from mixedscope.core.errors import ModelError
from mixedscope.engine import blocked, blocks, memory, products
from mixedscope.engine.generalized import laplace

FORMULAS = {
    "one factor": "y ~ 1 + x + (1 + x | g)",
    "crossed": "y ~ 1 + x + (1 + x | g) + (1 | h)",
    "nested and crossed": "y ~ 1 + x + (1 | outer) + (1 + x | g) + (1 | h)",
}


def _frame():
    rng = np.random.default_rng(2)
    g = np.arange(400) % 50
    frame = pd.DataFrame({"x": rng.normal(size=400), "y": rng.normal(size=400), "g": g})
    frame["outer"], frame["h"] = g // 5, rng.integers(0, 30, 400)
    return frame


@pytest.mark.parametrize("name", FORMULAS)
def test_bytes_are_those_of_the_arrays(name, monkeypatch):
    monkeypatch.setattr(blocked, "WHOLE", 0)
    monkeypatch.setattr(blocked, "SMALL", 0)
    system = ms.LinearMixedModel(FORMULAS[name], _frame()).system
    cross, own = system.cross, system.blocked
    arrays = {id(a): a for tier in cross.tiers for a in tier}
    for work in own._work:
        arrays |= {id(a): a for a in vars(work).values()}
    arrays |= {id(a): a for a in (cross.rest, own._s)}
    held = sum(a.nbytes for a in arrays.values())
    assert memory.bytes_needed(cross.pattern, cross.n_tail) == held


@pytest.mark.parametrize("name", FORMULAS)
def test_what_does_not_fit_is_refused_before_anything_is_made(name, monkeypatch):
    monkeypatch.setattr(memory, "_LITTLE", 0)
    monkeypatch.setattr(memory, "_memory_of_this_machine", lambda: 1000)
    monkeypatch.setattr(products, "_add_up", None)
    said = message_of(ModelError, lambda: ms.LinearMixedModel(FORMULAS[name], _frame()).fit())
    assert "of memory, and there are" in said
    assert "subset=" in said
    assert ("'h' crossed with them" in said) is ("crossed" in name)
    assert ("let solver='iterative'" in said) is ("crossed" in name)


@pytest.mark.parametrize("name", FORMULAS)
def test_generalised_models_are_refused_likewise(name, monkeypatch):
    monkeypatch.setattr(memory, "_LITTLE", 0)
    monkeypatch.setattr(memory, "_memory_of_this_machine", lambda: 1000)
    frame = _frame().assign(y=lambda f: (f["y"] > 0).astype(int))
    said = message_of(ModelError, lambda: ms.GeneralizedLinearMixedModel(FORMULAS[name], frame))
    assert "of memory, and there are" in said


def test_what_a_large_generalised_model_will_take_is_known_beforehand(monkeypatch):
    frame = _frame().assign(y=lambda f: (f["y"] > 0).astype(int))
    objective = ms.GeneralizedLinearMixedModel(FORMULAS["crossed"], frame).laplace
    seconds, held = objective.workload()
    assert seconds == 0.0
    assert held >= memory.bytes_needed(objective.system.pattern, 1)
    monkeypatch.setattr(blocks, "_QUICK", 1.0)
    monkeypatch.setattr(laplace, "_DEAR", 1)
    assert objective.workload()[0] > 0.0


def test_a_machine_that_does_not_say_what_it_has_refuses_nothing(monkeypatch):
    monkeypatch.setattr(memory, "_LITTLE", 0)
    monkeypatch.setattr(memory, "_memory_of_this_machine", lambda: None)
    ms.LinearMixedModel(FORMULAS["crossed"], _frame()).fit()


def test_this_machine_has_more_than_the_tests_need():
    assert memory._memory_of_this_machine() is None or memory._memory_of_this_machine() > 2**28
