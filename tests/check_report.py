"""Look at the report of Snakemake: is every figure in it, and nothing from outside?

python tests/check_report.py results/report.html [directory that holds results/]
"""

from __future__ import annotations

import argparse
import html
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

from browser import CHROMIUM, Browser, Page

#: A figure that takes longer is taken for one that does not come.
PATIENCE = 30.0


def held(report: Path, variable: str) -> Any:
    """What the report holds as one of its variables."""
    found = re.search(
        rf'<script id="{variable}">\s*var {variable} = (.*?);\s*</script>',
        report.read_text("utf-8"),
        flags=re.DOTALL,
    )
    if found is None:
        raise ValueError(f"{report} is no report of Snakemake: it lacks {variable}")
    return json.loads(found[1])


def faults(report: Path, directory: Path) -> list[str]:
    """What is wrong with a report of a run; nothing if all is well."""
    results, found = held(report, "results"), []
    shown = {
        Path(name).as_posix().rpartition("results/charts/")[2]: r for name, r in results.items()
    }
    charts = directory / "results" / "charts"
    for path in sorted(charts.rglob("*.caption.json")):
        words = json.loads(path.read_text("utf-8"))
        stem = path.relative_to(charts).as_posix().removesuffix(".caption.json")
        still = next((kind for kind in ("svg", "png") if kind in words["formats"]), None)
        film = "html" if "mp4" in words["formats"] and "html" in words["formats"] else None
        for kind in filter(None, (still, film)):
            name = f"{stem}.{kind}"
            if name not in shown:
                found.append(f"{name} is absent")
                continue
            text = html.unescape(re.sub(r"<[^>]+>", "", shown[name]["caption"]))
            if " ".join(words["caption"].split()) not in " ".join(text.split()):
                found.append(f"{name} has another caption")
            if not shown[name]["data_uri"].startswith("data:"):
                found.append(f"{name} is not within the report")
    return found


def looked_at(page: Page, report: Path) -> list[str]:
    """Open every figure in the browser; what does not show."""
    found = []
    names = [
        name
        for names in held(report, "categories").values()
        for ns in names.values()
        for name in ns
    ]
    for name in names:
        kind = "html" if name.endswith(".html") else "img"
        page.js(
            f"app.setView({{content: '{kind}', contentPath: results[{json.dumps(name)}].data_uri,"
            f" resultPath: {json.dumps(name)}}})"
        )
        ready = (
            f"[...document.querySelectorAll('#app {'img' if kind == 'img' else 'iframe'}')].some("
            f"(e) => e.src === results[{json.dumps(name)}].data_uri"
            f"{' && e.complete && e.naturalWidth > 0' if kind == 'img' else ''})"
        )
        until = time.monotonic() + PATIENCE
        while not page.js(ready) and time.monotonic() < until:
            time.sleep(0.02)
        if not page.js(ready):
            found.append(f"{name} does not show")
    return found


def main() -> int:
    """Check one report."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("directory", nargs="?", default=".", type=Path)
    arguments = parser.parse_args()
    found = faults(arguments.report, arguments.directory)
    if CHROMIUM is not None:
        with Browser() as browser:
            page = browser.open(arguments.report)
            page.wait(lambda: page.js("typeof app !== 'undefined'"), "the report has started")
            found += looked_at(page, arguments.report) + page.errors
            found += [url for url in page.requests if not url.startswith(("file:", "blob:"))]
    print(*found, sep="\n", end="\n" if found else "")
    megabytes = arguments.report.stat().st_size / 1e6
    print(
        f"{len(held(arguments.report, 'results'))} figures, {megabytes:.1f} MB, {len(found)} faults"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
