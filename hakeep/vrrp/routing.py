"""Routes, rules and static addresses: what should be there now, what is, and what to do about it.

What is static is there as long as the daemon; what is virtual goes with the MASTER. It comes when the addresses of its
router are there, and goes with the last of them: while a router hands over, packets still come to it and must find
their way.

`Routing` is told what the kernel has and what others do to it, and gives the changes that are due. It names what it may
touch: things of the configuration (of a route its slot, see `hakeep.objects.routes`) that carry our protocol. What
somebody else has put there is used where it serves, and never removed. What others delete is put back, if they keep at
it with growing pauses; not so what is not tracked: that comes back when its router next becomes MASTER.

Times are monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from errno import EEXIST
from typing import NamedTuple, TypeVar

from hakeep.config.settled_routes import RouteEntry, RuleEntry, Static, StaticAddress
from hakeep.objects.diff import Change, Remove, Replace, diff
from hakeep.objects.routes import Route, RouteKey, Rule, RuleKey, Slot, fits, in_order, route_changes, serves
from hakeep.objects.rtnl import PROTO_KEEPALIVED, Address, AddressKey
from hakeep.objects.rtnl import serves as address_serves
from hakeep.vrrp.messages import Level, Tracked
from hakeep.vrrp.refusals import refusal
from hakeep.vrrp.timers import NEVER

#: What others delete is put back this often within `LOSS_WINDOW` seconds, then with growing pauses; as for addresses.
LOSSES_MAX = 5
LOSS_WINDOW = 10.0
BACKOFF_MAX = 60.0

Entry = StaticAddress | RouteEntry | RuleEntry
Thing = Address | Route | Rule
Key = AddressKey | RouteKey | RuleKey
AnyChange = Change[Key, Address] | Change[Key, Route] | Change[Key, Rule]
Line = tuple[Level, str]
T = TypeVar("T", bound=Thing)


class Standing(NamedTuple):
    """How a virtual router stands. `arriving`: the kernel still has to bring addresses that it holds; `leaving`: it
    holds some although it is MASTER no more."""

    name: str
    master: bool
    arriving: bool
    leaving: bool
    routes: tuple[RouteEntry, ...] = ()
    rules: tuple[RuleEntry, ...] = ()


def serving(standings: Iterable[Standing], before: Collection[str]) -> frozenset[str]:
    """The routers whose routes and rules should be there. One that lost an address for a moment keeps them."""
    return frozenset(
        standing.name for standing in standings
        if (standing.master and (standing.name in before or not standing.arriving))
        or (standing.leaving and standing.name in before))


def wished(static: Static, standings: Iterable[Standing], serve: Collection[str]) -> dict[Key, tuple[str, Entry]]:
    """What should be there and whose it is ("" = static), in the order of the configuration. Where two want the same
    thing, the first says how it should be."""
    found: dict[Key, tuple[str, Entry]] = {}
    for entry in _static(static):
        found.setdefault(thing_of(entry).key, ("", entry))
    for standing in standings:
        for entry in _moving(standing) if standing.name in serve else ():
            found.setdefault(thing_of(entry).key, (standing.name, entry))
    return found


def _static(static: Static) -> list[Entry]:
    return [*static.addresses, *static.routes, *static.rules]


def _moving(standing: Standing) -> list[Entry]:
    return [*standing.routes, *standing.rules]


def thing_of(entry: Entry) -> Thing:
    """What the kernel is to have of it."""
    if isinstance(entry, StaticAddress):
        return entry.address
    return entry.route if isinstance(entry, RouteEntry) else entry.rule


def ordered(changes: Iterable[AnyChange]) -> list[AnyChange]:
    """In an order without a wrong moment: addresses, then routes, then rules come; and they go the other way round."""
    addresses: list[AnyChange] = []
    routes: list[AnyChange] = []
    rules: list[AnyChange] = []
    for change in changes:
        thing = change.have if isinstance(change, Remove) else change.wanted
        (addresses if isinstance(thing, Address) else routes if isinstance(thing, Route) else rules).append(change)
    return [
        *(change for change in addresses if not isinstance(change, Remove)),
        *in_order(routes, rules),
        *(change for change in addresses if isinstance(change, Remove)),
    ]


@dataclass(slots=True)
class _Trouble:
    """With one thing: the kernel refuses it, or others keep deleting it. Nothing is tried before `again`."""

    why: str = ""
    again: float = -NEVER
    backoff: float = 1.0
    losses: list[float] = field(default_factory=list)

    def later(self, now: float, why: str) -> None:
        self.why, self.again = why, now + self.backoff
        self.backoff = min(2 * self.backoff, BACKOFF_MAX)


class Routing:
    """See the module. Feed it with `stand`, `found`, `gone`, `done` and so on, and carry out `changes`."""

    def __init__(self) -> None:
        self.have: dict[Key, Thing] = {}  # ours
        self.lent: dict[Key, Thing] = {}  # of others, in place of ours
        self.serving: frozenset[str] = frozenset()
        self.slots: dict[Slot, list[Route]] = {}  # all that routes of ours may be in
        self._static = Static()
        self._crowded: set[Slot] = set()
        self._named: dict[Key, Thing] = {}
        self._wished: dict[Key, tuple[str, Entry]] = {}
        self._made: set[Key] = set()  # by this run, with a protocol of their own
        self._claimed: set[Key] = set()  # were there when we came, or are ours and hidden among others' next hops
        self._waived: set[Key] = set()
        self._seen: set[Key] = set()  # those of others that have been told of
        self._troubles: dict[Key, _Trouble] = {}
        self._denied: dict[Key, str] = {}  # by the kernel, and why; until it has them after all
        self._awaited: set[str] = set()  # why static things wait, as it was told
        self._up: Mapping[str, bool] = {}
        self._devices: set[str] = set()  # where things are; "" for those of which the kernel decides
        self._told: dict[str, bool] = {}

    # -------------------------------------------------------------------------------------------- what is wanted

    def stand(self, static: Static, standings: Collection[Standing]) -> None:
        """The configuration, or how the routers stand, is another."""
        self._static = static
        self.serving = serving(standings, self.serving)
        before = self._wished
        self._wished = wished(static, standings, self.serving)
        entries = _static(static) + [entry for standing in standings for entry in _moving(standing)]
        named = {thing.key: thing for thing in map(thing_of, entries)}
        self._named = {**{key: thing for key, thing in self.have.items() if key not in named}, **named}
        self._devices = {name for thing in self._named.values() for name in _devices(thing)}
        self.slots = {}
        for thing in self._named.values():
            if isinstance(thing, Route):
                self.slots.setdefault(thing.slot, []).append(thing)
        self._waived &= self._wished.keys()
        self._troubles = {key: trouble for key, trouble in self._troubles.items()
                          if key in self._named and (key in before or key not in self._wished)}
        self._denied = {key: why for key, why in self._denied.items() if key in self._wished or key in self.have}

    @property
    def idle(self) -> bool:
        """True when nothing is named, so that there is nothing to look after."""
        return not self._named

    @property
    def families(self) -> set[int]:
        """Those of the rules that are named."""
        return {thing.family for thing in self._named.values() if isinstance(thing, Rule)}

    @property
    def address_keys(self) -> set[AddressKey]:
        """The static addresses that are named."""
        return {thing.key for thing in self._named.values() if isinstance(thing, Address)}

    def concerns(self, interface: str) -> bool:
        """Whether something of ours is on this interface, or goes out there."""
        return interface in self._devices or "" in self._devices

    @property
    def borrows(self) -> bool:
        """True while a route of somebody else stands in for one of ours."""
        return any(isinstance(thing, Route) for thing in self.lent.values())

    @property
    def protocols(self) -> set[int]:
        """Those that our routes have."""
        return {thing.protocol for thing in self._named.values() if isinstance(thing, Route)} | {PROTO_KEEPALIVED}

    def leave(self) -> None:
        """From now on nothing is wanted any more."""
        self.stand(Static(), ())

    def _possible(self, thing: Thing) -> str:
        """Why the kernel cannot have it, "" if it can. Nobody is told: the links tell themselves."""
        if isinstance(thing, Address):
            return "" if thing.interface in self._up else f"interface {thing.interface} missing"
        for hop in thing.nexthops if isinstance(thing, Route) else ():
            if hop.dev and not self._up.get(hop.dev):
                return f"interface {hop.dev} {'down' if hop.dev in self._up else 'missing'}"
        return ""

    def _wanted(self, now: float) -> Iterator[tuple[Key, Thing]]:
        for key, (_, entry) in self._wished.items():
            thing = thing_of(entry)
            trouble = self._troubles.get(key)
            if self._possible(thing) and key not in self.have:
                continue
            if trouble is not None and trouble.again > now and key in self.have:
                yield key, self.have[key]  # it may not be as it should, but the kernel will not have it otherwise
            elif key in self.have or not (key in self._waived or key in self.lent or (trouble and trouble.again > now)):
                yield key, thing

    def changes(self, now: float, *, blind: bool = False) -> list[AnyChange]:
        """What is to be done now, in the order in which to do it. `blind`: it is not known what others have in these
        slots, so that nothing may be replaced."""
        want = dict(self._wanted(now))
        have = {key: thing for key, thing in self.have.items() if key in want or not self._postponed(key, now)}
        have.update((key, self.lent[key]) for key in self._claimed - self._wished.keys() if key in self.lent)
        found: list[AnyChange] = []
        addresses: list[Change[Key, Address]] = diff(_of(have, Address), _of(want, Address), same=address_serves)
        # One that changes goes, and comes back as it should be when that is done.
        found += [Remove(change.key, change.have) if isinstance(change, Replace) else change for change in addresses]
        found += route_changes(_of(have, Route), _of(want, Route), self._crowded.__contains__)
        found += diff(_of(have, Rule), _of(want, Rule))
        return ordered(change for change in found if not (blind and isinstance(change, Replace)))

    def _postponed(self, key: Key, now: float) -> bool:
        trouble = self._troubles.get(key)
        return trouble is not None and trouble.again > now

    def due(self, now: float) -> float:
        """When something is to be tried again."""
        waiting = (trouble.again for key, trouble in self._troubles.items()
                   if trouble.again > now and ((key in self._wished) != (key in self.have)))
        return min(waiting, default=NEVER)

    # ------------------------------------------------------------------------------------------------- what is

    def found(
        self, up: Mapping[str, bool], addresses: Iterable[Address], routes: Iterable[Route], rules: Iterable[Rule],
        *, complete: bool,
    ) -> None:
        """All there is of what is named: links (and whether they are up), static addresses, rules, and routes; unless
        `complete` only those of our protocols. Whoever is up again is tried again."""
        back = {name for name, is_up in up.items() if is_up and not self._up.get(name)}
        self._up = dict(up)
        for key in [key for key in self._troubles if back & _devices(self._named.get(key))]:
            self._troubles.pop(key)
        kept = {key: thing for key, thing in self.lent.items() if isinstance(thing, Route) and not complete}
        self.have, self.lent = {}, {}
        if complete:
            self._crowded.clear()
        things: list[Thing] = [*addresses, *routes, *rules]
        for thing in things:
            self.came(thing)
        self.lent.update((key, thing) for key, thing in kept.items() if key not in self.have)
        self._claimed &= self.lent.keys()

    def strangers(self) -> list[Line]:
        """What is to be said of things of others that are in place of ours, once of each."""
        new = [key for key in self.lent if key in self._wished and key not in self._seen | self._claimed]
        self._seen.update(new)
        text = "is there already and not from us: it is used, and never removed"
        return [(Level.NOTICE, f"{_whose(self._wished[key][0])}{_what(self.lent[key])} {text}") for key in new]

    def waiting(self) -> list[Line]:
        """What is to be said of static things that wait for their interface: once for all that wait for the same."""
        waiting: dict[str, list[Key]] = {}
        for key, (owner, entry) in self._wished.items() if self._up else ():
            if not owner and key not in self.have and key not in self.lent:
                waiting.setdefault(self._possible(thing_of(entry)), []).append(key)
        waiting.pop("", None)
        told, self._awaited = self._awaited, set(waiting)
        first = {why: thing_of(self._wished[keys[0]][1]) for why, keys in waiting.items() if why not in told}
        return [(Level.NOTICE, f"static {_what(thing)}{_more(waiting[why])}: {why}, waiting for it")
                for why, thing in first.items()]

    def trouble(self, key: Key) -> str:
        """Why this is not as it should be; "" if it is, or nothing is known against it."""
        wish, here, why = self._wished.get(key), self.have.get(key), self._denied.get(key, "")
        if wish is None:
            return why if here is not None else ""
        if key in self.lent:
            return ""
        thing = thing_of(wish[1])
        if here is not None:
            return why if why and not _serves(here, thing) else ""
        trouble = self._troubles.get(key)
        return (self._possible(thing) if self._up else "") or why or (trouble.why if trouble is not None else "")

    def came(self, thing: Thing) -> None:
        """The kernel has this."""
        key = self._key(thing)
        if key is None:
            return
        ours = self._is_ours(key, thing)
        if isinstance(thing, Route) and not ours:
            self._crowded.add(thing.slot)
        if ours:
            self.have[key] = thing
            self.lent.pop(key, None)
        elif key in self._named and (not isinstance(thing, Route) or serves(thing, self._route(key))):
            self.lent[key] = thing

    def gone(self, thing: Thing, port: int, now: float) -> list[Line]:
        """The kernel has it no more. `port` is the netlink port of who removed it, 0 the kernel itself."""
        key = self._key(thing)
        if key is None:
            return []
        if not self._is_ours(key, thing):
            self.lent.pop(key, None)
            return []
        if self.have.pop(key, None) is None or key not in self._wished or not port:
            return []
        owner, entry = self._wished[key]
        if not entry.track:
            self._waived.add(key)
            return []
        trouble = self._troubles.setdefault(key, _Trouble())
        trouble.losses = [at for at in trouble.losses if at > now - LOSS_WINDOW] + [now]
        who = f"somebody (netlink port {port}, often the process id)"
        if len(trouble.losses) <= LOSSES_MAX:
            return [(Level.WARNING, f"{_whose(owner)}{who} removed {_what(thing)}: putting it back")]
        trouble.later(now, "others keep removing it")
        return [(Level.ERROR, f"{_whose(owner)}{who} keeps removing {_what(thing)}: contested, trying less")]

    def overwritten(self, route: Route, port: int, now: float) -> list[Line]:
        """Somebody has put this route in place of another one of its slot. The kernel replaces the first, and it is not
        known which that was: ours, if we have only one there."""
        ours = [thing for thing in self.have.values() if isinstance(thing, Route) and thing.slot == route.slot]
        return self.gone(ours[0], port, now) if len(ours) == 1 and not fits(route, ours[0]) else []

    def _key(self, thing: Thing) -> Key | None:
        """The key of a thing that concerns us. A route may leave less open than the one that it is in place of."""
        if not isinstance(thing, Route):
            return thing.key if thing.key in self._named else None
        named = self.slots.get(thing.slot)
        if named is None:
            return None
        return next((route.key for route in named if fits(thing, route)), thing.key)

    def _route(self, key: Key) -> Route:
        route = self._named[key]
        assert isinstance(route, Route)
        return route

    def _is_ours(self, key: Key, thing: Thing) -> bool:
        mark = thing.proto if isinstance(thing, Address) else thing.protocol
        return mark == PROTO_KEEPALIVED or key in self._made

    # --------------------------------------------------------------------------------------------- what was done

    def done(self, change: AnyChange, errno: int, text: str, now: float) -> list[Line]:
        """The kernel's answer to a change. 0: it is so now; EEXIST: it was there, perhaps not from us."""
        key = change.key
        if isinstance(change, Remove):
            if errno:
                return self._refused(key, change.have, errno, text, now)
            if self.have.get(key) == change.have:
                del self.have[key]
            if key in self._claimed:
                self._claimed.discard(key)
                self.lent.pop(key, None)
            self._made.discard(key)
            self._denied.pop(key, None)
            return []
        if errno == EEXIST:
            self.lent[key] = change.wanted
            self._claimed.add(key)
            return []
        if errno:
            return self._refused(key, change.wanted, errno, text, now)
        if isinstance(change, Replace):
            for other in [other for other, thing in self.have.items() if thing is change.have]:
                del self.have[other]
        self.have[key] = change.wanted
        if not isinstance(change.wanted, Address) and change.wanted.protocol != PROTO_KEEPALIVED:
            self._made.add(key)
        if isinstance(change.wanted, Address):  # perhaps what waits for it can be had now
            self._troubles = {other: trouble for other, trouble in self._troubles.items() if trouble.losses}
        trouble = self._troubles.get(key)
        if trouble is not None and not (trouble.losses and trouble.losses[-1] > now - LOSS_WINDOW):
            del self._troubles[key]
        if self._denied.pop(key, None) is None:
            return []
        owner = self._wished[key][0] if key in self._wished else ""
        return [(Level.NOTICE, f"{_whose(owner)}{_what(change.wanted)} is set now, after all")]

    def _refused(self, key: Key, thing: Thing, errno: int, text: str, now: float) -> list[Line]:
        trouble = self._troubles.setdefault(key, _Trouble())
        why = self._denied[key] = text or refusal(errno)
        news = trouble.why != why
        trouble.later(now, why)
        owner = self._wished[key][0] if key in self._wished else ""
        return [(Level.ERROR, f"{_whose(owner)}the kernel refuses {_what(thing)}: {why}; trying again")] if news else []

    # --------------------------------------------------------------------------------------------- who is told

    def tidings(self) -> list[Tracked]:
        """The track_groups of which something new is to be told: not well while something of theirs cannot be had."""
        found = []
        for group, _ in self._static.groups:
            why, settled = "", True
            for key, (owner, entry) in self._wished.items():
                if owner or entry.group != group or key in self.have or key in self.lent or key in self._waived:
                    continue
                thing = thing_of(entry)
                trouble = self._troubles.get(key)
                reason = self._possible(thing) or (trouble.why if trouble else "")
                settled &= bool(reason)
                why = why or (f"{_what(thing)}: {reason}" if reason else "")
            if (why or settled) and self._told.get(group) != (not why):
                self._told[group] = not why
                found.append(Tracked("group", group, not why, why=why))
        return found


def _of(things: Mapping[Key, Thing], kind: type[T]) -> dict[Key, T]:
    return {key: thing for key, thing in things.items() if isinstance(thing, kind)}


def _devices(thing: Thing | None) -> set[str]:
    if isinstance(thing, Address):
        return {thing.interface}
    return {hop.dev for hop in thing.nexthops} if isinstance(thing, Route) else set()


def _serves(have: Thing, wanted: Thing) -> bool:
    if isinstance(have, Address) and isinstance(wanted, Address):
        return address_serves(have, wanted)
    if isinstance(have, Route) and isinstance(wanted, Route):
        return serves(have, wanted)
    return have == wanted


def _more(keys: Collection[Key]) -> str:
    return f" and {len(keys) - 1} more" if len(keys) > 1 else ""


def _whose(owner: str) -> str:
    return f"({owner}) " if owner else ""


def _what(thing: Thing) -> str:
    return {Address: "address", Route: "route", Rule: "rule"}[type(thing)] + f" {thing}"
