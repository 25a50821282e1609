"""What charts are drawn from: fits one after the other or in a list, and what functions made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import pytest
from bad_input import build, message_of

import mixedscope as ms
from mixedscope.charts.common.options import Options
from mixedscope.charts.common.render import Figure
from mixedscope.charts.common.source import as_tables, made_tables, with_group
from mixedscope.charts.registry import ChartSpec
from mixedscope.core.errors import ModelError
from mixedscope.tables.table_files import conformed, write_table

#: Charts of one or more fits; panels show the first alone.
OF_FITS = ["shrinkage", "dumbbell", "trace", "stopping", "ledger", "pooling", "principal"]

#: Charts of what a function made, with what makes it.
OF_RESULTS = {
    "race": "model.race(",
    "efficiency": "ms.efficiency(",
    "crossvalidation": "ms.cross_validate(",
    "ladder": "ms.ladder(",
    "means": "fit.means(",
}


@pytest.fixture(scope="module")
def model() -> ms.LinearMixedModel:
    return build()


@pytest.fixture(scope="module")
def fits(model: ms.LinearMixedModel) -> list[ms.Fit]:
    return [model.fit(), build(structure="zerocorr").fit()]


@pytest.fixture(scope="module")
def made(model: ms.LinearMixedModel, fits: list[ms.Fit]) -> dict[str, Any]:
    return {
        "race": model.race(["auto", "bfgs"], starts=1),
        "efficiency": ms.efficiency(fits, draws=20),
        "crossvalidation": ms.cross_validate(model, structures=["zerocorr"], schemes=["new"]),
        "ladder": ms.ladder(fits),
        "means": fits[0].means("x"),
        "phases": ms.phase_tables(fits),
    }


@pytest.mark.parametrize("name", [*OF_FITS, "theta"])
def test_fits_one_after_the_other_are_drawn_side_by_side(name: str, fits: list[ms.Fit]) -> None:
    both, one = (getattr(ms.charts, name)(*some) for some in (fits, fits[:1]))
    specs = [getattr(drawn, "chart", drawn).to_dict(validate=False) for drawn in (both, one)]
    assert specs[0] != specs[1]


def test_fits_one_after_the_other_are_those_of_a_list(fits: list[ms.Fit]) -> None:
    tables = [fit.tables for fit in fits]
    for source in (fits, tuple(fits), iter(fits), [fits], [fits[0], tables[1]], [tables]):
        assert all(a is b for a, b in zip(as_tables(source), tables, strict=True))


def test_a_text_behind_fits_is_the_grouping_factor(fits: list[ms.Fit]) -> None:
    first, second = fits
    assert with_group(first, (second, "g"), None) == (fits, "g")
    assert with_group(first, (second,), "g") == (fits, "g")
    assert with_group(first, ("g",), None) == ([first], "g")
    assert with_group(first, (None,), "g") == ([first], "g")
    assert with_group("folder", (), None) == (["folder"], None)
    for name in ("shrinkage", "dumbbell", "motion"):
        draw = getattr(ms.charts, name)
        assert "'h'" in message_of(ModelError, lambda d=draw: d(first, second, "h"))  # type: ignore[misc]
        assert "'g'" in message_of(ModelError, lambda d=draw: d(first, "g", group="h"))  # type: ignore[misc]
        assert "list" in message_of(ModelError, lambda d=draw: d(first, "g", second))  # type: ignore[misc]


def test_a_landscape_is_that_of_one_fit(fits: list[ms.Fit]) -> None:
    assert "one fit" in message_of(ModelError, lambda: ms.charts.landscape(*fits))


@pytest.mark.parametrize("name", [*OF_RESULTS, "phases"])
def test_charts_take_what_their_function_made_and_its_tables(
    name: str, made: dict[str, Any]
) -> None:
    source = made[name]
    tables = getattr(source, "tables", source)
    assert made_tables(name, source) is made_tables(name, tables) is tables
    assert getattr(ms.charts, name)(source).to_dict(validate=False)["title"]


def test_phases_take_fits_and_their_tables(fits: list[ms.Fit], made: dict[str, Any]) -> None:
    drawn = ms.charts.phases(*fits).to_dict(validate=False)
    assert drawn == ms.charts.phases(made["phases"]).to_dict(validate=False)
    for table, other in zip(ms.phase_tables(*fits).values(), made["phases"].values(), strict=True):
        assert table.equals(other)
    assert len(ms.phase_tables(fits[0])["phases"]) == len(made["phases"]["phases"]) / 2


@pytest.mark.parametrize("name", OF_RESULTS)
def test_another_thing_is_refused_with_what_makes_the_right_one(
    name: str, model: ms.LinearMixedModel, fits: list[ms.Fit], made: dict[str, Any]
) -> None:
    chart = getattr(ms.charts, name)
    others = [made[other] for other in made if other != name]
    for source in [fits[0], fits, fits[0].tables, model, "a folder", None, 3, {}, *others]:
        assert OF_RESULTS[name] in message_of(ModelError, lambda s=source: chart(s))  # type: ignore[misc]
    assert "one at a time" in message_of(ModelError, lambda: chart(made[name], made[name]))
    assert "a fit" in message_of(ModelError, lambda: chart(fits[0]))
    other = "ladder" if name == "race" else "race"
    assert f"ms.charts.{other}" in message_of(ModelError, lambda: chart(made[other]))


@pytest.mark.parametrize("name", [*OF_FITS, "landscape", "motion", "theta", "phases"])
def test_what_is_no_fit_is_refused_with_what_to_do(
    name: str, model: ms.LinearMixedModel, made: dict[str, Any]
) -> None:
    chart = getattr(ms.charts, name)
    assert "model.fit()" in message_of(ModelError, lambda: chart(model))
    assert "not from None" in message_of(ModelError, lambda: chart(None))
    assert "not from 3" in message_of(ModelError, lambda: chart([3]))
    for other in OF_RESULTS:
        said = message_of(ModelError, lambda o=other: chart(made[o]))  # type: ignore[misc]
        assert f"ms.charts.{other}" in said
    message_of(ModelError, lambda: chart([]))


PROFILED = ChartSpec(
    "zeta", beside=("profile",), also=("profile_intervals",), maker="fit.profile()"
)
DRAWN = ChartSpec("ridge", beside=("bootstrap", "bootstrap_intervals"), maker="fit.bootstrap()")


def test_what_was_made_of_a_fit_is_taken_and_a_fit_that_has_it(tmp_path: Path) -> None:
    fit = build().fit()
    options = Options()
    for spec, maker in ((PROFILED, "fit.profile()"), (DRAWN, "fit.bootstrap()")):
        for source in (fit, fit.tables):
            said = message_of(ModelError, lambda s=source, k=spec: as_tables(s, spec=k))  # type: ignore[misc]
            assert maker in said
            assert spec.beside[0] in said
        for other in ({}, {"means": fit.estimates}):
            with pytest.raises(ModelError, match="drawn from"):
                as_tables(other, spec=spec, options=options)
    profile, draws = fit.profile(), fit.parametric_bootstrap(60, seed=3)
    wanted = {"profile": profile.confint(), "bootstrap": draws.confint()}
    for spec, item in ((PROFILED, profile), (DRAWN, draws)):
        name = spec.beside[0]
        for source in (fit, item):
            (tables,) = as_tables(source, spec=spec, options=options)
            assert tables.info["structure"] == fit.info["structure"]
            ends = tables.require(f"{name}_intervals")
            assert ends["level"].eq(0.95).all()
            for column in ("lower", "upper"):
                np.testing.assert_allclose(ends[column], wanted[name][column], atol=1e-9)
        (alone,) = as_tables({name: tables.require(name), f"{name}_intervals": ends}, spec=spec)
        assert alone.info == {}
        with pytest.raises(ModelError, match="no column 'kind'|no column 'draw'"):
            as_tables({name: pd.DataFrame({"a": [1]}), f"{name}_intervals": ends}, spec=spec)
    few = as_tables(fit.parametric_bootstrap(5), spec=DRAWN, options=options)[0]
    assert "at least 39 draws" in str(few.skipped(["bootstrap"]))
    assert few.optional("bootstrap_intervals") is None
    # What a fit holds is left as it was, and tables beside a stored fit are read with it.
    assert not {"profile_intervals", "bootstrap_intervals"} & set(fit.tables.studies)
    fit.save(tmp_path)
    (stored,) = as_tables(tmp_path, spec=PROFILED)
    assert stored.get("profile_intervals") is None
    table = conformed(wanted["profile"].assign(level=0.95), "profile_intervals")
    sha256 = fit.info["dataset"]["sha256"]
    file = tmp_path / "profile_intervals.parquet"
    write_table(file, table, "profile_intervals", formula=fit.formula, sha256=sha256)
    (stored,) = as_tables(tmp_path, spec=PROFILED)
    assert stored.require("profile_intervals")["lower"].equals(table["lower"])


def test_influence_names_its_tables() -> None:
    found = build().fit().influence("g")
    spec = ChartSpec("influence", beside=("influence",), also=("influence_parameters",))
    (tables,) = as_tables(found, spec=spec, options=Options())
    assert len(tables.require("influence")) == len(found.table)
    assert len(tables.require("influence_parameters")) == len(found.parameters)


def test_names_that_others_give_displays_lead_to_ours() -> None:
    with pytest.raises(AttributeError, match=r"ms\.charts\.shrinkage draws that"):
        ms.charts.shrinkageplot  # noqa: B018
    with pytest.raises(AttributeError, match="Did you mean 'ledger'"):
        ms.charts.legder  # noqa: B018
    assert not hasattr(ms.charts, "__wrapped__")


def test_a_table_that_is_missing_is_named(made: dict[str, Any]) -> None:
    part = {"race": made["race"]["race"]}
    assert "'race_ends'" in message_of(ModelError, lambda: ms.charts.race(part))
    untimed = {name: made["race"][name] for name in ("race", "race_ends")}
    assert ms.charts.race(untimed)
    assert "race_timing" in message_of(ModelError, lambda: ms.charts.race(untimed, x="seconds"))


def test_a_ladder_of_fits_of_other_formulas_names_both(fits: list[ms.Fit]) -> None:
    other = build(formula="y ~ 1 + (1 + x | g)").fit()
    said = message_of(ModelError, lambda: ms.ladder([fits[0], other]))
    assert fits[0].formula in said
    assert other.formula in said


def test_phases_of_what_is_no_fit_are_refused(model: ms.LinearMixedModel) -> None:
    assert "not of a model" in message_of(ModelError, lambda: ms.phase_tables(model))


def test_a_figure_is_saved_as_its_ending_says(tmp_path: Path) -> None:
    chart = alt.Chart(alt.Data(values=[])).mark_point()
    figure = Figure(chart, "title", "caption", {"html": lambda: b"page", "gif": lambda: b"film"})
    assert figure.save(tmp_path / "film.html") == [tmp_path / "film.html"]
    assert (tmp_path / "film.html").read_bytes() == b"page"
    assert figure.save(str(tmp_path / "c.vl.json")) == [tmp_path / "c.vl.json"]
    written = figure.save(tmp_path / "a.b", ["gif", "vl.json"])
    assert written == [tmp_path / "a.b.gif", tmp_path / "a.b.vl.json"]
    assert "'gifs'" in message_of(ModelError, lambda: figure.save(tmp_path / "film.gifs"))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["a.b.gif", "a.b.vl.json", "c.vl.json", "film.html"]


def test_public_names_are_what_completion_shows() -> None:
    assert dir(ms.charts) == sorted(ms.charts.__all__)
    assert all(callable(getattr(ms.charts, name)) for name in dir(ms.charts))
    assert issubclass(ms.errors.ModelError, ms.errors.MixedscopeError)
