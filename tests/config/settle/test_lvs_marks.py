"""nftables_ipvs: a group is one service by mark for each family and protocol."""

from __future__ import annotations

from typing import Any

import pytest

from hakeep.config.settled_lvs import Director
from hakeep.objects.ipvs import MARK_MAX, PERSISTENT, ServiceKey, free_marks

SERVERS = {4: "10.1.0.1 80", 6: "2001:db8:1::1 80"}


@pytest.fixture
def marked(direct: Any) -> Any:
    def marked(*groups: str, said: str = "nftables_ipvs", protocols: str = "TCP", body: str = "") -> Director:
        """The director of these groups, called g0, g1, ...; each has virtual servers for all `protocols`."""
        text = f"global_defs {{\n{said}\n}}\n"
        for number, entries in enumerate(groups):
            text += f"virtual_server_group g{number} {{\n{entries}\n}}\n"
            for protocol in protocols.split():
                text += f"virtual_server group g{number} {{\nprotocol {protocol}\nlvs_sched rr\nlvs_method NAT\n"
                text += f"{body}\n"
                text += "".join(f"real_server {real} {{\n}}\n" for real in SERVERS.values()) + "}\n"
        found = direct(text)
        assert isinstance(found, Director)
        return found

    return marked


def told(director: Director) -> list[list[str]]:
    return [[f"{service.key.family} {service.key}" for service in one.services] for one in director.virtual]


def test_a_mark_for_each_group_and_protocol_and_a_service_for_each_family(marked: Any) -> None:
    found = marked("10.0.0.1-200 80\n2001:db8::1 80\n10.0.1.1 443", "10.0.2.1 80", protocols="TCP UDP")
    assert told(found) == [["4 FWM 1000", "6 FWM 1000"], ["4 FWM 1001", "6 FWM 1001"], ["4 FWM 1002"], ["4 FWM 1003"]]
    assert [(one.mark, len(one.marked)) for one in found.virtual] == [(1000, 202), (1001, 202), (1002, 1), (1003, 1)]
    assert [one.label for one in found.virtual[:2]] == ["[g0]:0", "[g0]:1"]
    assert (found.mark_table, found.mark_priority, found.mark_first) == ("hakeep_ipvs", -1, 1000)


def test_two_virtual_servers_of_one_group_and_protocol_share_the_mark(marked: Any) -> None:
    found = marked("10.0.0.1 80", "10.0.0.2 80", protocols="TCP TCP")
    assert [one.mark for one in found.virtual] == [1000, 1000, 1001, 1001]


def test_marks_that_are_written_stay_and_are_not_given_out(marked: Any) -> None:
    found = marked("10.0.0.1-2 80\nfwmark 1001 inet", "10.0.0.3 80\nfwmark 1000 inet")
    assert told(found) == [["4 FWM 1002", "4 FWM 1001"], ["4 FWM 1003", "4 FWM 1000"]]
    only = marked("fwmark 5 inet\nfwmark 6 inet")
    assert (only.virtual[0].mark, only.virtual[0].marked, told(only)) == (0, (), [["4 FWM 5", "4 FWM 6"]])


def test_who_has_no_group_is_as_without_marks(direct: Any) -> None:
    text = "virtual_server 10.0.0.1 80 {\nprotocol TCP\nreal_server 10.1.0.1 80 {\n}\n}\n"
    found, without = direct("global_defs {\nnftables_ipvs\n}\n" + text), direct(text)
    assert found.virtual == without.virtual
    assert without.mark_table == ""


def test_the_group_s_addresses_are_still_known(marked: Any) -> None:
    (one,) = marked("10.0.0.1-3 80\nfwmark 5 inet", body="ha_suspend").virtual
    assert {str(ip) for ip in one.addresses} == {"10.0.0.1", "10.0.0.2", "10.0.0.3"} and one.ha_suspend


def test_an_address_without_port_makes_the_service_persistent(marked: Any) -> None:
    (one,) = marked("10.0.0.1 80\n10.0.0.2").virtual
    assert [(each.timeout, each.flags) for each in one.services] == [(360, PERSISTENT)]


def test_what_can_be_said(marked: Any) -> None:
    found = marked("10.0.0.1 80", said="nftables_ipvs cuckoo\nnftables_ipvs_priority -150\n"
                   f"nftables_ipvs_start_fwmark {MARK_MAX}")
    assert (found.mark_table, found.mark_priority, found.mark_first) == ("cuckoo", -150, MARK_MAX)
    assert found.virtual[0].services[0].key == ServiceKey(4, 0, None, 0, MARK_MAX)


def test_after_the_last_mark_comes_the_first() -> None:
    numbers = free_marks(MARK_MAX - 1, {MARK_MAX, 1})
    assert [next(numbers) for _ in range(3)] == [MARK_MAX - 1, 2, 3]
