"""One rule entry, from its words to a `Rule`."""

from __future__ import annotations

from hakeep.config.host import Host
from hakeep.config.settle.names import number, resolve
from hakeep.config.settle.route_words import Unsettled, family_of, network, realms
from hakeep.config.values.options import Pairs
from hakeep.objects.routes import TABLE_MAIN, Network, Rule

_ACTIONS = ("goto", "nop", "l3mdev", "blackhole", "unreachable", "prohibit")
_ANY_MARK = 0xFFFFFFFF


def rule_of(pairs: Pairs, preference: int, host: Host) -> Rule:
    """The rule that these words ask for, at `preference` unless they name one. Raises `Unsettled` and
    `names.UnknownName`."""
    words = dict(pairs)
    family = family_of(pairs, ("from", "to"))
    action = _action(words)
    suppress = words.get("suppress_prefixlength")
    group = words.get("suppress_ifgroup")
    if action != "table" and (suppress is not None or group is not None):
        raise Unsettled("only a rule that looks into a table can suppress what it finds")
    return Rule(
        family, int(words.get("preference", preference)),
        source=_match(words.get("from", "all"), family), to=_match(words.get("to", "all"), family),
        action=action,
        table=resolve(words.get("table", str(TABLE_MAIN)), "rt_tables", host) if action == "table" else 0,
        goto=_goto(words, int(words.get("preference", preference))),
        inverted="not" in words, iif=words.get("dev", ""), oif=words.get("oif", ""),
        tos=resolve(words.get("tos", "0"), "rt_dsfield", host),
        mark=_mark(words["fwmark"]) if "fwmark" in words else None,
        realms=realms(words["realms"], host) if "realms" in words else 0,
        suppress_prefixlength=None if suppress is None else int(suppress),
        suppress_ifgroup=None if group is None else resolve(group, "group", host),
        tunnel_id=int(words.get("tunnel-id", "0")),
        uids=_range(words["uidrange"]) if "uidrange" in words else None,
        ip_protocol=resolve(words.get("ipproto", "0"), "protocols", host),
        sport=_range(words["sport"]) if "sport" in words else None,
        dport=_range(words["dport"]) if "dport" in words else None,
        **({"protocol": int(words["protocol"])} if "protocol" in words and "no_track" in words else {}),
    )


def _action(words: dict[str, str]) -> str:
    found = next((name for name in _ACTIONS if name in words), "")
    if not found and words.get("type", "unicast") != "unicast":
        found = words["type"]
        if found not in _ACTIONS:
            raise Unsettled(f"a rule cannot be of type {found}")
    refused = next((name for name in ("throw", "nat", "local", "broadcast", "multicast") if name in words), "")
    if refused:
        raise Unsettled(f"a rule cannot be of type {refused}")
    return found or "table"


def _match(word: str, family: int) -> Network | None:
    prefix = network(word, family)
    return prefix if prefix.prefixlen else None


def _goto(words: dict[str, str], preference: int) -> int:
    target = int(words.get("goto", "0"))
    if "goto" in words and target <= preference:
        raise Unsettled(f"a rule at {preference} can only go to a later one, not to {target}")
    return target


def _mark(word: str) -> tuple[int, int]:
    value, slash, mask = word.partition("/")
    return number(value), number(mask) if slash else _ANY_MARK


def _range(word: str) -> tuple[int, int]:
    first, dash, last = word.partition("-")
    pair = int(first), int(last if dash else first)
    if pair[0] > pair[1]:
        raise Unsettled(f"{word} ends before it begins")
    return pair
