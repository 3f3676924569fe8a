from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, TypeVar

import pytest

from hakeep.kernel import sysctl
from hakeep.kernel.links import VirtualLinks
from hakeep.kernel.netlink import Netlink, NetlinkError
from hakeep.kernel.sysctl import SysctlKeeper
from hakeep.kernel.vrrp_socket import AdvertReader, open_receive, open_send, send
from hakeep.objects.rtnl import Ipvlan, Link, Macvlan

pytestmark = pytest.mark.netns

T = TypeVar("T")

VMAC4 = Macvlan("vrrp.51", "eth0", bytes.fromhex("00005e000133"))
OTHER4 = Macvlan("vrrp.52", "eth0", bytes.fromhex("00005e000134"))
VMAC6 = Macvlan("vrrp6.51", "eth0", bytes.fromhex("00005e000233"), ipv6=True)


class Host:
    def __init__(self, lab: Any, file: Path | None = None) -> None:
        self.namespace, self.other = lab.pair("10.0.0.1/24", "10.0.0.2/24")
        self.netlink: Netlink = lab.keep(self.namespace.run(Netlink))
        self.file = file
        self.start()

    def start(self) -> None:
        """A new process."""
        self.links = VirtualLinks(self.netlink, SysctlKeeper(self.file))

    def run(self, body: Callable[[], T]) -> T:
        return self.namespace.run(body)

    def make(self, link: Macvlan | Ipvlan, **options: Any) -> Link:
        return self.run(lambda: self.links.make(link, **options))

    def remove(self, name: str) -> list[str]:
        return self.run(lambda: self.links.remove(name))

    def setting(self, path: str) -> str:
        return self.run(lambda: sysctl.read(path))

    def set(self, path: str, value: str) -> None:
        self.run(lambda: sysctl.write(path, value))

    def state(self) -> tuple[dict[str, bytes], str, str, str]:
        """All that we must leave as we found it."""
        ip = self.namespace.ip
        return self.namespace.settings(), ip("-o link show"), ip("-o addr show"), ip("route show table all")


@pytest.fixture
def host(lab: Any) -> Host:
    return Host(lab)


@pytest.mark.parametrize("rp_filter", ["0", "1", "2"])
@pytest.mark.parametrize("vmacs", [[VMAC4], [VMAC6], [VMAC4, OTHER4, VMAC6]], ids=lambda vmacs: f"{len(vmacs)}")
def test_a_vmac_leaves_no_trace(host: Host, rp_filter: str, vmacs: list[Macvlan]) -> None:
    host.set("ipv4/conf/all/rp_filter", rp_filter)
    host.set("ipv4/conf/lo/rp_filter", "1")
    before = host.state()
    for vmac in vmacs:
        host.make(vmac)
    assert host.setting("ipv4/conf/eth0/arp_ignore") == "1"
    for vmac in vmacs:
        assert host.remove(vmac.name) == []
    assert host.state() == before


def test_what_a_vmac_is(host: Host) -> None:
    link = host.make(VMAC4)
    assert (link.name, link.kind, link.mac, link.usable) == ("vrrp.51", "macvlan", VMAC4.mac, True)
    shown = host.namespace.ip("-d link show vrrp.51")
    assert "macvlan mode private" in shown and "addrgenmode none" in shown and "alias hakeep" in shown
    own = {name: host.setting(f"ipv4/conf/vrrp.51/{name}") for name in
           ("arp_ignore", "accept_local", "rp_filter", "promote_secondaries")}
    assert own == {"arp_ignore": "1", "accept_local": "1", "rp_filter": "0", "promote_secondaries": "1"}
    assert [host.setting(f"ipv4/conf/eth0/{name}") for name in ("arp_ignore", "arp_filter")] == ["1", "1"]
    assert host.setting("ipv6/conf/vrrp.51/disable_ipv6") == "1"
    assert "inet6" not in host.namespace.ip("addr show dev vrrp.51")


def test_an_ipv4_vmac_that_will_carry_ipv6(host: Host) -> None:
    host.make(VMAC4, ipv6=True)
    assert host.setting("ipv6/conf/vrrp.51/disable_ipv6") == "0"
    assert "inet6" not in host.namespace.ip("addr show dev vrrp.51")


def test_an_ipv6_vmac_has_the_link_local_address_of_its_base(host: Host) -> None:
    host.make(VMAC6)
    (base,) = [word for word in host.namespace.ip("addr show dev eth0").split() if word.startswith("fe80:")]
    (line,) = host.namespace.ip("-o addr show dev vrrp6.51").splitlines()
    assert base in line and "deprecated" in line and "nodad" in line
    assert host.setting("ipv6/conf/vrrp6.51/disable_ipv6") == "0"


