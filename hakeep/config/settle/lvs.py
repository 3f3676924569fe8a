"""What the LVS director runs: virtual servers, their services, and what holds for all of them.

One virtual_server block is one `VirtualServer`; a group, which has several addresses, ports or marks, gives it several
services. What is wrong in a block is told by the rules (`rules.services`, `rules.servers`, `rules.service_addresses`);
here it is put right without a word, in the same way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from hakeep.config.keywords.global_defs import GlobalDefs
from hakeep.config.keywords.static import Config
from hakeep.config.schema import Plain
from hakeep.config.settle.globals import settle_fifo, settle_process
from hakeep.config.settle.lvs_checks import Sources
from hakeep.config.settle.lvs_marks import MARK_TABLE, Marks, first_mark
from hakeep.config.settle.lvs_servers import settle_reals, settle_sorry
from hakeep.config.settled import Global
from hakeep.config.settled_lvs import Director, RealServer, SyncWish, VirtualServer
from hakeep.config.values.addresses import parse_ip
from hakeep.config.values.services import MOST_ADDRESSES, AddressRange
from hakeep.config.values.services import ServiceKey as Head
from hakeep.objects.ipvs import (
    ONE_PACKET,
    PERSISTENT,
    PROTOCOLS,
    SCHED1,
    SCHED2,
    SCHED3,
    TCP,
    UDP,
    Service,
    ServiceKey,
    SyncDaemon,
    Timeouts,
    whole,
)

#: Seconds of persistence where there must be some and nobody says how much.
PERSISTENCE = 360

_PROTOCOL_NUMBERS = {name: number for number, name in PROTOCOLS.items()}

#: Flags by their keywords, with the scheduler that each belongs to ("" = any).
_FLAGS = {
    "flag-1": ("", SCHED1), "flag-2": ("", SCHED2), "flag-3": ("", SCHED3), "sh-fallback": ("sh", SCHED1),
    "sh-port": ("sh", SCHED2), "mh-fallback": ("mh", SCHED1), "mh-port": ("mh", SCHED2),
}


def settle_director(config: Config, settled_globals: Global, backend: str = "") -> Director:
    """The director of a configuration that has virtual servers; `backend` takes the place of lvs_backend, "" = it
    does not."""
    written = config.global_defs or GlobalDefs()
    return Director(
        globals=settled_globals,
        virtual=tuple(_virtual_servers(config, Marks(config, written))),
        timeouts=_timeouts(written),
        sync=_sync(config, written),
        flush=bool(written.lvs_flush),
        flush_on_stop="" if written.lvs_flush_on_stop is None else written.lvs_flush_on_stop or "all",
        backend=backend or written.lvs_backend or "auto",
        process=settle_process(written, "checker", "lvs"),
        lvs_notify_fifo=settle_fifo(written.lvs_notify_fifo, written.lvs_notify_fifo_script),
        rs_init_notifies=bool(written.rs_init_notifies),
        log_all_failures=bool(written.checker_log_all_failures),
        checks_max=written.lvs_checks_in_flight or 500,
        mark_table="" if written.nftables_ipvs is None else written.nftables_ipvs or MARK_TABLE,
        mark_priority=-1 if written.nftables_ipvs_priority is None else written.nftables_ipvs_priority,
        mark_first=first_mark(written),
    )


def _timeouts(written: GlobalDefs) -> Timeouts:
    said = dict(written.lvs_timeouts or ())
    return Timeouts(*(int(said.get(name, 0)) for name in ("tcp", "tcpfin", "udp")))


def _sync(config: Config, written: GlobalDefs) -> SyncWish | None:
    """lvs_sync_daemon, or its old form inside an instance."""
    vrids = {instance.name: instance.virtual_router_id or 0 for instance in config.vrrp_instance}
    said = dict(written.lvs_sync_daemon or ())
    if not said:
        old = next((each for each in config.vrrp_instance if each.lvs_sync_daemon_interface), None)
        if old is None:
            return None
        said = {"interface": old.lvs_sync_daemon_interface or "", "instance": old.name}
    instance = said.get("inst", said.get("instance", ""))
    daemon = SyncDaemon(
        state="backup", interface=said["interface"], sync_id=int(said.get("id", vrids.get(instance, 0))),
        max_length=int(said.get("maxlen", 0)), group=parse_ip(said["group"]) if "group" in said else None,
        port=int(said.get("port", 0)), ttl=int(said.get("ttl", 0)))
    return SyncWish(daemon, instance)


# ----------------------------------------------------------------------------------------------------------- servers


def _virtual_servers(config: Config, marks: Marks) -> Iterator[VirtualServer]:
    """Those that can run. Two may ask for one service: as in keepalived the first one says how it is, and the real
    servers of both stand in it. Those of one group are told apart by numbers."""
    sources = Sources.of(config)
    groups = {group.name: group.get("entries", ()) for group in reversed(config.virtual_server_group)}
    known: dict[ServiceKey, Service] = {}
    names = _Names()
    for block in config.virtual_server:
        settled = _virtual_server(block, groups, sources, names, marks)
        if settled is not None:
            yield replace(settled, services=tuple(known.setdefault(each.key, each) for each in settled.services))


class _Names:
    """Gives every virtual server a name and a label of its own."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()
        self._groups: Counter[str] = Counter()

    def of(self, block: Plain, first: ServiceKey) -> tuple[str, str]:
        """The name is what was written, and the protocol if it is not TCP: a name server has two. The label is that
        of the only service, or tells the group and the how manieth of its virtual servers it is."""
        protocol = _protocol(block)
        name = block.name if protocol in (0, TCP) else f"{block.name} {PROTOCOLS[protocol]}"
        self._taken[name] += 1
        if self._taken[name] > 1:
            name = f"{name} #{self._taken[name]}"
        group = block.head.group
        self._groups[group] += 1
        return name, f"[{group}]:{self._groups[group] - 1}" if group else str(first)


