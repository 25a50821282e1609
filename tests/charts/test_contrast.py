"""Colours of figures: seen by every eye, on every paper, in grey; or told apart by more than them.

Contrast is that of the Web Content Accessibility Guidelines 2.2 (1.4.3, 1.4.11): 3 for marks, 4.5
for texts of the sizes that figures have. Greys are compared by CIE lightness.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixedscope import charts
from mixedscope.charts.common.palette import GROUP_COLOURS, THEMES, contrast, luminance
from mixedscope.charts.common.palette import USUAL as COLOURS
from mixedscope.charts.common.phase_bands import phase_fills
from mixedscope.charts.common.render import FORMATS, Figure, to_spec
from mixedscope.charts.kinds.landscape.key import band_colours
from mixedscope.charts.kinds.sweep.palette import palette
from mixedscope.core.vocabulary import CONVERGENCE, EXPLORATION, FINE_TUNING
from mixedscope.covariance.registry import STRUCTURES, look_of

sys.path.append(str(Path(__file__).parents[1] / "pictures"))

from picture_cases import CASES, DRAWN, FULL, SINGULAR, ZERO, specification

MARK, TEXT = 3.0, 4.5
#: Steps of lightness that are seen where two greys touch, and where they stand apart.
TOUCHING, APART = 4.0, 8.0
PHASES = (EXPLORATION, CONVERGENCE, FINE_TUNING)
#: Drawn in plain runs; all others in exhaustive ones.
FEW = ("trace", "optimizers", "ledger", "efficiency", "race")
#: What is drawn over bands of phases.
OVER_PHASES = ("evaluation", "best", "failed", "polish", "escape", "restart")
LOOKS = {name: look for name in [*STRUCTURES, "rr1", "rr2"] if (look := look_of(name))}
#: Channels that tell categories apart without a colour.
OTHERS = ("shape", "strokeDash", "strokeWidth", "x", "y", "xOffset", "yOffset", "text", "facet")


def lightness(colour: str) -> float:
    """CIE L* of a colour, 0 to 100."""
    y = luminance(colour)
    return 116.0 * np.cbrt(y) - 16.0 if y > 216 / 24389 else 24389 / 27 * y


def test_contrast_is_that_of_the_guidelines() -> None:
    # Examples of the guidelines' own tools.
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21.0)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.005)
    assert contrast("#FFFFFF", "#767676") == pytest.approx(4.54, abs=0.005)
    assert lightness("#777777") == pytest.approx(50.03, abs=0.01)


@pytest.mark.parametrize("theme", THEMES)
def test_marks_and_texts_stand_out_from_the_paper_and_from_phases(theme: str) -> None:
    inks = THEMES[theme]
    fills = phase_fills(theme)
    marks = {n: c for n, c in COLOURS.items() if n not in PHASES} | dict(
        zip(map(str, range(len(GROUP_COLOURS))), GROUP_COLOURS, strict=True)
    )
    for name, colour in marks.items():
        assert contrast(colour, inks["paper"]) >= MARK, name
    for name, look in LOOKS.items():
        assert contrast(look.colour, inks["paper"]) >= MARK, name
    for paper in (inks["paper"], *fills.values()):
        assert contrast(inks["ink"], paper) >= TEXT
        assert contrast(inks["soft"], paper) >= TEXT
        for colour in (*(COLOURS[name] for name in OVER_PHASES), *GROUP_COLOURS):
            assert contrast(colour, paper) >= MARK, (colour, paper)


@pytest.mark.parametrize("theme", THEMES)
def test_phases_become_lighter_one_after_the_other(theme: str) -> None:
    light = [lightness(phase_fills(theme)[phase]) for phase in PHASES]
    assert all(after - before >= TOUCHING for before, after in pairwise(light))


@pytest.mark.parametrize("theme", THEMES)
def test_levels_of_a_landscape_become_darker_outwards(theme: str) -> None:
    light = [lightness(colour) for colour in band_colours(5, theme)]
    assert all(inside - outside >= TOUCHING for inside, outside in pairwise(light))


def test_grouping_factors_and_parts_of_the_variance_differ_in_grey() -> None:
    parts = [*GROUP_COLOURS[:4], COLOURS["observations"], COLOURS["fixed"]]
    for a, b in combinations(parts, 2):
        assert abs(lightness(a) - lightness(b)) >= TOUCHING, (a, b)


def test_inks_of_phases_and_shades_of_numbers_differ_in_grey() -> None:
    for values in (PHASES, (1, 2, 3)):
        shades = palette("phase" if values is PHASES else "size", values)
        light = [lightness(colour) for colour in shades]
        assert all(before - after >= TOUCHING for before, after in pairwise(light))
        assert all(contrast(colour, "#FFFFFF") >= MARK for colour in shades)


def units(spec: Any, above: dict[str, Any], data: Any = None) -> Iterator[tuple[Any, Any, Any]]:
    """Marks of a specification with all that they encode, and where their rows are."""
    if not isinstance(spec, dict):
        return
    data = spec.get("data", data)
    own = above | spec.get("encoding", {})
    own |= {"facet": spec["facet"]} if isinstance(spec.get("facet"), dict) else {}
    if "mark" in spec:
        yield spec["mark"], own, data
    for key in ("layer", "concat", "hconcat", "vconcat"):
        for part in spec.get(key, ()):
            yield from units(part, own, data)
    yield from units(spec.get("spec"), own, data)


def coloured(encoding: dict[str, Any], rows: Any) -> dict[str, list[str]]:
    """Colours of the categories that occur in the rows, by the channel that shows them alone."""
    found = {}
    for channel in ("color", "fill", "stroke"):
        code = encoding.get(channel) or {}
        field, scale = code.get("field"), code.get("scale") or {}
        if code.get("type") not in ("nominal", "ordinal") or not scale.get("range"):
            continue
        if any((encoding.get(other) or {}).get("field") == field for other in OTHERS):
            continue
        occur = None if rows is None else {row.get(field) for row in rows}
        pairs = zip(scale["domain"], scale["range"], strict=False)
        found[f"{field} by {channel}"] = [c for v, c in pairs if occur is None or v in occur]
    return found


def alike(spec: dict[str, Any]) -> list[str]:
    """Fields whose categories are told apart by a hue alone."""
    sets, found = spec.get("datasets", {}), []
    # Lines go through points that have a shape, and points lie on lines that have a dash.
    told = {
        (encoding.get(channel) or {}).get("field")
        for _, encoding, _ in units(spec, {})
        for channel in ("shape", "strokeDash")
    }
    for mark, encoding, data in units(spec, {}):
        kind = mark["type"] if isinstance(mark, dict) else mark
        # Words say what they are; areas with a line between them lie in the order of the key.
        if kind == "text" or (kind == "area" and "stroke" in mark):
            continue
        known = isinstance(data, dict)
        rows = (data.get("values") or sets.get(data.get("name"))) if known else None
        for field, colours in coloured(encoding, rows).items():
            if field.split(" by ")[0] in told:
                continue
            light = [lightness(colour) for colour in dict.fromkeys(colours)]
            steps = [abs(a - b) for a, b in combinations(light, 2)]
            if steps and min(steps) < (TOUCHING if kind in ("area", "bar", "rect") else APART):
                found.append(f"{field} of {kind}: {colours}")
    return found


@pytest.mark.parametrize(
    "case", [n if n in FEW else pytest.param(n, marks=pytest.mark.exhaustive) for n in CASES]
)
def test_no_colour_alone_tells_categories_apart(case: str) -> None:
    assert alike(specification(case)) == []


def test_a_colour_alone_is_noticed() -> None:
    scale = {"domain": ["a", "b"], "range": ["#CC3311", "#0072B2"]}
    colour = {"field": "f", "type": "nominal", "scale": scale}
    plain = {"layer": [{"mark": {"type": "point"}, "encoding": {"color": colour}}]}
    assert alike(plain)
    assert not alike({**plain, "encoding": {"shape": {"field": "f"}}})


def elements(root: ET.Element) -> Iterator[tuple[str, ET.Element]]:
    """Symbols, lines, rules and texts of a picture, with their kind."""
    for group in root.iter("{http://www.w3.org/2000/svg}g"):
        words = group.get("class", "").split()
        kind = next((word[5:] for word in words if word.startswith("mark-")), "")
        if kind == "text":
            yield from ((kind, text) for text in group.iter("{http://www.w3.org/2000/svg}text"))
        elif kind in ("symbol", "line", "rule") and {"role-mark", "role-legend-symbol"} & {*words}:
            yield from ((kind, one) for one in group if one.get("d") or one.tag.endswith("line"))


def drawn_in(element: ET.Element) -> list[str]:
    """The colours of fill and stroke; that marks which overlap are translucent does not count."""
    found = [element.get(name, "none").upper() for name in ("fill", "stroke")]
    return [colour for colour in found if colour.startswith("#") and len(colour) == 7]


THEMED: dict[str, Any] = {
    "trace": lambda theme: charts.trace(FULL, ZERO, theme=theme),
    "stopping": lambda theme: charts.stopping(FULL, theme=theme),
    "pooling": lambda theme: charts.pooling(FULL, ZERO, theme=theme),
    "ridge": lambda theme: charts.ridge(DRAWN, theme=theme),
    "principal": lambda theme: charts.principal(SINGULAR, theme=theme),
}


@pytest.mark.parametrize(
    ("case", "theme"),
    [
        *((n, "light") for n in FEW),
        *(pytest.param(n, "light", marks=pytest.mark.exhaustive) for n in CASES if n not in FEW),
        ("trace", "print"),
        *(pytest.param(n, "print", marks=pytest.mark.exhaustive) for n in THEMED if n != "trace"),
    ],
)
def test_what_is_drawn_stands_out_from_the_paper(case: str, theme: str) -> None:
    drawn = specification(case) if theme == "light" else None
    if drawn is None:
        made = THEMED[case](theme)
        drawn = to_spec(made.chart if isinstance(made, Figure) else made)
    inks = THEMES[theme]
    faint = {}
    for kind, element in elements(ET.fromstring(FORMATS["svg"](dict(drawn)))):
        seen = drawn_in(element)
        # Lines of the grid are faint, and areas between contours have others beside them.
        ground = {inks["grid"], *band_colours(7, theme)[1:]}
        if not seen or ground & {*seen} or seen == [inks["paper"]]:
            continue
        if max(contrast(c, inks["paper"]) for c in seen) < (TEXT if kind == "text" else MARK):
            faint[f"{kind} {seen}"] = element.get("aria-label") or "".join(element.itertext())
    assert faint == {}
