"""`hakeep genhash`, beside keepalived's own where that is, and `hakeep probe`."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hakeep.cli import hakeep as tool
from hakeep.cli.hakeep_probe import legible

PAGE = b"abcdefghijklmnop\x00\xff\nqr'%"
DIGEST = hashlib.md5(PAGE).hexdigest()


@dataclass
class Web:
    """Answers every request with the page."""

    listening: socket.socket
    requests: list[bytes] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.listening.getsockname()[1])

    def serve(self) -> None:
        while True:
            try:
                accepted, _ = self.listening.accept()
            except OSError:
                return
            with accepted:
                self.requests.append(accepted.recv(4096))
                accepted.sendall(b"HTTP/1.1 404 No\r\nContent-Length: %d\r\nX: y\r\n\r\n" % len(PAGE) + PAGE)


@pytest.fixture
def web() -> Iterator[Web]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        found = Web(listening)
        thread = threading.Thread(target=found.serve, daemon=True)
        thread.start()
        yield found
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_genhash_prints_the_digest_and_nothing_else(web: Web, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["genhash", "-s", "127.0.0.1", "-p", str(web.port), "-u", "/x"]) == 0
    assert capsys.readouterr() == (DIGEST + "\n", "")
    assert web.requests == [b"GET /x HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: 127.0.0.1:%d\r\n\r\n" % web.port]


OPTIONS = [[], ["-V", "v.example"], ["-P", "1.1"], ["-P", "1.0c", "-V", "v.example"], ["-v"], ["-t", "3"],
           ["--use-virtualhost", "w", "--verbose"]]


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_genhash_is_keepaliveds(web: Web, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    theirs = shutil.which("genhash", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin")
    if theirs is None:
        pytest.skip("keepalived's genhash is not installed")
    words = ["-s", "127.0.0.1", "-p", str(web.port), "-u", "/x?y=z", *options]
    assert tool.main(["genhash", *words]) == 0
    ours = capsys.readouterr().out
    wanted = subprocess.run([theirs, *words], capture_output=True, check=True).stdout.decode("latin-1")
    assert web.requests[0] == web.requests[1]

    def timeless(text: str) -> str:
        return re.sub(r"= \d+ usecs", "= N usecs", text.replace("\r\n", "\n"))

    assert timeless(ours) == timeless(wanted)


def test_genhash_says_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert tool.main(["genhash", "-s", "127.0.0.1", "-p", str(unused.getsockname()[1]), "-u", "/"]) == 1
    assert capsys.readouterr() == ("", "hakeep genhash: connecting: connection refused\n")


@pytest.mark.parametrize("words", [["-s", "nobody.example"], ["-p", "0"], ["-p", "x"], ["-P", "2"]])
def test_genhash_wrong_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        tool.main(["genhash", "-s", "127.0.0.1", "-p", "80", "-u", "/", *words])
    assert stopped.value.code == 2


def config(path: Path, web: Web) -> str:
    file = path / "hakeep.conf"
    file.write_text(f"""
        global_defs {{ script_user root }}
        virtual_server 192.0.2.100 80 {{
            lb_algo rr
            protocol TCP
            real_server 127.0.0.1 {web.port} {{
                HTTP_GET {{
                    url {{ path /a
                          status_code 404
                          digest {DIGEST} }}
                    url {{ path /b }}
                }}
                TCP_CHECK {{ }}
                MISC_CHECK {{ misc_path "/bin/sh -c 'exit 3'"
                              user {os.geteuid()}
                              misc_dynamic }}
            }}
            real_server 127.0.0.1 1 {{ TCP_CHECK {{ }} }}
            real_server 127.0.0.2 80 {{ }}
        }}
        virtual_server 192.0.2.101 80 {{
            protocol TCP
            real_server 127.0.0.1 {web.port} {{ TCP_CHECK {{ }} }}
        }}
        """.replace("{{", "{").replace("}}", "}"))
    return str(file)


def test_probe_shows_each_step(web: Web, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["probe", config(tmp_path, web), f"127.0.0.1:{web.port}"]) == 1
    out = capsys.readouterr().out
    titles = [line for line in out.splitlines() if line[:1] != " "]
    at = f"[127.0.0.1]:{web.port}"
    assert titles == [f"HTTP_GET of {at}, page 1 of 2", f"HTTP_GET of {at}, page 2 of 2", f"TCP_CHECK of {at}",
                      f"MISC_CHECK of {at}"]
    told = [re.sub(r"^ +\d+\.\d +", "", line).strip() for line in out.splitlines()]
    for line in ("connecting", "waiting for the reply", "> GET /a HTTP/1.0", "> User-Agent: KeepAliveClient",
                 "passed: status 404", "failed: status 404, not 200-299", "passed: connected",
                 "passed: exit status 3, weight 1"):
        assert line in told
    assert web.requests[0].startswith(b"GET /a ") and web.requests[1].startswith(b"GET /b ")


def test_probe_by_address_and_quietly(web: Web, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["probe", "-q", config(tmp_path, web), "127.0.0.1"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert lines[-1].endswith("failed: connecting: connection refused")


def test_probe_of_one_without_checks(web: Web, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["probe", config(tmp_path, web), "127.0.0.2"]) == 0
    assert "has no checks" in capsys.readouterr().out


@pytest.mark.parametrize("server", ["127.0.0.3", "127.0.0.1:2", "[::1]:80"])
def test_probe_of_nobody(server: str, web: Web, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["probe", config(tmp_path, web), server]) == 1
    assert "has no real server" in capsys.readouterr().err


@pytest.mark.parametrize("server", ["x", "127.0.0.1:x", "127.0.0.1:999999", "[::1", "[::1]x", ""])
def test_probe_wrong_usage(server: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        tool.main(["probe", "/dev/null", server])
    assert stopped.value.code == 2


@pytest.mark.parametrize(("data", "lines"), [
    (b"a\tb\r\nc\n", ["a    b", "c"]), (b"\x1b[31m", ["1b 5b 33 31 6d"]), (b"\xff", ["ff"]), (b"", ["nothing"]),
    ("ä".encode(), ["ä"])])
def test_what_a_terminal_gets_to_see(data: bytes, lines: list[str]) -> None:
    assert legible(data) == lines
