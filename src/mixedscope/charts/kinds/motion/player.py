"""The player: one HTML file that holds data, script and style.

The page shows numbers of stored tables.  Text from the data reaches the page as packed JSON and is
written with ``textContent`` or on a canvas alone, so that it never is HTML.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.charts.common.assets import digest, packed
from mixedscope.charts.common.legend import header_lines
from mixedscope.charts.common.numerals import counted
from mixedscope.charts.common.probe_band import PROBE_KEY, VEIL
from mixedscope.charts.common.structure_names import structure_label
from mixedscope.charts.common.theme import COLOURS, GROUP_COLOURS, ink
from mixedscope.charts.common.vega import compact
from mixedscope.charts.common.web.document import document, held, part, scoped
from mixedscope.charts.kinds.motion.backdrop import mix
from mixedscope.charts.kinds.motion.frames import Actor, Course, Scene, Track, ranks_of, stops
from mixedscope.charts.kinds.motion.marks import DENSE, begins, for_page
from mixedscope.charts.kinds.motion.ticks import gap_ticks, nice_ticks
from mixedscope.charts.kinds.motion.words import component_names
from mixedscope.charts.kinds.shrinkage.ellipse import radius
from mixedscope.charts.kinds.shrinkage.levels import share
from mixedscope.charts.kinds.shrinkage.words import infinite_key, joined, reference_key
from mixedscope.charts.kinds.trace.words import PHASE_NAMES
from mixedscope.core.vocabulary import CRITERION_SYMBOLS
from mixedscope.tables.store import FitTables

__all__ = ["modes_film", "page", "theta_film"]

Floats = NDArray[np.float64]

_COLOURS: Final = (*("reference", "mode", "movement", "ellipse", "zero", "evaluation", "best"),)


def modes_film(scene: Scene, *, theme: str = "light") -> dict[str, Any]:
    """Everything the player shows of conditional modes in motion, ready for JSON."""
    several = len(scene.terms) > 1
    first = scene.actors[0]
    names = list(dict.fromkeys(level for a in scene.actors for level in a.pull.levels))
    dense = len(names) > DENSE
    key = [
        ("reference", reference_key(first.pull)),
        ("mode", "conditional mode"),
        ("trail", "where it was"),
        ("movement", "pull"),
    ]
    if any(a.pull.infinite.any() for a in scene.actors):
        key.insert(1, ("infinite", infinite_key()))
    if scene.ellipses:
        key.append(("ellipse", f"{joined([share(c) for c in scene.ellipses])} of the distribution"))
    thinned = any(a.thinned for a in scene.actors)
    film = _common([a.course for a in scene.actors], [a.tracks for a in scene.actors], theme) | {
        "kind": "modes" if several else "dumbbell",
        "what": f"Conditional modes of {scene.group}",
        "shown": "modes of evaluation",
        "every": "trials as well" if thinned else "every evaluation",
        "criterion": CRITERION_SYMBOLS[first.pull.info["criterion"]],
        "group": scene.group,
        "terms": list(scene.terms),
        "levels": names,
        "dense": dense,
        "axes": [list(axis) for axis in scene.axes],
        "ticks": [nice_ticks(*axis) for axis in scene.axes],
        "radii": [_short(radius(c)) for c in scene.ellipses],
        # Panels need room: what a fit takes at least, in units of the font.
        "least": max(14.5, 12 + 4 * (len(scene.terms) - 1)) if several else 14.5,
        "fits": [_fit(actor, scene) for actor in scene.actors],
    }
    film["key"] = [*key, *film["key"]]
    if not several:
        order = [first.pull.levels[i] for i in scene.order.tolist()]
        film |= {
            # The largest reference on top.
            "order": [*reversed(order), *(n for n in names if n not in set(order))],
            "rowLabels": not dense,
            "rowTitle": f"{len(names)} levels of {scene.group}, ordered by reference",
            "xTitle": f"deviation in {scene.terms[0]}",
        }
    return film


def theta_film(
    tables: Sequence[FitTables],
    courses: Sequence[Course],
    span: tuple[float, float],
    tracks: Sequence[Mapping[str, Track]],
    *,
    theme: str = "light",
) -> dict[str, Any]:
    """Everything the player shows of θ in motion, ready for JSON.

    ``span``: axis of θ. ``tracks``: per fit, ``best`` and ``every``; modes are (m, 1, p) arrays of
    θ.
    """
    groups = list(dict.fromkeys(t["group"] for fit in tables for t in fit.info["random"]))
    hue = {g: GROUP_COLOURS[i % len(GROUP_COLOURS)] for i, g in enumerate(groups)}
    fits = []
    for fit, course, own in zip(tables, courses, tracks, strict=True):
        estimates = fit.require("estimates")
        owners = estimates.loc[estimates["kind"] == "theta", "group"].tolist()
        fits.append(
            {
                "label": structure_label(fit.info),
                "sub": f"{fit.info['optimizer']['name']}, {counted(course.size)}",
                "components": component_names(fit),
                "hues": [hue[g] for g in owners],
                "course": _course(course),
                "tracks": {name: _track(track) for name, track in own.items()},
            }
        )
    film = _common(courses, tracks, theme) | {
        "kind": "theta",
        "what": "Components of θ",
        "shown": "θ of evaluation",
        "every": "every trial",
        "criterion": CRITERION_SYMBOLS[tables[0].info["criterion"]],
        "axes": [list(span)],
        "ticks": [nice_ticks(*span, count=5)],
        "least": 14.5,
        "fits": fits,
    }
    film["key"] = [*((f"line:{hue[g]}", g) for g in groups), *film["key"]]
    return film


def page(
    film: Mapping[str, Any],
    title: str,
    caption: str,
    still: str,
    back: tuple[str, str] | None = None,
) -> bytes:
    """Assemble the page.

    ``film``: from `modes_film` or `theta_film`. ``still``: address of the image that is shown where
    no script runs: data, or a file beside the page. ``back``: where the page leads back to, and in
    what words. Gives UTF-8.
    """
    script = _script()
    style = "".join(map(part, ("base.css", "controls.css"))) + part("player.css", __package__)
    images = "data:" if still.startswith("data:") else "'self'"
    body = f"""
