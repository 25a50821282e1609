"""The criterion of a Gaussian model, in terms of what a factorisation gives.

The residual variance is profiled out, or known; `variance` is 0 where it is profiled out.
"""

from __future__ import annotations

from mixedscope.engine.compile.compiled import inlined
from mixedscope.engine.compile.logarithm import log

__all__ = [
    "criterion_of",
    "inlined_criterion",
    "inlined_residual",
    "inlined_weight",
    "residual_part",
    "residual_weight",
]


def criterion_of(log_det: float, log_det_fixed: float, residual: float, reml: bool) -> float:
    """-2 log-likelihood, or REML criterion, of the parts of a solution, constants left out.

    Bates, Maechler, Bolker & Walker (2015), eq. 34 and 41.
    """
    value = log_det + residual
    if reml:
        value += log_det_fixed
    return value


def residual_part(pwrss: float, degrees: int, variance: float) -> float:
    """Share of the penalised residual in the criterion; `degrees` are n, or n - p under REML."""
    return pwrss / variance if variance > 0.0 else degrees * log(pwrss)


def residual_weight(pwrss: float, degrees: int, variance: float) -> float:
    """Derivative of that share by the penalised residual."""
    return 1.0 / variance if variance > 0.0 else degrees / pwrss


inlined_criterion = inlined(criterion_of)
inlined_residual = inlined(residual_part)
inlined_weight = inlined(residual_weight)
