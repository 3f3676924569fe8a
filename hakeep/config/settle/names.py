"""Numbers that have names: routing tables, protocols, TOS values, realms, groups of interfaces.

The kernel knows numbers only. Names that everybody has are known here, all others are facts of the host.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hakeep.config.host import Host, NameFolders
from hakeep.config.keywords.static import Config

#: By the name of the file that may have more of them: those of iproute2 (see ip-route(8)), and /etc/protocols.
WELL_KNOWN: Mapping[str, Mapping[str, int]] = {
    "rt_tables": {"unspec": 0, "default": 253, "main": 254, "local": 255},
    "rt_protos": {
        "unspec": 0, "redirect": 1, "kernel": 2, "boot": 3, "static": 4, "gated": 8, "ra": 9, "mrt": 10, "zebra": 11,
        "bird": 12, "dnrouted": 13, "xorp": 14, "ntk": 15, "dhcp": 16, "keepalived": 18, "babel": 42, "openr": 99,
        "bgp": 186, "isis": 187, "ospf": 188, "rip": 189, "eigrp": 192},
    "rt_dsfield": {"default": 0},
    "rt_realms": {"cosmos": 0},
    "group": {"default": 0},
    "protocols": {"icmp": 1, "igmp": 2, "ipencap": 4, "tcp": 6, "udp": 17, "ipv6": 41, "gre": 47, "esp": 50, "ah": 51,
                  "ipv6-icmp": 58, "icmpv6": 58, "ospf": 89, "pim": 103, "vrrp": 112, "sctp": 132, "udplite": 136},
}


def informed(host: Host, config: Config) -> Host:
    """The host, with the names that are in iproute_usr_dir and iproute_etc_dir of this configuration."""
    written = config.global_defs
    if written is None or host.find_names is None:
        return host
    folders = NameFolders(written.iproute_usr_dir or host.folders.usr, written.iproute_etc_dir or host.folders.etc)
    if folders == host.folders:
        return host
    names = host.find_names(folders)
    tables = frozenset(names.get("rt_tables", {})) | WELL_KNOWN["rt_tables"].keys()
    return replace(host, names=names, tables=tables, folders=folders)


class UnknownName(Exception):
    """Nobody knows this name. `told`: the host's files were asked, so that it is certain. `path` is where to add it."""

    def __init__(self, file: str, name: str, host: Host) -> None:
        super().__init__(f"{name} is not in {file}")
        self.file, self.name, self.told = file, name, host.names is not None
        self.path = "/etc/protocols" if file == "protocols" else f"{host.folders.etc}/{file}"


def number(word: str) -> int:
    """A whole number in one of C's three notations: 0x1f, 037, 31."""
    return int(word, 16 if word[:2] in ("0x", "0X") else 8 if word[0] == "0" else 10)


def resolve(word: str, file: str, host: Host) -> int:
    """The number of a name, or the number that it is. Raises `UnknownName`."""
    if word[:1].isdecimal():
        return number(word)
    names = (host.names or {}).get(file, {})
    found = names.get(word, WELL_KNOWN[file].get(word.lower() if file == "protocols" else word))
    if found is None:
        raise UnknownName(file, word, host)
    return found
