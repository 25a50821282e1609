"""Are the results of two runs the same, byte for byte?

python tests/compare_results.py FIRST SECOND      two directories that hold results/

Left out is what holds measured seconds (files named ``*timing*`` and ``*-seconds*``, and how a
sweep was cut into batches, which follows from them) and logs.  Temporary files that a killed job
has left are told as well.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

#: What may differ: seconds, logs, and batches of sweeps (their gathered runs are compared).
LEFT_OUT = re.compile(r"timing|-seconds|^logs/|^sweeps/[^/]+/(?:plan\.json|batches/)")


def compared_files(directory: Path) -> dict[str, Path]:
    """Files of a run that hold nothing measured, by their names below ``results``."""
    results = directory / "results"
    if not results.is_dir():
        raise SystemExit(f"{directory} holds no results")
    files = [path for path in results.rglob("*") if path.is_file()]
    named = {path.relative_to(results).as_posix(): path for path in sorted(files)}
    return {name: path for name, path in named.items() if not LEFT_OUT.search(name)}


def differences(first: Path, second: Path) -> list[str]:
    """What is not the same in two runs, one line each; nothing if they are the same."""
    ours, theirs = compared_files(first), compared_files(second)
    found = [f"only in {first}: {name}" for name in ours if name not in theirs]
    found += [f"only in {second}: {name}" for name in theirs if name not in ours]
    found += [
        f"differs: {name}"
        for name in ours
        if name in theirs and ours[name].read_bytes() != theirs[name].read_bytes()
    ]
    return found + [f"not finished: {path}" for d in (first, second) for path in unfinished(d)]


def unfinished(directory: Path) -> list[Path]:
    """Files that were being written when their job was killed."""
    return sorted((directory / "results").rglob(".*.tmp"))


def main() -> int:
    """Compare the results of two runs."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    arguments = parser.parse_args()
    found = differences(arguments.first, arguments.second)
    print(*found, sep="\n" if found else "")
    print(f"{len(compared_files(arguments.first))} files compared, {len(found)} differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
