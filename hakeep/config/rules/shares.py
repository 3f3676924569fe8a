"""Weights and thresholds: what decides how many connections a real server gets."""

from __future__ import annotations

from collections.abc import Iterator

from hakeep.config.diagnostic import Code
from hakeep.config.rules.rule import Found, rule, warning
from hakeep.config.rules.view import View
from hakeep.config.schema import Plain


@rule(Code.NO_WEIGHT)
def no_weight(view: View) -> Iterator[Found]:
    """All real servers have weight 0

    A server with weight 0 gets no new connections. With nothing but such servers nobody gets any.

    Example::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 {
                weight 0
                TCP_CHECK { connect_timeout 3 }
            }
        }

    Cure::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 {
                weight 1
                TCP_CHECK { connect_timeout 3 }
            }
        }
    """
    for service in view.services:
        servers = service.get("real_server") or ()
        if servers and not any(server.get("weight", 1) or _weighed(server) for server in servers):
            yield warning(f"virtual_server {service.name}: all real servers have weight 0",
                          servers[0].span("weight", word=1))


@rule(Code.THRESHOLDS)
def thresholds(view: View) -> Iterator[Found]:
    """The lower connection threshold is above the upper one

    Above uthreshold connections a server gets no more, below lthreshold it gets some again. The lower one must be
    lower.

    Example::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 {
                uthreshold 100
                lthreshold 200
                TCP_CHECK { connect_timeout 3 }
            }
        }

    Cure::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 {
                uthreshold 200
                lthreshold 100
                TCP_CHECK { connect_timeout 3 }
            }
        }
    """
    for service, server in view.servers_with("lthreshold"):
        upper, lower = server.get("uthreshold"), server.get("lthreshold")
        if upper and lower and lower > upper:
            yield warning(f"virtual_server {service.name}: lthreshold {lower} of {server.name} is above uthreshold "
                          f"{upper}", server.span("lthreshold", word=1),
                          also=(server.span("uthreshold", word=1), "the upper one"))


@rule(Code.LOWER_ALONE)
def lower_alone(view: View) -> Iterator[Found]:
    """A lower connection threshold without an upper one

    A server gets no more connections from uthreshold on, until there are fewer than lthreshold. Without the upper one
    the first never happens, so the lower one has no effect.

    Example::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 {
                lthreshold 100
                TCP_CHECK { connect_timeout 3 }
            }
        }

    Cure::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 {
                uthreshold 200
                lthreshold 100
                TCP_CHECK { connect_timeout 3 }
            }
        }
    """
    for service, server in view.servers_with("lthreshold"):
        if server.get("lthreshold") and not server.get("uthreshold"):
            yield warning(f"virtual_server {service.name}: lthreshold of {server.name} has no effect without "
                          "uthreshold", server.span("lthreshold"))


@rule(Code.SLOW_START_IDLE)
def slow_start_idle(view: View) -> Iterator[Found]:
    """A slow start with nowhere to begin

    With slow_start a server that comes back gets a tenth of its weight first, and all of it step by step. Weights are
    whole numbers: of a weight of 1, which is what a server has that says nothing else, there is no smaller part but
    none at all. Give all real servers of the service ten times their weights: the shares stay the same.

    Example::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched wrr
            lvs_method DR
            real_server 192.0.2.21 80 {
                slow_start 30
                TCP_CHECK { connect_timeout 3 }
            }
        }

    Cure::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched wrr
            lvs_method DR
            real_server 192.0.2.21 80 {
                weight 10
                slow_start 30
                TCP_CHECK { connect_timeout 3 }
            }
        }
    """
    for service, server in view.servers_with("slow_start"):
        weight = server.get("weight", 1)
        if server.get("slow_start") and weight <= 1 and not _weighed(server):
            yield warning(f"virtual_server {service.name}: slow_start of {server.name} has no effect with weight "
                          f"{weight}", server.span("slow_start"))


def _weighed(server: Plain) -> bool:
    """True if checks may change the server's weight."""
    dynamic = any(check.get("misc_dynamic") for check in server.get("MISC_CHECK") or ())
    return dynamic or bool(server.get("FILE_CHECK") or server.get("AGENT_CHECK"))
