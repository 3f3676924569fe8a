"""What a configuration can be checked against on the machine it is for. None means: not known, do not judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hakeep.config.settled import Script


@dataclass(frozen=True, slots=True)
class Host:
    """Facts about a machine.

    `users` and `groups` are account names. `script_problem` says what keeps a script from running ("" = nothing).
    `read_file` returns a file's bytes, or None if it cannot be read (keys of auth_hmac).
    """

    known_interfaces: frozenset[str] | None = None
    users: frozenset[str] | None = None
    groups: frozenset[str] | None = None
    cpus: int | None = None
    script_problem: Callable[[Script], str] | None = None
    read_file: Callable[[str], bytes | None] | None = None

    def lacks_interface(self, name: str) -> bool:
        """True if it is known that there is no such interface."""
        return self.known_interfaces is not None and name not in self.known_interfaces
