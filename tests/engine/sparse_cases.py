"""Graphs of grouping factors whose sparse factor has few entries, and such as have many."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

__all__ = ["GRAPHS", "VECTORS", "frame_of", "worker_firm"]


def worker_firm(workers, firms, years, rng, moves=0.1):
    """Workers who change firms now and then, to one nearby or to any: codes of both, by row."""
    firm = np.empty((workers, years), dtype=np.int64)
    firm[:, 0] = rng.integers(0, firms, workers)
    for year in range(1, years):
        there = firm[:, year - 1].copy()
        moved = rng.random(workers) < moves
        near = rng.random(workers) < 0.7
        there = np.where(
            near, there + rng.integers(-2, 3, workers), rng.integers(0, firms, workers)
        )
        firm[:, year] = np.where(moved, there % firms, firm[:, year - 1])
    return np.repeat(np.arange(workers), years), firm.ravel()


def _firms(rng):
    worker, firm = worker_firm(90, 30, 5, rng)
    return {"g": worker, "h": firm}


def _movers(rng):
    pupil = np.repeat(np.arange(120), 3)
    school = np.repeat(np.arange(120) % 25, 3)
    moved = rng.random(len(pupil)) < 0.1
    return {"g": pupil, "h": np.where(moved, rng.integers(0, 25, len(pupil)), school)}


def _band(rng):
    i = rng.integers(0, 80, 500)
    return {"g": i, "h": np.clip(i // 2 + rng.integers(-1, 2, 500), 0, 39)}


def _parts(rng):
    part = rng.integers(0, 12, 400)
    return {"g": part * 5 + rng.integers(0, 5, 400), "h": part * 3 + rng.integers(0, 3, 400)}


def _three(rng):
    worker, firm = worker_firm(80, 25, 5, rng)
    return {"g": worker, "h": firm, "k": np.tile(np.arange(5), 80)}


def _nested(rng):
    worker, firm = worker_firm(60, 20, 6, rng)
    return {"g": worker * 2 + np.arange(len(worker)) % 6 // 3, "h": firm, "k": worker}


def _dense(rng):
    return {"g": rng.integers(0, 40, 400), "h": rng.integers(0, 20, 400)}


def _one(rng):
    return {"g": np.arange(200) // 4}


def _expander(rng):
    return {"g": np.repeat(np.arange(120), 3), "h": rng.integers(0, 60, 360)}


def _grid(rng):
    """Each level of g joins two neighbours of a square lattice of levels of h."""
    at = np.arange(64).reshape(8, 8)
    pairs = np.concatenate(
        [
            np.column_stack([at[:, :-1].ravel(), at[:, 1:].ravel()]),
            np.column_stack([at[:-1].ravel(), at[1:].ravel()]),
        ]
    )
    return {"g": np.repeat(np.arange(len(pairs)), 3), "h": pairs[:, [0, 1, 0]].ravel()}


def _star(rng):
    """One level of h that all levels of g have met, beside one or two others of their own."""
    own = np.arange(170)
    other = np.where(rng.random(170) < 0.2, rng.integers(0, 140, 170), own % 140)
    return {
        "g": np.repeat(own, 3),
        "h": np.column_stack([np.full(170, 140), own % 140, other]).ravel(),
    }


GRAPHS: dict[str, Callable[[np.random.Generator], dict[str, np.ndarray]]] = {
    "firms": _firms,
    "movers": _movers,
    "band": _band,
    "parts": _parts,
    "three": _three,
    "nested": _nested,
    "dense": _dense,
    "one": _one,
    "expander": _expander,
    "grid": _grid,
    "star": _star,
}

#: Terms of vectors: graph, and the random effects of a formula.
VECTORS = {
    "vector and number": ("firms", "(1 + x | g) + (1 | h)"),
    "number and vectors": ("movers", "(1 | g) + (1 + x + z | h)"),
    "vectors": ("band", "(1 + x | g) + (1 + z || h)"),
    "three vectors": ("nested", "(1 | g) + (1 + x | h) + cs(1 + z | k)"),
    "structures": ("parts", "ar1(0 + f | g) + hetar1(0 + f | h)"),
    "of a rank": ("three", "rr(1 + x + z | g, 1) + (1 + x | h) + (1 | k)"),
    "alike": ("firms", "homcs(0 + f | g) + homdiag(1 + x | h)"),
}


def frame_of(graph, seed=1):
    """Rows on a graph, with numbers x and z, a factor f, weights w, and a response y."""
    rng = np.random.default_rng(seed)
    codes = GRAPHS[graph](rng)
    n = len(codes["g"])
    frame = pd.DataFrame({name: own.astype(str) for name, own in codes.items()})
    frame["x"], frame["z"] = rng.normal(size=n), rng.normal(size=n)
    frame["f"] = np.array(["a", "b", "c"])[np.arange(n) % 3]
    frame["w"] = rng.uniform(0.3, 3.0, size=n)
    y = 5.0 + frame["x"] + 0.5 * frame["z"] + rng.normal(size=n)
    for own in codes.values():
        y += 0.7 * rng.normal(size=own.max() + 1)[own]
        y += 0.4 * rng.normal(size=own.max() + 1)[own] * frame["x"]
    frame["y"] = y
    return frame
