"""Look at every file a run of the workflow promises: which are absent, or not what they claim?

python tests/check_results.py --config config/small.yaml [directory that holds results/]
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pyarrow.parquet as pq

from mixedscope.charts.common.assets import script_of
from mixedscope.charts.registry import MODEL_CHARTS
from mixedscope.sweeps.plan import SweepPlan
from mixedscope.tables.store import read_fit
from mixedscope.tables.table_files import read_table
from mixedscope.workflow.config.model import definitions_of, load_config
from mixedscope.workflow.inference_plan import InferencePlan
from mixedscope.workflow.plan import TABLES_OF_MODELS, Plan, make_plan
from mixedscope.workflow.report.entries import caption_file, thumbnail_files


def promised_files(plan: Plan) -> list[str]:
    """Every file of a run, relative to its working directory."""
    sweeps = sweep_plan(plan)
    files = ["results/index.html", "results/timing.html"]
    files += plan.page_files() + sweeps.page_files() + plan.asset_files()
    files += [f"results/data/{name}.parquet" for name in plan.config.datasets]
    for name in ("fit.json", *(f"{table}.parquet" for table in FIT_TABLES)):
        files += plan.fit_files(name)
    inference = InferencePlan(plan)
    files += inference.table_files() + inference.csv_files() + inference.printed_files()
    files += plan.csv_files() + sweeps.csv_files() + sweeps.table_files()
    files += plan.compare_files() + study_files(plan) + table_files(plan) + plan.chart_files()
    for name in sweeps.sweeps:
        files += [f"results/sweeps/{name}/runs_timing.parquet"]
        files += sweeps.chart_files(name)
    captions = plan.caption_files() + sweeps.caption_files()
    files += thumbnail_files(captions, plan.config.charts.formats)
    files += [caption_file(name) for name in files if name.endswith(".caption.json")]
    return list(dict.fromkeys(files))


def table_files(plan: Plan) -> list[str]:
    """The tables of models as a whole, and of all models."""
    phases = ("phases", "phases_trend", "phases_timing", "phases_timing_trend")
    of_models = [
        f"{name}/{table}"
        for name, entry in plan.config.models.items()
        for tables in (
            ("tests", "components", "structures_timing"),
            *(
                tables
                for key, tables in TABLES_OF_MODELS.items()
                if getattr(entry, key) is not None
            ),
        )
        for table in tables
    ]
    return [f"results/compare/{table}.parquet" for table in (*of_models, *phases)]


def study_files(plan: Plan) -> list[str]:
    """The tables of studies that the charts of every model read."""
    return [
        path
        for model, charts in plan.charts().items()
        for chart in charts
        if chart not in MODEL_CHARTS
        for path in plan.chart_tables(model, chart)
    ]


def sweep_plan(plan: Plan) -> SweepPlan:
    """The sweeps of a run."""
    config = plan.config
    return SweepPlan(config.sweeps, definitions_of(config), "", config.charts.formats)


def faults(plan: Plan, directory: Path) -> list[str]:
    """What is wrong with the results of a run; nothing if all is well."""
    found = []
    for name in promised_files(plan):
        path = directory / name
        try:
            if not path.is_file():
                raise ValueError("is absent")
            if path.stat().st_size == 0:
                raise ValueError("is empty")
            _checker(path)(path)
        except Exception as error:
            found.append(f"{name}: {type(error).__name__}: {error}")
    return found


FIT_TABLES = ("trace", "estimates", "modes", "modes_trace", "timing")

#: Void elements of HTML, which have no end tag.
_VOID = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "source",
        "track",
        "wbr",
    ]
)


class _Page(HTMLParser):
    """Collects what a page links to, and whether its elements are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            self.open.append(tag)
        self.addresses += [value for key, value in attrs if key in ("src", "href") and value]

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        if not self.open or self.open[-1] != tag:
            raise ValueError(f"</{tag}> closes {self.open[-1:] or 'nothing'}")
        self.open.pop()


def kind_of(path: Path) -> str:
    """Kind of the table in a file: its name, with two exceptions."""
    beside_fit = path.with_name("fit.json").is_file()
    if path.stem == "tests" and beside_fit:
        return "effect_tests"
    return {"phases_timing_trend": "phases_trend"}.get(path.stem, path.stem)


def _checker(path: Path) -> Callable[[Path], None]:
    if path.parent.name == "data":
        return lambda p: _check_table(p, "data")
    if path.suffix == ".parquet":
        kind = kind_of(path)
        return lambda p: _check_table(p, kind)
    if path.name.endswith(".vl.json"):
        return _check_vega_lite
    return {
        "fit.json": _check_fit,
        ".gif": _starts_with(b"GIF89a"),
        ".mp4": _starts_with(b"ftyp", at=4),
        ".json": _check_caption,
        ".svg": _check_svg,
        ".png": _check_png,
        ".pdf": _check_pdf,
        ".html": _check_html,
        ".css": _check_asset,
        ".rst": _check_rst,
        ".csv": _check_csv,
        **dict.fromkeys((".txt", ".md", ".tex", ".typ", ".docx"), lambda path: None),
    }[path.name if path.name == "fit.json" else path.suffix]


