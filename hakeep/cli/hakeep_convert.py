"""`hakeep convert --to yaml|conf FILE`: a configuration in the other form, with the same meaning.

Definitions, includes, conditions and sequences are resolved as on a host with the given id; their result is written.
Comments stay with what they are about. What did not come along is said on standard error. A file with errors is
converted only with `--force`: what hakeepd ignores would be lost.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hakeep.cli.hakeep_connection import DONE, FAILED
from hakeep.cli.hakeep_terminal import add_color_option, wants_color


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """Declare the arguments."""
    parser.add_argument("file", metavar="FILE", help="the configuration (includes are followed)")
    parser.add_argument("--to", choices=("yaml", "conf"), required=True, help="the form that is wanted")
    parser.add_argument("-i", "--config-id", metavar="ID", help="which @ID lines count (default: the host's name)")
    parser.add_argument("-o", "--output", metavar="FILE", help="where the result goes (default: standard output)")
    parser.add_argument("--force", action="store_true", help="convert a file with errors, without what is wrong in it")
    add_color_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Convert; the exit status."""
    from hakeep.config.diagnostic import Severity
    from hakeep.config.files import load
    from hakeep.config.forms.conversion import Unfaithful, convert
    from hakeep.config.render import render

    loaded = load(arguments.file, config_id=arguments.config_id)
    wrong = [each for each in loaded.diagnostics if each.severity is Severity.ERROR]
    for diagnostic in wrong:
        print(render(diagnostic, loaded.sources, color=wants_color(arguments)), file=sys.stderr)
    if loaded.settings is None or (wrong and not arguments.force):
        return _complain(f"{arguments.file} is not converted: what is wrong in it would be lost"
                         + ("" if loaded.settings is None else " (--force does it all the same)"))
    try:
        result = convert(loaded.config, loaded.sources, arguments.to, wrong=bool(wrong))
    except Unfaithful as error:
        return _complain(f"{arguments.file} cannot be said in the form {arguments.to}: {error}")
    for note in result.notes:
        print(f"hakeep convert: note: {note}", file=sys.stderr)
    return _put(result.text.encode("utf-8", "surrogateescape"), arguments.output)


def _put(data: bytes, path: str | None) -> int:
    if path is None:
        sys.stdout.buffer.write(data)
        return DONE
    try:
        Path(path).write_bytes(data)
    except OSError as error:
        return _complain(f"{path} cannot be written: {error.strerror}")
    return DONE


def _complain(sentence: str) -> int:
    print(f"hakeep convert: {sentence}", file=sys.stderr)
    return FAILED
