"""The dump files: their words against texts written down here, and their shape against a real keepalived's."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pytest

from hakeep.config.settled import (
    MULTICAST6,
    Fifo,
    Global,
    Notify,
    Peer,
    Script,
    Settings,
    VirtualAddress,
    Vmac,
    VrrpInstance,
)
from hakeep.objects.rtnl import Address
from hakeep.report.address_text import address_text
from hakeep.report.dumps import dump_path, render_data, render_json, render_stats
from hakeep.report.snapshot import AddressSnapshot, RouterSnapshot

# ---------------------------------------------------------------------------------- one configuration, in both forms

CONF = """
global_defs {
  router_id here
  script_user root
  notify_fifo FIFO
  vrrp_notify_priority_changes
}
vrrp_instance VI_1 {
  interface eth0
  virtual_router_id 51
  priority 150
  advert_int 1
  authentication { auth_type PASS
    auth_pass abcd }
  notify "/usr/bin/true any x"
  notify_master "/usr/bin/true m a/b"
  notify_backup /usr/bin/true
  notify_fault "/usr/bin/true fault"
  notify_stop "/usr/bin/true stop"
  virtual_ipaddress {
    10.9.0.50/24 dev eth0 label eth0:1
    10.9.0.51/32
  }
  virtual_ipaddress_excluded { 10.9.1.1/24
    fd00::9/64 }
}
vrrp_instance VI_2 {
  interface eth0
  state BACKUP
  version 3
  virtual_router_id 52
  priority 100
  advert_int 0.5
  unicast_src_ip 10.9.0.1
  unicast_peer { 10.9.0.2
    10.9.0.3 min_ttl 250 }
  nopreempt
  virtual_ipaddress { 10.9.0.60/24 }
}
vrrp_instance VI_6 {
  interface eth0
  virtual_router_id 53
  notify_deleted
  use_vmac
  virtual_ipaddress { fe80::53/64
    fd00::53/64 }
}
"""


def virtual(ip: IPv4Address | IPv6Address, prefix: int, label: str = "", advertised: bool = True) -> VirtualAddress:
    return VirtualAddress(Address("", ip, prefix, label=label), advertised=advertised)


def true(*words: str) -> Script:
    return Script(("/usr/bin/true", *words))


INSTANCES = (
    VrrpInstance(
        "VI_1", 51, "eth0", priority=150, auth_type="PASS", auth_pass=b"abcd\0\0\0\0",
        addresses=(
            virtual(IPv4Address("10.9.0.50"), 24, "eth0:1"),
            virtual(IPv4Address("10.9.0.51"), 32),
            virtual(IPv4Address("10.9.1.1"), 24, advertised=False),
            virtual(IPv6Address("fd00::9"), 64, advertised=False),
        ),
        notify=Notify(
            any=true("any", "x"), master=true("m", "a/b"), backup=true(), fault=true("fault"), stop=true("stop"),
            priority_changes=True,
        ),
    ),
    VrrpInstance(
        "VI_2", 52, "eth0", version=3, advert_int=0.5, source=IPv4Address("10.9.0.1"), multicast=None, nopreempt=True,
        peers=(Peer(IPv4Address("10.9.0.2")), Peer(IPv4Address("10.9.0.3"), 250)), check_unicast_src=True,
        addresses=(virtual(IPv4Address("10.9.0.60"), 24),), notify=Notify(priority_changes=True),
    ),
    VrrpInstance(
        "VI_6", 53, "eth0", family=6, version=3, multicast=MULTICAST6, vmac=Vmac(),
        addresses=(virtual(IPv6Address("fe80::53"), 64), virtual(IPv6Address("fd00::53"), 64)),
        notify=Notify(deleted_is_a_state=True, priority_changes=True),
    ),
)  # fmt: skip


def settings(**more: Any) -> Settings:
    return Settings(Global(router_id="here", **more), INSTANCES)


def snapshot(instance: VrrpInstance, state: str = "MASTER", **more: Any) -> RouterSnapshot:
    vmac = "vrrp.53" if instance.vmac else ""
    addresses = tuple(
        AddressSnapshot(
            address_text(entry, vmac or "eth0", "eth0" if vmac else ""), entry.advertised, state == "MASTER"
        )
        for entry in instance.addresses
    )
    return RouterSnapshot(
        instance.name, "eth0", instance.virtual_router_id, instance.family, instance.version, state, vmac=vmac,
        priority=instance.priority, base_priority=instance.priority, effective_priority=instance.priority,
        addresses=addresses, **more,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------- what they say

def words(text: str) -> list[str]:
    return text.split()


DATA_KEYS = words(
    "iname dont_track_primary skip_check_adv_addr strict_mode vmac_ifname ifp_ifname master_priority last_transition "
    "garp_delay garp_refresh garp_rep garp_refresh_rep garp_lower_prio_delay garp_lower_prio_rep "
    "lower_prio_no_advert higher_prio_send_advert vrid base_priority effective_priority vipset promote_secondaries "
    "adver_int master_adver_int accept nopreempt preempt_delay state wantstate version smtp_alert notify_deleted "
    "script_backup script_master script_fault script_stop script_deleted script script_master_rx_lower_pri "
    "vips evips auth_type auth_data"
)
STATS_KEYS = words(
    "advert_rcvd advert_sent become_master release_master packet_len_err advert_interval_err ip_ttl_err "
    "invalid_type_rcvd addr_list_err invalid_authtype authtype_mismatch auth_failure auth_ext_missing "
    "auth_ext_malformed auth_ext_unknown_key auth_ext_invalid_hmac auth_ext_stale auth_ext_replay "
    "pri_zero_rcvd pri_zero_sent"
)


def test_json_keys_come_in_keepalived_s_order() -> None:
    instance = replace(
        INSTANCES[0], vmac=Vmac(),
        notify=replace(INSTANCES[0].notify, deleted=true(), master_rx_lower_pri=true()),
    )  # fmt: skip
    (document,) = json.loads(render_json(Settings(Global(), (instance,)), [snapshot(instance)]))
    assert list(document) == ["data", "stats"]
    assert list(document["data"]) == DATA_KEYS
    assert list(document["stats"]) == STATS_KEYS


def test_json_values() -> None:
    router = snapshot(
        INSTANCES[0], since=1795213137.581016, master_priority=90,
        counters={"advert_sent": 7, "not_in_keepalived": 9},
    )  # fmt: skip
    text = render_json(settings(), [router])
    assert text.startswith('[{"data":{"iname":"VI_1","dont_track_primary":0,')
    assert text.endswith('"pri_zero_sent":0}}]\n')
    assert text.count("\n") == 1
    assert r"""'\/usr\/bin\/true' 'm' 'a\/b'""" in text
    assert "/" not in text.replace("\\/", "")
    data = json.loads(text)[0]["data"]
    assert '"garp_delay":5,' in text
    assert '"adver_int":1,' in text
    assert data["last_transition"] == 1795213137.581016
    assert (data["state"], data["vipset"], data["accept"], data["nopreempt"]) == (2, True, 1, False)
    assert data["vips"] == [
        "10.9.0.50/24 dev eth0 scope global label eth0:1 set",
        "10.9.0.51 dev eth0 scope global set",
    ]
    assert data["auth_data"] == "********"
    assert "abcd" not in text
    assert json.loads(text)[0]["stats"]["advert_sent"] == 7
    assert "not_in_keepalived" not in text


def test_json_version_2_is_an_object() -> None:
    routers = [snapshot(instance) for instance in INSTANCES]
    first = json.loads(render_json(settings(), routers))
    second = json.loads(render_json(settings(json_version=2), routers))
    assert second == {"vrrp": first, "track_process": []}


@pytest.mark.parametrize(("state", "number"), [("INIT", 0), ("BACKUP", 1), ("MASTER", 2), ("FAULT", 3), ("STOP", 0)])
def test_json_states_are_numbers(state: str, number: int) -> None:
    (document,) = json.loads(render_json(settings(), [snapshot(INSTANCES[1], state)]))
    assert (document["data"]["state"], document["data"]["wantstate"]) == (number, number)
    assert document["data"]["vipset"] is (state == "MASTER")


def test_order_is_the_configuration_s_and_what_is_not_known_is_left_out() -> None:
    routers = [snapshot(INSTANCES[2]), RouterSnapshot("stranger"), snapshot(INSTANCES[0])]
    assert [d["data"]["iname"] for d in json.loads(render_json(settings(), routers))] == ["VI_1", "VI_6"]
    assert render_stats(settings(), routers).count("VRRP Instance:") == 2


STATS = """\
VRRP Instance: VI_1
  Advertisements:
    Received: 1
    Sent: 2
  Became master: 3
  Released master: 4
  Packet Errors:
    Length: 5
    TTL: 6
    Invalid Type: 7
    Advertisement Interval: 8
    Address List: 9
  Authentication Errors:
    Invalid Type: 10
    Type Mismatch: 11
    Failure: 12
  Authentication Extension Errors:
    Missing: 13
    Malformed: 14
    Unknown Key: 15
    Invalid HMAC: 16
    Stale: 17
    Replay: 18
  Priority Zero:
    Received: 19
    Sent: 20
