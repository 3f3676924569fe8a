"""A configuration as rules look at it: what was written beside what comes of it, and what several of them ask for.

Everything is worked out when the first rule asks for it, and once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from hakeep.config.host import Host
from hakeep.config.keywords.global_defs import GlobalDefs
from hakeep.config.keywords.lvs import CHECKERS
from hakeep.config.keywords.static import ROOT, Config
from hakeep.config.keywords.tracking import VrrpSyncGroup
from hakeep.config.keywords.vrrp import VrrpInstance as Written
from hakeep.config.line import Line
from hakeep.config.schema import Block, Plain, Section
from hakeep.config.settle.groups import memberships
from hakeep.config.settle.questions import QUESTIONS, settle_question
from hakeep.config.settled import Script, Settings, VrrpInstance
from hakeep.config.span import Span
from hakeep.config.values.addresses import AddressEntry
from hakeep.config.values.services import ServiceKey

#: The lists of trackers, and the kinds of blocks that their entries name ("" = an interface of the host).
TRACKERS = {
    "track_interface": "", "track_script": "vrrp_script", "track_file": "track_file",
    "track_process": "vrrp_track_process", "track_bfd": "bfd_instance",
}

#: The highest priority of a router that does not own the address.
MOST = 254


class Command(NamedTuple):
    """A command of the configuration, its keyword and line, the section around it and the outermost one."""

    keyword: str
    script: Script
    line: Line | None
    owner: Section
    top: Section

    @property
    def span(self) -> Span | None:
        """Where the command is written."""
        return self.line.span(1, shell=True) if self.line else None

    @property
    def account(self) -> Span | None:
        """Where the user is written, if there is one."""
        return self.line.span(2, shell=True) if self.line else None


class Tracker(NamedTuple):
    """An entry of a track_* list, or a tracker on one line, with its weight: its own, else the definition's.

    `weight` 0 means that a failure is FAULT. `adds` is what it adds to the priority while all is well, `moves` by how
    much a failure lowers it (less than nothing with `reverse`); both None for track_file, whose number is not known.
    """

    keyword: str
    name: str
    weight: int
    reverse: bool
    owner: Written | VrrpSyncGroup
    number: int

    @property
    def span(self) -> Span | None:
        """Where its name is written."""
        return self.owner.span(self.keyword, self.number, 0 if self.keyword in TRACKERS else 1)

    @property
    def adds(self) -> int | None:
        if self.keyword == "track_file":
            return None
        return self.weight if (self.weight > 0) is not self.reverse else 0

    @property
    def moves(self) -> int | None:
        if self.keyword == "track_file":
            return None
        return -abs(self.weight) if self.reverse else abs(self.weight)


class Vip(NamedTuple):
    """A virtual address, the interface that it goes to, and its instance and place there."""

    entry: AddressEntry
    interface: str
    written: Written
    keyword: str
    number: int

    @property
    def span(self) -> Span | None:
        """Where the address is written."""
        return self.written.span(self.keyword, self.number, 0)

    @property
    def listed(self) -> bool:
        """True if adverts list it."""
        return self.keyword == "virtual_ipaddress"

    @property
    def network(self) -> tuple[int, int, int] | None:
        """The network that its prefix length says: IP version, length, and that many leading bits of the address.
        None without a length, for whole addresses and what is as good as that, and for link-local ones."""
        ip, prefix = self.entry.ip, self.entry.prefix
        if prefix is None or prefix >= ip.max_prefixlen - 1 or ip.is_link_local:
            return None
        return ip.version, prefix, int(ip) >> (ip.max_prefixlen - prefix)


class Server(NamedTuple):
    """A real server and its virtual server."""

    service: Plain
    server: Plain


class ServerCheck(NamedTuple):
    """A check of a real server."""

    service: Plain
    server: Plain
    kind: str
    check: Plain


class Member(NamedTuple):
    """An instance as it was written and as it runs."""

    written: Written
    settled: VrrpInstance


class View:
    """`config` is what was written, `settings` what runs, `host` what is known of the machine."""

    def __init__(self, config: Config, settings: Settings, host: Host) -> None:
        self.config, self.settings, self.host = config, settings, host
        self.globals: GlobalDefs = config.global_defs or GlobalDefs()

    @property
    def owners(self) -> tuple[Written | VrrpSyncGroup, ...]:
        """All that can have trackers: instances, then groups."""
        return (*self.config.vrrp_instance, *self.config.vrrp_sync_group)

    @cached_property
    def instances(self) -> tuple[Member, ...]:
        """Instances that run."""
        settled = {instance.name: instance for instance in self.settings.vrrp}
        return tuple(Member(w, settled[w.name]) for w in self.config.vrrp_instance if w.name in settled)

    @cached_property
    def groups(self) -> dict[str, VrrpSyncGroup]:
        """The sync group of each instance that is in one; the first one counts."""
        return memberships(self.config)

    def members(self, group: VrrpSyncGroup) -> list[Member]:
        """The running instances of a group, in its order."""
        return [self._by_name[name] for name in dict.fromkeys(group.group)
                if name in self._by_name and self.groups[name] is group]

    @cached_property
    def _by_name(self) -> dict[str, Member]:
        return {member.written.name: member for member in self.instances}

    @cached_property
    def vips(self) -> tuple[Vip, ...]:
        """Every virtual address of every instance that runs, listed in adverts or not."""
        return tuple(
            Vip(entry, entry.dev or written.interface or "", written, keyword, index)
            for written, _ in self.instances
            for keyword in ("virtual_ipaddress", "virtual_ipaddress_excluded")
            for index, entry in enumerate(getattr(written, keyword)))

    def mirrored(self) -> Iterator[tuple[Member, Member]]:
        """Instances that are to be MASTER here, each with the one of highest priority that is to be BACKUP here: the
        other router usually has such a pair the other way round."""
        backups = [member for member in self.instances if member.written.state == "BACKUP"]
        if backups:
            highest = max(backups, key=lambda member: member.settled.priority)
            for member in self.instances:
                if member.written.state == "MASTER" and not member.settled.owner:
                    yield member, highest

    # ------------------------------------------------------------------------------------------------- trackers

    @cached_property
    def definitions(self) -> dict[str, dict[str, Section]]:
        """What the entries of each list of trackers can name; the first one of a name counts."""
        config = self.config
        return {
            "track_script": {s.name: s for s in reversed(config.vrrp_script)
                             if s.script or "script" in s.places},  # what is wrong with that one has been told
            "track_file": {s.name: s for s in reversed(config.track_file) if s.get("file")},
            "track_process": {s.name: s for s in reversed(config.vrrp_track_process) if s.get("process")},
            "track_bfd": {s.name: s for s in reversed(config.bfd_instance) if s.get("neighbor_ip")},
        }

    def trackers(self, owner: Written | VrrpSyncGroup) -> list[Tracker]:
        """The trackers of an instance or a group that are defined."""
        found = []
        for keyword in TRACKERS:
            entries: tuple[tuple[str, int | None, bool | None], ...] = getattr(owner, keyword)
            for index, (name, weight, reverse) in enumerate(entries):
                definition = self.definitions[keyword].get(name) if keyword != "track_interface" else None
                if keyword != "track_interface" and definition is None:
                    continue
                own = _weight(definition)
                found.append(Tracker(keyword, name, own[0] if weight is None else weight,
                                     own[1] if reverse is None else reverse, owner, index))
        for keyword in QUESTIONS:
            for index, pairs in enumerate(getattr(owner, keyword)):
                asked = settle_question(keyword, pairs)
                found.append(Tracker(keyword, asked.name, asked.weight, asked.reverse, owner, index))
        return found

    def weighted(self, member: Member) -> list[Tracker]:
        """The trackers, its group's among them, that move the priority of an instance, as they are left of what is
        written; of an address owner, of which nothing is left, those that were to."""
        own = self.trackers(member.written)
        group = self.groups.get(member.written.name)
        if group:
            own += self.trackers(group)
        if member.settled.owner:
            return [tracker for tracker in own if tracker.weight]
        left = {(f"track_{track.kind}", track.name, track.group): track for track in member.settled.tracks}
        found = []
        for tracker in own:
            track = left.get((tracker.keyword, tracker.name, group.name if group and tracker.owner is group else ""))
            if track and track.weight:
                found.append(tracker._replace(weight=track.weight, reverse=track.reverse))
        return found

    # -------------------------------------------------------------------------------------------------- commands

    @cached_property
    def commands(self) -> tuple[Command, ...]:
        """Every command of the configuration."""
        return tuple(_commands(self.config, ROOT, None))

    @cached_property
    def idle(self) -> frozenset[int]:
        """Sections (by id) that are left out or never run, so that their scripts are not either."""
        config = self.config
        instances = {instance.name for instance in config.vrrp_instance}
        idle: list[Section] = [] if instances else list(config.vrrp_script)
        idle += [group for group in config.vrrp_sync_group if group.group and instances.isdisjoint(group.group)]
        idle += [s for s in config.virtual_server if not s.get("real_server") and not s.get("sorry_server")]
        return frozenset(id(section) for section in idle)

    # -------------------------------------------------------------------------------------------------- services

    @cached_property
    def services(self) -> tuple[Plain, ...]:
        """The virtual servers that are not left out."""
        groups = {group.name for group in self.config.virtual_server_group}
        found = []
        for service in self.config.virtual_server:
            key: ServiceKey = service.head
            if (service.get("real_server") or service.get("sorry_server")) and (not key.group or key.group in groups):
                found.append(service)
        return tuple(found)

    @cached_property
    def servers(self) -> tuple[Server, ...]:
        """Their real servers."""
        return tuple(
            Server(service, server) for service in self.services for server in service.get("real_server", ()))

    def servers_with(self, keyword: str) -> Sequence[Server]:
        """Those of them that say something of a keyword. Most servers say little, and there may be ten thousands."""
        return self._servers_with.get(keyword, ())

    @cached_property
    def _servers_with(self) -> dict[str, list[Server]]:
        found: dict[str, list[Server]] = {}
        for each in self.servers:
            for keyword in each.server.values:
                found.setdefault(keyword, []).append(each)
        return found

    def checks(self, *kinds: str) -> Iterator[ServerCheck]:
        """The checks of these kinds, or all, server by server; those of one server in the order of the kinds."""
        wanted = [kind for kind in kinds or CHECKERS if kind in self._servers_with]
        for service, server in self.servers if wanted else ():
            for kind in wanted:
                for check in server.values.get(kind, ()):
                    yield ServerCheck(service, server, kind, check)


def _weight(definition: Section | None) -> tuple[int, bool]:
    if isinstance(definition, Plain):
        default = (1, False) if definition.keyword == "track_file" else (0, False)
        weight: tuple[int, bool] = definition.get("weight", default)
        return weight
    return getattr(definition, "weight", None) or (0, False)


def _commands(section: Section, block: Block, top: Section | None) -> Iterator[Command]:
    for field, value in section.given():
        if isinstance(value, Script):
            if value.argv:
                lines = section.places.get(field)
                yield Command(block.fields[field].name, value, lines[-1] if lines else None, section, top or section)
        elif value and field in block.fields and isinstance(kind := block.fields[field].value, Block):
            for inner in value if isinstance(value, tuple) else (value,):
                yield from _commands(inner, kind, top or inner)
