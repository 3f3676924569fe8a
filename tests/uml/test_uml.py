"""hakeep on another kernel: 6.1 instead of today's, and without the fence, so that the lease alone guards.

UML's nftables knows no family netdev. inside.py does things to a pair of hosts and records them; here they are judged.
What is measured are the kernels' own words on who has an address, so a bound is the one of the design and a grain,
for UML has one slow processor.

Routes are compared as `ip -6 route show table all` prints them, byte by byte and in order, host by host, with what it
was before any daemon ran. Left out are only the routes that are the virtual addresses' own:

* the local route of a virtual address itself;
* the prefix route of a virtual address in whose network the host has no address of its own;
* on a host with VMACs, whatever goes by a VMAC.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from scenes import SCENES

pytestmark = pytest.mark.uml

Record = dict[str, Any]

#: Seconds that a process may come late here, and that the kernel's own timers may.
GRAIN, KERNEL_GRAIN = 1.0, 0.3
#: Both may have the address in a move that was planned, in seconds.
PLANNED = 0.1
PROTO_KEEPALIVED = 18

CRASHES = ("KILL all", "STOP worker", "STOP and CONT worker", "STOP and CONT all")
ORDERLY = ("TERM", "TERM worker", "TERM all", "KILL supervisor")
STEADY = ("STOP and CONT supervisor", "KILL worker")
#: After these a comes back by itself, and does not wait until somebody has looked at b.
BY_ITSELF = ("STOP worker", "TERM worker")
ROWS = [(scene, row) for scene, plan in SCENES.items()
        for row in (("TERM", "TERM all", "KILL all") if plan.vmac else (*ORDERLY, *STEADY, *CRASHES))]
MOMENTS = ("before", "during", "taken over", "after")

of_each_row = pytest.mark.parametrize(("scene", "row"), ROWS)
of_each_crash = pytest.mark.parametrize(("scene", "row"), [(scene, row) for scene, row in ROWS if row in CRASHES])
of_each_orderly_end = pytest.mark.parametrize(
    ("scene", "row"), [(scene, row) for scene, row in ROWS if row in ORDERLY])
of_each_scene = pytest.mark.parametrize("scene", SCENES)


def changes(record: Record, host: str, address: str) -> list[tuple[float, bool]]:
    """When an address came (True) and went (False). A renewed lease is neither."""
    found: list[tuple[float, bool]] = []
    for event in record["events"]:
        if (event["host"], event["address"]) == (host, address) and event["held"] != (found[-1][1] if found else False):
            found.append((event["at"], event["held"]))
    return found


def first(record: Record, host: str, address: str, held: bool, since: float) -> float:
    """When that happened first, counted from `since`."""
    return next(at for at, now in changes(record, host, address) if now is held and at >= since) - since


def holds(record: Record, host: str, address: str, at: float) -> bool:
    """Did it have the address at that time?"""
    return any([held for moment, held in changes(record, host, address) if moment <= at][-1:])


def overlap(record: Record, address: str, since: float, until: float) -> float:
    """For how many seconds both hosts had it in that time."""
    moments = sorted((at, host, now) for host in "ab" for at, now in changes(record, host, address))
    both, holders, last = 0.0, set[str](), since
    for at, host, now in [*moments, (until, "", False)]:
        at = min(max(at, since), until)
        both += (at - last) * (holders == {"a", "b"})
        last = at
        (holders.add if now else holders.discard)(host)
    return both


def own_routes(routes: str, addresses: tuple[str, ...]) -> list[str]:
    """The routes of the virtual addresses, as said above."""
    local = "|".join(map(re.escape, addresses))
    own = re.compile(rf"local ({local}) dev |(anycast )?2001:db8:77::(/64)? dev |.* dev vrrp")
    return [line for line in routes.splitlines() if own.match(line)]


def host_routes(routes: str, addresses: tuple[str, ...]) -> str:
    """All others, as they were printed."""
    own = set(own_routes(routes, addresses))
    return "".join(line for line in routes.splitlines(keepends=True) if line.rstrip("\n") not in own)


# --- who has the addresses


@of_each_crash
def test_b_takes_over_after_its_down_interval(record: Record, scene: str, row: str) -> None:
    plan, since = SCENES[scene], record["rows"][row]["since"]
    for address in plan.vips:
        took = first(record, "b", address, True, since)
        assert plan.down_interval - plan.interval - 0.05 <= took <= plan.down_interval + GRAIN, address


@of_each_crash
def test_the_kernel_takes_the_addresses_away_within_the_lease(record: Record, scene: str, row: str) -> None:
    plan, since = SCENES[scene], record["rows"][row]["since"]
    for address in plan.vips:
        gone = first(record, "a", address, False, since)
        assert gone <= plan.lease + 1.05 + KERNEL_GRAIN, address


@of_each_crash
def test_two_have_the_address_no_longer_than_the_lease_outlives_the_down_interval(
        record: Record, scene: str, row: str) -> None:
    plan, told = SCENES[scene], record["rows"][row]
    allowed = max(0.0, plan.lease + 1.05 - plan.down_interval) + PLANNED + KERNEL_GRAIN
    for address in plan.vips:
        assert overlap(record, address, told["since"], told["until"]) <= allowed, address


@of_each_crash
def test_who_comes_back_listens_first(record: Record, scene: str, row: str) -> None:
    """Killed and started again, woken up, or with a new worker: no address before an advert could be heard."""
    plan, told = SCENES[scene], record["rows"][row]
    for address in plan.vips:
        gone = told["since"] + first(record, "a", address, False, told["since"])
        if row == "STOP worker":  # it is replaced at a time of the supervisor's choosing, while b is master
            earliest = told["since"] + first(record, "b", address, True, told["since"])
        else:
            earliest = told["back"]
        assert gone + first(record, "a", address, True, gone) >= earliest + plan.interval - 0.05, address


@of_each_orderly_end
def test_an_orderly_end_moves_the_addresses_at_once(record: Record, scene: str, row: str) -> None:
    """Of the daemon, of its worker, and of the worker that finds itself without a supervisor."""
    plan, told = SCENES[scene], record["rows"][row]
    for address in plan.vips:
        assert first(record, "b", address, True, told["since"]) <= plan.skew_time + GRAIN
        assert first(record, "a", address, False, told["since"]) <= plan.skew_time + PLANNED + GRAIN
        assert overlap(record, address, told["since"], told["back"]) <= PLANNED + KERNEL_GRAIN


@pytest.mark.parametrize(("scene", "row"), [(scene, row) for scene, row in ROWS if row in STEADY])
def test_what_is_no_reason_to_move_moves_nothing(record: Record, scene: str, row: str) -> None:
    """A frozen supervisor, and a worker whose successor is there before b's patience ends: with adverts every 0.2 s
    that ends here before a process can be born."""
    plan, told = SCENES[scene], record["rows"][row]
    if row == "KILL worker" and plan.interval < 1:
        for address in plan.vips:
            assert overlap(record, address, told["since"], told["until"]) <= PLANNED + plan.lease + 1.05
        return
    for address in plan.vips:
        moments = [at for host in "ab" for at, _ in changes(record, host, address)]
        assert not [at for at in moments if told["since"] <= at <= told["until"]], address


@of_each_row
def test_the_daemons_know_who_is_master(record: Record, scene: str, row: str) -> None:
    def states(host: str, moment: str) -> set[str]:
        return {router["state"] for router in record["samples"][moment][host]["status"]["routers"]}

    assert states("a", "master") == states("a", f"{row}: after") == {"MASTER"}
    assert states("b", "master") == {"BACKUP"}
    if row not in (*BY_ITSELF, *STEADY):
        assert states("b", f"{row}: taken over") == {"MASTER"}


# --- the lease alone


@of_each_scene
def test_each_start_says_that_there_is_no_fence_and_why(record: Record, scene: str) -> None:
    for host, starts in ("a", 4 if SCENES[scene].vmac else 5), ("b", 1):
        log = record["logs"][host]
        said = re.findall(r"no fence on this kernel \((.+)\): the lease alone guards the addresses", log)
        assert len(said) == log.count("Starting hakeep") == starts
        assert all(re.search("not supported", reason, re.IGNORECASE) for reason in said)
        assert log.index("no fence on this kernel") < log.index("Entering BACKUP STATE")


@of_each_scene
def test_the_status_says_it_as_well(record: Record, scene: str) -> None:
    for host in "ab":
        for router in record["samples"]["master"][host]["status"]["routers"]:
            assert re.match("off: .*not supported", router["fence"])
            assert (router["lease"] is not None) == (host == "a")


@of_each_scene
def test_addresses_carry_our_mark_and_a_lease_from_the_first_moment(record: Record, scene: str) -> None:
    """IFA_PROTO is known since Linux 5.18. An address that once had no lifetime would cost the host its routes."""
    release = tuple(int(number) for number in record["kernel"].split(".")[:2])
    assert release >= (5, 18)
    plan = SCENES[scene]
    seen = set()
    for event in record["events"]:
        if event["address"] in plan.vips and event["held"]:
            seen.add(event["address"])
            assert event["proto"] == PROTO_KEEPALIVED
            assert 0 < event["preferred"] <= event["valid"] <= plan.lease
    assert seen == set(plan.vips)


# --- what is not ours


@of_each_row
def test_routes_of_the_hosts_are_byte_identical(record: Record, scene: str, row: str) -> None:
    samples, vips = record["samples"], SCENES[scene].vips
    for host in "ab":
        idle = samples["idle"][host]["routes"]
        assert "2001:db8::/64 dev eth0" in idle and "default via" in idle and "expires" not in idle
        assert own_routes(idle, vips) == []
        for moment in MOMENTS:
            assert host_routes(samples[f"{row}: {moment}"][host]["routes"], vips) == idle, (host, moment)


@of_each_scene
def test_routes_of_the_hosts_are_byte_identical_after_everything(record: Record, scene: str) -> None:
    """All that may be left of the virtual addresses are prefix routes that have expired: the kernel, which keeps those
    of an address with a lifetime until then, sweeps them out every half minute."""
    samples, plan = record["samples"], SCENES[scene]
    for host in "ab":
        for moment in ("both have ended", "a lease later"):
            assert host_routes(samples[moment][host]["routes"], plan.vips) == samples["idle"][host]["routes"], moment
        for line in own_routes(samples["a lease later"][host]["routes"], plan.vips):
            assert re.match("2001:db8:77::/64 dev eth0 .*expires -", line), line


@of_each_row
def test_who_has_the_addresses_and_nobody_else_has_routes_of_them(record: Record, scene: str, row: str) -> None:
    six = {address for address in SCENES[scene].vips if ":" in address}
    masters = set()
    for moment in MOMENTS:
        for host in "ab":
            sample = record["samples"][f"{row}: {moment}"][host]
            held = {address for address in six if holds(record, host, address, sample["at"])}
            if held == {address for address in six if holds(record, host, address, sample["until"])}:  # it stood still
                assert six & set(re.findall(r"local (\S+) dev", sample["routes"])) == held, (moment, host)
                masters |= {host} if held == six else set()
    assert masters == {"a", "b"} or (row in STEADY and "a" in masters)


@of_each_scene
def test_addresses_of_the_hosts_are_left_alone(record: Record, scene: str) -> None:
    """Not one notification of the kernel is about them, and they are as they were."""
    own = {"192.0.2.11", "192.0.2.12", "2001:db8::11", "2001:db8::12"}
    assert own & {event["address"] for event in record["events"]} == set()
    for host in "ab":
        assert record["samples"]["both have ended"][host]["addresses"] == record["samples"]["idle"][host]["addresses"]


@of_each_scene
def test_settings_of_the_hosts_are_given_back(record: Record, scene: str) -> None:
    """All of /proc/sys/net, also of a host whose daemon was once killed with settings in its hands."""
    samples = record["samples"]
    for host, ended in (("a", "a has ended"), ("b", "both have ended")):
        idle = samples["idle"][host]["sysctls"]
        assert "ipv4/conf/eth0/arp_ignore" in idle and "ipv6/conf/eth0/forwarding" in idle
        assert samples[ended][host]["sysctls"] == idle, host
    assert samples["master"]["a"]["sysctls"] != samples["idle"]["a"]["sysctls"], "nothing was borrowed"


# --- VMACs


def vmacs(links: str) -> dict[str, str]:
    """The MAC addresses of the links that are VMACs."""
    return dict(re.findall(r"^\d+: (vrrp\S+)@eth0: .*? link/ether (\S+) .* macvlan mode private", links, re.MULTILINE))


@pytest.mark.parametrize("scene", ["vmac"])
def test_vmacs_come_and_go(record: Record, scene: str) -> None:
    samples = record["samples"]
    for host in "ab":
        assert vmacs(samples["master"][host]["links"]) == {
            "vrrp6.66": "00:00:5e:00:02:42", "vrrp.44": "00:00:5e:00:01:2c"}
        assert samples["both have ended"][host]["links"] == samples["idle"][host]["links"]
    assert samples["a has ended"]["a"]["links"] == samples["idle"]["a"]["links"]
    assert vmacs(samples["a has ended"]["b"]["links"])


@pytest.mark.parametrize("scene", ["vmac"])
def test_addresses_are_on_the_vmacs(record: Record, scene: str) -> None:
    held = record["samples"]["master"]["a"]["addresses"]
    for address in SCENES[scene].vips:
        assert re.search(rf"^\d+: vrrp\S+ +inet6? {re.escape(address)}/", held, re.MULTILINE), address
