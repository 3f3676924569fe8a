"""Asks an HTTP server for its first line, over and over, and prints "START END LINE" for each request (see observe.py).

    client.py ADDRESS TIMEOUT
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time


def ask(address: str, timeout: float) -> str:
    """The last word of the page, or "" when it did not come in time."""
    with contextlib.suppress(OSError, IndexError), socket.create_connection((address, 80), timeout) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        page = b""
        while part := connection.recv(4096):
            page += part
        return page.split()[-1].decode()
    return ""


def main() -> None:
    address, timeout = sys.argv[1], float(sys.argv[2])
    while True:
        start = time.time()
        answer = ask(address, timeout)
        print(start, time.time(), answer, flush=True)
        if not answer:
            time.sleep(0.001)  # a refusal comes at once; a thousand of them a second are enough


if __name__ == "__main__":
    main()
