"""How the state of links is learned: which are asked for their carrier, and which changes count only after a while."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hakeep.config.keywords.static import Config
from hakeep.config.settled import LinkBeat, LinkDelay, VrrpInstance


def settle_delays(config: Config, instances: Iterable[VrrpInstance]) -> tuple[LinkDelay, ...]:
    """interface_up_down_delays; of one interface the last entry counts. An instance's own link may not stay away for as
    long as its backup waits: a delay that is longer is cut to a little less (a rule says so)."""
    longest: dict[str, float] = {}
    for instance in instances:
        waits = (instance.down_timer_adverts - 1) * instance.advert_int
        most = max(0.0, waits - instance.advert_int / 256)
        longest[instance.interface] = min(most, longest.get(instance.interface, most))
    delays = {name: LinkDelay(name, min(down, longest.get(name, down)), min(up, longest.get(name, up)))
              for name, down, up in config.interface_up_down_delays}
    return tuple(delay for delay in delays.values() if delay.down or delay.up)


def settle_beats(config: Config, instances: Iterable[VrrpInstance]) -> tuple[LinkBeat, ...]:
    """The interfaces that linkbeat_interfaces names, and those that a linkbeat_use_polling means: of its instance, or
    without one all that matter to any."""
    instances = tuple(instances)
    beats: dict[str, LinkBeat] = {}
    for entry in config.linkbeat_interfaces:
        words = dict(entry)
        beats.setdefault(words["interface"], LinkBeat(words["interface"], words.get("method", "")))
    polled = {written.name for written in config.vrrp_instance if written.linkbeat_use_polling}
    for instance in instances:
        names = _interfaces(instance) if config.linkbeat_use_polling else (
            [instance.interface] if instance.name in polled and instance.interface else [])
        for name in names:
            beats.setdefault(name, LinkBeat(name, ""))
    return tuple(beats.values())


def _interfaces(instance: VrrpInstance) -> Iterator[str]:
    """All that the instance goes by."""
    if instance.interface:
        yield instance.interface
    yield from (entry.address.interface for entry in instance.addresses if entry.address.interface and entry.track)
    yield from (track.name for track in instance.tracks if track.kind == "interface")
