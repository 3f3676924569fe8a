"""Who stands in a virtual server's pool, and with which weight: one pure function, `line_up`.

A pool is never patched. Whenever something is learned, the whole line-up is worked out anew from

* the configuration,
* the `Health` of each real server: its checks' verdicts and the operator's order,
* what the line-up before was: whether there was a quorum or a panic, and since when somebody is up,
* the time, for servers that start slowly.

Whoever compares two line-ups knows what has happened (`lvs.telling`), and what must change in the kernel's table.

Rules:

1. A server is up when all its checks pass and nobody ordered it down. What is up serves with its whole weight; an
   order's weight counts alone, else the configured one is moved by what checks say.
2. The quorum is reached when the sum of the weights of those that serve is at least quorum + hysteresis. It is lost
   when that sum is 0 or less than quorum - hysteresis. A slow start does not count: the server is entitled to more.
3. Without a quorum the sorry server serves alone, if there is one. Else all that are up serve on.
4. Who is out is out of the table, or stands in it with weight 0 (`inhibit`), which keeps its connections. So does who
   is drained, also beside a sorry server: a drain was asked for to keep connections.
5. Panic: if fewer than `panic_threshold` per cent of the servers that were heard are up, the fault is more likely ours
   than theirs. Those that failed stay in, and count, until `CALM` per cent more are up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hakeep.config.settled_lvs import RealServer, VirtualServer
from hakeep.lvs.check import Verdict
from hakeep.lvs.messages import Ordered
from hakeep.objects.ipvs import WEIGHT_MAX
from hakeep.vrrp.timers import NEVER

#: A server that starts slowly comes to its weight in so many steps, the first of which is a tenth of it.
STEPS = 10

#: A panic ends when so many per cent of servers more than its threshold are up.
CALM = 10

SORRY_WEIGHT = 1


class Health(NamedTuple):
    """What is known of a real server. `failed`: it is down because a check said so, or an order did, and not only
    because it has not been heard yet. `ordered_down`: by the operator, so that no panic keeps it."""

    up: bool
    failed: bool
    weight: int
    drained: bool = False
    ordered_down: bool = False


class Standing(NamedTuple):
    """How a real server stands. `weight` is what it is entitled to; `present` is its weight in the table, None = it is
    not there. `since`: when `up` last changed. `slow_since`: when its slow start began, None = it has none."""

    up: bool
    failed: bool
    weight: int
    present: int | None
    since: float
    slow_since: float | None = None


class Lineup(NamedTuple):
    """A whole pool. `total` is the sum of weights that the quorum is about; `sorry` is the sorry server's weight in the
    table (None = not there); `wake`: when to work it out again although nothing was learned."""

    quorum: bool
    panic: bool
    total: int
    reals: tuple[Standing, ...]
    sorry: int | None
    since: float
    wake: float = NEVER

    @property
    def places(self) -> tuple[int | None, ...]:
        """What of it stands in the kernel's table."""
        return (self.sorry, *(real.present for real in self.reals))


def health(real: RealServer, verdicts: Iterable[Verdict], order: Ordered | None = None) -> Health:
    """Put together what is known of one real server.

    Each check moves the configured weight by what it asks for, so that several can be told apart (as keepalived).
    """
    up, failed, drained, weight = True, False, False, real.weight
    for verdict in verdicts:
        if not verdict.up:
            up = False
            failed = failed or verdict.proved
        if verdict.weight is not None:
            weight += verdict.weight - real.weight
        if verdict.percent is not None:
            weight += part(real.weight, verdict.percent) - real.weight
        weight += verdict.plus
        drained = drained or verdict.drain
    ordered_down = False
    if order is not None:
        if order.what == "weight":
            weight, drained = order.weight, False
        elif order.what == "drain":
            drained = True
        elif order.what == "down":
            up, failed, ordered_down = False, True, True
    weight = 0 if drained else max(0, min(WEIGHT_MAX, weight))
    return Health(up, failed and not up, weight, drained, ordered_down)


