"""The guard: lets go of addresses that no living worker stands behind.

The kernel's own nets (fence and lease, see `hakeep.vrrp.fence`) hold without us. The guard is faster than a lease where
there is no fence, and it cleans up: it watches the heartbeat on the shared page and, when that stops while routers are
MASTER, deletes their addresses. It touches only addresses that carry our mark.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from hakeep.config.settled import Settings
from hakeep.kernel.netlink import Netlink, NetlinkError
from hakeep.kernel.policy_rules import encode_remove_rule
from hakeep.kernel.routes import encode_remove, read_routes
from hakeep.kernel.rtnl import Encoder, read_addresses, read_links
from hakeep.objects.routes import Slot
from hakeep.objects.rtnl import PROTO_KEEPALIVED, AddressKey
from hakeep.vrrp import wanted
from hakeep.vrrp.messages import State
from hakeep.worker import SharedPage

#: How old the heartbeat of a worker without a MASTER may be: it turns twice a second.
IDLE_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Charge:
    """What the guard needs to know of one router."""

    name: str
    interval: float
    lease: float
    addresses: tuple[AddressKey, ...]
    routes: tuple[Slot, ...] = ()
    rules: tuple[bytes, ...] = ()  # the requests that remove them


def describe(settings: Settings) -> list[dict[str, Any]]:
    """The charges of a configuration as JSON can hold them: the parent does not unpickle what a child parsed."""
    devices = wanted.devices(settings)
    leases = wanted.leases(settings)
    return [
        {
            "name": instance.name,
            "interval": instance.advert_int,
            "lease": leases.get(instance.name, 5),
            "addresses": [
                [v.address.interface, str(v.address.ip), v.address.prefix]
                for v in wanted.addresses(instance, devices[instance.name], None)
            ],
            "routes": [
                [one.family, one.table, str(one.to), str(one.source or ""), one.tos, one.metric]
                for one in (entry.route for entry in instance.routes)
            ],
            "rules": [encode_remove_rule(entry.rule).hex() for entry in instance.rules],
        }
        for instance in settings.vrrp
    ]


def charges(described: Iterable[dict[str, Any]]) -> tuple[Charge, ...]:
    """The inverse of `describe`."""
    return tuple(
        Charge(
            one["name"], one["interval"], one["lease"],
            tuple((interface, ip_address(ip), prefix) for interface, ip, prefix in one["addresses"]),
            tuple((family, table, ip_network(to), ip_network(source) if source else None, tos, metric)
                  for family, table, to, source, tos, metric in one["routes"]),
            tuple(bytes.fromhex(message) for message in one["rules"]),
        )
        for one in described
    )


class Guard:
    """Watches one worker's page."""

    def __init__(self, page: SharedPage, watched: tuple[Charge, ...] = ()) -> None:
        self.page = page
        self.watched = watched

    def masters(self) -> list[Charge]:
        """The routers that are MASTER according to the page."""
        found = []
        for index, charge in enumerate(self.watched):
            slot = self.page.read(index, charge.name)
            if slot is not None and slot.state is State.MASTER:
                found.append(charge)
        return found

    @property
    def patience(self) -> float:
        """How old a heartbeat may be, in seconds. While no router is MASTER only redundancy is at stake."""
        interval, _ = self.page.stakes
        return max(0.2, 2 * interval) if interval else IDLE_PATIENCE

    @property
    def kill_after(self) -> float:
        """How old a heartbeat may be before the worker is killed, in seconds."""
        interval, lease = self.page.stakes
        return max(2.0, 2 * lease) if interval else 2 * IDLE_PATIENCE


def release(keys: Iterable[AddressKey]) -> int:
    """Delete these addresses where they exist and carry our mark. Returns how many were deleted."""
    wanted_keys = set(keys)
    if not wanted_keys:
        return 0
    deleted = 0
    encoder = Encoder()
    with Netlink() as netlink:
        names = {link.index: link.name for link in read_links(netlink)}
        indexes = {name: index for index, name in names.items()}
        for address in read_addresses(netlink, names):
            if address.key in wanted_keys and address.proto == PROTO_KEEPALIVED:
                try:
                    netlink.request(encoder.delete(address, indexes[address.interface]))
                    deleted += 1
                except NetlinkError:
                    continue
    return deleted


def release_routing(released: Iterable[Charge]) -> int:
    """Delete the rules and routes of these routers, where they exist and are marked as ours: before `release`, so that
    no packet meets a rule without its routes. Returns how many were deleted."""
    charges = [charge for charge in released if charge.routes or charge.rules]
    if not charges:
        return 0
    deleted = 0
    with Netlink() as netlink:
        names = {link.index: link.name for link in read_links(netlink)}
        indexes = {name: index for index, name in names.items()}
        slots = {slot for charge in charges for slot in charge.routes}
        found = read_routes(netlink, names, slots, {PROTO_KEEPALIVED}, others=False)
        messages = [message for charge in charges for message in charge.rules]
        messages += [encode_remove(route, indexes.get) for route in found]
        for message in messages:
            with suppress(NetlinkError):
                netlink.request(message)
                deleted += 1
    return deleted