def _virtual_server(
    block: Plain, groups: dict[str, tuple[AddressRange, ...]], sources: Sources, names: _Names, marks: Marks,
) -> VirtualServer | None:
    head: Head = block.head
    if head.group and head.group not in groups:
        return None
    keys = tuple(dict.fromkeys(_keys(block, groups.get(head.group, ()))))
    reals = settle_reals(block, keys, sources)
    sorry = settle_sorry(block, keys)
    if not keys or not (reals or sorry):
        return None
    name, label = names.of(block, keys[0])
    quorum, hysteresis = _quorum(block, reals)
    addresses = tuple(key for key in keys if key.ip is not None)
    mark = marks.of(head.group, _protocol(block)) if head.group and addresses else 0
    return VirtualServer(
        name=name,
        label=label,
        services=tuple(_services(block, keys, mark)),
        reals=reals,
        sorry=sorry,
        quorum=quorum,
        hysteresis=hysteresis,
        omega=bool(block.get("omega")),
        ha_suspend=bool(block.get("ha_suspend")) and bool(addresses),
        smtp_alert=bool(block.get("smtp_alert", sources.smtp_alert)),
        quorum_up=block.get("quorum_up"),
        quorum_down=block.get("quorum_down"),
        panic_threshold=block.get("panic_threshold", 0),
        marked=addresses if mark else (),
        mark=mark,
    )


def _quorum(block: Plain, reals: Iterable[RealServer]) -> tuple[int, int]:
    """Quorum and hysteresis, made such that they can be reached."""
    total = sum(real.weight for real in reals)
    quorum = min(block.get("quorum", 1), max(total, 1))
    return quorum, min(block.get("hysteresis", 0), quorum - 1)


# ---------------------------------------------------------------------------------------------------------- services


def _protocol(block: Plain) -> int:
    """Of an address; a firewall mark has none."""
    return 0 if block.head.fwmark else _PROTOCOL_NUMBERS[block.get("protocol", "UDP")]


def _keys(block: Plain, entries: Iterable[AddressRange]) -> Iterator[ServiceKey]:
    """The services of a block by name, those of a group in its order."""
    head: Head = block.head
    protocol = _protocol(block)
    if head.ip is not None:
        yield ServiceKey(head.ip.version, protocol, head.ip, head.port or 0)
    elif head.fwmark:
        yield ServiceKey(_family(block), 0, None, 0, head.fwmark)
    for entry in entries:
        if entry.first is None or entry.last is None:
            yield ServiceKey(entry.family or _family(block), 0, None, 0, entry.fwmark)
        else:
            count = min(int(entry.last) - int(entry.first) + 1, MOST_ADDRESSES)
            for number in range(count):
                yield ServiceKey(entry.first.version, protocol, entry.first + number, entry.port or 0)


def _family(block: Plain) -> int:
    """The family of a firewall mark: as it is said, else that of the first real server."""
    said = block.get("ip_family")
    if said:
        return 4 if said == "inet" else 6
    heads = [real.head for real in block.get("real_server", ())] or [block.get("sorry_server")]
    return heads[0][0].version if heads[0] else 4


class _Persistence(NamedTuple):
    """persistence_timeout (0 = none), and how much of an address of each family counts."""

    timeout: int
    prefixes: dict[int, int]

    @classmethod
    def of(cls, block: Plain) -> _Persistence:
        granularity = block.get("persistence_granularity")
        timeout = block.get("persistence_timeout", 0 if granularity is None else PERSISTENCE)
        prefixes = {family: whole(family) for family in (4, 6)}
        if granularity is not None:
            prefixes = {family: min(granularity, most) for family, most in prefixes.items()}
        return cls(timeout, prefixes)


def _services(block: Plain, keys: Collection[ServiceKey], mark: int) -> Iterator[Service]:
    """With a `mark` it stands for all addresses of a family, in the place of the first one."""
    scheduler = block.get("lvs_sched", "wlc")
    flags = _flags(block, scheduler)
    persistence = _Persistence.of(block)
    engine = block.get("persistence_engine", "")
    every_port = any(key.ip is not None and not key.port for key in keys)
    timeout = persistence.timeout or (PERSISTENCE if every_port else 0)
    flags |= PERSISTENT if timeout else 0
    for key in dict.fromkeys(_marked(key, mark) for key in keys):
        yield Service(key, scheduler, flags, timeout, persistence.prefixes[key.family], engine)


def _marked(key: ServiceKey, mark: int) -> ServiceKey:
    return ServiceKey(key.family, 0, None, 0, mark) if mark and key.ip is not None else key


def _flags(block: Plain, scheduler: str) -> int:
    """Flags that count. Those of a scheduler do only after it has been chosen."""
    flags = 0
    for keyword, (owner, flag) in _FLAGS.items():
        told_late = block.order("lvs_sched", 0) > block.order(keyword)
        if block.get(keyword) and (not owner or (owner == scheduler and not told_late)):
            flags |= flag
    if block.get("ops") and _protocol(block) in (0, UDP):
        flags |= ONE_PACKET
    return flags
