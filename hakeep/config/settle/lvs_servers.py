"""Real servers and sorry servers: their places, weights and methods, and what they inherit from the virtual server."""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import NamedTuple

from hakeep.config.schema import Plain
from hakeep.config.settle.lvs_checks import Around, Sources, settle_checks
from hakeep.config.settled_lvs import RealServer, SorryServer
from hakeep.config.values.options import Pairs
from hakeep.objects.ipvs import PLAIN, Encapsulation, Forward, ServiceKey, Tunnel
from hakeep.objects.rtnl import IPAddress

_FORWARDS = {"NAT": Forward.MASQ, "DR": Forward.ROUTE, "TUN": Forward.TUNNEL}
_ENCAPSULATIONS = {"ipip": Encapsulation.IPIP, "gue": Encapsulation.GUE, "gre": Encapsulation.GRE}
_CHECKSUMS = {"nocsum": 0, "csum": 1, "remcsum": 2}


def settle_method(pairs: Pairs) -> tuple[Forward, Tunnel]:
    """lvs_method: NAT if it is not said. Options of a tunnel mean nothing to the other two."""
    said = dict(pairs)
    forward = _FORWARDS[said.get("method", "NAT")]
    if forward is not Forward.TUNNEL:
        return forward, PLAIN
    kind = _ENCAPSULATIONS[said.get("type", "ipip")]
    checksum = next((_CHECKSUMS[name] for name, _ in reversed(pairs) if name in _CHECKSUMS), 0)
    return forward, Tunnel(kind, int(said.get("port", 0)) if kind is Encapsulation.GUE else 0, checksum)


def settle_reals(service: Plain, keys: Iterable[ServiceKey], sources: Sources) -> tuple[RealServer, ...]:
    """The real servers that can be reached, each once."""
    heritage = _Heritage.of(service, tuple(keys), sources)
    blocks: dict[tuple[IPAddress, int | None], Plain] = {}
    for block in service.get("real_server", ()):
        blocks.setdefault(block.head, block)
    reals = [_real(block, heritage, sources) for block in blocks.values()]
    return tuple([real for real in reals if real is not None])


class _Heritage(NamedTuple):
    """What real servers have from their virtual server where they do not say it themselves."""

    keys: tuple[ServiceKey, ...]
    families: frozenset[int]
    method: tuple[Forward, Tunnel]
    weight: int
    inhibit: bool
    smtp_alert: bool
    around: Around

    @classmethod
    def of(cls, service: Plain, keys: tuple[ServiceKey, ...], sources: Sources) -> _Heritage:
        # unlike all others, real servers that nobody says anything of are told of (as in keepalived)
        alerts = (service.get("smtp_alert"), sources.smtp_alert, True)
        return cls(
            keys, frozenset(key.family for key in keys), settle_method(service.get("lvs_method") or ()),
            service.get("weight", 1), bool(service.get("inhibit_on_failure")),
            next(said for said in alerts if said is not None), Around({}).within(service))


def _real(block: Plain, heritage: _Heritage, sources: Sources) -> RealServer | None:
    ip, own_port = block.head
    said, keys = block.values, heritage.keys
    method = said.get("lvs_method")
    forward, tunnel = settle_method(method) if method else heritage.method
    if not _reachable(ip, forward, heritage.families):
        return None
    return RealServer(
        ip=ip,
        port=_port(own_port, forward, keys),
        weight=said.get("weight", heritage.weight),
        forward=forward,
        tunnel=tunnel,
        upper=said.get("uthreshold", 0),
        lower=said.get("lthreshold", 0),
        inhibit=said.get("inhibit_on_failure", heritage.inhibit),
        smtp_alert=said.get("smtp_alert", heritage.smtp_alert),
        checks=settle_checks(block, heritage.around, _checked_port(own_port, keys), sources),
        notify_up=said.get("notify_up"),
        notify_down=said.get("notify_down"),
        slow_start=said.get("slow_start", 0.0),
    )


def settle_sorry(service: Plain, keys: Iterable[ServiceKey]) -> SorryServer | None:
    """The sorry server, if it can be reached. What is said of it counts only after it."""
    keys = tuple(keys)
    head = service.get("sorry_server")
    if head is None:
        return None
    ip, own_port = head

    def said(keyword: str) -> bool:
        return bool(service.get(keyword)) and service.order(keyword) > service.order("sorry_server", 0)

    own_method = service.get("sorry_server_lvs_method") if said("sorry_server_lvs_method") else None
    forward, tunnel = settle_method(own_method or service.get("lvs_method") or ())
    if not _reachable(ip, forward, {key.family for key in keys}):
        return None
    return SorryServer(ip, _port(own_port, forward, keys), forward, tunnel, inhibit=said("sorry_server_inhibit"))


def _reachable(ip: IPAddress, forward: Forward, families: Set[int]) -> bool:
    """Only tunnels lead from one family to the other."""
    return forward is Forward.TUNNEL or ip.version in families


def _port(own: int | None, forward: Forward, keys: tuple[ServiceKey, ...]) -> int:
    """Its own with NAT, else the service's; of a group 0, which is the port of the client's packet."""
    if forward is Forward.MASQ and own:
        return own
    return keys[0].port if len(keys) == 1 else 0


def _checked_port(own: int | None, keys: tuple[ServiceKey, ...]) -> int:
    """Where it is asked if its checks do not say: at its own port, else that of the first service that has one."""
    return own or next((key.port for key in keys if key.port), 0)
