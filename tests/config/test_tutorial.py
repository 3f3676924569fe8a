"""The configuration of the tutorials works as it stands, with VRRP beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from hakeep.config.diagnostic import Code
from hakeep.config.settled_lvs import HttpProbe, Timing
from hakeep.objects.ipvs import Forward

VIRTUAL_SERVER = """\
virtual_server 192.168.200.100 443 {
    delay_loop 6
    lb_algo rr
    lb_kind DR
    persistence_timeout 50
    protocol TCP

    real_server 192.168.201.13 80 {
        weight 1
        SSL_GET {
            url {
                path /
                status_code 200
            }
            connect_timeout 3
            retry 3
            delay_before_retry 3
        }
    }
}
"""
VRRP = """\
vrrp_instance VI_1 {
    state MASTER
    interface eth0
    virtual_router_id 51
    priority 100
    advert_int 1
    virtual_ipaddress {
        192.168.200.100
    }
}
"""
TUTORIAL = VRRP + VIRTUAL_SERVER
#: The port of the real server as it has to be with DR.
RIGHT = TUTORIAL.replace("192.168.201.13 80", "192.168.201.13 443")


def test_it_settles_as_it_is_meant(load: Any) -> None:
    loaded = load(TUTORIAL)
    assert not loaded.fatal and not loaded.unsupported()
    (virtual,) = loaded.settings.lvs.virtual
    (service,) = virtual.services
    assert (str(service.key.ip), service.key.port, service.scheduler, service.timeout) == (
        "192.168.200.100", 443, "rr", 50)
    (real,) = virtual.reals
    assert (str(real.ip), real.port, real.weight, real.forward) == ("192.168.201.13", 443, 1, Forward.ROUTE)
    (check,) = real.checks
    assert check.timing == Timing(delay_loop=6.0, warmup=6.0, retry=3, delay_before_retry=3.0)
    assert isinstance(check.probe, HttpProbe) and check.probe.tls is not None
    assert check.probe.peer.timeout == 3.0
    assert [(page.path, page.statuses) for page in check.probe.pages] == [("/", ((200, 200),))]
    (instance,) = loaded.settings.vrrp
    assert [str(each.address.ip) for each in instance.addresses] == ["192.168.200.100"]


def test_what_is_taken_in_another_way_is_said(load: Any) -> None:
    loaded = load(TUTORIAL)
    said = {each.code: each for each in loaded.diagnostics}
    assert set(said) == {Code.DIRECT_PORT, Code.CHECK_PORT}
    span = said[Code.DIRECT_PORT].span
    assert span is not None and loaded.sources[span.file].splitlines()[span.line - 1].split()[2] == "80"
    assert "443" in said[Code.DIRECT_PORT].note
    assert loaded.exit_status() == 5
    assert not load(RIGHT).diagnostics


def test_the_check_goes_where_it_is_written(load: Any) -> None:
    """Only the port in the table is put right; HK533 tells where the check goes."""
    ports = [load(text).settings.lvs.virtual[0].reals[0].checks[0].probe.peer for text in (TUTORIAL, RIGHT)]
    assert [(peer.ip, peer.port) for peer in ports] == [
        (ip_address("192.168.201.13"), 80), (ip_address("192.168.201.13"), 443)]


@pytest.mark.netns
@pytest.mark.interop
@pytest.mark.parametrize(("text", "status"), [(TUTORIAL, 5), (RIGHT, 0)], ids=["as it stands", "put right"])
def test_the_status_is_keepalived_s(tmp_path: Path, text: str, status: int) -> None:
    """Both judge it in a namespace of their own with the interface that it names."""
    program = shutil.which("keepalived", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")
    if program is None or os.geteuid():
        pytest.skip("needs keepalived, and root")
    path = tmp_path / "hakeep.conf"
    path.write_text(text)
    scene = ("ip link add eth0 type veth peer name eth1 && ip link set eth0 up && ip link set eth1 up && "
             'ip address add 192.168.200.11/24 dev eth0 && exec "$@"')
    found = []
    for command in ([program], [sys.executable, "-m", "hakeep.cli.hakeepd"]):
        done = subprocess.run(["unshare", "-n", "sh", "-c", scene, "sh", *command, "-t", "-f", str(path)],
                              capture_output=True, text=True, timeout=60)
        found.append((done.returncode, done.stderr))
    assert [each[0] for each in found] == [status, status], found
