"""The machine of a run: what it is and what is installed, without names of hosts or places."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info

__all__ = ["describe_machine"]


def describe_machine(date: str | None) -> dict[str, Any]:
    """Describe processor, memory, load and versions.

    Parameters
    ----------
    date : str or None
        When the run took place, as the reader should see it.
    """
    import scipy.linalg  # noqa: F401  (so that its BLAS is loaded)

    blas = sorted({f"{b['internal_api']} {b['version']}" for b in threadpool_info()})
    content: dict[str, Any] = {
        "processor": _from_proc("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": os.cpu_count(),
        "memory_gb": _memory(),
        "system": f"{platform.system()} {platform.machine()}",
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "blas": ", ".join(blas),
        "versions": {name: version(name) for name in ("numpy", "scipy", "numba", "pandas")},
    }
    return content | ({"date": date} if date else {})


def _memory() -> float | None:
    text = _from_proc("/proc/meminfo", "MemTotal")
    return None if text is None else round(int(text.split()[0]) * 1024 / 1e9, 1)


def _from_proc(path: str, key: str) -> str | None:
    """Value after ``key :`` in a file of the kernel's, if there is one."""
    if not Path(path).exists():
        return None
    for line in Path(path).read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return None
