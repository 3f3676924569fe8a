"""What a backend of virtual servers cannot do of the language.

It is declared on the keyword (`Keyword.backends`) and said in one sentence (`Keyword.lack`): by a rule, where a
configuration or a command line asks for that backend; and by the backend itself, where ``lvs_backend auto`` came to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: What lvs_backend can be with hakeep alone; the first is the default.
BUILT_IN = ("auto", "ipvs", "nftables", "memory")

#: The group of entry points in which packages of others offer theirs.
GROUP = "hakeep.backends"


@dataclass(frozen=True, slots=True)
class Limit:
    """How far a backend follows a keyword. Of its values it `takes` only these, () = none. `why` continues a sentence
    that begins with the backend; `instead` tells what to do, `nearest` what to write for single values."""

    why: str
    instead: str = "leave it out"
    takes: tuple[str, ...] = ()
    nearest: Mapping[str, str] = field(default_factory=dict)

    def lack(self, keyword: str, value: str, backend: str) -> str:
        """What is to be said of a keyword with this value ("" = none that matters), "" where the backend takes it."""
        if value in self.takes:
            return ""
        instead = f"use {self.nearest[value]}" if value in self.nearest else self.instead
        return f"{f'{keyword} {value}'.rstrip()} needs IPVS: lvs_backend {backend} {self.why}; {instead}"

    @property
    def extent(self) -> str:
        """How far it goes, for a manual page."""
        return f"only {', '.join(self.takes)}" if self.takes else "not to be had"


#: net_namespace_ipvs.
NEAR = {"nftables": Limit("rewrites packets in the network namespace of the daemon", "use net_namespace")}

#: lvs_sync_daemon, and its old form.
NO_COPIES = {"nftables": Limit("does not send copies of connections", "copy them with conntrackd(8)")}
