"""What the interactive pages of a run share: Vega and the font, in one file beside them.

Browsers check the integrity of no script that they read from a disk, for its origin is unknown to
them.  What pages share is therefore a style sheet: it brings the font, and Vega, packed, as the
text of a property.  A page unpacks that text and makes a script of it, which its content-security
policy lets run only if it has the digest that the page was made with.  This holds in Chromium and
Firefox, from ``file:`` and from a server.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

from mixedscope.charts.common.embedding import all_font_faces
from mixedscope.core.errors import StoreError

__all__ = [
    "PROPERTY",
    "VEGA_LITE",
    "asset_content",
    "asset_name",
    "bundle",
    "digest",
    "packed",
    "script_of",
]

#: Version of Vega-Lite that draws.
VEGA_LITE: Final = "6.4"

#: What holds the packed script.
PROPERTY: Final = "--mixedscope-vega"

_SNIPPET: Final = "window.vegaEmbed = vegaEmbed;"


def asset_name() -> str:
    """Name of the file that pages share, by what it is made of; nothing is made to find it out."""
    parts = [version("vl-convert-python"), VEGA_LITE, _SNIPPET]
    parts += [Path(__file__).read_text("utf-8"), all_font_faces()]
    made_of = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return f"vega-{made_of[:16]}.css"


def asset_content() -> str:
    """The style sheet that pages share."""
    return f':root{{{PROPERTY}:"{packed(bundle())}"}}\n{all_font_faces()}\n'


def script_of(asset: Path) -> str:
    """The script that a style sheet carries.

    Raises StoreError if it carries none.
    """
    try:
        found = re.match(rf':root{{{PROPERTY}:"([^"]*)"}}', asset.read_text("utf-8"))
        if found is not None:
            return zlib.decompress(base64.b64decode(found[1])).decode()
    except (OSError, ValueError, zlib.error) as error:
        raise _no_asset(asset) from error
    raise _no_asset(asset)


def _no_asset(asset: Path) -> StoreError:
    return StoreError(f"{asset} is no file of scripts for pages. Delete it and make it again")


@cache
def bundle() -> str:
    """Vega, Vega-Lite and what shows them in a page, as one script."""
    import vl_convert as vlc

    code: str = vlc.javascript_bundle(_SNIPPET, VEGA_LITE)
    return code


def packed(text: str) -> str:
    """A text as a page carries it: nothing in it means anything to HTML or CSS."""
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def digest(text: str) -> str:
    """What a content-security policy calls a script or a style sheet."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
