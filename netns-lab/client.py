"""Asks an HTTP server for its first line, over and over, and prints "START END REACHED LINE" for each try.

    client.py ADDRESS TIMEOUT [PATIENCE]

REACHED is 1 when there was a connection, 0 when there was none within TIMEOUT: then the next try is the same request.
An answer that does not come within TIMEOUT is waited for aside, for PATIENCE more, while others are asked for. All
times are in seconds; observe.py reads what is printed.
"""

from __future__ import annotations

import socket
import sys
import threading
import time

_printing = threading.Lock()


def tell(start: float, reached: bool, answer: str) -> None:
    """Print how a try ended, which is now."""
    with _printing:  # so that lines are in the order of their ends
        print(start, time.time(), int(reached), answer, flush=True)


def answer(connection: socket.socket, page: bytearray) -> str:
    """The last word of the page, "" when it has none. What came is in `page`, also when TimeoutError is raised."""
    try:
        while part := connection.recv(4096):
            page += part
    except TimeoutError:
        raise
    except OSError:
        return ""
    return page.split()[-1].decode() if page else ""


def wait_aside(start: float, connection: socket.socket, page: bytearray, patience: float) -> None:
    """Wait for a late answer."""
    connection.settimeout(patience)
    with connection:
        try:
            word = answer(connection, page)
        except TimeoutError:
            word = ""
        tell(start, True, word)


def ask(address: str, timeout: float, patience: float) -> None:
    """One try."""
    start = time.time()
    try:
        connection = socket.create_connection((address, 80), timeout)
    except OSError:
        tell(start, False, "")
        time.sleep(0.001)  # a refusal comes at once; a thousand of them a second are enough
        return
    page = bytearray()
    try:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        word = answer(connection, page)
    except TimeoutError:
        if patience:
            threading.Thread(target=wait_aside, args=(start, connection, page, patience), daemon=True).start()
            return
        word = ""
    except OSError:
        word = ""
    connection.close()
    tell(start, True, word)


def main() -> None:
    address, timeout, patience = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
    while True:
        ask(address, timeout, patience)


if __name__ == "__main__":
    main()
