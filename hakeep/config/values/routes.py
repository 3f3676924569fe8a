"""Route and rule entries, in the words of iproute2."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from hakeep.config.diagnostic import Code, Severity, Verdict
from hakeep.config.values.addresses import SCOPES, parse_ip
from hakeep.config.values.options import Check, Options, Pairs, anything, interface, ip, one_of, prefix, whole
from hakeep.config.values.value import Complain, Complaint, Invalid

U32 = 2**32 - 1
_TYPES = ("unicast", "local", "broadcast", "throw", "unreachable", "prohibit", "blackhole", "multicast", "nat")
_LOCKED = ("mtu", "advmss", "rtt", "rttvar", "reordering", "cwnd", "ssthresh", "rto_min", "congctl")


def _number(word: str, most: int) -> bool:
    """A whole number in one of C's three notations, at most `most`."""
    if not re.fullmatch(r"0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20}", word):
        return False
    base = 16 if word[:2] in ("0x", "0X") else 8 if word.startswith("0") else 10
    return set(word[1:]) <= set("01234567") and int(word, 8) <= most if base == 8 else int(word, base) <= most


def _scope(word: str) -> str:
    return "" if word in SCOPES or _number(word, 255) else f"one of {', '.join(SCOPES)}, or 0..255"


def _mark(word: str) -> str:
    """MARK[/MASK]."""
    return "" if all(_number(part, U32) for part in word.split("/", 1)) else "a mark: a number, or MARK/MASK"


def _one_family(pairs: Pairs, options: Iterable[str], what: str) -> None:
    """Raise `Invalid` if the addresses behind these options are of both families."""
    seen: dict[int, str] = {}
    for name, word in pairs:
        address = parse_ip(word.split()[-1].partition("/")[0]) if name in options and word else None
        if address:
            seen.setdefault(address.version, word.split()[-1])
    if len(seen) > 1:
        raise Invalid(f"{seen[4]} and {seen[6]} are of different families", code=Code.BAD_ENTRY,
                      note=f"the {what} is left out")


def _duration(most: int) -> Check:
    """A time of at most so many milliseconds, which it is in unless an s comes after it."""

    def check(word: str) -> str:
        match = _TIME.fullmatch(word)
        if not match:
            return "a time: milliseconds, or seconds with s after them"
        seconds, milliseconds = match.groups()
        time = float(seconds) * 1000 if seconds else int(milliseconds)
        return "" if time <= most else f"a time up to {most} ms"

    return check


def _named(most: int, sign: str = "\0") -> Check:
    """A number, or a name that iproute2 has in a table; or two of them with `sign` between."""

    def check(word: str) -> str:
        good = all(not part[:1].isdecimal() or _number(part, most) for part in word.split(sign, 1))
        return "" if good else f"a name, or a number up to {most}"

    return check


def _numbers(most: int) -> Check:
    """A number, or a range of them."""

    def check(word: str) -> str:
        good = all(part.isdecimal() and _number(part, most) for part in word.split("-", 1))
        return "" if good else f"a number up to {most}, or a range"

    return check


_TIME = re.compile(r"([0-9]{1,12}(?:\.[0-9]{0,3})?|\.[0-9]{1,3})s|([0-9]{1,12})(?:ms)?")

_ROUTE: dict[str, Check | None] = {
    "inet": None, "inet6": None, "to": prefix, **dict.fromkeys(_TYPES, None), "src": ip, "via": anything,
    "from": prefix, "tos": _named(255), "table": _named(U32), "protocol": _named(255), "scope": _scope,
    "metric": whole(0, U32), "dev": interface, "onlink": None, "encap": anything, "mtu": whole(0, U32),
    "advmss": whole(0, U32), "rtt": _duration(960_000), "rttvar": _duration(480_000), "reordering": whole(0, U32),
    "cwnd": whole(0, U32), "ssthresh": whole(0, U32), "rto_min": _duration(120_000), "congctl": anything,
    "expires": whole(0, U32), "hoplimit": whole(0, 255), "window": whole(0, U32), "initcwnd": whole(0, U32),
    "initrwnd": whole(0, U32), "quickack": whole(0, 1), "realms": _named(255, "/"), "features": one_of("ecn"),
    "pref": one_of("low", "medium", "high"),
    "ttl-propagate": one_of("enabled", "disabled"), "fastopen_no_cookie": whole(0, 1), "add": None, "prepend": None,
    "append": None, "nexthop": None, "weight": whole(1, 256), "or": ip, "vrf": interface, "no_track": None,
    "track_group": anything,
}
#: Options of light-weight tunnels, each with a word of its own; the other kinds take one word.
_ENCAP = {"ip": {"id", "dst", "src", "tos", "ttl", "flags"}, "ip6": {"id", "dst", "src", "tc", "hoplimit", "flags"}}


