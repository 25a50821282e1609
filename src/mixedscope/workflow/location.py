"""Where the rules of the workflow are: within the installed package, or in the clone around it."""

from __future__ import annotations

from pathlib import Path

from mixedscope.core.errors import ConfigError, StoreError

__all__ = ["readable_config", "snakefile", "workflow_root"]

#: Where a wheel has what a clone has at its top: see `force-include` in pyproject.toml.
_SHIPPED = Path(__file__).resolve().parent / "shipped"


def workflow_root() -> Path:
    """The folder that holds ``workflow/``, ``config/``, ``profiles/`` and ``environment.yml``.

    Raises StoreError if there is none: the package was put together without it.
    """
    # A package that is edited in a clone has its rules from the clone.
    for root in (_SHIPPED, Path(__file__).resolve().parents[3]):
        if (root / "workflow" / "Snakefile").is_file():
            return root
    raise StoreError(
        f"The rules of the workflow are not with the package in {_SHIPPED.parents[1]}: install it "
        "with pip or uv, from a wheel or a clone."
    )


def snakefile() -> str:
    """The file that a Snakefile of one's own includes: ``include: snakefile()``."""
    return str(workflow_root() / "workflow" / "Snakefile")


def readable_config(path: str) -> str:
    """A configuration for a Snakefile of one's own, ``configfile: readable_config("config.yaml")``.

    Raises Snakemake's WorkflowError with the line at fault where the file is no YAML: Snakemake
    itself names none.
    """
    from snakemake.exceptions import WorkflowError

    from mixedscope.workflow.config.yaml import read_yaml

    try:
        read_yaml(path)
    except ConfigError as error:
        raise WorkflowError(str(error)) from None
    return path
