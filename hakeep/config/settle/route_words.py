"""One route entry, from its words to a `Route`."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network
from itertools import pairwise

from hakeep.config.host import Host
from hakeep.config.settle.names import number, resolve
from hakeep.config.values.addresses import SCOPES, parse_ip
from hakeep.config.values.options import Pairs
from hakeep.objects.routes import (
    DEAD_ENDS,
    FEATURE_ECN,
    METRIC6,
    TABLE_LOCAL,
    TABLE_MAIN,
    Encap,
    Network,
    Nexthop,
    Route,
)
from hakeep.objects.rtnl import PROTO_KEEPALIVED, SCOPE_HOST, SCOPE_LINK, IPAddress

_ANYWHERE = ("default", "any", "all")
_KINDS = ("unicast", "local", "broadcast", "multicast", "nat", *sorted(DEAD_ENDS))
#: Types that belong into the table of local addresses unless another one is named.
_LOCAL_KINDS = ("local", "broadcast", "nat")
#: Metrics that are whole numbers, and those that are times, with the kernel's units in a millisecond.
_NUMBERS = ("mtu", "advmss", "reordering", "cwnd", "ssthresh", "hoplimit", "window", "initcwnd", "initrwnd", "quickack",
            "fastopen_no_cookie")
_TIMES = {"rtt": 8, "rttvar": 4, "rto_min": 1}
_PREFERENCES = {"low": -1, "medium": 0, "high": 1}
#: Options of light-weight tunnels: what the kernel calls an address, and the width of what is a number.
_ENCAP_NUMBERS = {"id": 64, "tos": 8, "tc": 8, "ttl": 8, "hoplimit": 8, "flags": 16}


class Unsettled(Exception):
    """The entry makes no sense; the text says why."""


class Nowhere(Unsettled):
    """The route has no destination."""


def route_of(pairs: Pairs, host: Host) -> Route:
    """The route that these words ask for. Raises `Unsettled` and `names.UnknownName`."""
    words = dict(pairs)
    if "to" not in words:
        raise Nowhere("the route has no destination")
    if "vrf" in words:
        raise Unsettled("vrf is not supported in a route: write the number of the VRF's table")
    family = family_of(pairs, ("to", "via", "src", "from", "or"))
    kind = next((name for name, _ in pairs if name in _KINDS), "unicast")
    hops = _nexthops(pairs, kind, host)
    metrics, locked = _metrics(pairs)
    gone_by = any(hop.via for hop in hops)
    protocol = resolve(words.get("protocol", str(PROTO_KEEPALIVED)), "rt_protos", host)
    if "dev" in words and "no_track" not in words:
        protocol = PROTO_KEEPALIVED  # what is watched must be known to be ours
    return Route(
        family, network(words["to"], family), hops,
        table=resolve(words["table"], "rt_tables", host) if "table" in words
        else TABLE_LOCAL if kind in _LOCAL_KINDS else TABLE_MAIN,
        kind=kind,
        metric=int(words.get("metric", "0")) or (METRIC6 if family == 6 else 0),
        tos=resolve(words.get("tos", "0"), "rt_dsfield", host),
        source=network(words["from"], family) if words.get("from", "all") not in _ANYWHERE else None,
        src=parse_ip(words["src"]) if "src" in words else None,
        protocol=protocol,
        scope=_scope(words["scope"]) if "scope" in words else _usual_scope(kind, gone_by) if family == 4 else 0,
        metrics=metrics, locked=locked,
        pref=_PREFERENCES[words.get("pref", "medium")],
        ttl_propagate={"enabled": True, "disabled": False}.get(words.get("ttl-propagate", "")),
        expires=int(words.get("expires", "0")),
        insert=next((name for name in ("append", "add") if name in words), "prepend"),
    )


def family_of(pairs: Pairs, options: tuple[str, ...]) -> int:
    """4 or 6: what the entry says, else what its first address is, else 4. Raises `Unsettled` when these differ."""
    addresses = [parse_ip(word.split()[-1].partition("/")[0]) for name, word in pairs if name in options and word]
    seen = {address.version for address in addresses if address}
    said = {6 if name == "inet6" else 4 for name, _ in pairs if name in ("inet", "inet6")}
    if len(seen | said) > 1:
        raise Unsettled("addresses of both families are in one entry")
    return next(iter(seen | said), 4)


def network(word: str, family: int) -> Network:
    """A prefix; bits behind its length do not count."""
    if word in _ANYWHERE:
        return ip_network("::/0" if family == 6 else "0.0.0.0/0")
    return ip_network(word, strict=False)


def _scope(word: str) -> int:
    return SCOPES[word] if word in SCOPES else number(word)


def _usual_scope(kind: str, gone_by: bool) -> int:
    """As ip-route(8) has it: what needs no gateway is on the link."""
    if kind in ("local", "nat"):
        return SCOPE_HOST
    if kind in ("broadcast", "multicast") or (kind == "unicast" and not gone_by):
        return SCOPE_LINK
    return 0


def _nexthops(pairs: Pairs, kind: str, host: Host) -> tuple[Nexthop, ...]:
    """The next hops: one from the words of the route itself, or those that follow each `nexthop` or `or`."""
    hops: list[dict[str, str]] = [{}]
    for name, word in pairs:
        if name == "nexthop":
            hops.append({})
        elif name == "or":
            hops.append({"via": word})
        elif name in ("via", "dev", "weight", "onlink", "encap", "realms") and name not in hops[-1]:
            hops[-1][name] = word
        elif name == "dev":  # of a route with `or`, where it stands last
            hops[0].setdefault("dev", word)
    own, *several = hops
    if kind in DEAD_ENDS:
        if several or own.keys() - {"dev", "realms"}:
            raise Unsettled(f"a route of type {kind} leads to no router")
        return ()
    if any(name == "or" for name, _ in pairs):
        dev = next((hop["dev"] for hop in hops if "dev" in hop), "")
        several = [{**hop, "dev": hop.get("dev", dev)} for hop in hops]
    elif several and "via" in own:
        raise Unsettled("a route has a via of its own, or nexthops with a via each")
    elif several:
        several = [{**{name: own[name] for name in ("dev", "realms") if name in own}, **hop} for hop in several]
    found = tuple(_nexthop(hop, host) for hop in several or [own])
    if any(not (hop.via or hop.dev or hop.encap) for hop in found):
        raise Unsettled("the route leads nowhere: say via, dev, or a type such as blackhole")
    return found


def _nexthop(words: dict[str, str], host: Host) -> Nexthop:
    via = words.get("via", "").split()
    return Nexthop(
        via=parse_ip(via[-1]) if via else None,
        dev=words.get("dev", ""),
        weight=int(words.get("weight", "1")),
        onlink="onlink" in words,
        realm=realms(words["realms"], host) if "realms" in words else 0,
        encap=_encap(words["encap"].split()) if "encap" in words else None,
    )


def realms(word: str, host: Host) -> int:
    """[SOURCE/]DESTINATION: one number, the source's realm in its upper half."""
    source, slash, destination = word.rpartition("/")
    return (resolve(source, "rt_realms", host) << 16 if slash else 0) | resolve(destination, "rt_realms", host)


