"""What scatter-plot matrices say is recomputed from modes, estimates and tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from caption_claims import NUMBER, Claims, agrees, need_whole_file, read
from scipy.stats import gaussian_kde

import mixedscope as ms
from mixedscope.charts.kinds.splom.chart import splom_chart
from mixedscope.core.density import bandwidth
from mixedscope.core.errors import ModelError, UnsuitedError
from mixedscope.summaries.columns import column_correlations, column_densities

claims = Claims()


def frame(levels: int = 20) -> pd.DataFrame:
    rng = np.random.default_rng(12)
    g = np.repeat(np.arange(levels), 6)
    out = pd.DataFrame({"g": [f"g{i:03d}" for i in g]})
    out["x"], out["z"] = rng.normal(size=len(g)), rng.normal(size=len(g))
    b = rng.normal(size=(levels, 2)) @ np.array([[2.0, 1.0], [0.0, 0.8]])
    out["y"] = b[g, 0] + (1 + b[g, 1]) * out["x"] + rng.normal(size=len(g))
    # Some level cannot tell its slope.
    out.loc[out["g"] == "g004", "x"] = 0.5
    return out


class Shown:
    """A fit or a table, and the values that are drawn of it."""

    def __init__(self, source: Any, **options: Any) -> None:
        self.options = options
        self.fit = None if isinstance(source, pd.DataFrame) else source
        self.column = options.get("values", "mode")
        if self.fit is None:
            self.table = source
            given = source
        else:
            modes = self.fit.tables.modes
            self.table = modes.pivot(index="level", columns="term", values=self.column)
            given = [self.fit.tables]
        self.chart, self.title, self.caption = splom_chart(given, **options)

    def correlation(self, a: str, b: str) -> float:
        return float(self.table[[a, b]].dropna().corr().iloc[0, 1])

    def fitted(self, a: str, b: str) -> float:
        """The fitted correlation; 0 where the structure has none."""
        own = self.fit.tables.estimates.query("kind == 'correlation'")
        for row in own.itertuples():
            if {row.term, row.term2} == {a, b}:
                return float(row.estimate)
        return 0.0


@claims(
    r"(?P<what>Conditional modes of g|Own least-squares estimates of g|Columns): (?P<a>\S+) and "
    rf"(?P<b>\S+) correlate most, at (?P<value>{NUMBER})(?:; the fit has (?P<fit>{NUMBER}))?$"
)
def title(found: Any, shown: Shown) -> None:
    assert agrees(found["value"], shown.correlation(found["a"], found["b"]))
    numbers = shown.table.select_dtypes("number")
    values = numbers.corr().abs().to_numpy()[np.triu_indices(numbers.shape[1], 1)]
    assert abs(read(found["value"])) == pytest.approx(np.nanmax(values), abs=0.006)
    if found["fit"]:
        assert agrees(found["fit"], shown.fitted(found["a"], found["b"]))
    assert (shown.column == "within_group") == found["what"].startswith("Own")


@claims(r"Diagonal: kernel densities, bandwidth by Silverman's rule\.")
def densities(_: Any, shown: Shown) -> None:
    marks = shown.chart.to_json(validate=False)
    assert marks.count('"type": "area"') >= len(shown.table.select_dtypes("number").columns)


@claims(
    r"Ellipses hold (?P<first>[\d.]+)\u00a0%(?: and (?P<second>[\d.]+)\u00a0%)? of the fitted "
    r"distribution\."
)
def ellipses(found: Any, shown: Shown) -> None:
    told = [float(found[n]) / 100 for n in ("first", "second") if found[n]]
    assert told == shown.options.get("ellipses", [0.5, 0.95])


@claims(r"Above the diagonal: correlations(?: of the points and, below them, as fitted)?\.")
def above(found: Any, shown: Shown) -> None:
    assert ("fitted" in found[0]) == (shown.fit is not None)


@claims(
    r"Modes are shrunken, each by its data: their correlation is no estimate of the fitted one\."
)
def shrunken(_: Any, shown: Shown) -> None:
    assert shown.column == "mode"


@claims(r"No variance: (?P<names>[\w, ()]+)\.")
def still(found: Any, shown: Shown) -> None:
    for name in found["names"].split(", "):
        assert np.ptp(shown.table[name].dropna()) == 0


@claims(rf"(?P<missing>{NUMBER}) of (?P<all>{NUMBER}) rows lack a value\.")
def missing(found: Any, shown: Shown) -> None:
    numbers = shown.table.select_dtypes("number")
    assert read(found["missing"]) == numbers.isna().any(axis=1).sum()
    assert read(found["all"]) == len(numbers)


@claims(
    rf"Drawn are (?P<shown>{NUMBER}) of (?P<all>{NUMBER}) points, evenly spaced in rank of the "
    r"first column\."
)
def sampled(found: Any, shown: Shown) -> None:
    assert read(found["all"]) == len(shown.table)
    assert read(found["shown"]) == 800


@claims(r"Not numbers: (?P<names>[\w, ]+)\.")
def not_numbers(found: Any, shown: Shown) -> None:
    others = set(shown.table.columns) - set(shown.table.select_dtypes("number").columns)
    assert set(found["names"].split(", ")) == others


def test_titles_and_captions_hold() -> None:
    fit = ms.LinearMixedModel("y ~ x + (1 + x | g)", frame()).fit()
    singular = ms.LinearMixedModel("y ~ x + z + (1 + x + z | g)", frame(), structure="zerocorr")
    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.normal(size=(900, 3)), columns=["a", "b", "c"]).assign(
        name="n", flat=1.0
    )
    table.loc[3, "b"] = np.nan
    for source, options in (
        (fit, {}),
        (fit, {"values": "within_group", "ellipses": [0.9]}),
        (singular.fit(), {"ellipses": []}),
        (table, {}),
    ):
        shown = Shown(source, **options)
        claims.read(shown.title, shown)
        claims.read(shown.caption, shown)
        assert len(shown.caption.split()) <= 80


def test_every_sentence_has_been_seen(request: pytest.FixtureRequest) -> None:
    need_whole_file(request)
    assert claims.unseen() == set()


def test_densities_and_correlations_are_those_of_scipy_and_pandas() -> None:
    rng = np.random.default_rng(2)
    table = pd.DataFrame({"a": rng.normal(size=400), "b": rng.exponential(size=400)})
    table.loc[:9, "b"] = np.nan
    found = column_densities(table, ["a", "b"])
    for name in ("a", "b"):
        values = table[name].dropna().to_numpy()
        kernel = gaussian_kde(values, bw_method=bandwidth(values) / values.std(ddof=1))
        own = found[found["column"] == name]
        exact = kernel(own["x"])
        # Counting in bins of a sixth of a bandwidth or so costs little.
        assert np.abs(exact - own["density"]).max() < 0.02 * exact.max()
    (row,) = column_correlations(table, ["a", "b"]).itertuples()
    assert row.correlation == pytest.approx(table["a"].corr(table["b"]))
    assert row.rows == 390
    assert column_densities(table.assign(c=1.0), ["c"]).empty
    # R: bw.nrd0(c(1, 2, 4, 8, 16))
    assert bandwidth(np.array([1.0, 2, 4, 8, 16])) == pytest.approx(2.920753869, rel=1e-6)


def test_fits_and_tables_are_taken_and_others_refused() -> None:
    fit = ms.LinearMixedModel("y ~ x + (1 + x | g)", frame()).fit()
    assert ms.charts.splom(fit, "g").to_dict() == ms.charts.splom(fit).to_dict()
    assert ms.charts.splom(frame(), terms=["x", "y"]).to_dict()["description"]
    with pytest.raises(ModelError, match="No column of numbers 'g'"):
        ms.charts.splom(frame(), terms=["x", "g"])
    with pytest.raises(ModelError, match="8 columns at most, not 9"):
        ms.charts.splom(pd.DataFrame(np.eye(9)))
    with pytest.raises(UnsuitedError, match="two columns at least"):
        ms.charts.splom(frame()[["x"]])
    with pytest.raises(ModelError, match="one table"):
        ms.charts.splom(frame(), "g")
    alone = ms.LinearMixedModel("y ~ x + (1 | g)", frame()).fit()
    with pytest.raises(UnsuitedError, match="two columns at least"):
        ms.charts.splom(alone)
