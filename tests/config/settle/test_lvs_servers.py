"""Real servers and sorry servers: places, weights, methods, and what they inherit."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest

from hakeep.config.diagnostic import Code
from hakeep.config.settle.lvs_servers import settle_method
from hakeep.config.settled import Script
from hakeep.config.settled_lvs import RealServer, SorryServer
from hakeep.objects.ipvs import PLAIN, Encapsulation, Forward, Tunnel

REAL, OTHER = IPv4Address("10.1.0.1"), IPv6Address("2001:db8::2")


def test_the_plain_one(server: Any) -> None:
    one = server()
    assert one == RealServer(REAL, 80)
    assert str(one) == "[10.1.0.1]:80"


# what stands in the real server, in the virtual server, {field: value}
CASES: list[tuple[str, str, dict[str, object]]] = [
    ("", "weight 3", {"weight": 3}),
    ("weight 0", "weight 3", {"weight": 0}),
    ("", "lvs_method DR", {"forward": Forward.ROUTE}),
    ("lvs_method NAT", "lvs_method DR", {"forward": Forward.MASQ}),
    ("lvs_method TUN type gue port 6080 csum", "",
     {"forward": Forward.TUNNEL, "tunnel": Tunnel(Encapsulation.GUE, 6080, 1)}),
    ("uthreshold 9\nlthreshold 4", "", {"upper": 9, "lower": 4}),
    ("inhibit_on_failure", "", {"inhibit": True}),
    ("", "inhibit_on_failure", {"inhibit": True}),
    ("inhibit_on_failure false", "inhibit_on_failure", {"inhibit": False}),
    ("smtp_alert false", "", {"smtp_alert": False}),
    ("notify_up /bin/true\nnotify_down /bin/false a b", "",
     {"notify_up": Script(("/bin/true",)), "notify_down": Script(("/bin/false",), "a", "b")}),
    ("slow_start 30", "", {"slow_start": 30.0}),
]


@pytest.mark.parametrize(("inside", "body", "expected"), CASES)
def test_real_servers(server: Any, inside: str, body: str, expected: dict[str, object]) -> None:
    one = server(inside, body=body)
    assert {name: getattr(one, name) for name in expected} == expected


@pytest.mark.parametrize(("words", "expected"), [
    ("", (Forward.MASQ, PLAIN)),
    ("NAT", (Forward.MASQ, PLAIN)),
    ("TUN", (Forward.TUNNEL, PLAIN)),
    ("TUN type gre remcsum", (Forward.TUNNEL, Tunnel(Encapsulation.GRE, 0, 2))),
    ("TUN type gue port 6080", (Forward.TUNNEL, Tunnel(Encapsulation.GUE, 6080, 0))),
    ("TUN csum nocsum", (Forward.TUNNEL, PLAIN)),
    ("DR type gre csum", (Forward.ROUTE, PLAIN)),  # means nothing there
])
def test_methods(words: str, expected: object) -> None:
    from hakeep.config.keywords.lvs import VIRTUAL_SERVER

    method = VIRTUAL_SERVER.keywords["lvs_method"].value
    assert settle_method(method.read(words) if words else ()) == expected  # type: ignore[union-attr]


# head of the virtual server, method, head of the real server, port in the table
PORTS = [
    ("10.0.0.1 80", "NAT", "10.1.0.1 8080", 8080),
    ("10.0.0.1 80", "NAT", "10.1.0.1", 80),
    ("10.0.0.1 80", "NAT", "10.1.0.1 0", 80),
    ("10.0.0.1 80", "DR", "10.1.0.1 8080", 80),
    ("10.0.0.1 80", "TUN", "10.1.0.1 8080", 80),
    ("10.0.0.1 80", "DR", "10.1.0.1", 80),
    ("fwmark 7", "NAT", "10.1.0.1 8080", 8080),
    ("fwmark 7", "NAT", "10.1.0.1", 0),
    ("fwmark 7", "DR", "10.1.0.1 8080", 0),
    ("10.0.0.1", "NAT", "10.1.0.1 8080", 8080),
    ("10.0.0.1", "DR", "10.1.0.1 8080", 0),
    ("group shop", "NAT", "10.1.0.1 8080", 8080),
    ("group shop", "NAT", "10.1.0.1", 0),  # that of the client's packet
    ("group shop", "DR", "10.1.0.1 8080", 0),
]
GROUP = "virtual_server_group shop {\n10.0.0.1 80\n10.0.0.2 443\n}\n"


@pytest.mark.parametrize(("head", "method", "real", "port"), PORTS)
def test_ports(virtual: Any, head: str, method: str, real: str, port: int) -> None:
    one = virtual(f"lvs_method {method}\nsorry_server {real}", head, GROUP, real)
    assert one.reals[0].port == port
    assert one.sorry.port == port


def test_one_that_is_given_twice_counts_once(direct: Any) -> None:
    reals = "".join(f"real_server 10.1.0.1 80 {{\nweight {weight}\n}}\n" for weight in (2, 5))
    (one,) = direct(f"virtual_server 10.0.0.1 80 {{\nprotocol TCP\nquorum 9\n{reals}}}\n").virtual
    assert [real.weight for real in one.reals] == [2]
    assert one.quorum == 2


@pytest.mark.parametrize(("head", "method", "stays"), [
    ("10.0.0.1 80", "NAT", False), ("10.0.0.1 80", "DR", False), ("10.0.0.1 80", "TUN", True),
    ("2001:db8::1 80", "NAT", True), ("fwmark 7", "NAT", False),
])
def test_another_family_needs_a_tunnel(load: Any, head: str, method: str, stays: bool) -> None:
    ours = "2001:db8::9" if ":" in head else "10.1.0.9"
    text = (f"virtual_server {head} {{\nprotocol TCP\nlvs_sched rr\nlvs_method {method}\nsorry_server 2001:db8::2 80\n"
            f"real_server {ours} 80 {{\n}}\nreal_server 2001:db8::2 80 {{\n}}\n}}\n")
    loaded = load(text)
    (one,) = loaded.settings.lvs.virtual
    assert (OTHER in {real.ip for real in one.reals}) is stays
    assert (one.sorry is not None) is stays
    assert [d.code for d in loaded.diagnostics].count(Code.SERVER_FAMILY) == (0 if stays else 2)


def test_a_group_of_both_families_has_room_for_both(virtual: Any) -> None:
    group = "virtual_server_group shop {\n10.0.0.1 80\n2001:db8::1 80\n}\n"
    one = virtual("real_server 2001:db8::2 80 {\n}", "group shop", group)
    assert {real.ip for real in one.reals} == {REAL, OTHER}


@pytest.mark.parametrize(("body", "expected"), [
    ("sorry_server 10.1.0.9 80", SorryServer(IPv4Address("10.1.0.9"), 80)),
    ("sorry_server 10.1.0.9", SorryServer(IPv4Address("10.1.0.9"), 80)),
    ("lvs_method DR\nsorry_server 10.1.0.9 81", SorryServer(IPv4Address("10.1.0.9"), 80, Forward.ROUTE)),
    ("lvs_method DR\nsorry_server 10.1.0.9 81\nsorry_server_lvs_method NAT", SorryServer(IPv4Address("10.1.0.9"), 81)),
    ("sorry_server 10.1.0.9\nsorry_server_inhibit", SorryServer(IPv4Address("10.1.0.9"), 80, inhibit=True)),
    # words that come before it find nobody
    ("sorry_server_inhibit\nsorry_server 10.1.0.9", SorryServer(IPv4Address("10.1.0.9"), 80)),
    ("sorry_server_lvs_method DR\nsorry_server 10.1.0.9", SorryServer(IPv4Address("10.1.0.9"), 80)),
])
def test_sorry_servers(virtual: Any, body: str, expected: SorryServer) -> None:
    assert virtual(body).sorry == expected


def test_a_sorry_server_can_be_alone(direct: Any) -> None:
    (one,) = direct("virtual_server 10.0.0.1 80 {\nprotocol TCP\nsorry_server 10.1.0.9\n}\n").virtual
    assert (one.reals, one.sorry.port) == ((), 80)
