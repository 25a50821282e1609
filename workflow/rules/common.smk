"""The checked configuration, and what the rules ask of it."""

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from mixedscope.core.wording import counted
from mixedscope.workflow.plan import TOGETHER, make_plan
from mixedscope.workflow.code_digest import code_digest
from mixedscope.core.errors import MixedscopeError
from mixedscope.workflow.resources import JobResources
from mixedscope.workflow.run_record import check_owner, record_run
from mixedscope.workflow.scheduling import unhurried
from mixedscope.workflow.shell_text import ShellText, odd_characters
from mixedscope.workflow.warm.command import WarmPython

if {"{", "}"} & set(workflow.current_basedir.get_path_or_uri(secret_free=True)):
    raise WorkflowError(
        "Snakemake reads braces in a path as wildcards: move the workflow to a folder without, "
        f"from {workflow.current_basedir.get_path_or_uri(secret_free=True)}."
    )

# Snakemake puts the path of Python into the commands of scripts as it is. Where it starts them
# itself they are forks of one process that has loaded what they need.
on_this_machine = workflow.is_main_process and not workflow.non_local_exec
sys.executable = (WarmPython if on_this_machine else ShellText)(sys.executable)

if workflow.non_local_exec and odd_characters(sys.executable):
    raise WorkflowError(
        f"Jobs on a cluster cannot start {str(sys.executable)!r}, for Snakemake does not quote it: "
        f"install into a folder whose path has no {odd_characters(sys.executable)}."
    )

# Unlocking a folder runs nothing: neither data nor other configurations matter.
UNLOCKING = "--unlock" in sys.argv

try:
    PLAN = make_plan(config, files=workflow.configfiles)
    # Snakemake asks for no input of a file that is there: stale results would pass for new ones.
    if not UNLOCKING:
        PLAN.source_digests
        # Jobs load the rules too, and would simulate in vain.
        if workflow.is_main_process:
            PLAN.check_simulations()
except MixedscopeError as error:
    raise WorkflowError(str(error)) from None

RESOURCES = JobResources(PLAN)

# Where this project finds the results: with the prefix of a module before, if there is one.
ROOT = workflow.modifier.path_modifier.replace_prefix("results")

# Projects that use the workflow as a module say themselves what is run where.
if workflow.is_main_process and workflow.modifier.is_main_snakefile() and not UNLOCKING:
    try:
        if shared := check_owner(PLAN, workflow.configfiles):
            logger.warning(shared)
    except MixedscopeError as error:
        raise WorkflowError(str(error)) from None


wildcard_constraints:
    dataset=r"[A-Za-z0-9_.-]+",
    model=r"[A-Za-z0-9_.-]+",
    structure=r"[A-Za-z0-9_.-]+",
    optimizer=r"[A-Za-z0-9_.-]+",
    chart=r"[^/]+",
