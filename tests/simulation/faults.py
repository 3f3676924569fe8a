"""What goes wrong, and when.

A fault begins, lasts, and ends; `Fault.end` undoes it. Faults of one episode hit different hosts, and one of them at
most the link.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

from hakeep.vrrp import messages as m
from tests.simulation.host import Host
from tests.simulation.invariants import a_one_master, f_reload
from tests.simulation.world import CLIENT, World

#: Seconds after the last fault's end, beyond a down interval, in which a world must have settled.
GRACE = 1.0

#: While the kernel refuses, we ask again after 1, 2, 4 seconds: refusals last at most 3 s, so the fourth is in time.
RETRY = 5.0


def begin(world: World) -> None:
    """All hosts start within some seconds of each other. Then the first episode."""
    last = 0.0
    for host in world.hosts:
        at = world.random.choice((0.0, world.random.uniform(0.0, 3.0)))
        last = max(last, at)
        world.at(at, _start, host)
    world.at(last, _rest, world, 0.0)


def _start(host: Host) -> None:
    host.start()
    host.world.mark(f"host {host.number} starts")


def episode(world: World) -> None:
    """One to three faults that overlap; then rest."""
    if world.now > world.life:
        world.finish()
        return
    random = world.random
    hosts = random.sample(world.hosts, min(len(world.hosts), random.choice((1, 1, 1, 2, 3))))
    extra, last = 0.0, world.now
    plan: list[tuple[float, float, Callable[[], None], Callable[[], None]]] = []
    if random.random() < 0.35:
        duration = _duration(world)
        plan.append((random.uniform(0, 2), duration, *random.choice(LINK_FAULTS)(world, duration)))
        hosts = hosts[: random.choice((0, 0, 1, 2))]
    for host in hosts:
        fault = random.choice(HOST_FAULTS)
        duration = _duration(world)
        if fault in (refuse_changes, refuse_adverts):
            duration = min(duration, 3.0)
            extra = RETRY
        plan.append((random.uniform(0, 2), duration, *fault(host, duration)))
    for start, duration, first, then in plan:
        world.later(start, first)
        world.later(start + duration, then)
        last = max(last, world.now + start + duration)
    world.at(last + 1e-6, _rest, world, extra)


def _duration(world: World) -> float:
    """Mostly around the times that matter: an interval, a lease, a down interval."""
    down = world.shape.longest_down
    return world.random.choice((
        world.random.uniform(0.01, 0.3), world.random.uniform(0.0, 1.2 * down), world.random.uniform(0.8, 1.1) * down,
        world.random.uniform(1.0, 4.0) * down,
    ))


def _rest(world: World, extra: float) -> None:
    settle = world.shape.longest_down + GRACE + extra + (world.shape.interval if world.shape.auth == "AH" else 0.0)
    world.later(settle, world.quiet)
    rest = settle + world.random.uniform(0.01, 8.0)
    world.later(rest, world.quiet)
    world.later(rest + 0.0001, episode, world)


# ----------------------------------------------------------------------------------------------------- on the link


def partition(world: World, duration: float) -> tuple[Callable[[], None], Callable[[], None]]:
    """Both directions between two groups of hosts; the client is in one of them."""
    here = {n for n in world.segment.everybody if world.random.random() < 0.5}
    there = set(world.segment.everybody) - here
    cuts = {(a, b) for a in here for b in there} | {(b, a) for a in here for b in there}
    cuts |= {(a, CLIENT) for a in here} | {(CLIENT, a) for a in here}
    return _cut(world, cuts, f"partition {sorted(here)}|{sorted(there)}", (here, there))


def one_way(world: World, duration: float) -> tuple[Callable[[], None], Callable[[], None]]:
    """What one host sends does not reach one other."""
    a, b = world.random.sample(world.segment.everybody, 2)
    return _cut(world, {(a, b)}, f"cut {a} -> {b}")


def _cut(
    world: World, cuts: set[tuple[int, int]], name: str, groups: tuple[set[int], ...] = ()
) -> tuple[Callable[[], None], Callable[[], None]]:
    def first() -> None:
        world.segment.cuts |= cuts
        world.mark(name)
        world.client_cuts.append([world.now, float("inf")])

    def then() -> None:
        stretch = world.stretches[-1]
        long_enough = world.now - stretch.start > world.shape.longest_down + GRACE
        if groups and stretch.what == name and long_enough and world.calm:
            a_one_master.among(world, groups)
        world.segment.cuts -= cuts
        world.client_cuts[-1][1] = world.now
        if not groups:  # in one direction: words were said, and not heard
            world.words_lost_until = max(world.words_lost_until, world.now)
        world.mark(f"end of {name}")

    return first, then


def loss(world: World, duration: float) -> tuple[Callable[[], None], Callable[[], None]]:
    """Some adverts are lost. Announcements are not: they are many."""
    share = world.random.choice((0.05, 0.3, 0.6, 1.0))

    def first() -> None:
        world.segment.loss = share
        world.mark(f"loss {share}")

    def then() -> None:
        world.segment.loss = 0.0
        world.words_lost_until = world.now
        world.mark("end of loss")

    return first, then


LINK_FAULTS = (partition, partition, one_way, loss)


# ----------------------------------------------------------------------------------------------------- on one host


def _fault(
    host: Host, name: str, first: Callable[[], None], then: Callable[[], None], *, planned: bool = False
) -> tuple[Callable[[], None], Callable[[], None]]:
    def begin() -> None:
        hands_over = planned and host.state is m.State.MASTER
        first()
        host.world.words_lost_until = host.world.now
        host.world.mark(f"{name} {host.number}", planned=hands_over)

    def end() -> None:
        then()
        host.world.words_lost_until = max(host.world.words_lost_until, host.world.now)
        host.world.mark(f"end of {name} {host.number}")

    return begin, end


def freeze(host: Host, duration: float) -> tuple[Callable[[], None], Callable[[], None]]:
    """SIGSTOP and SIGCONT."""
    return _fault(host, "freeze", host.freeze, host.thaw)


def stutter(host: Host, duration: float) -> tuple[Callable[[], None], Callable[[], None]]:
    """Stopped and continued several times."""
    world = host.world
    steps = world.random.randrange(2, 6)

    def first() -> None:
        host.freeze()
        for n in range(1, steps):
            at = duration * n / steps
            world.later(at, _thaw, host)
            world.later(at + world.random.uniform(0.0, 0.1) * duration / steps, _freeze, host)

    return _fault(host, "stutter", first, host.thaw)


def _thaw(host: Host) -> None:
    host.thaw()
    host.world.mark(f"thaw {host.number}")


def _freeze(host: Host) -> None:
    host.freeze()
    host.world.mark(f"freeze {host.number}")


def sleep(host: Host, duration: float) -> tuple[Callable[[], None], Callable[[], None]]:
    """The host sleeps. Its worker notices at its next turn, half a second after it woke at the latest."""

    def then() -> None:
        world = host.world
        host.wake(duration)
        world.words_lost_until = world.now + world.shape.longest_down
        world.disturbed.append((world.now, world.now + world.shape.longest_down + world.shape.interval))

    return _fault(host, "sleep", host.sleep, then)


def kill(host: Host, duration: float) -> tuple[Callable[[], None], Callable[[], None]]:
    """SIGKILL to the whole daemon, and a start by hand."""
    return _fault(host, "kill", host.kill, host.start)


def respawn(host: Host, duration: float) -> tuple[Callable[[], None], Callable[[], None]]:
    """SIGKILL to the worker."""

    def then() -> None:
        if host.engine is None:
            host.start()

    return _fault(host, "respawn", host.respawn, then)


def power(host: Host, duration: float) -> tuple[Callable[[], None], Callable[[], None]]:
    """The host loses its power: nothing is left."""

    def first() -> None:
        host.kill()
        for key in [key for key in host.kernel.addresses if key not in host.kernel.foreign]:
            host.kernel.drop(key)

    return _fault(host, "power", first, host.start)


def stop(host: Host, duration: float) -> tuple[Callable[[], None], Callable[[], None]]:
    """SIGTERM, and a start later."""

    def first() -> None:
        host.tell(m.Stopped())

    def then() -> None:
        if host.engine is not None:
            host.kill()
        host.start()

    return _fault(host, "stop", first, then, planned=True)


def standby(host: Host, duration: float) -> tuple[Callable[[], None], Callable[[], None]]:
    """The operator's `standby` and `resume`."""

    def order(command: str) -> None:
        host.standby = command == "standby"
        host.tell(m.Commanded(command, ("V",)))

    return _fault(host, "standby", lambda: order("standby"), lambda: order("resume"), planned=True)


