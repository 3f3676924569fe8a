"""The difference between what runs and what would run: settings compared field by field.

How a change takes effect stands on the keyword that the field comes from (`Keyword.reload`), with one exception: a
virtual MAC, an ipvlan and unicast make another router of an instance when they come or go, while a change of their own
options is taken up as it runs. Secrets are never shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from hakeep.config.difference.change import Change, Effect
from hakeep.config.difference.sessions import session_changes
from hakeep.config.difference.tracked import track_changes, tracking_changes
from hakeep.config.keywords.static import ROOT
from hakeep.config.schema import Block, Keyword, Reload, Support
from hakeep.config.settled import Script, Settings, VirtualAddress, VrrpInstance
from hakeep.config.settled_routes import RouteEntry, RuleEntry, Static, StaticAddress
from hakeep.config.values.scripts import Command

#: Settled fields that are not called like their keyword: of instances, and of the rest. "" = it follows from others.
_INSTANCE = {
    "name": "", "config_fault": "", "sync_group": "", "tracks": "track_script",
    "family": "virtual_ipaddress", "addresses": "virtual_ipaddress",
    "peers": "unicast_peer", "multicast": "mcast_dst_ip", "source": "mcast_src_ip", "vmac": "use_vmac",
    "ipvlan": "use_ipvlan", "garp.extra_if_all": "garp_extra_if", "notify.any": "notify",
    "notify.smtp_alert": "smtp_alert", "routes": "virtual_routes", "rules": "virtual_rules",
    "notify.deleted_is_a_state": "notify_deleted",
}
_GLOBAL = {
    "script_group": "script_user", "garp_limits": "garp_group", "nftables_table": "nftables",
    "netlink_monitor_rcv_bufs": "vrrp_netlink_monitor_rcv_bufs", "vrrp_process.name": "vrrp_process_name",
    "smtp_port": "smtp_server",
}
#: Prefixes of the keywords that the fields of these are made of.
_PARTS = {"garp": "garp_", "notify": "notify_", "vrrp_process": "vrrp_"}
_SECRETS = ("auth_pass", "auth_hmac", "smtp_login", "notify_webhook", "notify_webhook_secret")
_HIDDEN = "(secret)"
_EFFECTS = {Reload.HOT: Effect.HOT, Reload.RESTART: Effect.RESTART, Reload.NEVER: Effect.NEVER}

_Make = Callable[[str, Any, Any], Iterator[Change]]


def changes(old: Settings, new: Settings) -> list[Change]:
    """The differences between settings, block by block."""
    found = list(_fields(old.globals, new.globals, _global))
    known = {instance.name: instance for instance in old.vrrp}
    staying = {instance.name for instance in new.vrrp}
    for name in known:
        if name not in staying:
            found.append(Change(f"vrrp_instance {name}", "", "", None, Effect.STOP))
    for instance in new.vrrp:
        if instance.name in known:
            found += _instance(known[instance.name], instance)
        else:
            found.append(Change(f"vrrp_instance {instance.name}", "", None, "", Effect.START))
    if (old.groups, old.tracking, old.link_delays, old.linkbeat) != (
            new.groups, new.tracking, new.link_delays, new.linkbeat):
        found += tracking_changes(old, new, _text)
    if old.static != new.static:
        found += _static(old.static or Static(), new.static or Static())
    if old.bfd != new.bfd:
        found += session_changes(old.bfd, new.bfd, _text)
    if old.lvs != new.lvs:
        from hakeep.config.difference.servers import director_changes  # a router without virtual servers needs it not

        found += director_changes(old.lvs, new.lvs, _text)
    return found


def keyword_of(path: str, *, instance: bool) -> Keyword | None:
    """The keyword that a settled field comes from; None if it only follows from others. `path` is like
    "priority" or "garp.master_delay"."""
    known = _INSTANCE if instance else _GLOBAL
    part, _, field = path.rpartition(".")
    name = known.get(path, _PARTS[part] + field if part else path)
    if not name:
        return None
    return _keywords("vrrp_instance")[name] if instance else {**_keywords(""), **_keywords("global_defs")}[name]


@cache
def _keywords(block_name: str) -> dict[str, Keyword]:
    """The keywords of a block, and of the blocks within that are given once."""
    block = ROOT.keywords[block_name].value if block_name else ROOT
    assert isinstance(block, Block)
    found = dict(block.keywords)
    if block_name:
        for keyword in block.children:
            if isinstance(keyword.value, Block):
                found = {**keyword.value.keywords, **found}
    return found


def _fields(old: Any, new: Any, make: _Make, prefix: str = "") -> Iterator[Change]:
    for each in fields(old):
        before, after = getattr(old, each.name), getattr(new, each.name)
        if before == after:
            continue
        if each.name in _PARTS:
            yield from _fields(before, after, make, f"{each.name}.")
        else:
            yield from make(prefix + each.name, before, after)


def _global(path: str, before: Any, after: Any) -> Iterator[Change]:
    keyword = keyword_of(path, instance=False)
    if keyword and keyword.support is Support.FULL:
        block = "global_defs" if keyword.name in _keywords("global_defs") else ""
        shown = _hidden if keyword.name in _SECRETS else _text
        yield Change(block, keyword.name, shown(before), shown(after), _EFFECTS[keyword.reload])


def _instance(old: VrrpInstance, new: VrrpInstance) -> Iterator[Change]:
    block = f"vrrp_instance {new.name}"

    def make(path: str, before: Any, after: Any) -> Iterator[Change]:
        keyword = keyword_of(path, instance=True)
        if keyword is None or keyword.support is not Support.FULL:
            return
        if path == "tracks":
            yield from track_changes(block, before, after)
        elif path == "addresses":
            yield from _addresses(block, before, after)
        elif path in ("routes", "rules"):
            yield from _entries(block, keyword.name, _by_text(before), _by_text(after))
        elif path == "peers":
            yield from _entries(block, keyword.name, _by_address(before), _by_address(after))
        elif keyword.name in _SECRETS:
            yield Change(block, keyword.name, _hidden(before), _hidden(after), Effect.HOT)
        else:
            yield _one(block, path, keyword, before, after, unicast=new.unicast)

    yield from _fields(old, new, make)


def _one(block: str, path: str, keyword: Keyword, before: Any, after: Any, *, unicast: bool) -> Change:
    """A change of one value of an instance."""
    name, effect = keyword.name, _EFFECTS[keyword.reload]
    comes_or_goes = before is None or after is None
    if path == "family":
        return Change(block, name, f"IPv{before}", f"IPv{after}", Effect.RESTART)
    if path == "source" and unicast:
        name = "unicast_src_ip"
    elif path in ("vmac", "ipvlan"):
        effect = Effect.RESTART if comes_or_goes else Effect.HOT
    elif path == "multicast" and comes_or_goes:
        said = ["unicast" if group is None else f"multicast to {group}" for group in (before, after)]
        return Change(block, "unicast_peer", said[0], said[1], Effect.RESTART)
    return Change(block, name, _text(before), _text(after), effect)


def _addresses(block: str, before: tuple[VirtualAddress, ...], after: tuple[VirtualAddress, ...]) -> Iterator[Change]:
    for name, advertised in (("virtual_ipaddress", True), ("virtual_ipaddress_excluded", False)):
        old, new = ({str(v.address.key): _text(v) for v in each if v.advertised is advertised}
                    for each in (before, after))
        yield from _entries(block, name, old, new)


def _static(old: Static, new: Static) -> Iterator[Change]:
    for name, before, after in (
        ("static_ipaddress", old.addresses, new.addresses), ("static_routes", old.routes, new.routes),
        ("static_rules", old.rules, new.rules),
    ):
        yield from _entries("", name, _by_text(before), _by_text(after))


def _by_text(entries: tuple[RouteEntry | RuleEntry | StaticAddress, ...]) -> dict[str, str]:
    """Routes, rules and static addresses by what tells them apart, with all that is said of them."""
    found = {}
    for entry in entries:
        thing = getattr(entry, fields(entry)[0].name)
        said = [str(thing), *(["no_track"] if not entry.track else []), *([entry.group] if entry.group else [])]
        if isinstance(entry, RouteEntry):
            said += [f"src {thing.src}"] if thing.src else []
            said += [f"{name} {value}" for name, value in thing.metrics]
        found[str(thing)] = " ".join(said)
    return found


def _by_address(peers: tuple[Any, ...]) -> dict[str, str]:
    return {str(peer.ip): _text(peer) for peer in peers}


def _entries(block: str, name: str, old: dict[str, str], new: dict[str, str]) -> Iterator[Change]:
    for key in {**old, **new}:
        if old.get(key) != new.get(key):
            yield Change(block, name, old.get(key), new.get(key), Effect.HOT)


def _hidden(value: Any) -> str:
    """A secret for people: that there is one."""
    return _HIDDEN if value else "none"


def _text(value: Any) -> str:
    """A settled value for people."""
    match value:
        case None | "" | () | b"":
            return "none"
        case bool():
            return "on" if value else "off"
        case float():
            return f"{value:.6f}".rstrip("0").rstrip(".")
        case bytes():
            return value.hex(":")
        case Script():
            return Command().render(value)
        case VirtualAddress():
            flags = {"no_track": not value.track, "dad": value.dad, "use_vmac": value.vmac}
            text = str(value.address) if value.address.interface else str(value.address).replace(" dev ", "", 1)
            return " ".join([text, *(name for name, on in flags.items() if on)])
        case tuple():
            return ", ".join(map(_text, value))
    if is_dataclass(value):
        given = ((each.name, getattr(value, each.name), each.default) for each in fields(value))
        return " ".join(_text(part) if name in ("ip", "path") else f"{name} {_text(part)}"
                        for name, part, default in given if part != default) or "on"
    return str(value)
