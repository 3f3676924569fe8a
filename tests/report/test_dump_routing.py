"""Routes, rules and static objects in the dumps: their words against a real keepalived's."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hakeep.config.files import load
from hakeep.config.settled import Settings
from hakeep.report.dumps import render_data, render_json
from hakeep.report.snapshot import RouterSnapshot

CONF = """
track_group both {
    group {
        I
        J
    }
}
static_ipaddress {
    198.51.100.1/24 dev eth0
    2001:db8:1::1/64 dev eth0
}
static_routes {
    203.0.115.0/24 via 198.51.100.254 dev eth0 track_group both table 7
    2001:db8:2::/48 via 2001:db8:1::2 dev eth0 metric 7 pref high
    blackhole 203.0.116.0/24 no_track
}
static_rules {
    from 198.51.100.0/24 table 100 preference 1000
    from 198.51.101.0/24 to 1.2.3.0/24 iif eth0 fwmark 4/7 tos 16 table 100 preference 1004 track_group both
}
vrrp_instance I {
    interface eth0
    virtual_router_id 7
    priority 100
    virtual_ipaddress {
        10.9.0.9/24
    }
    virtual_routes {
        10.1.0.0/16 via 10.9.0.254 dev eth0 src 10.9.0.9 metric 5 mtu lock 1400 advmss 1300 realms 1/2
        default via 10.9.0.254 dev eth0 table 101 onlink
        10.2.0.0/16 nexthop via 10.9.0.253 dev eth0 weight 2 nexthop via 10.9.0.252 dev eth0 weight 3 onlink no_track
        unreachable 10.3.0.0/16 metric 4294 no_track
        10.4.0.0/16 dev eth0 tos 8 rtt 200 rttvar 200 rto_min 300 window 4000 initcwnd 10 quickack 1 congctl cubic
        10.5.0.1 dev eth0 append
        10.6.0.0/16 encap ip id 5 dst 10.9.0.8 src 10.9.0.9 tos 4 ttl 9 dev eth0
        10.7.0.0/16 via 10.9.0.254 dev eth0 features ecn hoplimit 3 ssthresh 12 cwnd 13 reordering 14 initrwnd 11
    }
    virtual_rules {
        from 10.9.0.9 table 101 preference 1001
        from 10.9.0.0/24 to 10.0.0.0/8 iif eth0 oif eth0 fwmark 1/15 tos 8 table 9 suppress_prefixlength 3 preference 50
        not from 1.2.3.4 prohibit preference 77
        to 1.2.3.4 goto 40000 preference 78
        to 1.2.3.5 table 44 realms 4/5 preference 79
        from 1.2.3.6 tunnel-id 6 uidrange 1-2 fwmark 7 table 44 preference 80
        from 1.2.3.7 ipproto udp sport 5-5 dport 1-9 table 44 preference 81
        from 1.2.3.8 nop preference 92
        l3mdev preference 93
    }
}
vrrp_instance J {
    interface eth0
    virtual_router_id 8
    priority 100
    virtual_ipaddress {
        fe80::9/64
        2001:db8:5::1/64
    }
    virtual_routes {
        2001:db8:3::/48 from 2001:db8:5::/64 via fe80::3 dev eth0 src 2001:db8:5::1 metric 3 pref low expires 600
        2001:db8:4::/48 nexthop via fe80::3 dev eth0 nexthop via fe80::4 dev eth0 weight 9 no_track
    }
    virtual_rules {
        from 2001:db8:7::/48 table 99 preference 5
        to 2001:db8:7::1 blackhole preference 33
    }
}
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    path = tmp_path_factory.mktemp("routes") / "x.conf"
    path.write_text(CONF)
    loaded = load(str(path), config_id="here", environment={})
    assert loaded.settings is not None
    return loaded.settings


