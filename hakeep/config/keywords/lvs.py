"""virtual_server and what stands in it: kept as it is written. `settle.lvs` makes of it what runs."""

from __future__ import annotations

from typing import Any

from hakeep.config.backends import Limit
from hakeep.config.schema import OURS, Block, Keyword, Repeat, given
from hakeep.config.values.addresses import Ip, IpPort, Netmask
from hakeep.config.values.numbers import Flag, OptBool, RangeList, Seconds, Weight, Whole
from hakeep.config.values.options import Options, one_of, whole
from hakeep.config.values.scripts import Command, Expression, User
from hakeep.config.values.services import Service, ServiceAddress
from hakeep.config.values.texts import Header, JsonPath, Text
from hakeep.config.values.value import Value
from hakeep.config.values.words import Choice, Digest, DnsName, Hex, Word, Words

U32 = 2**32 - 1
I32 = 2**31 - 1
_LONG = Seconds(0, 18446744073709.551614)
_LONG_NOT_ZERO = Seconds(0.000001, 18446744073709.551614)
_SHORT = Seconds(0.000001, 4294.967295)
_PORT = Whole(1, 65535, "PORT")

_SCHEDULERS = ("rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq", "twos")
_METHOD = Options(
    "NAT|DR|TUN [type ipip|gre|gue port N] [nocsum|csum|remcsum]", [("method", one_of("NAT", "DR", "TUN"))],
    {"type": one_of("ipip", "gue", "gre"), "port": whole(1, 65535), "nocsum": None, "csum": None, "remcsum": None},
    least=1, example="DR")

#: How far backends other than IPVS go.
_REWRITING = {"nftables": Limit("can only rewrite addresses", "use NAT", ("NAT",))}
_TURNS = {"nftables": Limit(
    "knows rr, wrr, sh", "use rr, wrr or sh", ("rr", "wrr", "sh"),
    {**dict.fromkeys(("lc", "wlc", "sed", "nq", "lblc", "lblcr", "ovf", "fo"), "wrr, the nearest"),
     **dict.fromkeys(("dh", "mh"), "sh")})}
_UNCOUNTED = {"nftables": Limit("does not count a server's connections")}
_FLOWS = {"nftables": Limit("keeps a connection for each client and port")}
_ADDRESSES = {"nftables": Limit("knows clients by their address only")}

_REGEX_OPTIONS = (
    "allow_empty_class", "alt_bsux", "auto_callout", "caseless", "dollar_endonly", "dotall", "dupnames", "extended",
    "firstline", "match_unset_backref", "multiline", "never_ucp", "never_utf", "no_auto_capture", "no_auto_possess",
    "no_dotstar_anchor", "no_start_optimize", "ucp", "ungreedy", "utf", "never_backslash_c", "alt_circumflex",
    "alt_verbnames", "use_offset_limit")


def _given(name: str, value: Value[Any] | Block, doc: str, **facts: Any) -> Keyword:
    return given(name, value, doc, process="lvs", **facts)


def _timing(least_retry: int) -> list[Keyword]:
    """Keywords that servers hand down to their checkers."""
    return [
        _given("retry", Whole(least_retry, U32), "further tries before a check has failed", fatal=True,
               default="inherited, else 1 (MISC_CHECK 0, DNS_CHECK 3)", sample="3"),
        _given("delay_before_retry", _LONG, "pause before another try", fatal=True,
               default="inherited, else 1 (HTTP_GET and SSL_GET 3, DNS_CHECK delay_loop)", sample="2"),
        _given("warmup", _LONG, "spread of the first check", fatal=True, default="inherited, else delay_loop"),
        _given("delay_loop", _LONG_NOT_ZERO, "from one check to the next", fatal=True, default="inherited, else 60",
               sample="10"),
    ]


def _scripts(**when: str) -> list[Keyword]:
    return [_given(name, Command(), f"run {text}", fatal=True, repeat=Repeat.FIRST) for name, text in when.items()]


_ALPHA = _given("alpha", OptBool(), "count as failed until the first good check", default="inherited")
_CHECK = [
    *_timing(0), _ALPHA,
    _given("log_all_failures", OptBool(), "log every failed try", default="checker_log_all_failures"),
]
_NET = [
    *_CHECK,
    _given("connect_ip", Ip(), "address that is tried", fatal=True, default="the real server's", sample="192.0.2.99"),
    _given("connect_port", _PORT, "port that is tried", fatal=True, default="the real server's"),
    _given("bindto", Ip(), "address to check from", fatal=True, default="any", sample="192.0.2.9"),
    _given("bind_port", _PORT, "port to check from", fatal=True, default="any", sample="40000"),
    _given("bind_if", Word("IFNAME", longest=15, refuse=True), "interface to check from", fatal=True,
           default="any"),
    _given("connect_timeout", _SHORT, "time limit of each step", fatal=True, default="inherited, else 5"),
    _given("fwmark", Whole(0, U32, "MARK"), "mark of the packets", fatal=True, default="0"),
]


