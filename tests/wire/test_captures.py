"""Every VRRP, ARP and NA frame that was recorded from keepalived: read, written again byte for byte, and judged.

The recordings are no part of this project; where they are not at hand, these tests are skipped and those with literal
frames remain. What was configured in each run is stated here as settings; `INJECTED` are the packets (by source and
identification) that were forged during a run, with the verdict that they deserve.
"""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Address, ip_address
from pathlib import Path

import pytest

from hakeep.config.settled import MULTICAST6, HmacAuth, Peer, VirtualAddress, VrrpInstance
from hakeep.objects.rtnl import Address
from hakeep.vrrp.authentication import AuthMemory
from hakeep.vrrp.messages import Received
from hakeep.vrrp.receive import Advert, Discard, Receiver
from hakeep.vrrp.transmit import Transmitter
from hakeep.wire import ah, arp, auth_hmac, ip, ndp, vrrp

CAPTURES = Path(__file__).resolve().parents[3] / "shared" / "keepalived" / "captures"
FILES = sorted(CAPTURES.glob("*.hex"))
NAMES = [path.stem for path in FILES]

needs_captures = pytest.mark.skipif(not FILES, reason="the recordings of keepalived are not on this machine")

FRAME = re.compile(r"# frame \d+(?: len \d+)?: (?:identical to frame (\d+)|(\d+\.\d+) )")
DUMP = re.compile(r"[0-9a-f]{4} ((?: [0-9a-f]{2})+)")


def frames(name: str) -> list[tuple[float, bytes]]:
    """The different frames of a recording with the seconds at which each was seen first."""
    found: list[tuple[float, bytes]] = []
    for line in (CAPTURES / f"{name}.hex").read_text().splitlines():
        start, dump = FRAME.match(line), DUMP.match(line)
        if start and start[2]:
            found.append((float(start[2]), b""))
        elif dump:
            at, so_far = found[-1]
            found[-1] = (at, so_far + bytes.fromhex(dump[1]))
    assert found, f"nothing was read from {name}"
    return found


def is_vrrp(frame: bytes) -> bool:
    if frame[12:14] == b"\x08\x00":
        return frame[23] in (ip.VRRP, ip.AH)
    return frame[12:14] == b"\x86\xdd" and frame[20] == ip.VRRP


def addresses(*texts: str) -> tuple[VirtualAddress, ...]:
    return tuple(VirtualAddress(Address("eth1", ip_address(text), 24)) for text in texts)


BASE = VrrpInstance("V1", 51, "eth1", addresses=addresses("10.9.0.100"))
SIX = replace(BASE, family=6, version=3, multicast=MULTICAST6, addresses=addresses("fe80::9:100", "2001:db8:9::100"))
THREE = replace(BASE, version=3)
UNICAST = {"multicast": None, "peers": (Peer(ip_address("10.9.0.2")), Peer(ip_address("10.9.0.3")))}
AH = replace(BASE, auth_type="AH", auth_pass=b"secret")
HMAC = HmacAuth(((1, bytes(range(32))),), 1, 5)

SETTINGS = {
    "v2": replace(BASE, addresses=addresses("10.9.0.100", "10.9.0.101")),
    "v2_pass": replace(BASE, auth_type="PASS", auth_pass=b"1234abcd"),
    "v2_ah": AH,
    "k24_v2_ah": AH,
    "ah_takeover": AH,
    "v2_uni_ah": replace(AH, multicast=None, peers=(Peer(ip_address("10.9.0.2")),)),
    "v2_ip6": replace(SIX, version=2),
    "v3_ip4": replace(THREE, advert_int=0.5),
    "v3_ip6": replace(SIX, addresses=addresses("fe80::9:100", "2001:db8:9::100", "2001:db8:9::101")),
    "vmac6": SIX,
    "v3_learn": THREE,
    "v3_uni": replace(THREE, **UNICAST),
    "v3_uni_oldck": replace(THREE, **UNICAST, old_unicast_checksum="on"),
    "k24_v3_as_v2": replace(THREE, v3_checksum_as_v2=True),
    "k24_as_v2_rx": replace(THREE, v3_checksum_as_v2=True),
    "k24_noas_v2_rx": THREE,
    "k24_addr_mismatch": THREE,
    "k24_hmac_live": replace(THREE, auth_hmac=HMAC),
    "k24_v3_ip4_hmac": replace(THREE, auth_hmac=HMAC),
    "k24_v3_ip6_hmac": replace(SIX, auth_hmac=HMAC),
    "k24_v2_ip4_hmac": replace(BASE, auth_hmac=HMAC),
    "k24_v3_uni_hmac": replace(THREE, **UNICAST, auth_hmac=HMAC),
    "sync_eth2": replace(BASE, virtual_router_id=52, addresses=addresses("10.8.0.100")),
}

