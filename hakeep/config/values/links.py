"""The words of use_vmac and use_ipvlan, announcements on other interfaces, and delays of links."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from hakeep.config.diagnostic import Code
from hakeep.config.lexer import quoted
from hakeep.config.values.addresses import parse_ip
from hakeep.config.values.numbers import Seconds, parse_whole
from hakeep.config.values.value import Complain, Complaint, Invalid, Value
from hakeep.objects.rtnl import IPAddress

_MAC = re.compile(r"[0-9a-fA-F]{1,2}([:-][0-9a-fA-F]{1,2}){4,5}")
#: The virtual MACs of RFC 9568 section 7.3, without the VRID.
RFC_MACS = (bytes.fromhex("00005e0001"), bytes.fromhex("00005e0002"))


class VmacUse(NamedTuple):
    """use_vmac: `mac` has six octets, or five (the VRID follows), or none."""

    name: str = ""
    mac: bytes = b""
    notify_netlink: bool = False
    group: str = ""


class UseVmac(Value[VmacUse]):
    """[[name] VMACNAME] [MAC] [netlink_notify_msg] [group NAME|N]."""

    needs = 0

    def parse(self, words: Sequence[str], complain: Complain) -> VmacUse:
        use = VmacUse()
        index = 0
        while index < len(words):
            word = words[index]
            following = words[index + 1] if index + 1 < len(words) else None
            if word == "netlink_notify_msg":
                use = use._replace(notify_netlink=True)
            elif word == "group" and following is not None:
                use, index = use._replace(group=following), index + 1
            elif _MAC.fullmatch(word):
                use = self._mac(use, word, index, complain)
            elif word == "name" and following is not None:
                use, index = self._name(use, following, index + 1, complain), index + 1
            else:
                use = self._name(use, word, index, complain)
            index += 1
        return use

    def _mac(self, use: VmacUse, word: str, index: int, complain: Complain) -> VmacUse:
        mac = bytes(int(octet, 16) for octet in re.split("[:-]", word))
        if mac[0] & 1:
            complain(Complaint(f"{word} is a multicast MAC; it is left out", index))
        elif mac[:5] in RFC_MACS:
            complain(Complaint(f"{word} is a MAC that RFC 9568 gives to VRRP; it is left out", index,
                               note="without a MAC the right one is used"))
        elif use.mac:
            complain(Complaint("a second MAC is left out", index))
        else:
            return use._replace(mac=mac)
        return use

    def _name(self, use: VmacUse, word: str, index: int, complain: Complain) -> VmacUse:
        if use.name:
            complain(Complaint(f"a second name, '{word}', is left out", index))
        elif not is_interface_name(word):
            complain(Complaint(f"'{word}' cannot be the name of an interface; it is left out", index, Code.TOO_LONG))
        else:
            return use._replace(name=word)
        return use

    def render(self, value: VmacUse) -> str:
        parts = []
        if value.name:
            parts += ["name", quoted(value.name)]
        if value.mac:
            parts.append(value.mac.hex(":"))
        if value.notify_netlink:
            parts.append("netlink_notify_msg")
        if value.group:
            parts += ["group", quoted(value.group)]
        return " ".join(parts)

    @property
    def synopsis(self) -> str:
        return "[[name] VMACNAME] [MAC] [netlink_notify_msg] [group NAME|N]"

    @property
    def example(self) -> str:
        return "vrrp.51"

    def further(self) -> tuple[str, ...]:
        return "name", "netlink_notify_msg", "group"


class IpvlanUse(NamedTuple):
    """use_ipvlan as written."""

    name: str = ""
    ip: IPAddress | None = None
    prefix: int | None = None
    mode: str = "bridge"
    group: str = ""


class UseIpvlan(Value[IpvlanUse]):
    """[[name] IFNAME] [IP[/LEN]] [bridge|private|vepa] [group NAME|N]."""

    needs = 0

    def parse(self, words: Sequence[str], complain: Complain) -> IpvlanUse:
        use = IpvlanUse()
        index = 0
        while index < len(words):
            word = words[index]
            following = words[index + 1] if index + 1 < len(words) else None
            address, slash, length = word.partition("/")
            ip = parse_ip(address)
            if word in ("bridge", "private", "vepa"):
                use = use._replace(mode=word)
            elif word == "group" and following is not None:
                use, index = use._replace(group=following), index + 1
            elif ip:
                prefix = parse_whole(length, index, complain) if slash else None
                if prefix is not None and not 0 <= prefix <= ip.max_prefixlen:
                    raise Invalid(f"prefix length {prefix} is outside 0..{ip.max_prefixlen}", index)
                use = use._replace(ip=ip, prefix=prefix)
            else:
                if word == "name" and following is not None:
                    word, index = following, index + 1
                if use.name or not is_interface_name(word):
                    complain(Complaint(f"'{word}' cannot be the name of the interface; it is left out", index))
                else:
                    use = use._replace(name=word)
            index += 1
        return use

    def render(self, value: IpvlanUse) -> str:
        parts = ["name", quoted(value.name)] if value.name else []
        if value.ip:
            parts.append(str(value.ip) if value.prefix is None else f"{value.ip}/{value.prefix}")
        parts.append(value.mode)
        if value.group:
            parts += ["group", quoted(value.group)]
        return " ".join(parts)

    @property
    def synopsis(self) -> str:
        return "[[name] IFNAME] [IP[/LEN]] [bridge|private|vepa] [group NAME|N]"

    @property
    def example(self) -> str:
        return "ipvl51 192.0.2.11/24"

    def further(self) -> tuple[str, ...]:
        return "name", "bridge", "private", "vepa", "group"


def is_interface_name(word: str) -> bool:
    """What the kernel takes (dev_valid_name): 1..15 bytes, no slash, colon or blank, not . or .. ."""
    size = len(word.encode("utf-8", "surrogateescape"))
    return 0 < size <= 15 and word not in (".", "..") and not any(c in "/:" or c.isspace() for c in word)


class ExtraInterfaces(Value[tuple[bool, int]]):
    """[all] SECONDS: whether all interfaces are meant, and the period."""

    def __init__(self, low: int) -> None:
        self.low = low

    def parse(self, words: Sequence[str], complain: Complain) -> tuple[bool, int]:
        every = words[0] == "all"
        if every and len(words) == 1:
            raise Invalid("a number of seconds is missing after 'all'", code=Code.BAD_NUMBER)
        seconds = parse_whole(words[int(every)], int(every), complain)
        if not self.low <= seconds <= 86400:
            raise Invalid(f"{seconds} is outside {self.low}..86400", int(every), code=Code.OUT_OF_RANGE)
        return every, seconds

    def render(self, value: tuple[bool, int]) -> str:
        every, seconds = value
        return f"all {seconds}" if every else str(seconds)

    @property
    def synopsis(self) -> str:
        return f"[all] SECONDS ({self.low}..86400)"

    @property
    def example(self) -> str:
        return "all 60"


class LinkDelays(Value[tuple[str, float, float]]):
    """IFNAME DOWN_DELAY [UP_DELAY]; an UP_DELAY that is left out is 0."""

    needs = 2
    _seconds = Seconds(0, 255, 6)

    def parse(self, words: Sequence[str], complain: Complain) -> tuple[str, float, float]:
        delays = []
        for index in (1, 2):
            if index >= len(words):
                delays.append(0.0)
                continue

            def shifted(complaint: Complaint, index: int = index) -> None:
                complain(complaint._replace(word=index))

            try:
                delays.append(self._seconds.parse(words[index : index + 1], shifted))
            except Invalid as invalid:
                raise Invalid(str(invalid), index, code=invalid.complaint.code) from None
        return words[0], delays[0], delays[1]

    def render(self, value: tuple[str, float, float]) -> str:
        name, down, up = value
        return f"{quoted(name)} {self._seconds.render(down)} {self._seconds.render(up)}"

    @property
    def synopsis(self) -> str:
        return "IFNAME DOWN_DELAY [UP_DELAY] (seconds, 0..255)"

    @property
    def example(self) -> str:
        return "eth0 0.5 2"


class HmacKey(NamedTuple):
    """One key of auth_hmac: `kind` is text, hex or file, `text` what follows."""

    id: int
    kind: str
    text: str


class HmacKeys(Value[HmacKey]):
    """ID TEXT|hex:DIGITS|file:PATH."""

    needs = 2

    def parse(self, words: Sequence[str], complain: Complain) -> HmacKey:
        number = parse_whole(words[0], 0, complain)
        if not 1 <= number <= 255:
            raise Invalid(f"key id {number} is outside 1..255", code=Code.OUT_OF_RANGE)
        word = words[1]
        kind, colon, rest = word.partition(":")
        if not colon or kind not in ("hex", "file"):
            kind, rest = "text", word
        if kind == "hex" and not (re.fullmatch(r"[0-9a-fA-F]*", rest) and 64 <= len(rest) <= 128 and not len(rest) % 2):
            raise Invalid("a key has 32..64 bytes, so 64..128 hexadecimal digits", 1, code=Code.AUTH_HMAC)
        if kind == "text" and not 32 <= len(rest.encode("utf-8", "surrogateescape")) <= 64:
            raise Invalid("a key has 32..64 characters", 1, code=Code.AUTH_HMAC)
        return HmacKey(number, kind, rest)

    def render(self, value: HmacKey) -> str:
        return f"{value.id} {quoted(value.text if value.kind == 'text' else f'{value.kind}:{value.text}')}"

    @property
    def synopsis(self) -> str:
        return "ID (1..255) TEXT|hex:DIGITS|file:PATH (32..64 bytes)"

    @property
    def example(self) -> str:
        return "1 file:/etc/hakeep/hmac.key"
