"""What alert mails say, and when there is one: grammar-and-semantics.md section 19."""

from __future__ import annotations

import email
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.config.settled import Global
from hakeep.notify.mail import body, subject, wanted
from hakeep.notify.news import News
from hakeep.notify.post.smtp import compose

NOW = "=> VRRP Instance is now owning VRRP VIPs <="
NOT = "=> VRRP Instance is no longer owning VRRP VIPs <="
RS, VS = "[10.0.0.5]:tcp:80", "[10.0.0.1]:tcp:80"


@pytest.mark.parametrize(("news", "says", "line"), [
    (News("INSTANCE", "VI_1", "MASTER"), "VRRP Instance VI_1 - Entering MASTER state", NOW),
    (News("INSTANCE", "VI_1", "BACKUP"), "VRRP Instance VI_1 - Entering BACKUP state", NOT),
    (News("INSTANCE", "VI_1", "FAULT"), "VRRP Instance VI_1 - Entering FAULT state", NOT),
    (News("INSTANCE", "VI_1", "STOP"), "VRRP Instance VI_1 - Stopping", "=> VRRP Instance stopping <="),
    (News("INSTANCE", "VI_1", "DELETED"), "VRRP Instance VI_1 - Deleted", "=> VRRP Deleted at reload <="),
    (News("GROUP", "VG", "MASTER"), "VRRP Group VG - Entering MASTER state",
     "=> All VRRP group instances are now in MASTER state <="),
    (News("GROUP", "VG", "FAULT"), "VRRP Group VG - Entering FAULT state",
     "=> All VRRP group instances are now in FAULT state <="),
    (News("GROUP", "VG", "STOP"), "VRRP Group VG - Stopping", "=> All VRRP group instances are now stopping <="),
    (News("RS", RS, "DOWN", virtual=VS, says="TCP CHECK failed on service"),
     f"Realserver {RS} of virtual server {VS} - DOWN", "=> TCP CHECK failed on service <="),
    (News("VS", VS, "UP", says="Gained quorum 1+0=1 <= 3"), f"Virtualserver {VS} - UP",
     "=> Gained quorum 1+0=1 <= 3 <="),
    (News("INSTANCE", "{virtual}", "MASTER"), "VRRP Instance {virtual} - Entering MASTER state", NOW),
])
def test_words(news: News, says: str, line: str) -> None:
    assert subject(news, "first") == f"[first] {says}"
    assert body(news) == line


MAIL = {"smtp_server": "192.0.2.1", "notification_email": ("a@example.org",)}


@pytest.mark.parametrize(("settings", "news", "expected"), [
    (MAIL, {}, True),
    (MAIL, {"mail": False}, False),
    ({"smtp_server": "192.0.2.1"}, {}, False),
    ({"notification_email": ("a@example.org",)}, {}, False),
    ({**MAIL, "no_email_faults": True}, {"state": "FAULT"}, False),
    ({**MAIL, "no_email_faults": True}, {"state": "BACKUP"}, True),
    (MAIL, {"check": "TCP_CHECK"}, True),
    ({**MAIL, "no_checker_emails": True}, {"check": "TCP_CHECK"}, False),
    ({**MAIL, "no_checker_emails": True}, {}, True),
])
def test_when(settings: dict[str, object], news: dict[str, object], expected: bool) -> None:
    found = News("INSTANCE", "VI_1", "MASTER", mail=True)._replace(**news)
    assert wanted(found, Global(**settings)) is expected  # type: ignore[arg-type]


ORDER = {
    "time": 1_800_000_000.0, "from": "root@first.example", "to": ["a@example.org", "b@example.org"], "id": "abc-1",
    "subject": "[first] VRRP Instance VI_1 - Entering MASTER state", "body": NOW,
}


def test_the_letter() -> None:
    text = compose(ORDER).as_bytes()
    assert text.isascii() and b"\r\n" in text and b"\n" not in text.replace(b"\r\n", b"")
    letter = email.message_from_bytes(text, policy=default)
    assert letter["Subject"] == ORDER["subject"]
    assert (letter["From"], letter["To"]) == ("root@first.example", "a@example.org, b@example.org")
    assert letter["X-Mailer"].startswith("Keepalived") and letter["Message-ID"] == "<abc-1@hakeep>"
    assert letter["Date"].datetime.timestamp() == ORDER["time"]
    assert letter.get_content().splitlines() == [NOW]


@given(st.text(), st.text(), st.text())
def test_whatever_names_are_made_of_there_is_a_letter_with_these_headers_only(
    name: str, body: str, address: str
) -> None:
    order = {**ORDER, "subject": name, "body": body, "to": [address], "from": address}
    text = compose(order).as_bytes()
    head, _, _ = text.partition(b"\r\n\r\n")
    names = {line.partition(b":")[0] for line in head.split(b"\r\n") if not line[:1].isspace()}
    assert text.isascii()
    assert names <= {b"Date", b"From", b"Subject", b"X-Mailer", b"To", b"Message-ID", b"Auto-Submitted",
                     b"Content-Type", b"Content-Transfer-Encoding", b"MIME-Version"}
