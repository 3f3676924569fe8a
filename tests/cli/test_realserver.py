"""`hakeep realserver`: its arguments, and what a real server needs. On a kernel: tests/netns/test_realserver.py."""

from __future__ import annotations

import os
from ipaddress import ip_address
from pathlib import Path

import pytest

from hakeep.cli import hakeep as tool
from hakeep.cli import hakeep_realserver
from hakeep.cli.realserver import boot
from hakeep.cli.realserver.needs import Device, Setting, Vip, is_ours, label, needs
from hakeep.objects.rtnl import Address

VIP, VIP6 = ip_address("10.0.0.100"), ip_address("fd00::100")


def at(interface: str, text: str) -> Address:
    ip, prefix = text.split("/")
    return Address(interface, ip_address(ip), int(prefix))


HERE = (at("lo", "127.0.0.1/8"), at("eth0.7", "10.0.0.2/24"), at("eth1", "10.1.0.2/24"), at("eth0.7", "fd00::2/64"))


def test_direct_routing() -> None:
    assert needs([VIP, VIP6], HERE) == [
        Setting("ipv4/conf/all/arp_ignore", ("1", "2")),
        Setting("ipv4/conf/all/arp_announce", ("2",)),
        Setting("ipv4/conf/eth0.7/arp_ignore", ("1", "2")),
        Setting("ipv4/conf/eth0.7/arp_announce", ("2",)),
        Vip(VIP, "lo"),
        Vip(VIP6, "lo"),
    ]
    assert needs([VIP6], HERE) == [Vip(VIP6, "lo")]


def test_an_address_does_not_tell_where_its_own_network_is() -> None:
    there = (*HERE, at("eth1", "10.0.0.100/32"), at("lo", "10.0.0.100/32"))
    assert needs([VIP], there) == needs([VIP], HERE)


def test_tunnels() -> None:
    tunnel = needs([VIP], (), 4)
    assert tunnel[0] == Device("tunl0", "ipip")
    assert tunnel[-2:] == [Setting("ipv4/conf/tunl0/rp_filter", ("2", "0"), with_all=True), Vip(VIP, "tunl0")]
    assert needs([VIP6], (), 4) == [Device("sit0", "sit"), Vip(VIP6, "sit0")]
    assert needs([VIP6], (), 6) == [Device("ip6tnl0", "ip6tnl"), Vip(VIP6, "ip6tnl0")]


def test_commands_that_mend() -> None:
    assert Setting("ipv4/conf/all/arp_ignore", ("1",)).cure == "sysctl -w net.ipv4.conf.all.arp_ignore=1"
    assert Setting("ipv4/conf/eth0.7/arp_ignore", ("1",)).cure == "sysctl -w net/ipv4/conf/eth0.7/arp_ignore=1"
    assert Device("ip6tnl0", "ip6tnl").cure == "modprobe ip6_tunnel; ip link set ip6tnl0 up"
    assert Vip(VIP6, "lo").cure == "ip address add fd00::100/128 dev lo scope host"


def test_labels() -> None:
    assert label("lo", []) == "lo:hakeep0"
    assert label("lo", ["lo:0", "lo:hakeep0", "lo:hakeep2"]) == "lo:hakeep1"
    assert label("ip6tnl0", [f"ip6tnl0:hakeep{n}" for n in range(10)]) == "", "it has more than 15 bytes"
    assert is_ours("lo:hakeep17")
    assert not is_ours("lo:0")
    assert not is_ours("")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "required: action, VIP"),
        (["add"], "required: VIP"),
        (["make", "10.0.0.1"], "invalid choice: 'make'"),
        (["add", "web"], "'web' is not an IP address"),
        (["add", "10.0.0.1/32"], "'10.0.0.1/32' is not an IP address"),
        (["add", "127.0.0.1"], "not an address that a virtual server can have"),
        (["add", "224.0.0.1"], "not an address that a virtual server can have"),
        (["add", "fe80::1"], "not an address that a virtual server can have"),
        (["add", "--ipv6", "10.0.0.1"], "it goes with --tun"),
        (["add", "--tun", "--ipv6", "10.0.0.1"], "ip6tnl0 takes no IPv4"),
        (["check", "--persist", "10.0.0.1"], "--persist goes with add"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], words: list[str], complaint: str) -> None:
    with pytest.raises(SystemExit) as caught:
        tool.main(["realserver", *words])
    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("action", ["add", "remove"])
def test_it_needs_root(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], action: str) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert tool.main(["realserver", action, "10.0.0.1"]) == 1
    assert capsys.readouterr() == ("", f"hakeep realserver: only root may {action} addresses and settings\n")


def test_without_systemd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(hakeep_realserver, "SYSTEMD", tmp_path / "none")
    assert tool.main(["realserver", "add", "--persist", "10.0.0.1"]) == 1
    assert capsys.readouterr().err.startswith("hakeep realserver: --persist needs systemd, which does not run here")


def test_the_unit(tmp_path: Path) -> None:
    assert boot.forget(tmp_path, [VIP]) is None
    unit = boot.keep(tmp_path, [VIP], ["--tun"])
    boot.keep(tmp_path, [VIP6], [])
    boot.keep(tmp_path, [VIP], [])  # not through tunnels any more
    lines = [line for line in unit.read_text().splitlines() if line.startswith("ExecStart=")]
    assert [line.split(" realserver ")[1] for line in lines] == ["add 10.0.0.100", "add fd00::100"]
    assert [line.partition("=")[2][0] for line in lines] == ["/", "/"], "systemd wants the whole path"
    assert boot.forget(tmp_path, [VIP]) == unit
    assert boot.forget(tmp_path, [VIP]) is None
    assert boot.forget(tmp_path, [VIP6]) == unit
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == []
