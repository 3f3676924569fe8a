"""The configuration in force, and the way from one to the next.

A reload is a transaction. A short-lived child reads the new configuration; if that is not usable, all stays as it is.
What is usable goes to each worker that it says something new to, and who ordered the reload is told that it is in force
when all of them have taken it over. Until then and a while after it is on trial: if it kills the vrrp worker while that
takes it over, or a worker twice, the one before is in force again, for all that came in the same reload.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from hakeep import facts
from hakeep.appointment import Appointment
from hakeep.config.settled import Settings
from hakeep.errands import Errands
from hakeep.facts import Facts
from hakeep.options import Options
from hakeep.parcel import Parcel, pack, unpack
from hakeep.report.protocol import Outcome, Reloaded
from hakeep.sdnotify import ServiceManager
from hakeep.worker import ERROR, INFO, WARNING, Log

#: Seconds that a new configuration is on trial, from its takeover and from a first death after that. What is new to the
#: lvs worker may show only when servers have answered.
TRIAL = 5.0
TRIALS = {"vrrp": TRIAL, "lvs": 30.0}

#: Who may die once while it takes something new over: no address hangs on it, and another one tries it at once.
FORGIVEN = ("lvs",)

#: Seconds after which who ordered a reload is told which workers have not taken it over yet; the tool waits for 60, and
#: reading may take some 30 of them.
TAKEOVER = 25.0

#: What cannot change while we run: files and tables are named after it.
FIXED = ("instance", "net_namespace", "net_namespace_ipvs", "nftables_table")

#: Of what is said about a new configuration, so many lines of so many characters are told to who ordered the reload.
LINES, LETTERS = 200, 1000

#: What a child that failed leaves unsaid.
UNREAD = b'[[3, "it could not be read at all; the log tells why"]]'

#: What a child says that has found everything as it was.
SAME = b"[]\n="

#: Lines with their syslog levels.
Said = list[tuple[int, str]]

#: Told what became of a reload.
Told = Callable[[Reloaded], None]


class Version(NamedTuple):
    """One configuration: as each worker gets it, and what the supervisor knows of it. `settings` are pickled;
    `director` is empty where there are no virtual servers. `evidence` tells whether it would be read again just so
    (`config.witness`)."""

    settings: bytes
    director: Parcel
    facts: Facts
    evidence: bytes = b""

    def part(self, worker: str) -> dict[str, Any]:
        """The fields that are this worker's."""
        return {"director": self.director} if worker == "lvs" else {"settings": self.settings, "facts": self.facts}


