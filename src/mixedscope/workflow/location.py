"""Where the rules of the workflow are: within the installed package, or in the clone around it."""

from __future__ import annotations

from pathlib import Path

from mixedscope.core.errors import StoreError

__all__ = ["snakefile", "workflow_root"]

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