def _ours(name: str, value: Value[Any], doc: str, **facts: Any) -> Keyword:
    return _given(name, value, doc, since=OURS, **facts)


#: What more can be asked of TLS, and what turns it on where a check can do without.
_TLS_MORE = [
    _ours("tls_verify", OptBool(), "the certificate must be good, and for the name or address that is asked",
          default="false"),
    _ours("tls_ca", Word("PATH"), "certificates of the authorities that are believed", default="the system's",
          sample="/etc/ssl/certs/ca-certificates.crt"),
    _ours("tls_expiry_warning", Whole(0, 3650, "DAYS"), "warn when the certificate ends within this time",
          default="0, never", sample="14"),
    _ours("alpn", Words("PROTOCOL ...", example="h2 http/1.1"), "protocols to offer in TLS", default="none"),
]
_TLS_CHOICE = [
    _ours("tls", OptBool(), "speak TLS", default="true with any other keyword of TLS, else false"),
    _ours("sni_name", Word("NAME"), "send this name in TLS, and verify it", sample="www.example.org"),
    *_TLS_MORE,
]


def _url(tls: bool) -> Block:
    children = [
        _given("path", Word("PATH"), "path to ask for", fatal=True, required=True, sample="/health"),
        _given("digest", Digest("MD5HEX"), "MD5 of the body", fatal=True, repeat=Repeat.FIRST),
        _given("status_code", RangeList(100, 599), "status codes that are good", default="200-299",
               sample="200 300-399"),
        _given("virtualhost", Word("NAME"), "value of the Host header", default="the checker's",
               sample="www.example.org"),
        _given("regex", Expression(), "what the body must match"),
        _given("regex_no_match", Flag(), "it must not match", default="off"),
        _given("regex_options", Words("OPTION ...", 0, example="caseless"),
               "flags of the expression: " + " ".join(_REGEX_OPTIONS)),
        _given("regex_min_offset", Whole(0, U32), "first place for a match", sample="100"),
        _given("regex_max_offset", Whole(0, U32), "last place for a match", sample="4096"),
        _given("regex_stack", Words("START MAX", 2, 2, example="32768 524288"), "stack of the expression in bytes",
               ignored="there is as much as the expression needs, and a limit of time"),
        _ours("method", Choice("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"), "method of the request",
              default="GET"),
        _ours("header", Header(example='Accept "text/html, */*"'), "a header to send", repeat=Repeat.ADD),
        _ours("body", Text(example=r'ping\n'), "what to send after the headers", default="nothing"),
        _ours("basic_auth", Words("USER PASSWORD", 2, 2, example="monitor secret"),
              "account to authenticate with", default="none"),
        _ours("expect_header", Header(optional=True, example="Content-Type text/html"),
              "a header that must be in the answer", repeat=Repeat.ADD),
        _ours("json_path", JsonPath(), "what the answer, a JSON document, must say at a place", default="none"),
        _ours("follow_redirects", Whole(0, 10), "redirections to follow", default="0", sample="3"),
    ]
    if tls:
        children.append(_TLS)
    return Block("A page to fetch.", children, shown=("status_code",))


_TLS = _given("tls_compliant", OptBool(), "end TLS sessions with close_notify", since="2.4", default="false")


def _http(doc: str, *, tls: bool) -> Block:
    net = [child for child in _NET if child.name != "retry"]
    return Block(doc, [
        *net,
        _given("retry", Whole(0, U32), "further tries before a check has failed", fatal=True, old=("nb_get_retry!",)),
        _given("virtualhost", Word("NAME"), "value of the Host header", default="the server's",
               sample="www.example.org"),
        _given("http_protocol", Choice("1.0", "1.0C", "1.0c", "1.1", "2"), "version of requests", default="1.0",
               notes="2 is known to hakeep only"),
        _ours("http_body_max", Whole(1024, 2**30, "BYTES"), "longest body that is looked at", default="4194304"),
        _given("enable_sni", OptBool(), "send the Host name in TLS", default="false"),
        _given("sni_name", Word("NAME", default=""), "send this name in TLS", since="2.4", sample="www.example.org"),
        _given("fast_recovery", OptBool(), "check all pages at once while down", default="false"),
        _given("url", _url(tls), "a page to fetch", repeat=Repeat.ADD),
        *([_TLS, *_TLS_MORE] if tls else []),
    ], shown=("url",))


_SMTP = [*_NET, _given("helo_name", Word("NAME"), "who we say we are", default="smtpchecker.keepalived.org",
                       sample="first.example.org")]

