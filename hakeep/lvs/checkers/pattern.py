"""`regex` of a page: an expression (see `lvs.patterns`) is looked for under a limit of time.

An expression can take for ever on a page that was made for that. It is tried for a few milliseconds where it is; if
that was not enough, in a thread that holds up nobody.
"""

from __future__ import annotations

import trio

from hakeep.config.settled_lvs import Pattern
from hakeep.lvs.checkers.attempt import Failure
from hakeep.lvs.patterns import compiled, has, is_text

#: Seconds that a search may hold up everything else, and that it may take altogether.
AT_ONCE = 0.003
ALTOGETHER = 1.0


async def judge(pattern: Pattern, body: bytes) -> None:
    """Raise Failure unless it is there, or with `absent` is not."""
    try:
        found = search(pattern, body, AT_ONCE)
    except TimeoutError:
        try:
            found = await trio.to_thread.run_sync(search, pattern, body, ALTOGETHER, abandon_on_cancel=True)
        except TimeoutError:
            raise Failure(f"the regular expression took longer than {ALTOGETHER:g} s") from None
    if found == pattern.absent:
        raise Failure("the regular expression matches" if found else "the regular expression does not match")


def search(pattern: Pattern, body: bytes, limit: float) -> bool:
    """Whether a match begins within the bounds. Raises TimeoutError after `limit` seconds, Failure for bad UTF-8."""
    text: bytes | str = body
    earliest, latest = pattern.earliest, pattern.latest or len(body)
    if is_text(pattern):
        try:
            text = body.decode()
        except UnicodeDecodeError as error:
            raise Failure(f"the page is not UTF-8: {error.reason} at byte {error.start}") from None
        earliest, latest = len(body[:earliest].decode(errors="ignore")), len(body[:latest].decode(errors="ignore"))
    if earliest > len(text):
        return False
    match = compiled(pattern).search(text, earliest, timeout=limit, concurrent=True)
    if match is None or match.start() > latest:
        return False
    return not has(pattern, "firstline") or not _has_line_end(text[earliest : match.start()])


def _has_line_end(text: bytes | str) -> bool:
    return "\n" in text if isinstance(text, str) else b"\n" in text