def section(text: str, title: str) -> list[str]:
    """The lines below a title, as far as they stand deeper."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.strip(" -<>") == title)
    depth = len(lines[start]) - len(lines[start].lstrip()) if not lines[start].startswith("-") else 0
    found = []
    for line in lines[start + 1:]:
        if line.startswith("-") or len(line) - len(line.lstrip()) <= depth:
            break
        found.append(line)
    return found


def test_routes_of_an_instance(settings: Settings) -> None:
    assert section(render_data(settings, ()), "Virtual Routes :")[:4] == [
        "     prepend 10.1.0.0/16 src 10.9.0.9 via inet 10.9.0.254 dev eth0 proto 18 metric 5 realms 1/2 mtu lock 1400"
        " advmss 1300",
        "     prepend 0.0.0.0/0 via inet 10.9.0.254 dev eth0 table 101 proto 18 onlink",
        "     prepend 10.2.0.0/16 proto 18 nexthop via inet 10.9.0.253 dev eth0 weight 2"
        " nexthop via inet 10.9.0.252 dev eth0 weight 3 onlink no_track",
        "     add unreachable 10.3.0.0/16 proto 18 metric 4294 no_track",
    ]


def test_json_has_the_same_lines_where_keepalived_has_them(settings: Settings) -> None:
    one, other = (each["data"] for each in json.loads(render_json(settings, map(RouterSnapshot, "IJ"))))
    text = render_data(settings, ())
    assert one["vroutes"] == [line.strip() for line in section(text, "Virtual Routes :")]
    assert one["vrules"] == [line.strip() for line in section(text, "Virtual Rules :")]
    assert [key for key in one if key in ("notify_deleted", "vroutes", "vrules", "auth_type")] == [
        "notify_deleted", "vroutes", "vrules", "auth_type"]
    assert len(other["vroutes"]) == len(other["vrules"]) == 2


def test_nothing_of_it_where_there_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.conf"
    path.write_text("vrrp_instance I {\ninterface eth0\nvirtual_router_id 7\nvirtual_ipaddress {\n10.9.0.9/24\n}\n}\n")
    bare = load(str(path), config_id="here", environment={}).settings
    assert bare is not None
    data = render_data(bare, ())
    assert not [word for word in ("Static", "Virtual Routes", "Virtual Rules") if word in data]
    assert "vroutes" not in render_json(bare, [RouterSnapshot("I")])


# ------------------------------------------------------------------------------------------------------ the real thing

DEADLINE = 20.0


def until(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError("this took too long")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What keepalived in a network namespace of its own writes about the same configuration."""
    if os.geteuid() != 0 or not shutil.which("keepalived"):
        pytest.skip("needs root and keepalived")
    folder = tmp_path_factory.mktemp("keepalived")
    (folder / "conf").write_text(CONF)
    setup = ("ip link set lo up && ip link add eth0 type veth peer name p0 && ip addr add 10.9.0.1/24 dev eth0 && "
             "ip link set eth0 up && ip link set p0 up && "
             f"exec keepalived -n -P -G -f {folder}/conf -p {folder}/pid -r {folder}/vrrp_pid")
    process = subprocess.Popen(["unshare", "-n", "sh", "-c", setup], env={**os.environ, "TMPDIR": str(folder)},
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    path = folder / "keepalived.data"

    def written() -> str:
        if not path.exists():
            process.send_signal(signal.SIGUSR1)
            return ""
        before, text = path.stat().st_mtime_ns, path.read_text()
        time.sleep(0.3)
        return text if "< Interfaces >" in text and path.stat().st_mtime_ns == before else ""

    try:
        until(lambda: (folder / "vrrp_pid").exists())
        time.sleep(0.5)  # the child hears no signal before
        return str(until(written))
    finally:
        process.kill()
        process.wait()


def normal(line: str) -> str:
    """Without what says how it is in the kernel, and the protocol of what is not tracked, which 2.2.7 leaves out."""
    line = line.replace(" set", "").split(" [installed")[0].strip()
    return line.replace(" proto 18", "") if line.endswith("no_track") else line


@pytest.mark.netns
@pytest.mark.interop
@pytest.mark.parametrize("title", [
    "Static Addresses", "Static Routes", "Static Rules", "Static Track groups", "Virtual Routes :", "Virtual Rules :"])
def test_each_line_is_the_real_one_s(settings: Settings, theirs: str, title: str) -> None:
    ours = render_data(settings, ())
    for part in ("VRRP Instance = I", "VRRP Instance = J") if title.startswith("Virtual") else ("------< Global",):
        mine = [normal(line) for line in section(ours[ours.index(part):], title)]
        other = [normal(line) for line in section(theirs[theirs.index(part):], title)]
        assert mine == other
