"""The checkers: one coroutine each, from a question to a `Result`.

A checker neither waits for its time nor retries nor knows of weights and quorums: the engine does all that. It never
raises for anything that a server or a network can do; what it raises is a defect of ours. Replies are hostile: memory
and time are bounded.

`CHECKERS` maps the class of a probe to its coroutine, which is called with the probe, the step (the page of an HTTP
check, else 0), and the `Kit` of the worker. FILE_CHECK and BFD_CHECK ask nothing and have none. A package of somebody
else adds some with the entry point group ``hakeep.checkers``; what an entry point names is a mapping like this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points

from hakeep.config import settled_lvs as s
from hakeep.lvs import patterns
from hakeep.lvs.checkers import agent, dns, grpc, http, http2, misc, ping, smtp, tcp, tls, udp
from hakeep.lvs.checkers.kit import Checker, Kit
from hakeep.wire.dns import encode_query

__all__ = ["CHECKERS", "GROUP", "Checker", "Kit", "all_checkers", "unsupported"]

GROUP = "hakeep.checkers"

CHECKERS: Mapping[type, Checker] = {
    s.TcpProbe: tcp.probe,
    s.HttpProbe: http.probe,
    s.SmtpProbe: smtp.probe,
    s.DnsProbe: dns.probe,
    s.UdpProbe: udp.probe,
    s.PingProbe: ping.probe,
    s.MiscProbe: misc.probe,
    s.AgentProbe: agent.probe,
    s.GrpcProbe: grpc.probe,
}


def all_checkers() -> Mapping[type, Checker]:
    """Ours and those of other packages. Reads the metadata of what is installed, so call it once, at the start. What an
    entry point cannot import is raised."""
    checkers = dict(CHECKERS)
    for point in entry_points(group=GROUP):
        checkers.update(point.load())
    return checkers


def unsupported(probe: s.Probe) -> str:
    """Why this check cannot be made here, as a sentence; "" = it can. For the moment when a configuration is loaded:
    reads certificates and keys, compiles expressions."""
    match probe:
        case s.HttpProbe():
            why = _unsupported_http(probe)
        case s.GrpcProbe():
            why = http2.missing()
        case s.DnsProbe():
            why = _unsupported_question(probe)
        case _:
            why = ""
    settings = getattr(probe, "tls", None)
    return why or ("" if settings is None else tls.unsupported(settings))


def _unsupported_http(probe: s.HttpProbe) -> str:
    if (probe.protocol == "2" or (probe.tls and "h2" in probe.tls.alpn)) and (why := http2.missing()):
        return why
    for page in probe.pages:
        if page.pattern is not None and (why := patterns.unsupported(page.pattern)):
            return why
        if probe.protocol == "2" and len(page.body) > http2.LONGEST_REQUEST:
            return f"the body of a request by HTTP/2 has at most {http2.LONGEST_REQUEST} bytes"
        if page.method == "CONNECT":
            return "CONNECT asks for no page"
        words = [page.method, page.path, page.host, *(word for header in page.headers for word in header)]
        if any(character in word for word in words for character in "\r\n\0"):
            return f"the request for {page.path!r} has a line end where none may be"
    return ""


def _unsupported_question(probe: s.DnsProbe) -> str:
    try:
        encode_query(0, probe.name, probe.type)
    except ValueError as error:
        return str(error)
    return ""
