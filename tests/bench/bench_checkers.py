#!/usr/bin/env python3
"""What a check costs, in microseconds of one core: our side alone, without engine and worker.

    python -m tests.bench.bench_checkers [--checks 2000] [--rounds 3] [KIND...]

Servers on loopback, in another process, answer at once; `--together` checks are under way at a time. The least of
several rounds counts, in CPU time of this process, that of the kernel included. TLS sessions are resumed, but not with
ssl-full. Figures are in README.md.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from time import process_time

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import trio

from hakeep.config import settled_lvs as s
from hakeep.lvs.checkers import CHECKERS, Kit
from hakeep.lvs.checkers.tls import Sessions

LOOPBACK = ip_address("127.0.0.1")

REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nOK\n"


# ------------------------------------------------------------------------------------------------------------- servers


def serve(kind: str, listening: socket.socket, context: ssl.SSLContext | None) -> None:
    """Answer for ever, one connection after the other."""
    while True:
        if listening.type == socket.SOCK_DGRAM:
            data, sender = listening.recvfrom(4096)
            listening.sendto(data[:2] + struct.pack("!H", 0x8180) + data[4:], sender)
            continue
        accepted, _ = listening.accept()
        try:
            if context is not None:
                accepted = context.wrap_socket(accepted, server_side=True)
            converse(kind, accepted)
        except OSError:
            pass
        finally:
            accepted.close()


def converse(kind: str, stream: socket.socket) -> None:
    """The server's side of one check."""
    if kind == "smtp":
        for line in (b"220 hi\r\n", b"250 you\r\n", b"221 bye\r\n"):
            stream.sendall(line)
            stream.recv(4096)
    elif stream.recv(4096):
        stream.sendall(b"up\n" if kind == "agent" else REPLY)


def certificate(folder: str) -> ssl.SSLContext:
    """A server's context, with a new certificate."""
    key, file = f"{folder}/key.pem", f"{folder}/certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "9",
         "-subj", "/CN=bench", "-keyout", key, "-out", file], check=True, capture_output=True)  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return context


def start(kinds: list[str]) -> tuple[int, dict[str, int]]:
    """A process with a server for each kind: its pid, and the ports."""
    opened, context = {}, None
    if any(kind.startswith("ssl") for kind in kinds):
        folder = tempfile.mkdtemp()
        context = certificate(folder)
        shutil.rmtree(folder)
    for kind in kinds:
        opened[kind] = socket.socket(type=socket.SOCK_DGRAM if kind in ("udp", "dns") else socket.SOCK_STREAM)
        opened[kind].bind(("127.0.0.1", 0))
        if opened[kind].type == socket.SOCK_STREAM:
            opened[kind].listen(1024)
    pid = os.fork()
    if not pid:
        for kind, listening in opened.items():
            threading.Thread(target=serve, args=(kind, listening, context if kind.startswith("ssl") else None)).start()
        signal.pause()
    ports = {kind: listening.getsockname()[1] for kind, listening in opened.items()}
    for listening in opened.values():
        listening.close()
    return pid, ports


# -------------------------------------------------------------------------------------------------------------- checks


Making = Callable[[s.Peer], s.Probe]

KINDS: dict[str, Making] = {
    "tcp": s.TcpProbe,
    "http": lambda peer: s.HttpProbe(peer, (s.Page(host="bench"),)),
    "http-digest": lambda peer: s.HttpProbe(peer, (s.Page(host="bench", digest="d36f8f9425c4a8000ad9c4a97185aca5"),)),
    "ssl": lambda peer: s.HttpProbe(peer, (s.Page(host="bench"),), s.Tls()),
    "ssl-full": lambda peer: s.HttpProbe(peer, (s.Page(host="bench"),), s.Tls()),
    "smtp": s.SmtpProbe,
    "agent": lambda peer: s.AgentProbe(peer, b"how?\n"),
    "udp": lambda peer: s.UdpProbe(peer, reply=()),
    "dns": s.DnsProbe,
}


async def round_of(kind: str, probe: s.Probe, checks: int, together: int, kit: Kit) -> float:
    """Microseconds a check."""
    left = checks
    checker = CHECKERS[type(probe)]

    async def ask() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            if kind == "ssl-full":
                kit.sessions._sessions.clear()
            result = await checker(probe, 0, kit)
            if not result.ok:
                raise SystemExit(f"{kind}: {result.why}")

    began = process_time()
    async with trio.open_nursery() as nursery:
        for _ in range(together):
            nursery.start_soon(ask)
    return (process_time() - began) / checks * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)} (default: all)")
    parser.add_argument("--checks", type=int, default=2000, metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--together", type=int, default=20, metavar="N")
    arguments = parser.parse_args()
    kinds = arguments.kinds or list(KINDS)
    pid, ports = start(kinds)
    try:
        for kind in kinds:
            probe, kit = KINDS[kind](s.Peer(LOOPBACK, ports[kind])), Kit(sessions=Sessions())
            least = min(trio.run(round_of, kind, probe, arguments.checks, arguments.together, kit)
                        for _ in range(arguments.rounds))
            print(f"{kind:12} {least:7.0f} us", flush=True)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
