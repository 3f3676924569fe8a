"""Trackers and groups in the dumps, line by line as keepalived 2.2.7 wrote them for the same configuration."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hakeep.config.files import load
from hakeep.config.settled import Settings
from hakeep.report.dumps import render_data, render_json
from hakeep.report.snapshot import RouterSnapshot, ThingSnapshot, TrackSnapshot

CONF = """
global_defs {
    enable_script_security
    script_user root
}
vrrp_script chk {
    script "/usr/bin/sleep 0"
    interval 2
    weight -20
    fall 3
}
vrrp_track_process web {
    process sleep 5
    quorum 2
}
track_file load {
    file /run/load
}
vrrp_instance A {
    interface eth0
    virtual_router_id 51
    virtual_ipaddress {
        192.0.2.100/24
    }
    track_script {
        chk
    }
    track_interface {
        eth1 weight 20
        eth3
    }
    track_process {
        web weight 3
    }
    track_file {
        load weight 0
    }
    track_ping gateway weight -5 reverse
}
vrrp_instance B {
    interface eth1
    virtual_router_id 52
    virtual_ipaddress {
        198.51.100.100/24
    }
}
vrrp_instance C {
    interface eth1
    virtual_router_id 53
    virtual_ipaddress {
        198.51.100.101/24
    }
}
vrrp_sync_group G {
    group {
        B
        C
    }
    track_script {
        chk weight 30
    }
    track_interface {
        eth2 weight -9
    }
    notify /usr/bin/true
}
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    path = tmp_path / "x.conf"
    path.write_text(CONF)
    found = load(str(path), config_id="here", environment={}).settings
    assert found is not None
    return found


def routers(*states: str) -> list[RouterSnapshot]:
    return [RouterSnapshot(name, f"eth{n}", state=state)
            for n, (name, state) in enumerate(zip("ABC", states, strict=True))]


def test_the_lists_of_an_instance(settings: Settings) -> None:
    text = render_data(settings, routers("MASTER", "BACKUP", "BACKUP"))
    assert """\
   Tracked interfaces :
     eth1 weight 20
     eth3
   Tracked scripts :
     chk weight -20
   Tracked files :
     load, weight 0
   Tracked processes :
     web, weight 3
   Tracked pings :
     gateway, weight -5 reverse
""" in text
    assert text.count("Tracked scripts :") == 2, "that of the group stands with the group, not with its members"
    assert text.count("   Sync group = G\n   State = BACKUP\n") == 2


@pytest.mark.parametrize(("states", "said"), [
    (("MASTER", "BACKUP", "BACKUP"), "BACKUP"), (("MASTER", "FAULT", "FAULT"), "FAULT"),
    (("BACKUP", "MASTER", "BACKUP"), "INIT"),
])
def test_groups(settings: Settings, states: tuple[str, ...], said: str) -> None:
    assert f"""\
------< VRRP Sync groups >------
 VRRP Sync Group = G, {said}
   VRRP member instances :
     B
     C
   Tracked interfaces :
     eth2 weight -9
   Tracked scripts :
     chk weight 30
   Generic state transition script = '/usr/bin/true'
------< VRRP Scripts >------
""" in render_data(settings, routers(*states))


def test_definitions(settings: Settings) -> None:
    assert render_data(settings, routers("MASTER", "BACKUP", "BACKUP")).partition("VRRP Scripts >------\n")[2] == """\
 VRRP Script = chk
   Command = '/usr/bin/sleep' '0'
   Interval = 2 sec
   Timeout = 2 sec
   Rise = 1
   Fall = 3
   Init state = unknown
   Tracking instances :
     A, weight -20
     B, weight 30
     C, weight 30
------< VRRP Track files >------
 VRRP Track file = load
   File = /run/load
   Tracking instances :
     A, weight 0
------< VRRP Track processes >------
 VRRP Track process = web
   Process = sleep
   Parameters = 5
   Param match
   Min processes = 2
   Terminate delay = 0.000000s
   Fork delay = 0.000000s
   Full command = true
   Tracking instances :
     A, weight 3
"""


