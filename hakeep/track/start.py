"""What a track worker starts with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hakeep.track.standing import Key
from hakeep.track.streak import Memory


@dataclass(frozen=True, slots=True)
class Start:
    """`parent` is the pid of the supervisor, which the worker does not outlive. Only the `first` worker of a daemon
    heeds init_file and init_fail: the numbers that are there when it has to be replaced are in use, and what it said of
    scripts counts until they have run again. `memory` is how far those had come that count successes and failures."""

    parent: int
    first: bool = True
    memory: Mapping[Key, Memory] = field(default_factory=dict)
