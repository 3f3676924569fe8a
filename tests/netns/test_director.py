"""Directors in front of real servers: what a client gets when servers, workers, tables and directors come and go.

On hosts without IPVS the table is one of nftables; the same configuration runs on IPVS in tests/uml.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import topology
from hosts import ROOT, Daemon, Network, wait_until
from observe import Client

from hakeep.lvs.process.loop import FIFO_END

pytestmark = pytest.mark.netns

VIP = "192.0.2.100"
SERVERS = {"r1": "198.51.100.21", "r2": "198.51.100.22"}
TOOL = (sys.executable, "-m", "hakeep.cli.hakeep")
PATIENCE = 15.0


class Directors:
    """The topology of the demo, with a client that asks without pause."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.a, self.b = network.daemons["a", "vrrp"], network.daemons["b", "vrrp"]
        self.client = Client(network["client"], VIP, network.files / "requests")

    def start(self, *, only: str = "", words: tuple[str, ...] = ()) -> Daemon:
        """Start the real servers and director a (and b unless `only` names a); until both servers answer."""
        for host in SERVERS:
            self.web(host).start()
        self.a.words += words
        self.a.start()
        if not only:
            self.b.start()
        self.served_by("r1", "r2")
        return self.a

    def web(self, host: str) -> Daemon:
        return self.network.daemons[host, "web"]

    def served_by(self, *hosts: str, patience: float = PATIENCE) -> None:
        """Until the client, for half a second, was answered by these and no others, and always."""
        def settled() -> bool:
            recent = [r.answer for r in self.client.requests(since=time.time() - 0.5)]
            return len(recent) > 20 and set(recent) == set(hosts)

        wait_until(settled, patience, f"the client is served by {' and '.join(hosts) or 'nobody'}\n{self.a.log()}")

    def lost(self, since: float) -> int:
        """Requests without an answer."""
        return sum(not r.answer for r in self.client.requests(since))

    def table(self, host: str = "a") -> str:
        """The director's table as nft shows it, without what is counted."""
        lines = self.network[host].run("nft", "list", "table", "ip", "hakeep_lvs", check=False).splitlines()
        return "\n".join(line for line in lines if "packets" not in line)

    def has(self, server: str, host: str = "a") -> bool:
        """Whether the table sends new connections to that server."""
        return any(
            f": {SERVERS[server]}" in line or f"to {SERVERS[server]}" in line for line in self.table(host).splitlines())

    def tool(self, *words: str, daemon: Daemon | None = None) -> subprocess.CompletedProcess[str]:
        """`hakeep WORDS` where the daemon lives."""
        daemon = daemon or self.a
        enter = ("nsenter", f"--target={daemon.pid}", "--mount", "--root", "--net", "--")
        return subprocess.run((*enter, *TOOL, *words), capture_output=True, text=True, timeout=30,
                              env={**os.environ, "PYTHONPATH": str(ROOT)})

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.tool("status", "--json").stdout)
        return found

    def reals(self) -> dict[str, dict[str, Any]]:
        """The real servers of the first virtual server, by address."""
        return {real["ip"]: real for real in self.status()["virtual_servers"][0]["reals"]}


def worker(daemon: Daemon, name: str = "hakeepd_lvs") -> int:
    """The pid of a worker, 0 when there is none."""
    for pid in daemon.processes():
        try:
            if pid != daemon.pid and Path(f"/proc/{pid}/comm").read_text() == f"{name}\n":
                return pid
        except OSError:
            continue
    return 0


def reconfigure(daemon: Daemon, text: str, said: str = "Reload complete") -> None:
    """Another configuration, taken; or, where something else is `said`, read."""
    config = Path(daemon.words[daemon.words.index("-f") + 1])
    config.write_text(text)
    before = daemon.log().count(said)
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: daemon.log().count(said) > before, PATIENCE, f"a reload\n{daemon.log()}")


def config_of(daemon: Daemon) -> str:
    return Path(daemon.words[daemon.words.index("-f") + 1]).read_text()


@pytest.fixture
def directors() -> Iterator[Directors]:
    with Network(topology.load("director")) as network:
        made = Directors(network)
        with made.client:
            yield made


