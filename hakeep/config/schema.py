"""The language as data: what keywords there are, where, and all that is to be known about each.

Two ways to declare a block, one result. A block that something acts on is a `Section` whose fields are made by
`keyword(...)`; `block_of` reads them. A block whose values are only kept is a list of `given(...)` keywords and
binds to `Plain`. Both give a `Block`: a table of `Keyword`s from which parser, checks, and later YAML, manual pages,
completion and reload rules are read off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from dataclasses import field as field_of
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Any, ClassVar

from hakeep.config.backends import Limit
from hakeep.config.line import Line
from hakeep.config.span import Span
from hakeep.config.values.value import Value


class Missing(Enum):
    """What a keyword without the words it needs means."""

    ERROR = "the line is ignored"
    FATAL = "reading stops, as keepalived's does"


class Repeat(Enum):
    """What a keyword means that comes again in its block."""

    LAST = "the last one counts"
    FIRST = "the first one counts; more are errors"
    FOREMOST = "the one that its usage names first counts; a later one after that is an error"
    REPLACE = "the last one counts, with an error"
    ADD = "all count"


class Reload(StrEnum):
    """How a changed value takes effect at a reload."""

    HOT = "hot"
    RESTART = "restart"
    NEVER = "never"


class Process(StrEnum):
    """Which worker acts on the value."""

    VRRP = "vrrp"
    LVS = "lvs"
    BFD = "bfd"
    ALL = "all"


class Support(Enum):
    """Whether hakeep acts on the keyword."""

    FULL = "hakeep acts on it"
    IGNORED = "hakeep goes on without it, with a warning"


#: `since` of the words that only hakeep knows.
OURS = "hakeep"


def braced(head: str, body: str) -> str:
    """A block of configuration text."""
    return "\n".join([f"{head} {{", *(f"    {line}" for line in body.splitlines()), "}"])


@dataclass(frozen=True, slots=True)
class Entries:
    """A list block: one entry a line, each read by `entry`. `words`: every word of every line is an entry."""

    entry: Value[Any]
    words: bool = False


@dataclass(frozen=True, slots=True)
class Keyword:
    """One keyword of a block.

    `field` is the name under which the value is kept. With `vital` nothing starts if the value is bad. `default`, `doc`
    and `notes` are for people; what a beginner must know stands in `prose`. `sample` are the words of the example,
    where the value type's own would not do. `since` is the version of keepalived that brought it ("" = before 2.4), or
    OURS. `instead` says what happens instead of what is not supported. `preferred` is set on old spellings; `warns` on
    those that keepalived reports. `backends` are limits of backends of virtual servers, by what `lvs_backend` says.
    """

    name: str
    value: Value[Any] | Entries | Block
    doc: str
    field: str = ""
    default: str = ""
    required: bool = False
    vital: bool = False
    missing: Missing = Missing.ERROR
    repeat: Repeat = Repeat.LAST
    reload: Reload = Reload.HOT
    process: Process = Process.VRRP
    since: str = ""
    support: Support = Support.FULL
    instead: str = ""
    obsolete: str = ""
    preferred: str = ""
    warns: bool = False
    old: tuple[str, ...] = ()
    notes: str = ""
    sample: str = ""
    backends: Mapping[str, Limit] = field_of(default_factory=dict, hash=False)

    def lack(self, backend: str, value: str = "") -> str:
        """Why a backend of virtual servers cannot do this keyword with this value, as a sentence; "" where it can."""
        limit = self.backends.get(backend)
        return limit.lack(self.name, value, backend) if limit else ""

    @property
    def own(self) -> bool:
        """Is it a word of hakeep's, which keepalived does not know?"""
        return self.since == OURS

    @property
    def example(self) -> str:
        """A line, or a block of lines, as it may stand in the block that the keyword belongs to."""
        if isinstance(self.value, Block):
            head = self.sample or (self.value.head.example if self.value.head else "web" if self.value.name else "")
            return braced(f"{self.name} {head}".rstrip(), self.value.example)
        if isinstance(self.value, Entries):
            return braced(self.name, self.sample or self.value.entry.example)
        return f"{self.name} {self.sample or self.value.example}".rstrip()

    @property
    def synopsis(self) -> str:
        """The keyword and what may follow it, on one line."""
        if isinstance(self.value, Block):
            name = f" {self.value.name}" if self.value.name else ""
            return f"{self.name}{name} {{ ... }}"
        if isinstance(self.value, Entries):
            more = " ..." if self.value.words else ""
            return f"{self.name} {{ {self.value.entry.synopsis}{more} }}"
        return f"{self.name} {self.value.synopsis}".rstrip()


