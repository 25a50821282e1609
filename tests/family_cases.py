"""Small data of choices and of counts, for what is said of generalised models."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["answers", "plain", "visits"]


def answers(persons: int = 18, items: int = 9) -> pd.DataFrame:
    """Answers of persons to items in two situations, as in VerbAgg; some persons say one thing."""
    rng = np.random.default_rng(31)
    at = np.tile(np.repeat(np.arange(persons), items), 2)
    item = np.tile(np.tile(np.arange(items), persons), 2)
    x = np.repeat([0.0, 1.0], persons * items)
    w = (item % 3 == 0) * 1.0
    easy, keen = rng.normal(size=items), rng.normal(size=(persons, 2)) * (1.3, 0.9)
    eta = 0.4 + keen[at, 0] + (keen[at, 1] - 0.8) * x + 0.7 * w + 0.6 * easy[item]
    eta += 8.0 * (at == 3) - 8.0 * (at == 7)
    says = rng.random(len(at)) < 1.0 / (1.0 + np.exp(-eta))
    return pd.DataFrame(
        {
            "y": np.where(says, "yes", "no"),
            "x": x,
            "w": w,
            "g": [f"g{i:02d}" for i in at],
            "h": [f"h{i}" for i in item],
        }
    )


def visits(subjects: int = 20, each: int = 6) -> pd.DataFrame:
    """Counts that vary more than a Poisson's, some subjects having none, as seizures do."""
    rng = np.random.default_rng(32)
    at = np.repeat(np.arange(subjects), each)
    x = np.tile(np.linspace(-1.0, 1.0, each), subjects).round(2)
    w = (at % 2) * 1.0
    b = 0.6 * rng.normal(size=subjects)
    mean = np.exp(1.0 + b[at] - 0.3 * x - 0.4 * w)
    y = rng.poisson(mean * rng.gamma(1.2, 1.0 / 1.2, size=len(at)))
    y[np.isin(at, (4, 9))] = 0
    return pd.DataFrame({"y": y, "x": x, "w": w, "g": [f"g{i:02d}" for i in at]})


def plain(subjects: int = 20, each: int = 8) -> pd.DataFrame:
    """Counts of a Poisson distribution, in which nothing is amiss, but for a curve that is not
    in the model where ``x`` alone is."""
    rng = np.random.default_rng(33)
    at = np.repeat(np.arange(subjects), each)
    x = rng.uniform(-1.5, 1.5, len(at)).round(3)
    b = 0.4 * rng.normal(size=subjects)
    y = rng.poisson(np.exp(0.3 + b[at] + 0.2 * x + 0.9 * x**2))
    return pd.DataFrame({"y": y, "x": x, "g": [f"g{i:02d}" for i in at]})
