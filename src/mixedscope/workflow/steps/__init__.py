"""The steps of the workflow as plain functions of files: what its scripts call.

Each step reads files, calls the library and writes files; none of them knows Snakemake.  Imports
stand inside the steps: a job loads what it needs, and `mixedscope.workflow.code_digest` sees
which code a step depends on.
"""

from mixedscope.workflow.steps.compare import bootstrap, compare, phases
from mixedscope.workflow.steps.drawing import assets, charts, films, index, phases_charts
from mixedscope.workflow.steps.efficiency import crossvalidation, efficiency, efficiency_batch
from mixedscope.workflow.steps.fits import fit, prepare, race, study
from mixedscope.workflow.steps.inference import (
    fit_bootstrap,
    fit_bootstrap_batch,
    influence,
    profile,
    table,
    tests,
)
from mixedscope.workflow.steps.job import job
from mixedscope.workflow.steps.power import power, power_batch, power_search
from mixedscope.workflow.steps.sweeps import (
    sweep_batch,
    sweep_charts,
    sweep_gather,
    sweep_performance,
    sweep_plan,
)

__all__ = [
    "assets",
    "bootstrap",
    "charts",
    "compare",
    "crossvalidation",
    "efficiency",
    "efficiency_batch",
    "films",
    "fit",
    "fit_bootstrap",
    "fit_bootstrap_batch",
    "index",
    "influence",
    "job",
    "phases",
    "phases_charts",
    "power",
    "power_batch",
    "power_search",
    "prepare",
    "profile",
    "race",
    "study",
    "sweep_batch",
    "sweep_charts",
    "sweep_gather",
    "sweep_performance",
    "sweep_plan",
    "table",
    "tests",
]
