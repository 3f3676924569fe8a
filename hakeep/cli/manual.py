"""The manual pages of the package: hakeep.conf(5) from the schema, hakeepd(8) and hakeep(1) from their option tables.

``python -m hakeep.cli.manual --write conf`` writes them; a test sees to it that those in the repository are fresh.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from hakeep.cli import daemon_options, hakeep
from hakeep.config.forms.man import conf_page
from hakeep.config.forms.page import Code, Element, Item, Page, Para, Section, Subsection, chapter, mdoc

#: When the texts were last worked on. Fixed, so that the same source gives the same pages.
DATE = "November 21, 2026"

_DAEMON = """
hakeepd keeps virtual addresses reachable: it speaks VRRP with the hakeepd or keepalived of other hosts, and has the
addresses on this host while it is MASTER. It takes keepalived's configuration, described in hakeep.conf(5), and
keepalived's options.

Without options it reads /etc/hakeep/hakeep.conf, or else /etc/keepalived/keepalived.conf, and goes into the background.
A service manager should start it with -n; conf/hakeep.service in the source is a unit for systemd.

It needs the capabilities CAP_NET_ADMIN and CAP_NET_RAW, and more for what a configuration may ask for, such as
real-time scheduling or scripts of other accounts.
"""

_SIGNALS = """
Send them to the process in the pid file, the supervisor. `hakeepd --signum=NAME` prints the number of a name.

HUP reads the configuration again. If it cannot be used, the one in force stays.

TERM and INT hand the addresses over and end the daemon.

USR1 writes the state to a file, USR2 the statistics, SIGRTMIN+2 (JSON) both for programs. SIGRTMAX-1 (STATS_CLEAR)
writes the statistics and sets them to zero. `hakeep status` shows the same without files.
"""

_DAEMON_STATUS = """
0 after a normal end; 1 for a wrong command line or when it runs already; 2 when the configuration cannot be used; 4
without the capabilities that it needs; 6 when a file cannot be read.

With -t: 0 when there is nothing to complain about; 2 when a keyword lacks a word that it cannot do without; 4 when the
only trouble is a missing file or interface; 5 for any other error or warning; 6 when there are scripts without
`enable_script_security`, or an include has failed that must not. A configuration file that is missing is an error
(4, or 6 with -e); keepalived says 0.
"""

_DAEMON_FILES = """
/etc/hakeep/hakeep.conf, /etc/keepalived/keepalived.conf: the configuration.

/run/hakeep: pid files, the control socket, dumps.
"""

_TOOL = """
hakeep looks at a running hakeepd and gives it orders, examines and edits configuration files, and explains them.
`hakeep COMMAND --help` tells the options of a command.
"""

_TOOL_STATUS = """
0 done; 1 an error, or something was found; 2 wrong usage; 3 the daemon does not run or does not answer.
"""


def daemon_page() -> Page:
    """hakeepd(8)."""
    there = [option for option in daemon_options.OPTIONS if not option.absent]
    absent = [option for option in daemon_options.OPTIONS if option.absent]
    body: list[Element] = [Section("DESCRIPTION"), *chapter(_DAEMON), Section("OPTIONS")]
    body += [Item(*_option_term(option), (Para(_sentence(option.text)),)) for option in there]
    body += [Section("OPTIONS OF KEEPALIVED THAT ARE MISSING"), Para("They are known, and refused with these words.")]
    body += [Item(*_option_term(option), (Para(_sentence(option.absent)),)) for option in absent]
    for title, text in (("SIGNALS", _SIGNALS), ("FILES", _DAEMON_FILES), ("EXIT STATUS", _DAEMON_STATUS)):
        body += [Section(title), *chapter(text)]
    return Page("hakeepd", 8, "keep virtual addresses reachable by VRRP", ("hakeepd [OPTION ...]",), tuple(body),
                (("hakeep", 1), ("hakeep.conf", 5)))


def _option_term(option: daemon_options.Option) -> tuple[str, str]:
    names = f"-{option.short}, --{option.long}" if option.short else f"--{option.long}"
    return names, {"": "", "required": option.meta, "optional": f"[{option.meta}]"}[option.argument]


def tool_page() -> Page:
    """hakeep(1)."""
    body: list[Element] = [Section("DESCRIPTION"), *chapter(_TOOL), Section("COMMANDS")]
    for name, parser in commands().items():
        body += _command(name, parser)
    body += [Section("EXIT STATUS"), *chapter(_TOOL_STATUS)]
    return Page("hakeep", 1, "look at hakeepd, give it orders, and work on its configuration",
                ("hakeep COMMAND [OPTION ...] [ARGUMENT ...]",), tuple(body), (("hakeep.conf", 5), ("hakeepd", 8)))


def commands() -> dict[str, argparse.ArgumentParser]:
    """The parsers of all subcommands of hakeep."""
    parser = hakeep.command_line(list(hakeep.COMMANDS))
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _command(name: str, parser: argparse.ArgumentParser) -> Iterator[Element]:
    """A subcommand: its arguments, what its module says about it, and its options."""
    module, summary = hakeep.COMMANDS[name]
    words = [argument_words(action) for action in parser._actions if not action.option_strings]
    yield Subsection(f"hakeep {name}")
    yield Code(" ".join(["hakeep", name, "[OPTION ...]", *words]))
    yield Para(_sentence(summary))
    document = importlib.import_module(f"hakeep.cli.{module}").__doc__ or ""
    yield from chapter(document.partition("\n\n")[2])
    for action in parser._actions:
        if action.help != argparse.SUPPRESS and "--help" not in action.option_strings:
            rest = argument_words(action) if action.option_strings else ""
            yield Item(", ".join(action.option_strings) or argument_words(action), rest,
                       (Para(_sentence(_help(action))),))


def argument_words(action: argparse.Action) -> str:
    """What follows an option, or what a positional argument looks like."""
    if action.nargs == 0:
        return ""
    metavar = action.metavar if isinstance(action.metavar, str) else None
    choices = "|".join(map(str, action.choices)) if action.choices else ""
    word = metavar or choices or action.dest.upper()
    return {"*": f"[{word} ...]", "+": f"{word} ...", "?": f"[{word}]"}.get(str(action.nargs), word)


def _help(action: argparse.Action) -> str:
    text = action.help or action.dest
    return re.sub(r"%\((\w+)\)s", lambda match: str(getattr(action, match.group(1), "")), text)


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}{'' if words.endswith('.') else '.'}"


def pages() -> dict[str, str]:
    """File name -> mdoc source of every page of the package."""
    return {f"{page.name}.{page.section}": mdoc(page, DATE) for page in (conf_page(), daemon_page(), tool_page())}


def main() -> int:
    """Write the pages into a directory."""
    parser = argparse.ArgumentParser(prog="python -m hakeep.cli.manual", description="Write the manual pages.")
    parser.add_argument("--write", required=True, metavar="DIR", type=Path, help="where to")
    directory = parser.parse_args().write
    for name, text in pages().items():
        (directory / name).write_text(text)
        print(directory / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
