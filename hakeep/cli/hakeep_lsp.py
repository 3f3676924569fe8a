"""`hakeep lsp`: a language server, for editors to start.

It speaks on standard input and output. Editors get diagnostics while one types, completion, the manual of the word
under the cursor, definitions of names, the blocks of a document, formatting, and quick fixes. conf/editors tells how to
set editors up. It needs the package pygls, which comes with `pip install 'hakeep[lsp]'`.
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec

from hakeep.cli.hakeep_connection import DONE, FAILED


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """Declare the arguments."""
    parser.add_argument("--host", action="store_true", help="judge by this machine's interfaces, users and scripts too")
    parser.add_argument("-i", "--config-id", metavar="ID", help="for lines with @ID (default: host name)")
    # Editors pass it to every language server; there is no other way to speak here.
    parser.add_argument("--stdio", action="store_true", help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    """Serve until the editor says goodbye; the exit status."""
    if find_spec("pygls") is None:
        print("hakeep lsp needs the package pygls: pip install 'hakeep[lsp]'", file=sys.stderr)
        return FAILED
    from hakeep.cli.language.checking import Checking
    from hakeep.cli.language.server import serve
    from hakeep.kernel.inspection import inspect_host

    serve(Checking(arguments.config_id, inspect_host if arguments.host else None))
    return DONE
