"""What the draws of one design amount to: power with its Monte-Carlo error, and all beside it.

A draw whose fit has no certificate, or whose test could not be made, says nothing about power: it
counts neither as significant nor as not. Power is of the draws that were tested; bounds say what it
were if all others had been significant, or none.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.inference.power.outcomes import Outcomes
from mixedscope.tables.kinds.power import POWER

__all__ = ["MONTE_CARLO", "frame_of", "performance", "wilson"]

Floats = NDArray[np.float64]

#: Coverage of the intervals of shares of draws.
MONTE_CARLO: Final = 0.95


def wilson(hits: int, count: int, level: float = MONTE_CARLO) -> tuple[float, float]:
    """Interval of a probability by the score test (Wilson 1927, J. Am. Stat. Assoc. 22, 209-212).

    Examples
    --------
    >>> low, high = wilson(8, 10)
    >>> round(low, 4), round(high, 4)
    (0.4902, 0.9433)
    """
    from scipy.stats import norm

    if not count:
        return math.nan, math.nan
    z2 = float(norm.ppf(0.5 + level / 2.0)) ** 2
    share = hits / count
    centre = (share + z2 / (2.0 * count)) / (1.0 + z2 / count)
    spread = share * (1.0 - share) / count + z2 / (4.0 * count * count)
    half = math.sqrt(z2 * spread) / (1.0 + z2 / count)
    # None and all of the draws are at the ends of the interval, whatever rounding says.
    low = 0.0 if hits == 0 else centre - half
    return low, 1.0 if hits == count else centre + half


def performance(
    outcomes: Outcomes,
    sizes: Mapping[str, int],
    labels: Sequence[str],
    values: Floats,
    truths: Floats,
    *,
    rows: int,
    test: str,
    criterion: str,
    level: float,
    seed: int,
) -> list[dict[str, Any]]:
    """Rows of the table ``power`` of one design, one for each contrast.

    ``values`` (c,): what contrasts are tested against; ``truths`` (c,): what they are.
    """
    factors = [*sizes, None, None]
    numbers: list[int | None] = [*sizes.values(), None, None]
    shared = {
        "factor": factors[0], "size": numbers[0], "factor2": factors[1], "size2": numbers[1],
        "rows": rows, "test": test, "criterion": criterion, "level": level, "seed": seed,
        "draws": len(outcomes), "singular": int(outcomes.singular.sum()),
        "uncertified": int((~outcomes.certified & ~outcomes.failed).sum()),
        "failed": int(outcomes.failed.sum()),
    }  # fmt: skip
    out = []
    for j, label in enumerate(labels):
        told = {"effect": label, "value": float(values[j]), "truth": float(truths[j])}
        out.append(shared | told | _of_contrast(outcomes, j, told, level))
    return out


def _of_contrast(
    outcomes: Outcomes, j: int, told: Mapping[str, Any], level: float
) -> dict[str, Any]:
    p = outcomes.p_value[:, j]
    tested = np.isfinite(p)
    size = round(1.0 - level, 12)
    hits = tested & (p < size)
    n, k, m = int(tested.sum()), int(hits.sum()), len(p)
    low, high = wilson(k, n)
    estimates, truth, value = outcomes.estimate[:, j], told["truth"], told["value"]
    made = np.isfinite(estimates)
    lower, upper = outcomes.lower[:, j], outcomes.upper[:, j]
    has = np.isfinite(lower) & np.isfinite(upper)
    inside = int(((lower <= truth) & (truth <= upper) & has).sum())
    errors = outcomes.std_error[:, j]
    known = np.isfinite(errors)
    covered = wilson(inside, int(has.sum()))
    untested = [text for text, ok in zip(outcomes.remarks, tested.tolist(), strict=True) if not ok]
    return {
        "tested": n,
        "rejected": k,
        "power": k / n if n else math.nan,
        "power_lower": low,
        "power_upper": high,
        "power_least": k / m,
        "power_most": (k + m - n) / m,
        **_errors_of_winners(estimates[hits] - value, truth - value),
        "intervals": int(has.sum()),
        "coverage": inside / int(has.sum()) if has.any() else math.nan,
        "coverage_lower": covered[0],
        "coverage_upper": covered[1],
        "width": float((upper - lower)[has].mean()) if has.any() else math.nan,
        "mean": float(estimates[made].mean()) if made.any() else math.nan,
        "empirical_se": float(estimates[made].std(ddof=1)) if made.sum() > 1 else math.nan,
        "model_se": math.sqrt(float((errors[known] ** 2).mean())) if known.any() else math.nan,
        "reason": Counter(filter(None, untested)).most_common(1)[0][0] if any(untested) else None,
    }


def _errors_of_winners(estimates: Floats, truth: float) -> dict[str, float]:
    """Errors of sign and size of significant estimates (Gelman & Carlin 2014, Psych. Sci. 9).

    Both are differences from what is tested. Where nothing is to be found there are none.
    """
    if truth == 0.0 or not len(estimates):
        return {"type_s": math.nan, "type_m": math.nan}
    return {
        "type_s": float((np.sign(estimates) != np.sign(truth)).mean()),
        "type_m": float(np.abs(estimates).mean() / abs(truth)),
    }


def frame_of(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as the table ``power``."""
    columns = POWER.columns
    assert columns is not None
    return pd.DataFrame({c: pd.Series([row.get(c) for row in rows], dtype=object) for c in columns})
