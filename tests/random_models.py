"""Small random models, many kinds of them, the same in every run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import mixedscope as ms

__all__ = ["COUNT", "KINDS", "RandomModel", "random_model", "tiny_model"]

COUNT = 216

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Random = np.random.Generator


@dataclass(frozen=True)
class RandomModel:
    """One model with its data.

    Attributes
    ----------
    number : int
        From 0; decides everything else.
    kind : str
    formula : str
    data : pandas.DataFrame
    reml : bool
    """

    number: int
    kind: str
    formula: str
    data: pd.DataFrame
    reml: bool

    def build(self) -> ms.LinearMixedModel:
        """Build the model."""
        return ms.LinearMixedModel(self.formula, self.data)


def random_model(number: int) -> RandomModel:
    """Draw the model of this number: its kind, its layout, its true parameters, its data."""
    rng = np.random.default_rng([20_261, number])
    kind = list(KINDS)[number % len(KINDS)]
    reml = number // len(KINDS) % 2 == 1
    formula, data = KINDS[kind](rng)
    return RandomModel(number, kind, formula, data, reml)


def tiny_model(number: int) -> RandomModel:
    """Draw a model of several effects with so few levels and rows that it may have many minima."""
    rng = np.random.default_rng([77, number])
    g = np.repeat(np.arange(rng.integers(3, 7)), rng.integers(3, 6))
    v = _covariates(rng, len(g))
    one = np.ones(len(g))
    formula, columns = (
        ("y ~ 1 + x + (1 + x | g)", [one, v["x"]]),
        ("y ~ 1 + x + z + (1 + x || g)", [one, v["x"]]),
        ("y ~ 1 + x + (1 + x + z | g)", [one, v["x"], v["z"]]),
    )[rng.integers(3)]
    signal = _effects(rng, g, columns, rank=int(rng.integers(0, len(columns) + 1)))
    return RandomModel(number, "tiny", formula, _finish(rng, signal, g=g, **v), number % 2 == 1)


def _covariates(rng: Random, n: int) -> dict[str, Floats]:
    return {"x": rng.normal(size=n), "z": rng.normal(loc=2.0, size=n)}


def _effects(rng: Random, codes: Ints, columns: list[Floats], rank: int | None = None) -> Floats:
    """Contribution of a term with a random covariance factor of this rank (full by default)."""
    k = len(columns)
    factor = (np.tril(rng.normal(size=(k, k))) + np.eye(k)) * rng.choice([0.2, 1.0, 3.0])
    if rank is not None:
        factor[:, rank:] = 0.0
    b = rng.normal(size=(int(codes.max()) + 1, k)) @ factor.T
    return np.einsum("ij,ji->i", b[codes], np.array(columns))


def _finish(rng: Random, signal: Floats, **columns: Floats | Ints) -> pd.DataFrame:
    """Put fixed effects, noise and columns together, in random order of rows."""
    n = len(signal)
    y = signal + rng.normal(scale=rng.choice([0.5, 1.0]), size=n)
    for name in ("x", "z"):
        if name in columns:
            y = y + rng.normal() * columns[name]
    return pd.DataFrame({"y": y, **columns}).sample(frac=1.0, random_state=rng)


def _one_factor(rng: Random) -> tuple[str, pd.DataFrame]:
    g = np.repeat(np.arange(rng.integers(6, 16)), rng.integers(4, 9))
    v = _covariates(rng, len(g))
    one = np.ones(len(g))
    formula, columns = (
        ("y ~ 1 + x + (1 | g)", [one]),
        ("y ~ 1 + x + (1 + x | g)", [one, v["x"]]),
        ("y ~ 1 + x + z + (1 + x + z | g)", [one, v["x"], v["z"]]),
    )[rng.integers(3)]
    return formula, _finish(rng, _effects(rng, g, columns), g=g, **v)


def _diagonal(rng: Random) -> tuple[str, pd.DataFrame]:
    g = np.repeat(np.arange(rng.integers(6, 14)), rng.integers(4, 9))
    v = _covariates(rng, len(g))
    signal = _effects(rng, g, [np.ones(len(g))]) + _effects(rng, g, [v["x"]])
    return "y ~ 1 + x + z + (1 + x + z || g)", _finish(rng, signal, g=g, **v)


def _unbalanced(rng: Random) -> tuple[str, pd.DataFrame]:
    q = int(rng.integers(6, 13))
    g = np.concatenate([np.arange(q), rng.geometric(0.3, size=70).clip(max=q) - 1])
    v = _covariates(rng, len(g))
    signal = _effects(rng, g, [np.ones(len(g)), v["x"]])
    return "y ~ 1 + x + (1 + x | g)", _finish(rng, signal, g=g, **v)


def _crossed(rng: Random) -> tuple[str, pd.DataFrame]:
    q, m = rng.integers(5, 10, size=2)
    g, h = (cells.ravel() for cells in np.indices((q, m)))
    v = _covariates(rng, len(g))
    one = np.ones(len(g))
    formula, first, second = (
        ("y ~ 1 + x + (1 | g) + (1 | h)", [one], [one]),
        ("y ~ 1 + x + (1 + x | g) + (1 | h)", [one, v["x"]], [one]),
        ("y ~ 1 + x + (1 + x | g) + (1 + z | h)", [one, v["x"]], [one, v["z"]]),
    )[rng.integers(3)]
    signal = _effects(rng, g, first) + _effects(rng, h, second)
    return formula, _finish(rng, signal, g=g, h=h, **v)


def _partly_crossed(rng: Random) -> tuple[str, pd.DataFrame]:
    q, m = rng.integers(6, 12, size=2)
    g = np.concatenate([np.arange(q), rng.integers(0, q, 60)])
    # Each level of g meets three neighbouring levels of h.
    h = np.concatenate([np.arange(m), (g[m:] + rng.integers(0, 3, len(g) - m)) % m])
    v = _covariates(rng, len(g))
    one = np.ones(len(g))
    signal = _effects(rng, g, [one]) + _effects(rng, h, [one, v["x"]])
    return "y ~ 1 + x + (1 | g) + (1 + x | h)", _finish(rng, signal, g=g, h=h, **v)


def _nested(rng: Random) -> tuple[str, pd.DataFrame]:
    a, b, r = rng.integers(4, 8), rng.integers(2, 5), rng.integers(2, 5)
    outer, inner = (cells.ravel() for cells in np.indices((a, b, r))[:2])
    v = _covariates(rng, len(outer))
    one = np.ones(len(outer))
    formula, columns = (
        ("y ~ 1 + x + (1 | a/b)", [one]),
        ("y ~ 1 + x + (1 + x | a) + (1 | a:b)", [one, v["x"]]),
    )[rng.integers(2)]
    signal = _effects(rng, outer, columns) + _effects(rng, outer * b + inner, [one])
    return formula, _finish(rng, signal, a=outer, b=inner, **v)


def _singular(rng: Random) -> tuple[str, pd.DataFrame]:
    g = np.repeat(np.arange(rng.integers(5, 11)), rng.integers(4, 8))
    v = _covariates(rng, len(g))
    columns = [np.ones(len(g)), v["x"], v["z"]]
    signal = _effects(rng, g, columns, rank=int(rng.integers(0, 2)))
    return "y ~ 1 + x + z + (1 + x + z | g)", _finish(rng, signal, g=g, **v)


def _singular_crossed(rng: Random) -> tuple[str, pd.DataFrame]:
    g, h = (cells.ravel() for cells in np.indices((rng.integers(5, 9), rng.integers(5, 9))))
    v = _covariates(rng, len(g))
    signal = _effects(rng, g, [np.ones(len(g)), v["x"]], rank=1)
    return "y ~ 1 + x + (1 + x | g) + (1 + x | h)", _finish(rng, signal, g=g, h=h, **v)


def _collinear(rng: Random) -> tuple[str, pd.DataFrame]:
    """Covariates that are nearly one, in the fixed effects or in the random ones too."""
    g = np.repeat(np.arange(rng.integers(8, 14)), rng.integers(5, 9))
    n = len(g)
    x, noise = rng.normal(size=(2, n))
    signal = _effects(rng, g, [np.ones(n), x])
    formula, smallest = (
        ("y ~ 1 + x + z + (1 + x | g)", -5.0),
        ("y ~ 1 + x + (1 + x + z | g)", -3.0),
        ("y ~ 1 + z + (1 + z | g)", -1.0),  # far from zero: nearly collinear with the intercept
    )[rng.integers(3)]
    z = (100.0 if "1 + z |" in formula else x) + 10.0 ** rng.uniform(smallest, -1.0) * noise
    return formula, _finish(rng, signal, g=g, x=x, z=z)


#: Kinds of model: a formula and data from a generator of random numbers.
KINDS: dict[str, Callable[[Random], tuple[str, pd.DataFrame]]] = {
    "one factor": _one_factor,
    "diagonal": _diagonal,
    "unbalanced": _unbalanced,
    "crossed": _crossed,
    "partly crossed": _partly_crossed,
    "nested": _nested,
    "singular": _singular,
    "singular, crossed": _singular_crossed,
    "nearly collinear": _collinear,
}
