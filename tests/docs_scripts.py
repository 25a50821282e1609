"""The scripts of docs/figures, which belong to no package, as modules."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

FIGURES = Path(__file__).parents[1] / "docs" / "figures"


def docs_script(name: str) -> ModuleType:
    """Load a script by the name of its file."""
    spec = importlib.util.spec_from_file_location(name, FIGURES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
