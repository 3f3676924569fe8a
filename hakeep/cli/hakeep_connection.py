"""The tool's end of the control socket: plain blocking calls with a deadline, and sentences for what goes wrong."""

from __future__ import annotations

import argparse
import socket
from types import TracebackType

from hakeep.report.protocol import ProtocolError, Refused, Request, encode_request, socket_path

#: Exit statuses.
DONE, FAILED, DEAD = 0, 1, 3

#: Seconds that the daemon has for an answer. Its supervisor waits for its workers at most (`requests.LVS_LONGEST`).
PATIENCE = 8.0

#: The longest answer that is read, in bytes: hundred times what ten thousand instances need.
LONGEST_ANSWER = 1 << 30


class Dead(Exception):
    """The daemon does not run, or does not answer. The text is a sentence."""


def add_socket_options(parser: argparse.ArgumentParser) -> None:
    """Declare --instance and --socket; `socket_of` reads them."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--instance", metavar="NAME", default="", help="talk to the daemon with this instance name")
    group.add_argument("--socket", metavar="PATH", help=f"talk to this control socket (default: {socket_path()})")


def socket_of(arguments: argparse.Namespace) -> str:
    """The control socket that the options name."""
    return arguments.socket or socket_path(arguments.instance)


class Connection:
    """A connection to the daemon that listens at `path`, with `request` sent. Raises Dead, or Refused (not permitted).

    A context manager; `line` reads answers.
    """

    def __init__(self, path: str, request: Request) -> None:
        self._path = path
        self._received = bytearray()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(PATIENCE)
        try:
            self._socket.connect(path)
            self._socket.sendall(encode_request(request))
        except OSError as error:
            self._socket.close()
            raise self._explain(error) from None

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._socket.close()

    def ask(self, request: Request) -> None:
        """Send one more request. Raises Dead."""
        try:
            self._socket.sendall(encode_request(request))
        except OSError as error:
            raise self._explain(error) from None

    def line(self, timeout: float | None = PATIENCE) -> bytes:
        """The next line. Raises Dead when the daemon goes, and TimeoutError when `timeout` (given) seconds are over."""
        while True:
            line, newline, rest = self._received.partition(b"\n")
            if newline:
                self._received = rest
                return bytes(line)
            if len(self._received) > LONGEST_ANSWER:
                raise ProtocolError("the daemon's answer does not end")
            self._socket.settimeout(timeout)
            try:
                data = self._socket.recv(1 << 20)
            except TimeoutError:
                raise
            except OSError as error:
                raise self._explain(error) from None
            if not data:
                raise Dead(f"hakeepd closed the connection at {self._path}; it is stopping or has died")
            self._received += data

    def _explain(self, error: OSError) -> Exception:
        match error:
            case FileNotFoundError():
                return Dead(f"hakeepd is not running: there is no control socket {self._path}")
            case ConnectionRefusedError():
                return Dead(f"hakeepd is not running: nobody listens at {self._path}, it is left over")
            case PermissionError():
                return Refused(f"you may not open {self._path}; hakeepd talks to root only")
            case ConnectionError():
                return Dead(f"hakeepd closed the connection at {self._path}; it is stopping or has died")
            case TimeoutError() | BlockingIOError():
                return Dead(f"hakeepd does not answer at {self._path}")
            case _:
                return Refused(f"cannot open {self._path}: {error.strerror or error}")


def ask(path: str, request: Request) -> bytes:
    """Send `request` and return the line that answers it. Raises Dead or Refused."""
    with Connection(path, request) as connection:
        try:
            return connection.line()
        except TimeoutError:
            raise Dead(f"hakeepd does not answer at {path}") from None
