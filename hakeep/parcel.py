"""Values on their way from the supervisor to its workers.

They travel as pickles. A director may have 37,000 real servers, each of them half a dozen small values, so two things
are different from the module's own way, which takes three times as long: a dataclass goes as a call of its class with
what its fields hold, and an address as a number. Whoever unpickles that needs nothing but these classes.

A `Parcel` is such a value before or after that. What a worker gets that is forked while its parent still has the value
itself, it need not unpickle; and the pickle is made when somebody asks for it, or by a child that has the time.
"""

from __future__ import annotations

import copyreg
import gc
import io
import pickle
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from ipaddress import IPv4Address, IPv6Address
from operator import attrgetter
from typing import Any

from hakeep.worker import no_collection

Reducer = Callable[[Any], str | tuple[Any, ...]]


class _Reducers(dict[type, Reducer]):
    """How to take values apart, by class; of dataclasses it is found out when the first one comes."""

    def __missing__(self, kind: type) -> Reducer:
        if not is_dataclass(kind) or any(each.kw_only or not each.init for each in fields(kind)):
            raise KeyError(kind)
        made = self[kind] = _call_of(kind, [each.name for each in fields(kind)])
        return made


def _call_of(kind: type, names: list[str]) -> Reducer:
    if not names:
        return lambda value: (kind, ())
    take = attrgetter(*names)
    if len(names) == 1:
        return lambda value: (kind, (take(value),))
    return lambda value: (kind, take(value))


def _address(value: IPv4Address | IPv6Address) -> tuple[Any, ...]:
    return (type(value), (str(value) if getattr(value, "scope_id", None) else int(value),))


_REDUCERS = _Reducers(copyreg.dispatch_table)
_REDUCERS |= {IPv4Address: _address, IPv6Address: _address}


def pack(value: object) -> bytes:
    """The pickle of a value of ours."""
    made = io.BytesIO()
    pickler = pickle.Pickler(made, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _REDUCERS
    with no_collection():
        pickler.dump(value)
    return made.getvalue()


def unpack(data: bytes) -> Any:
    """The value of a pickle that we made ourselves."""
    with no_collection():
        return pickle.loads(data)


class Parcel:
    """A value, its pickle, or both; nothing (and then false) without either."""

    __slots__ = ("_data", "_value")

    def __init__(self, data: bytes = b"", value: object = None) -> None:
        self._data = data
        self._value = value

    def __bool__(self) -> bool:
        return self._value is not None or bool(self._data)

    def __eq__(self, other: object) -> bool:
        if self is other or not isinstance(other, Parcel):
            return self is other
        return bool(self) == bool(other) and self.data == other.data

    __hash__ = None  # type: ignore[assignment]

    @property
    def data(self) -> bytes:
        """The pickle; b"" of nothing."""
        if not self._data and self._value is not None:
            self._data = pack(self._value)
        return self._data

    @property
    def value(self) -> Any:
        """The value; None of nothing. It is not kept if it has to be unpickled."""
        return unpack(self._data) if self._value is None and self._data else self._value

    @property
    def sealed(self) -> bool:
        """True when there is no value in it that takes up memory."""
        return self._value is None

    def seal(self, data: bytes = b"") -> None:
        """Keep the pickle only. `data` is what another process has made of the same value."""
        self._data = self._data or data or self.data
        self.drop()

    def drop(self) -> None:
        """Hold nothing of the value: for a process that has no use for it.

        Python keeps some thousands of freed tuples for later, one here and one there, and with them nearly all of the
        memory that they are in; a collection lets go of them. It is quick where what else there is has been frozen.
        """
        if self._value is not None:
            self._value = None
            gc.collect()
