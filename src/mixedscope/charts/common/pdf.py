"""PDF files that are the same bytes whenever the picture is the same.

The renderer walks hash tables, so that objects and the entries of resource dictionaries come in
another order in every process.  Here entries are sorted, objects are numbered in the order in
which a reader meets them from the root, and the file is put together again.
"""

from __future__ import annotations

import re

__all__ = ["normalise_pdf"]

_REFERENCE = re.compile(rb"(?<![\w.])(\d+) 0 R\b")
_ENTRIES = re.compile(
    rb"/(?:XObject|ExtGState|Font|ColorSpace|Pattern|Shading) <<\n(.*?)\n *>>", re.DOTALL
)
_STREAM = b"\nstream\n"


def normalise_pdf(content: bytes) -> bytes:
    """Put the objects of a PDF file into the order in which they are referred to.

    ``content``: a file with one cross-reference table and no object streams, as the renderer writes
    it. Gives the same document. Raises ValueError if the file is not of that kind.
    """
    start = re.search(rb"startxref\s+(\d+)\s+%%EOF\s*$", content)
    if start is None or not content.startswith(b"xref", int(start[1])):
        raise ValueError("the PDF file has no cross-reference table")
    table = content[int(start[1]) : start.start()]
    trailer = table.partition(b"trailer")[2]
    objects = _objects(content[: int(start[1])], table)
    order: dict[int, int] = {}
    todo = _references(trailer)
    while todo:
        number = todo.pop(0)
        if number not in order:
            order[number] = len(order) + 1
            # Depth first, so that a font stays beside what it is made of.
            todo = _references(_split(objects[number])[0]) + todo
    out = bytearray(content[: content.index(b"\n") + 1] + b"%\x80\x80\x80\x80\n\n")
    offsets = []
    for number in order:
        offsets.append(len(out))
        head, stream = _split(objects[number])
        out += b"%d 0 obj\n%s%s\nendobj\n\n" % (order[number], _renumbered(head, order), stream)
    where = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f\r\n" % (len(order) + 1)
    out += b"".join(b"%010d 00000 n\r\n" % offset for offset in offsets)
    trailer = re.sub(rb"/Size \d+", b"/Size %d" % (len(order) + 1), trailer)
    out += b"trailer" + _renumbered(trailer, order) + b"startxref\n%d\n%%%%EOF" % where
    return bytes(out)


def _objects(body: bytes, table: bytes) -> dict[int, bytes]:
    """Content of every object, with its resource entries sorted."""
    rows = re.findall(rb"(\d{10}) \d{5} ([nf])", table)
    begins = sorted((int(o), i) for i, (o, kind) in enumerate(rows) if kind == b"n")
    ends = [offset for offset, _ in begins[1:]] + [len(body)]
    objects = {}
    for (begin, number), end in zip(begins, ends, strict=True):
        whole = re.fullmatch(rb"\d+ 0 obj\n(.*)\nendobj\s*", body[begin:end], re.DOTALL)
        if whole is None:
            raise ValueError(f"object {number} of the PDF file cannot be read")
        head, stream = _split(whole[1])
        objects[number] = _ENTRIES.sub(_sorted_entries, head) + stream
    return objects


def _split(content: bytes) -> tuple[bytes, bytes]:
    """Part an object into its dictionary and its stream, which is never looked into."""
    head, mark, stream = content.partition(_STREAM)
    return head, mark + stream


def _references(head: bytes) -> list[int]:
    return [int(number) for number in _REFERENCE.findall(head)]


def _renumbered(head: bytes, order: dict[int, int]) -> bytes:
    return _REFERENCE.sub(lambda match: b"%d 0 R" % order[int(match[1])], head)


def _sorted_entries(match: re.Match[bytes]) -> bytes:
    lines: list[bytes] = match[1].split(b"\n")
    if any(b"/" not in line for line in lines):
        raise ValueError("the resources of the PDF file cannot be read")
    ordered = sorted(lines, key=_natural)
    return match[0].replace(match[1], b"\n".join(ordered))


def _natural(line: bytes) -> tuple[bytes, int]:
    name = re.match(rb" */([A-Za-z]*)(\d*)", line)
    return (line, 0) if name is None else (name[1], int(name[2] or 0))
