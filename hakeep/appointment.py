"""reload_time_file: a file that says when the configuration is to be read again.

    HH:MM:SS                      when the clock shows this the next time; with reload_repeat, every day
    [YY]YY-MM-DD HH:MM:SS[Z]      at that moment, in local time or, with Z, in UTC

The file may come, change and go at any time: it is looked at once a second. What has been used up is deleted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

_LONGEST = 100


def moment(text: str, now: float) -> float | None:
    """When that is, in seconds of the wall clock; None for a moment that is past. Raises ValueError."""
    words = text.strip()
    zone = UTC if words.endswith("Z") else None
    words = words.removesuffix("Z").strip()
    here = datetime.fromtimestamp(now, zone)
    if "-" not in words:
        clock = datetime.strptime(words, "%H:%M:%S").time()
        at = datetime.combine(here.date(), clock, zone)
        if at.timestamp() <= now:
            at = datetime.combine(here.date() + timedelta(days=1), clock, zone)
        return at.timestamp()
    year, _, _ = words.partition("-")
    at = datetime.strptime(words, f"%{'y' if len(year) == 2 else 'Y'}-%m-%d %H:%M:%S").replace(tzinfo=zone)
    return at.timestamp() if at.timestamp() > now else None


class Appointment:
    """What one file says. A file that says nothing sensible is reported once."""

    def __init__(self, path: str, repeat: bool, log: Callable[[int, str], None]) -> None:
        self.path = path
        self.repeat = repeat
        self._log = log
        self._seen: tuple[int, int, int] | None = None
        self._text = ""
        self._at: float | None = None

    def due(self, now: float | None = None) -> bool:
        """True once for each time that has come."""
        now = time.time() if now is None else now
        self._look(now)
        if self._at is None or now < self._at:
            return False
        if self.repeat and "-" not in self._text:
            self._at = moment(self._text, now)
        else:
            self._at = None
            with suppress(OSError):
                Path(self.path).unlink()
        return True

    def _look(self, now: float) -> None:
        try:
            found = Path(self.path).stat() if self.path else None
        except OSError:
            found = None
        if found is None:
            self._seen = self._at = None
            return
        seen = (found.st_ino, found.st_mtime_ns, found.st_size)
        if seen == self._seen:
            return
        self._seen, self._at = seen, None
        try:
            with Path(self.path).open() as file:
                self._text = file.read(_LONGEST).strip()
            self._at = moment(self._text, now)
        except (OSError, ValueError) as error:
            self._log(4, f"reload_time_file {self.path} is ignored: {error}")
            return
        if self._at is None:
            self._log(4, f"reload_time_file {self.path} is ignored: {self._text} is past")
        else:
            self._log(6, f"the configuration will be read again at {time.ctime(self._at)}")
