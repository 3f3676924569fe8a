"""`hakeep realserver` on a real kernel: what it changes, what it gives back, and what a neighbour on the wire sees."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest
import topology
from hosts import Host, Network, wait_until

from hakeep.cli import hakeep as tool
from hakeep.cli import hakeep_realserver

pytestmark = pytest.mark.netns

VIP, VIP6, REAL, CLIENT = "192.0.2.100", "2001:db8::100", "192.0.2.1", "192.0.2.200"
PLAN = topology.parse("real", {
    "segments": ["lan"],
    "hosts": {name: {"interfaces": {"eth0": {"segment": "lan", "addresses": [f"{ip}/24", f"{ip6}/64"]}}}
              for name, ip, ip6 in (("real", REAL, "2001:db8::1"), ("client", CLIENT, "2001:db8::200"))},
}, Path())
ETH_P_ARP = 0x0806


class Scene:
    """The two hosts, and the tool run on the real server."""

    def __init__(self, network: Network, capsys: pytest.CaptureFixture[str]) -> None:
        self.real, self.client = network["real"], network["client"]
        self._capsys = capsys

    def tool(self, *words: str, status: int = 0) -> list[str]:
        """What `hakeep realserver` prints there, line by line."""
        with self.real.inside():
            got = tool.main(["realserver", *words])
        out, err = self._capsys.readouterr()
        assert got == status, out + err
        return (out + err).splitlines()

    def state(self) -> tuple[str, str, dict[str, str]]:
        """All that the tool may change."""
        settings = {}
        with self.real.inside():
            for path in Path("/proc/sys/net/ipv4/conf").glob("*/*"):
                if path.name in ("arp_ignore", "arp_announce", "rp_filter"):
                    settings[str(path)] = path.read_text().strip()
        return self.real.ip("-o address show"), self.real.ip("-o -br link show"), settings


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Scene]:
    monkeypatch.setattr(hakeep_realserver, "RUN", tmp_path / "run")
    monkeypatch.setattr(hakeep_realserver, "ETC", tmp_path / "etc")
    monkeypatch.setattr(hakeep_realserver, "SYSTEMD", tmp_path)
    with Network(PLAN) as network:
        yield Scene(network, capsys)


def test_add_check_and_remove(scene: Scene) -> None:
    before = scene.state()
    missing = scene.tool("check", VIP, VIP6, status=1)
    assert missing == [
        "missing  net.ipv4.conf.all.arp_ignore is 1 or 2: it is 0; mend it: sysctl -w net.ipv4.conf.all.arp_ignore=1",
        "missing  net.ipv4.conf.all.arp_announce is 2: it is 0; mend it: sysctl -w net.ipv4.conf.all.arp_announce=2",
        "missing  net.ipv4.conf.eth0.arp_ignore is 1 or 2: it is 0; mend it: sysctl -w net.ipv4.conf.eth0.arp_ignore=1",
        "missing  net.ipv4.conf.eth0.arp_announce is 2: it is 0; mend it: sysctl -w net.ipv4.conf.eth0.arp_announce=2",
        f"missing  {VIP}/32 is on lo: it is not; mend it: ip address add {VIP}/32 dev lo scope host",
        f"missing  {VIP6}/128 is on lo: it is not; mend it: ip address add {VIP6}/128 dev lo scope host",
    ]
    assert all(line.startswith("done ") for line in scene.tool("add", VIP, VIP6))
    assert f"inet {VIP}/32 scope host lo:hakeep0" in scene.real.ip("address show dev lo")
    assert f"inet6 {VIP6}/128" in scene.real.ip("address show dev lo")
    assert all(line.startswith("ok ") for line in scene.tool("check", VIP, VIP6))

    added = scene.state()
    assert all(line.startswith("ok ") for line in scene.tool("add", VIP, VIP6)), "once is enough"
    assert scene.state() == added
    scene.tool("remove", VIP, VIP6)
    assert scene.state() == before
    assert scene.tool("remove", VIP) == [f"nothing to remove: {VIP} is not on this host by hakeep"]


def test_what_the_printed_commands_mend_is_mended(scene: Scene) -> None:
    for line in scene.tool("check", VIP, VIP6, status=1):
        scene.real.run("sh", "-c", line.partition("mend it: ")[2])
    scene.tool("check", VIP, VIP6)


def test_settings_stay_while_another_address_needs_them(scene: Scene) -> None:
    before = scene.state()
    scene.tool("add", VIP)
    scene.tool("add", "192.0.2.101")
    assert "scope host lo:hakeep1" in scene.real.ip("address show dev lo")
    scene.tool("remove", VIP)
    scene.tool("check", "192.0.2.101")
    scene.tool("remove", "192.0.2.101")
    assert scene.state() == before


def test_what_others_set_is_theirs(scene: Scene) -> None:
    scene.real.sysctl("net.ipv4.conf.eth0.arp_ignore", 2)
    scene.real.ip(f"address add {VIP}/32 dev lo")
    scene.tool("add", VIP)
    assert "cannot" not in scene.tool("remove", VIP, status=1)[0]
    assert f"{VIP}/32" in scene.real.ip("address show dev lo"), "it was there before"
    scene.real.ip(f"address del {VIP}/32 dev lo")
    scene.tool("add", VIP)
    scene.real.sysctl("net.ipv4.conf.all.arp_ignore", 2)
    assert "restored net.ipv4.conf.all.arp_ignore: left as somebody else has set it" in scene.tool("remove", VIP)
    assert scene.real.run("sysctl", "-n", "net.ipv4.conf.eth0.arp_ignore").strip() == "2"


def test_the_address_of_a_director_on_the_same_host_is_left_alone(scene: Scene) -> None:
    scene.real.ip(f"address add {VIP}/32 dev eth0")
    scene.tool("add", VIP)
    scene.tool("remove", VIP)
    assert f"{VIP}/32" in scene.real.ip("address show dev eth0")


def test_neighbours_do_not_learn_of_it_and_packets_for_it_are_taken(scene: Scene) -> None:
    scene.real.ip(f"address add {VIP}/32 dev lo")
    assert answered(scene.client) == [VIP, REAL], "without the settings the kernel answers"
    scene.real.ip(f"address del {VIP}/32 dev lo")

    scene.tool("add", VIP)
    assert answered(scene.client) == [REAL]

    scene.client.ip(f"neighbour replace {VIP} lladdr {scene.real.macs()['eth0']} dev eth0")  # as the director has it
    with scene.real.inside():
        server = socket.create_server((VIP, 80))
    with server, scene.client.inside(), socket.create_connection((VIP, 80), 5) as client:
        accepted, peer = server.accept()
        accepted.close()
        assert peer == client.getsockname()
        assert client.getpeername() == (VIP, 80)

    assert asks_as(scene) == REAL, "the virtual address is not in its own ARP requests either"


def test_a_tunnel_needs_its_device_up_and_no_strict_filter(scene: Scene) -> None:
    """Tunnels are not to be had on each kernel: a link that has the name stands for it."""
    scene.real.ip("link add tunl0 type veth peer name other")
    scene.real.sysctl("net.ipv4.conf.all.rp_filter", 1)
    before = scene.state()
    assert ("missing  tunl0 is up: it is down; mend it: modprobe ipip; ip link set tunl0 up"
            in scene.tool("check", "--tun", VIP, status=1))
    scene.tool("add", "--tun", VIP)
    assert f"inet {VIP}/32 scope host tunl0:hakeep0" in scene.real.ip("address show dev tunl0")
    assert scene.real.run("sysctl", "-n", "net.ipv4.conf.tunl0.rp_filter").strip() == "2"
    scene.tool("check", "--tun", VIP)
    scene.tool("remove", VIP)
    wait_until(lambda: scene.state() == before, 5, "all is as it was")


def test_a_loose_filter_is_left_as_it_is(scene: Scene) -> None:
    scene.real.ip("link add tunl0 type veth peer name other")
    for interface in ("all", "tunl0"):
        scene.real.sysctl(f"net.ipv4.conf.{interface}.rp_filter", 0)
    scene.tool("add", "--tun", VIP)
    assert scene.real.run("sysctl", "-n", "net.ipv4.conf.tunl0.rp_filter").strip() == "0"


def test_over_a_reboot(scene: Scene, tmp_path: Path) -> None:
    unit = tmp_path / "etc/systemd/system/hakeep-realserver.service"
    link = unit.parent / "multi-user.target.wants" / unit.name
    assert scene.tool("add", "--persist", VIP)[-1] == f"done     after a reboot, too: {unit}"
    scene.tool("add", "--persist", VIP6)
    commands = [line for line in unit.read_text().splitlines() if line.startswith("ExecStart=/")]
    assert [line.split()[-3:] for line in commands] == [["realserver", "add", VIP], ["realserver", "add", VIP6]]
    assert link.readlink() == unit
    before = unit.read_text()
    scene.tool("add", "--persist", VIP)
    assert unit.read_text() == before
    assert f"removed  from {unit}" in scene.tool("remove", VIP)
    assert scene.tool("remove", VIP6)[-1] == f"removed  {unit}"
    assert not unit.exists()
    assert not link.is_symlink()


# ------------------------------------------------------------------------------------------------------------ the wire


def answered(client: Host) -> list[str]:
    """Who answers for the virtual and then for the real server's own address. A host answers in the order of the
    questions, so that silence need not be waited for."""
    with client.inside(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP)) as wire:
        wire.bind(("eth0", ETH_P_ARP))
        wire.settimeout(5)
        mac = wire.getsockname()[4]
        for ip in (VIP, REAL):
            header = b"\xff" * 6 + mac + struct.pack("!H", ETH_P_ARP)
            sender = mac + IPv4Address(CLIENT).packed
            wire.send(header + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + sender + bytes(6) + IPv4Address(ip).packed)
        found: list[str] = []
        while REAL not in found:
            kind, sender_ip, _ = arp(wire.recv(2048))
            if kind == 2:
                found.append(sender_ip)
        return found


def asks_as(scene: Scene) -> str:
    """Whom the real server's ARP request names as its sender when it sends from the virtual address."""
    scene.real.ip("neighbour flush dev eth0")
    with scene.client.inside():
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP))
    with wire:
        wire.bind(("eth0", ETH_P_ARP))
        wire.settimeout(5)
        with scene.real.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((VIP, 0))
            sender.sendto(b"x", ("192.0.2.222", 9))
        while True:
            kind, sender_ip, target = arp(wire.recv(2048))
            if kind == 1 and target == "192.0.2.222":
                return sender_ip


def arp(frame: bytes) -> tuple[int, str, str]:
    """Operation, sender's and target's address."""
    return int.from_bytes(frame[20:22], "big"), str(IPv4Address(frame[28:32])), str(IPv4Address(frame[38:42]))
