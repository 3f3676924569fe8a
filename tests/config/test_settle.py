"""Values fixed after parsing (grammar section 7): each default, inheritance and correction, with its diagnostic."""

from __future__ import annotations

import pickle
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest

from hakeep.config.diagnostic import Code, Severity, Verdict
from hakeep.config.host import Host
from hakeep.config.rules import RULES
from hakeep.config.rules.unsupported import unsupported
from hakeep.config.settled import MULTICAST4, MULTICAST6, GarpLimit, HmacAuth, Script, Vmac, VrrpInstance
from hakeep.objects.rtnl import IFA_F_HOMEADDRESS, IFA_F_NODAD, IFA_F_NOPREFIXROUTE, SCOPE_LINK

V4 = "virtual_ipaddress {\n10.0.0.1\n}\n"
V6 = "virtual_ipaddress {\nfe80::1\n}\n"


def codes_without_advice(loaded: Any) -> list[Code]:
    """The codes of warnings and errors, but for what rules advise: they have tests of their own."""
    return [d.code for d in loaded.diagnostics
            if d.severity is not Severity.NOTE
            and not ((d.code in RULES or d.code is Code.REPEATED) and d.verdict is Verdict.OK)]


def text(body: str, addresses: str = V4, globals_: str = "") -> str:
    return f"""global_defs {{\nenable_script_security\n{globals_}\n}}
vrrp_instance A {{\ninterface eth0\nvirtual_router_id 7\n{addresses}{body}\n}}\n"""


@pytest.fixture
def settle(load: Any) -> Any:
    def settle(body: str = "", addresses: str = V4, globals_: str = "", host: Host | None = None) -> Any:
        """The instance (None if it was left out), and the codes of warnings and errors but for rules' advice."""
        loaded = load(text(body, addresses, globals_), host)
        codes = codes_without_advice(loaded)
        return (loaded.settings.vrrp[0] if loaded.settings.vrrp else None), codes, loaded

    return settle


def test_the_plain_instance(settle: Any) -> None:
    instance, codes, loaded = settle()
    assert codes == []
    assert instance == VrrpInstance(
        name="A", virtual_router_id=7, interface="eth0", addresses=instance.addresses)
    (address,) = instance.addresses
    assert (address.address.interface, address.address.ip, address.address.prefix) == ("", IPv4Address("10.0.0.1"), 32)
    assert (address.advertised, address.track, address.dad, address.vmac) == (True, True, False, False)
    assert pickle.loads(pickle.dumps(loaded.settings)) == loaded.settings
    assert pickle.loads(pickle.dumps(loaded)) == loaded
    hash(loaded.settings)


