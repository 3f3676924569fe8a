"""`hakeep check FILE...`: what is wrong with configuration files, where, and what would put it right.

It also names what hakeep would not act on. Exit status 1 when there is an error: then hakeepd would not start, or would
not do what is written. Warnings and notes leave it 0. `hakeepd -t` has keepalived's exit statuses instead.
"""

from __future__ import annotations

import argparse
import sys

from hakeep.cli.hakeep_connection import DONE, FAILED
from hakeep.cli.hakeep_terminal import add_color_option, wants_color


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """Declare the arguments."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="main configuration files (includes are followed)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--concise", action="store_true", help="one line each, for editors")
    form.add_argument("--json", action="store_true", help="one JSON object each, for programs")
    add_color_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Examine each file by itself; the exit status."""
    from hakeep.config.diagnostic import Severity
    from hakeep.config.files import load
    from hakeep.config.render import render, render_json, summary

    status = DONE
    for path in arguments.files:
        loaded = load(path)
        diagnostics = [*loaded.diagnostics, *loaded.unsupported()]
        if any(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics):
            status = FAILED
        if arguments.json:
            sys.stdout.write(render_json(diagnostics))
            continue
        for diagnostic in diagnostics:
            print(render(diagnostic, loaded.sources, color=wants_color(arguments), concise=arguments.concise))
        if not arguments.concise:
            print(f"{path}: {summary(diagnostics)}")
    return status
