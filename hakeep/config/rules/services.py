"""Virtual servers: what each needs, and what does not go together in it."""

from __future__ import annotations

from collections.abc import Iterator

from hakeep.config.diagnostic import Code, Verdict
from hakeep.config.rules.rule import Found, error, rule, warning
from hakeep.config.rules.view import View
from hakeep.config.schema import Plain
from hakeep.config.values.services import ServiceKey

#: Flags that mean something to some schedulers only.
_FLAGS = {
    "sh-port": ("sh",), "sh-fallback": ("sh",), "mh-port": ("mh",), "mh-fallback": ("mh",), "hashed": ("sh", "mh"),
}


@rule(Code.SERVICE_INCOMPLETE)
def incomplete(view: View) -> Iterator[Found]:
    """A virtual server lacks what it needs

    Without a real_server it is left out. Without lvs_sched (lb_algo) or lvs_method (lb_kind) a default is taken, wlc
    and NAT, and NAT is seldom what a copied half of a file was written for.

    Example::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }

    Cure::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }
    """
    for group in view.config.virtual_server_group:
        if not group.get("entries"):
            yield warning(f"virtual_server_group {group.name} has no entry", group.closing(),
                          also=(group.span(), "it begins here"), verdict=Verdict.GENERAL)
    groups = {group.name for group in view.config.virtual_server_group}
    for service in view.config.virtual_server:
        name = service.head.group
        if not (name and name not in groups) and not (
                {"real_server", "sorry_server"} & service.places.keys()):
            yield warning(f"virtual_server {service.name} has no real_server; it is left out", service.span(),
                          verdict=Verdict.GENERAL)
    for service in view.services:
        for keyword, default in (("lvs_sched", "wlc"), ("lvs_method", "NAT")):
            if service.get(keyword) is None:
                yield error(f"virtual_server {service.name} has no {keyword}; {default} is used", service.span())


@rule(Code.NO_PROTOCOL)
def no_protocol(view: View) -> Iterator[Found]:
    """A virtual server without protocol is for UDP

    Most people expect TCP. IPVS then balances UDP datagrams to port 80 or 443, and connections over TCP reach the
    director itself, or nobody.

    Example::

        virtual_server 192.0.2.100 80 {
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }

    Cure::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }
    """
    for service in view.services:
        if service.get("protocol") is None and "protocol" not in service.places and not service.head.fwmark:
            yield error(f"virtual_server {service.name} has no protocol; UDP is used", service.span(),
                        fix="add protocol TCP (or UDP, or SCTP)")


@rule(Code.SERVICE_CONFLICT)
def mark_with_protocol(view: View) -> Iterator[Found]:
    """A firewall mark with a protocol

    A service by firewall mark takes every packet that has the mark; which protocol these are, the rule that sets the
    mark decides. The protocol here has no effect.

    Example::

        virtual_server fwmark 7 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 { TCP_CHECK { connect_port 80 } }
        }

    Cure::

        virtual_server fwmark 7 {
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 { TCP_CHECK { connect_port 80 } }
        }
    """
    for service in view.services:
        if service.get("protocol") is not None and service.head.fwmark:
            yield error(f"virtual_server {service.name}: a firewall mark has no protocol",
                        service.span("protocol"))


@rule(Code.SAME_SERVICE)
def same_service(view: View) -> Iterator[Found]:
    """Two virtual servers for the same address, port and protocol

    IPVS knows one service by that name. The second definition is put over the first one, their checkers both add and
    remove servers in it, and which scheduler counts is chance. keepalived says nothing.

    Example::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }
        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.22 80 { TCP_CHECK { connect_timeout 3 } }
        }

    Cure::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
            real_server 192.0.2.22 80 { TCP_CHECK { connect_timeout 3 } }
        }
    """
    seen: dict[tuple[ServiceKey, str], Plain] = {}
    for service in view.services:
        key: ServiceKey = service.head
        protocol = "" if key.fwmark else service.get("protocol", "UDP")
        first = seen.setdefault((key, protocol), service)
        if first is not service:
            yield warning(f"virtual_server {service.name} ({protocol or 'any protocol'}) is there already",
                          service.span(), also=(first.span(), "first defined here"),
                          fix="put the real servers of both into one")


@rule(Code.QUORUM)
def quorum(view: View) -> Iterator[Found]:
    """A quorum or hysteresis that can never be reached

    The quorum is the weight that must be up. If all real servers together weigh less, it would never be reached, so
    it is lowered to their sum. The hysteresis must be smaller than the quorum.

    Example::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            quorum 3
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
            real_server 192.0.2.22 80 { TCP_CHECK { connect_timeout 3 } }
        }

    Cure::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            quorum 2
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
            real_server 192.0.2.22 80 { TCP_CHECK { connect_timeout 3 } }
        }
    """
    for service in view.services:
        name = f"virtual_server {service.name}"
        default = service.get("weight", 1)
        total = sum(server.get("weight", default) for server in service.get("real_server") or ())
        wanted = service.get("quorum", 1)
        if service.get("real_server") and wanted > max(total, 1):
            yield error(f"{name}: quorum {wanted} is more than the total weight {total}",
                        service.span("quorum", word=1))
        hysteresis = service.get("hysteresis", 0)
        if hysteresis and hysteresis >= min(wanted, max(total, 1)):
            yield error(f"{name}: hysteresis {hysteresis} must be less than the quorum",
                        service.span("hysteresis", word=1))


@rule(Code.ONE_PACKET)
def one_packet(view: View) -> Iterator[Found]:
    """One packet scheduling without UDP

    `ops` sends each packet to a server of its own choice. That is for protocols of one datagram, as DNS; a TCP
    connection would be torn apart. Without protocol UDP it has no effect.

    Example::

        virtual_server 192.0.2.100 53 {
            protocol TCP
            ops
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 53 { TCP_CHECK { connect_timeout 3 } }
        }

    Cure::

        virtual_server 192.0.2.100 53 {
            protocol UDP
            ops
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 53 { DNS_CHECK { name example.org } }
        }
    """
    for service in view.services:
        if service.get("ops") and service.get("protocol", "UDP") != "UDP" and not service.head.fwmark:
            yield error(f"virtual_server {service.name}: ops is for UDP only", service.span("ops"),
                        also=(service.span("protocol", word=1), "the protocol"))


@rule(Code.SCHEDULER_FLAG)
def scheduler_flag(view: View) -> Iterator[Found]:
    """A flag of another scheduler, or before the scheduler

    sh-port and sh-fallback are for the scheduler sh, mh-port and mh-fallback for mh. With another one they have no
    effect. keepalived looks at the scheduler when it comes to the flag, so lvs_sched stands first.

    Example::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            sh-port
            lvs_method DR
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }

    Cure::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched sh
            sh-port
            lvs_method DR
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }
    """
    for service in view.services:
        chosen = service.get("lvs_sched", "wlc")
        for flag, schedulers in _FLAGS.items():
            if not service.get(flag):
                continue
            scheduler = (service.span("lvs_sched", word=1), "the scheduler")
            if chosen not in schedulers:
                changed = service.order("lvs_sched", 0) < service.order(flag) < service.order("lvs_sched")
                yield (warning if changed else error)(
                    f"virtual_server {service.name}: {flag} has no effect with {chosen}", service.span(flag),
                    also=scheduler)
            elif service.order("lvs_sched", 0) > service.order(flag):
                yield error(f"virtual_server {service.name}: {flag} has no effect before lvs_sched",
                            service.span(flag), also=scheduler, fix=f"write {flag} after it")
