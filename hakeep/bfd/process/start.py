"""What a BFD worker starts with."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hakeep.bfd.messages import Memory


@dataclass(frozen=True, slots=True)
class Start:
    """What a worker starts with, beside its configuration and its line to the parent, whose pid is `parent`.

    `memory` is what the worker before it knew of its sessions, by their names: the plain values that it sent up with
    ``{"do": "remember"}``. Whoever wrote them is dead, perhaps of a defect, so they are not trusted to make sense.
    """

    parent: int
    memory: Mapping[str, Any] = field(default_factory=dict)

    def memories(self) -> dict[str, Memory]:
        """Those that make sense."""
        found = {}
        for name, document in self.memory.items():
            with suppress(TypeError, ValueError, KeyError, AttributeError):
                found[name] = _memory(document)
        return found


def _memory(document: Mapping[str, Any]) -> Memory:
    """Raises one of many things for what is none."""

    def within(name: str, least: int, most: float) -> float:
        if not least <= document[name] <= most:
            raise ValueError(name)
        return float(document[name])

    up = bool(document["up"])
    return Memory(
        path=tuple(str(part) for part in document["path"]),
        discriminator=int(within("discriminator", 1, 2**32 - 1)),
        source_port=int(within("source_port", 1, 2**16 - 1)),
        up=up,
        told=bool(document["told"]),
        remote_discriminator=int(within("remote_discriminator", up, 2**32 - 1)),
        remote_multiplier=int(within("remote_multiplier", up, 255)),
        remote_min_tx=within("remote_min_tx", 0, 2**32 / 1e6),
        remote_min_rx=within("remote_min_rx", 0, 2**32 / 1e6),
    )
