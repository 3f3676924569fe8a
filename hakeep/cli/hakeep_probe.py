"""`hakeep probe FILE SERVER`: make the checks of a real server once, now and from here, and show each step.

SERVER is an address, or an address with its port: 192.0.2.1, 192.0.2.1:80, [2001:db8::1]:80. Checks that several
virtual servers share are made once. What is sent and what comes is shown with the time in milliseconds since the
check's start; of TLS what is inside. No daemon is asked or told anything.

Exit status 0 when all checks pass, 1 when one does not or cannot be made.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING

from hakeep.cli.hakeep_connection import DONE, FAILED

if TYPE_CHECKING:
    from hakeep.config.settled import Global
    from hakeep.config.settled_lvs import Check, Director, RealServer
    from hakeep.lvs.messages import Result
    from hakeep.objects.rtnl import IPAddress

#: Bytes of one piece that are shown, unless all are wanted.
ENOUGH = 2048


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """Declare the arguments."""
    parser.add_argument("file", metavar="FILE", help="the configuration (includes are followed)")
    parser.add_argument("server", metavar="SERVER", type=_server, help="the real server: IP, IP:PORT or [IPV6]:PORT")
    parser.add_argument("-q", "--quiet", action="store_true", help="show results only")
    parser.add_argument("-a", "--all", action="store_true", help=f"show more than {ENOUGH} bytes of what comes at once")
    parser.add_argument("-i", "--config-id", metavar="ID", help="which @ID lines count (default: the host's name)")


def _server(text: str) -> tuple[IPAddress, int | None]:
    """An address, and a port if there is one."""
    forms = re.fullmatch(r"\[([^]]+)\](?::([0-9]{1,5}))?|([^:]+):([0-9]{1,5})|(.+)", text)
    inside, port, before, its_port, bare = forms.groups() if forms else (None,) * 5
    port = port or its_port
    try:
        return ip_address(inside or before or bare or ""), int(port) if port else None
    except ValueError:
        raise argparse.ArgumentTypeError(f"it should be IP, IP:PORT or [IPV6]:PORT, not {text}") from None


def run(arguments: argparse.Namespace) -> int:
    """Make the checks; the exit status."""
    from hakeep.config.files import load

    loaded = load(arguments.file, config_id=arguments.config_id)
    if loaded.settings is None:
        return _complain(f"{arguments.file} cannot be read; `hakeep check` says why")
    director = loaded.settings.lvs
    ip, port = arguments.server
    reals = list(_reals(director, ip, port)) if director else []
    if not reals:
        return _complain(f"{arguments.file} has no real server {ip}" + ("" if port is None else f" with port {port}"))
    checks = list(dict.fromkeys((str(real), check) for real in reals for check in real.checks))
    if not checks:
        print(f"{reals[0]} has no checks: it always counts as up")
        return DONE
    import trio

    return DONE if trio.run(_make, checks, loaded.settings.globals, arguments) else FAILED


def _reals(director: Director, ip: IPAddress, port: int | None) -> Iterator[RealServer]:
    for virtual in director.virtual:
        for real in virtual.reals:
            if real.ip == ip and port in (None, real.port):
                yield real


def _complain(sentence: str) -> int:
    print(f"hakeep probe: {sentence}", file=sys.stderr)
    return FAILED


async def _make(checks: list[tuple[str, Check]], globals: Global, arguments: argparse.Namespace) -> bool:
    """Make the checks one after the other; whether all have passed."""
    import trio

    from hakeep.config.settled_lvs import HttpProbe
    from hakeep.lvs.checkers import Kit, all_checkers, unsupported
    from hakeep.notify.herald import Herald
    from hakeep.notify.script import Runner

    def log(level: int, text: str) -> None:
        print(f"hakeep probe: {text}", file=sys.stderr)

    runner, checkers, fine = Runner(log), all_checkers(), True
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.run)
        kit = Kit(runner.start, Herald(globals, (), log).command)
        for server, check in checks:
            checker = checkers.get(type(check.probe))
            why = unsupported(check.probe) or ("" if checker else "it asks nothing: the daemon follows it")
            pages = range(len(check.probe.pages)) if isinstance(check.probe, HttpProbe) else range(1)
            for step in pages:
                title = f"{check.kind} of {server}"
                print(title if len(pages) == 1 else f"{title}, page {step + 1} of {len(pages)}", flush=True)
                if checker is None or why:
                    print(f"{'':>12}not made: {why}")
                    fine = fine and checker is None
                    continue
                account = kit.witness = None if arguments.quiet else Account(everything=arguments.all)
                result = await checker(check.probe, step, kit)
                _conclude(result, account)
                fine = fine and result.ok
        nursery.cancel_scope.cancel()
    return fine


def _conclude(result: Result, account: Account | None) -> None:
    verdict = "passed" if result.ok else "could not be asked" if result.local else "failed"
    more = f", weight {result.weight}" if result.weight is not None else ""
    more += ", wants no new connections" if result.drain else ""
    print(f"{result.latency * 1000:9.1f}   {verdict}: {result.why}{more}", flush=True)


class Account:
    """Prints what an attempt does, as it does it."""

    def __init__(self, *, everything: bool) -> None:
        self._began = time.monotonic()
        self._most = sys.maxsize if everything else ENOUGH

    def step(self, doing: str) -> None:
        """A step begins."""
        self._print([doing])

    def sent(self, data: bytes) -> None:
        """Bytes went out."""
        self._bytes(">", data)

    def received(self, data: bytes) -> None:
        """Bytes came in; none: the end."""
        if data:
            self._bytes("<", data)
        else:
            self._print(["< end of the connection"])

    def _bytes(self, mark: str, data: bytes) -> None:
        lines = [f"{mark} {line}" for line in legible(data[: self._most])]
        if len(data) > self._most:
            lines.append(f"{mark} … {len(data) - self._most} bytes more")
        self._print(lines)

    def _print(self, lines: list[str]) -> None:
        print(f"{(time.monotonic() - self._began) * 1000:9.1f}   {lines[0]}")
        for line in lines[1:]:
            print(f"{'':>12}{line}")


def legible(data: bytes) -> list[str]:
    """Bytes as lines: text as it is, without what would upset a terminal; else hexadecimal, sixteen bytes a line."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    if text and all(character.isprintable() or character in "\r\n\t" for character in text):
        lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
        return [line.replace("\t", "    ").replace("\r", "") for line in lines]
    return [data[at : at + 16].hex(" ") for at in range(0, len(data), 16)] or ["nothing"]
