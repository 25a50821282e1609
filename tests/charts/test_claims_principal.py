"""What charts of principal axes say is recomputed from the stored tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from caption_claims import NUMBER, Claims, agrees, need_whole_file, read
from test_claims_shrinkage import Case, pull

import mixedscope as ms
from mixedscope.charts.kinds.principal.chart import principal_chart
from mixedscope.tables.store import FitTables

#: Sentences about levels are those of shrinkage plots, with axes in the place of terms.
SHARED = {"marks", "ellipses", "one_fit", "without_reference", "sampled_by_movement"}
SHARED |= {"told_apart", "other_factors", "by_rank"}

claims = Claims([(pattern, check) for pattern, check in pull.checks if check.__name__ in SHARED])

LABEL = r"(?P<label>Full covariance|Zero correlations|Intercepts only|Rank \d+)"
STRUCTURES = {
    "full covariance": "full",
    "zero correlations": "zerocorr",
    "intercepts only": "intercept",
    "rank 1": "rr1",
}


class Along(Case):
    """Fits drawn together, their levels along axes."""

    def of(self, label: str | None) -> FitTables:
        return self.fits[0] if label is None else self.by_structure[STRUCTURES[label.lower()]]

    def table(self, fit: FitTables) -> pd.DataFrame:
        rows = self.own(fit, "principal_levels").query("within_group.notna()")
        term = "axis " + rows["component"].astype(str)
        return rows.assign(term=term, reference=rows[self.column])[
            ["level", "term", "reference", "mode"]
        ]

    def own(self, fit: FitTables, table: str) -> pd.DataFrame:
        rows = fit.require(table)
        return rows[rows["group"] == self.group]

    def none(self, fit: FitTables) -> list[int]:
        """Axes without variance though the structure allows it: as `singular` counts them."""
        axes = self.own(fit, "principal")
        sigma = fit.estimates.query("kind == 'sigma'")["estimate"].item()
        gone = axes[(axes["sd"] <= 1e-4 * sigma) & axes["allowed"]]["component"].tolist()
        entry = next(e for e in fit.info["singular"] if e["group"] == self.group)
        assert len(gone) == entry["full_rank"] - entry["rank"]
        return [int(i) for i in gone]


def agrees_in_parts(written: str, share: float) -> bool:
    """Shares add up to 100, so that the last digit of one may be rounded either way."""
    return abs(read(written) - 100 * share) <= 10.0 ** -len(written.partition(".")[2])


@claims(
    r"Principal axes of (?P<g>\S+)(?: under (?P<label>[^:]+))?: the first has (?P<share>\S+)\u00a0%"
    r" of the variance(?:, (?P<none>\d+) of (?P<size>\d+) (?:has|have) none)?$"
)
def title(m: re.Match[str], case: Along) -> None:
    fit = case.of(m["label"])
    assert fit is case.fits[0]
    assert (m["label"] is not None) == (len(case.fits) > 1)
    assert m["g"] == case.group
    variances = case.own(fit, "principal")["sd"] ** 2
    assert agrees_in_parts(m["share"], variances.max() / variances.sum())
    none = case.none(fit)
    assert (m["none"] is not None) == bool(none)
    if none:
        assert (int(m["none"]), int(m["size"])) == (len(none), len(variances))


@claims(r"Principal axes of (\S+)(?: under [^:]+)?: no variance along any of (\d+)$")
def title_of_nothing(m: re.Match[str], case: Along) -> None:
    assert case.none(case.fits[0]) == list(range(1, int(m[2]) + 1))


@claims(
    r"Coordinates are along the principal axes of the fitted covariance of the random effects"
    r"(?P<each> of each fit)?, the first to the right in every panel, in units of the response "
    r"\((?P<response>.+?)\)\. So that units of covariates do not decide, an effect counts by what "
    r"it does to the response, times the root mean square of its column \((?P<rms>.+? for .+?)\)"
    r"\.(?= Below)"
)
def coordinates(m: re.Match[str], case: Along) -> None:
    fit = case.fits[0]
    assert (m["each"] is not None) == (len(case.fits) > 1)
    assert m["response"] == fit.info["response"]
    told = re.findall(rf"({NUMBER}) for (.+?)(?=, {NUMBER} for| and {NUMBER} for|$)", m["rms"])
    wanted: dict[str, float] = {}
    for each in case.fits:
        columns = case.own(each, "principal_loadings")
        wanted |= dict(zip(columns["term"], columns["column_rms"], strict=True))
    assert [term for _, term in told] == list(wanted)
    assert all(agrees(written, wanted[term]) for written, term in told)
    # Coordinates are loading times root mean square times effect, summed over the columns.
    parts = case.own(fit, "principal_loadings").merge(fit.modes, on=["group", "term"])
    parts["sum"] = parts["loading"] * parts["column_rms"] * parts["mode"]
    sums = parts.groupby(["level", "component"])["sum"].sum()
    levels = case.own(fit, "principal_levels").set_index(["level", "component"])["mode"]
    np.testing.assert_allclose(sums.reindex(levels.index), levels, atol=1e-9 * levels.abs().max())


@claims(
    r"Below, what each axis (?:of the first (?:fit|(?P<n>\d+) fits) )?is made of: its share of the "
    r"variance, its standard deviation, and "
    r"its loadings, whose squares sum to 1\."
)
def table(m: re.Match[str], case: Along) -> None:
    for fit in case.fits:
        own = case.own(fit, "principal_loadings")
        np.testing.assert_allclose((own["loading"] ** 2).groupby(own["component"]).sum(), 1.0)


@claims(r"Of (?P<k>\d+) axes, panels show (?P<shown>.+?) beside the first\.")
def not_all_panels(m: re.Match[str], case: Along) -> None:
    sizes = [len(case.own(fit, "principal")) for fit in case.fits]
    assert int(m["k"]) == max(sizes)
    shown = [int(i) for i in re.findall(r"\d+", m["shown"])]
    assert shown[:-1] == list(range(2, len(shown) + 1))
    assert len(shown) < int(m["k"]) - 1
    assert shown[-1] == int(m["k"])


@claims(
    LABEL + r": (?P<axes>axis .+?) (?:has|have) collapsed, no variance is left there, and all "
    r"modes lie on the line of the population\."
)
def collapsed(m: re.Match[str], case: Along) -> None:
    fit = case.of(m["label"])
    told = re.findall(r"axis (\d+) \(large loadings: (.+?)\)(?=, axis| and axis|$)", m["axes"])
    assert [int(i) for i, _ in told] == case.none(fit)
    levels = case.own(fit, "principal_levels")
    for i, name in told:
        along = levels[levels["component"] == int(i)]
        assert along["mode"].abs().max() < 1e-3 * along["joint_limit"].abs().max()
        own = case.own(fit, "principal_loadings").query(f"component == {i}")
        assert all((t in name) == (abs(v) >= 0.3) for t, v in zip(own["term"], own["loading"]))


@claims(LABEL + r": axes (?P<axes>[\d, and]+) have the same variance; what they span is ")
def equal(m: re.Match[str], case: Along) -> None:
    sds = case.own(case.of(m["label"]), "principal").set_index("component")["sd"]
    same = sds[[int(i) for i in re.findall(r"\d+", m["axes"])]]
    assert len(same) > 1
    assert np.ptp(same) <= 1e-4 * sds.max()


@claims(r"determined, they are not\.")
def not_determined(m: re.Match[str], case: Along) -> None:
    """Any turn within the span gives the same covariance."""


@claims(
    r"Not shown is (?P<label>.+?): the data do not determine the covariance of \(… \| (.+?)\)\."
)
def not_shown(m: re.Match[str], case: Along) -> None:
    assert m[2] == case.group
    left = {e["group"] for e in case.options["left"].info["singular"] if e["rank"] is None}
    assert case.group in left


def data(seed: int = 3, levels: int = 12) -> pd.DataFrame:
    """Levels that vary in two directions of three."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(levels), 8)
    out = pd.DataFrame({"g": [f"g{i:03d}" for i in g], "h": [f"h{i % 8}" for i in range(len(g))]})
    out["x"], out["z"] = rng.normal(size=len(g)) * 3, rng.normal(size=len(g))
    u = rng.normal(size=(levels, 2)) @ np.array([[4.0, 1.0], [0.0, 0.5]])
    out["y"] = 10 + u[g, 0] + (1 + u[g, 1]) * out["x"] + 2 * rng.normal(size=len(g))
    return out


