"""Servers on loopback that do exactly what a test says, each connection in a thread, and remember what they heard."""

from __future__ import annotations

import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

#: Seconds after which a test that hangs is a failure.
DEADLINE = 20.0


class Certificate(NamedTuple):
    file: str
    key: str

    def context(self) -> ssl.SSLContext:
        """A server's context."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context


def issue(folder: Path, name: str = "good.example") -> Certificate:
    """A certificate for `name`, localhost and 127.0.0.1, signed by itself."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "365", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},DNS:localhost,IP:127.0.0.1",
         "-keyout", key, "-out", certificate], check=True, capture_output=True)
    certificate.chmod(0o644)
    return Certificate(str(certificate), str(key))


class Talk:
    """One connection, as the server has it."""

    def __init__(self, sock: socket.socket, server: Server) -> None:
        self.sock = sock
        self.server = server
        self.buffer = b""

    def line(self) -> bytes:
        """The next line, b"" at the end."""
        while b"\n" not in self.buffer:
            data = self.sock.recv(65536)
            if not data:
                return b""
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        self.server.heard.append(line.rstrip(b"\r"))
        return line + b"\n"

    def until(self, end: bytes) -> bytes:
        """All up to `end`."""
        while end not in self.buffer:
            data = self.sock.recv(65536)
            if not data:
                break
            self.buffer += data
        found, _, self.buffer = self.buffer.partition(end)
        return found

    def say(self, text: bytes) -> None:
        self.sock.sendall(text)

    def encrypt(self, certificate: Certificate) -> None:
        self.sock = certificate.context().wrap_socket(self.sock, server_side=True)

    def reset(self) -> None:
        """Close it with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def hang(self) -> None:
        """Say nothing until the other side has gone or the test is over."""
        with suppress(OSError):
            while self.sock.recv(65536):
                pass


class Server:
    """`heard`: lines; `letters`: what came by DATA; `posts`: requests as (head, body); `sessions`: how many."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.port = int(sock.getsockname()[1])
        self.heard: list[bytes] = []
        self.letters: list[bytes] = []
        self.posts: list[tuple[bytes, bytes]] = []
        self.sessions = 0
        self.errors: list[BaseException] = []


Script = Callable[[Talk], None]


@contextmanager
def serving(*scripts: Script, on: socket.socket | None = None) -> Iterator[Server]:
    """A server that treats each connection with the next script, and those after the last one with the last. It listens
    `on` a socket, else on loopback."""
    with on or socket.create_server(("127.0.0.1", 0)) as listening:
        server, talks = Server(listening), []

        def serve(talk: Talk, script: Script) -> None:
            with suppress(OSError):
                try:
                    script(talk)
                finally:
                    talk.sock.close()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    sock, _ = listening.accept()
                    sock.settimeout(DEADLINE)
                    script = scripts[min(server.sessions, len(scripts) - 1)]
                    server.sessions += 1
                    talk = Talk(sock, server)
                    talks.append(talk)
                    threading.Thread(target=serve, args=(talk, script), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            for talk in talks:
                with suppress(OSError):
                    talk.sock.shutdown(socket.SHUT_RDWR)
            thread.join(DEADLINE)


# ---------------------------------------------------------------------------------------------------------------- mail


def relay(
    *, greeting: bytes = b"220 relay", ehlo: bytes = b"", hello: bytes = b"250 relay", tls: Certificate | None = None,
    auth: bool = False, sender: bytes = b"250 ok", recipients: dict[str, bytes] | None = None,
    data: bytes = b"354 go on", end: bytes = b"250 taken", drop_in_data: bool = False,
) -> Script:
    """A mail relay that answers so. `tls`: it offers STARTTLS; `auth`: AUTH PLAIN, once the way is encrypted or if
    there is no TLS. `recipients`: answers by address, 250 for others. `drop_in_data`: it hangs up in the middle."""

    def script(talk: Talk) -> None:
        talk.say(greeting + b"\r\n")
        secure = False
        while line := talk.line():
            verb = line[:4].upper()
            if verb == b"EHLO" and ehlo:
                talk.say(ehlo + b"\r\n")
            elif verb in (b"EHLO", b"HELO"):
                offers = ([b"STARTTLS"] if tls and not secure else []) + ([b"AUTH PLAIN"] if auth else [])
                if verb == b"HELO" or not offers:
                    talk.say(hello + b"\r\n")
                else:
                    talk.say(b"".join(b"250-" + each + b"\r\n" for each in (b"relay", *offers)) + b"250 SIZE\r\n")
            elif verb == b"STAR" and tls:
                talk.say(b"220 go on\r\n")
                talk.encrypt(tls)
                secure = True
                talk.server.heard.append(b"(encrypted)")
            elif verb == b"AUTH":
                talk.say(b"235 ok\r\n" if line.strip().endswith(b"AHVzZXIAc2VzYW1l") else b"535 no: sesame?\r\n")
            elif verb == b"MAIL":
                talk.say(sender + b"\r\n")
            elif verb == b"RCPT":
                address = line.partition(b"<")[2].partition(b">")[0].decode()
                talk.say((recipients or {}).get(address, b"250 ok") + b"\r\n")
            elif verb == b"DATA":
                talk.say(data + b"\r\n")
                if drop_in_data:
                    return
                if data.startswith(b"354"):
                    letter = talk.until(b"\r\n.\r\n")
                    if end.startswith(b"2"):
                        talk.server.letters.append(letter)
                    talk.say(end + b"\r\n")
            elif verb == b"QUIT":
                talk.say(b"221 bye\r\n")
                return
            else:
                talk.say(b"250 ok\r\n")

    return script


def hangs(talk: Talk) -> None:
    """Accepts, and that is all."""
    talk.hang()


def drips(talk: Talk) -> None:
    """Never ends its greeting, and never stops."""
    with suppress(OSError):
        while True:
            talk.say(b"220-and\r\n")
            time.sleep(0.001)


def resets(talk: Talk) -> None:
    talk.reset()


# ------------------------------------------------------------------------------------------------------------ webhooks


def answers(answer: bytes = b"HTTP/1.1 204 No Content\r\n\r\n", *, tls: Certificate | None = None) -> Script:
    """A web server that takes a post and answers so."""

    def script(talk: Talk) -> None:
        if tls:
            talk.encrypt(tls)
        head = talk.until(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n")
                       if line.lower().startswith(b"content-length")), 0)
        while len(talk.buffer) < length:
            data = talk.sock.recv(65536)
            if not data:
                return
            talk.buffer += data
        talk.server.posts.append((head, talk.buffer[:length]))
        talk.say(answer)

    return script
