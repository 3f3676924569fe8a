"""`hakeep man [WORD]`: the manual of the configuration, or all about one keyword.

Without a word the whole page hakeep.conf(5), in a pager on a terminal. With the name of a keyword, what is to be known
about it in every block that has it. With a word that begins with a slash, the keywords that have the text behind it in
their name or explanation.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from contextlib import suppress
from shutil import which

from hakeep.cli.hakeep_connection import DONE
from hakeep.cli.hakeep_terminal import DEFAULT_WIDTH, is_screen, width
from hakeep.report.protocol import Refused

#: Lines longer than this are hard to read.
READABLE = 100


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """Declare the arguments."""
    parser.add_argument("word", nargs="?", default="", metavar="WORD", help="a keyword, or /TEXT to search for")


def run(arguments: argparse.Namespace) -> int:
    """Show it; the exit status. Raises Refused when there is nothing to show."""
    word = arguments.word
    if not word:
        _show_page()
    elif word.startswith("/"):
        _search(word[1:])
    else:
        _explain(word)
    return DONE


def _columns() -> int:
    return min(width() if is_screen() else DEFAULT_WIDTH, READABLE)


def _explain(word: str) -> None:
    from hakeep.config.forms import man, page

    elements = list(man.find(word))
    if not elements:
        raise Refused(_unknown(word))
    sys.stdout.write(page.plain_elements(elements, _columns()))


def _unknown(word: str) -> str:
    from difflib import get_close_matches

    from hakeep.config.advice import walk
    from hakeep.config.keywords.static import ROOT

    names = list(dict.fromkeys(keyword.name for _, keyword in walk(ROOT)))
    alike = get_close_matches(word, names, n=3, cutoff=0.6)
    close = alike or [name for name in names if word.lower() in name.lower()][:5]
    if close:
        return f"there is no keyword {word!r}; did you mean {', '.join(close)}?"
    return f"there is no keyword {word!r}; `hakeep man /{word}` looks for it in the explanations"


def _search(text: str) -> None:
    from hakeep.config.forms import man

    found = man.search(text) if text else []
    if not found:
        raise Refused(f"no keyword has {text!r} in its name or explanation")
    for path, keyword in found:
        print(f"{keyword.name:<32} {man.place(path)}: {keyword.doc}")


def _show_page() -> None:
    from hakeep.cli.manual import DATE
    from hakeep.config.forms import man, page

    if not is_screen():
        sys.stdout.write(page.plain(man.conf_page(), READABLE))
    elif which("man"):
        _feed(["man", "-l", "-"], page.mdoc(man.conf_page(), DATE))
    else:
        _feed([os.environ.get("PAGER") or "more"], page.plain(man.conf_page(), _columns()))


def _feed(command: list[str], text: str) -> None:
    """Give `text` to a program that shows it. Who leaves it early has seen enough."""
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
    except OSError as error:
        raise Refused(f"cannot run {command[0]}: {error.strerror}") from None
    with suppress(BrokenPipeError):
        process.communicate(text)
