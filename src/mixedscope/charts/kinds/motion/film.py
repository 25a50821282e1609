"""Films for talks: the same marks as the player's, picture by picture.

A picture is the one before it with what has changed: panels in which a mark has moved, the traces,
the numbers.  No more than one picture is held at a time.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Final

import numpy as np
import vl_convert as vlc
from numpy.typing import NDArray
from PIL import Image

from mixedscope.charts.kinds.motion.backdrop import Sheet
from mixedscope.charts.kinds.motion.encode import GifEncoder, Picture, encoded_gif, encoded_mp4
from mixedscope.charts.kinds.motion.frames import Course, Track, stops
from mixedscope.charts.kinds.motion.layout import HEIGHT, WIDTH
from mixedscope.charts.kinds.motion.marks import begins, eased
from mixedscope.charts.kinds.motion.paint import Drawn, Patch

__all__ = [
    "COUNTER",
    "DIGIT",
    "RATE",
    "Moment",
    "Reel",
    "gif",
    "gif_and_mp4",
    "mp4",
    "pictures",
    "schedule",
    "standing",
]

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

#: Pictures per second; a GIF has every other.
RATE: Final = 20
_EVERY: Final = 2
_GIF_RATE: Final = RATE // _EVERY

#: Seconds of stillness before and after the motion.
_BEFORE: Final = 0.8
_AFTER: Final = 2.2

#: Size of the digits that count evaluations, and the width of each.
COUNTER: Final = 17.0
DIGIT: Final = 0.556 * COUNTER

#: Numbers of so many stops are written at once, and those of so many are kept for the next film.
_BATCH: Final = 24
_KEPT: Final = 96


@dataclass(frozen=True)
class Moment:
    """What an animation shows of one fit at one time.

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
class Stage:
    """A part of the pictures, and the marks that move there.

    Attributes
    ----------
    fit : int
    patch : Patch
    marks : callable
        ``(moment)`` gives the marks, the first at first.
    told : callable, optional
        ``(moment)`` gives the same moment for what cannot be told apart here.
    stays : Drawn, optional
        Points under the marks that stay when they are reached, in the order in which they are.
    reached : callable
        ``(moment)`` gives how many of these are.
    """

    fit: int
    patch: Patch
    marks: Callable[[Moment], list[Drawn]]
    told: Callable[[Moment], Moment] = lambda moment: moment
    stays: Drawn | None = None
    reached: Callable[[Moment], int] = lambda moment: 0


@dataclass(frozen=True)
class Reel:
    """What a film is made of.

    Attributes
    ----------
    backdrop : str
        SVG of what stands still.
    courses : sequence of Course
    tracks : sequence of Track
        Per fit, the frames shown.
    stages : sequence of Stage
        Where marks move: panels and traces.
    counters : sequence of (x, y)
        Per fit, where the number of the evaluation ends, and its middle.
    words : callable
        ``(stop)`` gives parts of an SVG, the numbers at a reading of the clock.
    foot : (x, y, w, h)
        Where numbers stand.
    theme : str
    """

    backdrop: str
    courses: Sequence[Course]
    tracks: Sequence[Track]
    stages: Sequence[Stage]
    counters: Sequence[tuple[float, float]]
    words: Callable[[float], list[str]]
    foot: tuple[float, float, float, float]
    theme: str

    @cached_property
    def show(self) -> _Show:
        """Where its pictures are made; films share what is drawn once."""
        return _Show(self)


def schedule(readings: Floats, rate: int = RATE) -> list[tuple[int, float, float]]:
    """When the clock of a film reads what.

    ``readings`` (m,): where it can stand still, see `stops`. ``rate``: pictures per second. Gives
    per picture: the last stop passed, the share of the time to the next that is over, and how much
    of the way the marks have gone.
    """
    if len(readings) == 1:
        return [(0, 0.0, 0.0)] * round((_BEFORE + _AFTER) * rate)
    times = begins(readings)
    found = [(0, 0.0, 0.0)] * round(_BEFORE * rate)
    for picture in range(1, round(times[-1] * rate)):
        time = picture / rate
        stop = min(int(np.searchsorted(times, time, side="right")), len(times) - 1) - 1
        gone, whole = float(time - times[stop]), float(times[stop + 1] - times[stop])
        found.append((stop, gone / whole, eased(gone, whole)))
    return found + [(len(readings) - 1, 0.0, 0.0)] * round(_AFTER * rate)


