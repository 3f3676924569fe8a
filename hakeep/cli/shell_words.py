"""What can be completed on our command lines, read off the parsers: the same for every shell."""

from __future__ import annotations

import argparse
from typing import NamedTuple

from hakeep.cli import daemon_options, hakeep
from hakeep.cli.manual import commands

#: What the placeholder of an argument says about the words that fit: files, directories, or a kind that
#: ``hakeep completion --words KIND`` lists.
KINDS = {
    "FILE": "file", "DIR": "directory", "LOG": "file", "INSTANCE": "instances", "RS": "real_servers",
    "WORD": "keywords", "BLOCK": "blocks", "CODE": "codes", "A": "file", "B": "file", "PATH": "file",
}
#: Kinds that the shell knows by itself.
PATHS = ("file", "directory")


class Fitting(NamedTuple):
    """Words that fit in a place: these `choices`, or those of a kind ("" = nobody knows)."""

    kind: str = ""
    choices: tuple[str, ...] = ()


class Option(NamedTuple):
    """An option: its spellings, its line of help, and what must follow it (None = nothing)."""

    names: tuple[str, ...]
    text: str
    argument: Fitting | None = None


class Command(NamedTuple):
    """A command or subcommand: its options, and what its arguments are."""

    name: str
    text: str
    options: tuple[Option, ...]
    arguments: Fitting


def subcommands() -> list[Command]:
    """Those of hakeep."""
    return [
        Command(
            name, hakeep.COMMANDS[name][1],
            tuple(_option(action) for action in parser._actions
                  if action.option_strings and action.help != argparse.SUPPRESS),
            next((_fitting(action) for action in parser._actions if not action.option_strings), Fitting()))
        for name, parser in commands().items()
    ]


def _option(action: argparse.Action) -> Option:
    # A default that stands for a placeholder in the help is of no use in a menu.
    text = (action.help or "").partition("%")[0].rstrip(" (:")
    return Option(tuple(action.option_strings), text, None if action.nargs == 0 else _fitting(action))


def _fitting(action: argparse.Action) -> Fitting:
    if action.choices:
        return Fitting("", tuple(map(str, action.choices)))
    return Fitting(KINDS.get(action.metavar, "") if isinstance(action.metavar, str) else "")


def daemon() -> Command:
    """hakeepd."""
    options = []
    for option in daemon_options.OPTIONS:
        if not option.absent:
            names = (*([f"-{option.short}"] if option.short else []), f"--{option.long}")
            known = Fitting("", tuple(daemon_options.SIGNUMS)) if option.long == "signum" else Fitting(
                KINDS.get(option.meta, ""))
            options.append(Option(names, option.text, known if option.argument == "required" else None))
    return Command("hakeepd", "the daemon", tuple(options), Fitting())
