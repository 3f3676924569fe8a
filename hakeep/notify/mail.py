"""What a letter says: subject and body of keepalived's alert mail, word for word, because filters look for them.

It does no I/O; `post.smtp` brings the letter to the relay.
"""

from __future__ import annotations

from hakeep.config.settled import Global
from hakeep.notify.news import GROUP, INSTANCE, REAL, VIRTUAL, News
from hakeep.vrrp.messages import State

_TITLES = {
    INSTANCE: "VRRP Instance {name}",
    GROUP: "VRRP Group {name}",
    REAL: "Realserver {name} of virtual server {virtual}",
    VIRTUAL: "Virtualserver {name}",
}
_ENDS = {State.STOP: "Stopping", State.DELETED: "Deleted"}


def wanted(news: News, settings: Global) -> bool:
    """Is there to be a letter about it?"""
    if not (news.mail and settings.mails):
        return False
    if settings.no_email_faults and news.state == State.FAULT:
        return False
    return not (news.check and settings.no_checker_emails)


def subject(news: News, router_id: str) -> str:
    """``[first] VRRP Instance VI_1 - Entering MASTER state``."""
    title = _TITLES[news.kind].replace("{virtual}", news.virtual).replace("{name}", news.name)
    return f"[{router_id}] {title} - {_end(news)}"


def _end(news: News) -> str:
    if news.kind in (REAL, VIRTUAL):
        return news.state
    for state, end in _ENDS.items():
        if news.state == state:
            return end
    return f"Entering {news.state} state"


def body(news: News) -> str:
    """``=> VRRP Instance is now owning VRRP VIPs <=``."""
    if news.kind in (REAL, VIRTUAL):
        return f"=> {news.says} <="
    if news.kind == GROUP:
        return f"=> All VRRP group instances are now {_where(news.state)} <="
    if news.state == State.STOP:
        return "=> VRRP Instance stopping <="
    if news.state == State.DELETED:
        return "=> VRRP Deleted at reload <="
    holds = "now" if news.state == State.MASTER else "no longer"
    return f"=> VRRP Instance is {holds} owning VRRP VIPs <="


def _where(state: str) -> str:
    if state == State.STOP:
        return "stopping"
    return "deleted" if state == State.DELETED else f"in {state} state"
