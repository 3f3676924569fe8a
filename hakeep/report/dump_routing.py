"""Routes, rules, and what is there all the time, in keepalived.data."""

from __future__ import annotations

from collections.abc import Iterator

from hakeep.config.settled import Settings, VirtualAddress, VrrpInstance
from hakeep.report.address_text import address_text
from hakeep.report.routing_text import route_text, rule_text


def virtual_lines(instance: VrrpInstance) -> Iterator[str]:
    """What moves with the master beside addresses."""
    if instance.routes:
        yield "Virtual Routes :"
        yield from (f"  {route_text(entry)}" for entry in instance.routes)
    if instance.rules:
        yield "Virtual Rules :"
        yield from (f"  {rule_text(entry)}" for entry in instance.rules)


def static_lines(settings: Settings) -> Iterator[str]:
    """The sections of what is there all the time; each only if there is something in it. Whether the kernel has it
    nobody tells the supervisor, so there is no ` set` behind an address."""
    static = settings.static
    if static is None:
        return
    addresses = []
    for each in static.addresses:
        line = address_text(VirtualAddress(each.address, track=each.track or bool(each.group)), each.address.interface)
        addresses.append(f"{line} track_group {each.group}" if each.group else line)
    for title, lines in (
        ("Addresses", addresses), ("Routes", map(route_text, static.routes)), ("Rules", map(rule_text, static.rules)),
    ):
        found = [f"    {line}" for line in lines]
        yield from [f"------< Static {title} >------", *found] if found else []
    if static.groups:
        yield "------< Static Track groups >------"
    for name, members in static.groups:
        yield f"Static Track Group = {name}"
        yield "  VRRP member instances :"
        yield from (f"    {member}" for member in members)
