"""What the supervisor knows of a configuration goes through JSON unharmed."""

from __future__ import annotations

import pickle
from dataclasses import fields
from ipaddress import ip_address
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hakeep import facts
from hakeep.config.settled import Global, Script, Settings, VrrpInstance
from hakeep.config.settled_bfd import BfdInstance, BfdSettings
from hakeep.guard import charges, describe

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


def test_what_the_guard_watches_comes_along() -> None:
    settings = Settings(vrrp=tuple(VrrpInstance(name, 1 + n, "eth0") for n, name in enumerate("ab")))
    known = facts.decode(facts.encode(settings))
    assert known.charges == charges(describe(settings))
    assert known.names == ["a", "b"]