def test_a_dead_server_goes_and_comes_back(directors: Directors) -> None:
    daemon = directors.start(only="a")
    died = time.time()
    directors.web("r1").kill()
    directors.served_by("r2")
    assert "Removing service [198.51.100.21]:tcp:80 from VS [192.0.2.100]:tcp:80" in daemon.log()
    down = directors.reals()[SERVERS["r1"]]
    assert "refused" in down["checks"][0]["why"] and down["wanted"] is None
    back = time.time()
    directors.web("r1").start()
    directors.served_by("r1", "r2")
    assert [r.answer for r in directors.client.requests(died, back)].count("r2") > 100
    wait_until(lambda: "Adding service [198.51.100.21]:tcp:80 to VS [192.0.2.100]:tcp:80" in daemon.log(), PATIENCE)


def test_it_has_nothing_of_the_vrrp_worker_s(directors: Directors) -> None:
    """Neither its sockets, which would stay members of groups after its death, nor its line, nor its lock."""
    daemon = directors.start(only="a")
    os.kill(worker(daemon, "hakeepd_vrrp"), signal.SIGKILL)  # its successor gets the sockets from the supervisor
    wait_until(lambda: daemon.log().count("Startup complete") == 2, PATIENCE)
    first = worker(daemon)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: worker(daemon) not in (0, first), PATIENCE)
    wait_until(lambda: daemon.log().count("LVS start-up complete") == 2, PATIENCE)
    with directors.network["a"].inside():
        tables = "".join(Path(f"/proc/thread-self/net/{table}").read_text() for table in ("raw", "raw6", "packet"))
    inodes = set(tables.split())
    held = [str(link.readlink()) for link in Path(f"/proc/{worker(daemon)}/fd").iterdir()]
    assert not [name for name in held if name.endswith("vrrp.pid")]
    assert not [name for name in held if name.startswith("socket:[") and name[8:-1] in inodes]


def test_a_worker_that_is_killed_is_replaced_by_one_that_knows_who_is_down(directors: Directors) -> None:
    daemon = directors.start(only="a")
    directors.web("r1").kill()
    directors.served_by("r2")
    first = worker(daemon)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: worker(daemon) not in (0, first), PATIENCE, "another lvs worker")
    until = time.time() + 2.5  # two rounds of checks
    while time.time() < until:
        assert not directors.has("r1"), "one that thinks all are well sends clients to a dead server"
        time.sleep(0.05)
    assert "was killed by signal 9" in daemon.log()
    directors.web("r1").start()
    directors.served_by("r1", "r2")


def test_a_table_that_somebody_empties_is_put_back(directors: Directors) -> None:
    daemon = directors.start(only="a")
    directors.network["a"].run("nft", "flush", "ruleset")
    wait_until(lambda: "somebody else changed the table; put back" in daemon.log(), 5, "it is noticed")
    wait_until(lambda: directors.has("r1") and directors.has("r2"), 5, "it is put back")
    time.sleep(0.6)  # what was asked meanwhile does not count
    directors.served_by("r1", "r2")


def test_a_reload_changes_what_has_changed_and_loses_no_request(directors: Directors) -> None:
    daemon = directors.start(only="a")
    text = config_of(daemon)
    since = time.time()
    head, _, tail = text.partition("    real_server 198.51.100.22")
    reconfigure(daemon, head + "}\n")
    directors.served_by("r1")
    reconfigure(daemon, text)
    directors.served_by("r1", "r2")
    assert tail and directors.lost(since) == 0
    pid, table = worker(daemon), directors.table()
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: "nothing has changed" in daemon.log(), PATIENCE)
    assert worker(daemon) == pid
    assert directors.table() == table


def test_what_a_worker_made_and_nobody_wants_any_more_goes_although_it_is_dead(directors: Directors) -> None:
    text = config_of(directors.a)
    Path(directors.a.words[directors.a.words.index("-f") + 1]).write_text(
        text + text[text.index("virtual_server "):].replace("192.0.2.100 80", "192.0.2.100 81"))
    daemon = directors.start(only="a")
    wait_until(lambda: "tcp-192.0.2.100-81" in directors.table(), PATIENCE, "both services")
    first = worker(daemon)
    os.kill(first, signal.SIGSTOP)
    processes = len(daemon.processes())
    reconfigure(daemon, text, "Changed: ")
    wait_until(lambda: len(daemon.processes()) == processes, PATIENCE, "who has read it ends")
    assert "Reload complete" not in daemon.log(), "the worker has not taken it yet"
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: "tcp-192.0.2.100-81" not in directors.table(), PATIENCE, "the service that was dropped goes")
    wait_until(lambda: "Reload complete" in daemon.log(), PATIENCE, daemon.log())
    directors.served_by("r1", "r2")


