"""Commands and the accounts that run them.

After the keyword the first word is the command; if it has blanks in it, it is split again the same way into an
argument vector. So ``notify "/x y z"`` has arguments, while ``notify /x y`` names user y. Only keywords with a `user`
keyword of their own take further words as arguments.
"""

from __future__ import annotations

from collections.abc import Sequence

from hakeep.config.diagnostic import Code, Severity, Verdict
from hakeep.config.lexer import BLANKS, Unterminated, quoted, shell_quoted, shell_words
from hakeep.config.settled import Script
from hakeep.config.values.value import Complain, Complaint, Invalid, Plain, Value


def _split(command: str, index: int) -> tuple[str, ...]:
    if not any(blank in command for blank in BLANKS):
        return (command,)
    try:
        return tuple(word.text for word in shell_words(command))
    except Unterminated:
        raise Invalid("a quote inside the command is not terminated", index, code=Code.QUOTE) from None


def _look_like_quotes(words: Sequence[str], complain: Complain) -> None:
    """Warn of quotes that a word processor made: to us, as to keepalived, they are letters of the command."""
    for index, word in enumerate(words):
        if any(quote in word for quote in "\u201c\u201d\u2018\u2019"):
            complain(Complaint("typographic quotes do not quote", index, Code.SCRIPT, Severity.WARNING, Verdict.OK,
                               fix='write plain ones: "'))
            return


def _account(words: Sequence[str]) -> tuple[str | None, str | None]:
    """USER [GROUP] or USER :GROUP, where USER:GROUP in one word is no such thing."""
    user = words[0] if words else None
    group = words[1].removeprefix(":") if len(words) > 1 else None
    return user or None, group or None


class Command(Value[Script]):
    """SCRIPT [USER [GROUP]], read shell-like. `arguments`: further words are arguments, not an account.

    `optional` allows no word at all; the argument vector is then empty.
    """

    shell = True

    def __init__(self, *, arguments: bool = False, optional: bool = False) -> None:
        self._arguments = arguments
        self.needs = 0 if optional else 1

    def parse(self, words: Sequence[str], complain: Complain) -> Script:
        if not words:
            return Script(())
        _look_like_quotes(words, complain)
        argv = _split(words[0], 0)
        if not argv or not argv[0]:
            raise Invalid("the command is empty, so nothing is run", code=Code.SCRIPT, severity=Severity.WARNING,
                          verdict=Verdict.OK, fix="take the line out")
        if self._arguments:
            return Script(argv + tuple(words[1:]))
        return Script(argv, *_account(words[1:]))

    def render(self, value: Script) -> str:
        if not value.argv:
            return ""
        command = value.argv[0]
        if len(value.argv) > 1 or any(blank in command for blank in BLANKS):
            command = " ".join(shell_quoted(word) for word in value.argv)  # it is split again
            if " " not in command:  # one word, with another blank in it: nothing is split that has no blank
                command += " "
        account = [value.user or "", value.group or ""] if value.group else [value.user] if value.user else []
        return " ".join([shell_quoted(command), *(shell_quoted(word) for word in account)])

    @property
    def synopsis(self) -> str:
        words = "COMMAND [ARG ...]" if self._arguments else "SCRIPT [USER [GROUP]]"
        return words if self.needs else f"[{words}]"

    @property
    def example(self) -> str:
        if self._arguments:
            return "/usr/lib/hakeep/check-web --quiet"
        return '"/usr/lib/hakeep/tell --loud" hakeep_script'

    def to_plain(self, value: Script) -> Plain:
        plain: dict[str, Plain] = {"command": list(value.argv)}
        if value.user:
            plain["user"] = value.user
        if value.group:
            plain["group"] = value.group
        return plain

    def from_plain(self, plain: Plain) -> Script:
        if isinstance(plain, str):
            return self.read(plain)
        if isinstance(plain, dict) and set(plain) <= {"command", "user", "group"}:
            argv, user, group = plain.get("command"), plain.get("user"), plain.get("group")
            if isinstance(argv, list) and all(isinstance(w, str) for w in argv) and len(argv) >= self.needs and all(
                name is None or isinstance(name, str) for name in (user, group)
            ):
                return Script(tuple(argv), user, group)
        raise Invalid(f"{plain!r} should have a command (a list of words), and perhaps user and group")


class User(Value[tuple[str, str | None]]):
    """USER [GROUP]."""

    def parse(self, words: Sequence[str], complain: Complain) -> tuple[str, str | None]:
        user, group = _account(words)
        if not user:
            raise Invalid("the user's name is empty", code=Code.UNKNOWN_USER)
        return user, group

    def render(self, value: tuple[str, str | None]) -> str:
        user, group = value
        return f"{quoted(user)} {quoted(group)}" if group else quoted(user)

    @property
    def synopsis(self) -> str:
        return "USER [GROUP]"

    @property
    def example(self) -> str:
        return "hakeep_script"


class FifoPath(Value[tuple[str, str | None, str | None]]):
    """PATH [USER [GROUP]]."""

    def parse(self, words: Sequence[str], complain: Complain) -> tuple[str, str | None, str | None]:
        return (words[0], *_account(words[1:]))

    def render(self, value: tuple[str, str | None, str | None]) -> str:
        return " ".join(quoted(word) for word in value if word)

    @property
    def synopsis(self) -> str:
        return "PATH [USER [GROUP]]"

    @property
    def example(self) -> str:
        return "/run/hakeep/events hakeep_script"


class Expression(Value[str]):
    """A regular expression: one word, quoted like a command but never split."""

    shell = True

    def parse(self, words: Sequence[str], complain: Complain) -> str:
        return words[0]

    def render(self, value: str) -> str:
        return shell_quoted(value)

    @property
    def synopsis(self) -> str:
        return '"EXPRESSION"'

    @property
    def example(self) -> str:
        return '"Welcome to .*"'

    def to_plain(self, value: str) -> Plain:
        return value

    def from_plain(self, plain: Plain) -> str:
        if not isinstance(plain, str):
            raise Invalid(f"{plain!r} should be a string")
        return plain
