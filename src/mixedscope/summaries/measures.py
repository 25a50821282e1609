"""What is measured of every run, for the axes of charts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["MEASURES", "PARTS", "Measure"]

#: Keys by which a measure of several values per run is told apart, and the column of their names.
PARTS: Final = {
    "term": "terms",
    "coefficient": "beta_names",
    "parameter": "interval_names",
    "effect": "test_names",
    "phase": None,
}


@dataclass(frozen=True)
class Measure:
    """One quantity of a run.

    Attributes
    ----------
    words : str
        For titles of axes; with the unit.
    short : str
        For sentences.
    column : str
        Of ``runs.parquet`` or ``runs_timing.parquet``, or one that `mixedscope.summaries.truths`
        makes of them.
    part : {"term", "coefficient", "parameter", "effect", "phase"}, optional
        What its several values per run belong to.
    log : bool
        Whether it is shown on a logarithmic scale unless asked otherwise.
    unit : {"", "s", "%"}
        How its numbers are written.
    floor : float, optional
        On logarithmic scales smaller values, zero among them, are drawn here.
    proportion : bool
        Whether it is true or false, and the share of runs is shown.
    enough : float, optional
        Below this no inference could notice it.
    signed : bool
        Whether it is an estimate minus the truth, whose median is near 0 however large errors are.
    nominal : {"level", "size"}, optional
        What the share of runs is to be: the level of intervals, or the size of tests.
    why : str, optional
        Column that says why a run has no value.
    key : str, optional
        Key of the runs that it is measured of.
    linear : bool
        Whether it is measured of linear models alone.
    """

    words: str
    short: str
    column: str
    part: Literal["term", "coefficient", "parameter", "effect", "phase"] | None = None
    log: bool = False
    unit: Literal["", "s", "%"] = ""
    floor: float | None = None
    proportion: bool = False
    enough: float | None = None
    signed: bool = False
    nominal: Literal["level", "size"] | None = None
    why: str | None = None
    key: str | None = None
    linear: bool = False


_GAP = "above the best run of the same objective (deviance units)"

#: Every measure by the name that charts of a sweep give.
MEASURES: Final[dict[str, Measure]] = {
    "gap": Measure(
        f"Objective at the end, {_GAP}", "gap at the end", "gap", log=True, enough=1e-3, floor=1e-10
    ),
    "search_gap": Measure(
        f"Objective where the search ended, {_GAP}",
        "gap of the search",
        "search_gap",
        log=True,
        enough=1e-3,
        floor=1e-10,
    ),
    "evaluations": Measure(
        "Evaluations of the objective, polishing included", "evaluations", "evaluations"
    ),
    "search_evaluations": Measure(
        "Evaluations of the search", "evaluations of the search", "search_evaluations"
    ),
    "polish_evaluations": Measure(
        "Evaluations after the search", "evaluations after the search", "polish_evaluations"
    ),
    "certificate_gradients": Measure(
        "Gradients computed to check the result", "gradients of the check", "certificate_gradients"
    ),
    "seconds": Measure("Seconds of the fit", "seconds of the fit", "seconds", log=True, unit="s"),
    "search_seconds": Measure(
        "Seconds of the search", "seconds of the search", "search_seconds", log=True, unit="s"
    ),
    "beta_error": Measure(
        "Largest difference of a fixed effect from the best run, in standard errors",
        "largest error of a fixed effect",
        "beta_error",
        log=True,
        enough=0.01,
        floor=1e-10,
    ),
    "search_beta_error": Measure(
        "Largest difference of a fixed effect from the best run where the search ended, "
        "in standard errors",
        "largest error of a fixed effect after the search",
        "search_beta_error",
        log=True,
        enough=0.01,
        floor=1e-10,
    ),
    "search_mode_error": Measure(
        "Largest difference of a conditional mode where the search ended from the end, "
        "in standard deviations",
        "largest error of a conditional mode after the search",
        "search_mode_error",
        log=True,
        enough=0.01,
        floor=1e-10,
    ),
    "newton_decrement": Measure(
        "Objective still to be gained (deviance units)",
        "objective still to be gained",
        "newton_decrement",
        log=True,
        floor=1e-16,
    ),
    "singular": Measure(
        "Runs with a singular fit", "share of singular fits", "singular", unit="%", proportion=True
    ),
    "rank": Measure("Dimensions of the random effects found", "dimensions found", "rank"),
    "sigma": Measure(
        "Residual standard deviation", "residual standard deviation", "sigma", linear=True
    ),
    "objective": Measure("Objective (deviance or REML criterion)", "objective", "objective"),
    "phase_evaluations": Measure(
        "Evaluations in a phase", "evaluations", "phase_evaluations", part="phase"
    ),
    "phase_share": Measure(
        "Share of the evaluations in a phase",
        "share of the evaluations",
        "phase_share",
        part="phase",
        unit="%",
    ),
    "kept": Measure(
        "Share of its own deviation that an average level keeps",
        "share kept of a level's own deviation",
        "kept",
        part="term",
        unit="%",
    ),
    "sd": Measure(
        "Standard deviation of the random effects", "standard deviation", "sd", part="term"
    ),
    "sd_deviation": Measure(
        "Standard deviation of the random effects, estimate minus truth",
        "error of the standard deviation",
        "sd_deviation",
        part="term",
        signed=True,
    ),
    "mode_rmse": Measure(
        "Root mean square error of the conditional modes",
        "error of the conditional modes",
        "mode_rmse",
        part="term",
    ),
    "beta": Measure("Fixed effect", "fixed effect", "beta", part="coefficient"),
    "beta_deviation": Measure(
        "Fixed effect, estimate minus truth",
        "error of the fixed effect",
        "beta_deviation",
        part="coefficient",
        signed=True,
    ),
    "coverage": Measure(
        "Intervals that contain the truth",
        "coverage",
        "covered",
        part="parameter",
        unit="%",
        proportion=True,
        nominal="level",
        why="interval_remarks",
        key="intervals",
    ),
    "interval_width": Measure(
        "Width of the interval",
        "width of the interval",
        "width",
        part="parameter",
        why="interval_remarks",
        key="intervals",
    ),
    "rejection": Measure(
        "Tests that reject",
        "rate of rejection",
        "rejected",
        part="effect",
        unit="%",
        proportion=True,
        nominal="size",
        why="test_remarks",
        key="tests",
    ),
    "p_value": Measure(
        "p value",
        "p value",
        "p_value",
        part="effect",
        why="test_remarks",
        key="tests",
    ),
}
