"""Throw-away network namespaces, and a way to run a function inside one."""

from __future__ import annotations

import ctypes
import itertools
import os
import select
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import pytest

T = TypeVar("T")

_numbers = itertools.count()
_libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """A network namespace of its own; `close` removes it."""

    def __init__(self) -> None:
        self.name = f"hk-{os.getpid()}-{next(_numbers)}"
        subprocess.run(["ip", "netns", "add", self.name], check=True)

    def close(self) -> None:
        subprocess.run(["ip", "netns", "del", self.name], check=True)

    def run(self, body: Callable[[], T]) -> T:
        """Call `body` in a thread that lives in the namespace. Sockets made there stay there."""
        result: list[T] = []
        raised: list[BaseException] = []

        def inside() -> None:
            try:
                fd = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
                try:
                    assert _libc.setns(fd, 0x40000000) == 0
                finally:
                    os.close(fd)
                result.append(body())
            except BaseException as error:
                raised.append(error)

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        if raised:
            raise raised[0]
        return result[0]

    def ip(self, command: str) -> str:
        """Run ip(8) there and return what it says."""
        return subprocess.run(
            ["ip", "-n", self.name, *command.split()], check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def is_ready(self, interface: str) -> bool:
        """The kernel takes a moment to believe in a new link and its IPv6 addresses; packets are lost until then."""
        if "state UP" not in self.ip(f"link show {interface}"):
            return False
        words = self.ip(f"-o -6 addr show dev {interface} -tentative").split()
        addresses = [word.split("/")[0] for before, word in pairwise(words) if before == "inet6"]
        local = self.ip("-6 route show table local")
        return any(a.startswith("fe80") for a in addresses) and all(f"local {a} " in local for a in addresses)

    def settings(self) -> dict[str, bytes]:
        """All readable settings of IPv4 and IPv6."""

        def read() -> dict[str, bytes]:
            found = {}
            for family in ("ipv4", "ipv6"):
                for path in sorted(Path("/proc/sys/net", family).rglob("*")):
                    if path.is_file() and path.name not in VOLATILE:
                        try:
                            found[str(path)] = path.read_bytes()
                        except OSError:
                            pass
            return found

        return self.run(read)


#: Settings that are no settings: written only, or changing by themselves.
VOLATILE = {"flush", "stable_secret", "tcp_fastopen_key"}


class Lab:
    """Makes namespaces and joins them."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def namespace(self) -> Namespace:
        namespace = Namespace()
        self._stack.callback(namespace.close)
        namespace.run(lambda: _quiet())
        namespace.ip("link set lo up")
        return namespace

    def add_ipv6(self, namespace: Namespace, address: str) -> None:
        """Add an address with /64 to eth0 and wait until the kernel takes packets for it: that comes a bit later."""
        namespace.ip(f"addr add {address}/64 dev eth0 nodad")
        self.eventually(lambda: f"local {address} " in namespace.ip("-6 route show table local"))

    def pair(self, left: str = "", right: str = "") -> tuple[Namespace, Namespace]:
        """Two namespaces joined by a veth pair, eth0 on both sides, up, with these addresses ("" = none)."""
        a, b = self.namespace(), self.namespace()
        a.ip(f"link add eth0 type veth peer name eth0 netns {b.name}")
        for namespace, addresses in ((a, left), (b, right)):
            for address in addresses.split():
                namespace.ip(f"addr add {address} dev eth0" + (" nodad" if ":" in address else ""))
            namespace.ip("link set eth0 up")
        for namespace in (a, b):
            self.eventually(lambda ns=namespace: ns.is_ready("eth0"))
        return a, b

    def keep(self, thing: T) -> T:
        """Close `thing` after the test."""
        self._stack.callback(thing.close)  # type: ignore[attr-defined]
        return thing

    @staticmethod
    def eventually(check: Callable[[], T], timeout: float = 5.0) -> T:
        """Call `check` until it returns something true."""
        deadline = time.monotonic() + timeout
        while not (result := check()):
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.005)
        return result

    @staticmethod
    def readable(thing: Any, timeout: float = 5.0) -> bool:
        """Wait until `thing` can be read."""
        return bool(select.select([thing], [], [], timeout)[0])


def _quiet() -> None:
    """No duplicate address detection, and no router solicitations: tests should not wait for them."""
    for name in ("all", "default"):
        directory = Path("/proc/sys/net/ipv6/conf", name)
        (directory / "accept_dad").write_text("0")
        (directory / "router_solicitations").write_text("0")


@pytest.fixture
def lab() -> Iterator[Lab]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    with ExitStack() as stack:
        yield Lab(stack)
