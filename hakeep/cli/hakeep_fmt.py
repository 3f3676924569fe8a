"""`hakeep fmt FILE...`: configuration files in canonical layout, with the same meaning and all comments.

Without options the text goes to standard output. `--check` only says which files are not in canonical layout (exit
status 1 if there are any), `--diff` shows what would change, `--write` changes the files in place. `-` is standard
input. Included files are files of their own: name them too.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hakeep.cli.hakeep_connection import DONE, FAILED
from hakeep.cli.hakeep_terminal import add_color_option, wants_color


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """Declare the arguments."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="configuration files; - is standard input")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--check", action="store_true", help="change nothing; exit status 1 if a file would change")
    form.add_argument("-w", "--write", action="store_true", help="change the files in place")
    parser.add_argument("--diff", action="store_true", help="show what changes")
    add_color_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Lay out each file; the exit status."""
    return max(_one(name, arguments) for name in arguments.files)


def _one(name: str, arguments: argparse.Namespace) -> int:
    from hakeep.config.forms import is_yaml
    from hakeep.config.forms.layout import Unbalanced, layout
    from hakeep.config.render import render

    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        return _complain(f"{name}: {error.strerror}")
    text = data.decode("utf-8", "surrogateescape")
    if is_yaml(name, text):
        return _complain(f"{name} is YAML: fmt is for the form with braces")
    try:
        formatted = layout(text, name)
    except Unbalanced as unbalanced:
        for diagnostic in unbalanced.diagnostics:
            print(render(diagnostic, {name: text}, color=wants_color(arguments)), file=sys.stderr)
        return _complain(f"{name} is left as it is, because its braces do not balance")
    result = formatted.encode("utf-8", "surrogateescape")
    if arguments.diff:
        _show_difference(name, text, formatted, color=wants_color(arguments))
    if arguments.check:
        if result != data and not arguments.diff:
            print(name)
        return FAILED if result != data else DONE
    if arguments.write and name != "-":
        return _install(name, result) if result != data else DONE
    if not arguments.diff:
        sys.stdout.flush()
        sys.stdout.buffer.write(result)
    return DONE


def _install(name: str, result: bytes) -> int:
    from hakeep.cli.hakeep_file import replace_file

    try:
        replace_file(name, result)
    except OSError as error:
        return _complain(f"{name} cannot be written: {error.strerror}")
    return DONE


def _show_difference(name: str, before: str, after: str, *, color: bool) -> None:
    import difflib

    paint = {"-": "\x1b[31m", "+": "\x1b[32m", "@": "\x1b[36m"} if color else {}
    old, new = ([f"{line}\n" for line in text.removesuffix("\n").split("\n")] for text in (before, after))
    for line in difflib.unified_diff(old, new, name, f"{name} (formatted)"):
        start, end = (paint[line[0]], "\x1b[0m") if line[0] in paint else ("", "")
        shown = line.rstrip("\r\n").encode("utf-8", "replace").decode()
        print(f"{start}{shown}{end}")


def _complain(sentence: str) -> int:
    print(f"hakeep fmt: {sentence}", file=sys.stderr)
    return FAILED
