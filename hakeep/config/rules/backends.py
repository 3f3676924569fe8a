"""The chosen backend of virtual servers: whether there is one, and what it cannot do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hakeep.config.backends import BUILT_IN
from hakeep.config.diagnostic import Code
from hakeep.config.keywords.global_defs import GlobalDefs
from hakeep.config.keywords.lvs import REAL_SERVER, VIRTUAL_SERVER
from hakeep.config.keywords.static import Config
from hakeep.config.keywords.vrrp import VrrpInstance
from hakeep.config.rules.rule import Found, error, rule
from hakeep.config.rules.view import View
from hakeep.config.schema import Block, Keyword, Plain, Section


@rule(Code.BACKEND_LACKS)
def beyond(view: View) -> Iterator[Found]:
    """A backend is asked for what it cannot do

    IPVS does all that a virtual_server can say. nftables, which is for kernels without IPVS, rewrites addresses (NAT)
    and knows the schedulers rr, wrr and sh. What it cannot do would not be served at all, so hakeepd does not start
    with such a configuration, and does not take it at a reload.

    With lvs_backend auto it is known only at run time what the kernel has. Then the log and `hakeep status` say what
    cannot be had, and all else is served.

    Example::

        global_defs { lvs_backend nftables }
        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched wlc
            lvs_method NAT
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }

    Cure::

        global_defs { lvs_backend nftables }
        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched wrr
            lvs_method NAT
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }
    """
    director = view.settings.lvs
    if director is None or not any(director.backend in keyword.backends for keyword in _LIMITED):
        return
    written = view.globals.lvs_backend == director.backend  # else the command line says so
    chosen = (view.globals.span("lvs_backend", word=1), "chosen here") if written else None
    for owner, section, keyword, value in _asked(view):
        why = keyword.lack(director.backend, value)
        if why:
            yield error(f"{owner}{why}", section.span(keyword.field), also=chosen, stops=True)


@rule(Code.BACKEND_MISSING)
def absent(view: View) -> Iterator[Found]:
    """There is no such backend

    hakeep has ipvs, nftables and memory, and auto for the best that the kernel has. Other names are those of backends
    in packages of somebody else. Such a package is installed where hakeep is (with pip, beside it) and offers its
    backend as an entry point of the group hakeep.backends.

    Without a backend nobody would be served, so hakeepd does not start with such a configuration, and does not take it
    at a reload.

    Example::

        global_defs { lvs_backend nftable }
        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method NAT
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }

    Cure::

        global_defs { lvs_backend nftables }
        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method NAT
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }
    """
    written, director = view.globals.lvs_backend, view.settings.lvs
    name = director.backend if director else written
    if name and view.host.backend_problem:
        problem = view.host.backend_problem(name)
        if problem:
            yield error(
                f"lvs_backend {name}: {problem}", view.globals.span("lvs_backend", word=1) if name == written else None,
                fix=_close(name), stops=director is not None)


def _close(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, BUILT_IN, n=1, cutoff=0.7)
    return f"did you mean {close[0]}?" if close else ""


#: Keywords that some backend does not do, or not with all values.
_LIMITED = tuple(
    keyword for keywords in (
        VIRTUAL_SERVER.children, REAL_SERVER.children, Config.__children__, GlobalDefs.__children__,
        VrrpInstance.__children__)
    for keyword in keywords if keyword.backends)


def _asked(view: View) -> Iterator[tuple[str, Section, Keyword, str]]:
    """What is asked of a backend: whose it is, the section it stands in, the keyword as it is written, its value."""
    for section in (view.config, view.globals, *view.config.vrrp_instance):
        for keyword in type(section).__children__:
            if keyword.backends and getattr(section, keyword.field) is not None:
                yield "", section, keyword, ""
    for service in view.services:
        owner = f"virtual_server {service.name}: "
        for keyword, value in _limited(service, VIRTUAL_SERVER):
            if _counts(service, keyword):
                yield owner, service, keyword, value
        if service.get("lvs_sched") is None:
            scheduler = VIRTUAL_SERVER.fields["lvs_sched"]
            yield owner, service, scheduler, scheduler.default
        for real in service.get("real_server") or ():
            for keyword, value in _limited(real, REAL_SERVER):
                yield f"{owner}real_server {real.name}: ", real, keyword, value


def _limited(section: Plain, block: Block) -> Iterator[tuple[Keyword, str]]:
    for field, value in section.given():
        keyword = block.fields.get(field)
        if keyword is not None and keyword.backends and value:
            line = section.places[field][-1] if section.places.get(field) else None
            yield block.keywords.get(line.words[0], keyword) if line else keyword, _word(value)


def _counts(service: Plain, keyword: Keyword) -> bool:
    """Whether the keyword has any effect there."""
    if keyword.name == "ops":
        return bool(service.head.fwmark) or service.get("protocol", "UDP") == "UDP"
    return keyword.name != "sorry_server_lvs_method" or bool(service.get("sorry_server"))


def _word(value: Any) -> str:
    """The value as the limits name it: a word, or the method among others."""
    if isinstance(value, str):
        return value
    return str(dict(value).get("method", "")) if isinstance(value, tuple) else ""
