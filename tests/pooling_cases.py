"""A simulated data set whose effects are known, for tests of shrinkage paths."""

from __future__ import annotations

from typing import Any

SPEC: dict[str, Any] = {
    "seed": 14,
    "formula": "y ~ 1 + x + (1 + x | g) + (1 | h)",
    "units": {"g": 7, "h": 4},
    "covariates": {"x": {"distribution": "normal"}},
    "replicates": 2,
    "beta": [10.0, 1.0],
    "sigma": 1.5,
    "random": {"g": {"sd": [1.0, 0.6], "correlations": 0.3}, "h": {"sd": [0.8]}},
}