def test_rp_filter_is_handed_down(host: Host) -> None:
    """rp_filter is the greater of the two, so it must not get weaker on any other interface."""
    host.set("ipv4/conf/all/rp_filter", "1")
    host.set("ipv4/conf/lo/rp_filter", "2")
    host.make(VMAC4)
    seen = {name: host.setting(f"ipv4/conf/{name}/rp_filter") for name in ("all", "default", "lo", "eth0", "vrrp.51")}
    assert seen == {"all": "0", "default": "1", "lo": "2", "eth0": "1", "vrrp.51": "0"}
    host.namespace.ip("link add late type bridge")
    assert host.setting("ipv4/conf/late/rp_filter") == "1"
    host.namespace.ip("link del late")


def test_what_is_shared_stays_until_the_last_one_goes(host: Host) -> None:
    host.set("ipv4/conf/all/rp_filter", "1")
    host.make(VMAC4)
    host.make(OTHER4)
    host.remove("vrrp.51")
    assert host.setting("ipv4/conf/eth0/arp_ignore") == "1"
    assert host.setting("ipv4/conf/all/rp_filter") == "0"
    assert host.setting("ipv4/conf/vrrp.52/rp_filter") == "0"
    host.run(host.links.remove_all)
    assert host.setting("ipv4/conf/eth0/arp_ignore") == "0"
    assert host.setting("ipv4/conf/all/rp_filter") == "1"
    assert "vrrp" not in host.namespace.ip("link show")


def test_a_setting_that_somebody_changed_stays_and_is_named(host: Host) -> None:
    host.make(VMAC4)
    host.set("ipv4/conf/eth0/arp_ignore", "2")
    assert host.remove("vrrp.51") == ["ipv4/conf/eth0/arp_ignore"]
    assert host.setting("ipv4/conf/eth0/arp_ignore") == "2"


def test_after_a_crash_the_next_process_takes_over_and_cleans_up(lab: Any, tmp_path: Path) -> None:
    host = Host(lab, tmp_path / "sysctl.json")
    host.set("ipv4/conf/all/rp_filter", "1")
    before = host.state()
    index = host.make(VMAC4).index
    host.make(OTHER4)
    host.start()
    assert host.make(VMAC4).index == index  # not made anew
    assert host.run(host.links.sweep) == ["vrrp.52"]
    assert host.setting("ipv4/conf/eth0/arp_ignore") == "1"
    assert host.setting("ipv4/conf/all/rp_filter") == "0"
    assert host.remove("vrrp.51") == []
    assert host.state() == before
    assert list(tmp_path.iterdir()) == []


def test_after_a_crash_nothing_is_wanted_any_more(lab: Any, tmp_path: Path) -> None:
    host = Host(lab, tmp_path / "sysctl.json")
    before = host.state()
    host.make(VMAC4)
    host.start()
    assert host.run(host.links.sweep) == ["vrrp.51"]
    assert host.state() == before


def test_sweeping_leaves_what_others_borrowed_and_what_others_made(host: Host) -> None:
    host.make(VMAC4)
    keeper = host.links._sysctls
    host.run(lambda: keeper.set("ipv4/conf/eth0/promote_secondaries", "1"))
    stranger = VirtualLinks(host.netlink, SysctlKeeper(), mark="hakeep two")
    host.run(lambda: stranger.make(OTHER4))
    assert host.run(host.links.sweep) == []
    assert host.setting("ipv4/conf/eth0/promote_secondaries") == "1"
    assert "vrrp.52" in host.namespace.ip("link show")


def test_an_equal_link_that_somebody_made_is_used_and_left(host: Host) -> None:
    host.namespace.ip(f"link add link eth0 name vrrp.51 address {VMAC4.mac.hex(':')} type macvlan mode private")
    before = host.state()
    assert host.make(VMAC4).usable
    assert host.setting("ipv4/conf/vrrp.51/arp_ignore") == "1"
    assert host.remove("vrrp.51") == []
    host.namespace.ip("link set vrrp.51 down")
    assert host.state()[0] == before[0]
    assert "vrrp.51" in host.namespace.ip("link show")


