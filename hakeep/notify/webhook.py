"""What a post to a webhook says: one JSON document a change, and a signature that shows whose it is.

The document, version 1. Later versions may have more members; what stands here stays::

    {"version": 1, "id": "7d0c...-12", "time": "2026-11-21T08:00:00.123Z", "router_id": "first",
     "kind": "INSTANCE", "name": "VI_1", "state": "MASTER", "priority": 150, "why": "the master has stopped"}

`kind` is INSTANCE, GROUP, RS (a real server, with "virtual_server": its virtual server) or VS (a virtual server).
`priority` stands there for instances only. `id` is the same in every attempt to deliver a document. It does no I/O.
"""

from __future__ import annotations

import hmac
import json
from datetime import UTC, datetime
from typing import Any

from hakeep import __version__
from hakeep.notify.news import INSTANCE, REAL, News

VERSION = 1

SIGNATURE = "X-Hakeep-Signature"


def document(news: News, *, router_id: str, number: str, at: float) -> dict[str, Any]:
    """The document. `at` is the time of the change, in Unix seconds."""
    stamp = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    found: dict[str, Any] = {
        "version": VERSION, "id": number, "time": stamp, "router_id": router_id, "kind": news.kind, "name": news.name,
    }
    if news.kind == REAL:
        found["virtual_server"] = news.virtual
    found["state"] = news.state
    if news.kind == INSTANCE:
        found["priority"] = news.priority
    found["why"] = news.why
    return found


def encode(found: dict[str, Any]) -> bytes:
    """The body of the post: ASCII, whatever names are made of."""
    return json.dumps(found).encode("ascii")


def headers(body: bytes, secret: str) -> dict[str, str]:
    """The headers of a post; with a secret one of them is the signature of the body."""
    found = {"Content-Type": "application/json", "User-Agent": f"hakeep/{__version__}"}
    if secret:
        key = secret.encode("utf-8", "surrogateescape")
        found[SIGNATURE] = "sha256=" + hmac.digest(key, body, "sha256").hex()
    return found
