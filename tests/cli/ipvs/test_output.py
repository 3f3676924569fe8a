"""Lists, rules and connections. tests/uml/test_ipvs.py compares all of them with ipvsadm's."""

from __future__ import annotations

import argparse
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.cli.ipvs import connections, listing
from hakeep.cli.ipvs.command import command
from hakeep.cli.ipvs.command_line import declare
from hakeep.cli.ipvs.names import Numbers
from hakeep.cli.ipvs.rules import rules
from hakeep.objects.ipvs import (
    ONE_PACKET,
    PERSISTENT,
    SCTP,
    TCP,
    UDP,
    Counts,
    Destination,
    DestinationKey,
    Encapsulation,
    Forward,
    Service,
    ServiceKey,
    SyncDaemon,
    Table,
    Timeouts,
    Tunnel,
    Usage,
    whole,
)

WEB = Service(ServiceKey(4, TCP, ip_address("192.0.2.1"), 80), "wrr", PERSISTENT, 50, 24)
ONE = Destination(DestinationKey(WEB.key, ip_address("10.0.0.1"), 8080), 3)
TUNNEL = Destination(DestinationKey(WEB.key, ip_address("10.0.0.2"), 80), 0, Forward.TUNNEL,
                     Tunnel(Encapsulation.GUE, 6080, 1), 9, 8)
TABLE = Table.of([WEB], [TUNNEL, ONE])
USAGE = {WEB.key: Usage(counts=Counts(*range(10))), ONE.key: Usage(4, 5, 6, Counts(*range(100, 110)))}


def shown(*view: str) -> list[str]:
    return list(listing.listing(TABLE, USAGE, view, Numbers()))[2:]


def test_lists() -> None:
    assert shown() == [
        "TCP  192.0.2.1:80 wrr persistent 50 mask 255.255.255.0",
        "  -> 10.0.0.1:8080                Masq    3      4          5         ",
        "  -> 10.0.0.2:80                  Tunnel  0      0          0         ",
    ]
    assert shown("stats")[:2] == [
        "TCP  192.0.2.1:80                        0        1        2        3        4",
        "  -> 10.0.0.1:8080                     100      101      102      103      104",
    ]
    assert shown("rate")[0].split()[2:] == ["5", "6", "7", "8", "9"]
    assert shown("tunnels")[2] == "  -> 10.0.0.2:80                  Tunnel  gue:6080:+c   0      0          0         "
    assert shown("thresholds")[2] == "  -> 10.0.0.2:80                  9          8          0          0         "
    assert shown("persistent_conn")[1] == (
        "  -> 10.0.0.1:8080                3         6           4          5         ")
    assert shown("nosort")[1].startswith("  -> 10.0.0.2:80")


def test_names_that_are_too_long_are_cut_off() -> None:
    class Long(Numbers):
        def host(self, ip: object) -> str:
            return "www.with.a.name.that.is.too.long"

    lines = list(listing.listing(TABLE, USAGE, (), Long()))
    assert lines[2].startswith("TCP  www.with.a.name.that.is.too. wrr")
    assert lines[3].startswith("  -> www.with.a.name.that.is.too. Masq")


def test_single_lines() -> None:
    assert listing.title((1, 2, 1), 4096) == "IP Virtual Server version 1.2.1 (size=4096)"
    assert listing.timeouts(Timeouts(900, 120, 300)) == "Timeout (tcp tcpfin udp): 900 120 300"
    assert listing.daemon(SyncDaemon("master", "eth0", 7)) == "master sync daemon (mcast=eth0, syncid=7)"


# --- rules


