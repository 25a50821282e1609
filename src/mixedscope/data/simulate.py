"""Simulated experiments with known true parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import DataError, suggest
from mixedscope.core.seeds import generator as stream
from mixedscope.data.layout import lay_out
from mixedscope.data.made_response import drawn_response, drawn_trials, made_response
from mixedscope.design.design import RandomDesign, random_designs
from mixedscope.design.fixed_terms import FixedTerms
from mixedscope.design.terms import ColumnBlock, TermColumns
from mixedscope.formula.parse import parse_formula

if TYPE_CHECKING:
    from mixedscope.data.simulation_spec import RandomEffects
    from mixedscope.families.family import Family

__all__ = ["Simulation", "simulate_dataset"]

Floats = NDArray[np.float64]
Numbers = float | list[float] | dict[str, float]
Correlations = float | list[list[float]] | dict[str, dict[str, float]]


@dataclass(frozen=True)
class Simulation:
    """Simulated data and the truth behind them.

    Attributes
    ----------
    frame : DataFrame
    beta : mapping of str to float
        True fixed effects by coefficient name.
    sigma : float or None
        True residual standard deviation; None of a response of a family.
    covariance : mapping of str to (k, k) array
        True covariance of the random effects by grouping factor.
    effects : DataFrame
        The random effects drawn: ``group``, ``level``, ``term``, ``effect``.
    designs : tuple of RandomDesign
        Columns and levels of every grouping factor, for the rows of `frame`.
    predictor : (n,) array
        Linear predictor with the random effects drawn, ``Xβ + Zb``: of a normal response its
        expectation.
    fixed : ColumnBlock
        Fixed-effects columns X, for the rows of `frame`.
    terms : FixedTerms
        Which of them belong to which term.
    offset : (n,) array or None
        What the formula adds as it is; part of `predictor`.
    family : Family or None
        With its link; None of a normal response.
    dispersion : float or None
        True further parameter of the family, where it has one.
    response : (n,) array
        As models have it: of trials the share of successes. None of its values is missing.
    trials : (n,) array or None
    """

    frame: pd.DataFrame
    beta: Mapping[str, float]
    sigma: float | None
    covariance: Mapping[str, Floats]
    effects: pd.DataFrame
    designs: tuple[RandomDesign, ...]
    predictor: Floats
    fixed: ColumnBlock
    terms: FixedTerms
    response: Floats
    offset: Floats | None = None
    family: Family | None = None
    dispersion: float | None = None
    trials: Floats | None = None


def simulate_dataset(spec: Mapping[str, Any]) -> Simulation:
    """Simulate an experiment.

    The keys are those of `mixedscope.data.simulation_spec.SimulationSpec`, ``seed`` among them.
    Raises DataError where a key, name or value does not fit, and FormulaError where the formula
    cannot be read. b = L z with L L' the stated covariance and z standard normal, y = Xβ + Zb + σε,
    plus the offsets of the formula; of a family y is drawn with the mean whose link is Xβ + Zb.
    """
    # Loaded by those alone who simulate: it takes a tenth of a second.
    from mixedscope.data.simulation_spec import read_spec

    if isinstance(spec, Mapping) and "formula" in spec and "family" not in spec:
        made_response(parse_formula(spec["formula"]), None)
    read = read_spec(spec)
    if read.seed is None:
        raise DataError("simulate: the key 'seed' is missing.")
    seed = read.seed
    formula = parse_formula(read.formula)
    made, family = read.made(), read.family_made()
    frame = lay_out(read, seed)
    columns = TermColumns(
        formula.text,
        frame,
        np.arange(len(frame), dtype=np.int64),
        dict(read.contrasts),
    )
    X = columns.columns(formula.fixed.intercept, formula.fixed.terms)
    beta = _by_name(read.beta, X.names, "beta", "coefficients")
    y = np.einsum("ij,j->i", X.matrix, beta)  # not BLAS: same bytes with any number of threads
    offset = None
    for node in formula.offsets:
        own = columns.numeric(node, "The offset")
        offset = own if offset is None else offset + own
        y = y + own
    designs = random_designs(formula, "full", columns)
    covariance: dict[str, Floats] = {}
    effects: list[pd.DataFrame] = []
    for design in designs:
        covariance[design.group], b = _random_effects(design, read.random[design.group], seed)
        y = y + np.einsum("ij,ij->i", design.Z, b[design.codes])
        effects.append(_effects_table(design, b))
    predictor, trials = y, None
    if family is None:
        assert read.sigma is not None
        y = y + read.sigma * stream(seed, "residual").standard_normal(len(y))
        frame[made.successes] = y
    else:
        trials = drawn_trials(made, read.trials_asked(), frame, seed)
        drawn = drawn_response(made, family, y, trials, read.dispersion, seed)
        frame = frame.assign(**drawn)
        y = drawn[made.successes].astype(np.float64)
        y = y if trials is None else y / trials
    frame = _make_missing(frame, read.missing, seed)
    return Simulation(
        frame=frame,
        beta=dict(zip(X.names, beta.tolist(), strict=True)),
        sigma=read.sigma,
        covariance=covariance,
        effects=pd.concat(effects, ignore_index=True) if effects else pd.DataFrame(),
        designs=tuple(designs),
        predictor=predictor,
        fixed=X,
        terms=columns.assigned(formula.fixed.intercept, formula.fixed.terms),
        offset=offset,
        family=family,
        dispersion=read.dispersion,
        response=y,
        trials=trials,
    )


def _by_name(value: Numbers, names: Sequence[str], key: str, what: str) -> Floats:
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
        listed = value if isinstance(value, list) else [value]
    if len(listed) != len(names):
        raise DataError(
            f"simulate: {key} must give {len(names)} numbers, for the {what} {', '.join(names)}."
        )
    return np.asarray(listed, dtype=np.float64)


def _random_effects(design: RandomDesign, given: RandomEffects, seed: int) -> tuple[Floats, Floats]:
    """Covariance (k, k) and effects (q, k) of one grouping factor."""
    where = f"random.{design.group}"
    sd = _by_name(given.sd, design.names, f"{where}.sd", "terms")
    correlation = _correlations(given.correlations, design.names, where)
    factor = sd[:, None] * _root(correlation, where)
    z = stream(seed, f"random {design.group}").standard_normal((len(design.levels), len(sd)))
    return factor @ factor.T, np.einsum("qj,ij->qi", z, factor)


def _correlations(value: Correlations, names: Sequence[str], where: str) -> Floats:
    """The correlation matrix (k, k) of the terms named."""
    k = len(names)
    matrix: Floats = np.eye(k)
    if isinstance(value, float):
        matrix = np.full((k, k), value)
        np.fill_diagonal(matrix, 1.0)
    elif isinstance(value, dict):
        for first, others in value.items():
            for second, r in others.items():
                for name in (first, second):
                    if name not in names:
                        raise DataError(
                            f"simulate: {where}.correlations names {name!r}, which is none of the "
                            f"terms {', '.join(names)}.{suggest(name, names)}"
                        )
                if first == second:
                    raise DataError(
                        f"simulate: {where}.correlations says what {first!r} has to do with itself."
                    )
                i, j = names.index(first), names.index(second)
                matrix[i, j] = matrix[j, i] = r
    else:
        ragged = [len(row) for row in value] != [k] * k
        matrix = np.empty((0, 0)) if ragged else np.asarray(value, dtype=np.float64)
        if ragged or not np.array_equal(matrix, matrix.T) or not (np.diag(matrix) == 1).all():
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


def _make_missing(frame: pd.DataFrame, shares: Mapping[str, float], seed: int) -> pd.DataFrame:
    for name, share in shares.items():
        absent = stream(seed, f"missing {name}").permutation(len(frame))[
            : round(share * len(frame))
        ]
        hidden = np.zeros(len(frame), dtype=bool)
        hidden[absent] = True
        frame[name] = frame[name].mask(hidden)
    return frame
