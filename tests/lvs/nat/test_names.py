"""Names lead back to keys, and are names for nft."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.lvs.nat.names import (
    destination_comment,
    destination_name,
    number,
    parse_destination,
    parse_name,
    parse_service,
    service_comment,
    service_name,
)
from hakeep.objects.ipvs import (
    PERSISTENT,
    PROTOCOLS,
    SCTP,
    TCP,
    UDP,
    Destination,
    DestinationKey,
    Service,
    ServiceKey,
)

ADDRESSES = st.ip_addresses()
PORTS = st.integers(0, 65535)


@st.composite
def service_keys(draw: st.DrawFn) -> ServiceKey:
    if draw(st.booleans()):
        return ServiceKey(draw(st.sampled_from([4, 6])), 0, None, 0, draw(st.integers(1, 2**32 - 1)))
    ip = draw(ADDRESSES)
    return ServiceKey(ip.version, draw(st.sampled_from([TCP, UDP, SCTP])), ip, draw(PORTS))


@st.composite
def services(draw: st.DrawFn) -> Service:
    return Service(draw(service_keys()), draw(st.sampled_from(["rr", "wrr", "sh"])), draw(st.integers(0, 63)),
                   draw(st.integers(0, 2**31 - 1)), draw(st.integers(0, 128)))


@st.composite
def destinations(draw: st.DrawFn) -> Destination:
    key = draw(service_keys())
    addresses = st.builds(IPv4Address, st.integers(0, 2**32 - 1)) if key.family == 4 else st.builds(
        IPv6Address, st.integers(0, 2**128 - 1))
    return Destination(DestinationKey(key, draw(addresses), draw(PORTS)), draw(st.integers(0, 2**31 - 1)))


#: What nft's scanner takes for a name without quotes.
NAME = re.compile(r"[a-zA-Z_.][a-zA-Z0-9/\-_.]*")


@given(services())
def test_services_are_found_again(service: Service) -> None:
    name = service_name(service.key)
    assert NAME.fullmatch(name)
    assert len(name) < 128
    assert parse_name(name, service.key.family) == service.key
    comment = service_comment(service, given=2**32)
    assert len(comment) < 128
    assert parse_service(service.key, comment) == service
    assert (number(comment, "given"), number(comment, "number")) == (2**32, 0)


@given(destinations(), st.booleans())
def test_destinations_are_found_again(destination: Destination, named: bool) -> None:
    """A roster has what the key says; nft lists a number where the host has no names of protocols."""
    (service, ip, port), comment = destination.key, destination_comment(destination, number=7)
    protocol = PROTOCOLS[service.protocol].lower() if named and service.protocol else service.protocol
    first = [service.fwmark] if service.fwmark else [protocol, str(service.ip), service.port]
    assert parse_destination([*first, str(ip), port], comment, service.family) == destination
    assert (number(comment, "number"), number(destination_comment(destination), "number")) == (7, 0)


def test_names_are_readable() -> None:
    four = ServiceKey(4, TCP, ip_address("192.0.2.1"), 80)
    six = ServiceKey(6, UDP, ip_address("2001:db8::1"), 53)
    assert service_name(four) == "tcp-192.0.2.1-80"
    assert service_name(six) == "udp-2001_db8__1-53"
    assert service_name(ServiceKey(4, 0, None, 0, 5)) == "mark-5"
    assert destination_name(DestinationKey(six, ip_address("::1"), 53)) == "udp-2001_db8__1-53-to-__1-53"
    assert service_comment(Service(four, "wrr", PERSISTENT, 50, 24)) == "scheduler=wrr flags=1 timeout=50 prefix=24"


@pytest.mark.parametrize("name", [
    "", "prerouting", "dispatch", "tcp-192.0.2.1", "tcp-192.0.2.1-80-to-", "tcp-192.0.2.1-80-to-x", "tcp-1.2.3-80",
    "icmp-192.0.2.1-80", "mark-", "mark-x", "tcp-2001_db8__1-80", "tcp-192.0.2.1-80-to-10.0.0.1-80-to-10.0.0.1-80",
    "tcp-999.0.2.1-80", "tcp-192.0.2.1-80-to-10.0.0.1-80",
])
def test_other_names_are_nothing(name: str) -> None:
    assert parse_name(name, 4) is None


@pytest.mark.parametrize("comment", ["", "scheduler=rr", "scheduler=rr flags=x timeout=0 prefix=32", "hello world"])
def test_other_comments_are_nothing(comment: str) -> None:
    assert parse_service(ServiceKey(4, TCP, ip_address("192.0.2.1"), 80), comment) is None
    assert parse_destination(["tcp", "192.0.2.1", 80, "10.0.0.1", 80], comment, 4) is None


@pytest.mark.parametrize("entry", [[], [80], ["icmp", "192.0.2.1", 80, "10.0.0.1", 80], ["x", "10.0.0.1", 80]])
def test_other_entries_are_nothing(entry: list[str | int]) -> None:
    assert parse_destination(entry, "weight=1", 4) is None
