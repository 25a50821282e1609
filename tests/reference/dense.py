"""Textbook evaluation of a linear mixed model with dense matrices, for small designs.

Written from the definition alone and sharing no code with the library:
y ~ N(X beta, sigma^2 V) with V = W^-1 + Z Lambda Lambda' Z'. Columns of X and Z are made here from
the data frame, by the little specifications in `SPECS`, not by the library's formula language.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Term:
    """Columns that vary by group: ``columns`` by name, "full" or "zerocorr" covariance."""

    group: str
    columns: tuple[str, ...]
    structure: str = "full"


@dataclass(frozen=True)
class Spec:
    """A formula, and the same model as columns for the dense evaluation."""

    formula: str
    fixed: tuple[str, ...]
    random: tuple[Term, ...]


ONE = "(Intercept)"
SPECS = (
    Spec("y ~ 1 + x + (1 | g)", (ONE, "x"), (Term("g", (ONE,)),)),
    Spec("y ~ 1 + x + (1 + x | g)", (ONE, "x"), (Term("g", (ONE, "x")),)),
    Spec("y ~ 1 + x + (1 + x || g)", (ONE, "x"), (Term("g", (ONE, "x"), "zerocorr"),)),
    Spec("y ~ 1 + x + (0 + x | g)", (ONE, "x"), (Term("g", ("x",)),)),
    Spec("y ~ 0 + x + (1 | g)", ("x",), (Term("g", (ONE,)),)),
    Spec("y ~ 1 + x + (1 | g) + (1 | h)", (ONE, "x"), (Term("g", (ONE,)), Term("h", (ONE,)))),
    Spec(
        "y ~ 1 + x + (1 + x | h) + (1 + z | g)",
        (ONE, "x"),
        (Term("h", (ONE, "x")), Term("g", (ONE, "z"))),
    ),
    Spec(
        "y ~ 1 + x + (1 + x + z | h) + (1 | g)",
        (ONE, "x"),
        (Term("h", (ONE, "x", "z")), Term("g", (ONE,))),
    ),
    Spec("y ~ 1 + (1 | g/h)", (ONE,), (Term("g", (ONE,)), Term("g:h", (ONE,)))),
    Spec(
        "y ~ 1 + x + (1 + x | g/k)",
        (ONE, "x"),
        (Term("g", (ONE, "x")), Term("g:k", (ONE, "x"))),
    ),
    Spec(
        "y ~ 1 + x + (1 | g:h) + (1 + z | k)",
        (ONE, "x"),
        (Term("g:h", (ONE,)), Term("k", (ONE, "z"))),
    ),
    Spec(
        "y ~ 1 + (1 | g) + (1 | h) + (1 | k)",
        (ONE,),
        (Term("g", (ONE,)), Term("h", (ONE,)), Term("k", (ONE,))),
    ),
    Spec(
        "y ~ 1 + x + (1 | g) + (1 | h) + (0 + x | g)",
        (ONE, "x"),
        (Term("g", (ONE, "x"), "zerocorr"), Term("h", (ONE,))),
    ),
    Spec("y ~ 1 + f + (1 + f | h)", (ONE, "fb", "fc"), (Term("h", (ONE, "fb", "fc")),)),
    Spec(
        "y ~ 1 + f + (1 + f || g)",
        (ONE, "fb", "fc"),
        (Term("g", (ONE, "fb", "fc"), "zerocorr"),),
    ),
    Spec("y ~ 0 + f + (0 + f | h)", ("fa", "fb", "fc"), (Term("h", ("fa", "fb", "fc")),)),
    Spec(
        "y ~ 1 + x + twice + f + (1 + x | g) + (1 | h)",
        (ONE, "x", "twice", "fb", "fc"),
        (Term("g", (ONE, "x")), Term("h", (ONE,))),
    ),
    Spec(
        "y ~ 1 + x * f + (1 | g) + zerocorr(1 + x | h)",
        (ONE, "x", "fb", "fc", "x:fb", "x:fc"),
        (Term("g", (ONE,)), Term("h", (ONE, "x"), "zerocorr")),
    ),
)


def column(frame: pd.DataFrame, name: str) -> Floats:
    if name == ONE:
        return np.ones(len(frame))
    if ":" in name:
        left, right = name.split(":")
        return column(frame, left) * column(frame, right)
    if name in ("fa", "fb", "fc"):
        return (frame["f"] == name[1]).to_numpy(float)
    return frame[name].to_numpy(float)


def labels(frame: pd.DataFrame, group: str) -> list[str]:
    return [":".join(row) for row in frame[group.split(":")].astype(str).to_numpy()]


def group_levels(frame: pd.DataFrame, group: str) -> list[str]:
    return sorted(set(labels(frame, group)))


def group_matrix(frame: pd.DataFrame, term: Term) -> Floats:
    """Z of one term: for each level in sorted order, its columns side by side."""
    levels = group_levels(frame, term.group)
    own = np.array(labels(frame, term.group))
    values = np.column_stack([column(frame, c) for c in term.columns])
    return np.hstack([values * (own == level)[:, None] for level in levels])


def n_theta(spec: Spec) -> int:
    sizes = [(len(t.columns), t.structure) for t in spec.random]
    return sum(k if s == "zerocorr" else k * (k + 1) // 2 for k, s in sizes)


def relative_factors(spec: Spec, theta: Floats) -> list[Floats]:
    """Give each term's Lambda block: theta fills the lower triangle column by column."""
    blocks, at = [], 0
    for term in spec.random:
        k = len(term.columns)
        block = np.zeros((k, k))
        for j in range(k):
            rows = [j] if term.structure == "zerocorr" else range(j, k)
            for i in rows:
                block[i, j] = theta[at]
                at += 1
        blocks.append(block)
    assert at == len(theta)
    return blocks


