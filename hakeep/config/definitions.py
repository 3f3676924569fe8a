"""Definitions ($NAME=text) and what is predefined.

A definition's text is expanded when it is used, so definitions may use one another and later ones. Only the braced
form ${NAME} is replaced anywhere; the plain one needs the end of the line, a blank, a comma or a closing parenthesis
after it. What is not defined stays as it is written.

A text is often expanded a hundred thousand times, once for each value of a sequence. So its uses are found once, and
where the uses are of definitions that use no others, expansion is one string operation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from hakeep.config.span import Span, Via
from hakeep.config.text import Place, Segment, Text

_USE = re.compile(r"\$(?:\{([A-Za-z_]\w*)(?:[ \t]+([^{}]*))?\}|([A-Za-z_]\w*)(?=$|[ \t,)]))", re.ASCII)
_NAME = re.compile(r"\$([A-Za-z_]\w*)", re.ASCII)
ASSIGNMENT = re.compile(r"\$([A-Za-z_]\w*)=[ \t]*", re.ASCII)
SEQUENCES = ("~SEQ(", "~SEQx(", "~LST(")

#: No line may grow longer or use more definitions by expansion, no definition may hold another that holds another ...
#: more often.
LONGEST = 100_000
BUSIEST = 2_000
DEEPEST = 100
#: How many texts and places are remembered. Written texts are few; this bounds what a hostile file can do.
_REMEMBERED = 10_000

#: A text to be expanded, and the names that are being expanded around it.
Pending = tuple[Text, frozenset[str]]


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


class _Template(NamedTuple):
    """A text taken apart at its uses: their names and places, and a form in which %s stands for each."""

    names: tuple[str, ...]
    spots: tuple[tuple[int, int], ...]
    form: str


class Definitions:
    """The table of definitions while one configuration is read."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._lines: dict[str, tuple[Text, ...]] = {}
        self._plain: dict[str, tuple[str, Place | None]] = {}  # the definitions of one line that use no others
        self._templates: dict[str, _Template] = {}
        self._places: dict[tuple[object, ...], tuple[Place, object]] = {}
        self._unrolled: dict[tuple[object, ...], tuple[list[Pending], object]] = {}
        self._environment = surroundings.environment
        self.dice = Dice(surroundings.seed)
        self._fixed = {"_HASH": "#", "_BANG": "!", "_INSTANCE": "", "_PWD": ""}
        for name, value in self._fixed.items():
            self._fix(name, value)

    # ---------------------------------------------------------------------------------------------- what is defined

    def define(self, name: str, lines: tuple[Text, ...]) -> None:
        """Set (or replace) a definition."""
        self._lines[name] = lines
        if len(lines) == 1 and "$" not in lines[0].text:
            self._plain[name] = lines[0].text, lines[0].place
        else:
            self._plain.pop(name, None)

    @property
    def instance(self) -> str:
        """What ${_INSTANCE} stands for."""
        return self._fixed["_INSTANCE"]

    @instance.setter
    def instance(self, name: str) -> None:
        self._fix("_INSTANCE", name)

    @property
    def folder(self) -> str:
        """What ${_PWD} stands for."""
        return self._fixed["_PWD"]

    @folder.setter
    def folder(self, path: str) -> None:
        self._fix("_PWD", path)

    def _fix(self, name: str, value: str) -> None:
        self._fixed[name] = value
        if name not in self._lines:
            self._plain.pop(name, None)
            if "$" not in value:
                self._plain[name] = value, None

    def _find(self, name: str, argument: str, place: Place) -> tuple[Text, ...] | None:
        lines = self._lines.get(name)
        if lines is not None:
            return lines
        text = self._predefined(name, argument)
        return None if text is None else (Text(text, place),)

    def _predefined(self, name: str, argument: str) -> str | None:
        if name == "_ENV":
            return self._environment.get(argument.strip(), "")
        if name == "_RANDOM":
            numbers = [int(n) for n in argument.split() if n.isdecimal() and n.isascii() and len(n) < 11]
            low, high = (*numbers, *(0, 32767)[len(numbers) :])[:2]
            return str(self.dice.roll(low, high))
        return self._fixed.get(name)

    def undefined(self, text: Text) -> Iterator[tuple[str, Span, bool]]:
        """Names in `text` that look like uses of a definition but are not defined: as written, where, and whether
        the use has bare braces (which keepalived takes for those of a block)."""
        for match in _USE.finditer(text.text):
            name = match.group(1) or match.group(3)
            if name not in self._lines and name not in self._fixed and name not in ("_ENV", "_RANDOM"):
                braces = match.group(1) is not None and text.text.count('"', 0, match.start()) % 2 == 0
                yield match.group(), text.span(match.start(), match.end()), braces

    def plain(self, name: str) -> str | None:
        """The text of a definition of one line that uses no others; None: the name has none such."""
        found = self._plain.get(name)
        return found[0] if found else None

    def taken_apart(self, text: str) -> tuple[tuple[str, ...], tuple[tuple[int, int], ...]]:
        """The names that `text` uses, defined or not, and where each use stands."""
        template = self._templates.get(text) or self._take_apart(text)
        return template.names, template.spots

    def at_head(self, text: str) -> tuple[str, int, tuple[Text, ...]]:
        """The name that `text` begins with a use of, where the use ends, and the lines that the name was given."""
        match = _USE.match(text)
        name = (match.group(1) or match.group(3)) if match else ""
        return name, match.end() if match else 0, self._lines.get(name, ())

    def stuck(self, text: Text) -> Iterator[tuple[str, Span]]:
        """Names in `text` that are defined but not replaced, because of what follows them."""
        for match in _NAME.finditer(text.text):
            if match.group(1) in self._lines and not _USE.match(text.text, match.start()):
                yield match.group(1), text.span(match.start(), match.end())

    # --------------------------------------------------------------------------------------------------- expansion

    def expand(self, text: Text, active: frozenset[str]) -> tuple[Text, list[Pending], int]:
        """`text` with all definitions in it replaced. A use of an `active` name would refer to itself.

        A definition of several lines gives further texts as they are written, each with the names that are active in
        it. The number is that of the uses. Raises `Refused`.
        """
        template = self._templates.get(text.text) or self._take_apart(text.text)
        if not template.names:
            return text, [], 0
        if not active or active.isdisjoint(template.names):
            plain = self._plain
            found = [plain.get(name) for name in template.names]
            if None not in found:
                return self._fill(text, template, found), [], 1  # type: ignore[arg-type]
        joined = _Joined(text)
        self._join(joined, text.text, active, text.span, verbatim=True)
        return (joined.done() if joined.uses else text), joined.further, joined.uses

    def _take_apart(self, text: str) -> _Template:
        names, spots, form, position = [], [], [], 0
        for match in _USE.finditer(text):
            names.append(match.group(1) or match.group(3))
            spots.append(match.span())
            form += [text[position : match.start()].replace("%", "%%"), "%s"]
            position = match.end()
        form.append(text[position:].replace("%", "%%"))
        if len(self._templates) > _REMEMBERED:
            self._templates.clear()
        template = self._templates[text] = _Template(tuple(names), tuple(spots), "".join(form))
        return template

    def _fill(self, text: Text, template: _Template, found: list[tuple[str, Place | None]]) -> Text:
        """One string operation; the place is the same for all values of the same lengths."""
        values, places = zip(*found, strict=True)
        filled = template.form % values
        if len(filled) > LONGEST:
            raise Refused("much", f"the line grows beyond {LONGEST} characters", text.span())
        key = (id(text.place), text.shift, id(template), *map(len, values), *map(id, places))
        known = self._places.get(key)
        if known is None:
            joined = _Joined(text)
            position = 0
            for name, (start, end), value, place in zip(template.names, template.spots, values, places, strict=True):
                joined.copy(position, start)
                joined.begin(name, start, end, place or text.place)
                joined.put(value)
                joined.end()
                position = end
            joined.copy(position, len(text.text))
            if len(self._places) > _REMEMBERED:
                self._places.clear()
            # the key holds addresses, so what stands at them must stay
            known = self._places[key] = joined.done().place, (text.place, template, places)
        return Text(filled, known[0])

    def unrolled(self, text: Text, active: frozenset[str]) -> list[Pending] | None:
        """The lines of a definition of several lines, if `text` is nothing but a use of one; else None."""
        template = self._templates.get(text.text) or self._take_apart(text.text)
        if len(template.names) != 1 or template.spots[0] != (0, len(text.text)) or template.names[0] in active:
            return None
        name = template.names[0]
        lines = self._lines.get(name, ())
        if len(lines) < 2 or len(active) == DEEPEST:
            return None
        key = (id(text.place), text.shift, id(lines), active)
        known = self._unrolled.get(key)
        if known is None:
            at, inner = text.span(), active | {name}
            if len(self._unrolled) > _REMEMBERED:
                self._unrolled.clear()
            known = self._unrolled[key] = [(_used_at(line, name, at), inner) for line in lines], (text.place, lines)
        return known[0]

    def leading_sequence(
        self, text: Text, active: frozenset[str]
    ) -> tuple[Text, list[Pending], frozenset[str]] | None:
        """`text` with only the definition at its head put in, if that makes it begin with a sequence; else None.

        The rest must wait, because it is to be expanded once for every value. Also returned: further lines as from
        `expand`, and the names that are active from here on.
        """
        further: list[Pending] = []
        while match := _USE.match(text.text):
            name = match.group(1) or match.group(3)
            lines = self._lines.get(name)
            if lines is None or name in active or not lines[0].text.startswith(("~", "$")) or (
                len(lines) > 1 and match.end() < len(text.text)
            ):
                return None
            active |= {name}
            at = text.span(0, match.end())
            joined = _Joined(text)
            joined.begin(name, 0, match.end(), lines[0].place)
            joined.put(lines[0].text)
            joined.end()
            joined.copy(match.end(), len(text.text))
            text = joined.done()
            further = [*((_used_at(line, name, at), active) for line in lines[1:]), *further]
            if text.text.startswith(SEQUENCES):
                return text, further, active
        return None

    def _join(
        self, joined: _Joined, text: str, active: frozenset[str], span: Callable[[int, int], Span], *, verbatim: bool,
    ) -> None:
        """Expansion in general: definitions within definitions, definitions of several lines, names not defined."""
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
                joined.begin(name, match.start(), match.end(), lines[0].place)
            else:
                joined.put(text[position : match.start()])
            inner = active | {name}
            self._join(joined, lines[0].text, inner, _always(at), verbatim=False)
            if verbatim:
                joined.end()
            joined.further += [(_used_at(line, name, at), inner) for line in lines[1:]]
            joined.uses += 1
            if joined.length > LONGEST or joined.uses > BUSIEST:
                raise Refused("much", f"the line grows beyond {LONGEST} characters or {BUSIEST} definitions", at)
            position = match.end()
        if verbatim:
            joined.copy(position, len(text))
        else:
            joined.put(text[position:])


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
        self.further: list[Pending] = []

    def put(self, part: str) -> None:
        self._parts.append(part)
        self.length += len(part)

    def copy(self, start: int, end: int) -> None:
        """Take over start..end of the original text."""
        if end > start:
            source, length = self._locate(start, end)
            self._segments.append(Segment(self.length, end - start, source, length, length == end - start))
            self.put(self._text.text[start:end])

    def begin(self, name: str, start: int, end: int, defined: Place) -> None:
        """What is put until `end` stands for start..end of the original text, a use of `name`."""
        self._open = (self.length, *self._locate(start, end))
        via = Via(f"with ${name} as defined at", defined.file, defined.line)
        if defined is not self.place and via not in self._via:
            self._via.append(via)

    def end(self) -> None:
        start, source, source_length = self._open
        self._segments.append(Segment(start, self.length - start, source, source_length, verbatim=False))

    def _locate(self, start: int, end: int) -> tuple[int, int]:
        return self.place.locate(self._text.shift + start, self._text.shift + end)

    def done(self) -> Text:
        place = self.place._replace(via=(*self._via, *self.place.via), segments=tuple(self._segments))
        return Text("".join(self._parts), place)
