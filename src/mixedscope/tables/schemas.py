"""The columns of every stored table: the one place that knows them."""

from __future__ import annotations

import pyarrow as pa

from mixedscope.tables.schemas_accuracy import ACCURACY_SCHEMAS
from mixedscope.tables.schemas_ladder import LADDER_SCHEMAS
from mixedscope.tables.table_schema import TableSchema

__all__ = ["IN_PLACE", "PHASES", "SCHEMAS", "TableSchema"]

_INT32, _INT64, _F64, _TEXT, _BOOL = (
    pa.int32(),
    pa.int64(),
    pa.float64(),
    pa.string(),
    pa.bool_(),
)
_F64S = pa.list_(pa.float64())

#: Phases of an optimisation in the order in which they come (`mixedscope.optimize.phases`).
PHASES = ("exploration", "convergence", "fine-tuning")
_PHASES = frozenset(PHASES)

#: Modes are in place where none is farther from its end, in standard deviations of references.
IN_PLACE = 0.05


#: What came of one run of a sweep, in its batch and in the whole.
_RESULT = {
    **dict.fromkeys(("n",), _INT64),
    **dict.fromkeys(("n_theta", "levels"), _INT32),
    **dict.fromkeys(("objective", "search_objective"), _F64),
    **dict.fromkeys(
        ("evaluations", "search_evaluations", "polish_evaluations", "certificate_gradients")
        + ("exploration", "convergence", "fine_tuning"),
        _INT32,
    ),
    "return_code": _TEXT,
    "verdict": _TEXT,
    **dict.fromkeys(("newton_decrement", "search_mode_error"), _F64),
    "singular": _BOOL,
    "rank": _INT32,
    "sigma": _F64,
    **dict.fromkeys(("theta", "beta", "beta_se", "search_beta", "sd", "kept"), _F64S),
    **dict.fromkeys(("beta_deviation", "sd_deviation", "mode_rmse"), _F64S),
    **dict.fromkeys(("theta_names", "beta_names", "terms", "error"), _TEXT),
}
_RUN_SECONDS = {
    "run": _TEXT,
    **dict.fromkeys(("seconds", "search_seconds", "model_seconds", "cpu_seconds"), _F64),
}


