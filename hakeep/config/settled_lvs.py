"""What the LVS director runs: virtual servers after every default, inheritance and correction has been applied.

The counterpart of `settled` for the lvs worker. A virtual server of a group has several services; what is said of its
real servers holds for each of them. Names are the keywords' names. Times are seconds as floats.

A check is split in two. Its *probe* is the question: what is asked of which address, with every detail that could
change the answer. Its *timing* says when. Two checks that are equal are one: a server that stands in fifty virtual
servers is asked once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hakeep.config.settled_globals import Fifo, Global, Process, Script
from hakeep.objects.ipvs import PLAIN, Forward, Service, ServiceKey, SyncDaemon, Timeouts, Tunnel
from hakeep.objects.rtnl import IPAddress

# ------------------------------------------------------------------------------------------------------------ probes


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a probe goes, and from where. `timeout` is for each step. `bind_port` 0, `bind_if` "" and `fwmark` 0 mean
    nothing special."""

    ip: IPAddress
    port: int
    timeout: float = 5.0
    bind_ip: IPAddress | None = None
    bind_port: int = 0
    bind_if: str = ""
    fwmark: int = 0


@dataclass(frozen=True, slots=True)
class Tls:
    """How a probe speaks TLS. `server_name` "" sends none. Without `verify` any certificate will do.

    `authorities` "" are the system's; `certificate` and `key` are ours, for servers that ask for one. `expiry_days`:
    warn when the server's certificate has fewer days left, 0 = never. `alpn`: protocols to offer.
    """

    server_name: str = ""
    verify: bool = False
    authorities: str = ""
    certificate: str = ""
    key: str = ""
    password: str = ""
    expiry_days: int = 0
    alpn: tuple[str, ...] = ()
    compliant: bool = False  # tls_compliant: an end without close_notify is a failure


@dataclass(frozen=True, slots=True)
class Pattern:
    """`regex` of a page. `options` are keepalived's words; offsets are in bytes, `latest` 0 = anywhere."""

    text: str
    options: tuple[str, ...] = ()
    earliest: int = 0
    latest: int = 0
    absent: bool = False  # regex_no_match


@dataclass(frozen=True, slots=True)
class Page:
    """One `url`: what is asked for and what makes the answer good. `statuses` are ranges, both ends included."""

    path: str = "/"
    host: str = ""  # what the Host header says, final
    statuses: tuple[tuple[int, int], ...] = ((200, 299),)
    digest: str = ""  # MD5 of the body in hexadecimal digits
    pattern: Pattern | None = None
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    user: str = ""  # of basic authentication
    password: str = ""
    expected_headers: tuple[tuple[str, str], ...] = ()  # name, value ("" = it must be there)
    json_path: str = ""  # such as .status.healthy
    json_value: str = ""
    redirects: int = 0  # how many to follow


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """HTTP_GET and SSL_GET (`tls` is set). Each page is a step of its own; `protocol`: "1.0", "1.0C", "1.1" or "2"."""

    peer: Peer
    pages: tuple[Page, ...]
    tls: Tls | None = None
    protocol: str = "1.0"
    fast_recovery: bool = False
    body_max: int = 4 << 20


@dataclass(frozen=True, slots=True)
class TcpProbe:
    """TCP_CHECK: a connection can be opened; after sending `send` (if any) `expect` must come (if any)."""

    peer: Peer
    send: bytes = b""
    expect: bytes = b""
    tls: Tls | None = None


@dataclass(frozen=True, slots=True)
class SmtpProbe:
    """SMTP_CHECK: greeting, HELO, QUIT."""

    peer: Peer
    helo_name: str = "smtpchecker.keepalived.org"


@dataclass(frozen=True, slots=True)
class DnsProbe:
    """DNS_CHECK: an answer without an error code. `name` is a domain name with or without its last dot."""

    peer: Peer
    type: str = "SOA"
    name: str = "."


@dataclass(frozen=True, slots=True)
class UdpProbe:
    """UDP_CHECK: not refused. `payload` None is keepalived's text. `reply` None asks for no answer; else one must come
    and match it byte by byte, where None stands for any byte. `masks`: the bits of each byte that count; () = all."""

    peer: Peer
    payload: bytes | None = None
    reply: tuple[int | None, ...] | None = None
    masks: tuple[int, ...] = ()
    reply_min: int = 0
    reply_max: int = 255


@dataclass(frozen=True, slots=True)
class PingProbe:
    """PING_CHECK: an echo comes back."""

    peer: Peer


@dataclass(frozen=True, slots=True)
class MiscProbe:
    """MISC_CHECK: a command's exit status is 0, or with `dynamic` a weight + 2."""

    script: Script
    timeout: float
    dynamic: bool = False


@dataclass(frozen=True, slots=True)
class AgentProbe:
    """AGENT_CHECK: a server says in words how it is: ``up``, ``down``, ``maint``, ``drain``, ``75%`` (HAProxy's)."""

    peer: Peer
    send: bytes = b""


@dataclass(frozen=True, slots=True)
class GrpcProbe:
    """GRPC_CHECK: grpc.health.v1.Health/Check of `service` says SERVING."""

    peer: Peer
    service: str = ""
    tls: Tls | None = None


