"""The jobs of planned studies: which sizes there are, and which draws are made together.

Draw i of a size depends on the seed, the size and i alone: how draws are cut changes no number.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

from mixedscope.core.seeds import derive_seed
from mixedscope.sweeps.costs import ModelSize
from mixedscope.workflow.config.power import PowerConfig
from mixedscope.workflow.plan import Plan

__all__ = ["PowerPlan"]

#: Fits that a draw takes, about: it is fitted, and tested by evaluations about the end.
_FITS: float = 2.0

#: Sizes that a search looks at, about.
_SEARCHED: float = 10.0


@dataclass(frozen=True)
class PowerPlan:
    """The jobs of all planned studies of a configuration.

    Attributes
    ----------
    plan : Plan
    """

    plan: Plan

    def asked(self, model: str) -> PowerConfig:
        """What the key ``power`` of a model says."""
        found = self.plan.config.models[model].power
        assert found is not None
        return found

    def settings(self, model: str) -> dict[str, Any]:
        """What the draws of a model depend on beside their sizes and seed."""
        left = {"along", "batch", "draws", "newdata", "search", "seed", "wanted"}
        return self.asked(model).model_dump(exclude=left)

    def search(self, model: str) -> dict[str, Any]:
        """What a search for the smallest size depends on beside the settings and the seed."""
        return self.asked(model).model_dump(include={"along", "draws", "wanted"})

    def wanted(self, model: str) -> float:
        """Power that sizes are read off for."""
        return self.asked(model).wanted

    def newdata_files(self, model: str) -> list[str]:
        """The prepared rows of the planned study, where they are not those of the fit."""
        asked = self.asked(model).newdata
        return [] if asked is None else [f"results/data/{asked}.parquet"]

    def seed(self, model: str) -> int:
        """Seed of the draws of a model."""
        own = self.asked(model).seed
        if own is not None:
            return own
        return derive_seed(self.plan.config.seed, "power of a model", model=model)

    def points(self, model: str) -> dict[str, dict[str, int]]:
        """Sizes of every point by its name in files: ``40``, ``40x12``, ``pilot`` for none.

        Those of a search are not known before it is made: it has no points.
        """
        if self.asked(model).search:
            return {}
        along = self.asked(model).along
        found = {}
        for sizes in product(*along.values()):
            name = "x".join(map(str, sizes)) or "pilot"
            found[name] = dict(zip(along, sizes, strict=True))
        return found

    def batch_files(self, model: str) -> list[str]:
        """Draws of all points, a batch to a file; of a search all in one."""
        if self.asked(model).search:
            return [f"results/compare/{model}/power/search.parquet"]
        return [
            f"results/compare/{model}/power/{point}/{batch}.parquet"
            for point in self.points(model)
            for batch in self.asked(model).batches
        ]

    def fit_file(self, model: str, file: str = "fit.json") -> str:
        """A file of the fit that studies are planned from: the first structure and optimiser."""
        return self.plan.fit_files(file, model=model, shows="first")[0]

    def fits(self, model: str, size: ModelSize) -> float:
        """As many fits as a job makes, of the size of the data; larger studies take longer."""
        asked = self.plan.config.models[model].power
        if asked is None:
            return 0.0
        return _FITS * (_SEARCHED * asked.draws if asked.search else asked.batch)
