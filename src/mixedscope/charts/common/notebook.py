"""Charts as notebooks show them: with tooltips, without a network, and a picture below.

Altair's own way fetches Vega from elsewhere. Here a frame brings all that it needs; it lies above a
picture of the chart, which is what is seen where the frame is taken out (a notebook that is not
trusted) or its script does not run.
"""

from __future__ import annotations

import base64
from functools import cache
from typing import Any, Final

import altair as alt

from mixedscope.charts.common.interactive import interactive_page
from mixedscope.charts.common.page import drawn_size
from mixedscope.charts.common.render import picture
from mixedscope.charts.common.vega import to_spec
from mixedscope.charts.common.web.document import framed

__all__ = ["for_notebooks"]

#: Pixels of a picture in a notebook for one of the chart: screens have more than they say.
_SHARP: Final = 1.5
#: How much larger than drawn a chart is shown, as by its page.
_SCALE: Final = 1.25
#: Pixels beside the chart for the menu that saves it.
_MENU: Final = 40


class _Shown:
    """How a chart is shown: in a frame of its own, or as the user asked Altair to."""

    def _repr_mimebundle_(self, *args: Any, **kwds: Any) -> Any:
        if alt.renderers.active != "default":
            return super()._repr_mimebundle_(*args, **kwds)  # type: ignore[misc]
        spec = to_spec(self)
        width, height = (_SCALE * side for side in drawn_size(spec))
        still = picture(spec, _SHARP)
        style = f"width: {round(width) + _MENU}px; max-width: 100%; min-height: {round(height)}px"
        page = interactive_page(spec, above=True)
        return {
            "text/html": framed(page, still, str(spec.get("description", "Chart")), style),
            "image/png": base64.b64encode(still).decode(),
            "text/plain": repr(self),
        }

    def __reduce_ex__(self, _: Any) -> Any:
        # Its class is made, and so found by no name.
        return _again, (type(self).__mro__[2], dict(vars(self)))


@cache
def _shown(base: type) -> type:
    """The class of charts of this class that are shown so, named as it is."""
    return type(base.__name__, (_Shown, base), {"__module__": __name__, "__doc__": base.__doc__})


def _again(base: type, state: dict[str, Any]) -> Any:
    """A chart that was copied or pickled."""
    chart: Any = object.__new__(_shown(base))
    vars(chart).update(state)
    return chart


def for_notebooks(chart: Any) -> Any:
    """Let a chart be shown without a network; anything else is given back as it is.

    It is the same chart, so that what was measured and vouched for stays with it, and what Altair's
    methods make of it is shown so as well.
    """
    if isinstance(chart, alt.TopLevelMixin) and not isinstance(chart, _Shown):
        own: Any = type(chart)
        object.__setattr__(chart, "__class__", _shown(own))
    return chart
