"""vrrp_script and track_unit: commands that are run again and again, and what their exit status says.

`interval` goes from start to start, and no command ever runs twice at once: a start that falls into a run is left out.
A run that takes longer than `timeout` counts as a failure at that moment, whatever comes of it; it is ended, and until
it is gone there is no other one. The time that it takes us to start it is not its fault, and does not count.

A systemd unit is asked after by ``systemctl is-active``, whose exit status is the answer.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from signal import Signals

import trio

from hakeep.config.settled_track import Tracking, TrackScript, TrackUnit, Watched
from hakeep.track.commands import Command, Commands
from hakeep.track.rota import Rota, first_starts, next_beat
from hakeep.track.standing import Key, Standing
from hakeep.track.streak import Streak
from hakeep.track.telling import Teller
from hakeep.worker import ERROR, INFO, WARNING

#: Seconds within which what is due is done together: a thousand scripts need not wake us a thousand times a second.
TOGETHER = 0.01

#: Seconds between two lines on left-out starts of one script.
REMIND = 60.0

#: Where systemd says that it is the one who started this machine (sd_booted(3)).
SYSTEMD = Path("/run/systemd/system")

#: What systemctl is-active says beside 0 (systemctl(1), "Exit status"). Up to version 252 at least it says the first of
#: these also of a unit that there is not.
_INACTIVE, _UNKNOWN = 3, 4

_Account = tuple[str | None, str | None, bool, bool]


@dataclass(slots=True, eq=False)
class Job:
    """A thing that is asked after by running a command."""

    thing: TrackScript | TrackUnit
    account: _Account
    standing: Standing
    streak: Streak
    interval: float
    timeout: float
    command: Command = field(init=False)
    busy: bool = False  # it runs
    given_up: bool = False  # this run has been counted already
    began: float = 0.0
    result: int | None = None
    complaint: str = ""
    reminded: float = float("-inf")

    @property
    def title(self) -> str:
        """As logs say it."""
        return f"VRRP_Script({self.thing.name})" if isinstance(self.thing, TrackScript) else f"unit {self.thing.unit}"


class Scripts:
    """The room of commands. With init_fail a script has failed at the `first` worker's start, or when a reload adds it;
    one that was there before goes on from where it was, also where its command is a new one, as with keepalived."""

    def __init__(self, teller: Teller, first: bool = True) -> None:
        self._teller = teller
        self._initialise = first
        self._commands = Commands(teller.log)
        self._jobs: dict[Key, Job] = {}
        self._starts: Rota[Job] = Rota()
        self._timeouts: Rota[Job] = Rota()
        self._news = trio.Event()

    def follow(self, tracking: Tracking, things: Iterable[tuple[Key, Watched]]) -> None:
        """Watch these. What stays as it is goes on as it was."""
        wanted = {key: thing for key, thing in things if isinstance(thing, TrackScript | TrackUnit)}
        fresh = []
        before = set(self._jobs)
        for key, job in list(self._jobs.items()):
            thing = wanted.get(key)
            if thing is None or thing != job.thing or _account(thing, tracking) != job.account:
                self._dismiss(key, job)
        for key, thing in wanted.items():
            if key not in self._jobs:
                new = self._initialise and key not in before
                job = self._jobs[key] = self._make(key, thing, _account(thing, tracking), new)
                fresh.append(job)
        self._initialise = True
        now = time.monotonic()
        for job, offset in zip(fresh, first_starts([job.interval for job in fresh]), strict=True):
            self._starts.set(job, now + offset)
        self._news.set()

    def _make(self, key: Key, thing: TrackScript | TrackUnit, account: _Account, new: bool) -> Job:
        failed = new and isinstance(thing, TrackScript) and thing.init_fail
        rhythm = thing if isinstance(thing, TrackScript) else thing.rhythm
        streak = Streak(rhythm.rise, rhythm.fall, failed=failed)
        job = Job(thing, account, self._teller.resume(key, streak), streak, rhythm.interval, rhythm.timeout)
        job.command = Command(
            _argv(thing), *account, began=lambda: self._began(job), ended=lambda status: self._ended(job, status),
            refused=lambda reason: self._refused(job, reason), lost=lambda: self._over(job))  # fmt: skip
        self._commands.define(job.command)
        if failed:
            self._teller.judge(job.standing, False, "there is no result yet (init_fail)")
        return job

    def _dismiss(self, key: Key, job: Job) -> None:
        del self._jobs[key]
        self._starts.drop(job)
        self._timeouts.drop(job)
        self._commands.forget(job.command)

    async def run(self) -> None:
        """Run what is due until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._commands.run)
            while True:
                self._news = trio.Event()
                now = time.monotonic()
                for job, planned in self._starts.take(now):
                    self._starts.set(job, next_beat(planned, job.interval, now))
                    self._start(job, now)
                for job, _ in self._timeouts.take(now):
                    self._too_late(job)
                due = max(min(self._starts.deadline, self._timeouts.deadline), now + TOGETHER)
                with trio.move_on_after(due - now):
                    await self._news.wait()

    # ------------------------------------------------------------------------------------------------- one run

    def _start(self, job: Job, now: float) -> None:
        if job.busy:
            if now - job.reminded >= REMIND:
                job.reminded = now
                self._teller.log(WARNING, f"{job.title} is still running: this start of it is left out")
            return
        if isinstance(job.thing, TrackUnit) and not SYSTEMD.is_dir():
            job.began = now
            self._refused(job, "this machine was not started by systemd")
            return
        job.busy, job.given_up, job.began = True, False, now
        job.standing.running = True
        self._commands.start(job.command)

    def _began(self, job: Job) -> None:
        job.began = time.monotonic()
        self._timeouts.set(job, job.began + job.timeout)
        self._news.set()

    def _too_late(self, job: Job) -> None:
        if not job.busy:
            return
        self._commands.end(job.command)
        job.given_up = True
        why = f"timed out after {job.timeout:g} s"
        self._looked(job, False, why)
        job.standing.running = True
        self._count(job, False, why, f"{job.title} timed_out")

    def _ended(self, job: Job, status: int) -> None:
        self._over(job)
        if job.given_up:
            self._teller.counted()
            return
        if status != job.result and job.result is not None and isinstance(job.thing, TrackScript):
            self._teller.log(INFO, f"Script `{job.thing.name}` now returning {status}")
        job.result = status
        job.complaint = ""
        why = _unit_says(status) if isinstance(job.thing, TrackUnit) else _says(status)
        self._looked(job, status == 0, why, status)
        said = f"{job.title} {'succeeded' if status == 0 else f'failed ({why})'}"
        self._count(job, status == 0, why, said)

    def _refused(self, job: Job, reason: str) -> None:
        self._over(job)
        if job.given_up:
            return
        if reason != job.complaint:
            job.complaint = reason
            self._teller.log(ERROR, f"{job.title} cannot run: {reason}")
        self._looked(job, False, reason)
        self._count(job, False, f"cannot run: {reason}", f"{job.title} failed (cannot run)")

    def _over(self, job: Job) -> None:
        job.busy = False
        job.standing.running = False
        self._timeouts.drop(job)

    def _looked(self, job: Job, success: bool, why: str, status: int | None = None) -> None:
        job.standing.looked(success, why, time.monotonic() - job.began, status)
        self._teller.counted()

    def _count(self, job: Job, success: bool, why: str, said: str) -> None:
        """Tell when the judgement changes."""
        if self._teller.count(job.standing, job.streak, success, why):
            self._teller.log(INFO, said)


def _account(thing: TrackScript | TrackUnit, tracking: Tracking) -> _Account:
    """User, group, supplementary groups, security."""
    if isinstance(thing, TrackUnit):
        return "0", None, False, False
    user, group = thing.script.user, thing.script.group
    if user is None:
        user, group = tracking.script_user, tracking.script_group
    return user, group, tracking.set_supplementary_groups, tracking.enable_script_security


def _argv(thing: TrackScript | TrackUnit) -> tuple[str, ...]:
    if isinstance(thing, TrackScript):
        return thing.script.argv
    return "systemctl", "is-active", "--quiet", "--", thing.unit


def _says(status: int) -> str:
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"ended by {Signals(-status).name}"
    except ValueError:
        return f"ended by signal {-status}"


def _unit_says(status: int) -> str:
    said = {0: "active", _INACTIVE: "not active, or not known", _UNKNOWN: "there is no such unit"}.get(status)
    return said or f"systemctl {_says(status)}"
