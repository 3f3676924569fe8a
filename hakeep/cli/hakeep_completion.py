"""`hakeep completion bash|zsh|fish`: a script for that shell which completes the command lines of hakeep and hakeepd.

For the running shell: ``source <(hakeep completion bash)``, ``source <(hakeep completion zsh)`` or ``hakeep completion
fish | source``. The first lines of a script say where it is installed for good. The scripts ask for names of instances,
real servers and keywords by the option --words.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import suppress

from hakeep.cli.hakeep_connection import DONE, Dead, add_socket_options, ask, socket_of
from hakeep.report.protocol import ProtocolError, Refused, Status, decode_status


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """Declare the arguments."""
    parser.add_argument("shell", nargs="?", choices=("bash", "zsh", "fish"), help="the shell that the script is for")
    parser.add_argument("--words", choices=tuple(_WORDS), help="print what fits there, one word a line, and no script")
    add_socket_options(parser)
    parser.set_defaults(parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the script, or words; the exit status."""
    if bool(arguments.shell) == bool(arguments.words):
        arguments.parser.error("name a shell: bash, zsh or fish")
    if arguments.words:
        for word in _WORDS[arguments.words](arguments):
            print(word)
    else:
        from hakeep.cli.shells import script

        sys.stdout.write(script(arguments.shell))
    return DONE


def _instances(arguments: argparse.Namespace) -> list[str]:
    """Names of the running daemon's instances; none if it does not answer, as there is nobody to tell."""
    with suppress(Dead, Refused, ProtocolError):
        return [router.name for router in decode_status(ask(socket_of(arguments), Status())).routers]
    return []


def _real_servers(arguments: argparse.Namespace) -> list[str]:
    """Those of the running daemon's virtual servers, as the command line takes them."""
    from hakeep.report.status_virtual import address

    with suppress(Dead, Refused, ProtocolError):
        virtuals = decode_status(ask(socket_of(arguments), Status())).virtual_servers
        return list(dict.fromkeys(address(real) for virtual in virtuals for real in virtual.reals))
    return []


def _keywords(arguments: argparse.Namespace) -> list[str]:
    from hakeep.config.forms.overview import rows

    return list(dict.fromkeys(row.keyword.name for row in rows()))


def _blocks(arguments: argparse.Namespace) -> list[str]:
    from hakeep.config.forms.overview import rows
    from hakeep.config.schema import Block

    return list(dict.fromkeys(row.keyword.name for row in rows() if isinstance(row.keyword.value, Block)))


def _codes(arguments: argparse.Namespace) -> list[str]:
    from hakeep.config.diagnostic import Code

    return [str(code.value) for code in Code]


_WORDS: dict[str, Callable[[argparse.Namespace], list[str]]] = {
    "instances": _instances, "real_servers": _real_servers, "keywords": _keywords, "blocks": _blocks, "codes": _codes,
}
