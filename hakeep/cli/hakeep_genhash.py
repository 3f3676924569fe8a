"""`hakeep genhash -s IP -p PORT -u URL`: fetch a page and print the MD5 of its body, for `digest` in the configuration.

The options are those of keepalived's genhash(1) and of `keepalived -T`, and so is what is printed. Only what goes wrong
is told on standard error, with exit status 1: keepalived prints it where the digest should be, with status 0. Whatever
status the page has, its body is digested; -v shows it.
"""

from __future__ import annotations

import argparse
import sys
from ipaddress import ip_address
from typing import TYPE_CHECKING

from hakeep.cli.hakeep_connection import DONE, FAILED

if TYPE_CHECKING:
    from hakeep.config.settled_lvs import HttpProbe
    from hakeep.lvs.messages import Result
    from hakeep.objects.rtnl import IPAddress

PROTOCOLS = {"1.0": "1.0", "1.0c": "1.0C", "1.0C": "1.0C", "1.1": "1.1"}

#: Bytes of a page.
LONGEST_PAGE = 1 << 30


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """Declare the arguments."""
    parser.add_argument("-s", "--server", metavar="IP", type=_address, required=True, help="the server's address")
    parser.add_argument("-p", "--port", metavar="PORT", type=_port, required=True, help="its port")
    parser.add_argument("-u", "--url", metavar="PATH", required=True, help="the page, such as /index.html")
    parser.add_argument("-V", "--use-virtualhost", metavar="NAME", default="", help="what the Host header says")
    parser.add_argument("-S", "--use-ssl", action="store_true", help="speak TLS")
    parser.add_argument("-I", "--use-sni", action="store_true", help="send the virtual host's name in TLS")
    parser.add_argument("-P", "--protocol", choices=sorted(PROTOCOLS), default="1.0",
                        help="of HTTP (default: 1.0; 1.0c is 1.0 with `Connection: close`)")
    parser.add_argument("-t", "--timeout", metavar="SECONDS", type=float, default=5.0,
                        help="for each step (default: 5)")
    parser.add_argument("-m", "--fwmark", metavar="MARK", type=lambda text: int(text, 0), default=0,
                        help="firewall mark of what we send")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the reply, and how long it took")


def _address(text: str) -> IPAddress:
    try:
        return ip_address(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"it should be an IP address, not {text}") from None


def _port(text: str) -> int:
    if text.isdecimal() and 0 < int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"it should be a port, not {text}")


class _Reply:
    """Keeps the bytes of the reply."""

    def __init__(self) -> None:
        self.bytes = bytearray()

    def step(self, doing: str) -> None:
        """Of no interest."""

    def sent(self, data: bytes) -> None:
        """Of no interest."""

    def received(self, data: bytes) -> None:
        """Keep it."""
        self.bytes += data


def run(arguments: argparse.Namespace) -> int:
    """Fetch the page; the exit status."""
    import trio

    reply = _Reply()
    result, digest = trio.run(_fetch, _probe(arguments), reply)
    if not result.ok:
        print(f"hakeep genhash: {result.why}", file=sys.stderr)
        return FAILED
    if not arguments.verbose:
        print(digest)
        return DONE
    _show(bytes(reply.bytes), digest)
    print(f"\nGlobal response time for [{arguments.url}] = {result.latency * 1e6:.0f} usecs")
    return DONE


def _probe(arguments: argparse.Namespace) -> HttpProbe:
    from hakeep.config.settled_lvs import HttpProbe, Page, Peer, Tls

    name, ip = arguments.use_virtualhost, arguments.server
    here = f"[{ip}]:{arguments.port}" if ip.version == 6 else f"{ip}:{arguments.port}"
    tls = Tls(server_name=name if arguments.use_sni else "") if arguments.use_ssl else None
    return HttpProbe(
        Peer(ip, arguments.port, arguments.timeout, fwmark=arguments.fwmark),
        (Page(arguments.url, name or here, digest="any"),), tls, PROTOCOLS[arguments.protocol], body_max=LONGEST_PAGE)


async def _fetch(probe: HttpProbe, witness: _Reply) -> tuple[Result, str]:
    """How it went, and the digest."""
    from hakeep.lvs.checkers.attempt import Attempt
    from hakeep.lvs.checkers.http import fetch
    from hakeep.lvs.checkers.kit import Kit

    digest = ""
    with Attempt(probe.peer.timeout, witness) as attempt:
        page, _ = await fetch(probe, probe.pages[0], attempt, Kit())
        digest = page.body.digest
        attempt.passed(f"status {page.status}")
    return attempt.result, digest


# -------------------------------------------------------------------------------------------------------------- verbose


def _show(reply: bytes, digest: str) -> None:
    header, end, body = reply.partition(b"\r\n\r\n")
    header += end
    _title("    HTTP Header Buffer    ")
    _dump(header)
    _title(" HTTP Header Ascii Buffer ")
    print(header.decode("latin-1"))
    _title("        HTML Buffer        ")
    _dump(body)
    print()
    _title("    HTML hash resulting    ")
    _dump(bytes.fromhex(digest))
    _title(" HTML hash final resulting ")
    print(digest)


def _title(text: str) -> None:
    print(f"{'-' * 23}[{text}]{'-' * 23}")


def _dump(data: bytes) -> None:
    """Sixteen bytes a line: offset, two times eight bytes, and what is printable."""
    for at in range(0, len(data), 16):
        line = data[at : at + 16]
        left, right = (" ".join(f"{byte:02x}" for byte in part).ljust(23) for part in (line[:8], line[8:]))
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in line)
        print(f"{at:04}  {left} - {right}   {text:16}")
