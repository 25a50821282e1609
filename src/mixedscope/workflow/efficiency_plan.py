"""The jobs of simulations of shrinkage: which draws are refitted together, and where they lie.

Draws are cut into jobs of about equal cost, as measured by jobs of the same model that have run,
else as guessed from the size of the model. Draws that a stored batch holds are not made again: with
more draws in the configuration only those that are new are refitted. How draws are cut changes
nothing about the results (`mixedscope.inference.accuracy.draw_blocks`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mixedscope.core.seeds import derive_seed
from mixedscope.inference.accuracy.draw_blocks import BLOCK, block_count
from mixedscope.sweeps.batches import columns_of, note_of
from mixedscope.sweeps.costs import fit_seconds, size_on
from mixedscope.sweeps.identity import digest
from mixedscope.workflow.plan import Plan

__all__ = ["EfficiencyPlan"]


@dataclass(frozen=True)
class EfficiencyPlan:
    """The jobs of every simulation of a configuration.

    Attributes
    ----------
    plan : Plan
    code : str
        Digest of the code that makes batches.
    """

    plan: Plan
    code: str

    def draws(self, model: str) -> int:
        """Draws asked for."""
        asked = self.plan.config.models[model].efficiency
        return 0 if asked is None else asked.draws

    def seed(self, model: str) -> int:
        """Seed of the draws of a model, from that of the configuration."""
        return derive_seed(self.plan.config.seed, "efficiency of a model", model=model)

    def fit_files(self, model: str) -> list[str]:
        """``fit.json`` of the fits that are drawn from and refitted, the first structure first."""
        return self.plan.fit_files("fit.json", model=model, shows="structures")

    def key(self, model: str) -> str:
        """Digest of all that decides the draws of a model but their number."""
        entry, parameters = self.plan.config.models[model], self.plan.parameters
        told = [parameters["models"][model], parameters["datasets"][entry.dataset]]
        told += [entry.structures, parameters["optimizers"][entry.optimizers[0]]]
        return digest([*told, self.seed(model), BLOCK, self.code])

    def batch_files(self, model: str, part: str) -> list[str]:
        """One file of every batch of a model: ``draws``, ``refits`` or ``timing``."""
        return [f"{_directory(model)}/{name}.{part}.parquet" for name in self.batches[model]]

    @staticmethod
    def blocks(batch: str) -> list[int]:
        """Blocks of a batch by its name, such as ``0-7``."""
        first, last = map(int, batch.split("-"))
        return list(range(first, last + 1))

    @cached_property
    def batches(self) -> dict[str, list[str]]:
        """Names of the batches of every model: stored ones, and those still to be made."""
        return {
            name: self._batches(name)
            for name, entry in self.plan.config.models.items()
            if entry.efficiency is not None
        }

    def _batches(self, model: str) -> list[str]:
        asked = self.plan.config.models[model].efficiency
        assert asked is not None
        wanted = set(range(block_count(asked.draws)))
        chosen = []
        for name in _stored(model, self.key(model)):
            blocks = set(self.blocks(name))
            if blocks & wanted:
                chosen.append(name)
                wanted -= blocks
        each = _measured(model) or self._guess(model)
        size = max(1, math.floor(asked.batch_seconds / each))
        for run in _runs(sorted(wanted)):
            parts = math.ceil(len(run) / size)
            edges = [len(run) * i // parts for i in range(parts + 1)]
            chosen += [f"{run[a]}-{run[b - 1]}" for a, b in itertools.pairwise(edges)]
        return sorted(chosen, key=lambda name: self.blocks(name))

    def _guess(self, model: str) -> float:
        """Seconds of a block of draws, if nothing was measured."""
        entry, parameters = self.plan.config.models[model], self.plan.parameters
        formula, dataset = entry.formula, parameters["datasets"][entry.dataset]
        sizes = [size_on(formula, None, dataset, structure) for structure in entry.structures]
        return BLOCK * sum(fit_seconds(size, "auto") for size in sizes)


def _directory(model: str) -> str:
    return f"results/compare/{model}/efficiency"


def _stored(model: str, key: str) -> list[str]:
    """Batches that are there, whole, and made of what is asked for now."""
    found = []
    for path in sorted(Path(_directory(model)).glob("*.draws.parquet")):
        name = path.name.removesuffix(".draws.parquet")
        if not all(path.with_name(f"{name}.{part}.parquet").is_file() for part in _PARTS):
            continue
        # The draws of a batch that is not whole are cut into a new one.
        if (note := note_of(path)) is not None and note["key"] == key:
            found.append(name)
    return found


_PARTS = ("draws", "refits", "timing")


def _measured(model: str) -> float | None:
    """Seconds of a block in the batches that have run, whatever they were made of."""
    seconds, blocks = 0.0, 0
    for path in sorted(Path(_directory(model)).glob("*.timing.parquet")):
        told = list(columns_of(path, "block", "seconds"))
        seconds += sum(taken for _, taken in told)
        blocks += len({block for block, _ in told})
    return seconds / blocks if blocks else None


def _runs(numbers: Iterable[int]) -> list[list[int]]:
    """Cut ascending numbers where one is missing."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs
