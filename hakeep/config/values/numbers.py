"""Flags, booleans, whole numbers and seconds."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hakeep.config.diagnostic import Code
from hakeep.config.values.value import NOTHING, Complain, Complaint, Invalid, Plain, Value

_WHOLE = re.compile(r"[ \t]*([+-]?[0-9]+)(.*)", re.DOTALL)
_DECIMAL = re.compile(r"[ \t]*([+-]?)([0-9]*)(?:\.([0-9]*))?(.*)", re.DOTALL)

#: Numbers for examples, by the name that the synopsis gives them.
_TYPICAL = {
    "BYTES": 1048576, "MARK": 7, "MICROSECONDS": 10000, "MILLISECONDS": 100, "NICE": -10, "PORT": 8080, "PRIO": 150,
    "SECONDS": 5, "TTL": 255, "VERSION": 3, "VRID": 51,
}

TRUE_WORDS = ("true", "on", "yes")
FALSE_WORDS = ("false", "off", "no")
_BOOLEANS = dict.fromkeys(TRUE_WORDS, True) | dict.fromkeys(FALSE_WORDS, False)


class Flag(Value[bool]):
    """A keyword that says all by being there; `means` is what. Words after it are not looked at."""

    needs = 0

    def __init__(self, means: bool = True) -> None:
        self.means = means

    def parse(self, words: Sequence[str], complain: Complain) -> bool:
        return self.means

    def render(self, value: bool) -> str:
        return ""

    @property
    def synopsis(self) -> str:
        return ""

    @property
    def example(self) -> str:
        return ""

    def to_plain(self, value: bool) -> Plain:
        return value

    def from_plain(self, plain: Plain) -> bool:
        if plain is not self.means:
            raise Invalid(f"this can only be {str(self.means).lower()}; leave it out otherwise")
        return bool(plain)


class OptBool(Value[bool]):
    """An optional truth value; no word means true."""

    needs = 0

    def parse(self, words: Sequence[str], complain: Complain) -> bool:
        if not words:
            return True
        value = _BOOLEANS.get(words[0])
        if value is None:
            raise Invalid(f"'{words[0]}' is neither true nor false", code=Code.BAD_WORD)
        return value

    def render(self, value: bool) -> str:
        return "true" if value else "false"

    @property
    def synopsis(self) -> str:
        return "[true|false]"

    @property
    def example(self) -> str:
        return "true"

    def to_plain(self, value: bool) -> Plain:
        return value

    def from_plain(self, plain: Plain) -> bool:
        if not isinstance(plain, bool):
            raise Invalid(f"{plain!r} is neither true nor false")
        return plain

    def complete(self) -> tuple[str, ...]:
        return TRUE_WORDS + FALSE_WORDS


class Whole(Value[int]):
    """A whole number from `low` to `high`.

    Out of range, the line is ignored unless `clamp` (the nearest good value) or `otherwise` (that value) is given;
    `zero` is the value that 0 stands for; `default` makes the word optional.
    """

    def __init__(
        self, low: int, high: int, name: str = "N", *, clamp: bool = False, otherwise: int | None = None,
        zero: int | None = None, zero_complains: bool = True, default: int | None = None,
    ) -> None:
        self.low, self.high, self.name = low, high, name
        self._clamp, self._otherwise, self._default = clamp, otherwise, default
        self._zero, self._zero_complains = zero, zero_complains
        self.needs = 1 if default is None else 0

    def parse(self, words: Sequence[str], complain: Complain) -> int:
        if not words:
            assert self._default is not None
            return self._default
        surplus: list[Complaint] = []
        number = parse_whole(
            words[0], 0, surplus.append, instead=NOTHING if self._otherwise is None else self._otherwise)
        fits = self.low <= number <= self.high or (number == 0 and self._zero is not None)
        for complaint in surplus if fits else ():
            complain(complaint)
        if number == 0 and self._zero is not None:
            if self._zero_complains:
                complain(Complaint(f"0 is not possible, {self._zero} is used", code=Code.OUT_OF_RANGE))
            return self._zero
        if self.low <= number <= self.high:
            return number
        nearest = min(max(number, self.low), self.high)
        instead = nearest if self._clamp else NOTHING if self._otherwise is None else self._otherwise
        note = "" if instead is NOTHING else f"{instead} is used"
        if surplus:  # a part of what was meant tells nothing about its range
            raise Invalid(surplus[0].message, code=surplus[0].code, note=note, fix=surplus[0].fix, instead=instead)
        raise Invalid(f"{words[0]} is outside {self.low}..{self.high}", code=Code.OUT_OF_RANGE, note=note,
                      instead=instead)

    def render(self, value: int) -> str:
        return str(value)

    @property
    def synopsis(self) -> str:
        words = f"{self.name} ({self.low}..{self.high})"
        return words if self.needs else f"[{words}]"

    @property
    def example(self) -> str:
        return str(min(max(_TYPICAL.get(self.name, 1), self.low), self.high))

    def to_plain(self, value: int) -> Plain:
        return value

    def from_plain(self, plain: Plain) -> int:
        if not isinstance(plain, int) or isinstance(plain, bool) or not self.low <= plain <= self.high:
            raise Invalid(f"{plain!r} is no whole number from {self.low} to {self.high}")
        return plain


def parse_whole(word: str, index: int, complain: Complain, *, instead: object = NOTHING) -> int:
    """The integer that `word` is, base 10 with an optional sign.

    Text after the digits is complained about and left away, as keepalived does in a normal run, so that a
    configuration that runs there runs here. No digits at all: `Invalid`, with `instead`.
    """
    match = _WHOLE.fullmatch(word)
    if not match or len(word) > 30:
        raise Invalid(f"'{word}' is not a whole number", index, code=Code.BAD_NUMBER, instead=instead,
                      note="" if instead is NOTHING else f"{instead} is used", fix=_plain_number(word))
    number = int(match.group(1))
    if match.group(2):
        complain(Complaint(f"'{word}' is not a whole number", index, Code.BAD_NUMBER, note=f"{number} is used",
                           fix=_plain_number(word)))
    return number


def _plain_number(word: str) -> str:
    """What to write instead of a word that is nearly a number; "" if only a person can know."""
    if word == "=" or word.startswith("="):
        return "no '=' stands between a keyword and its value: take it out"
    if re.fullmatch(r"0[xX][0-9a-fA-F]{1,16}", word):
        return f"write {int(word, 16)}"
    inner = word.strip("'\"\u2018\u2019\u201c\u201d").rstrip(";,")
    inner = re.sub(r"(?<=\d)(s|sec|secs|seconds?)$", "", inner)
    inner = re.sub(r"(?<=\d),(?=\d)", ".", inner)
    return f"write {inner}" if inner != word and re.fullmatch(r"[0-9]+(\.[0-9]+)?", inner) else ""


class Seconds(Value[float]):
    """A decimal number from `low` to `high`, with at most `places` decimals (finer ones are rounded off).

    `otherwise` is used when the number is out of range; without it the line is ignored. Times are seconds unless
    `name` says otherwise.
    """

    def __init__(
        self, low: float, high: float, places: int = 6, name: str = "SECONDS", *, otherwise: float | None = None,
    ) -> None:
        self.low, self.high, self.places, self.name = low, high, places, name
        self._otherwise = otherwise

    def parse(self, words: Sequence[str], complain: Complain) -> float:
        word = words[0]
        match = _DECIMAL.fullmatch(word)
        sign, whole, fraction, rest = match.groups() if match else ("", "", "", word)
        if not (whole or fraction) or len(word) > 40:
            raise Invalid(f"'{word}' is not a decimal number", code=Code.BAD_NUMBER, fix=_plain_number(word))
        number = float(f"{sign}{whole or '0'}.{fraction or '0'}")
        if not self.low <= number <= self.high:
            instead = NOTHING if self._otherwise is None else self._otherwise
            note = "" if instead is NOTHING else f"{self.render(self._otherwise or 0.0)} is used"
            if rest:  # a part of what was meant tells nothing about its range
                raise Invalid(f"'{word}' is not a decimal number", code=Code.BAD_NUMBER, instead=instead, note=note,
                              fix=_plain_number(word))
            raise Invalid(f"{word} is outside {self._range}", code=Code.OUT_OF_RANGE, instead=instead, note=note)
        if rest:
            complain(Complaint(f"'{word}' is not a decimal number", code=Code.BAD_NUMBER, note=f"{number:g} is used",
                               fix=_plain_number(word)))
        if fraction and len(fraction.rstrip("0")) > self.places:
            rounded = round(number, self.places)
            complain(Complaint(f"{word} has more than {self.places} decimals and is rounded to {self.render(rounded)}",
                               code=Code.BAD_NUMBER))
            return rounded
        return number

    def render(self, value: float) -> str:
        return f"{value:.{self.places}f}".rstrip("0").rstrip(".")

    @property
    def _range(self) -> str:
        return f"{_plainly(self.low)}..{_plainly(self.high)}"

    @property
    def synopsis(self) -> str:
        return f"{self.name} ({self._range})"

    @property
    def example(self) -> str:
        return self.render(min(max(float(_TYPICAL.get(self.name, 1)), self.low), self.high))

    def to_plain(self, value: float) -> Plain:
        return int(value) if value.is_integer() else value

    def from_plain(self, plain: Plain) -> float:
        if isinstance(plain, bool) or not isinstance(plain, int | float) or not self.low <= plain <= self.high:
            raise Invalid(f"{plain!r} is no number from {self._range}")
        return round(float(plain), self.places)


def _plainly(number: float) -> str:
    """Without an exponent: 0.000001."""
    return f"{number:.6f}".rstrip("0") if 0 < number < 0.0001 else f"{number:.15g}"


class Weight(Value[tuple[int, bool]]):
    """W [reverse]: a change of priority, and whether it applies in the opposite case."""

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high

    def parse(self, words: Sequence[str], complain: Complain) -> tuple[int, bool]:
        weight = parse_whole(words[0], 0, complain)
        if not self.low <= weight <= self.high:
            raise Invalid(f"weight {words[0]} is outside {self.low}..{self.high}", code=Code.OUT_OF_RANGE)
        reverse = False
        for index, word in enumerate(words[1:], 1):
            if word in ("reverse", "noreverse"):
                reverse = word == "reverse"
            else:
                complain(Complaint(f"unknown word '{word}' after a weight", index, Code.UNKNOWN_OPTION))
        return weight, reverse

    def render(self, value: tuple[int, bool]) -> str:
        weight, reverse = value
        return f"{weight} reverse" if reverse else str(weight)

    @property
    def synopsis(self) -> str:
        return f"W ({self.low}..{self.high}) [reverse]"

    @property
    def example(self) -> str:
        return "-60"

    def further(self) -> tuple[str, ...]:
        return ("reverse",)


class RangeList(Value[tuple[tuple[int, int], ...]]):
    """N or N-M, several times: ranges of numbers from `low` to `high`."""

    needs = 0

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high

    def parse(self, words: Sequence[str], complain: Complain) -> tuple[tuple[int, int], ...]:
        ranges = []
        for index, word in enumerate(words):
            first, _, last = word.partition("-")
            low = parse_whole(first, index, complain)
            high = parse_whole(last, index, complain) if last else low
            if not self.low <= low <= high <= self.high:
                raise Invalid(f"'{word}' is no range within {self.low}..{self.high}", index, code=Code.OUT_OF_RANGE)
            ranges.append((low, high))
        return tuple(ranges)

    def render(self, value: tuple[tuple[int, int], ...]) -> str:
        return " ".join(str(low) if low == high else f"{low}-{high}" for low, high in value)

    @property
    def synopsis(self) -> str:
        return f"N|N-M ... ({self.low}..{self.high})"

    @property
    def example(self) -> str:
        return f"{self.low} {self.low + 1}-{self.high}"


class AutoSeconds(Value["float | str"]):
    """auto, off, or a number of seconds from `low` to `high`."""

    def __init__(self, low: float, high: float) -> None:
        self.seconds = Seconds(low, high, places=3)

    def parse(self, words: Sequence[str], complain: Complain) -> float | str:
        return words[0] if words[0] in ("auto", "off") else self.seconds.parse(words, complain)

    def render(self, value: float | str) -> str:
        return value if isinstance(value, str) else self.seconds.render(value)

    @property
    def synopsis(self) -> str:
        return f"auto|off|{self.seconds.synopsis}"

    @property
    def example(self) -> str:
        return "auto"

    def complete(self) -> tuple[str, ...]:
        return "auto", "off"
