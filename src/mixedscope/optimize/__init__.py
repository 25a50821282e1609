"""Optimisation of a profiled likelihood: backends, the trace, phases and the certificate."""

from __future__ import annotations

from mixedscope.core.evaluation import Evaluation
from mixedscope.core.vocabulary import PHASES
from mixedscope.optimize.backends import BACKENDS, Backend, Setting, get_backend, optimizer_names
from mixedscope.optimize.driver import OptimizationResult, minimize
from mixedscope.optimize.objective import CurvedObjective, InformedObjective, Objective
from mixedscope.optimize.phases import label_phases
from mixedscope.optimize.trace import Trace

__all__ = [
    "BACKENDS",
    "PHASES",
    "Backend",
    "CurvedObjective",
    "Evaluation",
    "InformedObjective",
    "Objective",
    "OptimizationResult",
    "Setting",
    "Trace",
    "get_backend",
    "label_phases",
    "minimize",
    "optimizer_names",
]
