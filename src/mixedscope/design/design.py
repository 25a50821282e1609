"""Formula and data become the arrays of a model: y, X, and Z and codes per grouping factor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mixedscope.core.errors import DataError, ModelError, suggest
from mixedscope.covariance.registry import make_structure
from mixedscope.design.contrasts import ContrastSpec
from mixedscope.design.fixed_terms import FixedTerm, FixedTerms
from mixedscope.design.frame import (
    as_frame,
)
from mixedscope.design.identifiable import ALLOW, REFUSE, check_levels, refuse_residual
from mixedscope.design.refusals import (
    check_contrasts,
    far_from_zero,
    refuse_own_offset,
)
from mixedscope.design.responses import Observed, read_response
from mixedscope.design.rows import named_offset, read_offset, read_subset, read_weights, usable_rows
from mixedscope.design.structure_choice import (
    Choice,
    StructureChooser,
    kept_terms,
    terms_by_group,
)
from mixedscope.design.terms import TermColumns
from mixedscope.design.training import VALUES, Training
from mixedscope.formula.parse import TRIALS, Formula, RandomTerm, parse_formula
from mixedscope.formula.tree import Call, unparse

__all__ = [
    "Design",
    "RandomDesign",
    "TermPart",
    "build_design",
    "design_of_frame",
    "random_designs",
]


@dataclass(frozen=True)
class TermPart:
    """One random-effects term as written, before amalgamation.

    Attributes
    ----------
    columns : tuple of int
        Columns of `RandomDesign.Z` it owns, contiguous and in order.
    structure : str
        Name of its covariance structure; never an intercept-only one, because the design has then
        reduced the term to ``(1 | g)`` with ``full``.
    settings : mapping of str to float
    factor : str or None
        The factor whose indicators the columns are, if they are.
    terms : tuple of FixedTerm
        Its columns by term, counted from the first of them.
    """

    columns: tuple[int, ...]
    structure: str
    settings: Mapping[str, float]
    factor: str | None = None
    terms: tuple[FixedTerm, ...] = ()


@dataclass(frozen=True)
class RandomDesign:
    """Random effects of one grouping factor, amalgamated at its first appearance.

    Attributes
    ----------
    group : str
        For example ``Subject`` or ``Lot:Wafer``.
    levels : tuple of str
        The q levels that occur.
    codes : (n,) int64 array
        0 … q − 1.
    Z : (n, k) array in C order
    names : tuple of str
        The k term names as lme4 has them, such as ``(Intercept)``, ``Days``, ``MachineB``.
    parts : tuple of TermPart
    """

    group: str
    levels: tuple[str, ...]
    codes: NDArray[np.int64]
    Z: NDArray[np.float64]
    names: tuple[str, ...]
    parts: tuple[TermPart, ...]


@dataclass(frozen=True)
class Design:
    """Everything an engine needs to know of formula and data.

    Attributes
    ----------
    formula, response, structure : str
    y : (n,) array
        The response less the offset, if there is one: what fixed and random effects explain.
    X : (n, p) array in C order
        Not checked for rank.
    x_names : tuple of str
        The p coefficient names.
    weights : (n,) array or None
    random : tuple of RandomDesign
    rows : (n,) int64 array
        Positions of the rows used in the input, ascending.
    n_dropped : int
        Rows dropped because a model variable or the weight is missing.
    n_zero_weight : int
        Rows dropped because their weight is 0.
    n_outside : int
        Rows left out because they are not in the subset asked for; not counted among the others.
    offset : (n,) array or None
        What is added to fixed and random effects as it is: the response is ``y + offset``.
    sigma : float or None
        Residual standard deviation of a row of weight 1, where it is known and not estimated.
    contrasts : mapping
        Per categorical variable of the model: ``{"coding": name, "levels": [...]}``.
    variables : mapping
        Per variable of its terms: ``kind`` (numeric or categorical), and of a categorical one its
        levels, ``coding`` and ``base``; see `mixedscope.design.variables.variable`.
    notes : tuple of str
        Sentences on categorical predictors that may have been meant as numbers, on numbers that
        may stand for missing values, and on columns that count as constant.
    fixed : FixedTerms
        Which columns of X belong to which term, and the variables that they are made of.
    training : Training or None
        What makes the columns of other rows; None of a design that was not made from a formula.
    trials : (n,) array or None
        Of a response of a family: of how many trials `y` is the share of successes.
    success : str or None
        Of a response of a family: the category that counts as 1, of two.
    solver : {"auto", "exact", "sparse", "iterative"}
        How the system of a linear model is to be solved.
    """

    formula: str
    response: str
    structure: str
    y: NDArray[np.float64]
    X: NDArray[np.float64]
    x_names: tuple[str, ...]
    weights: NDArray[np.float64] | None
    random: tuple[RandomDesign, ...]
    rows: NDArray[np.int64]
    n_dropped: int
    n_zero_weight: int
    n_outside: int = 0
    offset: NDArray[np.float64] | None = None
    sigma: float | None = None
    contrasts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    variables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    fixed: FixedTerms = field(default_factory=FixedTerms)
    training: Training | None = None
    trials: NDArray[np.float64] | None = None
    success: str | None = None
    solver: str = "auto"

    def observed(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values (..., n) on the scale of `y` as ones of the response: the offset is added."""
        return values if self.offset is None else values + self.offset

    def adjusted(self, responses: NDArray[np.float64]) -> NDArray[np.float64]:
        """Responses (..., n) on the scale of `y`: the offset is subtracted."""
        return responses if self.offset is None else responses - self.offset


