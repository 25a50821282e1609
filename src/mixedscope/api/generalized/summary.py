"""How a fitted generalised model is printed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from mixedscope.api.generalized.model import GeneralizedModel
from mixedscope.api.printing.document import Block, Figures, Formula, Paragraph, Table, Title
from mixedscope.core.result_table import p_text
from mixedscope.core.wording import counted
from mixedscope.inference.generalized import Approximation

__all__ = ["document"]


def document(
    model: GeneralizedModel,
    criteria: Mapping[str, float],
    variances: pd.DataFrame,
    coefficients: pd.DataFrame,
    dispersion: float | None,
    certificate: Mapping[str, Any],
    evaluations: int,
    checked: Approximation | None,
) -> list[Block]:
    """Put together what is printed of a fit, for any format."""
    family = model.family
    how = "Laplace" if family.is_canonical else f"Laplace, {model.information} information"
    if model.quadrature > 1:
        how = f"adaptive quadrature, {model.quadrature} points"
    numbers = [Figures("" if v != v else f"{v:.4f}") for v in criteria.values()]
    said = [] if dispersion is None else [f"{family.dispersion} {dispersion:.6g}"]
    return [
        Title(f"Generalized linear mixed model fit by maximum likelihood ({how})"),
        Formula(model.formula),
        Paragraph(", ".join([f"Family {family.name}", f"link {family.link.name}", *said])),
        Table(list(criteria), [numbers], 0),
        _variances(variances),
        Paragraph(_counts(model), indented=True),
        _coefficients(coefficients),
        *map(Paragraph, _remarks(model, certificate, evaluations)),
        *([] if checked is None else [Paragraph(_quality(checked))]),
    ]


def _variances(found: pd.DataFrame) -> Table:
    rows = []
    for kind, group, term, other, value in found.to_numpy(dtype=object).tolist():
        if kind == "sd":
            rows.append([group, term, Figures(f"{value**2:.6g}"), Figures(f"{value:.6g}"), ""])
        else:
            text = "NaN" if value != value else f"{value:+.2f}"
            rows.append([group, f"{term}, {other}", "", "", Figures(text)])
    return Table(["", "Column", "Variance", "Std.Dev.", "Corr."], rows, 2, "Variance components")


def _coefficients(table: pd.DataFrame) -> Table:
    rows = []
    columns = ["term", "estimate", "std_error", "statistic", "p_value"]
    for name, estimate, error, z, p in table[columns].to_numpy(dtype=object).tolist():
        known = error == error
        rows.append(
            [
                str(name),
                Figures(f"{estimate:.6g}"),
                Figures(f"{error:.6g}" if known else ""),
                Figures(f"{z:.2f}" if known else ""),
                Figures(p_text(p) if known else ""),
            ]
        )
    return Table(["", "Coef.", "Std. Error", "z", "Pr(>|z|)"], rows, 1, "Fixed-effects parameters")


def _counts(model: GeneralizedModel) -> str:
    levels = "; ".join(f"{r.group}, {len(r.levels)}" for r in model.design.random)
    return f"Number of obs: {len(model.design.y)}; levels of grouping factors: {levels}"


def _remarks(
    model: GeneralizedModel, certificate: Mapping[str, Any], evaluations: int
) -> list[str]:
    design = model.design
    remarks = []
    if design.success is not None:
        remarks.append(f"Success is {design.response} = {design.success}.")
    if model.dropped_coefficients:
        dropped = ", ".join(model.dropped_coefficients)
        remarks.append(f"Dropped, because X is rank-deficient: {dropped}.")
    if design.n_dropped:
        remarks.append(f"{counted(design.n_dropped, 'row')} with missing values left out.")
    if design.n_zero_weight:
        remarks.append(f"{counted(design.n_zero_weight, 'row')} of weight 0 left out.")
    if design.n_outside:
        remarks.append(f"{counted(design.n_outside, 'row')} outside of the subset left out.")
    remarks += design.notes
    remarks.append(
        f"{counted(evaluations, 'evaluation')}; {certificate['verdict']}. "
        f"{certificate.get('words', '')}".rstrip()
    )
    return remarks


def _quality(checked: Approximation) -> str:
    """Say how good the approximation is."""
    if checked.largest == 0.0:
        return "Without variances there is nothing to integrate: the likelihood is exact."
    said = (
        "The second-order term of the Laplace approximation would change -2 logLik by "
        f"{checked.correction:+.2g}, by {checked.largest:.2g} for {checked.group} {checked.level}, "
        "more than for any other."
    )
    if not checked.is_doubtful:
        return said
    return (
        f"{said} For one level that is much: the approximation is doubtful, and variances, with "
        "all that hangs on them, may be far off. There are few observations per level for so large "
        "a variance."
    )
