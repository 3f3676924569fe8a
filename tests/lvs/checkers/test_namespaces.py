"""What loopback cannot show: pings, marks and interfaces, and a real nginx."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest
import trio
import world
from scripted import LONG, Certificate, ask

from hakeep.config.settled_lvs import HttpProbe, Page, Peer, PingProbe, Probe, TcpProbe, Tls
from hakeep.lvs.checkers import Kit
from hakeep.lvs.messages import Result

pytestmark = pytest.mark.netns

T = TypeVar("T")

OURS, THEIRS, ABSENT = "192.0.2.1", "192.0.2.2", "192.0.2.9"
OURS6, THEIRS6 = "2001:db8::1", "2001:db8::2"


class Two(NamedTuple):
    """Two network namespaces joined by eth0."""

    ours: str
    theirs: str

    def run(self, body: Callable[[], T], where: str = "") -> T:
        """Call `body` in a thread that lives in a namespace, ours if not said otherwise."""
        results: list[T] = []
        errors: list[BaseException] = []

        def inside() -> None:
            try:
                with world.network_namespace(f"/run/netns/{where or self.ours}"):
                    results.append(body())
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return results[0]

    def ask(self, probe: Probe, kit: Kit | None = None) -> Result:
        return self.run(lambda: trio.run(partial(ask, probe, 0, kit)))


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@pytest.fixture
def two() -> Iterator[Two]:
    names = Two(f"hkchk-a-{os.getpid()}", f"hkchk-b-{os.getpid()}")
    try:
        for name in names:
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", names.ours, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", names.theirs)
        for name, v4, v6 in ((names.ours, OURS, OURS6), (names.theirs, THEIRS, THEIRS6)):
            ip("-n", name, "addr", "add", f"{v4}/24", "dev", "eth0")
            ip("-n", name, "addr", "add", f"{v6}/64", "dev", "eth0", "nodad")
            ip("-n", name, "link", "set", "eth0", "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False)


def eventually(check: Callable[[], T], seconds: float = 10.0) -> T:
    deadline = time.monotonic() + seconds
    while not (result := check()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return result


def test_ping(two: Two) -> None:
    """A fresh namespace lets nobody ping: the checker sees to that."""
    result = two.ask(PingProbe(Peer(ip_address(THEIRS), 0)))
    assert (result.ok, result.why) == (True, "an echo came back")
    eventually(lambda: two.ask(PingProbe(Peer(ip_address(THEIRS6), 0, 1.0))).ok)
    assert two.ask(PingProbe(Peer(ip_address(THEIRS), 0, bind_ip=ip_address(OURS), bind_if="eth0", fwmark=7))).ok


def test_ping_nobody(two: Two) -> None:
    result = two.ask(PingProbe(Peer(ip_address(ABSENT), 0, 0.3)))
    assert (result.ok, result.local, result.why) == (False, False, "waiting for an echo: nothing came for 0.3 s")
    result = two.ask(PingProbe(Peer(ip_address("198.51.100.1"), 0, 0.3)))
    assert (result.ok, result.local) == (False, False)
    assert "network is unreachable" in result.why


def test_what_a_router_says(two: Two) -> None:
    """An unreachable host is found out at once, not at the timeout."""
    ip("-n", two.ours, "route", "add", "198.51.100.0/24", "via", THEIRS)
    ip("-n", two.theirs, "route", "add", "unreachable", "198.51.100.0/24")
    two.run(lambda: Path("/proc/sys/net/ipv4/ip_forward").write_text("1"), two.theirs)
    result = two.ask(TcpProbe(Peer(ip_address("198.51.100.1"), 80)))
    assert (result.ok, result.local, result.why) == (False, False, "connecting: no route to host")
    assert result.latency < LONG


def test_a_mark_chooses_the_route(two: Two) -> None:
    ip("-n", two.ours, "rule", "add", "fwmark", "7", "lookup", "99")
    ip("-n", two.ours, "route", "add", "198.51.100.1", "via", THEIRS, "table", "99")
    ip("-n", two.theirs, "addr", "add", "198.51.100.1/32", "dev", "lo")
    there = ip_address("198.51.100.1")
    assert "network is unreachable" in two.ask(TcpProbe(Peer(there, 80))).why
    assert two.ask(TcpProbe(Peer(there, 80, fwmark=7))).why == "connecting: connection refused"


def test_a_link_local_address_is_on_the_interface_that_is_named(two: Two) -> None:
    words = subprocess.run(
        ["ip", "-n", two.theirs, "-o", "-6", "addr", "show", "dev", "eth0", "scope", "link"], check=True,
        capture_output=True, text=True).stdout.split()
    there = ip_address(words[3].split("/")[0])
    eventually(lambda: "connection refused" in two.ask(TcpProbe(Peer(there, 80, bind_if="eth0"))).why)
    assert two.ask(TcpProbe(Peer(ip_address(f"{there}%eth0"), 80))).why == "connecting: connection refused"
    result = two.ask(TcpProbe(Peer(ip_address(f"{there}%eth7"), 80)))
    assert (result.local, result.why) == (True, "there is no interface eth7")


CONFIG = """
worker_processes 1; pid {folder}/pid; error_log {folder}/error.log; daemon off; user root;
events {{ worker_connections 64; }}
http {{
    access_log off; client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
    uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
    ssl_certificate {certificate.file}; ssl_certificate_key {certificate.key}; ssl_session_cache shared:s:1m;
    server {{
        listen 80; listen [::]:80; listen 443 ssl; listen 8443 ssl http2; listen 81 http2;
        root {folder}; keepalive_timeout 60;
        location = /moved {{ return 301 /page; }}
        location = /busy {{ return 503; }}
        location = /secret {{ auth_basic "x"; auth_basic_user_file {folder}/users; try_files /page =404; }}
        location = /json {{ return 200 '{{"status": {{"healthy": true}}, "host": "$host"}}'; }}
    }}
}}
"""


@pytest.fixture
def nginx(two: Two, certificate: Certificate, tmp_path: Path) -> Iterator[bytes]:
    """A real one in the other namespace; the page that it has."""
    if not shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin"):
        pytest.skip("nginx is not installed")
    page = b"line\n" * 20_000
    (tmp_path / "page").write_bytes(page)
    (tmp_path / "users").write_text("me:{PLAIN}word\n")
    (tmp_path / "nginx.conf").write_text(CONFIG.format(folder=tmp_path, certificate=certificate))
    process = subprocess.Popen(
        ["ip", "netns", "exec", two.theirs, "nginx", "-c", tmp_path / "nginx.conf", "-p", tmp_path,
         "-e", tmp_path / "error.log"], stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        eventually(lambda: two.ask(TcpProbe(Peer(ip_address(THEIRS), 80))).ok)
        yield page
    finally:
        process.terminate()
        process.wait(10)


def test_nginx(two: Two, nginx: bytes) -> None:
    digest = hashlib.md5(nginx).hexdigest()
    page = Page("/page", "h.example", digest=digest)
    kit = Kit()

    def fetch(port: int, *pages: Page, protocol: str = "1.0", tls: Tls | None = None, ip: str = THEIRS) -> str:
        return two.ask(HttpProbe(Peer(ip_address(ip), port), pages, tls, protocol), kit).why

    for protocol in ("1.0", "1.0C", "1.1"):
        assert fetch(80, page, protocol=protocol) == "status 200"
        assert fetch(443, page, protocol=protocol, tls=Tls()) == "status 200"
        assert fetch(443, page, protocol=protocol, tls=Tls(compliant=True)) == "status 200"
    assert eventually(lambda: fetch(80, page, ip=THEIRS6)) == "status 200"
    assert fetch(81, page, protocol="2") == "status 200"
    for _ in range(2):
        assert fetch(8443, page, protocol="2", tls=Tls(alpn=("h2",))) == "status 200"
    assert fetch(443, page, protocol="2", tls=Tls(alpn=("h2",))) == (
        "TLS handshake: tlsv1 alert no application protocol")
    assert fetch(8443, page, tls=Tls(alpn=("h2", "http/1.1"))) == "status 200"
    assert fetch(80, Page("/moved", "h.example", digest=digest, redirects=1)) == "status 200"
    assert fetch(80, Page("/moved", "h.example")) == "status 301, not 200-299"
    assert fetch(80, Page("/busy", "h.example")) == "status 503, not 200-299"
    assert fetch(80, Page("/page", "h.example", method="HEAD")) == "status 200"
    assert fetch(80, Page("/secret", "h.example")) == "status 401, not 200-299"
    assert fetch(80, Page("/secret", "h.example", user="me", password="word")) == "status 200"
    assert fetch(80, Page("/json", "h.example", json_path=".status.healthy", json_value="true")) == "status 200"
    assert fetch(80, Page("/json", "h.example", json_path=".host", json_value="h.example")) == "status 200"
    assert fetch(80, Page("/page", "h.example", expected_headers=(("Server", ""),))) == "status 200"
    assert fetch(443, page).startswith("status 400")
    assert fetch(80, page, tls=Tls()).startswith("TLS handshake: ")
