"""Objectives for the tests of the optimisers: a dense linear mixed model, and toy functions.

The mixed model is written with n x n matrices and no care for speed, independently of the engine.
"""

from __future__ import annotations

import numpy as np

from mixedscope.core.evaluation import Evaluation
from mixedscope.core.vocabulary import CRITERION_NAMES
from mixedscope.engine.generalized.evaluation import ManyStarts


class KnowsNoMore:
    """What an objective answers that knows nothing beyond its values and gradients."""

    criterion_name = CRITERION_NAMES["ML"]
    parts = ("sigma", "log_det", "residual_ss", "penalty")
    coordinates = None
    uncentred = ()
    is_compiled = is_quick = has_scoring = is_approximate = False

    @property
    def columns(self):
        return np.where(self.lower == 0.0, np.cumsum(self.lower == 0.0) - 1, -1)

    @property
    def edges(self):
        return np.where(self.lower == 0.0, 0.0, np.nan)

    def compiling_seconds(self):
        return 0.0

    def quasi_newton(self, theta, tolerance, most):
        return None

    def gradients(self, thetas):
        raise NotImplementedError("not compiled")

    def moment_start(self):
        return None

    def initial_hessian(self, theta):
        return None

    def second_derivatives(self, theta):
        return None

    def workload(self):
        return 0.0, 0

    def beyond(self, theta):
        return []

    def second_look(self, theta):
        return ManyStarts()

    def far_starts(self, theta):
        return ()

    def left_out(self, theta):
        return 0.0

    def unidentified(self, theta):
        return []

    def residual_state(self, theta, value):
        return "identified"

    def at_infinity(self, theta):
        return ()

    def words_at_infinity(self, names):
        return ""

    def doubt(self, theta, value, verdict):
        return ""

    def residual_limit(self, theta):
        return np.nan


class DenseMixedModel(KnowsNoMore):
    """-2 profiled log-likelihood of y = Xβ + Σ Z_t b_t + ε with unstructured terms.

    Parameters
    ----------
    y : (n,) array
    X : (n, p) array
    terms : list of (codes, Z)
        Grouping codes (n,) and design (n, k) of each random-effects term.
    """

    def __init__(self, y, X, terms):
        self.y, self.X, self.terms = y, X, terms
        self.expanded, self.positions = [], []
        names, lower, scale, start = [], [], [], []
        for t, (codes, Z) in enumerate(terms):
            q, k = codes.max() + 1, Z.shape[1]
            wide = np.zeros((len(y), k, q))
            wide[np.arange(len(y)), :, codes] = Z
            self.expanded.append(wide)
            rms = np.sqrt((Z**2).mean(axis=0))
            for j in range(k):
                for i in range(j, k):
                    self.positions.append((t, i, j))
                    names.append(f"g{t}[{i},{j}]")
                    lower.append(0.0 if i == j else -np.inf)
                    scale.append(rms[i])
                    start.append(1.0 / rms[i] if i == j else 0.0)
        self.theta_names = tuple(names)
        self.beta_names = tuple(f"x{j}" for j in range(X.shape[1]))
        self.lower, self.scale, self.start = map(np.array, (lower, scale, start))

    def factors(self, theta):
        factors = [np.zeros((Z.shape[1],) * 2) for _, Z in self.terms]
        for value, (t, i, j) in zip(theta, self.positions):
            factors[t][i, j] = value
        return factors

    def evaluate_gradient(self, theta):
        n = len(self.y)
        factors = self.factors(theta)
        V = np.eye(n)
        for wide, factor in zip(self.expanded, factors):
            half = np.einsum("nkq,kl->nlq", wide, factor).reshape(n, -1)
            V += half @ half.T
        if not np.all(np.isfinite(V)):
            raise FloatingPointError("V overflows")
        L = np.linalg.cholesky(V)
        inverse = np.linalg.inv(V)
        W = inverse @ self.X
        beta = np.linalg.solve(self.X.T @ W, W.T @ self.y)
        error = self.y - self.X @ beta
        r = inverse @ error
        r2 = error @ r
        log_det = 2 * np.log(np.diag(L)).sum()
        objective = log_det + n * (1 + np.log(2 * np.pi * r2 / n))
        penalty, fitted = 0.0, np.zeros(n)
        slopes = []
        K = inverse - (n / r2) * np.outer(r, r)
        for wide, factor in zip(self.expanded, factors):
            u = np.einsum("nkq,n,kl->lq", wide, r, factor)
            penalty += (u**2).sum()
            fitted += np.einsum("nkq,kl,lq->n", wide, factor, u)
            G = np.einsum("nkq,nm,mlq->kl", wide, K, wide, optimize=True)
            slopes.append(2 * G @ factor)
        gradient = np.array([slopes[t][i, j] for t, i, j in self.positions])
        residual_ss = ((error - fitted) ** 2).sum()
        sigma = float(np.sqrt(r2 / n))
        return Evaluation(objective, beta, sigma, log_det, residual_ss, penalty), gradient

    def evaluate(self, theta):
        return self.evaluate_gradient(theta)[0]

    def canonical(self, theta):
        flipped = np.array(theta)
        for column in {(t, j) for t, _, j in self.positions}:
            members = [p for p, (t, _, j) in enumerate(self.positions) if (t, j) == column]
            if flipped[members[0]] < 0:
                flipped[members] *= -1
        return flipped + 0.0

    def rank_deficient(self, theta, tol):
        return any(np.abs(np.diag(f)).min() < tol for f in self.factors(theta))