def independent_columns(x: Floats) -> Floats:
    """Keep each column that the columns before it do not span."""
    kept: list[Floats] = []
    for j in range(x.shape[1]):
        trial = np.column_stack([*kept, x[:, j]])
        if np.linalg.matrix_rank(trial / np.linalg.norm(trial, axis=0)) == trial.shape[1]:
            kept.append(x[:, j])
    return np.column_stack(kept)


@dataclass(frozen=True)
class DenseFit:
    """What the textbook gives at one theta, ``covariances`` as Var(b | y) per term."""

    objective: float
    beta: Floats
    sigma: float
    std_error: Floats
    modes: list[Floats]  # per term (q, k)
    covariances: list[Floats]  # per term (q, k, k)
    fitted: Floats
    log_det: float
    residual_ss: float
    penalty: float


def evaluate(
    spec: Spec,
    frame: pd.DataFrame,
    theta: Floats,
    *,
    reml: bool = False,
    weights: Floats | None = None,
) -> DenseFit:
    y = frame["y"].to_numpy(float)
    n = len(y)
    w = np.ones(n) if weights is None else np.asarray(weights, float)
    x = independent_columns(np.column_stack([column(frame, c) for c in spec.fixed]))
    blocks = relative_factors(spec, theta)
    z = np.hstack([group_matrix(frame, t) for t in spec.random])
    counts = [len(group_levels(frame, t.group)) for t in spec.random]
    pieces = [np.kron(np.eye(q), b) for q, b in zip(counts, blocks, strict=True)]
    lam = np.zeros((z.shape[1], z.shape[1]))
    at = 0
    for piece in pieces:
        lam[at : at + len(piece), at : at + len(piece)] = piece
        at += len(piece)

    zl = z @ lam
    v = np.diag(1 / w) + zl @ zl.T
    v_x, v_y = np.linalg.solve(v, x), np.linalg.solve(v, y)
    information = x.T @ v_x
    beta = np.linalg.solve(information, x.T @ v_y)
    residual = y - x @ beta
    v_r = np.linalg.solve(v, residual)
    r2 = residual @ v_r
    df = n - x.shape[1] if reml else n
    log_det_v = np.linalg.slogdet(v)[1]
    objective = df * (1 + np.log(2 * np.pi * r2 / df)) + log_det_v
    if reml:
        objective += np.linalg.slogdet(information)[1]
    sigma2 = r2 / df

    u = zl.T @ v_r
    b = lam @ u
    inner = (zl.T * w) @ zl + np.eye(z.shape[1])
    covariance = sigma2 * lam @ np.linalg.solve(inner, lam.T)
    modes, covariances, at = [], [], 0
    for q, block in zip(counts, blocks, strict=True):
        k = len(block)
        modes.append(b[at : at + q * k].reshape(q, k))
        steps = range(at, at + q * k, k)
        covariances.append(np.array([covariance[i : i + k, i : i + k] for i in steps]))
        at += q * k
    fitted = x @ beta + z @ b
    return DenseFit(
        objective=float(objective),
        beta=beta,
        sigma=float(np.sqrt(sigma2)),
        std_error=np.sqrt(sigma2 * np.diag(np.linalg.inv(information))),
        modes=modes,
        covariances=covariances,
        fitted=fitted,
        log_det=float(np.linalg.slogdet(inner)[1]),
        residual_ss=float(w @ (y - fitted) ** 2),
        penalty=float(u @ u),
    )