def test_json(settings: Settings) -> None:
    document = json.loads(render_json(settings, routers("MASTER", "BACKUP", "BACKUP")))
    first, second, _ = (each["data"] for each in document)
    assert (first["track_ifp"], first["track_script"], first["track_process"]) == (
        ["eth1", "eth3"], ["'/usr/bin/sleep' '0'"], ["web"])
    assert [key for key in first if key.startswith(("track_", "auth_type"))] == [
        "track_ifp", "track_script", "track_process", "auth_type"]
    assert not any(key.startswith("track_") for key in second), "keepalived does not list what the group tracks"


THINGS = (
    ThingSnapshot("script", "chk", False, runs=9, failures=3, status=1, last="exited with status 1", count=0,
                  running=True),
    ThingSnapshot("file", "load", True, value=-7),
    ThingSnapshot("process", "web", True, count=3, delay="terminate"),
)


def test_definitions_as_they_are_now(settings: Settings) -> None:
    text = render_data(settings, routers("MASTER", "BACKUP", "BACKUP"), things=THINGS)
    assert text.partition("VRRP Scripts >------\n")[2] == """\
 VRRP Script = chk
   Command = '/usr/bin/sleep' '0'
   Interval = 2 sec
   Timeout = 2 sec
   Rise = 1
   Fall = 3
   Result = 0
   Init state = unknown
   Status = BAD
   Last run = exited with status 1
   Tracking instances :
     A, weight -20
     B, weight 30
     C, weight 30
   State = running
------< VRRP Track files >------
 VRRP Track file = load
   File = /run/load
   Status = -7
   Tracking instances :
     A, weight 0
------< VRRP Track processes >------
 VRRP Track process = web
   Process = sleep
   Parameters = 5
   Param match
   Min processes = 2
   Current processes = 3
   Have quorum = true
   Terminate delay = 0.000000s
   Fork delay = 0.000000s
   Fork delay timer not running
   Terminate delay timer running
   Full command = true
   Tracking instances :
     A, weight 3
"""


def test_a_session_is_up_if_an_instance_says_so(tmp_path: Path) -> None:
    conf = CONF.replace("track_ping gateway", "track_bfd {\n peer weight 4\n }\n track_ping gateway")
    path = tmp_path / "x.conf"
    path.write_text("bfd_instance peer {\n neighbor_ip 192.0.2.2\n }\n" + conf)
    found = load(str(path), config_id="here", environment={}).settings
    assert found is not None
    for well, said in ((True, "Up"), (False, "Down"), (None, "Down")):
        track = TrackSnapshot("bfd", "peer", 4, well=well)
        tracking = [replace(router, tracks=(track,)) for router in routers("MASTER", "BACKUP", "BACKUP")]
        text = render_data(found, tracking)
        assert text.endswith(f"""\
------< VRRP Track BFDs >------
 VRRP Track BFD = peer
   Bfd is {said}
   Tracking instances :
     A, weight 4
""")


def test_json_of_version_2_has_the_processes(settings: Settings) -> None:
    found = replace(settings, globals=replace(settings.globals, json_version=2))
    document = json.loads(render_json(found, routers("MASTER", "BACKUP", "BACKUP"), THINGS))
    assert document["track_process"] == [{
        "process": "sleep", "parameters": "5", "param_match": "exact", "min_processes": 2, "current_processes": 3,
        "have_quorum": True, "weight": 3, "terminate_delay": 0, "fork_delay": 0, "fork_delay_timer_running": False,
        "terminate_delay_timer_running": True, "full_command": True,
    }]
    (unseen,) = json.loads(render_json(found, routers("MASTER", "BACKUP", "BACKUP")))["track_process"]
    assert (unseen["current_processes"], unseen["have_quorum"]) == (0, False)
