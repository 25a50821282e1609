"""What is drawn of cross-validation, which has no options."""

from __future__ import annotations

from mixedscope.charts.common.options import Options

__all__ = ["CrossvalidationOptions"]


class CrossvalidationOptions(Options):
    """Draw how well every structure predicts what was held out."""
