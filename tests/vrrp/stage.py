"""A stage for one engine: a clock that the test moves, a kernel that does what it is told, rivals with real packets.

Everything is deterministic. Time starts at 0. Effects are kept with the time at which they came. The kernel lane is
carried out `lane` seconds after it was asked (0 = within the same moment), from what the engine wants *then*.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address

from hakeep.config.settled import Global, Settings, SyncGroup, VirtualAddress, VrrpInstance
from hakeep.objects.diff import Remove
from hakeep.objects.rtnl import Address, AddressKey, Link
from hakeep.vrrp import messages as m
from hakeep.vrrp.authentication import AuthMemory
from hakeep.vrrp.engine import Engine, Mark
from hakeep.vrrp.router import VirtualRouter
from hakeep.vrrp.timers import NEVER
from hakeep.vrrp.transmit import Transmitter

OWN4, OWN6 = ip_address("10.9.0.5"), ip_address("fe80::5")
LOWER4, HIGHER4 = "10.9.0.2", "10.9.0.9"
LOWER6, HIGHER6 = "fe80::2", "fe80::9"
VIP4 = ("10.9.0.100", "10.9.0.101", "10.9.0.102")
VIP6 = ("fe80::1:64", "2001:db8::64")

ETH0 = Link(2, "eth0", up=True, running=True, mac=bytes.fromhex("020000000005"))
ETH1 = Link(3, "eth1", up=True, running=True, mac=bytes.fromhex("020000000015"))
ADMIN4 = Address("eth0", OWN4, 24, proto=0)
ADMIN6 = Address("eth0", OWN6, 64, scope=253, proto=3)


def vip(text: str, interface: str = "", **more: object) -> VirtualAddress:
    """A virtual address as `settle` makes it, without a prefix of its own."""
    ip = ip_address(text)
    return VirtualAddress(Address(interface, ip, 32 if ip.version == 4 else 128), **more)  # type: ignore[arg-type]


def instance(name: str = "V", **fields: object) -> VrrpInstance:
    """An instance on eth0, VRID 51; IPv4 and version 2 unless said otherwise."""
    family = fields.get("family", 4)
    vips = VIP4[:1] if family == 4 else VIP6
    given = {
        "virtual_router_id": 51, "interface": "eth0", "version": 2 if family == 4 else 3,
        "multicast": ip_address("224.0.0.18" if family == 4 else "ff02::12"),
        "addresses": tuple(vip(text) for text in vips), **fields,
    }
    return VrrpInstance(name, **given)  # type: ignore[arg-type]


class Stage:
    """One engine and its host. `sent`, `told` and so on read what it did."""

    def __init__(
        self,
        *instances: VrrpInstance,
        lane: float = 0.0,
        links: Iterable[Link] = (ETH0,),
        addresses: Iterable[Address] = (ADMIN4, ADMIN6),
        globals_: Global | None = None,
        hold_until: float = 0.0,
        marks: dict[str, Mark] | None = None,
        start: float = 0.0,
        groups: tuple[SyncGroup, ...] = (),
        tracked: Iterable[m.Tracked] = (),
    ) -> None:
        self.now = start
        self.lane = lane
        self.globals = globals_ or Global()
        self.groups = groups
        self.settings = Settings(self.globals, instances, groups)
        self.kernel: dict[AddressKey, Address] = {address.key: address for address in addresses}
        self.touched: list[tuple[float, str, AddressKey]] = []  # what the lane did: time, + or -, key
        self.effects: list[tuple[float, m.Effect]] = []
        self.refusing: dict[str, int] = {}  # router -> errno of its adverts
        self.stubborn: dict[AddressKey, int] = {}  # address -> errno of its changes
        self._lane_at: float | None = None
        self._dirty: set[str] = set()
        self._rivals: dict[object, Transmitter] = {}
        self.engine = Engine(
            self.settings, start, links=links, addresses=self.kernel.values(), hold_until=hold_until, marks=marks,
            tracked=tracked,
        )
        self._take(self.engine.begin())

    # -- acting

    def step(self, event: m.Event, at: float | None = None) -> list[m.Effect]:
        """Bring the clock to `at`, tell the engine, and return what it answered to this very event."""
        if at is not None:
            self.until(at)
        effects = self.engine.step(self.now, event)
        self._take(effects)
        self._lane_now()
        return effects

    def until(self, time: float) -> None:
        """Let time pass: every deadline is met to the point."""
        while (next_ := min(self.engine.deadline, NEVER if self._lane_at is None else self._lane_at)) <= time:
            self.now = max(self.now, next_)
            if self._lane_at is not None and self._lane_at <= self.now:
                self._carry_out()
            else:
                self._take(self.engine.step(self.now, m.Ticked()))
            self._lane_now()
        self.now = max(self.now, time)

    def freeze(self, until: float) -> None:
        """The process does not run: the clock goes on, and nothing else."""
        self.now = until

    def hear(
        self, priority: int, at: float | None = None, *, source: str = "", name: str = "", stamp: float | None = None,
        **fields: object,
    ) -> list[m.Effect]:
        """A rival's advert, in real bytes. `fields` change its configuration, `stamp` the kernel's receive stamp."""
        if at is not None:
            self.until(at)
        when = self.now if stamp is None else stamp
        return self.step(self.packet(priority, source=source, name=name, at=when, **fields))

    def packet(
        self, priority: int, *, source: str = "", name: str = "", at: float = 0.0, **fields: object
    ) -> m.Received:
        """The datagram of a rival with our configuration, changed by `fields`."""
        ours = self.router(name).settings
        sender = ip_address(source or (LOWER4 if ours.family == 4 else LOWER6))
        settings = replace(ours, **fields)  # type: ignore[arg-type]
        transmitter = self._rivals.setdefault((settings, sender), Transmitter(settings, sender, AuthMemory()))
        to, data = transmitter.packets(priority, 1e9 + self.now)[0]
        link = self.router(name).devices.link
        return m.Received(link, data, sender.packed, ip_address(to).packed, 255, at, 1e9 + self.now)

    def reload(
        self, *instances: VrrpInstance, groups: tuple[SyncGroup, ...] | None = None, **globals_: object
    ) -> list[m.Effect]:
        """A new configuration."""
        self.globals = replace(self.globals, **globals_)  # type: ignore[arg-type]
        self.groups = self.groups if groups is None else groups
        self.settings = Settings(self.globals, instances, self.groups)
        return self.step(m.Reloaded(self.settings))

    def link(self, link: Link | None, name: str = "eth0") -> list[m.Effect]:
        """News of a link; without it its addresses are gone as well."""
        if link is None:
            self.kernel = {key: address for key, address in self.kernel.items() if key[0] != name}
        return self.step(m.LinkChanged(name, link))

    def steal(self, ip: str, port: int = 4711) -> list[m.Effect]:
        """Somebody deletes a virtual address by hand (port 0: the kernel lets it expire)."""
        key = next(key for key in self.kernel if str(key[1]) == ip)
        return self.step(m.AddressChanged(self.kernel.pop(key), False, port))

    def _take(self, effects: list[m.Effect]) -> None:
        failed: list[m.Refused] = []
        for effect in effects:
            if isinstance(effect, m.Renew) and any(effect.router == refusal.router for refusal in failed):
                continue
            self.effects.append((self.now, effect))
            if isinstance(effect, m.Advertise) and effect.router in self.refusing:
                failed.append(m.Refused(effect.router, None, self.refusing[effect.router]))
            elif isinstance(effect, m.Reconcile):
                self._dirty.update(effect.routers)
                if self._lane_at is None:
                    self._lane_at = self.now + self.lane
        for refusal in failed:
            self._take(self.engine.step(self.now, refusal))

    def _lane_now(self) -> None:
        while self._lane_at is not None and self._lane_at <= self.now:
            self._carry_out()

    def _carry_out(self) -> None:
        names, self._dirty, self._lane_at = self._dirty, set(), None
        added, removed, refused = [], [], []
        for change in self.engine.changes(sorted(names)):
            if change.key in self.stubborn:
                refused.append(change.key)
            elif isinstance(change, Remove):
                self.kernel.pop(change.key, None)
                removed.append(change.key)
            else:
                self.kernel[change.key] = change.wanted
                added.append(change.key)
        self.touched += [(self.now, "-", key) for key in removed] + [(self.now, "+", key) for key in added]
        if added or removed:
            self._take(self.engine.step(self.now, m.Applied(tuple(added), tuple(removed))))
        for key in refused:
            self._take(self.engine.step(self.now, m.Refused("", key, self.stubborn[key])))

    # -- looking

    def router(self, name: str = "") -> VirtualRouter:
        return self.engine.routers[name or next(iter(self.engine.routers))]

    @property
    def state(self) -> m.State:
        """Of the first router."""
        return self.router().state

    def has(self, ip: str = VIP4[0]) -> bool:
        """Whether the kernel has this address."""
        return any(str(key[1]) == ip for key in self.kernel)

    def sent(self, since: float = 0.0, router: str = "") -> list[tuple[float, int]]:
        """The adverts: when, and with which priority."""
        return [
            (round(at, 6), effect.priority) for at, effect in self.effects
            if at >= since and isinstance(effect, m.Advertise) and router in ("", effect.router)
        ]

    def announced(self, since: float = 0.0) -> list[tuple[float, str]]:
        """The gratuitous ARPs and neighbour advertisements: when, and for which address."""
        return [
            (round(at, 6), str(v.address.ip)) for at, effect in self.effects
            if at >= since and isinstance(effect, m.Announce) for v in effect.addresses
        ]

    def know(self, kind: str, name: str, well: bool | None, value: int = 0, why: str = "") -> list[m.Effect]:
        """News of a tracked thing."""
        return self.step(m.Tracked(kind, name, well, value, why))

    def states(self) -> dict[str, m.State]:
        """Of all routers."""
        return {name: router.state for name, router in self.engine.routers.items()}

    def told(self, since: float = 0.0) -> list[str]:
        """What scripts were told, in order."""
        return [e.what for at, e in self.effects if at >= since and isinstance(e, m.NotifyChange)]

    def renewed(self, since: float = 0.0) -> list[float]:
        return [round(at, 6) for at, effect in self.effects if at >= since and isinstance(effect, m.Renew)]

    def kinds(self, effects: Iterable[m.Effect]) -> list[str]:
        """The effects without the log, by name."""
        return [type(effect).__name__ for effect in effects if not isinstance(effect, m.Log)]

    def logged(self, words: str) -> bool:
        return any(isinstance(effect, m.Log) and words in effect.text for _, effect in self.effects)