SCHEMAS: dict[str, TableSchema] = {
    # One row per evaluation of the objective; null, never a stand-in, where it failed.
    "trace": TableSchema(
        1,
        {
            "evaluation": _INT32,
            "stage": _TEXT,
            "status": _TEXT,
            "objective": _F64,
            "best": _F64,
            "theta": _F64S,
            "beta": _F64S,
            "sigma": _F64,
            "log_det": _F64,
            "residual_ss": _F64,
            "penalty": _F64,
            "gradient": _F64S,
            "rho": _F64,
            "delta": _F64,
            "phase": _TEXT,
        },
        frozenset({"evaluation", "stage", "status", "theta"}),
        {
            "status": frozenset({"ok", "failed"}),
            "phase": _PHASES,
        },
    ),
    "estimates": TableSchema(
        1,
        {
            "kind": _TEXT,
            "group": _TEXT,
            "term": _TEXT,
            "term2": _TEXT,
            "estimate": _F64,
            "std_error": _F64,
            "lower": _F64,
            "upper": _F64,
            "statistic": _F64,
            "p_value": _F64,
        },
        frozenset({"kind"}),
        {"kind": frozenset({"beta", "sigma", "sd", "correlation", "theta"})},
    ),
    "modes": TableSchema(
        1,
        {
            "group": _TEXT,
            "level": _TEXT,
            "term": _TEXT,
            "mode": _F64,
            "std_dev": _F64,
            "joint_limit": _F64,
            "within_group": _F64,
            "n_obs": _INT64,
        },
        frozenset({"group", "level", "term", "mode", "n_obs"}),
    ),
    # Besides those chosen by how far the modes moved, the two evaluations between which they come
    # to be in place for good.
    "modes_trace": TableSchema(
        1,
        {"evaluation": _INT32, "group": _TEXT, "level": _TEXT, "term": _TEXT, "mode": _F64},
        frozenset({"evaluation", "group", "level", "term", "mode"}),
    ),
    # The same, not of the best so far alone.
    "modes_every": TableSchema(
        1,
        {"evaluation": _INT32, "group": _TEXT, "level": _TEXT, "term": _TEXT, "mode": _F64},
        frozenset({"evaluation", "group", "level", "term", "mode"}),
        study=True,
    ),
    "timing": TableSchema(
        2,
        {"evaluation": _INT32, "seconds": _F64, "compile_seconds": _F64},
        frozenset({"evaluation", "seconds", "compile_seconds"}),
    ),
    # Phases of the optimisation over all fits of a run: evaluations, and seconds apart from them.
    "phases": TableSchema(
        1,
        {
            "model": _TEXT,
            "structure": _TEXT,
            "optimizer": _TEXT,
            "n": _INT64,
            "n_theta": _INT32,
            "q": _INT64,
            "phase": _TEXT,
            "evaluations": _INT32,
            "share": _F64,
            "search_evaluations": _INT32,
            "search_share": _F64,
            "polish_evaluations": _INT32,
            "gap_before": _F64,
            "gap_after": _F64,
            "certificate_gradients": _INT32,
        },
        frozenset({"model", "structure", "optimizer", "n_theta", "phase", "evaluations", "share"}),
        {"phase": _PHASES},
    ),
    "phases_timing": TableSchema(
        1,
        {
            "model": _TEXT,
            "structure": _TEXT,
            "optimizer": _TEXT,
            "phase": _TEXT,
            "seconds": _F64,
            "share": _F64,
            "search_seconds": _F64,
            "search_share": _F64,
            "polish_seconds": _F64,
        },
        frozenset({"model", "structure", "optimizer", "phase", "seconds"}),
        {"phase": _PHASES},
    ),
    # Whether the share of a phase grows with the size of the model, over the fits of a run.
    "phases_trend": TableSchema(
        1,
        {
            "optimizer": _TEXT,
            "phase": _TEXT,
            "size": _TEXT,
            "fits": _INT32,
            "rank_correlation": _F64,
            "mean_share": _F64,
            "dominates": _INT32,
            "smallest": _TEXT,
            "smallest_size": _F64,
            "smallest_share": _F64,
            "largest": _TEXT,
            "largest_size": _F64,
            "largest_share": _F64,
        },
        frozenset({"optimizer", "phase", "size", "fits"}),
        {"phase": _PHASES, "size": frozenset({"n_theta", "n", "q"})},
    ),
    # Speed against accuracy: what stopping at each evaluation would have cost.
    "stopping": TableSchema(
        1,
        {
            "evaluation": _INT32,
            "best_evaluation": _INT32,
            "gap": _F64,
            "beta": _F64,
            "std_error": _F64,
            "sigma": _F64,
            "modes": _F64,
        },
        frozenset({"evaluation"}),
        study=True,
    ),
    "accuracy": TableSchema(
        1,
        {
            "measure": _TEXT,
            "accuracy": _F64,
            "evaluation": _INT32,
            "stage": _TEXT,
            "after": _INT32,
            "criterion": _TEXT,
            "tolerance": _F64,
            "stops_at": _INT32,
        },
        frozenset({"measure", "accuracy", "criterion"}),
        {
            "measure": frozenset({"gap", "beta", "std_error", "sigma", "modes"}),
            "criterion": frozenset({"trust radius", "predicted decrease", "decrease"}),
        },
        study=True,
    ),
    # Theta along the trace as standard deviations and correlations.
    "parameters": TableSchema(
        1,
        {
            "evaluation": _INT32,
            "kind": _TEXT,
            "group": _TEXT,
            "term": _TEXT,
            "term2": _TEXT,
            "value": _F64,
        },
        frozenset({"evaluation", "kind"}),
        {"kind": frozenset({"sd", "correlation", "sigma"})},
        study=True,
    ),
    # The books of an optimisation, at the evaluations that improved on all before them.
    "ledger": TableSchema(
        1,
        {
            "evaluation": _INT32,
            "objective": _F64,
            "residual_ss": _F64,
            "penalty": _F64,
            "sigma": _F64,
            "log_det": _F64,
            "part_residual": _F64,
            "part_penalty": _F64,
            "part_sigma": _F64,
            "part_fixed": _F64,
            "part_weights": _F64,
            "edf_fixed": _F64,
            "edf": _F64,
        },
        frozenset({"evaluation", "objective", "sigma", "log_det", "edf"}),
        study=True,
    ),
    "ledger_terms": TableSchema(
        1,
        {
            "evaluation": _INT32,
            "group": _TEXT,
            "term": _TEXT,
            "std_dev": _F64,
            "variance": _F64,
            "edf": _F64,
            "share": _F64,
        },
        frozenset({"evaluation", "variance", "edf", "share"}),
        study=True,
    ),
    # The fit with its relative covariance factors scaled by s, from complete to no pooling.
    "shrinkage_path": TableSchema(
        1,
        {"s": _F64, "group": _TEXT, "level": _TEXT, "term": _TEXT, "mode": _F64},
        frozenset({"s", "group", "level", "term"}),
        study=True,
    ),
    "shrinkage_scale": TableSchema(
        1,
        {"s": _F64, "objective": _F64, "sigma": _F64, "edf": _F64, "edf_groups": _F64S},
        frozenset({"s", "objective", "sigma", "edf", "edf_groups"}),
        study=True,
    ),
    "shrinkage_error": TableSchema(
        1,
        {"s": _F64, "group": _TEXT, "term": _TEXT, "bias2": _F64, "variance": _F64, "mse": _F64},
        frozenset({"s", "bias2", "variance", "mse"}),
        study=True,
    ),
    # The objective around the path of the optimiser, in planes of two parameters.
    "landscape": TableSchema(
        1,
        {"panel": _INT32, "x": _F64, "y": _F64, "gap": _F64, "sigma": _F64},
        frozenset({"panel"}),
        study=True,
    ),
    "landscape_panels": TableSchema(
        1,
        {
            "panel": _INT32,
            "scale": _TEXT,
            "others": _TEXT,
            "asked": _BOOL,
            "x_kind": _TEXT,
            "x_group": _TEXT,
            "x_name": _TEXT,
            "x_low": _F64,
            "x_high": _F64,
            "x_bound": _F64,
            "n_x": _INT32,
            "y_kind": _TEXT,
            "y_group": _TEXT,
            "y_name": _TEXT,
            "y_low": _F64,
            "y_high": _F64,
            "y_bound": _F64,
            "n_y": _INT32,
            "theta": _F64S,
        },
        frozenset({"panel", "scale", "others", "asked", "x_kind", "x_name", "theta"}),
        {
            "scale": frozenset({"theta", "sd"}),
            "others": frozenset({"optimum", "profiled"}),
            "x_kind": frozenset({"theta", "sd", "correlation", "loading"}),
            "y_kind": frozenset({"theta", "sd", "correlation"}),
        },
        study=True,
    ),
    "landscape_outlines": TableSchema(
        1,
        {
            "panel": _INT32,
            "kind": _TEXT,
            "level": _F64,
            "part": _INT32,
            "vertex": _INT32,
            "x": _F64,
            "y": _F64,
        },
        frozenset({"panel", "kind", "level", "part", "vertex", "x"}),
        {"kind": frozenset({"line", "region"})},
        study=True,
    ),
    "landscape_points": TableSchema(
        1,
        {
            "panel": _INT32,
            "kind": _TEXT,
            "evaluation": _INT32,
            "stage": _TEXT,
            "x": _F64,
            "y": _F64,
            "gap": _F64,
            "improved": _BOOL,
            "inside": _BOOL,
        },
        frozenset({"panel", "kind", "improved", "inside"}),
        {"kind": frozenset({"evaluation", "optimum", "saddle", "hilltop"})},
        study=True,
    ),
    # Several optimisers from several starts on one objective.
    "race": TableSchema(
        1,
        {
            "entrant": _TEXT,
            "optimizer": _TEXT,
            "settings": _TEXT,
            "start": _INT32,
            "evaluation": _INT32,
            "stage": _TEXT,
            "objective": _F64,
            "best": _F64,
            "gap": _F64,
        },
        frozenset({"entrant", "optimizer", "start", "evaluation", "stage"}),
    ),
    "race_ends": TableSchema(
        1,
        {
            "entrant": _TEXT,
            "optimizer": _TEXT,
            "settings": _TEXT,
            "start": _INT32,
            "start_theta": _F64S,
            "point": _TEXT,
            "evaluations": _INT32,
            "objective": _F64,
            "gap": _F64,
            "verdict": _TEXT,
            "newton_decrement": _F64,
            "distance": _F64,
            "same_optimum": _BOOL,
            "return_code": _TEXT,
            "message": _TEXT,
            "theta": _F64S,
        },
        frozenset({"entrant", "optimizer", "start", "point", "evaluations"}),
        {"point": frozenset({"search", "end"})},
    ),
    "race_timing": TableSchema(
        1,
        {"entrant": _TEXT, "start": _INT32, "evaluation": _INT32, "seconds": _F64},
        frozenset({"entrant", "start", "evaluation", "seconds"}),
    ),
    # The runs of a sweep: those of one job, and all with their keys; seconds apart from them.
    "sweep_batch": TableSchema(1, {"run": _TEXT, **_RESULT}, frozenset({"run"})),
    "sweep_batch_timing": TableSchema(1, _RUN_SECONDS, frozenset({"run"})),
    "runs": TableSchema(
        1,
        {
            "run": _TEXT,
            **dict.fromkeys(("model", "structure", "optimizer"), _TEXT),
            "tolerance": _F64,
            **dict.fromkeys(("start", "criterion", "subset", "of"), _TEXT),
            "share": _F64,
            **dict.fromkeys(("size", "replicate", "seed"), _INT64),
            "simulate": _TEXT,
            "same_objective": _INT32,
            **dict.fromkeys(("gap", "search_gap", "beta_error", "search_beta_error"), _F64),
            **_RESULT,
        },
        frozenset({"run", "model", "structure", "optimizer", "same_objective"}),
    ),
    "runs_timing": TableSchema(1, _RUN_SECONDS, frozenset({"run"})),
    **ACCURACY_SCHEMAS,
    **LADDER_SCHEMAS,
    "data": TableSchema(1, None),
}
