"""Open every page of a run in Chromium, as a reader would: which are broken, or show other numbers?

python tests/check_pages.py --config config/small.yaml [directory that holds results/]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from browser import CHROMIUM, NO_CHROMIUM, Browser, Page
from check_results import promised_files

from mixedscope.tables.files import read_json
from mixedscope.workflow.config.model import load_config
from mixedscope.workflow.plan import Plan, make_plan

SLIDER = "input[type=range]"
EXPLORER = "#explorer"


def pages(plan: Plan) -> Iterator[str]:
    """Every page of a run, relative to its working directory."""
    yield from (name for name in promised_files(plan) if name.endswith(".html"))


def look(page: Page, path: Path, plan: Plan, root: Path) -> None:
    """Raise if a page does not show what it should."""
    if "charts" not in path.relative_to(root).parts:
        _read(page)
        return
    if page.js(f"document.querySelector('{EXPLORER}') !== null"):
        _explore(page, path)
        return
    if page.js(f"document.querySelector('{SLIDER}') !== null"):
        _play(page, path, plan, root)
        return
    page.wait(lambda: page.js("document.querySelector('#chart svg') !== null"), "a chart")
    words = json.loads(path.with_suffix(".caption.json").read_text("utf-8"))
    shown = page.js("document.querySelector('#chart svg').textContent")
    missing = [word for word in words["title"].split() if word not in shown]
    if missing:
        raise ValueError(f"the title lacks {missing}")
    if words["caption"] not in page.text("figcaption"):
        raise ValueError("the caption is another one")


def _read(page: Page) -> None:
    """Raise if a page of figures has a picture without words, or one that does not load."""
    wordless = page.js("[...document.images].filter((i) => !i.hasAttribute('alt')).length")
    if wordless:
        raise ValueError(f"{wordless} pictures have no words")
    page.js("for (const i of document.images) i.loading = 'eager'")
    page.wait(
        lambda: page.js("[...document.images].every((i) => i.complete)"), "all pictures are there"
    )
    broken = page.js("[...document.images].filter((i) => !i.naturalWidth).map((i) => i.src)")
    if broken:
        raise ValueError(f"pictures that cannot be drawn: {broken[:3]}")


def _explore(page: Page, path: Path) -> None:
    """Wait for its pictures, and compare its answers with those told beside the figure."""
    page.wait(
        lambda: page.js(f"document.querySelector('{EXPLORER}').dataset.ready === ''"),
        "the explorer is ready",
    )
    text = page.js("document.body.textContent")
    for found in json.loads(path.with_suffix(".caption.json").read_text("utf-8"))["findings"]:
        if found["question"] not in text or found["text"] not in text:
            raise ValueError(f"it does not answer {found['question']!r} as its caption does")


def _play(page: Page, path: Path, plan: Plan, root: Path) -> None:
    """Play, scrub to the end, and compare the evaluations shown there with the stored fits."""
    start = page.js(f"document.querySelector('{SLIDER}').value")
    page.key(" ")
    page.wait(
        lambda: page.js(f"document.querySelector('{SLIDER}').value") != start, "the film plays"
    )
    page.key("End")
    text = page.js("document.body.textContent")
    for file in plan.chart_fits(path.parent.name, path.stem):
        count = read_json(root / file)["optimizer"]["evaluations"]
        if f"{count:,} of {count:,}" not in text and f"{count} of {count}" not in text:
            raise ValueError(f"at the end it does not show evaluation {count} of {count}")


def faults(plan: Plan, root: Path) -> list[str]:
    """What is wrong with the pages of a run; nothing if all is well."""
    found = []
    with Browser() as browser:
        for name in pages(plan):
            path = root / name
            try:
                page = browser.open(path)
                look(page, path, plan, root)
                if page.errors:
                    raise ValueError(f"errors in the console: {page.errors[:3]}")
                outside = [url for url in page.requests if not url.startswith("file:")]
                if outside:
                    raise ValueError(f"it asks the network for {outside[:3]}")
                page.close()
            except Exception as error:
                found.append(f"{name}: {type(error).__name__}: {error}")
    return found


def main() -> int:
    """Open every page of one configuration's results."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--config", default="config/config.yaml")
    parser.add_argument("directory", nargs="?", default=".")
    arguments = parser.parse_args()
    if CHROMIUM is None:
        print(f"Pages not opened: {NO_CHROMIUM}")
        return 0
    plan = make_plan(load_config(arguments.config).model_dump(exclude_unset=True))
    found = faults(plan, Path(arguments.directory))
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{len(list(pages(plan)))} pages opened, {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
