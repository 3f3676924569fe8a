"""keepalived.json, what SIGRTMIN+2 writes: one line that monitoring plug-ins have parsed for years.

Version 1 is an array of instances, version 2 an object with one array a kind. The keys, their order, the numbers where
one would expect booleans and the ``\\/`` are keepalived's and must stay. What hakeep has no keyword for is given its
default, because readers index these keys without asking. Passwords are never shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hakeep.config.settled import Notify, Script, Settings, VrrpInstance
from hakeep.config.settled_track import TrackProcess, TrackScript
from hakeep.report.routing_text import route_text, rule_text
from hakeep.report.snapshot import RouterSnapshot, ThingSnapshot

#: Numbers of the states.
STATES = {"INIT": 0, "BACKUP": 1, "MASTER": 2, "FAULT": 3}

#: Statistics in their order (keepalived 2.4). A counter that the router does not have is 0.
STATISTICS = (
    "advert_rcvd", "advert_sent", "become_master", "release_master", "packet_len_err", "advert_interval_err",
    "ip_ttl_err", "invalid_type_rcvd", "addr_list_err", "invalid_authtype", "authtype_mismatch", "auth_failure",
    "auth_ext_missing", "auth_ext_malformed", "auth_ext_unknown_key", "auth_ext_invalid_hmac", "auth_ext_stale",
    "auth_ext_replay", "pri_zero_rcvd", "pri_zero_sent",
)  # fmt: skip

AUTH_TYPES = {"": 0, "PASS": 1, "AH": 2}


def render_json(
    settings: Settings, routers: Iterable[RouterSnapshot], things: Iterable[ThingSnapshot] = ()
) -> str:
    """The document in the version that `json_version` asks for, as one line with its newline. `things` are what the
    track worker watches.

    Instances come in the order of the configuration; one without a snapshot is left out.
    """
    watched = settings.tracking.watched if settings.tracking else ()
    commands = {thing.name: script_text(thing.script) for thing in watched if isinstance(thing, TrackScript)}
    instances = [{"data": _data(*pair, commands), "stats": _stats(pair[1])} for pair in paired(settings, routers)]
    document: Any = instances
    if settings.globals.json_version == 2:
        counted = {thing.name: thing for thing in things if thing.kind == "process"}
        processes = [_process(thing, settings.vrrp, counted.get(thing.name, _UNSEEN))
                     for thing in watched if isinstance(thing, TrackProcess)]
        document = {"vrrp": instances, "track_process": processes}
    return json.dumps(document, separators=(",", ":"), allow_nan=False).replace("/", "\\/") + "\n"


def paired(settings: Settings, routers: Iterable[RouterSnapshot]) -> Iterator[tuple[VrrpInstance, RouterSnapshot]]:
    """Each configured instance with its snapshot."""
    by_name = {router.name: router for router in routers}
    for instance in settings.vrrp:
        if instance.name in by_name:
            yield instance, by_name[instance.name]


def script_text(script: Script) -> str:
    """A command the way the dumps quote it: every word in single quotes."""
    return " ".join(f"'{word}'" for word in script.argv)


def _data(instance: VrrpInstance, router: RouterSnapshot, commands: Mapping[str, str]) -> dict[str, Any]:
    garp = instance.garp
    state = STATES.get(router.state, 0)
    data: dict[str, Any] = {
        "iname": instance.name,
        "dont_track_primary": int(instance.dont_track_primary),
        "skip_check_adv_addr": int(instance.skip_check_adv_addr),
        "strict_mode": int(instance.strict_mode),
    }
    if router.vmac:
        data["vmac_ifname"] = router.vmac
    data |= {
        "ifp_ifname": router.vmac or instance.interface,
        "master_priority": router.master_priority,
        "last_transition": round(router.since, 6),
        "garp_delay": _number(garp.master_delay),
        "garp_refresh": _number(garp.master_refresh),
        "garp_rep": garp.master_repeat,
        "garp_refresh_rep": garp.master_refresh_repeat,
        "garp_lower_prio_delay": _number(garp.lower_prio_delay),
        "garp_lower_prio_rep": garp.lower_prio_repeat,
        "lower_prio_no_advert": int(instance.lower_prio_no_advert),
        "higher_prio_send_advert": int(instance.higher_prio_send_advert),
        "vrid": instance.virtual_router_id,
        "base_priority": router.base_priority,
        "effective_priority": router.effective_priority,
        "vipset": router.vipset,
        "promote_secondaries": instance.promote_secondaries,
        "adver_int": _number(instance.advert_int),
        "master_adver_int": _number(router.master_advert_int or instance.advert_int),
        "accept": int(instance.accept),
        "nopreempt": instance.nopreempt,
        "preempt_delay": _number(instance.preempt_delay),
        "state": state,
        "wantstate": state,
        "version": instance.version,
        "smtp_alert": False,
        "notify_deleted": instance.notify.deleted_is_a_state,
    }
    data |= _scripts(instance.notify)
    for key, advertised in (("vips", True), ("evips", False)):
        texts = [address.text + " set" * (address.present is True)
                 for address in router.addresses if address.advertised is advertised]
        if texts:
            data[key] = texts
    data |= {key: lines for key, lines in (
        ("vroutes", [route_text(entry) for entry in instance.routes]),
        ("vrules", [rule_text(entry) for entry in instance.rules])) if lines}
    data |= _tracked(instance, commands)
    data["auth_type"] = AUTH_TYPES[instance.auth_type]
    if instance.auth_type:
        data["auth_data"] = "********"
    return data


def _tracked(instance: VrrpInstance, commands: Mapping[str, str]) -> dict[str, list[str]]:
    """What the instance itself tracks: interfaces and processes by name, scripts by their commands."""
    own = [track for track in instance.tracks if not track.group]
    lists = {
        "track_ifp": [track.name for track in own if track.kind == "interface"],
        "track_script": [commands[track.name] for track in own if track.kind == "script" and track.name in commands],
        "track_process": [track.name for track in own if track.kind == "process"],
    }
    return {key: names for key, names in lists.items() if names}


_UNSEEN = ThingSnapshot("process")


def _process(thing: TrackProcess, instances: Iterable[VrrpInstance], seen: ThingSnapshot) -> dict[str, Any]:
    """One vrrp_track_process. Its weight is the one that the first instance gives it."""
    weights = (track.weight for instance in instances for track in instance.tracks
               if (track.kind, track.name) == ("process", thing.name))
    found: dict[str, Any] = {"process": thing.command}
    if thing.parameters:
        found["parameters"] = " ".join(thing.parameters)
    found |= {"param_match": thing.param_match or "none", "min_processes": thing.quorum}
    if thing.quorum_max is not None:
        found["max_processes"] = thing.quorum_max
    return found | {
        "current_processes": seen.count,
        "have_quorum": seen.well is True,
        "weight": next(weights, 0),
        "terminate_delay": _number(thing.terminate_delay),
        "fork_delay": _number(thing.fork_delay),
        "fork_delay_timer_running": seen.delay == "fork",
        "terminate_delay_timer_running": seen.delay == "terminate",
        "full_command": thing.full_command or bool(thing.param_match),
    }


def _scripts(notify: Notify) -> dict[str, str]:
    """The scripts that are there, in the order of the document."""
    named = {
        "script_backup": notify.backup,
        "script_master": notify.master,
        "script_fault": notify.fault,
        "script_stop": notify.stop,
        "script_deleted": notify.deleted,
        "script": notify.any,
        "script_master_rx_lower_pri": notify.master_rx_lower_pri,
    }
    return {key: script_text(script) for key, script in named.items() if script is not None}


def _stats(router: RouterSnapshot) -> dict[str, int]:
    return {name: router.counters.get(name, 0) for name in STATISTICS}


def _number(seconds: float) -> float | int:
    """5 rather than 5.0, as the document has it; microseconds otherwise."""
    return int(seconds) if seconds == int(seconds) else round(seconds, 6)
