"""What a page shows of what follows from a fit: its intervals and tests, where they were asked for.

A table is a caption, a header, how many columns hold names, and rows, as those of a fit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

from mixedscope.charts.common import numerals
from mixedscope.charts.common.labels import response_unit, term_unit
from mixedscope.tables.kinds.bootstrap import BOOTSTRAP_INTERVALS
from mixedscope.tables.kinds.effect_tests import EFFECT_TESTS
from mixedscope.tables.kinds.influence import INFLUENCE
from mixedscope.tables.kinds.profile import PROFILE_INTERVALS
from mixedscope.tables.table_files import read_table

__all__ = ["PageTable", "files_beside", "left_out", "read_shown", "tables_beside"]

PageTable = tuple[str, Sequence[str], int, Sequence[Sequence[str]]]

_SHOWN: Final = {
    "profile_intervals": PROFILE_INTERVALS,
    "bootstrap_intervals": BOOTSTRAP_INTERVALS,
    "tests": EFFECT_TESTS,
    "influence": INFLUENCE,
}

#: Units that a page shows of each kind, those with most influence.
_MOST: Final = 5


def tables_beside(tables: Mapping[str, pd.DataFrame], info: Mapping[str, Any]) -> list[PageTable]:
    """Give the tables that a page shows of those beside a fit; none of those that are left out.

    ``tables``: as read by `read_shown`. ``info``: of the fit.
    """
    shown: list[PageTable] = []
    for name, table in tables.items():
        if "skipped" in table.attrs or table.empty:
            continue
        if name == "influence":
            shown += [_influence(part) for _, part in table.groupby("by", sort=False, dropna=False)]
        else:
            shown.append(_tests(table) if name == "tests" else _intervals(name, table, info))
    return shown


def left_out(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Say which of them could not be made of the fit, and why."""
    told: dict[str, None] = {}
    for table in tables.values():
        if why := table.attrs.get("skipped"):
            told[f"Left out: {why['study']}: {str(why['reason']).rstrip('.')}."] = None
    return list(told)


def files_beside(files: Sequence[Path]) -> dict[str, list[Path]]:
    """The files to link to, by what they hold, CSV first where there is one."""
    found: dict[str, list[Path]] = {}
    for file in files:
        csv = file.with_suffix(".csv")
        found[file.stem.replace("_", " ")] = [csv, file] if csv.is_file() else [file]
    return found


def read_shown(files: Sequence[Path]) -> dict[str, pd.DataFrame]:
    """Read those of the tables beside a fit that a page shows, by name."""
    return {file.stem: read_table(file, _SHOWN[file.stem]) for file in files if file.stem in _SHOWN}


def _intervals(name: str, table: pd.DataFrame, info: Mapping[str, Any]) -> PageTable:
    level = f"{numerals.number(100 * float(table['level'].iloc[0]))}\u00a0%"
    if name == "profile_intervals":
        caption = f"Profile intervals, {level}"
    else:
        draws, kind = int(table["draws"].max()), table["interval"].iloc[0]
        caption = f"Bootstrap intervals, {level}, {kind}, {draws:,} draws"
    rows = [
        [
            _parameter(row, info),
            *(_number(row[column]) for column in ("estimate", "lower", "upper")),
            _text(row.get("remark")),
        ]
        for row in table.to_dict("records")
    ]
    width = 5 if any(row[-1] for row in rows) else 4
    header = ["", "Estimate", "Lower", "Upper", "Remark"][:width]
    return caption, header, 1, [row[:width] for row in rows]


def _tests(table: pd.DataFrame) -> PageTable:
    rows = []
    for row in table.to_dict("records"):
        about = {"term": f"term, type {row['type']}"}.get(row["kind"], row["kind"])
        joint = row["distribution"] in ("F", "chi-squared")
        degrees = [row["num_df"], row["den_df"]] if joint else [row["den_df"]]
        shown = [numerals.number(d, 4) for d in degrees if not math.isinf(d) and not math.isnan(d)]
        rows.append(
            [
                str(row["name"]),
                str(about),
                _number(row["estimate"]),
                str(row["distribution"]).replace("chi-squared", "χ²"),
                ", ".join(shown),
                _number(row["statistic"]),
                _number(row["p_value"], 2),
                _text(row["remark"]),
            ]
        )
    header = ["", "", "Estimate", "Test", "df", "Statistic", "p", "Remark"]
    if not any(row[-1] for row in rows):
        header, rows = header[:-1], [row[:-1] for row in rows]
    method = str(table["method"].iloc[0])
    about = "in large samples" if method == "none" else f"degrees of freedom: {method}"
    return f"Tests, {about}", header, 2, rows


def _influence(table: pd.DataFrame) -> PageTable:
    """The units of one kind whose omission changes the fixed effects most."""
    by, method = _text(table["by"].iloc[0]), str(table["method"].iloc[0])
    what = f"levels of {by}" if by else "observations"
    distances = table["cooks_distance"].astype(float)
    ranked = table.loc[distances.sort_values(ascending=False, kind="stable").index].head(_MOST)
    rows = [
        [
            str(row["unit"]),
            f"{int(row['n_obs']):,}",
            *(_number(row[column], 3) for column in ("cooks_distance", "covratio", "sigma")),
            _text(row["note"]),
        ]
        for row in ranked.to_dict("records")
    ]
    header = ["", "Rows", "Cook's distance", "Ratio of covariances", "Sigma without it", "Note"]
    if not any(row[-1] for row in rows):
        header, rows = header[:-1], [row[:-1] for row in rows]
    count = f"all {len(table):,}"
    if len(rows) < len(table):
        chosen = f"{len(rows)} largest"
        if distances.isna().all():  # without fixed effects there are no distances
            chosen = f"first {len(rows)}"
        count = f"the {chosen} of {len(table):,}"
    how = {
        "fixed": "at fixed covariance parameters",
        "newton": "by one Newton step",
        "exact": "by refits",
    }[method]
    return f"Influence of {what}, {how}, {count}", header, 1, rows


def _parameter(row: Mapping[Any, Any], info: Mapping[str, Any]) -> str:
    terms = [text for name in ("term", "term2") if (text := _text(row[name]))]
    words = [str(row["kind"]), *([" ~ ".join(terms)] if terms else [])]
    if group := _text(row["group"]):
        words += ["|", group]
    unit = None
    if row["kind"] in ("beta", "sd", "sigma"):
        unit = term_unit(terms[0], info) if terms else response_unit(info)
    return " ".join([*words, f"({unit})"] if unit else words)


def _text(value: Any) -> str:
    return "" if value is None or pd.isna(value) else str(value)


def _number(value: Any, digits: int = 5) -> str:
    missing = value is None or math.isnan(value)
    return "–" if missing else numerals.number(value, digits)
