"""Braces and blocks that are not right: we stop where keepalived, which reads them word for word, stops.

Whether it does was seen from keepalived 2.2.7 with each of these.
"""

from __future__ import annotations

from typing import Any

import pytest

from hakeep.config.diagnostic import Code, Severity

HEAD = "    interface eth0\n    virtual_router_id 5\n    priority 100\n"
VIP = "    virtual_ipaddress {\n        192.0.2.1\n    }\n"
PASSWORD = "        auth_type PASS\n        auth_pass 1111\n    }\n"
UNKNOWN = "    foo {\n        bar baz\n        interface eth9\n        priority 7\n    }\n"


def instance(body: str) -> str:
    return f"vrrp_instance A {{\n{body}}}\n"


STOPS = {
    "unknown block first": instance(UNKNOWN + HEAD + VIP),
    "unknown block before the VIPs, version 3": "global_defs {\nvrrp_version 3\n}\n" + instance(HEAD + UNKNOWN + VIP),
    "half a keyword in an unknown block": instance(HEAD + VIP + "    track {\n        interface {\n        }\n    }\n"),
    "block that is commented out but for its end": instance(
        "    interface eth0\n#   authentication {\n" + PASSWORD + "    virtual_router_id 5\n" + VIP),
    "template in a list": instance(
        "    interface eth0\n    virtual_ipaddress {\n        {{ vip }}\n    }\n    virtual_router_id 5\n"),
    "template on a line of its own": instance("    interface eth0\n    {% if x %}\n    virtual_router_id 5\n" + VIP),
    "template in a keyword that needs a word": instance(HEAD + "    state {{ x }}\n" + VIP),
    "undefined before the VRID": instance("    state ${X}\n    interface eth0\n    virtual_router_id 5\n" + VIP),
    "undefined in the name": "vrrp_instance ${X} {\n" + HEAD + VIP + "}\n",
}
GOES_ON = {
    "unknown block before the VIPs": instance(HEAD + UNKNOWN + VIP),
    "unknown block last": instance(HEAD + VIP + UNKNOWN),
    "unknown block around": "foo {\n" + instance(HEAD + VIP) + "}\n",
    "block that is commented out but for its end": instance(
        HEAD + "#   authentication {\n" + PASSWORD + VIP),
    "undefined behind what is needed": instance(HEAD + VIP + "    notify_master ${X}\n"),
    "template in global_defs": "global_defs {\n    router_id {{ x }}\n}\n" + instance(HEAD + VIP),
    "template in the name": "vrrp_instance {{ x }} {\n" + HEAD + VIP + "}\n",
    "brackets": "vrrp_instance A (\n" + HEAD + VIP + ")\n",
    "braces twice": "vrrp_instance A {{\n" + HEAD + VIP + "}}\n",
    "brace missing": instance(HEAD + "    authentication {\n" + PASSWORD.replace("    }\n", "") + VIP),
    "head commented out": "# vrrp_instance A {\n" + HEAD + VIP + "}\n",
    "a name twice, and what is unknown in the second": instance(HEAD + VIP) + instance(UNKNOWN),
    "words of a block that does not follow": "vrrp_instance A B\n" + instance(HEAD + VIP) + "foo\n",
}


@pytest.mark.parametrize("text", STOPS.values(), ids=STOPS)
def test_it_stops_where_keepalived_stops(load: Any, text: str) -> None:
    loaded = load(text)
    assert loaded.fatal
    (stop, *more) = [d for d in loaded.diagnostics if d.stops]
    assert not more
    assert stop.severity is Severity.ERROR


@pytest.mark.parametrize("text", GOES_ON.values(), ids=GOES_ON)
def test_it_goes_on_where_keepalived_does(load: Any, text: str) -> None:
    loaded = load(text)
    assert not loaded.fatal
    assert any(d.severity is Severity.ERROR for d in loaded.diagnostics)


def test_the_cause_tells_what_comes_of_it(load: Any) -> None:
    (found,) = [d for d in load(STOPS["unknown block first"]).diagnostics if d.severity is Severity.ERROR]
    assert (found.code, found.span.line, found.stops) == (Code.UNKNOWN_KEYWORD, 2, True)
    assert "keepalived reads on all the same, and then stops: A: virtual_router_id is missing" in found.note


def test_a_missing_word_has_its_exit_status(load: Any) -> None:
    loaded = load(STOPS["half a keyword in an unknown block"])
    assert loaded.exit_status() == 2
    assert [d.span.line for d in loaded.diagnostics if d.stops] == [8]


def test_a_good_configuration_is_not_read_twice(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from hakeep.config import loaded

    def refuse(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(loaded, "literal_tree", refuse)
    load(instance(HEAD + VIP))
    load(instance(HEAD + VIP.replace("192.0.2.1", "192.0.2.300")))
    with pytest.raises(AssertionError, match="read again"):
        load(instance(HEAD + VIP + "foo\n"))


def test_long_ones_are_not_read_twice(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from hakeep.config import loaded

    text = STOPS["unknown block first"]
    monkeypatch.setattr(loaded, "MOST", text.count("\n") + 20)
    assert load(text).fatal
    monkeypatch.setattr(loaded, "MOST", 3)
    assert not load(text).fatal
