"""What the terminal is like: its width, and whether it wants colours."""

from __future__ import annotations

import argparse
import os
import sys

#: When nobody says how wide it is, as in a pipe to a file.
DEFAULT_WIDTH = 120


def add_color_option(parser: argparse.ArgumentParser) -> None:
    """Declare --color; `wants_color` reads it."""
    parser.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="default: auto")


def wants_color(arguments: argparse.Namespace) -> bool:
    """True when output is to be coloured. NO_COLOR (no-color.org) and dumb terminals count with "auto"."""
    if arguments.color == "auto":
        return is_screen() and not os.environ.get("NO_COLOR")
    return bool(arguments.color == "always")


def is_screen() -> bool:
    """True when standard output is a terminal that knows escape sequences."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def height() -> int:
    """Lines of the terminal; a number without end when it does not say."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).lines or sys.maxsize
    except OSError:
        return sys.maxsize


def width() -> int:
    """Columns of the terminal: COLUMNS, else what it says itself."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return int(columns)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or DEFAULT_WIDTH
    except OSError:
        return DEFAULT_WIDTH
