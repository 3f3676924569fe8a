"""From a packet to the router that it is for.

VRID, family and interface say which router that is; where several share them, the group or the unicast address does.
The router's `Receiver` judges the packet, and what is an advert the router hears.

Nearly all packets are what the master said a second ago, to the byte. Of these one is kept for each router, with the
advert that it was: to look it up is all the work. It counts only as long as that advert is the one that the router
follows, so whatever makes a router think again (a reload, another priority, another advert) need not know of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from hakeep.vrrp.agenda import Agenda
from hakeep.vrrp.authentication import Discard
from hakeep.vrrp.journal import Complaints
from hakeep.vrrp.messages import Received, State
from hakeep.vrrp.receive import Advert, Substance, substance
from hakeep.vrrp.router import VirtualRouter
from hakeep.vrrp.watch import Watch

_AH = 51

#: Who is in one of these hears nothing.
_DEAF = (State.INIT, State.FAULT)


class Reception:
    """Takes in the packets of all routers of a worker. Before `hold_until` (monotonic seconds) nobody hears anything.

    `discarded` counts the packets that were refused, of which `malformed` are those too short to say for which router
    they are; `unknown_vrids` those that are for none of ours.
    """

    def __init__(self, agenda: Agenda, complaints: Complaints, hold_until: float) -> None:
        self.agenda = agenda
        self.complaints = complaints
        self.hold_until = hold_until
        self.log_unknown_vrids = False
        self.unknown_vrids = 0
        self.discarded = 0
        self.malformed = 0
        self._by_wire: dict[tuple[str, int, int], list[VirtualRouter]] = {}
        self._repeats: dict[Substance, tuple[Watch, Advert]] = {}  # what needs no second thought
        self._repeated: dict[str, Substance] = {}  # and which of it is for which router

    def index(self, routers: Iterable[VirtualRouter]) -> None:
        """These are the routers now."""
        self._by_wire = {}
        self._repeats.clear()
        self._repeated.clear()
        for router in routers:
            settings = router.settings
            key = (router.devices.link, settings.family, settings.virtual_router_id)
            self._by_wire.setdefault(key, []).append(router)

    def receive(self, now: float, packet: Received) -> None:
        """The hot path of every BACKUP is one look into a dictionary: between two adverts all memory grows cold, and
        what is not looked at need not be fetched."""
        said = substance(packet)
        known = self._repeats.get(said)
        if known is not None and known[0].followed is known[1] and now >= self.hold_until:
            known[0].hear_again(packet.at if packet.at < now else now)
        else:
            self._think(now, packet, said)

    def _think(self, now: float, packet: Received, said: Substance) -> None:
        data = packet.data
        if len(packet.source) == 4:
            start = (data[0] & 15) * 4 + (24 if data[9] == _AH else 0) if len(data) >= 20 else 20
            family = 4
        else:
            start, family = 0, 6
        if len(data) < start + 2:
            self._malformed(now, packet)
            return
        routers = self._by_wire.get((packet.link, family, data[start + 1]))
        if routers is None:
            self._unknown_vrid(now, packet, data[start + 1])
            return
        router = routers[0] if len(routers) == 1 else _addressee(routers, packet)
        if now < self.hold_until or router.state in _DEAF:
            return
        watch = router.watch
        followed = watch.followed
        if followed is not None and router.receiver.repeat_of_last(packet) is followed:
            if len(routers) == 1:
                self._repeats.pop(self._repeated.get(router.name, said), None)
                self._repeats[said], self._repeated[router.name] = (watch, followed), said
            watch.hear_again(min(packet.at, now))
            return
        verdict = router.receiver.check(packet, current_master=watch.master)
        if isinstance(verdict, Discard):
            self._discard(now, packet, router, verdict)
            if verdict.counter == "auth_failure" and router.settings.auth_type == "AH":
                router.ah_refused(data[start + 2], ip_address(packet.source), now)
                self.agenda.touch(router)
            return
        router.hear(verdict, now, min(packet.at, now))  # a stamp of the future would put off the next election
        self.agenda.touch(router)

    def _discard(self, now: float, packet: Received, router: VirtualRouter, why: Discard) -> None:
        self.discarded += 1
        if why.counter:
            router.counters[why.counter] = router.counters.get(why.counter, 0) + 1
        source = ip_address(packet.source)
        self.complaints.make(now, router.name, why.counter, f"discarding advert from {source}: {why.reason}")

    def _malformed(self, now: float, packet: Received) -> None:
        """Too short to say which router it is for."""
        self.discarded += 1
        self.malformed += 1
        source = ip_address(packet.source)
        self.complaints.make(
            now, packet.link, "malformed", f"discarding packet from {source}: too short for a VRID")

    def _unknown_vrid(self, now: float, packet: Received, vrid: int) -> None:
        self.unknown_vrids += 1
        if self.log_unknown_vrids:
            source = ip_address(packet.source)
            self.complaints.make(now, packet.link, f"vrid {vrid}", f"advert from {source} for unknown VRID {vrid}")


def _addressee(routers: list[VirtualRouter], packet: Received) -> VirtualRouter:
    """Several routers share VRID and interface: they differ in the group, or in unicast."""
    for router in routers:
        group = router.settings.multicast
        if group is not None and group.packed == packet.destination:
            return router
        if group is None and router.source is not None and router.source.packed == packet.destination:
            return router
    return routers[0]
