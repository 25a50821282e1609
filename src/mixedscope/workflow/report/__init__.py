"""What a run is shown by: pages that need no network and no script, and captions of a report."""

from mixedscope.workflow.report.captions import write_captions
from mixedscope.workflow.report.pages import HEAVY_SVG, write_pages

__all__ = ["HEAVY_SVG", "write_captions", "write_pages"]
