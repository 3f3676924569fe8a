"""What a sync group will do when something of it fails, in a sentence: the failure of one member is that of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hakeep.config.settled import Settings, SyncGroup, VrrpInstance
from hakeep.config.settled_track import Track

#: So many things that can fail are named.
NAMED = 8


def group_fates(settings: Settings) -> list[str]:
    """A sentence for each group."""
    by_name = {instance.name: instance for instance in settings.vrrp}
    return [f"{group.name}: {_fate(group, [by_name[name] for name in group.members])}" for group in settings.groups]


def _fate(group: SyncGroup, members: Sequence[VrrpInstance]) -> str:
    if len(members) == 1:
        return f"{group.members[0]} is its only member, so it has no effect"
    all_ = _listed(group.members, "and")
    causes = list(dict.fromkeys(_causes(members)))
    weights = list(_weights(members))
    moved = f"; {_listed(weights, 'and')} move{'s' if len(weights) == 1 else ''} their priorities" if weights else ""
    if not causes:
        return f"{all_} change state together, but no failure that is watched here puts any of them in FAULT{moved}"
    last = any(member.last_standing for member in members)
    return (f"when {_listed(causes, 'or')} fails, {all_} hand over together"
            + (", unless failed checks are all that is wrong and nobody is better" if last else "") + moved)


def _causes(members: Sequence[VrrpInstance]) -> Iterator[str]:
    """What puts the group in FAULT: interfaces with their members, then the rest."""
    users: dict[str, list[str]] = {}
    for member in members:
        for name in links(member):
            users.setdefault(name, []).append(member.name)
    for name, names in users.items():
        yield f"{name} ({', '.join(names)})" if len(names) < len(members) else name
    for member in members:
        yield from (_called(track) for track in member.tracks
                    if not track.weight and (track.kind != "interface" or track.reverse))


def _weights(members: Sequence[VrrpInstance]) -> Iterator[str]:
    """What moves priorities, with its weight, and with the members if it is not all of them."""
    users: dict[str, list[str]] = {}
    for member in members:
        for track in member.tracks:
            if track.weight:
                reverse = " reverse" if track.reverse else ""
                users.setdefault(f"{_named(track)} (weight {track.weight}{reverse}", []).append(member.name)
    for text, names in users.items():
        yield text + (f", only {', '.join(names)})" if len(names) < len(members) else ")")


def links(member: VrrpInstance) -> Iterator[str]:
    """The interfaces without which a member is in FAULT."""
    names = [member.interface] if member.interface and not member.dont_track_primary else []
    names += [entry.address.interface for entry in member.addresses if entry.track and entry.address.interface]
    names += [track.name for track in member.tracks
              if track.kind == "interface" and not track.weight and not track.reverse]
    return iter(dict.fromkeys(names))


def _called(track: Track) -> str:
    """Something without a weight, and what its failure is if that does not go without saying."""
    if track.kind == "file":
        return f"{_named(track)} (when it says {'0' if track.reverse else 'anything but 0'})"
    return _named(track) + (" (reverse: when it is well)" if track.reverse else "")


def _named(track: Track) -> str:
    return f"{track.kind.replace('_', ' ')} {track.name}"


def _listed(names: Sequence[str], conjunction: str) -> str:
    """"a, b and c"; of many only the first."""
    shown = list(names[:NAMED]) + ([f"{len(names) - NAMED} more"] if len(names) > NAMED else [])
    return f"{', '.join(shown[:-1])} {conjunction} {shown[-1]}" if len(shown) > 1 else shown[0]
