"""One virtual router: the state machine of RFC 9568 section 6.4, with FAULT and what keepalived's users know.

How to read it
--------------
A router is always in one state. Three kinds of things happen to it:

* its **timer** runs out (`due`): a BACKUP has waited its master down interval, a MASTER's next advert is due;
* an **advert** of another router is heard (`hear`): how it compares with us is put in one word, its `Standing`;
* the world **changes** (`set_faults`, `judge`, `reload`, `stand_by`, `stop` ...).

`ANSWERS` says what an advert of each standing does in each state; there is no other place where adverts matter.

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
from enum import Enum
from typing import Protocol

from hakeep.config.settled import VirtualAddress, VrrpInstance
from hakeep.objects.rtnl import Address, AddressKey, IPAddress
from hakeep.vrrp import timers, wanted
from hakeep.vrrp.announce import Announcer
from hakeep.vrrp.authentication import AuthMemory
from hakeep.vrrp.holding import Holding
from hakeep.vrrp.messages import Advertise, Announce, Changed, Effect, Level, Log, NotifyChange, State
from hakeep.vrrp.receive import COUNTERS, Advert, Receiver
from hakeep.vrrp.timers import NEVER
from hakeep.vrrp.tracking import LAST_BAND, Tracking, Verdict, effective_priority

#: Answers to adverts of lower priority are at least this far apart: a broken neighbour must not make us flood the link.
ANSWER_GAP = 0.05

#: So many other masters are believed to exist at the same time.
RIVALS_MAX = 8

#: A BACKUP that is late by less than this was merely busy.
BUSY = 0.2

OWN_COUNTERS = (
    "advert_rcvd", "advert_sent", "become_master", "release_master", "pri_zero_sent", "send_failed", "late_wakeups",
    "put_back", "twin_seen",
)


class Standing(Enum):
    """How an advert compares with us."""

    RESIGNED = "priority 0: its sender stops being MASTER"
    BETTER = "higher priority, or the same and a higher address"
    EQUAL_BELOW = "the same priority and a lower address"
    WORSE = "lower priority"
    TWIN = "the same priority and our own address"


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
        self.holding = Holding(have, shared, out, announcer)
        self.memory = memory or AuthMemory()
        self.counters = dict.fromkeys((*OWN_COUNTERS, *COUNTERS), 0)
        self.state = State.INIT
        self.since = 0.0
        self.why = "starting"
        self.faults: frozenset[str] = frozenset()  # why it is in FAULT: its own, or those of its group
        self.own_faults: frozenset[str] = frozenset()
        self.source: IPAddress | None = None
        # what moves its priority
        self.tracking = Tracking()
        self.verdict = Verdict()
        self.steady_at = NEVER  # when something that was unsteady counts as well again
        # its sync group, and why it wants to be MASTER together with that ("" = it does not)
        self.group: Group | None = None
        self.wants = ""
        # whom we follow as BACKUP; ourselves as MASTER
        self.master: IPAddress | None = None
        self.master_priority = 0
        self.master_interval = settings.advert_int
        self.last_heard = -NEVER
        self.followed: Advert | None = None  # the same packet again needs no second thought
        # an operator's order
        self.standby = False
        self.even_if_alone = False
        self.alone = False  # serving although in standby, because nobody else does
        self.standby_until = NEVER
        # the timer of the state, and when it counts as overslept
        self.timer = NEVER
        self.late_at = NEVER
        self.last_sent = -NEVER
        self.sent_before = -NEVER
        self.answered = -NEVER
        self.outcounted = -NEVER  # when AH's sequence was last moved on, and because of whom since our last advert
        self.outcounted_for: set[IPAddress] = set()
        self._discarding: IPAddress | None = None  # whose lower adverts are refused: said once
        self._passed_over: Advert | None = None  # the last advert that was refused, as long as none was followed
        self._resigned: IPAddress | None = None  # who sent priority 0, as long as none was followed or refused
        self.hold_until = 0.0  # there are no elections before
        self.preempt_at: float | None = None
        self.rival_at: float | None = None  # when another owner was first heard
        self.lowered = False  # an owner that gives way to another owner
        self.postponed = False
        self.suspicious = False  # another master may have announced our addresses meanwhile
        self._configure(settings, devices, lease)

    # ------------------------------------------------------------------------------------------------- facts

    def _configure(self, settings: VrrpInstance, devices: wanted.Devices, lease: int | None) -> None:
        self.settings = settings
        self.name = settings.name
        self.devices = devices
        self.holding.configure(settings, devices, lease)
        self.receiver = Receiver(settings, self.memory)
        self._effective = effective_priority(settings.priority, self.verdict, last_standing=settings.last_standing)
        if settings.version == 2 or self.master is None or self.state is not State.BACKUP:
            self.master_interval = settings.advert_int
        self._recompute()

    def _recompute(self) -> None:
        """The times that follow from priority and interval. In standby we are the last to take over."""
        settings = self.settings
        priority = 1 if self.standby else self.priority
        self.skew = timers.skew_time(settings.version, priority, self.master_interval)
        self.down_interval = settings.down_timer_adverts * self.master_interval + self.skew
        self.leeway = max(self.master_interval, BUSY)  # how late a BACKUP may be
        # How long a MASTER may be silent before it must think that another has taken over.
        self.patience = self.down_interval
        if settings.timer_expired_backup is not None:
            skew = timers.skew_time(settings.version, settings.timer_expired_backup, self.master_interval)
            self.patience = min(self.patience, self.down_interval - self.skew + skew)

    @property
    def priority(self) -> int:
        """The effective priority: what our adverts say and what others are compared with."""
        if self.alone:
            return 1
        if self.lowered:
            return 254
        return self._effective

    @property
    def base_priority(self) -> int:
        """What trackers are added to."""
        return 254 if self.lowered else self.settings.priority

    @property
    def waiting(self) -> bool:
        """True while it cannot start, because something that it goes by is not known yet."""
        return self.state is State.INIT and bool(self.verdict.waiting) and not self.own_faults

    @property
    def impaired(self) -> bool:
        """Checks have failed, and it is `last_standing`: it serves only if there is nobody better."""
        return self.settings.last_standing and bool(self.verdict.faults)

    @property
    def owner(self) -> bool:
        """Address owner, and neither giving way to another one, nor in standby, nor the last one standing."""
        return self.settings.owner and not (self.lowered or self.standby or self.impaired)

    @property
    def may_begin_at_once(self) -> bool:
        """Would it become MASTER without listening? An owner does; with AH it must hear first how far others are."""
        return self.owner and self.settings.auth_type != "AH"

    @property
    def _at_once(self) -> bool:
        return self.may_begin_at_once if self.group is None else self.group.all_at_once

    @property
    def finished(self) -> bool:
        """True when a stopped router has released everything."""
        return self.state in (State.STOP, State.DELETED) and self.holding.settled

    def log(self, level: Level, text: str, detail: bool = False) -> None:
        """A log line about this router."""
        self.out.append(Log(level, f"({self.name}) {text}", detail))

    def _tell(self, what: str) -> None:
        self.holding.tell(NotifyChange("INSTANCE", self.name, what, self.priority))

    # ------------------------------------------------------------------------------------------------- timers

    @property
    def deadline(self) -> float:
        """When `due` is due."""
        first = self.timer if self.timer < self.standby_until else self.standby_until
        if self.steady_at < first:
            first = self.steady_at
        return min(first, self.holding.deadline) if self.holding.side else first

    def _arm_advert(self, now: float) -> None:
        """Adverts keep a steady beat, which one that was a little late does not shift."""
        interval = self.settings.advert_int
        self.timer = self.timer + interval if now - self.timer < interval / 2 else now + interval
        self.late_at = self.timer + self.patience - interval

    def _arm_down(self, at: float, wait: float) -> None:
        self.timer = at + wait
        self.late_at = self.timer + self.leeway

    def _disarm(self) -> None:
        self.timer = self.late_at = NEVER

    def due(self, now: float) -> None:
        """Act on everything whose time has come."""
        if now > self.late_at:
            self.overslept(now)
        if now >= self.standby_until:
            self.end_standby(now)
        if now >= self.timer:
            if self.state is State.MASTER:
                self._beat(now)
            elif self.state is State.BACKUP:
                self._master_is_down(now)
        self.holding.due(now)

    def overslept(self, now: float) -> None:
        """Rule 5: the process could not run when it should have, and others may have acted meanwhile."""
        if self.state is State.MASTER:
            self.counters["late_wakeups"] += 1
            self.suspicious = True
            late = f"woke up {max(0.0, now - self.timer):.3f} s too late"
            self.log(Level.WARNING, f"{late}: another router may be master by now, listening first")
            self._step_down(now, late, self.settings.advert_int + self.skew)
            self.postponed = True
        elif self.state is State.BACKUP and (not self.postponed or now > self.timer + self.down_interval):
            self.counters["late_wakeups"] += 1
            self.postponed = True
            self.suspicious = True
            self.wants = ""  # its master may be back
            self._arm_down(max(self.timer, now + self.master_interval + self.skew), 0.0)
        else:
            self.late_at = NEVER

    # ------------------------------------------------------------------------------------------------- starting

    def start(self, now: float, hold_until: float = 0.0) -> None:
        """INIT -> BACKUP, MASTER (owner) or FAULT. Before `hold_until` there are no elections."""
        self.hold_until = hold_until
        if self.faults:
            self._enter_fault(now)
        elif self._at_once and now >= hold_until:
            self._become_master(now, "owner of the addresses")
        else:
            self._enter_backup(now, *(("standby by order", " (standby)") if self.standby else ("started", " (init)")))

    def hold_back(self, until: float) -> None:
        """It cannot start yet: see `waiting`, of ours or of another member of the group.

        What a process before us has left in the kernel may stay until then, because we may yet go on with it.
        """
        why = f"waiting to know of {', '.join(self.verdict.waiting) or 'what its sync group goes by'}"
        if why != self.why:
            self.why = why
            self.out.append(Changed(self.name, self.state))
            self.holding.look_again(until)

    def resume(self, now: float, last_sent: float, since: float = 0.0) -> None:
        """Go on as MASTER where a worker that died left off; the addresses are there already, `since` then if known."""
        self.last_sent = self.sent_before = last_sent
        self.timer = last_sent
        self._arm_advert(last_sent)
        self.alone = self.standby  # a MASTER that is in standby serves because nobody else does
        self.master, self.master_priority = self.source, self.priority
        self._settle_in(now, State.MASTER, "resumed after the worker's restart", "Resuming MASTER STATE")
        self.since = min(since or last_sent, last_sent)
        self.holding.adopt(now)

    # ------------------------------------------------------------------------------------------------- adverts

    def _advertise(self, now: float, priority: int) -> None:
        self.out.append(Advertise(self.name, priority))
        if priority == 0:
            self.counters["pri_zero_sent"] += 1
            return
        self.counters["advert_sent"] += 1
        self.sent_before, self.last_sent = self.last_sent, now
        self.holding.renew(now)

    def _advertise_at_once(self, now: float) -> None:
        self._advertise(now, self.priority)
        self.timer = now
        self._arm_advert(now)

    def advert_refused(self, now: float, why: str, *, link_down: bool = False) -> None:
        """The kernel did not take the last advert: it does not count. Who stays silent is no master.

        Unless it was told to go on without its interface (dont_track_primary) and that is what is missing: then nobody
        on the link can hear us or talk to us, and there may be others on other links who can.
        """
        self.counters["send_failed"] += 1
        self.holding.renewal_failed(self.last_sent)
        if self.state is not State.MASTER:
            return
        if link_down and self.settings.dont_track_primary:
            self.suspicious = True
            self.holding.renew(now)
            return
        self.last_sent = self.sent_before
        if self.last_sent < self.since:
            self._step_down(now, f"the first advert could not be sent ({why})", self.settings.advert_int)
        elif now - self.last_sent > self.patience - self.settings.advert_int:
            self.log(Level.ERROR, f"adverts cannot be sent ({why}): another router may be master by now")
            self.suspicious = True
            self._step_down(now, f"adverts cannot be sent ({why})", self.down_interval)
        else:
            self.timer = min(self.timer, now + min(0.1, self.settings.advert_int))

    def _beat(self, now: float) -> None:
        if self.settings.owner:
            self._heed_rival(now)
        self._advertise(now, self.priority)
        self._arm_advert(now)

    def _heed_rival(self, now: float) -> None:
        """Two address owners: the one with the lower address goes on for a while, then lets the other have it."""
        silent = now - self.last_heard > self.down_interval
        if self.rival_at is not None:
            longest = max(self.settings.advert_int, self.master_interval)
            if silent:
                self.rival_at = None
            elif now - self.rival_at >= 2 * self.settings.advert_int + 1.2 * longest:
                self.rival_at = None
                self.lowered = True
                self.log(Level.WARNING, "another address owner, with a higher address, stays: using priority 254")
        elif self.lowered and silent:
            self.lowered = False
        self._recompute()

    def hear(self, advert: Advert, now: float, at: float) -> None:
        """A valid advert came in; `at` is the kernel's stamp of it."""
        if now > self.late_at:
            self.overslept(now)
        self.counters["advert_rcvd"] += 1
        for note in advert.notes:
            self.counters[note] = self.counters.get(note, 0) + 1
        if self.settings.owner_ignore_adverts and self.owner:
            return
        if advert.priority:
            self.last_heard = at
            self.holding.successor_seen(now)
        answer = ANSWERS.get((self.state, self.standing(advert)))
        if answer is not None:
            answer(self, advert, now, at)

    def hear_again(self, at: float) -> None:
        """The packet we followed last came once more, to the byte: the hot path of every BACKUP."""
        self.counters["advert_rcvd"] += 1
        self.last_heard = at
        self.timer = at + self.down_interval
        self.late_at = self.timer + self.leeway

    @property
    def _answer_gap(self) -> float:
        return min(ANSWER_GAP, self.settings.advert_int / 2)

    def standing(self, advert: Advert) -> Standing:
        """Compare an advert with us (RFC 9568 section 6.4.3: addresses as unsigned numbers in network order)."""
        ours = self.priority
        if advert.priority == 0:
            return Standing.RESIGNED
        if advert.priority != ours:
            return Standing.BETTER if advert.priority > ours else Standing.WORSE
        if self.source is None or advert.source == self.source:
            return Standing.TWIN
        return Standing.BETTER if advert.source.packed > self.source.packed else Standing.EQUAL_BELOW

    # What an advert does to a BACKUP ...

    def _hasten(self, advert: Advert, now: float, at: float) -> None:
        """The master resigns: only the skew time is left, so that the best backup is first."""
        self._arm_down(at, self.skew)
        self._resigned, self._passed_over = advert.source, None
        self.master, self.master_priority, self.followed = None, 0, None

    def _follow(self, advert: Advert, now: float, at: float) -> None:
        """It is our master: learn its interval (v3) and wait for its next adverts."""
        settings = self.settings
        if settings.version == 3 and advert.interval != self.master_interval:
            self.master_interval = advert.interval
            self._recompute()
            if advert.interval != settings.advert_int:
                differs = f"every {advert.interval:g} s, ours are due every {settings.advert_int:g} s"
                self.log(Level.INFO, f"adverts of {advert.source} come {differs}: following them")
        if advert.source != self.master or advert.priority != self.master_priority:
            self.master, self.master_priority = advert.source, advert.priority
            self.out.append(Changed(self.name, self.state))
        if advert.priority >= self.priority:
            self.preempt_at = None
        self._passed_over = self._resigned = None
        self.wants = ""
        self.followed = None if advert.notes else advert  # what is to be counted needs a look each time
        self.postponed = False
        self._arm_down(at, self.down_interval)

    def _weigh(self, advert: Advert, now: float, at: float) -> None:
        """A master of lower priority: tolerated by nopreempt, standby or preempt_delay, else its days are counted.

        Not if it is the `last_standing` of those with failed checks and we are well: it waits for somebody like us.
        """
        settings = self.settings
        spent = settings.last_standing and advert.priority <= LAST_BAND < self.priority
        if settings.preempt_delay and self.preempt_at is None:
            self.preempt_at = at + settings.preempt_delay
        waiting = self.preempt_at is not None and at < self.preempt_at
        if self.standby or ((settings.nopreempt or waiting) and not spent):
            self._follow(advert, now, at)
            if waiting:
                self.followed = None  # the next one may have to be judged otherwise
            return
        self.followed = None
        self._passed_over, self._resigned = advert, None
        if self._discarding != advert.source:
            self._discarding = advert.source
            what = f"received lower priority ({advert.priority}) advert from {advert.source} - discarding"
            self.log(Level.INFO, what, detail=True)

    # ... and to a MASTER

    def _stand_fast(self, advert: Advert, now: float, at: float) -> None:
        """Another master stops being one: whoever waits shall know that we go on."""
        self.rival_at = None
        self._advertise_at_once(now)
        self.holding.heal(now)

    def _give_way(self, advert: Advert, now: float, at: float) -> None:
        if self.owner and advert.priority == 255:
            if self.rival_at is None:
                self.rival_at = now
                self.log(Level.WARNING, f"another address owner, {advert.source}, is on the link")
            self.master_interval = max(self.master_interval, advert.interval)
            return
        if self.settings.higher_prio_send_advert:
            self._advertise(now, self.priority)
        if advert.priority > self.priority:
            better = f"higher priority {advert.priority}, ours {self.priority}"
        else:
            better = f"same priority {advert.priority} but higher IP address than ours"
        self.log(Level.NOTICE, f"Master received advert from {advert.source} with {better}")
        # From when it spoke: who wakes up late finds that the other one has had the addresses for long.
        overlap = max(0.0, at + timers.overlap(len(self.holding.held)) - now)
        self._step_down(now, f"{advert.source} has {better}", self.down_interval, overlap=overlap)
        self._follow(advert, now, at)

    def _force_election(self, advert: Advert, now: float, at: float) -> None:
        """Somebody worse believes to be MASTER and has announced our addresses: claim them back."""
        self.holding.heal(now)
        if now - self.answered < self._answer_gap:
            return
        self.answered = now
        what = f"Received advert from {advert.source} with lower priority {advert.priority}, ours {self.priority}"
        if self.settings.lower_prio_no_advert:
            self.log(Level.INFO, what, detail=True)
        else:
            if self.settings.auth_type == "AH":
                self.memory.skip_ah_sequence()
            self._advertise_at_once(now)
            self.log(Level.NOTICE, f"{what}, forcing new election")
            self.holding.claim(now)
        self.holding.tell_after(NotifyChange("INSTANCE", self.name, "MASTER_RX_LOWER_PRI", self.priority))

    def outcount(self, priority: int, source: IPAddress, now: float) -> None:
        """An advert was refused by AH, perhaps only because its sequence was not above ours.

        Masters that send at the same time count in step, and refuse each other for ever. So each counts on by one for
        every router that is worse, going by what the packets say, and the best is soon ahead. Once for each of them
        between two adverts of ours, and not for many: the packets may be forged.
        """
        if now > self.late_at:
            self.overslept(now)
        if self.state is not State.MASTER or self.source is None:
            return
        if self.outcounted < self.last_sent:
            self.outcounted_for.clear()
        worse = (priority, source.packed) < (self.priority, self.source.packed)
        if worse and source not in self.outcounted_for and len(self.outcounted_for) < RIVALS_MAX:
            self.memory.skip_ah_sequence()
            if not self.settings.lower_prio_no_advert and now - self.answered >= self._answer_gap:
                self.answered = now
                self._advertise_at_once(now)
                self.outcounted_for.clear()
            self.outcounted = now
            self.outcounted_for.add(source)
            self.holding.heal(now)

    def _meet_twin(self, advert: Advert, now: float, at: float) -> None:
        self.counters["twin_seen"] += 1
        if self.counters["twin_seen"] == 1:
            what = f"advert with our own priority and source {advert.source}"
            self.log(Level.WARNING, f"{what}: a mirrored packet, or an address that is used twice")

    # ------------------------------------------------------------------------------------------------- transitions

    def _master_is_down(self, now: float) -> None:
        if self.standby and self.even_if_alone:
            self._arm_down(now, self.down_interval)
        elif self.group is not None:
            self.wants, self.followed = self._vacancy(), None
            self._arm_down(now, self.down_interval)
            self.group.stir()
        else:
            self.take_over(now, self._vacancy())

    def take_over(self, now: float, why: str) -> None:
        """BACKUP -> MASTER, because there is none: `why` in words."""
        if self.standby:
            self.log(Level.WARNING, "in standby, but no other router is heard: serving until one is")
            self.alone = True
            why = f"in standby, but {why}"
        if self.impaired:
            self._say_impaired()
        self._become_master(now, why)

    def give_way_with(self, other: VirtualRouter, now: float) -> None:
        """Another member of the sync group is BACKUP: so are we, without a word. If it woke up too late, so did we."""
        why = f"{other.name} of the same sync group is not MASTER"
        if other.postponed:
            self.suspicious = self.postponed = True
            self._step_down(now, why, self.settings.advert_int + self.skew)
        else:
            self._step_down(now, why, self.down_interval, overlap=timers.overlap(len(self.holding.held)))

    def _vacancy(self) -> str:
        """In words, why there is a MASTER to be replaced, or none: what status says of the one that takes over."""
        if self._resigned is not None:
            return f"{self._resigned} resigned"
        if self._passed_over is not None:
            return f"{self._passed_over.source} has lower priority {self._passed_over.priority}"
        return f"{self.master} fell silent" if self.master else "no other master was heard"

    def _become_master(self, now: float, why: str) -> None:
        self.lowered = False
        self.master_interval = self.settings.advert_int
        self._recompute()
        self.master, self.master_priority, self.followed = self.source, self.priority, None
        self.counters["become_master"] += 1
        overlapping = self._resigned is not None or self._passed_over is not None
        self._advertise_at_once(now)
        self.log(Level.INFO, f"taking over: {why}", detail=True)
        self._settle_in(now, State.MASTER, why, "Entering MASTER STATE")
        self.holding.take(now, suspicious=self.suspicious)
        self.suspicious = self.postponed = False
        if overlapping:  # a living holder may answer a question for an address after we have announced it
            self.holding.heal(now, timers.overlap(len(self.holding.held)))
        self._tell("MASTER")

    def _enter_backup(self, now: float, why: str, note: str = "") -> None:
        self._settle_in(now, State.BACKUP, why, f"Entering BACKUP STATE{note}")
        self.master, self.master_priority, self.followed = None, 0, None
        self.master_interval = self.settings.advert_int
        self.preempt_at = None
        self._recompute()
        held = now < self.hold_until
        self._arm_down(self.hold_until if held else now, 0.0 if held and self._at_once else self.down_interval)
        self._tell("BACKUP")

    def _step_down(self, now: float, why: str, wait: float, *, overlap: float = 0.0) -> None:
        """MASTER -> BACKUP without a word; an election in `wait` seconds unless a master is heard.

        With an `overlap` (seconds) there is a new master: each address stays until that announces it, or for so long.
        """
        self.counters["release_master"] += 1
        self.rival_at = None
        self.alone = False
        self.holding.hand_over(now, overlap, at_once=not overlap)
        self._enter_backup(now, why)
        self._arm_down(now, wait)

    def _settle_in(self, now: float, state: State, why: str, line: str) -> None:
        if state is not State.MASTER:
            self.memory.restart_ah_sequence()
        self.state, self.since, self.why = state, now, why
        self._has_moved()
        self._discarding = self._passed_over = self._resigned = None
        self.log(Level.NOTICE, line)
        self.out.append(Changed(self.name, state))

    def _has_moved(self) -> None:
        self.wants = ""
        if self.group is not None:
            self.group.stir()

    def _enter_fault(self, now: float) -> None:
        if self.state is State.MASTER:
            self.counters["release_master"] += 1
            self._advertise(now, 0)
        reasons = ", ".join(sorted(self.faults))
        self.log(Level.NOTICE, f"entering FAULT state ({reasons})")
        self._settle_in(now, State.FAULT, reasons, "Entering FAULT STATE")
        self.alone = False
        self.suspicious = True
        self.master, self.master_priority, self.followed = None, 0, None
        self._disarm()
        self.holding.release()
        self._tell("FAULT")

    def set_faults(self, faults: frozenset[str], now: float) -> None:
        """The reasons for which this router cannot take part; none = it can."""
        if faults == self.faults:
            return
        self.faults = faults
        if self.state in (State.INIT, State.STOP, State.DELETED):
            return
        if self.state is not State.FAULT:
            self._enter_fault(now)
        elif faults:
            self.why = ", ".join(sorted(faults))
            self.out.append(Changed(self.name, self.state))
        else:
            if self._at_once and now >= self.hold_until:
                self._become_master(now, "owner of the addresses; the fault is over")
            else:
                self._enter_backup(now, "the fault is over")
            self._announce_source()

    def _announce_source(self) -> None:
        """Unicast after a fault: let switches and peers know where our own address is, so that adverts arrive."""
        where, source = self.devices.base, self.source
        if self.settings.unicast and where and source is not None:
            own = VirtualAddress(Address(where, source, source.max_prefixlen))
            self.out.append(Announce(self.name, (own,)))

    def judge(self, now: float) -> None:
        """Look anew at what the tracked things say: our priority follows. (FAULT is for `set_faults`.)"""
        before, impaired = self.priority, self.impaired
        self.verdict = self.tracking.judge(now)
        self.steady_at = self.tracking.deadline(now)
        self._effective = effective_priority(
            self.settings.priority, self.verdict, last_standing=self.settings.last_standing)
        if self.priority != before:
            self._revalue()
            self._priority_changed(before, now)
        if self.state is State.MASTER and self.impaired and not impaired:
            self._say_impaired()

    def _say_impaired(self) -> None:
        failed = ", ".join(sorted(self.verdict.faults))
        self.log(Level.WARNING, f"the last one standing: serving although {failed}, until somebody better does")

    def _priority_changed(self, before: int, now: float) -> None:
        """Our adverts say so from the next one on. Whom we followed or passed over has to be compared with us anew."""
        self.log(Level.INFO, f"Changing effective priority from {before} to {self.priority}")
        self.followed = None
        passed_over = self._passed_over
        if (self.state is State.BACKUP and passed_over is not None
                and self.standing(passed_over) not in (Standing.WORSE, Standing.RESIGNED)):
            self._follow(passed_over, now, self.last_heard)  # it was about to be preempted, and is good enough now
        if self.settings.notify.priority_changes and self.state in (State.MASTER, State.BACKUP):
            what = "MASTER_PRIORITY" if self.state is State.MASTER else "BACKUP_PRIORITY"
            self.holding.tell_after(NotifyChange("INSTANCE", self.name, what, self.priority))
        self.out.append(Changed(self.name, self.state))

    # ------------------------------------------------------------------------------------------------- orders

    def stop(self, now: float, *, deleted: bool = False, at_once: bool = False, limit: float = NEVER) -> None:
        """Leave for good; addresses go `limit` seconds from now at the latest. Again, `at_once`: do not wait."""
        if self.state in (State.STOP, State.DELETED):
            if self.holding.leaving:
                self.holding.hurry(now, 0.0 if at_once else limit)
            return
        was_master = self.state is State.MASTER
        self.followed = None
        state = State.DELETED if deleted else State.STOP
        what = "FAULT" if deleted and not self.settings.notify.deleted_is_a_state else state.value
        self.state, self.since = state, now
        self.why = "removed from the configuration" if deleted else "stopping"
        self._has_moved()
        self._disarm()
        self.standby_until = NEVER
        if was_master:
            self._resign(now, limit, at_once=at_once)
        elif self.holding.leaving and not at_once:
            self.holding.hurry(now, limit)
        else:
            self.holding.release()
        self.out.append(Changed(self.name, state))
        self._tell(what)

    def abandon(self) -> None:
        """Leave without touching an address (--dont-release-vrrp)."""
        self.state, self.followed = State.STOP, None
        self._disarm()
        self.standby_until = NEVER
        self.holding.keep()

    def stand_by(self, now: float, until: float, even_if_alone: bool) -> None:
        """An operator wants this router to serve no longer: hand over, and take no part in elections."""
        self.standby, self.standby_until, self.even_if_alone = True, until, even_if_alone
        self.followed = None
        if self.state is State.MASTER and (even_if_alone or not self.alone):
            self._resign(now, NEVER, at_once=False)
            self.alone = False
            self._enter_backup(now, "standby by order", " (standby)")
            if not even_if_alone:  # if nobody takes over by then, nobody will: serve on, without a gap
                self._arm_down(now, timers.handover_limit(self.settings))
        else:
            self._revalue()
            if self._passed_over is not None:  # it was about to be preempted, and may stay now
                self._follow(self._passed_over, now, self.last_heard)
            self.log(Level.NOTICE, "standby by order")
            self.out.append(Changed(self.name, self.state))

    def begin_standby(self, until: float, even_if_alone: bool) -> None:
        """Be in standby from the start: the order is older than this process."""
        self.standby, self.standby_until, self.even_if_alone = True, until, even_if_alone
        self._recompute()
        self.log(Level.NOTICE, "standby by order, given before this start")

    def end_standby(self, now: float) -> None:
        """Take part in elections again."""
        self.standby_until = NEVER
        if not self.standby:
            return
        self.standby = self.even_if_alone = self.alone = False
        self.followed = None
        self._revalue()
        self.log(Level.NOTICE, "standby is over")
        self.out.append(Changed(self.name, self.state))
        if self.state is State.MASTER:
            self._advertise_at_once(now)
        elif self.state is State.BACKUP and self.owner and now >= self.hold_until:
            why = "owner of the addresses; standby is over"
            if self.group is None:
                self._become_master(now, why)
            else:
                self.wants = why
                self.group.stir()

    def _revalue(self) -> None:
        """Our priority counts for more, or less: a BACKUP moves its running timer by the difference."""
        before = self.down_interval
        self._recompute()
        if self.state is State.BACKUP:
            self._arm_down(self.timer, self.down_interval - before)

    def _resign(self, now: float, limit: float, *, at_once: bool) -> None:
        """Priority 0, once, and hand over."""
        self.counters["release_master"] += 1
        self._advertise(now, 0)
        self.log(Level.INFO, "sent priority 0", detail=True)
        self.holding.hand_over(now, limit, at_once=at_once)

    # ------------------------------------------------------------------------------------------------- reload

    def reload(self, settings: VrrpInstance, devices: wanted.Devices, lease: int | None, now: float) -> None:
        """New settings for the same virtual router: change what differs, and nothing else."""
        if settings == self.settings and devices == self.devices and lease == self.holding.lease:
            return
        old, before, priority = self.settings, self.holding.addresses, self.priority
        waited = self.timer - self.down_interval  # when a BACKUP last armed its timer
        interval = self.master_interval
        self._configure(settings, devices, lease)
        self.followed = None
        if settings.preempt_delay != old.preempt_delay:
            self.preempt_at = None
        if self.state is State.MASTER:
            if _said(old) != _said(settings):
                self._advertise_at_once(now)
            self.holding.update(now, before)
        elif self.state is State.BACKUP:
            self._arm_down(waited if interval == self.master_interval else now, self.down_interval)
        if self.priority != priority:
            self._priority_changed(priority, now)
        self.out.append(Changed(self.name, self.state))


