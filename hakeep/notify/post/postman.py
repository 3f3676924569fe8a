"""The postman: a small process that carries out one order at a time and says what came of it.

It speaks with hosts that may be dead, slow or hostile, so nobody waits for it: who sent it (hakeep.post) gives it one
order, and kills it if it takes too long. There is one for mail and one for webhooks. Orders and answers are JSON
datagrams on a SOCK_SEQPACKET pair:

    {"do": "mail", "total": 120.0, ...}      see `smtp`
    {"do": "webhook", "total": 30.0, ...}    see `http`

    {"outcome": "sent"}                      or refused, later, unreachable (outbox.Outcome), with "why"; of a letter
                                             that some recipients have got, "left" are the others

`total` is how many seconds all of it may take. It runs as nobody, with little memory, and ends when its socket does.
"""

from __future__ import annotations

import http.client
import json
import os
import pwd
import re
import resource
import signal
import smtplib
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NoReturn

from hakeep.notify.launcher import calm_down
from hakeep.notify.post import http as web
from hakeep.notify.post import smtp as mail
from hakeep.notify.post.attempt import Later, Refused, Unreachable, sentence

#: Largest datagram. Linux allows about 200 KiB on such a socket.
LARGEST = 1 << 18

#: Bytes of memory that a hostile server can make us fill.
MEMORY = 1 << 29

#: Signals that are meant for the daemon: the last letters are written after them. The socket alone decides.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

_CARRY_OUT: dict[str, Callable[[Mapping[str, Any]], None]] = {"mail": mail.deliver, "webhook": web.deliver}


def carry_out(order: Mapping[str, Any]) -> dict[str, Any]:
    """Do it; what came of it."""
    try:
        _CARRY_OUT[order["do"]](order)
    except Refused as error:
        return {"outcome": "refused", "why": str(error)}
    except Later as error:
        return {"outcome": "later", "why": str(error), "left": error.left}
    except (Unreachable, OSError, smtplib.SMTPException, http.client.HTTPException, MemoryError) as error:
        return {"outcome": "unreachable", "why": reason(error)}
    except (ValueError, UnicodeError, LookupError) as error:  # it cannot be put into words that the protocol has
        return {"outcome": "refused", "why": reason(error)}
    return {"outcome": "sent"}


def reason(error: BaseException) -> str:
    """A short sentence for the log."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not good: {sentence(error.verify_message)}"
        case socket.gaierror():
            return f"its name cannot be resolved: {sentence(error.strerror)}"
        case TimeoutError() | smtplib.SMTPServerDisconnected(__context__=TimeoutError()):
            return "it does not answer in time"
        case smtplib.SMTPResponseException():
            return mail.answered(error.smtp_code, error.smtp_error)
        case smtplib.SMTPServerDisconnected() | http.client.RemoteDisconnected():
            return "it closed the connection"
        case http.client.HTTPException() if not isinstance(error, http.client.InvalidURL):
            return "what it answers is no HTTP"
        case Unreachable():
            return str(error)
        case OSError() if error.strerror:
            return sentence(error.strerror).lower()
    return f"{type(error).__name__} {sentence(error)}".rstrip()


def server(order: Mapping[str, Any]) -> str:
    """Who is spoken with. Of a webhook without its path and account: these may be secrets, and go to the log."""
    if order["do"] == "mail":
        return f"{order['server']} port {order['port']}"
    return re.split("[/?#]", order["url"].partition("://")[2])[0].rpartition("@")[2]


def serve(channel: socket.socket) -> None:
    """Carry out orders until there are no more."""
    signal.signal(signal.SIGALRM, _too_late)
    while data := channel.recv(LARGEST):
        order = json.loads(data)
        signal.setitimer(signal.ITIMER_REAL, order["total"])
        try:
            answer = carry_out(order)
            signal.setitimer(signal.ITIMER_REAL, 0)
        except TimeoutError as error:
            answer = {"outcome": "unreachable", "why": reason(error)}
        if "why" in answer:
            answer["why"] = f"{server(order)}: {answer['why']}"
        channel.send(json.dumps(answer).encode())


def _too_late(number: int, frame: object) -> NoReturn:
    raise TimeoutError


def become_nobody() -> None:
    """What speaks with strangers needs no rights. Modules that are only imported when they are used come first: nobody
    may not be allowed to read them."""
    mail.compose({"time": 0.0, "from": "ü@b", "to": ["b"], "subject": "ü", "body": "ü", "id": "1"}).as_bytes()
    ssl.create_default_context()
    "ü".encode("idna")
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    if os.geteuid() == 0:
        with suppress(OSError, KeyError):  # where there is no such user, or none at all, as in some containers
            nobody = pwd.getpwnam("nobody")
            os.setgroups([])
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)


def main(descriptor: int) -> None:
    """Be the postman, on the socket with this file descriptor."""
    os.set_inheritable(descriptor, False)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    calm_down()
    become_nobody()
    with socket.socket(fileno=descriptor) as channel, suppress(ConnectionError):
        serve(channel)
