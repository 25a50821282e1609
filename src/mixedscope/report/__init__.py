"""What a run is shown by: pages that need no network and no script, and captions of a report."""

from mixedscope.report.captions import write_captions
from mixedscope.report.pages import HEAVY_SVG, write_pages

__all__ = ["HEAVY_SVG", "write_captions", "write_pages"]
