"""Checks: when each is made and of what (grammar section 9): the check's word, the real server's, the virtual server's,
then that of the kind."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hakeep.config.diagnostic import Code
from hakeep.config.settled import Script
from hakeep.config.settled_lvs import (
    AgentProbe,
    BfdProbe,
    Check,
    DnsProbe,
    FileProbe,
    GrpcProbe,
    HttpProbe,
    MiscProbe,
    Page,
    Pattern,
    Peer,
    PingProbe,
    SmtpProbe,
    TcpProbe,
    Timing,
    Tls,
    UdpProbe,
)
from tests.effort import tries

REAL = IPv4Address("10.1.0.1")
PEER = Peer(REAL, 80)

#: Each kind with the least that it needs.
LEAST = {
    "MISC_CHECK": "misc_path /bin/true", "HTTP_GET": "url {\npath /\n}", "SSL_GET": "url {\npath /\n}",
    "FILE_CHECK": "track_file load", "BFD_CHECK": "name peer",
}
SESSION = "bfd_instance peer {\nneighbor_ip 10.1.0.1\n}\n"


def block(kind: str, body: str = "") -> str:
    return f"{kind} {{\n{LEAST.get(kind, '')}\n{body}\n}}"


# -------------------------------------------------------------------------------------------------------------- timing


@pytest.mark.parametrize(("kind", "timing"), [
    ("TCP_CHECK", Timing(60, 60, 1, 1)), ("SMTP_CHECK", Timing(60, 60, 1, 1)), ("PING_CHECK", Timing(60, 60, 1, 1)),
    ("UDP_CHECK", Timing(60, 60, 1, 1)), ("HTTP_GET", Timing(60, 60, 1, 3)), ("SSL_GET", Timing(60, 60, 1, 3)),
    ("MISC_CHECK", Timing(60, 60, 0, 1)), ("DNS_CHECK", Timing(60, 60, 3, 60)), ("AGENT_CHECK", Timing(60, 60, 1, 1)),
    ("GRPC_CHECK", Timing(60, 60, 1, 1)),
])
def test_timing_by_default(check: Any, kind: str, timing: Timing) -> None:
    one = check(block(kind))
    assert (one.kind, one.timing, one.alpha, one.log_all_failures) == (kind, timing, False, False)


# keyword, field, (virtual server's, real server's, check's) values
INHERITED: list[tuple[str, str, str, tuple[float, float, float]]] = [
    ("TCP_CHECK", "retry", "retry", (4, 5, 6)),
    ("MISC_CHECK", "retry", "retry", (4, 5, 6)),
    ("DNS_CHECK", "retry", "retry", (4, 5, 6)),
    ("TCP_CHECK", "delay_loop", "delay_loop", (4, 5.5, 6)),
    ("TCP_CHECK", "warmup", "warmup", (4, 5, 0)),
    ("HTTP_GET", "delay_before_retry", "delay_before_retry", (4, 5, 0)),
    ("DNS_CHECK", "delay_before_retry", "delay_before_retry", (4, 5, 6)),
]


@pytest.mark.parametrize(("kind", "keyword", "field", "values"), INHERITED)
def test_timing_is_inherited(
    check: Any, kind: str, keyword: str, field: str, values: tuple[float, float, float],
) -> None:
    outer, middle, inner = (f"{keyword} {value}" for value in values)
    assert getattr(check(block(kind), body=outer).timing, field) == values[0]
    assert getattr(check(f"{middle}\n{block(kind)}", body=outer).timing, field) == values[1]
    assert getattr(check(f"{middle}\n{block(kind, inner)}", body=outer).timing, field) == values[2]


@settings(max_examples=tries(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(said=st.tuples(*[st.none() | st.integers(1, 99)] * 3), warmup=st.none() | st.integers(0, 99))
def test_the_nearest_word_counts(check: Any, said: tuple[int | None, ...], warmup: int | None) -> None:
    lines = ["" if value is None else f"delay_loop {value}" for value in said]
    own = "" if warmup is None else f"warmup {warmup}"
    timing = check(f"{lines[1]}\n{block('DNS_CHECK', f'{lines[2]}{chr(10)}{own}')}", body=lines[0]).timing
    delay_loop = next((value for value in reversed(said) if value is not None), 60)
    assert timing == Timing(delay_loop, delay_loop if warmup is None else warmup, 3, delay_loop)


@pytest.mark.parametrize(("body", "inner", "own", "expected"), [
    ("", "", "", False), ("alpha", "", "", True), ("alpha", "alpha false", "", False), ("", "alpha", "", True),
    ("alpha", "alpha", "alpha false", False), ("", "", "alpha", True),
])
def test_alpha(check: Any, body: str, inner: str, own: str, expected: bool) -> None:
    assert check(f"{inner}\n{block('TCP_CHECK', own)}", body=body).alpha is expected


@pytest.mark.parametrize(("globals_", "own", "expected"), [
    ("", "", False), ("checker_log_all_failures", "", True), ("checker_log_all_failures", "log_all_failures no", False),
    ("", "log_all_failures", True),
])
def test_log_all_failures(check: Any, globals_: str, own: str, expected: bool) -> None:
    outside = f"global_defs {{\n{globals_}\n}}"
    assert check(block("TCP_CHECK", own), outside=outside).log_all_failures is expected


# --------------------------------------------------------------------------------------------------------------- peers


@pytest.mark.parametrize(("own", "more", "peer"), [
    ("", {}, PEER),
    ("connect_ip 10.9.9.9", {}, Peer(IPv4Address("10.9.9.9"), 80)),
    ("connect_port 81", {}, Peer(REAL, 81)),
    ("bindto 10.9.9.9\nbind_port 7\nbind_if eth3\nfwmark 5\nconnect_timeout 2.5", {},
     Peer(REAL, 80, 2.5, IPv4Address("10.9.9.9"), 7, "eth3", 5)),
    ("", {"body": "connect_timeout 9"}, Peer(REAL, 80, 9)),
    ("", {"real": "10.1.0.1"}, PEER),
    ("", {"real": "10.1.0.1 8080"}, Peer(REAL, 8080)),
    # without NAT the server is used at the service's port, but asked at the one that is written
    ("", {"real": "10.1.0.1 8080", "body": "lvs_method DR"}, Peer(REAL, 8080)),
    ("", {"real": "10.1.0.1", "head": "fwmark 7"}, Peer(REAL, 0)),
    ("", {"real": "10.1.0.1", "head": "group shop",
          "outside": "virtual_server_group shop {\nfwmark 3\n10.0.0.1 443\n10.0.0.1 80\n}"}, Peer(REAL, 443)),
])
def test_where_a_check_goes(check: Any, own: str, more: dict[str, str], peer: Peer) -> None:
    assert check(block("TCP_CHECK", own), **more).probe == TcpProbe(peer)


def test_a_check_without_port_is_told_of(load: Any) -> None:
    text = "virtual_server fwmark 7 {\nreal_server 10.1.0.1 {\nTCP_CHECK {\n%s\n}\n}\n}\n"
    assert Code.CHECK_WITHOUT_PORT in [d.code for d in load(text % "").diagnostics]
    assert Code.CHECK_WITHOUT_PORT not in [d.code for d in load(text % "connect_port 80").diagnostics]


@pytest.mark.parametrize(("kind", "port"), [
    ("HTTP_GET", 80), ("SSL_GET", 443), ("SMTP_CHECK", 25), ("DNS_CHECK", 53), ("PING_CHECK", 0),
])
def test_protocols_have_ports_of_their_own(check: Any, kind: str, port: int) -> None:
    assert check(block(kind), real="10.1.0.1", head="fwmark 7").probe.peer.port == port


# -------------------------------------------------------------------------------------------------------------- probes

# kind, what stands in it, the probe
PROBES: list[tuple[str, str, object]] = [
    ("TCP_CHECK", r'send "PING\r\n\x00\\"' + '\nexpect +PONG', TcpProbe(PEER, b"PING\r\n\0\\", b"+PONG")),
    ("TCP_CHECK", "tls", TcpProbe(PEER, tls=Tls())),
    ("TCP_CHECK", "tls_verify\nsni_name a.example", TcpProbe(PEER, tls=Tls("a.example", verify=True))),
    ("TCP_CHECK", "tls_verify\ntls false", TcpProbe(PEER)),
    ("TCP_CHECK", "tls_ca /ca\ntls_expiry_warning 9\nalpn imap pop3",
     TcpProbe(PEER, tls=Tls(authorities="/ca", expiry_days=9, alpn=("imap", "pop3")))),
    ("PING_CHECK", "", PingProbe(Peer(REAL, 0))),
    ("SMTP_CHECK", "", SmtpProbe(PEER)),
    ("SMTP_CHECK", "helo_name here", SmtpProbe(PEER, "here")),
    ("DNS_CHECK", "", DnsProbe(PEER)),
    ("DNS_CHECK", "type AAAA\nname www.example.org", DnsProbe(PEER, "AAAA", "www.example.org")),
    ("UDP_CHECK", "", UdpProbe(PEER)),
    ("UDP_CHECK", "payload 48 65 6c", UdpProbe(PEER, b"Hel")),
    ("UDP_CHECK", "require_reply", UdpProbe(PEER, reply=())),
    ("UDP_CHECK", "require_reply 48XX6c\nmin_reply_length 4\nmax_reply_length 512",
     UdpProbe(PEER, reply=(0x48, None, 0x6C), reply_min=4, reply_max=512)),
    ("UDP_CHECK", "require_reply 4XxFXX65",
     UdpProbe(PEER, reply=(0x40, 0x0F, None, 0x65), masks=(0xF0, 0x0F, 0, 0xFF))),
    ("UDP_CHECK", "require_reply x4", UdpProbe(PEER, reply=(0x04,), masks=(0x0F,))),
    ("MISC_CHECK", "", MiscProbe(Script(("/bin/true",)), 60.0)),
    ("MISC_CHECK", "misc_path \"/bin/x y\" z\nmisc_timeout 7\nmisc_dynamic\nuser a b\ndelay_loop 9",
     MiscProbe(Script(("/bin/x", "y", "z"), "a", "b"), 7.0, True)),
    ("MISC_CHECK", "misc_timeout 0\ndelay_loop 9", MiscProbe(Script(("/bin/true",)), 9.0)),
    ("AGENT_CHECK", "connect_port 8777\nsend \"web\\n\"", AgentProbe(Peer(REAL, 8777), b"web\n")),
    ("GRPC_CHECK", "", GrpcProbe(PEER)),
    ("GRPC_CHECK", "service a.B\ntls", GrpcProbe(PEER, "a.B", Tls(alpn=("h2",)))),
    ("BFD_CHECK", "", BfdProbe("peer")),
]


@pytest.mark.parametrize(("kind", "body", "probe"), PROBES)
def test_probes(check: Any, kind: str, body: str, probe: object) -> None:
    assert check(block(kind, body), outside=SESSION).probe == probe


def test_bfd_is_down_until_the_session_reports(check: Any) -> None:
    assert check(block("BFD_CHECK"), outside=SESSION).alpha
    assert not check(block("BFD_CHECK", "alpha false"), outside=SESSION).alpha


@pytest.mark.parametrize(("definition", "own", "probe"), [
    ("", "", FileProbe("/run/load", 1, "load")),
    ("weight 5", "", FileProbe("/run/load", 5, "load")),
    ("weight 5", "weight 7", FileProbe("/run/load", 7, "load")),
    ("weight 5", "weight 0", FileProbe("/run/load", 0, "load")),
    ("weight 5 reverse", "", FileProbe("/run/load", -5, "load", True)),
    ("", "weight 0 reverse", FileProbe("/run/load", 0, "load", True)),
])
def test_files(check: Any, definition: str, own: str, probe: FileProbe) -> None:
    outside = f"track_file load {{\nfile /run/load\n{definition}\n}}"
    one = check(block("FILE_CHECK", own), outside=outside)
    assert (one.probe, one.timing) == (probe, Timing())


@pytest.mark.parametrize("body", [
    block("FILE_CHECK"), "MISC_CHECK {\n}", "HTTP_GET {\n}", "HTTP_GET {\nurl {\nstatus_code 200\n}\n}",
    "BFD_CHECK {\n}", block("BFD_CHECK"),
])
def test_checks_that_cannot_be_made_are_left_out(server: Any, body: str) -> None:
    assert server(body).checks == ()


def test_checks_come_in_their_order_and_once(server: Any) -> None:
    tcp = block("TCP_CHECK")
    kinds = [one.kind for one in server("\n".join([tcp, block("PING_CHECK"), tcp, block("MISC_CHECK")])).checks]
    assert kinds == ["TCP_CHECK", "PING_CHECK", "MISC_CHECK"]


def test_one_server_is_asked_once_by_many(direct: Any) -> None:
    text = "".join(f"virtual_server 10.0.0.1 {port} {{\nprotocol TCP\nreal_server 10.1.0.1 80 {{\n"
                   f"{block('HTTP_GET')}\n}}\n}}\n" for port in (80, 81))
    one, other = (virtual.reals[0].checks[0] for virtual in direct(text).virtual)
    assert isinstance(one, Check)
    assert one is other


@pytest.mark.parametrize(("body", "peers"), [
    ("host {\nconnect_ip 10.9.9.9\n}", [Peer(IPv4Address("10.9.9.9"), 80)]),
    ("host {\nconnect_ip 10.9.9.9\n}\nhost {\nconnect_port 26\n}", [Peer(IPv4Address("10.9.9.9"), 80), Peer(REAL, 26)]),
    ("connect_port 25\nhost {\nconnect_ip 10.9.9.9\n}", [Peer(REAL, 25), Peer(IPv4Address("10.9.9.9"), 80)]),
])
def test_hosts_of_mail_checks(server: Any, body: str, peers: list[Peer]) -> None:
    """As keepalived 2.2.7 dumps them: the block around hosts is a check if it says where it goes."""
    checks = server(block("SMTP_CHECK", f"helo_name x\nretry 4\n{body}")).checks
    assert [one.probe for one in checks] == [SmtpProbe(peer, "x") for peer in peers]
    assert {one.timing.retry for one in checks} == {4}


# --------------------------------------------------------------------------------------------------------------- pages

HOST = "10.1.0.1:80"

# what stands in the url, the page
PAGES: list[tuple[str, Page]] = [
    ("", Page("/", HOST)),
    ("path /a?b=c\nstatus_code 200 300-302", Page("/a?b=c", HOST, ((200, 200), (300, 302)))),
    ("status_code", Page("/", HOST)),
    ("digest D41D8CD98F00B204E9800998ECF8427E", Page("/", HOST, digest="d41d8cd98f00b204e9800998ecf8427e")),
    ('regex "a b"\nregex_no_match\nregex_options caseless utf\nregex_min_offset 3\nregex_max_offset 9',
     Page("/", HOST, pattern=Pattern("a b", ("caseless", "utf"), 3, 9, True))),
    ('method POST\nheader A "b c"\nheader D e\nbody "x\\n"',
     Page("/", HOST, method="POST", headers=(("A", "b c"), ("D", "e")), body=b"x\n")),
    ("basic_auth u p\nfollow_redirects 3", Page("/", HOST, user="u", password="p", redirects=3)),
    ("expect_header X-Ok\nexpect_header Y z", Page("/", HOST, expected_headers=(("X-Ok", ""), ("Y", "z")))),
    ("json_path .a[0].b true", Page("/", HOST, json_path=".a[0].b", json_value="true")),
]


@pytest.mark.parametrize(("url", "page"), PAGES)
def test_pages(check: Any, url: str, page: Page) -> None:
    assert check(f"HTTP_GET {{\nurl {{\npath /\n{url}\n}}\n}}").probe == HttpProbe(PEER, (page,))


@pytest.mark.parametrize(("body", "inner", "own", "url", "host"), [
    ("", "", "", "", HOST), ("virtualhost v", "", "", "", "v"), ("virtualhost v", "virtualhost r", "", "", "r"),
    ("virtualhost v", "virtualhost r", "virtualhost c", "", "c"),
    ("virtualhost v", "virtualhost r", "virtualhost c", "virtualhost u", "u"),
    ("", "", "connect_port 81", "", "10.1.0.1:81"), ("", "", "connect_ip 2001:db8::1", "", "[2001:db8::1]:80"),
])
def test_the_host_header(check: Any, body: str, inner: str, own: str, url: str, host: str) -> None:
    one = check(f"{inner}\nHTTP_GET {{\n{own}\nurl {{\npath /\n{url}\n}}\n}}", body=body)
    assert one.probe.pages[0].host == host


@pytest.mark.parametrize(("own", "expected"), [
    ("", {"protocol": "1.0", "fast_recovery": False, "body_max": 4 << 20, "tls": None}),
    ("http_protocol 1.0c", {"protocol": "1.0C"}), ("http_protocol 1.1", {"protocol": "1.1"}),
    ("http_protocol 2", {"protocol": "2"}), ("fast_recovery", {"fast_recovery": True}),
    ("http_body_max 5000", {"body_max": 5000}),
])
def test_http(check: Any, own: str, expected: dict[str, object]) -> None:
    probe = check(block("HTTP_GET", own)).probe
    assert {name: getattr(probe, name) for name in expected} == expected


SSL = "SSL {\npassword p\nca /ca\ncertificate /cert\nkey /key\n}"


@pytest.mark.parametrize(("own", "tls"), [
    ("", Tls()), ("enable_sni", Tls()),  # there is no name to send
    ("enable_sni\nvirtualhost www.example.org", Tls("www.example.org")),
    ("enable_sni\nvirtualhost www.example.org:8443", Tls("www.example.org")),
    ("enable_sni\nvirtualhost 2001:db8::1", Tls("2001:db8::1")),
    ("virtualhost www.example.org", Tls()),
    ("virtualhost www.example.org\ntls_verify", Tls("www.example.org", verify=True)),
    ("sni_name a.example\nvirtualhost www.example.org", Tls("a.example")),
    ("tls_compliant", Tls(compliant=True)), ("http_protocol 2", Tls(alpn=("h2",))),
    ("http_protocol 2\nalpn h2 http/1.1", Tls(alpn=("h2", "http/1.1"))),
    ("tls_ca /own\ntls_expiry_warning 14", Tls(authorities="/own", expiry_days=14)),
])
def test_tls_of_pages(check: Any, own: str, tls: Tls) -> None:
    assert check(block("SSL_GET", own)).probe.tls == tls


def test_our_certificate(check: Any) -> None:
    assert check(block("SSL_GET"), outside=SSL).probe.tls == Tls(
        authorities="/ca", certificate="/cert", key="/key", password="p")
    assert check(block("SSL_GET", "tls_ca /own"), outside=SSL).probe.tls.authorities == "/own"
    assert check(block("HTTP_GET"), outside=SSL).probe.tls is None


def test_a_url_can_ask_for_close_notify(check: Any) -> None:
    assert check("SSL_GET {\nurl {\npath /\ntls_compliant\n}\n}").probe.tls.compliant


def test_pages_of_several_names_are_asked_apart(server: Any) -> None:
    """A connection has one name in TLS. Names that only stand in the Host header need no connection of their own."""
    urls = "".join(f"url {{\npath {path}\nvirtualhost {host}\n}}\n"
                   for path, host in (("/1", "a"), ("/2", "b"), ("/3", "a")))
    apart = server(f"SSL_GET {{\nenable_sni\n{urls}}}").checks
    assert [(one.probe.tls.server_name, [page.path for page in one.probe.pages]) for one in apart] == [
        ("a", ["/1", "/3"]), ("b", ["/2"])]
    (together,) = server(f"SSL_GET {{\n{urls}}}").checks
    assert [page.path for page in together.probe.pages] == ["/1", "/2", "/3"]


def test_ipv6_servers(check: Any) -> None:
    one = check(block("HTTP_GET"), head="2001:db8::1 80", real="2001:db8::2 80")
    assert one.probe == HttpProbe(Peer(IPv6Address("2001:db8::2"), 80), (Page("/", "[2001:db8::2]:80"),))


def test_our_checks_are_noted_for_keepalived(load: Any) -> None:
    text = "virtual_server 10.0.0.1 80 {\nprotocol TCP\nreal_server 10.1.0.1 80 {\n%s\n}\n}\n"
    for kind, noted in (("AGENT_CHECK", True), ("GRPC_CHECK", True), ("TCP_CHECK", False)):
        codes = [d.code for d in load(text % block(kind)).diagnostics]
        assert (Code.CHECK_OURS in codes) is noted
