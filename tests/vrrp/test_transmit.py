"""What the Transmitter puts on the wire, judged by scapy, by literal packets, and by the Receiver."""

from __future__ import annotations

import timeit
from dataclasses import replace
from ipaddress import ip_address

import pytest
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.vrrp import VRRP, VRRPv3

from hakeep.config.settled import MULTICAST6, HmacAuth, Peer, VirtualAddress, VrrpInstance
from hakeep.objects.rtnl import Address
from hakeep.vrrp.authentication import AuthMemory
from hakeep.vrrp.messages import Received
from hakeep.vrrp.receive import Advert, Receiver
from hakeep.vrrp.transmit import Transmitter
from hakeep.wire import ah, auth_hmac, ip, vrrp

WALL = 1_700_000_000.25
A, B, C = (ip_address(f"10.9.0.{last}") for last in (1, 2, 3))
A6 = ip_address("fe80::a")


def addresses(*texts: str, advertised: bool = True) -> tuple[VirtualAddress, ...]:
    return tuple(VirtualAddress(Address("eth1", ip_address(text), 24), advertised) for text in texts)


V2 = VrrpInstance("V1", 51, "eth1", addresses=addresses("10.9.0.100"))
V3 = replace(V2, version=3)
V6 = replace(V3, family=6, multicast=MULTICAST6, addresses=addresses("fe80::9:100", "2001:db8:9::100"))
UNICAST = {"multicast": None, "peers": (Peer(B), Peer(C))}
HMAC = HmacAuth(((1, bytes(range(32))),), 1, 5)
AH = replace(V2, auth_type="AH", auth_pass=b"secret")


def sent(settings: VrrpInstance, priority: int = 100, memory: AuthMemory | None = None) -> list[tuple[str, bytes]]:
    source = A if settings.family == 4 else A6
    return Transmitter(settings, source, memory or AuthMemory()).packets(priority, WALL)


def test_the_bytes_of_keepalived() -> None:
    [(to, data)] = sent(V3)
    assert to == "224.0.0.18"
    assert data.hex() == "45c0002000010000ff7000000a090001e0000012" "313364010064" "7561" "0a090064"
    [(_, data)] = sent(replace(V2, auth_type="PASS", auth_pass=b"1234abcdXYZ"))
    assert data[20:].hex() == "21336401010146300a0900643132333461626364"
    [(to, data)] = sent(V6)
    assert to == "ff02::12"
    assert data[:8].hex() == "3133640200640000"
    [(_, data)] = sent(replace(V6, version=2))
    assert data[:8].hex() == "2133640200010000"
    assert len(data) == 40


def test_password_over_ipv6_is_named_but_has_no_room() -> None:
    """As keepalived 2.2.7 does it: authentication type 1, and no authentication data."""
    [(_, data)] = sent(replace(V6, version=2, auth_type="PASS", auth_pass=b"1234abcd"), 200)
    assert data[:6].hex() == "2133c8020101"
    assert len(data) == 40


def test_scapy_agrees_with_version_2() -> None:
    theirs = IP(src="10.9.0.1", dst="224.0.0.18", tos=0xC0, id=1, ttl=255, proto=112) / VRRP(
        vrid=51, priority=100, adv=1, addrlist=["10.9.0.100"]
    )
    assert ip.with_header_checksum(sent(V2)[0][1]) == bytes(theirs)


@pytest.mark.parametrize("interval", [0.01, 0.5, 1.0, 40.95])
def test_scapy_agrees_with_version_3_unicast(interval: float) -> None:
    ours = sent(replace(V3, **UNICAST, advert_int=interval), 254)
    assert [to for to, _ in ours] == ["10.9.0.2", "10.9.0.3"]
    for to, data in ours:
        theirs = IP(src="10.9.0.1", dst=to, tos=0xC0, id=1, ttl=255, proto=112) / VRRPv3(
            vrid=51, priority=254, adv=round(interval * 100), addrlist=["10.9.0.100"]
        )
        assert ip.with_header_checksum(data) == bytes(theirs)


def test_scapy_agrees_with_ipv6() -> None:
    theirs = bytes(
        IPv6(src="fe80::a", dst="ff02::12", nh=112, hlim=255)
        / VRRPv3(vrid=51, priority=100, adv=100, addrlist=["fe80::9:100", "2001:db8:9::100"])
    )[40:]
    [(_, data)] = sent(V6)
    assert data == theirs[:6] + b"\0\0" + theirs[8:]


