"""Fits in dense algebra: covariances of all observations, from a model's columns and theta."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import mixedscope as ms

__all__ = ["Dense", "dense_of"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Dense:
    """Rows weighted, sigma = 1: ``S = inv(V)``, ``Phi = inv(X'SX)``, ``P = S - S X Phi X'S``."""

    y: Floats
    x: Floats
    z: Floats
    v: Floats
    s: Floats
    phi: Floats
    p: Floats

    @property
    def beta(self) -> Floats:
        return self.phi @ self.x.T @ self.s @ self.y

    @property
    def pwrss(self) -> float:
        return float(self.y @ self.p @ self.y)

    def without(self, rows: NDArray[np.intp]) -> Dense:
        """Delete rows."""
        kept = np.setdiff1d(np.arange(len(self.y)), rows)
        return _of(self.y[kept], self.x[kept], self.z[kept], self.v[np.ix_(kept, kept)])


def dense_of(model: ms.LinearMixedModel, theta: Floats) -> Dense:
    """Write a model at theta with dense matrices."""
    design, system = model.design, model.system
    root = np.ones(len(design.y)) if design.weights is None else np.sqrt(design.weights)
    parts, v = [], np.eye(len(design.y))
    for term in system.terms:
        q, k = len(term.design.levels), term.size
        z = np.zeros((len(design.y), q * k))
        for c in range(k):
            z[np.arange(len(z)), term.design.codes * k + c] = term.design.Z[:, c] * root
        parts.append(z)
        half = z @ np.kron(np.eye(q), term.factor(theta[term.theta]))
        v += half @ half.T
    x = design.X[:, system.kept] * root[:, None]
    return _of(design.y * root, x, np.hstack(parts), v)


def _of(y: Floats, x: Floats, z: Floats, v: Floats) -> Dense:
    half = np.linalg.inv(np.linalg.cholesky(v))
    # Columns that are nearly collinear lose half of their digits in their products.
    q, r = np.linalg.qr(half @ x)
    back = np.linalg.inv(r)
    p = half.T @ (half - q @ (q.T @ half))
    return Dense(y, x, z, v, half.T @ half, back @ back.T, p)
