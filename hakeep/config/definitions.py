"""Definitions ($NAME=text), what is predefined, and the sequences ~SEQ and ~LST.

A definition's text is expanded when it is used, so definitions may use one another and later ones. Only the braced
form ${NAME} is replaced anywhere; the plain one needs the end of the line, a blank, a comma or a closing parenthesis
after it. What is not defined stays as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from hakeep.config.span import Span, Via
from hakeep.config.text import Place, Segment, Text

_USE = re.compile(r"\$(?:\{([A-Za-z_]\w*)(?:[ \t]+([^{}]*))?\}|([A-Za-z_]\w*)(?=$|[ \t,)]))", re.ASCII)
ASSIGNMENT = re.compile(r"\$([A-Za-z_]\w*)=[ \t]*", re.ASCII)
_SEQUENCES = ("~SEQ(", "~SEQx(", "~LST(")
_SEQUENCE = re.compile(r"~(SEQx?|LST)\(([^)]*)\)[ \t]*")

#: No line may grow longer by expansion, no sequence may repeat a line more often, no definition may hold another that
#: holds another ... more often.
LONGEST = 100_000
MOST = 100_000
DEEPEST = 100


class Refused(ValueError):
    """An expansion or sequence that cannot be done. `kind` is "self", "much", "follow" or "sequence"."""

    def __init__(self, kind: str, message: str, span: Span, note: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.span = span
        self.note = note


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a configuration may ask about the machine that reads it.

    `config_id` decides @ID lines; `environment` serves ${_ENV X}; `seed` starts ${_RANDOM}.
    """

    config_id: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0


