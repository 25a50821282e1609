"""Paths in the commands of a shell."""

from __future__ import annotations

import shlex

__all__ = ["ShellText", "odd_characters"]


class ShellText(str):
    """A path that is quoted for the shell wherever it is formatted into a text.

    As an argument of its own, without a shell, it stays as it is.

    Examples
    --------
    >>> path = ShellText("/my project/bin/python")
    >>> "{} script.py".format(path)
    "'/my project/bin/python' script.py"
    >>> str.__str__(path)
    '/my project/bin/python'
    """

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return shlex.quote(format(str.__str__(self), spec))


def odd_characters(path: str) -> str:
    """Name the characters of a path that a shell does not take as they are; empty if none.

    Examples
    --------
    >>> odd_characters("/R&D/my project")
    "'&' or ' '"
    """
    odd = dict.fromkeys(c for c in path if shlex.quote(c) != c and not c.isalnum())
    return " or ".join(repr(c) for c in odd)
