"""The profiled criterion of a Gaussian model, in terms of what a factorisation gives."""

from __future__ import annotations

from mixedscope.engine.compile.compiled import inlined

__all__ = ["inlined_criterion", "profiled_criterion"]


def profiled_criterion(
    log_det: float, log_det_fixed: float, log_residual: float, degrees: int, reml: bool | None
) -> float:
    """-2 log-likelihood, or REML criterion, of the parts of a solution, constants left out.

    Bates, Maechler, Bolker & Walker (2015), eq. 34 and 41. `log_residual` is the logarithm of the
    penalised residual, in whatever unit; `degrees` are n, or n - p under REML.
    """
    value = log_det + degrees * log_residual
    if reml:
        value += log_det_fixed
    return value


inlined_criterion = inlined(profiled_criterion)
