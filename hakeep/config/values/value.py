"""What a value type is: the five faces of everything that can stand after a keyword.

A value type parses words, renders a value back to text, turns it into plain data (for YAML and JSON) and back, tells
its synopsis with an example, and offers completions. The schema is made of instances of these types, so whoever adds a
keyword has all five, and one property test asserts ``parse(render(x)) == x`` for every keyword there is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from hakeep.config.diagnostic import Code, Severity, Verdict
from hakeep.config.lexer import Unterminated, general_words, shell_words

T = TypeVar("T")
#: str, int, float, bool, None, or lists and string-keyed dicts of them.
Plain = Any


class Complaint(NamedTuple):
    """Something wrong with word number `word` (0 = the first after the keyword; -1 = the keyword).

    The binder makes a diagnostic of it, which adds the place and the synopsis.
    """

    message: str
    word: int = 0
    code: Code = Code.BAD_VALUE
    severity: Severity = Severity.ERROR
    verdict: Verdict = Verdict.GENERAL
    note: str = ""
    fix: str = ""


Complain = Callable[[Complaint], None]


class _Nothing:
    """The absence of a value, where None can be one."""

    def __repr__(self) -> str:
        return "NOTHING"


NOTHING = _Nothing()


class Invalid(Exception):
    """Raised by `parse`: the line has no good value. `instead` is used in its place; NOTHING drops the line."""

    def __init__(
        self, message: str, word: int = 0, *, code: Code = Code.BAD_VALUE, verdict: Verdict = Verdict.GENERAL,
        note: str = "", fix: str = "", instead: object = NOTHING, severity: Severity = Severity.ERROR,
    ) -> None:
        super().__init__(message)
        self.complaint = Complaint(message, word, code, severity, verdict, note, fix)
        self.instead = instead


class Value(ABC, Generic[T]):
    """A type of value.

    `needs` is the number of words without which there is no value at all: what then happens is the keyword's matter.
    `shell` makes the binder read the line the shell-like way.
    """

    needs: int = 1
    shell: bool = False

    @abstractmethod
    def parse(self, words: Sequence[str], complain: Complain) -> T:
        """The value of these words (those after the keyword; at least `needs`). Raises `Invalid`; lesser troubles
        go to `complain`."""

    @abstractmethod
    def render(self, value: T) -> str:
        """The text after the keyword that means `value`."""

    @property
    @abstractmethod
    def synopsis(self) -> str:
        """What may be written, in the notation of manual pages, with the range."""

    @property
    @abstractmethod
    def example(self) -> str:
        """Something that may be written, "" where nothing need be."""

    def to_plain(self, value: T) -> Plain:
        """`value` as plain data; by default its text."""
        return self.render(value)

    def from_plain(self, plain: Plain) -> T:
        """The value of plain data. Raises `Invalid`."""
        if not isinstance(plain, str | int | float) or isinstance(plain, bool):
            raise Invalid(f"{plain!r} should be {self.synopsis}")
        return self.read(str(plain))

    def complete(self) -> tuple[str, ...]:
        """Words that can begin the value; () when only a person can know."""
        return ()

    def further(self) -> tuple[str, ...]:
        """Words that can stand behind the first one."""
        return ()

    def read(self, text: str) -> T:
        """The value of `text`, where any complaint raises `Invalid`."""

        def refuse(complaint: Complaint) -> None:
            raise Invalid(complaint.message, complaint.word, code=complaint.code, verdict=complaint.verdict)

        try:
            words = shell_words(text) if self.shell else general_words(text)[0]
        except Unterminated:
            raise Invalid("a quote is not terminated", code=Code.QUOTE) from None
        if len(words) < self.needs:
            raise Invalid(f"{self.synopsis} is missing", code=Code.MISSING_PARAMETER)
        return self.parse([word.text for word in words], refuse)
