"""The addresses of a virtual router: taking them, announcing them, keeping their lease, handing them over, letting go.

The router decides *whether* it holds its addresses; here it is decided what that means for each of them. `held` is what
the kernel should have; `have` is the engine's view of what it has. A change is `Reconcile`d by the kernel lane, which
compares the two when its turn comes; what came of it is reported back with `arrived`, `left` or `refused`. `unsettled`
are the addresses that the kernel still has to bring or to take away.

Handing over (make before break): after priority 0 each address stays until its next holder announces it, or shortly
after the next master's first advert, or for the longest time a backup may take, whichever is first. So the clients
always have somebody to talk to. The same goes for a MASTER that hears a better one: it is silent at once (RFC 9568
section 6.4.3), but the other one has just sent its first advert and has yet to add the addresses. Not so for a VMAC,
whose frames would pull the virtual MAC back to our switch port, nor for IPv6 addresses that the next holder checks
for duplicates.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from math import ceil

from hakeep.config.settled import VirtualAddress, VrrpInstance
from hakeep.objects.rtnl import PROTO_KEEPALIVED, Address, AddressKey
from hakeep.vrrp import timers, wanted
from hakeep.vrrp.announce import Announcer
from hakeep.vrrp.messages import Effect, Listen, NotifyChange, Reconcile, Renew
from hakeep.vrrp.timers import NEVER

#: An address that others delete is put back this often within `LOSS_WINDOW` seconds, then with growing pauses.
LOSSES_MAX = 5
LOSS_WINDOW = 10.0
BACKOFF_MAX = 60.0

#: How much later than its time an overlap may end, in seconds.
SETTLED = 0.05

#: After something suspicious a second burst follows even where the configuration asks for none, this much later.
SECOND_LOOK = 1.0


class Holding:
    """What one router holds. Effects go to `out`; `have` is read, never written. Times are monotonic seconds.

    `shared` are the addresses that several routers name, which no configuration should do, and who these are.
    """

    def __init__(
        self,
        have: Mapping[AddressKey, Address],
        shared: Mapping[AddressKey, list[Holding]],
        out: list[Effect],
        announcer: Announcer,
    ) -> None:
        self.have = have
        self.shared = shared
        self.out = out
        self.announcer = announcer
        self.held: dict[AddressKey, VirtualAddress] = {}
        self.unsettled: set[AddressKey] = set()
        self.leaving = False
        self.renewed = -NEVER
        self.side: dict[str, float] = {}
        self._renewed_before = -NEVER
        self._by_ip: dict[tuple[str, bytes], list[AddressKey]] = {}
        self._untold: list[NotifyChange] = []
        self._losses: list[float] = []
        self._backoff = 1.0

    def configure(self, settings: VrrpInstance, devices: wanted.Devices, lease: int | None) -> None:
        """Take (new) settings. What is held changes only by `update`."""
        self.settings = settings
        self.name = settings.name
        self.devices = devices
        self.lease = lease
        self._gap = timers.renewal_gap(lease, settings.advert_int) if lease is not None else NEVER
        self.addresses = wanted.addresses(settings, devices, lease)

    @property
    def deadline(self) -> float:
        return min(self.side.values(), default=NEVER)

    def due(self, now: float) -> None:
        """Act on the timers that have run out."""
        if not self.side:
            return
        for name in [name for name, at in self.side.items() if at <= now]:
            del self.side[name]
            SIDE_TIMERS[name](self, now)

    # ------------------------------------------------------------------------------------------------- holding

    def take(self, now: float, *, suspicious: bool) -> None:
        """Hold all addresses. Those that are there are announced at once, the others when the kernel has them."""
        garp = self.settings.garp
        self._stop_leaving()
        self.side.clear()
        self._hold_all()
        self.renewed = -NEVER
        self.renew(now)  # what is there from before: its lease began earlier than now
        self.renewed = now
        self.announcer.ask(self.name, self.present(), garp.master_repeat)
        if garp.master_delay or suspicious:
            self.side["second"] = now + (garp.master_delay or SECOND_LOOK)
        self._arm_refresh(now)

    def adopt(self, now: float) -> None:
        """Hold all addresses as a worker before us did: they are there. It may have died before it announced them."""
        self._hold_all()
        self.announcer.ask(self.name, self.present(), 1)
        self._arm_refresh(now)

    def update(self, now: float, before: tuple[VirtualAddress, ...]) -> None:
        """The settings have changed while all is held."""
        if self.addresses != before:
            self._hold_all()
        self._arm_refresh(now)

    def release(self) -> None:
        """Let go of everything, now."""
        self._stop_leaving()
        self.announcer.forget(self.name)
        self.side.clear()
        self.held = {}
        self.recount()
        self.out.append(Reconcile((self.name,)))

    def renew(self, now: float) -> None:
        """An advert has just left: the lease may run on."""
        if self.lease is None or now - self.renewed < self._gap:
            return
        leased = tuple([v.address for v in self.present() if self._leased(v.address.key)])
        if leased:
            self._renewed_before, self.renewed = self.renewed, now
            self.out.append(Renew(self.name, leased))

    def renewal_failed(self, at: float) -> None:
        """The advert of then did not leave, so that the renewal that came with it was not carried out."""
        if self.renewed == at:
            self.renewed = self._renewed_before

    def present(self) -> list[VirtualAddress]:
        """What is held and known to the kernel."""
        there = self.held.keys() & self.have.keys()  # before a takeover that is nothing, and costs nothing
        return [v for key, v in self.held.items() if key in there] if there else []

    def find(self, key: AddressKey) -> VirtualAddress | None:
        """The configured address of this key, held or not."""
        return next((v for v in self.addresses if v.address.key == key), None)

    def arrived(self, keys: Collection[AddressKey], new: Collection[AddressKey]) -> None:
        """The kernel has these addresses, which are held. Those not `new` it had before, only their lease runs anew."""
        self.unsettled.difference_update(keys)
        if new and not self.contested:
            self._backoff = 1.0
        if new and not self.leaving:
            self.announcer.ask(self.name, [self.held[key] for key in new], self.settings.garp.master_repeat)
        self._flush()

    def left(self, key: AddressKey) -> None:
        """The kernel does not have this address any more, and is not to have it again."""
        self.unsettled.discard(key)
        if self.leaving and key in self.held:
            del self.held[key]
            if not self.held:
                self._stop_leaving()
                self.side.clear()
        self._flush()

    def recount(self) -> None:
        """Find out anew what the kernel still has to do."""
        self._await({v.address.key for v in self.addresses if self._lingers(v.address.key)})

    def _await(self, lingering: set[AddressKey]) -> None:
        """The kernel still has to take these away, and to bring what is held and not there."""
        missing = set(self.held)
        missing.difference_update(self.have)
        self.unsettled = missing | lingering
        self.announcer.wait_for(self.name, bool(missing))

    @property
    def lingering(self) -> bool:
        """True while the kernel has an address of ours that is not held any more."""
        return any(self._lingers(v.address.key) for v in self.addresses)

    def _lingers(self, key: AddressKey) -> bool:
        if key in self.held or not self._ours(key):
            return False
        return not any(key in other.held for other in self.shared.get(key, ()))

    def refused(self, key: AddressKey, now: float) -> None:
        """The kernel will not: nobody waits for this address any longer, but it is tried again later."""
        self.unsettled.discard(key)
        self._try_later(now)
        self._flush()

    def lost(self, key: AddressKey, now: float) -> bool:
        """Somebody deleted an address that we hold: put it back. False when that has been done too often of late."""
        self._losses = [at for at in self._losses if at > now - LOSS_WINDOW] + [now]
        if self.contested:
            self._try_later(now)
            return False
        self.unsettled.add(key)
        self.out.append(Reconcile((self.name,)))
        return True

    @property
    def contested(self) -> bool:
        """True when somebody else keeps deleting our addresses."""
        return len(self._losses) > LOSSES_MAX

    def _try_later(self, now: float) -> None:
        if "again" not in self.side:
            self.side["again"] = now + self._backoff
            self._backoff = min(2 * self._backoff, BACKOFF_MAX)

    def look_again(self, at: float) -> None:
        """Compare with the kernel then, if nothing else has us do it before."""
        self.side["again"] = at

    def _again(self, now: float) -> None:
        self._losses = [at for at in self._losses if at > now - LOSS_WINDOW]
        self.out.append(Reconcile((self.name,)))

    def _hold_all(self) -> None:
        self.held = {v.address.key: v for v in self.addresses}
        self._await(set())
        for key in self.held.keys() & self.shared.keys():
            for other in self.shared[key]:
                if key not in other.held:  # it need not wait for it to go
                    other.left(key)
        self.out.append(Reconcile((self.name,)))

    def _ours(self, key: AddressKey) -> bool:
        have = self.have.get(key)
        return have is not None and have.proto == PROTO_KEEPALIVED

    def _leased(self, key: AddressKey) -> bool:
        return self._ours(key) and self.have[key].valid_lft is not None

    # ----------------------------------------------------------------------------------------------- announcing

    def announce_again(self, times: int = 1) -> None:
        """Another master may have been heard: make sure that the last announcement is ours."""
        if not self.leaving:
            self.announcer.ask(self.name, self.present(), times)

    def claim(self, now: float) -> None:
        """A worse router announces our addresses: the burst of garp_lower_prio_repeat, and again after ..._delay."""
        garp = self.settings.garp
        if garp.lower_prio_repeat:
            self.announcer.ask(self.name, self.present(), garp.lower_prio_repeat)
            if garp.lower_prio_delay:
                self.side["lower"] = now + garp.lower_prio_delay

    def heal(self, now: float, wait: float | None = None) -> None:
        """Announce once more when the other master has had time to give way: `wait` seconds from now, where it is known
        how long it stays."""
        self.side.setdefault("heal", now + (1.5 * self.settings.advert_int if wait is None else wait + SETTLED))

    def _arm_refresh(self, now: float) -> None:
        garp = self.settings.garp
        for name, wanted_now, at in (
            ("refresh", bool(garp.master_refresh), now + garp.master_delay + garp.master_refresh),
            ("extra", bool(garp.extra_if), now + garp.extra_if),
        ):
            if wanted_now:
                self.side[name] = at
            else:
                self.side.pop(name, None)

    def _second_burst(self, now: float) -> None:
        self.announcer.ask(self.name, self.present(), self.settings.garp.master_repeat)

    def _lower_burst(self, now: float) -> None:
        self.announcer.ask(self.name, self.present(), self.settings.garp.lower_prio_repeat)

    def _healing(self, now: float) -> None:
        self.announce_again()

    def _refresh(self, now: float) -> None:
        garp = self.settings.garp
        self.announcer.ask(self.name, self.present(), garp.master_refresh_repeat)
        self.side["refresh"] = now + garp.master_refresh

    def _extra(self, now: float) -> None:
        """garp_extra_if: addresses on VMACs other than our own interface, or on any other interface."""
        garp = self.settings.garp
        elsewhere = [
            v for v in self.present()
            if v.address.interface != self.devices.home and (v.vmac or garp.extra_if_all)
        ]
        self.announcer.ask(self.name, elsewhere, 1)
        self.side["extra"] = now + garp.extra_if

    # --------------------------------------------------------------------------------------------- handing over

    def hand_over(self, now: float, limit: float, *, at_once: bool) -> None:
        """We are MASTER no more: let each address stay until its next holder has it, `limit` seconds at most."""
        self.announcer.forget(self.name)
        self.side.clear()
        stay = [] if at_once or self.settings.vmac is not None else wanted.overlapping(self.present())
        if not stay:
            self.release()
            return
        self.leaving = True
        wait = min(limit, timers.handover_limit(self.settings))
        self.side["release"] = now + wait
        self._outlast(now, wait, stay)
        self.out.append(Listen(self.name, True))
        self._by_ip = {}
        for v in stay:
            self._by_ip.setdefault((v.address.interface, v.address.ip.packed), []).append(v.address.key)
        if len(stay) < len(self.held):
            self.held = {v.address.key: v for v in stay}
            self.recount()
            self.out.append(Reconcile((self.name,)))

    def _outlast(self, now: float, wait: float, stay: list[VirtualAddress]) -> None:
        """Renew the leases that would run out within `wait`, for no longer than that. Priority 0 has just left.

        Not those of addresses that another router of ours is MASTER for: that would cut its lease short.
        """
        if self.lease is None or self.renewed + self.lease > now + wait:
            return
        life = ceil(wait)
        leased = [v.address for v in stay if self._leased(v.address.key) and not self._served_by_others(v.address.key)]
        if leased:
            self.out.append(Renew(self.name, tuple([
                replace(a, valid_lft=life, preferred_lft=min(life, a.preferred_lft or 0)) for a in leased
            ])))

    def _served_by_others(self, key: AddressKey) -> bool:
        others = (other for other in self.shared.get(key, ()) if other is not self)
        return any(key in other.held and not other.leaving for other in others)

    def hurry(self, now: float, limit: float) -> None:
        """While handing over: not longer than this."""
        self.side["release"] = min(self.side.get("release", NEVER), now + limit)

    def successor_seen(self, now: float) -> None:
        """The next master has sent its first advert."""
        if self.leaving:
            self.hurry(now, timers.overlap(len(self.held)))

    def announced_elsewhere(self, interface: str, ip: bytes) -> None:
        """Somebody else announced this address: while handing over that is its new holder."""
        if not self.leaving:
            return
        taken = [key for key in self._by_ip.get((interface, ip), ()) if self.held.pop(key, None)]
        if not self.held:
            self.let_go()
        elif taken:
            self.unsettled.update(key for key in taken if self._ours(key))
            self.out.append(Reconcile((self.name,)))

    def let_go(self, now: float = 0.0) -> None:
        """The wait is over: release what is left."""
        self.release()
        self._flush()

    def keep(self) -> None:
        """Let the kernel have what it has, for good."""
        self._stop_leaving()
        self.announcer.forget(self.name)
        self.side.clear()
        self.unsettled.clear()
        self.announcer.wait_for(self.name, False)
        self._flush()

    def _stop_leaving(self) -> None:
        if self.leaving:
            self.leaving = False
            self.out.append(Listen(self.name, False))

    # ---------------------------------------------------------------------------------------------- telling people

    def tell(self, change: NotifyChange) -> None:
        """Tell of a state when the addresses are as it wants them. Nothing is left out, nothing is overtaken."""
        self.tell_all()
        self._untold.append(change)
        self._flush()

    def tell_after(self, change: NotifyChange) -> None:
        """Tell of something else, after what is still to be told."""
        self._untold.append(change)
        self._flush()

    def tell_all(self) -> None:
        """Wait no longer with what is to be told."""
        self.out += self._untold
        self._untold.clear()

    @property
    def told(self) -> bool:
        """True when there is nothing left to tell."""
        return not self._untold

    @property
    def settled(self) -> bool:
        """True when nothing is under way."""
        return not self.leaving and not self.unsettled

    def _flush(self) -> None:
        if not self.unsettled:
            self.announcer.wait_for(self.name, False)
        if self._untold and self.settled:
            self.tell_all()


SIDE_TIMERS: dict[str, Callable[[Holding, float], None]] = {
    "second": Holding._second_burst,
    "lower": Holding._lower_burst,
    "heal": Holding._healing,
    "refresh": Holding._refresh,
    "extra": Holding._extra,
    "release": Holding.let_go,
    "again": Holding._again,
}