def fitted(
    frame: pd.DataFrame, *structures: str, formula: str = "y ~ 1 + x + z + (1 + x + z | g)"
) -> list[FitTables]:
    models = [ms.LinearMixedModel(formula, frame, structure=s) for s in structures or ("full",)]
    return [model.fit().study("principal") for model in models]


def told(fits: Sequence[FitTables], group: str = "g", **options: Any) -> list[str]:
    drawn = [fit for fit in fits if fit is not options.get("left")]
    found = []
    chosen = {name: value for name, value in options.items() if name != "left"}
    for text in principal_chart(fits, group, **chosen)[1:]:
        found += claims.read(text, Along(drawn, group, **options))
    return found


def test_structures_side_by_side() -> None:
    fits = fitted(data(), "full", "zerocorr", "rr1", "intercept")
    assert "equal" in told(fits)
    told(fits[:1], reference="within_group", ellipses=[0.8])


def test_no_variance_at_all() -> None:
    frame = data()
    noise = np.random.default_rng(0).normal(size=len(frame))
    # Levels that are more alike than chance makes them.
    for _, rows in frame.groupby("g"):
        columns = np.column_stack([np.ones(len(rows)), rows["x"], rows["z"]])
        own = np.linalg.lstsq(columns, noise[rows.index], rcond=None)[0]
        noise[rows.index] -= 0.9 * columns @ own
    assert "title_of_nothing" in told(fitted(frame.assign(y=noise)))