def _said(settings: VrrpInstance) -> object:
    """What adverts say: when it changes, the others should hear it at once."""
    return (settings.priority, settings.advert_int, [v.address.ip for v in settings.addresses if v.advertised])


_Answer = Callable[[VirtualRouter, Advert, float, float], None]

#: What an advert does. Where there is no entry (INIT, FAULT, a router that stops) it does nothing.
ANSWERS: dict[tuple[State, Standing], _Answer] = {
    (State.BACKUP, Standing.RESIGNED): VirtualRouter._hasten,
    (State.BACKUP, Standing.BETTER): VirtualRouter._follow,
    (State.BACKUP, Standing.EQUAL_BELOW): VirtualRouter._follow,
    (State.BACKUP, Standing.TWIN): VirtualRouter._follow,
    (State.BACKUP, Standing.WORSE): VirtualRouter._weigh,
    (State.MASTER, Standing.RESIGNED): VirtualRouter._stand_fast,
    (State.MASTER, Standing.BETTER): VirtualRouter._give_way,
    (State.MASTER, Standing.EQUAL_BELOW): VirtualRouter._force_election,
    (State.MASTER, Standing.WORSE): VirtualRouter._force_election,
    (State.MASTER, Standing.TWIN): VirtualRouter._meet_twin,
}
