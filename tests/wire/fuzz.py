"""Throw bytes at everything that reads packets: `python tests/wire/fuzz.py --inputs 10000000 [--seed N]`.

Inputs are valid packets, mutated (bits flipped, bytes set to awkward values, cut, stretched, spliced with others, their
checksum repaired at times so that they get further), and plain random bytes. A decoder may refuse with `Malformed` and
must otherwise give back the same bytes when it is asked to encode what it decoded; `Receiver.check` must give an advert
or a reason with a counter that exists. Anything else ends the run: the input is printed, exit status 1.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hakeep.config.settled import MULTICAST6, HmacAuth, Peer, VirtualAddress, VrrpInstance
from hakeep.objects.rtnl import Address
from hakeep.vrrp.authentication import AuthMemory
from hakeep.vrrp.messages import Received
from hakeep.vrrp.receive import COUNTERS, NOTES, Advert, Discard, Receiver, virtual_router_id
from hakeep.vrrp.transmit import Transmitter
from hakeep.wire import Malformed, ah, arp, auth_hmac, bfd, ip, ndp, vrrp
from hakeep.wire.checksum import filled

WALL = 1_700_000_000.5
AWKWARD = (0, 1, 2, 3, 0x10, 0x20, 0x21, 0x31, 0x45, 0x46, 0x4F, 0x7F, 0x80, 0xFE, 0xFF)


class Target(NamedTuple):
    """Something to throw at: `run` returns a word for the statistics; `seeds` are valid inputs for it."""

    name: str
    run: Callable[[bytes], str]
    seeds: list[bytes]


class Failure(NamedTuple):
    target: str
    data: bytes
    trace: str


def decoding(name: str, decode: Callable[[bytes], object], size: Callable[[bytes], int], seeds: list[bytes]) -> Target:
    """A decoder whose value must encode to the first `size(data)` bytes of what it was decoded from."""

    def run(data: bytes) -> str:
        try:
            value = decode(data)
        except Malformed as problem:
            assert str(problem)
            return "refused"
        again = value.encode()  # type: ignore[attr-defined]
        assert again == data[: size(data)], f"encodes to {again.hex()}"
        return "decoded"

    return Target(name, run, seeds)


def decode_advertisement(frame: bytes) -> str:
    """Flags and options that we do not keep make the encoding differ, so here only the decoding is tried."""
    try:
        ndp.decode(frame)
    except Malformed:
        return "refused"
    return "decoded"


def addresses(*texts: str) -> tuple[VirtualAddress, ...]:
    return tuple(VirtualAddress(Address("eth1", ip_address(text), 24)) for text in texts)


def receiving(name: str, settings: VrrpInstance) -> Target:
    """A Receiver with its own adverts, from a peer, as seeds."""
    source = ip_address("10.9.0.2" if settings.family == 4 else "fe80::2")
    to = settings.multicast or settings.peers[0].ip
    memory = AuthMemory()
    receiver = Receiver(settings, memory)

    def run(data: bytes) -> str:
        memory.ah_sequence = 0
        memory.hmac_marks.clear()
        memory.old_unicast_checksum = False
        received = Received("eth1", data, source.packed, to.packed, 255, 1.0, WALL)
        vrid = virtual_router_id(received)
        assert -1 <= vrid <= 255
        verdict = receiver.check(received, current_master=None)
        if isinstance(verdict, Discard):
            assert verdict.counter in COUNTERS or verdict.counter == ""
            assert verdict.reason
            return verdict.counter or "ignored"
        assert isinstance(verdict, Advert)
        assert vrid == settings.virtual_router_id
        assert verdict.interval > 0
        assert set(verdict.notes) <= set(NOTES)
        repeat = receiver.repeat_of_last(received)
        assert repeat is None or repeat == verdict
        return "accepted"

    auth = settings.auth_hmac
    signing = replace(settings, auth_hmac=replace(auth, mode="enforce") if auth else None)
    transmitter = Transmitter(signing, source, AuthMemory())
    seeds = [packet for priority in (100, 0, 255) for _, packet in transmitter.packets(priority, WALL)[:1]]
    return Target(f"receiver {name}", run, seeds)


def targets() -> list[Target]:
    base = VrrpInstance("V", 51, "eth1", addresses=addresses("10.9.0.100", "10.9.0.101"))
    six = replace(base, family=6, version=3, multicast=MULTICAST6, addresses=addresses("fe80::9:100", "2001:db8::1"))
    peers = (Peer(ip_address("10.9.0.1"), 1, 255), Peer(ip_address("10.9.0.2"), 200, 255))
    keys = HmacAuth(((1, bytes(range(32))), (2, bytes(range(48)))), 1, 5)
    receivers = [
        receiving("v2", base),
        receiving("v2 no address", replace(base, addresses=())),
        receiving("v2 PASS", replace(base, auth_type="PASS", auth_pass=b"1234abcd")),
        receiving("v2 AH", replace(base, auth_type="AH", auth_pass=b"secret")),
        receiving("v2 AH unicast", replace(base, auth_type="AH", auth_pass=b"secret", multicast=None, peers=peers)),
        receiving("v3", replace(base, version=3)),
        receiving("v3 unicast", replace(base, version=3, multicast=None, peers=peers, check_unicast_src=True)),
        receiving("v3 as v2", replace(base, version=3, v3_checksum_as_v2=True)),
        receiving("v3 auth_hmac", replace(base, version=3, auth_hmac=keys)),
        receiving("v2 auth_hmac permissive", replace(base, auth_hmac=replace(keys, mode="permissive"))),
        receiving("v6", six),
        receiving("v6 auth_hmac", replace(six, auth_hmac=replace(keys, anti_replay="monotonic"))),
        receiving("v6 version 2", replace(six, version=2)),
    ]
    packets4 = [seed for target in receivers for seed in target.seeds if seed[0] >> 4 == 4]
    pdus4 = [packet[20:] for packet in packets4 if packet[9] == ip.VRRP]
    pdus6 = [seed for target in receivers for seed in target.seeds if seed[0] >> 4 != 4]
    trailers = [pdu[-auth_hmac.LENGTH :] for pdu in pdus4 if len(pdu) > auth_hmac.LENGTH]
    mac, four, sixteen = bytes(range(6)), bytes((10, 9, 0, 100)), ip_address("fe80::1").packed
    advertisements = [ndp.unsolicited(mac, sixteen), ndp.unsolicited(mac, sixteen, True)]
    return [
        *receivers,
        decoding("ip v4", ip.decode_ipv4, lambda data: (data[0] & 15) * 4, packets4),
        decoding("ip v6", ip.decode_ipv6, lambda data: 40, [frame[14:] for frame in advertisements]),
        decoding("vrrp v4", lambda data: vrrp.decode(data, 4), lambda d: vrrp.length(d[0] >> 4, 4, d[3]), pdus4),
        decoding("vrrp v6", lambda data: vrrp.decode(data, 6), lambda d: vrrp.length(d[0] >> 4, 6, d[3]), pdus6),
        decoding("ah", ah.decode, lambda data: ah.LENGTH, [p[20:] for p in packets4 if p[9] == ip.AH]),
        decoding("auth_hmac", auth_hmac.decode, lambda data: auth_hmac.LENGTH, trailers),
        decoding("bfd", bfd.decode, lambda data: bfd.LENGTH, [bfd.Packet(bfd.State.UP, 3, 7, 9, 0.2, 0.3).encode()]),
        decoding("arp", arp.decode, lambda data: arp.LENGTH, [arp.gratuitous(mac, four)]),
        Target("ndp", decode_advertisement, advertisements),
    ]


class Mutator:
    """Turns seeds into inputs. Most are one or two steps away from valid: those get furthest."""

    def __init__(self, rng: random.Random, seeds: list[bytes]) -> None:
        self._random = rng.random
        self._bytes = rng.randbytes
        self._seeds = seeds

    def below(self, limit: int) -> int:
        return int(self._random() * limit)

    def input(self, seeds: list[bytes]) -> bytes:
        if self._random() < 0.05:
            return self._bytes(self.below(120))
        data = bytearray(seeds[self.below(len(seeds))])
        for _ in range(1 + self.below(3)):
            self.step(data)
        if self._random() < 0.3:
            return self.repaired(bytes(data))
        return bytes(data)

    def step(self, data: bytearray) -> None:
        choice = self._random()
        at = self.below(len(data)) if data else 0
        if choice < 0.35 and data:
            data[at] ^= 1 << self.below(8)
        elif choice < 0.6 and data:
            data[at] = AWKWARD[self.below(len(AWKWARD))]
        elif choice < 0.7 and data:
            data[at] = self.below(256)
        elif choice < 0.8:
            del data[at:]
        elif choice < 0.87:
            data += self._bytes(self.below(40)) if choice < 0.83 else bytes(self.below(40))
        elif choice < 0.92:
            del data[at : at + 1 + self.below(8)]
        elif choice < 0.96:
            data[at:at] = self._bytes(1 + self.below(4))
        else:
            other = self._seeds[self.below(len(self._seeds))]
            data[at:] = other[self.below(len(other)) :]

    def repaired(self, data: bytes) -> bytes:
        """A checksum that fits, where the VRRP one is in an IPv4 packet without options."""
        if len(data) < 28 or data[0] != 0x45:
            return data
        size = len(data) - 20
        return data[:20] + filled(data[20:], 6, data[12:20] + bytes((0, 112)) + size.to_bytes(2, "big"))


def fuzz(inputs: int, seed: int, statistics: Counter[str]) -> Failure | None:
    """Throw `inputs` inputs, the same ones for the same seed; the first that fails, or None."""
    aims = targets()
    mutator = Mutator(random.Random(seed), [packet for target in aims for packet in target.seeds])
    for target in aims:
        for packet in target.seeds:
            outcome = target.run(packet)
            assert outcome in ("accepted", "decoded"), f"{target.name}: a seed is {outcome}: {packet.hex()}"
    for number in range(inputs):
        target = aims[number % len(aims)]
        data = mutator.input(target.seeds)
        try:
            statistics[f"{target.name}: {target.run(data)}"] += 1
        except Exception:
            return Failure(target.name, data, traceback.format_exc())
    return None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Fuzz every packet decoder and Receiver.check.")
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=None, help="repeat a run (default: a new one, printed)")
    options = parser.parse_args(arguments)
    seed = options.seed if options.seed is not None else random.SystemRandom().getrandbits(32)
    statistics: Counter[str] = Counter()
    begun = time.monotonic()
    failure = fuzz(options.inputs, seed, statistics)
    seconds = time.monotonic() - begun
    for outcome, count in sorted(statistics.items()):
        print(f"{count:10d}  {outcome}")
    total = statistics.total()
    print(f"seed {seed}: {total} inputs in {seconds:.1f} s, {total / max(seconds, 1e-9):.0f} a second")
    if failure is None:
        print("no unexpected exception")
        return 0
    print(f"FAILED: {failure.target}\ninput: {failure.data.hex()}\n{failure.trace}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
