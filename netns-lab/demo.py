"""The main job, before your eyes: a server dies, a director dies, the service goes on.

Directors a and b share an address under which a client asks for a web service, without pause; they hand its requests to
real servers r1 and r2. Then r1 dies and comes back, and after it a, killed with -9. What is judged is what a client and
the wire saw, beside what checks and protocol allow at best; the daemons are not asked. No request may be lost but those
that were in flight when something broke (see account.py).

Another daemon than hakeepd plays without real servers: a and b serve themselves.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import re
import shlex
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import account
import topology
import world
from account import Account, Moment
from hosts import HAKEEPD, Network
from observe import AddressWatch, Client, Interval, Prober, Request, Sniffer

VIP = "192.0.2.100"
OBSERVER = "192.0.2.201"

#: Seconds that nobody can foresee: process start, scheduling, a request that was under way.
TOLERANCE = 0.2

#: Seconds that are told of as one.
MOMENT = 0.3

#: Seconds in which the client's next try must have a connection, and for which an answer is waited for beside others.
TRY, LATE = 0.05, 0.8

#: Seconds that a web server may take to start.
START = 2.0


class Verdict(NamedTuple):
    """One line of the summary: what was measured, and the most that it may be (None: only told)."""

    what: str
    seconds: float
    bound: float | None
    note: str = ""

    @property
    def held(self) -> bool:
        """True when the bound was kept."""
        return self.bound is None or self.seconds <= self.bound

    def __str__(self) -> str:
        word = "ok" if self.held else "TOO LONG"
        bound = "" if self.bound is None else f"at most {self.bound * 1000:5.0f} ms   {word}"
        return f"  {self.what:44} {self.seconds * 1000:7.1f} ms   {bound:28} {self.note}".rstrip()


def with_interval(plan: topology.Topology, seconds: float) -> topology.Topology:
    """The same topology with another advertisement interval."""
    def changed(run: topology.Run) -> topology.Run:
        return dataclasses.replace(run, config=re.sub(r"advert_int \S+", f"advert_int {seconds:g}", run.config))

    hosts = [dataclasses.replace(host, runs=tuple(map(changed, host.runs))) for host in plan.hosts]
    return dataclasses.replace(plan, hosts=tuple(hosts))


def setting(plan: topology.Topology, host: str, keyword: str) -> float:
    """A number in the configuration of a host's daemon."""
    text = next(run.config for one in plan.hosts if one.name == host for run in one.runs if run.config)
    found = re.search(rf"^\s*{keyword} (\S+)", text, re.MULTILINE)
    assert found, f"{keyword} is not in the configuration of {host}"
    return float(found[1])


class Demo:
    """The plot, told as it happens."""

    def __init__(self, plan: topology.Topology, hakeepd: list[str], pause: float) -> None:
        self.directors = any(host.name == "r1" for host in plan.hosts)
        self.interval = setting(plan, "b", "advert_int")
        self.down_interval = self.interval * (3 + (256 - setting(plan, "b", "priority")) / 256)
        self.pause = pause
        self.start = time.time()
        self._told = (frozenset[str](), "gets no answer")
        with contextlib.ExitStack() as stack:
            self.network = stack.enter_context(Network(plan, hakeepd))
            a, b = self.network.hosts["a"], self.network.hosts["b"]
            macs = {host.name: host.macs()["eth0"] for host in (a, b)}
            self.sniffer = stack.enter_context(Sniffer(self.network))
            self.watch = stack.enter_context(AddressWatch((a, b), VIP))
            self.prober = stack.enter_context(Prober(self.network.hosts["observer"], VIP, macs, OBSERVER))
            self.client = stack.enter_context(
                Client(self.network.hosts["client"], VIP, self.network.files / "requests", TRY, LATE))
            self.moments: list[Moment] = []
            self.first_master()
            self.up = time.time()
            self.verdicts = [*self.server_dies(plan), *self.server_returns(plan)] if self.directors else []
            self.verdicts += [*self.crash(), *self.return_home()]
            self.seen = self.summary()
            self.account = self.settle()

    def tell(self, text: str) -> None:
        """A line of the story, with the time."""
        print(f"{time.time() - self.start:6.2f} s  {text}", flush=True)

    def follow(self, condition: Callable[[], object], deadline: float, what: str) -> None:
        """Tells who holds the address and who answers the client, until `condition` is true."""
        end = time.time() + deadline
        while True:
            done = condition()
            holders = frozenset(host for host in "ab" if self.holding(host))
            now = (holders, self.answers())
            if now != self._told:
                self.tell(f"{VIP} is held by {' and '.join(sorted(holders)) or 'nobody'}; the client {now[1]}")
                self._told = now
            if done:
                return
            if time.time() > end:
                logs = "\n".join(f"--- {d.host.name} {d.name}\n{d.log()}" for d in self.network.daemons.values())
                raise TimeoutError(f"not within {deadline:.1f} s: {what}\n{logs}")
            time.sleep(0.02)

    def answers(self) -> str:
        """How the client fares at present, in words."""
        recent = [r.answer for r in self.client.requests(since=time.time() - MOMENT)]
        if not recent:
            return self._told[1]
        if not recent[-1] and not any(recent[-3:]):
            return "gets no answer"
        by = " and ".join(sorted(set(filter(None, recent))))
        return f"is answered by {by}" + ("" if all(recent) else ", and now and then not")

    def holding(self, host: str) -> bool:
        """True while that host has the address."""
        last = [held for _, name, held in list(self.watch.changes) if name == host]
        return bool(last) and last[-1]

    def answered_by(self, server: str, since: float) -> bool:
        """True when the client got an answer from that server in the last moments."""
        return any(r.answer == server for r in self.client.requests(since=max(since, time.time() - 0.1)))

    def serves(self, host: str, since: float) -> bool:
        """True when that host has the address, and the client has had an answer through it."""
        if not self.holding(host):
            return False
        if not self.directors:
            return self.answered_by(host, since)
        since = max(since, *(at for at, name, held in list(self.watch.changes) if name == host and held))
        return any(r.answer and r.start > since for r in self.client.requests(since=since))

    def wait(self, seconds: float) -> None:
        """Lets the daemons run on, and tells what changes."""
        end = time.time() + seconds
        self.follow(lambda: time.time() > end, seconds + 1, "time passes")

    def kill(self, host: str) -> float:
        """kill -9 to all that runs on a host; when that began."""
        since = time.time()
        for daemon in self.network.of(host):
            daemon.kill()
        self.moments.append(Moment(f"{host} died", Interval(since, time.time())))
        return since

    def moved(self, what: str, host: str, since: float) -> None:
        """After `since` the address has moved to that host: from the first sign of it until all know."""
        signs: dict[str, float] = {}
        for at, name, held in list(self.watch.changes):
            if at > since and held == (name == host):  # there it came, or elsewhere it went
                signs.setdefault(name, at)
        start = min(signs.values(), default=since)
        for each in self.sniffer.announcements(host, start):
            signs.setdefault(each.address, each.at)
        self.moments.append(Moment(what, Interval(start, max(signs.values(), default=start))))

    def settle(self) -> Account:
        """What became of the requests since the service was up."""
        tries = [each for each in self.client.requests() if each.start >= self.up]
        return account.settle(tries, self.moments, self.down_interval + TOLERANCE)

    def first_master(self) -> None:
        """a and b start; a, the better one, becomes master."""
        self.tell("a and b start; the client asks http://192.0.2.100/ without pause")
        since = time.time()
        self.network.start_all()
        self.follow(lambda: self.serves("a", since), self.down_interval + 10, "a is master")
        self.wait(1 + self.pause)

    def server_dies(self, plan: topology.Topology) -> list[Verdict]:
        """The web server on r1 is killed; its requests go to r2."""
        patience = sum(setting(plan, "a", word) for word in ("delay_loop", "delay_before_retry"))
        since = self.kill("r1")
        self.tell("kill -9 to the web server on r1")
        self.wait(patience + TOLERANCE + 1 + self.pause)
        requests = self.client.requests(since)
        lost = self.first_losses(requests)
        note = f"({len(lost)} of {len(requests)} tries in vain)"
        return [
            Verdict("r1 dies: requests still went there for", max((r.start for r in lost), default=since) - since,
                    patience + TOLERANCE, note),
            Verdict("r1 dies: the client got no answer for", self.client.longest_gap(since, time.time()), TOLERANCE),
        ]

    @staticmethod
    def first_losses(requests: list[Request]) -> list[Request]:
        """Those without an answer, until a hundred in a row have one: a single one later is a slow machine's."""
        lost, row = [], 0
        for request in requests:
            if not request.answer:
                lost.append(request)
                row = 0
            elif (row := row + 1) == 100 and lost:
                break
        return lost

    def server_returns(self, plan: topology.Topology) -> list[Verdict]:
        """The web server on r1 is started again; it gets its share."""
        since = time.time()
        for daemon in self.network.of("r1"):
            daemon.start()
        self.tell("the web server on r1 starts again")
        wait = setting(plan, "a", "delay_loop") + START
        self.follow(lambda: self.answered_by("r1", since), wait, "r1 answers")
        back = time.time()
        self.wait(1 + self.pause)
        vain = sum(not r.answer for r in self.client.requests(since))
        return [
            Verdict("r1 is back: without its share for", back - since, wait, f"({vain} tries in vain)"),
            Verdict("r1 is back: the client got no answer for", self.client.longest_gap(since, time.time()), TOLERANCE),
        ]

    def crash(self) -> list[Verdict]:
        """All that runs on a is killed; b takes over."""
        adverts = len(self.sniffer.adverts("a"))
        self.follow(lambda: len(self.sniffer.adverts("a")) > adverts, self.interval + 5, "an advert of a")
        since = self.kill("a")
        self.tell(f"kill -9 to all that runs on a{'' if self.directors else ': daemon and web server'}")
        self.follow(lambda: self.serves("b", since), self.down_interval + 5, "b serves")
        self.wait(1 + self.pause)
        until = time.time()
        window = Interval(since, until)
        self.moved("b took over from a", "b", since)
        last, first = self.sniffer.adverts("a")[-1].at, self.sniffer.adverts("b", since)[0].at
        # The lease works in whole seconds: with faster adverts only the fence is fast enough, and the address lingers.
        lease_can = self.interval >= 1
        return [
            Verdict("a dies: the client got no answer for", self.client.longest_gap(since - 1, until),
                    self.down_interval + TOLERANCE, f"(in theory {self.down_interval * 1000:.0f} ms)"),
            Verdict("a dies: last advert of a to first of b", first - last, self.down_interval + TOLERANCE),
            Verdict("a dies: a and b both answered for", self.prober.overlap("a", "b", since, until), 0.005),
            Verdict("a dies: a and b both held it for", self.watch.overlap("a", "b", window),
                    0.0 if lease_can else None, "" if lease_can else "(a fenced)"),
        ]

    def return_home(self) -> list[Verdict]:
        """a starts again and takes back what is its own."""
        self.tell("a starts again")
        since = time.time()
        for daemon in self.network.of("a"):
            daemon.start()
        self.follow(lambda: not self.holding("b") and self.serves("a", since),
                    self.down_interval + 10, "a takes over again")
        self.wait(1 + self.pause)
        until = time.time()
        moved = Interval(self.sniffer.adverts("a", since)[0].at, until)
        self.moved("a took the address back", "a", since)
        return [
            Verdict("a is back: the client got no answer for", self.client.longest_gap(since, until), TOLERANCE,
                    "(in theory 0 ms)"),
            Verdict("a is back: a and b both held it for", self.watch.overlap("a", "b", moved), 0.1),
        ]

    def summary(self) -> str:
        """What else was seen, in numbers."""
        lines = []
        for host in "ab":
            lines.append(f"  {host} sent {len(self.sniffer.adverts(host))} adverts and announced the address "
                         f"{len(self.sniffer.announcements(host, address=VIP))} times")
        return "\n".join(lines)


