"""Mail that cannot be sent."""

from __future__ import annotations

from collections.abc import Iterator

from hakeep.config.diagnostic import Code
from hakeep.config.rules.rule import Found, advice, rule
from hakeep.config.rules.view import View
from hakeep.config.schema import Section


@rule(Code.NO_MAIL)
def no_mail(view: View) -> Iterator[Found]:
    """smtp_alert without anybody to write to

    Mail needs smtp_server and at least one address in notification_email. Without them nothing is sent, and nothing
    says so. (hakeep sends no mail yet; this is about what the file asks for.)

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
