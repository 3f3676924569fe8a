"""The director in front of real servers, with real packets and hakeepd's own processes.

director_player.py runs inside User Mode Linux and writes down what it saw; here it is judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address

import director_boot
import director_lan as lan
import director_spread as spreading
import director_web as web
import pytest
from director_boot import SCHEDULERS, Record

from hakeep.config.keywords.lvs import VIRTUAL_SERVER

pytestmark = pytest.mark.uml


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """What was seen in each scene."""
    return director_boot.play(tmp_path_factory.mktemp("director"), ("packets", "spread", "web", "failover"))


# --- real packets


def seen_of(results: Record, scene: str) -> Record:
    """What was seen in a scene with a client, which must have come to its end."""
    record = results[scene]
    logs = "\n".join(record["logs"].values())
    assert "trouble" not in record, f"{record['trouble']}\n{record['tables']}\n{logs}"
    found: Record = record["seen"]
    return found


@pytest.fixture
def packets(results: Record) -> Record:
    return seen_of(results, "packets")


def hosts(answers: list[str]) -> list[str]:
    """Who answered."""
    return [answer.partition(":")[0] for answer in answers]


@pytest.mark.parametrize(("way", "client"), [
    ("NAT", "203.0.113.200"), ("NAT of IPv6", "2001:db8:3::200"), ("DR", "192.0.2.200"),
    ("DR of IPv6", "2001:db8:1::200"), ("TUN", "192.0.2.200"),
    ("TUN of IPv6", "2001:db8:1::200"), ("IPv4 in IPv6", "192.0.2.200"), ("IPv6 in IPv4", "2001:db8:1::200"),
    ("GUE", "192.0.2.200"), ("GUE csum", "192.0.2.200"), ("GUE remcsum", "192.0.2.200"),
    ("GRE", "192.0.2.200"), ("GRE csum", "192.0.2.200"),
    ("UDP", "203.0.113.200"), ("SCTP", "203.0.113.200"), ("group", "203.0.113.200")])
def test_each_way_leads_to_the_servers_and_they_see_the_client(packets: Record, way: str, client: str) -> None:
    assert Counter(packets[way]) == {f"r{n}:80 {client}": 2 for n in (1, 2, 3)}


def test_a_group_is_one_service_by_mark_for_each_family(packets: Record) -> None:
    """The nftables table that sets it cannot be had here, which does not keep anything else away."""
    lines = packets["table"].splitlines()
    marked = [line.strip() for line in lines if " -f " in line or line.startswith("-f")]
    assert sum(line.startswith(f"-A -f {lan.MARK}") for line in marked) == 2, packets["table"]
    assert not any(address in packets["table"] for address in lan.GROUP)
    assert all(f"-a -f {lan.MARK} -r {ip}:80 -m -w 1" in marked for ip in lan.NAT4)


@pytest.mark.parametrize(("vip", "server"), [
    (f"[{lan.TUN_6}]", "[2001:db8:1::21]"), (lan.FOUR_IN_SIX, "[2001:db8:2::21]"),
    (f"[{lan.SIX_IN_FOUR}]", "192.0.2.21")])
def test_a_tunnel_may_be_of_another_family_than_what_is_in_it(packets: Record, vip: str, server: str) -> None:
    assert f"-a -t {vip}:80 -r {server}:80 -i -w 1" in packets["table"]


def test_checksums_of_tunnels_are_as_configured(packets: Record) -> None:
    for vip, checksum in (*lan.GUE.items(), *lan.GRE.items()):
        lines = [line for line in packets["table"].splitlines() if f"-a -t {vip}:80" in line]
        assert len(lines) == 3 and all(f"--tun-{checksum or 'nocsum'}" in line for line in lines), vip


def test_rr_takes_turns(packets: Record) -> None:
    answers = hosts(packets["rr"])
    assert len(set(answers[:3])) == 3 and answers == answers[:3] * 10


def test_wrr_gives_each_its_share(packets: Record) -> None:
    answers = hosts(packets["wrr"])
    for turn in range(0, 24, 6):
        assert Counter(answers[turn:turn + 6]) == {"r1": 3, "r2": 1, "r3": 2}


def hashed(address: str) -> str:
    """The real server of an address by ip_vs_sh.c and ip_vs_dh.c."""
    bucket = (int(ip_address(address)) * 0x61C88647 & 0xFFFFFFFF) >> 24
    return ("r3", "r2", "r1")[bucket % 3]


def test_sh_goes_by_the_client_s_address(packets: Record) -> None:
    """ip_vs_sh.c: 256 buckets, filled in turn from the server that was added last; hash_32() says which."""
    for client, answers in zip(lan.CLIENTS, packets["sh"], strict=True):
        assert hosts(answers) == [hashed(client)] * 2, client


def test_persistence_holds_and_ends(packets: Record) -> None:
    first = packets["first of persistence"]
    assert first and packets["persistence"] == [first] * 5
    assert packets["after persistence"] not in ("", first)


def test_the_sorry_server_serves_while_nobody_else_can(packets: Record) -> None:
    client = "203.0.113.200"
    assert packets["before the sorry server"] == f"r1:8084 {client}"
    assert packets["the sorry server"] == [f"r3:8089 {client}"] * 3
    assert packets["after the sorry server"] == [f"r1:8084 {client}"] * 3


@pytest.mark.parametrize(("how", "port"), [("inhibit", 8085), ("drained", 80)])
def test_weight_0_keeps_who_is_connected_and_takes_nobody_else(packets: Record, how: str, port: int) -> None:
    assert packets[f"{how}: who is connected"] == f"r1:{port} 203.0.113.200"
    assert packets[f"{how}: others"] == [f"r2:{port} 203.0.113.200"] * 4


# --- schedulers


@pytest.fixture
def spread(results: Record) -> Record:
    return seen_of(results, "spread")


def test_every_scheduler_is_tried_that_there_is(spread: Record) -> None:
    """`twos` chooses at random; no Linux that Debian has as UML has a module of it."""
    known = set(VIRTUAL_SERVER.keywords["lvs_sched"].value.choices)
    tried = {"rr", "wrr", "sh", *spread} & known
    assert tried == set(SCHEDULERS) == known & set(spread["modules"])
    assert known - tried == {"twos"}


#: What a server has least of that gets the next connection, of its open connections and its weight.
LEAST: dict[str, Callable[[int, int], float]] = {
    "lc": lambda number, weight: number,
    "wlc": lambda number, weight: number / weight,
    "sed": lambda number, weight: (number + 1) / weight,
    "nq": lambda number, weight: (number + 1) / weight if number else 0,
}


def follows(least: Callable[[int, int], float], first: list[str], then: list[str]) -> bool:
    """Whether each went where there was least. Between the two r1 has lost all connections."""
    weights = dict(zip(lan.SERVERS, spreading.WEIGHTS, strict=True))
    numbers = dict.fromkeys(weights, 0)
    for n, server in enumerate((*first, *then)):
        if n == len(first):
            numbers["r1"] = 0
        burden = {name: least(numbers[name], weight) for name, weight in weights.items()}
        if burden.get(server) != min(burden.values()):
            return False
        numbers[server] += 1
    return True


@pytest.mark.parametrize("scheduler", LEAST)
def test_open_connections_are_counted(spread: Record, scheduler: str) -> None:
    first, then = spread[scheduler]
    assert (len(first), len(then)) == (spreading.FIRST, spreading.THEN)
    assert [name for name, least in LEAST.items() if follows(least, first, then)] == [scheduler], spread[scheduler]


def test_mh_goes_by_the_client_s_address(spread: Record) -> None:
    answers = [hosts(each) for each in spread["mh"]]
    assert len(answers) == len(lan.CLIENTS) and all(one == other for one, other in answers)
    assert {one for one, _ in answers} == set(lan.SERVERS)


def test_dh_goes_by_the_destination_whoever_asks(spread: Record) -> None:
    for destination, answers in zip(spreading.destinations("dh"), spread["dh"], strict=True):
        assert hosts(answers) == [hashed(destination)] * 2, destination


@pytest.mark.parametrize("scheduler", ["lblc", "lblcr"])
def test_a_destination_stays_with_its_server_until_that_has_too_much(spread: Record, scheduler: str) -> None:
    """Another destination goes to who has least; too much is more than the weight, while others have under half of
    theirs."""
    seen = spread[scheduler]
    first, second, third = seen["one"] + seen["two"] + seen["three"]
    assert {first, second, third} == set(lan.SERVERS)
    assert seen["until it is too much"] == [first] * spreading.LOADED
    other = seen["more"][0]
    assert other in (second, third) and seen["more"] == [other] * 2


def test_lblc_moves_a_destination_and_lblcr_adds_a_server_to_it(spread: Record) -> None:
    """When nobody is left with the others, lblc goes where it went last, and lblcr to the one of its own that has
    least, the first; neither goes to the third, which has nothing either."""
    assert spread["lblc"]["when only the second has any"] == spread["lblc"]["more"][:1]
    assert spread["lblcr"]["when only the second has any"] == spread["lblcr"]["one"]


def test_fo_gives_all_to_the_highest_weight_that_there_is(spread: Record) -> None:
    assert hosts(spread["fo"]) == hosts(spread["fo with its first again"]) == ["r2"] * 4
    assert hosts(spread["fo without its first"]) == ["r3"] * 4


def test_ovf_goes_to_the_next_when_one_is_full(spread: Record) -> None:
    """Full is who has more connections than weight (ip_vs_ovf.c), or as many as its threshold."""
    seen = spread["ovf"]
    assert seen["all"] == ["r1"] * 2 + ["r2"] * 3 + ["r3"] * 2 + [""]
    assert seen["after one of r2's left"] == ["r2", ""]


# --- nginx


@pytest.mark.parametrize(("moment", "servers"), [
    ("both are well", ["r1", "r2"]), ("r1 is killed", ["r2"]), ("r1 is started", ["r1", "r2"]),
    ("r2 has errors", ["r1"]), ("r2 has none", ["r1", "r2"])])
@pytest.mark.parametrize(("port", "real_port"), [(80, web.PORT), (443, web.TLS_PORT)])
def test_nginx_serves_while_it_has_the_page(
    results: Record, moment: str, servers: list[str], port: int, real_port: int,
) -> None:
    """By HTTP_GET at one port and SSL_GET at the other."""
    answers = seen_of(results, "web")[moment][str(port)]
    assert Counter(answers) == {f"200 {name}:{real_port} 203.0.113.200": 4 // len(servers) for name in servers}


# --- two directors


@pytest.fixture
def failover(results: Record) -> Record:
    return seen_of(results, "failover")


def test_the_other_director_forwards_at_once(failover: Record) -> None:
    """The service comes with its address; nothing is left to be done then."""
    assert Counter(hosts(failover["answers before"])) == Counter(hosts(failover["answers after"])) == {
        "r1": 2, "r2": 2, "r3": 2}
    down, answered = failover["seconds"]
    assert down < 3.61 + 0.5 and answered < 1.0


def test_a_connection_outlives_its_director(failover: Record) -> None:
    """The synchronisation daemons have told the other kernel of it."""
    assert failover["a connection"] == failover["the connection after"] != ""


def test_synchronisation_follows_the_instance(failover: Record) -> None:
    said = "sync daemon (mcast=eth0, syncid=7, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)\n"
    assert failover["daemons before"] == failover["our view of them"] == [f"master {said}", f"backup {said}"]
    assert failover["daemons after"] == f"master {said}"
