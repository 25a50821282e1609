"""Simulated data: the same bytes for the same arguments."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["children", "crossed_slopes", "experiment", "nested_slopes", "platform", "ratings"]

Codes = NDArray[np.int64]


def _factor(codes: Codes, size: int) -> pd.Categorical[str]:
    levels = pd.Index([str(level) for level in range(1, size + 1)])
    return pd.Categorical.from_codes(codes, levels)


def experiment(subjects: int = 56, items: int = 32, seed: int = 7) -> pd.DataFrame:
    """Simulate 2 × 2 × 2 conditions in a Latin square over crossed subjects and items.

    Made after the published experiment that maximal models are usually tried on: reading times in
    ms, conditions coded -1 and 1. Only the intercepts, one slope of the subjects and one of the
    items vary, so that models with all slopes are singular.

    Returns
    -------
    DataFrame of subjects * items rows
    """
    rng = np.random.default_rng(seed)
    s, i = np.divmod(np.arange(subjects * items), items)
    cell = (s + i) % 8
    spkr, prec, load = (2.0 * ((cell >> bit) & 1) - 1.0 for bit in range(3))
    by_subject = rng.standard_normal((subjects, 2)) * (300.0, 60.0)
    by_item = rng.standard_normal((items, 2)) @ np.array([[360.0, -180.0], [0.0, 180.0]])
    y = (
        2180.0 + 68.0 * spkr - 334.0 * prec + 79.0 * load - 22.0 * spkr * prec
        + by_subject[s, 0] + by_subject[s, 1] * load
        + by_item[i, 0] + by_item[i, 1] * prec
        + 660.0 * rng.standard_normal(len(s))
    )  # fmt: skip
    return pd.DataFrame(
        {
            "rt": y,
            "spkr": spkr,
            "prec": prec,
            "load": load,
            "subj": _factor(s, subjects),
            "item": _factor(i, items),
        }
    )


def nested_slopes(rows: int = 1_000_000, groups: int = 50_000, seed: int = 11) -> pd.DataFrame:
    """Simulate groups of equal size with an intercept and a slope of their own, rows shuffled."""
    rng = np.random.default_rng(seed)
    g = rng.permutation(np.arange(rows) % groups)
    x = rng.standard_normal(rows)
    b = rng.standard_normal((groups, 2)) @ np.array([[0.8, 0.2], [0.0, 0.4]])
    y = 1.0 + 0.5 * x + b[g, 0] + b[g, 1] * x + rng.standard_normal(rows)
    return pd.DataFrame({"y": y, "x": x, "g": _factor(g, groups)})


def ratings(rows: int, users: int, items: int, seed: int = 13) -> pd.DataFrame:
    """Simulate ratings of items by users, a few of both with most of the ratings.

    Activity and popularity are log-normal, as in collections of film ratings; every user and every
    item occurs, rows are in no order.
    """
    rng = np.random.default_rng(seed)

    def draw(size: int) -> Codes:
        weight = np.exp(1.2 * rng.standard_normal(size))
        rest = rng.choice(size, rows - size, p=weight / weight.sum())
        return rng.permutation(np.concatenate([np.arange(size), rest]))

    u, i = draw(users), draw(items)
    y = (
        3.5
        + 0.45 * rng.standard_normal(users)[u]
        + 0.6 * rng.standard_normal(items)[i]
        + 0.9 * rng.standard_normal(rows)
    )
    return pd.DataFrame({"rating": y, "user": _factor(u, users), "item": _factor(i, items)})


def platform(rows: int, users: int, items: int, seed: int = 23) -> pd.DataFrame:
    """Simulate ratings as of a platform, ids as whole numbers, with four covariates.

    Activity and popularity are log-normal as in :func:`ratings`. Age is the user's, year the
    item's. Of 25 million rows the arrays have 1.2 GB.
    """
    rng = np.random.default_rng(seed)

    def draw(size: int) -> NDArray[np.int32]:
        share = np.cumsum(np.exp(1.2 * rng.standard_normal(size)))
        out = np.empty(rows, dtype=np.int32)
        out[:size] = np.arange(size)
        for first in range(size, rows, 1 << 20):
            part = out[first : first + (1 << 20)]
            part[:] = np.searchsorted(share[:-1], rng.random(len(part)) * share[-1], side="right")
        rng.shuffle(out)
        return out

    u, i = draw(users), draw(items)
    age, year = rng.standard_normal(users)[u], rng.standard_normal(items)[i]
    weekend, trend = (rng.random(rows) < 2.0 / 7.0).astype(float), rng.standard_normal(rows)
    y = 0.9 * rng.standard_normal(rows)
    y += 3.5 + 0.03 * age + 0.05 * year + 0.02 * weekend - 0.01 * trend
    y += 0.45 * rng.standard_normal(users)[u]
    y += 0.5 * rng.standard_normal(items)[i]
    return pd.DataFrame(
        {"rating": y, "age": age, "year": year, "weekend": weekend, "trend": trend,
         "user": u * 3 + 7, "item": i * 5 + 11}
    )  # fmt: skip


def crossed_slopes(
    items: int = 240, subjects: int = 73, rows: int = 16_400, seed: int = 17
) -> pd.DataFrame:
    """Simulate subjects who met most items, with five covariates of the single trials.

    Five effects of the items lie in three dimensions and six of the subjects in four: of models
    with all slopes of `a` to `d` by item and `a` to `e` by subject four of eleven dimensions are
    empty.
    """
    rng = np.random.default_rng(seed)
    s, i = np.divmod(np.sort(rng.choice(items * subjects, rows, replace=False)), items)
    x = rng.standard_normal((rows, 5))
    z = np.column_stack([np.ones(rows), x])
    by_item = rng.standard_normal((items, 3)) @ rng.normal(0.0, 0.35, (3, 5))
    by_subject = rng.standard_normal((subjects, 4)) @ rng.normal(0.0, 0.35, (4, 6))
    y = (
        z @ np.array([5.0, 0.5, -0.3, 0.2, 0.0, 0.1])
        + (z[:, :5] * by_item[i]).sum(axis=1)
        + (z * by_subject[s]).sum(axis=1)
        + rng.standard_normal(rows)
    )
    frame = pd.DataFrame(x, columns=list("abcde"))
    return frame.assign(y=y, item=_factor(i, items), subj=_factor(s, subjects))


def children(
    rows: int = 525_000, count: int = 108_000, schools: int = 515, cohorts: int = 9, seed: int = 19
) -> pd.DataFrame:
    """Simulate some five scores of every child, in one school and one cohort, by 19 covariates."""
    rng = np.random.default_rng(seed)
    child = np.sort(np.concatenate([np.arange(count), rng.integers(0, count, rows - count)]))
    school = rng.integers(0, schools, count)
    school[:schools] = np.arange(schools)
    cohort = rng.integers(0, cohorts, count)
    x = rng.standard_normal((rows, 19))
    y = (
        1.0
        + x @ rng.normal(0.0, 0.2, 19)
        + 0.8 * rng.standard_normal(count)[child]
        + 0.4 * rng.standard_normal(schools)[school[child]]
        + 0.2 * rng.standard_normal(cohorts)[cohort[child]]
        + rng.standard_normal(rows)
    )
    return pd.DataFrame(x, columns=[f"x{j}" for j in range(1, 20)]).assign(
        y=y,
        child=_factor(child, count),
        school=_factor(school[child], schools),
        cohort=_factor(cohort[child], cohorts),
    )