"""


def test_stats() -> None:
    names = words(
        "advert_rcvd advert_sent become_master release_master packet_len_err ip_ttl_err invalid_type_rcvd "
        "advert_interval_err addr_list_err invalid_authtype authtype_mismatch auth_failure auth_ext_missing "
        "auth_ext_malformed auth_ext_unknown_key auth_ext_invalid_hmac auth_ext_stale auth_ext_replay "
        "pri_zero_rcvd pri_zero_sent"
    )
    counters = {name: number for number, name in enumerate(names, 1)}
    assert render_stats(settings(), [snapshot(INSTANCES[0], counters=counters)]) == STATS


def test_data() -> None:
    router = snapshot(
        INSTANCES[1], "BACKUP", since=1795213135.9700721, master="10.9.0.2", master_priority=150,
        master_advert_int=2.0, why="heard a better master", fence="active", lease_text="1.6s", standby=True,
    )  # fmt: skip
    lines = render_data(settings(), [router], UTC).splitlines()
    assert lines[0] == "------< Global definitions >------"
    assert " Network namespace = (default)" in lines
    assert " Router ID = here" in lines
    assert " umask = 0177" in lines
    topology = lines[lines.index(" VRRP Instance = VI_2") : lines.index(" VRRP Instance = VI_6")]
    for line in (
        "   State = BACKUP",
        "   Last transition = 1795213135.970072 (Fri Nov 20 22:18:55.970072 2026)",
        "   Master down timer = 7218750 usecs",
        "   Master router = 10.9.0.2",
        "   Effective priority = 100",
        "   Advert interval = 500 milli-sec",
        "   Virtual IP (1):",
        "     10.9.0.60/24 dev eth0 scope global",
        "     10.9.0.3 min_ttl 250 max_ttl 255",
        "   Reason = heard a better master",
        "   Standby = yes",
        "   Fence = active",
        "   Lease = 1.6s",
    ):
        assert line in topology


def test_data_of_global_options() -> None:
    fifo = Fifo("/run/fifo", script=true("x"))
    text = render_data(
        Settings(Global(instance="blue", notify_fifo=fifo, script_user="u", enable_script_security=True)), []
    )
    for line in (
        "Instance name = blue",
        "Global notify fifo = /run/fifo",
        "Global notify fifo script = '/usr/bin/true' 'x'",
        "Script security enabled",
        "Default script user = u",
    ):
        assert f" {line}\n" in text


def test_data_without_snapshots_shows_the_configuration() -> None:
    lines = render_data(settings(), []).splitlines()
    assert [line for line in lines if line.startswith(" VRRP Instance")] == [
        " VRRP Instance = VI_1", " VRRP Instance = VI_2", " VRRP Instance = VI_6",
    ]  # fmt: skip
    assert "   Effective priority = 150" in lines
    assert "     10.9.0.50/24 dev eth0 scope global label eth0:1" in lines


def test_a_day_of_the_month_below_ten_keeps_its_blank() -> None:
    text = render_data(settings(), [snapshot(INSTANCES[1], since=1791158400.5)], UTC)
    assert "Last transition = 1791158400.500000 (Mon Oct  5 00:00:00.500000 2026)" in text


@pytest.mark.parametrize(
    ("kind", "globals_", "path"),
    [
        ("data", Global(), "/run/hakeep/keepalived.data"),
        ("json", Global(json_dump_file="/x/y"), "/x/y"),
        ("stats", Global(json_dump_file="/x/y"), "/run/hakeep/keepalived.stats"),
        ("stats", Global(stats_dump_file="/s"), "/s"),
        ("data", Global(instance="i", net_namespace="n"), "/run/hakeep/keepalived.data"),
        ("data", Global(instance="i", net_namespace="n", data_use_instance=True), "/run/hakeep/keepalived.data.n_i"),
        ("data", Global(instance="i", data_use_instance=True, state_dump_file="/d"), "/d._i"),
        ("data", Global(data_use_instance=True), "/run/hakeep/keepalived.data"),
    ],
)
def test_where_dumps_go(kind: str, globals_: Global, path: str) -> None:
    assert dump_path(kind, globals_) == path
    assert dump_path("data", Global(), "/tmp", "x") == "/tmp/x.data"


# ------------------------------------------------------------------------------------- against the real keepalived

DEADLINE = 20.0


def until(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError("this took too long")


class Keepalived:
    """A keepalived in a network namespace of its own, and its dumps once all instances are MASTER."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        conf = directory / "keepalived.conf"
        conf.write_text(CONF.replace("FIFO", str(directory / "fifo")))
        setup = (
            "ip link set lo up && ip link add eth0 type veth peer name p0 && ip addr add 10.9.0.1/24 dev eth0 && "
            "ip link set eth0 up && ip link set p0 up && "
            f"exec keepalived -n -P -G -f {conf} -p {directory}/pid -r {directory}/vrrp_pid"
        )
        self.process = subprocess.Popen(
            ["unshare", "-n", "sh", "-c", setup], env={**os.environ, "TMPDIR": str(directory)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until(lambda: (directory / "pid").exists() and (directory / "vrrp_pid").exists())
        self.json = until(self.settled_json)
        self.stats = self.dump(signal.SIGUSR2, "keepalived.stats")
        self.data = self.dump(signal.SIGUSR1, "keepalived.data")

    def dump(self, number: int, name: str) -> str:
        path = self.directory / name
        path.unlink(missing_ok=True)
        seen: list[tuple[int, int]] = []

        def written() -> bool:
            """keepalived writes into the file that it named: whole is what has not changed for a while. It forwards the
            order to its child, which while it starts hears nothing: so it is repeated until something comes of it."""
            if len(seen) % 100 == 0 and not path.exists():
                self.process.send_signal(number)
            seen.append((path.stat().st_size, path.stat().st_mtime_ns) if path.exists() else (0, 0))
            return len(seen) > 10 and seen[-1][0] > 0 and len(set(seen[-10:])) == 1

        until(written)
        return path.read_text()

    def settled_json(self) -> list[dict[str, Any]] | None:
        try:
            instances = json.loads(self.dump(signal.SIGRTMIN + 2, "keepalived.json"))
        except json.JSONDecodeError:  # 2.2.7 does not rename it into place
            return None
        return instances if len(instances) == 3 and all(i["data"]["state"] == 2 for i in instances) else None

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module")
def keepalived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keepalived]:
    if os.geteuid() != 0 or not shutil.which("keepalived"):
        pytest.skip("needs root and keepalived")
    it = Keepalived(tmp_path_factory.mktemp("keepalived"))
    yield it
    it.stop()


def ours(keepalived: Keepalived) -> list[RouterSnapshot]:
    """Snapshots that say what this keepalived says."""
    return [
        snapshot(
            instance, since=theirs["data"]["last_transition"], counters=theirs["stats"],
            source=source, master_priority=theirs["data"]["master_priority"],
        )
        for instance, theirs, source in zip(INSTANCES, keepalived.json, sources(keepalived), strict=True)
    ]  # fmt: skip


def sources(keepalived: Keepalived) -> list[str]:
    lines = [line for line in keepalived.data.splitlines() if line.startswith("   Using src_ip = ")]
    return [line.split(" = ")[1].split()[0] for line in lines]


@pytest.mark.netns
@pytest.mark.interop
def test_json_equals_the_real_one_s(keepalived: Keepalived) -> None:
    """Item by item, in order, except for what 2.4 does in another way than the 2.2.7 that runs here."""
    for mine, theirs in zip(json.loads(render_json(settings(), ours(keepalived))), keepalived.json, strict=True):
        theirs["data"] = {k: v for k, v in theirs["data"].items() if (k, v) != ("vmac_ifname", "")}
        if "auth_data" in theirs["data"]:
            theirs["data"]["auth_data"] = "********"
        stats = [(k, v) for k, v in mine["stats"].items() if not k.startswith("auth_ext_")]
        assert list(mine["data"].items()) == list(theirs["data"].items())
        assert stats == list(theirs["stats"].items())


@pytest.mark.netns
@pytest.mark.interop
def test_stats_equal_the_real_one_s(keepalived: Keepalived) -> None:
    counters = [{"advert_sent": sent} for sent in advert_counts(keepalived.stats)]
    routers = [replace(router, counters={**router.counters, **c})
               for router, c in zip(ours(keepalived), counters, strict=True)]
    lines = render_stats(settings(), routers).splitlines()
    while "  Authentication Extension Errors:" in lines:  # since 2.4
        start = lines.index("  Authentication Extension Errors:")
        del lines[start : start + 7]
    assert lines == keepalived.stats.splitlines()


def advert_counts(stats: str) -> list[int]:
    lines = stats.splitlines()
    return [int(lines[index + 3].split(": ")[1]) for index, line in enumerate(lines) if line.startswith("VRRP Inst")]


@pytest.mark.netns
@pytest.mark.interop
def test_every_line_of_our_state_dump_is_one_of_the_real_one_s(keepalived: Keepalived) -> None:
    """And in the same order, so that a script that reads on from a line finds the same things after it."""
    text = render_data(settings(), ours(keepalived))
    mine = text[text.index("------< VRRP Topology") :].splitlines()
    theirs = iter(keepalived.data[keepalived.data.index("------< VRRP Topology") :].splitlines())
    for line in mine:
        found = next((other for other in theirs if normal(other) == normal(line)), None)
        assert found is not None, line


def normal(line: str) -> str:
    """Without what is about the process (2.2.7 also shows who runs a script, and more about a link)."""
    line = line.split(", uid:gid")[0].replace(", is_up = true", "").split(", ifindex")[0]
    return "Flags" if line.strip() in ("Flags:", "Flags: none") else line
