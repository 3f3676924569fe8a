"""Which real server gets which connection: schedulers as tables of slots.

A kernel that knows no schedulers knows two numbers of a new connection: how many came before it, and a hash of who
asks. Both, modulo the length of a table, choose a slot; a scheduler is the way the table is filled. Real servers of
weight 0 have no slot. Slots hold positions in the list of weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from math import gcd

#: The most slots of a table by weights, as long as there are not more real servers. Weights that need more are scaled.
SLOTS_MAX = 1024

#: Slots of a table by hash: a prime, so that every step leads through all of it.
HASHED = 1021


def round_robin(weights: Sequence[int]) -> tuple[int, ...]:
    """Each in turn (rr)."""
    return tuple(at for at, weight in enumerate(weights) if weight > 0)


def weighted(weights: Sequence[int]) -> tuple[int, ...]:
    """Each as often as it weighs, in the order of IPVS's wrr: the heavy ones begin, until the others' turn comes.

    Exact while the weights, divided by what divides them all, sum up to SLOTS_MAX; else nearly so.
    """
    shares = _scaled(weights, SLOTS_MAX, SLOTS_MAX)
    return tuple(at for level in range(max(shares, default=0), 0, -1) for at in _heavy(shares, level))


def _heavy(shares: Sequence[int], level: int) -> Iterator[int]:
    return (at for at, share in enumerate(shares) if share >= level)


def _scaled(weights: Sequence[int], most: int, room: int) -> list[int]:
    """As weights are to each other: exactly, if they sum up to no more than `most`; else `room` is shared out, and who
    would get nothing of it gets 1 beside."""
    common = gcd(*weights) or 1
    total = sum(weights) // common
    if total <= most:
        return [weight // common for weight in weights]
    return [max(1, weight // common * room // total) if weight else 0 for weight in weights]


def by_hash(names: Sequence[str], weights: Sequence[int]) -> tuple[int, ...]:
    """A table for hashes (sh) in which, when a server goes, nearly all slots of the others stay theirs.

    Each server has its own way through the table, given by its name, and they take free slots by turns, each as often
    as it weighs ("Maglev: A Fast and Reliable Software Network Load Balancer", 3.4). Two directors get the same table.
    """
    # The table is full after HASHED: those who come last must find a slot as well.
    shares = _scaled(weights, HASHED, HASHED - len(weights))
    ways = [_way(name) for name in names]
    slots: list[int | None] = [None] * HASHED
    free = HASHED if any(shares) else 0
    while free:
        for at, share in enumerate(shares):
            for _ in range(min(share, free)):
                slot = next(slot for slot in ways[at] if slots[slot] is None)
                slots[slot] = at
                free -= 1
    return tuple(at for at in slots if at is not None)


def _way(name: str) -> Iterator[int]:
    digest = blake2b(name.encode(), digest_size=16).digest()
    start = int.from_bytes(digest[:8], "big") % HASHED
    step = int.from_bytes(digest[8:], "big") % (HASHED - 1) + 1
    return ((start + turn * step) % HASHED for turn in range(HASHED))