# body, addresses, global_defs, {field: expected}, codes
CASES: list[tuple[str, str, str, dict[str, object], list[Code]]] = [
    # family
    ("", V6, "", {"family": 6, "version": 3, "multicast": MULTICAST6}, []),
    ("mcast_src_ip fe80::9\nno_virtual_ipaddress", "", "", {"family": 6}, []),
    ("unicast_peer {\nfe80::9\n}\nno_virtual_ipaddress", "", "", {"family": 6}, []),
    ("no_virtual_ipaddress", "", "", {"family": 4}, []),
    ("", "virtual_ipaddress {\n10.0.0.1\nfe80::1\n}\n", "", {}, [Code.FAMILY]),
    ("virtual_ipaddress_excluded {\nfe80::1\n}", V4, "", {"family": 4}, []),
    # version
    ("version 3", V4, "", {"version": 3}, []),
    ("", V4, "vrrp_version 3", {"version": 3}, []),
    ("version 2", V4, "vrrp_version 3", {"version": 2}, []),
    ("version 2", V6, "", {"version": 3}, [Code.VERSION]),
    ("", "version 2\n" + V6, "", {"version": 2, "family": 6}, []),
    ("strict_mode", "version 2\n" + V6, "", {"version": 3}, [Code.VERSION]),
    # priority and state
    ("priority 50", V4, "", {"priority": 50, "state": "BACKUP"}, []),
    ("priority 255", V4, "", {"priority": 255, "state": "MASTER", "owner": True}, []),
    ("state MASTER", V4, "", {"priority": 255, "state": "MASTER"}, [Code.OWNER]),
    ("state MASTER\npriority 100", V4, "", {"priority": 100, "state": "MASTER"}, []),
    ("priority 255\nstate BACKUP", V4, "", {"state": "BACKUP"}, []),
    ("priority 0", V4, "", {"priority": 100}, [Code.OUT_OF_RANGE]),
    ("state FOO", V4, "", {"state": "BACKUP"}, [Code.BAD_WORD]),
    ("strict_mode\nstate MASTER\npriority 9", V4, "", {"state": "BACKUP"}, [Code.STRICT]),
    ("strict_mode\nstate BACKUP\npriority 255", V4, "", {"state": "MASTER"}, [Code.STRICT]),
    # preemption
    ("nopreempt", V4, "", {"nopreempt": True}, []),
    ("nopreempt\npreempt", V4, "", {"nopreempt": False}, []),
    ("preempt\nnopreempt", V4, "", {"nopreempt": True}, []),
    ("nopreempt\nstate MASTER\npriority 9", V4, "", {"nopreempt": False}, [Code.PREEMPTION]),
    ("nopreempt\npriority 255", V4, "", {"nopreempt": False}, [Code.PREEMPTION]),
    ("preempt_delay 5", V4, "", {"preempt_delay": 5.0}, []),
    ("preempt_delay 5\nnopreempt", V4, "", {"preempt_delay": 0.0, "nopreempt": True}, [Code.PREEMPTION]),
    ("preempt_delay 5\nstate MASTER\npriority 9", V4, "", {"preempt_delay": 0.0}, [Code.PREEMPTION]),
    ("preempt_delay 5\nstrict_mode", V4, "", {"preempt_delay": 0.0}, [Code.PREEMPTION]),
    ("timer_expired_backup\nnopreempt", V4, "", {"timer_expired_backup": 254}, []),
    ("timer_expired_backup 200", V4, "", {"timer_expired_backup": None}, [Code.TIMER]),
    # advert_int and down_timer_adverts
    ("advert_int 3", V4, "", {"advert_int": 3.0}, []),
    ("advert_int 1.6", V4, "", {"advert_int": 2.0}, [Code.ADVERT_INT]),
    ("advert_int .3", V4, "", {"advert_int": 1.0}, [Code.ADVERT_INT]),
    ("advert_int 0.3\nversion 3", V4, "", {"advert_int": 0.3}, []),
    ("advert_int 0.015\nversion 3", V4, "", {"advert_int": 0.02}, [Code.ADVERT_INT]),
    ("advert_int 50\nversion 3", V4, "", {"advert_int": 40.95}, [Code.ADVERT_INT]),
    ("advert_int 300", V4, "", {"advert_int": 1.0}, [Code.OUT_OF_RANGE]),
    ("", V4, "vrrp_down_timer_adverts 5", {"down_timer_adverts": 5}, []),
    ("down_timer_adverts 4", V4, "vrrp_down_timer_adverts 5", {"down_timer_adverts": 4}, []),
    ("down_timer_adverts 4\nstrict_mode", V4, "", {"down_timer_adverts": 3}, [Code.STRICT]),
    # accept
    ("no_accept", V4, "", {"accept": False}, []),
    ("strict_mode", V4, "", {"accept": False, "strict_mode": True}, []),
    ("", V4, "vrrp_strict", {"strict_mode": True}, []),
    ("strict_mode false", V4, "vrrp_strict", {"strict_mode": False}, []),
    ("strict_mode\npriority 255", V4, "", {"accept": True}, []),
    ("strict_mode\naccept", V4, "", {"accept": False}, [Code.STRICT]),
    # keepalived runs these, though its manual says that they do not go together
    ("strict_mode\nunicast_peer {\n10.0.0.8\n}", V4, "", {"strict_mode": True, "multicast": None}, [Code.STRICT]),
    ("strict_mode\nuse_vmac\nunicast_peer {\n10.0.0.8\n}", V4, "",
     {"vmac": Vmac("", b"", False, "vrrp", False)}, [Code.STRICT] * 2),
    ("strict_mode\naccept\nversion 3", V4, "", {"accept": True}, []),
    # authentication
    ("authentication {\nauth_type PASS\nauth_pass x\n}", V4, "",
     {"auth_type": "PASS", "auth_pass": b"x\0\0\0\0\0\0\0"}, []),
    ("authentication {\nauth_type PASS\nauth_pass 123456789\n}", V4, "", {"auth_pass": b"12345678"}, [Code.TOO_LONG]),
    ("authentication {\nauth_type PASS\n}", V4, "", {"auth_type": ""}, [Code.AUTHENTICATION]),
    ("authentication {\nauth_pass x\n}", V4, "", {"auth_type": ""}, []),
    ("authentication {\nauth_type FOO\nauth_pass x\n}", V4, "", {"auth_type": ""}, [Code.BAD_WORD]),
    ("version 3\nauthentication {\nauth_type PASS\nauth_pass x\n}", V4, "", {"auth_type": ""}, [Code.AUTHENTICATION]),
    ("strict_mode\nauthentication {\nauth_type PASS\nauth_pass x\n}", V4, "", {"auth_type": ""},
     [Code.AUTHENTICATION]),
    ("authentication {\nauth_type AH\nauth_pass x\n}\nstate MASTER\npriority 9", V4, "",
     {"auth_type": "AH", "state": "BACKUP"}, [Code.STATE]),
    ("authentication {\nauth_type AH\nauth_pass x\n}", "version 2\n" + V6, "", {"auth_type": ""},
     [Code.AUTHENTICATION]),
    ("authentication {\nauth_type PASS\nauth_pass x\n}", "version 2\n" + V6, "",
     {"auth_type": "", "auth_pass": b""}, [Code.AUTHENTICATION]),
    # unicast
    ("unicast_peer {\n10.0.0.8 min_ttl 3\n}", V4, "", {"multicast": None, "unicast": True}, []),
    ("unicast_peer {\n10.0.0.8\n10.0.0.8\n}", V4, "", {"unicast": True}, [Code.UNICAST]),
    ("unicast_peer {\nfe80::9\n10.0.0.8\n}", V4, "", {"unicast": True}, [Code.FAMILY]),
    ("unicast_peer {\n}", V4, "", {"multicast": MULTICAST4}, [Code.UNICAST]),
    ("unicast_src_ip 10.0.0.9", V4, "", {"multicast": MULTICAST4}, [Code.UNICAST]),
    ("mcast_src_ip 10.0.0.9", V4, "", {"source": IPv4Address("10.0.0.9")}, []),
    ("mcast_src_ip fe80::9", V4, "", {"source": None}, [Code.FAMILY]),
    ("unicast_fault_no_peer", V4, "", {"config_fault": "no unicast peer", "multicast": None}, [Code.UNICAST]),
    ("unicast_ttl 5", V4, "", {"unicast_ttl": None}, [Code.UNICAST]),
    ("unicast_ttl 5\nunicast_peer {\n10.0.0.8\n}", V4, "", {"unicast_ttl": 5}, []),
    ("mcast_dst_ip 224.0.0.20", V4, "", {"multicast": IPv4Address("224.0.0.20")}, []),
    ("", V4, "vrrp_mcast_group4 224.0.0.21", {"multicast": IPv4Address("224.0.0.21")}, []),
    ("", V6, "vrrp_mcast_group6 ff02::21", {"multicast": IPv6Address("ff02::21")}, []),
    ("mcast_dst_ip 224.0.0.20\nunicast_peer {\n10.0.0.8\n}", V4, "", {"multicast": None}, [Code.UNICAST]),
    ("mcast_dst_ip ff02::20", V4, "", {"multicast": MULTICAST4}, [Code.FAMILY]),
    ("vrf red", V4, "", {"vrf": ""}, [Code.UNICAST]),
    ("check_unicast_src", V4, "", {"check_unicast_src": True}, [Code.UNICAST]),
    ("", V4, "vrrp_check_unicast_src", {"check_unicast_src": True}, []),
    ("old_unicast_checksum\nunicast_peer {\n10.0.0.8\n}", V4, "", {"old_unicast_checksum": "on"}, []),
    ("old_unicast_checksum never\nunicast_peer {\n10.0.0.8\n}", V4, "", {"old_unicast_checksum": "never"}, []),
    ("", V4, "v3_checksum_as_v2", {"v3_checksum_as_v2": True}, []),
    ("v3_checksum_as_v2 off", V4, "v3_checksum_as_v2", {"v3_checksum_as_v2": False}, []),
    # VMAC, ipvlan
    ("vmac_xmit_base", V4, "", {"vmac": None}, [Code.VMAC]),
    ("use_vmac_addr", V4, "", {"vmac": None}, []),
    ("use_vmac\npromote_secondaries", V4, "", {"promote_secondaries": False}, [Code.VMAC]),
    ("promote_secondaries", V4, "", {"promote_secondaries": True}, []),
    ("use_vmac\nuse_ipvlan x 10.0.0.9", V4, "", {"ipvlan": None}, [Code.VMAC]),
    ("use_ipvlan", V4, "", {"config_fault": "use_ipvlan has no address"}, [Code.VMAC]),
    ("use_ipvlan\nmcast_src_ip 10.0.0.9", V4, "", {"config_fault": ""}, []),
    ("use_ipvlan", V6, "", {"config_fault": ""}, []),
    # strict_mode
    ("strict_mode\nlower_prio_no_advert off\nhigher_prio_send_advert", V4, "",
     {"lower_prio_no_advert": True, "higher_prio_send_advert": False}, []),
    # inherited booleans
    ("", V4, "vrrp_lower_prio_no_advert", {"lower_prio_no_advert": True}, []),
    ("lower_prio_no_advert no", V4, "vrrp_lower_prio_no_advert", {"lower_prio_no_advert": False}, []),
    ("", V4, "vrrp_higher_prio_send_advert", {"higher_prio_send_advert": True}, []),
    ("", V4, "vrrp_skip_check_adv_addr", {"skip_check_adv_addr": True}, []),
    ("skip_check_adv_addr false", V4, "vrrp_skip_check_adv_addr", {"skip_check_adv_addr": False}, []),
    ("owner_ignore_adverts", V4, "", {"owner_ignore_adverts": False}, [Code.OWNER]),
    ("owner_ignore_adverts\npriority 255", V4, "", {"owner_ignore_adverts": True}, []),
    ("owner_ignore_adverts false\npriority 255", V4, "vrrp_owner_ignore_adverts", {"owner_ignore_adverts": False}, []),
    ("strict_mode\npriority 255", V4, "", {"owner_ignore_adverts": True}, []),
    # VIPs
    ("", "", "", {"addresses": ()}, [Code.NO_VIP]),
    ("virtual_ipaddress_excluded {\n10.0.0.1\n}", "", "", {}, [Code.NO_VIP]),
    ("no_virtual_ipaddress", "", "", {"no_virtual_ipaddress": True}, []),
    ("no_virtual_ipaddress\nversion 3", "", "", {"version": 3}, []),
    ("no_virtual_ipaddress\nstrict_mode", V4, "", {"no_virtual_ipaddress": False}, [Code.STRICT]),
    ("strict_mode", "virtual_ipaddress {\n2001:db8::1\n}\n", "", {}, [Code.LINK_LOCAL]),
    # ours
    ("", V4, "", {"vip_fence": True, "vip_lease": -1.0}, []),
    ("vip_fence off\nvip_lease off", V4, "", {"vip_fence": False, "vip_lease": None}, []),
    ("", V4, "vip_fence off\nvip_lease 2", {"vip_fence": False, "vip_lease": 2.0}, []),
    ("vip_fence auto\nvip_lease auto", V4, "vip_fence off\nvip_lease off", {"vip_fence": True, "vip_lease": -1.0}, []),
    ("vip_lease 5", V4, "", {"vip_lease": 5.0}, [Code.LEASE]),
]


