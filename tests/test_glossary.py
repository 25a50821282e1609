"""The glossary points at files and folders that exist."""

from __future__ import annotations

import re
from pathlib import Path

import mixedscope

GLOSSARY = Path(__file__).parents[1] / "docs" / "glossary.md"


def test_every_term_says_where_it_is_defined() -> None:
    pattern = r"^\| (?!term|---)([^|]+)\|[^|]+\|([^|]+)\|$"
    rows = re.findall(pattern, GLOSSARY.read_text("utf-8"), re.M)
    assert len(rows) > 40
    package = Path(mixedscope.__file__).parent
    missing = [
        (term.strip(), place)
        for term, where in rows
        for place in re.findall(r"`([^`]+)`", where) or ["nowhere"]
        if not (package / place).exists()
    ]
    assert missing == []