def gif(reel: Reel) -> bytes:
    """Make an animated GIF, one palette for all pictures, that repeats for ever."""
    return encoded_gif(pictures(reel, _GIF_RATE), _samples(reel), _GIF_RATE)


def gif_and_mp4(reel: Reel) -> tuple[bytes, bytes]:
    """Make both films of the same pictures, each drawn once; the GIF has every other."""
    encoder = GifEncoder(_samples(reel), _GIF_RATE)

    def watched() -> Iterator[Picture]:
        pending: list[Patch] = []
        begin = 0
        for picture in pictures(reel, RATE):
            pending += picture.changed
            end = begin + picture.count
            # Motion begins with a picture of an odd number: pictures at rest are even in number.
            if count := end // _EVERY - begin // _EVERY:
                encoder.take(Picture(picture.pixels, pending, count))
                pending = []
            begin = end
            yield picture

    film = encoded_mp4(watched(), RATE)
    return encoder.content(), film


def _samples(reel: Reel) -> list[Bytes]:
    """Pictures that have the colours of all."""
    plan = schedule(stops(reel.tracks, reel.courses), _GIF_RATE)
    found = []
    for at in sorted({0, len(plan) // 2, len(plan) - 1}):
        reel.show.turn(*plan[at])
        found.append(reel.show.picture.copy())
    return found


def mp4(reel: Reel) -> bytes:
    """Make an MP4 (H.264) that players and slides take everywhere.

    Raises ModelError if the encoder fails.
    """
    return encoded_mp4(pictures(reel, RATE), RATE)


def standing(svg: str) -> dict[str, Callable[[], bytes]]:
    """Give films of a picture that does not move, two seconds long, by format.

    ``svg``: made smaller if it does not fit.
    """

    def still(rate: int) -> Picture:
        drawn = _raster(svg, 2.0)
        drawn.thumbnail((WIDTH, HEIGHT))
        sheet = Image.new("RGB", (WIDTH, HEIGHT), drawn.getpixel((0, 0)))
        sheet.paste(drawn, ((WIDTH - drawn.width) // 2, (HEIGHT - drawn.height) // 2))
        return Picture(np.asarray(sheet), [_ALL], 2 * rate)

    def as_gif() -> bytes:
        picture = still(_GIF_RATE)
        return encoded_gif([picture], [picture.pixels], _GIF_RATE)

    return {"gif": as_gif, "mp4": lambda: encoded_mp4([still(RATE)], RATE)}


def pictures(reel: Reel, rate: int) -> Iterator[Picture]:
    """The pictures of a film; each is overwritten by the next."""
    plan = schedule(stops(reel.tracks, reel.courses), rate)
    show = reel.show
    changed = [_ALL]
    show.turn(*plan[0])
    count = 1
    for before, now in pairwise(plan):
        if now != before:
            yield Picture(show.picture, changed, count)
            changed = show.turn(*now)
            count = 0
        count += 1
    yield Picture(show.picture, changed, count)


# -- pictures ------------------------------------------------------------------------------------

_ALL: Final = Patch(0, 0, WIDTH, HEIGHT)


class _Show:
    """The picture of a reel that is shown now.

    Attributes
    ----------
    picture : (HEIGHT, WIDTH, 3) array of uint8
    """

    def __init__(self, reel: Reel) -> None:
        self.reel = reel
        self.readings = stops(reel.tracks, reel.courses)
        self.backdrop = np.asarray(_raster(reel.backdrop))
        self.picture = self.backdrop.copy()
        self._digits = _digits(reel.theme)
        self._scenery = [stage.patch.of(self.backdrop) for stage in reel.stages]
        self._under = list(self._scenery)
        self._stay = [0] * len(reel.stages)
        self._moments: list[Moment | None] = [None] * len(reel.stages)
        self._written: dict[int, Image.Image] = {}
        self._numbers: tuple[int, ...] = ()
        self._foot = Patch.around(*reel.foot)

    def turn(self, stop: int, share: float, way: float) -> list[Patch]:
        """Show another reading of the clock; gives what may have changed."""
        reel = self.reel
        moments = [self._moment(fit, stop, share, way) for fit in range(len(reel.courses))]
        changed = []
        for i, stage in enumerate(reel.stages):
            moment = stage.told(moments[stage.fit])
            if moment == self._moments[i]:
                continue
            self._moments[i] = moment
            self._settle(i, moment)
            there = self.picture[stage.patch.place]
            painted = stage.patch.painted(self._under[i], stage.marks(moment))
            if part := stage.patch.differing(painted, there):
                there[:] = painted
                changed.append(part)
        reached = tuple(int(moment.here + 1e-6) for moment in moments)
        if (stop, *reached) != self._numbers:
            self._write(stop, reached)
            self._numbers = (stop, *reached)
            changed.append(self._foot)
        return changed

    def _moment(self, fit: int, stop: int, share: float, way: float) -> Moment:
        course, track = self.reel.courses[fit], self.reel.tracks[fit]
        now = min(self.readings[stop], course.size)
        start = track.at(int(now))
        if stop + 1 >= len(self.readings):
            return Moment(float(now), start, start, 0.0)
        later = min(self.readings[stop + 1], course.size)
        end = track.at(int(later))
        # On the way to where it is already, a fit stands still.
        return Moment(float(now + share * (later - now)), start, end, way if end != start else 0.0)

    def _settle(self, i: int, moment: Moment) -> None:
        """Paint what stays now where it had not been reached before."""
        stage = self.reel.stages[i]
        if stage.stays is None:
            return
        count, before = stage.reached(moment), self._stay[i]
        if count < before:
            before, self._under[i] = 0, self._scenery[i]
        if count > before:
            more = replace(stage.stays, at=stage.stays.at[before:count])
            self._under[i] = stage.patch.painted(self._under[i], [more]).tobytes()
        self._stay[i] = count

    def _write(self, stop: int, reached: Sequence[int]) -> None:
        """Write the numbers of a stop, and the evaluations that the cursors have reached."""
        if stop not in self._written:
            if len(self._written) >= _KEPT:
                self._written.clear()
            self._written |= self._batch(stop)
        sheet = Image.fromarray(self.backdrop[self._foot.place])
        words = self._written[stop]
        sheet.paste(words, (0, 0), words)
        for (x, y), evaluation in zip(self.reel.counters, reached, strict=True):
            for place, digit in enumerate(reversed(str(evaluation))):
                sign = self._digits[int(digit)]
                left = round(x - (place + 1) * DIGIT) - self._foot.left
                sheet.paste(sign, (left, round(y - sign.height / 2) - self._foot.top))
        self.picture[self._foot.place] = np.asarray(sheet)

    def _batch(self, stop: int) -> dict[int, Image.Image]:
        """The numbers of this stop and of its neighbours, written on one long sheet."""
        foot = self._foot
        # Always the same neighbours, whatever was shown before: letters differ by a rounding with
        # their height on the sheet.
        first = stop - stop % _BATCH
        some = range(first, min(first + _BATCH, len(self.readings)))
        parts = [
            f'<g transform="translate({-foot.left} {n * foot.height - foot.top})">'
            + "".join(self.reel.words(float(self.readings[i])))
            + "</g>"
            for n, i in enumerate(some)
        ]
        svg = Sheet(self.reel.theme, parts).svg(foot.width, foot.height * len(some))
        whole = _raster(svg, mode="RGBA")
        return {
            i: whole.crop((0, n * foot.height, foot.width, (n + 1) * foot.height))
            for n, i in enumerate(some)
        }


def _digits(theme: str) -> list[Image.Image]:
    """The digits of the counter, one picture each."""
    sheet = Sheet.new(theme, size=(220, 40))
    for digit in range(10):
        sheet.text(20.0 * (digit + 1), 20.0, str(digit), size=COUNTER, bold=True)
    whole = _raster(sheet.svg(220, 40))
    high = round(COUNTER)
    return [
        whole.crop((20 * (digit + 1), 20 - high // 2, 20 * (digit + 1) + 10, 20 + high // 2 + 1))
        for digit in range(10)
    ]


def _raster(svg: str, scale: float = 1.0, mode: str = "RGB") -> Image.Image:
    data = vlc.svg_to_png(svg, scale=scale)
    return Image.open(io.BytesIO(data)).convert(mode)
