"""Health checks: do they look at the right thing, in time, on every server?"""

from __future__ import annotations

from collections.abc import Iterator

from hakeep.config.diagnostic import Code
from hakeep.config.rules.rule import Found, advice, error, rule, warning
from hakeep.config.rules.servers import CHECKS, checked
from hakeep.config.rules.view import View
from hakeep.config.schema import Plain, Section


@rule(Code.CHECK_INCOMPLETE)
def incomplete(view: View) -> Iterator[Found]:
    """An HTTP check without a page

    HTTP_GET and SSL_GET fetch the pages that their url blocks name, and each url needs a path. Without them there is
    nothing to fetch.

    Example::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 { HTTP_GET { connect_timeout 3 } }
        }

    Cure::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 { HTTP_GET { url { path / } } }
        }
    """
    for service, _, kind, check in _checks(view):
        if kind in ("HTTP_GET", "SSL_GET"):
            urls = check.get("url") or ()
            if not urls:
                yield error(f"virtual_server {service.name}: {kind} has no url", check.span())
            for url in urls:
                if not url.get("path"):
                    yield error(f"virtual_server {service.name}: this url has no path", url.span())


@rule(Code.UNCHECKED)
def unchecked(view: View) -> Iterator[Found]:
    """One real server is not checked, and others are

    A real server without a check counts as up for ever, also when it is dead: its share of the clients gets nothing.
    As other servers of the service have checks, this one was probably forgotten.

    Example::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
            real_server 192.0.2.22 80 { weight 1 }
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
    for service in view.services:
        servers = service.get("real_server") or ()
        good = next((server for server in servers if checked(server)), None)
        for server in servers if good else ():
            if not checked(server):
                yield warning(f"virtual_server {service.name}: real_server {server.name} has no check, so it is always "
                              "up", server.span(), also=(good.span(), "this one has a check") if good else None)


@rule(Code.CHECK_TIMEOUT)
def timeout(view: View) -> Iterator[Found]:
    """A check may take longer than the time to the next one

    delay_loop is the time from one check to the next. A dead server that does not answer is noticed only after the
    timeout, so a short delay_loop gives less than it promises.

    Example::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            delay_loop 2
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 10 } }
        }

    Cure::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            delay_loop 10
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 2 } }
        }
    """
    for service, server, kind, check in _checks(view):
        keyword = "misc_timeout" if kind == "MISC_CHECK" else "connect_timeout"
        limits = [(part, part.get(keyword)) for part in (check, server, service) if part.get(keyword)]
        delays = [(part, part.get("delay_loop")) for part in (check, server, service) if part.get("delay_loop")]
        if limits and delays and limits[0][1] > delays[0][1]:
            yield advice(
                f"{kind} of {server.name} may take {limits[0][1]:g} s, but the next one is due after "
                f"{delays[0][1]:g} s", limits[0][0].span(keyword, word=1),
                also=(delays[0][0].span("delay_loop", word=1), "delay_loop"))


@rule(Code.CHECK_PORT)
def port(view: View) -> Iterator[Found]:
    """SSL_GET on port 80, or HTTP_GET on port 443

    The check speaks the wrong protocol for the port: a good server fails it, and is taken out.

    Example::

        virtual_server 192.0.2.100 443 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 443 { HTTP_GET { url { path / } } }
        }

    Cure::

        virtual_server 192.0.2.100 443 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 443 { SSL_GET { url { path / } } }
        }
    """
    wrong = {"HTTP_GET": (443, "SSL_GET"), "SSL_GET": (80, "HTTP_GET")}
    for service, server, kind, check in _checks(view):
        number = check.get("connect_port") or server.head[1] or service.head.port
        if kind in wrong and number == wrong[kind][0]:
            section: Section = check if check.get("connect_port") else server
            yield warning(f"{kind} of {server.name} goes to port {number}", check.span(),
                          also=(section.span("connect_port" if section is check else ""), "the port"),
                          fix=f"use {wrong[kind][1]}")


def _checks(view: View) -> Iterator[tuple[Plain, Plain, str, Plain]]:
    """Every check with its service, its server and its kind."""
    for service in view.services:
        for server in service.get("real_server") or ():
            for kind in CHECKS:
                for check in server.get(kind) or ():
                    yield service, server, kind, check
