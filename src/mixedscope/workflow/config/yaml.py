"""Configuration files: YAML in which no key occurs twice, and what is wrong with it in words."""

from __future__ import annotations

import os
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from mixedscope.core.errors import ConfigError

__all__ = ["read_yaml"]


def read_yaml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a YAML mapping in which no key occurs twice.

    Raises ConfigError if the file cannot be read, is not YAML or not a mapping, or has a key twice.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
        content = yaml.load(text, Loader=_UniqueKeyLoader)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{os.fspath(path)} is not UTF-8 (line {line}): save it in the encoding UTF-8."
        ) from error
    except OSError as error:
        raise ConfigError(f"{os.fspath(path)} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(
            f"{os.fspath(path)} is not valid YAML: {_yaml_words(error, text)}"
        ) from error
    if not isinstance(content, dict):
        raise ConfigError(
            f"{os.fspath(path)} is not a configuration: expected keys such as 'datasets' and "
            "'models' at the top level"
        )
    return content


def _yaml_words(error: yaml.YAMLError, text: str) -> str:
    """What is wrong with YAML, where, and what to do about the usual causes."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return str(error)
    lines = text.splitlines()
    line = lines[mark.line].strip() if mark.line < len(lines) else ""
    problem = getattr(error, "problem", None) or str(error)
    if "cannot start any token" in problem and "`" in problem:
        problem = "a value that begins with a backtick has to be in quotes"
    elif "cannot start any token" in problem and "\\t" in problem:
        problem = "a tab stands where blanks have to"
    elif "mapping values are not allowed" in problem:
        problem += " (a value that holds ': ' has to be in quotes)"
    return f"{problem}, line {mark.line + 1}, column {mark.column + 1}: {line}"


class _UniqueKeyLoader(yaml.SafeLoader):
    """A loader for which a repeated key is an error instead of the last one winning."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.value in seen and isinstance(key.value, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key.value!r} occurs twice", key.start_mark
                )
            if isinstance(key.value, str):
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)
