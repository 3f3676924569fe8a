"""IP addresses, with and without ports, and the entries of lists of addresses.

Only the notations of inet_pton are addresses here: no leading zeros, no shortened IPv4, no zones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from hakeep.config.diagnostic import Code, Severity, Verdict
from hakeep.config.lexer import quoted
from hakeep.config.values.numbers import parse_whole
from hakeep.config.values.value import Complain, Complaint, Invalid, Value
from hakeep.objects.rtnl import IPAddress

#: What can be looked up at all; underscores are not allowed in names of hosts, but are met there.
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?|[^\x00-\x7f].*")
#: Scopes of addresses and routes by name (rtnetlink.h).
SCOPES = {"site": 200, "link": 253, "host": 254, "nowhere": 255, "global": 0}
_SCOPE_NAMES = {number: name for name, number in SCOPES.items()}


def parse_ip(text: str) -> IPAddress | None:
    """The address that `text` is, or None."""
    try:
        if ":" in text:
            return IPv6Address(text) if "%" not in text else None
        return IPv4Address(text)
    except ValueError:
        return None


def not_an_ip(word: str, index: int = 0, *, note: str = "", port: bool = False) -> Invalid:
    """The refusal of a word that should be an address, with what to write if that can be seen. `port`: a port may
    follow as a word of its own."""
    bare, port_word = word.rstrip(";,").strip("'\"\u2018\u2019\u201c\u201d"), ""
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::(\d+))?(/\d+)?", bare)
    if bracketed:
        bare, port_word = bracketed.group(1) + (bracketed.group(3) or ""), bracketed.group(2) or ""
    elif re.fullmatch(r"[\d.]+:\d+", bare):
        bare, _, port_word = bare.partition(":")
    address, slash, length = bare.partition("/")
    if re.fullmatch(r"\d+(\.\d+){3}", address):
        address = ".".join(str(int(part)) for part in address.split("."))
    good = address + slash + length
    fix = ""
    if good != word and parse_ip(address):
        fix = f"write {good} {port_word}" if port and port_word else f"write {good}"
    return Invalid(f"'{word}' is not an IP address", index, code=Code.BAD_ADDRESS, note=note, fix=fix)


def _host(word: str, complain: Complain, *, port: bool = False) -> IPAddress:
    """The address of a host. keepalived takes ADDR/LEN for it without a word, so that is a note only."""
    ip = parse_ip(word)
    if ip is None and "/" in word:
        ip = parse_ip(word.partition("/")[0])
        if ip is not None:
            complain(Complaint(f"the prefix length of {word} has no meaning here", 0, Code.BAD_ADDRESS, Severity.NOTE,
                               Verdict.OK, fix=f"write {ip}"))
    if ip is None:
        raise not_an_ip(word, port=port)
    return ip


class Ip(Value[IPAddress]):
    """One IP address, of one family if `family` is 4 or 6. A prefix length after it is left out, as keepalived does."""

    def __init__(self, family: int = 0, *, multicast: bool = False) -> None:
        self._family, self._multicast = family, multicast

    def parse(self, words: Sequence[str], complain: Complain) -> IPAddress:
        ip = _host(words[0], complain)
        if self._family and ip.version != self._family:
            raise Invalid(f"{ip} is not an IPv{self._family} address", code=Code.BAD_ADDRESS)
        if self._multicast and not ip.is_multicast:
            raise Invalid(f"{ip} is not a multicast address", code=Code.BAD_ADDRESS)
        return ip

    def render(self, value: IPAddress) -> str:
        return str(value)

    @property
    def synopsis(self) -> str:
        return f"IPV{self._family}" if self._family else "IP"

    @property
    def example(self) -> str:
        if self._multicast:
            return "ff02::12" if self._family == 6 else "224.0.0.18"
        return "2001:db8::1" if self._family == 6 else "192.0.2.1"


class IpPort(Value["tuple[IPAddress | str, int | None]"]):
    """An address and an optional port; with `host` a name may stand for the address."""

    def __init__(self, *, host: bool = False, low: int = 0) -> None:
        self._host, self._low = host, low

    def parse(self, words: Sequence[str], complain: Complain) -> tuple[IPAddress | str, int | None]:
        ip: IPAddress | str
        if self._host and words[0] and parse_ip(words[0]) is None:
            ip = words[0]
            if not _HOST_NAME.fullmatch(ip):
                raise Invalid(f"'{ip}' is neither an IP address nor a host name", code=Code.BAD_ADDRESS)
        else:
            ip = _host(words[0], complain, port=True)
        if len(words) == 1:
            return ip, None
        port = parse_whole(words[1], 1, complain)
        if not self._low <= port <= 65535:
            raise Invalid(f"port {port} is outside {self._low}..65535", 1, code=Code.OUT_OF_RANGE)
        return ip, port

    def render(self, value: tuple[IPAddress | str, int | None]) -> str:
        ip, port = value
        text = ip if isinstance(ip, str) else str(ip)
        return quoted(text) if port is None else f"{quoted(text)} {port}"

    @property
    def synopsis(self) -> str:
        return f"{'IP|HOSTNAME' if self._host else 'IP'} [PORT ({self._low}..65535)]"

    @property
    def example(self) -> str:
        return "192.0.2.1 80"


class Netmask(Value[int]):
    """A netmask or prefix length; the value is the length."""

    def parse(self, words: Sequence[str], complain: Complain) -> int:
        ip = parse_ip(words[0])
        if isinstance(ip, IPv4Address):
            bits = f"{int(ip):032b}"
            if "01" in bits:
                complain(Complaint(f"{ip} is not a netmask: its ones do not come first", 0, Code.BAD_ADDRESS,
                                   Severity.WARNING, Verdict.OK, note=f"/{bits.count('1')} is used"))
            return bits.count("1")
        if not words[0].isdecimal():
            raise Invalid(f"'{words[0]}' is neither a netmask nor a prefix length", code=Code.BAD_NUMBER)
        length = parse_whole(words[0], 0, complain)
        if not 1 <= length <= 128:
            raise Invalid(f"prefix length {length} is outside 1..128", code=Code.OUT_OF_RANGE)
        return length

    def render(self, value: int) -> str:
        return str(value) if value else "0.0.0.0"

    @property
    def synopsis(self) -> str:
        return "NETMASK|PREFIXLEN"

    @property
    def example(self) -> str:
        return "255.255.255.0"


class PeerEntry(NamedTuple):
    """A line of unicast_peer."""

    ip: IPAddress
    min_ttl: int = 0
    max_ttl: int = 255


class Peers(Value[PeerEntry]):
    """IP [min_ttl N] [max_ttl N]."""

    def parse(self, words: Sequence[str], complain: Complain) -> PeerEntry:
        ip = _host(words[0], complain)
        limits = {"min_ttl": 0, "max_ttl": 255}
        index = 1
        while index < len(words):
            if words[index] not in limits:
                complain(Complaint(f"unknown option '{words[index]}' of a peer", index, Code.UNKNOWN_OPTION))
                break  # the words after it are its own, as like as not
            if index + 1 == len(words):
                complain(Complaint(f"{words[index]} needs a number", index))
                break
            number = parse_whole(words[index + 1], index + 1, complain)
            if 0 <= number <= 255:
                limits[words[index]] = number
            else:
                complain(Complaint(f"{number} is outside 0..255", index + 1, Code.OUT_OF_RANGE))
            index += 2
        return PeerEntry(ip, limits["min_ttl"], limits["max_ttl"])

    def render(self, value: PeerEntry) -> str:
        low = f" min_ttl {value.min_ttl}" if value.min_ttl else ""
        high = f" max_ttl {value.max_ttl}" if value.max_ttl != 255 else ""
        return f"{value.ip}{low}{high}"

    @property
    def synopsis(self) -> str:
        return "IP [min_ttl N (0..255)] [max_ttl N (0..255)]"

    @property
    def example(self) -> str:
        return "192.0.2.2 min_ttl 255"

    def further(self) -> tuple[str, ...]:
        return "min_ttl", "max_ttl"


#: `preferred_lft forever`, which is not the same as no preferred_lft.
FOREVER = -1


class AddressEntry(NamedTuple):
    """A line of virtual_ipaddress, virtual_ipaddress_excluded or static_ipaddress, as written.

    `prefix` None = none given. `broadcast` may be "+" or "-" (all host bits one or zero).
    """

    ip: IPAddress
    prefix: int | None = None
    dev: str = ""
    scope: int | None = None
    broadcast: IPv4Address | str = ""
    label: str = ""
    peer: IPAddress | None = None
    peer_prefix: int | None = None
    home: bool = False
    nodad: bool = False
    mngtmpaddr: bool = False
    noprefixroute: bool = False
    autojoin: bool = False
    preferred_lft: int | None = None
    no_track: bool = False
    use_vmac: bool = False
    track_group: str = ""


_FLAGS = {
    "home": "home", "-nodad": "nodad", "mngtmpaddr": "mngtmpaddr", "noprefixroute": "noprefixroute",
    "autojoin": "autojoin", "no_track": "no_track", "use_vmac": "use_vmac",
}


class Addresses(Value[AddressEntry]):
    """ADDR[/LEN] and options. `static` entries may name a track_group, others may ask for a VMAC."""

    def __init__(self, *, static: bool = False) -> None:
        self._static = static
        self._others = ("brd", "use_vmac" if static else "track_group")  # not to be offered

    def parse(self, words: Sequence[str], complain: Complain) -> AddressEntry:
        ip, prefix = parse_prefix(words[0], 0, complain)
        if len(words) == 1:
            return AddressEntry(ip, prefix)
        given: dict[str, object] = {}
        index = 1
        while index < len(words):
            index += self._option(ip, words, index, given, complain)
        if "peer" in given:
            prefix = self._with_peer(prefix, given, complain)
        entry = AddressEntry(ip, prefix, **given)  # type: ignore[arg-type]
        length = ip.max_prefixlen if prefix is None else prefix
        if entry.broadcast in ("+", "-") and not entry.peer and length > 30:
            raise Invalid(f"/{length} is too long a prefix for a broadcast address", 0, code=Code.BAD_ENTRY)
        return entry

    @staticmethod
    def _with_peer(prefix: int | None, given: dict[str, object], complain: Complain) -> int | None:
        """An address with a peer is for one link between two: what belongs to a network is left out."""
        if prefix is not None:
            complain(Complaint(f"with a peer the prefix length is the peer's; /{prefix} is left out", 0, Code.BAD_ENTRY,
                               fix=f"write it behind the peer: {given['peer']}/{prefix}"))
        if given.pop("broadcast", ""):
            complain(Complaint("there is no broadcast address with a peer; it is left out", 0, Code.BAD_ENTRY))
        return None

    def _option(
        self, ip: IPAddress, words: Sequence[str], index: int, given: dict[str, object], complain: Complain
    ) -> int:
        """Take the option at `index` and say how many words it was."""
        word = words[index]
        if word in _FLAGS and (word != "use_vmac" or not self._static):
            given[_FLAGS[word]] = True
            return 1
        read = _OPTIONS.get(word)
        if read is None or (word == "track_group" and not self._static):
            complain(Complaint(f"unknown option '{word}' of an address", index, Code.UNKNOWN_OPTION,
                               note=f"options: {self.synopsis.partition(' ')[2]}"))
            return 1
        if index + 1 == len(words):
            raise Invalid(f"'{word}' needs a word after it", index, code=Code.BAD_ENTRY)
        read(ip, words[index + 1], index + 1, given, complain)
        return 2

    def render(self, value: AddressEntry) -> str:
        parts = [str(value.ip) if value.prefix is None else f"{value.ip}/{value.prefix}"]
        if value.peer:
            parts += ["peer", str(value.peer) + (f"/{value.peer_prefix}" if value.peer_prefix is not None else "")]
        if value.dev:
            parts += ["dev", quoted(value.dev)]
        if value.scope is not None:
            parts += ["scope", _SCOPE_NAMES.get(value.scope, str(value.scope))]
        if value.broadcast:
            parts += ["broadcast", str(value.broadcast)]
        if value.label:
            parts += ["label", quoted(value.label)]
        parts += [word for word, name in _FLAGS.items() if getattr(value, name)]
        if value.preferred_lft is not None:
            parts += ["preferred_lft", "forever" if value.preferred_lft == FOREVER else str(value.preferred_lft)]
        if value.track_group:
            parts += ["track_group", quoted(value.track_group)]
        return " ".join(parts)

    @property
    def synopsis(self) -> str:
        own = "[track_group NAME]" if self._static else "[use_vmac]"
        return (
            "ADDR[/LEN] [dev IFNAME] [scope NAME|N] [broadcast|brd IP|+|-] [label NAME] [peer IP[/LEN]] [home] [-nodad]"
            f" [mngtmpaddr] [noprefixroute] [autojoin] [preferred_lft SECONDS|forever] [no_track] {own}"
        )

    @property
    def example(self) -> str:
        return "192.0.2.9/24 dev eth0" if self._static else "192.0.2.10/24"

    def further(self) -> tuple[str, ...]:
        return tuple(word for word in (*_OPTIONS, *_FLAGS) if word not in self._others)


def parse_prefix(word: str, index: int, complain: Complain) -> tuple[IPAddress, int | None]:
    """ADDR[/LEN]; a bad length is complained about and taken for the longest, a bad address raises `Invalid`."""
    address, slash, length = word.partition("/")
    ip = parse_ip(address)
    if ip is None:
        raise not_an_ip(word, index)
    if not slash:
        return ip, None
    if length.isdecimal() and length.isascii() and len(length) < 4 and int(length) <= ip.max_prefixlen:
        return ip, int(length)
    note = f"/{ip.max_prefixlen} is used"
    if length.isdecimal() and length.isascii():
        complain(Complaint(f"prefix length {length} is outside 0..{ip.max_prefixlen}", index, Code.OUT_OF_RANGE,
                           note=note))
        return ip, None
    mask = parse_ip(length)
    bits = f"{int(mask):0{mask.max_prefixlen}b}" if mask and mask.version == ip.version else "01"
    if length:
        complain(Complaint(f"'{length}' is not a prefix length", index, Code.BAD_NUMBER, note=note,
                           fix="" if "01" in bits else f"write {ip}/{bits.count('1')}"))
    else:
        complain(Complaint("a prefix length is missing after '/'", index, Code.BAD_NUMBER, Severity.WARNING, Verdict.OK,
                           note=note))
    return ip, None


def _dev(ip: IPAddress, word: str, index: int, given: dict[str, object], complain: Complain) -> None:
    if "dev" in given:
        raise Invalid("an address has one dev only", index, code=Code.BAD_ENTRY)
    given["dev"] = word


def _scope(ip: IPAddress, word: str, index: int, given: dict[str, object], complain: Complain) -> None:
    number = SCOPES.get(word)
    if number is None and word.isdecimal() and word.isascii() and len(word) < 5 and int(word) <= 255:
        number = int(word)
    if ip.version == 6:
        complain(Complaint("an IPv6 address has no scope of its own; it is left out", index, Code.BAD_ENTRY))
    elif number is None:
        complain(Complaint(f"'{word}' is no scope; it is left out", index, Code.BAD_WORD,
                           note="scopes: global site link host nowhere, or 0..255"))
    else:
        given["scope"] = number


def _broadcast(ip: IPAddress, word: str, index: int, given: dict[str, object], complain: Complain) -> None:
    if ip.version == 6:
        raise Invalid("an IPv6 address has no broadcast address", index, code=Code.BAD_ENTRY)
    broadcast = word if word in ("+", "-") else parse_ip(word)
    if broadcast is None or isinstance(broadcast, IPv6Address):
        raise Invalid(f"'{word}' is no broadcast address", index, code=Code.BAD_ADDRESS)
    given["broadcast"] = broadcast


def _label(ip: IPAddress, word: str, index: int, given: dict[str, object], complain: Complain) -> None:
    if ip.version == 6:
        complain(Complaint("an IPv6 address has no label; it is left out", index, Code.BAD_ENTRY))
    elif len(word) > 15:
        raise Invalid(f"label '{word}' is longer than 15 characters", index, code=Code.TOO_LONG)
    else:
        given["label"] = word


def _peer(ip: IPAddress, word: str, index: int, given: dict[str, object], complain: Complain) -> None:
    peer, prefix = parse_prefix(word, index, complain)
    if peer.version != ip.version:
        raise Invalid(f"the peer {peer} is of another family than {ip}", index, code=Code.BAD_ENTRY)
    given["peer"], given["peer_prefix"] = peer, prefix


def _preferred(ip: IPAddress, word: str, index: int, given: dict[str, object], complain: Complain) -> None:
    if word == "forever":
        given["preferred_lft"] = FOREVER
    elif word.isdecimal() and word.isascii() and len(word) < 11 and int(word) < 2**32:
        given["preferred_lft"] = int(word)
    else:
        complain(Complaint(f"'{word}' is no number of seconds; it is left out", index, Code.BAD_NUMBER))


def _track_group(ip: IPAddress, word: str, index: int, given: dict[str, object], complain: Complain) -> None:
    given["track_group"] = word


_OPTIONS = {
    "dev": _dev, "scope": _scope, "broadcast": _broadcast, "brd": _broadcast, "label": _label, "peer": _peer,
    "preferred_lft": _preferred, "track_group": _track_group,
}