def test_rules_have_thresholds_on_request() -> None:
    assert list(rules(TABLE, Numbers())) == [
        "-A -t 192.0.2.1:80 -s wrr -p 50 -M 255.255.255.0",
        "-a -t 192.0.2.1:80 -r 10.0.0.1:8080 -m -w 3",
        "-a -t 192.0.2.1:80 -r 10.0.0.2:80 -i -w 0 --tun-type gue --tun-port 6080 --tun-csum",
    ]
    assert list(rules(TABLE, Numbers(), exact=True))[2].endswith(" --tun-csum -x 9 -y 8")


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Whatever our own command line can make."""
    family = draw(st.sampled_from((4, 6)))
    protocol = draw(st.sampled_from((0, TCP, UDP, SCTP)))
    timeout = draw(st.sampled_from((0, 1, 2678400)))
    port = draw(st.integers(0 if timeout else 1, 65535))
    key = (ServiceKey(family, protocol, draw(st.ip_addresses(v=family)), port) if protocol
           else ServiceKey(family, 0, None, 0, draw(st.integers(1, 2**32 - 1))))
    flags = sum(draw(st.sets(st.sampled_from((8, 16, 32))))) | (PERSISTENT if timeout else 0)
    if protocol in (0, UDP):
        flags |= draw(st.sampled_from((0, ONE_PACKET)))
    prefix = draw(st.integers(0 if family == 4 else 1, whole(family))) if timeout else whole(family)
    scheduler = draw(st.sampled_from(("rr", "wlc", "sh", "mh")))
    service = Service(key, scheduler, flags, timeout, prefix, draw(st.sampled_from(("", "sip"))))
    reals = {}
    for _ in range(draw(st.integers(0, 4))):
        forward = draw(st.sampled_from((Forward.MASQ, Forward.ROUTE, Forward.TUNNEL)))
        type_ = draw(st.sampled_from(Encapsulation))
        tunnel = Tunnel(type_, draw(st.integers(1, 65535)) if type_ is Encapsulation.GUE else 0,
                        draw(st.integers(0, {Encapsulation.IPIP: 0, Encapsulation.GRE: 1}.get(type_, 2))))
        tunnels = forward is Forward.TUNNEL
        own_port = forward is Forward.MASQ or not protocol
        real = DestinationKey(key, draw(st.ip_addresses(v=draw(st.sampled_from((4, 6))) if tunnels else family)),
                              draw(st.integers(0, 65535)) if own_port else port)
        reals[real] = Destination(real, draw(st.integers(0, 2**31 - 1)), forward, tunnel if tunnels else Tunnel(),
                                  draw(st.integers(0, 2**31 - 1)), draw(st.integers(0, 2**31 - 1)))
    return Table.of([service], reals.values())


@given(tables())
def test_rules_are_read_back(table: Table) -> None:
    parser = argparse.ArgumentParser()
    declare(parser)
    orders = [command(parser.parse_args(line.split())) for line in rules(table, Numbers(), exact=True)]
    assert Table.of([order.service for order in orders[:1] if order.service],
                    [order.destination for order in orders[1:] if order.destination]) == table


# --- connections

FILE = """Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP 0A090001 E616 0A090001 0050 7F000001 1F90 ESTABLISHED     899
UDP 0A090001 0000 0A090001 13C4 7F000001 13C5 NONE             59 sip a b
TCP 2001:0db8:0009:0000:0000:0000:0000:0001 864A 2001:0db8:0009:0000:0000:0000:0000:0001 0050 \
0000:0000:0000:0000:0000:0000:0000:0001 1F90 SYN_RECV 6000
"""


def test_connections() -> None:
    found = list(connections.parse(FILE.splitlines(keepends=True)))
    assert list(connections.render(found, Numbers(), engines=True)) == [
        "IPVS connection entries",
        "pro expire state       source             virtual            destination        pe name          pe_data",
        "TCP 14:59  ESTABLISHED 10.9.0.1:58902     10.9.0.1:80        127.0.0.1:8080",
        "UDP 00:59  NONE        10.9.0.1:0         10.9.0.1:5060      127.0.0.1:5061   sip                a b",
        "TCP 100:00 SYN_RECV    [2001:db8:9::1]:34378 [2001:db8:9::1]:80 [::1]:8080",
    ]
    assert list(connections.render(found[1:2], Numbers(), engines=False))[2].endswith("127.0.0.1:5061")


def test_another_text_is_no_connection() -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        list(connections.parse(["header\n", "TCP what\n"]))
