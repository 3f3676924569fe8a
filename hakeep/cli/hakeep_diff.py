"""`hakeep diff A B`: what configuration B means that A does not, and what a reload from A to B would do about it.

Defaults, the order of blocks and lists, comments, definitions, includes and the form (braces or YAML) make no
difference. Exit status 0: they mean the same, 1: they do not, 2: one of them cannot be read.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hakeep.config.difference import Change
    from hakeep.config.loaded import Loaded

SAME, DIFFERENT, TROUBLE = 0, 1, 2


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """Declare the arguments."""
    parser.add_argument("old", metavar="A", help="the configuration that is supposed to run")
    parser.add_argument("new", metavar="B", help="the configuration to compare it with")
    parser.add_argument("-i", "--config-id", metavar="ID", help="which @ID lines count (default: the host's name)")
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")


def run(arguments: argparse.Namespace) -> int:
    """Compare; the exit status."""
    from hakeep.config.difference import difference
    from hakeep.config.files import load

    sides = [load(path, config_id=arguments.config_id) for path in (arguments.old, arguments.new)]
    for path, loaded in zip((arguments.old, arguments.new), sides, strict=True):
        if loaded.settings is None:
            print(f"hakeep diff: {path} cannot be read: {loaded.diagnostics[-1].message}", file=sys.stderr)
            return TROUBLE
    found = difference(*sides)
    refusal = _refusal(sides[1])
    if arguments.json:
        plain = {"refused": refusal, "changes": [change.to_plain() for change in found]}
        print(json.dumps(plain, ensure_ascii=True))
    else:
        _show(found, refusal)
    return DIFFERENT if found else SAME


def _refusal(loaded: Loaded) -> str:
    """Why hakeepd would not take the configuration; "" if it would."""
    stops = [each for each in loaded.diagnostics if each.stops]
    return f"{stops[0].span}: {stops[0].message}" if stops and stops[0].span else stops[0].message if stops else ""


def _show(found: list[Change], refusal: str) -> None:
    from hakeep.config.difference import Effect, worst

    blocks: dict[str, list[Change]] = {}
    for change in found:
        blocks.setdefault(change.block, []).append(change)
    for block, changes in blocks.items():
        fate = worst(changes)
        whole = fate is Effect.RESTART or all(change.effect is fate for change in changes)
        print(f"{block or 'outside of blocks'}: {fate.value}" if whole else f"{block or 'outside of blocks'}:")
        for change in changes:
            effect = "" if whole else f"  ({change.effect.value})"
            if said := str(change):
                print(f"    {said}{effect}")
    if refusal and found:
        print(f"a reload would be refused: {refusal}")
