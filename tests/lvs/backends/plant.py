"""A client, a director and three real servers as namespaces, for tests with real packets.

The test runs in the director's namespace. Real servers say who they are and who asked, and then echo what they get.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from pathlib import Path

import trio

from hakeep.objects.rtnl import IPAddress

_COUNT = itertools.count()
_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000

VIP = {4: ip_address("203.0.113.80"), 6: ip_address("2001:db8:80::80")}
PORT = 80
SERVERS = ("A", "B", "C")
CLIENTS = 40


@contextmanager
def inside(name: str) -> Iterator[None]:
    """This thread works in another network namespace."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        assert _LIBC.setns(there, _CLONE_NEWNET) == 0
        yield
    finally:
        assert _LIBC.setns(home, _CLONE_NEWNET) == 0
        os.close(there)
        os.close(home)


def client(family: int, last: int = 2) -> IPAddress:
    return ip_address(f"10.1.{last // 100}.{last % 100}" if family == 4 else f"fd01:0:0:{last // 100}::{last % 100:x}")


def real(family: int, name: str) -> IPAddress:
    number = SERVERS.index(name) + 1
    return ip_address(f"10.2.{number}.2" if family == 4 else f"fd02:0:0:{number}::2")


def ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True)


class Plant:
    """The namespaces, wired."""

    def __init__(self, stack: ExitStack) -> None:
        prefix = f"hkp{os.getpid()}-{next(_COUNT)}-"
        self.spaces = {name: prefix + name for name in ("client", "director", *SERVERS)}
        for space in self.spaces.values():
            ip(f"netns add {space}")
            stack.callback(ip, f"netns del {space}")
            ip(f"-n {space} link set lo up")
            with inside(space):
                for key in ("all", "default"):
                    Path("/proc/sys/net/ipv6/conf", key, "accept_dad").write_text("0")
        self._wire("client", [f"{client(4, 1)}/16", f"{client(6, 1)}/48"],
                   [f"{client(4, last)}/16" for last in range(2, CLIENTS)]
                   + [f"{client(6, last)}/48" for last in range(2, CLIENTS)])
        for name in SERVERS:
            self._wire(name, [f"{real(4, name) - 1}/24", f"{real(6, name) - 1}/64"],
                       [f"{real(4, name)}/24", f"{real(6, name)}/64"])
        for family in (4, 6):
            ip(f"-n {self.spaces['director']} addr add {VIP[family]} dev lo")
        stack.enter_context(inside(self.spaces["director"]))
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1")

    def _wire(self, name: str, ours: list[str], theirs: list[str]) -> None:
        """A veth pair between the director and `name`, whose way to everywhere is the director."""
        director, space = self.spaces["director"], self.spaces[name]
        ip(f"-n {director} link add {name} type veth peer name eth0 netns {space}")
        for where, device, addresses in ((director, name, ours), (space, "eth0", theirs)):
            for address in addresses:
                ip(f"-n {where} addr add {address} dev {device}" + (" nodad" if ":" in address else ""))
            ip(f"-n {where} link set {device} up")
        for gateway in ours:
            ip(f"-n {space} route add default via {gateway.partition('/')[0]}")

    def socket(self, where: str, family: int, kind: int = socket.SOCK_STREAM) -> trio.socket.SocketType:
        with inside(self.spaces[where]):
            made = trio.socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return made

    async def serve(self, nursery: trio.Nursery) -> None:
        """Let all servers listen, on PORT and the next."""
        for name, family, port in itertools.product(SERVERS, (4, 6), (PORT, PORT + 1)):
            listening = self.socket(name, family)
            await listening.bind((str(real(family, name)), port))
            listening.listen(100)
            nursery.start_soon(_accept, nursery, name, listening)
            datagrams = self.socket(name, family, socket.SOCK_DGRAM)
            await datagrams.bind((str(real(family, name)), port))
            nursery.start_soon(_answer, name, datagrams)

    async def connect(self, family: int = 4, last: int = 2, port: int = PORT, where: str = "client") -> Connection:
        """A connection from the client's address `last` to the VIP."""
        made = self.socket(where, family)
        if where == "client":
            await made.bind((str(client(family, last)), 0))
        with trio.fail_after(5):
            await made.connect((str(VIP[family]), port))
            name, source = (await made.recv(100)).decode().split()
        return Connection(made, name, ip_address(source))

    async def ask(self, family: int = 4, last: int = 2, port: int = PORT) -> str:
        """Which server answers a new connection."""
        connection = await self.connect(family, last, port)
        connection.close()
        assert connection.source == client(family, last), "the server sees the client's own address"
        return connection.server


class Connection:
    """A connection to `server`, which saw it come from `source`."""

    def __init__(self, made: trio.socket.SocketType, server: str, source: IPAddress) -> None:
        self.server = server
        self.source = source
        self._socket = made

    async def echoes(self) -> bool:
        """Whether the connection still works."""
        with trio.move_on_after(3):
            await self._socket.send(b"still there?")
            return await self._socket.recv(100) == b"still there?"
        return False

    def close(self) -> None:
        self._socket.close()


async def _accept(nursery: trio.Nursery, name: str, listening: trio.socket.SocketType) -> None:
    while True:
        accepted, source = await listening.accept()
        nursery.start_soon(_talk, name, accepted, source[0])


async def _talk(name: str, accepted: trio.socket.SocketType, source: str) -> None:
    with accepted:
        try:
            await accepted.send(f"{name} {source}".encode())
            while said := await accepted.recv(1000):
                await accepted.send(said)
        except OSError:
            pass


async def _answer(name: str, datagrams: trio.socket.SocketType) -> None:
    while True:
        _, source = await datagrams.recvfrom(1000)
        await datagrams.sendto(f"{name} {source[0]}".encode(), source)
