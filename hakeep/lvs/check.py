"""One check's life: when it is made, how many failures count, what it says of its server.

How to read it
--------------
An `Inquiry` is a configured `Check` that runs. It is asked (by the checkers, through the engine), it is `answered`,
and it knows when it is `due` again. What a pool may know of it is one value, its `Verdict`, which is replaced when it
changes and never altered.

Rules:

1. The next time is counted from the end of the last one, so that a slow server is not asked twice at once.
2. The first answer counts at once: nothing is known of the server, and `retry` is for servers that were well. After
   each good answer, `retry` failures, `delay_before_retry` apart, are forgiven.
3. Who is down is asked each `delay_loop`, and one good answer brings it up.
4. What we could not ask (`Result.local`) says nothing of anybody: it is asked again after `delay_loop`.
5. Pages of an HTTP check are asked in turn, one each time. Only a whole round says that a server is well; a page that
   failed is asked alone until it passes, and then a whole round follows. `fast_recovery` drops the pauses of rounds
   that a server waits for. Where there is one page, it is the round.

6. A delay_loop is meant on average: each one is a little shorter or longer than that, or checks of servers that failed
   in the same moment would come in step for ever. `delay_before_retry` is kept as it is.

The spread of first checks, and of later ones, is not drawn but made from the check's key: it is the same after a reload
and in a worker that was started anew.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Any, NamedTuple

from hakeep.config.settled_lvs import AgentProbe, BfdProbe, Check, FileProbe, HttpProbe
from hakeep.lvs import words
from hakeep.lvs.messages import CheckKey, Result
from hakeep.vrrp.messages import Level, Log

#: Seconds from the start to the first check that is made.
FIRST = 1.0

#: The part of delay_loop by which a pause may be shorter or longer.
SWAY = 0.03

INT_MIN, INT_MAX = -(2**31), 2**31 - 1


def key(check: Check) -> CheckKey:
    """What tells this check apart from others, in all processes: a hash of everything that it says, passwords too."""
    return blake2b(repr(check).encode(), digest_size=16).hexdigest()


def fraction(key: CheckKey) -> float:
    """Where this check stands among all, from 0 to 1: evenly spread, and always the same."""
    return int(key[:8], 16) / 0x1_0000_0000


def sway(seed: int, turn: int) -> float:
    """Evenly spread from -1 to 1: what splitmix64 with this seed (64 bits) yields at this turn. Turns of one check have
    as little to do with one another as those of different checks."""
    bits = (seed + turn * 0x9E3779B97F4A7C15) & _64_BITS
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9 & _64_BITS
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB & _64_BITS
    return (bits ^ (bits >> 31)) / (1 << 63) - 1.0


_64_BITS = (1 << 64) - 1


class Verdict(NamedTuple):
    """What a check says of its server. `proved`: it has been heard, and is not merely assumed.

    `weight` is what the server asks for; `percent` is the part of its configured weight that it asks for (agents);
    `plus` is added to the weight (files). `drain`: it wants no new connections.
    """

    up: bool
    proved: bool
    why: str
    weight: int | None = None
    percent: int | None = None
    plus: int = 0
    drain: bool = False


ASSUMED = Verdict(True, False, "assumed to be well")
UNHEARD = Verdict(False, False, "not checked yet")


class Inquiry:
    """The running object behind one check. `now` is in monotonic seconds.

    `begin` is what it says until it has been asked, if that is not what the configuration says: the server was down
    when this check took the place of another.
    """

    __slots__ = (
        "_local", "_pages", "check", "due", "failed_page", "fraction", "key", "latest", "latest_at", "page",
        "tries_left", "turn", "verdict",
    )

    def __init__(self, key: CheckKey, check: Check, begin: Verdict | None = None) -> None:
        self.key = key
        self.check = check
        self.fraction = fraction(key)
        self.verdict = begin or (UNHEARD if check.alpha else ASSUMED)
        self.due = 0.0
        self.turn = 0
        self.page = 0
        self.failed_page: int | None = None
        self.tries_left = 0
        self.latest: Result | None = None
        self.latest_at = 0.0
        self._local = False  # whether the last try failed for reasons of our own: said once
        self._pages = len(check.probe.pages) if isinstance(check.probe, HttpProbe) else 1

    @property
    def asks(self) -> bool:
        """False for what is told and never asked: files and BFD sessions."""
        return not isinstance(self.check.probe, (FileProbe, BfdProbe))

    # ------------------------------------------------------------------------------------------------- when

    def begin(self, now: float) -> None:
        """Set the time of the first check. What is known already (from a predecessor) is not put off for long."""
        timing = self.check.timing
        spread = min(timing.warmup, timing.delay_loop) if self.verdict.proved else timing.warmup
        self.due = now + FIRST + self.fraction * spread

    def resume(self, now: float) -> None:
        """The virtual server's address has come (ha_suspend): ask soon, and not all at once."""
        self.due = now + self.fraction * min(1.0, self.check.timing.delay_loop)

    def _pause(self) -> float:
        """A delay_loop, this time."""
        self.turn += 1
        return self.check.timing.delay_loop * (1.0 + SWAY * sway(int(self.key[:16], 16), self.turn))

    # ------------------------------------------------------------------------------------------------- answers

    def answered(self, now: float, result: Result, *, log_all: bool = False) -> list[Log]:
        """Take an answer in: `verdict` and `due` are new then. Returns what is to be logged."""
        self.latest, self.latest_at = result, now
        if result.local:
            return self._could_not_ask(now, result)
        self._local = False
        if result.ok:
            return self._passed(now, result)
        return self._failed(now, result, log_all)

    def _could_not_ask(self, now: float, result: Result) -> list[Log]:
        self.due = now + self._pause()
        if self._local:
            return []
        self._local = True
        return [Log(Level.WARNING, words.not_asked(self.check, result.why))]

    def _passed(self, now: float, result: Result) -> list[Log]:
        timing, before = self.check.timing, self.verdict
        self.tries_left = timing.retry
        self.due = now + self._pause()
        if self._pages > 1 and not self._round_is_over():
            if self._hurries:
                self.due = now
            return []
        weight, percent = before.weight, before.percent
        if not isinstance(self.check.probe, AgentProbe):
            weight = result.weight  # a script that does not say is content with the configured one (keepalived 2.2.7)
        elif result.weight is not None:
            percent = result.weight
        if (
            before.up and before.proved and weight == before.weight and percent == before.percent
            and result.drain == before.drain
        ):
            return []
        self.verdict = Verdict(True, True, result.why, weight, percent, before.plus, result.drain)
        if before.up and before.proved:
            return []
        return [Log(Level.INFO, words.succeeded(self.check))]

    def _round_is_over(self) -> bool:
        """A page has passed: go on to the next. True when all have passed, one after the other."""
        if self.failed_page is not None:
            self.failed_page = None
            self.page = 0
            return False
        self.page = (self.page + 1) % self._pages
        return self.page == 0

    @property
    def _hurries(self) -> bool:
        """fast_recovery: somebody waits for the end of this round."""
        probe = self.check.probe
        return isinstance(probe, HttpProbe) and probe.fast_recovery and not (self.verdict.up and self.verdict.proved)

    def _failed(self, now: float, result: Result, log_all: bool) -> list[Log]:
        check, timing, before = self.check, self.check.timing, self.verdict
        logs = []
        if log_all or check.log_all_failures:
            logs.append(Log(Level.INFO, words.failed_once(check, result.why)))
        if before.up and self.tries_left > 0:
            self.tries_left -= 1
            self.due = now + timing.delay_before_retry
            return logs
        self.due = now + self._pause()
        if isinstance(check.probe, HttpProbe):
            if timing.delay_before_retry > timing.delay_loop:
                self.due = now + timing.delay_before_retry
            self.failed_page = self.page
        if before.up or not before.proved:
            retries = timing.retry if before.proved else 0
            self.verdict = before._replace(up=False, proved=True, why=result.why)
            logs.append(Log(Level.INFO, words.failed(check, retries, result.why)))
        return logs

    # ------------------------------------------------------------------------------------------- what is told

    def file_says(self, value: int | None) -> list[Log]:
        """The number in a FILE_CHECK's file; a file that is not there says 0, as keepalived has it."""
        probe = self.check.probe
        assert isinstance(probe, FileProbe), "told of a file by mistake"
        number = value or 0
        plus = max(INT_MIN, min(INT_MAX, number * probe.weight))
        up = plus > INT_MIN if probe.weight else (number == 0) != probe.reverse
        return self._told(Verdict(up, True, f"{probe.name or probe.path} says {number}", plus=plus if up else 0))

    def session_is(self, up: bool) -> list[Log]:
        """The state of a BFD_CHECK's session."""
        return self._told(Verdict(up, True, "the session is " + ("up" if up else "down")))

    def _told(self, verdict: Verdict) -> list[Log]:
        before = self.verdict
        if verdict == before:
            return []
        self.verdict = verdict
        if before.proved and verdict.up == before.up:
            return []
        if verdict.up:
            return [Log(Level.INFO, words.succeeded(self.check))]
        return [Log(Level.INFO, words.failed(self.check, 0, verdict.why))]

    # ------------------------------------------------------------------------------------------------- memory

    def memory(self) -> str:
        """What a successor must know, as JSON. "" as long as nothing has been heard."""
        verdict = self.verdict
        if verdict in (ASSUMED, UNHEARD):
            return ""
        known = {name: value for name, value in verdict._asdict().items() if value is not None and value is not False}
        if self.failed_page is not None:
            known["page"] = self.failed_page
        return json.dumps(known, separators=(",", ":"))

    def restore(self, memory: str) -> bool:
        """Go on where a predecessor's `memory()` was written. False, and no change, if it cannot be understood."""
        try:
            known = json.loads(memory)
            verdict = Verdict(
                bool(known.get("up")), bool(known.get("proved")), str(known["why"]), _number(known.get("weight")),
                _number(known.get("percent")), _number(known.get("plus")) or 0, bool(known.get("drain")),
            )
            page = _number(known.get("page"))
        except (ValueError, TypeError, LookupError, AttributeError):
            return False
        self.verdict = verdict
        if page is not None and 0 <= page < self._pages:
            self.page = self.failed_page = page
        self.tries_left = self.check.timing.retry if self.verdict.up else 0
        return True


def _number(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("not a whole number")
    return value
