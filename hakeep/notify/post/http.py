"""A post to a webhook: one connection, one request, by the standard library.

An order: ``{"url": "https://...", "headers": {...}, "body": "...", "timeout": 10.0}``. The server's certificate must be
good. Redirects are not followed (who may be told is what the configuration says), and of the answer only its status
counts: the rest is not read, however long it may be.
"""

from __future__ import annotations

import http.client
import ssl
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from hakeep.notify.post.attempt import Refused, Unreachable, sentence

#: What may be otherwise another time although the server is not to blame (RFC 9110, 8470, 6585).
TEMPORARY = frozenset({408, 425, 429})


def deliver(order: Mapping[str, Any]) -> None:
    """Send it. Raises Refused, Unreachable, OSError or HTTPException."""
    parts = urlsplit(order["url"])
    connection = _connection(parts, order["timeout"])
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        body = order["body"].encode("ascii")
        connection.request("POST", path, body, {**order["headers"], **_account(parts), "Connection": "close"})
        answer = connection.getresponse()
    finally:
        connection.close()
    _judge(answer.status, answer.reason)


def _connection(parts: SplitResult, timeout: float) -> http.client.HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, parts.port, timeout=timeout)


def _account(parts: SplitResult) -> dict[str, str]:
    """The header for user and password of the address, if it has them."""
    if parts.username is None:
        return {}
    words = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return {"Authorization": f"Basic {b64encode(words).decode()}"}


def _judge(status: int, reason: str) -> None:
    if 200 <= status < 300:
        return
    text = f"status {status} {sentence(reason)}".rstrip()
    if status >= 500 or status in TEMPORARY:
        raise Unreachable(text)
    raise Refused(f"{text}: redirects are not followed, notify_webhook must name the last address" if status < 400
                  else text)
