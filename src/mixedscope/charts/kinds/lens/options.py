"""What can be chosen of charts of shrinkage as a lens."""

from __future__ import annotations

from mixedscope.charts.common.options import Options, Terms

__all__ = ["LensOptions"]


class LensOptions(Options):
    """Draw what the model makes of any estimate that a level could have: shrinkage as a lens.

    A square grid of a level's own estimates of two terms, and the grid of conditional modes that
    the model would make of them: smaller where little is kept, sheared where one term's data speak
    for the other, flat where a dimension has collapsed. For the levels with the least, the median
    and the most data, and for several fits side by side.
    """

    example = 'chart = ms.charts.lens(full, zerocorr, group="Subject")'

    terms: Terms = None
