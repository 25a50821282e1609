"""Pages of the documentation site that are made, and how links of all pages are led there.

Nothing here knows mkdocs: docs/site/hooks.py hands it what these functions give.
"""

from __future__ import annotations

import inspect
import json
import posixpath
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import mixedscope
from mixedscope import charts
from mixedscope.charts.registry import PUBLIC, SPECS, ChartSpec
from mixedscope.charts.stub import functions
from mixedscope.tables.schemas import SCHEMAS
from mixedscope.workflow.report.questions import QUESTIONS

ROOT = Path(__file__).resolve().parents[2]

#: Pages from outside docs/, by where they stand in the repository.
OUTSIDE = {
    "config/README.md": "configuration.md",
    "results/README.md": "results.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "index.md",
}

#: Links and pictures; code does not look like them.
_LINK = re.compile(r"(?<!`)(?P<bang>!?)\[(?P<text>[^\]\n]*)\]\((?P<path>[^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
#: A cell of a table that has been made, and a name in a docstring with its role before it.
_CELL = re.compile(r"<td.*?</td>", re.DOTALL)
_ROLE = re.compile(r":(?:meth|class|func|attr|mod|data):<code>(?P<short>~?)(?P<name>[\w.]+)</code>")


def repository() -> str | None:
    """The public address of the repository, where pyproject.toml names one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    found = project.get("urls", {}).get("Repository")
    return None if found is None else str(found).rstrip("/")


def linked(text: str, origin: str) -> str:
    """Lead the links of a page to where they go on the site.

    ``origin``: the page's path in the repository. What is not on the site becomes a link into the
    repository, or the name of the file where that has no public address.
    """
    address = repository()

    def led(match: re.Match[str]) -> str:
        path, mark, anchor = match["path"].partition("#")
        if not path or re.match(r"[a-z]+:", path):
            return match[0]
        whole = posixpath.normpath(posixpath.join(posixpath.dirname(origin), path))
        if whole in OUTSIDE:
            return f"{match['bang']}[{match['text']}]({OUTSIDE[whole]}{mark}{anchor})"
        inside = whole.removeprefix("docs/")
        if inside != whole:
            return f"{match['bang']}[{match['text']}]({inside}{mark}{anchor})"
        if not (ROOT / whole).exists():
            return match[0]  # a dead link, which the build reports
        if address is not None:
            return f"[{match['text']}]({address}/blob/HEAD/{whole}{mark}{anchor})"
        plain = match["text"].strip("`")
        return f"`{whole}`" if plain in whole else f"{match['text']} (`{whole}`)"

    parts, end = [], 0
    for fence in _FENCE.finditer(text):
        parts += [_LINK.sub(led, text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, _LINK.sub(led, text[end:])])


def outside_pages() -> Iterator[tuple[str, str]]:
    """Pages that stand elsewhere in the repository; the site has an index of its own."""
    for origin, page in OUTSIDE.items():
        if page != "index.md":
            yield page, linked((ROOT / origin).read_text("utf-8"), origin)


# -- gallery ---------------------------------------------------------------------------------------


def gallery() -> tuple[str, dict[str, Path]]:
    """The page of every chart, and the pictures that it shows by where the site has them.

    Pictures are those of the guide, made by the workflow, where there is one; others are the small
    cases that the tests hold charts to.
    """
    lines = [
        "# Gallery",
        "",
        "Every chart: what it shows, what draws it, and its key in a configuration. Pictures are "
        "those of the guide, or the small cases that the tests compare with; the interactive pages "
        "of a run, `results/charts/`, have the same under the pointer.",
    ]
    pictures: dict[str, Path] = {}
    asked = {question.name: question.text for question in QUESTIONS}
    for section in dict.fromkeys([*asked, *(spec.section for spec in SPECS)]):
        specs = [s for s in SPECS if s.section == section and s.name in PUBLIC]
        if specs:
            title = section or "By the library alone, or over a whole run"
            lines += ["", f"## {title}", "", asked.get(section, "")]
        for spec in specs:
            picture = _picture(spec)
            name = f"gallery/{spec.name}{picture.suffix}"
            pictures[name] = picture
            about = " ".join((inspect.getdoc(spec.options) or "").split("\n\n")[0].split())
            lines += [
                "", f"### {spec.name}", "", about, "",
                f"`ms.charts.{spec.name}({spec.maker or 'fit'})`" + _key(spec)
                + f" · [parameters](api-charts.md#chart_functions.{spec.name})", "",
                f'![{about}]({name}){{ width="480" loading="lazy" }}',
            ]  # fmt: skip
    return "\n".join(lines) + "\n", pictures


def _key(spec: ChartSpec) -> str:
    """Where a configuration asks for a chart."""
    if spec.drawn == "model":
        return f" · `charts: kinds: [{spec.name}]`"
    return f" · `{spec.key}:` of a model" if spec.key and spec.key != "structures" else ""


def _picture(spec: ChartSpec) -> Path:
    """A picture of a chart."""
    figures = ROOT / "docs" / "figures"
    own = sorted([*figures.glob(f"*-{spec.name}.svg"), *figures.glob(f"*-{spec.name}-*.svg")])
    # The simplest model has the simplest picture.
    own.sort(key=lambda path: not path.name.startswith("sleep"))
    approved = ROOT / "tests" / "pictures" / "approved" / f"{spec.name}.png"
    return next(iter([*own, approved]))


# -- configuration and tables, from their schemas --------------------------------------------------


def keys_page() -> str:
    """Every key of a configuration, from its schema."""
    schema = json.loads((ROOT / "workflow/schemas/config.schema.json").read_text("utf-8"))
    lines = [
        "# All keys",
        "",
        "Made from the schema of the configuration (`workflow/schemas/config.schema.json`), which "
        "editors read too. [Configuration](configuration.md) explains them with examples.",
    ]
    named = schema["$defs"]
    for name, section in [("The configuration", schema), *sorted(named.items())]:
        if not section.get("properties"):
            continue
        lines += ["", f"## {name}", "", " ".join(section.get("description", "").split()), ""]
        lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
        required = section.get("required", [])
        for key, value in section["properties"].items():
            default = "required" if key in required else _code(value.get("default"))
            meaning = " ".join(value.get("description", "").split())
            lines.append(f"| `{key}` | {_type(value)} | {default} | {_cell(meaning)} |")
    return "\n".join(lines) + "\n"


def _type(value: Mapping[str, Any]) -> str:
    """What a key takes, in words."""
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in value:
        kinds = [_type(one) for one in value["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in value:
        return ", ".join(_code(one) for one in value["enum"])
    if "const" in value:
        return _code(value["const"])
    kind = value.get("type", "anything")
    if kind == "array":
        items = value.get("items")
        return f"list of {_type(items)}" if isinstance(items, Mapping) and items else "list"
    if kind == "object":
        inner = value.get("additionalProperties")
        return f"by name: {_type(inner)}" if isinstance(inner, Mapping) and inner else "keys"
    words = {"string": "text", "boolean": "true or false", "integer": "whole number"}
    return words.get(kind, str(kind)) if isinstance(kind, str) else " or ".join(kind)


def _code(value: Any) -> str:
    if value is None:
        return "–"
    text = _cell(json.dumps(value, ensure_ascii=False))
    return f"`{text}`" if len(text) <= 60 else "see the meaning"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def tables_page() -> str:
    """The columns of every stored table, from its schema."""
    lines = [
        "# Columns of the tables",
        "",
        "Made from the schemas that files are held to. What columns mean: "
        "[stored files](formats.md).",
    ]
    for kind in sorted(SCHEMAS):
        schema = SCHEMAS[kind]
        lines += ["", f"## {kind}", ""]
        if schema.columns is None:
            lines.append("The columns of the user's data.")
            continue
        lines += ["| column | type | nulls | values |", "|---|---|---|---|"]
        for column, dtype in [*schema.columns.items(), *schema.more.items()]:
            nulls = "no" if column in schema.required else "yes"
            values = ", ".join(f"`{v}`" for v in sorted((schema.values or {}).get(column, ())))
            told = f"{values}" if column in schema.columns else f"{values} (generalised models)"
            lines.append(f"| `{column}` | {_cell(str(dtype))} | {nulls} | {told.strip()} |")
    return "\n".join(lines) + "\n"


# -- API -------------------------------------------------------------------------------------------

_CHARTS = """# Charts

Each is `ms.charts.<name>`; [the gallery](gallery.md) shows them.

::: chart_functions
    options:
      show_root_heading: false
      show_docstring_description: true
"""
_CLASSES = {
    "api-models.md": ("Models", ["LinearMixedModel", "GeneralizedLinearMixedModel"]),
    "api-fits.md": ("Fits", ["Fit", "GeneralizedFit"]),
}


def api_pages() -> Iterator[tuple[str, str]]:
    """Pages of everything public, which mkdocstrings fills."""
    home = mixedscope._HOME
    on_pages = {name for _, names in _CLASSES.values() for name in names}
    functions = [name for name in sorted(home) if name not in on_pages]
    lines = ["# Functions", "", "`import mixedscope as ms`; each is `ms.<name>`.", ""]
    lines += [f"::: {home[name]}.{name}\n" for name in functions]
    lines += ["## Errors", "", "All are in `ms.errors`, and all are a `MixedscopeError`.", ""]
    lines += [f"::: mixedscope.core.errors.{name}\n" for name in dir(mixedscope.errors)]
    yield "api.md", "\n".join(lines)
    for page, (title, names) in _CLASSES.items():
        yield page, "\n".join([f"# {title}", "", *(f"::: {home[n]}.{n}\n" for n in names)])
    results = [
        "mixedscope.api.structure_ladder.Ladder",
        "mixedscope.api.marginal_means.Means",
        "mixedscope.api.assess.Assessment",
        "mixedscope.inference.profiles.profile.Profile",
        "mixedscope.inference.bootstrap.result.Bootstrap",
        "mixedscope.inference.diagnostics.influence.Influence",
        "mixedscope.charts.common.render.Figure",
    ]
    yield "api-results.md", "\n".join(["# Results", "", *(f"::: {name}\n" for name in results)])
    yield "api-charts.md", _CHARTS


def chart_functions() -> str:
    """A module with the functions of the charts as they are called, for tools that read source.

    The functions themselves are made from the registry when they are asked for.
    """
    head = '"""The functions of `ms.charts`."""\nfrom __future__ import annotations\n'
    return f"{head}\n{functions(sorted(charts.__all__))}"


def pages() -> Iterator[tuple[str, str]]:
    """Every page that is made, by its name on the site."""
    yield from outside_pages()
    yield "keys.md", keys_page()
    yield "tables.md", tables_page()
    yield from api_pages()


def readable(html: str) -> str:
    """What is for the eye of a page that has been made: formulas in tables, names in docstrings.

    Python-Markdown keeps the backslash of a bar in a code span of a table, which Markdown's other
    readers take away, and does not know the roles of docstrings.
    """

    def name(found: re.Match[str]) -> str:
        path = found["name"].removeprefix("mixedscope.")
        return f"<code>{path.rpartition('.')[2] if found['short'] else path}</code>"

    bare = _CELL.sub(lambda cell: cell[0].replace("\\|", "|"), html)
    return _ROLE.sub(name, bare)
