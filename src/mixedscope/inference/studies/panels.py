"""Data of every group beside three lines: least squares of its own, mixed model, population."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.arguments import door
from mixedscope.core.errors import ModelError, suggest
from mixedscope.core.seeds import generator
from mixedscope.design.design import RandomDesign
from mixedscope.design.other_rows import whole_terms
from mixedscope.inference.predictions.predictions import refuse_undetermined
from mixedscope.inference.studies.panel_parts import Parts
from mixedscope.inference.studies.studied_fit import StudiedFit
from mixedscope.tables.kinds.panels import PANELS_LINES, PANELS_POINTS

__all__ = ["panels_study"]

Floats = NDArray[np.float64]


@door()
def panels_study(
    fit: StudiedFit,
    *,
    x: str | Sequence[str] | None = None,
    levels: Sequence[str] = (),
    count: int = 24,
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """Tabulate observations and lines of the levels of every grouping factor.

    Parameters
    ----------
    fit : StudiedFit
    x : str or sequence of str, optional
        The variable that runs to the right. Of several the first that a model has is taken, if it
        has any. By default the first number among the random slopes of the factor, else the first
        number of the fixed effects, else the first factor of either; with neither, rows in their
        order.
    levels : sequence of str
        Levels that are tabulated in any case.
    count : int
        So many levels are tabulated by each rule: those pulled most, those of the fewest rows, and
        some drawn at random.
    seed : int
        From which the last are drawn.

    Returns
    -------
    dict
        ``panels`` (a row per level), ``panels_axes`` (per factor), ``panels_lines``,
        ``panels_points``.

    Raises
    ------
    ModelError
        If the model has no such variable, or no factor such a level.
    UnsuitedError
        If the data do not tell the random effects from the residuals.
    """
    if count < 1:
        raise ModelError(f"count: at least one level is tabulated, not {count}.")
    design = fit.objective.system.design
    refuse_undetermined(
        design,
        whole_terms(design),
        fit.unidentified,
        what="Lines of groups",
        instead="There is nothing to draw them by.",
    )
    known = {level for random in design.random for level in random.levels}
    for name in levels:
        if name not in known:
            raise ModelError(
                f"levels: no grouping factor has a level {name!r}.{suggest(name, known)}"
            )
    parts = _parts_of(fit)
    chosen = [
        _chosen(random, parts.pulls[position], levels, count, seed)
        for position, random in enumerate(design.random)
    ]
    axes, lines, points = [], [], []
    for position, table in enumerate(chosen):
        drawn = parts.drawn(parts, fit.frame, position, x, table["level"].tolist())
        axes.append({**drawn.axis(), "count": count, "seed": seed})
        lines.append(drawn.lines())
        points.append(drawn.points())
    whole = pd.concat(points, ignore_index=True)
    for table, position in zip(chosen, range(len(chosen)), strict=True):
        places = [design.random[position].levels.index(level) for level in table["level"]]
        table["own"] = [row.tolist() for row in parts.told_own(position)[places]]
        table["mode"] = [row.tolist() for row in parts.modes[position][places]]
    return {
        "panels": pd.concat(chosen, ignore_index=True),
        "panels_axes": pd.DataFrame(axes),
        "panels_lines": pd.concat(lines, ignore_index=True)[list(PANELS_LINES.columns or ())],
        "panels_points": whole[list(PANELS_POINTS.columns_of(whole.columns))],
    }


def _parts_of(fit: StudiedFit) -> Parts:
    if fit.estimation.is_generalized:
        # Linear models load no families.
        from mixedscope.inference.studies.generalized_panels import GeneralizedParts

        return GeneralizedParts(fit)
    return Parts(fit)


def _chosen(
    random: RandomDesign, pull: Floats, named: Sequence[str], count: int, seed: int
) -> pd.DataFrame:
    """Levels of a factor that are tabulated, with their rank by each rule."""
    q = len(random.levels)
    n_obs = np.bincount(random.codes, minlength=q)
    descending = np.where(np.isfinite(pull), -pull, np.inf)
    orders = {
        "by_pull": np.argsort(descending, kind="stable"),
        "by_few": np.lexsort((descending, n_obs)),
        "by_random": generator(seed, "panels", group=random.group).permutation(q),
    }
    ranks = {name: np.argsort(order) + 1 for name, order in orders.items()}
    named_at = {level: at for at, level in enumerate(dict.fromkeys(named), start=1)}
    by_name = pd.array([named_at.get(level) for level in random.levels], dtype="Int64")
    taken = np.min(list(ranks.values()), axis=0) <= count
    taken |= ~np.asarray(by_name.isna())
    table = pd.DataFrame(
        {
            "group": random.group,
            "level": np.asarray(random.levels, dtype=object),
            "n_obs": n_obs.astype(np.int64),
            "pull": pull,
            **{name: rank.astype(np.int64) for name, rank in ranks.items()},
            "by_name": by_name,
        }
    )
    return table[taken].reset_index(drop=True)