@dataclass
class Trial:
    """A worker has got something new. `before` is the last of its parts that it has taken over; `reload` tells which
    reload brought the new one. `until` is inf while the worker takes it over."""

    before: dict[str, Any]
    reload: int
    until: float = float("inf")
    crashes: int = 0


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
        self._now = Version(
            pack(replace(settings, lvs=None)), Parcel(value=facts.director(settings)),
            facts.decode(facts.encode(settings)), options.evidence())
        self._trials: dict[str, Trial] = {}
        self._reloads = 0
        self._again = False
        self._next: list[Told] = []  # who waits for a reading that has not begun
        self._reading: list[Told] = []  # for the one that is being done
        self._taking: list[tuple[Told, Said]] = []  # for the workers to take over what was read
        self._overdue_at = float("inf")
        self._appointment = Appointment("", False, log)
        self._appoint()
        self._fixed = {name: getattr(settings.globals, name) for name in FIXED}

    @property
    def blob(self) -> bytes:
        """The settings of the vrrp worker, pickled; it has no use for thousands of real servers."""
        return self._now.settings

    @property
    def director(self) -> Parcel:
        """Those of the lvs worker; empty where there are no virtual servers. At the start it is what was read itself,
        which a worker inherits."""
        return self._now.director

    def pack(self) -> None:
        """Have a child make the pickle of what workers inherit, and keep that instead, which takes much less memory.
        With ten thousands of servers it takes a second, in which the first worker has better things to do: so not
        before that has taken over."""
        director = self.director
        if not director.sealed and not self._errands:
            self._errands.send("packing", lambda: director.data, director.seal, self._signals)

    def leave(self) -> None:
        """In a child that directs nothing: let go of the virtual servers."""
        self.director.drop()

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
        self.pack()  # what is read has to be compared with it
        if self._errands:
            self._again = True
            return
        self._reading, self._next = self._next, []
        self._log(INFO, "Reloading ...")
        self._manager.reloading()
        self._mark_reading(True)
        self._errands.send("reading the configuration", self._read, self._take, self._signals)

    def turn(self) -> None:
        """Reload if that has been put off, or if it is time. Name workers that do not take over what they have got."""
        if time.monotonic() >= self._overdue_at:
            self._overdue()
        if self._appointment.due() or (self._again and not self._errands):
            self._again = False
            self.reload()

    def _read(self) -> bytes:
        """In a child: read the configuration. The first line of the result is what is said about it. If it is usable,
        the second are its facts, the third are the lengths of the first two of the three things that follow: the vrrp
        worker's pickle, the evidence, the lvs worker's pickle. SAME if reading would come to what is in force."""
        from hakeep.config.difference import changes, sentences  # the parent needs nothing of it
        from hakeep.lvs.marks import keep_marks

        if self._now.evidence and self._options.holds(self._now.evidence):
            return SAME
        settings, said = self._options.load()
        said = list(said)
        result = b""
        if settings is not None:
            said += [(WARNING, f"{name} changes only at a restart, not at a reload")
                     for name, value in self._fixed.items() if getattr(settings.globals, name) != value]
            settings = replace(
                settings, globals=replace(settings.globals, **self._fixed), lvs=facts.director(settings))
            present: Settings = replace(unpack(self.blob), lvs=self.director.value)
            if settings.lvs is not None:
                settings = replace(settings, lvs=keep_marks(present.lvs, settings.lvs))
            said += [(INFO, f"Changed: {each}") for each in sentences(changes(present, settings))]
            mine = pack(replace(settings, lvs=None))
            director = self.director.data if settings.lvs == present.lvs else Parcel(value=settings.lvs).data
            evidence = self._options.evidence()
            lengths = b"%d %d" % (len(mine), len(evidence))
            result = b"\n".join((b"", facts.encode(settings), lengths, mine + evidence + director))
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
        if result == SAME:
            self._unchanged(asked, [])
            return
        first, _, rest = result.partition(b"\n")
        head, _, rest = rest.partition(b"\n")
        lengths, _, rest = rest.partition(b"\n")
        end, length = map(int, lengths.split() or (0, 0))
        blob, evidence, director = rest[:end], rest[end : end + length], Parcel(rest[end + length :])
        said: Said = [(int(level), str(text)) for level, text in json.loads(first or UNREAD)]
        if not blob:
            self._log(ERROR, "the new configuration is not taken: keeping the running one")
            self._manager.ready()
            _tell(((told, said) for told in asked), Outcome.REFUSED)
            return
        if (blob, director) == (self.blob, self.director):
            self._now = self._now._replace(evidence=evidence)
            self._unchanged(asked, said)
            return
        self._taking += [(told, said) for told in asked]
        self._try(Version(blob, director, facts.decode(head), evidence))

    def _unchanged(self, asked: list[Told], said: Said) -> None:
        self._log(INFO, "Reload complete: nothing has changed")
        self._manager.ready()
        _tell(((told, said) for told in asked), Outcome.UNCHANGED)

    def _try(self, version: Version) -> None:
        """Put it in force, on trial with those workers that it says something new to."""
        old, self._reloads = self._now, self._reloads + 1
        news = [worker for worker, runs in (("vrrp", self._options.vrrp), ("lvs", self._options.lvs))
                if runs and version.part(worker) != old.part(worker)]
        for worker in news:
            trial = self._trials.get(worker)
            proven = old.part(worker) if trial is None or trial.until < float("inf") else trial.before
            self._trials[worker] = Trial(proven, self._reloads)
        self._overdue_at = time.monotonic() + TAKEOVER if news else float("inf")
        self._put_in_force(version)
        if "vrrp" in news:
            self._deliver(version.settings)
        if not news:
            self._complete()
            self._answer(Outcome.TAKEN)

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

    @property
    def awaited(self) -> list[str]:
        """The workers that have not taken over yet what is in force."""
        return [each for each in TRIALS if each in self._trials and self._trials[each].until == float("inf")]

    def taken_over(self, now: float, worker: str = "vrrp") -> None:
        """A worker runs with what is in force."""
        if worker == "lvs":
            self.pack()
        trial = self._trials.get(worker)
        if trial is not None:
            if self.awaited == [worker]:
                self._complete()
            trial.until = now + TRIALS[worker]
        if not self.awaited:
            self._overdue_at = float("inf")
            self._answer(Outcome.TAKEN)

    def _complete(self) -> None:
        """Nobody is waited for any more."""
        self._log(INFO, "Reload complete")
        self._manager.ready()

    def _overdue(self) -> None:
        self._overdue_at = float("inf")
        workers = self.awaited
        who, have = " and ".join(f"the {worker} worker" for worker in workers), "has" if len(workers) == 1 else "have"
        sentence = f"{who} {have} not taken over the new configuration within {TAKEOVER:g} s"
        self._log(WARNING, sentence)
        self._answer(Outcome.AWAITED, (int(WARNING), sentence))

    def crashed(self, how: str, now: float, worker: str = "vrrp") -> bool:
        """A worker died. True when the configuration before is in force again because of that."""
        trial = self._trials.get(worker)
        if trial is None:
            return False
        if now > trial.until:
            del self._trials[worker]
            return False
        trial.crashes += 1
        taken_over = trial.until < float("inf")
        if trial.crashes < 2 and (taken_over or worker in FORGIVEN):
            if taken_over:
                trial.until = now + TRIALS[worker]
            return False
        when = "again and again after taking over" if taken_over else "while it took over"
        sentence = f"the {worker} worker {how} {when} the new configuration: going back to the one before"
        self._log(ERROR, sentence)
        self._answer(Outcome.GIVEN_UP, (int(ERROR), sentence))
        self._go_back(trial.reload)
        return True

    def _go_back(self, reload: int) -> None:
        """Take back all that came with one reload."""
        back = [worker for worker, trial in self._trials.items() if trial.reload == reload]
        version = self._now._replace(evidence=b"")
        for worker in back:
            version = version._replace(**self._trials.pop(worker).before)
        self._put_in_force(version)
        if "vrrp" in back:
            self._deliver(version.settings)
        self._overdue_at = float("inf")
        self._manager.ready()

    def _answer(self, outcome: Outcome, *more: tuple[int, str]) -> None:
        """Tell who ordered what the workers were to take over."""
        taking, self._taking = self._taking, []
        _tell(((told, [*said, *more]) for told, said in taking), outcome)


def _tell(waiting: Iterable[tuple[Told, Said]], outcome: Outcome) -> None:
    for told, said in waiting:
        told(Reloaded(outcome, tuple(said)))