INJECTED = {
    "bad_checksum_timer_reset": Discard("checksum_err", ""),
    "k24_bad_checksum": Discard("checksum_err", ""),
    "k24_as_v2_rx": Discard("checksum_err", ""),  # the reference accepts these
    "k24_noas_v2_rx": Discard("checksum_err", ""),
    "v2_adv_mismatch": Discard("advert_interval_err", ""),
    "k24_v2_adv_mismatch": Discard("advert_interval_err", ""),
}


class Seen:
    """One VRRP frame, taken apart without the Receiver."""

    def __init__(self, at: float, frame: bytes) -> None:
        self.at = at
        self.packet = frame[14:]
        if self.packet[0] >> 4 == 4:
            header = ip.decode_ipv4(self.packet)
            self.family, self.ident, hop_limit = 4, header.ident, header.ttl
            self.start = header.length + (ah.LENGTH if header.protocol == ip.AH else 0)
            self.source, self.destination = header.source, header.destination
        else:
            six = ip.decode_ipv6(self.packet)
            self.family, self.ident, hop_limit = 6, 0, six.hop_limit
            self.start, self.source, self.destination = 40, six.source, six.destination
        self.pdu = vrrp.decode(self.packet[self.start :], self.family)
        self.size = vrrp.length(self.pdu.version, self.family, len(self.pdu.addresses))
        self.pdu_bytes = self.packet[self.start : self.start + self.size]
        self.trailer = self.packet[self.start + self.size :]
        data = self.packet if self.family == 4 else self.packet[40:]
        self.received = Received("eth1", data, self.source, self.destination, hop_limit, at, self.wall)

    @property
    def wall(self) -> float:
        """The sender's clock where the packet tells it, else some time."""
        return (auth_hmac.decode(self.trailer).sequence >> 16) / 0x10000 if self.trailer else 1e9

    @property
    def injected(self) -> bool:
        return self.ident == 77


def adverts(name: str) -> list[Seen]:
    return [Seen(at, frame) for at, frame in frames(name) if is_vrrp(frame)]


def settings_of(name: str) -> VrrpInstance:
    return SETTINGS.get(name, BASE)


@needs_captures
@pytest.mark.parametrize("name", NAMES)
def test_read_and_written_again(name: str) -> None:
    for at, frame in frames(name):
        if is_vrrp(frame):
            seen = Seen(at, frame)
            head = seen.packet[: seen.start]
            if seen.family == 4:
                assert ip.with_header_checksum(seen.packet) == seen.packet
                header = ip.decode_ipv4(seen.packet)
                head = header.encode()
                if header.protocol == ip.AH:
                    head += ah.decode(seen.packet[header.length :]).encode()
            else:
                head = ip.decode_ipv6(seen.packet).encode()
            tail = auth_hmac.decode(seen.trailer).encode() if seen.trailer else b""
            assert head + seen.pdu.encode() + tail == seen.packet
        elif frame[12:14] == b"\x08\x06":
            assert arp.decode(frame).encode() == frame[:42]
        elif frame[12:14] == b"\x86\xdd" and frame[20] == ip.ICMPV6 and frame[54] == ndp.NEIGHBOUR_ADVERTISEMENT:
            message = ndp.decode(frame)
            assert message.encode() == frame
            assert ndp.unsolicited(message.mac, message.target) == frame
            assert message.announces


@needs_captures
@pytest.mark.parametrize("name", NAMES)
def test_announcements_are_spotted(name: str) -> None:
    for _, frame in frames(name):
        if frame[12:14] == b"\x08\x06":
            message = arp.decode(frame)
            assert message.announces == (message.target_mac == arp.BROADCAST)
            if message.announces:
                assert arp.gratuitous(message.sender_mac, message.sender_ip) == frame


