"""PDF files that are the same bytes whenever the picture is the same.

The renderer walks hash tables, so that objects and the entries of resource dictionaries come in
another order in every process.  Here entries are sorted, objects are numbered in the order in
which a reader meets them from the root, and the file is put together again.  It also makes an
object of the opacity of every translucent mark, which of a chart of many points is nine tenths of
the file: equal ones become one.
"""

from __future__ import annotations

import re
import zlib

__all__ = ["normalise_pdf"]

_REFERENCE = re.compile(rb"(?<![\w.])(\d+) 0 R\b")
_ENTRIES = re.compile(
    rb"/(?:XObject|ExtGState|Font|ColorSpace|Pattern|Shading) <<\n(.*?)\n *>>", re.DOTALL
)
_STREAM = b"\nstream\n"
_END = b"\nendstream"
_STATES = re.compile(rb"/ExtGState <<\n(.*?)\n *>>", re.DOTALL)
_STATE = re.compile(rb"/(\w+) (\d+) 0 R")
#: Where a stream sets one: no text has line feeds.
_SET = re.compile(rb"^/(\w+) gs$", re.MULTILINE)
_CONTENTS = re.compile(rb"/Contents (\d+) 0 R\b")
_LENGTH = re.compile(rb"/Length \d+")
_PACKED = b"/Filter /FlateDecode"


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
    _share_states(objects)
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


def _share_states(objects: dict[int, bytes]) -> None:
    """Have streams set one graphics state where several are the same, by the first of its names."""
    first: dict[bytes, int] = {}
    for number, whole in list(objects.items()):
        head, stream = _split(whole)
        listed = _STATES.search(head)
        if listed is None:
            continue
        names: dict[bytes, bytes] = {}  # by those of the same state
        kept: dict[int, bytes] = {}
        for name, state in _STATE.findall(listed[1]):
            alike = first.setdefault(objects[int(state)], int(state))
            names[name] = kept.setdefault(alike, name)
        entries = b"\n".join(b"/%s %d 0 R" % (name, state) for state, name in kept.items())
        objects[number] = head.replace(listed[1], entries) + stream
        if len(kept) == len(names):
            continue
        contents = _CONTENTS.search(head)
        where = number if contents is None else int(contents[1])
        objects[where] = _renamed(objects[where], names)


def _renamed(whole: bytes, names: dict[bytes, bytes]) -> bytes:
    """An object with a stream that calls graphics states by other names."""
    head, stream = _split(whole)
    content = stream.removeprefix(_STREAM).removesuffix(_END)
    is_packed = _PACKED in head
    plain = zlib.decompress(content) if is_packed else content
    plain = _SET.sub(lambda m: b"/%s gs" % names.get(m[1], m[1]), plain)
    again = zlib.compress(plain) if is_packed else plain
    return _LENGTH.sub(b"/Length %d" % len(again), head, count=1) + _STREAM + again + _END


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
