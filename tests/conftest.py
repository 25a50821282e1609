"""One thread everywhere, and a marked set of exhaustive tests that only `--exhaustive` runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Tests run side by side, and small models gain nothing from more threads.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

_LEFT_OUT = "exhaustive tests left out"

#: Modules, by the start of their names, whose tests compare text, files, layouts and processes
#: rather than computed numbers. CI runs all others a second time with other rounding
#: (`-m numerical`, see `.ci/run`).
_NOT_NUMERICAL = (
    *("bad", "benchmarks", "browser", "charts", "cluster", "cold_start", "collector", "config"),
    *("data", "disk_cache", "efficiency_plan", "expressions", "formula", "frame", "hostile"),
    *("module", "motion", "packaging", "pipeline", "report", "resources", "store"),
    *("sweep_charts", "sweep_grid", "sweep_workflow", "scheduling", "threads", "warm", "workflow"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--exhaustive",
        action="store_true",
        help="run the tests marked 'exhaustive' too: variants that take long and rarely tell more",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if not Path(item.path).stem.removeprefix("test_").startswith(_NOT_NUMERICAL):
            item.add_marker(pytest.mark.numerical)
    if config.getoption("--exhaustive"):
        return
    out = [item for item in items if item.get_closest_marker("exhaustive")]
    config.stash[_COUNT] = len(out)
    if out:
        items[:] = [item for item in items if not item.get_closest_marker("exhaustive")]
        config.hook.pytest_deselected(items=out)


_COUNT = pytest.StashKey[int]()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    # Workers of pytest-xdist collect; their controller, which prints, does not.
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["left_out"] = session.config.stash.get(_COUNT, 0)


@pytest.fixture(autouse=True, scope="session")
def _charts_are_held_to_their_schema() -> None:
    from mixedscope.charts.common import vega

    vega.CHECK_ALL = True


class _Controller:
    """Hear from a worker how many tests it left out."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        counted = getattr(node, "workeroutput", {}).get("left_out", 0)
        config: pytest.Config = node.config  # type: ignore[attr-defined]
        config.stash[_COUNT] = max(counted, config.stash.get(_COUNT, 0))


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Controller())


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    count = config.stash.get(_COUNT, 0)
    if count:
        terminalreporter.write_line(f"{count} {_LEFT_OUT}: run them with `pytest --exhaustive`")