def joint_limit(
    x: Floats, z: Floats, y: Floats, weights: Floats | None = None
) -> tuple[Floats, Floats]:
    """Give b of least norm, and beta, among all that minimise ||y - X beta - Z b||^2."""
    root = np.ones(len(y)) if weights is None else np.sqrt(weights)
    x, z, y = x * root[:, None], z * root[:, None], y * root
    projected = z - x @ np.linalg.pinv(x) @ z
    b = np.linalg.pinv(projected, rcond=1e-10) @ y
    beta = np.linalg.lstsq(x, y - z @ b, rcond=None)[0]
    return b, beta


def make_frame(seed: int, *, n: int = 36, layout: str = "crossed") -> pd.DataFrame:
    """Draw a small data set: g (3-5 levels), h, k as factors; x, z, twice; f with three levels.

    ``layout``: "crossed" (every g meets every h, balanced as far as n goes), "partial" (random
    cells), "nested" (labels of h unique within g), "unbalanced" (level sizes differ strongly).
    """
    rng = np.random.default_rng(seed)
    n_g, n_h, n_k = int(rng.integers(3, 5)), int(rng.integers(3, 5)), 2
    index = np.arange(n)
    g, h = index % n_g, (index // n_g) % n_h
    if layout == "partial":
        g, h = rng.integers(0, n_g, n), rng.integers(0, n_h, n)
    elif layout == "nested":
        h = g * 2 + rng.integers(0, 2, n)
    elif layout == "unbalanced":
        g = np.minimum(rng.geometric(0.45, n) - 1, n_g - 1)
        h = np.minimum(rng.geometric(0.45, n) - 1, n_h - 1)
    g[:n_g], h[:3] = np.arange(n_g), np.arange(3)  # every factor has several levels
    k = rng.integers(0, n_k, n)
    k[:2] = [0, 1]
    f = rng.permutation(index % 3)
    x, z = rng.normal(size=n), rng.normal(1.0, 2.0, size=n)
    effects = rng.normal(size=(3, 20))
    y = 5 + x + effects[0, g] * (1 + x) + effects[1, h] + effects[2, k] * z + rng.normal(size=n)
    return pd.DataFrame(
        {
            "y": y,
            "x": x,
            "z": z,
            "twice": 2 * x - 1,
            "f": pd.Categorical(np.array(["a", "b", "c"])[f], categories=["a", "b", "c"]),
            "g": np.array([f"g{i}" for i in range(20)])[g],
            "h": np.array([f"h{i}" for i in range(20)])[h],
            "k": np.array([f"k{i}" for i in range(20)])[k],
        }
    )
