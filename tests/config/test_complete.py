"""What may stand at a place, and what a word means: asked the way editors ask, with a cursor in the text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakeep.config.forms.complete import Completion, Description, complete, describe
from tests.effort import tries

TEXT = """\
$VIP=192.0.2.10
vrrp_script alive {
    script /bin/true
}
vrrp_script "two words" {
    script /bin/true
}
track_file load {
    file /run/load
}
vrrp_instance web {
    interface eth0
    %s
}
virtual_server_group shop {
}
"""


def at(text: str) -> tuple[str, int, int]:
    """The text without its cursor |, and where that was."""
    before, bar, after = text.partition("|")
    assert bar
    return before + after, before.count("\n"), len(before.rpartition("\n")[2])


def offered(text: str) -> list[Completion]:
    return complete(*at(text))


def labels(text: str) -> list[str]:
    return [item.label for item in offered(text)]


def inside(line: str) -> list[str]:
    """What is offered within a vrrp_instance of a file with scripts."""
    return labels(TEXT % line)


def test_keywords_of_the_block() -> None:
    assert inside("prio|") == ["priority"]
    assert "virtual_ipaddress" in inside("|")
    assert "vrrp_script" not in inside("|")
    assert "vrrp_instance" in labels("|")
    assert "auth_type" in inside("authentication {\n|")
    assert labels("global_defs { router_|") == ["router_id"]


def test_our_own_trackers() -> None:
    assert inside("track_ping g|") == ["gateway"]
    assert "count" in inside("track_ping gateway |")
    assert {"weight", "reverse", "table"} <= set(inside("track_route default |"))
    services = "virtual_server 192.0.2.10 80 {\n}\nvirtual_server_group shop {\n}\n"
    assert set(labels(services + "vrrp_instance web {\ntrack_virtual_server |")) >= {"192.0.2.10", "fwmark", "group"}
    assert labels(services + "vrrp_instance web {\ntrack_virtual_server group |")[0] == "shop"
    assert {"on", "off"} <= set(inside("last_standing |"))


def test_old_and_obsolete_words_are_not_offered() -> None:
    assert "vmac_garp_intvl" not in inside("|")
    assert "native_ipv6" not in inside("|")


def test_what_is_inserted() -> None:
    by_label = {item.label: item for item in offered(TEXT % "|")}
    assert by_label["priority"].insert == "priority "
    assert by_label["nopreempt"].insert == "nopreempt"
    assert by_label["virtual_ipaddress"].insert == "virtual_ipaddress {"
    assert (by_label["virtual_ipaddress"].kind, by_label["priority"].kind) == ("block", "keyword")
    assert {item.insert for item in offered("vrrp_in|")} == {"vrrp_instance "}
    assert "1..255" in by_label["priority"].doc
    assert "```\npriority 150\n```" in by_label["priority"].doc


def test_values() -> None:
    assert inside("state |") == ["MASTER", "BACKUP"]
    assert inside("state B|") == ["BACKUP"]
    assert inside("strict_mode t|") == ["true"]
    assert inside("vip_lease |") == ["auto", "off"]
    assert inside("use_vmac n|") == []  # it is a name that nobody can know
    assert "no_track" in inside("virtual_ipaddress {\n192.0.2.1/24 |")
    assert inside("virtual_ipaddress {\n|") == []
    assert "via" in inside("virtual_routes {\n10.0.0.0/8 |")
    assert inside("unicast_peer {\n192.0.2.2 min|") == ["min_ttl"]


def test_names_of_this_file() -> None:
    assert inside("track_script {\n|") == ["alive", "two words"]
    assert inside("track_script {\nalive |") == ["weight", "reverse", "noreverse"]
    assert inside("track_file {\nl|") == ["load"]
    assert labels(TEXT % "" + "vrrp_sync_group g {\ngroup {\nweb |") == ["web"]
    assert labels(TEXT % "" + "virtual_server group |") == ["shop"]
    assert labels(TEXT % "" + "track_file |") == []


def test_definitions() -> None:
    assert inside("virtual_ipaddress {\n$|") == ["$VIP"]
    (item,) = offered(TEXT % "virtual_ipaddress {\n${V|")
    assert (item.label, item.insert, item.kind) == ("${VIP}", "${VIP}", "definition")
    assert "192.0.2.10" in item.doc
    assert "${_PWD}" in labels("include ${_|")
    assert "x${A}" in [item.insert for item in offered("$A=1\nvrrp_instance x${|")]


@pytest.mark.parametrize("text", ["# |", "vrrp_instance a { # prio|", "unknown {\n|", "global_defs {\nnonsense |",
                                  "vrrp_instance a {\nnonsense {\n|"])
def test_nothing_is_offered_where_nothing_is_known(text: str) -> None:
    assert labels(text) == []


def test_conditions_and_braces_on_one_line() -> None:
    assert labels("vrrp_instance a { state BACKUP\n@first prio|") == ["priority"]
    assert "global_defs" in labels("vrrp_instance a { state BACKUP }\n|")
    assert labels('vrrp_instance "a { b" {\nprio|') == ["priority"]
    assert labels("$X=vrrp_instance a {\nglobal_|") == ["global_defs"]
    assert labels("$X=a \\\nglobal_defs { \\\n}\nglobal_|") == ["global_defs"]


def described(text: str) -> Description | None:
    return describe(*at(text))


def test_hover() -> None:
    found = described("vrrp_instance web {\n    prio|rity 150\n}\n")
    assert found is not None
    assert (found.line, found.start, found.end) == (1, 4, 12)
    assert found.text.startswith("**priority** PRIO (1..255)")
    value = described("vrrp_instance web {\n    priority 1|50\n}")
    assert value is not None
    assert (value.start, value.end) == (13, 16)
    listed = described("vrrp_instance web {\nvirtual_ipaddress {\n  192.|0.2.1\n}\n}")
    assert listed is not None
    assert listed.text.startswith("**virtual_ipaddress**")
    definition = described("$A=one\nrouter_id ${|A}")
    assert definition == Description("```\none\n```", 1, 10, 14)
    last = described("global_defs { router_id fir|st }")
    assert last is not None
    assert last.text.startswith("**router_id**")


@pytest.mark.parametrize("text", ["no|nsense", "|", "priority # com|ment", "vrrp_instance a {\n   | priority 1\n}",
                                  "router_id $|B"])
def test_nothing_to_say(text: str) -> None:
    assert described(text) is None


def test_places_outside_of_the_text() -> None:
    assert complete("a", 5, 0) == []
    assert describe("a", 5, 0) is None
    assert describe("", 0, 9) is None


PIECES = [*'{}"#!$@~\\ \n\t=', "vrrp_instance", "group", "state", "x"]


@settings(max_examples=tries(200), deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), st.integers(0, 6), st.integers(0, 20))
def test_any_text_will_do(text: str, line: int, column: int) -> None:
    for item in complete(text, line, column):
        assert item.label
    found = describe(text, line, column)
    assert found is None or found.start <= found.end
