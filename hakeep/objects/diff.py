"""What must change so that what is becomes what is wanted.

Kernel state is never commanded here, it is wanted: somebody computes the wanted objects, somebody reads the present
ones, and this module, which knows neither addresses nor links nor sets, says what lies between. Start, takeover,
release, reload, repair and stop are all this one function.

It trusts its caller in one thing: `have` holds only what may be touched. Whatever is in it and not wanted goes.

The order of the result is part of the promise. Removals come first, so that what clashes with something new is out
of its way, and last made goes first, so that what stands on something else goes before it. Then follow replacements
and additions in the order of `wanted`: the first that is wanted is the first that is served.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import eq
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Add(Generic[K, T]):
    """`wanted` is not there yet."""

    key: K
    wanted: T


@dataclass(frozen=True, slots=True)
class Remove(Generic[K, T]):
    """`have` is there and not wanted."""

    key: K
    have: T


@dataclass(frozen=True, slots=True)
class Replace(Generic[K, T]):
    """The object of this key is there, but as `have` and not as `wanted`."""

    key: K
    have: T
    wanted: T


Change = Add[K, T] | Remove[K, T] | Replace[K, T]


def diff(
    have: Mapping[K, T], wanted: Mapping[K, T], *, same: Callable[[T, T], bool] = eq
) -> list[Change[K, T]]:
    """The changes that lead from `have` to `wanted`, in the order in which to make them.

    `same(present, wished)` says whether a present object will do; by default they must be equal.
    """
    return list(differences(have, wanted, wanted.items(), same=same))


def differences(
    have: Mapping[K, T], wanted: Container[K], wishes: Iterable[tuple[K, T]], *, same: Callable[[T, T], bool] = eq
) -> Iterator[Change[K, T]]:
    """The changes of `diff`, one by one as they are asked for, so that the first can be made while the last is not yet
    thought of. `wanted` are the keys of `wishes`, which come in their order. Neither may change meanwhile."""
    for key in reversed(list(have)):
        if key not in wanted:
            yield Remove(key, have[key])
    for key, wish in wishes:
        if key not in have:
            yield Add(key, wish)
        elif not same(have[key], wish):
            yield Replace(key, have[key], wish)
