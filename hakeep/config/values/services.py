"""What virtual servers are known by: addresses, firewall marks and groups of addresses."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import NamedTuple

from hakeep.config.diagnostic import Code
from hakeep.config.lexer import quoted
from hakeep.config.values.addresses import not_an_ip, parse_ip
from hakeep.config.values.numbers import parse_whole
from hakeep.config.values.value import Complain, Complaint, Invalid, Value
from hakeep.objects.rtnl import IPAddress

U32 = 2**32 - 1

#: So many addresses of one entry of a virtual_server_group count. Each is a service of the kernel's, and all real
#: servers stand in it.
MOST_ADDRESSES = 65536


class ServiceKey(NamedTuple):
    """A service: an address and port, or a firewall mark, or a group. Exactly one of ip, fwmark and group is set."""

    ip: IPAddress | None = None
    port: int | None = None
    fwmark: int = 0
    group: str = ""


class Service(Value[ServiceKey]):
    """IP [PORT] | fwmark MARK | group NAME."""

    def parse(self, words: Sequence[str], complain: Complain) -> ServiceKey:
        kind = words[0]
        if kind in ("fwmark", "group"):
            if len(words) < 2:
                raise Invalid(f"{kind} needs a word after it", code=Code.MISSING_PARAMETER)
            return ServiceKey(fwmark=_mark(words[1], complain)) if kind == "fwmark" else ServiceKey(group=words[1])
        ip = parse_ip(kind)
        if ip is None:
            raise not_an_ip(kind, note="the block is left out", port=True)
        return ServiceKey(ip, _port(words[1], complain) if len(words) > 1 else None)

    def render(self, value: ServiceKey) -> str:
        if value.ip:
            return str(value.ip) if value.port is None else f"{value.ip} {value.port}"
        return f"fwmark {value.fwmark}" if value.fwmark else f"group {quoted(value.group)}"

    @property
    def synopsis(self) -> str:
        return "IP [PORT (0..65535)]|fwmark MARK|group NAME"

    @property
    def example(self) -> str:
        return "192.0.2.10 80"

    def complete(self) -> tuple[str, ...]:
        return "fwmark", "group"


class AddressRange(NamedTuple):
    """An entry of virtual_server_group: addresses `first` to `last` with a port, or a mark of a family (0 = any)."""

    first: IPAddress | None = None
    last: IPAddress | None = None
    port: int | None = None
    fwmark: int = 0
    family: int = 0


class ServiceAddress(Value[AddressRange]):
    """IP[-LAST|/LEN] [PORT] | fwmark MARK [inet|inet6]."""

    def parse(self, words: Sequence[str], complain: Complain) -> AddressRange:
        if words[0] == "fwmark":
            if len(words) < 2:
                raise Invalid("fwmark needs a word after it", code=Code.MISSING_PARAMETER)
            family = {"inet": 4, "inet6": 6}.get(words[2], 0) if len(words) > 2 else 0
            return AddressRange(fwmark=_mark(words[1], complain), family=family)
        first, last = _range(words[0])
        port = _port(words[1], complain) if len(words) > 1 else None
        for index in range(2, len(words)):
            complain(Complaint(f"unknown word '{words[index]}'", index, Code.UNKNOWN_OPTION))
        return AddressRange(first, last, port)

    def render(self, value: AddressRange) -> str:
        if value.fwmark:
            return f"fwmark {value.fwmark}" + ("", " inet", " inet6")[value.family // 2 - 1 if value.family else 0]
        text = str(value.first) if value.first == value.last else f"{value.first}-{value.last}"
        return text if value.port is None else f"{text} {value.port}"

    @property
    def synopsis(self) -> str:
        return "IP|IP-LAST|IP-IP|IP/LEN [PORT]  or  fwmark MARK [inet|inet6]"

    @property
    def example(self) -> str:
        return "192.0.2.10-19 80"

    def complete(self) -> tuple[str, ...]:
        return ("fwmark",)


def _range(word: str) -> tuple[IPAddress, IPAddress]:
    """IP, IP-LAST (last octet, or last hexadecimal group), IP-IP or IP/LEN as first and last address."""
    start, dash, end = word.partition("-")
    base, slash, length = start.partition("/")
    first = parse_ip(base)
    if first is None:
        raise Invalid(f"'{word}' is neither an IP address nor a range of them", code=Code.BAD_ADDRESS)
    number = int(first)
    if slash and length.isdecimal() and length.isascii() and len(length) < 4 and int(length) <= first.max_prefixlen:
        count = 1 << (first.max_prefixlen - int(length))
        number = number | (count - 1)
    elif dash:
        other = parse_ip(end)
        base_number, step = (10, 256) if isinstance(first, IPv4Address) else (16, 65536)
        if other and other.version == first.version:
            number = int(other)
        else:
            try:
                offset = int(end, base_number)
            except ValueError:
                offset = -1
            number = number // step * step + offset if 0 <= offset < step else -1
    elif slash:
        number = -1
    last = type(first)(number) if number >= int(first) else None
    if last is None:
        raise Invalid(f"'{word}' is not a range of IP addresses", code=Code.BAD_ADDRESS)
    return first, last


def _mark(word: str, complain: Complain) -> int:
    mark = parse_whole(word, 1, complain)
    if not 1 <= mark <= U32:
        raise Invalid(f"mark {mark} is outside 1..{U32}", 1, code=Code.OUT_OF_RANGE)
    return mark


def _port(word: str, complain: Complain) -> int:
    port = parse_whole(word, 1, complain)
    if not 0 <= port <= 65535:
        raise Invalid(f"port {port} is outside 0..65535", 1, code=Code.OUT_OF_RANGE)
    return port
