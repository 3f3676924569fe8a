"""The watch that a router keeps: whom it takes for the master, and until when.

There is one timer, because a router waits for one thing at a time: a BACKUP for its master to fall silent (RFC 9568's
Active_Down_Timer), a MASTER, which is its own master, for its next advert to be due (Adver_Timer). Whoever notices that
a time is over later than at `late_at` has overslept: others may have acted meanwhile.

A BACKUP hears three kinds of adverts. One that is good enough it **follows**. One of **priority 0** says that its
master resigns. One that is worse it **weighs**: it may let it be, or pass it over and take its place when the time has
come. Of the last two it keeps in mind whose it was, to tell why it took over, and because a predecessor that lives may
still answer for the addresses.
"""

from __future__ import annotations

from hakeep.config.settled import VrrpInstance
from hakeep.objects.rtnl import IPAddress
from hakeep.vrrp import timers
from hakeep.vrrp.journal import Journal
from hakeep.vrrp.messages import Level, State
from hakeep.vrrp.rank import Rank
from hakeep.vrrp.receive import Advert
from hakeep.vrrp.timers import NEVER
from hakeep.vrrp.tracking import LAST_BAND

#: A BACKUP that is late by less than this was merely busy.
BUSY = 0.2


class Watch:
    """What one router goes by in elections. Times are monotonic seconds; `at` is the kernel's stamp of an advert."""

    def __init__(self, rank: Rank, journal: Journal, counters: dict[str, int]) -> None:
        self.rank = rank
        self.journal = journal
        self.counters = counters
        self.timer = NEVER
        self.late_at = NEVER
        # whom we follow as BACKUP; ourselves as MASTER
        self.master: IPAddress | None = None
        self.master_priority = 0
        self.master_interval = 0.0
        self.last_heard = -NEVER
        self.followed: Advert | None = None  # the same packet again needs no second thought
        self.passed_over: Advert | None = None  # the last advert that was refused, as long as none was followed
        self.resigned: IPAddress | None = None  # who sent priority 0, as long as none was followed or refused
        self.preempt_at: float | None = None
        self.wants = ""  # why it wants to be MASTER together with its sync group ("" = it does not)
        self.postponed = False  # it was late, and gave the others time to speak
        self._discarding: IPAddress | None = None  # whose lower adverts are refused: said once

    def configure(self, settings: VrrpInstance, *, is_backup: bool) -> None:
        """Take (new) settings. The interval that a BACKUP has learned stays."""
        self.settings = settings
        if settings.version == 2 or self.master is None or not is_backup:
            self.master_interval = settings.advert_int
        self.reckon()

    def reckon(self) -> None:
        """The times that follow from our weight and the interval."""
        settings = self.settings
        self.skew = timers.skew_time(settings.version, self.rank.weight, self.master_interval)
        self.down_interval = settings.down_timer_adverts * self.master_interval + self.skew
        self.leeway = max(self.master_interval, BUSY)  # how late a BACKUP may be
        # How long a MASTER may be silent before it must think that another has taken over.
        self.patience = self.down_interval
        if settings.timer_expired_backup is not None:
            skew = timers.skew_time(settings.version, settings.timer_expired_backup, self.master_interval)
            self.patience = min(self.patience, self.down_interval - self.skew + skew)

    def reckon_anew(self, *, is_backup: bool) -> None:
        """Our weight is another one: a BACKUP moves its running timer by the difference."""
        before = self.down_interval
        self.reckon()
        if is_backup:
            self.arm_down(self.timer, self.down_interval - before)

    # ------------------------------------------------------------------------------------------------- the timer

    def arm_advert(self, now: float) -> None:
        """Adverts keep a steady beat, which one that was a little late does not shift."""
        interval = self.settings.advert_int
        self.timer = self.timer + interval if now - self.timer < interval / 2 else now + interval
        self.late_at = self.timer + self.patience - interval

    def arm_down(self, at: float, wait: float) -> None:
        """There is an election `wait` seconds after `at`, unless a master is heard."""
        self.timer = at + wait
        self.late_at = self.timer + self.leeway

    def disarm(self) -> None:
        """Wait for nothing."""
        self.timer = self.late_at = NEVER

    def postpone(self, now: float) -> bool:
        """A BACKUP was late: whoever has acted meanwhile is to be heard first. False if that time was given already."""
        if self.postponed and now <= self.timer + self.down_interval:
            self.late_at = NEVER
            return False
        self.postponed = True
        self.wants = ""  # its master may be back
        self.arm_down(max(self.timer, now + self.master_interval + self.skew), 0.0)
        return True

    # ------------------------------------------------------------------------------------------------- the master

    def lead(self, source: IPAddress | None) -> None:
        """We are the master ourselves."""
        self._return_to_own_interval()
        self.master, self.master_priority, self.followed = source, self.rank.priority, None

    def look_for_master(self) -> None:
        """We are BACKUP, and have yet to hear whose."""
        self.forget_master()
        self.preempt_at = None
        self._return_to_own_interval()

    def _return_to_own_interval(self) -> None:
        self.master_interval = self.settings.advert_int
        self.reckon()

    def forget_master(self) -> None:
        """There is none that we know of."""
        self.master, self.master_priority, self.followed = None, 0, None

    def begin_anew(self) -> None:
        """The router's state is another one: what it made of adverts before does not matter any more."""
        self._discarding = self.passed_over = self.resigned = None
        self.wants = ""

    def hear_again(self, at: float) -> None:
        """The packet we followed last came once more, to the byte: the hot path of every BACKUP."""
        self.counters["advert_rcvd"] += 1
        self.last_heard = at
        self.timer = at + self.down_interval
        self.late_at = self.timer + self.leeway

    def hasten(self, advert: Advert, at: float) -> None:
        """The master resigns: only the skew time is left, so that the best backup is first."""
        self.arm_down(at, self.skew)
        self.resigned, self.passed_over = advert.source, None
        self.forget_master()

    def follow(self, advert: Advert, at: float) -> None:
        """It is our master: learn its interval (v3) and wait for its next adverts."""
        settings = self.settings
        if settings.version == 3 and advert.interval != self.master_interval:
            self.master_interval = advert.interval
            self.reckon()
            if advert.interval != settings.advert_int:
                differs = f"every {advert.interval:g} s, ours are due every {settings.advert_int:g} s"
                self.journal.log(Level.INFO, f"adverts of {advert.source} come {differs}: following them")
        if advert.source != self.master or advert.priority != self.master_priority:
            self.master, self.master_priority = advert.source, advert.priority
            self.journal.changed(State.BACKUP)
        if advert.priority >= self.rank.priority:
            self.preempt_at = None
        self.passed_over = self.resigned = None
        self.wants = ""
        self.followed = None if advert.notes else advert  # what is to be counted needs a look each time
        self.postponed = False
        self.arm_down(at, self.down_interval)

    def weigh(self, advert: Advert, at: float) -> None:
        """A master of lower priority: tolerated by nopreempt, standby or preempt_delay, else its days are counted.

        Not if it is the `last_standing` of those with failed checks and we are well: it waits for somebody like us.
        """
        settings = self.settings
        spent = settings.last_standing and advert.priority <= LAST_BAND < self.rank.priority
        if settings.preempt_delay and self.preempt_at is None:
            self.preempt_at = at + settings.preempt_delay
        waiting = self.preempt_at is not None and at < self.preempt_at
        if self.rank.standby or ((settings.nopreempt or waiting) and not spent):
            self.follow(advert, at)
            if waiting:
                self.followed = None  # the next one may have to be judged otherwise
            return
        self.followed = None
        self.passed_over, self.resigned = advert, None
        if self._discarding != advert.source:
            self._discarding = advert.source
            what = f"received lower priority ({advert.priority}) advert from {advert.source} - discarding"
            self.journal.log(Level.INFO, what, detail=True)

    # ------------------------------------------------------------------------------------------------- taking over

    @property
    def vacancy(self) -> str:
        """In words, why there is a MASTER to be replaced, or none: what status says of the one that takes over."""
        if self.resigned is not None:
            return f"{self.resigned} resigned"
        if self.passed_over is not None:
            return f"{self.passed_over.source} has lower priority {self.passed_over.priority}"
        return f"{self.master} fell silent" if self.master else "no other master was heard"

    @property
    def predecessor_lives(self) -> bool:
        """Whoever was MASTER until now was heard of lately, and may answer for the addresses for a moment yet."""
        return self.resigned is not None or self.passed_over is not None