@pytest.mark.parametrize(("body", "addresses", "globals_", "expected", "codes"), CASES)
def test_settled(
    settle: Any, body: str, addresses: str, globals_: str, expected: dict[str, object], codes: list[Code]
) -> None:
    instance, found, loaded = settle(body, addresses, globals_)
    assert {name: getattr(instance, name) for name in expected} == expected
    assert found == codes
    assert not loaded.fatal


FATAL: list[tuple[str, str, str, Code]] = [
    ("version 3", "", "", Code.NO_VIP),
    ("strict_mode", "", "", Code.NO_VIP),
    ("no_virtual_ipaddress\nstrict_mode", "", "", Code.NO_VIP),
    ("interface abcdefghijklmnopq", V4, "", Code.TOO_LONG),
]


@pytest.mark.parametrize(("body", "addresses", "globals_", "code"), FATAL)
def test_what_nothing_starts_with(settle: Any, body: str, addresses: str, globals_: str, code: Code) -> None:
    _, found, loaded = settle(body, addresses, globals_)
    assert code in found
    assert loaded.fatal
    assert loaded.exit_status() == 5
    assert loaded.run_status() == 2


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("interface eth0\n" + V4, Code.NO_VRID),
        ("virtual_router_id 7\n" + V4, Code.NO_INTERFACE),
        ("virtual_router_id 7\nunicast_peer {\n10.0.0.8\n}\n" + V4, Code.NO_INTERFACE),
        ("virtual_router_id 300\ninterface eth0\n" + V4, Code.OUT_OF_RANGE),
    ],
)
def test_what_an_instance_cannot_do_without(load: Any, body: str, code: Code) -> None:
    loaded = load(f"vrrp_instance A {{\n{body}}}\n{text('').replace(' A ', ' B ')}")
    errors = [d.code for d in loaded.diagnostics if d.severity is Severity.ERROR]
    assert code in errors
    assert loaded.fatal
    assert [i.name for i in loaded.settings.vrrp] == ["B"]


