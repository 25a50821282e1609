"""Make the slices of the font that pictures carry with them, from the files of Liberation Sans.

uv run --with fonttools --with brotli python src/mixedscope/charts/common/fonts/make.py DIRECTORY

DIRECTORY holds ``LiberationSans-Regular.ttf`` and ``LiberationSans-Bold.ttf`` (version 2.1.5,
Debian's package fonts-liberation2).  Hints are left out: they are half of the bytes, and what is
seen of them depends on the machine.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fontTools import subset, ttLib

from mixedscope.charts.common.embedding import SLICES

#: What the licence reserves for the originals is not the name of what was made from them.
NAME = "mixedscope Sans"


def main(directory: str) -> None:
    """Write ``<weight>-<slice>.woff2`` beside this file."""
    for weight, style in (("400", "Regular"), ("700", "Bold")):
        for name, ranges in SLICES.items():
            options = subset.Options(
                flavor="woff2", hinting=False, legacy_kern=True, layout_features=["kern"]
            )
            font = ttLib.TTFont(Path(directory, f"LiberationSans-{style}.ttf"))
            subsetter = subset.Subsetter(options)
            subsetter.populate(unicodes=[c for low, high in ranges for c in range(low, high + 1)])
            subsetter.subset(font)
            for record in list(font["name"].names):
                if record.nameID in (1, 4, 16):
                    font["name"].setName(NAME, record.nameID, record.platformID,
                                         record.platEncID, record.langID)  # fmt: skip
                elif record.nameID == 6:
                    font["name"].setName(NAME.replace(" ", ""), 6, record.platformID,
                                         record.platEncID, record.langID)  # fmt: skip
            font["head"].modified = font["head"].created
            font.recalcTimestamp = False
            font.flavor = "woff2"
            font.save(Path(__file__).with_name(f"{weight}-{name}.woff2"))


if __name__ == "__main__":
    main(sys.argv[1])
