"""Names that stand for something else: what is referred to must be there, be complete, and be of use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hakeep.config.diagnostic import Code, Verdict
from hakeep.config.keywords.tracking import VrrpScript, VrrpSyncGroup
from hakeep.config.keywords.vrrp import VrrpInstance as Written
from hakeep.config.rules.rule import Found, advice, error, rule, warning
from hakeep.config.rules.view import TRACKERS, View
from hakeep.config.schema import Plain, Section
from hakeep.config.settle.bfd import listeners
from hakeep.config.settle.questions import NO_TABLE, settle_question, virtual_server_name
from hakeep.config.settled_track import TrackRoute


@rule(Code.UNKNOWN_REFERENCE)
def undefined(view: View) -> Iterator[Found]:
    """Something is named that is not there

    A track_script, a member of a group or a virtual server is known by its name. If nothing has that name, the
    entry is left out and the instance runs without it: a check that you rely on never runs. Scripts, files, processes
    and BFD sessions must stand before the instance that tracks them; files and BFD sessions also before the virtual
    server that has a check of them. A server whose BFD_CHECK is left out would never be known to be dead, so hakeepd
    does not start with that.

    Example::

        vrrp_script check_web {
            script "/usr/bin/curl -fs http://127.0.0.1/"
        }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            track_script { check_wbe }
        }

    Cure::

        global_defs { enable_script_security }
        vrrp_script check_web {
            script "/usr/bin/curl -fs http://127.0.0.1/"
        }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            track_script { check_web }
        }
    """
    yield from _trackers(view)
    instances = {instance.name for instance in view.config.vrrp_instance}
    for group in view.config.vrrp_sync_group:
        for index, name in enumerate(group.group):
            if name not in instances:
                yield error(f"{group.name}: there is no vrrp_instance {name}; it is left out",
                            group.span("group", index), fix=_close(name, instances))
    services = {group.name for group in view.config.virtual_server_group}
    for service in view.config.virtual_server:
        name = service.head.group
        if name and name not in services:
            yield warning(f"there is no virtual_server_group {name}", service.span(), fix=_close(name, services))
    yield from _checks(view)


def _trackers(view: View) -> Iterator[Found]:
    for owner in view.owners:
        for keyword, names in view.definitions.items():
            for index, (name, _, _) in enumerate(getattr(owner, keyword)):
                definition = names.get(name)
                span = owner.span(keyword, index, 0)
                if definition is None:
                    yield error(f"{owner.name}: {keyword} {name} is not defined; it is left out", span,
                                fix=_close(name, names))
                elif owner.order(keyword, index) < definition.order():
                    yield error(f"{owner.name}: {keyword} {name} is not defined yet; it is left out", span,
                                note="it must stand before its use", also=(definition.span(), "defined here"))
        yield from _virtual_servers(view, owner)
        for index, pairs in enumerate(owner.track_route if view.host.names is not None else ()):
            thing = settle_question("track_route", pairs, view.host).watched
            if isinstance(thing, TrackRoute) and thing.table == NO_TABLE:
                yield error(f"{owner.name}: there is no routing table {dict(pairs)['table']}; the route is not tracked",
                            owner.span("track_route", index, 1))


def _virtual_servers(view: View, owner: Written | VrrpSyncGroup) -> Iterator[Found]:
    director = view.settings.lvs
    names = [virtual_server_name(each.name) for each in director.virtual] if director else []
    for index, pairs in enumerate(owner.track_virtual_server):
        name = settle_question("track_virtual_server", pairs).name
        if name not in names:
            yield error(f"{owner.name}: there is no virtual_server {name}; it is not tracked",
                        owner.span("track_virtual_server", index, 1), fix=_close(name, names))


def _checks(view: View) -> Iterator[Found]:
    named = {"BFD_CHECK": ("name", "track_bfd"), "FILE_CHECK": ("track_file", "track_file")}
    for _, _, kind, check in view.checks(*named):
        keyword, tracker = named[kind]
        if check.get(keyword):
            yield from _check(check, keyword, TRACKERS[tracker], view.definitions[tracker])


def _check(check: Plain, keyword: str, kind: str, definitions: dict[str, Section]) -> Iterator[Found]:
    """What keeps a check from following what it names."""
    name = check.get(keyword)
    definition = definitions.get(name)
    span = check.span(keyword, word=1)
    stops = kind == "bfd_instance"
    if definition is None:
        yield error(f"there is no {kind} {name}; the check is left out", span, fix=_close(name, definitions),
                    stops=stops)
    elif check.order(keyword) < definition.order():
        yield error(f"{kind} {name} is not defined yet; the check is left out", span,
                    note="it must stand before its use", also=(definition.span(), "defined here"), stops=stops)
    elif stops and isinstance(definition, Plain) and not listeners(definition)[1]:
        yield error(f"{kind} {name} tells only VRRP; the check is left out", span,
                    also=(definition.span("vrrp"), "without checker"), stops=stops)


@rule(Code.UNUSED)
def unused(view: View) -> Iterator[Found]:
    """Something is defined that nothing uses

    A vrrp_script that no track_script names is not run, and an instance that was meant to depend on it does not.
    Often the name was changed in one place only. The same holds for vrrp_track_process, track_file,
    virtual_server_group, and for a FIFO's script without the FIFO.

    Example::

        vrrp_script check_web {
            script "/usr/bin/curl -fs http://127.0.0.1/"
        }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
        }

    Cure::

        global_defs { enable_script_security }
        vrrp_script check_web {
            script "/usr/bin/curl -fs http://127.0.0.1/"
        }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            track_script { check_web }
        }
    """
    checked = {check.get("track_file") for service in view.config.virtual_server
               for server in service.get("real_server") or () for check in server.get("FILE_CHECK") or ()}
    for keyword in ("track_script", "track_process", "track_file"):
        used = {name for owner in view.owners for name, _, _ in getattr(owner, keyword)}
        for name, definition in view.definitions[keyword].items():
            if name not in used and not (keyword == "track_file" and name in checked):
                yield advice(f"{keyword.removeprefix('track_')} {name} is not used", definition.span(word=1))
    groups = {service.head.group for service in view.config.virtual_server}
    for group in view.config.virtual_server_group:
        if group.name not in groups:
            yield advice(f"virtual_server_group {group.name} is not used", group.span(word=1))


@rule(Code.INCOMPLETE)
def incomplete(view: View) -> Iterator[Found]:
    """A definition lacks what it is about

    A vrrp_script without script, a track_file without file, a vrrp_track_process without process or a bfd_instance
    without neighbor_ip has nothing to look at. It is left out, and with it every entry that tracks it.

    Example::

        vrrp_script check_web {
            interval 2
        }

    Cure::

        vrrp_script check_web {
            script "/usr/bin/curl -fs http://127.0.0.1/"
            interval 2
        }
    """
    for script in view.config.vrrp_script:
        if script.script is None and "script" not in script.places:
            yield error(f"vrrp_script {script.name} has no script; it is left out", script.closing(),
                        also=(script.span(), "it begins here"))
    definitions: tuple[tuple[str, tuple[Plain, ...], str], ...] = (
        ("track_file", view.config.track_file, "file"),
        ("vrrp_track_process", view.config.vrrp_track_process, "process"),
        ("bfd_instance", view.config.bfd_instance, "neighbor_ip"),
    )
    for keyword, sections, needed in definitions:
        for section in sections:
            if needed not in section.places:  # a bad one has been told
                yield error(f"{keyword} {section.name} has no {needed}; it is left out", section.closing(),
                            also=(section.span(), "it begins here"))


@rule(Code.SAME_SCRIPT)
def same_script(view: View) -> Iterator[Found]:
    """Two vrrp_scripts of one name

    What tracks that name gets the first one. The second is never run, and keepalived does not say so.

    Example::

        global_defs { enable_script_security }
        vrrp_script check {
            script /usr/local/bin/check-web
        }
        vrrp_script check {
            script /usr/local/bin/check-dns
        }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            track_script { check }
        }

    Cure::

        global_defs { enable_script_security }
        vrrp_script check_web {
            script /usr/local/bin/check-web
        }
        vrrp_script check_dns {
            script /usr/local/bin/check-dns
        }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            track_script {
                check_web
                check_dns
            }
        }
    """
    first: dict[str, VrrpScript] = {}
    for script in view.config.vrrp_script:
        if first.setdefault(script.name, script) is not script:
            yield warning(f"there is a vrrp_script {script.name} already; this one is never run", script.span(word=1),
                          also=(first[script.name].span(word=1), "first defined here"), fix="give it another name")


@rule(Code.UNKNOWN_INTERFACE)
def unknown_interface(view: View) -> Iterator[Found]:
    """There is no such interface on this machine

    An instance, a VIP or a tracker names an interface that does not exist. keepalived does not start with it, and
    neither does hakeepd. If the interface comes later (a VPN, a bond that is brought up after us), say
    dynamic_interfaces in global_defs: until then a tracked one has failed. Known only with --host, and to the daemon
    itself.

    Example::

        vrrp_instance VI_1 {
            interface eth7
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
        }

    Cure::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
        }
    """
    config, lacks = view.config, view.host.lacks_interface
    tracked: list[tuple[str, Section, str, int]] = [
        (name, owner, "track_interface", index)
        for owner in view.owners
        for index, (name, _, _) in enumerate(owner.track_interface)]
    if view.globals.dynamic_interfaces is not None:
        for name, section, keyword, index in tracked:
            if lacks(name):
                yield advice(f"there is no interface {name}: it has failed until it comes",
                             section.span(keyword, index, 0), note=view.host.about_interface(name))
    else:
        needed = list(tracked)
        default = view.globals.default_interface or "eth0"
        needed += [(address.dev or default, config, "static_ipaddress", index)
                   for index, address in enumerate(config.static_ipaddress)]
        needed += _ways(view)
        for name, section, keyword, index in needed:
            if lacks(name):
                yield error(f"there is no interface {name}", section.span(keyword, index, 0), stops=True,
                            note=view.host.about_interface(name),
                            fix="dynamic_interfaces in global_defs allows for interfaces that come later")
    for index, entry in enumerate(config.linkbeat_interfaces):
        name = dict(entry).get("interface", "")
        if lacks(name):
            yield error(f"there is no interface {name}", config.span("linkbeat_interfaces", index, 0),
                        verdict=Verdict.BAD_INTERFACE)
    for index, (name, _, _) in enumerate(config.interface_up_down_delays):
        if lacks(name):
            yield error(f"there is no interface {name}", config.span("interface_up_down_delays", index, 0))


def _ways(view: View) -> Iterator[tuple[str, Section, str, int]]:
    """The interfaces that routes and rules name: name, section, list and which entry of it."""
    for section in (view.config, *view.config.vrrp_instance):
        for keyword in ("static_routes", "static_rules", "virtual_routes", "virtual_rules"):
            for index, entry in enumerate(getattr(section, keyword, ())):
                yield from ((word, section, keyword, index) for option, word in entry if option in ("dev", "oif"))


@rule(Code.BFD_HOPS)
def bfd_hops(view: View) -> Iterator[Found]:
    """A BFD session allows more hops than its packets can go

    Packets leave with the ttl (or hoplimit) and each router on their way takes one off. They cannot have come over
    max_hops routers if that is more than the ttl; the ttl is used.

    Example::

        bfd_instance peer {
            neighbor_ip 192.0.2.12
            ttl 5
            max_hops 10
        }

    Cure::

        bfd_instance peer {
            neighbor_ip 192.0.2.12
            ttl 50
            max_hops 10
        }
    """
    for bfd in view.config.bfd_instance:
        neighbor = bfd.get("neighbor_ip")
        ttl = bfd.get("ttl", 255 if neighbor is None or neighbor.version == 4 else 64)
        if neighbor is not None and bfd.get("max_hops", 0) % 256 > ttl:
            yield error(f"bfd_instance {bfd.name}: max_hops is more than the ttl", bfd.span("max_hops", word=1),
                        also=(bfd.span("ttl"), "the ttl") if "ttl" in bfd.places else None)


def _close(name: str, names: Iterable[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, list(names), n=1, cutoff=0.7)
    return f"did you mean {close[0]}?" if close else ""
