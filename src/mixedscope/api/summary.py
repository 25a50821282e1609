"""How a fit is printed: in the manner of lme4 and MixedModels.jl, as text and as HTML."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from mixedscope.api.printing import html as printing_html
from mixedscope.api.printing import text as printing_text
from mixedscope.api.printing.document import Block, Figures, Formula, Paragraph, Table, Title
from mixedscope.core.result_table import p_text
from mixedscope.core.vocabulary import CRITERION_NAMES
from mixedscope.core.wording import counted
from mixedscope.covariance.structure_names import structure_name
from mixedscope.design.variables import variable_words

__all__ = ["FIXED_EFFECTS", "document", "html", "remarks", "tables", "text", "title"]

_Table = tuple[list[str], list[list[str]]]

#: Exponentials of more are beyond floating-point numbers.
_LARGEST: Final = 709.0

FIXED_EFFECTS: Final = "Fixed effects"
"""Caption of the table of coefficients on a page."""


def text(info: Mapping[str, Any], estimates: pd.DataFrame) -> str:
    """Print a fit as text.

    Parameters
    ----------
    info : mapping
        Content of ``fit.json``.
    estimates : pandas.DataFrame
        Stored table ``estimates``.
    """
    return printing_text.write(document(info, estimates))


def html(info: Mapping[str, Any], estimates: pd.DataFrame) -> str:
    """Print a fit as HTML for notebooks; all names come from data and are escaped."""
    return printing_html.write(document(info, estimates))


def document(info: Mapping[str, Any], estimates: pd.DataFrame) -> list[Block]:
    """Put together what is printed of a fit, for any format."""
    return [
        Title(_title(info)),
        Formula(info["formula"]),
        *_family(info),
        _of_numbers(_criteria(info), 0),
        _of_numbers(_variance_components(info, estimates), 2, "Variance components"),
        Paragraph(_counts(info), indented=True),
        _of_numbers(_fixed_effects(estimates), 1, "Fixed-effects parameters"),
        *map(Paragraph, _remarks(info)),
    ]


def _of_numbers(table: _Table, left: int, caption: str = "") -> Table:
    """Give a table of which all but some columns at the left are numbers."""
    header, rows = table
    figured = [[*row[:left], *map(Figures, row[left:])] for row in rows]
    return Table(header, figured, left, caption)


def tables(info: Mapping[str, Any], estimates: pd.DataFrame) -> dict[str, _Table]:
    """Give the tables of a printed fit, with intervals of coefficients, for a page.

    Parameters
    ----------
    info : mapping
        Content of ``fit.json``.
    estimates : pandas.DataFrame
        Stored table ``estimates``.

    Returns
    -------
    dict of str to (list of str, list of list of str)
        By what they hold: their header and rows.
    """
    ratios = _ratios(info, estimates)
    return {
        FIXED_EFFECTS: _fixed_effects(estimates, intervals=True),
        **ratios,
        "Variance components": _variance_components(info, estimates),
    }


def remarks(info: Mapping[str, Any]) -> list[str]:
    """Give the sentences of a printed fit: counts, what is odd about it, how it ended."""
    family = [f"{words}." for words in _family_words(info)]
    return [*family, f"{_counts(info)}.", *_remarks(info)]


def title(info: Mapping[str, Any]) -> str:
    """Say what was fitted and how: the first line of a printed fit."""
    return _title(info)


def _title(info: Mapping[str, Any]) -> str:
    what, how = "Linear", "REML" if info["criterion"] == "REML" else "maximum likelihood"
    if info.get("family") is not None:
        what, how = "Generalized linear", f"{how} ({_approximated(info)})"
    name = structure_name(info)
    if info["structure"] == "full" and name not in ("full", "zerocorr"):
        return f"{what} mixed model fit by {how}, structures as in the formula"
    return f"{what} mixed model fit by {how}, structure {name}"


def _approximated(info: Mapping[str, Any]) -> str:
    """Say how the likelihood of a generalised model was approximated."""
    if info["quadrature"] == 0:
        return "Laplace, fixed effects of the penalised criterion"
    if info["quadrature"] > 1:
        return f"adaptive quadrature, {info['quadrature']} points"
    from mixedscope.families.registry import make_family  # which linear models do not load

    is_canonical = make_family(info["family"], info["link"]).is_canonical
    return "Laplace" if is_canonical else f"Laplace, {info['information']} information"


def _family(info: Mapping[str, Any]) -> list[Block]:
    """The family of a generalised model, as a paragraph."""
    return [Paragraph(words) for words in _family_words(info)]


def _family_words(info: Mapping[str, Any]) -> list[str]:
    """The family of a generalised model in words, none of a linear one."""
    if info.get("family") is None:
        return []
    made = info["dispersion"]
    said = [] if made is None else [f"{made['name']} {made['value']:.6g}"]
    return [", ".join([f"Family {info['family']}", f"link {info['link']}", *said])]


#: What exponentials of coefficients are, by the link and whether the mean is a probability.
_RATIOS: Final = {
    ("logit", True): "Ratios of odds",
    ("log", True): "Ratios of probabilities",
    ("cloglog", True): "Ratios of hazards",
    ("log", False): "Ratios of means",
}


def _ratios(info: Mapping[str, Any], estimates: pd.DataFrame) -> dict[str, _Table]:
    """Fixed effects but for the intercept as ratios, of families whose link is logarithmic."""
    caption = _RATIOS.get((str(info.get("link")), info.get("family") == "binomial"))
    # Without an intercept a coefficient may be the logarithm of odds or of a mean itself.
    if info.get("family") is None or caption is None or "(Intercept)" not in info["fixed_names"]:
        return {}
    beta = estimates[(estimates["kind"] == "beta") & (estimates["term"] != "(Intercept)")]
    columns = ["term", "estimate", "lower", "upper"]
    rows = [
        [str(name), *(f"{math.inf if v > _LARGEST else math.exp(v):.6g}" for v in values)]
        for name, *values in beta[columns].to_numpy(dtype=object).tolist()
    ]
    return {caption: (["", "Ratio", "95 % from", "to"], rows)} if rows else {}


def _criteria(info: Mapping[str, Any]) -> _Table:
    first = {**CRITERION_NAMES, "ML": "-2 logLik"}[info["criterion"]]
    aicc = "" if info["aicc"] is None else f"{info['aicc']:.4f}"
    return (
        ["logLik", first, "AIC", "AICc", "BIC"],
        [
            [f"{info['loglik']:.4f}", f"{info['objective']:.4f}", f"{info['aic']:.4f}"]
            + [aicc, f"{info['bic']:.4f}"]
        ],
    )


def _variance_components(info: Mapping[str, Any], estimates: pd.DataFrame) -> _Table:
    sds = estimates[estimates["kind"] == "sd"]
    correlations = estimates[estimates["kind"] == "correlation"]
    widest = max(len(r["names"]) for r in info["random"])
    has_correlations = len(correlations) > 0
    header = ["", "Column", "Variance", "Std.Dev."]
    header += ["Corr."] + [""] * (widest - 2) if has_correlations else []
    rows = []
    for random in info["random"]:
        group = random["group"]
        for i, name in enumerate(random["names"]):
            sd = float(sds[(sds["group"] == group) & (sds["term"] == name)]["estimate"].iloc[0])
            row = ["" if i else group, name, f"{sd**2:.6g}", f"{sd:.6g}"]
            for other in random["names"][:i] if has_correlations else []:
                found = correlations[
                    (correlations["group"] == group)
                    & (correlations["term"] == other)
                    & (correlations["term2"] == name)
                ]["estimate"]
                value = found.iloc[0] if len(found) else None
                row.append("." if value is None else "NaN" if value != value else f"{value:+.2f}")
            rows.append(row + [""] * (len(header) - len(row)))
    if info.get("family") is not None:
        return header, rows
    sigma = float(estimates.loc[estimates["kind"] == "sigma", "estimate"].iloc[0])
    row = ["Residual", "", f"{sigma**2:.6g}", f"{sigma:.6g}"]
    return header, [*rows, row + [""] * (len(header) - len(row))]


def _fixed_effects(estimates: pd.DataFrame, *, intervals: bool = False) -> _Table:
    rows = []
    columns = ["term", "estimate", "std_error", "statistic", "p_value", "lower", "upper"]
    beta = estimates.loc[estimates["kind"] == "beta", columns]
    for name, estimate, error, statistic, p, *ends in beta.to_numpy(dtype=object).tolist():
        rows.append(
            [
                str(name),
                f"{estimate:.6g}",
                _known(error, "{:.6g}"),
                *([_known(end, "{:.6g}") for end in ends] if intervals else []),
                _known(statistic, "{:.2f}"),
                p_text(p) if p == p else "",
            ]
        )
    between = ["95 % from", "to"] if intervals else []
    return ["", "Coef.", "Std. Error", *between, "z", "Pr(>|z|)"], rows


def _known(value: float, format: str) -> str:
    """A number, or nothing where there is none."""
    return format.format(value) if value == value else ""


def _counts(info: Mapping[str, Any]) -> str:
    groups = info["dimensions"]["groups"]
    levels = "; ".join(f"{g}, {v['levels']}" for g, v in groups.items())
    return f"Number of obs: {info['dimensions']['n']}; levels of grouping factors: {levels}"


def _remarks(info: Mapping[str, Any]) -> list[str]:
    remarks = []
    if info.get("success") is not None:
        remarks.append(f"Success is {info['response']} = {info['success']}.")
    dropped = info["dropped_coefficients"]
    if dropped:
        remarks.append(f"Dropped, because X is rank-deficient: {', '.join(dropped)}.")
    if info.get("subset") is not None:
        remarks.append(
            f"Rows where {info['subset']}: {info['dataset'].get('n_outside', 0)} others left out."
        )
    if info.get("offset") is not None:
        remarks.append(f"Offset: {info['offset']}.")
    missing = info["dataset"]["n_dropped"]
    if missing:
        remarks.append(f"{_rows(missing, 'with missing values')} dropped.")
    weightless = info["dataset"].get("n_zero_weight", 0)
    if weightless:
        remarks.append(f"{_rows(weightless, 'of weight 0')} left out.")
    variables = variable_words(info.get("variables", {}))
    if variables:
        remarks.append(variables)
    remarks.extend(info.get("notes", []))
    known = info.get("known_sigma")
    if known is not None:
        remarks.append(f"The residual standard deviation is known, {known:g}, and not estimated.")
    one_more = known is None if info.get("family") is None else info["dispersion"] is not None
    total = len(info["fixed_names"]) + len(info["theta_names"]) + one_more
    if info["dof"] < total:
        remarks.append(
            f"Degrees of freedom: {info['dof']} of {total} parameters, as many as the data "
            "determine; AIC, AICc and BIC count these."
        )
    for random in info["random"]:
        for part in random["parts"]:
            if part["structure"] not in ("full", "zerocorr") and "n_theta" in part:
                columns = [random["names"][c] for c in part["columns"]]
                rank = f" of rank {part['settings']['d']:g}" if "d" in part["settings"] else ""
                remarks.append(
                    f"Structure of {random['group']}, {columns[0]} to {columns[-1]}: "
                    f"{part['structure']}{rank}, {counted(part['n_theta'], 'parameter')}."
                )
    for term in info["singular"]:
        if term["singular"]:
            remarks.append(
                f"Singular: {term['group']} has rank {term['rank']} of {term['size']}; "
                f"{term['collapsed']}."
            )
    if info.get("quadrature") == 0:
        remarks.append(
            "Fixed effects minimise the penalised criterion together with the conditional modes "
            "(nAGQ = 0), not the likelihood; their standard errors take covariances as known."
        )
    if info.get("solver") == "iterative":
        remarks.append("Solved by conjugate gradients, as solver='iterative' asks for.")
    if "sparse" in info:
        why = info["sparse"] and f" chose by itself: it has {info['sparse']}"
        remarks.append(
            f"Solved by one sparse factor, exactly, which solver={'auto' if why else 'sparse'!r}"
            f"{why or ' asks for'}."
        )
    optimizer = info["optimizer"]
    words = info["certificate"].get("words", "")
    remarks.append(
        f"Optimiser {optimizer['name']}: {counted(optimizer['evaluations'], 'evaluation')}; "
        f"{info['certificate']['verdict']}. {words}".rstrip()
    )
    if info.get("approximation") is not None:
        remarks.append(_quality(info["approximation"]))
    return remarks


def _quality(near: Mapping[str, Any]) -> str:
    """Say how good the Laplace approximation is."""
    if near["largest"] == 0.0:
        return "Without variances there is nothing to integrate: the likelihood is exact."
    said = (
        "The second-order term of the Laplace approximation would change -2 logLik by "
        f"{near['correction']:+.2g}, by {near['largest']:.2g} for {near['group']} "
        f"{near['level']}, more than for any other."
    )
    shift = near.get("shift")
    if shift is not None:
        said += (
            f" One Newton step towards quadrature moves {near['parameter']} by {shift:+.2g} "
            "standard errors, and no other estimate further."
        )
    if not near["doubtful"]:
        return said
    advice = " Fit with quadrature (nAGQ=9)." if shift is not None else ""
    return (
        f"{said} That is much: the approximation is doubtful, and variances, with all that hangs "
        f"on them, may be far off. There are few observations per level for so large a variance."
        f"{advice}"
    )


def _rows(count: int, which: str) -> str:
    return f"{counted(count, 'row')} {which} {'was' if count == 1 else 'were'}"
