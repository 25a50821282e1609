"""Films for talks, GIF and MP4: the same frames as the player's, drawn by Pillow.

Marks are drawn at three times the size and averaged, which smooths their edges.  A film runs at
its own pace: half of its time goes to frames evenly, half to evaluations evenly, so that both the
motion and the long stretches without any are seen.
"""

from __future__ import annotations

import io
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import vl_convert as vlc
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mixedscope.charts.common.theme import COLOURS, THEMES, ink
from mixedscope.charts.kinds.motion.backdrop import Sheet
from mixedscope.charts.kinds.motion.frames import Course, Track, stops
from mixedscope.charts.kinds.motion.layout import HEIGHT, WIDTH, TraceBox
from mixedscope.core.errors import ModelError

__all__ = [
    "COUNTER",
    "DIGIT",
    "RATE",
    "SCALE",
    "SECONDS",
    "Moment",
    "Reel",
    "gif",
    "mix",
    "mp4",
    "schedule",
    "standing",
]

Floats = NDArray[np.float64]

#: Pictures per second; a GIF has half as many.
RATE: Final = 20

#: Seconds of motion, and of stillness before and after.
SECONDS: Final = 11.5
_BEFORE: Final = 0.8
_AFTER: Final = 2.2

#: Seconds in which marks move to where the next frame has them.
_ARRIVAL: Final = 0.45

#: Marks are drawn at this many times the size.
SCALE: Final = 3

#: Size of the digits that count evaluations, and the width of each.
COUNTER: Final = 17.0
DIGIT: Final = 0.556 * COUNTER

#: Colours of a GIF.
_COLOURS: Final = 160


@dataclass(frozen=True)
class Moment:
    """What a film shows of one fit at one time.

    Attributes
    ----------
    here : float
        Evaluation the cursor stands at.
    start, end : int
        Frames of the track, from which and to which marks move.
    way : float
        How much of the way has been gone, 0 to 1.
    """

    here: float
    start: int
    end: int
    way: float


@dataclass(frozen=True)
class Reel:
    """What a film is made of.

    Attributes
    ----------
    backdrop : str
        SVG of what stands still.
    courses : sequence of Course
    traces : sequence of TraceBox
    counters : sequence of (x, y)
        Per fit, where the number of the evaluation ends, and its middle.
    tracks : sequence of Track
        Per fit, the frames shown.
    draw : callable
        ``(pencil, fit, moment)`` draws the marks of one fit, in pixels times `SCALE`.
    words : callable
        ``(stop)`` gives the SVG of the numbers at a reading of the clock.
    theme : str
    """

    backdrop: str
    courses: Sequence[Course]
    traces: Sequence[TraceBox]
    counters: Sequence[tuple[float, float]]
    tracks: Sequence[Track]
    draw: Callable[[ImageDraw.ImageDraw, int, Moment], None]
    words: Callable[[float], str]
    theme: str

    @cached_property
    def canvas(self) -> _Canvas:
        """What its pictures share."""
        return _Canvas(_raster(self.backdrop, SCALE), _digits(self.theme), {}, {})


def schedule(readings: Floats, rate: int = RATE) -> list[tuple[int, float, float]]:
    """When the clock of a film reads what.

    ``readings`` (m,): where it can stand still, see `stops`. ``rate``: pictures per second. Gives
    per picture: the last stop passed, the share of the time to the next that is over, and how much
    of the way the marks have gone.
    """
    if len(readings) == 1:
        return [(0, 0.0, 0.0)] * round((_BEFORE + _AFTER) * rate)
    steps = np.diff(readings)
    lasts = SECONDS * (0.5 / len(steps) + 0.5 * steps / steps.sum())
    begins = np.concatenate([[0.0], np.cumsum(lasts)])
    pictures = [(0, 0.0, 0.0)] * round(_BEFORE * rate)
    for picture in range(1, round(SECONDS * rate)):
        time = picture / rate
        stop = min(int(np.searchsorted(begins, time, side="right")) - 1, len(steps) - 1)
        gone, whole = time - begins[stop], lasts[stop]
        moving = min(_ARRIVAL, whole)
        way = float(np.clip((gone - whole + moving) / moving, 0.0, 1.0))
        pictures.append((stop, float(gone / whole), way * way * (3 - 2 * way)))
    return pictures + [(len(readings) - 1, 0.0, 0.0)] * round(_AFTER * rate)


def mix(colour: str, opacity: float, paper: str = "#FFFFFF") -> str:
    """Give the colour that a translucent one has on paper."""
    parts = [
        round(opacity * int(colour[i : i + 2], 16) + (1 - opacity) * int(paper[i : i + 2], 16))
        for i in (1, 3, 5)
    ]
    return "#" + "".join(f"{p:02X}" for p in parts)


