"""Runs inside User Mode Linux: a real server that gets its packets through tunnels, prepared by `hakeep realserver`.

    python realserver_player.py FOLDER SCENE...       a JSON document for each scene into FOLDER

The other end of the wire puts the packets of a client into tunnels, as a director does; the answers come back without.
Nothing is judged here; that is done outside, in test_realserver_uml.py.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hakeep.cli import hakeep

CLIENT, REAL, CLIENT6, REAL6 = "192.0.2.200", "192.0.2.1", "2001:db8::200", "2001:db8::1"


class Scene(NamedTuple):
    """The virtual address, the options of `hakeep realserver`, and the tunnel at the other end."""

    vip: str
    options: tuple[str, ...]
    tunnel: str


SCENES = {
    "IPv4 in IPv4": Scene("192.0.2.100", ("--tun",), f"mode ipip remote {REAL} local {CLIENT}"),
    "IPv6 in IPv4": Scene("2001:db8::100", ("--tun",), f"mode sit remote {REAL} local {CLIENT}"),
    "IPv6 in IPv6": Scene("2001:db8::100", ("--tun", "--ipv6"), f"mode ip6ip6 remote {REAL6} local {CLIENT6}"),
}


def ip(words: str) -> str:
    return subprocess.run(["ip", *words.split()], check=True, capture_output=True, text=True).stdout


@contextlib.contextmanager
def inside(name: str) -> Iterator[None]:
    """The process is in this network namespace."""
    back = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{name}", os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        assert libc.setns(there, 0) == 0
        yield
        assert libc.setns(back, 0) == 0
    finally:
        os.close(there)
        os.close(back)


def build() -> None:
    for name in ("real", "client"):
        ip(f"netns add {name}")
        with inside(name):
            Path("/proc/sys/net/ipv6/conf/all/accept_dad").write_text("0")
            Path("/proc/sys/net/ipv6/conf/default/accept_dad").write_text("0")
            ip("link set lo up")
    ip("link add eth0 netns real type veth peer name eth0 netns client")
    for name, addresses in (("real", (REAL + "/24", REAL6 + "/64")), ("client", (CLIENT + "/24", CLIENT6 + "/64"))):
        with inside(name):
            for address in addresses:
                ip(f"address add {address} dev eth0" + (" nodad" if ":" in address else ""))
            ip("link set eth0 up")
    with inside("real"):  # a strict host: a tunnel's packets would be thrown away
        for interface in ("all", "eth0"):
            Path(f"/proc/sys/net/ipv4/conf/{interface}/rp_filter").write_text("1")


def tool(*words: str) -> tuple[int, str]:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out), inside("real"):
        status = hakeep.main(["realserver", *words])
    return status, out.getvalue()


def served(vip: str) -> str:
    """Whom a client at the other end has spoken with; "" when nobody answers."""
    family = socket.AF_INET6 if ":" in vip else socket.AF_INET
    with inside("real"):
        server = socket.socket(family)
    with inside("client"):
        client = socket.socket(family)
    with server, client:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("::" if ":" in vip else "", 80))
        server.listen()
        client.settimeout(2.5)  # a second packet goes after one second
        try:
            client.connect((vip, 80))
        except OSError:
            return ""
        return str(client.getpeername()[0])


def state() -> str:
    with inside("real"):
        settings = {str(path): path.read_text() for path in Path("/proc/sys/net/ipv4/conf").glob("*/*")
                    if path.name in ("arp_ignore", "arp_announce", "rp_filter")}
        # An interface that was up once has its other settings and its MTU from then on: flags and addresses count.
        links = "\n".join(line.split(" mtu ")[0] for line in ip("-o link show").splitlines())
        return links + ip("-o address show scope global") + ip("-o address show scope host") + json.dumps(settings)


def play(scene: Scene) -> dict[str, Any]:
    with inside("client"):
        version = "-6 " if "ip6" in scene.tunnel else ""
        ip(f"{version}tunnel add t0 {scene.tunnel}")
        ip("link set t0 up")
        family = "-6 " if ":" in scene.vip else ""
        ip(f"{family}route add {scene.vip} dev t0 src {CLIENT6 if family else CLIENT}")
    record: dict[str, Any] = {"state before": state(), "check before": tool("check", *scene.options, scene.vip)}
    record["served before"] = served(scene.vip)
    record["add"] = tool("add", *scene.options, scene.vip)
    record["check"] = tool("check", *scene.options, scene.vip)
    record["served"] = served(scene.vip)
    record["remove"] = tool("remove", scene.vip)
    record["state after"] = state()
    with inside("client"):
        ip("link del t0")
    return record


def main(folder: Path, names: list[str]) -> None:
    build()
    for name in names:
        try:
            record: dict[str, Any] = {"result": play(SCENES[name])}
        except BaseException:
            record = {"error": traceback.format_exc()}
        (folder / f"{name}.json").write_text(json.dumps(record))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
