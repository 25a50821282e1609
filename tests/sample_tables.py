"""Stored tables of small fits, computed densely and slowly, for tests of charts and store.

One grouping factor, dense matrices, Nelder-Mead: nothing of the engine is used, so that charts
and store are tested without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize

from mixedscope.tables.store import FitTables

Array = NDArray[np.float64]


def fit_tables(
    structure: str = "full",
    *,
    terms: Sequence[str] = ("(Intercept)", "Days"),
    n_levels: int = 12,
    n_per_level: int = 8,
    sd: Sequence[float] = (24.0, 6.0),
    correlation: float = 0.1,
    sigma: float = 25.0,
    seed: int = 1,
    group: str = "Subject",
    levels: Sequence[str] | None = None,
    model: str = "sleep",
    max_evaluations: int = 400,
    unidentified: int = 0,
) -> FitTables:
    """Simulate, fit and tabulate one model with one grouping factor.

    ``unidentified`` levels lose their within-group reference, as if they had one observation.
    """
    rng = np.random.default_rng(seed)
    k = len(terms)
    names = list(levels) if levels is not None else [f"S{i + 1:02d}" for i in range(n_levels)]
    q = len(names)
    codes = np.repeat(np.arange(q), n_per_level)
    n = codes.size
    columns = [np.ones(n)] + [
        np.tile(np.linspace(0.0, 9.0, n_per_level) ** (j / max(k - 1, 1)), q)
        if j == k - 1
        else rng.normal(size=n)
        for j in range(1, k)
    ]
    x = np.column_stack(columns[:k])
    cov = np.full((k, k), correlation)
    np.fill_diagonal(cov, 1.0)
    scale = np.resize(np.asarray(sd, dtype=float), k)
    b = rng.multivariate_normal(np.zeros(k), cov * np.outer(scale, scale), size=q)
    beta = np.resize([250.0, 10.0], k)
    y = x @ beta + np.einsum("ij,ij->i", x, b[codes]) + rng.normal(scale=sigma, size=n)

    used = 1 if structure == "intercept" else k
    z = np.zeros((n, q * used))
    for j in range(used):
        z[np.arange(n), codes * used + j] = x[:, j]
    rows, cols = np.tril_indices(used)
    order = np.lexsort((rows, cols))
    rows, cols = rows[order], cols[order]
    if structure == "zerocorr":
        keep = rows == cols
        rows, cols = rows[keep], cols[keep]

    def factor(theta: Array) -> Array:
        out = np.zeros((used, used))
        out[rows, cols] = theta
        return out

    def evaluate(theta: Array) -> dict[str, Any]:
        lam = np.kron(np.eye(q), factor(theta))
        a = np.block([[z @ lam, x], [np.eye(q * used), np.zeros((q * used, k))]])
        rhs = np.concatenate([y, np.zeros(q * used)])
        solution, *_ = np.linalg.lstsq(a, rhs, rcond=None)
        u, beta_hat = solution[: q * used], solution[q * used :]
        residual = float(np.sum((y - z @ lam @ u - x @ beta_hat) ** 2))
        penalty = float(u @ u)
        _, log_det = np.linalg.slogdet(lam.T @ z.T @ z @ lam + np.eye(q * used))
        r2 = residual + penalty
        return {
            "objective": float(log_det + n * (1 + np.log(2 * np.pi * r2 / n))),
            "beta": beta_hat,
            "sigma": float(np.sqrt(r2 / n)),
            "log_det": float(log_det),
            "residual_ss": residual,
            "penalty": penalty,
            "b": (lam @ u).reshape(q, used),
        }

    trace: list[dict[str, Any]] = []
    modes_at: list[Array] = []

    def objective(theta: Array) -> float:
        at = evaluate(theta)
        modes_at.append(at["b"])
        best = min([at["objective"], *[t["best"] for t in trace[-1:]]])
        trace.append(
            {
                "evaluation": len(trace) + 1,
                "stage": "search",
                "status": "ok",
                "objective": at["objective"],
                "best": best,
                "theta": theta.copy(),
                "beta": at["beta"],
                "sigma": at["sigma"],
                "log_det": at["log_det"],
                "residual_ss": at["residual_ss"],
                "penalty": at["penalty"],
                "gradient": None,
                "rho": None,
                "delta": None,
                "phase": "exploration",
            }
        )
        return float(at["objective"])

    start = (rows == cols).astype(float)
    found = minimize(
        objective,
        start,
        method="Nelder-Mead",
        options={"maxfev": max_evaluations, "xatol": 1e-6, "fatol": 1e-8},
    )
    theta = np.asarray(found.x)
    lower = factor(theta)
    theta = (lower * np.where(np.diag(lower) < 0, -1.0, 1.0))[rows, cols]
    objective(theta)
    minimum = trace[-1]["best"]
    for i, row in enumerate(trace):
        gap = row["best"] - minimum
        row["phase"] = (
            "exploration" if i < 8 or gap > 1 else "convergence" if gap > 1e-3 else "fine-tuning"
        )
    trace[2].update(
        dict.fromkeys(("objective", "beta", "sigma", "log_det", "residual_ss", "penalty"))
        | {"status": "failed", "best": trace[1]["best"]}
    )

    at = evaluate(theta)
    lam = factor(theta)
    covariance = at["sigma"] ** 2 * lam @ lam.T
    sds = np.sqrt(np.diag(covariance))
    both = np.column_stack([x, z])
    limit, *_ = np.linalg.lstsq(both, y, rcond=None)
    joint = limit[k:].reshape(q, used)
    shift = joint.mean(axis=0)
    joint = joint - shift
    beta_limit = limit[:k].copy()
    beta_limit[:used] += shift
    own = np.array([np.linalg.lstsq(x[codes == i], y[codes == i], rcond=None)[0] for i in range(q)])
    within = own[:, :used] - at["beta"][:used]
    cond = np.linalg.inv(np.linalg.pinv(covariance, hermitian=True) + x[:n_per_level, :used].T @ x[
        :n_per_level, :used
    ] / at["sigma"] ** 2)  # fmt: skip

    estimates: list[dict[str, Any]] = [
        {"kind": "beta", "term": t, "estimate": v} for t, v in zip(terms, at["beta"], strict=True)
    ]
    estimates.append({"kind": "sigma", "estimate": at["sigma"]})
    estimates += [
        {"kind": "sd", "group": group, "term": terms[j], "estimate": sds[j]} for j in range(used)
    ]
    for i in range(used):
        for j in range(i):
            if structure == "zerocorr":
                continue
            product = sds[i] * sds[j]
            value = covariance[i, j] / product if product > 0 else np.nan
            estimates.append(
                {
                    "kind": "correlation",
                    "group": group,
                    "term": terms[i],
                    "term2": terms[j],
                    "estimate": value,
                }
            )
    theta_names = [
        f"{group}:{terms[r]}" if r == c else f"{group}:{terms[r]}.{terms[c]}"
        for r, c in zip(rows, cols, strict=True)
    ]
    estimates += [
        {"kind": "theta", "group": group, "term": name, "estimate": v}
        for name, v in zip(theta_names, theta, strict=True)
    ]
    frame = pd.DataFrame(
        estimates,
        columns=[
            *("kind", "group", "term", "term2", "estimate"),
            *("std_error", "lower", "upper", "statistic", "p_value"),
        ],
    )
    modes = pd.DataFrame(
        [
            {
                "group": group,
                "level": names[i],
                "term": terms[j],
                "mode": at["b"][i, j],
                "std_dev": float(np.sqrt(cond[j, j])),
                "joint_limit": joint[i, j],
                "within_group": np.nan if i < unidentified else within[i, j],
                "n_obs": n_per_level,
            }
            for i in range(q)
            for j in range(used)
        ]
    )
    keyframes = sorted({1, 5, 10, len(trace)})
    modes_trace = pd.DataFrame(
        [
            {
                "evaluation": e,
                "group": group,
                "level": names[i],
                "term": terms[j],
                "mode": modes_at[e - 1][i, j],
            }
            for e in keyframes
            for i in range(q)
            for j in range(used)
        ]
    )
    shares = np.sort(np.linalg.eigvalsh(covariance))[::-1]
    shares = shares / max(shares.sum(), 1e-300)
    rank = int(np.sum(np.sqrt(np.maximum(shares, 0)) > 1e-4))
    n_theta = theta.size
    dof = n_theta + k + 1
    minus2 = at["objective"]
    right = " + ".join(["1", *terms[1:]])
    info: dict[str, Any] = {
        "schema": "fit/1",
        "model": model,
        "formula": f"y ~ {right} + ({right} | {group})",
        "structure": structure,
        "dataset": {"source": "simulated", "sha256": "0" * 64, "n_rows": n, "n_dropped": 0},
        "criterion": "ML",
        "dimensions": {
            "n": n,
            "p": k,
            "rank_x": k,
            "q": q * used,
            "n_theta": n_theta,
            "groups": {group: {"levels": q, "terms": used}},
        },
        "optimizer": {
            "name": "nelder-mead",
            "settings": {},
            "return_code": "success",
            "message": "",
            "evaluations": len(trace),
            "stages": {"search": len(trace)},
        },
        "objective": minus2,
        "loglik": -minus2 / 2,
        "dof": dof,
        "aic": minus2 + 2 * dof,
        "aicc": minus2 + 2 * dof + 2 * dof * (dof + 1) / (n - dof - 1),
        "bic": minus2 + np.log(n) * dof,
        "sigma": at["sigma"],
        "singular": [
            {
                "group": group,
                "terms": list(terms[:used]),
                "rank": rank,
                "size": used,
                "singular": rank < used,
                "shares": shares.tolist(),
                "collapsed": "" if rank == used else f"{used - rank} of {used} directions",
            }
        ],
        "certificate": {
            "verdict": "optimum" if rank == used else "boundary optimum",
            "gradient_norm": 1e-6,
            "newton_decrement": 1e-10,
            "min_hessian_eigenvalue": 1.0,
            "active_bounds": [],
        },
        "versions": {"mixedscope": "0.1.0"},
        "dropped_coefficients": [],
        "fixed_names": list(terms),
        "theta_names": theta_names,
        "random": [{"group": group, "names": list(terms[:used]), "parts": []}],
        "contrasts": {},
        "response": "y",
        "references": {"joint_limit": {"beta": dict(zip(terms, beta_limit.tolist(), strict=True))}},
    }
    return FitTables(
        info,
        trace=pd.DataFrame(trace),
        estimates=frame,
        modes=modes,
        modes_trace=modes_trace,
        timing=pd.DataFrame(
            {
                "evaluation": np.arange(1, len(trace) + 1),
                "seconds": 0.001,
                "compile_seconds": 0.0,
            }
        ),
    )
