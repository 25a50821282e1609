"""A stored fit with its model: built again from the files, and held against what they say."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import StoreError
from mixedscope.core.evaluation import Evaluated
from mixedscope.data.digest import frame_digest
from mixedscope.data.storable import split_index, with_categories
from mixedscope.design.spec import ModelSpec
from mixedscope.engine.making import objective_of
from mixedscope.inference.estimates.stored_point import stored_point
from mixedscope.optimize.certificate import VERDICT_TOLERANCE, tolerance_scale
from mixedscope.optimize.objective import Objective
from mixedscope.optimize.problem import EVALUATION_ERRORS
from mixedscope.tables.kinds.data import DATA
from mixedscope.tables.store import FitTables, read_fit
from mixedscope.tables.table_files import read_table

__all__ = [
    "StoredFit",
    "allowed_difference",
    "check_stored",
    "data_file",
    "open_fit",
    "prepared_data",
    "stored_data",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class StoredFit:
    """A fit read from its directory.

    Attributes
    ----------
    tables : FitTables
        Those asked for.
    objective : SearchableObjective or LaplaceObjective
        Built again from the stored data.
    theta : (k,) array
        The estimates: all that was searched.
    source : dict
        What is known of the data: ``attrs`` of their table.
    frame : pandas.DataFrame
        The stored data: all rows and columns.
    """

    tables: FitTables
    objective: Any
    theta: Floats
    source: dict[Any, Any]
    frame: pd.DataFrame

    @property
    def info(self) -> dict[str, Any]:
        """The content of ``fit.json``."""
        return self.tables.info


def open_fit(directory: str | os.PathLike[str], *, tables: Iterable[str] = ()) -> StoredFit:
    """Read a fit and build its model again.

    ``tables``: tables to read besides ``estimates``. Raises StoreError if the directory holds no
    fit, a file is damaged or not there, or data and theta give another objective than the one
    stored.
    """
    origin = Path(directory)
    read = read_fit(origin, only=dict.fromkeys(("estimates", *tables)))
    frame = stored_data(read.info, origin)
    spec = ModelSpec.of(read.info)
    objective = objective_of(spec, frame)
    theta = stored_point(read.info, read.require("estimates"))
    check_stored(objective, theta, read.info, origin)
    return StoredFit(read, objective, theta, dict(frame.attrs), frame)


def data_file(info: Mapping[str, Any], origin: Path) -> Path:
    """Give the path of the data of a fit stored at `origin`."""
    return origin / str(info["dataset"]["file"])


def stored_data(info: Mapping[str, Any], origin: Path) -> pd.DataFrame:
    """Read the data of a stored fit.

    Raises StoreError if they are not there, or are not what the fit was made from.
    """
    path = data_file(info, origin)
    if not path.exists():
        raise StoreError(
            f"The data of this fit are not at {path}; put the file back, or fit again."
        )
    frame = split_index(read_table(path, DATA))
    stored = info["dataset"]["sha256"]
    # Data written with the fit are the columns of the model alone, whose digest is at hand.
    own = path.parent == origin and frame_digest(frame) != stored
    if frame.attrs.get("sha256") != stored or own:
        raise StoreError(
            f"{path} is not what this fit was made from (its SHA-256 differs); fit again."
        )
    return with_categories(frame)


def prepared_data(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a data set that the workflow has prepared."""
    return with_categories(split_index(read_table(path, DATA)))


def check_stored(
    objective: Objective, theta: Floats, info: Mapping[str, Any], origin: Path
) -> None:
    """Refuse a fit whose objective is not the one that its data and theta give.

    Raises StoreError if it is another, or cannot be evaluated.
    """
    stored = info["objective"]
    try:
        if theta.shape != (len(objective.theta_names),) or not np.isfinite(theta).all():
            raise ValueError(
                f"theta is {theta.tolist()} and needs {len(objective.theta_names)} numbers"
            )
        found = objective.evaluate(theta)
        if abs(found.objective - stored) <= allowed_difference(found):
            return
        got = f"{found.objective:.6f}"
    except (*EVALUATION_ERRORS, TypeError, ValueError) as error:
        got = f"nothing ({error})"
    raise StoreError(
        f"The fit in {origin} is not that of its data: at the stored theta they give the objective "
        f"{got}, fit.json says {stored}. Its files were changed, or written by a version that did "
        "not keep the types of columns; fit again."
    )


def allowed_difference(found: Evaluated) -> float:
    """By how much an objective may differ from the one found: what verdicts count as nothing.

    Beside that, what two evaluations may have lost by cancellation.
    """
    return VERDICT_TOLERANCE * tolerance_scale(found.objective) + 2.0 * found.rounding