@pytest.mark.parametrize(
    ("changes", "heard", "checksum"),
    [
        ({}, False, 0x4B69),
        ({}, True, 0x7561),
        ({"old_unicast_checksum": "on"}, False, 0x7561),
        ({"old_unicast_checksum": "never"}, True, 0x4B69),
        ({"v3_checksum_as_v2": True}, False, 0x5FFA),
        ({"v3_checksum_as_v2": True}, True, 0x5FFA),
    ],
)
def test_checksum_dialects(changes: dict[str, object], heard: bool, checksum: int) -> None:
    settings = replace(V3, **UNICAST, **changes)  # type: ignore[arg-type]
    [(_, data), _] = sent(settings, memory=AuthMemory(old_unicast_checksum=heard))
    assert int.from_bytes(data[26:28], "big") == checksum


def test_the_dialect_is_followed_at_once_and_multicast_never_minds() -> None:
    memory = AuthMemory()
    transmitter = Transmitter(replace(V3, **UNICAST), A, memory)
    assert transmitter.packets(100, WALL)[0][1][26:28].hex() == "4b69"
    memory.old_unicast_checksum = True
    assert transmitter.packets(100, WALL)[0][1][26:28].hex() == "7561"
    assert sent(V3, memory=memory) == sent(V3)


def test_identification_counts_adverts_and_skips_zero() -> None:
    transmitter = Transmitter(replace(V2, **UNICAST), A, AuthMemory(), 65533)
    idents = []
    for _ in range(4):
        first, second = (ip.decode_ipv4(data).ident for _, data in transmitter.packets(100, WALL))
        assert first == second == transmitter.ident
        idents.append(first)
    assert idents == [65534, 65535, 1, 2]


@pytest.mark.parametrize("settings", [V2, AH, replace(V3, auth_hmac=HMAC)])
def test_identification_starts_at_one(settings: VrrpInstance) -> None:
    transmitter = Transmitter(settings, A, AuthMemory())
    assert [ip.decode_ipv4(transmitter.packets(100, WALL)[0][1]).ident for _ in range(3)] == [1, 2, 3]


def test_nothing_is_mixed_up_between_priorities() -> None:
    transmitter = Transmitter(V2, A, AuthMemory())
    for priority in (100, 0, 255, 100, 0):
        [(_, data)] = transmitter.packets(priority, WALL)
        assert vrrp.decode(data[20:], 4).priority == priority
        assert vrrp.adds_up(data[20:])


def test_only_advertised_addresses_in_their_order() -> None:
    mixed = addresses("10.9.0.7") + addresses("10.9.0.110", advertised=False) + addresses("10.9.0.3", "10.9.0.5")
    pdu = vrrp.decode(sent(replace(V2, addresses=mixed))[0][1][20:], 4)
    assert [str(ip_address(packed)) for packed in pdu.addresses] == ["10.9.0.7", "10.9.0.3", "10.9.0.5"]
    assert vrrp.decode(sent(replace(V2, addresses=()))[0][1][20:], 4).addresses == ()


@pytest.mark.parametrize(("ttl", "expected"), [(None, 255), (64, 64), (1, 1)])
def test_unicast_ttl(ttl: int | None, expected: int) -> None:
    assert ip.decode_ipv4(sent(replace(V2, **UNICAST, unicast_ttl=ttl))[0][1]).ttl == expected
    assert ip.decode_ipv4(sent(replace(V2, unicast_ttl=ttl))[0][1]).ttl == 255


def test_ah_counts_adverts_and_signs_for_each_destination() -> None:
    memory = AuthMemory(ah_sequence=41)
    transmitter = Transmitter(replace(AH, **UNICAST), A, memory)
    packets = transmitter.packets(100, WALL)
    headers = [ah.decode(data[20:]) for _, data in packets]
    assert [header.sequence for header in headers] == [42, 42]
    assert headers[0].icv != headers[1].icv
    for _, data in packets:
        assert ip.decode_ipv4(data)[2:4] == (ip.AH, 64)
        assert ah.icv(b"secret\0\0", ah.covered(data, 20, unicast=True)) == ah.decode(data[20:]).icv
    assert memory.ah_sequence == 42
    transmitter.packets(0, WALL)
    assert memory.ah_sequence == 43


def test_an_advert_that_reached_nobody_uses_up_no_sequence() -> None:
    memory = AuthMemory(ah_sequence=41)
    transmitter = Transmitter(AH, A, memory)
    for _ in range(3):
        assert ah.decode(transmitter.packets(100, WALL)[0][1][20:]).sequence == 42
        transmitter.take_back()
    assert memory.ah_sequence == 41
    plain = AuthMemory()
    Transmitter(V2, A, plain).take_back()
    assert plain == AuthMemory()