class Dice:
    """Numbers for ${_RANDOM}: a linear congruential generator, so that one seed always reads one configuration."""

    def __init__(self, seed: int) -> None:
        self.seed(seed)

    def seed(self, seed: int) -> None:
        self._state = seed & 0xFFFF_FFFF_FFFF_FFFF

    def roll(self, low: int, high: int) -> int:
        """A number from low to high, both included; low when the range is empty."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) & 0xFFFF_FFFF_FFFF_FFFF
        return low + (self._state >> 33) % (high - low + 1) if high > low else low


class Definitions:
    """The table of definitions while one configuration is read."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._lines: dict[str, tuple[Text, ...]] = {}
        self._environment = surroundings.environment
        self.dice = Dice(surroundings.seed)
        self.instance = ""
        self.folder = ""

    def define(self, name: str, lines: tuple[Text, ...]) -> None:
        """Set (or replace) a definition."""
        self._lines[name] = lines

    def undefined(self, text: Text) -> Iterator[tuple[str, Span, bool]]:
        """Names in `text` that look like uses of a definition but are not defined: as written, where, and whether
        the use has bare braces (which keepalived takes for those of a block)."""
        for match in _USE.finditer(text.text):
            name = match.group(1) or match.group(3)
            if name not in self._lines and self._predefined(name, "") is None:
                braces = match.group(1) is not None and text.text.count('"', 0, match.start()) % 2 == 0
                yield match.group(), text.span(match.start(), match.end()), braces

    def expand(self, text: Text, active: frozenset[str]) -> tuple[Text, list[tuple[Text, frozenset[str]]]]:
        """`text` with all definitions in it replaced. A use of an `active` name would refer to itself.

        A definition of several lines gives further texts as they are written, each with the names that are active in
        it. Raises `Refused`.
        """
        if not _USE.search(text.text):
            return text, []
        joined = _Joined(text)
        self._join(joined, text.text, active, text.span, verbatim=True)
        return (joined.done() if joined.uses else text), joined.further

    def leading_sequence(
        self, text: Text, active: frozenset[str]
    ) -> tuple[Text, list[tuple[Text, frozenset[str]]], frozenset[str]] | None:
        """`text` with only the definition at its head put in, if that makes it begin with a sequence; else None.

        The rest must wait, because it is to be expanded once for every value. Also returned: further lines as from
        `expand`, and the names that are active from here on.
        """
        further: list[tuple[Text, frozenset[str]]] = []
        while match := _USE.match(text.text):
            name = match.group(1) or match.group(3)
            lines = self._lines.get(name)
            if lines is None or name in active or (len(lines) > 1 and match.end() < len(text.text)):
                return None
            active |= {name}
            at = text.span(0, match.end())
            joined = _Joined(text)
            joined.begin(name, 0, match.end(), lines)
            joined.put(lines[0].text)
            joined.end()
            joined.copy(match.end(), len(text.text))
            text = joined.done()
            further = [*((_used_at(line, name, at), active) for line in lines[1:]), *further]
            if text.text.startswith(_SEQUENCES):
                return text, further, active
        return None

    def _join(
        self, joined: _Joined, text: str, active: frozenset[str], span: Callable[[int, int], Span], *, verbatim: bool,
    ) -> None:
        position = 0
        for match in _USE.finditer(text):
            name = match.group(1) or match.group(3)
            lines = self._find(name, match.group(2) or "", joined.place)
            if lines is None:
                continue
            at = span(match.start(), match.end())
            if name in active:
                raise Refused("self", f"${name} refers to itself", at, "its text would go on for ever")
            if len(active) == DEEPEST:
                raise Refused("much", f"more than {DEEPEST} definitions stand in one another", at)
            if len(lines) > 1 and text[match.end() :].strip():
                raise Refused("follow", f"${name} has several lines, so nothing may follow it on its line", at)
            if verbatim:
                joined.copy(position, match.start())
                joined.begin(name, match.start(), match.end(), lines)
            else:
                joined.put(text[position : match.start()])
            inner = active | {name}
            self._join(joined, lines[0].text, inner, _always(at), verbatim=False)
            if verbatim:
                joined.end()
            joined.further += [(_used_at(line, name, at), inner) for line in lines[1:]]
            joined.uses += 1
            if joined.length + joined.uses > LONGEST:
                raise Refused("much", f"the line grows beyond {LONGEST} characters", at)
            position = match.end()
        if verbatim:
            joined.copy(position, len(text))
        else:
            joined.put(text[position:])

    def _find(self, name: str, argument: str, place: Place) -> tuple[Text, ...] | None:
        lines = self._lines.get(name)
        if lines is not None:
            return lines
        text = self._predefined(name, argument)
        return None if text is None else (Text(text, place),)

    def _predefined(self, name: str, argument: str) -> str | None:
        match name:
            case "_PWD":
                return self.folder
            case "_INSTANCE":
                return self.instance
            case "_HASH":
                return "#"
            case "_BANG":
                return "!"
            case "_ENV":
                return self._environment.get(argument.strip(), "")
            case "_RANDOM":
                numbers = [int(n) for n in argument.split() if n.isdecimal() and n.isascii() and len(n) < 11]
                low, high = (*numbers, *(0, 32767)[len(numbers) :])[:2]
                return str(self.dice.roll(low, high))
        return None


def _always(span: Span) -> Callable[[int, int], Span]:
    return lambda _start, _end: span


def _used_at(line: Text, name: str, at: Span) -> Text:
    place = line.place
    via = (Via(f"in the text of ${name}, used at", at.file, at.line), *at.via)
    return line._replace(place=place._replace(via=via))


