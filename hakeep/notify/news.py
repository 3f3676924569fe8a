"""What there is to tell people: that an instance, a group, a real server or a virtual server is in another state.

The workers find out; they send their news up as JSON, and the supervisor (hakeep.post) has them delivered. This module
is the form of a piece of news, and how one is made of what the engines say. It does no I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from hakeep.config.settled import Notify
from hakeep.vrrp.messages import NotifyChange, State

#: The kinds of objects, as FIFOs call them.
INSTANCE, GROUP, REAL, VIRTUAL = "INSTANCE", "GROUP", "RS", "VS"

#: States that are news. In all others an object only is for a moment, before it has one of these.
TOLD = frozenset({State.MASTER, State.BACKUP, State.FAULT, State.STOP, State.DELETED})


class News(NamedTuple):
    """One piece of news.

    `kind` is INSTANCE, GROUP, RS or VS; `name` and `state` are what FIFOs say, and `virtual` is the name of a real
    server's virtual server. `says` is the sentence of keepalived's mails on virtual and real servers, `why` a reason
    for people. `mail`: smtp_alert asks for a letter. `check` is set when only a check of a real server found something
    new, and the server's state is what it was.
    """

    kind: str
    name: str
    state: str
    priority: int = 0
    why: str = ""
    mail: bool = False
    virtual: str = ""
    says: str = ""
    check: str = ""

    @property
    def about(self) -> tuple[str, str, str]:
        """The object that it is about."""
        return self.kind, self.name, self.virtual

    def as_order(self) -> dict[str, Any]:
        """What a worker sends to its parent."""
        return {"do": "news", **self._asdict()}

    @classmethod
    def of_order(cls, order: Mapping[str, Any]) -> News:
        """The inverse of `as_order`. Raises TypeError or ValueError if it is no news."""
        found = {name: value for name, value in order.items() if name in cls._fields}
        news = cls(**found)
        return cls(
            str(news.kind), str(news.name), str(news.state), int(news.priority), str(news.why), bool(news.mail),
            str(news.virtual), str(news.says), str(news.check))


def of_change(change: NotifyChange, notify: Notify, why: str) -> News | None:
    """The news in a change of an instance or a group; None if it is none for people."""
    if change.what not in TOLD:
        return None
    return News(change.kind, change.name, str(change.what), change.priority, why, mail=notify.smtp_alert)


class Told:
    """The state of each object that was told last, so that nothing is told twice: not when a state that was not told
    (no_email_faults) lay between, and not when a worker that was started anew finds everything as it was."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str, str, str], str] = {}

    def fresh(self, news: News) -> bool:
        """Is it something new? It counts as told from now on."""
        key = (*news.about, news.check)
        what = f"{news.state} {news.says}" if news.check else news.state
        if self._last.get(key) == what:
            return False
        if news.state == State.DELETED:
            self._last.pop(key, None)
        else:
            self._last[key] = what
        return True