def test_unicast_with_a_source_address_needs_no_interface(load: Any) -> None:
    loaded = load("vrrp_instance A {\nvirtual_router_id 7\nunicast_src_ip 10.0.0.9\nunicast_peer {\n10.0.0.8\n}\n"
                  "vrf red\nvirtual_ipaddress {\n10.0.0.1 dev eth1\n10.0.0.2\n}\n}\n")
    assert [d.code for d in loaded.diagnostics] == [Code.VIP_PLACE]
    (instance,) = loaded.settings.vrrp
    assert (instance.interface, instance.vrf, len(instance.addresses)) == ("", "red", 1)
    assert not loaded.fatal


# -------------------------------------------------------------------------------------------------------- addresses


def test_the_form_of_addresses(settle: Any) -> None:
    instance, codes, _ = settle("", """virtual_ipaddress {
        10.0.0.1/24 dev eth1 brd + label eth1:1 scope link home noprefixroute
        10.0.0.2/24 brd -
        10.0.0.3 peer 10.0.9.9/30
        10.0.0.4 preferred_lft 30 no_track -nodad
        10.0.0.5 use_vmac dev eth1
    }
    virtual_ipaddress_excluded {
        fe80::1
        fe80::2/64
        fe80::3 preferred_lft forever
        fe80::4 preferred_lft 5 -nodad
    }
    """)
    assert codes == []
    one, two, three, four, five, *six = (v.address for v in instance.addresses)
    assert (one.interface, one.prefix, str(one.broadcast), one.label) == ("eth1", 24, "10.0.0.255", "eth1:1")
    assert (one.scope, one.flags) == (SCOPE_LINK, IFA_F_HOMEADDRESS | IFA_F_NOPREFIXROUTE)
    assert str(two.broadcast) == "10.0.0.0"
    assert (three.peer, three.prefix, three.broadcast) == (IPv4Address("10.0.9.9"), 30, None)
    assert (four.preferred_lft, four.flags) == (30, 0)
    assert five.interface == "eth1"
    assert [(a.prefix, a.preferred_lft, a.flags) for a in six] == [
        (128, 0, IFA_F_NODAD), (64, None, IFA_F_NODAD), (128, None, IFA_F_NODAD), (128, 5, 0)]
    assert [v.advertised for v in instance.addresses] == [True] * 5 + [False] * 4
    assert [v.track for v in instance.addresses][3] is False
    assert [v.dad for v in instance.addresses] == [False, False, False, True, False, False, False, False, True]
    assert [v.vmac for v in instance.addresses][4] is True


