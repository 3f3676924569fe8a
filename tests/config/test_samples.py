"""The sample configurations and the configuration of every tutorial load cleanly and mean what they say."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from hakeep.config.files import load as load_file

SAMPLES = sorted((Path(__file__).resolve().parents[2] / "conf").glob("*.conf"))

TUTORIAL = """\
! Configuration File for keepalived

global_defs {
   notification_email {
     admin@example.org
   }
   notification_email_from vrrp@example.org
   smtp_server 192.168.200.1
   smtp_connect_timeout 30
   router_id LB_1
}

vrrp_instance VI_1 {
    state MASTER
    interface eth0
    virtual_router_id 51
    priority 100
    advert_int 1
    authentication {
        auth_type PASS
        auth_pass 1111
    }
    virtual_ipaddress {
        192.168.200.16
        192.168.200.17/24 dev eth0 label eth0:1
    }
}
"""


@pytest.mark.parametrize("config_id", ["first", "second"])
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_samples_load_cleanly(path: Path, config_id: str) -> None:
    loaded = load_file(str(path), config_id=config_id)
    assert loaded.diagnostics == ()
    assert loaded.unsupported() == []
    assert not loaded.fatal
    assert loaded.settings.vrrp
    assert all(instance.addresses for instance in loaded.settings.vrrp)


def test_the_samples_are_there() -> None:
    assert {path.name for path in SAMPLES} >= {"master.conf", "backup.conf", "ipv6.conf", "unicast.conf"}


def test_the_pair_differs_in_priority_only() -> None:
    first, second = (
        load_file(str(path)).settings.vrrp[0] for path in SAMPLES if path.name in ("master.conf", "backup.conf"))
    assert {first.priority, second.priority} == {150, 100}
    assert (first.virtual_router_id, first.addresses, first.auth_pass) == (
        second.virtual_router_id, second.addresses, second.auth_pass)


def test_the_unicast_hosts_are_each_other_s_peers() -> None:
    path = str(next(path for path in SAMPLES if path.name == "unicast.conf"))
    first, second = (load_file(path, config_id=name).settings.vrrp[0] for name in ("first", "second"))
    assert (first.source, first.peers[0].ip) == (second.peers[0].ip, second.source)


def test_the_tutorial(load: Any) -> None:
    loaded = load(TUTORIAL)
    assert loaded.diagnostics == ()
    assert loaded.exit_status() == 0
    (instance,) = loaded.settings.vrrp
    assert (instance.state, instance.priority, instance.virtual_router_id) == ("MASTER", 100, 51)
    assert (instance.auth_type, instance.auth_pass) == ("PASS", b"1111\0\0\0\0")
    first, second = (virtual.address for virtual in instance.addresses)
    assert (first.ip, first.prefix, first.interface) == (IPv4Address("192.168.200.16"), 32, "")
    assert (str(second), second.label) == ("192.168.200.17/24 dev eth0", "eth0:1")
    assert loaded.unsupported() == []
    assert loaded.settings.globals.mails
