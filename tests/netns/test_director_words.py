"""What configuration and operators say about servers, as the kernel's table and scripts show it: weights, who is kept
although it fails, who is told what at the start and at the end.

One director without VRRP: the addresses are there from the beginning, and checks follow each other quickly.
"""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import topology
from hosts import Daemon, Network, wait_until
from test_director import PATIENCE, SERVERS, VIP, Directors

pytestmark = pytest.mark.netns

R1, R2 = (f"{ip}:80" for ip in SERVERS.values())

#: A check that sees within half a second that a web server is dead, or there again.
CHECK = "TCP_CHECK {\n connect_timeout 1\n retry 0\n warmup 0\n}"


class Alone(Directors):
    """Director a without VRRP, and what its table says."""

    def begin(self, virtual: str = "", real: str = "", config: str = "") -> Daemon:
        """Start the servers and the director, with these words in the virtual server and in each real one, or with
        another configuration; until both servers have their places in the table."""
        self.network["a"].ip(f"addr add {VIP}/24 dev eth0")
        self.network["a"].ip("addr add 198.51.100.1/24 dev eth1")
        for host in SERVERS:
            self.web(host).start()
        self.a.words += ("-C",)
        Path(self.a.words[self.a.words.index("-f") + 1]).write_text(
            config or service(virtual, dict.fromkeys(SERVERS.values(), f"{real}\n{CHECK}")))
        self.a.start()
        self.until(lambda: self.weight("r1") is not None and self.weight("r2") is not None, "both are in the table")
        self.until(self.can_be_asked, "it can be asked")
        return self.a

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for it; a failure shows the log and the table of that time."""
        try:
            wait_until(condition, PATIENCE, what)
        except TimeoutError as error:
            error.add_note(f"{self.a.log()}\n{self.table()}")
            raise

    def can_be_asked(self) -> bool:
        """Whether the daemon answers, and its lvs worker as well."""
        done = self.tool("status", "--json")
        return done.returncode == 0 and bool(json.loads(done.stdout)["virtual_servers"])

    def weight(self, server: str) -> int | None:
        """A server's weight in the kernel's table, None when it is not there."""
        found = re.search(rf'\. {SERVERS[server]} \. 80 comment "weight=(\d+)"', self.table())
        return int(found[1]) if found else None

    def weighs(self, **weights: int | None) -> None:
        """Until these servers have these weights in the table."""
        def so() -> bool:
            return all(self.weight(server) == weight for server, weight in weights.items())

        self.until(so, f"weights {weights}")

    def order(self, *words: str) -> None:
        """`hakeep WORDS`, which is obeyed."""
        done = self.tool(*words)
        assert done.returncode == 0, done.stderr

    def stop(self) -> None:
        """SIGTERM, until all its processes have ended."""
        self.a.signal(signal.SIGTERM)
        self.until(lambda: not self.a.processes(), "all processes end")


def service(words: str, reals: dict[str, str], port: int = 80) -> str:
    """A virtual server with these words in it and in each of its real servers."""
    blocks = "".join(f"real_server {ip} 80 {{\n{inside}\n}}\n" for ip, inside in reals.items())
    return (f"virtual_server {VIP} {port} {{\n delay_loop 0.3\n lvs_sched wrr\n lvs_method NAT\n protocol TCP\n"
            f"{words}\n{blocks}}}\n")


@pytest.fixture
def alone() -> Iterator[Alone]:
    with Network(topology.load("director")) as network:
        made = Alone(network)
        with made.client:
            yield made


class Told:
    """A script that writes down what it is called with."""

    def __init__(self, files: Path) -> None:
        self.script, self._record = files / "told", files / "said"
        self.script.write_text(f'#!/bin/sh\necho "$*" >> {self._record}\n')
        self.script.chmod(0o755)
        self._record.touch()

    def __call__(self, *words: str) -> str:
        """The script with these words, as a configuration has it."""
        return f'"{" ".join((str(self.script), *words))}"'

    def service(self, words: str, port: int) -> str:
        """A virtual server of which everything is told, beginning with its port."""
        return service(f"{words}\n quorum_up {self(str(port), 'gained')}\n quorum_down {self(str(port), 'lost')}", {
            ip: f"notify_up {self(str(port), 'up', host)}\n notify_down {self(str(port), 'down', host)}\n{CHECK}"
            for host, ip in SERVERS.items()}, port)

    def said(self, port: int) -> list[str]:
        """What it was called with about that service, in order of the alphabet: scripts of one moment run together."""
        lines = self._record.read_text().splitlines()
        return sorted(line.removeprefix(f"{port} ") for line in lines if line.startswith(f"{port} "))

    def forget(self) -> None:
        """As if nothing had been said."""
        self._record.write_text("")


def test_down_takes_a_server_out_although_it_is_well_also_after_a_restart(alone: Alone) -> None:
    daemon = alone.begin()
    alone.served_by("r1", "r2")
    alone.order("down", R1)
    alone.weighs(r1=None, r2=1)
    alone.served_by("r2")
    down = alone.reals()[SERVERS["r1"]]
    assert (down["order"], down["state"], down["why"]) == ("down", "DOWN", "taken out by order")
    assert down["checks"][0]["up"]
    alone.stop()
    daemon.start()
    alone.weighs(r1=None, r2=1)
    alone.until(alone.can_be_asked, "it can be asked again")
    alone.served_by("r2")
    alone.order("ready", R1)
    alone.weighs(r1=1, r2=1)
    alone.served_by("r1", "r2")


def test_an_ordered_weight_is_in_force_and_is_kept_over_a_restart(alone: Alone) -> None:
    daemon = alone.begin()
    alone.order("weight", R1, "3")
    alone.weighs(r1=3, r2=1)
    since = time.time() + 0.1
    alone.until(lambda: len(alone.client.requests(since)) > 400, "some requests")
    answers = [request.answer for request in alone.client.requests(since)]
    assert answers.count("r1") / len(answers) == pytest.approx(0.75, abs=0.02)
    assert (alone.reals()[SERVERS["r1"]]["order"], alone.reals()[SERVERS["r1"]]["weight"]) == ("weight", 3)
    alone.stop()
    daemon.start()
    alone.weighs(r1=3, r2=1)
    alone.until(alone.can_be_asked, "it can be asked again")
    alone.order("weight", R1, "0")
    alone.weighs(r1=0, r2=1)
    alone.order("ready", R1)
    alone.weighs(r1=1, r2=1)


def test_with_slow_start_the_weight_grows_after_a_recovery(alone: Alone) -> None:
    alone.begin(real="weight 20\n slow_start 2")
    assert (alone.weight("r1"), alone.weight("r2")) == (20, 20), "nobody has failed yet"
    alone.web("r1").kill()
    alone.weighs(r1=None)
    alone.web("r1").start()
    seen: dict[int, float] = {}

    def whole() -> bool:
        weight = alone.weight("r1")
        if weight is not None:
            seen.setdefault(weight, time.monotonic())
        return weight == 20

    alone.until(whole, "its whole weight")
    steps = list(seen)
    assert set(steps) <= set(range(2, 21, 2)) and steps == sorted(steps) and len(steps) >= 5, steps
    assert steps[0] <= 6, steps
    # whoever looks late has seen less of it
    assert seen[20] - seen[steps[0]] == pytest.approx(2 - (steps[0] - 2) / 2 * 2 / 9, abs=0.3)
    assert "its weight grows over 2 s (slow_start)" in alone.a.log() and alone.weight("r2") == 20


def test_when_too_many_fail_at_once_all_are_kept_and_it_is_said(alone: Alone) -> None:
    alone.begin("panic_threshold 30")
    alone.web("r1").kill()
    alone.weighs(r1=None, r2=1)  # one of two is enough
    alone.web("r2").kill()
    alone.weighs(r1=1, r2=1)
    virtual = alone.status()["virtual_servers"][0]
    assert virtual["panic"] and {real["state"] for real in virtual["reals"]} == {"DOWN"}
    assert (f"VS [{VIP}]:tcp:80: only 0 of 2 real servers are well, fewer than 30 %: failed ones stay in "
            "(panic_threshold)") in alone.a.log()
    assert f"service [{SERVERS['r2']}]:tcp:80 of VS [{VIP}]:tcp:80 has failed, but stays" in alone.a.log()
    assert "Lost quorum" not in alone.a.log()
    alone.web("r1").start()
    alone.served_by("r1")
    alone.weighs(r1=1, r2=None)
    assert "1 of 2 real servers are well: failed ones are taken out again" in alone.a.log()


def test_with_rs_init_notifies_scripts_are_told_how_servers_begin(alone: Alone) -> None:
    told = Told(alone.network.files)
    config = f"global_defs {{\n rs_init_notifies\n script_user root\n}}\n{told.service('', 80)}"
    alone.begin(config=config + told.service("alpha", 81))
    both = ["up r1", "up r2"]
    alone.until(lambda: told.said(80) == ["gained", *both], "what begins well is told of")
    # with alpha all begin down, and are told of so: the quorum as well; then the first checks succeed
    alone.until(lambda: told.said(81) == ["down r1", "down r2", "gained", "lost", *both], "and what begins down")


def test_without_rs_init_notifies_only_what_changes_is_told(alone: Alone) -> None:
    told = Told(alone.network.files)
    alone.begin(config=f"global_defs {{\n script_user root\n}}\n{told.service('', 80)}{told.service('alpha', 81)}")
    alone.until(lambda: told.said(81) == ["gained", "lost", "up r1", "up r2"], "what the checks change is told")
    assert told.said(80) == ["gained"]


def test_with_omega_scripts_are_told_at_the_end_that_what_was_up_is_down(alone: Alone) -> None:
    told = Told(alone.network.files)
    alone.begin(config=f"global_defs {{\n script_user root\n}}\n{told.service('omega', 80)}{told.service('', 81)}")
    alone.web("r1").kill()
    for port in (80, 81):
        alone.until(lambda port=port: told.said(port) == ["down r1", "gained"], "the quorum, and the death of r1")
    told.forget()
    alone.stop()
    assert told.said(80) == ["down r2", "lost"], "r1 was down before; scripts have finished before the daemon"
    assert told.said(81) == []
    assert SERVERS["r2"] not in alone.table()


def test_the_exit_status_of_a_misc_check_with_misc_dynamic_is_a_weight(alone: Alone) -> None:
    status, script = alone.network.files / "status", alone.network.files / "check"
    status.write_text("0")
    script.write_text(f'#!/bin/sh\nexit "$(cat {status})"\n')
    script.chmod(0o755)

    def says(number: int) -> None:
        temporary = status.with_suffix(".new")
        temporary.write_text(str(number))
        temporary.rename(status)

    asked = f"weight 5\n MISC_CHECK {{\n misc_path {script}\n misc_dynamic\n retry 0\n warmup 0\n}}"
    alone.begin(config="global_defs {\n script_user root\n}\n" + service(
        "", {SERVERS["r1"]: asked, SERVERS["r2"]: f"weight 5\n{CHECK}"}))
    alone.weighs(r1=5, r2=5)
    says(12)
    alone.weighs(r1=10, r2=5)
    says(0)
    alone.weighs(r1=5, r2=5)  # the configured one, as with keepalived 2.2.7
    says(2)
    alone.weighs(r1=0, r2=5)
    alone.served_by("r2")
    says(1)
    alone.weighs(r1=None, r2=5)
    assert alone.reals()[SERVERS["r1"]]["why"] == "MISC_CHECK: exit status 1"
    says(255)
    alone.weighs(r1=253, r2=5)
    alone.served_by("r1", "r2")