def test_addresses_of_the_other_family_stay_off_the_vmac(settle: Any) -> None:
    instance, _, _ = settle("use_vmac\nvirtual_ipaddress_excluded {\nfe80::1\n10.0.0.2\n}\n")
    assert [v.address.interface for v in instance.addresses] == ["", "eth0", ""]


def test_use_vmac_addr_marks_addresses_elsewhere(settle: Any) -> None:
    instance, _, _ = settle("use_vmac_addr", "virtual_ipaddress {\n10.0.0.1\n10.0.0.2 dev eth0\n10.0.0.3 dev eth1\n}\n")
    assert [v.vmac for v in instance.addresses] == [False, False, True]


def test_an_address_is_had_once(settle: Any) -> None:
    instance, codes, loaded = settle("virtual_ipaddress_excluded {\n10.0.0.1 dev eth0\n}\n")
    assert codes == [Code.DUPLICATE_VIP]
    assert len(instance.addresses) == 1
    assert loaded.exit_status() == 0


@pytest.mark.parametrize(
    ("body", "first", "count", "room"),
    [
        ("", "10.1.0.0", 260, 255),
        ("version 3", "10.1.0.0", 260, 255),
        ("", "2001:db8::1", 100, (1486 - 40 - 8) // 16),
        ("version 3\nauth_hmac {\nkey 1 " + "k" * 32 + "\nactive_key 1\n}", "2001:db8::1", 100, (1486 - 48 - 28) // 16),
    ],
)
def test_an_advert_has_room_for_so_many(settle: Any, body: str, first: str, count: int, room: int) -> None:
    base = ip_address(first)
    entries = "\n".join(str(base + n) for n in range(count))
    instance, codes, _ = settle("", f"{body}\nvip_lease off\nvirtual_ipaddress {{\n{entries}\n}}\n")
    assert codes == [Code.VIP_COUNT]
    assert [v.advertised for v in instance.addresses] == [True] * room + [False] * (count - room)


def test_a_first_address_that_is_not_link_local_is_noted(settle: Any) -> None:
    _, codes, loaded = settle("", "virtual_ipaddress {\n2001:db8::1\n}\n")
    assert codes == []
    assert [d.code for d in loaded.diagnostics] == [Code.LINK_LOCAL]
    assert loaded.exit_status() == 0


# ---------------------------------------------------------------------------------------- VMAC, keys, announcements


@pytest.mark.parametrize(
    ("body", "globals_", "expected", "codes"),
    [
        ("use_vmac", "", ("", b"", False, "vrrp", False), []),
        ("use_vmac", "vmac_prefix vip", ("", b"", False, "vip", False), []),
        ("use_vmac x 02:00:00:00:00", "", ("x", bytes.fromhex("020000000007"), False, "vrrp", False), []),
        ("use_vmac\nvmac_xmit_base\nuse_vmac_addr", "", ("", b"", True, "vrrp", True), []),
        ("use_vmac\nunicast_peer {\n10.0.0.8\n}", "", ("", b"", True, "vrrp", False), [Code.VMAC]),
        ("use_vmac 02:00:00:00:00:01\nvmac_xmit_base\nstrict_mode", "", ("", b"", False, "vrrp", False),
         [Code.STRICT, Code.STRICT]),
    ],
)
def test_vmac(settle: Any, body: str, globals_: str, expected: tuple[object, ...], codes: list[Code]) -> None:
    instance, found, _ = settle(body, V4, globals_)
    vmac = instance.vmac
    assert (vmac.name, vmac.mac, vmac.xmit_base, vmac.prefix, vmac.also_for_addresses) == expected
    assert sorted(found) == sorted(codes)


def test_ipvlan(settle: Any) -> None:
    instance, codes, _ = settle("use_ipvlan vip 10.0.0.9/24 private")
    assert codes == []
    assert (instance.ipvlan.name, instance.ipvlan.mode) == ("vip", "private")
    assert str(instance.ipvlan.address) == "10.0.0.9/24 dev vip"


KEY = "k" * 32


@pytest.mark.parametrize(
    ("block", "expected", "codes"),
    [
        (f"key 1 {KEY}\nactive_key 1", HmacAuth(((1, KEY.encode()),), 1, 5), []),
        (f"key 1 hex:{'ab' * 32}\nactive_key 1\ntime_window 9\nanti_replay monotonic\nmode permissive",
         HmacAuth(((1, b"\xab" * 32),), 1, 9, "monotonic", "permissive"), []),
        ("key 2 file:/key\nactive_key 2", HmacAuth(((2, b"f" * 40),), 2, 5), []),
        ("key 2 file:/short\nactive_key 2", None, [Code.AUTH_HMAC]),
        ("key 2 file:/none\nactive_key 2", None, [Code.AUTH_HMAC]),
        (f"key 1 {KEY}\nactive_key 2", None, [Code.AUTH_HMAC]),
        (f"key 1 {KEY}", None, [Code.AUTH_HMAC]),
        (f"key 1 {KEY}\nkey 1 {'x' * 32}\nactive_key 1", HmacAuth(((1, KEY.encode()),), 1, 5), [Code.AUTH_HMAC]),
    ],
)
def test_auth_hmac(settle: Any, block: str, expected: HmacAuth | None, codes: list[Code]) -> None:
    files = {"/key": b"f" * 40 + b"\n", "/short": b"x"}
    instance, found, loaded = settle(f"auth_hmac {{\n{block}\n}}", V4, "", Host(read_file=files.get))
    assert instance.auth_hmac == expected
    assert found == codes
    assert loaded.fatal is (expected is None), "nothing runs unsigned that was to be signed"
    assert loaded.exit_status() == (5 if codes else 0)


@pytest.mark.parametrize(
    ("block", "line"),
    [
        (f"key 1 {KEY}\nkey 2 file:/none\nactive_key 1", "key 2 file:/none"),  # a peer may sign with it
        (f"key 2 file:/short\nkey 1 {KEY}\nactive_key 1", "key 2 file:/short"),
        (f"key 1 {KEY}\nkey 2 hex:00\nactive_key 1", "key 2 hex:00"),
        (f"key 1 {KEY}\nactive_key 2", "active_key 2"),
    ],
)
def test_a_key_that_cannot_be_had_stops_all_where_it_is_written(settle: Any, block: str, line: str) -> None:
    files = {"/short": b"x"}
    _, _, loaded = settle(f"auth_hmac {{\n{block}\n}}", V4, "", Host(read_file=files.get))
    (found,) = [each for each in loaded.diagnostics if each.stops]
    (source,) = loaded.sources.values()
    assert source.splitlines()[found.span.line - 1].strip() == line


def test_auth_hmac_takes_the_place_of_authentication(settle: Any) -> None:
    instance, codes, _ = settle(
        f"auth_hmac {{\nkey 1 {KEY}\nactive_key 1\nmode receive-only\n}}\nadvert_int 4\nstrict_mode\n"
        "authentication {\nauth_type PASS\nauth_pass x\n}")
    assert (instance.auth_type, instance.auth_hmac.mode, instance.auth_hmac.time_window) == ("", "enforce", 12)
    assert sorted(codes) == sorted([Code.STRICT, Code.AUTHENTICATION])


@pytest.mark.parametrize(
    ("body", "globals_", "expected"),
    [
        ("", "", (5.0, 5, 0.0, 1, 5.0, 5)),
        ("", "vrrp_garp_master_delay 2\nvrrp_garp_master_repeat 3", (2.0, 3, 0.0, 1, 2.0, 3)),
        ("garp_master_delay 2\ngarp_master_repeat 3", "", (2.0, 3, 0.0, 1, 5.0, 5)),
        ("garp_lower_prio_delay 1\ngarp_lower_prio_repeat 0", "vrrp_garp_lower_prio_delay 9", (5.0, 5, 0.0, 1, 1.0, 0)),
        ("", "vrrp_garp_lower_prio_delay 9\nvrrp_garp_lower_prio_repeat 8", (5.0, 5, 0.0, 1, 9.0, 8)),
        ("garp_master_refresh 60\ngarp_master_refresh_repeat 2", "vrrp_garp_master_refresh 9",
         (5.0, 5, 60.0, 2, 5.0, 5)),
        ("", "vrrp_min_garp", (0.0, 1, 0.0, 1, 0.0, 1)),
        ("strict_mode", "", (5.0, 5, 0.0, 1, 0.0, 0)),
    ],
)
def test_announcements(settle: Any, body: str, globals_: str, expected: tuple[float, ...]) -> None:
    instance, codes, _ = settle(body, V4, globals_)
    garp = instance.garp
    assert codes == []
    assert (garp.master_delay, garp.master_repeat, garp.master_refresh, garp.master_refresh_repeat,
            garp.lower_prio_delay, garp.lower_prio_repeat) == expected


def test_extra_announcements_need_an_address_elsewhere(settle: Any) -> None:
    here, _, _ = settle("garp_extra_if 9")
    assert here.garp.extra_if == 0.0
    there, _, _ = settle("", "virtual_ipaddress {\n10.0.0.1 dev eth1\n}\n", "vrrp_garp_extra_if all 9")
    assert (there.garp.extra_if, there.garp.extra_if_all) == (9.0, True)


def test_notify(settle: Any) -> None:
    instance, codes, _ = settle(
        'notify_master "/m x" root\nnotify_backup /b\nnotify_fault /f\nnotify_stop /s\nnotify /n\n'
        "notify_master_rx_lower_pri /l\nnotify_deleted\nnotify_priority_changes")
    assert codes == []
    notify = instance.notify
    assert notify.master == Script(("/m", "x"), "root")
    assert [s.argv[0] for s in (notify.backup, notify.fault, notify.stop, notify.any, notify.master_rx_lower_pri)] == [
        "/b", "/f", "/s", "/n", "/l"]
    assert (notify.deleted, notify.deleted_is_a_state, notify.priority_changes) == (None, True, True)


# -------------------------------------------------------------------------------------------------- between instances


def pair(first: str, second: str) -> str:
    return text(first) + text(second).replace(" A ", " B ").replace("global_defs", "global_defs")


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        ("", "", True),
        ("", "virtual_router_id 8", False),
        ("", "interface eth1", False),
        ("", "mcast_dst_ip 224.0.0.20", False),
        ("", "unicast_peer {\n10.0.0.8\n}", False),
        ("unicast_peer {\n10.0.0.9\n}", "unicast_peer {\n10.0.0.8\n}", False),
        ("unicast_peer {\n10.0.0.8\n}", "unicast_peer {\n10.0.0.8\n}", True),
    ],
)
def test_a_vrid_is_had_once_on_interface_family_and_destination(
    load: Any, first: str, second: str, clash: bool
) -> None:
    loaded = load(pair(first, second))
    assert codes_without_advice(loaded) == ([Code.VRID_CLASH] if clash else [])
    assert loaded.fatal == clash
    assert [i.name for i in loaded.settings.vrrp] == (["A"] if clash else ["A", "B"])
    if clash:
        assert [d.also[1] for d in loaded.diagnostics if d.code is Code.VRID_CLASH] == ["the other one"]


