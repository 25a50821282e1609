"""Likelihood-ratio tests by parametric bootstrap: the statistic when the poorer model is true.

Responses are simulated from the poorer fit and both models are fitted to each. Draw number i is the
same whoever computes it: its random numbers come from the seed, the poorer structure and i alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError
from mixedscope.core.seeds import derive_seed, generator
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.estimates.refit import refit_many
from mixedscope.inference.estimates.simulated import simulate_responses
from mixedscope.inference.ladder.boundary import NOTHING

__all__ = ["Fitted", "bootstrap_draws", "bootstrap_p_values"]

Floats = NDArray[np.float64]

#: Objective up to which a richer refit may lie above the poorer one: optimisers end that far apart.
_SLACK: Final = 1e-5


@dataclass(frozen=True)
class Fitted:
    """A fit as the bootstrap sees it.

    Attributes
    ----------
    objective : ProfiledObjective or LaplaceObjective
    theta : (k,) array
        The estimates: all that was searched.
    """

    objective: Any
    theta: Floats

    def draw(self, numbers: Sequence[int], *, seed: int, structure: str) -> Floats:
        """Responses (m, n) drawn from the fit, those of these numbers; whoever draws them."""
        if isinstance(self.objective, ProfiledObjective):
            return np.concatenate(
                [
                    simulate_responses(
                        self.objective,
                        self.theta,
                        1,
                        generator(seed, "bootstrap", structure=structure, draw=number),
                    )
                    for number in numbers
                ]
            )
        from mixedscope.inference.bootstrap.generalized import generalized_responses

        own = derive_seed(seed, "bootstrap", structure=structure)
        return generalized_responses(self.objective, self.theta, numbers, own)

    def refit(self, responses: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Objectives (m,) of refits to responses (m, n), and which of them converged."""
        if isinstance(self.objective, ProfiledObjective):
            made = refit_many(self.objective, self.theta, responses)
            return made.objective, made.converged
        # Linear models load no families.
        from mixedscope.inference.bootstrap.generalized import GeneralizedRefitter

        found = GeneralizedRefitter(self.objective, self.theta).refits(responses)
        return found.values, found.converged


def bootstrap_draws(
    fits: Mapping[str, Fitted],
    pairs: Sequence[tuple[str, str]],
    draws: Iterable[int],
    *,
    seed: int,
) -> pd.DataFrame:
    """Simulate from every poorer fit and refit both models of each pair.

    ``fits`` are by structure, all of the same data; ``pairs`` the poorer and the richer structure
    of every test; ``draws`` numbers from 0. Gives columns of the table ``tests_bootstrap``:
    ``poorer``, ``richer``, ``draw``, ``statistic`` (null where a refit failed) and ``failed``. A
    refit fails if it does not converge, or the richer model ends above the poorer one, which it
    contains.
    """
    numbers = list(draws)
    tables = []
    for poorer in dict.fromkeys(pair[0] for pair in pairs):
        inner = fits[poorer]
        responses = inner.draw(numbers, seed=seed, structure=poorer)
        below, settled = inner.refit(responses)
        for richer in [pair[1] for pair in pairs if pair[0] == poorer]:
            above, also = fits[richer].refit(responses)
            statistic = below - above
            failed = ~(settled & also & (statistic >= -_SLACK))
            statistic = np.where(failed, np.nan, np.maximum(statistic, 0.0))
            tables.append(
                pd.DataFrame(
                    {
                        "poorer": poorer,
                        "richer": richer,
                        "draw": np.array(numbers, dtype=np.int32),
                        "statistic": statistic,
                        "failed": failed,
                    }
                )
            )
    return pd.concat(tables, ignore_index=True)


def bootstrap_p_values(
    draws: pd.DataFrame, poorer: str, richer: str, statistic: float
) -> dict[str, Any]:
    """Compare the statistic of a pair with its distribution in the draws of `bootstrap_draws`.

    Gives ``bootstrap_draws``; ``bootstrap_failed``, which do not count below; ``bootstrap_p``,
    ``(1 + r) / (1 + m)`` with r of the m remaining draws at least as large as the statistic
    (Davison & Hinkley 1997, section 4.2.3); its Monte Carlo standard error ``bootstrap_error``;
    ``bootstrap_zero``, the share of draws where the statistic is zero. Raises ModelError if the
    pair was not drawn.
    """
    own = draws[(draws["poorer"] == poorer) & (draws["richer"] == richer)]
    if own.empty:
        raise ModelError(f"There is no bootstrap of {poorer!r} against {richer!r}.")
    values = own.loc[~own["failed"], "statistic"].to_numpy(dtype=float)
    m = len(values)
    out: dict[str, Any] = {
        "bootstrap_draws": len(own),
        "bootstrap_failed": int(own["failed"].sum()),
        "bootstrap_p": None,
        "bootstrap_error": None,
        "bootstrap_zero": None,
    }
    if m:
        p = (1.0 + int((values >= statistic - NOTHING).sum())) / (1.0 + m)
        out["bootstrap_p"] = p
        out["bootstrap_error"] = float(np.sqrt(p * (1.0 - p) / m))
        out["bootstrap_zero"] = float((values <= NOTHING).mean())
    return out
