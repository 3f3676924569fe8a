"""Health checks: do they look at the right thing, in time, on every server?"""

from __future__ import annotations

from collections.abc import Iterator

from hakeep.config.diagnostic import Code, Verdict
from hakeep.config.keywords.lvs import OUR_CHECKERS
from hakeep.config.rules.rule import Found, advice, error, rule, warning
from hakeep.config.rules.servers import checked
from hakeep.config.rules.view import View
from hakeep.config.schema import Plain, Section
from hakeep.config.settle.lvs_pages import settle_pattern
from hakeep.config.settled_lvs import Pattern

#: What a check cannot do without.
_NEEDED = {"MISC_CHECK": "misc_path", "HTTP_GET": "url", "SSL_GET": "url", "BFD_CHECK": "name"}

#: Checks of protocols that have no port of their own.
_NEED_PORT = ("TCP_CHECK", "UDP_CHECK", "AGENT_CHECK", "GRPC_CHECK")


@rule(Code.CHECK_INCOMPLETE)
def incomplete(view: View) -> Iterator[Found]:
    """A check without what it looks at

    HTTP_GET and SSL_GET fetch the pages that their url blocks name, and each url needs a path. Without them there is
    nothing to fetch, as there is nothing to run for a MISC_CHECK without misc_path. A BFD_CHECK that names no session
    would leave its server unchecked, so hakeepd does not start with it.

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
    for service, _, kind, check in view.checks(*_NEEDED):
        urls = check.get("url") or ()
        needed = _NEEDED[kind]
        if needed not in check.places:  # a bad one has been told
            yield error(f"virtual_server {service.name}: {kind} has no {needed}", check.closing(),
                        also=(check.span(), "it begins here"), stops=kind == "BFD_CHECK")
        for url in urls:
            if "path" not in url.places:
                yield error(f"virtual_server {service.name}: this url has no path", url.closing(),
                            also=(url.span(), "it begins here"))


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
    for service, server, kind, check in view.checks():
        keyword = "misc_timeout" if kind == "MISC_CHECK" else "connect_timeout"
        limit, delay = (_nearest(word, check, server, service) for word in (keyword, "delay_loop"))
        if limit and delay and limit.get(keyword) > delay.get("delay_loop"):
            yield advice(
                f"{kind} of {server.name} may take {limit.get(keyword):g} s, but the next one is due after "
                f"{delay.get('delay_loop'):g} s", limit.span(keyword, word=1),
                also=(delay.span("delay_loop", word=1), "delay_loop"))


def _nearest(keyword: str, *parts: Plain) -> Plain | None:
    """The first of these that says something of a keyword."""
    for part in parts:
        if part.get(keyword):
            return part
    return None


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
    for service, server, kind, check in view.checks(*wrong):
        number = check.get("connect_port") or server.head[1] or service.head.port
        if number == wrong[kind][0]:
            section: Section = check if check.get("connect_port") else server
            yield warning(f"{kind} of {server.name} goes to port {number}", check.span(),
                          also=(section.span("connect_port" if section is check else ""), "the port"),
                          fix=f"use {wrong[kind][1]}")


@rule(Code.CHECK_WITHOUT_PORT)
def without_port(view: View) -> Iterator[Found]:
    """A check that has no port to ask

    A check goes to the port of the real server, else of the service. A firewall mark has none, nor has a service for
    all ports. Checks of a protocol with a port of its own use that (80, 443, 25, 53); the others need connect_port, or
    they ask port 0, where nobody listens, and the server is down for ever.

    Example::

        virtual_server fwmark 7 {
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 { TCP_CHECK { connect_timeout 3 } }
        }

    Cure::

        virtual_server fwmark 7 {
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 { TCP_CHECK { connect_port 80 } }
        }
    """
    ports = {group.name: any(entry.port for entry in group.get("entries", ()))
             for group in view.config.virtual_server_group}
    for service, server, kind, check in view.checks(*_NEED_PORT):
        known = check.get("connect_port") or server.head[1] or service.head.port or ports.get(service.head.group)
        if not known:
            yield warning(f"{kind} of {server.name} has no port to ask", check.span(), fix="add connect_port PORT",
                          also=(server.span(), "its server has none either"))


@rule(Code.CHECK_OURS)
def ours(view: View) -> Iterator[Found]:
    """A check that keepalived does not know

    Words of hakeep's own are lines, which a keepalived that reads the same file reports and passes over. AGENT_CHECK
    and GRPC_CHECK are blocks. keepalived takes what stands in an unknown block for keywords of the block around it, and
    its closing brace for that block's: the real server ends there, and what follows is lost. As long as keepalived may
    read the file, use a check that both know.

    Example::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 { AGENT_CHECK { connect_port 8777 } }
        }

    Cure::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }
    """
    told: set[str] = set()
    for _, _, kind, check in view.checks(*OUR_CHECKERS):
        if kind not in told:
            told.add(kind)  # one word, one note
            yield advice(f"keepalived does not know {kind}, and would take its end for that of real_server",
                         check.span(), note="this matters only if keepalived reads the file too")


@rule(Code.CHECK_PATTERN)
def pattern(view: View) -> Iterator[Found]:
    """A regex that cannot be looked for

    An expression that is not one is on no page, so the server is down for ever, whatever it answers. hakeepd starts all
    the same, as keepalived does (which says so only when it runs, in its log): addresses must not suffer from it. A
    backslash is taken away when the line is read: write two, or brackets as in [(].

    hakeep has its expressions from the Python package regex, which is part of hakeep[checks]. A few regex_options of
    PCRE2 are not to be had with it: they are refused where the expression has something that they would change.

    Example::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 {
                HTTP_GET {
                    url {
                        path /
                        regex "(Welcome"
                    }
                }
            }
        }

    Cure::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 {
                HTTP_GET {
                    url {
                        path /
                        regex "[(]Welcome"
                    }
                }
            }
        }
    """
    judge = view.host.pattern_problem
    known: dict[Pattern, str] = {}
    for service, _, _, check in view.checks("HTTP_GET", "SSL_GET") if judge else ():
        for url in check.get("url") or ():
            wanted = settle_pattern(url)
            if wanted is None or judge is None:
                continue
            if wanted not in known:
                known[wanted] = judge(wanted)
            problem = known[wanted]
            if problem:
                keyword = problem.partition(" ")[0]
                lines = url.places.get(keyword)
                yield error(f"virtual_server {service.name}: {problem}",
                            lines[-1].span(1, shell=keyword == "regex") if lines else url.span(), fix=_cure(problem),
                            verdict=Verdict.OK)


def _cure(problem: str) -> str:
    if "package" in problem:
        return "pip install 'hakeep[checks]'"
    if problem.startswith("regex_options"):
        return "leave that option out, or write the expression without what it changes"
    return "write a character that is meant as it stands with two backslashes, or in brackets: [(]"
