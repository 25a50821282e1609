"""The columns of its tables that a chart shows: others are not written.

Several layers share a table, of which each shows a few columns, and some columns none shows: they
would be written into every page and specification, and read by every renderer.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["without_unshown"]

#: What is read, not looked up.
_WORDS: Final = ("description", "subtitle", "text", "title")

#: What shows no table.
_APART: Final = ("config", "datasets", "usermeta")

#: What takes a table as a whole, or one of another part of the chart.
_WHOLE: Final = "data("


def without_unshown(spec: dict[str, Any]) -> dict[str, Any]:
    """A specification whose tables have the columns alone that something in it may name.

    A column counts as named where its name is found within any text of a part that shows its table,
    or of none that shows one.
    """
    tables = spec.get("datasets")
    if not tables:
        return spec
    texts: dict[str, list[str]] = {name: [] for name in tables}
    outside: list[str] = []
    drawn = {key: part for key, part in spec.items() if key not in _APART}
    _collect(drawn, (), texts, outside)
    if any(_WHOLE in text for own in (outside, *texts.values()) for text in own):
        return spec
    return {**spec, "datasets": {n: _kept(t, [*texts[n], *outside]) for n, t in tables.items()}}


def _collect(
    node: Any, shown: tuple[str, ...], texts: dict[str, list[str]], outside: list[str]
) -> None:
    """Gather the texts of a part by the tables that it, or what it is part of, shows."""
    if isinstance(node, str):
        for name in shown:
            texts[name].append(node)
        if not shown:
            outside.append(node)
    elif isinstance(node, list):
        for item in node:
            _collect(item, shown, texts, outside)
    elif isinstance(node, dict):
        data = node.get("data")
        if isinstance(data, dict) and data.get("name") in texts:
            shown = (*shown, data["name"])
        # Marks whose tooltips are their rows show all columns.
        if node.get("content") == "data":
            outside.append(_WHOLE)
        for key, value in node.items():
            if not (key in _WORDS and _is_words(value)):
                _collect(value, shown, texts, outside)


def _is_words(value: Any) -> bool:
    """Whether something is a text, or the lines of one."""
    return isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(line, str) for line in value)
    )


def _kept(table: Any, texts: list[str]) -> Any:
    if not isinstance(table, list) or not table or not isinstance(table[0], dict):
        return table
    # Dots and brackets of names are escaped where a field is meant.
    said = "\n".join(dict.fromkeys(texts)).replace("\\", "")
    names = list(table[0])
    kept = [name for name in names if name.replace("\\", "") in said]
    if len(kept) == len(names) or any(row.keys() != table[0].keys() for row in table):
        return table
    return [{name: row[name] for name in kept} for row in table]
