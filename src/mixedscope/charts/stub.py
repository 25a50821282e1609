"""The functions of `mixedscope.charts` as editors and type checkers read them.

They are made from the registry when they are first asked for, which nothing that reads source can
see. ``python -m mixedscope.charts.stub`` prints ``__init__.pyi``; a test holds the file to it.
"""

from __future__ import annotations

import inspect

import mixedscope.charts as charts
from mixedscope.charts.common.options import allowed, annotated
from mixedscope.charts.registry import PUBLIC

__all__ = ["functions", "stub"]

_HEAD = """\
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from altair import TopLevelMixin

from mixedscope.charts.common.render import Figure
from mixedscope.charts.common.render import save as save
from mixedscope.charts.common.source import Made, Source
"""


class _Written(str):
    """An annotation that is shown as it is written, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def functions(names: list[str]) -> str:
    """Definitions of functions of the charts, with signature and documentation and without body."""
    found = [(name, inspect.signature(getattr(charts, name))) for name in names]
    return "\n".join(_definition(name, str(_bare(signature))) for name, signature in found)


def _definition(name: str, signature: str) -> str:
    doc = (inspect.getdoc(getattr(charts, name)) or "").replace('"""', "'''")
    body = "\n".join(f"    {line}".rstrip() for line in doc.splitlines())
    return f'def {name}{signature}:\n    r"""{body.lstrip()}\n    """\n'


def stub() -> str:
    """The text of ``__init__.pyi``."""
    about = (inspect.getdoc(charts) or "").replace('"""', "'''")
    listed = "".join(f'    "{name}",\n' for name in sorted(charts.__all__))
    made = "\n".join(_definition(name, _narrowed(name)) for name in sorted(PUBLIC))
    return f'"""{about}\n"""\n\n{_HEAD}\n__all__ = [\n{listed}]\n\n{made}'


def _narrowed(name: str) -> str:
    """The signature of a chart, options that take few values by these; a line to a parameter."""
    options = PUBLIC[name].options
    signature = inspect.signature(getattr(charts, name))
    own = []
    for parameter in signature.parameters.values():
        field = options.model_fields.get(parameter.name)
        values = () if field is None else allowed(field)
        if parameter.name == "theme":
            parameter = parameter.replace(annotation='Literal["light", "print"]')
        elif field is not None and values and annotated(field).removesuffix(" | None") == "str":
            told = ", ".join(f'"{value}"' for value in values if value is not None)
            none = " | None" if None in values else ""
            parameter = parameter.replace(annotation=f"Literal[{told}]{none}")
        own.append(parameter)
    given = signature.return_annotation
    bare = _bare(signature.replace(parameters=own))
    lines = [f"    {parameter},\n" for parameter in bare.parameters.values()]
    at = next(i for i, p in enumerate(own) if p.kind is p.KEYWORD_ONLY)
    if own[at - 1].kind is not inspect.Parameter.VAR_POSITIONAL:
        lines.insert(at, "    *,\n")
    return f"(\n{''.join(lines)}) -> {'TopLevelMixin' if given == 'Any' else given}"


def _bare(signature: inspect.Signature) -> inspect.Signature:
    """A signature whose annotations, which are texts, are shown without quotes."""
    own = [p.replace(annotation=_Written(p.annotation)) for p in signature.parameters.values()]
    given = _Written(signature.return_annotation)
    return signature.replace(parameters=own, return_annotation=given)


if __name__ == "__main__":
    print(stub(), end="")
