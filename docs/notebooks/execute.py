"""Run the notebooks of this folder anew, outputs and all.

uv run --group docs python docs/notebooks/execute.py
"""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent


def execute(path: Path) -> None:
    """Run one notebook in a fresh kernel, and keep what it showed and nothing of when."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=600, record_timing=False).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            # What tells of the machine, as that kernels are compiled, does not belong here.
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for found in sorted(HERE.glob("*.ipynb")):
        execute(found)
