"""`hakeep replay FILE`: live a recording through again, step by step.

A recording (see `hakeep record`) holds what the daemon was told; what it did comes out of this version's engine as it
is told the same once more. So it shows what happened, if the versions are the same, and what would happen now, if not.

    12:00:03.412187  VRRPv3 advert, VRID 51, priority 100, from 192.0.2.12 on eth0
    12:00:04.021874  time has passed
                     web: BACKUP -> MASTER
                     web: advertise priority 150
                     log notice: (web) Entering MASTER STATE

Times are those of this host's time zone. A damaged file is refused with a sentence and exit status 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path

import hakeep
from hakeep.cli.hakeep_connection import DONE, FAILED
from hakeep.vrrp import messages as m
from hakeep.vrrp.notation import write
from hakeep.vrrp.recording import Recording, RecordingError, Step, decode, replay
from hakeep.wire import ah


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """Declare the arguments."""
    parser.add_argument("file", metavar="FILE", help="the recording; - for standard input")
    parser.add_argument("-r", "--router", metavar="NAME", help="only the steps in which this instance does something")
    parser.add_argument("-c", "--changes", action="store_true", help="only steps that do something besides the log")
    parser.add_argument("--json", action="store_true", help="one JSON object a step, for programs")


def run(arguments: argparse.Namespace) -> int:
    """Print the steps; the exit status."""
    try:
        recording = _read(arguments.file)
        if arguments.router is not None and arguments.router not in recording.routers:
            known = ", ".join(sorted(recording.routers)) or "none"
            raise RecordingError(f"there is no instance {arguments.router!r} in it; there are {known}")
        if recording.version != hakeep.__version__:
            warning = f"hakeep {recording.version} made this; version {hakeep.__version__} may act otherwise"
            print(f"hakeep: {arguments.file}: {warning}", file=sys.stderr)
        for step in replay(recording):
            _show(step, recording, arguments)
    except OSError as error:
        print(f"hakeep: {arguments.file}: {error.strerror}", file=sys.stderr)
        return FAILED
    except (UnicodeDecodeError, RecordingError) as error:
        print(f"hakeep: {arguments.file}: {error}", file=sys.stderr)
        return FAILED
    return DONE


def _read(path: str) -> Recording:
    if path == "-":
        return decode(sys.stdin)
    with Path(path).open(encoding="utf-8") as file:
        return decode(file)


def _show(step: Step, recording: Recording, arguments: argparse.Namespace) -> None:
    only = arguments.router
    effects = [e for e in step.effects if only is None or _concerns(e, only)]
    transitions = list(_transitions(step.before, step.states, only))
    if only is not None and not (effects or transitions or step.failure):
        return
    if arguments.json:
        print(_json(step, effects))
    elif not arguments.changes or step.failure or any(not isinstance(effect, m.Log) for effect in effects):
        time = _time(step.now, recording.ahead)
        print(f"{time}  {describe(step.event)}")
        lines = [*transitions, *_orders(effects)]
        if step.failure:
            lines.append(f"THE ENGINE FAILS: {step.failure}")
        for line in lines:
            print(f"{'':{len(time)}}  {line}")


def _time(now: float, ahead: float) -> str:
    """The time of day, or monotonic seconds when the recording does not say which that was."""
    try:
        return f"{datetime.fromtimestamp(now + ahead):%H:%M:%S.%f}" if ahead else f"{now:.6f}"
    except (ValueError, OverflowError, OSError):
        return f"{now:.6f}"


def _json(step: Step, effects: list[m.Effect]) -> str:
    return json.dumps({
        "now": step.now,
        "event": write(step.event),
        "effects": [write(effect) for effect in effects],
        "states": {name: state.value for name, state in step.states.items()},
        "failure": step.failure,
    })


def _concerns(effect: m.Effect, instance: str) -> bool:
    match effect:
        case m.Reconcile(routers=names):
            return instance in names
        case m.Log(text=text):
            return text.startswith(f"({instance})")
        case m.NotifyChange(name=name):
            return name == instance
        case m.Finished():
            return True
    return effect.router == instance


def _transitions(before: dict[str, m.State], after: dict[str, m.State], only: str | None) -> Iterator[str]:
    for name, state in after.items():
        old = before.get(name, state)
        if old is not state and only in (None, name):
            yield f"{name}: {old} -> {state}"


def _orders(effects: list[m.Effect]) -> Iterator[str]:
    for effect in effects:
        if isinstance(effect, m.Announce):
            ips = [str(virtual.address.ip) for virtual in effect.addresses]
            for ip in dict.fromkeys(ips):
                times = ips.count(ip)
                yield f"{effect.router}: announce {ip}" + (f" ({times} times)" if times > 1 else "")
        else:
            yield _order(effect)


def _order(effect: m.Effect) -> str:
    match effect:
        case m.Advertise(router, priority):
            return f"{router}: advertise priority {priority}"
        case m.Reconcile(routers):
            return f"{', '.join(routers)}: compare the addresses with the kernel's"
        case m.Renew(router, addresses):
            return f"{router}: renew the lease of {', '.join(str(address.ip) for address in addresses)}"
        case m.Listen(router, on):
            return f"{router}: {'listen' if on else 'listen no more'} for announcements by others"
        case m.Rebind(router, source, close):
            return f"{router}: {'close the sockets' if close else f'open the sockets, source {source}'}"
        case m.NotifyChange(kind, name, what, priority):
            return f"{name}: tell scripts: {kind} {name} {what} {priority}"
        case m.Changed(router, state):
            return f"{router}: shown as {state}"
        case m.Log(level, text):
            return f"log {level.name.lower()}: {text}"
    return "all is done"


def describe(event: m.Event) -> str:
    """An event in a line."""
    match event:
        case m.Received():
            return _packet(event)
        case m.Ticked():
            return "time has passed"
        case m.Woken(seconds):
            return f"the host or the process stood still for {seconds:.3f} s"
        case m.LinkChanged(name, None):
            return f"interface {name} is gone"
        case m.LinkChanged(name, link):
            return f"interface {name} is {'up' if link and link.usable else 'down'}"
        case m.AddressChanged(address, present, port):
            who = f"netlink port {port}" if port else "the kernel"
            return f"{address} {'added' if present else 'removed'} by {who}"
        case m.Resync(links, addresses):
            return f"the host read anew: {len(links)} interfaces, {len(addresses)} addresses"
        case m.Heard(interface, ip, mac):
            return f"{ip_address(ip)} announced on {interface} by {mac.hex(':')}"
        case m.Applied(added, removed):
            said = [f"+{ip}/{prefix}" for _, ip, prefix in added] + [f"-{ip}/{prefix}" for _, ip, prefix in removed]
            return f"the kernel has {' '.join(said)}"
        case m.Refused(router, None, errno):
            return f"{router}: the kernel refused an advert, errno {errno}"
        case m.Refused(_, what, errno):
            return f"the kernel refused {what[1] if what else ''}, errno {errno}"
        case m.Tracked(kind, name, well, value, why):
            state = "not known" if well is None else f"says {value}" if kind == "file" else "well" if well else "failed"
            return f"{kind} {name} is {state}" + (f" ({why})" if why else "")
        case m.Reloaded(settings):
            return f"a new configuration with {len(settings.vrrp)} instances"
        case m.Commanded(command, routers):
            return f"ordered: {command} {', '.join(routers)}"
        case m.Stopped(at_once, keep):
            return f"stop{' at once' if at_once else ''}{', leaving the addresses' if keep else ''}"


def _packet(packet: m.Received) -> str:
    data, source = packet.data, ip_address(packet.source)
    start = 0
    if source.version == 4 and len(data) > 9:
        start = (data[0] & 15) * 4 + (ah.LENGTH if data[9] == 51 else 0)
    if len(data) < start + 4:
        return f"{len(data)} bytes from {source}"
    version, vrid, priority = data[start] >> 4, data[start + 1], data[start + 2]
    return f"VRRPv{version} advert, VRID {vrid}, priority {priority}, from {source} on {packet.link or 'any interface'}"


