"""What is said about a change of a pool: to the log, to scripts, to the FIFO.

It is read off the difference between two line-ups, so nothing is said that is not so, and nothing twice. The order is
keepalived's: what happened to real servers, each with its notification, then the quorum, then the sorry server.
"""

from __future__ import annotations

from collections.abc import Sequence

from hakeep.config.settled_lvs import RealServer, VirtualServer
from hakeep.lvs import words
from hakeep.lvs.lineup import Health, Lineup, Standing, heard
from hakeep.lvs.messages import Effect, Tell
from hakeep.vrrp.messages import Level, Log


def beginning(settings: VirtualServer, now: Lineup, *, init_notifies: bool) -> list[Effect]:
    """A virtual server that is new. With `init_notifies` (rs_init_notifies) its real servers are told of as well."""
    told: list[Effect] = []
    if init_notifies:
        for server, standing in zip(settings.reals, now.reals, strict=True):
            told.append(_real_told(settings, server, standing.up))
    if now.quorum:
        told.append(Log(Level.INFO, words.gained(settings, now.total)))
    else:
        told.append(Log(Level.INFO, words.starts_down(settings, now.total)))
        if settings.sorry is not None:
            told.append(Log(Level.INFO, words.sorry(settings, settings.sorry, enters=True)))
    told.append(_virtual_told(settings, now.quorum))
    return told


def difference(settings: VirtualServer, before: Lineup, now: Lineup, healths: Sequence[Health]) -> list[Effect]:
    """A virtual server that goes on. Both line-ups are of the same real servers."""
    told: list[Effect] = []
    if now.panic and not before.panic:
        told.append(Log(Level.WARNING, words.panic(settings, *heard(healths))))
    for server, was, standing in zip(settings.reals, before.reals, now.reals, strict=True):
        if was.up != standing.up:
            told.append(Log(Level.INFO, _real_changed(settings, server, before, now, was, standing)))
            told.append(_real_told(settings, server, standing.up))
        if was.weight != standing.weight:
            line = words.weight(settings, server, was.weight, standing.weight, up=standing.up)
            told.append(Log(Level.INFO, line))
    if before.panic and not now.panic:
        told.append(Log(Level.NOTICE, words.panic_over(settings, *heard(healths))))
    if before.quorum != now.quorum:
        told += _quorum_changed(settings, before, now)
    elif (before.sorry or 0) != (now.sorry or 0) and settings.sorry is not None:  # a reload brought or took it
        told.append(Log(Level.INFO, words.sorry(settings, settings.sorry, enters=bool(now.sorry))))
    return told


def replaced(
    settings: VirtualServer, now: Lineup, old: VirtualServer, before: Lineup, *, init_notifies: bool
) -> list[Effect]:
    """A virtual server whose real servers are others since a reload: who is new, and who is not any more."""
    told: list[Effect] = []
    names = {(server.ip, server.port) for server in settings.reals}
    known = {(server.ip, server.port) for server in old.reals}
    for server, standing in zip(old.reals, before.reals, strict=True):
        if (server.ip, server.port) not in names:
            told.append(Log(Level.INFO, words.removed_by_reload(settings, server, up=standing.up)))
    for server, standing in zip(settings.reals, now.reals, strict=True):
        if (server.ip, server.port) not in known:
            if standing.present:
                told.append(Log(Level.INFO, words.service(settings, server, enters=True)))
            if init_notifies:
                told.append(_real_told(settings, server, standing.up))
    return told


def _real_changed(
    settings: VirtualServer, server: RealServer, before: Lineup, now: Lineup, was: Standing, standing: Standing
) -> str:
    if standing.up:
        if now.sorry and not now.quorum:
            return words.well_but_waits(settings, server, now.total)
        if before.panic and was.present is not None:
            return words.well_and_stayed(settings, server)
        note = words.slow(server.slow_start) if standing.slow_since is not None else ""
        return words.service(settings, server, enters=True, note=note)
    if now.panic and standing.present:
        return words.failed_but_stays(settings, server)
    if before.sorry and not before.quorum:
        return words.failed_but_out(settings, server)
    return words.service(settings, server, enters=False)


def _quorum_changed(settings: VirtualServer, before: Lineup, now: Lineup) -> list[Effect]:
    told: list[Effect] = []
    if now.quorum:
        told.append(Log(Level.INFO, words.gained(settings, now.total)))
    else:
        told.append(Log(Level.INFO, words.lost(settings, now.total)))
    if settings.sorry is not None:
        stayed = any(was.up and standing.up for was, standing in zip(before.reals, now.reals, strict=True))
        if stayed:
            told.append(Log(Level.INFO, words.alive_servers(settings, enter=now.quorum)))
        told.append(Log(Level.INFO, words.sorry(settings, settings.sorry, enters=not now.quorum)))
    told.append(_virtual_told(settings, now.quorum))
    return told


def ending(settings: VirtualServer, last: Lineup) -> list[Effect]:
    """The daemon stops: with `omega` what was up is told to be down, without it nothing is said."""
    if not settings.omega:
        return []
    servers = zip(settings.reals, last.reals, strict=True)
    told: list[Effect] = [_real_told(settings, server, False) for server, standing in servers if standing.up]
    if last.quorum:
        told.append(_virtual_told(settings, False))
    return told


def _real_told(settings: VirtualServer, server: RealServer, up: bool) -> Tell:
    return Tell(words.real_line(settings, server, up), server.notify_up if up else server.notify_down)


def _virtual_told(settings: VirtualServer, up: bool) -> Tell:
    return Tell(words.virtual_line(settings, up), settings.quorum_up if up else settings.quorum_down)
