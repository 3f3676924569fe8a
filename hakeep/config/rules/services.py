"""Virtual servers: what keepalived reports when it puts a service together. Nothing here is run yet."""

from __future__ import annotations

from hakeep.config.diagnostic import Code, Findings, Verdict
from hakeep.config.keywords.static import Config
from hakeep.config.schema import Plain
from hakeep.config.values.services import ServiceKey


def check_services(config: Config, findings: Findings) -> None:
    """Every virtual_server and virtual_server_group."""
    for group in config.virtual_server_group:
        if not group.get("entries"):
            findings.warning(Code.SERVICE_INCOMPLETE, f"virtual_server_group {group.name} has no entry", group.span(),
                             verdict=Verdict.GENERAL)
    groups = {group.name for group in config.virtual_server_group}
    for service in config.virtual_server:
        key: ServiceKey = service.head
        if key.group and key.group not in groups:
            findings.warning(Code.UNKNOWN_REFERENCE, f"there is no virtual_server_group {key.group}", service.span())
        elif not service.get("real_server") and not service.get("sorry_server"):
            findings.warning(Code.SERVICE_INCOMPLETE, f"virtual_server {service.name} has no real_server; it is left "
                             "out", service.span(), verdict=Verdict.GENERAL)
        else:
            _service(service, key, findings)


def _service(service: Plain, key: ServiceKey, findings: Findings) -> None:
    name = f"virtual_server {service.name}"
    if service.get("protocol") is None and not key.fwmark:
        findings.error(Code.SERVICE_INCOMPLETE, f"{name} has no protocol; UDP is used", service.span())
    if service.get("protocol") is not None and key.fwmark:
        findings.error(Code.SERVICE_CONFLICT, f"{name}: a firewall mark has no protocol", service.span("protocol"))
    for keyword, default in (("lvs_sched", "wlc"), ("lvs_method", "NAT")):
        if service.get(keyword) is None:
            findings.error(Code.SERVICE_INCOMPLETE, f"{name} has no {keyword}; {default} is used", service.span())
    if service.get("ops") and service.get("protocol") != "UDP":
        findings.error(Code.SERVICE_CONFLICT, f"{name}: ops is for UDP only", service.span("ops"))
    _checkers(service, name, findings)
    _ports(service, key, name, findings)
    _quorum(service, name, findings)


def _checkers(service: Plain, name: str, findings: Findings) -> None:
    for server in service.get("real_server") or ():
        for kind in ("HTTP_GET", "SSL_GET"):
            for checker in server.get(kind) or ():
                urls = checker.get("url") or ()
                if not urls:
                    findings.error(Code.SERVICE_INCOMPLETE, f"{name}: {kind} has no url", checker.span())
                for url in urls:
                    if not url.get("path"):
                        findings.error(Code.SERVICE_INCOMPLETE, f"{name}: this url has no path", url.span())


def _ports(service: Plain, key: ServiceKey, name: str, findings: Findings) -> None:
    nat = dict(service.get("lvs_method") or ()).get("method", "NAT") == "NAT"
    seen = set()
    for server in service.get("real_server") or ():
        ip, port = server.head
        if (ip, port) in seen:
            findings.error(Code.DUPLICATE, f"{name}: real_server {server.name} is given twice", server.span())
        seen.add((ip, port))
        own = server.get("lvs_method")
        direct = dict(own).get("method") != "NAT" if own else not nat
        if key.ip and direct and port is not None and port != (key.port or 0):
            findings.error(Code.SERVICE_CONFLICT, f"{name}: without NAT real_server {server.name} must have the same "
                           "port", server.span())
        if key.ip and ip.version != key.ip.version and not _tunnels(service, server):
            findings.error(Code.FAMILY, f"{name}: real_server {server.name} is of another family", server.span())


def _tunnels(service: Plain, server: Plain) -> bool:
    method = server.get("lvs_method") or service.get("lvs_method") or ()
    return dict(method).get("method") == "TUN"


def _quorum(service: Plain, name: str, findings: Findings) -> None:
    default = service.get("weight", 1)
    total = sum(server.get("weight", default) for server in service.get("real_server") or ())
    quorum = service.get("quorum", 1)
    if service.get("real_server") and quorum > max(total, 1):
        findings.error(Code.SERVICE_CONFLICT, f"{name}: quorum {quorum} is more than the total weight {total}",
                       service.span("quorum"))
    hysteresis = service.get("hysteresis", 0)
    if hysteresis and hysteresis >= min(quorum, max(total, 1)):
        findings.error(Code.SERVICE_CONFLICT, f"{name}: hysteresis {hysteresis} must be less than the quorum",
                       service.span("hysteresis"))
