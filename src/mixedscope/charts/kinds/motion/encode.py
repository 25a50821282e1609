"""Pictures as GIF and MP4; one picture is looked at at a time."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import GifImagePlugin, Image

from mixedscope.charts.common.encoder import film_encoder
from mixedscope.charts.common.theme import COLOURS, THEMES
from mixedscope.charts.kinds.motion.layout import HEIGHT, WIDTH
from mixedscope.charts.kinds.motion.paint import Patch
from mixedscope.core.errors import ModelError

__all__ = ["GifEncoder", "Picture", "encoded_gif", "encoded_mp4"]

Bytes = NDArray[np.uint8]

#: Colours of a GIF, one of which stands for what was there before.
_COLOURS: Final = 160
_SAME: Final = 255


@dataclass(frozen=True)
class Picture:
    """A picture of a film.

    Attributes
    ----------
    pixels : (HEIGHT, WIDTH, 3) array of uint8
        Only until the next picture is asked for.
    changed : list of Patch
        Where it may differ from the one before.
    count : int
        How often it is shown in a row.
    """

    pixels: Bytes
    changed: Sequence[Patch]
    count: int


def encoded_gif(pictures: Iterable[Picture], samples: Sequence[Bytes], rate: int) -> bytes:
    """Encode pictures as a GIF that repeats for ever; what has not changed is left out.

    ``samples``: pictures from which the palette is chosen. ``rate``: pictures per second.
    """
    encoder = GifEncoder(samples, rate)
    for picture in pictures:
        encoder.take(picture)
    return encoder.content()


class GifEncoder:
    """A GIF in the making, see `encoded_gif`."""

    def __init__(self, samples: Sequence[Bytes], rate: int) -> None:
        self._rate = rate
        self._palette = _palette(samples)
        self._colour_of = _nearest(self._palette)
        self._now = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
        self._shown = np.full_like(self._now, _SAME)
        self._blocks: list[bytes] = []
        self._waiting: tuple[Bytes, tuple[int, int], int] | None = None

    def take(self, picture: Picture) -> None:
        """Add a picture."""
        now, shown, waiting = self._now, self._shown, self._waiting
        for patch in picture.changed:
            now[patch.place] = self._colour_of[_short(picture.pixels[patch.place])]
        new = now != shown
        rows, columns = np.flatnonzero(new.any(axis=1)), np.flatnonzero(new.any(axis=0))
        if waiting is not None and not rows.size:
            self._waiting = (*waiting[:2], waiting[2] + picture.count)
            return
        self._blocks += _block(waiting, self._palette, self._rate)
        place = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        part = np.where(new[place], now[place], np.uint8(_SAME))
        self._waiting = (part, (int(columns[0]), int(rows[0])), picture.count)
        shown[place] = now[place]

    def content(self) -> bytes:
        """The file of all pictures so far."""
        first = Image.new("P", (WIDTH, HEIGHT))
        first.putpalette(self._palette.tobytes())
        header, _ = GifImagePlugin.getheader(first, info={"loop": 0, "optimize": False})
        last = _block(self._waiting, self._palette, self._rate)
        return b"".join([*header, *self._blocks, *last, b";"])


def _block(
    waiting: tuple[Bytes, tuple[int, int], int] | None, palette: Bytes, rate: int
) -> list[bytes]:
    """A part of a picture, where it stands and how often it is shown in a row, as part of a GIF."""
    if waiting is None:
        return []
    part, corner, count = waiting
    image = Image.fromarray(part, mode="P")
    image.putpalette(palette.tobytes())
    found: list[bytes] = GifImagePlugin.getdata(
        image, corner, duration=1000 * count // rate, transparency=_SAME, disposal=1
    )
    return found


def _short(pixels: Bytes) -> NDArray[Any]:
    """Colours in 15 bits, five of red, green and blue."""
    red, green, blue = (pixels[..., i].astype(np.uint16) for i in range(3))
    found: NDArray[Any] = (red >> 3 << 10) | (green >> 3 << 5) | (blue >> 3)
    return found


def _palette(samples: Sequence[Bytes]) -> Bytes:
    """Choose the colours of a GIF from some of its pictures: (256, 3), the last of no use."""
    # Every fourth pixel has all that matters.
    sheet = Image.fromarray(np.vstack([sample[::2, ::2] for sample in samples]))
    found = sheet.quantize(_COLOURS, method=Image.Quantize.MEDIANCUT).getpalette() or []
    exact = _exact()
    # Of near-doubles of a colour that fills areas there is no need.
    others = [c for c in np.array(found, dtype=np.int64).reshape(-1, 3)
              if np.abs(exact.astype(int) - c).max(axis=1).min() > 6]  # fmt: skip
    chosen = np.vstack([exact, *others])[:_SAME].astype(np.uint8)
    return np.vstack([chosen, np.zeros((256 - len(chosen), 3), dtype=np.uint8)])


def _exact() -> Bytes:
    """Colours that fill areas: a cut through the middle of many would give averages."""
    names = [*THEMES["light"].values(), *THEMES["print"].values(), *COLOURS.values()]
    return np.array(
        [[int(name[i : i + 2], 16) for i in (1, 3, 5)] for name in dict.fromkeys(names)],
        dtype=np.uint8,
    )


def _nearest(palette: Bytes) -> Bytes:
    """The number in the palette of every colour of 15 bits."""
    short = np.arange(1 << 15)
    middle = np.stack([short >> 10 << 3 | 4, (short >> 5 & 31) << 3 | 4, (short & 31) << 3 | 4])
    used = palette[:_SAME].astype(np.float32)
    # Unused entries repeat black: the first of equals is taken.
    away = (used**2).sum(axis=1)[:, None] - 2 * used @ middle.astype(np.float32)
    found = away.argmin(axis=0).astype(np.uint8)
    exact = _exact()
    found[_short(exact[::-1])] = np.arange(len(exact), dtype=np.uint8)[::-1]
    return found


def encoded_mp4(pictures: Iterable[Picture], rate: int) -> bytes:
    """Encode pictures as MP4, so many per second.

    One thread and no dates: the same pictures give the same bytes with the same encoder. Raises
    ModelError if there is no encoder, or it fails.
    """
    encoder = film_encoder()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "film.mp4"
        command = [
            *(encoder, "-loglevel", "error", "-nostdin", "-y"),
            *("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{WIDTH}x{HEIGHT}"),
            *("-r", str(rate), "-i", "-", "-an", "-c:v", "libx264", "-preset", "veryfast"),
            *("-x264-params", "bframes=0:weightp=0:rc-lookahead=5"),
            *("-crf", "19", "-threads", "1", "-map_metadata", "-1"),
            *("-color_range", "tv", "-colorspace", "bt709"),
            *("-color_primaries", "bt709", "-color_trc", "bt709"),
            *("-fflags", "+bitexact", "-flags:v", "+bitexact", "-movflags", "+faststart"),
            str(path),
        ]
        # The errors go to a file: a full pipe nobody reads would stop the encoder.
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=errors)
            assert process.stdin is not None
            planes = _Planes()
            try:
                for picture in pictures:
                    for patch in picture.changed:
                        planes.take(picture.pixels, patch)
                    for _ in range(picture.count):
                        process.stdin.write(planes.data.data)
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


class _Planes:
    """A picture as films store it: brightness of all pixels, tint of every four (BT.709).

    Made here of what has changed: ffmpeg would make it of whole pictures, which takes longer than
    to encode them.

    Attributes
    ----------
    data : array of uint8
        Brightness, blue and red, one after the other.
    """

    def __init__(self) -> None:
        size = WIDTH * HEIGHT
        self.data = np.empty(size * 3 // 2, dtype=np.uint8)
        self.luma = self.data[:size].reshape(HEIGHT, WIDTH)
        self.chroma = self.data[size:].reshape(2, HEIGHT // 2, WIDTH // 2)

    def take(self, pixels: Bytes, patch: Patch) -> None:
        """Take over a part of a picture."""
        rows, columns = patch.place
        top, left = rows.start // 2 * 2, columns.start // 2 * 2
        part = pixels[top : -(-rows.stop // 2) * 2, left : -(-columns.stop // 2) * 2]
        high, wide = part.shape[:2]
        # In integers, so that the same colour is the same wherever it stands.
        colours = [part[..., i].astype(np.int32) for i in range(3)]
        self.luma[top : top + high, left : left + wide] = _mixed(colours, _LUMA, 16, 0)
        fours = [
            colour[::2, ::2] + colour[::2, 1::2] + colour[1::2, ::2] + colour[1::2, 1::2]
            for colour in colours
        ]
        place = np.s_[top // 2 : (top + high) // 2, left // 2 : (left + wide) // 2]
        for plane, weights in zip(self.chroma, _CHROMA, strict=True):
            plane[place] = _mixed(fours, weights, 128, 2)


def _mixed(
    colours: Sequence[NDArray[np.int32]], weights: Sequence[int], zero: int, bits: int
) -> NDArray[np.int32]:
    """A weighted sum of red, green and blue, rounded; each a sum of ``2**bits`` pixels."""
    red, green, blue = (
        colour * np.int32(weight) for colour, weight in zip(colours, weights, strict=True)
    )
    half = np.int32(1 << (_BITS + bits - 1))
    found: NDArray[np.int32] = ((red + green + blue + half) >> (_BITS + bits)) + np.int32(zero)
    return found


#: Weights are integers, so many bits long.
_BITS: Final = 16
_WEIGHTS: Final = (0.2126, 0.7152, 0.0722)
_LUMA: Final = [round((1 << _BITS) * weight * 219 / 255) for weight in _WEIGHTS]


def _tint(of: int) -> list[int]:
    """Weights of a colour less brightness, as a share of the most that it can be."""
    most = 2 * (1 - _WEIGHTS[of])
    shares = [((i == of) - weight) / most * 224 / 255 for i, weight in enumerate(_WEIGHTS)]
    return [round((1 << _BITS) * share) for share in shares]


_CHROMA: Final = [_tint(2), _tint(0)]