def test_ah_falls_silent_when_its_sequence_runs_out() -> None:
    memory = AuthMemory(ah_sequence=0xFFFFFFFC)
    transmitter = Transmitter(AH, A, memory)
    assert not transmitter.exhausted
    assert ah.decode(transmitter.packets(100, WALL)[0][1][20:]).sequence == 0xFFFFFFFD
    assert transmitter.exhausted
    assert transmitter.packets(100, WALL) == []
    assert memory.ah_sequence == 0xFFFFFFFD
    assert not Transmitter(V2, A, memory).exhausted


def test_hmac_one_trailer_for_all_and_a_checksum_for_each() -> None:
    (_, one), (_, two) = sent(replace(V3, **UNICAST, auth_hmac=HMAC))
    assert one[-28:] == two[-28:]
    assert one[26:28].hex() == "4b69"
    assert two[26:28] != one[26:28]
    assert ip.decode_ipv4(one).total_length == len(one) == 60
    trailer = auth_hmac.decode(one[-28:])
    assert (trailer.key_id, trailer.sequence) == (1, int(WALL) << 32 | 0x4000 << 16)


def test_hmac_over_ipv6_and_version_2() -> None:
    [(_, six)] = sent(replace(V6, auth_hmac=HMAC))
    assert len(six) == 40 + 28
    assert six[6:8] == b"\0\0"
    [(_, two)] = sent(replace(V2, auth_hmac=HMAC))
    assert two[20:40] == sent(V2)[0][1][20:40]
    assert len(two) == 40 + 28


def test_hmac_receive_only_sends_no_trailer() -> None:
    assert sent(replace(V3, auth_hmac=replace(HMAC, mode="receive-only"))) == sent(V3)
    assert len(sent(replace(V3, auth_hmac=replace(HMAC, mode="permissive")))[0][1]) == 60


EVERY_KIND = [
    V2, V3, V6, AH, replace(V6, version=2), replace(V2, auth_type="PASS", auth_pass=b"1234abcd"),
    replace(V2, **UNICAST), replace(V3, **UNICAST), replace(AH, **UNICAST), replace(V3, v3_checksum_as_v2=True),
    replace(V3, **UNICAST, old_unicast_checksum="on"), replace(V2, addresses=()), replace(V6, addresses=()),
    replace(V3, auth_hmac=HMAC), replace(V2, auth_hmac=HMAC), replace(V6, auth_hmac=HMAC),
    replace(V2, advert_int=255.0), replace(V3, advert_int=0.01), replace(V3, advert_int=40.95),
    replace(V2, addresses=addresses(*[f"10.9.1.{last}" for last in range(255)])),
]  # fmt: skip


@pytest.mark.parametrize("settings", EVERY_KIND)
def test_our_receiver_believes_our_transmitter(settings: VrrpInstance) -> None:
    source = A if settings.family == 4 else A6
    transmitter = Transmitter(settings, source, AuthMemory())
    hearing = replace(settings, peers=(Peer(A),)) if settings.unicast else settings
    receiver = Receiver(hearing, AuthMemory())
    for priority in (0, 1, 100, 255):
        to, data = transmitter.packets(priority, WALL)[0]
        received = Received("eth1", data, source.packed, ip_address(to).packed, 255, 1.0, WALL)
        advert = receiver.check(received, current_master=None)
        assert isinstance(advert, Advert), advert
        assert advert == Advert(
            source, priority, settings.advert_int, tuple(entry.address.ip for entry in settings.addresses), 255,
            ("pri_zero_rcvd",) if priority == 0 else (),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "source"),
    [
        (replace(V2, addresses=addresses(*[f"10.9.{n // 250}.{n % 250}" for n in range(256)])), A),
        (replace(V2, addresses=addresses("10.9.0.100", "fe80::1")), A),
        (replace(V2, addresses=addresses("fe80::1")), A),
        (V2, A6),
        (V6, A),
        (replace(V2, multicast=MULTICAST6), A),
        (replace(V2, advert_int=256.0), A),
        (replace(V3, advert_int=41.0), A),
    ],
)
def test_impossible_settings_are_refused_at_once(settings: VrrpInstance, source: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        Transmitter(settings, source, AuthMemory())  # type: ignore[arg-type]


def test_the_list_belongs_to_the_caller() -> None:
    for settings, source in ((V2, A), (V6, A6)):
        transmitter = Transmitter(settings, source, AuthMemory())
        transmitter.packets(100, WALL).clear()
        assert len(transmitter.packets(100, WALL)) == 1


def test_the_hot_path_is_short() -> None:
    """An order of magnitude above what it takes on a quiet machine: encoding each time would be noticed."""
    transmitter = Transmitter(replace(V2, addresses=addresses(*[f"10.9.1.{n}" for n in range(200)])), A, AuthMemory())
    seconds = min(timeit.repeat(lambda: transmitter.packets(100, WALL), number=2000, repeat=5)) / 2000
    assert seconds < 10e-6