def test_what_kills_two_workers_is_taken_back(directors: Directors) -> None:
    daemon = directors.start(only="a")
    directors.served_by("r1", "r2")
    head, _, tail = config_of(daemon).partition("    real_server 198.51.100.22")
    reconfigure(daemon, head + "}\n")
    wait_until(lambda: tail and SERVERS["r2"] not in directors.table(), PATIENCE, "the new one is in force")
    for _ in range(2):
        pid = wait_until(lambda: worker(daemon), PATIENCE, "a worker")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda pid=pid: worker(daemon) != pid, PATIENCE, "it dies")
    wait_until(lambda: "again and again after taking over the new configuration" in daemon.log(), PATIENCE)
    assert "death 2 since the reload at " in daemon.log()
    wait_until(lambda: SERVERS["r2"] in directors.table(), PATIENCE, "the one before is in force again")


def test_with_dont_respawn_the_daemon_ends_with_its_lvs_worker(directors: Directors) -> None:
    daemon = directors.start(only="a", words=("-R",))
    directors.served_by("r1", "r2")
    table = directors.table()
    os.kill(worker(daemon), signal.SIGKILL)
    wait_until(lambda: not daemon.processes(), PATIENCE, "all processes end")
    assert "it is not to be respawned" in daemon.log() and SERVERS["r1"] in table
    assert SERVERS["r1"] in directors.table(), "nobody is there who could empty it"


def test_without_virtual_servers_there_is_no_worker_and_no_table(directors: Directors) -> None:
    daemon = directors.start(only="a")
    text = config_of(daemon)
    reconfigure(daemon, text.partition("virtual_server ")[0])
    wait_until(lambda: not worker(daemon), PATIENCE, "the lvs worker goes")
    assert SERVERS["r1"] not in directors.table()
    reconfigure(daemon, text)
    directors.served_by("r1", "r2")
    assert directors.status()["workers"].keys() == {"vrrp", "lvs"}


@pytest.mark.parametrize("how", ["TERM", "the supervisor is killed"])
def test_at_the_end_nothing_is_left(directors: Directors, how: str) -> None:
    daemon = directors.start(only="a")
    os.kill(daemon.pid, signal.SIGTERM if how == "TERM" else signal.SIGKILL)
    wait_until(lambda: not daemon.processes(), PATIENCE, "all processes end")
    assert SERVERS["r1"] not in directors.table()


def test_dont_release_leaves_the_table(directors: Directors) -> None:
    daemon = directors.start(only="a", words=("-I",))
    os.kill(daemon.pid, signal.SIGTERM)
    wait_until(lambda: not daemon.processes(), PATIENCE, "all processes end")
    assert SERVERS["r1"] in directors.table() and SERVERS["r2"] in directors.table()


@pytest.mark.parametrize(("option", "workers"), [("-P", {"vrrp"}), ("-C", {"lvs"})])
def test_each_half_alone(directors: Directors, option: str, workers: set[str]) -> None:
    for host in SERVERS:
        directors.web(host).start()
    directors.a.words += (option,)
    directors.a.start()
    wait_until(lambda: directors.tool("status", "--json").returncode == 0
               and directors.status()["workers"].keys() == workers, PATIENCE, directors.a.log())
    config = Path(directors.a.words[directors.a.words.index("-f") + 1])
    config.write_text("global_defs {\n    router_id other\n}\n" + config.read_text())
    assert directors.tool("reload").returncode == 0
    if option == "-C":
        wait_until(lambda: SERVERS["r1"] in directors.table(), PATIENCE, "the table")


