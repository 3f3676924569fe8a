"""`hakeep explain [CODE...]`: why hakeep says something, with an example and the cure. Without a code: a list of all.

Exit status 1 for a code that does not exist.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from hakeep.cli.hakeep_connection import DONE, FAILED
from hakeep.cli.hakeep_terminal import width

if TYPE_CHECKING:
    from hakeep.config.diagnostic import Code
    from hakeep.config.pages import Page

#: Longer lines of prose are hard to read, however wide the terminal is.
WIDEST = 100


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """Declare the arguments."""
    parser.add_argument("codes", nargs="*", metavar="CODE", help="as in the diagnostic: HK204 (default: list all)")


def run(arguments: argparse.Namespace) -> int:
    """Print pages; the exit status."""
    known = all_pages()
    if not arguments.codes:
        for page in known.values():
            print(f"{page.code.value}  {page.title}")
        return DONE
    by_value = {code.value: page for code, page in known.items()}
    status = DONE
    for number, word in enumerate(arguments.codes):
        if _normal(word) in by_value:
            print("\n" * bool(number) + by_value[_normal(word)].render(min(width(), WIDEST)))
        else:
            print(f"hakeep: there is no {word}{_suggestion(word, by_value)}", file=sys.stderr)
            status = FAILED
    return status


def all_pages() -> Mapping[Code, Page]:
    """Every page there is, in the order of the codes."""
    from hakeep.config.pages import pages, parse_page
    from hakeep.vrrp.pair.rules import PAGES

    found = pages() | {code: parse_page(code, text) for code, text in PAGES.items()}
    return {code: found[code] for code in sorted(found)}


def _normal(word: str) -> str:
    """HK204 for hk204, 204 and [HK204]."""
    bare = word.strip("[]").upper()
    return f"HK{bare}" if bare.isdecimal() else bare


def _suggestion(word: str, known: Mapping[str, Page]) -> str:
    """What may have been meant: a code that looks like it, or one whose name or title has the word in it."""
    from difflib import get_close_matches

    named = [value for value, page in known.items()
             if word.casefold() in page.title.casefold() or word.casefold() in page.code.name.casefold()]
    close = named[:3] or get_close_matches(_normal(word), known, n=3, cutoff=0.6)
    meant = ", ".join(f"{value} ({known[value].title})" for value in close)
    return f"; did you mean {meant}?" if close else "; `hakeep explain` lists all"