def build_design(
    formula: str | Formula,
    data: Any,
    *,
    structure: str = "full",
    contrasts: Mapping[str, ContrastSpec] | None = None,
    weights: str | ArrayLike | None = None,
    offset: str | ArrayLike | None = None,
    subset: str | ArrayLike | None = None,
    sigma: float | None = None,
    unidentified: str = REFUSE,
    of_family: bool = False,
    solver: str = "auto",
) -> Design:
    """Build the design of a mixed model.

    Parameters
    ----------
    formula : str or Formula
    data : pandas, polars or pyarrow table, or mapping of columns
    structure : str
        ``full`` leaves to each term what the formula says; ``intercept`` reduces every term to
        ``(1 | g)``; any other covariance structure replaces that of every term that can take it.
    contrasts : mapping, optional
        Variable to contrast (see `mixedscope.design.contrasts.contrast_matrix`). A numeric column
        named here is treated as categorical.
    weights : str or (n,) array, optional
        Column or array of observation weights; rows of weight 0 are dropped.
    offset : str or (n,) array, optional
        Column, safe expression of columns, or values added to those of the formula's ``offset()``.
    subset : str or (n,) array of bool, optional
        Safe condition on columns, or truth values: the rows to use.
    sigma : float, optional
        Residual standard deviation of a row of weight 1, where it is known.
    unidentified : {"refuse", "allow"}
        What to do with terms that do no more than residuals do.
    of_family : bool
        Whether the response is that of a family, see `design_of_frame`.
    solver : {"auto", "exact", "sparse", "iterative"}
        How the system of a linear model is to be solved.

    Returns
    -------
    Design
        Rows with a missing value in any variable of the formula, or a missing weight, are dropped
        and counted, whatever the structure, so that structures can be compared. Functions that look
        at a whole column, such as ``scale`` and ``poly``, see the rows used.

    Raises
    ------
    FormulaError
        If the formula cannot be read or names an unknown covariance structure.
    DataError
        If a column is unknown or unsuitable, or no usable rows remain.
    ModelError
        If the model cannot be identified from these data.
    """
    parsed = parse_formula(formula) if isinstance(formula, str) else formula
    return design_of_frame(
        parsed, as_frame(data), structure=structure, contrasts=contrasts, weights=weights,
        offset=offset, subset=subset, sigma=sigma, unidentified=unidentified, of_family=of_family,
        solver=solver,
    )  # fmt: skip


