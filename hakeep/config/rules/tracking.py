"""Trackers and groups: everything that is referred to must be there, and be of use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hakeep.config.diagnostic import Code, Findings, Verdict
from hakeep.config.host import Host
from hakeep.config.keywords.static import Config
from hakeep.config.keywords.tracking import VrrpSyncGroup
from hakeep.config.keywords.vrrp import VrrpInstance
from hakeep.config.schema import Section
from hakeep.config.span import Span

_MISSING_SCRIPT = "it must stand before its use"


def check_tracking(config: Config, host: Host, findings: Findings) -> None:
    """References of instances and groups, definitions that lack something, groups."""
    defined: dict[str, dict[str, Section]] = {
        "track_script": {script.name: script for script in reversed(config.vrrp_script) if script.script},
        "track_file": {file.name: file for file in config.track_file if file.get("file")},
        "track_process": {process.name: process for process in config.vrrp_track_process if process.get("process")},
        "track_bfd": {bfd.name: bfd for bfd in config.bfd_instance if bfd.get("neighbor_ip")},
    }
    _complete(config, findings)
    used: set[tuple[str, str]] = set()
    owners: list[VrrpInstance | VrrpSyncGroup] = [*config.vrrp_instance, *config.vrrp_sync_group]
    for owner in owners:
        _interfaces(owner, config, host, findings)
        for keyword, definitions in defined.items():
            _references(owner, keyword, definitions, used, findings)
    for keyword, definitions in defined.items():
        kind = keyword.removeprefix("track_")
        for name, definition in definitions.items() if keyword in ("track_script", "track_process") else ():
            if (keyword, name) not in used:
                findings.advise(Code.UNUSED, f"{kind} {name} is not used", definition.span())
    _groups(config, findings)
    _other_interfaces(config, host, findings)


def _complete(config: Config, findings: Findings) -> None:
    for script in config.vrrp_script:
        if script.script is None and "script" not in script.places:
            findings.error(Code.INCOMPLETE, f"vrrp_script {script.name} has no script; it is left out", script.span())
    for keyword, sections, needed in (
        ("track_file", config.track_file, "file"),
        ("vrrp_track_process", config.vrrp_track_process, "process"),
        ("bfd_instance", config.bfd_instance, "neighbor_ip"),
    ):
        for section in sections:
            if section.get(needed) is None:
                findings.error(Code.INCOMPLETE, f"{keyword} {section.name} has no {needed}; it is left out",
                               section.span())
    for bfd in config.bfd_instance:
        neighbor = bfd.get("neighbor_ip")
        ttl = bfd.get("ttl", 255 if neighbor is None or neighbor.version == 4 else 64)
        if neighbor is not None and bfd.get("max_hops", 0) % 256 > ttl:
            findings.error(Code.OUT_OF_RANGE, f"bfd_instance {bfd.name}: max_hops is more than the ttl",
                           bfd.span("max_hops"))


def _references(
    owner: VrrpInstance | VrrpSyncGroup, keyword: str, names: Mapping[str, Section], used: set[tuple[str, str]],
    findings: Findings,
) -> None:
    seen: set[str] = set()
    for index, (name, _, _) in enumerate(getattr(owner, keyword)):
        span = owner.span(keyword, index)
        definition = names.get(name)
        if definition is None:
            findings.error(Code.UNKNOWN_REFERENCE, f"{owner.name}: {keyword} {name} is not defined; it is left out",
                           span, fix=_close(name, names))
        elif owner.order(keyword, index) < definition.order():
            place = definition.span()
            findings.error(Code.UNKNOWN_REFERENCE, f"{owner.name}: {keyword} {name} is not defined yet; "
                           "it is left out", span, note=_MISSING_SCRIPT,
                           also=(place, "defined here") if place else None)
        elif name in seen:
            findings.error(Code.DUPLICATE, f"{owner.name}: {keyword} {name} is given twice", span)
        seen.add(name)
        used.add((keyword, name))


def _close(name: str, names: Iterable[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, list(names), n=1, cutoff=0.7)
    return f"did you mean {close[0]}?" if close else ""


def _interfaces(owner: VrrpInstance | VrrpSyncGroup, config: Config, host: Host, findings: Findings) -> None:
    own = owner.interface if isinstance(owner, VrrpInstance) else None
    seen: set[str] = set()
    for index, (name, _, _) in enumerate(owner.track_interface):
        span = owner.span("track_interface", index)
        if name == own:
            findings.error(Code.DUPLICATE, f"{owner.name}: {name} is its own interface, which is tracked anyway", span,
                           fix="take it out of track_interface")
        elif name in seen:
            findings.error(Code.DUPLICATE, f"{owner.name}: track_interface {name} is given twice", span)
        _must_exist(name, span, config, host, findings)
        seen.add(name)


def _must_exist(name: str, span: Span | None, config: Config, host: Host, findings: Findings) -> None:
    dynamic = config.global_defs is not None and config.global_defs.dynamic_interfaces is not None
    if not dynamic and host.lacks_interface(name):
        findings.error(Code.UNKNOWN_INTERFACE, f"there is no interface {name}", span, stops=True,
                       fix="dynamic_interfaces in global_defs allows for interfaces that come later")


def _groups(config: Config, findings: Findings) -> None:
    instances = {instance.name for instance in config.vrrp_instance}
    taken: dict[str, str] = {}
    for group in config.vrrp_sync_group:
        members = []
        for index, name in enumerate(group.group):
            span = group.span("group", index)
            if name not in instances:
                findings.error(Code.UNKNOWN_REFERENCE, f"{group.name}: there is no vrrp_instance {name}; it is "
                               "left out", span, fix=_close(name, instances))
            elif taken.setdefault(name, group.name) != group.name:
                findings.error(Code.SYNC_GROUP, f"{group.name}: {name} is in {taken[name]} already", span)
            elif name in members:
                findings.error(Code.SYNC_GROUP, f"{group.name}: {name} is given twice", span)
            else:
                members.append(name)
        if not members:
            findings.error(Code.SYNC_GROUP, f"sync group {group.name} has no member; it is left out", group.span())
        elif len(members) == 1:
            findings.error(Code.SYNC_GROUP, f"sync group {group.name} has one member only", group.span("group"))
    for track_group in config.track_group:
        if not track_group.get("group"):
            findings.warning(Code.SYNC_GROUP, f"track_group {track_group.name} has no member", track_group.span(),
                             verdict=Verdict.GENERAL)


def _other_interfaces(config: Config, host: Host, findings: Findings) -> None:
    """linkbeat_interfaces and delays: an unknown interface there is no reason not to start."""
    for index, entry in enumerate(config.linkbeat_interfaces):
        name = dict(entry).get("interface", "")
        if host.lacks_interface(name):
            findings.error(Code.UNKNOWN_INTERFACE, f"there is no interface {name}",
                           config.span("linkbeat_interfaces", index), verdict=Verdict.BAD_INTERFACE)
    for index, (name, _, _) in enumerate(config.interface_up_down_delays):
        if host.lacks_interface(name):
            findings.error(Code.UNKNOWN_INTERFACE, f"there is no interface {name}",
                           config.span("interface_up_down_delays", index))
    default = config.global_defs.default_interface if config.global_defs else None
    for index, address in enumerate(config.static_ipaddress):
        _must_exist(address.dev or default or "eth0", config.span("static_ipaddress", index), config, host, findings)
