"""Shrinkage plots and dumbbells: their geometry, what they leave out, and what they say."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sample_tables import fit_tables

from mixedscope.charts.common.panels import DENSE
from mixedscope.charts.common.render import FORMATS, to_spec
from mixedscope.charts.common.theme import configure
from mixedscope.charts.kinds.dumbbell.chart import MOST_LEVELS, dumbbell_chart
from mixedscope.charts.kinds.shrinkage.chart import choose_levels, shrinkage_chart
from mixedscope.charts.kinds.shrinkage.ellipse import contour, correlation_matrix, radius, shape
from mixedscope.charts.kinds.shrinkage.levels import frame_of, pulls, sample_ranks
from mixedscope.core.errors import ModelError


@pytest.fixture(scope="module")
def full():
    return fit_tables()


@pytest.fixture(scope="module")
def structures(full):
    return [full, fit_tables("zerocorr"), fit_tables("intercept")]


def _walk(node: Any):
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from _walk(value)


def _domains(spec: dict[str, Any], channel: str, field: str) -> set[tuple[float, ...]]:
    return {
        tuple(n[channel]["scale"]["domain"])
        for n in _walk(spec)
        if isinstance(n.get(channel), dict)
        and n[channel].get("field") == field
        and isinstance(n[channel].get("scale"), dict)
    }


# -- ellipses ------------------------------------------------------------------------------------


@pytest.mark.parametrize("coverage", [0.5, 0.95])
def test_contour_is_where_the_mahalanobis_distance_is_the_chi_squared_quantile(coverage):
    sds, correlation = (24.0, 6.0), 0.74
    s = np.diag(sds) @ np.array([[1, correlation], [correlation, 1]]) @ np.diag(sds)
    points = contour(sds, correlation, coverage, centre=(3.0, -1.0)) - [3.0, -1.0]
    distance = np.einsum("ij,jk,ik->i", points, np.linalg.inv(s), points)
    np.testing.assert_allclose(distance, -2 * np.log(1 - coverage), rtol=1e-10)


def test_longest_axis_of_the_contour_is_the_first_eigenvector():
    sds, correlation = (2.0, 1.0), -0.5
    s = np.array([[4.0, -1.0], [-1.0, 1.0]])
    points = contour(sds, correlation, 0.95, n=20_000)
    far = points[np.linalg.norm(points, axis=1).argmax()]
    values, vectors = np.linalg.eigh(s)
    assert np.linalg.norm(far) == pytest.approx(radius(0.95) * np.sqrt(values[1]), rel=1e-6)
    assert abs(far @ vectors[:, 1]) == pytest.approx(np.linalg.norm(far), rel=1e-6)


def test_share_inside_the_contour_is_its_coverage():
    rng = np.random.default_rng(0)
    s = np.array([[4.0, 1.2], [1.2, 1.0]])
    draws = rng.multivariate_normal([0, 0], s, size=200_000)
    inside = np.einsum("ij,jk,ik->i", draws, np.linalg.inv(s), draws) <= radius(0.5) ** 2
    assert inside.mean() == pytest.approx(0.5, abs=0.005)


@pytest.mark.parametrize(
    ("sds", "correlation", "kind", "count"),
    [
        ((2.0, 0.0), np.nan, "segment", 2),
        ((2.0, 1.0), -1.0, "segment", 2),
        ((0.0, 0.0), np.nan, "point", 1),
        ((2.0, 1.0), 0.3, "ellipse", 73),
    ],
)
def test_singular_distributions_are_segments_or_points(sds, correlation, kind, count):
    assert shape(sds, correlation) == kind
    assert len(contour(sds, correlation, 0.95)) == count


def test_perfect_negative_correlation_runs_downwards():
    ends = contour((2.0, 1.0), -1.0, 0.95)
    assert (ends[0] * [1, -1]).min() > 0 or (ends[0] * [-1, 1]).min() > 0


@pytest.mark.parametrize("coverage", [0.0, 1.0, 2.0])
def test_impossible_coverages_are_refused(full, coverage):
    with pytest.raises(ModelError, match="coverage"):
        shrinkage_chart([full], "Subject", ellipses=(coverage,))


def test_correlations_are_read_from_the_estimates(full):
    sds, correlations = correlation_matrix(full.estimates, "Subject", ["(Intercept)", "Days"])
    rows = full.estimates
    wanted = rows.loc[rows["kind"] == "correlation", "estimate"].iloc[0]
    assert correlations[0, 1] == correlations[1, 0] == wanted
    np.testing.assert_array_equal(sds, rows.loc[rows["kind"] == "sd", "estimate"])


# -- shrinkage plots -----------------------------------------------------------------------------


def test_structures_stand_on_common_axes(structures):
    spec = shrinkage_chart(structures, "Subject")[0].to_dict()
    for channel, field in (("x", "rx"), ("y", "ry")):
        assert len(_domains(spec, channel, field)) == 1


def test_all_references_and_modes_are_in_the_frame(structures):
    spec = shrinkage_chart(structures, "Subject")[0].to_dict()
    (low, high), *_ = _domains(spec, "y", "ry")
    for fit in structures:
        days = fit.modes[fit.modes["term"] == "Days"]
        values = days[["mode", "joint_limit"]].to_numpy()
        if len(values):
            assert values.min() > low
            assert values.max() < high


def test_points_are_the_stored_modes_and_references(full):
    (pull,) = pulls([full], "Subject", ["(Intercept)", "Days"])
    days = full.modes[full.modes["term"] == "Days"]
    np.testing.assert_array_equal(pull.mode[:, 1], days["mode"])
    np.testing.assert_array_equal(pull.reference[:, 1], days["joint_limit"])
    np.testing.assert_allclose(pull.factor[:, 1], days["mode"] / days["joint_limit"])


def test_coefficients_are_population_plus_deviation(full):
    (b,) = pulls([full], "Subject", ["Days"])
    (coef,) = pulls([full], "Subject", ["Days"], scale="coef")
    beta = full.estimates.set_index(["kind", "term"])["estimate"]["beta", "Days"]
    np.testing.assert_allclose(coef.mode - b.mode, beta)
    limit = full.info["references"]["joint_limit"]["beta"]["Days"]
    np.testing.assert_allclose(coef.reference - b.reference, limit)


def test_a_structure_without_a_term_says_so(structures):
    chart, _, caption = shrinkage_chart(structures, "Subject")
    assert "Days does not vary" in json.dumps(chart.to_dict())
    assert "Days does not vary, its modes are those of the population" in caption


@pytest.mark.parametrize("terms", [["(Intercept)", "Days"], ["Days", "(Intercept)"]])
def test_where_one_term_varies_alone_levels_stand_by_rank_of_their_reference(structures, terms):
    only = structures[2]
    spec = to_spec(configure(shrinkage_chart([structures[0], only], "Subject", terms=terms)[0]))
    panel = _panel_by_rank(spec)
    across = "x" if terms[0] == "(Intercept)" else "y"
    along = "y" if across == "x" else "x"
    rows = pd.DataFrame(_rows_with(spec, panel, "level"))
    own = only.modes.set_index("level")
    assert len(rows) == len(own)
    rows = rows.sort_values(f"m{along}")
    np.testing.assert_allclose(rows[f"m{across}"], own.loc[rows["level"], "mode"], rtol=1e-5)
    np.testing.assert_allclose(rows[f"r{across}"], own.loc[rows["level"], "joint_limit"], rtol=1e-5)
    assert rows[f"r{across}"].is_monotonic_increasing
    # Each at a place of its own, evenly, that is no value of the other term: its numbers are gone.
    np.testing.assert_allclose(rows[f"r{along}"], rows[f"m{along}"])
    steps = np.diff(rows[f"m{along}"])
    np.testing.assert_allclose(steps, steps[0], rtol=1e-3)
    told = json.dumps([layer.get("encoding", {}).get("tooltip") for layer in panel["layer"]])
    assert "Days" not in told
    axes = [layer.get("encoding", {}).get(along, {}).get("axis") or {} for layer in panel["layer"]]
    assert not any(axis.get("labels", False) for axis in axes)


def _rows_with(spec: dict[str, Any], panel: dict[str, Any], column: str) -> list[dict[str, Any]]:
    """The first rows of a layer of a panel that have a column."""
    for layer in panel["layer"]:
        name = (layer.get("data") or panel.get("data") or {}).get("name")
        rows = spec["datasets"].get(name, [])
        if rows and column in rows[0] and "mx" in rows[0]:
            return rows
    raise AssertionError("no such rows")


def _panel_by_rank(spec: dict[str, Any]) -> dict[str, Any]:
    (name,) = [
        name for name, rows in spec["datasets"].items() if "by rank" in str(rows[0].get("words"))
    ]
    return next(
        node
        for node in _walk(spec)
        if any((layer.get("data") or {}).get("name") == name for layer in node.get("layer", ()))
    )


def test_levels_without_a_reference_are_counted():
    table = fit_tables(unidentified=2)
    _, _, caption = shrinkage_chart([table], "Subject", reference="within_group")
    assert "Levels without a reference, drawn as a mode alone: 2 (full covariance)" in caption


def test_three_terms_make_a_lower_triangle():
    table = fit_tables(terms=("(Intercept)", "a", "b"), sd=(5.0, 3.0, 2.0))
    spec = shrinkage_chart([table], "Subject")[0].to_dict()
    assert len(_domains(spec, "x", "rx")) == 2
    assert len(_domains(spec, "y", "ry")) == 2


def test_one_wild_reference_does_not_squash_the_others():
    rng = np.random.default_rng(1)
    values = rng.normal(size=200)
    low, high = frame_of(np.append(values, 500.0), values)
    assert high < 20
    assert low > -20
    assert low < values.min()


def test_sampling_keeps_both_ends():
    ranks = sample_ranks(3000, 400, first=20, last=20)
    assert len(ranks) <= 400
    assert set(range(20)) <= set(ranks.tolist())
    assert set(range(2980, 3000)) <= set(ranks.tolist())
    assert np.diff(ranks).max() <= 10


def test_the_largest_movers_are_always_drawn():
    table = fit_tables(n_levels=30, n_per_level=3)
    (pull,) = pulls([table], "Subject", ["(Intercept)", "Days"])
    ((chosen,), rule) = choose_levels([pull], 10)
    spread = np.nanstd(pull.reference, axis=0)
    moved = np.linalg.norm((pull.mode - pull.reference) / spread, axis=1)
    assert int(moved.argmax()) in chosen.tolist()
    assert len(chosen) <= 10
    assert "of 30 levels" in rule


@pytest.mark.parametrize("names", [("<script>alert(1)</script>", "a|b", "datum['x'].y", "a.b[0]")])
def test_hostile_level_names_are_values_and_nothing_else(names):
    levels = [*names, *(f"S{i}" for i in range(8))]
    spec = shrinkage_chart([fit_tables(levels=levels)], "Subject")[0].to_dict()
    found = {row["level"] for rows in spec["datasets"].values() for row in rows if "level" in row}
    assert set(names) <= found
    # Title and description are plain words, which may name a level.
    assert isinstance(spec.pop("description"), str)
    assert all(isinstance(line, str) for line in spec.pop("title")["text"])
    spec.pop("datasets")
    rest = json.dumps(spec)
    assert not any(name in rest for name in names)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"group": "Subjct"}, "Did you mean 'Subject'"),
        ({"terms": ["(Intercept)", "Day"]}, "Did you mean 'Days'"),
        ({"reference": "joint"}, "Known are: auto, joint_limit"),
        ({"scale": "beta"}, "There is no scale"),
    ],
)
def test_unknown_names_are_refused_with_a_suggestion(full, arguments, message):
    group = arguments.pop("group", "Subject")
    with pytest.raises(ModelError, match=re.escape(message)):
        shrinkage_chart([full], group, **arguments)


FIRST = {"term": "(Intercept)"}
LAST = {"term": "Days"}


# -- dumbbells -----------------------------------------------------------------------------------


def _rows(chart: Any) -> pd.DataFrame:
    spec = chart.to_dict()
    return pd.DataFrame(
        [row for rows in spec["datasets"].values() for row in rows if "rank" in row]
    ).drop_duplicates()


def test_dumbbells_are_ordered_by_the_reference():
    rows = _rows(dumbbell_chart([fit_tables("intercept")], "Subject")[0]).sort_values("rank")
    assert rows["r"].is_monotonic_decreasing
    assert rows["rank"].tolist() == list(range(1, 13))


def test_many_levels_are_sampled_by_a_stated_rule_that_keeps_the_extremes():
    table = fit_tables("intercept")
    n = 3 * MOST_LEVELS
    rng = np.random.default_rng(2)
    reference = rng.normal(size=n)
    table.modes = pd.DataFrame(
        {
            "group": "Subject",
            "level": [f"L{i}" for i in range(n)],
            "term": "(Intercept)",
            "mode": 0.5 * reference,
            "std_dev": 0.1,
            "joint_limit": reference,
            "within_group": reference,
            "n_obs": 3,
        }
    )
    chart, _, caption = dumbbell_chart([table], "Subject")
    rows = _rows(chart)
    assert len(rows) <= MOST_LEVELS
    assert {f"L{reference.argmax()}", f"L{reference.argmin()}"} <= set(rows["level"])
    assert f"of {n:,} levels" in caption
    assert "20 highest" in caption
    assert len(json.dumps(chart.to_dict())) < 300_000


def test_dumbbells_of_structures_share_their_axis(structures):
    spec = dumbbell_chart(structures, "Subject", term="(Intercept)")[0].to_dict()
    assert len(_domains(spec, "x", "r")) == 1


def test_dumbbells_join_fits_by_the_names_of_levels():
    first = fit_tables("intercept")
    other = fit_tables("intercept")
    # The same fit with its levels listed backwards, and one of them gone.
    other.modes = other.modes.iloc[:0:-1].reset_index(drop=True)
    spec = dumbbell_chart([first, other], "Subject")[0].to_dict()
    drawn = [pd.DataFrame(d) for d in spec["datasets"].values() if "level" in d[0]]
    assert sorted(len(rows) for rows in drawn) == [11, 12]
    both = drawn[0].merge(drawn[1], on="level")
    assert len(both) == 11
    assert (both["rank_x"] == both["rank_y"]).all()
    assert (both["r_x"] == both["r_y"]).all()


def test_contours_lie_over_a_dense_cloud_and_under_single_points(full):
    def marks(table):
        spec = shrinkage_chart([table], "Subject")[0].to_dict()
        panel = next(n for n in _walk(spec) if len(n.get("layer", ())) > 4)
        return [layer.get("mark", {}).get("type") for layer in panel["layer"]]

    few, many = marks(full), marks(fit_tables(n_levels=61, n_per_level=4, max_evaluations=60))
    assert few.index("line") < few.index("point", few.index("line"))
    assert "point" in many[: many.index("line")]


def test_the_first_of_several_terms_is_drawn_unless_one_is_chosen(full):
    drawn = [dumbbell_chart([full], "Subject", **term)[0].to_dict() for term in ({}, FIRST, LAST)]
    assert drawn[0] == drawn[1] != drawn[2]
    one = shrinkage_chart([full], "Subject", terms=["Days"])[0].to_dict()
    assert one == drawn[2]


def test_modes_that_are_all_zero_are_seen_under_the_mark_of_the_population() -> None:
    tables = fit_tables()
    tables.require("modes")["mode"] = 0.0
    drawn, *_ = shrinkage_chart([tables], "Subject")
    png = FORMATS["png"](to_spec(configure(drawn)))
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    blue = np.abs(pixels - [0x00, 0x72, 0xB2]).max(axis=2) < 12
    # Where the panel is, above the key, which has a point of its own.
    assert blue[: int(0.8 * len(blue))].sum() > 60


def _triangles(spec: dict[str, Any]) -> set[str]:
    """Shapes of arrow heads: those of panels point along lines, those of keys to the right."""
    marks = [n["mark"] for n in _walk(spec) if isinstance(n.get("mark"), dict)]
    return {s for m in marks if (s := str(m.get("shape", ""))).startswith("triangle")}


def test_key_of_lines_has_arrow_heads_where_lines_have(full) -> None:
    drawn = to_spec(configure(shrinkage_chart([full], "Subject")[0]))
    assert _triangles(drawn) == {"triangle", "triangle-right"}
    assert not _triangles(to_spec(configure(dumbbell_chart([full], "Subject", term="Days")[0])))
    dense = fit_tables(n_levels=DENSE + 1)
    assert not _triangles(to_spec(configure(shrinkage_chart([dense], "Subject")[0])))
