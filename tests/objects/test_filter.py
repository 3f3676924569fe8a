"""Scripts for nftables: what they say, and that applying them one after the other reaches what is wanted."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakeep.objects.filter import (
    DEVICES_PER_CHAIN,
    Device,
    Fence,
    FencedRouter,
    Filter,
    NoAccept,
    Sender,
    VmacReports,
    nameable,
    to_deletions,
    to_script,
)
from tests.effort import tries

ETH0, ETH1 = Device("eth0", 2), Device("eth1", 3)
FOUR = FencedRouter(
    1, "VI_1", 2.99, Sender("eth0", IPv4Address("192.0.2.1"), 51), (("eth0", IPv4Address("192.0.2.100")),)
)
SIX = FencedRouter(
    2, 'odd "name"\n', 0.29, Sender("eth1", IPv6Address("fe80::1"), 7), (("eth1", IPv6Address("fe80::100")),)
)
BOTH = Filter(fence=Fence((FOUR, SIX), (ETH0, ETH1), (ETH0, ETH1)))


def idle(router: FencedRouter) -> FencedRouter:
    return replace(router, vips=())


def with_routers(filter: Filter, *routers: FencedRouter) -> Filter:
    return replace(filter, fence=replace(filter.fence, routers=routers))


def test_golden_fence() -> None:
    assert to_script(None, replace(BOTH, table="ours", counters=True)) == """\
add table netdev ours
delete table netdev ours
table netdev ours {
	set alive { type mark; flags dynamic,timeout; size 64; }
	map vips4 { type ifname . ipv4_addr : verdict; }
	map vips6 { type ifname . ipv6_addr : verdict; }
	map targets6 { typeof meta iifname . @th,64,128 : verdict; }
	map senders4 { typeof meta oifname . ip saddr . @th,8,8 : verdict; }
	map senders6 { typeof meta oifname . ip6 saddr . @th,8,8 : verdict; }
	chain arriving {
		iifname . ip daddr vmap @vips4
		iifname . arp daddr ip vmap @vips4
		iifname . ip6 daddr vmap @vips6
		icmpv6 type nd-neighbor-solicit iifname . @th,64,128 vmap @targets6
	}
	chain leaving {
		ip protocol 112 @th,16,8 != 0 oifname . ip saddr . @th,8,8 vmap @senders4
		ip protocol 51 @th,0,8 112 @th,208,8 != 0 oifname . ip saddr . @th,200,8 vmap @senders4
		ip6 nexthdr 112 @th,16,8 != 0 oifname . ip6 saddr . @th,8,8 vmap @senders6
		oifname . arp saddr ip vmap @vips4
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } oifname . ip6 saddr vmap @vips6
	}
	chain sent_1 { comment "VI_1"; update @alive { meta mark & 1 | 1 timeout 2990ms }; }
	chain vip_1 { comment "VI_1"; meta mark & 1 | 1 != @alive counter drop; }
	chain sent_2 { comment "odd ?name??"; update @alive { meta mark & 2 | 2 timeout 290ms }; }
	chain vip_2 { comment "odd ?name??"; meta mark & 2 | 2 != @alive counter drop; }
	chain ingress_0 {
		type filter hook ingress devices = { "eth0", "eth1" } priority -1;
		jump arriving
	}
	chain egress_0 {
		type filter hook egress devices = { "eth0", "eth1" } priority -1;
		jump leaving
	}
}
add element netdev ours senders4 { "eth0" . 192.0.2.1 . 51 : goto sent_1 }
add element netdev ours vips4 { "eth0" . 192.0.2.100 : goto vip_1 }
add element netdev ours alive { 1 timeout 2990ms, 2 timeout 290ms }
add element netdev ours senders6 { "eth1" . fe80::1 . 7 : goto sent_2 }
add element netdev ours vips6 { "eth1" . fe80::100 : goto vip_2 }
add element netdev ours targets6 { "eth1" . 0xfe800000000000000000000000000100 : goto vip_2 }
"""


def test_golden_takeover_and_release() -> None:
    backup, master = with_routers(BOTH, idle(FOUR), SIX), BOTH
    assert to_script(backup, master) == (
        'add element netdev hakeep vips4 { "eth0" . 192.0.2.100 : goto vip_1 }\n'
        "add element netdev hakeep alive { 1 timeout 2990ms }\n"
    )
    assert to_script(master, backup) == 'delete element netdev hakeep vips4 { "eth0" . 192.0.2.100 }\n'
    assert to_script(master, master) == ""


def test_golden_no_accept_and_reports() -> None:
    wanted = Filter(
        priority=-5,
        no_accept=(
            NoAccept(1, 4, (("eth0", IPv4Address("192.0.2.100")),)),
            NoAccept(2, 6, (("eth0", IPv6Address("fe80::100")), ("eth0", IPv6Address("2001:db8::1")))),
        ),
        reports=(VmacReports("vrrp.51", ETH0), VmacReports("vrrp6.51", ETH1, ipv6=True)),
    )
    assert to_script(None, wanted) == """\