CHECKERS = {
    "MISC_CHECK": Block("Up when a command succeeds.", [
        *_CHECK,
        _given("misc_path", Command(arguments=True), "the command", required=True),
        _given("misc_timeout", Whole(0, 4294, "SECONDS"), "time limit of the command", fatal=True,
               default="delay_loop"),
        _given("misc_dynamic", Flag(), "take the weight from the exit status", default="off"),
        _given("user", User(), "account that the command runs as", default="script_user"),
    ]),
    "SMTP_CHECK": Block("Up when a mail server greets.", [
        *_SMTP,
        _given("host", Block("Old way to list hosts.", _NET), "hosts as they were listed once", repeat=Repeat.ADD),
    ]),
    "TCP_CHECK": Block("Up when a TCP connection can be opened.", [
        *_NET,
        _ours("send", Text(), "what to send", default="nothing"),
        _ours("expect", Text(example="+PONG"), "what must come in return", default="nothing"),
        *_TLS_CHOICE,
    ], shown=("connect_timeout",)),
    "PING_CHECK": Block("Up when an echo comes back.", _NET),
    "UDP_CHECK": Block("Up when a datagram is not refused.", [
        *_NET,
        _given("payload", Hex(), "what to send", default="nothing"),
        _given("require_reply", Hex(wildcard=True), "an answer must come, and match", default="off"),
        _given("min_reply_length", Whole(0, 65535), "an answer must have as many bytes", fatal=True, default="0",
               sample="4"),
        _given("max_reply_length", Whole(0, 65535), "an answer may have as many bytes", fatal=True, default="255",
               sample="512"),
    ]),
    "HTTP_GET": _http("Up when pages can be fetched.", tls=False),
    "SSL_GET": _http("Up when pages can be fetched by HTTPS.", tls=True),
    "DNS_CHECK": Block("Up when a name server answers.", [
        *_NET,
        _given("type", Choice("A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA", "RRSIG", "DNSKEY"),
               "record to ask for", fatal=True, default="SOA", sample="A"),
        _given("name", DnsName("NAME"), "name to ask for", fatal=True, default=".", sample="www.example.org"),
    ]),
    "FILE_CHECK": Block("Weight from a track_file.", [
        _given("track_file", Word("NAME"), "the track_file", fatal=True, required=True, sample="load"),
        _given("weight", Weight(-I32, I32), "factor of the number", default="the track_file's"),
    ]),
    "BFD_CHECK": Block("Up while a BFD session is.", [
        _given("name", Word("NAME"), "the bfd_instance", required=True), _ALPHA]),
    "AGENT_CHECK": Block("Up when an agent on the server says so.", [
        *_NET, _ours("send", Text(example=r"web\n"), "what to send first", default="nothing")],
        shown=("connect_port",)),
    "GRPC_CHECK": Block("Up when a gRPC server says that it serves.", [
        *_NET,
        _ours("service", Word("NAME"), "the service to ask for", default="the server as a whole",
              sample="shop.v1.Orders"),
        *_TLS_CHOICE,
    ], shown=("connect_timeout",)),
}

#: Checkers that keepalived does not know. It would take what stands in their braces for keywords of the server, and
#: their end for the server's.
OUR_CHECKERS = ("AGENT_CHECK", "GRPC_CHECK")

_SERVER = [
    *_timing(1),
    _given("connect_timeout", _SHORT, "default of the checkers' connect_timeout", fatal=True, default="5"),
    _given("virtualhost", Word("NAME"), "default Host header", sample="www.example.org"),
    _given("snmp_name", Word("NAME", default=""), "label for SNMP", sample="shop",
           ignored="there is no SNMP agent"),
]

REAL_SERVER = Block("One back end.", name="IP [PORT]", head=IpPort(), shown=("TCP_CHECK",), children=[
    *_SERVER, _ALPHA,
    _given("weight", Whole(0, I32), "its share of the connections", fatal=True, default="the service's, 1"),
    _given("lvs_method", _METHOD, "how packets get there", fatal=True, default="the service's",
           backends=_REWRITING),
    _given("uthreshold", Whole(0, U32), "connections above which it gets no more", fatal=True, default="none",
           sample="1000", backends=_UNCOUNTED),
    _given("lthreshold", Whole(0, U32), "connections below which it gets some again", fatal=True, default="none",
           sample="800", backends=_UNCOUNTED),
    _given("inhibit_on_failure", OptBool(), "when it fails keep it, with weight 0", default="the service's"),
    _given("smtp_alert", OptBool(), "send mail on changes", default="that of the service, of global_defs, true"),
    *_scripts(notify_up="when it comes up", notify_down="when it goes down"),
    _ours("slow_start", Seconds(0, 86400, 3), "time in which its weight grows after it comes back", default="0",
          sample="30"),
    *(_given(name, block, f"a check: {block.doc[0].lower()}{block.doc[1:-1]}", repeat=Repeat.ADD,
             since=OURS if name in OUR_CHECKERS else "")
      for name, block in CHECKERS.items()),
])


