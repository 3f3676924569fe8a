"""The checks on the way in, row by row in their order, on packets built here by hand.

Each row is broken alone on packets that are good otherwise; then pairs of rows show which check comes first.
"""

from __future__ import annotations

import hashlib
import hmac as stdlib_hmac
import timeit
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.config.settled import MULTICAST6, HmacAuth, Peer, VirtualAddress, VrrpInstance
from hakeep.objects.rtnl import Address
from hakeep.vrrp.authentication import AuthMemory
from hakeep.vrrp.messages import Received
from hakeep.vrrp.receive import COUNTERS, NOTES, Advert, Discard, Receiver, virtual_router_id

WALL = 1_700_000_000.0
US, PEER, GROUP = "10.9.0.1", "10.9.0.2", "224.0.0.18"
KEY = bytes(range(32))


def checksum(data: bytes) -> int:
    """By the book (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total = sum(data[at] << 8 | data[at + 1] for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@dataclass(frozen=True)
class Packet:
    """A VRRP packet with every field open to be wrong."""

    version: int = 2
    vrid: int = 51
    priority: int = 100
    type: int = 1
    auth_type: int = 0
    interval: int = 1  # as on the wire: seconds or centiseconds
    addresses: tuple[str, ...] = ("10.9.0.100",)
    count: int | None = None
    auth_data: bytes = bytes(8)
    source: str = PEER
    destination: str = GROUP
    pseudo: str | None = ""  # destination in the pseudo header; "" = as the version has it, None = no pseudo header
    checksum_error: int = 0
    ttl: int = 255
    protocol: int = 112
    options: bytes = b""
    ident: int = 1
    total_length: int | None = None
    behind: bytes = b""
    cut: int = 0
    ah_key: bytes | None = None
    ah: dict[str, int | bytes] = field(default_factory=dict)
    hmac_key: bytes | None = None
    hmac: dict[str, int] = field(default_factory=dict)
    wall: float = WALL

    @property
    def family(self) -> int:
        return ip_address(self.source).version

    def pdu(self) -> bytes:
        count = len(self.addresses) if self.count is None else self.count
        timing = self.auth_type << (8 if self.version == 2 else 12) | self.interval
        head = bytes((self.version << 4 | self.type, self.vrid, self.priority, count)) + timing.to_bytes(2, "big")
        body = b"".join(ip_address(text).packed for text in self.addresses)
        if self.version == 2 and self.family == 4:
            body += self.auth_data
        size = 8 + len(body)
        to = self.pseudo
        if to == "":
            to = self.destination if self.version == 3 else None
        pseudo = b""
        if to is not None:
            pseudo = ip_address(self.source).packed + ip_address(to).packed + b"\0\x70" + size.to_bytes(2, "big")
        value = checksum(pseudo + head + b"\0\0" + body) ^ self.checksum_error
        return head + value.to_bytes(2, "big") + body

    def trailer(self, pdu: bytes) -> bytes:
        if self.hmac_key is None:
            return b""
        fields = {"type": 1, "key_id": 1, "reserved": 0, "seconds": int(WALL), "fraction": 0, "counter": 0} | self.hmac
        sizes = (1, 1, 2, 4, 2, 2)
        head = b"".join(value.to_bytes(size, "big") for value, size in zip(fields.values(), sizes, strict=True))
        who = bytes((self.family, pdu[0] >> 4, pdu[1], 0)) + ip_address(self.source).packed.ljust(16, b"\0")
        signed = who + pdu[:6] + b"\0\0" + pdu[8:] + head + bytes(16)
        return head + stdlib_hmac.new(self.hmac_key, signed, hashlib.sha256).digest()[:16]

    def data(self) -> bytes:
        pdu = self.pdu()
        payload = pdu + self.trailer(pdu) + self.behind
        if self.cut:
            payload = payload[: -self.cut]
        if self.family == 6:
            return payload
        is_ah = self.ah_key is not None
        length = 20 + len(self.options) + 24 * is_ah + len(payload)
        header = bytearray(
            bytes((0x45 + len(self.options) // 4, 0xC0))
            + (length if self.total_length is None else self.total_length).to_bytes(2, "big")
            + self.ident.to_bytes(2, "big") + b"\0\0"
            + bytes((self.ttl, 51 if is_ah else self.protocol)) + b"\0\0"
            + ip_address(self.source).packed + ip_address(self.destination).packed + self.options
        )  # fmt: skip
        if self.ah_key is not None:
            parts = {"next": 112, "spi": ip_address(self.source).packed, "sequence": 1} | self.ah
            assert isinstance(parts["next"], int) and isinstance(parts["spi"], bytes)
            assert isinstance(parts["sequence"], int)
            start = bytes((parts["next"], 4, 0, 0)) + parts["spi"] + parts["sequence"].to_bytes(4, "big")
            covered = bytearray(header)
            covered[1] = covered[6] = covered[7] = 0
            code = stdlib_hmac.new(self.ah_key, covered + start + bytes(12) + payload, hashlib.md5).digest()[:12]
            payload = start + code + payload
        header[10:12] = checksum(bytes(header)).to_bytes(2, "big")
        return bytes(header) + payload

    def received(self) -> Received:
        source, destination = ip_address(self.source).packed, ip_address(self.destination).packed
        return Received("eth1", self.data(), source, destination, self.ttl, 1.0, self.wall)


def addresses(*texts: str) -> tuple[VirtualAddress, ...]:
    return tuple(VirtualAddress(Address("eth1", ip_address(text), 24)) for text in texts)


V2 = VrrpInstance("V1", 51, "eth1", addresses=addresses("10.9.0.100"))
V3 = replace(V2, version=3)
V6 = replace(V3, family=6, multicast=MULTICAST6, addresses=addresses("fe80::9:100"))
PASS = replace(V2, auth_type="PASS", auth_pass=b"1234abcd")
AH = replace(V2, auth_type="AH", auth_pass=b"secret")
UNICAST = replace(V3, multicast=None, peers=(Peer(ip_address(PEER)),))
HMAC = HmacAuth(((1, KEY),), 1, 5)
SIGNED = replace(V3, auth_hmac=HMAC)

TO_V2 = Packet()
TO_V3 = Packet(version=3, interval=100)
TO_V6 = replace(TO_V3, source="fe80::2", destination="ff02::12", addresses=("fe80::9:100",), pseudo=None)
TO_PASS = Packet(auth_type=1, auth_data=b"1234abcd")
TO_AH = Packet(auth_type=2, ah_key=b"secret\0\0")
TO_UNICAST = replace(TO_V3, destination=US)
TO_SIGNED = replace(TO_V3, hmac_key=KEY)


def check(settings: VrrpInstance, packet: Packet, memory: AuthMemory | None = None) -> Advert | Discard:
    return Receiver(settings, memory or AuthMemory()).check(packet.received(), current_master=None)


def counter(settings: VrrpInstance, packet: Packet, memory: AuthMemory | None = None) -> str | None:
    """The counter of the refusal, None when the packet is accepted."""
    verdict = check(settings, packet, memory)
    if isinstance(verdict, Advert):
        return None
    assert verdict.reason
    assert verdict.counter in COUNTERS
    return verdict.counter


GOOD = [
    (V2, TO_V2), (V3, TO_V3), (V6, TO_V6), (PASS, TO_PASS), (AH, TO_AH), (UNICAST, TO_UNICAST), (SIGNED, TO_SIGNED),
    (replace(V6, version=2), replace(TO_V6, version=2, interval=1)),
    (replace(V6, auth_hmac=HMAC), replace(TO_V6, hmac_key=KEY)),
    (replace(V2, auth_hmac=HMAC), replace(TO_V2, hmac_key=KEY)),
    (replace(V2, advert_int=3.0), replace(TO_V2, interval=3)),
    (replace(V2, addresses=()), replace(TO_V2, addresses=())),
    (V2, replace(TO_V2, options=b"\x94\x04\0\0")),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "packet"), GOOD)
def test_good_packets(settings: VrrpInstance, packet: Packet) -> None:
    advert = check(settings, packet)
    assert advert == Advert(
        ip_address(packet.source), 100, packet.interval / (1 if packet.version == 2 else 100),
        tuple(ip_address(text) for text in packet.addresses), 255,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("row", "settings", "good", "changes", "expected"),
    [
        ("0 VRID", V2, TO_V2, {"vrid": 52}, "malformed"),
        ("0 VRID in AH", AH, TO_AH, {"vrid": 52}, "malformed"),
        ("0 VRID over IPv6", V6, TO_V6, {"vrid": 52}, "malformed"),
        ("0 too short", V2, TO_V2, {"cut": 13}, "packet_len_err"),
        ("0 too short over IPv6", V6, TO_V6, {"cut": 17}, "packet_len_err"),
        ("0 too short in AH", AH, TO_AH, {"cut": 13}, "packet_len_err"),
        ("0 too short for a VRID", V2, TO_V2, {"cut": 19}, "malformed"),
        ("0 another protocol", V2, TO_V2, {"protocol": 89}, "malformed"),
        ("0 AH around something else", AH, TO_AH, {"ah": {"next": 6}}, "malformed"),
        ("1 AH not wanted", V2, TO_AH, {}, "authtype_mismatch"),
        ("1 AH not wanted by PASS", PASS, TO_AH, {}, "authtype_mismatch"),
        ("1 AH not wanted around no authentication", V2, TO_AH, {"auth_type": 0}, "authtype_mismatch"),
        ("1 AH not wanted by version 3", V3, TO_AH, {"version": 3, "auth_type": 0}, "authtype_mismatch"),
        ("1 AH wanted", AH, TO_AH, {"ah_key": None}, "authtype_mismatch"),
        ("2 cut", V2, TO_V2, {"cut": 1}, "packet_len_err"),
        ("2 cut, version 3", V3, TO_V3, {"cut": 1}, "packet_len_err"),
        ("2 cut over IPv6", V6, TO_V6, {"cut": 1}, "packet_len_err"),
        ("2 says more addresses", V2, TO_V2, {"count": 2}, "packet_len_err"),
        ("2 says fewer addresses", V3, TO_V3, {"count": 0}, "packet_len_err"),
        ("2 padding that is not zero", V3, TO_V3, {"behind": bytes(13) + b"\x01"}, "packet_len_err"),
        ("2 padding beyond the minimum", V3, TO_V3, {"behind": bytes(15)}, "packet_len_err"),
        ("2 padding over IPv6", V6, TO_V6, {"behind": bytes(1)}, "packet_len_err"),
        ("2 trailer not wanted", V3, TO_SIGNED, {}, "packet_len_err"),
        ("2 trailer cut", SIGNED, TO_SIGNED, {"cut": 1}, "packet_len_err"),
        ("3 TTL", V2, TO_V2, {"ttl": 254}, "ip_ttl_err"),
        ("3 hop limit", V6, TO_V6, {"ttl": 64}, "ip_ttl_err"),
        ("3 hop limit unknown", V6, TO_V6, {"ttl": -1}, "ip_ttl_err"),
        ("4 version 3 to 2", V2, TO_V3, {}, "version_err"),
        ("4 version 2 to 3", V3, TO_V2, {}, "version_err"),
        ("4 version 2 to 3 over IPv6", V6, TO_V6, {"version": 2, "interval": 1}, "version_err"),
        ("4 version 4", V3, TO_V3, {"version": 4}, "version_err"),
        ("4 version 4 of any length", V2, TO_V2, {"version": 4, "cut": 1}, "version_err"),
        ("5 no trailer", SIGNED, TO_V3, {}, "auth_ext_missing"),
        ("5 no trailer but padding", SIGNED, TO_V3, {"behind": bytes(14)}, "auth_ext_missing"),
        ("5 trailer type", SIGNED, TO_SIGNED, {"hmac": {"type": 7}}, "auth_ext_malformed"),
        ("5 trailer reserved", SIGNED, TO_SIGNED, {"hmac": {"reserved": 1}}, "auth_ext_malformed"),
        ("5 old", SIGNED, TO_SIGNED, {"hmac": {"seconds": int(WALL) - 6}}, "auth_ext_stale"),
        ("5 from the future", SIGNED, TO_SIGNED, {"hmac": {"seconds": int(WALL) + 6}}, "auth_ext_stale"),
        ("5 key", SIGNED, TO_SIGNED, {"hmac": {"key_id": 9}}, "auth_ext_unknown_key"),
        ("5 code", SIGNED, TO_SIGNED, {"hmac_key": bytes(32)}, "auth_ext_invalid_hmac"),
        ("6 authentication type 3", V2, TO_V2, {"auth_type": 3}, "invalid_authtype"),
        ("6 PASS not wanted", V2, TO_PASS, {}, "authtype_mismatch"),
        ("6 PASS wanted", PASS, TO_V2, {}, "authtype_mismatch"),
        ("6 AH type without AH", V2, TO_V2, {"auth_type": 2}, "authtype_mismatch"),
        ("6 AH without AH type", AH, TO_AH, {"auth_type": 0}, "authtype_mismatch"),
        ("6 password", PASS, TO_PASS, {"auth_data": b"1234abcX"}, "auth_failure"),
        ("6 AH password", AH, TO_AH, {"ah_key": b"Secret\0\0"}, "auth_failure"),
        ("6 AH sender", AH, TO_AH, {"ah": {"spi": bytes((10, 9, 0, 3))}}, "auth_failure"),
        ("6 AH sequence", AH, TO_AH, {"ah": {"sequence": 0}}, "auth_failure"),
        ("7 interval, version 2", V2, TO_V2, {"interval": 3}, "advert_interval_err"),
        ("7 no interval, version 2", V2, TO_V2, {"interval": 0}, "advert_interval_err"),
        ("7 no interval, version 3", V3, TO_V3, {"interval": 0}, "advert_interval_err"),
        ("8 type", V2, TO_V2, {"type": 2}, "invalid_type_rcvd"),
        ("8 type, version 3", V3, TO_V3, {"type": 0}, "invalid_type_rcvd"),
        ("9 IP length above", V2, TO_V2, {"total_length": 41}, "packet_len_err"),
        ("9 IP length below", V2, TO_V2, {"total_length": 39}, "packet_len_err"),
        ("9 IP length without the trailer", SIGNED, TO_SIGNED, {"total_length": 32}, "packet_len_err"),
        ("10 checksum", V2, TO_V2, {"checksum_error": 1}, "checksum_err"),
        ("10 checksum, version 3", V3, TO_V3, {"checksum_error": 1}, "checksum_err"),
        ("10 checksum without pseudo header wanted", replace(V3, v3_checksum_as_v2=True), TO_V3,
         {"checksum_error": 0x0100}, "checksum_err"),
        ("10 pseudo header in version 2", V2, TO_V2, {"pseudo": GROUP}, "checksum_err"),
        ("10 pseudo header of another group", V3, TO_V3, {"pseudo": "224.0.0.19"}, "checksum_err"),
        ("11 unicast to a multicast router", V2, TO_V2, {"destination": US}, "kind_mismatch"),
        ("11 multicast to a unicast router", UNICAST, TO_UNICAST, {"destination": GROUP}, "kind_mismatch"),
        ("11 another group", V2, TO_V2, {"destination": "224.0.0.19"}, "kind_mismatch"),
        ("14 not a peer", replace(UNICAST, check_unicast_src=True), TO_UNICAST, {"source": "10.9.0.9"},
         "unknown_source"),
        ("14 too far", replace(UNICAST, peers=(Peer(ip_address(PEER), min_ttl=254),)), TO_UNICAST, {"ttl": 253},
         "ip_ttl_err"),
        ("14 too near", replace(UNICAST, peers=(Peer(ip_address(PEER), max_ttl=254),)), TO_UNICAST, {}, "ip_ttl_err"),
    ],
)  # fmt: skip
def test_each_row(
    row: str, settings: VrrpInstance, good: Packet, changes: dict[str, object], expected: str
) -> None:
    assert counter(settings, replace(good, **changes)) == expected  # type: ignore[arg-type]


ROWS_IN_ORDER: list[tuple[VrrpInstance, Packet, list[tuple[dict[str, object], str]]]] = [
    (
        V2,
        TO_V2,
        [
            ({"vrid": 52}, "malformed"),
            ({"cut": 1}, "packet_len_err"),
            ({"ttl": 1}, "ip_ttl_err"),
            ({"auth_type": 3}, "invalid_authtype"),
            ({"interval": 3}, "advert_interval_err"),
            ({"type": 2}, "invalid_type_rcvd"),
            ({"total_length": 41}, "packet_len_err"),
            ({"checksum_error": 1}, "checksum_err"),
            ({"destination": US}, "kind_mismatch"),
        ],
    ),
    (
        replace(UNICAST, auth_hmac=HMAC, check_unicast_src=True),
        replace(TO_UNICAST, hmac_key=KEY),
        [
            ({"vrid": 52}, "malformed"),
            ({"cut": 1}, "packet_len_err"),
            ({"version": 2}, "version_err"),
            ({"hmac_key": bytes(32)}, "auth_ext_invalid_hmac"),
            ({"type": 2}, "invalid_type_rcvd"),
            ({"checksum_error": 1}, "checksum_err"),
            ({"destination": GROUP}, "kind_mismatch"),
        ],
    ),
]


@pytest.mark.parametrize(("settings", "good", "rows"), ROWS_IN_ORDER)
def test_the_order_of_the_rows(
    settings: VrrpInstance, good: Packet, rows: list[tuple[dict[str, object], str]]
) -> None:
    """All wrong at once: the first row speaks; with that mended the second, and so on to acceptance."""
    for first in range(len(rows) + 1):
        wrong: dict[str, object] = {}
        for changes, _ in rows[first:]:
            wrong |= changes
        expected = rows[first][1] if first < len(rows) else None
        assert counter(settings, replace(good, **wrong)) == expected  # type: ignore[arg-type]


def test_13_address_lists_are_compared_but_nothing_is_dropped() -> None:
    two = replace(V2, addresses=addresses("10.9.0.100", "10.9.0.101"))
    for texts, notes in (
        (("10.9.0.100", "10.9.0.101"), ()),
        (("10.9.0.101", "10.9.0.100"), ()),
        (("10.9.0.100",), ("addr_list_err",)),
        (("10.9.0.100", "10.9.0.77"), ("addr_list_err",)),
        (("10.9.0.100", "10.9.0.101", "10.9.0.101"), ("addr_list_err",)),
        ((), ("addr_list_err",)),
    ):
        advert = check(two, replace(TO_V2, addresses=texts))
        assert isinstance(advert, Advert)
        assert advert.notes == notes
        assert advert.addresses == tuple(IPv4Address(text) for text in texts)


def test_13_excluded_addresses_are_not_expected() -> None:
    excluded = (VirtualAddress(Address("eth1", ip_address("10.9.0.110"), 24), advertised=False),)
    advert = check(replace(V2, addresses=V2.addresses + excluded), TO_V2)
    assert isinstance(advert, Advert)
    assert advert.notes == ()


@pytest.mark.parametrize(
    ("skip", "master", "texts", "noted"),
    [
        (True, PEER, ("10.9.0.77",), False),
        (True, "10.9.0.3", ("10.9.0.77",), True),
        (True, None, ("10.9.0.77",), True),
        (True, PEER, ("10.9.0.77", "10.9.0.78"), True),  # the number is compared always
        (False, PEER, ("10.9.0.77",), True),
    ],
)
def test_13_skip_check_adv_addr(skip: bool, master: str | None, texts: tuple[str, ...], noted: bool) -> None:
    receiver = Receiver(replace(V2, skip_check_adv_addr=skip), AuthMemory())
    received = replace(TO_V2, addresses=texts).received()
    advert = receiver.check(received, current_master=ip_address(master) if master else None)
    assert isinstance(advert, Advert)
    assert ("addr_list_err" in advert.notes) is noted
    if skip:
        assert receiver.repeat_of_last(received) is None, "who the master is decides, so it must be asked each time"
    else:
        assert receiver.repeat_of_last(received) == advert


def test_14_without_check_unicast_src_strangers_are_heard() -> None:
    assert counter(UNICAST, replace(TO_UNICAST, source="10.9.0.9")) is None


@pytest.mark.parametrize(("ttl", "expected"), [(63, "ip_ttl_err"), (64, None), (200, None), (201, "ip_ttl_err")])
def test_14_limits_of_a_peer(ttl: int, expected: str | None) -> None:
    limited = replace(UNICAST, peers=(Peer(ip_address(PEER), 64, 200),))
    assert counter(limited, replace(TO_UNICAST, ttl=ttl)) == expected
    assert counter(UNICAST, replace(TO_UNICAST, ttl=ttl)) is None


@pytest.mark.parametrize(
    ("limits", "expected"), [((0, 255), None), ((1, 255), "ip_ttl_err"), ((0, 254), "ip_ttl_err")]
)
def test_14_an_unknown_hop_limit_is_within_no_limits(limits: tuple[int, int], expected: str | None) -> None:
    settings = replace(V6, multicast=None, peers=(Peer(ip_address("fe80::2"), *limits),))
    assert counter(settings, replace(TO_V6, destination="fe80::1", ttl=-1)) == expected


def test_15_resignation() -> None:
    advert = check(V2, replace(TO_V2, priority=0))
    assert isinstance(advert, Advert)
    assert (advert.priority, advert.notes) == (0, ("pri_zero_rcvd",))


# ------------------------------------------------------------------------------------- lengths, intervals, reserved


@pytest.mark.parametrize("extra", [1, 13, 14])
def test_zero_padding_to_the_ethernet_minimum(extra: int) -> None:
    assert counter(V3, replace(TO_V3, behind=bytes(extra))) is None
    assert counter(V3, replace(TO_V3, behind=bytes(extra), total_length=32)) is None


def test_wrong_lengths_are_named() -> None:
    verdict = check(V2, replace(TO_V2, cut=1))
    assert isinstance(verdict, Discard)
    assert "19 bytes where 20" in verdict.reason


def test_the_password_is_cut_to_what_the_packet_holds() -> None:
    assert counter(replace(PASS, auth_pass=b"1234abcdXYZ"), TO_PASS) is None
    assert counter(replace(PASS, auth_pass=b"1234"), replace(TO_PASS, auth_data=b"1234\0\0\0\0")) is None


def test_a_packet_of_the_other_family_is_not_ours() -> None:
    received = TO_V6.received()
    for wrong in (received._replace(source=bytes(4)), received._replace(destination=bytes(4)), TO_V2.received()):
        verdict = Receiver(V6, AuthMemory()).check(wrong, current_master=None)
        assert isinstance(verdict, Discard)
        assert verdict.counter == "malformed"
    assert counter(V2, TO_V6) == "malformed"


def test_interval_mismatch_in_version_2_says_what_comes_of_it() -> None:
    verdict = check(V2, replace(TO_V2, interval=3))
    assert isinstance(verdict, Discard)
    assert "3 s" in verdict.reason
    assert "two masters" in verdict.reason


@pytest.mark.parametrize("ticks", [1, 50, 300, 4095])
def test_version_3_intervals_are_learned(ticks: int) -> None:
    advert = check(V3, replace(TO_V3, interval=ticks))
    assert isinstance(advert, Advert)
    assert advert.interval == ticks / 100


def test_reserved_bits_of_version_3_are_ignored() -> None:
    advert = check(V3, replace(TO_V3, auth_type=15))
    assert isinstance(advert, Advert)
    assert advert.interval == 1.0


def test_password_over_ipv6_has_no_bytes_to_compare() -> None:
    settings = replace(V6, version=2, auth_type="PASS", auth_pass=b"1234abcd")
    packet = replace(TO_V6, version=2, interval=1)
    assert counter(settings, replace(packet, auth_type=1)) is None
    assert counter(settings, packet) == "authtype_mismatch"


# --------------------------------------------------------------------------------------------------------- dialects


@pytest.mark.parametrize(
    ("settings", "packet", "pseudo", "notes"),
    [
        (V3, TO_V3, GROUP, ()),
        (V3, TO_V3, None, ("checksum_dialect",)),
        (replace(V3, v3_checksum_as_v2=True), TO_V3, None, ()),
        (replace(V3, v3_checksum_as_v2=True), TO_V3, GROUP, ("checksum_dialect",)),
        (UNICAST, TO_UNICAST, US, ()),
        (UNICAST, TO_UNICAST, None, ("checksum_dialect",)),
        (UNICAST, TO_UNICAST, GROUP, ("checksum_dialect",)),
        (replace(UNICAST, old_unicast_checksum="never"), TO_UNICAST, GROUP, None),
        (replace(UNICAST, old_unicast_checksum="on"), TO_UNICAST, GROUP, ()),
        (replace(UNICAST, old_unicast_checksum="on"), TO_UNICAST, US, ("checksum_dialect",)),
        (replace(UNICAST, v3_checksum_as_v2=True), TO_UNICAST, GROUP, ("checksum_dialect",)),
        (replace(V3, multicast=ip_address("224.0.0.99")), replace(TO_V3, destination="224.0.0.99"), GROUP, None),
    ],
)
def test_checksum_dialects(
    settings: VrrpInstance, packet: Packet, pseudo: str | None, notes: tuple[str, ...] | None
) -> None:
    verdict = check(settings, replace(packet, pseudo=pseudo))
    if notes is None:
        assert isinstance(verdict, Discard)
        assert verdict.counter == "checksum_err"
    else:
        assert isinstance(verdict, Advert)
        assert verdict.notes == notes


def test_an_old_peer_is_followed() -> None:
    memory = AuthMemory()
    receiver = Receiver(UNICAST, memory)
    old = replace(TO_UNICAST, pseudo=GROUP).received()
    first = receiver.check(old, current_master=None)
    assert isinstance(first, Advert)
    assert first.notes == ("checksum_dialect",)
    assert memory.old_unicast_checksum
    assert receiver.repeat_of_last(old) is None, "its note was news and is no longer true"
    second = receiver.check(old, current_master=None)
    assert isinstance(second, Advert)
    assert second.notes == ()
    assert receiver.repeat_of_last(old) == second
    new = receiver.check(TO_UNICAST.received(), current_master=None)
    assert isinstance(new, Advert)
    assert new.notes == ("checksum_dialect",)
    assert memory.old_unicast_checksum, "those who follow understand both, the old one only its own"


@pytest.mark.parametrize(
    ("settings", "packet"),
    [
        (UNICAST, replace(TO_UNICAST, source="10.9.0.9")),
        (UNICAST, replace(TO_UNICAST, destination="239.0.0.1")),
        (replace(UNICAST, old_unicast_checksum="on"), TO_UNICAST),
        (replace(UNICAST, old_unicast_checksum="never"), TO_UNICAST),
    ],
)
def test_nobody_else_is_followed(settings: VrrpInstance, packet: Packet) -> None:
    memory = AuthMemory()
    check(settings, replace(packet, pseudo=GROUP), memory)
    assert not memory.old_unicast_checksum


# --------------------------------------------------------------------------------------------------- authentication


def test_ah_replay_and_its_memory() -> None:
    memory = AuthMemory()
    assert counter(AH, replace(TO_AH, ah={"sequence": 12}), memory) is None
    assert memory.ah_sequence == 12
    assert counter(AH, replace(TO_AH, ah={"sequence": 12}), memory) == "auth_failure"
    assert counter(AH, replace(TO_AH, ah={"sequence": 13}), memory) is None


def test_hmac_replay() -> None:
    memory = AuthMemory()
    assert counter(SIGNED, TO_SIGNED, memory) is None
    assert counter(SIGNED, TO_SIGNED, memory) == "auth_ext_replay"
    assert counter(SIGNED, replace(TO_SIGNED, hmac={"counter": 1}), memory) is None


def test_a_spoilt_copy_does_not_use_up_the_sequence_of_the_true_one() -> None:
    memory = AuthMemory()
    assert counter(SIGNED, replace(TO_SIGNED, checksum_error=1), memory) == "checksum_err"
    assert counter(SIGNED, TO_SIGNED, memory) is None


@pytest.mark.parametrize(
    ("mode", "unsigned", "forged"),
    [
        ("enforce", "auth_ext_missing", "auth_ext_invalid_hmac"),
        ("permissive", None, "auth_ext_invalid_hmac"),
        ("receive-only", None, "auth_ext_invalid_hmac"),
    ],
)
def test_hmac_modes(mode: str, unsigned: str | None, forged: str) -> None:
    settings = replace(SIGNED, auth_hmac=replace(HMAC, mode=mode))
    assert counter(settings, TO_V3) == unsigned
    assert counter(settings, replace(TO_SIGNED, hmac_key=bytes(32))) == forged
    assert counter(settings, TO_SIGNED) is None
    if unsigned is None:
        advert = check(settings, TO_V3)
        assert isinstance(advert, Advert)
        assert advert.notes == ("auth_ext_unsigned",)


def test_hmac_skew_is_noted() -> None:
    for seconds, notes in ((2, ()), (3, ("auth_ext_skew",)), (-3, ("auth_ext_skew",))):
        advert = check(SIGNED, replace(TO_SIGNED, hmac={"seconds": int(WALL) + seconds}))
        assert isinstance(advert, Advert)
        assert advert.notes == notes


def test_hmac_covers_the_source_even_of_a_peer() -> None:
    two = replace(UNICAST, auth_hmac=HMAC, peers=(Peer(ip_address(PEER)), Peer(ip_address("10.9.0.3"))))
    data = replace(TO_UNICAST, hmac_key=KEY).received()
    moved = data._replace(data=data.data[:12] + bytes((10, 9, 0, 3)) + data.data[16:])
    verdict = Receiver(two, AuthMemory()).check(moved, current_master=None)
    assert isinstance(verdict, Discard)
    assert verdict.counter == "auth_ext_invalid_hmac"
    assert counter(two, replace(TO_UNICAST, hmac_key=KEY, source="10.9.0.9")) == "unknown_source"


# ------------------------------------------------------------------------------------------------------- fast path


@pytest.mark.parametrize(("settings", "packet"), [(s, p) for s, p in GOOD if not s.auth_hmac and s.auth_type != "AH"])
def test_repeats_are_known(settings: VrrpInstance, packet: Packet) -> None:
    receiver = Receiver(settings, AuthMemory())
    assert receiver.repeat_of_last(packet.received()) is None
    advert = receiver.check(packet.received(), current_master=None)
    later = replace(packet, ident=777, wall=WALL + 1).received()._replace(at=99.0)
    assert receiver.repeat_of_last(later) == advert
    assert receiver.check(later, current_master=None) == advert


@pytest.mark.parametrize(
    "changes",
    [
        {"priority": 99}, {"ttl": 254}, {"source": "10.9.0.3"}, {"addresses": ("10.9.0.99",)}, {"cut": 1},
        {"checksum_error": 1}, {"destination": US}, {"behind": b"\0"}, {"total_length": 41}, {"protocol": 51},
        {"auth_data": b"password"}, {"options": b"\x94\x04\0\0"}, {"vrid": 52},
    ],
)  # fmt: skip
def test_what_differs_is_no_repeat(changes: dict[str, object]) -> None:
    receiver = Receiver(V2, AuthMemory())
    receiver.check(TO_V2.received(), current_master=None)
    assert receiver.repeat_of_last(TO_V2.received()) is not None
    assert receiver.repeat_of_last(replace(TO_V2, **changes).received()) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes", [{"source": "fe80::3"}, {"destination": "ff02::13"}, {"ttl": 254}, {"ttl": -1}, {"priority": 99}]
)
def test_over_ipv6_addresses_and_hop_limit_count_too(changes: dict[str, object]) -> None:
    receiver = Receiver(V6, AuthMemory())
    receiver.check(TO_V6.received(), current_master=None)
    assert receiver.repeat_of_last(TO_V6.received()) is not None
    assert receiver.repeat_of_last(replace(TO_V6, **changes).received()) is None  # type: ignore[arg-type]


@given(st.integers(0, 8 * 40 - 1))
def test_only_identification_and_header_checksum_may_differ(bit: int) -> None:
    receiver = Receiver(V2, AuthMemory())
    received = TO_V2.received()
    receiver.check(received, current_master=None)
    data = bytearray(received.data)
    data[bit // 8] ^= 0x80 >> bit % 8
    known = receiver.repeat_of_last(received._replace(data=bytes(data))) is not None
    assert known == (bit // 8 in (4, 5, 10, 11))


def test_refused_packets_are_not_remembered_and_do_not_disturb() -> None:
    receiver = Receiver(V2, AuthMemory())
    bad = replace(TO_V2, checksum_error=1).received()
    receiver.check(bad, current_master=None)
    assert receiver.repeat_of_last(bad) is None
    receiver.check(TO_V2.received(), current_master=None)
    receiver.check(bad, current_master=None)
    assert receiver.repeat_of_last(TO_V2.received()) is not None


@pytest.mark.parametrize(("settings", "packet"), [(AH, TO_AH), (SIGNED, TO_SIGNED)])
def test_authenticated_packets_are_never_repeats(settings: VrrpInstance, packet: Packet) -> None:
    receiver = Receiver(settings, AuthMemory())
    assert isinstance(receiver.check(packet.received(), current_master=None), Advert)
    assert receiver.repeat_of_last(packet.received()) is None


def test_unsigned_packets_of_a_permissive_router_are_never_repeats() -> None:
    receiver = Receiver(replace(SIGNED, auth_hmac=replace(HMAC, mode="permissive")), AuthMemory())
    assert isinstance(receiver.check(TO_V3.received(), current_master=None), Advert)
    assert receiver.repeat_of_last(TO_V3.received()) is None


def test_the_fast_path_is_fast() -> None:
    """Far above what it takes on a quiet machine, far below what checking 200 addresses takes anywhere."""
    texts = tuple(f"10.9.1.{last}" for last in range(200))
    receiver = Receiver(replace(V2, addresses=addresses(*texts)), AuthMemory())
    received = replace(TO_V2, addresses=texts).received()
    assert isinstance(receiver.check(received, current_master=None), Advert)
    seconds = min(timeit.repeat(lambda: receiver.repeat_of_last(received), number=2000, repeat=5)) / 2000
    assert seconds < 5e-6


# ------------------------------------------------------------------------------------------------------------ rest


@pytest.mark.parametrize(("settings", "packet"), GOOD)
def test_the_vrid_is_found_without_checking(settings: VrrpInstance, packet: Packet) -> None:
    assert virtual_router_id(packet.received()) == 51


@pytest.mark.parametrize("data", [b"", b"\x45", bytes(19), b"\x4f" + bytes(30)])
def test_no_vrid_in_what_is_too_short(data: bytes) -> None:
    assert virtual_router_id(TO_V2.received()._replace(data=data)) == -1
    assert virtual_router_id(TO_V6.received()._replace(data=data[:1])) == -1


@given(st.binary(max_size=120), st.sampled_from(GOOD), st.sampled_from([b"", bytes(4), bytes(16)]))
def test_never_raises(data: bytes, pair: tuple[VrrpInstance, Packet], source: bytes) -> None:
    settings, packet = pair
    start = packet.data()[:20]
    for whole in (data, start + data, packet.data()[: len(data)], packet.data() + data):
        received = Received("eth1", whole, source, source, 255, 1.0, WALL)
        verdict = Receiver(settings, AuthMemory()).check(received, current_master=IPv6Address("fe80::1"))
        assert isinstance(verdict, Advert | Discard)
        assert -1 <= virtual_router_id(received) <= 255


def test_the_counters() -> None:
    assert len(set(COUNTERS)) == len(COUNTERS)
    assert set(NOTES) < set(COUNTERS)
    of_keepalived = {
        "packet_len_err", "advert_interval_err", "ip_ttl_err", "invalid_type_rcvd", "addr_list_err",
        "invalid_authtype", "authtype_mismatch", "auth_failure", "auth_ext_missing", "auth_ext_malformed",
        "auth_ext_unknown_key", "auth_ext_invalid_hmac", "auth_ext_stale", "auth_ext_replay", "pri_zero_rcvd",
    }  # fmt: skip
    assert of_keepalived < set(COUNTERS)


@given(st.integers(0, 8 * 40 - 1))
def test_a_refusal_is_remembered_for_those_bytes_alone(bit: int) -> None:
    """A flood of the same bad packet is judged once; what differs in one bit is judged by itself."""
    bad = replace(TO_V2, checksum_error=1).received()
    receiver = Receiver(V2, AuthMemory())
    first = receiver.check(bad, current_master=None)
    assert isinstance(first, Discard)
    assert receiver.check(bad, current_master=None) is first
    data = bytearray(bad.data)
    data[bit // 8] ^= 0x80 >> bit % 8
    other = bad._replace(data=bytes(data), hop_limit=data[8], source=bytes(data[12:16]), destination=bytes(data[16:20]))
    assert receiver.check(other, current_master=None) == Receiver(V2, AuthMemory()).check(other, current_master=None)


def test_a_refusal_is_not_remembered_where_the_same_bytes_may_become_good() -> None:
    """A signed packet that is stale now may be fresh when the clock has been set."""
    receiver = Receiver(SIGNED, AuthMemory())
    late = TO_SIGNED.received()._replace(wall=WALL + 10_000)
    assert isinstance(receiver.check(late, current_master=None), Discard)
    assert isinstance(receiver.check(TO_SIGNED.received(), current_master=None), Advert)
