"""Services and destinations as messages: against pyroute2's classes, and against what keepalived was seen to send."""

from __future__ import annotations

import re
import struct
import sys
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from socket import AF_INET, AF_INET6
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parent))

import ipvs_oracle

from hakeep.kernel import ipvs_rows as rows
from hakeep.objects.ipvs import (
    ONE_PACKET,
    PERSISTENT,
    PLAIN,
    SCHED1,
    SCHED2,
    SCHED3,
    TCP,
    UDP,
    Counts,
    Destination,
    DestinationKey,
    Encapsulation,
    Forward,
    Service,
    ServiceKey,
    Tunnel,
    Usage,
)

FAMILY = 29
CAPTURE = Path(__file__).resolve().parents[3] / "shared/keepalived/captures/ipvs-netlink-decoded.txt"

ports = st.integers(0, 65535)
numbers = st.integers(0, 2**31 - 1)
names = st.text("abcdefghijklmnopqrstuvwxyz_0123456789", min_size=1, max_size=15)


@st.composite
def service_keys(draw: st.DrawFn) -> ServiceKey:
    family = draw(st.sampled_from((4, 6)))
    if draw(st.booleans()):
        return ServiceKey(family, 0, None, 0, draw(st.integers(1, 2**32 - 1)))
    ip = draw(st.ip_addresses(v=family))
    return ServiceKey(family, draw(st.sampled_from((6, 17, 132))), ip, draw(ports))


@st.composite
def services(draw: st.DrawFn) -> Service:
    key = draw(service_keys())
    timeout = draw(st.sampled_from((0, 1, 360, 2678400)))
    flags = draw(st.sets(st.sampled_from((ONE_PACKET, SCHED1, SCHED2, SCHED3)))) | ({PERSISTENT} if timeout else set())
    prefix = draw(st.integers(0, 32) if key.family == 4 else st.integers(1, 128))
    return Service(key, draw(names), sum(flags), timeout, prefix, draw(st.just("") | names))


@st.composite
def destinations(draw: st.DrawFn) -> Destination:
    key = draw(service_keys())
    forward = draw(st.sampled_from(Forward))
    family = draw(st.sampled_from((4, 6))) if forward is Forward.TUNNEL else key.family
    tunnel = PLAIN
    if forward is Forward.TUNNEL:
        tunnel = Tunnel(draw(st.sampled_from(Encapsulation)), draw(ports), draw(st.integers(0, 2)))
    return Destination(
        DestinationKey(key, draw(st.ip_addresses(v=family)), draw(ports)),
        draw(numbers), forward, tunnel, draw(numbers), draw(numbers),
    )  # fmt: skip


@given(services())
def test_a_service_comes_back_as_it_went(service: Service) -> None:
    assert rows.decode_service(rows.encode_service(FAMILY, rows.NEW_SERVICE, service)) == service


@given(destinations())
def test_a_destination_comes_back_as_it_went(destination: Destination) -> None:
    sent = rows.encode_destination(FAMILY, rows.NEW_DEST, destination)
    assert rows.decode_destination(sent, destination.key.service) == destination


def identity(key: ServiceKey) -> list[tuple[str, Any]]:
    family = AF_INET if key.family == 4 else AF_INET6
    if key.ip is None:
        return [("AF", family), ("FWMARK", key.fwmark)]
    return [("AF", family), ("PROTOCOL", key.protocol), ("ADDR", key.ip.packed.ljust(16, b"\0")), ("PORT", key.port)]


def mask(service: Service) -> bytes:
    if service.key.family == 6:
        return struct.pack("=I", service.prefix)
    return ip_address(f"{service.prefix * '1':0<32}" and int(f"{service.prefix * '1':0<32}", 2)).packed


@given(services())
def test_a_service_is_what_pyroute2_makes_of_it(service: Service) -> None:
    attributes = [
        *identity(service.key), ("SCHED_NAME", service.scheduler),
        ("FLAGS", {"flags": service.flags, "mask": 0xFFFFFFFF}), ("TIMEOUT", service.timeout),
        ("NETMASK", mask(service)), *([("PE_NAME", service.engine)] if service.engine else []),
    ]  # fmt: skip
    made = ipvs_oracle.encode(FAMILY, rows.SET_SERVICE, 5, [("SERVICE", attributes)])
    assert rows.encode_service(FAMILY, rows.SET_SERVICE, service) == made


