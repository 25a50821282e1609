"""``python -m mixedscope``: the command `mixedscope`; alone it tells what is installed."""

from mixedscope.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
