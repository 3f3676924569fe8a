"""Topologies: a folder with a topology.yaml that says which hosts there are, how they are wired, and what they run.

    about: one sentence for `lab list`
    segments: [lan]                     # Ethernet segments: each a bridge on a host of its own, the switch
    hosts:
      a:
        interfaces:
          eth0: {segment: lan, addresses: [192.0.2.11/24]}
          vrrp4: {over: eth0, mac: "00:00:5e:00:01:33", addresses: [192.0.2.100/32]}     # a macvlan
        routes: [default via 192.0.2.1] # as `ip route add` wants them
        sysctls: {net.ipv4.ip_forward: 1}
        runs:                           # started in this order; the key is what `lab kill` and `lab start` call it
          vrrp: {daemon: hakeepd, config: a.conf}
          web: {daemon: web}

Daemons: `hakeepd`, `keepalived`, `frr` (zebra and vrrpd), `web` (an HTTP server that answers with the host's name).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parent / "topologies"
DAEMONS = ("hakeepd", "keepalived", "frr", "web")


@dataclass(frozen=True)
class Interface:
    """A port on a segment, or a macvlan over another interface."""

    name: str
    addresses: tuple[str, ...] = ()
    segment: str = ""
    over: str = ""
    mac: str = ""


@dataclass(frozen=True)
class Run:
    """A daemon that a host runs. `config` is the text of its configuration."""

    name: str
    daemon: str
    config: str = ""


@dataclass(frozen=True)
class HostPlan:
    """What one host has and does."""

    name: str
    interfaces: tuple[Interface, ...]
    routes: tuple[str, ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()
    runs: tuple[Run, ...] = ()


@dataclass(frozen=True)
class Topology:
    """Segments, hosts, and a sentence about them."""

    name: str
    segments: tuple[str, ...]
    hosts: tuple[HostPlan, ...]
    about: str = ""
    source: Path = field(default=FOLDER, compare=False)


class BadTopology(Exception):
    """A topology that cannot be built, with the reason."""


def names() -> list[str]:
    """All topologies that there are."""
    return sorted(path.parent.name for path in FOLDER.glob("*/topology.yaml"))


def load(name: str) -> Topology:
    """The topology of that name; BadTopology when there is none or it has mistakes."""
    folder = FOLDER / name
    if name not in names():
        raise BadTopology(f"no topology {name!r}; there are: {', '.join(names())}")
    return parse(name, yaml.safe_load((folder / "topology.yaml").read_text()), folder)


def parse(name: str, document: dict[str, Any], folder: Path) -> Topology:
    """A topology from its YAML document. Config files are read from `folder`."""
    _only(document, {"about", "segments", "hosts"}, name)
    segments = tuple(document.get("segments", ()))
    hosts = tuple(_host(key, plan, segments, folder) for key, plan in document.get("hosts", {}).items())
    if not hosts:
        raise BadTopology(f"{name}: no hosts")
    return Topology(name, segments, hosts, document.get("about", ""), folder)


def _only(document: dict[str, Any], known: set[str], where: str) -> None:
    unknown = set(document) - known
    if unknown:
        raise BadTopology(f"{where}: unknown key {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")


def _host(name: str, plan: dict[str, Any], segments: tuple[str, ...], folder: Path) -> HostPlan:
    _only(plan, {"interfaces", "routes", "sysctls", "runs"}, name)
    interfaces = []
    for key, value in plan.get("interfaces", {}).items():
        where = f"{name}.{key}"
        _only(value, {"segment", "over", "mac", "addresses"}, where)
        if ("segment" in value) == ("over" in value):
            raise BadTopology(f"{where}: give either segment or over")
        if "segment" in value and value["segment"] not in segments:
            raise BadTopology(f"{where}: no segment {value['segment']!r}")
        if len(where) > 15:
            raise BadTopology(f"{where}: longer than the 15 characters of an interface name")
        interfaces.append(Interface(key, tuple(value.get("addresses", ())), value.get("segment", ""),
                                    value.get("over", ""), value.get("mac", "")))
    runs = []
    for key, value in plan.get("runs", {}).items():
        _only(value, {"daemon", "config"}, f"{name}.{key}")
        if value.get("daemon") not in DAEMONS:
            raise BadTopology(f"{name}.{key}: daemon must be one of {', '.join(DAEMONS)}")
        runs.append(Run(key, value["daemon"], (folder / value["config"]).read_text() if "config" in value else ""))
    sysctls = tuple((key, str(value)) for key, value in plan.get("sysctls", {}).items())
    return HostPlan(name, tuple(interfaces), tuple(plan.get("routes", ())), sysctls, tuple(runs))
