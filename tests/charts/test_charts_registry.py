"""Charts by name, and the functions a user calls."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_tables import fit_tables

from mixedscope import charts
from mixedscope.charts.common.source import as_tables
from mixedscope.charts.drawing import draw
from mixedscope.charts.registry import CHARTS, chart_kind, chart_names, file_slugs, name_of_slug
from mixedscope.core.errors import ModelError, StoreError
from mixedscope.formula.parse import parse_formula
from mixedscope.tables.store import FitTables, write_fit


@pytest.fixture(scope="module")
def full() -> FitTables:
    return fit_tables()


@pytest.fixture(scope="module")
def scalar() -> FitTables:
    return fit_tables(structure="intercept", group="a:b")


def test_every_grouping_factor_has_charts_before_those_of_the_model() -> None:
    formula = parse_formula("y ~ 1 + (1 + x | Subject) + (1 | Lot/Wafer) + (0 + x | Lot)")
    names = [name for name in chart_names(formula.groups) if chart_kind(name).per_group]
    assert names[:9] == [
        "panels-Subject",
        "panels-Lot",
        "panels-Lot+Wafer",
        "shrinkage-Subject",
        "shrinkage-Lot",
        "shrinkage-Lot+Wafer",
        "motion-Subject",
        "motion-Lot",
        "motion-Lot+Wafer",
    ]
    assert [chart_kind(name) for name in names[6:9]] == [CHARTS["motion"]] * 3
    # Each kind has its three together, one for each factor in the order of the formula.
    kinds = [chart_kind(name).name for name in names]
    assert kinds == [kind for kind in dict.fromkeys(kinds) for _ in range(3)]


def test_kinds_choose_among_charts() -> None:
    formula = parse_formula("y ~ 1 + (1 | a) + (1 | b)")
    assert chart_names(formula.groups, ["trace", "shrinkage"]) == [
        "shrinkage-a",
        "shrinkage-b",
        "trace",
    ]


def test_charts_of_several_terms_are_those_of_factors_that_have_them() -> None:
    formula = parse_formula("y ~ 1 + (1 | a) + (1 + x | b/c) + (0 + x | a:d) + (1 | a:d) + (1 | e)")
    assert formula.scalar_groups == ("a", "e")
    names = chart_names(formula.groups, ["principal", "shrinkage"], formula.scalar_groups)
    own = {name.partition("-")[2] for name in names if name.startswith("principal")}
    assert own == {"b", "b+c", "a+d"}
    assert {name.partition("-")[2] for name in names if name.startswith("shrinkage")} == own | {
        "a",
        "e",
    }


def test_unknown_kind_of_chart_suggests_a_known_one() -> None:
    with pytest.raises(ModelError, match="Did you mean 'ledger'"):
        chart_kind("ledgr")


def test_slugs_are_safe_and_never_shared() -> None:
    groups = [
        "a:b",
        "a.b",
        "a b",
        "a/b",
        "a+b",
        "a++20b",
        "Subject",
        "subject",
        "größe",
        "..",
        "a_b-c",
    ]
    groups += ["a:", "ö:be", "a:be", "a+-2", "a:-2", "x:y:z"]
    slugs = file_slugs(groups)
    assert len({slug.lower() for slug in slugs.values()}) == len(groups)
    # LaTeX takes these in names of files, but no ``~`` and no second ``.``.
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+")
    assert all(set(slug) <= allowed for slug in slugs.values())
    assert slugs["a:b"] == "a+b"
    assert slugs["a b"] == "a++20b"
    assert slugs[".."] == "++2e++2e"
    assert slugs["subject"] == "subject+-2"
    told = {group: name_of_slug(slug) for group, slug in slugs.items()}
    assert told.pop("subject") == "subject (2)"
    assert all(group == name for group, name in told.items())


_NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


@given(st.lists(_NAMES, min_size=1, max_size=4, unique_by=str.lower))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_names_are_read_back_from_slugs(groups: list[str]) -> None:
    for group, slug in file_slugs(groups).items():
        assert name_of_slug(slug) == group


@pytest.mark.parametrize("name", ["shrinkage-Subject", "trace"])
def test_every_chart_is_drawn_by_its_name(full: FitTables, name: str) -> None:
    settings = {"theme": "print", "shrinkage": {"reference": "within_group", "scale": "coef"}}
    figure = draw(name, [full], settings)
    spec = figure.chart.to_dict()
    text = spec["title"]["text"] if isinstance(spec["title"], dict) else spec["title"]
    assert " ".join(text if isinstance(text, list) else [text]) == figure.title
    assert spec["description"] == figure.caption
    assert "Liberation Sans" in spec["config"]["font"]


def test_unknown_chart_suggests_a_known_one(full: FitTables) -> None:
    with pytest.raises(ModelError, match="Did you mean 'shrinkage-Subject'"):
        draw("shrinkage-subject", [full], {})


def test_unknown_setting_of_a_chart_is_named(full: FitTables) -> None:
    with pytest.raises(ModelError, match="Did you mean 'scale'"):
        draw("shrinkage-Subject", [full], {"shrinkage": {"scales": "b"}})


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(ModelError, match="at least one"):
        draw("trace", [], {})


def test_one_term_makes_a_dumbbell(scalar: FitTables) -> None:
    shrinkage, dumbbell = charts.shrinkage(scalar), charts.dumbbell(scalar)
    assert shrinkage.to_dict() == dumbbell.to_dict()


def test_first_grouping_factor_is_drawn_unless_one_is_named(full: FitTables) -> None:
    assert charts.shrinkage(full).to_dict() == charts.shrinkage(full, "Subject").to_dict()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"group": "subject"}, r"No grouping factor 'subject'\. Did you mean 'Subject'"),
        ({"terms": ["(Intercept)", "day"]}, "No random effect 'day'"),
        ({"reference": "joint"}, "'joint'"),
        ({"scale": "coeff"}, "'coeff'"),
        ({"theme": "prnt"}, "'prnt'"),
    ],
)
def test_unknown_names_are_errors(
    full: FitTables, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        charts.shrinkage(full, **settings)  # type: ignore[arg-type]


def test_charts_take_a_fit_its_tables_or_its_directory(full: FitTables, tmp_path: Path) -> None:
    class Fit:
        tables = full

    write_fit(tmp_path, full)
    drawn = charts.trace(full).to_dict()
    assert charts.trace(Fit()).to_dict() == drawn
    assert charts.trace(tmp_path).to_dict() == drawn
    assert charts.trace([str(tmp_path)]).to_dict() == drawn


def test_sources_keep_their_order(full: FitTables, scalar: FitTables) -> None:
    assert as_tables((scalar, full)) == [scalar, full]


@pytest.mark.parametrize("source", [[], 3, None, [None]])
def test_what_is_no_fit_is_an_error(source: object) -> None:
    with pytest.raises(ModelError):
        as_tables(source)


def test_directory_without_fit_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"fit\.json"):
        charts.trace(tmp_path)
