"""What is different between the BFD sessions of two configurations.

A session goes on when its pace changes: it agrees with its neighbor on the new one. Another neighbor, or another end of
ours, makes another session under the old name. Intervals are told in milliseconds, as the file has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

from hakeep.config.difference.change import Change, Effect
from hakeep.config.settled_bfd import BfdInstance, BfdSettings

#: What makes a session the one it is: see `BfdInstance.path`.
_PATH = ("neighbor_ip", "source_ip", "multihop")
_INTERVALS = ("min_rx", "min_tx", "idle_tx")

_Text = Callable[[Any], str]


def session_changes(old: BfdSettings | None, new: BfdSettings | None, text: _Text) -> Iterator[Change]:
    """The differences, block by block; None is a configuration without sessions. `text` writes a settled value for
    people."""
    before, after = ({each.name: each for each in side.instances} if side else {} for side in (old, new))
    if old and new:
        yield from _process(old, new, text)
    for name in {**before, **after}:
        block, one, other = f"bfd_instance {name}", before.get(name), after.get(name)
        if one is None or other is None:
            yield Change(block, "", None if one is None else "", None if other is None else "",
                         Effect.START if one is None else Effect.STOP)
        else:
            yield from _session(block, one, other, text)


def _session(block: str, old: BfdInstance, new: BfdInstance, text: _Text) -> Iterator[Change]:
    shown = ({**{each.name: text(getattr(side, each.name)) for each in fields(side)},
              **{name: text(1000 * getattr(side, name)) for name in _INTERVALS},
              "weight": f"{side.weight}{' reverse' if side.reverse else ''}"} for side in (old, new))
    before, after = shown
    for name in before:
        if before[name] != after[name] and name != "reverse":
            yield Change(block, name, before[name], after[name], Effect.RESTART if name in _PATH else Effect.HOT)


def _process(old: BfdSettings, new: BfdSettings, text: _Text) -> Iterator[Change]:
    for each in fields(old.process):
        before, after = getattr(old.process, each.name), getattr(new.process, each.name)
        if before != after:
            keyword = f"bfd_{'process_name' if each.name == 'name' else each.name}"
            yield Change("global_defs", keyword, text(before), text(after), Effect.NEVER)
