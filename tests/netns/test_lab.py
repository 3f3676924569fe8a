"""The lab itself: its topologies, its observers' eyes, its command line and the demo."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import account
import demo
import frames
import groundwork
import pytest
import topology
from hosts import HAKEEPD, ROOT, Network, wait_until
from observe import Interval, Request
from voice import advert

LAB = ROOT / "netns-lab"
ANSWERS = "192.0.2.100"


def host(**interfaces: object) -> dict[str, object]:
    """A topology document with one host."""
    return {"segments": ["lan"], "hosts": {"a": {"interfaces": interfaces}}}


@pytest.mark.parametrize(("document", "complaint"), [
    ({"segments": ["lan"]}, "no hosts"),
    ({"hosts": {"a": {}}, "bridges": []}, "unknown key bridges"),
    (host(eth0={"segment": "wan"}), "no segment 'wan'"),
    (host(eth0={"segment": "lan", "over": "eth1"}), "either segment or over"),
    (host(eth0={"addresses": []}), "either segment or over"),
    (host(a_long_interface={"segment": "lan"}), "15 characters"),
    ({"hosts": {"a": {"runs": {"vrrp": {"daemon": "ucarp"}}}}}, "daemon must be one of"),
])
def test_a_mistake_in_a_topology_is_named(document: dict[str, object], complaint: str) -> None:
    with pytest.raises(topology.BadTopology, match=complaint):
        topology.parse("bad", document, Path())


def test_an_unknown_topology_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(topology.BadTopology, match="pair, routed-unicast, trio"):
        topology.load("nowhere")


@pytest.mark.parametrize("version", [2, 3])
def test_adverts_written_by_scapy_are_read(version: int) -> None:
    frame = advert(version, 120, 2, "192.0.2.7", ("192.0.2.100", "192.0.2.101"), 9)
    seen = frames.read(1.5, "a", frame)
    assert seen == frames.Advert(1.5, "a", "192.0.2.7", "224.0.0.18", 255, version, 9, 120, 2.0,
                                 ("192.0.2.100", "192.0.2.101"), "", True, "00:00:5e:00:01:09")


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("at", range(35, 46))
def test_a_changed_byte_breaks_the_checksum(version: int, at: int) -> None:
    frame = bytearray(advert(version, 120, 2, "192.0.2.7", ("192.0.2.100",), 9))
    frame[at] ^= 0x40
    seen = frames.read(0, "a", bytes(frame))
    assert seen is None or not seen.intact


def test_pins_name_one_version_each() -> None:
    pins = groundwork.pins(ROOT / "tests" / "requirements.txt")
    assert all(pin.count("==") == 1 for pin in pins)
    names = [pin.partition("==")[0].lower() for pin in pins]
    assert len(names) == len(set(names))
    assert {"trio", "pyroute2", "pyyaml", "scapy", "pytest"} <= set(names)


def test_the_daemon_runs_on_what_its_own_pins_say() -> None:
    named = {pin.partition("==")[0] for pin in groundwork.pins(LAB / "requirements.txt")}
    project = (ROOT / "pyproject.toml").read_text()
    dependencies = project[project.index("\ndependencies = ["):].partition("]")[0]
    assert all(f'"{name}' in dependencies for name in ("trio", "pyroute2", "PyYAML"))
    assert {"trio", "pyroute2", "PyYAML"} <= named


@pytest.mark.netns
@pytest.mark.parametrize("name", topology.names())
def test_every_topology_serves_its_client(request: pytest.FixtureRequest, name: str) -> None:
    if name.startswith("beside-"):
        request.getfixturevalue(name.removeprefix("beside-"))
    address = "2001:db8::100" if name == "ipv6" else ANSWERS
    page = f"http://[{address}]/" if ":" in address else f"http://{address}/"
    ask = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=1).read().decode().strip())"
    with Network(topology.load(name), shlex.split(request.config.getoption("--daemon"))) as network:
        network.start_all()
        try:
            wait_until(lambda: network["a"].holds(address), 12, "the best one is master")
        except TimeoutError as error:
            error.add_note(network.daemons["a", "vrrp"].log())
            raise
        client = network["client"]
        # beside FRR it was perhaps FRR that was there first: then the first answers are its host's
        first = "r1" if name == "director" else "a"
        wait_until(lambda: client.run(sys.executable, "-c", ask, page, check=False).strip() == first, 10,
                   f"{first} answers")


@pytest.fixture
def pair_is_up(request: pytest.FixtureRequest) -> Iterator[None]:
    """`lab up pair`, and down in the end."""
    lab("up", "pair", "--daemon", request.config.getoption("--daemon"))
    yield
    lab("down", "pair")


def lab(*words: str, status: int = 0) -> str:
    """What the lab's command line prints."""
    done = subprocess.run([sys.executable, LAB / "lab.py", *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


@pytest.mark.netns
@pytest.mark.xdist_group("lab")
def test_the_command_line(pair_is_up: None) -> None:
    assert "pair               up" in lab("list")
    assert "up already" in lab("up", "pair", status=1)
    holder = "ip -o addr show to 192.0.2.100"
    wait_until(lambda: lab("exec", "pair", "a", *holder.split()), 15, "a has the address")
    lab("kill", "pair", "a")
    wait_until(lambda: lab("exec", "pair", "b", *holder.split()), 15, "b has the address")
    assert "runs already" in lab("start", "pair", "b", status=1)
    lab("start", "pair", "a")
    wait_until(lambda: not lab("exec", "pair", "b", *holder.split()), 15, "b gave the address back")
    assert "MASTER" in lab("log", "pair", "a", "vrrp")
    assert "no host 'z'" in lab("kill", "pair", "z", status=1)


#: An ordinary user whom nobody else is.
SOMEBODY = 61234


@pytest.fixture
def open_tree() -> Iterator[Path]:
    """This tree, at a place where everybody can read it: it may lie in root's home."""
    if all(folder.stat().st_mode & 0o001 for folder in (ROOT, *ROOT.parents)):
        yield ROOT
        return
    place = Path(tempfile.mkdtemp(dir="/var/tmp"))
    subprocess.run(["mount", "--bind", str(ROOT), str(place)], check=True)
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)
    place.rmdir()


@pytest.fixture
def as_somebody(open_tree: Path) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Runs the lab's command line as an ordinary user. Skips where root cannot be one, or Python is root's alone."""
    if Path("/proc/self/uid_map").read_text().split()[2] == "1":
        pytest.skip("this user namespace has one user")
    packages = sysconfig.get_path("purelib").replace(str(ROOT), str(open_tree))
    lab_in = open_tree / "netns-lab"
    become = ("setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups", "env", "-i",
              f"PATH={os.environ['PATH']}", f"PYTHONPATH={packages}", "PYTHONDONTWRITEBYTECODE=1")
    usual = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable.replace(str(ROOT), str(open_tree)), usual):
        refused = subprocess.run([*become, python, lab_in / "world.py"], capture_output=True, text=True)
        if refused.returncode == 0:
            break
    else:
        pytest.skip(f"an ordinary user cannot have a world here: {refused.stderr.strip().splitlines()[-1:]}")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*become, python, lab_in / "lab.py", *words], capture_output=True, text=True, timeout=60)

    yield run
    run("down", "pair")
    shutil.rmtree(f"/tmp/lab-{SOMEBODY}", ignore_errors=True)


@pytest.mark.thorough  # not netns: whether a user may have namespaces is the machine's to say, also on CI
@pytest.mark.xdist_group("lab")
def test_an_ordinary_user_has_a_lab_of_his_own(as_somebody: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    up = as_somebody("up", "pair")
    assert up.returncode == 0, up.stderr
    assert "pair               up" in as_somebody("list").stdout
    holder = ("ip", "-o", "addr", "show", "to", ANSWERS)
    wait_until(lambda: as_somebody("exec", "pair", "a", *holder).stdout, 15, "a has the address")
    assert as_somebody("kill", "pair", "a").returncode == 0
    wait_until(lambda: as_somebody("exec", "pair", "b", *holder).stdout, 15, "b has the address")
    assert as_somebody("start", "pair", "a").returncode == 0
    wait_until(lambda: not as_somebody("exec", "pair", "b", *holder).stdout, 15, "b gave the address back")
    assert "MASTER" in as_somebody("log", "pair", "a", "vrrp").stdout
    assert as_somebody("down", "pair").returncode == 0
    assert "pair               down" in as_somebody("list").stdout


BROKE = account.Moment("it broke", Interval(10.0, 11.0))


@pytest.mark.parametrize(("begun", "ended", "in_flight"), [
    (9.0, 9.9, False), (9.0, 10.0, True), (9.0, 12.0, True),
    (10.2, 10.4, True), (11.0, 13.0, True), (11.1, 13.0, False),
])
def test_a_lost_request_was_in_flight_if_it_was_under_way_when_something_broke(
        begun: float, ended: float, in_flight: bool) -> None:
    lost = Request(begun, ended, "", reached=True)
    settled = account.settle([Request(1.0, 1.1, "r1", reached=True), lost], [BROKE], patience=5)
    assert (settled.made, settled.answered, settled.lost) == (2, {"r1": 1}, 1)
    assert settled.in_flight == {"it broke": int(in_flight)}
    assert settled.otherwise == [lost][in_flight:]


def test_tries_without_a_connection_belong_to_the_request_that_gets_one() -> None:
    refused = [Request(10 + n / 10, 10.1 + n / 10, "", reached=False) for n in range(10)]
    answered = Request(11.0, 11.5, "r2", reached=True)
    settled = account.settle([answered, *refused], [BROKE], patience=2)
    assert (settled.made, settled.lost, settled.again, settled.otherwise) == (1, 0, 10, [])
    assert settled.longest == pytest.approx(1.5)
    given_up = account.settle([answered, *refused], [BROKE], patience=0.55)
    assert (given_up.made, given_up.lost, given_up.otherwise) == (2, 1, [refused[5]]), "nobody was there for too long"


@pytest.mark.parametrize(("begun", "status", "said"), [(10.5, 0, "PASSED"), (12.5, 1, "FAILED")])
def test_the_demo_fails_when_a_request_is_lost_that_was_not_in_flight(
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], begun: float, status: int, said: str,
) -> None:
    class Played:
        def __init__(self, *_: object, **__: object) -> None:
            self.start, self.seen, self.verdicts = 10.0, "", [demo.Verdict("something", 0.1, 0.2)]
            self.account = account.settle([Request(begun, begun + 1, "", reached=True)], [BROKE], patience=5)

    monkeypatch.setattr(demo, "Demo", Played)
    monkeypatch.setattr(demo.world, "refusal", lambda: None)
    monkeypatch.setattr(demo.world, "enter", lambda: None)
    monkeypatch.setattr(sys, "argv", ["demo"])
    with pytest.raises(SystemExit) as ended:
        demo.main()
    output = capsys.readouterr().out
    assert ended.value.code == status and said in output
    assert ("1 requests were lost that were not in flight when something broke, begun at 2.50 s." in output) == (
        status == 1)


@pytest.mark.netns
@pytest.mark.alone
def test_the_demo_holds_what_it_promises(request: pytest.FixtureRequest) -> None:
    daemon = request.config.getoption("--daemon")
    done = subprocess.run([sys.executable, LAB / "demo.py", "--daemon", daemon],
                          capture_output=True, text=True, timeout=90)
    if daemon == shlex.join(HAKEEPD):
        assert done.returncode == 0, done.stdout + done.stderr
        totals = re.search(
            r"made (\d+) requests: (\d+) were answered \((\d+) by r1, (\d+) by r2\), (\d+) lost", done.stdout)
        assert totals, done.stdout
        made, answered, one, other, lost = map(int, totals.groups())
        assert made == answered + lost and answered == one + other and min(one, other) > 1000
        in_flight = dict(re.findall(r"lost in flight when (.+): (\d+)", done.stdout))
        assert list(in_flight) == ["r1 died", "a died", "b took over from a", "a took the address back"]
        assert lost == sum(map(int, in_flight.values())) <= 8, "one is asked for at a time, beside those that are late"
        assert "lost that were not in flight: 0" in done.stdout
    else:  # keepalived leaves the address where it was
        assert "both held it for" in done.stdout


def test_while_apt_works_a_policy_keeps_services_asleep(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(groundwork, "POLICY", policy)
    with groundwork.services_kept_asleep():
        assert subprocess.run([policy]).returncode == 101
    assert not policy.exists()


def test_the_machines_own_policy_comes_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("its own")
    monkeypatch.setattr(groundwork, "POLICY", policy)
    with pytest.raises(KeyboardInterrupt), groundwork.services_kept_asleep():
        raise KeyboardInterrupt
    assert policy.read_text() == "its own"
    assert list(tmp_path.iterdir()) == [policy]


def test_who_is_not_root_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groundwork.os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit, match="apt-get install no-such-package"):
        groundwork.prepare(LAB / "requirements.txt", needed={"no-such-program": "no-such-package", "sh": "dash"})


def test_root_has_it_installed_and_a_wish_that_fails_is_only_named(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = tmp_path / "calls"
    fake = tmp_path / "apt-get"
    fake.write_text(f'#!/bin/sh\necho "$@" >> {record}\nexit 1\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{groundwork.os.environ['PATH']}")
    monkeypatch.setattr(groundwork.os, "geteuid", lambda: 0)
    monkeypatch.setattr(groundwork, "POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr(groundwork, "_make_venv", lambda: None)
    monkeypatch.setattr(groundwork, "_install", lambda requirements: None)
    groundwork.prepare(LAB / "requirements.txt", needed={}, wished={"no-such-program": "no-such-package"})
    install = "install -y -qq --no-install-recommends no-such-package"
    assert record.read_text().splitlines() == [install, "update -qq", install]
    assert "Not installed: no-such-package" in capsys.readouterr().err