def _metrics(pairs: Pairs) -> tuple[tuple[tuple[str, int | str], ...], tuple[str, ...]]:
    """Metrics, and the names of those that are locked."""
    metrics: dict[str, int | str] = {}
    locked = set()
    for name, word in pairs:
        if word == "lock" and name in (*_NUMBERS, *_TIMES, "congctl"):
            locked.add(name)
        elif name in _NUMBERS:
            metrics[name] = int(word)
        elif name in _TIMES:
            metrics[name] = round(_milliseconds(word) * _TIMES[name])
        elif name == "features":
            metrics[name] = FEATURE_ECN
        elif name == "congctl":
            metrics[name] = word
    return tuple(sorted(metrics.items())), tuple(sorted(locked))


def _milliseconds(word: str) -> float:
    if word.endswith("ms"):
        return float(word[:-2])
    return float(word[:-1]) * 1000 if word.endswith("s") else float(word)


def _encap(words: list[str]) -> Encap:
    kind, *rest = words
    if kind in ("mpls", "ila"):
        return Encap(kind, (("labels", _labels(rest)),) if kind == "mpls" else (("locator", _locator(rest)),))
    options: dict[str, int | IPAddress | tuple[int, ...]] = {}
    for name, word in list(pairwise(rest))[::2]:
        if name in ("src", "dst"):
            address = parse_ip(word)
            if not isinstance(address, IPv6Address if kind == "ip6" else IPv4Address):
                raise Unsettled(f"encap {kind}: {word} is no address that it can have")
            options[name] = address
        elif name in _ENCAP_NUMBERS:
            options[name] = _number_of_bits(word, _ENCAP_NUMBERS[name], name)
    return Encap(kind, tuple(sorted((name, value) for name, value in options.items() if value)))


def _number_of_bits(word: str, bits: int, name: str) -> int:
    try:
        value = number(word)
    except (ValueError, IndexError):
        value = -1
    if not 0 <= value < 1 << bits:
        raise Unsettled(f"{name} of encap must be a number below {1 << bits}, not {word}")
    return value


def _labels(words: list[str]) -> tuple[int, ...]:
    labels = "".join(words).split("/")
    return tuple(_number_of_bits(label, 20, "a label") for label in labels)


def _locator(words: list[str]) -> int:
    """Four groups of hexadecimal digits, the upper half of an address."""
    address = parse_ip("".join(words) + "::")
    if not isinstance(address, IPv6Address) or "".join(words).count(":") != 3:
        raise Unsettled("encap ila needs a locator such as 2001:db8:0:1")
    return int(address) >> 64
