"""What a configuration can be checked against on the machine it is for. None means: not known, do not judge."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface
from typing import NamedTuple

from hakeep.config.settled import Script
from hakeep.config.settled_lvs import Pattern

#: What the name of an interface may have (IFNAMSIZ of linux/if.h, less the zero at its end), in bytes.
LONGEST = 15

_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+(/\d+)?")
#: What names of interfaces could hold as far as the kernel is concerned, but do not.
_PLACEHOLDER = re.compile(r"[<>{}\[\]()$*?|;&'\"`\\/,]")


class NameFolders(NamedTuple):
    """Where iproute2 keeps its names: what it brings along ("" = the usual places), and what administrators add."""

    usr: str = ""
    etc: str = "/etc/iproute2"


USUAL_FOLDERS = NameFolders()


@dataclass(frozen=True, slots=True)
class Host:
    """Facts about a machine.

    `users` and `groups` are account names. `script_problem` says what keeps a script from running ("" = nothing).
    `read_file` returns a file's bytes, or None if it cannot be read (keys of auth_hmac). `subnets` gives the addresses
    of an interface with their networks, () if it has none. `script_weakness` says how others could change a script that
    root runs ("" = they cannot). `tables` are the names of routing tables, `names` the numbers that have names, by the
    file that says so (see `hakeep.config.settle.names`): both come from `folders`, `find_names` has those of others.
    `lvs_backend` is what a daemon's command line says in place of `lvs_backend`, "" = nothing; `backend_problem` says
    why there is no backend of this name ("" = there is one). `pattern_problem` says why a `regex` cannot be looked for,
    in a sentence that begins with the keyword to blame ("" = it can). `bfd` False: the command line wants no BFD.
    """

    known_interfaces: frozenset[str] | None = None
    users: frozenset[str] | None = None
    groups: frozenset[str] | None = None
    cpus: int | None = None
    script_problem: Callable[[Script], str] | None = None
    read_file: Callable[[str], bytes | None] | None = None
    subnets: Callable[[str], tuple[IPv4Interface | IPv6Interface, ...]] | None = None
    script_weakness: Callable[[Script], str] | None = None
    tables: frozenset[str] | None = None
    names: Mapping[str, Mapping[str, int]] | None = None
    folders: NameFolders = USUAL_FOLDERS
    find_names: Callable[[NameFolders], Mapping[str, Mapping[str, int]]] | None = None
    lvs_backend: str = ""
    backend_problem: Callable[[str], str] | None = None
    pattern_problem: Callable[[Pattern], str] | None = None
    bfd: bool = True

    def lacks_interface(self, name: str) -> bool:
        """True if it is known that there is no such interface, or if nobody would call one so."""
        if self.known_interfaces is None:
            return bool(self.about_interface(name))
        return name not in self.known_interfaces

    def about_interface(self, name: str) -> str:
        """Why the name of an interface is none, as far as the name alone can tell; "" if it may be one."""
        if name.partition("@")[0] and name.partition("@")[2].startswith("if"):
            return f"ip(8) shows the other end of a veth after the @; the name is {name.partition('@')[0]}"
        if len(name.encode("utf-8", "surrogateescape")) > LONGEST:
            return f"names of interfaces have at most {LONGEST} bytes"
        if _ADDRESS.fullmatch(name):
            return "this is an address"
        return "this looks like a placeholder" if _PLACEHOLDER.search(name) else ""