add table ip hakeep
delete table ip hakeep
table ip hakeep {
	set vips { type ipv4_addr; }
	chain in {
		type filter hook input priority -5;
		ip daddr @vips drop
	}
	chain out {
		type filter hook output priority -5;
		ip saddr @vips drop
	}
	map report_base { type ifname : iface_index; }
	chain reports {
		type filter hook output priority -5;
		ip protocol igmp dup to ip daddr device oifname map @report_base drop
	}
}
add element ip hakeep vips { 192.0.2.100 }
add element ip hakeep report_base { "vrrp.51" : 2 }
add table ip6 hakeep
delete table ip6 hakeep
table ip6 hakeep {
	set vips { type ipv6_addr; }
	set link_vips { type ipv6_addr . ifname; }
	chain refuse {
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } return
		drop
	}
	chain in {
		type filter hook input priority -5;
		ip6 daddr @vips goto refuse
		ip6 daddr . iifname @link_vips goto refuse
	}
	chain out {
		type filter hook output priority -5;
		ip6 saddr @vips goto refuse
		ip6 saddr . oifname @link_vips goto refuse
	}
	set vmacs { type ifname; }
	map report_base { type ifname : iface_index; }
	chain reports {
		type filter hook output priority -5;
		icmpv6 type { mld-listener-report, mld-listener-done, mld2-listener-report } dup to ip6 daddr device \
oifname map @report_base drop
		icmpv6 type nd-router-solicit oifname @vmacs drop
	}
}
add element ip6 hakeep link_vips { fe80::100 . "eth0" }
add element ip6 hakeep vips { 2001:db8::1 }
add element ip6 hakeep report_base { "vrrp6.51" : 3 }
add element ip6 hakeep vmacs { "vrrp6.51" }
"""


def test_only_what_is_wanted_is_declared() -> None:
    """A kernel without nft_dup must not lose no_accept."""
    assert "dup" not in to_script(None, Filter(no_accept=(NoAccept(1, 4), NoAccept(1, 6))))
    reports = to_script(None, Filter(reports=(VmacReports("v", ETH0), VmacReports("v", ETH0, ipv6=True))))
    assert reports.count("dup") == 2
    assert "vips" not in reports


@pytest.mark.parametrize(
    "change",
    [
        lambda f: replace(f, priority=3),
        lambda f: replace(f, counters=True),
        lambda f: with_routers(f, FOUR),
        lambda f: with_routers(f, replace(FOUR, timeout=1.0), SIX),
        lambda f: with_routers(f, replace(FOUR, label="VI_2"), SIX),
        lambda f: replace(f, fence=replace(f.fence, egress=(ETH0,))),
        lambda f: replace(f, fence=replace(f.fence, ingress=(replace(ETH0, index=9), ETH1))),
    ],
)
def test_a_new_declaration_replaces_the_table_and_keeps_holders_alive(change: object) -> None:
    wanted = change(BOTH)  # type: ignore[operator]
    script = to_script(BOTH, wanted)
    assert script.startswith("add table netdev hakeep\ndelete table netdev hakeep\ntable netdev hakeep {\n")
    assert script == to_script(None, wanted)
    assert "alive { 1 timeout" in script


def test_nothing_wanted() -> None:
    assert to_script(None, Filter()) == ""
    assert to_script(BOTH, Filter()) == "add table netdev hakeep\ndelete table netdev hakeep\n"


def test_a_new_name_takes_the_old_table_along() -> None:
    script = to_script(BOTH, replace(BOTH, table="other"))
    assert script == f"{to_deletions('hakeep')[0]}\n{to_script(None, replace(BOTH, table='other'))}"


def test_deletions_work_whether_the_table_is_there_or_not() -> None:
    assert to_deletions("x") == [f"add table {f} x\ndelete table {f} x" for f in ("netdev", "ip", "ip6")]


def test_long_lists_of_devices_are_split() -> None:
    devices = tuple(Device(f"d{n}", n + 1) for n in range(DEVICES_PER_CHAIN + 1))
    script = to_script(None, replace(BOTH, fence=Fence((FOUR,), devices, devices)))
    lists = re.findall(r"hook (\w+) devices = \{ (.*) \}", script)
    assert [(hook, len(names.split(", "))) for hook, names in lists] == [
        ("ingress", DEVICES_PER_CHAIN), ("ingress", 1), ("egress", DEVICES_PER_CHAIN), ("egress", 1)
    ]
    assert all(f'"d{n}"' in script for n in range(len(devices)))


def test_nameable() -> None:
    assert all(map(nameable, ("eth0", "eth0.10", "br-lan", "vrrp.51", "wg@0", "e:1")))
    assert not any(map(nameable, ("", "eth*", 'a"b', "a b", "a\\b", "x" * 16, "é")))


# ---------------------------------------------------------------------------------------------------------- the model


class Tables:
    """A kernel that understands our scripts, and is as strict as the real one."""

    def __init__(self) -> None:
        self.tables: dict[tuple[str, str], tuple[str, dict[str, dict[str, str]]]] = {}

    def run(self, script: str) -> None:
        lines = iter(script.splitlines())
        for line in lines:
            match line.split(" ", 4):
                case ["add", "table", family, name]:
                    self.tables.setdefault((family, name), ("", {}))
                case ["delete", "table", family, name]:
                    del self.tables[family, name]
                case ["table", family, name, "{"]:
                    text = [line]
                    while line != "}":
                        text.append(line := next(lines))
                    assert (family, name) not in self.tables
                    declaration = "\n".join(text)
                    sets = re.findall(r"^\t(?:set|map) (\w+)", declaration, re.M)
                    self.tables[family, name] = (declaration, {found: {} for found in sets})
                case ["add" | "delete" as verb, "element", family, name, rest]:
                    set_name, _, words = rest.partition(" ")
                    declaration, sets = self.tables[family, name]
                    for word in words.removeprefix("{ ").removesuffix(" }").split(", "):
                        self.element(verb, declaration, sets[set_name], *word.partition(" : ")[::2])
                case _:
                    raise AssertionError(f"not understood: {line}")

    @staticmethod
    def element(verb: str, declaration: str, content: dict[str, str], key: str, value: str) -> None:
        if " timeout " in key:
            assert verb == "add"
            return  # alive: gone sooner or later
        if verb == "delete":
            assert not value
            del content[key]
            return
        if value.startswith("goto "):
            assert f"chain {value.removeprefix('goto ')} " in declaration
        assert content.setdefault(key, value) == value, "the kernel refuses another value for a key that is there"


VIPS = [
    (device, ip_address(text))
    for device in ("eth0", "eth1")
    for text in ("192.0.2.100", "192.0.2.101", "fe80::100", "2001:db8::1")
]
SENDERS = [Sender(d, ip_address(s), v) for d in ("eth0", "eth1") for s in ("192.0.2.1", "fe80::1") for v in (1, 2)]


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    count = draw(st.integers(0, 3))
    owner = draw(st.lists(st.integers(0, 3), min_size=len(VIPS), max_size=len(VIPS)))
    senders = draw(st.permutations(SENDERS))
    timeouts = st.sampled_from([0.3, 0.3, 0.3, 2.99])
    routers = tuple(
        FencedRouter(
            n, f"VI_{n}", draw(timeouts), senders[n] if draw(st.booleans()) else None,
            tuple(vip for vip, mine in zip(VIPS, owner, strict=True) if mine == n),
        )
        for n in range(1, count + 1)
    )
    devices = draw(st.sampled_from([(ETH0, ETH1), (ETH0, ETH1), (ETH0,), ()]))
    taken: set[object] = set()
    refusing = []
    for n in range(1, draw(st.integers(0, 3)) + 1):
        family = draw(st.sampled_from([4, 6]))
        mine = []
        for vip in draw(st.lists(st.sampled_from(VIPS), unique=True)):
            key = vip if vip[1].is_link_local else vip[1]
            if vip[1].version == family and key not in taken:
                taken.add(key)
                mine.append(vip)
        refusing.append(NoAccept(n, family, tuple(mine)))
    reports = draw(
        st.lists(
            st.builds(VmacReports, st.sampled_from(["v1", "v2"]), st.sampled_from([ETH0, ETH1]), st.booleans()),
            unique_by=lambda entry: (entry.vmac, entry.ipv6), max_size=3,
        )
    )
    return Filter(
        table=draw(st.sampled_from(["hakeep", "hakeep", "hakeep", "other"])),
        fence=Fence(routers, devices, devices), no_accept=tuple(refusing), reports=tuple(reports),
    )


@given(st.lists(filters(), min_size=1, max_size=5))
@settings(max_examples=tries(300), deadline=None)
def test_any_sequence_reaches_what_is_wanted(sequence: list[Filter]) -> None:
    kernel, have = Tables(), None
    for wanted in sequence:
        kernel.run(to_script(have, wanted))
        have = wanted
        fresh = Tables()
        fresh.run(to_script(None, wanted))
        assert kernel.tables == fresh.tables
        assert to_script(wanted, wanted) == ""


@given(filters(), filters())
@settings(deadline=None)
def test_who_begins_to_hold_is_alive(have: Filter, wanted: Filter) -> None:
    script = to_script(have, wanted)
    holders = {router.number for router in have.fence.routers if router.vips} if have.table == wanted.table else set()
    replaced = f"\ntable netdev {wanted.table} {{" in script
    listed = re.search(r"^add element netdev \w+ alive \{ (.*) \}$", script, re.M)
    started = {int(word.split()[0]) for word in listed[1].split(", ")} if listed else set()
    assert started == {r.number for r in wanted.fence.routers if r.vips and (replaced or r.number not in holders)}
