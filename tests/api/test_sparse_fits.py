"""What fits that one sparse factor solved say of it."""

from __future__ import annotations

import numpy as np
import pandas as pd

import mixedscope as ms

FORMULA = "y ~ 1 + (1 | worker) + (1 | firm)"


def _jobs(workers: int, firms: int) -> pd.DataFrame:
    """Three years of each worker, of whom one in fifty is in the next firm in the last one."""
    rng = np.random.default_rng(8)
    worker = np.repeat(np.arange(workers), 3)
    firm = worker % firms
    firm[2::3] = (firm[2::3] + (rng.random(workers) < 0.02)) % firms
    y = (
        rng.normal(size=workers)[worker]
        + rng.normal(size=firms)[firm]
        + rng.normal(size=len(worker))
    )
    return pd.DataFrame({"y": y, "worker": worker.astype(str), "firm": firm.astype(str)})


def test_a_fit_says_that_a_sparse_factor_was_chosen_and_why(tmp_path):
    fit = ms.LinearMixedModel(FORMULA, _jobs(4000, 1100)).fit()
    why = fit.info["sparse"]
    assert "of the entries of a dense factor" in why
    assert why in str(fit.model.blocks())
    sentence = (
        f"Solved by one sparse factor, exactly, which solver='auto' chose by itself: it has {why}."
    )
    assert sentence in str(fit)
    fit.save(tmp_path / "fit")
    assert sentence in str(ms.load_fit(tmp_path / "fit"))


def test_a_fit_says_that_a_sparse_factor_was_asked_for():
    data = _jobs(60, 12)
    asked = ms.LinearMixedModel(FORMULA, data, solver="sparse").fit()
    assert "Solved by one sparse factor, exactly, which solver='sparse' asks for." in str(asked)
    assert "sparse" not in ms.LinearMixedModel(FORMULA, data).fit().info
