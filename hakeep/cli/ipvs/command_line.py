"""The options of `hakeep ipvs`, which are ipvsadm's, and which of them go with which command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NamedTuple

from hakeep.objects.ipvs import SCTP, TCP, UDP, Encapsulation, Forward

#: What a fwmark has in place of a protocol.
FWMARK = 0

#: A persistent service without a timeout of its own, in seconds.
PERSISTENCE = "360"


class Rule(NamedTuple):
    """What a command needs, and what it can have besides."""

    needs: frozenset[str]
    may: frozenset[str]


def _rule(needs: str = "", may: str = "") -> Rule:
    return Rule(frozenset(needs.split()), frozenset(may.split()))


_SERVICE = _rule("service", "ipv6 scheduler persistent netmask engine ops flags")
_SERVER = _rule("service real", "ipv6 forward weight upper lower tunnel tunnel_port checksum")

#: Options by command.
RULES = {
    "add-service": _SERVICE,
    "edit-service": _SERVICE,
    "delete-service": _rule("service", "ipv6"),
    "clear": _rule(),
    "restore": _rule(),
    "save": _rule("", "numeric exact"),
    "add-server": _SERVER,
    "edit-server": _SERVER,
    "delete-server": _rule("service real", "ipv6"),
    "list": _rule(
        "",
        "service ipv6 numeric connection timeout daemon stats rate thresholds persistent_conn tunnels nosort sort "
        "exact",
    ),
    "zero": _rule("", "service ipv6"),
    "set": _rule(),
    "start-daemon": _rule("", "interface syncid length group port ttl"),
    "stop-daemon": _rule(),
}

#: Of these a list can have one; and a form of the table goes with none of them.
ONE_OF_A_LIST = ("connection", "service", "timeout", "daemon")
TABLE_FORMS = ("stats", "rate", "thresholds", "persistent_conn")


class _Once(argparse.Action):
    """An option, or one of several, that can be given once."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        if getattr(namespace, self.dest, None) is not None:
            parser.error(f"{option_string} is one too many: its place is taken already")
        if self.const is None:
            setattr(namespace, self.dest, values)
        else:
            setattr(namespace, self.dest, self.const if self.nargs == 0 else (self.const, values))
        namespace.spelled = {**getattr(namespace, "spelled", {}), self.dest: option_string}


class _Persistent(_Once):
    """-p with or without seconds."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        super().__call__(parser, namespace, PERSISTENCE if values is None else values, option_string)


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare all options."""
    parser.allow_abbrev = False
    parser.usage = "hakeep ipvs COMMAND [OPTION ...]"
    _declare_commands(parser.add_argument_group("commands"))
    _declare_services(parser.add_argument_group("services (-A, -E, -D, -a, -e, -d, -L, -Z)"))
    _declare_servers(parser.add_argument_group("real servers (-a, -e, -d)"))
    _declare_lists(parser.add_argument_group("lists (-L, -S)"))
    _declare_daemons(parser.add_argument_group("synchronisation daemons (--start-daemon)"))


def _flag(group: argparse._ArgumentGroup, dest: str, names: Sequence[str], text: str, const: object = True) -> None:
    group.add_argument(*names, dest=dest, action=_Once, nargs=0, const=const, help=text)


def _word(group: argparse._ArgumentGroup, dest: str, names: Sequence[str], metavar: str, text: str) -> None:
    group.add_argument(*names, dest=dest, action=_Once, metavar=metavar, help=text)


def _declare_commands(group: argparse._ArgumentGroup) -> None:
    for names, text in (
        (("-A", "--add-service"), "add a service"),
        (("-E", "--edit-service"), "change a service; what is not said is the default"),
        (("-D", "--delete-service"), "delete a service with its real servers"),
        (("-C", "--clear"), "delete everything"),
        (("-R", "--restore"), "do the commands on standard input, a line each"),
        (("-S", "--save"), "print the table as commands"),
        (("-a", "--add-server"), "add a real server to a service"),
        (("-e", "--edit-server"), "change a real server; what is not said is the default"),
        (("-d", "--delete-server"), "delete a real server"),
        (("-L", "-l", "--list"), "list the table, or one service, or what an option below names"),
        (("-Z", "--zero"), "set the counts of a service, or of all, to zero"),
    ):
        _flag(group, "command_", names, text, names[-1].removeprefix("--"))
    group.add_argument("--set", dest="command_", action=_Once, const="set", nargs=3, metavar="SECONDS",
                       help="set the timeouts of TCP, TCP after a FIN, and UDP; 0 leaves one as it is")
    for name, text in (("start-daemon", "start the daemon that synchronises connections: master or backup"),
                       ("stop-daemon", "stop it")):
        group.add_argument(f"--{name}", dest="command_", action=_Once, const=name, metavar="STATE", help=text)


