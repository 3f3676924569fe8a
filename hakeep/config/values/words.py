"""Words: names, choices, lists of words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hakeep.config.diagnostic import Code, Verdict
from hakeep.config.lexer import quoted
from hakeep.config.values.numbers import parse_whole
from hakeep.config.values.value import NOTHING, Complain, Complaint, Invalid, Plain, Value

#: Words for examples, by the name that the synopsis gives them.
_TYPICAL = {
    "ADDRESS": "admin@example.org", "DIR": "/var/lib/hakeep", "FILE": "load", "IFNAME": "eth0", "INSTANCE": "web",
    "LOGFILE": "/var/log/hakeep-check.log", "MD5HEX": "d41d8cd98f00b204e9800998ecf8427e", "NAME": "web",
    "PASSWORD": "secret", "PATH": "/etc/hakeep/file", "STRING": "first", "TABLE": "hakeep", "TEXT": "hakeep51",
}


class Word(Value[str]):
    """One word. Longer than `longest` it is cut with a complaint, or refused if `refuse` is set.

    `default` makes the word optional.
    """

    def __init__(
        self, name: str = "STRING", *, longest: int = 0, refuse: bool = False, default: str | None = None
    ) -> None:
        self.name, self.longest = name, longest
        self._refuse, self._default = refuse, default
        self.needs = 1 if default is None else 0

    def parse(self, words: Sequence[str], complain: Complain) -> str:
        if not words:
            assert self._default is not None
            return self._default
        word = words[0]
        if self.longest and len(word.encode("utf-8", "surrogateescape")) > self.longest:
            if self._refuse:
                raise Invalid(f"{self.name} '{word}' is longer than {self.longest} characters", code=Code.TOO_LONG)
            complain(Complaint(f"'{word}' is cut to its first {self.longest} characters", code=Code.TOO_LONG))
            word = word.encode("utf-8", "surrogateescape")[: self.longest].decode("utf-8", "ignore")
        return word

    def render(self, value: str) -> str:
        return "" if value == self._default else quoted(value)

    @property
    def synopsis(self) -> str:
        return self.name if self.needs else f"[{self.name}]"

    @property
    def example(self) -> str:
        return _TYPICAL.get(self.name, self.name.lower())

    def to_plain(self, value: str) -> Plain:
        return value

    def from_plain(self, plain: Plain) -> str:
        if not isinstance(plain, str):
            raise Invalid(f"{plain!r} should be a string ({self.name})")
        return self.parse([_writable(plain)], lambda complaint: None)


def _writable(word: str) -> str:
    """The word, if there is a way to write it. Raises `Invalid`."""
    try:
        quoted(word)
    except ValueError as error:
        raise Invalid(f"{word!r} cannot be written here: {error}") from None
    return word


def interface_name(name: str = "IFNAME") -> Word:
    """A name of a network interface: at most 15 bytes, as the kernel's IFNAMSIZ has it."""
    return Word(name, longest=15, refuse=True)


class Familiar(Word):
    """One word. Some are known, others may be as good: what else is installed tells."""

    def __init__(self, *known: str, name: str = "NAME") -> None:
        super().__init__(name)
        self.known = known

    @property
    def synopsis(self) -> str:
        return "|".join((*self.known, self.name))

    @property
    def example(self) -> str:
        return self.known[0]

    def complete(self) -> tuple[str, ...]:
        return self.known


class Digest(Word):
    """An MD5 sum: 32 hexadecimal digits."""

    def parse(self, words: Sequence[str], complain: Complain) -> str:
        if len(words[0]) != 32:
            raise Invalid(f"an MD5 sum has 32 digits, not {len(words[0])}", code=Code.BAD_VALUE)
        if not re.fullmatch("[0-9a-fA-F]*", words[0]):
            raise Invalid(f"'{words[0]}' has a digit that is not hexadecimal", code=Code.BAD_VALUE)
        return words[0]

    def from_plain(self, plain: Plain) -> str:
        return self.parse([str(plain)], lambda complaint: None)


class DnsName(Word):
    """A name in the DNS; "." is the root."""

    def parse(self, words: Sequence[str], complain: Complain) -> str:
        labels = words[0].removesuffix(".").split(".") if words[0] != "." else []
        if "" in labels:
            raise Invalid(f"'{words[0]}' has an empty label")
        if len(words[0]) > 254 or any(len(label) > 63 for label in labels):
            raise Invalid(f"'{words[0]}' is longer than a name can be: 63 characters a label, 254 in all",
                          code=Code.TOO_LONG)
        return words[0]

    def from_plain(self, plain: Plain) -> str:
        return self.parse([super().from_plain(plain)], lambda complaint: None)


class Words(Value[tuple[str, ...]]):
    """`least` to `most` words."""

    def __init__(self, synopsis: str, least: int = 1, most: int = 1000, *, example: str = "") -> None:
        self._synopsis, self._example = synopsis, example
        self.needs, self.most = least, most

    def parse(self, words: Sequence[str], complain: Complain) -> tuple[str, ...]:
        return tuple(words[: self.most])

    def render(self, value: tuple[str, ...]) -> str:
        return " ".join(quoted(word) for word in value)

    @property
    def synopsis(self) -> str:
        return self._synopsis

    @property
    def example(self) -> str:
        return self._example

    def to_plain(self, value: tuple[str, ...]) -> Plain:
        return list(value)

    def from_plain(self, plain: Plain) -> tuple[str, ...]:
        if not isinstance(plain, list) or not all(isinstance(word, str) for word in plain):
            raise Invalid(f"{plain!r} should be a list of strings")
        return tuple(_writable(word) for word in plain)