def _starts_with(magic: bytes, at: int = 0) -> Callable[[Path], None]:
    def check(path: Path) -> None:
        if path.read_bytes()[at : at + len(magic)] != magic:
            raise ValueError("is no such film")
        _check_size(path)

    return check


def _check_table(path: Path, kind: str) -> None:
    # Only simulated data have a truth to err from; one structure alone is tested against none; one
    # effect of a level depends on no other.
    without = {"shrinkage_error", "tests", "mode_correlations"}
    fit = path.with_name("fit.json")
    if fit.exists() and json.loads(fit.read_text("utf-8")).get("family"):
        # Residuals of a family are ranks among draws: leverages are no part of them.
        without |= {"mode_errors", "residuals_contours"}
    if read_table(path, kind).empty and kind not in without:
        raise ValueError("has no rows")
    metadata = pq.read_schema(path).metadata
    for key in (b"mixedscope.schema", b"mixedscope.formula", b"mixedscope.sha256"):
        if key not in metadata:
            raise ValueError(f"lacks {key.decode()}")


def _check_fit(path: Path) -> None:
    fit = read_fit(path.parent)
    trace = fit.require("trace")
    if len(trace) != fit.info["optimizer"]["evaluations"]:
        raise ValueError("the trace does not have one row per evaluation")
    if trace["best"].min() > fit.info["objective"] + 1e-9 * abs(fit.info["objective"]):
        raise ValueError("the objective is below everything in the trace")


def _check_caption(path: Path) -> None:
    content = json.loads(path.read_text("utf-8"))
    if not content["title"] or not content["caption"]:
        raise ValueError("has no title or no caption")


def _check_rst(path: Path) -> None:
    parts = list(path.with_suffix(".caption.json").parts)
    parts[len(parts) - 1 - parts[::-1].index("report")] = "charts"
    title = json.loads(Path(*parts).read_text("utf-8"))["title"]
    text = path.read_text("utf-8").replace("\\", "")
    missing = [word for word in title.split() if word not in text]
    if missing:
        raise ValueError(f"the title lacks {missing}")


def _check_vega_lite(path: Path) -> None:
    content = json.loads(path.read_text("utf-8"))
    if "vega-lite/v6" not in content["$schema"]:
        raise ValueError(f"is of schema {content['$schema']}")


def _check_svg(path: Path) -> None:
    root = ElementTree.parse(path).getroot()
    if root.tag != "{http://www.w3.org/2000/svg}svg":
        raise ValueError(f"its root is {root.tag}")
    _check_size(path)


def _check_csv(path: Path) -> None:
    # The same rows as the Parquet file beside it.
    table = read_table(path.with_suffix(".parquet"), kind_of(path))
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    if header != list(table.columns) or len(rows) != len(table):
        raise ValueError("does not hold the rows and columns of the Parquet file beside it")


def _check_png(path: Path) -> None:
    content = path.read_bytes()
    if not content.startswith(b"\x89PNG\r\n\x1a\n") or b"IEND" not in content[-12:]:
        raise ValueError("is no whole PNG file")
    _check_size(path)


def _check_pdf(path: Path) -> None:
    content = path.read_bytes()
    if not content.startswith(b"%PDF-") or b"%%EOF" not in content[-1024:]:
        raise ValueError("is no whole PDF file")
    _check_size(path)


def _check_html(path: Path) -> None:
    page = _Page()
    page.feed(path.read_text("utf-8"))
    page.close()
    if page.open:
        raise ValueError(f"elements are not closed: {page.open}")
    for address in page.addresses:
        if address.startswith(("data:", "#")):
            continue
        if "://" in address or address.startswith("//"):
            raise ValueError(f"needs the network: {address}")
        if not (path.parent / unquote(address.partition("#")[0])).exists():
            raise ValueError(f"links to {address}, which is absent")


def _check_asset(path: Path) -> None:
    if "vegaEmbed" not in script_of(path):
        raise ValueError("carries no Vega")
    others = [other.name for other in path.parent.iterdir() if other != path]
    if others:
        raise ValueError(f"is not alone: {others}")


def _check_size(path: Path) -> None:
    # Animations, and the stills of what moves.
    megabytes = 5 if path.name.startswith(("motion-", "theta")) else 2
    if path.stat().st_size > megabytes * 1_000_000:
        raise ValueError(f"is larger than {megabytes} MB")


def main() -> int:
    """Check the results of one configuration."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--config", default="config/config.yaml")
    parser.add_argument("directory", nargs="?", default=".", type=Path)
    arguments = parser.parse_args()
    config = load_config(arguments.config)
    plan = make_plan(config.model_dump(exclude_unset=True))
    found = faults(plan, arguments.directory)
    for fault in found:
        print(fault, file=sys.stderr)
    print(f"{len(promised_files(plan))} files looked at, {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