class _Given:
    """What `keyword` leaves in a class body until `Section` takes it: keywords and the field's default."""

    __slots__ = ("default", "facts", "keywords")

    def __init__(self, keywords: list[tuple[str, Any, str]], facts: dict[str, Any], default: Any) -> None:
        self.keywords, self.facts, self.default = keywords, facts, default


def keyword(
    value: Value[Any] | Entries | Block, doc: str, *, spelled: str = "",
    also: Iterable[tuple[str, Value[Any], str]] = (), **facts: Any,
) -> Any:
    """A field of a section that is a keyword. Lists default to (), everything else to None.

    `spelled` is the keyword when it is not the field's name. `also` are further keywords that set the same field.
    """
    adds = isinstance(value, Entries) or facts.get("repeat") is Repeat.ADD
    return _Given([(spelled, value, doc), *also], facts, () if adds else None)


#: What a section knows of itself besides what was written.
_UNWRITTEN = ("at", "end", "places", "refused")


class Section:
    """A bound block. `at` is its first line, `places` the lines of its keywords (of list entries, entry by entry).
    `refused` are the lists of which an entry was reported and left out: they are shorter than they were written.

    A subclass declares keywords as fields. It is what a frozen dataclass would be, but it makes no code (a hundred
    fields would cost some ten milliseconds at every start) and stores only what was written: the rest is the class's
    defaults. Equality leaves out where things were written.
    """

    name: str = ""
    at: Line | None = None
    end: Line | None = None
    places: Mapping[str, tuple[Line, ...]] = MappingProxyType({})
    refused: frozenset[str] = frozenset()
    __children__: ClassVar[tuple[Keyword, ...]] = ()
    __slots__ = ()  # a subclass that declares none has a __dict__

    def __init_subclass__(cls) -> None:
        children = []
        for name, item in list(vars(cls).items()):
            if isinstance(item, _Given):
                setattr(cls, name, item.default)
                children += [
                    Keyword(spelled or name, value, doc, field=name, **_normal(value, item.facts))
                    for spelled, value, doc in item.keywords
                ]
        cls.__children__ = tuple(children)

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def _what(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in _UNWRITTEN}

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Section) and self._what() == other._what()

    def __hash__(self) -> int:
        return hash((type(self), tuple(sorted(self._what().items(), key=lambda item: item[0]))))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._what().items())})"

    def given(self) -> Iterable[tuple[str, Any]]:
        """Fields that were written, and their values."""
        return self._what().items()

    def order(self, keyword: str = "", index: int = -1) -> int:
        """Which line of the configuration the keyword (or else the block's beginning) is; -1 if it was not written."""
        lines = self.places.get(keyword, ()) if keyword else (self.at,)
        line = lines[index] if lines and -len(lines) <= index < len(lines) else None
        return line.order if line else -1

    def span(self, keyword: str = "", index: int = -1, word: int | None = None) -> Span | None:
        """Where the keyword (its last line, or entry number `index`) was written; else where the block begins.

        `word` narrows it to that word of the line: 1 is the value of a keyword, or without `keyword` the block's name.
        """
        lines = self.places.get(keyword)
        if lines and -len(lines) <= index < len(lines):
            return lines[index].span(word)
        return self.at.span(None if keyword else word) if self.at else None

    def closing(self) -> Span | None:
        """Where the block ends: what is missing in it would stand before that. A block without braces ends where it
        begins."""
        return self.end.span() if self.end else self.span()


