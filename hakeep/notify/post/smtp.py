"""A letter to the mail relay: one connection, one letter, by the standard library.

An order says all there is to know::

    {"server": "192.0.2.25", "port": 25, "timeout": 30.0, "helo": "", "starttls": "auto", "login": [],
     "from": "root@first", "to": ["a@example.org"], "left": ["a@example.org"], "subject": "...", "body": "...",
     "time": 1795248000.0, "id": "7d0c...-12"}

`to` is what the letter says, `left` who has not got it yet. Times are in Unix seconds.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from email.headerregistry import HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from functools import cache
from typing import Any

from hakeep.notify.post.attempt import Later, Refused, Unreachable, sentence

#: Addresses are written as the configuration has them, without a parser that might not take to them.
_HEADERS = HeaderRegistry()
for _name_of_header in ("from", "to", "date", "message-id"):
    _HEADERS.map_to_type(_name_of_header, UnstructuredHeader)  # type: ignore[arg-type]  # typeshed takes it for another

#: Nothing but ASCII goes over the wire; the policy encodes the rest.
POLICY = SMTP.clone(cte_type="7bit", header_factory=_HEADERS)

#: Where everything is encrypted from the start (RFC 8314).
SUBMISSIONS = 465

#: The reply code of a relay that closes the connection (RFC 5321 section 3.8).
CLOSING = 421

#: Seconds for the answer to QUIT.
GOODBYE = 2.0


def compose(order: Mapping[str, Any]) -> EmailMessage:
    """The letter. Keepalived's filters go by X-Mailer, too."""
    letter = EmailMessage(policy=POLICY)
    letter["Date"] = format_datetime(datetime.fromtimestamp(order["time"]).astimezone())
    letter["From"] = _plain(order["from"])
    letter["Subject"] = _plain(order["subject"])
    letter["X-Mailer"] = "Keepalived (hakeep)"
    letter["To"] = ", ".join(map(_plain, order["to"]))
    letter["Message-ID"] = f"<{order['id']}@hakeep>"  # every attempt has the same
    letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday message answers it
    letter.set_content(_plain(order["body"]))
    return letter


def _plain(text: str) -> str:
    """Text without what would end a header, and without bytes that are no characters."""
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "?" for char in text)


def deliver(order: Mapping[str, Any]) -> None:
    """Give the letter to the relay. Raises Refused, Later, Unreachable, OSError or SMTPException."""
    letter = compose(order).as_bytes()
    relay = _greet(order)
    try:
        _log_in(relay, order)
        _hand_over(relay, order, letter)
    finally:
        _say_goodbye(relay)


class _Unencrypted(Unreachable):
    """The relay offers STARTTLS and then does not do it."""


def answered(code: int, said: object) -> str:
    """What the relay answered, for a line of the log. (smtplib's code -1: it has none, and what it says changes.)"""
    return "what it answers is no SMTP" if code == -1 else f"{code} {sentence(said)}"


def _greet(order: Mapping[str, Any]) -> smtplib.SMTP:
    """The relay, ready for the letter. Where encryption is only better than nothing, nothing is better than no mail:
    a relay whose TLS is too old for us, or not there today, gets the letter in the clear."""
    try:
        return _meet(order)
    except (ssl.SSLError, _Unencrypted):
        if order["starttls"] != "auto" or order["login"]:
            raise
        return _meet({**order, "starttls": "off"})


def _meet(order: Mapping[str, Any]) -> smtplib.SMTP:
    relay = _connect(order)
    try:
        _encrypt(relay, order)
    except BaseException:
        relay.close()
        raise
    return relay


def _connect(order: Mapping[str, Any]) -> smtplib.SMTP:
    host, port, own = order["server"], order["port"], order["helo"] or _own_name()
    if port == SUBMISSIONS and order["starttls"] != "off":
        return smtplib.SMTP_SSL(host, port, own, timeout=order["timeout"], context=_context(order))
    return smtplib.SMTP(host, port, own, timeout=order["timeout"])