def simulated(seed, *, groups=(8,), n=48, slopes=1, sd=1.0, sigma=1.0):
    """A dense mixed model on simulated data: each group with `slopes` covariates per term."""
    rng = np.random.default_rng(seed)
    covariates = rng.normal(size=(n, slopes))
    X = np.column_stack([np.ones(n), covariates])
    y = X @ rng.normal(size=X.shape[1]) + sigma * rng.normal(size=n)
    terms = []
    for q in groups:
        codes = np.concatenate([np.arange(q), rng.integers(0, q, n - q)])
        k = 1 + slopes
        factor = sd * np.tril(rng.normal(size=(k, k)))
        b = rng.normal(size=(q, k)) @ factor.T
        y = y + (X[:, :k] * b[codes]).sum(axis=1)
        terms.append((codes, X[:, :k]))
    return DenseMixedModel(y, X, terms)


def singular(seed=3):
    """A model with three-dimensional effects whose covariance has rank one."""
    rng = np.random.default_rng(seed)
    n, q = 60, 10
    X = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    codes = np.arange(n) % q
    b = rng.normal(size=q)[:, None] * np.array([1.0, 0.5, -0.5])
    y = X @ [1.0, 2.0, 3.0] + (X * b[codes]).sum(axis=1) + rng.normal(size=n)
    return DenseMixedModel(y, X, [(codes, X)])


def null_variance(seed=0):
    """A one-way layout whose groups differ less than chance: the variance is estimated as zero."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(6), 5)
    noise = rng.normal(size=30)
    noise -= (np.bincount(codes, noise) / 5)[codes]
    y = 10 + noise + 0.05 * np.arange(6)[codes]
    return DenseMixedModel(y, np.ones((30, 1)), [(codes, np.ones((30, 1)))])


class Toy(KnowsNoMore):
    """A function of theta dressed as an objective; lower bounds of -inf unless given."""

    def __init__(self, value, gradient, start, *, lower=None, scale=None):
        self.value, self.gradient_of = value, gradient
        self.start = np.array(start, dtype=float)
        k = self.start.size
        self.lower = np.full(k, -np.inf) if lower is None else np.array(lower, dtype=float)
        self.scale = np.ones(k) if scale is None else np.array(scale, dtype=float)
        self.theta_names = tuple(f"t{i}" for i in range(k))
        self.beta_names = ("b",)
        self.calls = 0

    def evaluate(self, theta):
        self.calls += 1
        return Evaluation(float(self.value(theta)), np.ones(1), 1.0, 0.0, 0.0, 0.0)

    def evaluate_gradient(self, theta):
        return self.evaluate(theta), np.array(self.gradient_of(theta), dtype=float)

    def canonical(self, theta):
        return np.where((self.lower == 0) & (theta < 0), -theta, theta)

    def rank_deficient(self, theta, tol):
        return bool(np.any(np.abs(theta[self.lower == 0]) < tol))


def quadratic(start=(3.0, -2.0), *, scale=None):
    """(t - m)'A(t - m)/2 + 5 with its minimum at m = (1, -1)."""
    A, m = np.array([[4.0, 1.0], [1.0, 2.0]]), np.array([1.0, -1.0])
    return Toy(
        lambda t: 0.5 * (t - m) @ A @ (t - m) + 5.0, lambda t: A @ (t - m), start, scale=scale
    )


def double_well(start=(0.0, 0.5)):
    """t0⁴ - 2 t0² + t1²: minima of -1 at (±1, 0), a saddle at the origin; t0 bounded at zero."""
    return Toy(
        lambda t: t[0] ** 4 - 2 * t[0] ** 2 + t[1] ** 2,
        lambda t: [4 * t[0] ** 3 - 4 * t[0], 2 * t[1]],
        start,
        lower=[0.0, -np.inf],
    )