class Plain(Section):
    """A block that is kept as it is: keyword and value, in order. Values of repeatable keywords are tuples.

    `head` is what the words after the block's keyword mean, where the block is not just named. There are ten thousands
    of such blocks in some configurations, so each keeps little of its own: blocks of the same text share `values`.
    """

    __slots__ = ("at", "end", "head", "keyword", "name", "places", "refused", "values")

    keyword: str
    values: Mapping[str, Any]
    head: Any

    def __init__(
        self, keyword: str = "", name: str = "", at: Line | None = None, end: Line | None = None,
        places: Mapping[str, tuple[Line, ...]] = Section.places, values: Mapping[str, Any] = MappingProxyType({}),
        head: Any = None, refused: frozenset[str] = Section.refused,
    ) -> None:
        keep = object.__setattr__
        keep(self, "keyword", keyword)
        keep(self, "name", name)
        keep(self, "at", at)
        keep(self, "end", end)
        keep(self, "places", places)
        keep(self, "values", values)
        keep(self, "head", head)
        keep(self, "refused", refused)

    def _what(self) -> dict[str, Any]:
        return {
            "name": self.name, "keyword": self.keyword, "values": tuple(self.values.items()), "head": self.head}

    def given(self) -> Iterable[tuple[str, Any]]:
        return self.values.items()

    def get(self, keyword: str, default: Any = None) -> Any:
        """The value of a keyword, or `default` if it is absent."""
        return self.values.get(keyword, default)


class Block:
    """A kind of block: its keywords, and what it binds to.

    `name` is the synopsis of the words after the keyword ("" = none are allowed), `exact` says that it is exactly one,
    `longest` how many characters it may have. With `unique` a second block of the same name is left out: an error, but
    where keepalived says nothing (`silent`). `head` reads the words after the keyword; a block whose head is bad is
    left out. A block with `entries` holds lines of those instead of keywords. `shown` are the keywords of its example;
    those that are required are there in any case.
    """

    __slots__ = (
        "_build", "_shown", "children", "doc", "entries", "exact", "fields", "head", "keywords", "longest", "name",
        "silent", "unique")

    def __init__(
        self, doc: str, children: Iterable[Keyword], *, name: str = "", exact: bool = False, longest: int = 0,
        unique: bool = False, silent: bool = False, head: Value[Any] | None = None, entries: Value[Any] | None = None,
        build: Callable[..., Section] | None = None, shown: tuple[str, ...] = (),
    ) -> None:
        self.doc, self.name, self.exact, self.unique, self.silent = doc, name, exact, unique, silent
        self.head, self.entries, self.longest = head, entries, longest
        self._build, self._shown = build, shown
        self.children: tuple[Keyword, ...] = tuple(children)
        self.keywords: dict[str, Keyword] = {}
        for child in self.children:
            self.keywords[child.name] = child
            for spelling in child.old:
                old = spelling.rstrip("!")
                warns = spelling.endswith("!")
                self.keywords[old] = replace(child, name=old, preferred=child.name, warns=warns, old=())
        self.fields = {child.field: child for child in reversed(self.children)}

    @property
    def example(self) -> str:
        """What may stand between its braces."""
        if self.entries:
            return self.entries.example
        required = [child.name for child in self.children if child.required and child.name not in self._shown]
        return "\n".join(self.keywords[name].example for name in (*required, *self._shown))

    def build(
        self, keyword: str, name: str, at: Line | None, end: Line | None, values: Mapping[str, Any],
        places: Mapping[str, tuple[Line, ...]], head: Any = None, refused: frozenset[str] = Section.refused,
    ) -> Section:
        """The bound section."""
        if self._build:
            return self._build(name=name, at=at, end=end, places=places, refused=refused, **values)
        return Plain(keyword, name, at, end, places, values, head, refused)


def block_of(cls: type[Section], **facts: Any) -> Block:
    """The block that a section class declares. Its docstring's first line is the block's."""
    return Block((cls.__doc__ or "").partition("\n")[0], cls.__children__, build=cls, **facts)


def given(name: str, value: Value[Any] | Entries | Block, doc: str, **facts: Any) -> Keyword:
    """A keyword of a block that is kept as it is."""
    return Keyword(name, value, doc, field=facts.pop("field", name), **_normal(value, facts))


def _normal(value: object, facts: dict[str, Any]) -> dict[str, Any]:
    """Facts in full: `fatal` and `ignored` are short for what their names say, list blocks add up."""
    full: dict[str, Any] = {"repeat": Repeat.ADD} if isinstance(value, Entries) else {}
    full |= facts
    if full.pop("fatal", False):
        full["missing"] = Missing.FATAL
    if "reload" in full:
        full["reload"] = Reload(full["reload"])
    if "process" in full:
        full["process"] = Process(full["process"])
    if "ignored" in full:
        full |= {"support": Support.IGNORED, "instead": full.pop("ignored")}
    return full