def test_too_many_addresses_go_without_lease(load: Any) -> None:
    many = "\n".join(f"10.1.{n // 250}.{n % 250}" for n in range(1001))
    loaded = load(pair(f"virtual_ipaddress_excluded {{\n{many}\n}}\n", V6.replace(
        "virtual_ipaddress", "virtual_ipaddress_excluded") + "virtual_router_id 8"))
    assert codes_without_advice(loaded) == [Code.LEASE]
    assert [i.vip_lease for i in loaded.settings.vrrp] == [None, None]
    assert loaded.exit_status() == 0


@pytest.mark.parametrize(
    ("four", "six", "leases"),
    [
        (1000, 64, [-1.0, -1.0]),
        (1001, 64, [None, -1.0]),
        (1000, 65, [-1.0, None]),
        (1001, 65, [None, None]),
    ],
)
def test_the_caps_of_leases(load: Any, four: int, six: int, leases: list[float | None]) -> None:
    def some(version: int, count: int) -> str:
        texts = [f"10.1.{n // 250}.{n % 250}" if version == 4 else f"2001:db8::{n + 1:x}" for n in range(count)]
        return "virtual_ipaddress_excluded {\n" + "\n".join(texts) + "\n}\n"

    loaded = load(text(some(4, four - 1)) + text(some(6, six - 1), V6).replace(" A ", " B "))
    assert [i.vip_lease for i in loaded.settings.vrrp] == leases
    assert [d.code for d in loaded.diagnostics].count(Code.LEASE) == leases.count(None)


