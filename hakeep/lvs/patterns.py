"""Which expressions of `regex` can be had, and what they are once compiled.

keepalived's are PCRE2's, ours those of the regex package. Both dialects are Perl's child and agree in all that is used
to look for a word on a page. Of keepalived's options some have a flag there; some only tune PCRE2's machinery and mean
nothing here; the rest change what an expression means in a way that regex cannot, and are refused when the
configuration is loaded, unless the expression has nothing that they would change. So is what cannot be compiled.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from hakeep.config.settled_lvs import Pattern

if TYPE_CHECKING:
    import regex

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
    """Why it cannot be looked for, as a sentence that begins with the keyword to blame; "" = it can."""
    if find_spec("regex") is None:
        return "regex needs the Python package regex (pip install 'hakeep[checks]')"
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
        compiled(pattern)
    except Exception as error:  # regex.error; and what else an expression can bring a compiler to
        return f"regex {pattern.text[:80]!r} cannot be understood: {error}"
    return ""


@lru_cache(maxsize=4096)
def compiled(pattern: Pattern) -> regex.Pattern[Any]:
    """Compiled for bytes, or for text with the option utf."""
    import regex

    flags = regex.VERSION0
    for option in pattern.options:
        flags |= getattr(regex, FLAGS.get(option.lower(), "VERSION0"))
    if not is_text(pattern):
        return regex.compile(pattern.text.encode(errors="surrogateescape"), flags)
    return regex.compile(pattern.text, flags | (regex.UNICODE if has(pattern, "ucp") else regex.ASCII))


def is_text(pattern: Pattern) -> bool:
    """Whether the page is taken as UTF-8 rather than as bytes."""
    return has(pattern, "utf")


def has(pattern: Pattern, word: str) -> bool:
    """Whether it has this option, however that is written."""
    return word in (option.lower() for option in pattern.options)
