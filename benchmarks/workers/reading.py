"""A file of ratings, read and made a model: what that takes in a fresh process."""

from __future__ import annotations

import json
import sys
from time import perf_counter, process_time

import mixedscope as ms
from benchmarks import simulate
from benchmarks.workers.session import peak_memory


def main(path: str, formula: str) -> None:
    """Print the seconds of either part, the rows, and the largest size of the process."""
    # Compiled, or loaded, beforehand.
    ms.LinearMixedModel(formula, simulate.platform(6_000, 300, 200), solver="iterative")
    marks = [(perf_counter(), process_time())]
    data = ms.load_dataset(path)
    marks.append((perf_counter(), process_time()))
    model = ms.LinearMixedModel(formula, data, solver="iterative")
    marks.append((perf_counter(), process_time()))
    told = {
        "rows": len(model.design.y),
        "read_s": marks[1][0] - marks[0][0],
        "read": marks[1][1] - marks[0][1],
        "model_s": marks[2][0] - marks[1][0],
        "model": marks[2][1] - marks[1][1],
        "memory_mb": peak_memory(),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
