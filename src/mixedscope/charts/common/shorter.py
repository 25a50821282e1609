"""The same SVG in a third of the characters, as it is written to files.

The renderer says of every mark all that it is painted with, draws circles as paths, closes every
group with a background and a foreground that nobody sees, and defines a clip for every mark.  Here
what the marks of a group have in common is said once, of the group.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["shorter", "without_unseen"]

#: What the renderer puts behind and before groups, where it has no paint: groups hand down none.
_UNSEEN: Final = re.compile(
    r'<path class="(?:background|foreground)" aria-hidden="true" d="[^"]*"'
    r'(?: (?:pointer-events|display|stroke-width|opacity)="[^"]*")*/>'
)
_CLIP: Final = re.compile(r'<clipPath id="clip(\d+)">(.*?)</clipPath>')
_CLIPPED: Final = re.compile(r'(<g class="[^"]*" clip-path="url\(#clip)(\d+)')

#: A tag that names a colour gradient.
_GRADIENT: Final = re.compile(r"<[^<>]*\bgradient_\d+[^<>]*>")
_NUMBER: Final = re.compile(r'((?:fill|stroke)="url\(#gradient_| id="gradient_)(\d+)')

_CIRCLE: Final = re.compile(
    r'<path transform="translate\(([-\d.]+),([-\d.]+)\)" '
    r'd="M([\d.]+),0A\3,\3,0,1,1,-\3,0A\3,\3,0,1,1,\3,0"'
)

#: A group of marks, of which none is a group.
_MARKS: Final = re.compile(r'(<g class="mark-(?!group)[^>]*)>(.*?)</g>', re.DOTALL)
_TAG: Final = re.compile(r"<\w[^>]*>")
#: What a group hands down to its marks.
_HANDED: Final = re.compile(
    r' (?:fill|fill-opacity|stroke|stroke-[a-z]+|font-(?:family|size|style)|text-anchor)="[^"]*"'
)
_OPACITY: Final = re.compile(r' opacity="[^"]*"')
_PAINTED: Final = {
    paint: re.compile(rf' {paint}="(?!none|transparent)') for paint in ("fill", "stroke")
}


def without_unseen(svg: str) -> str:
    """An SVG as the renderer writes it without what nobody sees, and with equal clips as one.

    Clips and gradients are counted within it: the renderer counts them through all charts.
    """
    found = _CLIP.findall(svg)
    first: dict[str, str] = {}
    same = {number: first.setdefault(shape, number) for number, shape in found}
    order: dict[str, str] = {}

    def used(match: re.Match[str]) -> str:
        own = same.get(match[2], match[2])
        return f"{match[1]}{order.setdefault(own, str(len(order)))}"

    def defined(match: re.Match[str]) -> str:
        number = order.get(match[1])
        return "" if number is None else f'<clipPath id="clip{number}">{match[2]}</clipPath>'

    counted: dict[str, int] = {}

    def numbered(tag: re.Match[str]) -> str:
        return _NUMBER.sub(lambda m: f"{m[1]}{counted.setdefault(m[2], len(counted))}", tag[0])

    seen = _GRADIENT.sub(numbered, _UNSEEN.sub("", svg))
    return _CLIP.sub(defined, _CLIPPED.sub(used, seen))


def shorter(svg: str) -> str:
    """Give an SVG of a chart that looks the same in fewer characters."""
    return _MARKS.sub(_said_once, _CIRCLE.sub(r'<circle cx="\1" cy="\2" r="\3"', svg))


def _said_once(match: re.Match[str]) -> str:
    """A group of marks that says of itself what holds of all of them."""
    head, marks = match.groups()
    tags = _TAG.findall(marks)
    # Words with quotation marks might be taken for attributes.
    if not tags or sum(tag.count('"') for tag in tags) != marks.count('"'):
        return match[0]
    marks = marks.replace(' opacity="1"', "")
    leaves = [tag for tag in tags if not tag.startswith("<tspan")]
    if len(leaves) > 1:
        for said in _HANDED.findall(leaves[0]):
            if marks.count(said) == len(leaves):
                head, marks = head + said, marks.replace(said, "")
        head, marks = _opacity_once(head, marks, len(leaves))
    return f"{head}>{marks}</g>"


def _opacity_once(head: str, marks: str, count: int) -> tuple[str, str]:
    """Say the opacity of marks of the group, too: of their paint, if all have one kind only."""
    found = _OPACITY.search(marks)
    if found is None or marks.count(found[0]) != count or "-opacity=" in head + marks:
        return head, marks
    painted = [paint for paint, given in _PAINTED.items() if given.search(head + marks)]
    if len(painted) != 1 or "<text" in marks:
        return head, marks
    return head + found[0].replace(" ", f" {painted[0]}-", 1), marks.replace(found[0], "")