@dataclass(frozen=True, slots=True)
class FileProbe:
    """FILE_CHECK: nothing is asked; the number in a file counts. `weight` times it is added to the real server's. With
    weight 0 any number but 0 means down, with `reverse` 0 does."""

    path: str
    weight: int = 1
    name: str = ""
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class BfdProbe:
    """BFD_CHECK: nothing is asked; a BFD session is up or down."""

    name: str


NetProbe = HttpProbe | TcpProbe | SmtpProbe | DnsProbe | UdpProbe | PingProbe | AgentProbe | GrpcProbe
Probe = NetProbe | MiscProbe | FileProbe | BfdProbe


@dataclass(frozen=True, slots=True)
class Timing:
    """When a check is made, and how many failures count (behaviour of keepalived's checkers).

    The first one comes 1 s + a part of `warmup` after the start, the next `delay_loop` after the end of the one before.
    After a failure `retry` further tries, `delay_before_retry` apart, before the server counts as down.
    """

    delay_loop: float = 60.0
    warmup: float = 60.0
    retry: int = 1
    delay_before_retry: float = 1.0


@dataclass(frozen=True, slots=True)
class Check:
    """A question and when to ask it. `kind` is the keyword, such as TCP_CHECK. `alpha`: failed until proved well."""

    kind: str
    probe: Probe
    timing: Timing = field(default_factory=Timing)
    alpha: bool = False
    log_all_failures: bool = False


# ----------------------------------------------------------------------------------------------------------- servers


@dataclass(frozen=True, slots=True)
class RealServer:
    """One back end of one virtual server. `port` is final, also for direct routing; 0 in services without a port, and
    in groups, where it means that of the client's packet."""

    ip: IPAddress
    port: int
    weight: int = 1
    forward: Forward = Forward.MASQ
    tunnel: Tunnel = PLAIN
    upper: int = 0
    lower: int = 0
    inhibit: bool = False
    smtp_alert: bool = True
    checks: tuple[Check, ...] = ()
    notify_up: Script | None = None
    notify_down: Script | None = None
    slow_start: float = 0.0

    def __str__(self) -> str:
        """As logs say it, without the protocol: ``[10.0.0.2]:80``."""
        return f"[{self.ip}]:{self.port}"


@dataclass(frozen=True, slots=True)
class SorryServer:
    """Who serves when the quorum is lost."""

    ip: IPAddress
    port: int
    forward: Forward = Forward.MASQ
    tunnel: Tunnel = PLAIN
    inhibit: bool = False


@dataclass(frozen=True, slots=True)
class VirtualServer:
    """One virtual_server block. `name` is how it was written: ``10.0.0.1 80``, ``fwmark 5``, ``group shop``, with the
    protocol after it where that is not TCP: ``10.0.0.1 53 UDP``. No two have the same.

    `label` is what logs and FIFOs call it, as keepalived's do: ``[10.0.0.1]:tcp:80``, ``FWM 5``, ``[shop]:0`` for the
    first one of group shop. `panic_threshold` is a percentage: when fewer of the real servers are up, all are kept;
    0 = never. Where nftables_ipvs stands for the addresses of a group, these are `marked` by `mark`, and the services
    are those of the mark.
    """

    name: str
    label: str
    services: tuple[Service, ...]
    reals: tuple[RealServer, ...] = ()
    sorry: SorryServer | None = None
    quorum: int = 1
    hysteresis: int = 0
    omega: bool = False
    ha_suspend: bool = False
    smtp_alert: bool = False
    quorum_up: Script | None = None
    quorum_down: Script | None = None
    panic_threshold: int = 0
    marked: tuple[ServiceKey, ...] = ()
    mark: int = 0

    @property
    def addresses(self) -> frozenset[IPAddress]:
        """Where it is reached; empty for firewall marks."""
        keys = (*self.marked, *(service.key for service in self.services))
        return frozenset(key.ip for key in keys if key.ip is not None)


NO_TIMEOUTS = Timeouts()


@dataclass(frozen=True, slots=True)
class SyncWish:
    """lvs_sync_daemon. With `instance` the state follows that vrrp_instance; without, both daemons run."""

    daemon: SyncDaemon
    instance: str = ""


@dataclass(frozen=True, slots=True)
class Director:
    """A whole configuration, as the lvs worker takes it.

    `flush` empties the table at start, `flush_on_stop` is "" (delete what is ours), "all" or "VS" (delete the services
    only). `backend` is lvs_backend, or what the command line says in its place. `checks_max`: so many are in flight at
    once.
    """

    globals: Global = field(default_factory=Global)
    virtual: tuple[VirtualServer, ...] = ()
    timeouts: Timeouts = NO_TIMEOUTS
    sync: SyncWish | None = None
    flush: bool = False
    flush_on_stop: str = ""
    backend: str = "auto"
    process: Process = field(default_factory=Process)
    lvs_notify_fifo: Fifo | None = None
    rs_init_notifies: bool = False
    log_all_failures: bool = False
    checks_max: int = 500
    mark_table: str = ""
    mark_priority: int = -1
    mark_first: int = 1000
