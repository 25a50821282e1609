"""Planned studies of a stored fit, linear or generalised."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from mixedscope.design.other_rows import weights_column
from mixedscope.design.spec import ModelSpec
from mixedscope.inference.estimates.stored import StoredFit, prepared_data
from mixedscope.inference.power.outcomes import named_test, reml_of
from mixedscope.inference.power.planned_rows import NO_WEIGHTS
from mixedscope.inference.power.study import Plan, Study

__all__ = ["stored_study"]


def stored_study(
    stored: StoredFit,
    settings: Mapping[str, Any],
    seed: int,
    newdata: str | os.PathLike[str] | None = None,
) -> Study:
    """Make the study that is planned from a stored fit.

    ``settings``: ``effects``, ``hypotheses``, ``test``, ``reml``, ``level`` and ``missing``, as for
    `mixedscope.power`; no hypotheses are every coefficient but the intercept. ``newdata``: prepared
    rows of the planned study, in place of those of the fit.
    """
    design = stored.objective.system.design
    if newdata is None:
        rows, training = stored.frame.iloc[design.rows], design.training
        weights = None if design.weights is None or training is None else training.weights
    else:
        rows = prepared_data(newdata)
        weights = weights_column(design, rows, NO_WEIGHTS)
    rows = rows.reset_index(drop=True)
    spec = ModelSpec.of(stored.info)
    test = named_test(settings["test"], generalized=spec.family is not None)
    shared: dict[str, Any] = {
        "effects": settings["effects"], "hypotheses": settings["hypotheses"] or None,
        "test": test, "level": settings["level"], "missing": settings["missing"],
    }  # fmt: skip
    if spec.family is not None:
        from mixedscope.inference.power.generalized import planned_generalized

        plan: Plan = planned_generalized(
            spec, stored.objective, stored.theta, rows, weights=weights, **shared
        )
        return Study(plan, seed)
    from mixedscope.inference.power.plans import planned_fit

    reml = reml_of(test, settings["reml"], bool(stored.objective.reml))
    plan = planned_fit(stored.objective, stored.theta, rows, weights=weights, reml=reml, **shared)
    return Study(plan, seed)
