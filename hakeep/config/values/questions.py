"""What the trackers of our own ask, each on one line: a ping, a connection, a page, a unit, a route, a virtual server.

All are `Question`s: leading words that say what is asked, options that say how, and the weight of the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_network
from urllib.parse import urlsplit

from hakeep.config.diagnostic import Code
from hakeep.config.values.addresses import parse_ip
from hakeep.config.values.options import Check, Options, Pairs, anything, interface, ip, one_of, whole
from hakeep.config.values.value import Complain, Invalid
from hakeep.objects.rtnl import IPAddress

U32 = 2**32 - 1
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_TABLE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,255}")
_RANGE = re.compile(r"[1-5][0-9]{2}(-[1-5][0-9]{2})?")


def decimal(low: float, high: float) -> Check:
    """A check for decimal numbers from low to high."""

    def check(word: str) -> str:
        good = _DECIMAL.fullmatch(word) and low <= float(word) <= high
        return "" if good else f"a number from {low:g} to {high:g}"

    return check


def gateway(word: str) -> str:
    """A check for an address, or the word for the default gateway of the moment."""
    return "" if word == "gateway" or parse_ip(word) else "an IP address, or gateway"


def url(word: str) -> str:
    """A check for what can be asked for by HTTP."""
    try:
        parts = urlsplit(word)
        good = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1) and word.isprintable()
    except ValueError:  # a port that is none, a bracket too many
        good = False
    return "" if good and " " not in word else "a URL such as http://192.0.2.1/status"


def status(word: str) -> str:
    """A check for status codes and ranges of them."""
    good = all(_RANGE.fullmatch(part) and part[:3] <= part[-3:] for part in word.split(","))
    return "" if good else "status codes such as 200-299,401"


def unit(word: str) -> str:
    """A check for names of systemd's units."""
    return "" if _UNIT.fullmatch(word) else "the name of a systemd unit"


def network(word: str) -> str:
    """A check for destinations of routes."""
    if word == "default":
        return ""
    try:
        ip_network(word, strict=False)
    except ValueError:
        return "a network such as 10.0.0.0/8, or default"
    return "" if "%" not in word else "a network without a zone"


def table(word: str) -> str:
    """A check for routing tables."""
    return "" if _TABLE.fullmatch(word) else whole(1, U32)(word) and f"a number from 1 to {U32}, or a table's name"


def service(word: str) -> str:
    """A check for the first word of a virtual server's name."""
    return "" if word in ("fwmark", "group") or parse_ip(word) else "an IP address, fwmark or group"


_WEIGHT: Mapping[str, Check | None] = {"weight": whole(-253, 253), "reverse": None}
_RHYTHM: Mapping[str, Check | None] = {
    "interval": decimal(0.01, 3600), "timeout": decimal(0.01, 3600), "rise": whole(1, 1000), "fall": whole(1, 1000)}
_HOW_OFTEN = "[interval S] [timeout S] [rise N] [fall N]"


class Question(Options):
    """The words of a tracker on one line. `first` are those that can begin it, as far as these are known; `agree` says
    what is wrong between its words ("" = nothing)."""

    def __init__(
        self, synopsis: str, leading: Sequence[tuple[str, Check]], named: Mapping[str, Check | None], *, least: int,
        example: str, first: tuple[str, ...] = (), agree: Callable[[dict[str, str]], str] = lambda words: "",
    ) -> None:
        super().__init__(
            f"{synopsis} [weight W] [reverse]", leading, {**named, **_WEIGHT}, least=least, example=example)
        self.agree, self._first = agree, first

    def parse(self, words: Sequence[str], complain: Complain) -> Pairs:
        pairs = super().parse(words, complain)
        problem = self.agree(dict(pairs))
        if problem:
            raise Invalid(problem, code=Code.BAD_ENTRY)
        return pairs

    def complete(self) -> tuple[str, ...]:
        return self._first


def _one_family(words: dict[str, str]) -> str:
    """What is wrong with a ping whose addresses are of two families, or whose target is not in sight."""
    target, source = parse_ip(words["address"]), parse_ip(words.get("source", ""))
    if target and _of_a_link(target) and "dev" not in words:
        return f"{target} means something on one link only: add dev IFNAME"
    family = target.version if target else 6 if "inet6" in words else 4
    if source and source.version != family:
        return f"the source {source} is not an IPv{family} address"
    return "inet6 with an IPv4 address" if "inet6" in words and family == 4 else ""


def _in_sight(words: dict[str, str]) -> str:
    """What is wrong with a port that cannot be connected to."""
    target = parse_ip(words["address"])
    return f"{target} means something on one link only: track_ping, which has dev, can ask it" if (
        target and _of_a_link(target)) else ""


def _of_a_link(address: IPAddress) -> bool:
    return address.version == 6 and address.is_link_local


def _known_family(words: dict[str, str]) -> str:
    """What is wrong with a route of two families."""
    mixed = "inet6" in words and words["network"] != "default" and ":" not in words["network"]
    return "inet6 with an IPv4 network" if mixed else ""


def _whole_name(words: dict[str, str]) -> str:
    """What is wrong with the name of a virtual server."""
    if words["service"] == "fwmark" and whole(1, U32)(words["which"]):
        return f"'{words['which']}' is no firewall mark"
    if parse_ip(words["service"]) and whole(0, 65535)(words["which"]):
        return f"'{words['which']}' is no port"
    return ""


PING = Question(
    f"ADDRESS|gateway [inet6] [dev IFNAME] [source IP] [count N] [loss PERCENT] {_HOW_OFTEN}", [("address", gateway)],
    {"inet6": None, "dev": interface, "source": ip, "count": whole(1, 100), "loss": decimal(0, 99), **_RHYTHM},
    least=1, example="gateway count 3 loss 40 weight -60", first=("gateway",), agree=_one_family)
TCP = Question(
    f"ADDRESS PORT {_HOW_OFTEN}", [("address", ip), ("port", whole(1, 65535))], _RHYTHM, least=2,
    example="192.0.2.25 25 fall 3 weight -60", agree=_in_sight)
HTTP = Question(
    f"URL [status RANGE[,RANGE]] [noverify] {_HOW_OFTEN}", [("url", url)],
    {"status": status, "noverify": None, **_RHYTHM}, least=1,
    example="http://127.0.0.1:8080/ready status 200-299,401 interval 2 fall 3")
UNIT = Question(f"UNIT {_HOW_OFTEN}", [("unit", unit)], _RHYTHM, least=1, example="nginx weight -60")
ROUTE = Question(
    "NETWORK|default [inet6] [table T]", [("network", network)], {"inet6": None, "table": table}, least=1,
    example="default table main", first=("default",), agree=_known_family)
VIRTUAL_SERVER = Question(
    "ADDRESS PORT [PROTOCOL]|fwmark MARK|group NAME",
    [("service", service), ("which", anything), ("protocol", one_of("TCP", "UDP", "SCTP"))], {}, least=2,
    example="192.0.2.10 80 weight -60", first=("fwmark", "group"), agree=_whole_name)
