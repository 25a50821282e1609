"""Small fits with all tables that animations read, for tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

import mixedscope as ms
from mixedscope.tables.store import FitTables


def sleep_like(
    structures: Sequence[str] = ("full",),
    *,
    names: Sequence[str] | None = None,
    levels: int = 12,
    studies: Sequence[str] = ("parameters", "motion"),
    formula: str = "y ~ 1 + x + (1 + x | g)",
    optimizer: str = "pybobyqa",
) -> list[FitTables]:
    """Fits of a model with correlated intercepts and slopes, one per structure."""
    rng = np.random.default_rng(3)
    labels = list(names) if names is not None else [f"S{i:03d}" for i in range(levels)]
    q, n = len(labels), 8
    b = rng.multivariate_normal([0, 0], [[400.0, 40.0], [40.0, 25.0]], size=q)
    codes = np.repeat(np.arange(q), n)
    x = np.tile(np.arange(n, dtype=float), q)
    y = 250 + b[codes, 0] + (10 + b[codes, 1]) * x + rng.normal(scale=20, size=q * n)
    data = pd.DataFrame({"y": y, "x": x, "g": np.array(labels, dtype=object)[codes]})
    data["condition"] = np.tile([1.0, -1.0, -1.0, 1.0], q * n // 4)
    found = []
    for structure in structures:
        model = ms.LinearMixedModel(formula, data, structure=structure)
        fit = model.fit(optimizer=optimizer, progress=False)
        for study in studies:
            fit.study(study)
        found.append(fit.tables)
    return found


def choices(terms: int) -> FitTables:
    """A fit of 0 and 1 with intercepts, or slopes too, some levels of which all say the same."""
    rng = np.random.default_rng(8)
    q, n = 14, 6
    codes = np.repeat(np.arange(q), n)
    x = np.tile(np.linspace(-1.0, 1.0, n), q)
    eta = rng.normal(scale=1.6, size=q)[codes] + (1.0 + rng.normal(size=q)[codes]) * x
    y = (rng.random(q * n) < 1.0 / (1.0 + np.exp(-eta))).astype(int)
    data = pd.DataFrame({"y": y, "x": x, "g": [f"g{i:02d}" for i in codes]})
    random = "(1 | g)" if terms == 1 else "(1 + x | g)"
    fit = ms.glmer(f"y ~ 1 + x + {random}", data)
    for study in ("parameters", "motion"):
        fit.study(study)
    return fit.tables
