"""Tests, influence and intervals that a configuration asks for, as stored beside a fit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import ConfigError, ModelError, UnsuitedError
from mixedscope.inference.bootstrap.ends import fewest_draws
from mixedscope.inference.diagnostics.deletions import METHODS
from mixedscope.inference.hypotheses.methods import DF_METHODS
from mixedscope.inference.hypotheses.terms import TYPES
from mixedscope.tables.table_files import read_table
from mixedscope.workflow import steps
from mixedscope.workflow.config import inference as keys
from mixedscope.workflow.config.model import validate_config
from mixedscope.workflow.inference_plan import InferencePlan
from mixedscope.workflow.plan import make_plan

FORMULA = "y ~ 1 + x + f + (1 + x | g)"


def data(noise: float = 1.0) -> pd.DataFrame:
    """Lines of groups; exactly those where there is no noise."""
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(9), 6)
    x = np.tile(np.arange(6.0), 9)
    y = 2.0 * rng.normal(size=9)[g] + (1.0 + rng.normal(size=9)[g]) * x
    frame = pd.DataFrame({"y": y + noise * rng.normal(size=54), "x": x})
    return frame.assign(f=np.array(["a", "b", "c"])[g % 3], g=[f"g{i}" for i in g])


def content(**model: Any) -> dict[str, Any]:
    return {
        "datasets": {"d": {"source": "d.csv"}},
        "models": {"m": {"dataset": "d", "formula": FORMULA, **model}},
    }


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fitted(frame: pd.DataFrame, **model: Any) -> tuple[InferencePlan, list[str]]:
    """Take a model through the steps to its fits; give the plan and their ``fit.json``."""
    frame.to_csv("d.csv", index=False)
    plan = make_plan(content(**model))
    steps.prepare(spec=plan.parameters["datasets"]["d"], output=plan.data_file("m"))
    fits = plan.fit_files("fit.json", model="m", shows="structures")
    for path in fits:
        steps.fit(
            data=plan.data_file("m"), output=path, name="m", model=plan.parameters["models"]["m"],
            structure=Path(path).parts[-3], optimizer=plan.parameters["optimizers"]["auto"],
            seed=0, keyframes=5,
        )  # fmt: skip
    return InferencePlan(plan), fits


def fault(**model: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        validate_config(content(**model))
    return str(caught.value)


def test_planning_knows_the_names_of_what_computes() -> None:
    assert keys.TYPES == TYPES
    assert tuple(DF_METHODS) == keys.DF
    assert set(keys.METHODS) == set(METHODS)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"tests": {"df": "satterthwaitte"}}, ["models.m.tests.df", "'satterthwaite'"]),
        ({"tests": {"type": "IV"}}, ["models.m.tests.type", "Known: I, II, III"]),
        ({"tests": {"df": "kenward-roger"}}, ["models.m.tests.df", "criterion: REML"]),
        ({"tests": {"hypothesis": ["x"]}}, ["models.m.tests.hypothesis", "'hypotheses'"]),
        ({"tests": [" "]}, ["models.m.tests.hypotheses", "is empty"]),
        ({"tests": ["x", "x"]}, ["models.m.tests.hypotheses", "twice"]),
        ({"influence": ["gg"]}, ["models.m.influence.by", "'g'"]),
        ({"influence": {"method": "newtin"}}, ["models.m.influence.method", "'newton'"]),
        ({"influence": ["g", "g"]}, ["models.m.influence.by", "twice"]),
        ({"bootstrap": {"draws": 38}}, ["models.m.bootstrap", "at least 39 draws"]),
        ({"bootstrap": {"interval": "shortst"}}, ["models.m.bootstrap.interval", "'shortest'"]),
        ({"profile": ["sd x | gg"]}, ["models.m.profile", "'g'"]),
        ({"profile": ["beta"], "criterion": "REML"}, ["models.m.profile", "criterion: ML"]),
        ({"profile": {"pairs": [["sigma"]]}}, ["models.m.profile.pairs"]),
        ({"profile": {"pairs": [["sigma", "sigma"]]}}, ["models.m.profile.pairs", "twice"]),
        ({"profile": []}, ["models.m.profile.parameters"]),
        ({"table": {"intervals": "profil"}}, ["models.m.table.intervals", "'profile'"]),
        ({"table": {"intervals": "profile"}}, ["models.m.table.intervals", "key 'profile'"]),
        (
            {"table": {"intervals": "profile", "level": 0.9}, "profile": True},
            ["models.m.table.level", "0.95"],
        ),
        ({"table": "htm"}, ["models.m.table.formats", "'html'"]),
        ({"bootstrap": 0}, ["models.m.bootstrap.draws"]),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(model: dict[str, Any], words: Any) -> None:
    text = fault(**model)
    for word in words:
        assert word in text


def test_keys_may_be_written_short() -> None:
    model = validate_config(
        content(bootstrap=500, tests=["x = 1"], influence="g", structures=["full"])
    ).models["m"]
    assert model.bootstrap is not None
    assert model.bootstrap.draws == 500
    assert model.tests is not None
    assert model.tests.hypotheses == ["x = 1"]
    assert model.influence is not None
    assert model.influence.by == ["g"]
    assert validate_config(content(tests=True)).models["m"].tests == keys.TestsConfig()
    assert validate_config(content(tests=False)).models["m"].tests is None


def test_the_fewest_draws_are_enough() -> None:
    # One fewer and the position (m + 1) p of the end is not among the order statistics.
    for level in (0.5, 0.9, 0.95, 0.99):
        tail = 0.5 * (1.0 - level)
        assert (fewest_draws(level) + 1) * tail >= 1.0 - 1e-9 > fewest_draws(level) * tail - 1e-9


def test_nothing_is_planned_that_is_not_asked_for() -> None:
    assert InferencePlan(make_plan(content())).table_files() == []
    two = make_plan(
        {
            **content(tests=True, structures=["full", "zerocorr"], optimizers=["a", "b"]),
            "optimizers": {"a": {}, "b": {"backend": "pybobyqa"}},
        }
    )
    # Of the first optimiser, under every structure; the parameters of fits stay what they were.
    assert InferencePlan(two).table_files() == [
        f"results/fits/m/{structure}/a/tests.parquet" for structure in ("full", "zerocorr")
    ]
    assert "tests" not in two.parameters["models"]["m"]


def test_stored_tests_are_those_of_the_fit(directory: Path) -> None:
    asked = {"type": "II", "df": "kenward-roger", "hypotheses": ["fb = fc", "fb, fc = 1"]}
    plan, (fit,) = fitted(data(), criterion="REML", tests=asked)
    output = Path(fit).with_name("tests.parquet")
    steps.tests(fit=fit, settings=plan.settings("tests", "m"), output=output)
    table = read_table(output, "effect_tests")
    own = ms.load_fit(Path(fit).parent)
    rows = {kind: part.reset_index(drop=True) for kind, part in table.groupby("kind")}
    effects = own.fixed_effects(df="kenward-roger")
    same = ["estimate", "std_error", "lower", "upper", "statistic", "p_value"]
    np.testing.assert_allclose(rows["coefficient"][same], effects[same], rtol=1e-12)
    np.testing.assert_allclose(rows["coefficient"]["den_df"], effects["df"], rtol=1e-12)
    terms = own.anova(type="II", df="kenward-roger")
    assert rows["term"]["name"].tolist() == terms["term"].tolist() == ["x", "f"]
    joint = ["num_df", "den_df", "statistic", "p_value"]
    np.testing.assert_allclose(rows["term"][joint], terms[joint].astype(float), rtol=1e-12)
    single = own.test("fb = fc", df="kenward-roger", joint=False)
    both = own.test("fb, fc = 1", df="kenward-roger")
    hypotheses = rows["hypothesis"]
    assert hypotheses["name"].tolist() == [single["hypothesis"][0], both["hypothesis"][0]]
    np.testing.assert_allclose(
        hypotheses.loc[0, same].astype(float), single.loc[0, same].astype(float)
    )
    np.testing.assert_allclose(
        hypotheses.loc[1, joint].astype(float), both.loc[0, joint].astype(float)
    )
    assert hypotheses["distribution"].tolist() == ["t", "F"]
    assert table["type"].dropna().unique().tolist() == ["II"]
    assert output.with_suffix(".csv").read_text("utf-8").count("\n") == len(table) + 1


def test_large_sample_tests_say_so(directory: Path) -> None:
    plan, (fit,) = fitted(data(), tests={"df": "none"})
    output = Path(fit).with_name("tests.parquet")
    steps.tests(fit=fit, settings=plan.settings("tests", "m"), output=output)
    table = read_table(output, "effect_tests")
    assert set(table["distribution"]) == {"normal", "chi-squared"}
    assert np.isinf(table["den_df"]).all()


def test_a_hypothesis_about_no_coefficient_names_its_key(directory: Path) -> None:
    plan, (fit,) = fitted(data(), tests=["fd = 0"])
    with pytest.raises(ModelError, match=r"models\.m\.tests.*fd"):
        steps.tests(fit=fit, settings=plan.settings("tests", "m"), output="tests.parquet")


def test_stored_influence_is_that_of_the_fit(directory: Path) -> None:
    frame = data()
    frame.loc[7, "y"] = np.nan
    plan, (fit,) = fitted(frame, influence={"by": ["g", "f", "observation"], "method": "fixed"})
    output = Path(fit).with_name("influence.parquet")
    settings = plan.settings("influence", "m")
    steps.influence(fit=fit, settings=settings, observation=keys.OBSERVATION, output=output)
    table = read_table(output, "influence")
    own = ms.load_fit(Path(fit).parent)
    assert table.groupby("by", dropna=False, sort=False).size().tolist() == [9, 3, 53]
    for by in ("g", "f", None):
        part = table[table["by"].isna() if by is None else table["by"] == by]
        found = own.influence(by, method="fixed")
        np.testing.assert_allclose(part["cooks_distance"], found.cooks_distance, rtol=1e-12)
        assert part["unit"].tolist() == [str(unit) for unit in found.units]
    observations = table[table["by"].isna()]
    assert 7 not in observations["row"].tolist()
    assert observations["row"].max() == 53
    parameters = read_table(
        output.with_name("influence_parameters.parquet"), "influence_parameters"
    )
    assert (
        len(parameters)
        == len(table) * parameters.groupby(["kind", "group", "term", "term2"], dropna=False).ngroups
    )
    assert output.with_name("influence_parameters.csv").is_file()


def test_fits_without_residual_variance_keep_the_reason(directory: Path) -> None:
    plan, (fit,) = fitted(data(noise=0.0), tests=True, influence=["g", "observation"])
    for key, kind in (("tests", "effect_tests"), ("influence", "influence")):
        output = Path(fit).with_name(f"{key}.parquet")
        more = {"observation": keys.OBSERVATION} if key == "influence" else {}
        getattr(steps, key)(fit=fit, settings=plan.settings(key, "m"), output=output, **more)
        table = read_table(output, kind)
        assert len(table) == 0
        assert table.attrs["skipped"]["study"] == key
        assert table.attrs["skipped"]["reason"]


def test_a_new_fit_removes_what_was_said_of_the_old(directory: Path) -> None:
    plan, (fit,) = fitted(data(), tests=True)
    output = Path(fit).with_name("tests.parquet")
    steps.tests(fit=fit, settings=plan.settings("tests", "m"), output=output)
    fitted(data(), tests=True)
    assert not output.exists()
    assert not output.with_suffix(".csv").exists()


def bootstrapped(plan: InferencePlan, fit: str, batches: list[tuple[int, int]]) -> Path:
    """Take a fit through its bootstrap, in jobs of these draws; the order of parts is turned."""
    parts = []
    for draws in batches:
        parts.append(Path(fit).with_name("bootstrap") / f"{draws[0]}-{draws[1] - 1}.parquet")
        seed = plan.bootstrap_seed("m")
        steps.fit_bootstrap_batch(fit=fit, draws=draws, seed=seed, output=parts[-1])
    output = Path(fit).with_name("bootstrap.parquet")
    settings = plan.interval_settings("m")
    steps.fit_bootstrap(fit=fit, batches=parts[::-1], settings=settings, output=output)
    return output


def test_bootstraps_are_the_same_bytes_however_many_jobs_draw(directory: Path) -> None:
    asked = {"draws": 60, "level": 0.9, "interval": "basic", "seed": 4}
    plan, (fit,) = fitted(data(), bootstrap=asked)
    output = bootstrapped(plan, fit, [(0, 60)])
    one = output.read_bytes()
    ends = output.with_name("bootstrap_intervals.csv").read_bytes()
    assert bootstrapped(plan, fit, [(0, 7), (7, 50), (50, 60)]).read_bytes() == one
    assert output.with_name("bootstrap_intervals.csv").read_bytes() == ends
    # They are what a user of the fit draws, and what their fit finds stored.
    own = ms.load_fit(Path(fit).parent)
    draws = ms.LinearMixedModel(FORMULA, read_table(plan.plan.data_file("m"), "data")).fit()
    drawn = draws.parametric_bootstrap(60, seed=4)
    stored = read_table(output.with_name("bootstrap_intervals.parquet"), "bootstrap_intervals")
    for found in (drawn.confint(0.9, "basic"), own.confint(0.9, "bootstrap", interval="basic")):
        np.testing.assert_allclose(stored[["lower", "upper"]], found[["lower", "upper"]], rtol=1e-6)
    assert set(stored["interval"]) == {"basic"}
    assert set(stored["method"]) == {"bootstrap"}
    assert set(stored["level"]) == {0.9}


def test_batches_of_a_bootstrap_cover_its_draws() -> None:
    plan = InferencePlan(make_plan(content(bootstrap={"draws": 520, "batch": 250})))
    files = plan.bootstrap_files("here", "m")
    assert [Path(file).stem for file in files] == ["0-249", "250-499", "500-519"]
    other = InferencePlan(make_plan(content(bootstrap={"draws": 40, "of": ["tests"]})))
    assert other.table_files() == []
    assert other.plan.bootstrap_files("m")
    intervals = make_plan(content(bootstrap={"draws": 40, "of": ["intervals"]}))
    assert intervals.bootstrap_files("m") == []


def test_stored_profiles_are_those_of_the_fit(directory: Path) -> None:
    asked = {"parameters": ["sd", "correlation"], "pairs": [["sigma", "sd x | g"]], "level": 0.9}
    plan, fits = fitted(data(), profile=asked, structures=["full", "zerocorr"])
    estimates = [str(Path(fit).with_name("estimates.parquet")) for fit in fits]
    for fit, kinds in zip(fits, (["sd", "correlation"], ["sd"]), strict=True):
        output = Path(fit).with_name("profile.parquet")
        settings = plan.settings("profile", "m")
        steps.profile(fit=fit, estimates=estimates, settings=settings, output=output)
        # A structure without correlations has none to be profiled, and that is no fault.
        found = read_table(output.with_name("profile_intervals.parquet"), "profile_intervals")
        assert list(dict.fromkeys(found["kind"])) == kinds
        assert set(found["method"]) == {"profile"}
        own = ms.load_fit(Path(fit).parent)
        ends = own.profile(kinds, levels=[0.9, 0.95, 0.99]).confint(0.9)
        np.testing.assert_allclose(found["lower"], ends["lower"], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(found["upper"], ends["upper"], rtol=1e-6, atol=1e-6)
        contours = read_table(output.with_name("profile_pairs.parquet"), "profile_pairs")
        assert set(contours["x_kind"]) == {"sigma"}
        assert contours["level"].nunique() == 3
        assert len(contours.attrs["parameters"]) == len(contours["estimates"][0])


def test_a_parameter_that_no_structure_has_names_its_key(directory: Path) -> None:
    plan, (fit,) = fitted(data(), profile=["sd z | g"])
    estimates = [str(Path(fit).with_name("estimates.parquet"))]
    with pytest.raises(ModelError, match=r"models\.m\.profile: .*'sd z \| g'.*'sd x \| g'"):
        steps.profile(
            fit=fit, estimates=estimates, settings=plan.settings("profile", "m"), output="p.parquet"
        )


def test_the_library_refuses_what_the_workflow_leaves_out_in_the_same_words(
    directory: Path,
) -> None:
    plan, (fit,) = fitted(data(noise=0.0), bootstrap=40)
    bootstrapped(plan, fit, [(0, 40)])
    stored = read_table(Path(fit).with_name("bootstrap.parquet"), "bootstrap")
    reason = stored.attrs["skipped"]["reason"]
    loaded = ms.load_fit(Path(fit).parent)
    for call in (
        lambda: loaded.parametric_bootstrap(10),
        lambda: loaded.confint(method="bootstrap", draws=10),
    ):
        with pytest.raises(UnsuitedError) as caught:
            call()
        assert str(caught.value) == reason
    # Parameters of one's own are something to draw from.
    given = loaded.theta / np.abs(loaded.theta).max()
    assert len(loaded.parametric_bootstrap(2, sigma=1.0, theta=given)) == 2


def test_what_cannot_be_profiled_or_drawn_keeps_the_reason(directory: Path) -> None:
    plan, (fit,) = fitted(data(noise=0.0), profile={"pairs": True}, bootstrap=40)
    output = Path(fit).with_name("profile.parquet")
    estimates = [str(Path(fit).with_name("estimates.parquet"))]
    steps.profile(
        fit=fit, estimates=estimates, settings=plan.settings("profile", "m"), output=output
    )
    bootstrapped(plan, fit, [(0, 20), (20, 40)])
    for name in plan.tables("m"):
        table = read_table(output.with_name(f"{name}.parquet"), name)
        assert len(table) == 0, name
        assert table.attrs["skipped"]["reason"]


@pytest.mark.parametrize("method", [None, "profile", "satterthwaite"])
def test_printed_structures_are_those_of_the_library(directory: Path, method: str | None) -> None:
    asked = {"formats": ["text", "html", "word"], "intervals": method}
    structures = ["full", "zerocorr"]
    plan, fits = fitted(data(), table=asked, profile={"level": 0.9}, structures=structures)
    estimates = [str(Path(fit).with_name("estimates.parquet")) for fit in fits]
    if method == "profile":
        for fit in fits:
            output = Path(fit).with_name("profile.parquet")
            settings = plan.settings("profile", "m")
            steps.profile(fit=fit, estimates=estimates, settings=settings, output=output)
    settings = plan.printed_settings("m")
    files = plan.printed_files("m")
    steps.table(fits=fits, intervals=plan.printed_intervals("m"), settings=settings, output=files)
    own = {s: ms.load_fit(Path(f).parent) for s, f in zip(structures, fits, strict=True)}
    level = 0.9 if method == "profile" else 0.95
    wanted = ms.table(own, intervals=method, level=level)
    assert Path(files[0]).read_text("utf-8") == str(wanted)
    assert [Path(file).suffix for file in files] == [".txt", ".html", ".docx"]
    assert all(Path(file).stat().st_size > 0 for file in files)


def test_a_table_without_its_intervals_says_why(directory: Path) -> None:
    plan, fits = fitted(data(noise=0.0), table={"intervals": "satterthwaite", "formats": ["text"]})
    files = plan.printed_files("m")
    steps.table(fits=fits, intervals=[], settings=plan.printed_settings("m"), output=files)
    said = " ".join(Path(files[0]).read_text("utf-8").split())
    # Which of both is found first depends on how the vanishing variance is rounded.
    reasons = ("degrees of freedom. Ask for df='none'.", "that cannot be computed at this fit")
    _, told = said.split("full: no intervals: ")
    assert any(reason in told for reason in reasons)


def test_the_page_of_a_model_shows_what_follows_from_its_fits(directory: Path) -> None:
    asked = {
        "tests": ["x = 1"],
        "influence": ["observation", "g"],
        "table": ["html", "latex"],
        "bootstrap": 40,
    }
    plan, (fit,) = fitted(data(), **asked)
    beside = Path(fit).parent
    settings = plan.settings("tests", "m")
    steps.tests(fit=fit, settings=settings, output=beside / "tests.parquet")
    steps.influence(
        fit=fit,
        settings=plan.settings("influence", "m"),
        observation=keys.OBSERVATION,
        output=beside / "influence.parquet",
    )
    bootstrapped(plan, fit, [(0, 40)])
    printed = plan.printed_files("m")
    steps.table(fits=[fit], intervals=[], settings=plan.printed_settings("m"), output=printed)
    compared = "results/compare/m/structures.parquet"
    steps.compare(fits=[fit], output=compared)
    steps.index(
        structures=[compared], captions=[], together=[], fits=[fit],
        inference=plan.table_files("m"), printed=printed, output="results/index.html",
        timing="results/timing.html", report=[],
    )  # fmt: skip
    page = Path("results/pages/m.html").read_text("utf-8")
    for words in (
        "Tests, degrees of freedom: satterthwaite",
        "maximum likelihood: variances are not corrected for the fixed effects",
        "Influence of observations, by one Newton step, the 5 largest of 54",
        "Influence of levels of g, by one Newton step, the 5 largest of 9",
        '<th scope="row" class="name">hypothesis</th>',
        "Bootstrap intervals, 95\u00a0%, percentile, 40 draws",
        "<h2>Side by side</h2>",
        "../compare/m/table.tex",
        "../fits/m/full/auto/tests.csv",
        "../fits/m/full/auto/bootstrap.parquet",
    ):
        assert words in page, words
    assert "bootstrap.csv" not in page
    influence = read_table(beside / "influence.parquet", "influence")
    groups = influence[influence["by"] == "g"].sort_values("cooks_distance", ascending=False)
    section = page[page.index("Influence of levels of g") :]
    shown = re.findall(
        r'<th scope="row" class="name">(.+?)</th>\s*<td>6</td><td>(.+?)</td>', section
    )
    assert [unit for unit, _ in shown] == groups["unit"].head(5).tolist()
    assert [float(d) for _, d in shown] == pytest.approx(groups["cooks_distance"].head(5), rel=5e-3)
    # The table for papers is the one that is linked.
    assert "Standard errors in parentheses." in page