@needs_captures
@pytest.mark.parametrize("name", NAMES)
def test_our_transmitter_sends_the_same_bytes(name: str) -> None:
    for seen in adverts(name):
        if seen.injected and name in INJECTED:
            continue
        settings = settings_of(name)
        if settings.auth_hmac and not seen.trailer:
            continue  # forged by cutting it off
        settings = replace(
            settings,
            advert_int=seen.pdu.interval,
            addresses=addresses(*[str(ip_address(packed)) for packed in seen.pdu.addresses]),
        )
        memory = AuthMemory()
        if settings.auth_type == "AH":
            memory.ah_sequence = ah.decode(seen.packet[20:]).sequence - 1
        transmitter = Transmitter(settings, ip_address(seen.source), memory, (seen.ident - 1) & 0xFFFF)
        packets = transmitter.packets(seen.pdu.priority, seen.wall)
        to, data = packets[0]
        assert to == str(ip_address(seen.destination))
        if name == "k24_hmac_live" and forged(seen):
            continue
        if seen.family == 4:
            assert ip.with_header_checksum(data) == seen.packet
            assert transmitter.ident == seen.ident
        else:
            head = ip.pseudo_header(seen.source, seen.destination, ip.VRRP, len(data))
            assert data[6:8] == b"\0\0"
            assert vrrp.sealed(data, head) == seen.packet[40:]


def forged(seen: Seen) -> bool:
    """One of the three of k24_hmac_live whose trailer was tampered with."""
    good = auth_hmac.code(bytes(range(32)), auth_hmac.covered(seen.source, seen.pdu_bytes, seen.trailer))
    return not seen.trailer.startswith(b"\x01\x01") or seen.trailer[12:] != good


@needs_captures
@pytest.mark.parametrize("name", [name for name in NAMES if name != "k24_hmac_live"])
def test_the_receiver_agrees(name: str) -> None:
    settings = settings_of(name)
    if settings.unicast:  # seen from the peer
        settings = replace(settings, peers=(Peer(ip_address("10.9.0.1")),), check_unicast_src=True)
    memory = AuthMemory()
    for seen in adverts(name):
        if name == "reload":
            current = addresses(*[str(ip_address(packed)) for packed in seen.pdu.addresses])
            settings = replace(settings, addresses=current)
        receiver = Receiver(settings, memory)
        verdict = receiver.check(seen.received, current_master=None)
        if seen.injected and name in INJECTED:
            assert isinstance(verdict, Discard), seen.packet.hex()
            assert verdict.counter == INJECTED[name].counter
            continue
        assert isinstance(verdict, Advert), f"{verdict} {seen.packet.hex()}"
        assert (verdict.source, verdict.priority) == (ip_address(seen.source), seen.pdu.priority)
        assert verdict.interval == (3.0 if name == "v3_learn" and seen.injected else settings.advert_int)
        notes = {"pri_zero_rcvd"} if seen.pdu.priority == 0 else set()
        notes |= {"addr_list_err"} if name == "k24_addr_mismatch" else set()
        assert set(verdict.notes) == notes
        assert verdict.hop_limit == 255
        twice = receiver.repeat_of_last(seen.received)
        assert twice == (None if settings.auth_type == "AH" or settings.auth_hmac else verdict)


@needs_captures
def test_ah_sequences_go_on_from_node_to_node() -> None:
    memory = AuthMemory()
    receiver = Receiver(AH, memory)
    for seen in adverts("ah_takeover"):
        assert isinstance(receiver.check(seen.received, current_master=None), Advert)
        assert memory.ah_sequence == ah.decode(seen.packet[20:]).sequence
        again = receiver.check(seen.received, current_master=None)
        assert isinstance(again, Discard)
        assert again.counter == "auth_failure"


@needs_captures
def test_each_auth_hmac_fault_raises_exactly_its_counter() -> None:
    """The live run: good adverts of A, five forged ones in between, then B takes over. Frames that repeat count."""
    lines = (CAPTURES / "k24_hmac_live.hex").read_text().splitlines()
    numbered: dict[str, Seen] = {}
    for (at, frame), number in zip(
        frames("k24_hmac_live"),
        [line.split()[2] for line in lines if line.startswith("# frame") and " len " in line],
        strict=True,
    ):
        if is_vrrp(frame):
            numbered[number] = Seen(at, frame)
    receiver = Receiver(settings_of("k24_hmac_live"), AuthMemory())
    first = numbered["5"]
    verdicts: list[str] = []
    for number in [str(number) for number in range(1, 31)]:
        seen = first if number == "12" else numbered.get(number)  # frame 12 is frame 5 again
        if seen is None:
            continue
        at = 6.3839 if number == "12" else seen.at
        received = seen.received._replace(wall=first.wall + at - first.at)
        verdict = receiver.check(received, current_master=IPv4Address("10.9.0.1"))
        verdicts.append(verdict.counter if isinstance(verdict, Discard) else "accepted")
    assert [v for v in verdicts if v != "accepted"] == [
        "auth_ext_replay", "auth_ext_invalid_hmac", "auth_ext_unknown_key", "auth_ext_malformed", "auth_ext_missing",
    ]  # fmt: skip
    assert verdicts.count("accepted") == 9
