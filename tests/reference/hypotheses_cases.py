"""The data of ``hypotheses.json``, made as in ``hypotheses.R``, and what that file holds."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).parent


@cache
def held(name: str = "hypotheses") -> dict[str, Any]:
    """What programs in R report."""
    read: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text("utf-8"))
    return read


@cache
def made() -> pd.DataFrame:
    """Three levels of f and g with a combination that never occurs; not to be written to."""
    i = np.arange(1, 121)

    def part(k: int) -> Any:
        value = np.sin(i * 12.9898 + k * 78.233) * 43758.5453
        return value - np.floor(value)

    s = np.repeat(np.arange(1, 13), 10)
    f = np.array(list("abc"))[np.floor(3 * part(1)).astype(int)]
    g = np.array(list("uvw"))[np.floor(3 * part(2)).astype(int)]
    frame = pd.DataFrame(
        {
            "f": pd.Categorical(f, list("abc")),
            "g": pd.Categorical(g, list("uvw")),
            "x": 100 * part(3),
            "z": part(4) - 0.5,
            "w": 0.5 + part(6),
            "s": pd.Categorical(s.astype(str), [str(j) for j in range(1, 13)]),
        }
    )
    frame["y"] = (
        10 * (part(5) - 0.5)
        + 3 * np.sin(s)
        + 0.02 * frame["x"]
        + (f == "b")
        + 2 * frame["z"] * np.cos(3 * s)
    )
    frame = frame[~((f == "c") & (g == "w"))].reset_index(drop=True)
    told = held()
    assert len(frame) == told["rows"]
    assert abs(frame["y"].sum() - told["sum_y"]) < 1e-6
    return frame
