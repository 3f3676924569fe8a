"""Events, settings and what they are made of, as JSON can hold them, and back.

Plain values stand for themselves; a list is a tuple. What JSON lacks is an object with one key that no dataclass has::

    {"ip": "10.0.0.1"}   {"b": "0a00"}   {"f": "inf"}   {"s": [...]} (a set)   {"d": [[key, value], ...]}
    {"e": ["State", "MASTER"]}   {"@": ["Ticked", {...}]} (a dataclass or named tuple; defaults are left out)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import Enum
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from hakeep.config import settled, settled_globals, settled_track
from hakeep.objects import rtnl
from hakeep.vrrp import engine, messages, receive, tracking, wanted

#: Who may appear in a recording, by name. Nothing else is ever made from one.
CLASSES: Mapping[str, type] = {
    kind.__name__: kind
    for module in (settled, settled_globals, settled_track, rtnl, messages)
    for kind in vars(module).values()
    if isinstance(kind, type) and kind.__module__ == module.__name__ and not kind.__name__.startswith("_")
} | {"Advert": receive.Advert, "Devices": wanted.Devices, "Verdict": tracking.Verdict, "Mark": engine.Mark}


class NotationError(ValueError):
    """This is not what `write` made. The text is a sentence."""


def write(value: Any) -> Any:
    """`value` as plain lists, dicts, strings and numbers. Raises NotationError for what has no notation."""
    if value is None or isinstance(value, bool) or type(value) in (int, str):
        return value
    if isinstance(value, float):
        return value if -1e300 < value < 1e300 else {"f": str(value)}
    if isinstance(value, Enum):
        return {"e": [type(value).__name__, value.name]}
    if isinstance(value, IPv4Address | IPv6Address):
        return {"ip": str(value)}
    if isinstance(value, bytes):
        return {"b": value.hex()}
    if type(value).__name__ in CLASSES:
        name = type(value).__name__
        given = {key: write(v) for key, default in _defaults(name).items() if (v := getattr(value, key)) != default}
        return {"@": [name, given]}
    if isinstance(value, tuple | list):
        return [write(item) for item in value]
    if isinstance(value, set | frozenset):
        return {"s": [write(item) for item in value]}
    if isinstance(value, Mapping):
        return {"d": [[write(key), write(item)] for key, item in value.items()]}
    raise NotationError(f"{type(value).__name__} has no notation")


def read(value: Any) -> Any:
    """What `write` was given; lists have become tuples. Raises NotationError."""
    if isinstance(value, list):
        return tuple(map(read, value))
    if not isinstance(value, dict):
        return value
    if len(value) != 1:
        raise NotationError(f"an object with {len(value)} keys is no value")
    (tag, content), = value.items()
    try:
        return _READERS[tag](content)
    except NotationError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotationError(f"{tag!r} with this content is no value: {error}") from None


@cache
def _defaults(name: str) -> dict[str, Any]:
    """The fields of a class and their defaults; a new object, equal to nothing, where there is none."""
    kind: Any = CLASSES[name]
    if dataclasses.is_dataclass(kind):
        return {field.name: _default(field) for field in dataclasses.fields(kind)}
    return {key: kind._field_defaults.get(key, object()) for key in kind._fields}


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else object()


def _object(content: Any) -> Any:
    name, given = content
    return CLASSES[name](**{key: read(item) for key, item in given.items()})


def _member(content: Any) -> Any:
    name, member = content
    return CLASSES[name][member]  # type: ignore[index]


_READERS: Mapping[str, Any] = {
    "f": float,
    "e": _member,
    "ip": ip_address,
    "b": bytes.fromhex,
    "@": _object,
    "s": lambda content: frozenset(map(read, content)),
    "d": lambda content: {read(key): read(item) for key, item in content},
}
