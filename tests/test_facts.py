"""What the supervisor knows of a configuration goes through JSON unharmed."""

from __future__ import annotations

import pickle
from dataclasses import fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hakeep import facts
from hakeep.config.definitions import Surroundings
from hakeep.config.host import Host
from hakeep.config.includes import Opened
from hakeep.config.loaded import assemble
from hakeep.config.reader import Reader
from hakeep.config.settled import Global, Script, Settings, VrrpInstance
from hakeep.config.settled_bfd import BfdInstance, BfdSettings
from hakeep.config.settled_track import Tracking, TrackScript
from hakeep.guard import charges, describe
from hakeep.in_force import InForce
from hakeep.options import Options
from hakeep.parcel import unpack

PLAIN = [field.name for field in fields(Global) if field.type in ("str", "bool", "int", "float", "str | None")]
VALUES = {
    "str": st.text(), "bool": st.booleans(), "int": st.integers(), "float": st.floats(0, 1e6),
    "str | None": st.none() | st.text(),
    "Script | None": st.none() | st.builds(
        Script, st.lists(st.text(), min_size=1).map(tuple), st.none() | st.text(), st.none() | st.text()),
}


@given(st.fixed_dictionaries({f.name: VALUES[str(f.type)] for f in fields(Global) if f.type in VALUES}))
def test_what_is_plain_comes_back(values: dict[str, Any]) -> None:
    settings = Settings(globals=Global(**values))
    line = facts.encode(settings)
    assert b"\n" not in line
    assert facts.decode(line).globals == settings.globals


def test_the_supervisors_own_keywords_are_among_them() -> None:
    assert {"child_wait_time", "reload_file", "reload_time_file", "script_user", "process_name", "umask"} <= {*PLAIN}


def test_the_bfd_worker_gets_nothing_but_its_sessions() -> None:
    sessions = BfdSettings((BfdInstance("peer", ip_address("192.0.2.1")),))
    one, other = (facts.decode(facts.encode(Settings(bfd=sessions, vrrp=vrrp))).bfd
                  for vrrp in ((), (VrrpInstance("a", 1, "eth0"),)))
    assert pickle.loads(one) == sessions and one == other, "a reload that does not concern it is none"
    assert facts.decode(facts.encode(Settings())).bfd == b""


def test_so_does_the_track_worker() -> None:
    things = Tracking((TrackScript("chk", Script(("/bin/true",))),))
    one, other = (facts.decode(facts.encode(Settings(tracking=things, vrrp=vrrp))).tracking
                  for vrrp in ((), (VrrpInstance("a", 1, "eth0"),)))
    assert pickle.loads(one) == things and one == other
    assert facts.decode(facts.encode(Settings())).tracking == b""


def test_what_the_guard_watches_comes_along() -> None:
    settings = Settings(vrrp=tuple(VrrpInstance(name, 1 + n, "eth0") for n, name in enumerate("ab")))
    known = facts.decode(facts.encode(settings))
    assert known.charges == charges(describe(settings))
    assert known.names == ["a", "b"]


SECRETS = """
global_defs {
    smtp_server 192.0.2.25
    notification_email { root@example.org }
    smtp_login alerts MAILWORD
    notify_webhook https://hooks.example.org/HOOKPATH
    notify_webhook_secret HOOKWORD
}
vrrp_script chk { script /bin/true }
bfd_instance peer { neighbor_ip 192.0.2.9 }
vrrp_instance two {
    interface eth0
    virtual_router_id 51
    authentication {
        auth_type PASS
        auth_pass PASSWORD
    }
    track_script { chk }
    track_bfd { peer }
    virtual_ipaddress { 192.0.2.1/24 }
}
vrrp_instance three {
    interface eth0
    version 3
    virtual_router_id 52
    auth_hmac {
        key 1 HMACKEY-of-thirty-two-bytes-at-least
        active_key 1
    }
    virtual_ipaddress { 192.0.2.2/24 }
}
virtual_server 192.0.2.10 80 {
    protocol TCP
    lvs_sched rr
    lvs_method NAT
    real_server 192.0.2.20 80 {
        HTTP_GET {
            url {
                path /
                status_code 200
                basic_auth monitor CHECKWORD
            }
        }
    }
}
"""
OURS, THE_CHECKS = (b"MAILWORD", b"HOOKPATH", b"HOOKWORD", b"PASSWORD", b"HMACKEY"), b"CHECKWORD"


def test_a_worker_is_given_no_secret_that_it_has_no_use_for(tmp_path: Path) -> None:
    settings = read(SECRETS)
    assert settings.lvs is not None and settings.lvs.globals.tells, "its news are for somebody"
    paths = {each.name: tmp_path for each in fields(Options) if each.type == "Path"}
    in_force = InForce(
        settings, Options(config="", dump_stem="", **paths), None, None, None,  # type: ignore[arg-type]
        lambda old: None, lambda blob: None, ())
    assert all(secret in in_force.blob for secret in OURS), "the vrrp worker's, and what dumps are made of"
    known = in_force.facts
    for given_to, secrets in (known.tracking, ()), (known.bfd, ()), (in_force.director.data, (THE_CHECKS,)):
        assert given_to
        assert [secret for secret in (*OURS, THE_CHECKS) if secret in given_to] == list(secrets)
    assert unpack(in_force.director.data).globals.tells, "it still says what it would have said"


def read(text: str) -> Settings:
    reader = Reader(lambda pattern, folder: Opened((), ()), Surroundings("here", {}, seed=1))
    found = assemble(list(reader.read("main.conf", "/", text)), reader, Host()).settings
    assert found is not None
    return found