def _declare_services(group: argparse._ArgumentGroup) -> None:
    address = "HOST[:PORT]"
    for names, protocol, metavar, text in (
        (("-t", "--tcp-service"), TCP, address, "a TCP service; brackets around an IPv6 address that has a port"),
        (("-u", "--udp-service"), UDP, address, "a UDP service"),
        (("--sctp-service",), SCTP, address, "an SCTP service"),
        (("-f", "--fwmark-service"), FWMARK, "MARK", "whatever has this firewall mark"),
    ):
        group.add_argument(*names, dest="service", action=_Once, const=protocol, metavar=metavar, help=text)
    _flag(group, "ipv6", ("-6", "--ipv6"), "the firewall mark is one of IPv6")
    _word(group, "scheduler", ("-s", "--scheduler"), "NAME",
          "rr, wrr, lc, wlc (the default), lblc, lblcr, dh, sh, sed, nq, fo, ovf or mh")
    group.add_argument("-p", "--persistent", dest="persistent", action=_Persistent, nargs="?", metavar="SECONDS",
                       help="a client stays with its real server for so long (default: 360)")
    _word(group, "netmask", ("-M", "--netmask"), "MASK",
          "clients that are equal under it are one: a mask for IPv4, a prefix length for IPv6")
    _word(group, "engine", ("--pe",), "NAME", "persistence engine: sip")
    _flag(group, "ops", ("-o", "--ops"), "one-packet scheduling, for UDP")
    _word(group, "flags", ("-b", "--sched-flags"), "FLAGS",
          "flags of the scheduler: sh-fallback, sh-port, mh-fallback, mh-port, or flag-1, flag-2, flag-3; with commas")


def _declare_servers(group: argparse._ArgumentGroup) -> None:
    _word(group, "real", ("-r", "--real-server"), "HOST[:PORT]", "the real server; without a port it has the service's")
    for names, forward, text in (
        (("-g", "--gatewaying"), Forward.ROUTE, "direct routing (the default)"),
        (("-i", "--ipip"), Forward.TUNNEL, "tunnel"),
        (("-m", "--masquerading"), Forward.MASQ, "NAT"),
    ):
        _flag(group, "forward", names, text, forward)
    _word(group, "weight", ("-w", "--weight"), "NUMBER", "0 to 2147483647, 0 takes no new connections (default: 1)")
    _word(group, "upper", ("-x", "--u-threshold"), "NUMBER", "with so many connections it gets no new ones (0: never)")
    _word(group, "lower", ("-y", "--l-threshold"), "NUMBER", "below so many it gets them again")
    group.add_argument("--tun-type", dest="tunnel", action=_Once, metavar="TYPE", help="ipip (the default), gue or gre",
                       choices=[each.name.lower() for each in Encapsulation])
    _word(group, "tunnel_port", ("--tun-port",), "PORT", "destination port of gue")
    for checksum, (name, text) in enumerate((("nocsum", "gue, gre: without checksum (the default)"),
                                             ("csum", "gue, gre: with checksum"),
                                             ("remcsum", "gue: with remote checksum"))):
        _flag(group, "checksum", (f"--tun-{name}",), text, checksum)


def _declare_lists(group: argparse._ArgumentGroup) -> None:
    for dest, names, text in (
        ("numeric", ("-n", "--numeric"), "numbers in place of names"),
        ("connection", ("-c", "--connection"), "the connections; SYN_RECV: the real server does not answer"),
        ("timeout", ("--timeout",), "the timeouts"),
        ("daemon", ("--daemon",), "the synchronisation daemons"),
        ("stats", ("--stats",), "connections, packets and bytes so far"),
        ("rate", ("--rate",), "the same a second"),
        ("thresholds", ("--thresholds",), "the thresholds of the real servers"),
        ("persistent_conn", ("--persistent-conn",), "persistent connections; with -c: data of the persistence engine"),
        ("tunnels", ("--tun-info",), "options of tunnels"),
        ("nosort", ("--nosort",), "in the kernel's order"),
        ("sort", ("--sort",), "in order (the default)"),
        ("exact", ("--exact",), "large numbers in full; with -S: also the thresholds, which ipvsadm leaves out"),
    ):
        _flag(group, dest, names, text)


def _declare_daemons(group: argparse._ArgumentGroup) -> None:
    for dest, names, metavar, text in (
        ("interface", ("--mcast-interface",), "NAME", "where to multicast (default: eth0)"),
        ("syncid", ("--syncid",), "NUMBER", "0 to 255; a backup with 0 takes all (default: 0)"),
        ("length", ("--sync-maxlen",), "BYTES", "longest message (default: what the interface takes)"),
        ("group", ("--mcast-group",), "ADDRESS", "multicast group (default: 224.0.0.81)"),
        ("port", ("--mcast-port",), "PORT", "UDP port (default: 8848)"),
        ("ttl", ("--mcast-ttl",), "NUMBER", "hops (default: 1)"),
    ):
        _word(group, dest, names, metavar, text)
