"""What keys that were taken out of a configuration have left in the results of its models.

Pages show what the configuration asks for.  What it asked for before would still be found by
whoever looks into the folders, or loads a fit from them, and some of it would stay when the fit is
made again from other data; so it is removed when a run starts.  Draws of bootstraps and
simulations, in folders of their own, are kept: they cost most, and nothing reads them unless it is
asked for again, when Snakemake sees whether they are of the fit that is there.

Snakemake tells of a start only where there is something to do. There is: the pages have other
inputs without the key, unless inputs are no reason to rerun (``--rerun-triggers mtime``) or the
pages are no target; then the files stay until a run makes the pages.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mixedscope.api.printing.endings import FORMATS
from mixedscope.charts.registry import CHARTS, MODEL_CHARTS
from mixedscope.sweeps.plan import SweepPlan
from mixedscope.workflow.chart_tables import TABLES_OF_KEYS
from mixedscope.workflow.inference_plan import InferencePlan
from mixedscope.workflow.plan import TABLES_OF_MODELS, Plan

__all__ = ["remove_taken_out", "taken_out"]


def taken_out(plan: Plan, sweeps: SweepPlan, root: str = "results") -> list[Path]:
    """Files of keys of models and sweeps that are there and are not asked for (any more).

    ``root``: where results are.
    """
    found = [
        path
        for model in plan.config.models
        for path in (*_beside_fits(plan, model, root), *_of_model(plan, model, Path(root)))
    ]
    wanted = {_placed(file, root) for file in sweeps.table_files()}
    for sweep in sweeps.sweeps:
        file = Path(root, "sweeps", sweep, "performance.parquet")
        if file not in wanted:
            found += [file, file.with_suffix(".csv")]
    return [path for path in found if path.is_file()]


def remove_taken_out(plan: Plan, sweeps: SweepPlan, root: str = "results") -> list[Path]:
    """Remove these files; give which."""
    found = taken_out(plan, sweeps, root)
    for path in found:
        path.unlink(missing_ok=True)
    return found


def _placed(file: str, root: str) -> Path:
    """A file of the plan, where results are."""
    return Path(root, *Path(file).parts[1:])


def _beside_fits(plan: Plan, model: str, root: str) -> Iterator[Path]:
    """Tables of inference beside fits of a model."""
    wanted = {_placed(file, root) for file in InferencePlan(plan).table_files(model)}
    for file in plan.fit_files("fit.json", model=model):
        for table in (table for tables in TABLES_OF_KEYS.values() for table in tables):
            path = _placed(file, root).with_name(f"{table}.parquet")
            if path not in wanted:
                yield from (path, path.with_suffix(".csv"))


def _of_model(plan: Plan, model: str, root: Path) -> Iterator[Path]:
    """Tables of a model as a whole, those for papers, and charts."""
    entry, compared = plan.config.models[model], root / "compare" / model
    for key, tables in TABLES_OF_MODELS.items():
        if getattr(entry, key) is None:
            for table in tables:
                yield from (compared / f"{table}.parquet", compared / f"{table}.csv")
    printed = {_placed(file, str(root)) for file in InferencePlan(plan).printed_files(model)}
    yield from (
        path for end in FORMATS.values() if (path := compared / f"table{end}") not in printed
    )
    asked = {*MODEL_CHARTS, *(name for name, kind in CHARTS.items() if kind.beside)}
    for chart in asked - set(plan.charts()[model]):
        for folder in ("charts", "thumbnails"):
            yield from sorted((root / folder / model).glob(f"{chart}.*"))