def design_of_frame(
    parsed: Formula,
    frame: pd.DataFrame,
    *,
    structure: str,
    contrasts: Mapping[str, ContrastSpec] | None,
    weights: str | ArrayLike | None,
    offset: str | ArrayLike | None = None,
    subset: str | ArrayLike | None = None,
    sigma: float | None = None,
    unidentified: str = REFUSE,
    of_family: bool = False,
    solver: str = "auto",
) -> Design:
    """Do what `build_design` does, for a frame made by `mixedscope.design.frame.as_frame`.

    ``of_family``: the response is that of a family, with trials or of two categories; it is kept as
    it is, with an offset or without, and no random effects are taken for residuals.
    """
    chooser = StructureChooser(parsed, structure)
    if not parsed.random:
        raise ModelError(
            f"The formula {parsed.text!r} has no random-effects term: add one, such as (1 | group)."
        )
    names = parsed.variables
    # Selecting columns or rows is slow beside all else that a small model needs: each once.
    used: dict[str, pd.Series] = {}
    for name in names:
        try:
            used[name] = frame[name]
        except KeyError:
            raise DataError(
                f"Column {name!r} of the formula is not in the data."
                f"{suggest(name, frame.columns)} Columns: {', '.join(frame.columns[:30])}."
            ) from None
    if sigma is not None and not 0.0 < sigma < math.inf:
        raise ModelError(f"sigma must be a finite number above zero, not {sigma:g}.")
    if unidentified not in (REFUSE, ALLOW):
        raise ModelError(
            f"unidentified must be {REFUSE!r} or {ALLOW!r}, not {unidentified!r}."
            f"{suggest(unidentified, (REFUSE, ALLOW))}"
        )
    contrasts = dict(contrasts or {})
    check_contrasts(contrasts, parsed)
    all_weights = read_weights(weights, frame)
    inside = read_subset(subset, frame)
    all_offsets = read_offset(offset, frame, inside)
    rows, n_dropped, n_zero = usable_rows(used, len(frame), all_weights, all_offsets, inside)
    if len(rows) < len(frame):
        used = {name: series.take(rows) for name, series in used.items()}
    columns = TermColumns(parsed.text, used, rows, contrasts)
    refuse_own_offset(parsed, offset, frame)

    response = written = unparse(parsed.response)
    if of_family:
        seen = read_response(parsed.response, columns)
    elif isinstance(parsed.response, Call) and parsed.response.function == TRIALS:
        raise ModelError(
            f"The response {response!r} is of successes and failures: that is for a generalised "
            "model, ms.glmer(..., family='binomial')."
        )
    else:
        seen = Observed(columns.numeric(parsed.response, "The response"))
    y = seen.y
    added = [columns.numeric(node, "The offset") for node in parsed.offsets]
    if isinstance(offset, str):
        added.append(named_offset(offset, frame, rows, columns.learned))
    elif all_offsets is not None:
        added.append(all_offsets[rows])
    total = np.sum(added, axis=0) if added else None
    if total is not None and not of_family:
        response = f"{response} less its offset"
        y = y - total
    if y.min() == y.max():
        raise DataError(
            f"The response {response!r} is constant ({y[0]:g} in all {len(y)} rows used): "
            "there is nothing to model."
        )
    X = columns.columns(parsed.fixed.intercept, parsed.fixed.terms)
    kept_weights = None if all_weights is None else np.ascontiguousarray(all_weights[rows])
    random = _random_designs(parsed, chooser, columns)
    for made in random:
        check_levels(made.group, made.levels)
        if sigma is None and unidentified == REFUSE and not of_family:
            _refuse_residuals(made, kept_weights)
    fixed = columns.assigned(parsed.fixed.intercept, parsed.fixed.terms)
    variables = columns.described(written)
    columns.learned.close()
    return Design(
        formula=parsed.text,
        response=written,
        structure=structure,
        y=y,
        X=X.matrix,
        x_names=X.names,
        weights=kept_weights,
        random=random,
        rows=rows,
        n_dropped=n_dropped,
        n_zero_weight=n_zero,
        n_outside=0 if inside is None else int((~inside).sum()),
        offset=total,
        sigma=sigma,
        contrasts={
            name: {"coding": coding.name, "levels": list(coding.levels)}
            for name, coding in columns.codings.items()
        },
        variables=variables,
        notes=(
            *(n for n in columns.notes if not n.startswith(f"Column {written!r} ")),
            *(note for notes in columns.codes.values() for note in notes),
            *far_from_zero((X.names, X.matrix), *((made.names, made.Z) for made in random)),
        ),
        fixed=fixed,
        training=Training(
            parsed,
            structure,
            contrasts,
            weights if isinstance(weights, str) else None,
            _expression_of(offset, frame),
            columns.learned,
        ),
        trials=seen.trials,
        success=seen.success,
        solver=solver,
    )


def _expression_of(offset: str | ArrayLike | None, frame: pd.DataFrame) -> str | None:
    """The offset in the words that give that of other rows."""
    if offset is None:
        return None
    if not isinstance(offset, str) or offset == VALUES:
        return VALUES
    return f"`{offset}`" if offset in frame.columns else offset


def _refuse_residuals(made: RandomDesign, weights: NDArray[np.float64] | None) -> None:
    """Refuse terms of which no variance can be told from that of the residuals."""
    n, q = len(made.codes), len(made.levels)
    for part in made.parts:
        columns = list(part.columns)
        if len(columns) * q < n:
            continue
        structure = make_structure(part.structure, len(columns), part.settings)
        z = made.Z[:, columns]
        if weights is not None:
            z = z * np.sqrt(weights)[:, None]
        names = [made.names[j] for j in columns]
        refuse_residual(made.group, names, structure, z, made.codes, q)


# -- random effects -------------------------------------------------------------------------------
def random_designs(
    formula: Formula, structure: str, columns: TermColumns
) -> tuple[RandomDesign, ...]:
    """Amalgamate the random-effects terms of a formula, without asking whether data identify them.

    ``structure``: as for `build_design`. ``columns``: the rows used.
    """
    return _random_designs(formula, StructureChooser(formula, structure), columns)


def _random_designs(
    formula: Formula, chooser: StructureChooser, columns: TermColumns
) -> tuple[RandomDesign, ...]:
    designs = tuple(_random_design(chooser, columns, terms) for terms in terms_by_group(formula))
    chooser.finish()
    return designs


def _random_design(
    chooser: StructureChooser,
    columns: TermColumns,
    terms: list[RandomTerm],
) -> RandomDesign:
    factor = columns.grouping(terms[0].factors)
    matrices: list[NDArray[np.float64]] = []
    names: list[str] = []
    parts: list[TermPart] = []
    for term, reduced in kept_terms(chooser, terms):
        factor_name: str | None = None
        block = columns.random(term, reduced=reduced)
        choice = Choice("full", {})
        if not reduced:
            indicated = columns.indicated(term.intercept, term.terms)
            choice = chooser.choose(term, block.names, indicated)
            factor_name = indicated[0] if indicated else None
        for name in block.names:
            if name in names:
                raise ModelError(
                    f"The random effect {name!r} of {terms[0].group!r} is in the formula twice: "
                    "remove it from one term (write 0 + … to leave out an intercept)."
                )
            names.append(name)
        start = len(names) - len(block.names)
        own = tuple(range(start, len(names)))
        inner = columns.assigned(*((True, ()) if reduced else (term.intercept, term.terms)))
        parts.append(TermPart(own, choice.name, choice.settings, factor_name, inner.terms))
        matrices.append(block.matrix)
    Z = matrices[0] if len(matrices) == 1 else np.concatenate(matrices, axis=1)
    Z = np.ascontiguousarray(Z)
    return RandomDesign(terms[0].group, factor.levels, factor.codes, Z, tuple(names), tuple(parts))
