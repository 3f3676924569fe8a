"""`hakeep keywords [BLOCK]`: the keywords of the configuration, with a line about each.

With --unsupported those that hakeep knows and does not act on, with what happens instead. Of a block that is not acted
on, only the block is named. `hakeep man WORD` has all about one keyword.
"""

from __future__ import annotations

import argparse
import json
import sys

from hakeep.cli.hakeep_connection import DONE
from hakeep.report.protocol import Refused


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """Declare the arguments."""
    parser.add_argument("block", nargs="?", default="", metavar="BLOCK", help="only those inside blocks of this kind")
    parser.add_argument("--unsupported", action="store_true", help="those that hakeep does not act on")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="a list of objects, for programs")
    form.add_argument("--markdown", action="store_true", help="what is not acted on, as the table of the README")


def run(arguments: argparse.Namespace) -> int:
    """Print the list; the exit status."""
    from hakeep.config.forms import overview

    if arguments.markdown:
        sys.stdout.write(overview.markdown())
        return DONE
    chosen = overview.rows(arguments.block)
    if not chosen:
        raise Refused(f"there is no block {arguments.block} in the configuration")
    if arguments.unsupported:
        marked = {(row.path, row.keyword.name) for row in overview.not_acted_on()}
        chosen = [row for row in chosen if (row.path, row.keyword.name) in marked]
    if arguments.json:
        json.dump([overview.as_plain(row) for row in chosen], sys.stdout, indent=2)
        print()
    else:
        for line in overview.listing(chosen, instead=arguments.unsupported):
            print(line)
    return DONE