def test_too_many_addresses_are_too_many_for_a_lease_by_number_too(load: Any) -> None:
    many = "\n".join(f"10.1.{n // 250}.{n % 250}" for n in range(1001))
    crowded = f"virtual_ipaddress_excluded {{\n{many}\n}}\nvip_lease 2\n"
    loaded = load(pair(crowded, "virtual_router_id 8\nvip_lease off"))
    assert [i.vip_lease for i in loaded.settings.vrrp] == [None, None]
    assert codes_without_advice(loaded) == [Code.LEASE]


# -------------------------------------------------------------------------------------------------------------- globals


def test_globals(load: Any) -> None:
    loaded = load("""
        net_namespace red
        instance web
        child_wait_time 7
        global_defs {
            router_id me
            script_user me mine
            enable_script_security
            notify_fifo /f me mine
            notify_fifo_script "/r x"
            vrrp_notify_fifo /g
            startup_script /s
            startup_script_timeout 30
            vrrp_startup_delay 1.5
            vrrp_rt_priority 100
            vrrp_cpu_affinity 0 1
            vrrp_rlimit_rttime 1
            process_names
            umask 022
            dynamic_interfaces
            vrrp_garp_interval .001
            nftables mine
            nftables_priority -5
            vrrp_rx_bufs_policy ADVERT
            json_version 2
            reload_file
        }
        garp_group { garp_interval 1
            interfaces { eth0 eth1 }
            interface eth2 }
        garp_group { gna_interval 2
            interface eth0 }
        garp_group { interface eth9 }
    """)
    g = loaded.settings.globals
    assert (g.net_namespace, g.instance, g.use_pid_dir, g.child_wait_time) == ("red", "web", True, 7.0)
    assert (g.router_id, g.script_user, g.script_group, g.enable_script_security) == ("me", "me", "mine", True)
    assert (g.notify_fifo.path, g.notify_fifo.user, g.notify_fifo.group) == ("/f", "me", "mine")
    assert g.notify_fifo.script == Script(("/r", "x"))
    assert (g.vrrp_notify_fifo.path, g.vrrp_notify_fifo.script) == ("/g", None)
    assert (g.startup_script.argv, g.startup_script_timeout, g.vrrp_startup_delay) == (("/s",), 30.0, 1.5)
    process = g.vrrp_process
    assert (process.name, process.rt_priority, process.cpu_affinity) == ("hakeep_vrrp", 99, (0, 1))
    assert process.rlimit_rttime == 2
    assert load("").settings.globals.vrrp_process.rlimit_rttime == 1_000_000, "250 instances need more than 10 ms"
    assert (g.umask, g.dynamic_interfaces, g.nftables_table, g.nftables_priority) == (0o22, True, "mine", -5)
    assert g.garp_limits == (GarpLimit((), 0.001, 0.0), GarpLimit(("eth2", "eth0", "eth1"), 1.0, 0.0))
    assert (g.vrrp_rx_bufs_policy, g.json_version, g.reload_file) == ("ADVERT", 2, "")
    errors = [d.code for d in loaded.diagnostics if d.severity is Severity.ERROR]
    assert errors == [Code.OUT_OF_RANGE, Code.GARP_GROUP, Code.GARP_GROUP]
    (empty,) = [d for d in loaded.diagnostics if d.code is Code.GARP_GROUP and d.severity is Severity.WARNING]
    assert "lacks an interface" in empty.message