def test_operators_have_the_last_word_also_after_a_restart(directors: Directors) -> None:
    daemon = directors.start(only="a")
    since = time.time()
    done = directors.tool("drain", f"{SERVERS['r1']}:80")
    assert done.returncode == 0, done.stderr
    directors.served_by("r2")
    assert directors.lost(since) == 0
    assert directors.reals()[SERVERS["r1"]]["order"] == "drain"
    daemon.signal(signal.SIGTERM)
    wait_until(lambda: not daemon.alive(), PATIENCE)
    daemon.start()
    directors.served_by("r2", patience=PATIENCE)
    assert directors.tool("ready", f"{SERVERS['r1']}:80").returncode == 0
    directors.served_by("r1", "r2")
    unknown = directors.tool("drain", "198.51.100.99:80")
    assert unknown.returncode != 0 and "198.51.100.99" in unknown.stderr


def test_the_service_follows_the_address(directors: Directors) -> None:
    """The master dies: the backup has checked the servers all along, and forwards at once."""
    directors.start()
    wait_until(lambda: directors.has("r1", "b"), PATIENCE, "b knows the servers")
    directors.a.kill()
    killed = time.time()
    wait_until(lambda: directors.network["b"].holds(VIP), PATIENCE, "b takes over")
    directors.served_by("r1", "r2")
    assert directors.client.longest_gap(killed, time.time()) < 3.61 + 0.2


def test_with_ha_suspend_only_the_holder_of_the_address_checks(directors: Directors) -> None:
    for daemon in (directors.a, directors.b):
        path = Path(daemon.words[daemon.words.index("-f") + 1])
        path.write_text(path.read_text().replace("protocol TCP", "protocol TCP\n    ha_suspend"))
    directors.start()

    def suspended(daemon: Daemon) -> list[bool]:
        found = json.loads(directors.tool("status", "--json", daemon=daemon).stdout or "{}")
        return [each["suspended"] for each in found.get("virtual_servers", ())]

    wait_until(lambda: suspended(directors.a) == [False] and suspended(directors.b) == [True], PATIENCE, "b waits")
    directors.web("r1").kill()
    directors.served_by("r2")
    directors.a.kill()
    wait_until(lambda: suspended(directors.b) == [False], PATIENCE, "b checks")
    directors.served_by("r2")


def test_scripts_and_the_fifo_are_told_of_servers_and_quorums(directors: Directors) -> None:
    """Both servers are needed for the quorum: it goes with the first of them, and comes back with it."""
    script, said = directors.network.files / "told", directors.network.files / "said"
    script.write_text(f'#!/bin/sh\necho "$1" >> {said}\n')
    script.chmod(0o755)
    fifo = directors.network.files / "lvs.fifo"
    os.mkfifo(fifo)
    path = Path(directors.a.words[directors.a.words.index("-f") + 1])
    text = path.read_text().replace(
        "protocol TCP", f'protocol TCP\n quorum 2\n quorum_up "{script} gained"\n quorum_down "{script} lost"')
    for server in SERVERS.values():
        text = text.replace(f"real_server {server} 80 {{", f"real_server {server} 80 {{\n"
                            f' notify_up "{script} up-{server}"\n notify_down "{script} down-{server}"')
    path.write_text(f"global_defs {{\n lvs_notify_fifo {fifo}\n script_user root\n}}\n{text}")
    reader = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    try:
        directors.start(only="a")
        wait_until(lambda: said.exists() and said.read_text() == "gained\n", PATIENCE, "the first quorum")
        directors.web("r1").kill()
        wait_until(lambda: "lost" in said.read_text(), PATIENCE, "the quorum is lost")
        directors.web("r1").start()
        server = SERVERS["r1"]
        all_of_them = ["down-" + server, "gained", "gained", "lost", "up-" + server]  # each at once: no order between
        wait_until(lambda: sorted(said.read_text().split()) == all_of_them, PATIENCE, "it is gained again")
        heard: list[str] = []
        while len(heard) < 5:
            wait_until(lambda: select.select([reader], (), (), 0)[0], PATIENCE, f"more than {heard}")
            heard += os.read(reader, 65536).decode().split(FIFO_END.decode())[:-1]
    finally:
        os.close(reader)
    service, real = f"VS [{VIP}]:tcp:80", f"RS [{SERVERS['r1']}]:tcp:80 [{VIP}]:tcp:80"
    assert heard == [
        f"{service} UP", f"{real} DOWN", f"{service} DOWN", f"{real} UP", f"{service} UP"]