def main() -> None:
    """Exit status: 0 when all bounds were kept and no request was lost but those in flight, 1 when not, 2 when the demo
    cannot run."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--daemon", default=shlex.join(HAKEEPD), metavar="COMMAND",
                        help="another daemon with keepalived's command line, for example keepalived")
    parser.add_argument("--advert-int", type=float, metavar="SECONDS", help="advertisement interval (default 1)")
    parser.add_argument("--directors", action="store_true", help="that daemon directs real servers, too")
    parser.add_argument("--watch", action="store_true", help="take your time: pause between the events")
    arguments = parser.parse_args()
    if reason := world.refusal():
        print(f"The demo cannot run: {reason}. Try it as root.", file=sys.stderr)
        sys.exit(2)
    world.enter()
    ours = arguments.daemon == shlex.join(HAKEEPD)
    plan = topology.load("director" if ours or arguments.directors else "pair")
    if arguments.advert_int:
        plan = with_interval(plan, arguments.advert_int)
    start = time.time()
    try:
        demo = Demo(plan, shlex.split(arguments.daemon), pause=5 if arguments.watch else 0)
    except TimeoutError as error:
        print(f"\nFAILED: {error}")
        sys.exit(1)
    print("", *demo.verdicts, demo.seen, demo.account, sep="\n")
    complaint = demo.account.complaint(demo.start)
    if complaint:
        print(f"\n{complaint}")
    kept = all(verdict.held for verdict in demo.verdicts) and not complaint
    print(f"\n{'PASSED' if kept else 'FAILED'} in {time.time() - start:.1f} s")
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
