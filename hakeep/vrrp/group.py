"""A sync group: virtual routers that must all be in the same state.

Three rules, applied round by round until nothing changes:

1. **One in FAULT, all in FAULT.** A member without a fault of its own has its group's. The group leaves FAULT when the
   last fault of a member is over.
2. **One gives way, all give way.** Where one is BACKUP nobody is MASTER. The others follow without a word: whoever
   took over from the first speaks for all of its own group.
3. **All or nobody.** A member whose master is gone *wants* to be MASTER, and waits. When all want, all are.

A round of rule 1 cannot undo one of rule 2 or 3 and each router changes its state at most once on the way, so there
are at most as many rounds as members, and one more that finds nothing to do.
"""

from __future__ import annotations

from collections.abc import Collection

from hakeep.config.settled import SyncGroup as Settings
from hakeep.vrrp.messages import Effect, Level, Log, NotifyChange, State
from hakeep.vrrp.router import VirtualRouter

_GONE = (State.STOP, State.DELETED)
_TOLD = (State.MASTER, State.BACKUP, State.FAULT, State.STOP)


class SyncGroup:
    """The running object behind one vrrp_sync_group. Effects go to `out`.

    `stirred` is the engine's list of groups to be settled: a member that has moved puts its group there.
    """

    def __init__(self, settings: Settings, out: list[Effect], stirred: list[SyncGroup]) -> None:
        self.settings = settings
        self.name = settings.name
        self.out = out
        self.members: list[VirtualRouter] = []
        self._stirred = stirred
        self.told: State | None = None  # the state that people have heard of last

    def stir(self) -> None:
        """Something has happened to a member."""
        if self not in self._stirred:
            self._stirred.append(self)

    @property
    def state(self) -> State | None:
        """What all members are; None while they are not of one mind."""
        states = {member.state for member in self.members}
        return next(iter(states)) if len(states) == 1 else None

    @property
    def all_at_once(self) -> bool:
        """Whether every member would become MASTER without listening."""
        return all(member.may_begin_at_once for member in self.members)

    @property
    def waiting(self) -> bool:
        """Whether a member cannot start yet, because something that it goes by is not known."""
        return any(member.waiting for member in self.members)

    @property
    def untold(self) -> bool:
        """True while people are still to hear of the group's state, once its members have told theirs."""
        state = self.state
        return state in _TOLD and state is not self.told

    @property
    def hesitant(self) -> tuple[str, ...]:
        """The members that do not want to be MASTER now, or cannot: rule 3 waits for them."""
        return tuple(member.name for member in self._live if member.state is not State.BACKUP or not member.watch.wants)

    def admit(self, names: Collection[str], now: float) -> None:
        """These members have just begun: where all others are MASTER, so are they."""
        others = [member for member in self.members if member.name not in names]
        began = [member for member in self._live if member.name in names and member.state is State.BACKUP]
        if others and began and all(member.state is State.MASTER for member in others):
            for member in began:
                member.take_over(now, "its sync group is MASTER")

    def share_faults(self, now: float) -> bool:
        """Rule 1. True when a router's faults have changed."""
        live = self._live
        faulty = next((member for member in live if member.own_faults), None)
        changed = False
        for member in live:
            faults = member.own_faults
            if faulty is not None and not faults:
                faults = frozenset((f"sync group {self.name}: {faulty.name} has a fault",))
            if faults != member.faults:
                member.set_faults(faults, now)
                changed = True
        return changed

    def settle(self, now: float) -> None:
        """Make the members of one mind again."""
        rounds = 0
        while self.share_faults(now) or self._give_way(now) or self._take_over(now):
            rounds += 1
            assert rounds <= len(self.members) + 1, f"sync group {self.name} does not settle"

    def tell(self) -> None:
        """Let people know of a new state, unless a member has yet to tell of its own."""
        state = self.state
        if state is not None and self.untold and all(member.holding.told for member in self.members):
            self.told = state
            self.out.append(NotifyChange("GROUP", self.name, state.value, 0))

    @property
    def _live(self) -> list[VirtualRouter]:
        return [member for member in self.members if member.state not in _GONE]

    def _give_way(self, now: float) -> bool:
        """Rule 2."""
        live = self._live
        first = next((member for member in live if member.state is State.BACKUP), None)
        masters = [member for member in live if member.state is State.MASTER]
        if first is None or not masters:
            return False
        for member in masters:
            member.give_way_with(first, now)
        return True

    def _take_over(self, now: float) -> bool:
        """Rule 3."""
        live = self._live
        if not live or not all(member.state is State.BACKUP and member.watch.wants for member in live):
            return False
        self.out.append(Log(Level.NOTICE, f"VRRP_Group({self.name}) Syncing instances to MASTER state"))
        for member in live:
            member.take_over(now, member.watch.wants)
        return True
