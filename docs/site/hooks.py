"""What mkdocs asks of docs/site/pages.py: pages that are made, and links that lead to pages."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))
import pages as made

#: Kept as long as the build: mkdocstrings reads the functions of charts from it.
_STUBS = tempfile.TemporaryDirectory()


# Before mkdocstrings makes its handlers.
@event_priority(100)
def on_config(config: Any) -> Any:
    """Let mkdocstrings find the functions of charts, which no file of the package defines."""
    Path(_STUBS.name, "chart_functions.py").write_text(made.chart_functions(), "utf-8")
    handlers = config.plugins["mkdocstrings"].config["handlers"]
    handlers["python"]["paths"] = [str(made.ROOT / "src"), _STUBS.name]
    if (address := made.repository()) is not None:
        config["repo_url"] = address
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add what is made, and what stands outside docs/."""
    for name, text in made.pages():
        files.append(File.generated(config, name, content=text))
    page, pictures = made.gallery()
    files.append(File.generated(config, "gallery.md", content=page))
    for name, path in pictures.items():
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead links of pages of docs/ to where they go."""
    if page.file.generated_by is not None:
        return markdown
    return made.linked(markdown, f"docs/{page.file.src_uri}")


def on_page_content(html: str, **_: Any) -> str:
    """Take away what is written for Markdown and docstrings alone."""
    return made.readable(html)