def priority(host: Host, duration: float) -> tuple[Callable[[], None], Callable[[], None]]:
    """A reload with another priority, and back."""
    mine = host.world.shape.priorities[host.number]

    def reload(value: int) -> None:
        host.priority = value
        host.tell(m.Reloaded(host.world.shape.settings(host.number, value)))

    other = host.world.random.choice([p for p in range(1, 255) if p not in host.world.shape.priorities])
    return _fault(
        host, f"priority {other}", lambda: reload(other if mine != 255 else 255), lambda: reload(mine)
    )


def nothing_new(host: Host, duration: float) -> tuple[Callable[[], None], Callable[[], None]]:
    """A reload that changes nothing."""

    def reload() -> None:
        if host.engine is not None and not host.frozen and not host.kernel.asleep:
            same = copy.deepcopy(host.world.shape.settings(host.number, host.priority))
            f_reload.nothing_came_of_it(host, host.engine.step(host.mono, m.Reloaded(same)))

    return _fault(host, "no-op reload", reload, reload)


def clock(host: Host, duration: float) -> tuple[Callable[[], None], Callable[[], None]]:
    """Somebody sets the wall clock. Signed adverts allow for a few seconds only."""
    most = 0.4 if host.world.shape.auth == "HMAC" else 1e6
    by = host.world.random.uniform(-most, most)

    def step(seconds: float) -> None:
        host.wall += seconds

    return _fault(host, "clock", lambda: step(by), lambda: step(-by))


