"""Mail that cannot be sent, and passwords that all can hear."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from hakeep.config.diagnostic import Code
from hakeep.config.rules.rule import Found, advice, rule
from hakeep.config.rules.view import View
from hakeep.config.schema import Section
from hakeep.config.values.addresses import parse_ip


@rule(Code.NO_MAIL)
def no_mail(view: View) -> Iterator[Found]:
    """smtp_alert without anybody to write to

    Mail needs smtp_server and at least one address in notification_email. Without them nothing is sent, and nothing
    says so.

    Example::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            smtp_alert
        }

    Cure::

        global_defs {
            notification_email { root@example.org }
            smtp_server 192.0.2.25
        }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            smtp_alert
        }
    """
    lacks = [word for word in ("notification_email", "smtp_server") if not getattr(view.globals, word)]
    if not lacks:
        return
    places: list[tuple[Section, str]] = [(view.globals, word) for word in (
        "smtp_alert", "smtp_alert_vrrp", "smtp_alert_checker") if getattr(view.globals, word)]
    for owner in view.owners:
        if owner.smtp_alert:
            places.append((owner, "smtp_alert"))
    places += [(service, "smtp_alert") for service in view.services if service.get("smtp_alert")]
    for section, keyword in places[:1]:
        yield advice(f"{keyword}: without {' and '.join(lacks)} no mail can be sent", section.span(keyword),
                     fix=f"add {' and '.join(lacks)} to global_defs")


@rule(Code.SECRET_IN_CLEAR)
def secret_in_clear(view: View) -> Iterator[Found]:
    """A password that goes over the network in the clear

    With smtp_starttls off the password of smtp_login can be read by everybody on the way to the relay, and so can that
    in the address of a webhook that begins with http. Whoever has it can send in our name.

    Example::

        global_defs {
            notification_email { root@example.org }
            smtp_server 192.0.2.25
            smtp_login alerts secret
            smtp_starttls off
        }

    Cure::

        global_defs {
            notification_email { root@example.org }
            smtp_server mail.example.org
            smtp_login alerts secret
        }
    """
    written = view.globals
    if written.smtp_login and written.smtp_starttls == "off" and not _is_here(str((written.smtp_server or ("",))[0])):
        yield advice("smtp_login: everybody on the way to the relay can read the password",
                     written.span("smtp_starttls"), fix="take smtp_starttls off out")
    url = urlsplit(written.notify_webhook or "")
    if url.scheme == "http" and url.password and not _is_here(url.hostname or ""):
        yield advice("notify_webhook: everybody on the way there can read the password",
                     written.span("notify_webhook"), fix="write https instead of http")


def _is_here(host: str) -> bool:
    ip = parse_ip(host)
    return host == "localhost" or (ip is not None and ip.is_loopback)