@given(destinations())
def test_a_destination_is_what_pyroute2_makes_of_it(destination: Destination) -> None:
    key, tunnel = destination.key, destination.tunnel
    server = [
        ("ADDR_FAMILY", AF_INET if key.ip.version == 4 else AF_INET6), ("ADDR", key.ip.packed.ljust(16, b"\0")),
        ("PORT", key.port),
    ]  # fmt: skip
    details: list[tuple[str, Any]] = [
        ("FWD_METHOD", int(destination.forward)), ("WEIGHT", destination.weight),
        ("U_THRESH", destination.upper), ("L_THRESH", destination.lower),
    ]  # fmt: skip
    if destination.forward is Forward.TUNNEL:
        details.append(("TUN_TYPE", int(tunnel.type)))
        if tunnel.port or tunnel.checksum:
            details += [("TUN_PORT", tunnel.port), ("TUN_FLAGS", tunnel.checksum)]
    whole = [("SERVICE", identity(key.service)), ("DEST", server + details)]
    assert rows.encode_destination(FAMILY, rows.SET_DEST, destination) == ipvs_oracle.encode(
        FAMILY, rows.SET_DEST, 5, whole)
    whole = [("SERVICE", identity(key.service)), ("DEST", server)]
    assert rows.encode_destination_key(FAMILY, key) == ipvs_oracle.encode(FAMILY, rows.DEL_DEST, 5, whole)


@given(service_keys())
def test_requests_for_a_service_name_it_and_no_more(key: ServiceKey) -> None:
    of_it = [("SERVICE", identity(key))]
    for command in (rows.DEL_SERVICE, rows.GET_SERVICE, rows.ZERO):
        assert rows.encode_service_key(FAMILY, command, key) == ipvs_oracle.encode(FAMILY, command, 5, of_it)
    assert rows.encode_dump_destinations(FAMILY, key) == ipvs_oracle.encode(FAMILY, rows.GET_DEST, 0x301, of_it)


COUNTS = Counts(*range(2**40, 2**40 + 10))


def stats(counts: Counts) -> list[tuple[str, Any]]:
    """With the padding that the kernel puts before numbers of 64 bits."""
    named = zip(ipvs_oracle._STATS, counts, strict=True)
    return [pair for name, value in named for pair in (("PAD", None), (name, value))]


def kernel_destination(**changes: Any) -> bytes:
    """What Linux 6.1 sends, in its order. A change to None leaves the attribute out."""
    attributes = {
        "ADDR": bytes([10, 1, 0, 11]).ljust(16, b"\0"), "PORT": 8080, "FWD_METHOD": 0, "WEIGHT": 7, "TUN_TYPE": 0,
        "TUN_PORT": 0, "TUN_FLAGS": 0, "U_THRESH": 9, "L_THRESH": 8, "ACTIVE_CONNS": 3, "INACT_CONNS": 4,
        "PERSIST_CONNS": 5, "ADDR_FAMILY": AF_INET, "STATS": stats(Counts(*range(10))), "STATS64": stats(COUNTS),
    } | changes  # fmt: skip
    pairs = [pair for pair in attributes.items() if pair[1] is not None]
    return ipvs_oracle.encode(FAMILY, rows.NEW_DEST, 2, [("DEST", [
        (name, {"attrs": value} if isinstance(value, list) else value) for name, value in pairs])])


WEB = ServiceKey(4, TCP, IPv4Address("10.1.0.100"), 80)
REAL = DestinationKey(WEB, IPv4Address("10.1.0.11"), 8080)


def test_usage_comes_from_the_wide_numbers() -> None:
    found = rows.decode_destination_usage(kernel_destination(), WEB)
    assert found == (Destination(REAL, 7, Forward.MASQ, PLAIN, 9, 8), Usage(3, 4, 5, COUNTS))


def test_usage_of_an_old_kernel_comes_from_the_narrow_numbers() -> None:
    _, usage = rows.decode_destination_usage(kernel_destination(STATS64=None), WEB)
    assert usage.counts == Counts(*range(10))


def test_flags_of_connections_are_not_the_forwarding_method() -> None:
    assert rows.decode_destination(kernel_destination(FWD_METHOD=0x0103), WEB).forward is Forward.ROUTE


def test_what_old_kernels_leave_out() -> None:
    """The family of the address (before 3.18), the tunnel (before 5.2)."""
    old = kernel_destination(ADDR_FAMILY=None, TUN_TYPE=None, TUN_PORT=None, TUN_FLAGS=None, FWD_METHOD=2)
    assert rows.decode_destination(old, WEB) == Destination(REAL, 7, Forward.TUNNEL, PLAIN, 9, 8)


def test_tunnel_options_count_for_tunnels_only() -> None:
    shown = {"TUN_TYPE": 1, "TUN_PORT": 6080, "TUN_FLAGS": 2}
    tunnel = rows.decode_destination(kernel_destination(FWD_METHOD=2, **shown), WEB).tunnel
    assert tunnel == Tunnel(Encapsulation.GUE, 6080, 2)
    assert rows.decode_destination(kernel_destination(FWD_METHOD=3, **shown), WEB).tunnel == PLAIN


def kernel_service(netmask: bytes, flags: int, timeout: int) -> bytes:
    return ipvs_oracle.encode(FAMILY, rows.NEW_SERVICE, 2, [("SERVICE", [
        *identity(WEB), ("SCHED_NAME", "wrr"), ("FLAGS", {"flags": flags, "mask": 0xFFFFFFFF}), ("TIMEOUT", timeout),
        ("NETMASK", netmask), ("STATS64", {"attrs": stats(COUNTS)})])])


