"""`hakeep`, the user's tool: looks at a running hakeepd and gives it orders.

Each subcommand is a module with two functions: `configure(parser, command)` declares its arguments, `run(arguments)`
does the work and returns the exit status. Only the module that is asked for is imported, and nothing here imports what
the daemon needs to run: the answer is there in a few hundredths of a second.

Exit status: 0 done, 1 an error, 2 wrong usage, 3 the daemon does not run or does not answer.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

import hakeep
from hakeep.cli.hakeep_connection import DEAD, FAILED, Dead
from hakeep.report.protocol import ProtocolError, Refused

#: Subcommand -> module below hakeep.cli, and its line in the help.
COMMANDS = {
    "status": ("hakeep_status", "show the state of every instance and virtual server"),
    "watch": ("hakeep_watch", "show the state, and again whenever it changes"),
    "standby": ("hakeep_standby", "hand instances over to another router and stay BACKUP"),
    "resume": ("hakeep_standby", "end standby"),
    "drain": ("hakeep_override", "give a real server no new connections"),
    "ready": ("hakeep_override", "undo drain, down and weight: what the checks say counts again"),
    "down": ("hakeep_override", "take a real server out, as if it had failed"),
    "weight": ("hakeep_override", "give a real server another weight"),
    "realserver": ("hakeep_realserver", "prepare this host as a real server for direct routing or tunnels"),
    "record": ("hakeep_record", "write down what the daemon has seen and done lately"),
    "replay": ("hakeep_replay", "go through a recording step by step"),
    "ipvs": ("hakeep_ipvs", "look at the kernel's virtual servers and change them, like ipvsadm"),
    "probe": ("hakeep_probe", "make the checks of a real server once and show each step"),
    "genhash": ("hakeep_genhash", "print the digest of a page, for `digest` in the configuration"),
    "check": ("hakeep_check", "examine configuration files"),
    "edit": ("hakeep_edit", "edit the configuration safely, check it, and reload"),
    "reload": ("hakeep_reload", "have the daemon read its configuration anew"),
    "explain": ("hakeep_explain", "say why something is diagnosed, with an example and the cure"),
    "fmt": ("hakeep_fmt", "lay out configuration files"),
    "convert": ("hakeep_convert", "turn a configuration into YAML, or back"),
    "schema": ("hakeep_schema", "print the JSON Schema of the YAML form"),
    "diff": ("hakeep_diff", "compare what two configurations mean"),
    "man": ("hakeep_man", "show the manual, or the entry of a keyword"),
    "keywords": ("hakeep_keywords", "list the keywords of the configuration"),
    "lsp": ("hakeep_lsp", "serve an editor as a language server"),
    "completion": ("hakeep_completion", "print a script that completes command lines in a shell"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; returns the exit status. Wrong usage raises SystemExit(2), as argparse does."""
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = command_line(words).parse_args(words)
    module = importlib.import_module(f"hakeep.cli.{COMMANDS[arguments.command][0]}")
    try:
        status: int = module.run(arguments)
        sys.stdout.flush()
        return status
    except Dead as error:
        return _complain(str(error), DEAD)
    except (Refused, ProtocolError) as error:
        return _complain(str(error), FAILED)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `hakeep status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still in the buffer
        return FAILED


def command_line(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser, complete for those subcommands that `words` mention."""
    parser = argparse.ArgumentParser(prog="hakeep", description="Look at a running hakeepd and give it orders.")
    parser.add_argument("-V", "--version", action="version", version=f"hakeep {hakeep.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (module, summary) in COMMANDS.items():
        sub = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if name in words:
            importlib.import_module(f"hakeep.cli.{module}").configure(sub, name)
    return parser


def _complain(sentence: str, status: int) -> int:
    print(f"hakeep: {sentence}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