def part(weight: int, percent: int) -> int:
    """So many per cent of a weight; a little is more than nothing."""
    return max(1, weight * percent // 100) if weight and percent > 0 else 0


def line_up(settings: VirtualServer, healths: Sequence[Health], before: Lineup | None, now: float) -> Lineup:
    """Work out a pool. `before.reals` belongs to the same real servers in the same order."""
    panic = _panics(settings, healths, before is not None and before.panic)
    serves = [one.up or (panic and one.failed and not one.ordered_down) for one in healths]
    total = sum(one.weight for one, serving in zip(healths, serves, strict=True) if serving)
    quorum = _has_quorum(settings, total, before is not None and before.quorum)
    sorry_in = settings.sorry is not None and not quorum
    reals: list[Standing] = []
    wake = NEVER
    for n, (server, one, serving) in enumerate(zip(settings.reals, healths, serves, strict=True)):
        was = before.reals[n] if before is not None else None
        slow_since = _slow_since(server, one, was, now)
        present: int | None = one.weight
        if slow_since is not None:
            present, next_step = slow_weight(one.weight, server.slow_start, slow_since, now)
            wake = min(wake, next_step)
        if not serving or sorry_in:
            present = 0 if server.inhibit or (serving and one.drained) else None
        since = was.since if was is not None and was.up == one.up else now
        reals.append(Standing(one.up, one.failed, one.weight, present, since, slow_since))
    since = before.since if before is not None and before.quorum == quorum else now
    return Lineup(quorum, panic, total, tuple(reals), _sorry(settings, quorum), since, wake)


def heard(healths: Iterable[Health]) -> tuple[int, int]:
    """How many are up, and of how many: those that nobody has heard yet, and those ordered down, do not count."""
    judged = [one.up for one in healths if (one.up or one.failed) and not one.ordered_down]
    return sum(judged), len(judged)


def _panics(settings: VirtualServer, healths: Sequence[Health], before: bool) -> bool:
    if not settings.panic_threshold:
        return False
    up, of = heard(healths)
    if up == of:
        return False
    enough = min(100, settings.panic_threshold + CALM) if before else settings.panic_threshold
    return up * 100 < enough * of


def _has_quorum(settings: VirtualServer, total: int, before: bool) -> bool:
    if before:
        return total > 0 and total >= settings.quorum - settings.hysteresis
    return total > 0 and total >= settings.quorum + settings.hysteresis


def _sorry(settings: VirtualServer, quorum: bool) -> int | None:
    """One with inhibit stands in the table from the start, with weight 0 while it does not serve (as keepalived)."""
    if settings.sorry is None:
        return None
    if not quorum:
        return SORRY_WEIGHT
    return 0 if settings.sorry.inhibit else None


def _slow_since(server: RealServer, one: Health, was: Standing | None, now: float) -> float | None:
    """Only who had failed begins slowly: at the start of the daemon, servers have been running for long."""
    if not one.up or not server.slow_start or was is None:
        return None
    if not was.up:
        return now if was.failed else None
    if was.slow_since is not None and now - was.slow_since < server.slow_start - _GRAIN:
        return was.slow_since
    return None


#: Seconds that a step of a slow start may come too early: it is sums of fractions that are compared.
_GRAIN = 1e-6


def slow_weight(weight: int, seconds: float, since: float, now: float) -> tuple[int, float]:
    """The weight of a server that began at `since` and has its whole `weight` after `seconds`, and when the next step
    is due: from a tenth on, growing by a tenth each `seconds` / (STEPS - 1)."""
    stride = seconds / (STEPS - 1)
    step = min(int((now - since + _GRAIN) / stride), STEPS - 1)
    if step >= STEPS - 1 or not weight:
        return weight, since + seconds
    return max(1, weight * (step + 1) // STEPS), since + (step + 1) * stride
