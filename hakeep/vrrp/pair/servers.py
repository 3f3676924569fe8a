"""Virtual servers of several hosts: the director of an address forwards by its own file."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from hakeep.config.diagnostic import Code, Diagnostic, Severity, Verdict
from hakeep.config.loaded import Loaded
from hakeep.config.schema import Plain
from hakeep.vrrp.pair.rule import Found


def servers(configurations: Mapping[str, Loaded]) -> Found:
    """Other virtual servers or other real servers

    The master of the address forwards to the real servers of its own file. Where the files differ, a failover changes
    what clients reach.

    Example::

        a: real_server 192.0.2.21 80
        b: real_server 192.0.2.22 80

    Cure::

        a: real_server 192.0.2.21 80
        b: real_server 192.0.2.21 80
    """
    hosts = list(configurations.items())
    for (one, first), (other, second) in combinations(hosts, 2):
        theirs = {server.head: server for server in first.config.virtual_server}
        mine = {server.head: server for server in second.config.virtual_server}
        for key in [*theirs, *(key for key in mine if key not in theirs)]:
            has, lacks = theirs.get(key), mine.get(key)
            if has is None or lacks is None:
                there = has or lacks
                assert there is not None
                missing = other if has is not None else one
                yield Diagnostic(
                    Code.PAIR_SERVERS, Severity.WARNING, f"virtual_server {_service(there)} is not in {missing}",
                    there.span(), verdict=Verdict.OK, note=f"nothing is forwarded while {missing} is master")
                continue
            for here, there, host in ((has, lacks, other), (lacks, has, one)):
                known = {real.head for real in there.get("real_server", ())}
                for real in here.get("real_server", ()):
                    if real.head not in known:
                        place = there.span()
                        yield Diagnostic(
                            Code.PAIR_SERVERS, Severity.WARNING, f"real_server {_service(real)} of virtual_server "
                            f"{_service(here)} is not in {host}", real.span(), (place, f"{host}: not here")
                            if place else None, verdict=Verdict.OK)


def _service(section: Plain) -> str:
    """How a virtual or real server is called."""
    ip, port = section.head[:2]
    if ip is None:
        return f"group {section.head.group}" if section.head.group else f"fwmark {section.head.fwmark}"
    return str(ip) if port is None else f"{ip} {port}"
