"""Small grammars: a word or two and named options, each in any order.

One table-driven type, `Options`, reads them all: routes, rules, trackers, use_vmac and the rest differ in their tables
only. Its value is a tuple of (name, word) pairs in the order written, which keeps everything and renders back exactly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from hakeep.config.diagnostic import Code, Severity, Verdict
from hakeep.config.lexer import quoted
from hakeep.config.values.addresses import parse_ip
from hakeep.config.values.numbers import parse_whole
from hakeep.config.values.value import Complain, Complaint, Invalid, Plain, Value

#: Checks a word and says what it should be ("" = it is fine).
Check = Callable[[str], str]
Pairs = tuple[tuple[str, str], ...]


def anything(word: str) -> str:
    return ""


def whole(low: int, high: int) -> Check:
    """A check for whole numbers from low to high."""

    def check(word: str) -> str:
        good = re.fullmatch(r"[+-]?[0-9]{1,20}", word) and low <= int(word) <= high
        return "" if good else f"a whole number from {low} to {high}"

    return check


def one_of(*words: str) -> Check:
    return lambda word: "" if word in words else f"one of {', '.join(words)}"


def ip(word: str) -> str:
    return "" if parse_ip(word) else "an IP address"


def multicast(word: str) -> str:
    address = parse_ip(word)
    return "" if address and address.is_multicast else "a multicast address"


def prefix(word: str) -> str:
    """ADDR[/LEN], default, any or all."""
    if word in ("default", "any", "all"):
        return ""
    address, slash, length = word.partition("/")
    parsed = parse_ip(address)
    if parsed and (not slash or (length.isdecimal() and len(length) < 4 and int(length) <= parsed.max_prefixlen)):
        return ""
    return "an address with or without /LEN, or default"


def interface(word: str) -> str:
    return "" if word else "the name of an interface"


class Options(Value[Pairs]):
    """Leading words, then named options.

    `leading` are names and checks of words that come first (`least` of them are needed); `named` maps an option to the
    check of the word after it, or to None for an option that stands alone; `aliases` maps other spellings. A leading
    word that is the name of an option ends the leading ones. `locked` options may have "lock" before their word.
    `missing` is keepalived's class for an option whose word is missing. With `refuse` an unknown option spoils the
    whole, as the words after it are its own, as like as not.
    """

    def __init__(
        self, synopsis: str, leading: Sequence[tuple[str, Check]] = (), named: Mapping[str, Check | None] | None = None,
        *, least: int = 0, aliases: Mapping[str, str] | None = None, deprecated: Mapping[str, str] | None = None,
        locked: frozenset[str] = frozenset(), what: str = "option", missing: Verdict = Verdict.GENERAL,
        example: str = "", refuse: bool = False,
    ) -> None:
        self._refuse = refuse
        self._synopsis, self._leading, self._named = synopsis, tuple(leading), dict(named or {})
        self._aliases, self._deprecated = dict(aliases or {}), dict(deprecated or {})
        self._locked, self._what, self._missing, self._example = locked, what, missing, example
        self.needs = least

    def parse(self, words: Sequence[str], complain: Complain) -> Pairs:
        pairs: list[tuple[str, str]] = []
        index = 0
        for name, check in self._leading:
            if index == len(words) or (index >= self.needs and self._is_option(words[index])):
                break
            self._check(name, check, words[index], index)
            pairs.append((name, words[index]))
            index += 1
        while index < len(words):
            index += self._option(words, index, pairs, complain)
        return tuple(pairs)

    def _is_option(self, word: str) -> bool:
        return word in self._named or word in self._aliases or word in self._deprecated

    def _option(self, words: Sequence[str], index: int, pairs: list[tuple[str, str]], complain: Complain) -> int:
        word = words[index]
        name = self._aliases.get(word, word)
        if word in self._deprecated:
            name = self._deprecated[word]
            complain(Complaint(f"'{word}' is the old spelling of '{name}'", index, Code.DEPRECATED, Severity.WARNING,
                               Verdict.DEPRECATED, fix=f"write {name}"))
        if name not in self._named:
            if self._refuse:
                raise Invalid(f"unknown {self._what} '{word}'", index, code=Code.UNKNOWN_OPTION,
                              note="the entry is left out")
            complain(Complaint(f"unknown {self._what} '{word}'", index, Code.UNKNOWN_OPTION))
            return 1
        check = self._named[name]
        if check is None:
            pairs.append((name, ""))
            return 1
        count = 2
        value = words[index + 1] if index + 1 < len(words) else None
        if value == "lock" and name in self._locked and index + 2 < len(words):
            pairs.append((name, "lock"))
            value, count = words[index + 2], 3
        if value is None:
            raise Invalid(f"'{word}' needs a word after it", index, code=Code.BAD_ENTRY, verdict=self._missing)
        self._check(word, check, value, index + count - 1)
        pairs.append((name, value))
        return count

    def _check(self, name: str, check: Check, word: str, index: int) -> None:
        wanted = check(word)
        if wanted:
            raise Invalid(f"'{word}' is not {wanted} ({name})", index, code=Code.BAD_ENTRY)

    def render(self, value: Pairs) -> str:
        leading = {name for name, _ in self._leading}
        words: list[str] = []
        locked = False
        for name, word in value:
            if name not in leading and not locked:
                words.append(name)
            locked = word == "lock" and name in self._locked
            if name in leading or self._named.get(name) is not None:
                words.append(quoted(word))
        return " ".join(words)

    @property
    def synopsis(self) -> str:
        return self._synopsis

    @property
    def example(self) -> str:
        return self._example

    def complete(self) -> tuple[str, ...]:
        """Good first words are found by trying, as the checks know no lists."""
        return () if self._leading else tuple(self._named)

    def further(self) -> tuple[str, ...]:
        return tuple(self._named)

    def to_plain(self, value: Pairs) -> Plain:
        return self.render(value)


class Tracked(Value[tuple[str, int | None, bool | None]]):
    """A line of a track_* block: NAME [weight W [reverse|noreverse]].

    Weight and reverse are None where the definition's own count. `edge`: ±254 is moved to ±253 with a complaint.
    """

    def __init__(self, name: str, limit: int, *, noreverse: bool = True, example: str = "web") -> None:
        self.name, self.limit, self._noreverse, self._example = name, limit, noreverse, example

    def parse(self, words: Sequence[str], complain: Complain) -> tuple[str, int | None, bool | None]:
        weight: int | None = None
        reverse: bool | None = None
        index = 1
        while index < len(words):
            word = words[index]
            if word == "weight" and index + 1 < len(words):
                index += 1
                weight = self._weight(words[index], index, complain)
            elif word == "weight":
                complain(Complaint("weight needs a number after it", index, Code.BAD_ENTRY))
            elif weight is not None and (word == "reverse" or (word == "noreverse" and self._noreverse)):
                reverse = word == "reverse"
            else:
                complain(Complaint(f"unknown option '{word}' of {words[0]}", index, Code.UNKNOWN_OPTION))
            index += 1
        return words[0], weight, reverse

    def _weight(self, word: str, index: int, complain: Complain) -> int | None:
        weight = parse_whole(word, index, complain)
        if self.limit == 253 and abs(weight) == 254:
            complain(Complaint("a weight of ±254 is moved to ±253", index, Code.OUT_OF_RANGE))
            return 253 if weight > 0 else -253
        if abs(weight) > self.limit:
            complain(Complaint(f"weight {weight} is outside -{self.limit}..{self.limit}", index, Code.OUT_OF_RANGE))
            return None
        return weight

    def render(self, value: tuple[str, int | None, bool | None]) -> str:
        name, weight, reverse = value
        text = quoted(name)
        if weight is not None:
            text += f" weight {weight}"
            if reverse is not None:
                text += " reverse" if reverse else " noreverse"
        return text

    @property
    def synopsis(self) -> str:
        directions = "reverse|noreverse" if self._noreverse else "reverse"
        return f"{self.name} [weight W (-{self.limit}..{self.limit}) [{directions}]]"

    @property
    def example(self) -> str:
        return f"{self._example} weight -60"

    def further(self) -> tuple[str, ...]:
        return ("weight", "reverse", "noreverse") if self._noreverse else ("weight", "reverse")
