"""The runs of one job of a sweep; seconds apart from them."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import BOOL, F64, F64S, INT32, INT64, TEXT, TableSchema

__all__ = ["RESULT", "RUN_SECONDS", "SWEEP_BATCH", "SWEEP_BATCH_TIMING"]

#: What came of one run of a sweep, in its batch and in the whole.
RESULT: Final = {
    **dict.fromkeys(("n",), INT64),
    **dict.fromkeys(("n_theta", "levels"), INT32),
    **dict.fromkeys(("objective", "search_objective"), F64),
    **dict.fromkeys(
        ("evaluations", "search_evaluations", "polish_evaluations", "certificate_gradients")
        + ("exploration", "convergence", "fine_tuning"),
        INT32,
    ),
    "return_code": TEXT,
    "verdict": TEXT,
    **dict.fromkeys(("newton_decrement", "search_mode_error"), F64),
    "singular": BOOL,
    "rank": INT32,
    "sigma": F64,
    **dict.fromkeys(("theta", "beta", "beta_se", "search_beta", "sd", "kept"), F64S),
    **dict.fromkeys(("beta_deviation", "sd_deviation", "mode_rmse"), F64S),
    **dict.fromkeys(("theta_names", "beta_names", "terms", "undetermined"), TEXT),
    "interval_names": TEXT,
    **dict.fromkeys(("interval_estimates", "lower", "upper", "interval_truths"), F64S),
    **dict.fromkeys(("interval_remarks", "test_names"), TEXT),
    **dict.fromkeys(("statistic", "num_df", "den_df", "p_value", "null_true"), F64S),
    **dict.fromkeys(("test_remarks", "error"), TEXT),
}

#: How long it took.
RUN_SECONDS: Final = {
    "run": TEXT,
    **dict.fromkeys(("seconds", "search_seconds", "model_seconds", "cpu_seconds"), F64),
}

SWEEP_BATCH: Final = TableSchema("sweep_batch", 3, {"run": TEXT, **RESULT}, frozenset({"run"}))

SWEEP_BATCH_TIMING: Final = TableSchema("sweep_batch_timing", 1, RUN_SECONDS, frozenset({"run"}))
