"""What posts to webhooks say, and how they are signed."""

from __future__ import annotations

import json

import pytest

from hakeep.notify import webhook
from hakeep.notify.news import News

COMMON = {"version": 1, "id": "abc-1", "time": "2027-01-15T08:00:00.250Z", "router_id": "first"}


@pytest.mark.parametrize(("news", "more"), [
    (News("INSTANCE", "VI_1", "MASTER", 150, "no master"),
     {"kind": "INSTANCE", "name": "VI_1", "state": "MASTER", "priority": 150, "why": "no master"}),
    (News("GROUP", "VG", "FAULT", 0, "VI_1: link eth0 is down"),
     {"kind": "GROUP", "name": "VG", "state": "FAULT", "why": "VI_1: link eth0 is down"}),
    (News("RS", "r", "DOWN", why="TCP_CHECK: refused", virtual="v", says="x"),
     {"kind": "RS", "name": "r", "virtual_server": "v", "state": "DOWN", "why": "TCP_CHECK: refused"}),
    (News("VS", "v", "UP", why="Gained quorum 1+0=1 <= 3"),
     {"kind": "VS", "name": "v", "state": "UP", "why": "Gained quorum 1+0=1 <= 3"}),
])
def test_documents(news: News, more: dict[str, object]) -> None:
    found = webhook.document(news, router_id="first", number="abc-1", at=1_800_000_000.25)
    assert found == {**COMMON, **more}


def test_the_body_is_ascii_whatever_names_are_made_of() -> None:
    found = webhook.document(News("INSTANCE", "ü\udc80\n", "MASTER"), router_id="é", number="1", at=0.0)
    assert json.loads(webhook.encode(found))["name"] == "ü\udc80\n"


def test_a_signature() -> None:
    """The second case of RFC 4231."""
    body = b"what do ya want for nothing?"
    assert webhook.headers(body, "Jefe")["X-Hakeep-Signature"] == (
        "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    assert "X-Hakeep-Signature" not in webhook.headers(body, "")
    assert webhook.headers(body, "")["Content-Type"] == "application/json"