def _flags(**docs: str) -> list[Keyword]:
    return [_given(name.replace("_", "-"), Flag(), doc, default="off") for name, doc in docs.items()]


VIRTUAL_SERVER = Block("One IPVS service.", name="IP [PORT]|fwmark MARK|group NAME", shown=(
    "lvs_sched", "lvs_method", "protocol", "real_server"), children=[
    *_SERVER,
    _given("ip_family", Choice("inet", "inet6"), "family of a fwmark service", fatal=True,
           default="that of the addresses"),
    _given("lvs_sched", Choice(*_SCHEDULERS), "how connections are shared out", fatal=True, default="wlc",
           sample="wrr", backends=_TURNS),
    _given("lb_algo", Choice(*_SCHEDULERS), "how connections are shared out", fatal=True, field="lvs_sched",
           default="wlc", sample="wrr", backends=_TURNS),
    _given("lvs_method", _METHOD, "how packets get to real servers", fatal=True, default="NAT",
           backends=_REWRITING),
    _given("lb_kind", _METHOD, "how packets get to real servers", fatal=True, field="lvs_method", default="NAT",
           backends=_REWRITING),
    _given("protocol", Choice("TCP", "UDP", "SCTP", any_case=True), "transport protocol", fatal=True, default="UDP"),
    _given("ops", Flag(), "one packet scheduling, for UDP", default="off",
           backends=_FLOWS),
    *_flags(hashed="has no effect", flag_1="scheduler flag 1",
            flag_2="scheduler flag 2", flag_3="scheduler flag 3", sh_port="sh: look at the port too",
            sh_fallback="sh: go elsewhere when down", mh_port="mh: look at the port too",
            mh_fallback="mh: go elsewhere when down", omega="run down scripts at stop"),
    _given("alpha", Flag(), "checkers start as failed", default="off"),
    _given("inhibit_on_failure", Flag(), "keep failed real servers, with weight 0", default="off"),
    _given("ha_suspend", Flag(), "check only while the address is here", default="off"),
    _given("persistence_engine", Word("NAME"), "engine of persistence", fatal=True, sample="sip",
           backends=_ADDRESSES),
    _given("persistence_timeout", Whole(1, 2678400, "SECONDS", default=360), "how long clients stay", default="off",
           sample="600"),
    _given("persistence_granularity", Netmask(), "how much of a client's address counts", fatal=True,
           default="all of it"),
    _given("smtp_alert", OptBool(), "send mail on changes of the quorum",
           default="smtp_alert_checker, smtp_alert, false"),
    *_scripts(quorum_up="when the quorum is reached", quorum_down="when it is lost"),
    _given("quorum", Whole(1, U32, otherwise=1), "weight that must be up", fatal=True, default="1", sample="2"),
    _given("hysteresis", Whole(0, U32), "margin around quorum", fatal=True, default="0", sample="1"),
    _given("weight", Whole(1, I32), "default weight of real servers", fatal=True, default="1"),
    _ours("panic_threshold", Whole(0, 100, "PERCENT"), "keep all real servers when fewer than that are up",
          default="0, never", sample="40"),
    _given("sorry_server", IpPort(), "used when the quorum is lost", fatal=True, sample="192.0.2.66 80"),
    _given("sorry_server_inhibit", Flag(), "inhibit_on_failure for it", default="off"),
    _given("sorry_server_lvs_method", _METHOD, "how packets get to it", default="lvs_method",
           backends=_REWRITING),
    _given("real_server", REAL_SERVER, "a back end", fatal=True, repeat=Repeat.ADD, sample="192.0.2.21 80"),
], head=Service())

VIRTUAL_SERVER_GROUP = Block("Addresses that share a service.", name="NAME", children=[], entries=ServiceAddress())

SSL = Block("Client certificate of SSL_GET.", [
    _given("password", Word("PASSWORD"), "what opens the key", repeat=Repeat.REPLACE, sample="secret"),
    _given("ca", Word("PATH"), "certificates of authorities", repeat=Repeat.REPLACE,
           sample="/etc/ssl/certs/ca-certificates.crt"),
    _given("certificate", Word("PATH"), "our certificate", repeat=Repeat.REPLACE, sample="/etc/hakeep/client.pem"),
    _given("key", Word("PATH"), "our key", repeat=Repeat.REPLACE, sample="/etc/hakeep/client.key"),
])
