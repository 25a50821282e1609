"""The checked configuration, and what the rules ask of it."""

from snakemake.exceptions import WorkflowError

from mixedscope.plan import TOGETHER, make_plan
from mixedscope.code_digest import code_digest
from mixedscope.errors import MixedscopeError
from mixedscope.resources import JobResources

try:
    PLAN = make_plan(config, files=workflow.configfiles)
    # Snakemake asks for no input of a file that is there: stale results would pass for new ones.
    PLAN.source_digests
except MixedscopeError as error:
    raise WorkflowError(str(error)) from None

RESOURCES = JobResources(PLAN)

# Where this project finds the results: with the prefix of a module before, if there is one.
ROOT = workflow.modifier.path_modifier.replace_prefix("results")


wildcard_constraints:
    dataset=r"[A-Za-z0-9_.-]+",
    model=r"[A-Za-z0-9_.-]+",
    structure=r"[A-Za-z0-9_.-]+",
    optimizer=r"[A-Za-z0-9_.-]+",
    chart=r"[^/]+",