def test_the_kernels_own_flag_is_left_out_and_the_timeout_without_persistence() -> None:
    data = kernel_service(b"\xff\xff\xff\0", 0x3, 50)
    assert rows.decode_service(data) == Service(WEB, "wrr", PERSISTENT, 50, 24)
    assert rows.decode_service_usage(data) == Usage(counts=COUNTS)
    assert rows.decode_service(kernel_service(b"\xff\xff\xff\xff", 0x2, 50)) == Service(WEB, "wrr", 0, 0, 32)


def test_a_netmask_that_is_no_prefix_is_kept() -> None:
    service = rows.decode_service(kernel_service(b"\xff\0\xff\0", 0x3, 50))
    assert service.prefix == -0xFF00FF00
    assert rows.decode_service(rows.encode_service(FAMILY, rows.SET_SERVICE, service)) == service


def test_a_timeout_makes_it_persistent() -> None:
    service = rows.decode_service(rows.encode_service(FAMILY, rows.NEW_SERVICE, Service(WEB, timeout=9)))
    assert service.flags == PERSISTENT


@given(st.binary(max_size=300), st.sampled_from((1, 2)))
def test_nothing_but_unreadable_escapes(body: bytes, kind: int) -> None:
    for data in (b"\0" * 20 + body, b"\0" * 20 + struct.pack("=HH", len(body) + 4, kind) + body):
        for decode in (rows.decode_service, rows.decode_service_usage):
            try:
                decode(data)
            except rows.Unreadable:
                pass
        try:
            rows.decode_destination_usage(data, WEB)
        except rows.Unreadable:
            pass


# --- what keepalived sent to a kernel that took it

CAPTURED = {
    "NEW_SERVICE": rows.NEW_SERVICE, "DEL_SERVICE": rows.DEL_SERVICE, "NEW_DEST": rows.NEW_DEST,
    "SET_DEST": rows.SET_DEST, "DEL_DEST": rows.DEL_DEST,
}  # fmt: skip


def captured() -> list[tuple[int, dict[int, bytes], dict[int, bytes]]]:
    """Command, attributes of the service, attributes of the destination."""
    found = []
    for line in CAPTURE.read_text().splitlines():
        match = re.match(r"\S+ (\w+) ver 1 NLM_F_REQUEST\|NLM_F_ACK 1:\[([^]]*)\](?: 2:\[([^]]*)\])?", line)
        if match:
            service, dest = ({int(at): bytes.fromhex(value) for at, value in (each.split("=") for each in text.split())}
                             for text in (match[2], match[3] or ""))
            found.append((CAPTURED[match[1]], service, dest))
    return found


def raw(attributes: dict[int, bytes]) -> bytes:
    return b"".join(struct.pack("=HH", 4 + len(value), at) + value + b"\0" * (-len(value) % 4)
                    for at, value in attributes.items())


@pytest.mark.skipif(not CAPTURE.exists(), reason="the captures are not here")
def test_what_keepalived_sends_is_what_we_send() -> None:
    seen = set()
    for command, service, dest in captured():
        seen.add(command)
        nest = struct.pack("=HH", 4 + len(raw(service)), 1) + raw(service)
        read = rows.decode_service(rows.message(FAMILY, command, nest))
        if command in (rows.NEW_SERVICE, rows.DEL_SERVICE):
            ours = rows.encode_service(FAMILY, command, read)
            assert ours == rows.message(FAMILY, command, nest)
            continue
        both = nest + struct.pack("=HH", 4 + len(raw(dest)), 2) + raw(dest)
        destination = rows.decode_destination(rows.message(FAMILY, command, both), read.key)
        if command == rows.DEL_DEST:
            ours = rows.encode_destination_key(FAMILY, destination.key)
        else:
            ours = rows.encode_destination(FAMILY, command, destination)
        sent = rows._inside(ours, rows.CMD_DEST)
        assert sent.items() <= dest.items() and (command == rows.DEL_DEST or sent == dest)
        assert rows._inside(ours, rows.CMD_SERVICE).items() <= service.items()
    assert seen == set(CAPTURED.values())


def test_the_values_that_keepalived_was_told() -> None:
    """One message byte by byte, so that there is one without the captures too."""
    key = ServiceKey(6, UDP, IPv6Address("2001:db8::100"), 53)
    destination = Destination(DestinationKey(key, IPv6Address("2001:db8::11"), 53), 6, Forward.TUNNEL)
    assert rows.encode_destination(FAMILY, rows.SET_DEST, destination).hex() == (
        "940000001d0005000000000000000000" "06010000"
        "30000100" "060001000a000000" "0600020011000000" "1400030020010db8000000000000000000000100"
        "0600040000350000"
        "50000200" "06000b000a000000" "1400010020010db8000000000000000000000011" "0600020000350000"
        "0800030002000000" "0800040006000000" "0800050000000000" "0800060000000000" "05000d0000000000"
    )  # fmt: skip
