"""The configuration in force, and the way from one to the next.

A reload is a transaction. A short-lived child reads the new configuration; if that is not usable, all stays as it is.
What is usable is in force at once but on trial: if it kills the worker while that takes it over, or twice soon after,
the one before is in force again, and the next worker starts with it.
"""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from hakeep import facts
from hakeep.appointment import Appointment
from hakeep.config.settled import Settings
from hakeep.errands import Errands
from hakeep.facts import Facts
from hakeep.options import Options
from hakeep.report.protocol import Outcome, Reloaded
from hakeep.sdnotify import ServiceManager
from hakeep.worker import ERROR, INFO, WARNING, Log

#: Seconds that a new configuration is on trial, from its takeover and from a first death after that.
TRIAL = 5.0

#: What cannot change while we run: files and tables are named after it.
FIXED = ("instance", "net_namespace", "nftables_table")

#: Of what is said about a new configuration, so many lines of so many characters are told to who ordered the reload.
LINES, LETTERS = 200, 1000

#: What a child that failed leaves unsaid.
UNREAD = b'[[3, "it could not be read at all; the log tells why"]]'

#: Lines with their syslog levels.
Said = list[tuple[int, str]]

#: Told what became of a reload.
Told = Callable[[Reloaded], None]


class Version(NamedTuple):
    """One configuration: as each worker gets it, pickled, and what the supervisor knows of it. `director` is empty
    where there are no virtual servers."""

    settings: bytes
    director: bytes
    facts: Facts


def _pickled(settings: Settings) -> tuple[bytes, bytes]:
    """What the vrrp worker gets, who has no use for thousands of real servers, and what the lvs worker gets."""
    director = settings.lvs
    return pickle.dumps(replace(settings, lvs=None)), pickle.dumps(director) if director is not None else b""


