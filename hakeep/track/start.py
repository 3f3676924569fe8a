"""What a track worker starts with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Start:
    """`parent` is the pid of the supervisor, which the worker does not outlive. Only the `first` worker of a daemon
    heeds init_file and init_fail: the numbers that are there when it has to be replaced are in use, and what it said of
    scripts counts until they have run again."""

    parent: int
    first: bool = True