def test_what_is_used_of_lvs_and_bfd(load: Any) -> None:
    loaded = load("virtual_server 10.0.0.1 80 { }\nbfd_instance b { neighbor_ip 10.0.0.1 }")
    assert (loaded.settings.lvs is not None, loaded.settings.uses_bfd) == (True, True)
    assert (load("").settings.lvs, load("").settings.uses_bfd) == (None, False)


def test_a_wide_multicast_group_is_warned_of(load: Any) -> None:
    loaded = load("global_defs { vrrp_mcast_group6 ff05::12 }")
    assert [d.code for d in loaded.diagnostics] == [Code.LINK_LOCAL]
    assert loaded.exit_status() == 5


# ------------------------------------------------------------------------------------------------------------ the host

HERE = Host(known_interfaces=frozenset({"lo", "eth0"}), users=frozenset({"root"}), groups=frozenset({"root"}), cpus=2)


@pytest.mark.parametrize(
    ("body", "keyword"),
    [
        ("interface none0", "interface"),
        ("virtual_ipaddress_excluded {\n10.0.0.9 dev none0\n}", "virtual_ipaddress_excluded"),
        ("track_interface {\nnone0\n}", "track_interface"),
    ],
)
def test_missing_interfaces_stop_unless_they_may_come_later(settle: Any, body: str, keyword: str) -> None:
    _, codes, loaded = settle(body, V4, "", HERE)
    assert codes == [Code.UNKNOWN_INTERFACE]
    assert loaded.fatal
    instance, codes, loaded = settle(body, V4, "dynamic_interfaces", HERE)
    assert (codes, loaded.fatal) == ([], False)
    assert instance is not None
    noted = any(each.code is Code.UNKNOWN_INTERFACE for each in loaded.diagnostics)
    assert noted is (keyword == "track_interface"), "it has failed until it comes"
    _, codes, loaded = settle(body)
    assert (codes, loaded.fatal) == ([], False)  # nothing is known, so nothing is judged


def test_missing_interfaces_elsewhere(load: Any) -> None:
    loaded = load("garp_group { garp_interval 1\ninterface none0 }\nstatic_ipaddress {\n10.0.0.1 dev none1\n}\n"
                  "interface_up_down_delays {\nnone2 1\n}", HERE)
    assert [(d.code, d.stops) for d in loaded.diagnostics] == [
        (Code.UNKNOWN_INTERFACE, True), (Code.UNKNOWN_INTERFACE, True), (Code.UNKNOWN_INTERFACE, False)]


def test_accounts_and_cpus(load: Any) -> None:
    loaded = load("global_defs {\nscript_user nobody1\nvrrp_cpu_affinity 0 9\n}\n" + text("notify /n nobody2"), HERE)
    assert [d.code for d in loaded.diagnostics] == [Code.UNKNOWN_USER, Code.OUT_OF_RANGE, Code.UNKNOWN_USER]
    assert not loaded.fatal


def test_how_receive_buffers_are_sized_is_our_business_and_said_so(settle: Any) -> None:
    _, codes, loaded = settle(globals_="vrrp_rx_bufs_policy MTU\nvrrp_rx_bufs_multiplier 5")
    assert codes == []
    [found] = unsupported(loaded.config)
    assert found.message.startswith("vrrp_rx_bufs_policy, vrrp_rx_bufs_multiplier: each VRRP socket has room")


@pytest.mark.parametrize("body", ["", "interface", "interface averyveryverylonginterfacename"])
def test_a_missing_interface_is_told_once(load: Any, body: str) -> None:
    loaded = load(f"vrrp_instance A {{\n{body}\nvirtual_router_id 7\n{V4}}}")
    assert len(loaded.diagnostics) == 1
    assert loaded.fatal


def test_a_peer_given_twice_is_no_error(settle: Any) -> None:
    instance, codes, loaded = settle("unicast_peer {\n10.0.0.8\n10.0.0.8\n}", V4)
    assert (len(instance.peers), codes, loaded.exit_status()) == (1, [Code.UNICAST], 0)
