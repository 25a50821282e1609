"""The steps of the workflow on models with a family: the same path, and what its pages say."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.charts.registry import chart_kind
from mixedscope.core.errors import DataError, MixedscopeError
from mixedscope.tables.files import read_json
from mixedscope.tables.kinds.structures import STRUCTURES
from mixedscope.tables.kinds.tests import TESTS
from mixedscope.tables.table_files import read_table
from mixedscope.workflow import steps
from mixedscope.workflow.inference_plan import InferencePlan
from mixedscope.workflow.plan import Plan, make_plan
from mixedscope.workflow.report.pages import write_pages


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(12), 6)
    x = rng.normal(size=72)
    eta = 0.3 + 0.6 * x + rng.normal(size=12)[g]
    frame = pd.DataFrame({"g": [f"g{k:02d}" for k in g], "x": x, "count": rng.poisson(np.exp(eta))})
    frame["m"] = rng.integers(2, 9, size=72)
    frame["hit"] = rng.binomial(frame["m"], 1 / (1 + np.exp(-eta)))
    frame["miss"] = frame["m"] - frame["hit"]
    frame["yes"] = (rng.random(72) < 1 / (1 + np.exp(-eta))).astype(int)
    frame["w"] = 1.0
    # A level of which every response is 1.
    frame["f"] = np.where(np.arange(72) % 6 == 0, "c", np.where(np.arange(72) % 2 == 0, "a", "b"))
    frame.loc[frame["f"] == "c", "yes"] = 1
    return frame


def planned(frame: pd.DataFrame, **model: Any) -> Plan:
    frame.to_csv("d.csv", index=False)
    plan = make_plan(
        {
            "datasets": {"d": {"source": "d.csv"}},
            "models": {"m": {"dataset": "d", **model}},
            "charts": {"formats": ["svg"]},
        }
    )
    steps.prepare(spec=plan.parameters["datasets"]["d"], output=plan.data_file("m"))
    return plan


def fitted(plan: Plan) -> list[str]:
    paths = plan.fit_files("fit.json", model="m")
    for path in paths:
        steps.fit(
            data=plan.data_file("m"), output=path, name="m", model=plan.parameters["models"]["m"],
            structure=Path(path).parts[-3], optimizer=plan.parameters["optimizers"]["auto"],
            seed=0, keyframes=5,
        )  # fmt: skip
    steps.compare(fits=paths, output="results/compare/m/structures.parquet")
    return paths


def page(paths: list[str]) -> str:
    """What a reader sees of the page of the model."""
    write_pages(
        structures=["results/compare/m/structures.parquet"], captions=[], fits=paths,
        output="results/index.html", timing="results/timing.html",
    )  # fmt: skip
    text = Path("results/pages/m.html").read_text("utf-8")
    return " ".join(html.unescape(re.sub("<[^>]+>", " ", text)).split())


def test_fits_of_a_family_are_those_of_the_library(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = rows()
    formula = "cbind(hit, miss) ~ x + (1 + x | g)"
    plan = planned(frame, formula=formula, family="binomial", structures=["full", "zerocorr"])
    paths = fitted(plan)
    log = capsys.readouterr().out
    assert "Family binomial, link logit" in log
    for path, structure in zip(paths, ("full", "zerocorr"), strict=True):
        own = ms.glmer(formula, frame, structure=structure)
        info = read_json(path)
        assert info["objective"] == pytest.approx(own.objective, abs=1e-8)
        assert (info["family"], info["link"], info["sigma"]) == ("binomial", "logit", None)
        loaded = ms.load_fit(Path(path).parent)
        np.testing.assert_allclose(loaded.beta, own.beta, rtol=1e-6)
    table = read_table("results/compare/m/structures.parquet", STRUCTURES)
    assert table["sigma"].isna().all()
    assert 3 < table["edf"].iloc[1] <= table["edf"].iloc[0] + 0.5
    assert table["n_theta"].tolist() == [3, 2]
    (test,) = read_table("results/compare/m/tests.parquet", TESTS).to_dict("records")
    full, zerocorr = (ms.glmer(formula, frame, structure=s) for s in ("full", "zerocorr"))
    own = ms.lrtest(zerocorr, full).iloc[1]
    assert test["parameters"] == 1
    assert test["p_value"] == pytest.approx(own["p_value"], abs=1e-6)


def test_the_page_says_family_link_and_ratios_and_nothing_of_sigma(directory: Path) -> None:
    frame = rows()
    paths = fitted(planned(frame, formula="count ~ x + (1 | g)", family="nbinom2"))
    text = page(paths)
    fit = ms.glmer("count ~ x + (1 | g)", frame, "nbinom2")
    assert "72 observations, family nbinom2, link log, ML" in text
    assert "Generalized linear mixed model fit by maximum likelihood (Laplace" in text
    size = re.search(r"Family nbinom2, link log, size ([0-9.e+]+)\.", text)
    assert size is not None
    assert float(size[1]) == pytest.approx(fit.dispersion, rel=1e-4)
    ratio = re.search(r"Ratios of means Ratio 95 % from to x ([0-9.]+) ([0-9.]+) ([0-9.]+)", text)
    assert ratio is not None
    own = fit.fixed_effects(exponentiate=True).set_index("term").loc["x"]
    got = [float(part) for part in ratio.groups()]
    assert got == pytest.approx([own["estimate"], own["lower"], own["upper"]], rel=1e-4)
    for word in ("sigma", "Residual", "profiled", "REML criterion is"):
        assert word not in text


@pytest.mark.parametrize(
    ("link", "words"),
    [("logit", "Ratios of odds"), ("cloglog", "Ratios of hazards"), ("probit", None)],
)
def test_ratios_are_called_what_they_are(directory: Path, link: str, words: str | None) -> None:
    text = page(fitted(planned(rows(), formula="cbind(hit, miss) ~ x + (1 | g)", family="binomial",
                               link=link)))  # fmt: skip
    assert (words in text) if words else ("Ratios of" not in text)
    without = fitted(
        planned(rows(), formula="cbind(hit, miss) ~ 0 + x + (1 | g)", family="binomial", link=link)
    )
    # Without an intercept coefficients may be odds themselves.
    assert "Ratios of" not in page(without)


def test_what_follows_from_a_fit_is_that_of_the_library(directory: Path) -> None:
    frame = rows()
    formula = "count ~ x + f + (1 | g)"
    plan = planned(
        frame, formula=formula, family="poisson", profile=True, tests=["fb = fc"],
        bootstrap={"draws": 40, "batch": 20}, table={"formats": ["text"], "intervals": "profile"},
    )  # fmt: skip
    (path,) = fitted(plan)
    inference, own = InferencePlan(plan), ms.glmer(formula, frame, "poisson")
    beside = Path(path).with_name
    steps.tests(fit=path, settings=inference.settings("tests", "m"), output=beside("tests.parquet"))
    steps.profile(
        fit=path, estimates=[beside("estimates.parquet")],
        settings=inference.settings("profile", "m"), output=beside("profile.parquet"),
    )  # fmt: skip
    parts = []
    for batch in plan.config.models["m"].bootstrap.batches:  # type: ignore[union-attr]
        first, last = map(int, batch.split("-"))
        parts.append(str(beside(f"{batch}.parquet")))
        steps.fit_bootstrap_batch(fit=path, draws=[first, last + 1], seed=3, output=parts[-1])
    steps.fit_bootstrap(
        fit=path, batches=parts, settings=inference.interval_settings("m"),
        output=beside("bootstrap.parquet"),
    )  # fmt: skip
    Path("results/compare/m").mkdir(parents=True, exist_ok=True)
    steps.table(
        fits=[path], intervals=[str(beside("profile_intervals.parquet"))],
        settings=inference.printed_settings("m"), output=["results/compare/m/table.txt"],
    )  # fmt: skip

    tests = read_table(beside("tests.parquet"), "effect_tests")
    term = tests[(tests["kind"] == "term") & (tests["name"] == "f")].iloc[0]
    anova = own.anova().set_index("term").loc["f"]
    assert term["statistic"] == pytest.approx(anova["statistic"], rel=1e-5)
    assert set(tests["distribution"]) == {"normal", "chi-squared"}
    profiled = read_table(beside("profile_intervals.parquet"), "profile_intervals")
    wanted = own.confint(method="profile")
    np.testing.assert_allclose(profiled["lower"], wanted["lower"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(profiled["upper"], wanted["upper"], rtol=1e-4, atol=1e-4)
    drawn = read_table(beside("bootstrap_intervals.parquet"), "bootstrap_intervals")
    again = own.parametric_bootstrap(40, seed=3).confint()
    np.testing.assert_allclose(drawn["lower"], again["lower"], rtol=1e-4, atol=1e-5)
    printed = Path("results/compare/m/table.txt").read_text("utf-8")
    assert "(profile) in brackets" in printed
    assert "Residual" not in printed


BAD: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "counts that are not whole": (
        {"count": lambda d: d["count"] + 0.5},
        {"formula": "count ~ x + (1 | g)", "family": "poisson"},
        ["'count'", "whole numbers from 0 on", "row 1"],
    ),
    "counts below zero": (
        {"count": lambda d: d["count"] - 40},
        {"formula": "count ~ x + (1 | g)", "family": "nbinom2"},
        ["'count'", "whole numbers from 0 on"],
    ),
    "shares without trials": (
        {"yes": lambda d: d["hit"] / d["m"]},
        {"formula": "yes ~ x + (1 | g)", "family": "binomial"},
        ["'yes'", "0 or 1, or successes with their trials"],
    ),
    "numbers that are no shares": (
        {"yes": lambda d: d["yes"] + 1},
        {"formula": "yes ~ x + (1 | g)", "family": "binomial", "weights": "m"},
        ["'yes'", "between 0 and 1"],
    ),
    "all successes": (
        {"yes": 1},
        {"formula": "yes ~ x + (1 | g)", "family": "binomial"},
        ["'yes'", "is constant (1 in all 72 rows used)"],
    ),
    "no trials": (
        {"hit": lambda d: d["hit"].where(d.index != 3, 0), "miss":
         lambda d: d["miss"].where(d.index != 3, 0)},
        {"formula": "cbind(hit, miss) ~ x + (1 | g)", "family": "binomial"},
        ["cbind(hit, miss)", "must not both be 0", "row 4", "Leave such rows out"],
    ),
    "successes over no trials": (
        {"m": lambda d: d["m"].where(d.index != 3, 0)},
        {"formula": "hit / m ~ x + (1 | g)", "family": "binomial"},
        ["hit/m", "infinite", "row 4"],
    ),
    "more successes than trials": (
        {"hit": lambda d: d["m"] + 1},
        {"formula": "hit / m ~ x + (1 | g)", "family": "binomial"},
        ["'hit/m'", "between 0 and 1"],
    ),
    "weights below zero": (
        {"w": lambda d: d["w"].where(d.index != 2, -1.0)},
        {"formula": "count ~ x + (1 | g)", "family": "poisson", "weights": "w"},
        ["column 'w'", "not negative", "row 3", "-1"],
    ),
    "an offset that is not finite": (
        {"m": lambda d: d["m"].where(d.index != 2, 0)},
        {"formula": "count ~ x + (1 | g)", "family": "poisson", "offset": "log(m)"},
        ["log(m)"],
    ),
    "amounts of zero": (
        {"count": lambda d: d["count"].where(d.index != 2, 0)},
        {"formula": "count ~ x + (1 | g)", "family": "gamma"},
        ["'count'", "above 0"],
    ),
    "three categories": (
        {},
        {"formula": "f ~ x + (1 | g)", "family": "binomial"},
        ["'f'", "3 categories"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_responses_are_one_message(directory: Path, case: str) -> None:
    columns, model, words = BAD[case]
    plan = planned(rows().assign(**columns), **model)
    with pytest.raises(MixedscopeError) as caught:
        fitted(plan)
    assert isinstance(caught.value, DataError)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_separated_level_is_a_verdict_that_the_page_tells(directory: Path) -> None:
    paths = fitted(planned(rows(), formula="yes ~ x + f + (1 | g)", family="binomial"))
    certificate = read_json(paths[0])["certificate"]
    assert certificate["verdict"] == "at infinity"
    text = page(paths)
    assert "full, auto: at infinity" in text
    assert certificate["words"] in text
    assert "fc" in certificate["words"]


#: Studies that the explorer shows.
_LINKED = ("parameters", "motion", "stopping", "ledger", "panels", "landscape")


def test_profiles_and_draws_of_a_family_are_drawn_its_dispersion_among_them(
    directory: Path,
) -> None:
    plan = planned(
        rows(), formula="count ~ x + (1 | g)", family="nbinom2",
        profile={"pairs": [["x", "sd (Intercept) | g"]]}, bootstrap={"draws": 40},
    )  # fmt: skip
    (path,) = fitted(plan)
    inference, beside = InferencePlan(plan), Path(path).with_name
    steps.profile(
        fit=path, estimates=[beside("estimates.parquet")],
        settings=inference.settings("profile", "m"), output=beside("profile.parquet"),
    )  # fmt: skip
    steps.fit_bootstrap_batch(fit=path, draws=[0, 40], seed=3, output=beside("draws.parquet"))
    steps.fit_bootstrap(
        fit=path, batches=[str(beside("draws.parquet"))],
        settings=inference.interval_settings("m"), output=beside("bootstrap.parquet"),
    )  # fmt: skip
    for studies in plan.studies().values():
        steps.study(fit=path, studies={k: v for k, v in studies.items() if k in _LINKED})
    drawn = [c for c in plan.charts()["m"] if chart_kind(c).beside or c == "explorer"]
    assert {"ridge", "ridge2d", "zeta", "profiledensity", "profilepairs"} <= set(drawn)
    captions = [f"results/charts/m/{chart}.caption.json" for chart in drawn]
    steps.charts(
        fits=[path], shows=plan.shown("m", drawn), settings=plan.parameters["charts"],
        output=captions, formats=["svg"],
    )  # fmt: skip
    for chart in drawn:
        assert Path(f"results/charts/m/{chart}.svg").stat().st_size > 0
        caption = read_json(f"results/charts/m/{chart}.caption.json")
        assert "sigma" not in caption["title"] + caption["caption"]