def gif(reel: Reel) -> bytes:
    """Make an animated GIF, one palette for all pictures, that repeats for ever."""
    pictures = list(_pictures(reel, RATE // 2, keep=True))
    distinct = [image for image, _ in pictures]
    palette = _palette([distinct[i] for i in sorted({0, len(distinct) // 2, len(distinct) - 1})])
    indexed = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in distinct]
    out = io.BytesIO()
    indexed[0].save(
        out,
        format="GIF",
        save_all=True,
        append_images=indexed[1:],
        duration=[1000 * 2 * count // RATE for _, count in pictures],
        loop=0,
        optimize=False,
        disposal=1,
    )
    return out.getvalue()


def mp4(reel: Reel) -> bytes:
    """Make an MP4 (H.264) that players and slides take everywhere.

    One thread and no dates: the same reel gives the same bytes with the same encoder.

    Raises ModelError if the encoder fails.
    """
    return _encoded(_pictures(reel, RATE, keep=False))


def standing(svg: str) -> dict[str, Callable[[], bytes]]:
    """Give films of a picture that does not move, two seconds long, by format.

    ``svg``: made smaller if it does not fit.
    """

    def picture() -> Image.Image:
        drawn = _raster(svg, 2.0)
        drawn.thumbnail((WIDTH, HEIGHT))
        sheet = Image.new("RGB", (WIDTH, HEIGHT), drawn.getpixel((0, 0)))
        sheet.paste(drawn, ((WIDTH - drawn.width) // 2, (HEIGHT - drawn.height) // 2))
        return sheet

    def as_gif() -> bytes:
        out = io.BytesIO()
        picture().quantize(_COLOURS).save(out, format="GIF")
        return out.getvalue()

    return {"gif": as_gif, "mp4": lambda: _encoded([(picture(), 2 * RATE)])}


def _encoded(pictures: Iterable[tuple[Image.Image, int]]) -> bytes:
    """Encode pictures, each shown so many times in a row, as MP4."""
    from imageio_ffmpeg import get_ffmpeg_exe

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "film.mp4"
        command = [
            *(get_ffmpeg_exe(), "-loglevel", "error", "-nostdin", "-y"),
            *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}"),
            *("-r", str(RATE), "-i", "-", "-an", "-c:v", "libx264", "-preset", "veryfast"),
            *("-crf", "19", "-pix_fmt", "yuv420p", "-threads", "1", "-map_metadata", "-1"),
            *("-fflags", "+bitexact", "-flags:v", "+bitexact", "-movflags", "+faststart"),
            str(path),
        ]
        # The errors go to a file: a full pipe nobody reads would stop the encoder.
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=errors)
            assert process.stdin is not None
            try:
                for image, count in pictures:
                    data = image.tobytes()
                    for _ in range(count):
                        process.stdin.write(data)
                process.stdin.close()
            except BrokenPipeError:
                pass
            except BaseException:
                process.kill()
                raise
            if process.wait() != 0:
                errors.seek(0)
                said = errors.read().decode(errors="replace").strip().splitlines()
                reason = said[-1] if said else "it gave no reason."
                raise ModelError(f"The film could not be encoded as MP4 by ffmpeg: {reason}")
        return path.read_bytes()


# -- pictures ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Canvas:
    """What the pictures of a reel share; GIF and MP4 show some of the same.

    Attributes
    ----------
    backdrop : Image
        At `SCALE`.
    digits : list of Image
    words : dict
        Per stop, what is written there and where, without the empty rest.
    drawn : dict
        Pictures that another film of the reel shows as well, by their place in its schedule.
    """

    backdrop: Image.Image
    digits: list[Image.Image]
    words: dict[int, tuple[Image.Image, tuple[int, int]]]
    drawn: dict[tuple[int, float, float], Image.Image]


def _pictures(reel: Reel, rate: int, *, keep: bool) -> Iterator[tuple[Image.Image, int]]:
    """Pictures, and how often each is shown in a row."""
    readings = stops(reel.tracks, reel.courses)
    plan = schedule(readings, rate)
    drawn = reel.canvas.drawn
    i = 0
    while i < len(plan):
        count = next((n for n, other in enumerate(plan[i:]) if other != plan[i]), len(plan) - i)
        image = drawn.get(plan[i])
        if image is None:
            image = _picture(reel, readings, *plan[i])
        if keep:
            drawn[plan[i]] = image
        yield image, count
        i += count


def _picture(reel: Reel, readings: Floats, stop: int, share: float, way: float) -> Image.Image:
    canvas = reel.canvas
    image = canvas.backdrop.copy()
    pencil = ImageDraw.Draw(image)
    reached = []
    for fit in range(len(reel.tracks)):
        moment = _moment(reel, fit, readings, stop, share, way)
        reel.draw(pencil, fit, moment)
        _draw_cursor(pencil, reel, fit, moment)
        reached.append(int(moment.here + 1e-6))
    image = image.reduce(SCALE)
    for (x, y), evaluation in zip(reel.counters, reached, strict=True):
        for place, digit in enumerate(reversed(str(evaluation))):
            sign = canvas.digits[int(digit)]
            at = (round(x - (place + 1) * DIGIT), round(y - sign.height / 2))
            image.paste(sign, at)
    if stop not in canvas.words:
        written = _raster(reel.words(float(readings[stop])), 1, mode="RGBA")
        box = written.getbbox() or (0, 0, 1, 1)
        canvas.words[stop] = written.crop(box), box[:2]
    words, corner = canvas.words[stop]
    image.paste(words, corner, words)
    return image


def _moment(reel: Reel, fit: int, readings: Floats, stop: int, share: float, way: float) -> Moment:
    course, track = reel.courses[fit], reel.tracks[fit]
    now = min(readings[stop], course.size)
    start = track.at(int(now))
    if stop + 1 >= len(readings):
        return Moment(float(now), start, start, 0.0)
    later = min(readings[stop + 1], course.size)
    return Moment(float(now + share * (later - now)), start, track.at(int(later)), way)


def _draw_cursor(pencil: ImageDraw.ImageDraw, reel: Reel, fit: int, moment: Moment) -> None:
    """Draw the best so far up to the cursor, the cursor, and the evaluation shown."""
    box, course = reel.traces[fit], reel.courses[fit]
    reached = int(moment.here + 1e-6)
    best = course.best[:reached]
    known = np.flatnonzero(np.isfinite(best))
    if known.size:
        xs = box.across(known + 1.0)
        ys = box.up(best[known], course)
        steps = np.repeat(np.column_stack([xs, ys]), 2, axis=0)
        # Down at the evaluation that was better, level until the next.
        path = np.column_stack([np.append(steps[1:, 0], box.across(moment.here)), steps[:, 1]])
        pencil.line(
            (path * SCALE).ravel().tolist(), fill=COLOURS["best"], width=2 * SCALE, joint="curve"
        )
    x = float(box.across(moment.here)) * SCALE
    colours = ink(reel.theme)
    pencil.line((x, box.y * SCALE, x, (box.y + box.h) * SCALE), colours["ink"], 2 * SCALE)
    shown = int(reel.tracks[fit].evaluations[moment.start])
    if np.isfinite(course.gap[shown - 1]):
        x = float(box.across(shown)) * SCALE
        y = float(box.up(course.gap[shown - 1], course)) * SCALE
        for r, fill in ((6.5, colours["paper"]), (5.0, COLOURS["mode"])):
            pencil.ellipse((x - r * SCALE, y - r * SCALE, x + r * SCALE, y + r * SCALE), fill)


def _digits(theme: str) -> list[Image.Image]:
    """The digits of the counter, one picture each."""
    sheet = Sheet.new(theme)
    for digit in range(10):
        sheet.text(20.0 * (digit + 1), 20.0, str(digit), size=COUNTER, bold=True)
    whole = _raster(sheet.svg(), 1)
    high = round(COUNTER)
    return [
        whole.crop((20 * (digit + 1), 20 - high // 2, 20 * (digit + 1) + 10, 20 + high // 2 + 1))
        for digit in range(10)
    ]


def _raster(svg: str, scale: float, mode: str = "RGB") -> Image.Image:
    data = vlc.svg_to_png(svg, scale=scale)
    return Image.open(io.BytesIO(data)).convert(mode)


def _palette(images: Sequence[Image.Image]) -> Image.Image:
    """Choose the colours of a GIF from some of its pictures."""
    sheet = Image.new("RGB", (WIDTH, HEIGHT * len(images)))
    for i, image in enumerate(images):
        sheet.paste(image, (0, i * HEIGHT))
    found = sheet.quantize(_COLOURS, method=Image.Quantize.MEDIANCUT).getpalette() or []
    # What fills areas keeps its colour exactly: a cut through the middle gives averages.
    exact = [*THEMES["light"].values(), *THEMES["print"].values(), *COLOURS.values()]
    fixed = [int(colour[i : i + 2], 16) for colour in dict.fromkeys(exact) for i in (1, 3, 5)]
    taken = np.array(fixed).reshape(-1, 3)
    # Pillow looks colours up coarsely: near-doubles of a fixed one would be taken in its place.
    others = [c for c in zip(found[::3], found[1::3], found[2::3], strict=True)
              if np.abs(taken - np.array(c)).max(axis=1).min() > 6]  # fmt: skip
    palette = Image.new("P", (1, 1))
    palette.putpalette((fixed + [part for c in others for part in c])[: 3 * 256])
    return palette