<main>
<figure>
<div id="player"></div>
<noscript><p>Without scripting: moments of the animation.</p>
<img alt="{html.escape(caption)}" src="{html.escape(still)}"></noscript>
<figcaption>{html.escape(caption)}</figcaption>
</figure>
</main>
{held("film", packed(compact(film)))}
"""
    return document(
        body,
        title=title,
        # Nothing else is fetched, one script runs, and no text can become code.
        policy=f"default-src 'none'; script-src {digest(script)}; "
        f"style-src {digest(style)}; img-src {images}",
        style=style,
        script=script,
        back=back,
    )


@cache
def _script() -> str:
    shared = [part(f"{name}.js") for name in ("unpack", "numbers", "elements")]
    own = [part(f"{name}.js", __package__) for name in _PARTS]
    return scoped(*shared, *own, root="player")


#: Time; panels, what moves in them, and traces; words; what it is played with; the film.
_PARTS: Final = ("time", "panels", "levels", "course", "words", "controls", "player")


# -- pieces of the film ----------------------------------------------------------------------------


def _common(
    courses: Sequence[Course], tracks: Sequence[Mapping[str, Track]], theme: str
) -> dict[str, Any]:
    floor, top = courses[0].floor, courses[0].top
    known = set.intersection(*(set(own) for own in tracks))
    occur = set(np.concatenate([course.phase for course in courses]).tolist())
    return {
        "colours": {name: COLOURS[name] for name in _COLOURS},
        "ink": ink(theme),
        "marks": for_page(),
        "clock": {name: _clock(courses, [own[name] for own in tracks]) for name in known},
        "phases": [(words, COLOURS[name]) for name, words in PHASE_NAMES.items()],
        "gap": [floor, top],
        "gapTicks": gap_ticks(floor, top),
        "veil": VEIL,
        "levels": None,
        "key": [
            ("evaluation", "evaluation"),
            ("best", "best so far"),
            *(
                (f"phase:{COLOURS[name]}", words)
                for i, (name, words) in enumerate(PHASE_NAMES.items())
                if i in occur
            ),
            *([(f"phase:{_veil(theme)}", PROBE_KEY)] if any(c.unsure for c in courses) else []),
        ],
    }


def _veil(theme: str) -> str:
    """Colour of the band of gaps that say nothing, on paper, as keys have it."""
    return mix(ink(theme)["soft"], 2 * VEIL, ink(theme)["paper"])


def _clock(courses: Sequence[Course], tracks: Sequence[Track]) -> dict[str, Any]:
    """Where an animation can stand still, and when it is there, for each way to align fits."""
    found = {}
    for align in ("evaluation", "share") if len(courses) > 1 else ("evaluation",):
        readings = stops(tracks, courses, align=align)
        found[align] = {
            "stops": readings.tolist(),
            "begins": [round(time, 6) for time in begins(readings).tolist()],
        }
    return found


def _fit(actor: Actor, scene: Scene) -> dict[str, Any]:
    pull = actor.pull
    pairs = actor.correlated
    return {
        "label": pull.label,
        "sub": ", ".join(header_lines(pull, scene.group, narrow=False)),
        "panelPairs": pull.told_pairs(),
        "ranks": [
            {"x": x, "y": y, "term": r.term, "at": _shortened(r.at), "foot": _short(r.foot)}
            for x, y in pull.told_pairs()
            if (r := ranks_of(scene, actor, x, y)) is not None
        ],
        "levels": list(pull.levels),
        "n": pull.n_obs.tolist(),
        "reference": _shortened(pull.reference),
        # Where to levels go whose own estimate is infinite.
        "ways": _shortened(pull.ways) if pull.ways is not None and pull.ways.any() else None,
        "course": _course(actor.course),
        "tracks": {name: _track(track) for name, track in actor.tracks.items()},
        "table": {
            "terms": list(scene.terms),
            "pairs": pairs,
            "sd": [_shortened(row) for row in actor.sds],
            "cor": [
                _shortened(np.array([matrix[a, b] for a, b in pairs]))
                for matrix in actor.correlations
            ],
        },
    }


def _course(course: Course) -> dict[str, Any]:
    return {
        "gap": _shortened(course.gap),
        "best": _shortened(course.best),
        "objective": [v if np.isfinite(v) else None for v in course.objective.tolist()],
        "sigma": _shortened(course.sigma),
        "phase": course.phase.tolist(),
        **({"unsure": course.error.above} if course.unsure else {}),
    }


def _track(track: Track) -> dict[str, Any]:
    return {
        "at": track.evaluations.tolist(),
        "values": [_shortened(frame) for frame in track.modes],
    }


def _shortened(values: Floats) -> list[float | None]:
    """Six significant digits of every value, in one list; null for NaN."""
    return [_short(v) if np.isfinite(v) else None for v in values.ravel().tolist()]


def _short(value: float) -> float:
    return float(f"{value:.6g}")
