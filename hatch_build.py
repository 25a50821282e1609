"""The long description of the package: README.md, its links made to hold outside the repository.

An index shows the text alone: relative links lead nowhere there, and pictures are missing. Where
`[project.urls]` names a `Repository` they become links into it, at the tag of the version; without
one a picture becomes what it shows in words, and a link the name of the file, which the sdist has.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

__all__ = ["ReadmeHook", "described"]

_PICTURE = re.compile(
    r'<img src="(?!https?:)(?P<path>[^"]+)"(?P<rest>[^>]*alt="(?P<alt>[^"]*)"[^>]*)>'
)
#: Links but for absolute ones and those within the page.
_LINK = re.compile(r"\[(?P<text>[^\]\n]+)\]\((?!https?:|#)(?P<path>[^)#\s]+)(?P<anchor>#[^)]*)?\)")


def described(readme: str, repository: str | None, version: str) -> str:
    """Give the README as an index shows it."""
    if repository is None:
        words = _PICTURE.sub(lambda m: f"*Picture: {m['alt']}.*", readme)
        return _LINK.sub(_as_file, words)
    base, tag = repository.rstrip("/"), f"v{version}"
    shown = _PICTURE.sub(rf'<img src="{base}/raw/{tag}/\g<path>"\g<rest>>', readme)
    return _LINK.sub(
        lambda m: f"[{m['text']}]({base}/blob/{tag}/{m['path']}{m['anchor'] or ''})", shown
    )


def _as_file(link: re.Match[str]) -> str:
    """A link as its text, and the file it leads to where the text does not name it."""
    text, path = link["text"], link["path"]
    return text if path in text else f"{text} (`{path}`)"


class ReadmeHook(MetadataHookInterface):
    """Give hatchling the long description."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        """Put the README into the metadata of the project."""
        readme = Path(self.root, "README.md").read_text("utf-8")
        repository = metadata.get("urls", {}).get("Repository")
        text = described(readme, repository, metadata["version"])
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