class Route(Options):
    """A route entry: a destination first or after `to`, then options in any order."""

    def __init__(self) -> None:
        super().__init__(
            "[TYPE] [to] ADDR[/LEN]|default [via IP] [dev IFNAME] [src IP] [metric N] [table NAME|N] ...",
            named=_ROUTE, least=1, what="word of a route", missing=Verdict.MISSING_PARAMETER, locked=frozenset(_LOCKED),
            example="198.51.100.0/24 via 192.0.2.254 dev eth0",
            aliases={"dsfield": "tos", "priority": "metric", "preference": "metric", "oif": "dev"},
            deprecated={"gw": "via", "as": "src"}, refuse=True)

    def parse(self, words: Sequence[str], complain: Complain) -> Pairs:
        pairs = super().parse(words, complain)
        _one_family(pairs, ("to", "via", "src", "from"), "route")
        given = dict(pairs)
        to = parse_ip(given.get("to", "").partition("/")[0])
        for name in ("pref", "expires"):
            if name in given and to and to.version == 4:
                complain(Complaint(f"{name} is for IPv6 only", words.index(name), Code.BAD_ENTRY))
        protocol = given.get("protocol", "keepalived")
        if protocol not in ("keepalived", "18") and "dev" in given and "no_track" not in given:
            complain(Complaint(f"a route of protocol {protocol} cannot be watched; it becomes keepalived's",
                               words.index("protocol"), Code.BAD_ENTRY, fix="say no_track"))
        return pairs

    def _option(self, words: Sequence[str], index: int, pairs: list[tuple[str, str]], complain: Complain) -> int:
        word = words[index]
        has_destination = any(name == "to" for name, _ in pairs)
        if not has_destination and not self._is_option(word):
            if prefix(word):
                raise Invalid(f"'{word}' is neither a destination nor a word of a route", index, code=Code.BAD_ENTRY)
            pairs.append(("to", word))
            return 1
        if word == "encap":
            return self._encap(words, index, pairs)
        if word == "or":
            complain(Complaint("'or' is the old way to give a second next hop", index, Code.DEPRECATED,
                               Severity.WARNING, Verdict.DEPRECATED, fix="write nexthop"))
        if word in ("via", "gw"):
            return self._via(words, index, pairs, complain)
        if word == "weight" and ("nexthop", "") not in pairs:
            raise Invalid("weight is a word of a nexthop", index, code=Code.UNKNOWN_OPTION,
                          note="the entry is left out")
        return super()._option(words, index, pairs, complain)

    def _encap(self, words: Sequence[str], index: int, pairs: list[tuple[str, str]]) -> int:
        kind = words[index + 1] if index + 1 < len(words) else ""
        end = index + 2
        if kind in _ENCAP:
            while end + 1 < len(words) and words[end] in _ENCAP[kind]:
                end += 2
        elif kind in ("mpls", "ila"):
            end += 1
        else:
            raise Invalid("encap needs ip, ip6, mpls or ila after it", index, code=Code.BAD_ENTRY)
        pairs.append(("encap", " ".join(" ".join(words[index + 1 : end]).split())))
        return end - index

    def _via(self, words: Sequence[str], index: int, pairs: list[tuple[str, str]], complain: Complain) -> int:
        if words[index] == "gw":
            complain(Complaint("'gw' is the old spelling of 'via'", index, Code.DEPRECATED, Severity.WARNING,
                               Verdict.DEPRECATED, fix="write via"))
        family = words[index + 1 : index + 2]
        count = 2 if list(family) in (["inet"], ["inet6"]) else 1
        if index + count >= len(words):
            raise Invalid(f"'{words[index]}' needs an address after it", index, code=Code.BAD_ENTRY,
                          verdict=self._missing)
        address = words[index + count]
        if ip(address):
            raise Invalid(f"'{address}' is no IP address to go via", index + count,
                          code=Code.BAD_ADDRESS)
        pairs.append(("via", " ".join(words[index + 1 : index + count + 1])))
        return count + 1

    def render(self, value: Pairs) -> str:
        words = []
        locked = False
        for name, word in value:
            if not locked:
                words.append(name)
            locked = word == "lock" and name in _LOCKED
            words.append(word)
        return " ".join(filter(None, words))


_RULE: dict[str, Check | None] = {
    "inet": None, "inet6": None, "from": prefix, "to": prefix, "not": None, "table": _named(U32),
    "preference": whole(0, U32), "tos": _named(255), "fwmark": _mark, "realms": _named(255, "/"),
    "suppress_prefixlength": whole(0, 2**31 - 1), "suppress_ifgroup": anything, "dev": interface, "oif": interface,
    "tunnel-id": whole(0, 2**64 - 1), "uidrange": _numbers(U32), "l3mdev": None, "protocol": whole(0, 255),
    "ipproto": _named(255), "sport": _numbers(65535), "dport": _numbers(65535), "goto": whole(0, U32), "nop": None,
    "type": anything, **dict.fromkeys(_TYPES, None), "no_track": None, "track_group": anything,
}


#: What a rule may do with a packet.
_ACTIONS = ("table", "goto", "nop", "l3mdev", "type", "blackhole", "unreachable", "prohibit")


class Rule(Options):
    """A policy rule entry: options in any order."""

    def parse(self, words: Sequence[str], complain: Complain) -> Pairs:
        pairs = super().parse(words, complain)
        _one_family(pairs, ("from", "to"), "rule")
        actions = [name for name, _ in pairs if name in _ACTIONS]
        if len(actions) > 1:
            raise Invalid(f"a rule does one thing only, not {' and '.join(actions)}", code=Code.BAD_ENTRY)
        return pairs


ROUTE = Route()
RULE = Rule(
    "[from PREFIX] [to PREFIX] [dev IFNAME] [fwmark MARK] [table NAME|N] [preference N] ...",
    named=_RULE, least=1, what="word of a rule", missing=Verdict.MISSING_PARAMETER,
    example="from 192.0.2.10 table 100 preference 1000",
    aliases={"lookup": "table", "order": "preference", "priority": "preference", "dsfield": "tos",
             "sup_pl": "suppress_prefixlength", "sup_group": "suppress_ifgroup", "iif": "dev"}, refuse=True)
