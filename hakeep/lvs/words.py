"""What the director says: log lines and the lines of its FIFO.

Where people and their scripts look for keepalived's sentence, it is keepalived's, and what we know beyond it follows.
Where keepalived's sentence would not be true (it says that it adds a server which it does not add, because the sorry
server is in), it is another one.
"""

from __future__ import annotations

from hakeep.config.settled_lvs import (
    AgentProbe,
    BfdProbe,
    Check,
    DnsProbe,
    FileProbe,
    GrpcProbe,
    HttpProbe,
    MiscProbe,
    PingProbe,
    RealServer,
    SmtpProbe,
    SorryServer,
    TcpProbe,
    UdpProbe,
    VirtualServer,
)
from hakeep.objects.ipvs import PROTOCOLS

# ---------------------------------------------------------------------------------------------------------- checks

_SUCCESS: dict[type, str] = {
    TcpProbe: "TCP connection to {} success.",
    HttpProbe: "Remote Web server {} succeed on service.",
    SmtpProbe: "Remote SMTP server {} succeed on service.",
    UdpProbe: "UDP connection to {} success.",
    PingProbe: "ICMP connection to {} success.",
}
_NAMES: dict[str, str] = {"HTTP_GET": "HTTP_CHECK", "SSL_GET": "HTTP_CHECK", "PING_CHECK": "ICMP CHECK"}
_PROTOCOLS: dict[type, str] = {UdpProbe: "udp", DnsProbe: "udp"}


def asked(check: Check) -> str:
    """Whom a check asks: ``[10.0.0.2]:tcp:80``, or the script, the file, the session."""
    probe = check.probe
    if isinstance(probe, MiscProbe):
        return f"[{' '.join(probe.script.argv)}]"
    if isinstance(probe, FileProbe):
        return f"[{probe.name or probe.path}]"
    if isinstance(probe, BfdProbe):
        return f"[{probe.name}]"
    if isinstance(probe, PingProbe):
        return f"[{probe.peer.ip}]"
    if isinstance(probe, HttpProbe | TcpProbe | SmtpProbe | DnsProbe | UdpProbe | AgentProbe | GrpcProbe):
        return f"[{probe.peer.ip}]:{_PROTOCOLS.get(type(probe), 'tcp')}:{probe.peer.port}"
    return f"[{check.kind}]"  # a checker of somebody else's package


def succeeded(check: Check) -> str:
    """The first good answer, and the one after failures."""
    sentence = _SUCCESS.get(type(check.probe), f"{_name(check)} on service {{}} success.")
    return sentence.replace("{}", asked(check))


def failed(check: Check, retries: int, why: str) -> str:
    """The failure that counts."""
    after = f" after {retries} retries" if retries else ""
    return f"{_name(check)} on service {asked(check)} failed{after}. {_sentence(why)}"


def failed_once(check: Check, why: str) -> str:
    """Any failure (log_all_failures)."""
    return f"{_name(check)} on service {asked(check)}: {why}"


def not_asked(check: Check, why: str) -> str:
    """A check that could not be made, for reasons of our own."""
    return f"{_name(check)} on service {asked(check)} could not be made, which says nothing of the server: {why}"


def _name(check: Check) -> str:
    return _NAMES.get(check.kind, check.kind)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


# ----------------------------------------------------------------------------------------------------------- pools


def protocol(settings: VirtualServer) -> str:
    """As keepalived writes it in the names of real servers: ``none`` for firewall marks."""
    for service in settings.services:
        if service.key.protocol:
            return PROTOCOLS.get(service.key.protocol, "?").lower()
    return "none"


def real(settings: VirtualServer, server: RealServer | SorryServer) -> str:
    """A real server of this virtual server: ``[10.0.0.2]:tcp:80``."""
    return f"[{server.ip}]:{protocol(settings)}:{server.port}"


def real_line(settings: VirtualServer, server: RealServer, up: bool) -> str:
    """The FIFO's line about a real server."""
    return f"RS {real(settings, server)} {settings.label} {'UP' if up else 'DOWN'}"


def virtual_line(settings: VirtualServer, up: bool) -> str:
    """The FIFO's line about a virtual server."""
    return f"VS {settings.label} {'UP' if up else 'DOWN'}"