@pytest.mark.parametrize("existing", ["macvlan mode bridge", "bridge"])
def test_a_name_that_is_taken_is_an_error_and_changes_nothing(host: Host, existing: str) -> None:
    over = "link eth0 " if "macvlan" in existing else ""
    host.namespace.ip(f"link add {over}name vrrp.51 address {VMAC4.mac.hex(':')} type {existing}")
    before = host.state()
    with pytest.raises(NetlinkError) as raised:
        host.make(VMAC4)
    assert raised.value.errno == errno.EEXIST
    host.remove("vrrp.51")
    assert host.state() == before


def test_without_a_base_there_is_nothing(host: Host) -> None:
    with pytest.raises(NetlinkError, match="no interface none") as raised:
        host.make(replace(VMAC4, base="none"))
    assert raised.value.errno == errno.ENODEV


def test_a_failure_half_way_leaves_nothing_behind(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.set("ipv4/conf/all/rp_filter", "1")
    before = host.state()
    write = sysctl.write

    def read_only(path: str, value: str) -> None:
        if path.endswith("accept_local"):
            raise OSError(errno.EROFS, "read-only")
        write(path, value)

    monkeypatch.setattr(sysctl, "write", read_only)
    with pytest.raises(OSError, match="read-only"):
        host.make(VMAC4)
    assert host.state() == before


def test_a_vmac_that_was_deleted_is_made_again(host: Host) -> None:
    before = host.state()
    host.make(VMAC4)
    host.namespace.ip("link del vrrp.51")
    host.make(VMAC4)
    host.make(VMAC4)  # and again: nothing to do
    assert host.remove("vrrp.51") == []
    assert host.state() == before


def test_a_vmac_that_went_with_its_base(host: Host) -> None:
    host.make(VMAC4)
    host.namespace.ip("link del eth0")
    assert host.remove("vrrp.51") == []
    assert host.remove("vrrp.51") == []


def test_a_link_of_the_same_name_that_is_not_ours_any_more_stays(host: Host) -> None:
    host.make(VMAC4)
    host.namespace.ip("link del vrrp.51")
    host.namespace.ip("link add vrrp.51 type bridge")
    host.remove("vrrp.51")
    assert "vrrp.51" in host.namespace.ip("link show")


@pytest.mark.parametrize("vmac", [VMAC4, VMAC6], ids=["IPv4", "IPv6"])
def test_adverts_leave_and_arrive_over_it(host: Host, lab: Any, vmac: Macvlan) -> None:
    """With the virtual MAC and the base's address, in both directions."""
    host.make(vmac)
    family = socket.AF_INET6 if vmac.ipv6 else socket.AF_INET
    group: Any = IPv6Address("ff02::12") if vmac.ipv6 else IPv4Address("224.0.0.18")

    def advert(source: str) -> bytes:
        body = struct.pack("!BBBBHH", 0x31, 51, 100, 0, 100, 0)
        if vmac.ipv6:
            return body
        header = struct.pack("!BBHHHBBH", 0x45, 0xC0, 28, 1, 0, 255, 112, 0)
        return header + IPv4Address(source).packed + group.packed + body

    local_routes = f"-6 route show table local dev {vmac.name}"
    lab.eventually(lambda: not vmac.ipv6 or "local fe80" in host.namespace.ip(local_routes))
    tap = lab.keep(host.other.run(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))))
    ear = lab.keep(host.run(lambda: open_receive(family, 112, interface=vmac.name, group=group)))
    far_ear = lab.keep(host.other.run(lambda: open_receive(family, 112, interface="eth0", group=group)))
    send(lab.keep(host.run(lambda: open_send(family, 112, interface=vmac.name))), group, advert("10.0.0.1"))
    assert lab.readable(far_ear)
    (got,) = AdvertReader().read(far_ear, "eth0")
    assert got is not None
    sources = set()
    while lab.readable(tap, 0):
        frame = tap.recv(2048)
        if frame[20 if vmac.ipv6 else 23] == 112:
            sources.add(frame[6:12])
    assert sources == {vmac.mac}
    if vmac.ipv6:
        assert str(IPv6Address(got.source)) in host.namespace.ip("addr show dev eth0")
    else:
        assert got.source == IPv4Address("10.0.0.1").packed
    send(lab.keep(host.other.run(lambda: open_send(family, 112, interface="eth0"))), group, advert("10.0.0.2"))
    assert lab.readable(ear)


def test_an_ipvlan(host: Host) -> None:
    before = host.state()
    try:
        link = host.make(Ipvlan("ipvl.51", "eth0"))
    except NetlinkError as error:
        assert error.errno == errno.EOPNOTSUPP  # this kernel has none, and says so
    else:
        assert link.up and link.kind == "ipvlan"
        host.remove("ipvl.51")
    assert host.state() == before
