"""The program that encodes MP4 films: of the extra `films`, or one on the path."""

from __future__ import annotations

import shutil
from importlib.util import find_spec

from mixedscope.core.errors import ModelError

__all__ = ["film_encoder"]


def film_encoder() -> str:
    """The path of ffmpeg.

    That of the package imageio-ffmpeg, which is the same on every machine, where it is installed.
    Raises ModelError if there is none.
    """
    # 165 MB, and nothing but MP4 needs it.
    if find_spec("imageio_ffmpeg") is not None:
        from imageio_ffmpeg import get_ffmpeg_exe

        found: str = get_ffmpeg_exe()
        return found
    own = shutil.which("ffmpeg")
    if own is None:
        raise ModelError(
            "MP4 films need ffmpeg, which is not installed: pip install 'mixedscope[films]', in a "
            "clone `uv run --extra films ...`, or have an ffmpeg on the path. GIF needs none."
        )
    return own
