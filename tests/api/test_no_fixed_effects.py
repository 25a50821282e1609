"""Models without fixed effects: what there is has no warning, and what is none is empty."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixedscope as ms

pytestmark = pytest.mark.filterwarnings("error")


def data() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(8), 5)
    return pd.DataFrame({"y": rng.normal(size=40) + rng.normal(size=8)[g], "g": g.astype(str)})


@pytest.mark.parametrize("reml", [False, True])
def test_what_is_about_fixed_effects_is_empty_or_missing(reml: bool, tmp_path: Path) -> None:
    fit = ms.LinearMixedModel("y ~ 0 + (1 | g)", data()).fit(reml=reml)
    fit.save(tmp_path)
    for one in (fit, ms.load_fit(tmp_path)):
        for df in ("none", "satterthwaite", "residual", *(["kenward-roger"] if reml else [])):
            assert one.fixed_effects(df=df).empty
            assert one.anova(df=df).empty
        assert one.confint(method="profile")["kind"].tolist() == ["sigma", "sd"]
        assert one.influence("g").table["cooks_distance"].isna().all()
        assert one.influence("g").table["sigma"].notna().all()
        for method in ("newton", "leverage"):
            assert one.cooks_distance(method=method).isna().all()
        # Nothing is in parentheses or brackets, and no star is explained, where there is none.
        for plain in (ms.table(one, stars=True), ms.table(one, intervals="wald")):
            assert not any(w in str(plain) for w in ("parentheses", "brackets", "Fixed", "* p"))
        assert "95 % intervals (profile) in brackets." in str(ms.table(one, intervals="profile"))


def test_an_intercept_is_tested_against_none() -> None:
    none, one = (ms.LinearMixedModel(f"y ~ {i} + (1 | g)", data()).fit() for i in (0, 1))
    table = ms.lrtest(none, one)
    statistic = none.objective - one.objective
    assert table["statistic"].iloc[1] == pytest.approx(statistic)
    assert table["p_value"].iloc[1] == pytest.approx(stats.chi2.sf(statistic, 1))
