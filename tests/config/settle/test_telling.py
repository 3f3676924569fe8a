"""Who gets mail about what, and through whom: global_defs and smtp_alert, settled."""

from __future__ import annotations

from typing import Any

import pytest

from hakeep import facts
from hakeep.config.settled import Settings

INSTANCE = "vrrp_instance a {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\n192.0.2.1/24\n}\n%s\n}\n"


def globals_of(load: Any, text: str) -> Any:
    return load(f"global_defs {{\n{text}\n}}\n" + INSTANCE % "").settings.globals


def test_nothing_is_sent_that_nobody_asked_for(load: Any) -> None:
    found = globals_of(load, "")
    assert not found.mails and not found.tells
    assert (found.smtp_port, found.smtp_connect_timeout, found.smtp_starttls, found.smtp_queue_max) == (
        25, 30.0, "auto", 1000)


@pytest.mark.parametrize(("text", "expected"), [
    ("smtp_server 192.0.2.25", {"smtp_server": "192.0.2.25", "smtp_port": 25, "mails": False}),
    ("smtp_server mail.example.org 587", {"smtp_server": "mail.example.org", "smtp_port": 587}),
    ("smtp_server 2001:db8::25", {"smtp_server": "2001:db8::25"}),
    ("notification_email {\na@x b@x\na@x\n}", {"notification_email": ("a@x", "b@x"), "mails": False}),
    ("smtp_server 192.0.2.25\nnotification_email {\na@x\n}", {"mails": True, "tells": True}),
    ("notification_email_from b@x", {"notification_email_from": "b@x"}),
    ("smtp_helo_name first.example", {"smtp_helo_name": "first.example"}),
    ("smtp_connect_timeout 5", {"smtp_connect_timeout": 5.0}),
    ("smtp_connect_timeout 0", {"smtp_connect_timeout": 1.0}),
    ("smtp_starttls require", {"smtp_starttls": "require"}), ("smtp_starttls off", {"smtp_starttls": "off"}),
    ("smtp_login alerts \"open sesame\"", {"smtp_login": ("alerts", "open sesame")}),
    ("smtp_queue_max 7", {"smtp_queue_max": 7}),
    ("no_email_faults\nno_checker_emails", {"no_email_faults": True, "no_checker_emails": True}),
    ("no_checker_emails false", {"no_checker_emails": False}),
    ("notify_webhook https://x.example/y\nnotify_webhook_secret s",
     {"notify_webhook": "https://x.example/y", "notify_webhook_secret": "s", "tells": True, "mails": False}),
    ("notify_webhook ftp://x.example/y", {"notify_webhook": "", "tells": False}),
])
def test_global_keywords(load: Any, text: str, expected: dict[str, object]) -> None:
    found = globals_of(load, text)
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(("defaults", "own", "expected"), [
    ("", "", False), ("", "smtp_alert", True), ("smtp_alert", "", True), ("smtp_alert", "smtp_alert false", False),
    ("smtp_alert_vrrp", "", True), ("smtp_alert\nsmtp_alert_vrrp false", "", False),
    ("smtp_alert false\nsmtp_alert_vrrp", "", True), ("smtp_alert_checker", "", False),
])
def test_smtp_alert_of_instances(load: Any, defaults: str, own: str, expected: bool) -> None:
    loaded = load(f"global_defs {{\n{defaults}\n}}\n" + INSTANCE % own)
    assert loaded.settings.vrrp[0].notify.smtp_alert is expected


@pytest.mark.parametrize(("defaults", "outside", "own", "expected"), [
    ("", "", "", True), ("smtp_alert false", "", "", False), ("smtp_alert_checker false", "", "", False),
    ("smtp_alert false\nsmtp_alert_checker", "", "", True), ("smtp_alert_checker", "smtp_alert false", "", False),
    ("smtp_alert_checker false", "smtp_alert", "", True), ("", "smtp_alert false", "smtp_alert", True),
    ("", "smtp_alert", "smtp_alert false", False), ("smtp_alert_vrrp false", "", "", True),
])
def test_smtp_alert_of_real_servers(virtual: Any, defaults: str, outside: str, own: str, expected: bool) -> None:
    found = virtual(outside, inside=own, outside=f"global_defs {{\n{defaults}\n}}")
    assert found.reals[0].smtp_alert is expected


def test_the_supervisor_hears_of_all_of_it(load: Any) -> None:
    found = globals_of(load, "smtp_server x 2525\nnotification_email {\na@x b@x\n}\nsmtp_login u p\nsmtp_starttls off\n"
                             "notify_webhook http://x/\nnotify_webhook_secret s\nno_email_faults\nsmtp_queue_max 3")
    assert facts.decode(facts.encode(Settings(globals=found))).globals == found


def test_secrets_are_not_in_what_is_printed(load: Any) -> None:
    found = globals_of(load, "smtp_login u sesame\nnotify_webhook http://x/token\nnotify_webhook_secret geheim")
    assert not [word for word in ("sesame", "token", "geheim") if word in repr(found)]


@pytest.mark.parametrize(("text", "told"), [
    ("smtp_login u p", "smtp_login has no effect without smtp_server"),
    ("notify_webhook_secret s", "notify_webhook_secret has no effect without notify_webhook"),
    ("smtp_server 192.0.2.25\nsmtp_login u p\nsmtp_starttls off", "smtp_login: everybody on the way to the relay can"),
    ("smtp_server 127.0.0.1\nsmtp_login u p\nsmtp_starttls off", ""),
    ("smtp_server 192.0.2.25\nsmtp_login u p", ""),
    ("notify_webhook http://u:p@192.0.2.1/", "notify_webhook: everybody on the way there can"),
    ("notify_webhook http://u:p@localhost/", ""), ("notify_webhook https://u:p@192.0.2.1/", ""),
    ("notify_webhook http://192.0.2.1/\nnotify_webhook_secret s", ""),
])
def test_advice(load: Any, text: str, told: str) -> None:
    found = load(f"global_defs {{\n{text}\n}}\n" + INSTANCE % "").diagnostics
    assert [d.message[:len(told)] for d in found] == ([told] if told else [])
