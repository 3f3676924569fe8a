"""One virtual router: the state machine of RFC 9568 section 6.4, with FAULT and what keepalived's users know.

How to read it
--------------
A router is always in one state. Three kinds of things happen to it:

* its **timer** runs out (`due`): a BACKUP has waited its master down interval, a MASTER's next advert is due;
* an **advert** of another router is heard (`hear`): how it compares with us is put in one word, its `Standing`;
* the world **changes**: it has a fault (`set_faults`), it is to stop (`stop`), its priority or its settings are others
  (`revision`), an operator wants another router to serve (`standby`).

`ANSWERS` says what an advert of each standing does in each state; there is no other place where adverts matter. What
it means to change state is said once for each state that is entered: `become_master`, `enter_backup` (for a MASTER
`step_down`, or `resign` before it), `enter_fault` and `stop`.

===============  ==============  =====================================================================================
from             to              when
===============  ==============  =====================================================================================
INIT             BACKUP          `start`; an owner is MASTER at once, and who has a fault is in FAULT
INIT             MASTER          `resume`: a worker that died was MASTER just now
BACKUP           MASTER          the timer: its master is down (`take_over`; of a sync group, when all members want it)
MASTER           BACKUP          it hears somebody better (`give_way`), it overslept, its adverts are refused for too
                                 long, a member of its sync group is BACKUP, or an operator wants it so
any but STOP     FAULT           `set_faults`: there is a reason
FAULT            BACKUP          `set_faults`: there is none left; an owner is MASTER at once
any              STOP, DELETED   `stop`, for good
===============  ==============  =====================================================================================

What a router has to know for that stands in parts of its own: its priority (`rank`), its master and its timer
(`watch`), the adverts it sends (`beat`), others that are MASTER, too (`rivals`), its addresses (`holding`).

Rules that hold everywhere:

1. Timers are absolute deadlines. `due` acts on what is due *now*; a deadline that moved cannot fire late.
2. Only a valid advert touches a timer, and an advert of ours is "sent" only if the kernel took it.
3. An advert leaves before anything else is done about a change (effects are carried out in order).
4. Addresses are never commanded. `holding.held` is what should be there; the engine compares it with the kernel.
5. Who overslept has no say: a MASTER that could not run while a backup may have taken over is BACKUP first.
6. Scripts hear of MASTER when the addresses are there, and of everything else when they are gone.
7. A member of a sync group says what it wants; what becomes of it its group decides, when all has been heard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from hakeep.config.settled import VirtualAddress, VrrpInstance
from hakeep.objects.rtnl import Address, AddressKey, IPAddress
from hakeep.vrrp import timers, wanted
from hakeep.vrrp.announce import Announcer
from hakeep.vrrp.authentication import AuthMemory
from hakeep.vrrp.beat import Beat
from hakeep.vrrp.holding import Holding
from hakeep.vrrp.journal import Journal
from hakeep.vrrp.messages import Announce, Effect, Level, NotifyChange, State
from hakeep.vrrp.rank import Rank
from hakeep.vrrp.receive import COUNTERS, Advert, Receiver
from hakeep.vrrp.rivals import Rivals
from hakeep.vrrp.standing import Standing, compare
from hakeep.vrrp.timers import NEVER
from hakeep.vrrp.watch import Watch

#: What an advert does to us. Where there is no entry (INIT, FAULT, a router that stops) it does nothing.
ANSWERS: dict[tuple[State, Standing], Callable[[VirtualRouter, Advert, float, float], None]] = {
    (State.BACKUP, Standing.RESIGNED): lambda us, advert, now, at: us.watch.hasten(advert, at),
    (State.BACKUP, Standing.BETTER): lambda us, advert, now, at: us.watch.follow(advert, at),
    (State.BACKUP, Standing.EQUAL_BELOW): lambda us, advert, now, at: us.watch.follow(advert, at),
    (State.BACKUP, Standing.TWIN): lambda us, advert, now, at: us.watch.follow(advert, at),
    (State.BACKUP, Standing.WORSE): lambda us, advert, now, at: us.watch.weigh(advert, at),
    (State.MASTER, Standing.RESIGNED): lambda us, advert, now, at: us.rivals.stand_fast(now),
    (State.MASTER, Standing.BETTER): lambda us, advert, now, at: us.give_way(advert, now, at),
    (State.MASTER, Standing.EQUAL_BELOW): lambda us, advert, now, at: us.rivals.force_election(advert, now),
    (State.MASTER, Standing.WORSE): lambda us, advert, now, at: us.rivals.force_election(advert, now),
    (State.MASTER, Standing.TWIN): lambda us, advert, now, at: us.rivals.meet_twin(advert),
}

OWN_COUNTERS = (
    "advert_rcvd", "advert_sent", "become_master", "release_master", "pri_zero_sent", "send_failed", "late_wakeups",
    "put_back", "twin_seen",
)


class Group(Protocol):
    """What a router knows of its sync group (`group.SyncGroup`)."""

    name: str
    members: list[VirtualRouter]

    @property
    def all_at_once(self) -> bool:
        """Whether every member would become MASTER without listening."""

    @property
    def waiting(self) -> bool:
        """Whether a member cannot start yet."""

    @property
    def hesitant(self) -> tuple[str, ...]:
        """The members that do not want to be MASTER now, or cannot."""

    def stir(self) -> None:
        """Something has happened to a member."""


class VirtualRouter:
    """The running object behind one vrrp_instance. `now` and `at` are monotonic seconds.

    `have` is the engine's view of the kernel's addresses, `shared` are those that several routers name, `out` is the
    list that effects are appended to.
    """

    def __init__(
        self,
        settings: VrrpInstance,
        devices: wanted.Devices,
        lease: int | None,
        *,
        have: Mapping[AddressKey, Address],
        shared: Mapping[AddressKey, list[Holding]],
        out: list[Effect],
        announcer: Announcer,
        memory: AuthMemory | None = None,
    ) -> None:
        self.out = out
        self.memory = memory or AuthMemory()
        self.counters = dict.fromkeys((*OWN_COUNTERS, *COUNTERS), 0)
        self.journal = Journal(settings.name, out)
        self.rank = Rank(self.journal)
        self.watch: Watch = Watch(self.rank, self.journal, self.counters)
        self.holding = Holding(have, shared, out, announcer)
        self.beat = Beat(settings.name, out, self.rank, self.watch, self.holding, self.counters)
        self.rivals: Rivals = Rivals(
            self.rank, self.watch, self.beat, self.holding, self.memory, self.journal, self.counters)
        self.state = State.INIT
        self.since = 0.0
        self.why = "starting"
        self._awaited: tuple[str, ...] = ()  # for whom of its group it waits, as people were told last
        self.faults: frozenset[str] = frozenset()  # why it is in FAULT: its own, or those of its group
        self.own_faults: frozenset[str] = frozenset()
        self.source: IPAddress | None = None
        self.group: Group | None = None
        self.standby_until = NEVER  # an operator's order ends then, see `standby`
        self.even_if_alone = False
        self.hold_until = 0.0  # there are no elections before
        self.suspicious = False  # another master may have announced our addresses meanwhile
        self.configure(settings, devices, lease)

    def configure(self, settings: VrrpInstance, devices: wanted.Devices, lease: int | None) -> None:
        """Take (new) settings. What that means for a running router: see `revision`."""
        self.settings = settings
        self.name = settings.name
        self.devices = devices
        self.holding.configure(settings, devices, lease)
        self.receiver = Receiver(settings, self.memory)
        self.rank.configure(settings)
        self.rivals.configure(settings)
        self.watch.configure(settings, is_backup=self.state is State.BACKUP)

    # ------------------------------------------------------------------------------------------------- facts

    @property
    def waiting(self) -> bool:
        """True while it cannot start, because something that it goes by is not known yet."""
        return self.state is State.INIT and bool(self.rank.verdict.waiting) and not self.own_faults

    @property
    def may_begin_at_once(self) -> bool:
        """Would it become MASTER without listening? An owner does; with AH it must hear first how far others are."""
        return self.rank.owner and self.settings.auth_type != "AH"

    @property
    def _at_once(self) -> bool:
        return self.may_begin_at_once if self.group is None else self.group.all_at_once

    @property
    def finished(self) -> bool:
        """True when a stopped router has released everything."""
        return self.state in (State.STOP, State.DELETED) and self.holding.settled

    # ------------------------------------------------------------------------------------------------- starting

    def start(self, now: float, hold_until: float = 0.0) -> None:
        """INIT -> BACKUP, MASTER (owner) or FAULT. Before `hold_until` there are no elections."""
        self.hold_until = hold_until
        if self.faults:
            self.enter_fault(now)
        elif self._at_once and now >= hold_until:
            self.become_master(now, "owner of the addresses")
        elif self.rank.standby:
            self.enter_backup(now, "standby by order", " (standby)")
        else:
            self.enter_backup(now, "started", " (init)")

    def hold_back(self, until: float) -> None:
        """It cannot start yet: see `waiting`, of ours or of another member of the group.

        What a process before us has left in the kernel may stay until then, because we may yet go on with it.
        """
        why = f"waiting to know of {', '.join(self.rank.verdict.waiting) or 'what its sync group goes by'}"
        if why != self.why:
            self.why = why
            self.journal.changed(self.state)
            self.holding.look_again(until)

    def resume(self, now: float, last_sent: float, since: float = 0.0) -> None:
        """Go on as MASTER where a worker that died left off; the addresses are there already, `since` then if known."""
        self.beat.resume(last_sent)
        self.rank.alone = self.rank.standby  # a MASTER that is in standby serves because nobody else does
        self.watch.lead(self.source)
        self._settle_in(now, State.MASTER, "resumed after the worker's restart", "Resuming MASTER STATE")
        self.since = min(since or last_sent, last_sent)
        self.holding.adopt(now)

    # ------------------------------------------------------------------------------------------------- the timer

    @property
    def deadline(self) -> float:
        """When `due` is due, or something else: the end of an order, or of what was unsteady."""
        first = self.watch.timer
        if self.standby_until < first:
            first = self.standby_until
        if self.rank.steady_at < first:
            first = self.rank.steady_at
        return min(first, self.holding.deadline) if self.holding.side else first

    def due(self, now: float) -> None:
        """Act on everything whose time has come."""
        watch = self.watch
        if now > watch.late_at:
            self.overslept(now)
        if now >= watch.timer:
            if self.state is State.MASTER:
                if self.settings.owner:
                    self.rivals.heed_owner(now)
                self.beat.send(now)
                watch.arm_advert(now)
            elif self.state is State.BACKUP:
                self._master_is_down(now)
        self.holding.due(now)

    def _master_is_down(self, now: float) -> None:
        watch = self.watch
        if self.rank.standby and self.even_if_alone:
            watch.arm_down(now, watch.down_interval)
        elif self.group is not None:
            self._wait_for_group(self.group, now)
        else:
            self.take_over(now, watch.vacancy)

    def _wait_for_group(self, group: Group, now: float) -> None:
        """We would take over, and all of the group must. If the others do not for a whole interval, people are told."""
        watch = self.watch
        if not watch.wants:
            watch.wants, self._awaited = watch.vacancy, ()
        else:
            if not watch.predecessor_lives:
                watch.forget_master()
            if group.hesitant != self._awaited:
                self._awaited = group.hesitant
                self.journal.log(Level.NOTICE, self.reason)
                self.journal.changed(self.state)
        watch.followed = None
        watch.arm_down(now, watch.down_interval)
        group.stir()

    @property
    def reason(self) -> str:
        """Why it is in its state, and why it stays there."""
        wants = self.watch.wants if self.state is State.BACKUP else ""
        if wants and self.group is not None and self.group.hesitant:
            return f"{wants}, but sync group {self.group.name} waits for {', '.join(self.group.hesitant)}"
        return self.why

    def overslept(self, now: float) -> None:
        """Rule 5: the process could not run when it should have, and others may have acted meanwhile."""
        if self.state is State.MASTER:
            self.counters["late_wakeups"] += 1
            self.suspicious = True
            late = f"woke up {max(0.0, now - self.watch.timer):.3f} s too late"
            self.journal.log(Level.WARNING, f"{late}: another router may be master by now, listening first")
            self.step_down(now, late, self.settings.advert_int + self.watch.skew)
            self.watch.postponed = True
        elif self.state is State.BACKUP and self.watch.postpone(now):
            self.counters["late_wakeups"] += 1
            self.suspicious = True

    # ------------------------------------------------------------------------------------------------- adverts

    def hear(self, advert: Advert, now: float, at: float) -> None:
        """A valid advert came in; `at` is the kernel's stamp of it."""
        if now > self.watch.late_at:
            self.overslept(now)
        self.counters["advert_rcvd"] += 1
        for note in advert.notes:
            self.counters[note] = self.counters.get(note, 0) + 1
        if self.settings.owner_ignore_adverts and self.rank.owner:
            return
        if advert.priority:
            self.watch.last_heard = at
            self.holding.successor_seen(now)
        answer = ANSWERS.get((self.state, compare(advert, self.rank.priority, self.source)))
        if answer is not None:
            answer(self, advert, now, at)

    def give_way(self, advert: Advert, now: float, at: float) -> None:
        """As MASTER: to a better router, or to another owner in a while."""
        priority = self.rank.priority
        if self.rank.owner and advert.priority == 255:
            self.rivals.meet_owner(advert, now)
            return
        if self.settings.higher_prio_send_advert:
            self.beat.send(now)
        if advert.priority > priority:
            better = f"higher priority {advert.priority}, ours {priority}"
        else:
            better = f"same priority {advert.priority} but higher IP address than ours"
        self.journal.log(Level.NOTICE, f"Master received advert from {advert.source} with {better}")
        # From when it spoke: who wakes up late finds that the other one has had the addresses for long.
        overlap = max(0.0, at + timers.overlap(len(self.holding.held)) - now)
        self.step_down(now, f"{advert.source} has {better}", self.watch.down_interval, overlap=overlap)
        self.watch.follow(advert, at)

    def ah_refused(self, priority: int, source: IPAddress, now: float) -> None:
        """An advert of this priority was refused by AH: see `rivals`."""
        if now > self.watch.late_at:
            self.overslept(now)
        if self.state is State.MASTER and self.source is not None:
            self.rivals.outcount(priority, source, self.source, now)

    def advert_refused(self, now: float, why: str, *, link_down: bool = False) -> None:
        """The kernel did not take the last advert: it does not count. Who stays silent is no master.

        Unless it was told to go on without its interface (dont_track_primary) and that is what is missing: then nobody
        on the link can hear us or talk to us, and there may be others on other links who can.
        """
        self.counters["send_failed"] += 1
        self.holding.renewal_failed(self.beat.last_sent)
        if self.state is not State.MASTER:
            return
        if link_down and self.settings.dont_track_primary:
            self.suspicious = True
            self.holding.renew(now)
            return
        watch, interval, last_sent = self.watch, self.settings.advert_int, self.beat.take_back()
        if last_sent < self.since:
            self.step_down(now, f"the first advert could not be sent ({why})", interval)
        elif now - last_sent > watch.patience - interval:
            self.journal.log(Level.ERROR, f"adverts cannot be sent ({why}): another router may be master by now")
            self.suspicious = True
            self.step_down(now, f"adverts cannot be sent ({why})", watch.down_interval)
        else:
            watch.timer = min(watch.timer, now + min(0.1, interval))

    # ------------------------------------------------------------------------------------------------- transitions

    def take_over(self, now: float, why: str) -> None:
        """BACKUP -> MASTER, because there is none: `why` in words."""
        if self.rank.standby:
            self.journal.log(Level.WARNING, "in standby, but no other router is heard: serving until one is")
            self.rank.alone = True
            why = f"in standby, but {why}"
        if self.rank.impaired:
            self.rank.say_impaired()
        self.become_master(now, why)

    def become_master(self, now: float, why: str) -> None:
        """Any state -> MASTER. The advert leaves first."""
        self.rank.lowered = False
        self.watch.lead(self.source)
        self.counters["become_master"] += 1
        overlapping = self.watch.predecessor_lives
        self.beat.send_at_once(now)
        self.journal.log(Level.INFO, f"taking over: {why}", detail=True)
        self._settle_in(now, State.MASTER, why, "Entering MASTER STATE")
        self.holding.take(now, suspicious=self.suspicious)
        self.suspicious = self.watch.postponed = False
        if overlapping:  # a living holder may answer a question for an address after we have announced it
            self.holding.heal(now, timers.overlap(len(self.holding.held)))
        self._tell("MASTER")

    def enter_backup(self, now: float, why: str, note: str = "") -> None:
        """Any state -> BACKUP; what becomes of addresses was said before."""
        self._settle_in(now, State.BACKUP, why, f"Entering BACKUP STATE{note}")
        self.watch.look_for_master()
        held = now < self.hold_until
        wait = 0.0 if held and self._at_once else self.watch.down_interval
        self.watch.arm_down(self.hold_until if held else now, wait)
        self._tell("BACKUP")

    def step_down(self, now: float, why: str, wait: float, *, overlap: float = 0.0) -> None:
        """MASTER -> BACKUP without a word; an election in `wait` seconds unless a master is heard.

        With an `overlap` (seconds) there is a new master: each address stays until that announces it, or for so long.
        """
        self.counters["release_master"] += 1
        self.rivals.owner_since = None
        self.rank.alone = False
        self.holding.hand_over(now, overlap, at_once=not overlap)
        self.enter_backup(now, why)
        self.watch.arm_down(now, wait)

    def give_way_with(self, other: VirtualRouter, now: float) -> None:
        """Another member of the sync group is BACKUP: so are we, without a word. If it woke up too late, so did we."""
        why = f"{other.name} of the same sync group is not MASTER"
        watch = self.watch
        if other.watch.postponed:
            self.suspicious = watch.postponed = True
            self.step_down(now, why, self.settings.advert_int + watch.skew)
        else:
            self.step_down(now, why, watch.down_interval, overlap=timers.overlap(len(self.holding.held)))

    def resign(self, now: float, limit: float, *, at_once: bool) -> None:
        """MASTER no more: priority 0, once, and hand over. What state comes next says whoever calls this."""
        self.counters["release_master"] += 1
        self.beat.resign()
        self.journal.log(Level.INFO, "sent priority 0", detail=True)
        self.holding.hand_over(now, limit, at_once=at_once)

    def enter_fault(self, now: float) -> None:
        """Any state -> FAULT. Addresses go at once: whoever has a fault cannot serve until another one does."""
        if self.state is State.MASTER:
            self.counters["release_master"] += 1
            self.beat.resign()
        reasons = ", ".join(sorted(self.faults))
        self.journal.log(Level.NOTICE, f"entering FAULT state ({reasons})")
        self._settle_in(now, State.FAULT, reasons, "Entering FAULT STATE")
        self.rank.alone = False
        self.suspicious = True
        self.watch.forget_master()
        self.watch.disarm()
        self.holding.release()
        self._tell("FAULT")

    def stop(self, now: float, *, deleted: bool = False, at_once: bool = False, limit: float = NEVER) -> None:
        """Leave for good; addresses go `limit` seconds from now at the latest. Again, `at_once`: do not wait."""
        if self.state in (State.STOP, State.DELETED):
            if self.holding.leaving:
                self.holding.hurry(now, 0.0 if at_once else limit)
            return
        was_master = self.state is State.MASTER
        state = State.DELETED if deleted else State.STOP
        what = "FAULT" if deleted and not self.settings.notify.deleted_is_a_state else state.value
        self.state, self.since = state, now
        self.why = "removed from the configuration" if deleted else "stopping"
        self._moved()
        self._wait_for_nothing()
        if was_master:
            self.resign(now, limit, at_once=at_once)
        elif self.holding.leaving and not at_once:
            self.holding.hurry(now, limit)
        else:
            self.holding.release()
        self.journal.changed(state)
        self._tell(what)

    def abandon(self) -> None:
        """Leave without touching an address (--dont-release-vrrp)."""
        self.state = State.STOP
        self._wait_for_nothing()
        self.holding.keep()

    def _wait_for_nothing(self) -> None:
        self.watch.followed = None
        self.watch.disarm()
        self.standby_until = NEVER

    def _settle_in(self, now: float, state: State, why: str, line: str) -> None:
        if state is not State.MASTER:
            self.memory.restart_ah_sequence()
        self.state, self.since, self.why = state, now, why
        self._moved()
        self.journal.log(Level.NOTICE, line)
        self.journal.changed(state)

    def _moved(self) -> None:
        self.watch.begin_anew()
        if self.group is not None:
            self.group.stir()

    def _tell(self, what: str) -> None:
        self.holding.tell(NotifyChange("INSTANCE", self.name, what, self.rank.priority))

    # ------------------------------------------------------------------------------------------------- the world

    def set_faults(self, faults: frozenset[str], now: float) -> None:
        """The reasons for which this router cannot take part; none = it can."""
        if faults == self.faults:
            return
        self.faults = faults
        if self.state in (State.INIT, State.STOP, State.DELETED):
            return
        if self.state is not State.FAULT:
            self.enter_fault(now)
        elif faults:
            self.why = ", ".join(sorted(faults))
            self.journal.changed(self.state)
        else:
            if self._at_once and now >= self.hold_until:
                self.become_master(now, "owner of the addresses; the fault is over")
            else:
                self.enter_backup(now, "the fault is over")
            self._announce_source()

    def _announce_source(self) -> None:
        """Unicast after a fault: let switches and peers know where our own address is, so that adverts arrive."""
        where, source = self.devices.base, self.source
        if self.settings.unicast and where and source is not None:
            own = VirtualAddress(Address(where, source, source.max_prefixlen))
            self.out.append(Announce(self.name, (own,)))

    def reckon_anew(self) -> None:
        """Our priority counts for more, or less: a BACKUP moves its running timer by the difference."""
        self.watch.reckon_anew(is_backup=self.state is State.BACKUP)
