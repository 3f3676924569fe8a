"""Value types: what is accepted, refused, corrected (grammar section 3), each with its message's place."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest

from hakeep.config.diagnostic import Code, Severity, Verdict
from hakeep.config.settled import Script
from hakeep.config.values.addresses import FOREVER, AddressEntry, Addresses, Ip, IpPort, Netmask, Peers
from hakeep.config.values.links import ExtraInterfaces, HmacKeys, LinkDelays, UseIpvlan, UseVmac
from hakeep.config.values.numbers import AutoSeconds, Flag, OptBool, RangeList, Seconds, Weight, Whole
from hakeep.config.values.options import Options, Tracked, one_of, whole
from hakeep.config.values.routes import ROUTE, RULE
from hakeep.config.values.scripts import Command, User
from hakeep.config.values.services import Service, ServiceAddress
from hakeep.config.values.texts import HttpUrl
from hakeep.config.values.value import NOTHING, Complaint, Invalid, Value
from hakeep.config.values.words import Choice, Cpus, Digest, DnsName, Hex, Umask, Word

REFUSED = object()


def parse(value: Value[Any], text: str) -> tuple[Any, list[Complaint]]:
    """The value (REFUSED, or what is used instead) and all complaints."""
    complaints: list[Complaint] = []
    try:
        return value.parse(text.split(), complaints.append), complaints
    except Invalid as invalid:
        instead = REFUSED if invalid.instead is NOTHING else invalid.instead
        return instead, [*complaints, invalid.complaint]


@pytest.mark.parametrize(
    ("value", "text", "expected", "good"),
    [
        (Whole(1, 255), "7", 7, True),
        (Whole(1, 255), "+7", 7, True),
        (Whole(-5, 5), "-5", -5, True),
        (Whole(1, 255), "0", REFUSED, False),
        (Whole(1, 255), "256", REFUSED, False),
        (Whole(1, 255), "x", REFUSED, False),
        (Whole(1, 255), "0x10", REFUSED, False),  # reads 0, which is out of range
        (Whole(1, 255), "1e2", 1, False),  # leading digits, as keepalived in a normal run
        (Whole(1, 255), "51;", 51, False),
        (Whole(1, 255), "9" * 40, REFUSED, False),
        (Whole(1, 255, otherwise=100), "300", 100, False),
        (Whole(1, 255, otherwise=100), "x", 100, False),
        (Whole(1, 99, clamp=True), "100", 99, False),
        (Whole(1, 99, clamp=True), "-3", 1, False),
        (Whole(0, 9, zero=1), "0", 1, False),
        (Whole(1, 9, default=5), "", 5, True),
        (Seconds(0.01, 255), "1", 1.0, True),
        (Seconds(0.01, 255), ".5", 0.5, True),
        (Seconds(0.01, 255), "5.", 5.0, True),
        (Seconds(0.01, 255), "+1.25", 1.25, True),
        (Seconds(0.01, 255), "1e0", 1.0, False),
        (Seconds(0.01, 255), "1,5", 1.0, False),
        (Seconds(0.01, 255), ".", REFUSED, False),
        (Seconds(0.01, 255), "nan", REFUSED, False),
        (Seconds(0.01, 255), "inf", REFUSED, False),
        (Seconds(0.01, 255), "256", REFUSED, False),
        (Seconds(0.01, 255), "-1", REFUSED, False),
        (Seconds(0.01, 255, otherwise=1.0), "0", 1.0, False),
        (Seconds(0, 9, places=3), "0.1234", 0.123, False),
        (Seconds(0, 9, places=3), "0.1230", 0.123, True),
        (Flag(), "whatever", True, True),
        (Flag(False), "", False, True),
        (OptBool(), "", True, True),
        (OptBool(), "on", True, True),
        (OptBool(), "no", False, True),
        (OptBool(), "True", REFUSED, False),
        (Weight(-253, 253), "-10 reverse", (-10, True), True),
        (Weight(-253, 253), "254", REFUSED, False),
        (Weight(-253, 253), "10 backwards", (10, False), False),
        (RangeList(100, 599), "200 300-399", ((200, 200), (300, 399)), True),
        (RangeList(100, 599), "300-200", REFUSED, False),
        (AutoSeconds(1, 3600), "auto", "auto", True),
        (AutoSeconds(1, 3600), "off", "off", True),
        (AutoSeconds(1, 3600), "2.5", 2.5, True),
        (AutoSeconds(1, 3600), "0.5", REFUSED, False),
        (Word("N", longest=4), "abcdef", "abcd", False),
        (Word("N", longest=4, refuse=True), "abcdef", REFUSED, False),
        (Choice("MASTER", "BACKUP"), "master", REFUSED, False),
        (Choice("TCP", "UDP", any_case=True), "tcp", "TCP", True),
        (Choice("MASTER", otherwise="BACKUP"), "x", "BACKUP", False),
        (Cpus(), "0 3 0", (0, 3), True),
        (Cpus(), "x", REFUSED, False),
        (Umask(), "022", 0o22, True),
        (Umask(), "IRUSR|IWGRP", 0o420, True),
        (Umask(), "IRWXU | IXOTH", 0o701, True),
        (Umask(), "999", REFUSED, False),
        (Umask(), "IFOO", REFUSED, False),
        (Hex(), "de ad", "dead", True),
        (Hex(), "dea", REFUSED, False),
        (Hex(wildcard=True), "dXad", "dxad", True),
        (Ip(), "10.0.0.1", IPv4Address("10.0.0.1"), True),
        (Ip(), "fe80::1", IPv6Address("fe80::1"), True),
        (Ip(), "010.0.0.1", REFUSED, False),
        (Ip(), "10.0.1", REFUSED, False),
        (Ip(), "fe80::1%eth0", REFUSED, False),
        (Ip(4), "fe80::1", REFUSED, False),
        (Ip(multicast=True), "10.0.0.1", REFUSED, False),
        (Ip(), "10.0.0.1/24", IPv4Address("10.0.0.1"), False),
        (IpPort(), "10.0.0.1 80", (IPv4Address("10.0.0.1"), 80), True),
        (IpPort(), "10.0.0.1 70000", REFUSED, False),
        (IpPort(), "host", REFUSED, False),
        (IpPort(host=True), "host 25", ("host", 25), True),
        (Netmask(), "255.255.255.0", 24, True),
        (Netmask(), "64", 64, True),
        (Peers(), "10.0.0.1 min_ttl 3 max_ttl 9", (IPv4Address("10.0.0.1"), 3, 9), True),
        (Peers(), "10.0.0.1 min_ttl 300", (IPv4Address("10.0.0.1"), 0, 255), False),
        (Peers(), "10.0.0.1 foo", (IPv4Address("10.0.0.1"), 0, 255), False),
        (Tracked("IFNAME", 253), "eth0", ("eth0", None, None), True),
        (Tracked("IFNAME", 253), "eth0 weight -10 reverse", ("eth0", -10, True), True),
        (Tracked("IFNAME", 253), "eth0 weight 254", ("eth0", 253, None), False),
        (Tracked("IFNAME", 253), "eth0 weight 300", ("eth0", None, None), False),
        (Tracked("IFNAME", 253), "eth0 reverse", ("eth0", None, None), False),
        (Tracked("PROCESS", 254), "p weight 254", ("p", 254, None), True),
        (Command(), "/bin/x root wheel", Script(("/bin/x",), "root", "wheel"), True),
        (Command(), "/bin/x root :wheel", Script(("/bin/x",), "root", "wheel"), True),
        (Command(arguments=True), "/bin/x a b", Script(("/bin/x", "a", "b")), True),
        (Command(optional=True), "", Script(()), True),
        (User(), "me mine", ("me", "mine"), True),
        (UseVmac(), "", ("", b"", False, ""), True),
        (UseVmac(), "name vip 02:00:00:00:00:01", ("vip", bytes.fromhex("020000000001"), False, ""), True),
        (UseVmac(), "vip 02:00:00:00:00 netlink_notify_msg group 7",
         ("vip", bytes.fromhex("0200000000"), True, "7"), True),
        (UseVmac(), "01:00:5e:00:01:07", ("", b"", False, ""), False),
        (UseVmac(), "00:00:5e:00:01:07", ("", b"", False, ""), False),
        (UseVmac(), "one two", ("one", b"", False, ""), False),
        (UseVmac(), "a/b", ("", b"", False, ""), False),
        (UseIpvlan(), "vip 10.0.0.9/24 vepa", ("vip", IPv4Address("10.0.0.9"), 24, "vepa", ""), True),
        (ExtraInterfaces(1), "all 5", (True, 5), True),
        (ExtraInterfaces(1), "all", REFUSED, False),
        (ExtraInterfaces(1), "0", REFUSED, False),
        (LinkDelays(), "eth0 1.5", ("eth0", 1.5, 0.0), True),
        (LinkDelays(), "eth0 1 300", REFUSED, False),
        (HmacKeys(), "1 " + "x" * 32, (1, "text", "x" * 32), True),
        (HmacKeys(), "1 hex:" + "ab" * 32, (1, "hex", "ab" * 32), True),
        (HmacKeys(), "1 file:/k", (1, "file", "/k"), True),
        (HmacKeys(), "1 short", REFUSED, False),
        (HmacKeys(), "1 hex:ab", REFUSED, False),
        (HmacKeys(), "0 " + "x" * 32, REFUSED, False),
        (Service(), "10.0.0.1 80", (IPv4Address("10.0.0.1"), 80, 0, ""), True),
        (Service(), "fwmark 7", (None, None, 7, ""), True),
        (Service(), "group web", (None, None, 0, "web"), True),
        (Service(), "group", REFUSED, False),
        (Service(), "match/SNAT", REFUSED, False),
        (ServiceAddress(), "10.0.0.1-9 80",
         (IPv4Address("10.0.0.1"), IPv4Address("10.0.0.9"), 80, 0, 0), True),
        (ServiceAddress(), "fe80::1-f", (IPv6Address("fe80::1"), IPv6Address("fe80::f"), None, 0, 0), True),
        (ServiceAddress(), "10.0.0.0/30", (IPv4Address("10.0.0.0"), IPv4Address("10.0.0.3"), None, 0, 0), True),
        (ServiceAddress(), "10.0.0.9-1", REFUSED, False),
        (ServiceAddress(), "fwmark 5 inet6", (None, None, None, 5, 6), True),
        (Options("", [("m", one_of("NAT", "DR"))], {"port": whole(1, 9), "csum": None}, least=1), "DR port 3 csum",
         (("m", "DR"), ("port", "3"), ("csum", "")), True),
        (Options("", [("m", one_of("NAT"))], {"port": whole(1, 9)}, least=1), "nat", REFUSED, False),
        (Options("", [("m", one_of("NAT"))], {"port": whole(1, 9)}, least=1), "NAT port", REFUSED, False),
        (Options("", [("m", one_of("NAT"))], {"port": whole(1, 9)}, least=1), "NAT foo", (("m", "NAT"),), False),
        (ROUTE, "10.0.0.0/8 via 10.0.0.9 dev eth0", (("to", "10.0.0.0/8"), ("via", "10.0.0.9"), ("dev", "eth0")), True),
        (ROUTE, "blackhole to default", (("blackhole", ""), ("to", "default")), True),
        (ROUTE, "default via inet6 fe80::1 dev x mtu lock 1400",
         (("to", "default"), ("via", "inet6 fe80::1"), ("dev", "x"), ("mtu", "lock"), ("mtu", "1400")), True),
        (ROUTE, "10.0.0.0/8 encap ip6 dst fe80::1 hoplimit 3 metric 7",
         (("to", "10.0.0.0/8"), ("encap", "ip6 dst fe80::1 hoplimit 3"), ("metric", "7")), True),
        (ROUTE, "nonsense", REFUSED, False),
        (ROUTE, "10.0.0.0/8 via x", REFUSED, False),
        (ROUTE, "10.0.0.0/8 gw 10.0.0.9", (("to", "10.0.0.0/8"), ("via", "10.0.0.9")), False),
        (RULE, "from 10.0.0.1 lookup 5 priority 7", (("from", "10.0.0.1"), ("table", "5"), ("preference", "7")), True),
        (RULE, "nonsense", REFUSED, False),
        (ROUTE, "10.6.0.0/16 via fe80::1", REFUSED, False),
        (ROUTE, "2001:db8::/32 via 10.0.0.1", REFUSED, False),
        (ROUTE, "src fe80::1 10.7.0.0/16", REFUSED, False),
        (ROUTE, "default via 10.0.0.1 src fe80::1", REFUSED, False),
        (ROUTE, "10.0.0.0/8 dev x scope 200", (("to", "10.0.0.0/8"), ("dev", "x"), ("scope", "200")), True),
        (ROUTE, "10.0.0.0/8 dev x scope nosuch", REFUSED, False),
        (ROUTE, "10.0.0.0/8 dev x scope 256", REFUSED, False),
        (ROUTE, "10.0.0.0/8 dev x proto boot", REFUSED, False),
        (RULE, "from 10.0.0.1 to 2001:db8::/32", REFUSED, False),
        (RULE, "fwmark 0x10/0xff", (("fwmark", "0x10/0xff"),), True),
        (RULE, "fwmark x", REFUSED, False),
        (RULE, "fwmark 3/x", REFUSED, False),
        (RULE, "fwmark 08", REFUSED, False),
        (RULE, "fwmark 4294967296", REFUSED, False),
        (Digest(), "D41d8cd98f00b204e9800998ecf8427e", "D41d8cd98f00b204e9800998ecf8427e", True),
        (Digest(), "123", REFUSED, False),
        (HttpUrl(), "https://x.example/y?z=1", "https://x.example/y?z=1", True),
        (HttpUrl(), "http://[2001:db8::1]:8080", "http://[2001:db8::1]:8080", True),
        (HttpUrl(), "x.example/y", REFUSED, False),
        (HttpUrl(), "ftp://x.example/", REFUSED, False),
        (HttpUrl(), "https://", REFUSED, False),
        (HttpUrl(), "http://x:0/", REFUSED, False),
        (HttpUrl(), "http://x:99999/", REFUSED, False),
        (HttpUrl(), "http://[x/", REFUSED, False),
        (HttpUrl(), "http://x/\u00fc", REFUSED, False),
        (HttpUrl(), '"http://x/a b"', REFUSED, False),
        (DnsName(), ".", ".", True),
        (DnsName(), "example.org.", "example.org.", True),
        (DnsName(), "..", REFUSED, False),
        (DnsName(), "a..b", REFUSED, False),
        (DnsName(), "a" * 64, REFUSED, False),
        (DnsName(), "a.b." * 64, REFUSED, False),
        (Command(), "\u201c/bin/x", Script(("\u201c/bin/x",)), False),
        (Digest(), "z" * 32, REFUSED, False),
        (Addresses(), "10.0.0.6/24 peer 10.0.0.2", AddressEntry(
            IPv4Address("10.0.0.6"), peer=IPv4Address("10.0.0.2")), False),
        (Addresses(), "10.0.0.6 brd 10.0.0.255 peer 10.0.0.2", AddressEntry(
            IPv4Address("10.0.0.6"), peer=IPv4Address("10.0.0.2")), False),
    ],
)
def test_values(value: Value[Any], text: str, expected: object, good: bool) -> None:
    parsed, complaints = parse(value, text)
    assert parsed == expected
    assert (not complaints) == good


def entry(text: str, **options: Any) -> tuple[Any, list[Complaint]]:
    return parse(Addresses(**options), text)


@pytest.mark.parametrize(
    ("value", "text", "fix"),
    [
        (Seconds(0.01, 255), "= 1", "no '=' stands between a keyword and its value: take it out"),
        (Seconds(0.01, 255), "=1", "no '=' stands between a keyword and its value: take it out"),
        (Seconds(0.01, 255), "1;", "write 1"),
        (Seconds(0.01, 255), "1,5", "write 1.5"),
        (Seconds(0.01, 255), "2s", "write 2"),
        (Seconds(0.01, 255), "0x1", "write 1"),
        (Seconds(0.01, 255), "soon", ""),
        (Whole(1, 255), "0x33", "write 51"),
        (Whole(1, 255), "51;", "write 51"),
        (Whole(1, 255), "=", "no '=' stands between a keyword and its value: take it out"),
        (Whole(1, 255), "\u201c51\u201d", "write 51"),
        (Ip(), "[10.0.0.9]", "write 10.0.0.9"),
        (Ip(), "[2001:db8::1]", "write 2001:db8::1"),
        (Ip(), "10.0.0.05", "write 10.0.0.5"),
        (Ip(), "10.0.0.5;", "write 10.0.0.5"),
        (Ip(), "10.0.0.300", ""),
        (Addresses(), "10.0.0.8:80", "write 10.0.0.8"),
        (Addresses(), "10.0.0.010/24", "write 10.0.0.10/24"),
        (Addresses(), "[2001:db8::1]/64", "write 2001:db8::1/64"),
        (Addresses(), "10.0.0.8/255.255.255.0", "write 10.0.0.8/24"),
        (Addresses(), "10.0.0.8/", ""),
        (IpPort(), "10.0.0.8:80", "write 10.0.0.8 80"),
        (IpPort(), "[2001:db8::1]:80", "write 2001:db8::1 80"),
        (Service(), "10.0.0.8:80", "write 10.0.0.8 80"),
    ],
)
def test_what_to_write_instead(value: Value[Any], text: str, fix: str) -> None:
    _, (complaint,) = parse(value, text)
    assert complaint.fix == fix


@pytest.mark.parametrize(
    ("value", "text", "message", "note"),
    [
        (Seconds(0.01, 255, otherwise=1.0), "0x1", "'0x1' is not a decimal number", "1 is used"),
        (Whole(1, 255, otherwise=100), "0x1", "'0x1' is not a whole number", "100 is used"),
        (Whole(0, 255), "0x1", "'0x1' is not a whole number", "0 is used"),
        (Choice("PASS", "AH"), "FOO", "'FOO' is not one of PASS, AH", ""),
        (Addresses(), "10.0.0.8/24/3", "'24/3' is not a prefix length", "/32 is used"),
        (Addresses(), "10.0.0.8/", "a prefix length is missing after '/'", "/32 is used"),
        (Addresses(), "10.0.0.8/33", "prefix length 33 is outside 0..32", "/32 is used"),
        (Netmask(), "255.255.255.300", "'255.255.255.300' is neither a netmask nor a prefix length", ""),
        (Tracked("NAME", 254), "c weight", "weight needs a number after it", ""),
        (Peers(), "10.0.0.1 weigth 5", "unknown option 'weigth' of a peer", ""),
        (RULE, "from 10.0.0.1 pref 5 table 7", "unknown word of a rule 'pref'", "the entry is left out"),
    ],
)
def test_one_mistake_is_one_complaint(value: Value[Any], text: str, message: str, note: str) -> None:
    _, complaints = parse(value, text)
    assert [(complaint.message, complaint.note) for complaint in complaints] == [(message, note)]


def test_an_address_entry_in_full() -> None:
    parsed, complaints = entry(
        "10.0.0.1/24 dev eth0 scope link brd + label eth0:1 home -nodad mngtmpaddr noprefixroute autojoin "
        "preferred_lft 30 no_track use_vmac")
    assert not complaints
    assert parsed._asdict() == {
        "ip": IPv4Address("10.0.0.1"), "prefix": 24, "dev": "eth0", "scope": 253, "broadcast": "+", "label": "eth0:1",
        "peer": None, "peer_prefix": None, "home": True, "nodad": True, "mngtmpaddr": True, "noprefixroute": True,
        "autojoin": True, "preferred_lft": 30, "no_track": True, "use_vmac": True, "track_group": "",
    }


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("10.0.0.1 peer 10.0.0.2/30", "peer_prefix", 30),
        ("10.0.0.1 preferred_lft forever", "preferred_lft", FOREVER),
        ("10.0.0.1 scope 200", "scope", 200),
        ("10.0.0.1/24 brd 10.0.0.255", "broadcast", IPv4Address("10.0.0.255")),
        ("fe80::1/64", "prefix", 64),
    ],
)
def test_address_options(text: str, field: str, expected: object) -> None:
    parsed, complaints = entry(text)
    assert getattr(parsed, field) == expected
    assert not complaints


@pytest.mark.parametrize(
    ("text", "dropped", "word"),
    [
        ("10.0.0.300", True, 0),
        ("10.0.0.1/33", False, 0),
        ("10.0.0.1 foo", False, 1),
        ("10.0.0.1 dev", True, 1),
        ("10.0.0.1 dev a dev b", True, 4),
        ("10.0.0.1 scope foo", False, 2),
        ("10.0.0.1 scope 256", False, 2),
        ("10.0.0.1 brd x", True, 2),
        ("10.0.0.1 brd +", True, 0),
        ("10.0.0.1/31 brd -", True, 0),
        ("10.0.0.1 label abcdefghijklmnopq", True, 2),
        ("10.0.0.1 peer fe80::1", True, 2),
        ("10.0.0.1 preferred_lft x", False, 2),
        ("10.0.0.1 track_group g", False, 1),
        ("fe80::1 scope link", False, 2),
        ("fe80::1 label x", False, 2),
        ("fe80::1 brd 10.0.0.1", True, 2),
    ],
)
def test_bad_address_entries(text: str, dropped: bool, word: int) -> None:
    parsed, complaints = entry(text)
    assert (parsed is REFUSED) == dropped
    assert complaints[0].word == word


def test_track_group_is_for_static_addresses() -> None:
    parsed, complaints = entry("10.0.0.1 dev eth0 track_group g", static=True)
    assert (parsed.track_group, complaints) == ("g", [])
    assert entry("10.0.0.1 use_vmac", static=True)[1][0].code is Code.UNKNOWN_OPTION


def test_a_command_with_blanks_is_split_again() -> None:
    assert Command().read('"/bin/x \'a b\' c" root') == Script(("/bin/x", "a b", "c"), "root")
    with pytest.raises(Invalid):
        Command().read('"/bin/x \'a"')
    with pytest.raises(Invalid) as empty:
        Command().read('""')
    assert (empty.value.complaint.severity, empty.value.complaint.verdict) == (Severity.WARNING, Verdict.OK)
