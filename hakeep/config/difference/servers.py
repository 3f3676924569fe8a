"""The difference between what two directors run: virtual servers, their real servers, and what holds for all.

Everything is taken up as it runs: checks of servers that stay go on, and connections through them too. Only another
backend means another table. What a check asks may hold passwords, so that of checks only their kind is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

from hakeep.config.difference.change import Change, Effect
from hakeep.config.settled_lvs import Director, RealServer, SorryServer, VirtualServer
from hakeep.objects.ipvs import Encapsulation, Forward, Service, Tunnel

#: Settled fields and their keywords in global_defs, where these are not called alike.
_GLOBAL = {
    "timeouts": "lvs_timeouts", "sync": "lvs_sync_daemon", "flush": "lvs_flush", "flush_on_stop": "lvs_flush_on_stop",
    "backend": "lvs_backend", "checks_max": "lvs_checks_in_flight", "log_all_failures": "checker_log_all_failures",
    "mark_table": "nftables_ipvs", "mark_priority": "nftables_ipvs_priority",
    "mark_first": "nftables_ipvs_start_fwmark",
}
_REAL = {"upper": "uthreshold", "lower": "lthreshold", "inhibit": "inhibit_on_failure"}
_METHODS = {Forward.MASQ: "NAT", Forward.ROUTE: "DR", Forward.TUNNEL: "TUN"}
_CHECKSUMS = ("", "csum", "remcsum")

#: Renders a settled value for people.
Text = Callable[[Any], str]


def director_changes(old: Director | None, new: Director | None, text: Text) -> Iterator[Change]:
    """The differences, block by block; None is a configuration without virtual servers."""
    before, after = old or Director(), new or Director()
    if old and new:
        yield from _global(old, new, text)
    known = {one.name: one for one in before.virtual}
    staying = {one.name for one in after.virtual}
    for name in known:
        if name not in staying:
            yield Change(f"virtual_server {name}", "", "", None, Effect.STOP)
    for one in after.virtual:
        if one.name not in known:
            yield Change(f"virtual_server {one.name}", "", None, "", Effect.START)
        elif one != known[one.name]:
            yield from _virtual(known[one.name], one, text)


def _global(old: Director, new: Director, text: Text) -> Iterator[Change]:
    for each in fields(Director):
        before, after = getattr(old, each.name), getattr(new, each.name)
        if before == after or each.name in ("globals", "virtual"):
            continue
        if each.name == "process":
            for part in fields(before):
                values = getattr(before, part.name), getattr(after, part.name)
                if values[0] != values[1]:
                    name = "process_name" if part.name == "name" else part.name
                    yield Change("global_defs", f"checker_{name}", text(values[0]), text(values[1]), Effect.NEVER)
        else:
            effect = Effect.RESTART if each.name == "backend" else Effect.HOT
            yield Change("global_defs", _GLOBAL.get(each.name, each.name), text(before), text(after), effect)


def _virtual(old: VirtualServer, new: VirtualServer, text: Text) -> Iterator[Change]:
    where = f"virtual_server {new.name}"

    def change(keyword: str, before: str | None, after: str | None) -> Iterator[Change]:
        if before != after:
            yield Change(where, keyword, before, after, Effect.HOT)

    for each in fields(VirtualServer):
        before, after = getattr(old, each.name), getattr(new, each.name)
        if each.name not in ("name", "label", "services", "marked", "mark", "reals", "sorry"):
            yield from change(each.name, text(before), text(after))
    yield from change("sorry_server", _server(old.sorry), _server(new.sorry))
    yield from _services(old, new, change)
    reals = [{str(real): real for real in side.reals} for side in (old, new)]
    for name in {**reals[0], **reals[1]}:
        one, other = (side.get(name) for side in reals)
        if one is None or other is None:
            yield from change("real_server", name if one else None, name if other else None)
        else:
            for keyword, was, becomes in _real(one, other, text):
                yield from change(f"real_server {name}: {keyword}", was, becomes)


def _services(
    old: VirtualServer, new: VirtualServer, change: Callable[[str, str | None, str | None], Iterator[Change]],
) -> Iterator[Change]:
    """Addresses of a group that come and go, and what all services have in common."""
    names = [[str(key) for key in (*side.marked, *(service.key for service in side.services))] for side in (old, new)]
    for name in names[0]:
        if name not in names[1]:
            yield from change("service", name, None)
    for name in names[1]:
        if name not in names[0]:
            yield from change("service", None, name)
    yield from change("scheduling", _scheduling(old.services[0]), _scheduling(new.services[0]))


def _scheduling(service: Service) -> str:
    persistence = f", persistent for {service.timeout} s by /{service.prefix}" if service.timeout else ""
    engine = f", engine {service.engine}" if service.engine else ""
    flags = f", flags {service.flags:#x}" if service.flags else ""
    return f"{service.scheduler}{persistence}{engine}{flags}"


def _real(old: RealServer, new: RealServer, text: Text) -> Iterator[tuple[str, str | None, str | None]]:
    for each in fields(RealServer):
        if each.name not in ("ip", "port", "forward", "tunnel", "checks"):
            yield _REAL.get(each.name, each.name), text(getattr(old, each.name)), text(getattr(new, each.name))
    yield "lvs_method", _method(old.forward, old.tunnel), _method(new.forward, new.tunnel)
    for check in old.checks:
        if check not in new.checks:
            yield check.kind, "as it was", None
    for check in new.checks:
        if check not in old.checks:
            yield check.kind, None, "as it is now"


def _method(forward: Forward, tunnel: Tunnel) -> str:
    options = [f"type {tunnel.type.name.lower()}"] if tunnel.type is not Encapsulation.IPIP else []
    options += [f"port {tunnel.port}"] if tunnel.port else []
    return " ".join(filter(None, (_METHODS.get(forward, forward.name), *options, _CHECKSUMS[tunnel.checksum])))


def _server(sorry: SorryServer | None) -> str | None:
    if sorry is None:
        return None
    inhibit = " inhibit" if sorry.inhibit else ""
    return f"{sorry.ip} {sorry.port} {_method(sorry.forward, sorry.tunnel)}{inhibit}"