@cache
def _own_name() -> str:
    """This host's full name, else its address as RFC 5321 (section 4.1.3) writes it. May ask the DNS."""
    name = socket.getfqdn()
    return name if "." in name else "[127.0.0.1]"


def _context(order: Mapping[str, Any]) -> ssl.SSLContext:
    """The relay must prove who it is where that was asked for, and before it gets a password."""
    context = ssl.create_default_context()
    if order["starttls"] != "require" and not order["login"]:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _encrypt(relay: smtplib.SMTP, order: Mapping[str, Any]) -> None:
    relay.ehlo_or_helo_if_needed()
    if order["starttls"] == "off" or isinstance(relay, smtplib.SMTP_SSL):
        return
    if relay.has_extn("starttls"):
        try:
            relay.starttls(context=_context(order))
        except smtplib.SMTPResponseException as error:
            said = answered(error.smtp_code, error.smtp_error)
            raise _Unencrypted(f"the relay offers STARTTLS but does not do it: {said}") from None
        relay.ehlo_or_helo_if_needed()
    elif order["starttls"] == "require":
        raise Unreachable("the relay does not offer STARTTLS (smtp_starttls require)")
    elif order["login"]:
        raise Unreachable("the relay does not offer STARTTLS, and our password is not for everybody to hear")


def _log_in(relay: smtplib.SMTP, order: Mapping[str, Any]) -> None:
    """What the relay answers is not repeated: it may be what we said."""
    if not order["login"]:
        return
    try:
        relay.login(*order["login"])
    except smtplib.SMTPResponseException as error:
        raise Unreachable(f"the relay refuses our login (code {error.smtp_code})") from None
    except UnicodeError:
        raise Unreachable("smtp_login has characters that are not ASCII") from None


def _hand_over(relay: smtplib.SMTP, order: Mapping[str, Any], letter: bytes) -> None:
    code, said = relay.mail(parseaddr(_plain(order["from"]))[1] or order["from"])
    _judge(code, said, order["left"])
    later: dict[str, str] = {}
    refused: list[str] = []
    for address in order["left"]:
        code, said = _name(relay, address)
        text = answered(code, said)
        if code == CLOSING or code < 200:
            raise Unreachable(text)
        if 400 <= code < 500:
            later[address] = f"{address}: {text}"
        elif not 200 <= code < 300:
            refused.append(f"{address}: {text}")
    if len(later) + len(refused) < len(order["left"]):
        _judge(*_write(relay, letter), order["left"])
    if later:
        raise Later("; ".join([*later.values(), *refused]), tuple(later))
    if refused:
        raise Refused("; ".join(refused))


def _name(relay: smtplib.SMTP, address: str) -> tuple[int, bytes]:
    """Name a recipient."""
    try:
        return relay.rcpt(parseaddr(address)[1] or address)
    except (UnicodeError, ValueError):
        return 553, b"not an address that could be sent"


def _write(relay: smtplib.SMTP, letter: bytes) -> tuple[int, bytes]:
    """The letter itself."""
    try:
        return relay.data(letter)
    except smtplib.SMTPDataError as error:  # it does not even want to hear it
        said = error.smtp_error
        return error.smtp_code, said if isinstance(said, bytes) else said.encode()


def _judge(code: int, said: bytes, left: list[str]) -> None:
    """What the answer to a command means for the letter (RFC 5321 section 4.2.1)."""
    if 200 <= code < 300:
        return
    text = answered(code, said)
    if code == CLOSING or code < 400:
        raise Unreachable(text)
    if code < 500:
        raise Later(text, tuple(left))
    raise Refused(text)


def _say_goodbye(relay: smtplib.SMTP) -> None:
    """Whatever the relay makes of it, and for no longer than a moment: its word on the letter stands."""
    with suppress(OSError):
        if relay.sock is not None:
            relay.sock.settimeout(GOODBYE)
            relay.quit()
    relay.close()
