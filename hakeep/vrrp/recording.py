"""The flight recorder: what the engine was told lately, kept so that it can be told again.

The engine is a function of its events, so events are all that is kept; what it answered comes out again when they are
replayed. For that one must know where to begin. The recorder therefore keeps its events in chapters, and at the
beginning of each it takes down the engine's state: settings, the view of the host, and the plain values in routers,
holdings and queues (not the objects that hold them: those are made anew). Two chapters are kept, so a recording
reaches back between half of the capacity and all of it, and a replay of it is exact.

Noting an event costs a fifth of a microsecond, taking down the state about five for each router, once a chapter.

A recording is written as JSON lines: the state, then one event each, then how many there were and a digest of it all,
so that a damaged file is known for one. Secrets are disguised on the way, see `disguise`: what an authentication had
found good is found good again, and what it had refused is refused.

What a replay cannot know: adverts that the driver repeats by itself (when the fence is made anew) move AH's sequence,
and the status page's counters can be set to 0. Both are right again with the next chapter.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import chain
from math import isfinite
from typing import Any, NamedTuple, get_args

from hakeep import __version__
from hakeep.config.settled import Settings, VrrpInstance
from hakeep.vrrp import wanted
from hakeep.vrrp.announce import Announcer, Queue, Wish
from hakeep.vrrp.authentication import AuthMemory
from hakeep.vrrp.disguise import Disguise
from hakeep.vrrp.engine import Engine
from hakeep.vrrp.messages import Advertise, Effect, Event, Reloaded, State
from hakeep.vrrp.notation import NotationError, read, write
from hakeep.vrrp.router import VirtualRouter
from hakeep.vrrp.timers import NEVER
from hakeep.vrrp.transmit import uses_ah

#: The format of the lines. What an older reader must not misunderstand raises it.
VERSION = 2

#: The parts of a router whose plain values are kept. The addresses that it holds are kept by themselves.
_PARTS = ("rank", "watch", "beat", "rivals", "holding")

#: Attributes of a router and its parts that are objects of their own, or follow from the settings.
_NOT_PLAIN = frozenset({
    *_PARTS, "out", "memory", "receiver", "settings", "name", "devices", "followed", "tracking", "group", "journal",
    "counters", "have", "shared", "announcer", "lease", "addresses", "held", "_gap",
})  # fmt: skip
_RECEPTION = ("unknown_vrids", "discarded", "malformed", "hold_until")


class RecordingError(ValueError):
    """These lines are no recording, or one that this version cannot read. The text is a sentence."""


class Recording(NamedTuple):
    """Where the engine was, and what it was told then.

    `version` is that of the hakeep that made it. `ahead` is Unix time less monotonic time, 0 = not known.
    """

    state: Mapping[str, Any]
    events: tuple[tuple[float, Event], ...]
    ahead: float = 0.0
    version: str = __version__

    @property
    def routers(self) -> frozenset[str]:
        """The names of all instances that were there at some time."""
        later = chain.from_iterable(event.settings.vrrp for _, event in self.events if isinstance(event, Reloaded))
        return frozenset(self.state["routers"]) | {instance.name for instance in later}


class Step(NamedTuple):
    """One event of a replay: when, what, the engine's answer, and the states of the routers afterwards and before.

    `failure` tells of the exception with which the engine failed; that is the last step.
    """

    now: float
    event: Event
    effects: list[Effect]
    states: dict[str, State]
    before: dict[str, State]
    failure: str = ""


class Recorder:
    """Keeps the last events of an engine, at most `capacity` and (once there were so many) at least 45% of that.

    The driver calls `note` with every event, before `Engine.step`, and `rest` when it has nothing better to do.
    """

    def __init__(self, engine: Engine, capacity: int = 10000) -> None:
        self._engine = engine
        self._chapter = max(1, capacity // 2)
        self._nearly = self._chapter * 9 // 10
        self._before: tuple[list[float], list[Event]] = [], []
        self._state_before: Mapping[str, Any] = {}
        self._times: list[float] = []
        self._events: list[Event] = []
        self._state = take_down(engine)

    def __len__(self) -> int:
        return len(self._before[1]) + len(self._events)

    def note(self, now: float, event: Event) -> None:
        """The engine is about to be told this."""
        if len(self._events) >= self._chapter:
            self._begin_chapter()
        self._times.append(now)
        self._events.append(event)

    def rest(self) -> None:
        """There is time now: begin the next chapter if it is nearly due, rather than in the middle of things."""
        if len(self._events) > self._nearly:
            self._begin_chapter()

    def _begin_chapter(self) -> None:
        state = take_down(self._engine)  # and the rest in one go: a signal may ask us to `take` at any moment
        before = self._times, self._events
        self._before, self._state_before, self._times, self._events, self._state = before, self._state, [], [], state

    def take(self, ahead: float = 0.0) -> Recording:
        """What is there now. Cheap and unchangeable, so that it can be encoded elsewhere (a thread, a child)."""
        state = self._state_before if self._before[1] else self._state
        lately = zip(self._times, self._events, strict=False)  # a signal may come between the two halves of a note
        events = (*zip(*self._before, strict=True), *lately)
        return Recording(state, events, ahead)


# ------------------------------------------------------------------------------------------------ the engine's state


def take_down(engine: Engine) -> Mapping[str, Any]:
    """All that an engine has in mind, as plain values that no later step changes. Made to be quick: see `_plain`."""
    host = engine.host
    return {
        "settings": engine.settings,
        "links": tuple(host.links.values()),
        "have": tuple(host.have.values()),
        "others": tuple([address for per in host.others.values() for address in per.values()]),
        "told_whose": host._told_whose,
        "engine": {
            "_stopping": engine._stopping, "_finished": engine._finished, "_marks": dict(engine._marks),
            "_standby": dict(engine._standby),
        },
        "reception": {name: getattr(engine.reception, name) for name in _RECEPTION},
        "complaints": dict(engine.complaints.made),
        "named": engine.claims.named,
        "departing": tuple([router.name for router in engine._departing]),
        "held_back": tuple([router.name for router in engine._held_back]),
        "stirred": tuple([group.name for group in engine._stirred]),
        "groups": {name: group.told for name, group in engine.groups.items()},
        "tracked": tuple(engine.surroundings.known.values()),
        "waiting_links": tuple(engine.debounce.pending.values()),
        "routers": {name: _take_down_router(router) for name, router in engine.routers.items()},
        "queues": tuple([_take_down_queue(engine.announcer, queue) for queue in engine.announcer.queues]),
        "busy": frozenset(engine.announcer._busy),
    }


def _take_down_router(router: VirtualRouter) -> Mapping[str, Any]:
    holding, memory = router.holding, router.memory
    return {
        "settings": router.settings,
        "devices": router.devices,
        "lease": holding.lease,
        "memory": (memory.ah_sequence, memory.hmac_last_sent, dict(memory.hmac_marks), memory.old_unicast_checksum),
        "watched": router.rank.tracking.memory(),
        "counters": dict(router.counters),
        "held": tuple(holding.held.values()),
        "router": dict(vars(router)),
        "rank": dict(vars(router.rank)),
        "watch": dict(vars(router.watch)),
        "beat": dict(vars(router.beat)),
        "rivals": {**vars(router.rivals), "outcounted_for": frozenset(router.rivals.outcounted_for)},
        "holding": {
            **vars(holding),
            "side": dict(holding.side),
            "unsettled": frozenset(holding.unsettled),
            "_untold": tuple(holding._untold),
        },
    }


def _take_down_queue(announcer: Announcer, queue: Queue) -> Mapping[str, Any]:
    return {
        "interface": next(name for name, known in announcer.by_interface.items() if known is queue),
        "free_at": queue.free_at,
        **{
            line: tuple([(wish.router, wish.address, wish.left) for wish in getattr(queue, line)])
            for line in ("first", "again")
        },
    }


def _plain(state: Mapping[str, Any]) -> dict[str, Any]:
    """The state without the live objects that `take_down` left in for speed: what can be written and resumed from."""
    return {
        **state,
        "routers": {
            name: {**known, **{
                part: {key: value for key, value in known[part].items() if key not in _NOT_PLAIN}
                for part in ("router", *_PARTS)
            }}
            for name, known in state["routers"].items()
        },
    }


def resume(state: Mapping[str, Any]) -> Engine:
    """An engine that goes on from a decoded state."""
    engine = Engine(
        state["settings"], 0.0, links=state["links"], addresses=(*state["others"], *state["have"]), hold_until=NEVER
    )
    engine.begin()
    engine.host._told_whose = state["told_whose"]
    for name, value in state["engine"].items():
        _set(engine, name, value)
    for name, value in state["reception"].items():
        _set(engine.reception, name, value)
    engine.complaints.made = dict(state["complaints"])
    engine._replace_routers({name: _router(engine, known) for name, known in state["routers"].items()})
    engine._departing = [engine.routers[name] for name in state["departing"]]
    engine._held_back = [engine.routers[name] for name in state["held_back"]]
    surroundings = engine.surroundings
    surroundings.known = {(known.kind, known.name): known for known in state["tracked"]}
    surroundings.name_followers(engine.settings.vrrp)
    engine.debounce.remember(state["waiting_links"])
    engine._group(engine.routers)
    for name, told in state["groups"].items():
        engine.groups[name].told = told
    engine._stirred[:] = [engine.groups[name] for name in state["stirred"]]
    engine.claims.restore({key: list(names) for key, names in state["named"].items()})
    _queues(engine, state)
    engine.agenda.clear()
    engine._index()
    for router in engine.routers.values():
        surroundings.rebind(router, router.settings, router.devices)
        engine.agenda.touch(router)
    engine.out.clear()
    return engine


def _router(engine: Engine, known: Mapping[str, Any]) -> VirtualRouter:
    settings: VrrpInstance = known["settings"]
    devices: wanted.Devices = known["devices"]
    router = VirtualRouter(
        settings, devices, known["lease"], have=engine.host.have, shared=engine.claims.shared, out=engine.out,
        announcer=engine.announcer, memory=AuthMemory(*known["memory"]),
    )
    for name, value in known["router"].items():
        _set(router, name, value)
    for part in _PARTS:
        for name, value in known[part].items():
            _set(getattr(router, part), name, value)
    router.counters.update(known["counters"])
    router.holding.held = {virtual.address.key: virtual for virtual in known["held"]}
    router.rank.tracking.remember(known["watched"])
    return router


def _set(target: object, name: str, value: Any) -> None:
    """Set an attribute in the kind of container that it was made with."""
    made = getattr(target, name)
    if isinstance(made, dict):
        value = {key: list(item) if type(item) is tuple else item for key, item in value.items()}
    elif isinstance(made, set):
        value = set(value)
    elif isinstance(made, list):
        value = list(value)
    setattr(target, name, value)


def _queues(engine: Engine, state: Mapping[str, Any]) -> None:
    """Line up again what waited to be announced."""
    announcer = engine.announcer
    announcer._busy = set(state["busy"])
    for known in state["queues"]:
        queue = announcer._queue(known["interface"])
        queue.free_at = known["free_at"]
        for line in ("first", "again"):
            for name, virtual, left in known[line]:
                if left:
                    wish = queue.waiting.setdefault(name, {})[virtual.address.key] = Wish(name, virtual, left)
                    getattr(queue, line).append(wish)
                    announcer.by_router.setdefault(name, set()).add(queue)
    announcer._reckon()


# ------------------------------------------------------------------------------------------------------ as JSON lines


def encode(recording: Recording, salt: bytes) -> Iterator[str]:
    """The lines of a recording, without newlines and without secrets. `salt` is some random bytes, used nowhere else.

    It takes some 20 microseconds a line.
    """
    disguise = Disguise(salt)
    settings: Settings = recording.state["settings"]
    state = _plain(recording.state)
    for known in state["routers"].values():
        known["settings"] = disguise.instance(known["settings"])
    state["settings"] = disguise.settings(settings)
    head = {"hakeep": VERSION, "recording": "vrrp", "version": recording.version, "ahead": recording.ahead}
    events = ([now, write(disguise.event(event))] for now, event in recording.events)
    seal = sha256()
    for document in chain([{**head, "state": write(state)}], events):
        line = json.dumps(document, separators=(",", ":"))
        seal.update(line.encode())
        yield line
    yield json.dumps({"events": len(recording.events), "sha256": seal.hexdigest()}, separators=(",", ":"))


def decode(lines: Iterable[str]) -> Recording:
    """The recording that these lines hold. Raises RecordingError."""
    *body, end = [line.strip() for line in lines] or [""]
    try:
        if json.loads(end) != {"events": len(body) - 1, "sha256": sha256("".join(body).encode()).hexdigest()}:
            raise RecordingError("it is incomplete, or has been changed since it was written")
        head, *events = map(json.loads, body)
        if head["hakeep"] != VERSION or head["recording"] != "vrrp":
            raise RecordingError(f"this is not a hakeep recording of version {VERSION}")
        state = read(head["state"])
        if not isinstance(state, Mapping) or not isinstance(state.get("settings"), Settings):
            raise RecordingError("it does not say where to begin")
        return Recording(state, tuple(map(_event, events)), _finite(head["ahead"]), str(head["version"]))
    except NotationError as error:
        raise RecordingError(f"a value in it cannot be read: {error}") from None
    except RecordingError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise RecordingError("this is not a recording") from None


def _event(document: Any) -> tuple[float, Event]:
    now, written = document
    event = read(written)
    if not isinstance(event, _EVENTS):
        raise RecordingError(f"{type(event).__name__} is no event")
    return _finite(now), event


def _finite(value: Any) -> float:
    if type(value) not in (int, float) or not isfinite(value):
        raise RecordingError("a time in it is no number")
    return float(value)


_EVENTS = get_args(Event)


def replay(recording: Recording) -> Iterator[Step]:
    """Tell a new engine all that the recorded one was told, and yield each step. Raises RecordingError at the start.

    An engine may fail over an event: the recording may be of one that did.
    """
    try:
        engine = resume(recording.state)
    except Exception as error:
        why = f"its state does not fit the engine of hakeep {__version__}: {type(error).__name__}: {error}"
        raise RecordingError(why) from None
    before = _states(engine)
    for now, event in recording.events:
        try:
            effects = engine.step(now, event)
        except Exception as error:
            yield Step(now, event, list(engine.out), _states(engine), before, f"{type(error).__name__}: {error}")
            return
        for effect in effects:
            router = engine.routers.get(effect.router) if isinstance(effect, Advertise) else None
            if router is not None and uses_ah(router.settings):
                router.memory.ah_sequence += 1  # which the driver's Transmitter did
        states = _states(engine)
        yield Step(now, event, effects, states, before)
        before = states


def _states(engine: Engine) -> dict[str, State]:
    return {name: router.state for name, router in engine.routers.items()}
