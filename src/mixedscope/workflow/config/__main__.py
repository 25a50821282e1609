"""`python -m mixedscope.workflow.config`: check configuration files, or print the schema."""

from __future__ import annotations

import json
import sys

from mixedscope.core.errors import ConfigError
from mixedscope.workflow.config.model import json_schema, load_config


def main(paths: list[str]) -> int:
    """Check configuration files, or print the schema where none is named."""
    if not paths:
        print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    for path in paths:
        try:
            load_config(path)
        except ConfigError as error:
            print(error, file=sys.stderr)
            return 1
        print(f"{path} is fine.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