class Choice(Value[str]):
    """One of some words. `otherwise` is used, with a complaint, for any other; `default` makes the word optional."""

    def __init__(
        self, *choices: str, name: str = "", any_case: bool = False, default: str | None = None,
        otherwise: str | None = None, verdict: Verdict = Verdict.GENERAL,
    ) -> None:
        self.choices = choices
        self._any_case, self._default, self._otherwise = any_case, default, otherwise
        self._name, self._verdict = name, verdict
        self._words = {c.lower(): c for c in choices} if any_case else {c: c for c in choices}
        self.needs = 1 if default is None else 0

    def parse(self, words: Sequence[str], complain: Complain) -> str:
        if not words:
            assert self._default is not None
            return self._default
        word = words[0]
        found = self._words.get(word.lower() if self._any_case else word)
        if found is None:
            hint = next((c for c in self.choices if c.lower() == word.lower()), "")
            instead: object = NOTHING if self._otherwise is None else self._otherwise
            raise Invalid(
                f"'{word}' is not one of {', '.join(self.choices)}", code=Code.BAD_WORD, verdict=self._verdict,
                fix=f"write {hint}" if hint else "", instead=instead,
                note="" if instead is NOTHING else f"{instead} is used")
        return found

    def render(self, value: str) -> str:
        return "" if value == self._default and value not in self.choices else quoted(value)

    @property
    def synopsis(self) -> str:
        words = "|".join(self.choices)
        return words if self.needs else f"[{words}]"

    @property
    def example(self) -> str:
        return self.choices[0]

    def to_plain(self, value: str) -> Plain:
        return value

    def from_plain(self, plain: Plain) -> str:
        if plain == self._default or plain in self.choices:
            return str(plain)
        raise Invalid(f"{plain!r} is not one of {', '.join(self.choices)}")

    def complete(self) -> tuple[str, ...]:
        return self.choices


class Cpus(Value[tuple[int, ...]]):
    """Numbers of processors. Which there are only the machine knows, so only the form is checked here."""

    def parse(self, words: Sequence[str], complain: Complain) -> tuple[int, ...]:
        return tuple(dict.fromkeys(_cpu(word, index, complain) for index, word in enumerate(words)))

    def render(self, value: tuple[int, ...]) -> str:
        return " ".join(map(str, value))

    @property
    def synopsis(self) -> str:
        return "CPU ..."

    @property
    def example(self) -> str:
        return "0 1"

    def to_plain(self, value: tuple[int, ...]) -> Plain:
        return list(value)

    def from_plain(self, plain: Plain) -> tuple[int, ...]:
        if not isinstance(plain, list) or not all(type(n) is int and 0 <= n < 8192 for n in plain):
            raise Invalid(f"{plain!r} should be a list of processor numbers")
        return tuple(plain)


def _cpu(word: str, index: int, complain: Complain) -> int:
    number = parse_whole(word, index, complain)
    if not 0 <= number < 8192:
        raise Invalid(f"there is no processor {word}", index, code=Code.OUT_OF_RANGE)
    return number


class Hex(Value[str]):
    """Hexadecimal digits, blanks between them allowed; with `wildcard` the digit X stands for any. Kept in lower case
    without blanks."""

    def __init__(self, *, wildcard: bool = False) -> None:
        self._digits = re.compile(r"[0-9a-fA-FxX]*" if wildcard else r"[0-9a-fA-F]*")
        self._wildcard = wildcard
        self.needs = 0 if wildcard else 1

    def parse(self, words: Sequence[str], complain: Complain) -> str:
        digits = "".join("".join(words).split())
        if not self._digits.fullmatch(digits) or len(digits) % 2:
            raise Invalid(f"'{' '.join(words)}' is no even number of hexadecimal digits")
        return digits.lower()

    def render(self, value: str) -> str:
        return value

    @property
    def synopsis(self) -> str:
        return "[HEX (X = any digit)]" if self._wildcard else "HEX"

    @property
    def example(self) -> str:
        return "48 65 XX" if self._wildcard else "48 65 6c"


_UMASK_BITS = {
    "IRUSR": 0o400, "IWUSR": 0o200, "IXUSR": 0o100, "IRWXU": 0o700, "IRGRP": 0o040, "IWGRP": 0o020, "IXGRP": 0o010,
    "IRWXG": 0o070, "IROTH": 0o004, "IWOTH": 0o002, "IXOTH": 0o001, "IRWXO": 0o007,
}


class Umask(Value[int]):
    """A file mode mask: octal digits, or names of bits (as in <sys/stat.h>, without S_) joined by |."""

    def parse(self, words: Sequence[str], complain: Complain) -> int:
        text = "".join(words)
        if text[:1].isdigit():
            if not re.fullmatch(r"[0-7]{1,5}", text) or int(text, 8) > 0o777:
                raise Invalid(f"'{text}' is no octal number up to 0777", code=Code.BAD_NUMBER)
            return int(text, 8)
        mask = 0
        for name in text.split("|"):
            if name not in _UMASK_BITS:
                raise Invalid(f"unknown umask bit '{name}'", code=Code.BAD_WORD,
                              note="bits: " + " ".join(_UMASK_BITS))
            mask |= _UMASK_BITS[name]
        return mask

    def render(self, value: int) -> str:
        return f"0{value:03o}"

    @property
    def synopsis(self) -> str:
        return "OCTAL|BIT[|BIT...]"

    @property
    def example(self) -> str:
        return "0177"