class InForce:
    """`changed(old)` is called when another configuration is in force, with what was known of the one before;
    `deliver(blob)` hands one to the vrrp worker. `signals` are those that a child is not to inherit."""

    def __init__(
        self, settings: Settings, options: Options, errands: Errands, log: Log, manager: ServiceManager,
        changed: Callable[[Facts], None], deliver: Callable[[bytes], None], signals: tuple[int, ...],
    ) -> None:
        self._options = options
        self._errands = errands
        self._log = log
        self._manager = manager
        self._changed = changed
        self._deliver = deliver
        self._signals = signals
        self._now = Version(*_pickled(settings), facts.decode(facts.encode(settings)))
        self._before: Version | None = None
        self._until = float("inf")
        self._crashes = 0
        self._again = False
        self._next: list[Told] = []  # who waits for a reading that has not begun
        self._reading: list[Told] = []  # for the one that is being done
        self._taking: list[tuple[Told, Said]] = []  # for the worker to take over what was read
        self._appointment = Appointment("", False, log)
        self._appoint()
        self._fixed = {name: getattr(settings.globals, name) for name in FIXED}

    @property
    def blob(self) -> bytes:
        """The settings of the vrrp worker, pickled."""
        return self._now.settings

    @property
    def director(self) -> bytes:
        """Those of the lvs worker; empty where there are no virtual servers."""
        return self._now.director

    @property
    def facts(self) -> Facts:
        """What the supervisor knows of them."""
        return self._now.facts

    # ------------------------------------------------------------------------------------------------- reading

    def reload(self, told: Told | None = None) -> None:
        """Read it anew; once more if that is being done already, because what was read may be older than the order.

        `told` is called when it is known what became of it.
        """
        self._next += [told] if told else []
        if self._errands:
            self._again = True
            return
        self._reading, self._next = self._next, []
        self._log(INFO, "Reloading ...")
        self._manager.reloading()
        self._mark_reading(True)
        self._errands.send("reading the configuration", self._read, self._take, self._signals)

    def turn(self) -> None:
        """Reload if that has been put off, or if it is time."""
        if self._appointment.due() or (self._again and not self._errands):
            self._again = False
            self.reload()

    def _read(self) -> bytes:
        """In a child: read the configuration. The first line of the result is what is said about it. If it is usable,
        the second are its facts, the third is the length of the first of the two pickles that follow."""
        from hakeep.config.difference import changes, sentences  # the parent needs nothing of it

        settings, said = self._options.load()
        said = list(said)
        result = b""
        if settings is not None:
            said += [(WARNING, f"{name} changes only at a restart, not at a reload")
                     for name, value in self._fixed.items() if getattr(settings.globals, name) != value]
            settings = replace(settings, globals=replace(settings.globals, **self._fixed))
            present: Settings = pickle.loads(self.blob)
            if self.director:
                present = replace(present, lvs=pickle.loads(self.director))
            said += [(INFO, f"Changed: {each}") for each in sentences(changes(present, settings))]
            mine, director = _pickled(settings)
            result = b"\n%b\n%d\n%b%b" % (facts.encode(settings), len(mine), mine, director)
        for level, text in said:
            self._log(level, text)
        return json.dumps([[level, text[:LETTERS]] for level, text in said[:LINES]]).encode() + result

    def _mark_reading(self, reading: bool) -> None:
        """reload_file: it is there while the configuration is read."""
        name, instance = self.facts.globals.reload_file, self.facts.globals.instance
        if name is None:
            return
        suffix = f"_{instance}" if instance else ""
        path = Path(name) if name else self._options.run_directory / f"hakeepd{suffix}.reload"
        with suppress(OSError):
            if reading:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644))
            else:
                path.unlink()

    def _take(self, result: bytes) -> None:
        self._mark_reading(False)
        asked, self._reading = self._reading, []
        first, _, rest = result.partition(b"\n")
        head, _, rest = rest.partition(b"\n")
        length, _, rest = rest.partition(b"\n")
        blob, director = rest[: int(length or 0)], rest[int(length or 0) :]
        said: Said = [(int(level), str(text)) for level, text in json.loads(first or UNREAD)]
        if not blob:
            self._log(ERROR, "the new configuration is not taken: keeping the running one")
            self._manager.ready()
            _tell(((told, said) for told in asked), Outcome.REFUSED)
            return
        if (blob, director) == (self.blob, self.director):
            self._log(INFO, "Reload complete: nothing has changed")
            self._manager.ready()
            _tell(((told, said) for told in asked), Outcome.UNCHANGED)
            return
        version = Version(blob, director, facts.decode(head))
        if blob == self.blob or not self._options.vrrp:  # nobody needs to be waited for
            if self._before is not None:  # it is the vrrp worker's part that is on trial
                self._before = self._before._replace(director=director)
            self._put_in_force(version)
            self._log(INFO, "Reload complete")
            self._manager.ready()
            _tell(((told, said) for told in asked), Outcome.TAKEN)
            return
        self._taking += [(told, said) for told in asked]
        if self._before is None or self._until < float("inf"):  # the present one has been taken over: it is proven
            self._before = self._now
        self._until, self._crashes = float("inf"), 0
        self._put_in_force(version)
        self._deliver(blob)

    def _put_in_force(self, version: Version) -> None:
        old, self._now = self._now, version
        self._appoint()
        self._changed(old.facts)

    def _appoint(self) -> None:
        """reload_time_file may be another one now, or none; one that stays is not read anew."""
        path, repeat = self.facts.globals.reload_time_file, self.facts.globals.reload_repeat
        if (self._appointment.path, self._appointment.repeat) != (path, repeat):
            self._appointment = Appointment(path, repeat, self._log)

    # ------------------------------------------------------------------------------------------------- on trial

    def taken_over(self, now: float) -> None:
        """A worker runs with what is in force."""
        if self._before is not None:
            self._until = now + TRIAL
        taking, self._taking = self._taking, []
        _tell(taking, Outcome.TAKEN)

    def crashed(self, how: str, now: float) -> bool:
        """A worker died. True when the configuration before is in force again because of that."""
        if self._before is None:
            return False
        if now > self._until:
            self._before = None
            return False
        self._crashes += 1
        taken_over = self._until < float("inf")
        if taken_over and self._crashes < 2:
            self._until = now + TRIAL
            return False
        when = "again and again after taking over" if taken_over else "while it took over"
        sentence = f"the vrrp worker {how} {when} the new configuration: going back to the one before"
        self._log(ERROR, sentence)
        before, self._before = self._before, None
        self._put_in_force(before)
        taking, self._taking = self._taking, []
        _tell(((told, [*said, (int(ERROR), sentence)]) for told, said in taking), Outcome.GIVEN_UP)
        return True


def _tell(waiting: Iterable[tuple[Told, Said]], outcome: Outcome) -> None:
    for told, said in waiting:
        told(Reloaded(outcome, tuple(said)))