def test_more_axes_and_fits_than_a_page_has_room_for() -> None:
    frame = data().assign(f=lambda d: d["h"].map(lambda h: "abcd"[int(h[1]) % 4]))
    fits = fitted(frame, "full", "zerocorr", formula="y ~ 1 + x + (1 + x + z + f | g)")
    assert "not_all_panels" in told(fits)
    assert "what each axis of the first fit is made of" in principal_chart(fits, "g")[2]
    assert "not_all_panels" not in told(fits[:1])


def test_crossed_factors_and_many_levels() -> None:
    fits = fitted(data(levels=420), formula="y ~ 1 + x + z + (1 + x + z | g) + (1 + x | h)")
    assert "sampled_by_movement" in told(fits)
    told(fits, "h")


def test_levels_that_their_own_rows_leave_open() -> None:
    frame = data()
    frame.loc[frame["g"] == "g000", "z"] = 0.5
    assert "without_reference" in told(fitted(frame))


def test_a_fit_whose_covariance_is_open_is_left_out_and_spoken_of() -> None:
    frame = data().assign(one=1.0)
    (left,) = fitted(frame, formula="y ~ 1 + x + (1 + one | g)")
    (kept,) = fitted(frame, "zerocorr", formula="y ~ 1 + x + (1 + x | g)")
    assert "not_shown" in told([left, kept], left=left)


def test_factors_that_cannot_be_told_apart_are_compared_with_their_own_rows() -> None:
    frame = data().assign(k=lambda d: "k" + (d["g"].str[1:].astype(int) % 4).astype(str))
    told(fitted(frame, formula="y ~ 1 + x + (1 + x | k) + (1 + x | g)"))


def test_every_sentence_has_been_read(request: pytest.FixtureRequest) -> None:
    """Runs last: no pattern above is for words that no chart writes."""
    need_whole_file(request)
    assert claims.unseen() == set()
