"""The chain of one service: clients that stay where they are, then the scheduler's choice.

A table of slots must be as long as the modulus of its ``numgen`` or ``jhash``, which stands in the rule. So it stands
in the rule as well, and both change in one transaction: no connection ever finds a service without its servers.

Clients that stay are remembered beside the number of their server. A server that takes no more clients loses its
number, and gets another one when it comes back: so they are forgotten in the same transaction, however many they are,
and the kernel drops them when their time has come.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from hakeep.lvs.nat.names import FAMILIES, destination_name, service_comment, service_name
from hakeep.lvs.nat.spread import by_hash, round_robin, weighted
from hakeep.objects.ipvs import PROTOCOLS, SCHED2, Destination, DestinationKey, Service, ServiceKey, whole

#: So many clients of one service are remembered at once.
CLIENTS_MAX = 1 << 20

#: The same everywhere: another director must choose as we do.
_SEED = 0x68616B65

#: The protocols of services that have none, being a mark.
TRANSPORT = "{ tcp, udp, sctp }"


class Entry(NamedTuple):
    """One service with its destinations. If its clients stay, those that take some have `numbers`, all different, up to
    the last one that was `given` (see `numbered`)."""

    service: Service
    destinations: tuple[Destination, ...]
    numbers: Mapping[DestinationKey, int] = MappingProxyType({})
    given: int = 0


def numbered(before: Entry | None, after: Entry | None) -> Entry | None:
    """What a service should be, with numbers: those that it has (`before`), and new ones."""
    if after is None or not after.service.timeout:
        return after
    known, given = (before.numbers, before.given) if before is not None else ({}, 0)
    numbers: dict[DestinationKey, int] = {}
    for each in in_order(after.destinations):
        if each.weight:
            given += each.key not in known
            numbers[each.key] = known.get(each.key, given)
    return Entry(after.service, after.destinations, numbers, given)


def differ(before: Entry, after: Entry) -> bool:
    """Whether the rules of these states of a service may differ."""
    choices = [[each for each in entry.destinations if each.weight] for entry in (before, after)]
    return choices[0] != choices[1] or before.service != after.service or before.given != after.given


def in_order(destinations: Iterable[Destination]) -> tuple[Destination, ...]:
    """As schedulers go through them: by address, whatever order they came in, so that a server which went and came back
    is where it was."""
    return tuple(sorted(destinations, key=lambda each: (int(each.key.ip), each.key.port)))


def memory(key: ServiceKey) -> str:
    """What the set of clients that stay is, for nft."""
    kind = f"{FAMILIES[key.family]} saddr . {_constant(1)}"
    return f"typeof {kind}; flags dynamic,timeout; size {CLIENTS_MAX};"


def service_rules(entry: Entry) -> list[str]:
    """The rules of a service's chain: clients that stay, then the scheduler's choice. The first has the comment."""
    service, destinations = entry.service, in_order(entry.destinations)
    slots = [destinations[at] for at in _slots(service, destinations)]
    rules = []
    if service.timeout:
        rules += [_known(entry, each) for each in destinations if each.weight]
        rules += _choice(service, slots, partial(_remember, entry))
    rules += _choice(service, slots)  # of those who stay, whoever finds no room in the memory
    first, *others = rules or ["reject"]  # with port unreachable, as IPVS does; else whoever listens here would answer
    return [f'{first} comment "{service_comment(service, entry.given)}"', *others]


def _slots(service: Service, destinations: Sequence[Destination]) -> tuple[int, ...]:
    weights = [each.weight for each in destinations]
    if service.scheduler == "sh":
        return by_hash([destination_name(each.key) for each in destinations], weights)
    return (weighted if service.scheduler == "wrr" else round_robin)(weights)


def _choice(
    service: Service, slots: Sequence[Destination], note: Callable[[Destination], str] = lambda each: ""
) -> Iterator[str]:
    """Rules that `note` something and lead each slot's connections to its real server. Servers that need other words
    need another rule: each rule takes its connections out of those that the rules before it left. What is left of a
    sequence of turns is one as well, and counted anew; a hash remains what it is."""
    by_turns = service.scheduler != "sh"
    words = [(note(each), bool(_port(each))) for each in slots]
    left, length = list(enumerate(range(len(slots)))), len(slots)  # the number that chooses, and the slot
    while left:
        first = words[left[0][1]]
        ours = [(number, slot) for number, slot in left if words[slot] == first]
        left = [(number, slot) for number, slot in left if words[slot] != first]
        condition = f"{_number(service, length)} {_one_of([number for number, _ in ours])} " if left else ""
        if by_turns:
            ours, left = ([(number, slot) for number, (_, slot) in enumerate(each)] for each in (ours, left))
            length = len(ours)
        yield condition + first[0] + _dnat(service, {number: slots[slot] for number, slot in ours}, length)
        length = len(left) if by_turns else length


def _one_of(numbers: Collection[int]) -> str:
    return ", ".join(map(str, numbers)).join(("{ ", " }") if len(numbers) > 1 else ("", ""))


def _number(service: Service, slots: int) -> str:
    """The number of a new connection that chooses its slot."""
    if service.scheduler != "sh":
        return f"numgen inc mod {slots}"
    source = f"{FAMILIES[service.key.family]} saddr"
    asked = f"{source} . th sport" if service.flags & SCHED2 else source
    return f"jhash {asked} mod {slots} seed {_SEED:#x}"


def _dnat(service: Service, slots: Mapping[int, Destination], length: int) -> str:
    """The end of a rule: to the only server, or to that of the slot."""
    servers = {(each.key.ip, _port(each)): each for each in slots.values()}
    (ip, port), *others = servers
    protocol = TRANSPORT if service.key.fwmark else PROTOCOLS[service.key.protocol].lower()
    known = f"meta l4proto {protocol} " if port else ""  # only then does nft take a port
    if others:
        places = ", ".join(
            f"{slot} : {each.key.ip}" + (f" . {_port(each)}" if port else "") for slot, each in slots.items())
        return f"{known}dnat to {_number(service, length)} map {{ {places} }}"
    return f"{known}dnat to " + (str(ip) if not port else f"{ip}:{port}" if ip.version == 4 else f"[{ip}]:{port}")


def _port(destination: Destination) -> int:
    """The port that packets are sent to, 0 = theirs."""
    return destination.key.port or destination.key.service.port


def _known(entry: Entry, destination: Destination) -> str:
    """The rule for clients that a server has already."""
    service = entry.service
    client = f"{_client(service)} . {_constant(entry.numbers.get(destination.key, 0))}"
    return f"{client} @{service_name(service.key)} {_remember(entry, destination)}{_dnat(service, {0: destination}, 1)}"


def _remember(entry: Entry, destination: Destination) -> str:
    """The part of a rule that notes the client, for as long as it stays. Without room the rule ends here."""
    service = entry.service
    client = f"{_client(service)} . {_constant(entry.numbers.get(destination.key, 0))}"
    return f"update @{service_name(service.key)} {{ {client} timeout {service.timeout}s }} "


def _constant(number: int) -> str:
    """A number in what is looked up, where nft 1.0.6 takes no plain ones: a sequence of just this."""
    return f"numgen inc mod 1 offset {number}"


def _client(service: Service) -> str:
    """What counts of a client's address."""
    family, bits = service.key.family, whole(service.key.family)
    source = f"{FAMILIES[family]} saddr"
    if service.prefix >= bits:
        return source
    mask = (1 << bits) - (1 << bits - service.prefix)
    return f"{source} & {_text(mask, family)}"


def _text(number: int, family: int) -> str:
    """A number as an address."""
    if family == 4:
        return ".".join(str(part) for part in number.to_bytes(4, "big"))
    return ":".join(f"{number >> shift & 0xFFFF:x}" for shift in range(112, -1, -16))
