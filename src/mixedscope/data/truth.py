"""The truth behind simulated data, in the terms of a model that is fitted to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.data.simulate import Simulation, simulate_dataset
from mixedscope.design.design import Design, RandomDesign
from mixedscope.design.nesting import containing_levels

if TYPE_CHECKING:
    from mixedscope.families.family import Family

__all__ = [
    "Truth",
    "effects_in_model",
    "rows_in_simulation",
    "true_designs",
    "true_effects",
]

Floats = NDArray[np.float64]

#: What a sum and a difference of doubles lose, over their terms.
_ROUNDING: Final = 4.0 * float(np.finfo(float).eps)


@dataclass(frozen=True)
class Truth:
    """What the data were made from.

    Attributes
    ----------
    predictor : (n,) array
        Linear predictor with the true random effects, less the offset of the model, for the rows
        of the model: of a normal response its expectation.
    sigma : float or None
        Residual standard deviation; None of a response of a family.
    effects : tuple of (q, k) arrays
        True random effects per grouping factor of the model, in its levels and columns.
    """

    predictor: Floats
    sigma: float | None
    effects: tuple[Floats, ...]


def true_effects(
    spec: Mapping[str, Any],
    design: Design,
    family: Family | None = None,
    given: int | None = None,
) -> Truth | None:
    """Find the truth behind the rows of a model, by simulating its data again; None for others.

    The rows of the model are recognised by their responses; those of a family by their places, see
    `rows_in_simulation`. Random effects are expressed in the columns of the model: where it codes
    conditions in another way than the simulation, or has fewer terms, by the least-squares
    coefficients of the true columns on its own. A grouping factor that had no part in the
    simulation has effects of zero. Data are no longer those of the simulation where the response is
    another or was changed, or levels were joined or renamed across groups, and effects are not the
    true ones where the model has another family or link. ``given``: how many rows the model was
    given; for a family it must be as many as were simulated.
    """
    simulation = simulate_dataset(spec)
    origin = np.arange(given) if given == len(simulation.frame) else None
    return effects_in_model(simulation, design, family, origin)


def effects_in_model(
    simulation: Simulation,
    design: Design,
    family: Family | None = None,
    origin: NDArray[np.intp] | None = None,
) -> Truth | None:
    """Find the same in a simulation made before; see `true_effects`."""
    rows = rows_in_simulation(simulation, design, family, origin)
    if rows is None:
        return None
    effects = []
    for own, true in zip(design.random, true_designs(simulation, design, rows), strict=True):
        found = _in_model(own, true, simulation, rows)
        if found is None:
            return None
        effects.append(found)
    predictor = design.adjusted(simulation.predictor[rows])
    return Truth(predictor, simulation.sigma, tuple(effects))


def rows_in_simulation(
    simulation: Simulation,
    design: Design,
    family: Family | None = None,
    origin: NDArray[np.intp] | None = None,
) -> NDArray[np.intp] | None:
    """Row of the simulation that each row (n,) of the model is; None if responses are others.

    ``family``: that of the model; another one, or another link, has no truth. ``origin``: row of
    the simulation that each row given to the model is; responses of families occur many times, and
    without it their rows are not known.
    """
    if family is not None or simulation.family is not None:
        return _rows_of_family(simulation, design, family, origin)
    if design.response not in simulation.frame.columns:
        return None
    responses = simulation.frame[design.response]
    if responses.dtype != np.float64:
        return None
    drawn = responses.to_numpy()
    order = np.argsort(drawn, kind="stable")  # missing ones last
    if design.offset is None:
        place = np.minimum(np.searchsorted(drawn[order], design.y), len(drawn) - 1)
        rows = order[place]
        return rows if np.array_equal(drawn[rows], design.y) else None
    # What was subtracted and is added again leaves a difference in the last places.
    observed = design.observed(design.y)
    allowed = _ROUNDING * (np.abs(observed) + np.abs(design.offset))
    place = np.minimum(np.searchsorted(drawn[order], observed - allowed), len(drawn) - 1)
    rows = order[place]
    return rows if (np.abs(drawn[rows] - observed) <= allowed).all() else None


def _rows_of_family(
    simulation: Simulation,
    design: Design,
    family: Family | None,
    origin: NDArray[np.intp] | None,
) -> NDArray[np.intp] | None:
    """Rows by their places, if responses and levels are those of the simulation there."""
    if origin is None or repr(family) != repr(simulation.family):
        return None
    rows = origin[design.rows]
    is_same = np.array_equal(design.y, simulation.response[rows])
    if simulation.trials is not None:
        is_same &= design.trials is not None and np.array_equal(
            design.trials, simulation.trials[rows]
        )
    named = {own.group: own for own in simulation.designs}
    for own in design.random:
        if (true := named.get(own.group)) is not None:
            here, there = (np.array(one.levels, dtype=object) for one in (own, true))
            is_same &= np.array_equal(here[own.codes], there[true.codes[rows]])
    return rows if is_same else None


def true_designs(
    simulation: Simulation, design: Design, rows: NDArray[np.intp]
) -> list[RandomDesign | None]:
    """Grouping factor of the simulation that each of a model is; None if it had no part.

    By name, else by which rows it puts together: ``b:a`` is ``a:b``.
    """
    named = {own.group: own for own in simulation.designs}
    left = [own for own in simulation.designs if own.group not in {d.group for d in design.random}]
    return [
        named.get(own.group)
        or next((other for other in left if _alike(own.codes, other.codes[rows])), None)
        for own in design.random
    ]


def _alike(one: NDArray[np.int64], other: NDArray[np.int64]) -> bool:
    """Whether two codings (n,) put the same rows together."""
    pairs = len(np.unique(np.stack([one, other]), axis=1).T)
    return pairs == len(np.unique(one)) == len(np.unique(other))


def _in_model(
    own: RandomDesign,
    true: RandomDesign | None,
    simulation: Simulation,
    rows: NDArray[np.intp],
) -> Floats | None:
    """True effects of one grouping factor of the model, (q, k)."""
    if true is None:
        return np.zeros((len(own.levels), len(own.names)))
    level = containing_levels(own.codes, true.codes[rows])
    if level is None:
        return None
    table = simulation.effects
    drawn = table.loc[table["group"] == true.group, "effect"].to_numpy(dtype=float)
    effects = drawn.reshape(len(true.levels), len(true.names))
    coding = np.linalg.lstsq(own.Z, true.Z[rows], rcond=None)[0]
    return np.asarray(effects[level] @ coding.T)