class _Joined:
    """Expanded text under construction, with its map back to the line it is put into."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self.place = text.place
        self._parts: list[str] = []
        self._segments: list[Segment] = []
        self._via: list[Via] = []
        self._open: tuple[int, int, int] = (0, 0, 0)
        self.length = 0
        self.uses = 0
        self.further: list[tuple[Text, frozenset[str]]] = []

    def put(self, part: str) -> None:
        self._parts.append(part)
        self.length += len(part)

    def copy(self, start: int, end: int) -> None:
        """Take over start..end of the original text."""
        if end > start:
            source, length = self._locate(start, end)
            self._segments.append(Segment(self.length, end - start, source, length, length == end - start))
            self.put(self._text.text[start:end])

    def begin(self, name: str, start: int, end: int, lines: tuple[Text, ...]) -> None:
        """What is put until `end` stands for start..end of the original text, a use of `name`."""
        self._open = (self.length, *self._locate(start, end))
        place = lines[0].place
        if place is not self.place:
            self._via.append(Via(f"with ${name} as defined at", place.file, place.line))

    def end(self) -> None:
        start, source, source_length = self._open
        self._segments.append(Segment(start, self.length - start, source, source_length, verbatim=False))

    def _locate(self, start: int, end: int) -> tuple[int, int]:
        return self.place.locate(self._text.shift + start, self._text.shift + end)

    def done(self) -> Text:
        place = self.place._replace(via=(*self._via, *self.place.via), segments=tuple(self._segments))
        return Text("".join(self._parts), place)


# ------------------------------------------------------------------------------------------------------- sequences


@dataclass(frozen=True, slots=True)
class Sequence:
    """One ~SEQ or ~LST at the head of a line: variables, their values by repetition, and the rest of the line."""

    variables: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    rest: Text


def read_sequence(text: Text, definitions: Definitions, active: frozenset[str]) -> Sequence | None:
    """The sequence that `text` begins with, or None. Raises `Refused`."""
    if not text.text.startswith(_SEQUENCES):
        return None
    match = _SEQUENCE.match(text.text)
    if not match:
        raise Refused("sequence", "this sequence has no closing ')'", text.span(), _SYNOPSIS)
    kind = match.group(1)
    arguments, _ = definitions.expand(Text(match.group(2), text.place, text.shift + match.start(2)), active)
    span = text.span(0, match.end(2) + 1)
    read = _read_lists if kind == "LST" else _read_numbers
    variables, rows = read(arguments.text, span, kind)
    return Sequence(variables, rows, text.cut(match.end()))


_SYNOPSIS = (
    "~SEQ(VAR, [START, [STEP,]] END), ~SEQx(...) for hexadecimal, ~LST(VAR, VALUE, ...) or ~LST({A,B}, {1,2}, ...)"
)


def _read_numbers(arguments: str, span: Span, kind: str) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    variable, *words = (word.strip() for word in arguments.split(","))
    if not _is_name(variable) or not 1 <= len(words) <= 3:
        raise Refused("sequence", f"~{kind} needs a variable and one to three numbers", span, _SYNOPSIS)
    try:
        numbers = [_number(word) for word in words]
    except ValueError:
        raise Refused("sequence", f"~{kind} takes whole numbers", span, _SYNOPSIS) from None
    end = numbers[-1]
    start = numbers[0] if len(numbers) > 1 else (-1 if end < 0 else 1)
    step = numbers[1] if len(numbers) == 3 else (1 if end >= start else -1)
    if step == 0 or (end - start) * step < 0:
        raise Refused("sequence", f"step {step} never leads from {start} to {end}", span, _SYNOPSIS)
    if abs(end - start) // abs(step) >= MOST:
        raise Refused("much", f"this sequence has more than {MOST} values", span)
    values = range(start, end + (1 if step > 0 else -1), step)
    return (variable,), tuple((f"{v:x}" if kind == "SEQx" else str(v),) for v in values)


def _number(word: str) -> int:
    """An integer with its base in the prefix, as C's strtol reads it with base 0."""
    sign = -1 if word.startswith("-") else 1
    digits = word.lstrip("+-")
    if not digits.isalnum() or not digits.isascii():
        raise ValueError(word)
    base = 16 if digits[:2] in ("0x", "0X") else 8 if digits.startswith("0") and len(digits) > 1 else 10
    return sign * int(digits, base)


def _read_lists(arguments: str, span: Span, _kind: str) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    groups = [braced or single for braced, single in re.findall(r"\{([^{}]*)\}|([^,{}]+)", arguments)]
    lists = [[word.strip() for word in group.split(",")] for group in groups if group.strip()]
    if not lists or not all(_is_name(name) for name in lists[0]):
        raise Refused("sequence", "~LST needs the name of a variable first", span, _SYNOPSIS)
    names, *rows = lists
    for row in rows:
        if len(row) > len(names):
            raise Refused("sequence", f"~LST has {len(row)} values for {len(names)} variables", span, _SYNOPSIS)
        if any(" " in value or "\t" in value for value in row):
            raise Refused("sequence", "a value of ~LST cannot hold a blank", span, _SYNOPSIS)
    return tuple(names), tuple(tuple(row + [""] * (len(names) - len(row))) for row in rows)


def _is_name(word: str) -> bool:
    return word.isidentifier() and word.isascii()