def service(settings: VirtualServer, server: RealServer, *, enters: bool, note: str = "") -> str:
    """A real server goes in or out."""
    verb = ("Enabl" if server.inhibit else "Add") if enters else ("Disabl" if server.inhibit else "Remov")
    to = "to" if enters else "from"
    return f"{verb}ing service {real(settings, server)} {to} VS {settings.label}{note}"


def removed_by_reload(settings: VirtualServer, server: RealServer, *, up: bool) -> str:
    """A real server that is configured no more."""
    return f"Removing {'' if up else 'inactive '}service {real(settings, server)} from VS {settings.label}"


def weight(settings: VirtualServer, server: RealServer, before: int, now: int, *, up: bool) -> str:
    """A real server's weight has changed at run time."""
    which = f"{'' if up else 'in'}active service {real(settings, server)} of VS {settings.label}"
    return f"Changing weight from {before} to {now} for {which}"


def well_but_waits(settings: VirtualServer, server: RealServer, total: int) -> str:
    """A real server is well again, but nothing is added: the sorry server serves on (keepalived says Adding)."""
    need = settings.quorum + settings.hysteresis
    return (
        f"service {real(settings, server)} is well again, but the sorry server of VS {settings.label} serves until "
        f"the quorum is reached: {total} of {need}"
    )


def failed_but_out(settings: VirtualServer, server: RealServer) -> str:
    """A real server fails, but nothing is removed: the sorry server serves already."""
    return f"service {real(settings, server)} has failed too; the sorry server of VS {settings.label} serves"


def failed_but_stays(settings: VirtualServer, server: RealServer) -> str:
    """A real server fails, but nothing is removed: too many have failed."""
    return f"service {real(settings, server)} of VS {settings.label} has failed, but stays (panic_threshold)"


def well_and_stayed(settings: VirtualServer, server: RealServer) -> str:
    """A real server is well again that had not been taken out."""
    return f"service {real(settings, server)} of VS {settings.label}, which had stayed, is well again"


def panic(settings: VirtualServer, up: int, of: int) -> str:
    """Too many have failed at once: that is more likely a fault of ours than of theirs."""
    return (
        f"VS {settings.label}: only {up} of {of} real servers are well, fewer than {settings.panic_threshold} %: "
        "failed ones stay in (panic_threshold)"
    )


def panic_over(settings: VirtualServer, up: int, of: int) -> str:
    """Enough are well again."""
    return f"VS {settings.label}: {up} of {of} real servers are well: failed ones are taken out again"


def gained(settings: VirtualServer, total: int) -> str:
    """The quorum is reached."""
    return f"{gained_quorum(settings, total)} for VS {settings.label}"


def gained_quorum(settings: VirtualServer, total: int) -> str:
    """The same where it is clear whose."""
    need, slack = settings.quorum, settings.hysteresis
    return f"Gained quorum {need}+{slack}={need + slack} <= {total}"


def lost(settings: VirtualServer, total: int) -> str:
    """The quorum is lost."""
    return f"{lost_quorum(settings, total)} for VS {settings.label}"


def lost_quorum(settings: VirtualServer, total: int) -> str:
    """The same where it is clear whose."""
    need, slack = settings.quorum, settings.hysteresis
    return f"Lost quorum {need}-{slack}={need - slack} > {total}"


def starts_down(settings: VirtualServer, total: int) -> str:
    """There is no quorum at the start."""
    need, slack = settings.quorum, settings.hysteresis
    return f"Starting with quorum down for VS {settings.label}: {need}+{slack}={need + slack} > {total}"


def quorum_down(settings: VirtualServer, total: int) -> str:
    """The same where it is clear whose."""
    need, slack = settings.quorum, settings.hysteresis
    return f"Starting with quorum down {need}+{slack}={need + slack} > {total}"


def sorry(settings: VirtualServer, server: SorryServer, *, enters: bool) -> str:
    """The sorry server goes in or out."""
    verb = ("Enabl" if server.inhibit else "Add") if enters else ("Disabl" if server.inhibit else "Remov")
    to = "to" if enters else "from"
    return f"{verb}ing sorry server {real(settings, server)} {to} VS {settings.label}"


def alive_servers(settings: VirtualServer, *, enter: bool) -> str:
    """Those that are well change places with the sorry server."""
    what = "Adding alive servers to" if enter else "Removing alive servers from"
    return f"{what} the pool of VS {settings.label}"


def slow(seconds: float) -> str:
    """The note about a server that begins slowly."""
    return f", its weight grows over {seconds:g} s (slow_start)"
