"""What the parent is given: snapshots to show, states for those who go by them, sockets for the next worker."""

from __future__ import annotations

import time

from hakeep.config.settled_routes import Static
from hakeep.kernel.announcing import Announcements
from hakeep.kernel.wire_lane import WireLane
from hakeep.report.routers import Lines, groups, packets, snapshots
from hakeep.report.routing_shown import Shown, standing, written_static
from hakeep.report.snapshot import to_document
from hakeep.vrrp.engine import Engine
from hakeep.vrrp.messages import State
from hakeep.vrrp.process.gate import Gate
from hakeep.vrrp.recording import Recorder
from hakeep.vrrp.routing import Routing
from hakeep.vrrp.timers import NEVER
from hakeep.worker import FDS_MAX, Line

#: What the socket for announcements is called among those that the parent keeps for the next worker.
ANNOUNCEMENTS = "announcements"

#: Seconds without anything due in which there is time to do what takes milliseconds.
QUIET = 0.05

#: Snapshots go up at most this often, and this long after a change at the latest. One of many addresses takes
#: milliseconds: it waits until nothing is due, and then gives what was due a moment to be done.
SNAPSHOT_GAP, SNAPSHOT_GAP_MAX = 0.2, 1.0
SNAPSHOT_PAUSE = 0.005


class Upward:
    """`due` is when a snapshot is to go up. `sockets_changed` has the sockets go up with it."""

    def __init__(
        self, line: Line, engine: Engine, recorder: Recorder, wire: WireLane, announcements: Announcements, gate: Gate,
        routing: Routing,
    ) -> None:
        self.due = self._latest = NEVER
        self.sockets_changed = False
        self._line = line
        self._engine = engine
        self._recorder = recorder
        self._wire = wire
        self._announcements = announcements
        self._gate = gate
        self._routing = routing
        self._shown: dict[str, Lines] = {}  # what snapshots have in common
        self._static: tuple[Static | None, tuple[Shown, ...]] = (None, ())  # the same of what is static
        self._told_states: dict[str, State] = {}

    def tell_state(self, name: str, state: State) -> None:
        """The lvs worker may follow this router."""
        if self._told_states.get(name) is not state:
            self._told_states[name] = state
            self._line.send({"do": "router", "name": name, "state": state})

    def show_soon(self) -> None:
        """There is something new for those who look at our status."""
        now = time.monotonic()
        self.due = min(self.due, now + SNAPSHOT_GAP)
        self._latest = min(self._latest, now + SNAPSHOT_GAP_MAX)

    def show_in_peace(self, now: float) -> None:
        """Now, unless something else is due before it would be done: then after that, if it does not get too late."""
        soonest = self._engine.soonest
        if soonest - now > QUIET or now >= self._latest:
            self.show(now)
        else:
            self.due = min(max(now, soonest) + SNAPSHOT_PAUSE, self._latest)

    def show(self, now: float) -> None:
        """A snapshot of everything."""
        self.due = self._latest = NEVER
        engine, wire = self._engine, self._wire
        routers = snapshots(engine, now, time.time(), self._gate.unfenced, self._shown, self._routing)
        documents = [to_document(router) for router in routers]
        static = engine.settings.static
        if static is not self._static[0]:
            self._static = static, written_static(static)
        self._line.send({
            "do": "snapshot", "routers": documents, "groups": [to_document(group) for group in groups(engine)],
            "recorder": len(self._recorder), "packets": packets(engine, wire.floods), "flooded": wire.flooded,
            "static": [to_document(thing) for thing in standing(self._static[1], self._routing)],
        })
        if self.sockets_changed:
            self.hand_up_sockets()

    def hand_up_sockets(self) -> None:
        """Give the parent duplicates of sockets for the next worker: those that receive, lest it miss an advert, and
        the one that announces, because the kernel, who takes long to close a packet socket, tells of our death only
        when all that was ours alone is closed."""
        self.sockets_changed = False
        sockets = [(ANNOUNCEMENTS, self._announcements.mouth), *self._wire.describe().items()]
        for begin in range(0, len(sockets), FDS_MAX):
            keys, fds = zip(*sockets[begin : begin + FDS_MAX], strict=True)
            self._line.send({"do": "sockets", "fds": keys, "last": begin + FDS_MAX >= len(sockets)}, fds)
