"""`regex` of a page: keepalived's PCRE2 expressions, run by the regex package under a limit of time.

Both dialects are Perl's child and agree in all that is used to look for a word on a page. Of keepalived's options some
have a flag there; some only tune PCRE2's machinery and mean nothing here; the rest change what an expression means in a
way that regex cannot, and are refused when the configuration is loaded, unless the expression has nothing that they
would change.

An expression can take for ever on a page that was made for that. It is tried for a few milliseconds where it is; if
that was not enough, in a thread that holds up nobody.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import trio

from hakeep.config.settled_lvs import Pattern
from hakeep.lvs.checkers.attempt import Failure

if TYPE_CHECKING:
    import regex

#: Seconds that a search may hold up everything else, and that it may take altogether.
AT_ONCE = 0.003
ALTOGETHER = 1.0

#: Options that have a flag of the regex package.
FLAGS = {"caseless": "IGNORECASE", "dotall": "DOTALL", "extended": "VERBOSE", "multiline": "MULTILINE"}

#: Options that do not change what matches: they tune PCRE2, forbid what the regex package does not do anyway, or allow
#: what it always allows.
IDLE = frozenset((
    "auto_callout", "dupnames", "never_backslash_c", "never_ucp", "never_utf", "no_auto_possess", "no_dotstar_anchor",
    "no_start_optimize", "use_offset_limit"))

#: Options that are done here.
DONE = frozenset(("firstline", "ucp", "utf"))

#: Options that change only expressions in which one of these stands.
HARMLESS_WITHOUT = {
    "allow_empty_class": ("[]", "[^]"), "alt_bsux": ("\\u", "\\U", "\\x"), "alt_circumflex": ("^",),
    "alt_verbnames": ("(*",), "dollar_endonly": ("$",), "ungreedy": ("*", "+", "?", "{"),
    "match_unset_backref": ("\\1", "\\2", "\\3", "\\4", "\\5", "\\6", "\\7", "\\8", "\\9", "\\g", "\\k", "(?P="),
    "no_auto_capture": ("\\1", "\\2", "\\3", "\\4", "\\5", "\\6", "\\7", "\\8", "\\9", "\\g", "(?1", "(?2", "(?("),
}  # fmt: skip


def unsupported(pattern: Pattern) -> str:
    """Why it cannot be looked for, as a sentence; "" = it can."""
    if find_spec("regex") is None:
        return "regex needs the Python package regex: pip install 'hakeep[checks]'"
    for option in pattern.options:
        word = option.lower()
        if word in FLAGS or word in IDLE or word in DONE:
            continue
        culprits = HARMLESS_WITHOUT.get(word)
        if culprits is None:
            return f"regex_options {option} is not known"
        found = next((text for text in culprits if text in pattern.text), None)
        if found:
            return f"regex_options {option} cannot be had for an expression with {found}"
    try:
        _compiled(pattern)
    except Exception as error:  # regex.error; and what else an expression can bring a compiler to
        return f"regex {pattern.text!r} cannot be understood: {error}"
    return ""


@lru_cache(maxsize=4096)
def _compiled(pattern: Pattern) -> regex.Pattern[Any]:
    """Compiled for bytes, or for text with the option utf."""
    import regex

    flags = regex.VERSION0
    for option in pattern.options:
        flags |= getattr(regex, FLAGS.get(option.lower(), "VERSION0"))
    if not is_text(pattern):
        return regex.compile(pattern.text.encode(), flags)
    return regex.compile(pattern.text, flags | (regex.UNICODE if _has(pattern, "ucp") else regex.ASCII))


def is_text(pattern: Pattern) -> bool:
    """Whether the page is taken as UTF-8 rather than as bytes."""
    return _has(pattern, "utf")


def _has(pattern: Pattern, word: str) -> bool:
    return word in (option.lower() for option in pattern.options)


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
    compiled = _compiled(pattern)
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
    match = compiled.search(text, earliest, timeout=limit, concurrent=True)
    if match is None or match.start() > latest:
        return False
    return not _has(pattern, "firstline") or not _has_line_end(text[earliest : match.start()])


def _has_line_end(text: bytes | str) -> bool:
    return "\n" in text if isinstance(text, str) else b"\n" in text
