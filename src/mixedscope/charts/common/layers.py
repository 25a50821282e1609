"""The same SVG in fewer layers, as PNG and PDF are made from it.

A renderer of pixels gives every clipped group, and every mark that is translucent as a whole, a
picture of its own and lays it over the rest; PDF makes an object of each.  Here neighbours that are
clipped alike are clipped together, what lies within its clip is not clipped, and paint is made
translucent in place of marks, where that looks the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

__all__ = ["in_few_layers"]

_NAMESPACE: Final = ' xmlns="http://www.w3.org/2000/svg"'

#: A mark of an SVG file that is translucent as a whole.
_LEAF: Final = re.compile(r'<(?:path|line|rect)\b[^>]* opacity="[^>]*/>')
_PAINTS: Final = ("fill", "stroke")
_UNPAINTED: Final = (None, "none", "transparent")

_NUMBER: Final = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?")
#: Lines and curves between points, and boxes.
_POINTS: Final = re.compile(r"[MLCZ\d.,e+\-]*")
_BOX: Final = re.compile(r"M([^,]*),([^h]*)h([^v]*)v([^h]*)h[^Z]*Z")
_PLACED: Final = re.compile(r"translate\(([^,]*),([^)]*)\)(?: rotate\([^)]*\))?")
#: Lines between points, not closed, as the renderer writes them.
_LINE: Final = re.compile(r"M[^MLCZ]+(?:L[^MLCZ]+)+")
#: How far a corner of a stroke reaches beyond the line, in widths of the stroke, at most.
_MITRE: Final = 5.0

_Clip = tuple[float, ...]


# PNG and PDF are made of the same.
@lru_cache(maxsize=1)
def in_few_layers(svg: str) -> str:
    """Give an SVG of a chart that looks the same and takes less to paint.

    ``svg``: as the renderer of Vega writes it.
    """
    return _LEAF.sub(_paint_opacity, _merged(svg) if "clip-path" in svg else svg)


def _paint_opacity(match: re.Match[str]) -> str:
    """Make the paint of a mark translucent in place of the mark.

    Where there is only fill or only stroke it looks the same.
    """
    mark = match[0]
    fill, stroke = (re.search(rf' {paint}="(?!none|transparent)', mark) for paint in _PAINTS)
    if (fill is None) == (stroke is None) or "-opacity" in mark:
        return mark
    return mark.replace(' opacity="', f' {_PAINTS[0] if fill else _PAINTS[1]}-opacity="')


def _merged(svg: str) -> str:
    """The SVG with as few clipped groups as give the same picture."""
    root = ElementTree.fromstring(svg.replace(_NAMESPACE, "", 1))
    clips = {}
    for defined in root.iter("clipPath"):
        sides = [defined[0].get(side) for side in ("x", "y", "width", "height")]
        if len(defined) == 1 and defined[0].tag == "rect" and None not in sides:
            clips[f"url(#{defined.get('id')})"] = tuple(float(side or 0) for side in sides)
    for group in root.iterfind("g"):
        _merge(group, clips)
    for group in root.iter("g"):
        clip = clips.get(group.get("clip-path", ""))
        if clip is None:
            continue
        if _is_within(group, clip):
            del group.attrib["clip-path"]
        else:
            _cut(group, clip)
    return ElementTree.tostring(root, encoding="unicode").replace("<svg", f"<svg{_NAMESPACE}", 1)


def _merge(group: Element, clips: dict[str, _Clip]) -> None:
    """Clip together what is clipped alike in a group, from its innermost groups outwards."""
    parts: list[Element] = []
    run: list[Element] = []
    for part in list(group):
        if part.tag == "g":
            _merge(part, clips)
        alike = run and clips.get(part.get("clip-path", "")) == clips[run[0].get("clip-path", "")]
        if run and not (_is_unseen(part) or (alike and _stays(part))):
            parts += _clipped(run)
            run = []
        if run or (part.get("clip-path", "") in clips and _stays(part)):
            run.append(part)
        else:
            parts.append(part)
    group[:] = [*parts, *_clipped(run)]
    seen = [part for part in group if not _is_unseen(part)]
    alone = len(seen) == 1 and seen[0].get("clip-path", "") in clips and _stays(seen[0])
    if alone and "clip-path" not in group.attrib and _stays(group):
        # The clip of all that is seen of a group is that of the group.
        group.set("clip-path", seen[0].attrib.pop("clip-path"))


def _clipped(run: list[Element]) -> list[Element]:
    """Groups that are clipped alike, as one that is; those unseen between them do not matter."""
    if len(run) < 2:
        return run
    whole = Element("g", {"clip-path": run[0].attrib["clip-path"]})
    for part in run:
        part.attrib.pop("clip-path", None)
        whole.append(part)
    return [whole]


def _stays(part: Element) -> bool:
    """Whether a clip means the same within a part and about it."""
    return part.tag == "g" and part.get("transform") in (None, "translate(0,0)")


def _is_unseen(part: Element) -> bool:
    """Whether a mark paints nothing: groups of charts have no paint to hand down."""
    unpainted = all(part.get(paint) in _UNPAINTED for paint in _PAINTS)
    return part.tag == "path" and (part.get("display") == "none" or unpainted)


def _is_within(group: Element, clip: _Clip) -> bool:
    """Whether all marks of a group surely lie within a clip."""
    left, top, width, height = clip
    for mark in group.iter():
        if mark is group or (mark.tag == "g" and _stays(mark)) or _is_unseen(mark):
            continue
        points = _reached(mark)
        if points is None:
            return False
        edge = 0.0 if mark.get("stroke") in _UNPAINTED else float(mark.get("stroke-width", 1))
        edge *= _MITRE
        for x, y in points:
            if not (left + edge <= x <= left + width - edge):
                return False
            if not (top + edge <= y <= top + height - edge):
                return False
    return True


def _cut(group: Element, clip: _Clip) -> None:
    """Leave out pieces of lines that a clip surely hides: layers are as large as their marks."""
    left, top, width, height = clip
    for mark in group.iter("path"):
        line = mark.get("d", "")
        plain = mark.get("fill") in _UNPAINTED and not {"transform", "stroke-dasharray"} & {
            *mark.attrib
        }
        if not plain or _LINE.fullmatch(line) is None:
            continue
        edge = _MITRE * float(mark.get("stroke-width", 1))
        ends = line[1:].split("L")
        sides = []
        for x, y in ([float(number) for number in end.split(",")] for end in ends):
            across = (x > left + width + edge) - (x < left - edge)
            down = (y > top + height + edge) - (y < top - edge)
            sides.append((across, down))
        shown = [not (a[0] == b[0] != 0 or a[1] == b[1] != 0) for a, b in pairwise(sides)]
        if not all(shown):
            pieces = ""
            for i, seen in enumerate(shown):
                if seen:
                    pieces += (
                        f"L{ends[i + 1]}" if i and shown[i - 1] else f"M{ends[i]}L{ends[i + 1]}"
                    )
            mark.set("d", pieces)


def _reached(mark: Element) -> Iterator[tuple[float, float]] | None:
    """Points whose hull holds a mark without its stroke; None if they cannot be told."""
    drawn, placed = mark.get("d", ""), mark.get("transform")
    if mark.tag not in ("line", "path"):
        return None
    if placed is not None:
        where = _PLACED.fullmatch(placed)
        if where is None:
            return None
        x, y = float(where[1]), float(where[2])
        if mark.tag == "line":
            across, down = float(mark.get("x2", 0)), float(mark.get("y2", 0))
            return iter([(x, y), (x + across, y + down)]) if "rotate" not in placed else None
        sizes = [abs(float(number)) for number in _NUMBER.findall(drawn)]
        # However it is turned: places in the plane with arcs between them, or steps.
        stepped = re.search("[a-y]", drawn.replace("e", "")) is not None
        reach = 1.5 * sum(sizes) if stepped else 3.5 * max(sizes, default=0.0)
        return iter([(x - reach, y - reach), (x + reach, y + reach)])
    if _POINTS.fullmatch(drawn):
        numbers = [float(number) for number in _NUMBER.findall(drawn)]
        return zip(numbers[::2], numbers[1::2], strict=True)
    if box := _BOX.fullmatch(drawn):
        x, y, across, down = (float(side) for side in box.groups())
        return iter([(x, y), (x + across, y + down)])
    return None
