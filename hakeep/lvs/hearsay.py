"""What is told and never asked: the numbers in files, the states of BFD sessions.

A fact may come before there is a check that it is for, and a check may come with a reload, long after its fact. So the
last word about each file and each session is kept, and every new check is informed of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from hakeep.config.settled_lvs import BfdProbe, FileProbe
from hakeep.lvs.check import Inquiry
from hakeep.vrrp.messages import Log


class Hearsay:
    """The last words, and who is to be told them."""

    def __init__(self) -> None:
        self._files: dict[str, int | None] = {}
        self._sessions: dict[str, bool] = {}
        self._followers: dict[tuple[type, str], list[Inquiry]] = {}

    def follow(self, inquiries: Iterable[Inquiry]) -> None:
        """These are all checks that there are now."""
        self._followers = {}
        for inquiry in inquiries:
            probe = inquiry.check.probe
            if isinstance(probe, FileProbe):
                self._followers.setdefault((FileProbe, probe.path), []).append(inquiry)
            elif isinstance(probe, BfdProbe):
                self._followers.setdefault((BfdProbe, probe.name), []).append(inquiry)

    def file(self, path: str, value: int | None) -> list[Inquiry]:
        """A file says something. Returns the checks that are to be informed."""
        self._files[path] = value
        return self._followers.get((FileProbe, path), [])

    def session(self, name: str, up: bool) -> list[Inquiry]:
        """A session went up or down. Returns the checks that are to be informed."""
        self._sessions[name] = up
        return self._followers.get((BfdProbe, name), [])

    def inform(self, inquiry: Inquiry) -> list[Log]:
        """Let a check know the last word about its file or session, if there is one. Returns what is to be logged."""
        probe = inquiry.check.probe
        if isinstance(probe, FileProbe) and probe.path in self._files:
            return inquiry.file_says(self._files[probe.path])
        if isinstance(probe, BfdProbe) and probe.name in self._sessions:
            return inquiry.session_is(self._sessions[probe.name])
        return []