def refuse_adverts(host: Host, duration: float) -> tuple[Callable[[], None], Callable[[], None]]:
    """The kernel takes no adverts. With AH their sequences are used up all the same, so that its host refuses others'
    until it steps down, when it has missed a down interval."""

    def allow() -> None:
        host.refuse_adverts = False

    def refuse() -> None:
        world = host.world
        host.refuse_adverts = True
        if world.shape.auth == "AH":
            world.disturbed.append((world.now, world.now + duration + world.shape.longest_down))

    return _fault(host, "refused adverts", refuse, allow)


def refuse_changes(host: Host, duration: float) -> tuple[Callable[[], None], Callable[[], None]]:
    """The kernel changes no address."""

    def allow() -> None:
        host.refuse_changes = False

    def refuse() -> None:
        host.refuse_changes = True
        world = host.world
        world.disturbed.append((world.now, world.now + duration + RETRY))
        world.refusals.append((world.now, world.now + duration + RETRY))

    return _fault(host, "refused changes", refuse, allow)


def steal(host: Host, duration: float) -> tuple[Callable[[], None], Callable[[], None]]:
    """An address is deleted by hand, twice."""
    return _fault(host, "steal", host.steal, host.steal)


def carrier(host: Host, duration: float) -> tuple[Callable[[], None], Callable[[], None]]:
    """The cable is pulled, and put back."""
    return _fault(host, "carrier", lambda: host.set_link(False), lambda: host.set_link(True))


def monitor(host: Host, duration: float) -> tuple[Callable[[], None], Callable[[], None]]:
    """The netlink monitor has lost messages."""

    def resync() -> None:
        host.tell(m.Resync((host.kernel.link,), tuple(host.kernel.addresses.values())))

    return _fault(host, "resync", resync, resync)


HOST_FAULTS = (
    freeze, freeze, stutter, sleep, kill, kill, respawn, power, stop, stop, standby, priority, nothing_new, clock,
    refuse_adverts, refuse_changes, steal, carrier, monitor,
)
