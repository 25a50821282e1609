"""Two configurations in one folder: what is refused, what is said, what a report is of."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from mixedscope.core.errors import ConfigError
from mixedscope.workflow.plan import Plan, make_plan
from mixedscope.workflow.run_record import check_owner, last_configuration, record_run

CONFIG: dict[str, Any] = {
    "datasets": {"trials": {"source": "trials.csv"}},
    "models": {"mine": {"dataset": "trials", "formula": "y ~ 1 + x + (1 | g)"}},
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trials.csv").write_text("y,x,g\n1,2,a\n")
    (tmp_path / "results").mkdir()
    (tmp_path / "a.yaml").write_text("")
    record_run(make_plan(CONFIG), ["a.yaml"])
    return tmp_path


def changed(**model: Any) -> Plan:
    content = deepcopy(CONFIG)
    content["models"]["mine"] |= model
    return make_plan(content)


def test_a_configuration_may_replace_what_it_made_itself(here: Path) -> None:
    assert check_owner(changed(formula="y ~ 1 + (1 | g)"), ["a.yaml"]) is None


def test_another_configuration_may_not_give_a_name_another_meaning(here: Path) -> None:
    with pytest.raises(ConfigError, match=r"(?s)model 'mine' of .*a\.yaml.*--directory") as caught:
        check_owner(changed(formula="y ~ 1 + (1 | g)"), ["b.yaml"])
    assert "data set" not in str(caught.value)
    with pytest.raises(ConfigError, match="model 'mine'"):
        check_owner(changed(criterion="REML"), [])


def test_a_data_set_of_the_same_name_and_other_content_is_refused(here: Path) -> None:
    (here / "trials.csv").write_text("y,x,g\n1,3,a\n")
    with pytest.raises(ConfigError, match="data set 'trials'"):
        check_owner(make_plan(CONFIG), ["b.yaml"])


def test_what_two_configurations_share_is_said(here: Path) -> None:
    content = deepcopy(CONFIG)
    content["models"]["other"] = content["models"].pop("mine")
    said = check_owner(make_plan(content), ["b.yaml"])
    assert said is not None
    assert "a.yaml" in said
    assert "b.yaml" in said
    record_run(make_plan(content), ["b.yaml"])
    assert check_owner(make_plan(content), ["b.yaml"]) is None
    # What the first one made is still known to be its own.
    with pytest.raises(ConfigError, match=r"model 'mine' of .*a\.yaml"):
        check_owner(changed(criterion="REML"), ["b.yaml"])


def test_nothing_is_refused_where_there_are_no_results(here: Path) -> None:
    (here / "results").rmdir()
    assert check_owner(changed(criterion="REML"), ["b.yaml"]) is None


def test_a_report_is_of_the_configuration_that_was_run_last(here: Path) -> None:
    assert last_configuration() == [str(here / "a.yaml")]
    record_run(make_plan(CONFIG), [])
    assert last_configuration() == []
    record_run(make_plan(CONFIG), ["gone.yaml"])
    with pytest.raises(ConfigError, match=r"gone\.yaml, which is gone"):
        last_configuration()


def test_a_folder_that_is_moved_keeps_its_configuration(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = here.with_name("moved")
    here.rename(moved)
    monkeypatch.chdir(moved)
    assert check_owner(changed(criterion="REML"), [moved / "a.yaml"]) is None
    assert last_configuration() == [str(moved / "a.yaml")]
