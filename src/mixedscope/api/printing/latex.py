r"""LaTeX with rules of the package booktabs: a fragment for ``\input``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from mixedscope.api.printing.document import Block, Figures, Formula, Section, Table, Title, clean

__all__ = ["write"]

_CHARACTERS: Final = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    # What would be an optional argument of the line break before it.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    # Two of them would be a dash, or a Spanish mark.
    "-": "-{}",
    "?": "?{}",
    "!": "!{}",
    "\u2212": "$-$",
    "\u2013": "--",
    "\ufffd": "?{}",
    **{c: f"\\{c}" for c in "&%$#_{}"},
}
_SPECIAL: Final = re.compile("|".join(map(re.escape, _CHARACTERS)))


def write(document: Sequence[Block]) -> str:
    """Write blocks as paragraphs and ``tabular``."""
    first = (
        "% \\usepackage{booktabs} and, with pdfLaTeX, \\usepackage[T1]{fontenc} in the preamble\n"
    )
    return first + "\n\n".join(map(_block, document)) + "\n"


def _block(block: Block) -> str:
    if isinstance(block, Title):
        return f"\\noindent\\textbf{{{_escaped(block.text)}}}"
    if isinstance(block, Formula):
        return f"\\noindent\\texttt{{{_escaped(block.text)}}}"
    if isinstance(block, Table):
        caption = f"\\noindent {_escaped(block.caption)}:\n\n" if block.caption else ""
        return caption + _table(block)
    return f"\\noindent {_escaped(block.text)}"


def _table(table: Table) -> str:
    count = len(table.header)
    columns = "".join("l" if j < table.left else "r" for j in range(count))
    lines = [f"\\noindent\\begin{{tabular}}{{{columns}}}", "\\toprule"]
    lines += [_row(table.header), "\\midrule"]
    for row in table.rows:
        if isinstance(row, Section):
            text = f"\\multicolumn{{{count}}}{{l}}{{\\textit{{{_escaped(row.text)}}}}} \\\\"
            lines += [text]
        else:
            lines.append(_row(row))
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}"])


def _row(cells: Sequence[str]) -> str:
    return " & ".join(map(_escaped, cells)) + " \\\\"


def _escaped(text: str) -> str:
    shown = clean(text).replace("-", "\u2212") if isinstance(text, Figures) else clean(text)
    return _SPECIAL.sub(lambda match: _CHARACTERS[match[0]], shown)
