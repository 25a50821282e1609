"""A run with figures and fits, as the pages of results read it, and a page as readers see it."""

from __future__ import annotations

from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from PIL import Image
from sample_tables import fit_tables

from mixedscope.inference.ladder.compare import compare_structures
from mixedscope.tables.files import write_csv, write_json
from mixedscope.tables.store import write_fit
from mixedscope.tables.table_files import write_table
from mixedscope.workflow.report.pages import write_pages

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="360" height="480" viewBox="0 0 360 480">'
    '<rect width="360" height="480" fill="#abc"/></svg>'
)
NASTY = "<script>alert(1)</script> & a|b \" onload='x' {{ 6 * 7 }}"


class Page(HTMLParser):
    """Elements with their attributes, and the text of the page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, attribute: str) -> list[str]:
        return [a[attribute] or "" for _, a in self.elements if attribute in a]

    def broken(self) -> list[str]:
        """Links that lead to no file, or to no element of a page."""
        found = []
        for address in self.values("href") + self.values("src"):
            file, _, anchor = address.partition("#")
            target = self.path.parent / unquote(file) if file else self.path
            if not target.is_file() or (anchor and anchor not in Page(target).values("id")):
                found.append(address)
        return found


class Run:
    """The files of a run that its pages are made of."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.fits = [
            fit_tables(structure=structure, max_evaluations=60, group=f"g {NASTY}")
            for structure in ("full", "intercept")
        ]
        for fit in self.fits:
            fit.info |= {"model": "my sleep", "formula": f"y ~ {NASTY}"}
            estimates = fit.require("estimates")
            beta = estimates["kind"] == "beta"
            estimates.loc[beta, "std_error"] = [3.21, 0.765]
            # As the engine stores them: the earlier term first.
            if (pairs := estimates["kind"] == "correlation").any():
                estimates.loc[pairs, ["term", "term2"]] = ["(Intercept)", "Days"]
            for end, sign in (("lower", -1.96), ("upper", 1.96)):
                reach = sign * estimates.loc[beta, "std_error"]
                estimates.loc[beta, end] = estimates.loc[beta, "estimate"] + reach
            fit.info["dataset"] |= {"source": f"{NASTY}.csv", "n_dropped": 1234}
        self.infos: list[dict[str, Any]] = [fit.info for fit in self.fits]
        self.infos[1]["singular"][0]["singular"] = True
        self.structures = root / "compare/my sleep/structures.parquet"
        table = compare_structures(self.infos)
        formula, digest = self.infos[0]["formula"], "0" * 64
        write_table(self.structures, table, "structures", formula=formula, sha256=digest)
        write_csv(self.structures.with_suffix(".csv"), table)
        self.formats = ["svg", "png", "html"]
        self.caption = self.figure("charts/my sleep/shrinkage-a~20b")

    def figure(self, stem: str, formats: list[str] | None = None) -> Path:
        """A figure, its files and its caption."""
        caption = self.root / f"{stem}.caption.json"
        content = {"title": f"Title {NASTY}", "caption": f"Caption {NASTY}"}
        write_json(caption, {**content, "formats": formats or self.formats})
        for name in formats or self.formats:
            path = self.root / f"{stem}.{name}"
            if name == "png":
                # 200 pixels where a chart has 72.
                Image.new("RGB", (1000, 500), "white").save(path)
            else:
                path.write_text(SVG if name == "svg" else "x")
        return caption

    def stored_fits(self) -> list[Path]:
        """The fits as the workflow stores them, with what their pages link to."""
        directories = [self.root / f"fits/my sleep/{i['structure']}/auto" for i in self.infos]
        for fit, directory in zip(self.fits, directories, strict=True):
            write_fit(directory, fit)
            for name in ("estimates", "modes"):
                write_csv(directory / f"{name}.csv", fit.require(name))
        return [directory / "fit.json" for directory in directories]

    def table(self, stem: str) -> Path:
        """A table that a page links to, whatever it holds, and its CSV."""
        path = self.root / f"{stem}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        for file in (path, path.with_suffix(".csv")):
            file.write_text("x")
        return path

    def write(self, *others: Path, tables: Sequence[Path] = ()) -> list[Path]:
        of_model = [path for path in others if path.parts[-3:-1] == ("charts", "my sleep")]
        return write_pages(
            structures=[str(self.structures)],
            captions=[str(self.caption), *map(str, of_model)],
            together=[str(path) for path in others if path not in of_model],
            fits=self.stored_fits(),
            tables=tables,
            output=self.root / "index.html",
            timing=self.root / "timing.html",
        )

    def page(self, name: str = "pages/my sleep.html") -> Page:
        return Page(self.root / name)
