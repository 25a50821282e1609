"""A small model to break, and what every message about bad input must be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import MixedscopeError

FORMULA = "y ~ 1 + x + (1 + x | g)"


def frame(n: int = 24) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    group = np.arange(n) % 4
    x = rng.normal(size=n)
    y = 1 + x + rng.normal(size=4)[group] * (1 + x) + rng.normal(size=n)
    return pd.DataFrame({"y": y, "x": x, "g": np.array(list("abcd"))[group], "w": 1.0})


def build(data: Any = None, formula: str = FORMULA, **keywords: Any) -> ms.LinearMixedModel:
    return ms.LinearMixedModel(formula, frame() if data is None else data, **keywords)


def message_of(error: type[MixedscopeError], call: Callable[[], object]) -> str:
    """Check that a call fails with the error, in a message fit for a person; give the message."""
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    first = message.splitlines()[0]
    assert 15 < len(first) < 800
    assert "Traceback" not in message
    assert "object at 0x" not in message
    return message
