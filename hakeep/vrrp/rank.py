"""What a router's priority is, and why.

Three numbers, because "priority" is said of three things:

* the **base**: what the configuration says, and trackers are added to;
* the **priority** (the effective one): what our adverts say, and what others are compared with;
* the **weight** in elections: how long we wait before we take over. It is the priority, but for standby: then we are
  the last to take over, whatever our adverts would say.

What moves them, the later going before the earlier: tracked things; an owner that gives way to another owner and goes
on with 254; a router that serves although in standby, because nobody else does, with 1.
"""

from __future__ import annotations

from hakeep.config.settled import VrrpInstance
from hakeep.vrrp.journal import Journal
from hakeep.vrrp.messages import Level
from hakeep.vrrp.timers import NEVER
from hakeep.vrrp.tracking import Tracking, Verdict, effective_priority

#: What an owner says that gives way to another one.
LOWERED = 254


class Rank:
    """The priority of one router."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.tracking = Tracking()
        self.verdict = Verdict()
        self.steady_at = NEVER  # when something that was unsteady counts as well again
        self.standby = False  # an operator's order: see `standby`
        self.alone = False  # serving although in standby, because nobody else does
        self.lowered = False  # an owner that gives way to another owner

    def configure(self, settings: VrrpInstance) -> None:
        """Take (new) settings. What the tracked things say is judged by them from now on."""
        self.settings = settings
        self._effective = effective_priority(settings.priority, self.verdict, last_standing=settings.last_standing)

    def judge(self, now: float) -> None:
        """Look anew at what the tracked things say."""
        self.verdict = self.tracking.judge(now)
        self.steady_at = self.tracking.deadline(now)
        self.configure(self.settings)

    @property
    def priority(self) -> int:
        """The effective priority: what our adverts say and what others are compared with."""
        if self.alone:
            return 1
        if self.lowered:
            return LOWERED
        return self._effective

    @property
    def base(self) -> int:
        """What trackers are added to."""
        return LOWERED if self.lowered else self.settings.priority

    @property
    def weight(self) -> int:
        """The priority that counts for how long we wait before we take over."""
        return 1 if self.standby else self.priority

    @property
    def impaired(self) -> bool:
        """Checks have failed, and it is `last_standing`: it serves only if there is nobody better."""
        return self.settings.last_standing and bool(self.verdict.faults)

    @property
    def owner(self) -> bool:
        """Address owner, and neither giving way to another one, nor in standby, nor the last one standing."""
        return self.settings.owner and not (self.lowered or self.standby or self.impaired)

    def say_impaired(self) -> None:
        """Let people know that we serve for want of somebody better."""
        failed = ", ".join(sorted(self.verdict.faults))
        self.journal.log(
            Level.WARNING, f"the last one standing: serving although {failed}, until somebody better does")
