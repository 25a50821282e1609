"""The renderer: what a chart specifies, evaluated once, as SVG.

Measuring a chart, its SVG, PNG and PDF all begin with the same evaluation of the same
specification, which is kept until the next charts are drawn.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import vl_convert as vlc

from mixedscope.charts.common.assets import VEGA_LITE
from mixedscope.charts.common.records import quick_tables
from mixedscope.charts.common.shorter import without_unseen
from mixedscope.charts.common.shown import without_unshown
from mixedscope.charts.common.specify import quick_spec

__all__ = [
    "STACKED",
    "compact",
    "evaluate_by",
    "evaluated",
    "evaluated_here",
    "measured",
    "to_spec",
    "vouched",
]

#: Whether all charts are held to the schema: tests turn it on, and draw some of every kind.
CHECK_ALL = False

#: What a specification calls that keys of several scales stand below each other.
STACKED: Final = "mixedscope:stacked"

_VOUCHED: Final = "_mixedscope_vouched"
_MEASURED: Final = "_mixedscope_measured"

# Control characters and lone surrogates have no place in XML, not even escaped: the renderer aborts
# the process over one.
_NO_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

#: How JSON writes these, numbers that are not finite, and a few strings that are fine: where it is
#: not found, all are.
_MAY_BE_NO_TEXT: Final = re.compile(r"\\(?:u00[01]|[bf])|[\ud800-\udfff\ufffe\uffff]|NaN|Infinity")

#: What charts are made of.
_PARTS: Final = ("concat", "hconcat", "layer", "spec", "vconcat")

#: What is written beside what they are made of: it is not drawn.
_BESIDE: Final = ("description", "usermeta")

#: Where marks are, and numbers of more decimals than a picture shows.
_PLACES: Final = re.compile(r'(?<= (?:d|x|y)=")[^"]*|(?<= (?:x2|y2)=")[^"]*|(?<= transform=")[^"]*')
_LONG: Final = re.compile(r"-?\d+\.\d{4,}(?:e[+-]?\d+)?")


def vouched(chart: Any) -> Any:
    """Mark a chart as one of ours: tests hold all of these to the schema; changed ones are not."""
    object.__setattr__(chart, _VOUCHED, True)
    return chart


def to_spec(chart: Any, *, check: bool = False) -> dict[str, Any]:
    """Give the Vega-Lite specification of a chart, without what no text file may hold.

    ``check``: whether a chart that is not vouched for is held to the schema.
    """
    checked = CHECK_ALL or (check and not getattr(chart, _VOUCHED, False))
    spec = None if checked else quick_spec(chart)
    if spec is None:
        with quick_tables():
            spec = chart.to_dict(validate=checked)
    assert spec is not None
    spec = without_unshown(spec)
    found = _MAY_BE_NO_TEXT.search(json.dumps(spec, ensure_ascii=False))
    cleaned: dict[str, Any] = spec if found is None else _cleaned(spec)
    if cleaned.get("usermeta", {}).get(STACKED):
        # Vega can, but the schema of Vega-Lite does not know it.
        legends = cleaned.setdefault("config", {}).setdefault("legend", {})
        legends["layout"] = {"bottom": {"anchor": "start", "direction": "vertical"}}
    return cleaned


def measured(chart: Any, spec: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """Tell what a chart, as it was drawn, specified when it was measured; `spec`: to keep this.

    None if it was not measured. Only for who knows that nobody has changed the chart since.
    """
    if spec is not None:
        object.__setattr__(chart, _MEASURED, spec)
    known: dict[str, Any] | None = vars(chart).get(_MEASURED)
    return known


def evaluated(spec: dict[str, Any]) -> str:
    """The SVG of a Vega-Lite specification; one of the last few is not evaluated again."""
    return _svg(compact(_pictured(spec)))


def _pictured(node: Any) -> Any:
    """A specification without what a picture does not show, down to its marks.

    Vega writes the words of a tooltip for every mark, in which a picture has none; where marks have
    labels for readers of screens, tooltips are part of these.
    """
    if isinstance(node, list):
        return [_pictured(item) for item in node]
    if not isinstance(node, dict):
        return node
    seen = {
        key: _pictured(value) if key in _PARTS else value
        for key, value in node.items()
        if key not in _BESIDE
    }
    mark = seen.get("mark")
    if (
        isinstance(mark, dict)
        and mark.get("aria") is False
        and "tooltip" in seen.get("encoding", ())
    ):
        seen["encoding"] = {k: v for k, v in seen["encoding"].items() if k != "tooltip"}
    return seen


def compact(value: Any) -> str:
    """JSON that is the same whenever the value is: sorted keys, no spaces, no number but finite."""
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    )


# A chart that is measured is drawn a few times before it is the one that is saved.
@lru_cache(maxsize=2)
def _svg(text: str) -> str:
    # Dashes of no gaps: some readers of documents draw hairs where they meet.
    svg = _evaluate(text).replace(' stroke-dasharray="1,0"', "")
    return _PLACES.sub(lambda places: _LONG.sub(_short, places[0]), without_unseen(svg))


def evaluated_here(text: str) -> str:
    """The SVG of a specification in JSON, as the renderer in this process writes it."""
    svg: str = vlc.vegalite_to_svg(text, vl_version=VEGA_LITE)
    return svg


_evaluate: Callable[[str], str] = evaluated_here


def evaluate_by(renderer: Callable[[str], str]) -> None:
    """Have specifications evaluated by another renderer, which writes the same."""
    global _evaluate
    _evaluate = renderer


def _short(number: re.Match[str]) -> str:
    """A number with three decimals, those that the renderer writes in paths."""
    return f"{float(number[0]):.3f}".rstrip("0").rstrip(".")


def _cleaned(node: Any) -> Any:
    """Put the replacement character, or nothing, in place of what no text file may hold."""
    if isinstance(node, str):
        return _NO_TEXT.sub("\ufffd", node)
    if isinstance(node, float) and not math.isfinite(node):
        return None
    if isinstance(node, list):
        return [_cleaned(item) for item in node]
    if isinstance(node, dict):
        return {_cleaned(key): _cleaned(value) for key, value in node.items()}
    return node
