"""What is drawn of power, which has no options."""

from __future__ import annotations

from mixedscope.charts.common.options import Options

__all__ = ["PowerOptions"]


class PowerOptions(Options):
    """Draw the power of a planned study along its size, or over two sizes, and read sizes off."""

    example = 'chart = ms.charts.power(ms.power(fit, along={"Subject": [10, 20, 40]}))'
