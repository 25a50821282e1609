"""Simulated experiments with known true parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import DataError, FormulaError, suggest
from mixedscope.data.layout import LAYOUT_KEYS, check_keys, lay_out, stream
from mixedscope.design.design import RandomDesign, random_designs
from mixedscope.design.terms import TermColumns
from mixedscope.formula.parse import Formula, parse_formula
from mixedscope.formula.tree import Name

__all__ = ["SIMULATE_KEYS", "Simulation", "simulate_dataset"]

Floats = NDArray[np.float64]
_TRUTH_KEYS = ("seed", "formula", "contrasts", "beta", "sigma", "random", "missing")
SIMULATE_KEYS = (*_TRUTH_KEYS, *LAYOUT_KEYS)


@dataclass(frozen=True)
class Simulation:
    """Simulated data and the truth behind them.

    Attributes
    ----------
    frame : DataFrame
    beta : mapping of str to float
        True fixed effects by coefficient name.
    sigma : float
        True residual standard deviation.
    covariance : mapping of str to (k, k) array
        True covariance of the random effects by grouping factor.
    effects : DataFrame
        The random effects drawn: ``group``, ``level``, ``term``, ``effect``.
    designs : tuple of RandomDesign
        Columns and levels of every grouping factor, for the rows of `frame`.
    mean : (n,) array
        Expectation of the response given the random effects drawn, ``Xβ + Zb``.
    """

    frame: pd.DataFrame
    beta: Mapping[str, float]
    sigma: float
    covariance: Mapping[str, Floats]
    effects: pd.DataFrame
    designs: tuple[RandomDesign, ...]
    mean: Floats


def simulate_dataset(spec: Mapping[str, Any]) -> Simulation:
    """Simulate an experiment.

    Parameters
    ----------
    spec : mapping
        The truth:

        - ``seed``: whole number; every quantity draws from a stream of its own under it;
        - ``formula``: mixed-model formula whose left side names the response to make;
        - ``contrasts``: contrasts of conditions, as in models;
        - ``beta``: fixed effects, a mapping by coefficient name or a list in their order;
        - ``sigma``: residual standard deviation;
        - ``random``: for each grouping factor ``sd`` (mapping by term name, or list) and
          ``correlations`` (one number for all pairs, a matrix, or a mapping of term to mapping of
          term to number; 0 by default). Standard deviations of 0 make a singular truth;
        - ``missing``: mapping of columns to the share of their values made missing.

        The rows:

        - ``units``: for each unit a number, or a mapping of ``n`` (a number, a list with one number
          for each parent, or ``{min, max}``), ``within`` (the unit it is nested in), ``prefix`` of
          its labels and ``numbering`` (``global``, or ``within`` to start again in each parent).
          Units not nested are crossed;
        - ``conditions``: for each condition a list of levels, or a mapping of ``levels``
          (categories) or ``values`` (numbers), and ``between`` (the unit it is constant in);
        - ``assign``: ``crossed`` (every combination of units meets every combination of conditions)
          or ``latin-square`` (each combination of units meets one, in turn);
        - ``replicates``: rows per cell, a number or ``{min, max}``;
        - ``covariates``: numeric columns with ``distribution`` (``normal`` with ``mean``, ``sd``;
          ``uniform`` with ``low``, ``high``), ``of`` (a unit; each row by default), ``round``;
        - ``drop_cells`` (safe conditions), ``missing_cells`` (share of cells left out at random)
          and ``keep`` (share of rows kept at random) unbalance the design.

    Returns
    -------
    Simulation

    Raises
    ------
    DataError
        If a key, name or value does not fit; the message names it.
    FormulaError
        If the formula cannot be read.

    Notes
    -----
    b = L z with L L' the stated covariance and z standard normal, y = Xβ + Zb + σε.
    """
    check_keys(spec, SIMULATE_KEYS, "simulate")
    for key in ("seed", "formula", "beta", "sigma", "units"):
        if key not in spec:
            raise DataError(f"simulate: the key {key!r} is missing.")
    seed, sigma = spec["seed"], spec["sigma"]
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise DataError(f"simulate: 'seed' must be a whole number from 0, not {seed!r}.")
    if not _is_number(sigma) or not sigma >= 0:
        raise DataError(f"simulate: 'sigma' must be a number from 0, not {sigma!r}.")
    formula = parse_formula(spec["formula"])
    response = _response(formula)
    frame = lay_out(spec, seed)
    _check_columns(formula, frame, response)
    columns = TermColumns(
        formula.text,
        frame,
        np.arange(len(frame), dtype=np.int64),
        dict(spec.get("contrasts") or {}),
    )
    X = columns.columns(formula.fixed.intercept, formula.fixed.terms)
    beta = _by_name(spec["beta"], X.names, "beta", "coefficients")
    y = np.einsum("ij,j->i", X.matrix, beta)  # not BLAS: same bytes with any number of threads
    truths = spec.get("random") or {}
    designs = random_designs(formula, "full", columns)
    _check_groups(truths, [design.group for design in designs])
    covariance: dict[str, Floats] = {}
    effects: list[pd.DataFrame] = []
    for design in designs:
        covariance[design.group], b = _random_effects(design, truths[design.group], seed)
        y = y + np.einsum("ij,ij->i", design.Z, b[design.codes])
        effects.append(_effects_table(design, b))
    mean = y
    y = y + float(sigma) * stream(seed, "residual").standard_normal(len(y))
    frame[response] = y
    frame = _make_missing(frame, spec.get("missing") or {}, seed)
    return Simulation(
        frame=frame,
        beta=dict(zip(X.names, beta.tolist(), strict=True)),
        sigma=float(sigma),
        covariance=covariance,
        effects=pd.concat(effects, ignore_index=True) if effects else pd.DataFrame(),
        designs=tuple(designs),
        mean=mean,
    )


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and bool(np.isfinite(value))
    )


def _response(formula: Formula) -> str:
    if not isinstance(formula.response, Name):
        raise FormulaError(
            formula.text,
            formula.response.position,
            "A simulated response must be a plain name; derive functions of it afterwards.",
        )
    return formula.response.name


def _check_columns(formula: Formula, frame: pd.DataFrame, response: str) -> None:
    for name in formula.variables:
        if name != response and name not in frame.columns:
            raise DataError(
                f"simulate: the formula uses {name!r}, which is no unit, condition or covariate."
                f"{suggest(name, frame.columns)}"
            )
    if response in frame.columns:
        raise DataError(f"simulate: the response {response!r} is also a unit or condition.")


def _check_groups(truths: Any, groups: Sequence[str]) -> None:
    check_keys(truths, groups, "simulate, 'random'")
    for group in groups:
        if group not in truths:
            raise DataError(f"simulate: 'random' says nothing about the grouping factor {group!r}.")


def _by_name(value: Any, names: Sequence[str], key: str, what: str) -> Floats:
    """Numbers in the order of `names`, from a mapping by name or a list."""
    if isinstance(value, Mapping):
        for name in value:
            if name not in names:
                raise DataError(
                    f"simulate: {key} names {name!r}, which is none of the {what} "
                    f"{', '.join(names)}.{suggest(str(name), names)}"
                )
        absent = [name for name in names if name not in value]
        if absent:
            raise DataError(f"simulate: {key} lacks {', '.join(map(repr, absent))}.")
        listed = [value[name] for name in names]
    else:
        listed = list(value) if isinstance(value, (list, tuple)) else [value]
    if len(listed) != len(names) or not all(_is_number(v) for v in listed):
        raise DataError(
            f"simulate: {key} must give {len(names)} numbers, for the {what} {', '.join(names)}."
        )
    return np.asarray(listed, dtype=np.float64)


def _random_effects(design: RandomDesign, given: Any, seed: int) -> tuple[Floats, Floats]:
    """Covariance (k, k) and effects (q, k) of one grouping factor."""
    where = f"random.{design.group}"
    spec = check_keys(given, ("sd", "correlations"), f"simulate, {where}")
    if "sd" not in spec:
        raise DataError(f"simulate: {where} lacks 'sd'.")
    sd = _by_name(spec["sd"], design.names, f"{where}.sd", "terms")
    if (sd < 0).any():
        raise DataError(f"simulate: {where}.sd holds a negative standard deviation.")
    correlation = _correlations(spec.get("correlations", 0.0), design.names, where)
    factor = sd[:, None] * _root(correlation, where)
    z = stream(seed, f"random {design.group}").standard_normal((len(design.levels), len(sd)))
    return factor @ factor.T, np.einsum("qj,ij->qi", z, factor)


def _correlations(value: Any, names: Sequence[str], where: str) -> Floats:
    k = len(names)
    matrix: Floats = np.eye(k)
    if _is_number(value):
        matrix = np.full((k, k), float(value))
        np.fill_diagonal(matrix, 1.0)
    elif isinstance(value, Mapping):
        for first, others in value.items():
            for second, r in check_keys(others, names, f"simulate, {where}.correlations").items():
                if first not in names or first == second or not _is_number(r):
                    raise DataError(
                        f"simulate: {where}.correlations: {first!r} with {second!r} must be a "
                        f"number for two different terms of {', '.join(names)}."
                        f"{suggest(str(first), names)}"
                    )
                i, j = names.index(first), names.index(second)
                matrix[i, j] = matrix[j, i] = float(r)
    else:
        try:
            matrix = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            matrix = np.empty((0, 0))
        if (
            matrix.shape != (k, k)
            or not np.array_equal(matrix, matrix.T)
            or not (np.diag(matrix) == 1).all()
        ):
            raise DataError(
                f"simulate: {where}.correlations must be a number, a symmetric {k} × {k} matrix "
                "with ones on its diagonal, or a mapping by term."
            )
    if not (np.abs(matrix) <= 1).all():
        raise DataError(f"simulate: {where}.correlations must lie between −1 and 1.")
    return matrix


def _root(matrix: Floats, where: str) -> Floats:
    """Lower-triangular root of a positive semi-definite matrix; zero columns where it is singular.

    LAPACK's Cholesky refuses singular matrices, and an eigendecomposition would not give the same
    root on every machine.
    """
    k = len(matrix)
    root = np.zeros((k, k))
    for j in range(k):
        rest = matrix[j:, j] - np.einsum("ij,j->i", root[j:, :j], root[j, :j])
        if rest[0] > 1e-10:
            root[j:, j] = rest / np.sqrt(rest[0])
        elif rest[0] < -1e-10 or (np.abs(rest[1:]) > 1e-8).any():
            raise DataError(
                f"simulate: {where}.correlations cannot occur together (the matrix is not positive "
                "semi-definite): make some smaller."
            )
    return root


def _effects_table(design: RandomDesign, b: Floats) -> pd.DataFrame:
    q, k = b.shape
    return pd.DataFrame(
        {
            "group": design.group,
            "level": np.repeat(np.array(design.levels, dtype=object), k),
            "term": np.tile(np.array(design.names, dtype=object), q),
            "effect": b.ravel(),
        }
    )


def _make_missing(frame: pd.DataFrame, shares: Mapping[str, Any], seed: int) -> pd.DataFrame:
    for name, share in check_keys(shares, list(frame.columns), "simulate, 'missing'").items():
        if not _is_number(share) or not 0 <= share < 1:
            raise DataError(f"simulate: missing.{name} must be a share from 0 to below 1.")
        absent = stream(seed, f"missing {name}").permutation(len(frame))[
            : round(share * len(frame))
        ]
        hidden = np.zeros(len(frame), dtype=bool)
        hidden[absent] = True
        frame[name] = frame[name].mask(hidden)
    return frame
